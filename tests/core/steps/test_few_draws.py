"""A market with few draws, or none yet, is answered: widely, untested, and saying so."""

from __future__ import annotations

import datetime as dt
import json
import math
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from jackpot.canonical import sha256
from jackpot.decision.contract import Decision
from jackpot.demand.models import new_model
from jackpot.demand.storage import model_files, model_hash
from jackpot.errors import InputError, JackpotError
from jackpot.evaluation.backtest import Backtest
from jackpot.history.source import Source
from jackpot.market.loading import LoadedMarket, load_market, parse_market
from jackpot.ports import RegisteredModel
from jackpot.records import ENOUGH_DRAWS, Evaluation, Metadata, Monitor, Recommendation
from jackpot.report import ReportInputs, evaluation_html, html, markdown, model_card
from jackpot.report.tables import history_csv, read_table
from jackpot.simulation.history import synthetic_csv
from jackpot.steps.backfill import plan as plan_backfill
from jackpot.steps.evaluate import evaluate
from jackpot.steps.gates import Candidate, judge
from jackpot.steps.model_in_use import ModelInUse, Standing
from jackpot.steps.monitor import Used, look
from jackpot.steps.optimise import few_draws, optimise
from jackpot.steps.publish import Run, metadata_of
from jackpot.steps.train import train
from jackpot.steps.tuning import select
from jackpot.steps.week import Week, week_of
from jackpot.steps.weekly import recommend_in_memory, week_in_memory
from jackpot.store import FolderStore
from tests.core.promotion.conftest import MemoryRegistry
from tests.core.report.test_page import Reader
from tests.desk import CODE, NOON

ENGLAND = load_market("england")
STANDING = Standing(standing="candidate", version=None)
LINES = synthetic_csv(ENGLAND.market).splitlines(keepends=True)


@cache
def market(more: str = "", starts_empty: bool = True) -> LoadedMarket:
    """England's game without promises, planned coarsely."""
    text = ENGLAND.data.decode().replace("market: england", "market: young")
    text = re.sub(r"(?ms)^(regulation|cash):.*?(?=^\S)", "", text)
    if starts_empty:
        text = text.replace("history:\n", "history:\n  starts_empty: true\n")
    data = (text + f"\ndecision: {{samples: 60, horizon_draws: 4}}\n{more}").encode()
    return LoadedMarket(parse_market(data, "young.yaml"), Path("young.yaml"), data, sha256(data))


@cache
def week(n: int, more: str = "", as_of: dt.date | None = None) -> Week:
    return week_in_memory(market(more), Source("young.csv", b"".join(LINES[: n + 1]), None), as_of)


@cache
def answer(n: int) -> tuple[Decision, Backtest]:
    return recommend_in_memory(week(n), None)


def report(n: int) -> ReportInputs:
    decision, test = answer(n)
    metadata = metadata_of(week(n), decision.recommendation, STANDING, Run("r", "test", NOON, NOON, CODE))
    assert Metadata.model_validate_json(metadata.to_bytes()) == metadata
    history = read_table(history_csv(test.frame))
    card = model_card(test.evaluation, {"noise": 0.1}, week(n).market, week(n).checks, "ab" * 32)
    return ReportInputs(
        week(n).market, decision.recommendation, test.evaluation, metadata, decision.curve, history, (), None, (), card
    )


@pytest.mark.parametrize(
    "n", [n if n in {0, 1, 12, 13} else pytest.param(n, marks=pytest.mark.slow) for n in range(15)]
)
def test_any_number_of_draws_is_answered_with_its_doubt(n: int) -> None:
    decision, test = answer(n)
    record, evaluation = decision.recommendation, test.evaluation
    assert Recommendation.model_validate_json(record.to_bytes()).to_bytes() == record.to_bytes()
    assert Evaluation.model_validate_json(evaluation.to_bytes()).to_bytes() == evaluation.to_bytes()
    assert record.status == "recommended"
    assert record.jackpot is not None
    sales = record.expected_sales
    assert sales is not None
    assert 0 < sales.low_90 < sales.median < sales.mean < sales.high_90 < math.inf
    assert np.isfinite(decision.curve.select_dtypes("number").to_numpy()).all()
    assert (np.diff(decision.curve["expected_sales"]) >= 0).all()
    assert record.explanation is not None
    assert record.sensitivities is not None
    assert record.model.draws_seen == n
    assert any(("no draw was held yet" if not n else f"rests on {n} draw") in warning for warning in record.warnings)
    tested = n >= 13
    assert (record.model.gates, record.schema_version) == (("failed", "1") if tested else ("untested", "2"))
    assert (record.model.wmape_pct is None, record.model.coverage_90_pct is None) == (not tested, not tested)
    assert (evaluation.schema_version, bool(evaluation.baselines)) == (("2", True) if tested else ("3", False))
    assert not evaluation.passed
    assert len(test.frame) == n
    assert test.frame["forecast"].notna().sum() == evaluation.n_test
    assert (record.seed_rule.jackpot is not None) == (n >= 10)
    assert (record.keep_last.jackpot is not None) == (n >= 1)


def test_a_record_from_before_draws_were_counted_is_read() -> None:
    record = json.loads(answer(13)[0].recommendation.to_bytes())
    del record["model"]["draws_seen"]
    assert Recommendation.model_validate(record, strict=False).model.draws_seen is None


def test_each_draw_narrows_the_range() -> None:
    def width(n: int) -> float:
        sales = answer(n)[0].recommendation.expected_sales
        assert sales is not None
        return math.log(sales.high_90 / sales.low_90)

    assert width(0) > 2 * width(1) > 2 * width(5)


def test_the_warning_ends_with_enough_draws_and_names_other_games_only_where_they_teach() -> None:
    assert few_draws(ENOUGH_DRAWS, pooled=True) == ()
    (pooled,), (alone,) = few_draws(ENOUGH_DRAWS - 1, pooled=True), few_draws(ENOUGH_DRAWS - 1, pooled=False)
    assert "what other games teach" in pooled
    assert "other games" not in alone


@pytest.mark.parametrize("n", [0, 1, 12])
def test_the_report_stands_out_and_renders(n: int) -> None:
    inputs = report(n)
    shown = "\n".join(text for tag, text in Reader(html(inputs)).texts if tag != "style")
    for page in (shown, markdown(inputs)):
        assert "Few draws" in page
        assert "Untested model" in page
        assert "The model failed its gates" not in page
        assert not re.search(r"\b(None|nan|NaN|inf)\b", page)
    assert ("none yet" in markdown(inputs)) == (n == 0)
    page = evaluation_html(inputs.evaluation, inputs.market).decode()
    assert "The forecast has not been tested: there are too few draws" in page
    assert "Gates: **untested**" in inputs.card


class LoggingRegistry(MemoryRegistry):
    logged: dict[str, Any]

    def log(self, name: str, run_id: str, sha256: str, files: Any, *_: Any, **more: Any) -> str:
        self.logged = more
        return "logged"


def test_week_after_week_the_candidate_decides_and_none_is_registered(tmp_path: Path) -> None:
    for n in (0, 1, 2):
        folder, registry = tmp_path / str(n), LoggingRegistry()
        train(week(n), folder / "candidate")
        names = ("evaluation", "forecasts", "model_in_use", "page", "gates", "gates_page")
        paths = {name: folder / name for name in names}
        evaluation, logged = evaluate(week(n), folder / "candidate", registry, "run", **paths)
        assert logged == "logged"
        assert registry.logged["metrics"] == {"n_test": 0.0, "passed": 0.0}
        gates = json.loads(paths["gates"].read_bytes())
        assert (gates["passed"], gates["outcome"], gates["champion"]) == (False, "floor", None)
        assert gates["summary"] == evaluation.gates[0].reason
        in_use = ModelInUse.read(paths["model_in_use"])
        assert in_use.standing == STANDING
        out = {"recommendation": folder / "recommendation.json", "curve": folder / "curve.csv"}
        record = optimise(week(n), in_use, None, FolderStore(folder / "restricted"), **out).recommendation
        assert record == answer(n)[0].recommendation


@pytest.mark.parametrize("champion", ["log_log_ols", "lost"])
def test_an_untested_candidate_never_follows_a_champion(champion: str) -> None:
    files = model_files(new_model("combination").fit(week(3).history.draws, week(3).market))
    known = RegisteredModel("v1", model_hash(files), "2016-01-01", files)
    gates = judge(week(3), Candidate(files, answer(3)[1]), JackpotError("gone") if champion == "lost" else known)
    assert (gates.passed, gates.outcome) == (False, "floor")
    assert {line.verdict for line in gates.lines} <= {"failed", "not_examined", "passed"}
    assert next(line for line in gates.lines if line.name == "better_than_champion").verdict == "not_examined"


@pytest.mark.parametrize("trained", [0, 1, 4])
def test_a_model_of_few_draws_is_watched(trained: int) -> None:
    now = week(6)
    files = model_files(new_model("combination").fit(now.history.draws.iloc[:trained], now.market))
    found = look(now, Used(files, "candidate", None, week(trained).as_of), ())
    assert Monitor.model_validate_json(found.to_bytes()).to_bytes() == found.to_bytes()
    assert found.watched_draws == 6 - trained
    assert found.wmape_pct is not None
    assert found.naive_wmape_pct is None
    assert found.verdict in {"nothing", "watch"}


def test_tuning_says_that_there_is_nothing_to_tune_on(tmp_path: Path) -> None:
    for n in (0, 3):
        tuning, _ = select(week(n), 5, FolderStore(tmp_path))
        assert (tuning.trials_done, tuning.settings) == (0, {})
        assert tuning.last_draw == (None if n == 0 else "2016-01-16")
        decision, test = recommend_in_memory(week(n), None, tuning)
        assert decision.recommendation == answer(n)[0].recommendation
        assert test.evaluation.tuning == tuning


def test_without_a_draw_the_market_is_seen_from_its_first_day_or_the_one_asked_for() -> None:
    record = answer(0)[0].recommendation
    assert (record.as_of, record.draw_date) == ("2016-01-02", "2016-01-02")
    later = week(0, as_of=dt.date(2026, 3, 4))
    assert (later.checks.as_of, later.checks.rows) == ("2026-03-04", 0)
    assert recommend_in_memory(later, None)[0].recommendation.draw_date == "2026-03-07"


def test_what_comes_later_changes_nothing_of_the_first_answer() -> None:
    first = answer(0)[0].recommendation
    cut = week(9, as_of=dt.date(2016, 1, 2))
    assert cut.snapshot_data == week(0).snapshot_data
    assert recommend_in_memory(cut, None)[0].recommendation.to_bytes() == first.to_bytes()


def test_the_largest_change_counts_from_the_smallest_jackpot_before_the_first_draw() -> None:
    young = market()
    bounded = young.data.replace(b"  step: 100_000\n", b"  step: 100_000\n  largest_change: 2_000_000\n")
    loaded = LoadedMarket(parse_market(bounded, "young.yaml"), young.path, bounded, sha256(bounded))
    record = recommend_in_memory(week_in_memory(loaded, Source("y.csv", LINES[0], None), None), None)[0].recommendation
    assert record.jackpot is not None
    assert record.jackpot <= 7_000_000
    assert any("from the smallest jackpot, before the first draw" in one.description for one in record.constraints)


def test_a_snapshot_without_draws_is_read_back() -> None:
    again = week_of(week(0).market_data, week(0).snapshot_data, week(0).checks)
    assert again.history.draws.dtypes.to_dict() == week(1).history.draws.dtypes.to_dict()
    assert len(again.history.draws) == 0


def test_only_a_market_that_says_so_has_no_draws() -> None:
    with pytest.raises(InputError, match="starts_empty"):
        week_in_memory(market(starts_empty=False), Source("young.csv", LINES[0], None), None)


def test_nothing_is_backfilled_before_the_first_draw() -> None:
    with pytest.raises(InputError, match="no draw was held yet"):
        plan_backfill(week(0).history, None, None)


def test_a_model_without_pooled_priors_says_how_many_draws_it_needs() -> None:
    other = market("demand: {model: log_log_ols}\n")
    with pytest.raises(InputError, match="too short to forecast sales from"):
        recommend_in_memory(week_in_memory(other, Source("young.csv", b"".join(LINES[:4]), None), None), None)
