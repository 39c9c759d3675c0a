"""report_policy: what all shards of a comparison of policies say together."""

from kfp import dsl
from kfp.dsl import Artifact, Dataset, Input, Metrics, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def report_policy(
    market_file: Input[Artifact],
    snapshot: Input[Dataset],
    checks: Input[Artifact],
    results: Input[list[Artifact]],
    kind: str,
    seed: int,
    happened: bool,
    environment: str,
    run_id: str,
    policies: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Put the shards together.

    Args:
        market_file: The market file.
        snapshot: The draws.
        checks: checks.json of the snapshot.
        results: The shards' runs.
        kind: simulated or backtest.
        seed: Of the luck.
        happened: Winners are those that won.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        policies: policies.json: value, breaches, cash lows and regret of each policy, with intervals.
        metrics: Their values, for the dashboard.
    """
    from pathlib import Path

    from jackpot.adapters.events import emit
    from jackpot.adapters.step import open_step

    with open_step("report_policy", environment, run_id) as places:
        from jackpot.decision.compare import ShardRuns
        from jackpot.steps.policy import kind_of, policy_key, report_policy
        from jackpot.steps.week import read_week

        week = read_week(Path(market_file.path), Path(snapshot.path), Path(checks.path))
        parts = [ShardRuns.model_validate_json(Path(one.path).read_bytes()) for one in results]
        report = report_policy(week, kind_of(kind), parts, int(seed), happened=happened)
        data = report.to_bytes()
        Path(policies.path).write_bytes(data)
        places.store.replace(policy_key(week, report), data)
        for one in report.policies:
            metrics.log_metric(f"value_{one.name}", one.value.value)
        emit("reported", key=policy_key(week, report))
