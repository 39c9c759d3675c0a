"""notify: the exit handler tells how a run ended, on success and on failure."""

from __future__ import annotations

import json
import re
from pathlib import PurePath
from typing import Final

from ..ports import Notice
from ..records import Monitor, Recommendation
from ..store import MissingObjectError, Store

SECRETS: Final = re.compile(
    r"(?<=://)[^\s/@]+(?=@)"  # user and password in an address
    r"|xox[abeprs]-[\w-]+|xapp-[\w-]+"  # Slack
    r"|(?:AKIA|ASIA)[A-Z0-9]{16}"  # AWS
    r"|(?i:(?<=bearer )[\w.~+/=-]{8,}|(?<=signature=)[\w%+/=-]+)"
)


def redacted(text: str) -> str:
    """Return a text with what looks like a credential blotted out."""
    return SECRETS.sub("[redacted]", text)


def link_of(run_link: str | None, run_id: str) -> str | None:
    """Return a run's page."""
    return run_link.format(run_id=run_id) if run_link else None


def started(market: str, run_id: str, run_link: str | None) -> Notice:
    """Return what to say when a run begins."""
    return Notice(PurePath(market).stem, run_id, "started", "a run has started", link_of(run_link, run_id))


def notice_of(market: str, run_id: str, state: str, store: Store, run_link: str | None) -> Notice:
    """Return what to say of a run: its recommendation, its infeasibility, its champion, or what failed and why.

    `state` is KFP's final status; the step and its error come from the record that the step itself left.
    """
    link, market = link_of(run_link, run_id), PurePath(market).stem
    if state != "SUCCEEDED":
        failures = [json.loads(store.read(key)) for key in store.keys(f"runs/{run_id}") if "/failure-" in key]
        said = "; ".join(f"{failure['step']}: {failure['message']}" for failure in failures)
        log = tuple(line for failure in failures for line in failure.get("log", ()))
        return Notice(market, run_id, "failed", said or f"the run ended as {state}, and no step said why", link, log)
    try:
        promoted = json.loads(store.read(f"runs/{run_id}/promotion.json"))
        return Notice(market, run_id, "promoted", f"{promoted['version']} is champion", link)
    except MissingObjectError:
        pass
    try:
        result = json.loads(store.read(f"runs/{run_id}/result.json"))
    except MissingObjectError:
        return Notice(market, run_id, "failed", "the run succeeded without publishing a recommendation", link)
    if "backfill" in result:
        return Notice(market, run_id, "backfilled", f"{len(result['backfill'])} past draws recommended for", link)
    if "monitor" in result:
        found = Monitor.model_validate_json(store.read(result["monitor"]))
        return Notice(market, run_id, found.verdict, f"monitor: {found.verdict}: {found.reason}", link)
    record = Recommendation.model_validate_json(store.read(f"{result['prefix']}/recommendation.json"))
    if record.infeasibility is not None:
        text = f"no jackpot can be recommended for {record.draw_date}: {record.infeasibility.reason}"
    else:
        text = f"announce {record.currency} {record.jackpot:,.0f} for {record.draw_date}"
    return Notice(market, run_id, record.status, text, link)
