"""register: a model that passed its gates becomes a version in the registry."""

from kfp import dsl
from kfp.dsl import Artifact, Input

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def register(
    checks: Input[Artifact],
    gates: Input[Artifact],
    logged: str,
    environment: str,
    run_id: str,
) -> str:
    """Register the candidate; a market's first is champion at once where the environment says `bootstrap`.

    Args:
        checks: checks.json of the snapshot.
        gates: gates.json of the candidate.
        logged: The registry's URI of the logged candidate; empty where the registry was out of reach.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.

    Returns:
        The version that waits for approval, as name/version/hash; empty where none does.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("register", environment, run_id) as places:
        from jackpot.adapters.clock import now
        from jackpot.adapters.run_record import code_version
        from jackpot.records import Checks
        from jackpot.steps.register import register

        if not logged:
            emit("not-registered", reason="the registry was out of reach, so the candidate is not logged there")
            return ""
        record = Checks.model_validate_json(Path(checks.path).read_bytes())
        done = register(
            record,
            Path(gates.path).read_bytes(),
            logged,
            places.promoter(record.market, record.model_name, f"run:{run_id}", now()),
            code_version(),
            run_id,
            places.environment.bootstrap,
        )
        alias = "champion" if done.champion else "challenger"
        emit("registered", market=record.market, version=done.version.version, alias=alias)
    return "" if done.champion else done.version.reference(record.model_name)
