"""The contract of a market file: all that is particular to a market, strict and documented.

Money is in units of the market's currency (5_000_000, never 5 for five million), shares are fractions (0.25, never
25), odds are "one in" (45_454_545, never 2.2e-8). Dates are ISO 8601. Unknown keys are refused.
"""

from __future__ import annotations

import datetime as dt
import math
import zoneinfo
from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, field_validator
from pydantic_core import PydanticCustomError

from ..strict_yaml.section import Date, KeyPath, Section
from .demand_models import ModelName

Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

LARGEST_GRID = 1_000_000
"""The most steps between the smallest and the largest jackpot: more is a step in another unit than the jackpot."""


def _day_of_a_year(value: str) -> str:
    try:
        dt.date.fromisoformat(f"2000-{value}")
    except ValueError:
        raise PydanticCustomError("month_day", "no year has this day") from None
    return value


Money = Annotated[float, Field(ge=0, le=1e15)]
PositiveMoney = Annotated[float, Field(gt=0, le=1e15)]
Share = Annotated[float, Field(ge=0, le=1)]
Probability = Annotated[float, Field(ge=0.5, lt=1)]
OddsOneIn = Annotated[float, Field(ge=1, le=1e12)]
MonthDay = Annotated[
    str,
    Field(pattern=r"^(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$", examples=["12-31"]),
    AfterValidator(_day_of_a_year),
]
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$", examples=["england"])]


RegimeT = TypeVar("RegimeT", bound="Regime")


def _distinct(value: tuple[Weekday, ...]) -> tuple[Weekday, ...]:
    if len(set(value)) < len(value):
        raise ValueError("a weekday is listed twice")
    return value


Weekdays = Annotated[tuple[Weekday, ...], Field(strict=False, min_length=1), AfterValidator(_distinct)]


class Regime(Section):
    """What holds from a date on."""

    starts: Date = Field(description="First draw date on which it holds.")


def _in_order(regimes: tuple[RegimeT, ...]) -> tuple[RegimeT, ...]:
    for earlier, later in pairwise(regimes):
        if later.starts <= earlier.starts:
            raise ValueError(
                f"regimes must be in order, each starting later than the one before: {later.starts} follows "
                f"{earlier.starts}"
            )
    return regimes


class PriceRegime(Regime):
    """The price of a ticket from a date on."""

    price: PositiveMoney = Field(description="Price of one ticket, in units of the currency.")
    note: str = Field(default="", description="What changed with it.")


class Tier(Section):
    """A prize class below the jackpot: fixed (`prize`) or pari-mutuel (`share_of_sales`)."""

    name: Annotated[str, Field(min_length=1, max_length=40)] = Field(description="As in the rules, e.g. '5+0'.")
    odds_one_in: OddsOneIn = Field(description="One ticket in so many wins this class.")
    prize: PositiveMoney | None = Field(default=None, description="Fixed prize of one winner.")
    share_of_sales: Share | None = Field(default=None, description="Pool of a pari-mutuel class, as a share of sales.")

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """A tier is of one kind."""
        if (self.prize is None) == (self.share_of_sales is None):
            yield ("prize",), "a tier has either a fixed `prize` or a `share_of_sales`, exactly one of them"


class Pool(Section):
    """The pool of a rollover game: what carries over until the jackpot is won."""

    share_of_sales: Share = Field(description="Share of each draw's sales that goes into the jackpot pool.")
    opening: Money = Field(default=0.0, description="What the pool holds where a history does not say.")
    cap: PositiveMoney | None = Field(
        default=None, description="The most it holds: what comes in above goes to the tiers below in the same draw."
    )

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """It opens at its cap or below."""
        if self.cap is not None and self.opening > self.cap:
            yield ("cap",), f"the pool's cap {self.cap:,.12g} is below its opening {self.opening:,.12g}"


class MustBeWon(Section):
    """Draws that pay the pool out in any case: where nobody wins the jackpot, it rolls down to the tiers below."""

    specials: tuple[Name, ...] = Field(default=(), strict=False, description="Names of calendar.specials.")
    after_rollovers: Annotated[int, Field(ge=1, le=100)] | None = Field(
        default=None, description="The draw after so many in a row that nobody won."
    )

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """It names draws."""
        if not self.specials and self.after_rollovers is None:
            yield ("after_rollovers",), "say which draws must be won: `specials`, `after_rollovers` or both"


class Postcode(Section):
    """A postcode game: all tickets of the drawn postcode win together."""

    tickets_per_postcode: Annotated[float, Field(ge=1, le=1e6)] = Field(description="Mean number of tickets in one.")
    log_sd: Annotated[float, Field(ge=0, le=3)] = Field(
        default=0.5, description="Spread of that number over postcodes, as the standard deviation of its log."
    )


class Game(Section):
    """How a draw pays out."""

    payout: Literal["shared", "per_winner", "rollover", "postcode"] = Field(
        description="shared: J once if anyone wins; per_winner: J to each; rollover: the pool, at least J, once if "
        "anyone wins; postcode: J once if the drawn postcode holds a ticket, and its tickets win together."
    )
    jackpot_odds_one_in: OddsOneIn = Field(description="One ticket in so many wins the jackpot.")
    conscious_selection: Annotated[float, Field(gt=0, le=1)] = Field(
        default=1.0,
        description="Players choose numbers alike: P(nobody wins) = exp(-c N p). 1 where picks are independent.",
    )
    tiers: tuple[Tier, ...] = Field(default=(), strict=False, description="Prize classes below the jackpot.")
    secondary_share_of_sales: Share = Field(
        default=0.0,
        description="Secondary prizes as a share of sales, where the tiers are not listed one by one.",
    )
    secondary_log_sd: Annotated[float, Field(ge=0, le=2)] = Field(
        default=0.0,
        description="Over-dispersion of secondary prizes: standard deviation of their log about the mean.",
    )
    pool: Pool | None = Field(default=None, description="Required for rollover.")
    must_be_won: MustBeWon | None = Field(default=None, description="For rollover: draws that pay the pool out.")
    postcode: Postcode | None = Field(default=None, description="Required for postcode.")

    @property
    def rolls_down(self) -> bool:
        """Whether some of a rollover pool may go to the tiers below: draws must be won, or the pool has a cap."""
        return self.must_be_won is not None or (self.pool is not None and self.pool.cap is not None)

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """A section belongs to its payout convention; secondary prizes are given once."""
        if (self.payout == "rollover") != (self.pool is not None):
            yield ("pool",), "`pool` belongs to payout: rollover, and rollover needs it"
        if self.must_be_won is not None and self.payout != "rollover":
            yield ("must_be_won",), "`must_be_won` belongs to payout: rollover: nothing else carries over"
        if (self.payout == "postcode") != (self.postcode is not None):
            yield ("postcode",), "`postcode` belongs to payout: postcode, and postcode needs it"
        if self.tiers and self.secondary_share_of_sales > 0:
            yield (
                ("secondary_share_of_sales",),
                "secondary prizes are given twice: list `tiers` or say `secondary_share_of_sales`",
            )
        names = [tier.name for tier in self.tiers]
        if len(set(names)) < len(names):
            twice = ", ".join(sorted({name for name in names if names.count(name) > 1}))
            yield ("tiers",), f"two tiers have the same name: {twice}"


class JackpotRange(Section):
    """What may be announced."""

    start: PositiveMoney = Field(description="Smallest jackpot.")
    cap: PositiveMoney | None = Field(default=None, description="Largest jackpot; none: the largest that was seen.")
    step: PositiveMoney = Field(description="Jackpots are announced in multiples of this above `start`.")
    largest_change: PositiveMoney | None = Field(
        default=None, description="Largest change from one draw to the next, either way."
    )
    minimum_progression: PositiveMoney | None = Field(
        default=None,
        description="For rollover: after a draw that nobody won, at least so much more is announced, up to the cap.",
    )

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """Start, cap and step make a grid of jackpots."""
        unit = "money is in units of the currency, not in millions"
        if self.cap is not None and self.cap < self.start:
            yield ("cap",), f"cap {self.cap:,.12g} is below start {self.start:,.12g}: {unit}"
        elif self.cap is not None and self.step > self.cap - self.start > 0:
            yield ("step",), f"step {self.step:,.12g} is larger than cap - start = {self.cap - self.start:,.12g}"
        steps = ((self.cap or 2 * self.start) - self.start) / self.step
        if steps > LARGEST_GRID:
            yield ("step",), f"a step of {self.step:g} makes {steps:,.0f} jackpots to choose from: {unit}"
        if self.largest_change is not None and self.largest_change < self.step:
            yield (
                ("largest_change",),
                f"largest_change {self.largest_change:,.12g} is less than one step: nothing could change",
            )
        progression = self.minimum_progression
        if progression is not None and self.largest_change is not None:
            least = math.ceil(progression / self.step * (1 - 1e-9)) * self.step
            if least > self.largest_change * (1 + 1e-9):
                yield (
                    ("minimum_progression",),
                    f"minimum_progression {progression:,.12g}, in whole steps {least:,.12g}, is more than "
                    f"largest_change {self.largest_change:,.12g}",
                )


class DrawDays(Regime):
    """The weekdays of draws from a date on."""

    weekdays: Weekdays = Field(description="e.g. [wed, sat].")


class Special(Section):
    """A draw outside the ordinary run, with a level of its own: every year on a day, or once on a date."""

    name: Name
    month_day: MonthDay | None = Field(default=None, description="Every year on this day: MM-DD.")
    date: Date | None = Field(default=None, description="Once, on this date.")

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """A special is of one kind."""
        if (self.month_day is None) == (self.date is None):
            yield ("month_day",), "a special has either `month_day` or `date`, exactly one of them"


class Calendar(Section):
    """When draws take place."""

    time_zone: str = Field(description="IANA name, e.g. Europe/London.")
    draw_days: tuple[DrawDays, ...] = Field(strict=False, min_length=1, description="In order of their start.")
    specials: tuple[Special, ...] = Field(default=(), strict=False)

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        if value not in zoneinfo.available_timezones():
            raise ValueError("not an IANA time zone; e.g. Europe/London, America/Sao_Paulo")
        return value

    @field_validator("draw_days")
    @classmethod
    def _ordered(cls, value: tuple[DrawDays, ...]) -> tuple[DrawDays, ...]:
        return _in_order(value)


class Reserve(Section):
    """The fund that contributions go into and prizes are paid from: it never falls below its floor."""

    opens: Date = Field(description="First draw date that it takes contributions from, and pays the prizes of.")
    opening: Money = Field(description="What it holds before that draw.")
    floor: Money = Field(default=0.0, description="It holds at least this after every draw of a named period ...")
    confidence: Probability = Field(default=0.95, description="... with this probability, jointly.")

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """It opens at its floor or above."""
        if self.opening < self.floor:
            yield ("opening",), f"opening {self.opening:,.12g} is below the reserve's floor {self.floor:,.12g}"


class Contribution(Section):
    """What a draw adds to the accrued prizes: this share of its sales plus P(a win) J, the expected jackpot."""

    share_of_sales: Share = Field(description="Share of sales set aside for secondary prizes.")
    expected_jackpot: bool = Field(default=True, description="Whether the expected jackpot payout counts too.")
    reserve: Reserve | None = Field(default=None, description="The fund that is kept so, where there is one.")


class PayoutRatio(Section):
    """The regulator's rule on prizes as a share of sales."""

    floor: Share | None = Field(default=None, description="Prizes are at least this share of sales.")
    ceiling: Share | None = Field(default=None, description="Prizes are at most this share of sales.")
    basis: Literal["realised", "accrued"] = Field(
        description="realised: prizes really paid; accrued: contributions by rule, whether won yet or not."
    )
    tested: Literal["each_draw", "month_end", "year_end"] = Field(
        default="each_draw",
        description="On which dates the ratio must hold: over the window, or at year_end over the year.",
    )
    window_draws: Annotated[int, Field(ge=1, le=1000)] = Field(default=52, description="Draws that count in a test.")
    year_end: MonthDay = Field(default="12-31", description="Last day of the regulator's year.")
    confidence: Probability = Field(
        default=0.95, description="With which probability all tests of a named period are kept, jointly."
    )
    period_starts: Date | None = Field(
        default=None,
        description="First draw date of the first named period of `period_draws`; none: the regulator's year.",
    )
    period_draws: Annotated[int, Field(ge=1, le=520)] = Field(
        default=52, description="Draws of a named period, where `period_starts` is given."
    )
    contribution: Contribution | None = Field(default=None, description="Required on the accrued basis.")

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """There is a rule, and it can be kept."""
        if self.floor is None and self.ceiling is None:
            yield ("floor",), "give a floor, a ceiling or both"
        if self.floor is not None and self.ceiling is not None and self.floor > self.ceiling:
            yield ("floor",), f"floor {self.floor:g} is over ceiling {self.ceiling:g}"
        if (self.basis == "accrued") != (self.contribution is not None):
            yield ("contribution",), "`contribution` belongs to basis: accrued, and accrued needs it"
        if self.tested == "year_end" and self.period_starts is not None:
            yield ("period_starts",), "a rule tested at the year's end has the regulator's year as its period"


class Regulation(Section):
    """What the regulator asks."""

    payout_ratio: PayoutRatio | None = None


class Costs(Section):
    """What a draw costs beside prizes."""

    good_cause_share_of_sales: Share = 0.0
    tax_share_of_sales: Share = 0.0
    variable_share_of_sales: Share = Field(default=0.0, description="Retailers' commission and the like.")
    fixed_per_draw: Money = 0.0

    @property
    def share_of_sales(self) -> float:
        """All that is proportional to sales."""
        return self.good_cause_share_of_sales + self.tax_share_of_sales + self.variable_share_of_sales


class Insurance(Section):
    """A policy on the jackpot: its insurer pays what a draw's jackpot costs the operator above the excess."""

    excess: Money = Field(description="What the operator bears of a draw's jackpot, or of its top-up, itself.")
    premium_per_draw: Money = 0.0
    premium_share_of_sales: Share = 0.0
    premium_per_expected_claim: Annotated[float, Field(ge=0, le=100)] = Field(
        default=0.0, description="For each unit of currency that the insurer may expect to pay: 1.3 is 30% above cost."
    )

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """It costs something."""
        if not (self.premium_per_draw or self.premium_share_of_sales or self.premium_per_expected_claim):
            yield ("premium_per_draw",), "insurance has a premium: give one of the three `premium_...`, or several"


class Unclaimed(Section):
    """Prizes below the jackpot that are claimed late or never: shares of what was won in a draw."""

    late_share: Share = Field(default=0.0, description="Share that is claimed `late_days` after the draw.")
    late_days: Annotated[int, Field(ge=1, le=3650)] = 60
    expired_share: Share = Field(default=0.0, description="Share that nobody claims.")
    expires_after_days: Annotated[int, Field(ge=1, le=3650)] = 180
    expired_go_to: Literal["good_causes", "operator"] = Field(
        default="good_causes", description="Who has the money of expired prizes: it is paid over, or never leaves."
    )
    counted: Literal["won", "claimed"] = Field(
        default="won", description="What the realised payout ratio counts: all prizes won, or without what expires."
    )

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """The shares are parts of one whole, and nothing is claimed after it has expired."""
        if not self.late_share + self.expired_share:
            yield ("expired_share",), "give `late_share`, `expired_share` or both"
        if self.late_share + self.expired_share > 1:
            yield ("expired_share",), "late_share and expired_share are more than all prizes"
        if self.late_share and self.late_days > self.expires_after_days:
            yield ("late_days",), f"after {self.late_days} days prizes have expired: expires_after_days is less"


class Cash(Section):
    """The floor under the operator's cash. The cash itself is an input by URI and never stands in this file."""

    floor: Money = Field(description="Cash never falls below this ...")
    confidence: Probability = Field(
        default=0.95, description="... with this probability, jointly after every draw of a named period."
    )
    horizon_draws: Annotated[int, Field(ge=1, le=520)] = Field(
        default=52, description="How far cash is looked at, and the draws of a named period with `period_starts`."
    )
    period_starts: Date | None = Field(
        default=None,
        description="First draw date of the first named period; none: the payout ratio's period, or the calendar year.",
    )


class PrizeColumns(Section):
    """The columns of a prize class in a history: winners, with the prize of each or what was paid to all."""

    winners: str | None = None
    prize_each: str | None = None
    paid: str | None = None

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """What was paid can be told."""
        if self.paid is None and (self.winners is None or self.prize_each is None):
            yield ("paid",), "give `paid`, or both `winners` and `prize_each`"


class Columns(Section):
    """Which column of a history's file holds what. Only date, sales and jackpot are required."""

    draw_date: str = "draw_date"
    sales: str = Field(default="sales", description="Stakes of the draw.")
    jackpot: str = Field(default="jackpot", description="The jackpot announced for THIS draw before sales opened.")
    draw: str | None = Field(default=None, description="The draw's number.")
    jackpot_prizes: PrizeColumns | None = None
    tier_prizes: dict[str, PrizeColumns] = Field(default_factory=dict, description="By tier name.")
    secondary_paid: str | None = Field(default=None, description="All secondary prizes, where not by tier.")
    pool: str | None = Field(default=None, description="What the rollover pool holds AFTER the draw.")
    next_jackpot: str | None = Field(default=None, description="The jackpot announced for the NEXT draw.")
    marketing: str | None = Field(default=None, description="Marketing spend for this draw, set before its sales.")
    sister_jackpot: str | None = Field(
        default=None, description="The jackpot of a sister game on sale at the same time; 0 where there is none."
    )

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """A column holds one thing."""
        holder: dict[str, str] = {}
        for key in ("draw_date", "sales", "jackpot", "next_jackpot", "pool", "marketing", "sister_jackpot"):
            column = getattr(self, key)
            if column is not None and holder.setdefault(column, key) != key:
                yield (key,), f"column {column!r} is said to hold both `{holder[column]}` and `{key}`"


class HistorySource(Section):
    """Where a market's draw history lies and how to read it."""

    uri: str = Field(
        default="synthetic",
        description="A path, s3://bucket/key, or `synthetic`: generated from `simulation`.",
    )
    format: Literal["csv", "parquet"] = "csv"
    delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    decimal: Literal[".", ","] = "."
    thousands: Literal["", ".", ",", " ", "'"] = ""
    encoding: str = "utf-8"
    date_format: str = "%Y-%m-%d"
    money_unit: Literal[1, 1000, 1000000] = Field(default=1, description="What 1 stands for in money columns.")
    starts: Date | None = Field(default=None, description="Earlier rows are not used.")
    starts_empty: bool = Field(
        default=False,
        description="Whether a file with a header and no rows is a market before its first draw; else it is refused.",
    )
    columns: Columns = Field(default_factory=Columns)

    @field_validator("encoding")
    @classmethod
    def _known_encoding(cls, value: str) -> str:
        try:
            "a".encode(value)
        except (LookupError, ValueError):
            raise ValueError("not an encoding of text; e.g. utf-8, latin-1, cp1252, utf-16") from None
        return value

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """The marks of a file of text differ."""
        if self.thousands and self.thousands == self.decimal:
            yield ("thousands",), "`decimal` and `thousands` are the same mark"
        if self.format == "csv" and self.delimiter in (self.decimal, self.thousands) and self.delimiter != ",":
            yield ("delimiter",), "`delimiter` is also the decimal or the thousands mark"


class Demand(Section):
    """Settings of the sales forecast. The defaults serve every shipped market."""

    model: ModelName = "combination"
    test_share: Annotated[float, Field(ge=0.05, le=0.5)] = Field(
        default=0.2, description="Share of the latest draws that the back-test forecasts one by one."
    )


class Planned(Section):
    """What is planned for the draws to come, where the history tells what it was in the past."""

    marketing: Money | None = Field(default=None, description="Marketing spend a draw; none: that of the last draw.")
    sister_jackpot: Money | None = Field(
        default=None, description="The sister game's jackpot; none: that beside the last draw."
    )


class Gates(Section):
    """What a model must show in the back-test before it is registered."""

    smallest_skill_over_naive: Annotated[float, Field(ge=-1, le=1)] = Field(
        default=0.0, description="1 - wMAPE / the better naive forecast's wMAPE is at least this."
    )
    coverage_90_pct: tuple[float, float] = Field(
        default=(75.0, 99.5), strict=False, description="The 90% interval covers between these percentages."
    )
    smallest_test_draws: Annotated[int, Field(ge=1)] = 8
    smallest_skill_over_log_log_ols: Annotated[float, Field(ge=-1, le=1)] = Field(
        default=0.0, description="The same over a straight line in the logs of sales and jackpot, by least squares."
    )
    largest_warned_share: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.05, description="Warnings and quarantined rows, as a share of the rows read."
    )
    false_promotion_rate: Annotated[float, Field(gt=0, le=0.5)] = Field(
        default=0.05, description="How often a challenger no better than the champion may seem to be."
    )
    largest_value_loss: Annotated[float, Field(ge=0, le=1)] = Field(
        default=0.1,
        description="Of the draw's expected value, in the champion's eyes, by announcing what the challenger would.",
    )
    refresh_after_draws: Annotated[int, Field(ge=1)] = Field(
        default=26, description="Parameters fitted anew with the champion's settings may follow it after so many draws."
    )

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """The two percentages are a range."""
        low, high = self.coverage_90_pct
        if not 0 <= low <= high <= 100:
            yield ("coverage_90_pct",), f"[{low:g}, {high:g}] is not a range of percentages, low first, within 0 to 100"


class Decision(Section):
    """Settings of the optimisation."""

    horizon_draws: Annotated[int, Field(ge=1, le=520)] = 52
    samples: Annotated[int, Field(ge=50, le=100_000)] = Field(default=1000, description="Joint draws of demand.")
    pool: Literal["expected", "planned"] = Field(
        default="planned",
        description="planned: where nothing is promised, the rollover pool is a state of the plan, so that what a "
        "jackpot leaves to later draws counts too; expected: each draw is decided by itself.",
    )
    near_optimal_share: Annotated[float, Field(gt=0, le=0.5)] = 0.01
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 20_260_101


class Governance(Section):
    """What it takes to change the model in use."""

    four_eyes: bool = Field(
        default=False,
        description="Whether whoever trained a model may not approve it, and a decision needs a second person.",
    )
    approval_days: Annotated[int, Field(ge=1, le=90)] = Field(
        default=7, description="A request for approval expires after so many days."
    )


class Schedule(Section):
    """When the weekly pipeline runs, in the market's time zone."""

    weekdays: Weekdays | None = Field(
        default=None, description="Each run recommends the next draw. Left out: the day after each draw."
    )
    time: Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$", examples=["06:00"])] = "06:00"
    deadline_hours_before_draw: Annotated[float, Field(ge=0, le=336)] = 48.0
    enabled: bool = True


class Monitoring(Section):
    """What follows when the model in use no longer holds."""

    baseline_draws: Annotated[int, Field(ge=52, le=208)] = Field(
        default=104, description="Draws before the model was trained that its errors are held against."
    )
    retrain_cooldown_days: Annotated[int, Field(ge=0, le=365)] = Field(
        default=28, description="Days between the beginnings of two retrainings, at least."
    )
    retrains_a_year: Annotated[int, Field(ge=0, le=366)] = Field(default=6, description="At most, within 365 days.")
    tuning_trials: Annotated[int, Field(ge=0, le=10_000)] = Field(
        default=40, description="Settings that a retraining tries; a normal week keeps the champion's."
    )


class Break(Section):
    """A lasting change of level in the simulated market."""

    date: Date
    log_change: Annotated[float, Field(ge=-2, le=2)]


class Simulation(Section):
    """The known truth behind the synthetic history."""

    starts: Date
    draws: Annotated[int, Field(ge=1, le=10_000)] = 520
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 1
    mean_sales: PositiveMoney = Field(description="Sales of an ordinary draw at `reference_jackpot`.")
    reference_jackpot: PositiveMoney
    announced_from: PositiveMoney | None = Field(
        default=None, description="Where the simulated operator's jackpots begin after a win; none: at `jackpot.start`."
    )
    elasticity_low: Annotated[float, Field(ge=0, le=2)] = Field(description="At `start` and below.")
    elasticity_high: Annotated[float, Field(ge=0, le=2)] = Field(description="At 10 times the reference and above.")
    season_amplitude: Annotated[float, Field(ge=0, le=1)] = 0.05
    weekday_effects: dict[Weekday, Annotated[float, Field(ge=-3, le=3)]] = Field(
        default_factory=dict, description="Log effect by weekday."
    )
    noise_log_sd: Annotated[float, Field(ge=0, le=1)] = 0.06
    noise_ar1: Annotated[float, Field(ge=0, lt=1)] = 0.4
    level_log_sd: Annotated[float, Field(ge=0, le=0.2)] = Field(default=0.004, description="Of a random walk, a draw.")
    special_multiple: Annotated[float, Field(ge=1, le=100)] = 10.0
    breaks: tuple[Break, ...] = Field(default=(), strict=False)
    cash: Money = Field(default=0.0, description="Synthetic cash beside the synthetic history; 0: none.")

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """Demand is convex in the logs."""
        if self.elasticity_high < self.elasticity_low:
            yield ("elasticity_high",), "elasticity_high is below elasticity_low: sales are convex in the logs"


class Market(Section):
    """A market file."""

    market: Name = Field(description="The market's name, the same as the file's.")
    title: Annotated[str, Field(min_length=1, max_length=120)]
    country: Annotated[str, Field(pattern=r"^[A-Z]{2}$")] = Field(description="ISO 3166 code.", examples=["GB"])
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = Field(description="ISO 4217 code.", examples=["GBP"])
    currency_decimals: Annotated[int, Field(ge=0, le=3)] = 2
    prices: tuple[PriceRegime, ...] = Field(strict=False, min_length=1, description="In order of their start.")
    game: Game
    jackpot: JackpotRange
    calendar: Calendar
    regulation: Regulation = Field(default_factory=Regulation)
    costs: Costs = Field(default_factory=Costs)
    insurance: Insurance | None = None
    unclaimed: Unclaimed | None = None
    cash: Cash | None = None
    history: HistorySource = Field(default_factory=HistorySource)
    demand: Demand = Field(default_factory=Demand)
    planned: Planned = Field(default_factory=Planned)
    gates: Gates = Field(default_factory=Gates)
    decision: Decision = Field(default_factory=Decision)
    governance: Governance = Field(default_factory=Governance)
    schedule: Schedule = Field(default_factory=Schedule)
    monitoring: Monitoring = Field(default_factory=Monitoring)
    simulation: Simulation | None = None

    @field_validator("prices")
    @classmethod
    def _prices_ordered(cls, value: tuple[PriceRegime, ...]) -> tuple[PriceRegime, ...]:
        return _in_order(value)

    def contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """Prizes and costs leave something of the sales; money is in units; names that are used are known."""
        dearest = max(regime.price for regime in self.prices)
        amounts = {
            "jackpot.start": self.jackpot.start,
            "cash.floor": self.cash.floor if self.cash else 0.0,
            "simulation.mean_sales": self.simulation.mean_sales if self.simulation else 0.0,
            "simulation.reference_jackpot": self.simulation.reference_jackpot if self.simulation else 0.0,
        }
        for key, amount in amounts.items():
            if 0 < amount < 10 * dearest:
                yield (
                    tuple(key.split(".")),
                    f"{key} {amount:g} is less than ten tickets at {dearest:g}: "
                    "money is in units of the currency, not in millions",
                )
        ratio = self.regulation.payout_ratio
        for index, regime in enumerate(self.prices):
            paid = self.expected_secondary_share(regime.price)
            taken = paid + self.costs.share_of_sales + (self.game.pool.share_of_sales if self.game.pool else 0.0)
            taken += self.insurance.premium_share_of_sales if self.insurance else 0.0
            if taken >= 1:
                yield (
                    ("prices", index, "price"),
                    f"at the price of {regime.price:g} secondary prizes ({paid:.1%} of sales), the pool's share and "
                    f"costs take {taken:.1%} of sales: more is paid than is sold",
                )
            elif ratio is not None and ratio.ceiling is not None and paid > ratio.ceiling:
                yield (
                    ("regulation", "payout_ratio", "ceiling"),
                    f"at the price of {regime.price:g} secondary prizes alone are {paid:.1%} of sales, over the "
                    f"ceiling of {ratio.ceiling:.1%}",
                )
        yield from self._game_contradictions()
        for name in sorted(set(self.history.columns.tier_prizes) - {tier.name for tier in self.game.tiers}):
            yield ("history", "columns", "tier_prizes", name), f"game.tiers has no tier of the name {name!r}"
        for name in ("marketing", "sister_jackpot"):
            if getattr(self.planned, name) is not None and getattr(self.history.columns, name) is None:
                yield ("planned", name), f"what it does is learned from a history: name history.columns.{name} too"
        if self.history.uri == "synthetic" and self.simulation is None:
            yield ("history", "uri"), "history.uri is `synthetic`, so a section `simulation` is needed"

    def _game_contradictions(self) -> Iterator[tuple[KeyPath, str]]:
        """Pool, must-be-won draws and insurance fit the jackpots and the calendar."""
        pool, must, highest = self.game.pool, self.game.must_be_won, self.jackpot.cap
        if self.jackpot.minimum_progression is not None and pool is None:
            yield (
                ("jackpot", "minimum_progression"),
                "`minimum_progression` belongs to payout: rollover: nothing else carries over",
            )
        most = self.jackpot.start if highest is None else highest
        if pool is not None and pool.cap is not None and pool.cap < most:
            which = "start" if highest is None else "cap"
            yield (
                ("game", "pool", "cap"),
                f"the pool's cap {pool.cap:,.12g} is below the jackpot's {which} {most:,.12g}: what may be announced "
                "may be in the pool",
            )
        for name in sorted(set(must.specials if must else ()) - {one.name for one in self.calendar.specials}):
            yield ("game", "must_be_won", "specials"), f"calendar.specials has none of the name {name!r}"
        if self.insurance is not None and highest is not None and self.insurance.excess >= highest:
            yield (
                ("insurance", "excess"),
                f"the excess {self.insurance.excess:,.12g} is not below the jackpot's cap {highest:,.12g}: "
                "the insurer would have nothing to pay",
            )

    @property
    def secondary_cost_share(self) -> float:
        """The part of secondary prizes that is a cost: what expires into the operator's own hands is none."""
        kept = self.unclaimed is not None and self.unclaimed.expired_go_to == "operator"
        return 1.0 - self.unclaimed.expired_share if self.unclaimed is not None and kept else 1.0

    @property
    def secondary_counted_share(self) -> float:
        """The part of secondary prizes that the realised payout ratio counts."""
        claimed = self.unclaimed is not None and self.unclaimed.counted == "claimed"
        return 1.0 - self.unclaimed.expired_share if self.unclaimed is not None and claimed else 1.0

    def price_on(self, date: dt.date) -> float:
        """Return the price of a ticket on `date`; before the first regime, the first regime's."""
        price = self.prices[0].price
        for regime in self.prices:
            if regime.starts <= date:
                price = regime.price
        return price

    def expected_secondary_share(self, price: float) -> float:
        """Return expected secondary prizes as a share of sales at a ticket price."""
        tiers = math.fsum(
            tier.share_of_sales if tier.share_of_sales is not None else (tier.prize or 0.0) / tier.odds_one_in / price
            for tier in self.game.tiers
        )
        return self.game.secondary_share_of_sales + tiers
