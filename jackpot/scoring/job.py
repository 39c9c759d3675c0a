"""A job from end to end: plan it, score the shards that are missing, write the manifest."""

from __future__ import annotations

import datetime as dt
from collections import Counter

from ..canonical import sha256
from ..demand.storage import model_hash
from ..errors import InputError, JackpotError, Problem
from ..store import Store
from .contract import FILES, SHARD_ROWS, File, Format, Manifest, Plan
from .model import MARKET, MODEL_FILES, SNAPSHOT, ScoringModel, load_scoring_model
from .reading import format_of, lay_out
from .rows import check_columns
from .shard import added_columns, shard_record

QUANTILES = (0.05, 0.95)


def plan_job(
    model: ScoringModel,
    version: str,
    file: File,
    store: Store,
    output_format: Format | None = None,
    quantiles: tuple[float, ...] = QUANTILES,
    shard_rows: int = SHARD_ROWS,
) -> Plan:
    """Read the input once, plan its scoring and leave plan and model in the store; return the plan.

    The same input, model and settings give the same job, whose finished shards are not scored again. Raises
    InputError where the input is no such file or its columns cannot be scored, or a quantile is none.
    """
    import pyarrow as pa

    form = format_of(file.uri)
    _check_quantiles(quantiles)
    layout = lay_out(file, form, shard_rows)
    check_columns(layout.schema, file.uri, added_columns(quantiles))
    plan = Plan(
        market=model.market.market,
        model=model_hash(model.files),
        model_version=version,
        snapshot=sha256(model.files[SNAPSHOT]),
        market_file=sha256(model.files[MARKET]),
        as_of=model.as_of.isoformat(),
        input_uri=file.uri,
        input_version=file.version,
        input_format=form,
        input_size=file.size,
        input_sha256=layout.sha256,
        input_rows=layout.rows,
        columns=tuple(layout.schema.names),
        output_format=output_format or form,
        quantiles=quantiles,
        writer=f"pyarrow {pa.__version__}, files {FILES}",
        shards=layout.shards,
    )
    for name, data in model.files.items():
        store.put_new(f"{plan.job}/model/{name}", data)
    store.replace(f"{plan.job}/plan.json", plan.to_bytes())
    return plan


def _check_quantiles(quantiles: tuple[float, ...]) -> None:
    found, names = ", ".join(f"{level:g}" for level in quantiles) or "none", added_columns(quantiles)
    if not quantiles or any(not 0 < level < 1 for level in quantiles):
        wrong = "a quantile must lie between 0 and 1"
    elif sorted(set(quantiles)) != list(quantiles) or len(set(names)) < len(names):
        wrong = "quantiles must ascend, each named once"
    else:
        return
    raise InputError(Problem(wrong, field="quantiles", found=found, allowed="such as 0.05,0.95"))


def read_plan(store: Store, job: str) -> Plan:
    """Return a job's plan."""
    return Plan.model_validate_json(store.read(f"{job}/plan.json"))


def read_model(store: Store, plan: Plan) -> ScoringModel:
    """Return a job's model."""
    files = {name: store.read(f"{plan.job}/model/{name}") for name in MODEL_FILES}
    return load_scoring_model(files, dt.date.fromisoformat(plan.as_of))


def missing_shards(plan: Plan, store: Store) -> list[int]:
    """Return the numbers of the shards that have no record yet, or not all of the files that it tells of."""
    keys = set(store.keys(plan.job))

    def done(number: int) -> bool:
        record = shard_record(plan, store, number) if plan.key("shards", number) in keys else None
        return record is not None and all(part.key in keys for part in record.files)

    return [number for number in range(len(plan.shards)) if not done(number)]


def collect(plan: Plan, store: Store) -> Manifest:
    """Write the manifest of a job whose shards are all done and return it; raise JackpotError where one is missing."""
    records = [shard_record(plan, store, number) for number in range(len(plan.shards))]
    found = [record for record in records if record is not None]
    if len(found) < len(records):
        raise JackpotError(f"{len(records) - len(found)} of {len(records)} shards are not scored; run the job again")
    reasons: Counter[str] = Counter()
    for record in found:
        reasons.update(record.reasons)
    manifest = Manifest(
        job=plan.job,
        market=plan.market,
        model=plan.model,
        model_version=plan.model_version,
        snapshot=plan.snapshot,
        market_file=plan.market_file,
        as_of=plan.as_of,
        input_uri=plan.input_uri,
        input_version=plan.input_version,
        input_sha256=plan.input_sha256,
        rows=sum(record.rows for record in found),
        scored=sum(record.scored for record in found),
        rejected=sum(record.rejected for record in found),
        extrapolated=sum(record.extrapolated for record in found),
        reasons=dict(sorted(reasons.items())),
        columns=(*plan.columns, *added_columns(plan.quantiles)),
        forecasts=tuple(record.forecasts for record in found if record.forecasts is not None),
        rejects=tuple(record.rejects for record in found if record.rejects is not None),
    )
    if manifest.rows != plan.input_rows or manifest.scored + manifest.rejected != manifest.rows:
        raise JackpotError(
            f"{plan.input_uri}: of {plan.input_rows} rows {manifest.scored} were scored and {manifest.rejected} "
            "rejected; the input changed while it was read"
        )
    store.replace(f"{plan.job}/manifest.json", manifest.to_bytes())
    return manifest
