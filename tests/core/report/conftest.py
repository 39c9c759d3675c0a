"""Builds what a report is made from: a market like England's in closed form, so that its figures need no other room."""

import datetime as dt
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jackpot.cash import CashOutlook
from jackpot.errors import Problem
from jackpot.market.schema import Market
from jackpot.records import (
    Alternative,
    ConstraintState,
    ElasticityAt,
    Evaluation,
    Gate,
    Infeasibility,
    InputHashes,
    Interval,
    Metadata,
    ModelNote,
    NearOptimal,
    Recommendation,
    Score,
    Sensitivities,
    Sensitivity,
    Specials,
)
from jackpot.report import ReportInputs

P = 2.2e-8
HASHES = InputHashes(snapshot="1a" * 32, market_file="2b" * 32, model="3c" * 32, cash_figures="4d" * 32)


def market(title: str, currency: str) -> Market:
    return Market.model_validate(
        {
            "market": "england",
            "title": title,
            "country": "GB",
            "currency": currency,
            "prices": [{"starts": dt.date(2010, 1, 2), "price": 2.5}],
            "game": {"payout": "per_winner", "jackpot_odds_one_in": 1 / P, "secondary_share_of_sales": 0.25},
            "jackpot": {"start": 5e6, "cap": 50e6, "step": 1e5},
            "calendar": {
                "time_zone": "Europe/London",
                "draw_days": [{"starts": dt.date(2010, 1, 2), "weekdays": ["sat"]}],
            },
            "history": {"uri": "draws.csv"},
        }
    )


def sales_at(jackpot: Any) -> Any:
    return 11.75e6 * (jackpot / 15e6) ** 0.3


def value_at(jackpot: Any) -> Any:
    return sales_at(jackpot) * (0.45 - jackpot * P / 2.5)


def curve() -> pd.DataFrame:
    jackpots = np.linspace(5e6, 50e6, 401)
    sales, value = sales_at(jackpots), value_at(jackpots)
    spread = 0.06 + 0.04 * np.abs(np.log(jackpots / 15e6))
    return pd.DataFrame(
        {
            "jackpot": jackpots,
            "expected_value": value,
            "value_low_90": value - 1.64 * spread * np.abs(value) - 1e5,
            "value_high_90": value + 1.64 * spread * np.abs(value) + 1e5,
            "expected_sales": sales,
            "sales_low_90": sales * np.exp(-1.64 * spread),
            "sales_high_90": sales * np.exp(1.64 * spread),
            "expected_jackpot_payout": jackpots * sales * P / 2.5,
            "win_probability": 1 - np.exp(-sales * P / 2.5),
            "feasible": (jackpots >= 17.045e6) & (jackpots <= 45e6),
            "extrapolated": jackpots > 42e6,
        }
    )


def history(draws: int) -> pd.DataFrame:
    rng = np.random.default_rng(7)
    dates = pd.date_range(end="2026-11-21", periods=draws, freq="W-SAT")
    jackpots = np.round(rng.uniform(5e6, 42e6, draws), -5)
    expected = sales_at(jackpots) * np.exp(0.05 * np.sin(2 * np.pi * np.arange(draws) / 52))
    sales = expected * np.exp(rng.normal(0, 0.07, draws))
    special = np.array([f"{d:%m-%d}" >= "12-25" for d in dates])
    sales[special] *= 4
    tested = np.arange(draws) >= draws - max(draws // 5, 1)
    forecast = np.where(tested, expected * np.where(special, 3.8, 1.0), np.nan)
    return pd.DataFrame(
        {
            "draw_date": dates,
            "jackpot": jackpots,
            "sales": sales,
            "special": np.where(special, "christmas", ""),
            "forecast": forecast,
            "low_90": forecast * np.exp(-0.12),
            "high_90": forecast * np.exp(0.12),
        }
    )


def constraints(status: str) -> tuple[ConstraintState, ...]:
    broken = status != "recommended"
    return (
        ConstraintState(
            name="payout_ratio_floor",
            description="Accrued prizes are at least 40% of sales over 52 draws",
            status="violated" if broken else "binding",
            limit=0.4,
            value=0.3862 if broken else 0.4005,
            distance=-0.0138 if broken else 0.0005,
            unit="share",
            reason="P(kept) 0.91, promised 0.95" if broken else "One step lower would break it",
        ),
        ConstraintState(
            name="start",
            description="Jackpot from £5,000,000",
            status="kept",
            limit=5e6,
            value=17.1e6,
            distance=12.1e6,
            unit="currency",
        ),
        ConstraintState(
            name="cap",
            description="Jackpot up to £50,000,000",
            status="kept",
            limit=50e6,
            value=17.1e6,
            distance=32.9e6,
            unit="currency",
        ),
        ConstraintState(
            name="largest_change",
            description="Change from one draw to the next",
            status="not_checked",
            reason="The market file sets none",
        ),
        ConstraintState(name="cash_floor", description="Cash floor kept over 52 draws", status="kept"),
    )


def recommendation(status: str, title: str, currency: str, warnings: tuple[str, ...]) -> Recommendation:
    jackpot, last, seed = 17.1e6, 15e6, 11.8e6
    sales, value = float(sales_at(jackpot)), float(value_at(jackpot))
    none = status == "infeasible"
    interval = Interval(mean=sales, median=0.998 * sales, low_90=0.9 * sales, high_90=1.11 * sales)
    infeasibility = Infeasibility(
        constraint="payout_ratio_floor",
        reason="the payout ratio over 52 draws stays below 40% with probability 0.31 at every jackpot up to the cap",
        smallest_relaxation="a floor of 38.6% instead of 40%, or a confidence of 91% instead of 95%",
        least_harmful_jackpot=49.9e6,
    )
    return Recommendation(
        market="england",
        title=title,
        currency=currency,
        draw_date="2026-11-28",
        as_of="2026-11-23",
        status=status,  # type: ignore[arg-type]
        jackpot=None if none else jackpot,
        expected_value=None if none else value,
        expected_value_90=None if none else (0.88 * value, 1.13 * value),
        expected_sales=None if none else interval,
        expected_jackpot_payout=None if none else jackpot * sales * P / 2.5,
        expected_secondary_prizes=None if none else 0.25 * sales,
        win_probability=None if none else float(1 - np.exp(-sales * P / 2.5)),
        near_optimal=None if status != "recommended" else NearOptimal(low=17.1e6, high=19.4e6, share=0.01),
        binding_constraint="payout_ratio_floor",
        constraints=constraints(status),
        elasticity=tuple(
            ElasticityAt(jackpot=j * 1e6, mean=m, low_90=m - d, high_90=m + d)
            for j, m, d in ((5, 0.16, 0.07), (10, 0.24, 0.05), (17.1, 0.31, 0.04), (30, 0.38, 0.06), (50, 0.46, 0.12))
        ),
        keep_last=Alternative(
            jackpot=last, expected_value=float(value_at(last)), gain=None if none else value - float(value_at(last)),
            feasible=False, reason="accrued prizes would be 38.2% of sales",
        ),
        seed_rule=Alternative(
            jackpot=None if none else seed, expected_value=None if none else float(value_at(seed)),
            gain=None if none else value - float(value_at(seed)), feasible=False, reason="below the payout floor",
        ),
        sensitivities=None if none else hangs_on(jackpot),
        infeasibility=None if status == "recommended" else infeasibility,
        model=ModelNote(name="spline", gates="passed", wmape_pct=6.12, coverage_90_pct=91.2, extrapolated=False),
        warnings=warnings,
        metadata=HASHES,
    )  # fmt: skip


def hangs_on(jackpot: float) -> Sensitivities:
    def one(name: Any, value: float, change: float, moved: float, ahead: float) -> Sensitivity:
        return Sensitivity(name=name, value=value, change=change, jackpot=jackpot + moved, value_ahead=ahead)

    return Sensitivities(
        jackpot=jackpot,
        inputs=(
            one("elasticity", 0.9, -0.1, -6e5, -1.2e6),
            one("elasticity", 1.1, 0.1, 5e5, 1.3e6),
            one("level", 0.9, -0.1, 0.0, -2.5e7),
            one("level", 1.1, 0.1, 0.0, 2.6e7),
            one("prize_share", 0.24, -0.01, 9e5, 5.1e6),
            one("prize_share", 0.26, 0.01, -8e5, -4.9e6),
        ),
        smallest=(
            one("elasticity", 0.984, -0.016, -1e5, -2e5),
            one("prize_share", 0.2525, 0.0025, -2e5, -1.2e6),
        ),
        unmoved={"level": 0.4},
        value_of_information=1_672.0,
    )


def evaluation(*, passed: bool) -> Evaluation:
    return Evaluation(
        market="england",
        n_train=416,
        n_test=104,
        first_test_date="2024-12-07",
        last_test_date="2026-11-21",
        model=Score(name="spline", wmape_pct=6.12, mase=0.41, coverage_90_pct=91.2, bias_pct=-0.4),
        baselines={
            "log_log_ols": Score(name="log_log_ols", wmape_pct=13.9, mase=0.93, coverage_90_pct=84.0, bias_pct=2.1),
            "last_draw": Score(name="last_draw", wmape_pct=15.2, mase=1.02, coverage_90_pct=None, bias_pct=0.3),
            "same_jackpot": Score(name="same_jackpot", wmape_pct=11.7, mase=0.79, coverage_90_pct=None, bias_pct=-3.0),
        },
        specials=Specials(n=2, mape_pct=11.4),
        gates=(
            Gate(name="skill_over_naive", value=0.477, must=">= 0", passed=True, reason="6.1% against 11.7%"),
            Gate(name="coverage_90", value=91.2, must="75 to 99.5", passed=passed, reason="sales inside the 90% band"),
            Gate(name="test_draws", value=104, must=">= 8", passed=True, reason="enough to judge"),
        ),
        passed=passed,
    )  # fmt: skip


def metadata(source_uri: str) -> Metadata:
    return Metadata(
        recommendation="5e" * 32,
        inputs=HASHES,
        snapshot_uri="file:///store/england/1a1a.parquet",
        snapshot_rows=520,
        first_draw="2016-12-10",
        last_draw="2026-11-21",
        source_uri=source_uri,
        source_version=None,
        market_file="configs/markets/england.yaml",
        model_name="england-demand",
        model_version="v3",
        model_standing="champion",
        code_commit="0123456789abcdef0123456789abcdef01234567",
        code_dirty=False,
        image=None,
        lock="6f" * 32,
        python="3.11.9",
        environment="local",
        run_id="weekly-england-2026-11-23",
        started_at="2026-11-23T06:00:00+00:00",
        finished_at="2026-11-23T06:00:11+00:00",
        seed=20260101,
    )


def outlook() -> CashOutlook:
    n = np.arange(1, 53)
    middle, spread = 60e6 + 0.4e6 * n, 4.3e6 * np.sqrt(n)
    fan = {
        name: middle + z * spread
        for name, z in zip(("p05", "p25", "p50", "p75", "p95"), (-1.64, -0.67, 0, 0.67, 1.64), strict=True)
    }
    dates = pd.date_range("2026-11-28", periods=52, freq="W-SAT")
    return CashOutlook("GBP", 60_123_457.0, 5e6, 0.95, 0.9631, pd.DataFrame({"draw_date": dates, **fan}))


def build(
    status: str = "recommended", *, draws: int = 520, cash: bool = True, title: str = "England, Saturday draw",
    currency: str = "GBP", warnings: tuple[str, ...] = ("The level of sales fell by 4% since September 2026",),
    source_uri: str = "synthetic", passed: bool = True,
) -> ReportInputs:  # fmt: skip
    return ReportInputs(
        market=market(title, currency),
        recommendation=recommendation(status, title, currency, warnings),
        evaluation=evaluation(passed=passed),
        metadata=metadata(source_uri),
        curve=curve(),
        history=history(draws),
        problems=(
            Problem("a gap in the calendar", "draws.csv", "draw_date", 311, "2022-11-26", severity="warning"),
        ),
        cash=outlook() if cash else None,
    )  # fmt: skip


@pytest.fixture(scope="session")
def inputs() -> Callable[..., ReportInputs]:
    return build
