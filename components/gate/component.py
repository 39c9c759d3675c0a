"""gate: one bare bool, which the pipeline's condition reads."""

from kfp import dsl
from kfp.dsl import Artifact, Input

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def gate(evaluation: Input[Artifact]) -> bool:
    """Tell whether the candidate passed every gate.

    Args:
        evaluation: evaluation.json.

    Returns:
        Whether it may be registered.
    """
    import json
    from pathlib import Path

    return bool(json.loads(Path(evaluation.path).read_bytes())["passed"])
