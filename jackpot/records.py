"""The contracts of what is written: recommendation.json, metadata.json and evaluation.json, versioned."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from .canonical import json_bytes

Status = Literal["recommended", "restoring", "infeasible"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
IsoDate = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


class Record(BaseModel):
    """A part of a written record: closed, so that a reader can rely on it."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def to_bytes(self) -> bytes:
        """Return canonical JSON: the same record gives the same bytes."""
        return json_bytes(self.model_dump(mode="json"))


class Interval(Record):
    """A forecast: its mean, median and the ends of its 90% interval, in units of currency."""

    mean: float
    median: float
    low_90: float
    high_90: float


class NearOptimal(Record):
    """Feasible jackpots whose expected value is within `share` of the best."""

    low: float
    high: float
    share: float


class ConstraintState(Record):
    """One constraint at the recommended jackpot (or at the least harmful one).

    Cash figures never stand here: for the cash floor `limit`, `value` and `distance` are null.
    """

    name: str = Field(description="e.g. payout_ratio_floor, cash_floor, cap, start, largest_change.")
    description: str = Field(description="In words, with its figure.")
    status: Literal["kept", "binding", "violated", "not_checked"]
    limit: float | None = None
    value: float | None = None
    distance: float | None = Field(default=None, description="How far `value` is on the safe side; negative: over it.")
    unit: Literal["currency", "share", "probability"] | None = None
    reason: str = Field(default="", description="Why it was not checked, or how it binds.")


class Alternative(Record):
    """Another rule's jackpot for the same draw, beside the recommended one."""

    jackpot: float | None = Field(description="None where that rule has no answer.")
    expected_value: float | None
    gain: float | None = Field(description="Expected value of the recommendation less this one's.")
    feasible: bool
    reason: str = ""


class ElasticityAt(Record):
    """d log sales / d log jackpot at a jackpot, with its 90% band."""

    jackpot: float
    mean: float
    low_90: float
    high_90: float


class Infeasibility(Record):
    """Why no jackpot can be recommended, and what would help."""

    constraint: str
    reason: str
    smallest_relaxation: str
    least_harmful_jackpot: float


class InputHashes(Record):
    """Hashes of the inputs, and of nothing else: two runs on the same inputs give the same bytes."""

    snapshot: Sha256
    market_file: Sha256
    model: Sha256
    cash_figures: Sha256 | None = None


class ModelNote(Record):
    """The demand model behind the figures."""

    name: str
    gates: Literal["passed", "failed"]
    wmape_pct: float
    coverage_90_pct: float
    extrapolated: bool = Field(description="Whether the jackpot lies above the largest seen in training.")


class Recommendation(Record):
    """recommendation.json: what to announce for one draw, and why."""

    schema_version: Literal["1"] = "1"
    market: str
    title: str
    currency: str
    draw_date: IsoDate
    as_of: IsoDate
    status: Status
    jackpot: float | None = Field(description="None where the status is infeasible.")
    expected_value: float | None
    expected_value_90: tuple[float, float] | None = Field(description="From the demand's uncertainty.")
    expected_sales: Interval | None
    expected_jackpot_payout: float | None
    expected_secondary_prizes: float | None
    win_probability: float | None
    near_optimal: NearOptimal | None
    binding_constraint: str | None
    constraints: tuple[ConstraintState, ...]
    elasticity: tuple[ElasticityAt, ...]
    keep_last: Alternative
    seed_rule: Alternative
    infeasibility: Infeasibility | None = None
    model: ModelNote
    warnings: tuple[str, ...]
    metadata: InputHashes


class Metadata(Record):
    """metadata.json: where a recommendation comes from; times and run ids live here and nowhere else."""

    schema_version: Literal["1"] = "1"
    recommendation: Sha256
    inputs: InputHashes
    snapshot_uri: str
    snapshot_rows: int
    first_draw: IsoDate
    last_draw: IsoDate
    source_uri: str
    source_version: str | None
    market_file: str
    model_name: str
    model_version: str | None = Field(description="Registry version in use, e.g. v3; none where it is unregistered.")
    model_standing: Literal["champion", "candidate"]
    code_commit: str | None
    code_dirty: bool | None
    image: str | None
    lock: Sha256 | None
    python: str
    environment: str
    run_id: str
    started_at: str
    finished_at: str
    seed: int


class Score(Record):
    """One forecaster's errors over the test draws."""

    name: str
    wmape_pct: float
    mase: float
    coverage_90_pct: float | None = Field(description="None for a forecaster without an interval.")
    bias_pct: float = Field(description="Total forecast over total sales, less one.")


class Specials(Record):
    """Declared specials in the test window, which count in no other figure."""

    n: int
    mape_pct: float | None


class Gate(Record):
    """One test that a model passes or fails."""

    name: str
    value: float | None
    must: str
    passed: bool
    reason: str


class Evaluation(Record):
    """evaluation.json: the back-test of a model and of the naive forecasts beside it."""

    schema_version: Literal["1"] = "1"
    market: str
    n_train: int
    n_test: int
    first_test_date: IsoDate
    last_test_date: IsoDate
    model: Score
    baselines: dict[str, Score]
    specials: Specials
    gates: tuple[Gate, ...]
    passed: bool


class Checks(Record):
    """checks.json: what was found when a history was read, and where its snapshot comes from."""

    schema_version: Literal["1"] = "1"
    market: str
    as_of: IsoDate
    snapshot: Sha256
    market_file: Sha256
    source_uri: str
    source_version: str | None
    rows: int
    quarantined: int
    next_jackpot: float | None
    warnings: tuple[str, ...]
    """One sentence each, with its place."""
