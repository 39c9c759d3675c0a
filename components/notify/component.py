"""notify: the exit handler tells how a run ended, on success and on failure."""

from kfp import dsl

from components import IMAGE


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def notify(status: dsl.PipelineTaskFinalStatus, market: str, environment: str, run_id: str) -> None:
    """Send a message about the run.

    Args:
        status: The state in which the run's steps ended.
        market: The market.
        environment: Name under configs/environments/, or a path.
        run_id: The pipeline run's id.
    """
    from jackpot.adapters.step import open_step

    with open_step("notify", environment, run_id) as places:
        from jackpot.steps.notify import notice_of

        notice = notice_of(market, run_id, status.state, places.store, places.environment.run_link)
        places.tell(notice)
