"""collect_backfill: put what was recommended for past draws into one table."""

from kfp import dsl
from kfp.dsl import Markdown, Output

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def collect_backfill(
    market: str, prefixes: list[str], environment: str, run_id: str, summary: Output[Markdown]
) -> None:
    """Collect what the draws left.

    Args:
        market: Name under configs/markets/, or a path.
        prefixes: Where in the store each recommendation lies.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
        summary: The draws, a line each.
    """
    from pathlib import Path

    from jackpot.adapters.step import open_step

    with open_step("collect_backfill", environment, run_id) as places:
        from jackpot.canonical import write_atomically
        from jackpot.steps.backfill import conclude, table

        done = conclude(Path(market).stem, prefixes, run_id, places.store)
        write_atomically(Path(summary.path), table(done).encode())
