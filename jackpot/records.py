"""The contracts of what is written: recommendation.json, metadata.json and evaluation.json, versioned."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from .canonical import json_bytes

Status = Literal["recommended", "restoring", "infeasible"]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
IsoDate = Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]


ENOUGH_DRAWS: Final = 30
"""Ordinary draws under which a forecast is told to rest on few."""


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
    """Feasible jackpots worth, with the draws ahead, less than the best by at most `share` of its own draw's value."""

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
    shadow_price: float | None = Field(
        default=None,
        description="Value of a little more room where it binds: of one unit of currency for a bound on the jackpot, "
        "of a hundredth of the ratio, over the plan's horizon, for the payout ratio. Null for cash.",
    )


class CostOfConfidence(Record):
    """A point of the curve of value against confidence, over all policies: expected value of the plan's horizon."""

    confidence: float
    value: float
    share: float = Field(description="Of the most that the horizon is worth without the promise.")


class Attainable(Record):
    """With which confidence a promise can be kept at best, and what that costs; never given for cash."""

    constraint: str
    promised: float
    from_here: float = Field(description="Highest probability of keeping every test left in the named period.")
    from_period_start: float = Field(description="The same, as it was before the period's first draw.")
    under_plan: float = Field(description="With which the plan keeps them, from here.")
    value_share: float = Field(description="What the plan keeps of the value without the promise, from here.")
    curve: tuple[CostOfConfidence, ...] = ()
    remedies: tuple[str, ...] = Field(
        default=(), description="What would bring the promise within reach, if it is not."
    )


class PlannedDraw(Record):
    """A draw of the plan: the jackpot it will announce, and the payout ratio after it, as luck has it."""

    draw_date: IsoDate
    jackpot_p05: float
    jackpot_p50: float
    jackpot_p95: float
    ratio_p05: float | None = None
    ratio_p50: float | None = None
    ratio_p95: float | None = None
    breach_probability: float | None = Field(default=None, description="That the test at this draw fails; null: none.")


class Alternative(Record):
    """Another rule's jackpot for the same draw, beside the recommended one."""

    jackpot: float | None = Field(description="None where that rule has no answer.")
    expected_value: float | None
    gain: float | None = Field(
        description="What the recommendation is worth more, this draw and what it leads to under the plan."
    )
    feasible: bool
    reason: str = ""


class ElasticityAt(Record):
    """d log sales / d log jackpot at a jackpot, with its 90% band."""

    jackpot: float
    mean: float
    low_90: float
    high_90: float


class Sensitivity(Record):
    """What the plan answers where one input is another."""

    name: Literal["elasticity", "level", "prize_share"]
    value: float = Field(description="A factor; of prize_share the share of sales that other prizes are.")
    change: float = Field(description="Of that value, from where it is.")
    jackpot: float = Field(description="Announced then for this draw.")
    value_ahead: float = Field(description="Of this draw and the plan's horizon, less what it is as things stand.")


class Sensitivities(Record):
    """What the recommendation hangs on, the cash floor apart."""

    jackpot: float = Field(
        description="Announced as things stand: the recommended one, unless cash binds or the model is stopped."
    )
    inputs: tuple[Sensitivity, ...] = Field(
        description="Elasticity and level 10% down and up, other prizes a hundredth of sales down and up."
    )
    smallest: tuple[Sensitivity, ...] = Field(
        description="Of each input the smallest change found, either way, that moves the jackpot by a step or more."
    )
    unmoved: dict[str, float] = Field(description="By name, the largest change tried of an input that none moves.")
    value_of_information: float = Field(
        description="What this draw would gain if its mean sales were known before the jackpot is announced: the "
        "expected value of perfect information on the demand's samples, in units of currency."
    )


class ForecastPart(Record):
    """One part of a sales forecast: what it multiplies sales by (for `level`: sales themselves, in currency)."""

    name: str
    factor: float
    change: float | None = Field(
        default=None, description="The factor over that of the week before; null where there was no week before."
    )


class StoodOut(Record):
    """What stood out in a history: an undeclared special, a new price, or five draws that broke with the level."""

    draw_date: IsoDate
    kind: Literal["special", "price", "level"]
    what: str


class Explanation(Record):
    """What the median forecast at a jackpot is made of, what moved it in a week, and what stood out in the history."""

    jackpot: float
    median: float
    median_before: float | None = Field(description="Of the same draw at the same jackpot, from the week before.")
    draws_since: int = Field(description="Draws that the week before had not seen.")
    parts: tuple[ForecastPart, ...]
    stood_out: tuple[StoodOut, ...] = ()


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
    warnings: Sha256 | None = Field(default=None, description="Of the warnings found when the history was read.")
    cash_figures: Sha256 | None = None


class ModelNote(Record):
    """The demand model behind the figures."""

    name: str
    gates: Literal["passed", "failed", "untested"]
    wmape_pct: float | None = Field(description="None where there are too few draws to test on.")
    coverage_90_pct: float | None
    extrapolated: bool = Field(description="Whether the jackpot lies above the largest seen in training.")
    draws_seen: int | None = Field(
        default=None, description="Ordinary draws behind the forecast; 0: it comes from what other games teach alone."
    )


class Circumstances(Record):
    """What a recommendation was made under that stands in no data: told by its own record, for who computes it anew."""

    degraded: str | None = Field(default=None, description="What was out of reach, and what stood in for it.")
    stopped: str | None = Field(
        default=None, description="Why the model may not decide: the jackpot is then the last one, or the nearest."
    )

    def words(self) -> tuple[str, ...]:
        """Return them as warnings."""
        held = f"the model may not decide, so the last jackpot is kept, or the nearest allowed: {self.stopped}"
        return (*((self.degraded,) if self.degraded else ()), *((held,) if self.stopped else ()))


class Recommendation(Record):
    """recommendation.json: what to announce for one draw, and why.

    Version 2 is written where the model could not be tested: its figures are null then, and numbers in version 1.
    """

    schema_version: Literal["1", "2"] = "1"
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
    attainable: tuple[Attainable, ...] = ()
    planned_path: tuple[PlannedDraw, ...] = ()
    explanation: Explanation | None = None
    sensitivities: Sensitivities | None = Field(default=None, description="Null where they were not asked for.")
    infeasibility: Infeasibility | None = None
    circumstances: Circumstances | None = None
    model: ModelNote
    warnings: tuple[str, ...]
    metadata: InputHashes


class Metadata(Record):
    """metadata.json: where a recommendation comes from; times and run ids live here and nowhere else.

    Version 2 is written where no draw was held yet: it names no first and no last one.
    """

    schema_version: Literal["1", "2"] = "1"
    recommendation: Sha256
    inputs: InputHashes
    snapshot_uri: str
    snapshot_rows: int
    first_draw: IsoDate | None
    last_draw: IsoDate | None
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
    """One forecaster's errors over the test draws, one ahead; shares of sales are in percent. None: not tested."""

    name: str
    wmape_pct: float | None
    mase: float | None
    coverage_90_pct: float | None = Field(description="None for a forecaster without an interval too.")
    bias_pct: float | None = Field(description="Total forecast over total sales, less one.")
    width_90_pct: float | None = Field(default=None, description="Mean width of the 90% interval over the forecast.")
    pinball_pct: float | None = Field(default=None, description="Mean pinball loss at 5, 25, 50, 75, 95% over sales.")
    crps_pct: float | None = Field(default=None, description="Continuous ranked probability score over mean sales.")
    crps_log: float | None = Field(default=None, description="The same of log sales.")


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


class Method(Record):
    """How the figures were made, so that another can make them again."""

    test_share: float
    horizon: int = Field(description="Draws ahead, at most.")
    origin_stride: int = Field(description="Forecasts several draws ahead start after every so many draws.")
    origins: int
    bootstrap_replications: int
    bootstrap_seed: int
    interval_pct: float = Field(description="Coverage of the bootstrap intervals.")


class Uncertain(Record):
    """A figure over the test draws with its moving-block bootstrap error; None where too few draws give none."""

    value: float
    low_90: float | None
    high_90: float | None
    standard_error: float | None


class Slice(Record):
    """The errors over a part of the test draws."""

    name: str
    n: int
    wmape_pct: float
    bias_pct: float
    coverage_90_pct: float
    coverage_p_value: float = Field(
        description="Binomial probability that an interval which holds 90% holds no more of these draws than it did."
    )
    coverage_high_p_value: float = Field(description="And that it holds no fewer: small where it is too wide.")
    width_90_pct: float


class JackpotSlice(Slice):
    """The errors over a tenth (fewer, larger parts where draws are few) of the test draws by jackpot."""

    smallest_jackpot: float
    largest_jackpot: float


class Horizon(Slice):
    """The errors so many draws ahead, jackpots known, beside the naive forecasts from the same origins."""

    ahead: int
    mase: float
    crps_log: float
    baselines_wmape_pct: dict[str, float]


class Skill(Record):
    """The model beside another forecaster, over the same draws: 1 - its loss / the other's."""

    over: str
    skill: Uncertain | None = Field(description="By wMAPE. None where the other does not err.")
    crps_skill: float | None
    diebold_mariano: float | None = Field(description="Positive where the model errs less.")
    p_value: float | None = Field(description="Two-sided, of equal absolute errors.")
    lags: int | None


class Reliability(Record):
    """How often sales lay below a quantile."""

    level: float
    observed: float


class CentralInterval(Record):
    """How often sales lay in a central interval."""

    nominal_pct: float
    observed_pct: float


class Calibration(Record):
    """Whether the distribution is true: how often sales fell where it said."""

    reliability: tuple[Reliability, ...]
    intervals: tuple[CentralInterval, ...]
    pit: tuple[int, ...] = Field(description="Draws by tenth of the forecast's distribution in which sales fell.")
    pit_p_value: float | None = Field(description="Pearson's chi-square of equal tenths, draws taken as independent.")


class Residuals(Record):
    """What is left in the one-step errors of log sales, in standard deviations of the forecast."""

    mean: float
    standard_deviation: float
    autocorrelation: float = Field(description="At lag one.")
    ljung_box: float
    ljung_box_lags: int
    ljung_box_p_value: float
    mean_drift: float = Field(description="Rise of the mean over the window, by a straight line.")
    mean_drift_p_value: float
    scale_drift: float = Field(description="Rise of the mean absolute error over the window, as a share of it.")
    scale_drift_p_value: float


class WorstDraw(Record):
    """A draw that was forecast badly."""

    draw_date: IsoDate
    jackpot: float
    sales: float
    forecast: float
    share_of_error: float


class Finalist(Record):
    """A trial beside the default, by the whole model, on draws that no trial was chosen on."""

    trial: int
    settings: dict[str, float]
    screening_score: float = Field(description="Mean CRPS of log sales on the draws that trials were chosen on.")
    score: float = Field(description="The same on the draws after them.")
    improvement: float = Field(description="1 - its score / the default's.")
    p_value: float | None = Field(description="One-sided, of no improvement (Diebold-Mariano); null: none to test.")


class Tuning(Record):
    """tuning.json: where a model's settings come from. Trial 0 is the default; trials see the training window only."""

    schema_version: Literal["1"] = "1"
    market: str
    model: str
    snapshot: Sha256
    study: str = Field(description="Names draws, market file, space, seed and code: equal studies have equal trials.")
    seed: int
    trials_asked: int
    trials_done: int
    ended_by: Literal["trials", "seconds"] = Field(description="`seconds`: the clock decided how many trials ran.")
    first_origin: IsoDate | None = Field(description="First draw that trials were scored on.")
    first_confirmation: IsoDate | None = Field(description="First draw that finalists were compared on.")
    last_draw: IsoDate | None = Field(
        description="Last draw of the training window: nothing later was seen. None where no draw was held yet."
    )
    default_screening_score: float | None
    default_score: float | None
    margin: float = Field(description="Improvement that a market leaves the default for, at least.")
    level: float = Field(description="p-value, over the number of finalists, that it leaves the default for, at most.")
    finalists: tuple[Finalist, ...]
    chosen: int
    settings: dict[str, float] = Field(description="Factors on the default's settings; empty: the default.")
    reason: str


class Evaluation(Record):
    """evaluation.json: the back-test of a model and of the naive forecasts beside it.

    Version 1 held the first eleven keys; a reader of any version finds them at the same place. Version 3 is written
    where there are too few draws to test on: `n_test` is 0, the model's figures and the window's dates are null.
    """

    schema_version: Literal["1", "2", "3"] = "2"
    market: str
    n_train: int
    n_test: int
    first_test_date: IsoDate | None
    last_test_date: IsoDate | None
    model: Score
    baselines: dict[str, Score] = Field(description="Empty where there was nothing to test on.")
    specials: Specials
    gates: tuple[Gate, ...]
    passed: bool
    method: Method | None = None
    wmape_pct: Uncertain | None = None
    bias_pct: Uncertain | None = None
    skill: tuple[Skill, ...] = ()
    horizons: tuple[Horizon, ...] = ()
    by_jackpot: tuple[JackpotSlice, ...] = ()
    by_price: tuple[Slice, ...] = ()
    by_quarter: tuple[Slice, ...] = ()
    by_weekday: tuple[Slice, ...] = ()
    calibration: Calibration | None = None
    residuals: Residuals | None = Field(default=None, description="None below 20 test draws.")
    worst: tuple[WorstDraw, ...] = Field(default=(), description="The five draws with the largest absolute errors.")
    worst_share: float | None = Field(default=None, description="Their share of the sum of absolute errors.")
    tuning: Tuning | None = Field(default=None, description="Where the settings come from; null: the default's.")
    model_sha256: Sha256 | None = Field(default=None, description="Names the fitted model that this speaks for.")
    snapshot: Sha256 | None = Field(default=None, description="Of the draws.")


class GateLine(Record):
    """One line of gates.json."""

    name: str
    figure: float | None
    threshold: str
    verdict: Literal["passed", "failed", "not_examined"]
    reason: str


class AgainstChampion(Record):
    """The challenger beside the champion: errors of both settings, fitted before the window, over the same draws."""

    version: str
    model_sha256: Sha256
    same_settings: bool = Field(description="Only the parameters differ: the window cannot tell them apart.")
    draws_since: int = Field(description="Ordinary draws since the champion was trained.")
    n: int | None = None
    wmape_pct: float | None = None
    champion_wmape_pct: float | None = None
    gain: float | None = Field(default=None, description="1 - the challenger's error / the champion's.")
    p_value: float | None = Field(default=None, description="One-sided, of a challenger that is no better.")
    champion_better_p_value: float | None = Field(default=None, description="Of one that is no worse.")
    degrees_of_freedom: int | None = None


class DecisionBeside(Record):
    """This week's decision with either model, without cash figures, and its value in the champion's eyes."""

    draw_date: IsoDate
    champion_status: Status
    challenger_status: Status
    champion_jackpot: float | None
    challenger_jackpot: float | None
    champion_value: float | None
    challenger_value: float | None
    value_in_champions_eyes: float | None = Field(description="Of the challenger's jackpot.")


class Gates(Record):
    """gates.json: whether a candidate may follow the champion, line by line."""

    schema_version: Literal["1"] = "1"
    market: str
    model_name: str
    model_sha256: Sha256
    snapshot: Sha256
    market_file: Sha256
    as_of: IsoDate
    outcome: Literal["first", "challenger_better", "refresh", "tie", "champion_better", "not_comparable", "floor"] = (
        Field(description="first: no champion. refresh: newer parameters with its settings. floor: not good enough.")
    )
    summary: str
    champion: AgainstChampion | None
    decision: DecisionBeside | None
    lines: tuple[GateLine, ...]
    passed: bool = Field(description="Whether it is registered, and its approval asked for.")


class Checks(Record):
    """checks.json: what was found when a history was read, and where its snapshot comes from."""

    schema_version: Literal["1"] = "1"
    market: str
    as_of: IsoDate
    snapshot: Sha256
    market_file: Sha256
    source_uri: str
    source_version: str | None
    model_name: str = Field(description="In the registry: models fitted to synthetic draws have a name of their own.")
    rows: int
    quarantined: int
    next_jackpot: float | None
    warnings: tuple[str, ...]
    """One sentence each, with its place."""


class Detected(Record):
    """One thing that is watched, and what was found.

    A sequential detector has a statistic and its thresholds; what is plainly there or not (a price change, a fan left)
    has neither. Cash figures never stand here.
    """

    name: str
    state: Literal["quiet", "watch", "retrain", "not_checked"]
    evidence: str
    statistic: float | None = None
    watch_above: float | None = None
    retrain_above: float | None = None
    since: IsoDate | None = Field(default=None, description="First draw of the span that the statistic speaks of.")
    draws: int | None = Field(default=None, description="Draws in that span.")


class Monitor(Record):
    """monitor.json: whether the model in use still holds."""

    schema_version: Literal["1"] = "1"
    market: str
    title: str
    as_of: IsoDate
    snapshot: Sha256
    market_file: Sha256
    source_uri: str
    model: Sha256
    model_name: str
    model_version: str | None
    model_standing: Literal["champion", "candidate"]
    model_as_of: IsoDate = Field(description="The model was trained on draws before this day; those since are watched.")
    baseline_draws: int = Field(description="Draws before them that its errors are held against; 0: too few.")
    watched_draws: int
    draws_to_false_watch: int = Field(description="Stated average of all sequential detectors together.")
    draws_to_false_retrain: int
    detectors: tuple[Detected, ...]
    data: tuple[Detected, ...]
    fans: tuple[Detected, ...]
    wmape_pct: float | None = Field(description="Of the model over the draws of the alarm, else over those watched.")
    naive_wmape_pct: float | None = Field(description="Of what was sold last time, over the same draws.")
    verdict: Literal["nothing", "watch", "retrain", "stop"]
    cause: str = Field(description="What called for the verdict; none where there is nothing.")
    reason: str
