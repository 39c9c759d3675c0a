"""A recommendation computed anew: identical, or which input differs and by how much."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ValidationError

from ..canonical import json_bytes, sha256
from ..cash import Cash
from ..demand.storage import ARRAYS, SCALARS, model_hash
from ..errors import InputError, JackpotError
from ..lineage import CodeVersion
from ..records import Checks, Evaluation, Recommendation, Record
from ..steps.model_in_use import ModelInUse, Standing
from ..steps.optimise import decide_week
from ..steps.week import Week, week_of
from .compare import FieldDifference, json_differences, market_differences, snapshot_differences
from .find import Stored


class InputDifference(Record):
    """An input that is not the recorded one."""

    name: str
    recorded: str | None
    found: str | None
    fields: tuple[FieldDifference, ...] = ()
    """By how much, where a copy of the recorded one is kept; never of cash."""


class Replay(Record):
    """What a replay found."""

    verdict: Literal["identical", "differs"]
    recommendation: str
    draw_date: str
    computed: str | None
    """SHA-256 of what was computed; none where an input is missing or damaged beyond reading."""
    reason: str
    inputs: tuple[InputDifference, ...]
    """Data that differ: any of them can change the recommendation."""
    code: tuple[InputDifference, ...]
    """What ran then and what runs now, where it differs: commit, uncommitted changes, lock, image, Python."""
    fields: tuple[FieldDifference, ...]
    """How the computed recommendation differs from the stored one."""


def replay(stored: Stored, cash: Cash | None, code: CodeVersion) -> Replay:
    """Compute a stored recommendation anew with what is found of its inputs, and compare.

    `cash` are the figures found, from the restricted store or from the caller. Nothing is raised for an input that is
    missing or changed: that is what is told.
    """
    differing = _inputs(stored, cash)
    computed, reason = _computed(stored, cash)
    changed = () if computed is None else json_differences(stored.recommendation, computed)
    same = computed == stored.recommendation and not differing
    ran = _code(stored, code)
    if not reason:
        reason = _reason(same, differing, ran, changed)
    return Replay(
        verdict="identical" if same else "differs",
        recommendation=stored.metadata.recommendation,
        draw_date=stored.prefix.split("/")[2],
        computed=None if computed is None else sha256(computed),
        reason=reason,
        inputs=differing,
        code=ran,
        fields=changed,
    )


def _computed(stored: Stored, cash: Cash | None) -> tuple[bytes | None, str]:
    """Return recommendation.json computed anew, or why it cannot be."""
    missing = sorted(name for name, data in stored.files.items() if data is None)
    if stored.metadata.inputs.cash_figures is not None and cash is None:
        missing.append("cash figures")
    if missing:
        return None, f"not computed: missing {', '.join(missing)}"
    try:
        made = Recommendation.model_validate_json(stored.recommendation).circumstances
        return decide_week(_week(stored), _model(stored), cash, made).recommendation.to_bytes(), ""
    except (JackpotError, ValidationError) as error:
        return None, f"not computed: {str(error).splitlines()[0]}"


def _week(stored: Stored) -> Week:
    market, snapshot = _there(stored, "market.yaml"), _there(stored, "snapshot")
    checks = Checks.model_validate_json(_there(stored, "checks.json"))
    hashes = {"snapshot": sha256(snapshot), "market_file": sha256(market)}
    return week_of(market, snapshot, checks.model_copy(update=hashes))


def _model(stored: Stored) -> ModelInUse:
    files = {name: _there(stored, f"model/{name}") for name in (SCALARS, ARRAYS)}
    evaluation = Evaluation.model_validate_json(_there(stored, "model/evaluation.json"))
    meta = stored.metadata
    return ModelInUse.of(files, evaluation, Standing(standing=meta.model_standing, version=meta.model_version))


def _there(stored: Stored, name: str) -> bytes:
    return stored.files[name] or b""


def _inputs(stored: Stored, cash: Cash | None) -> tuple[InputDifference, ...]:
    """Return the data that are not what was recorded."""
    recorded, found = stored.metadata.inputs, stored.files
    told = stored.told or stored.metadata
    pairs: list[tuple[str, str | None, str | None, str]] = [
        ("recommendation", stored.metadata.recommendation, sha256(stored.recommendation), ""),
        ("snapshot", recorded.snapshot, _hash(found["snapshot"]), "snapshot"),
        ("market file", recorded.market_file, _hash(found["market.yaml"]), "market.yaml"),
        ("model", recorded.model, _model_hash(stored), f"model/{SCALARS}"),
        ("cash figures", recorded.cash_figures, cash.sha256 if cash is not None else None, ""),
        ("warnings", recorded.warnings, _warnings_hash(found["checks.json"]), "checks.json"),
        ("seed", str(stored.metadata.seed), _seed(stored), ""),
    ]
    for name, file in (("checks", "checks.json"), ("model evaluation", "model/evaluation.json")):
        if file in stored.hashes:
            pairs.append((name, stored.hashes[file], _hash(found[file]), file))
    agreed = ("recommendation", "inputs", "seed", "snapshot_uri", "market_file")
    claims = [
        json_bytes({name: getattr(m, name) for name in agreed} | {"inputs": m.inputs.model_dump()})
        for m in (stored.metadata, told)
    ]
    differing = [
        InputDifference(name=name, recorded=before, found=now, fields=_by_how_much(stored, file))
        for name, before, now, file in pairs
        if before != now
    ]
    if claims[0] != claims[1]:
        fields = json_differences(*claims)
        differing.append(
            InputDifference(name="metadata.json", recorded=sha256(claims[0]), found=sha256(claims[1]), fields=fields)
        )
    return tuple(differing)


def _by_how_much(stored: Stored, file: str) -> tuple[FieldDifference, ...]:
    before, now = stored.copies.get(file), stored.files.get(file)
    if before is None or now is None or before == now:
        return ()
    if file == "market.yaml":
        return market_differences(before, now, file)
    if file == "snapshot":
        from ..market.loading import parse_market

        market = stored.copies.get("market.yaml") or stored.files["market.yaml"] or b""
        try:
            return snapshot_differences(before, now, parse_market(market, "market.yaml"))
        except InputError:
            return ()
    return json_differences(before, now)


def _code(stored: Stored, code: CodeVersion) -> tuple[InputDifference, ...]:
    then = stored.metadata
    pairs: dict[str, tuple[Any, Any]] = {
        "code commit": (then.code_commit, code.commit),
        "uncommitted changes": (then.code_dirty or None, code.dirty or None),
        "lock": (then.lock, code.lock_sha256),
        "image": (then.image, code.image),
        "python": (then.python, code.python),
    }
    return tuple(
        InputDifference(name=name, recorded=_text(before), found=_text(now))
        for name, (before, now) in pairs.items()
        if before != now
    )


def _reason(
    same: bool,
    inputs: tuple[InputDifference, ...],
    code: tuple[InputDifference, ...],
    changed: tuple[FieldDifference, ...],
) -> str:
    names = ", ".join(difference.name for difference in (*inputs, *(() if same else code)))
    if same:
        return "every input and every byte is as it was"
    if inputs:
        return f"differs: {names}"
    if code:
        return f"the data are as they were; what ran was another: {names}"
    largest = max((abs(field.relative) for field in changed if field.relative is not None), default=0.0)
    return f"data, code and lock are as they were: this machine's arithmetic, by {largest:.1e} at most"


def _hash(data: bytes | None) -> str | None:
    return None if data is None else sha256(data)


def _model_hash(stored: Stored) -> str | None:
    files = {name: stored.files[f"model/{name}"] for name in (SCALARS, ARRAYS)}
    there = {name: data for name, data in files.items() if data is not None}
    return model_hash(there) if len(there) == len(files) else None


def _warnings_hash(checks: bytes | None) -> str | None:
    try:
        return sha256(json_bytes(list(Checks.model_validate_json(checks or b"").warnings)))
    except ValidationError:
        return None


def _seed(stored: Stored) -> str:
    from ..market.loading import parse_market

    try:
        return str(parse_market(stored.files["market.yaml"] or b"", "market.yaml").decision.seed)
    except InputError:
        return str(stored.metadata.seed)  # the market file is told of, not its seed


def _text(value: object) -> str | None:
    return None if value is None else str(value)
