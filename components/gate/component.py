"""gate: one bare bool, which the pipeline's condition reads."""

from kfp import dsl
from kfp.dsl import Artifact, Input

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(gates: Input[Artifact]) -> bool:
    """Tell whether the candidate passed every gate.

    Args:
        gates: gates.json.

    Returns:
        Whether it may be registered.
    """
    import json
    from pathlib import Path

    return bool(json.loads(Path(gates.path).read_bytes())["passed"])
