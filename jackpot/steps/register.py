"""register: a model that passed its gates becomes a version in the registry; the first may be champion at once."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from ..approval import Caller, request
from ..audit import AuditLog
from ..canonical import sha256
from ..errors import JackpotError
from ..lineage import CodeVersion
from ..market.schema import Governance
from ..ports import Notice
from ..promotion import Promoter, Version
from ..promotion.versions import GATES, file_hashes, keep_version, load_version, tags_hash
from ..records import Checks, Gates


@dataclass(frozen=True)
class Registered:
    """A registered version, and whether it is champion; the others ask for approval."""

    version: Version
    champion: bool


def register(
    checks: Checks, gates: bytes, logged: str, promoter: Promoter, code: CodeVersion, run_id: str, bootstrap: bool
) -> Registered:
    """Register the logged candidate and keep its files in the store.

    Where the market has no champion and `bootstrap` allows it, it becomes that at once, which the audit log records;
    else it gets the alias `challenger`.
    """
    verdict, name = Gates.model_validate_json(gates), checks.model_name
    tags = {
        "market": checks.market,
        "as_of": checks.as_of,
        "snapshot": checks.snapshot,
        "market_file": checks.market_file,
        "gates": sha256(gates),
        "run_id": run_id,
        "commit": code.commit or "",
        "dirty": str(code.dirty),
        "image": code.image or "",
        "lock": code.lock_sha256 or "",
        "python": code.python,
    }
    registry = promoter.registry
    # In a registry that has lost its versions this one would get the number of another.
    promoter.restore()
    version = Version(registry.register(name, logged, verdict.model_sha256, tags), verdict.model_sha256)
    keep_version(name, version, registry.load(name, version.version).files, promoter.store, tags)
    if bootstrap and promoter.bootstrap(version):
        return Registered(version, champion=True)
    registry.set_aliases(name, {"challenger": version.version})
    return Registered(version, champion=False)


def evidence_of(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Return what an approval rests on: the gates, the comparison, this week's change, and every file's hash."""
    gates = Gates.model_validate_json(files[GATES])
    return {
        "summary": gates.summary,
        "gates": [{**line.model_dump(mode="json"), "passed": line.verdict != "failed"} for line in gates.lines],
        "comparison": gates.champion.model_dump(mode="json") if gates.champion else None,
        "this_week": gates.decision.model_dump(mode="json") if gates.decision else None,
        "snapshot": gates.snapshot,
        "files": dict(file_hashes(files)),
    }


def request_approval(version: Version, promoter: Promoter, trained_by: Caller, governance: Governance) -> str:
    """Ask for a challenger's approval, with its evidence; return the request's id. Asking again changes nothing."""
    files = load_version(promoter.model_name, version, promoter.store, promoter.registry).files
    expires = dt.datetime.fromisoformat(promoter.at) + dt.timedelta(days=governance.approval_days)
    entry = request(
        promoter.log,
        model_name=promoter.model_name,
        version=version.version,
        model_sha256=version.sha256,
        evidence=evidence_of(files) | tags_hash(promoter.model_name, version, promoter.store),
        trained_by=trained_by,
        four_eyes=governance.four_eyes,
        at=promoter.at,
        expires_at=expires.isoformat(),
    )
    return entry.subject


def approval_notice(log: AuditLog, request_id: str, run_id: str, run_link: str | None) -> Notice:
    """Return what to say when an approval is asked for: the sentence, and a line for each gate."""
    asked = log.find("approval_request", request_id)
    if asked is None:
        raise JackpotError(f"there is no request {request_id}")
    evidence = cast("dict[str, Any]", asked.body["evidence"])
    version, expires = asked.body["version"], asked.body["expires_at"]
    return Notice(
        log.market,
        run_id,
        "approval",
        f"{version} asks to be champion, until {expires}: {evidence['summary']}; "
        f"jackpot approve {log.market} {request_id} --reason ...",
        run_link.format(run_id=run_id) if run_link else None,
        tuple(f"{line['name']}: {line['verdict']}, {line['reason']}" for line in evidence["gates"]),
        {"market": log.market, "request": request_id, "evidence_sha256": str(asked.body["evidence_sha256"])},
    )
