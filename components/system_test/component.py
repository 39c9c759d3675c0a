"""system_test: whether the candidate answers where it was deployed, as its model does; a run ends here if not."""

from kfp import dsl
from kfp.dsl import Artifact, Metrics, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def system_test(
    market: str,
    model: str,
    environment: str,
    run_id: str,
    report: Output[Artifact],
    metrics: Output[Metrics],
) -> str:
    """Test the server of a market's candidate; fail where a check fails.

    Args:
        market: Name under configs/markets/, or a path.
        model: The candidate, as name/version/hash.
        environment: Name under configs/environments/, or a path; it has the thresholds.
        run_id: The pipeline run's id.
        report: system-test.json.
        metrics: The figures.

    Returns:
        The candidate, as it came.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("system-test", environment, run_id) as places:
        from jackpot.adapters.candidate import candidate_server
        from jackpot.market.loading import load_market
        from jackpot.promotion import Version
        from jackpot.steps.system_test import registered_model, run_system_test

        name, version = Version.parse(model)
        of = load_market(market).market.market
        given = registered_model(of, name, version, places.store, places.registry)
        with candidate_server(places, of) as server:
            made = run_system_test(server.url, server, f"{of}-candidate", given, places.environment.system_test)
        Path(report.path).write_bytes(made.to_bytes())
        for figure, value in made.figures().items():
            metrics.log_metric(figure, value)
        emit("tested", market=of, version=version.version, passed=made.passed)
        made.require()
    return model
