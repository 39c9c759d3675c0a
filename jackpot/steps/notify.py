"""notify: the exit handler tells how a run ended, on success and on failure."""

from __future__ import annotations

import json

from ..ports import Notice
from ..records import Recommendation
from ..store import MissingObjectError, Store


def notice_of(market: str, run_id: str, state: str, store: Store, run_link: str | None) -> Notice:
    """Return what to say of a run: its recommendation, its infeasibility, or the step that failed and why.

    `state` is KFP's final status; the step and its error come from the record that the step itself left.
    """
    link = run_link.format(run_id=run_id) if run_link else None
    if state != "SUCCEEDED":
        failures = [json.loads(store.read(key)) for key in store.keys(f"runs/{run_id}") if "/failure-" in key]
        said = "; ".join(f"{failure['step']}: {failure['message']}" for failure in failures)
        return Notice(market, run_id, "failed", said or f"the run ended as {state}, and no step said why", link)
    try:
        result = json.loads(store.read(f"runs/{run_id}/result.json"))
    except MissingObjectError:
        return Notice(market, run_id, "failed", "the run succeeded without publishing a recommendation", link)
    record = Recommendation.model_validate_json(store.read(f"{result['prefix']}/recommendation.json"))
    if record.infeasibility is not None:
        text = f"no jackpot can be recommended for {record.draw_date}: {record.infeasibility.reason}"
    else:
        text = f"announce {record.currency} {record.jackpot:,.0f} for {record.draw_date}"
    return Notice(market, run_id, record.status, text, link)
