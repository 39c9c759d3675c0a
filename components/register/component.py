"""register: a model that passed its gates becomes a version in the registry."""

from kfp import dsl
from kfp.dsl import Artifact, Input, Model

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    checks: Input[Artifact],
    model: Input[Model],
    logged: str,
    environment: str,
    run_id: str,
) -> str:
    """Register the candidate.

    Args:
        checks: checks.json of the snapshot.
        model: The candidate.
        logged: The registry's URI of the logged candidate.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        Version and alias, e.g. "v3 challenger".
    """
    from pathlib import Path

    from jackpot.adapters.step import emit, open_step

    with open_step("register", environment, run_id) as places:
        from jackpot.records import Checks
        from jackpot.steps.register import register

        record = Checks.model_validate_json(Path(checks.path).read_bytes())
        version, alias = register(record, Path(model.path), logged, places.registry, places.environment.bootstrap)
        emit("registered", market=record.market, version=version, alias=alias)
    return f"{version} {alias}"
