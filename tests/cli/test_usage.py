"""The command line's promises: exit codes, nothing but JSON with --json, messages a reader can act on."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jackpot.cli import COMMANDS
from tests.calling import call
from tests.conftest import Place
from tests.desk import ROOT


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself_and_takes_json(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, command, "--help")
    assert code == 0
    assert "--json" in out


def test_an_unknown_command_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "recomend")
    assert code == 2
    assert "did you mean 'recommend'?" in err


def test_an_unknown_market_is_told_the_nearest(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "recommend", "englnd", "--json")
    assert code == 2
    assert "england" in err
    assert json.loads(out)["problems"]


@pytest.mark.parametrize("day", ["2026-02-30", "tomorrow", "01/02/2026"])
def test_a_day_that_is_none_is_refused(day: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "recommend", "england", "--as-of", day)
    assert code == 2
    assert "YYYY-MM-DD" in err


def test_a_missing_history_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "backtest", "england", "--history", "/no/such/file.csv")
    assert code == 2
    assert "/no/such/file.csv" in err


def test_a_missing_environment_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "recommend", "england", "--environment", "productoin")
    assert code == 2
    assert "production" in err


def test_the_backtest_prints_the_agreed_figures(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "backtest", "england", "--json")
    assert code == 0
    figures = json.loads(out)
    assert set(figures) == {"market", "n_test", "model", "baselines", "specials"}
    assert set(figures["model"]) == {"name", "wmape_pct", "mase", "coverage_90_pct"}
    assert set(figures["baselines"]) == {"naive", "seasonal_naive", "log_log_ols"}
    assert set(figures["specials"]) == {"n", "mape_pct"}
    assert figures["model"]["wmape_pct"] < figures["baselines"]["naive"]["wmape_pct"]


def test_the_backtest_shows_each_draw_ahead(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "backtest", "england", "--horizon", "2")
    assert code == 0
    for words in ("combination", "Does the model beat simple rules?", "1 draw ", "2 draws", "By size of the jackpot"):
        assert words in out
    assert "3 draws" not in out
    assert call(capsys, "backtest", "england", "--horizon", "9")[0] == 2


def test_a_recommendation_in_this_process_has_the_agreed_keys(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, err = call(capsys, "recommend", "england", "--json")
    assert code == 0, err
    record = json.loads(out)
    assert record["status"] == "recommended"
    assert {
        "market",
        "draw_date",
        "jackpot",
        "currency",
        "expected_value",
        "near_optimal",
        "binding_constraint",
    } <= set(record)
    assert set(record["metadata"]) == {"snapshot", "market_file", "model", "warnings", "cash_figures"}


def test_cash_figures_are_used_and_never_printed(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    cash = place.root / "cash.json"
    cash.write_text('{"currency": "GBP", "as_of": "2026-01-01", "cash": 73519246, "salt": "sixteen letters!!"}')
    words = ("recommend", "england", "--environment", str(place.environment), "--cash", str(cash), "--json")
    code, out, err = call(capsys, *words)
    assert code in (0, 1)
    assert json.loads(out)["metadata"]["cash_figures"]
    assert "73519246" not in out + err
    cash.write_text('{"currency": "GBP", "as_of": "2026-01-01", "cash": "73519246", "salt": "short"}')
    code, out, err = call(capsys, *words)
    assert code == 2
    assert "73519246" not in out + err
    assert "salt" in err


def test_a_new_market_runs_as_it_is_and_is_never_overwritten(
    place: Place, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(place.root)
    assert call(capsys, "new-market", "freedonia")[0] == 0
    path = Path("configs/markets/freedonia.yaml")
    assert call(capsys, "validate", "freedonia", "--json")[0] == 0
    assert call(capsys, "recommend", "freedonia", "--json")[0] == 0
    path.write_text(path.read_text() + "# mine\n")
    code, _, err = call(capsys, "new-market", "freedonia")
    assert code == 2
    assert str(path) in err
    assert path.read_text().endswith("# mine\n")


@pytest.mark.parametrize("name", ["../evil", "With Space", "", "1st"])
def test_a_bad_name_for_a_market_is_refused(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "new-market", name, "--out", str(tmp_path / "in"))[0] == 2
    assert list(tmp_path.rglob("*.yaml")) == []


def test_simulated_histories_have_the_same_bytes_and_are_never_overwritten(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("a.csv", "b.csv"):
        assert call(capsys, "simulate", "england", "--out", str(tmp_path / name), "--seed", "5")[0] == 0
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert call(capsys, "simulate", "england", "--out", str(tmp_path / "a.csv"), "--seed", "6")[0] == 2
    assert (tmp_path / "a.csv").read_bytes() == (tmp_path / "b.csv").read_bytes()
    assert call(capsys, "validate", "england", "--history", str(tmp_path / "a.csv"))[0] == 0


def test_validate_names_the_line_of_a_bad_key(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    path = place.market(changes={"currency: GBP": "curency: GBP"})
    line = 1 + path.read_text().splitlines().index("curency: GBP")
    code, out, _ = call(capsys, "validate", str(path), "--json")
    assert code == 2
    (report,) = json.loads(out)
    assert any(f"england.yaml:{line}" in text and "currency" in text for text in report["errors"])


def test_schemas_are_those_that_are_checked_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(capsys, "schema", "--out", str(tmp_path))[0] == 0
    checked_in = Path(__file__).resolve().parents[2] / "configs" / "schema"
    for path in tmp_path.iterdir():
        assert path.read_text() == (checked_in / path.name).read_text(), "run: make schema"


def test_an_image_without_a_digest_is_not_compiled_in(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "compile", "--out", str(tmp_path), "--image", "registry.example.com/jackpot:1.0")
    assert code == 2
    assert "digest" in err
    assert list(tmp_path.iterdir()) == []


def test_a_kubeflow_that_is_away_fails_the_command(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    words = ("submit", "england", "--environment", str(place.environment), "--host", "http://127.0.0.1:9")
    code, _, err = call(capsys, *words)
    assert code == 1
    assert "127.0.0.1:9" in err


def test_an_out_folder_that_cannot_be_written_is_named_before_anything_runs(
    place: Place, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ("run", "england", "--environment", str(place.environment), "--out", "/proc/nothing")
    code, _, err = call(capsys, *words)
    assert code == 2
    assert "/proc/nothing" in err
    assert not (place.root / "store").exists()


def test_a_day_beyond_all_calendars_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    for day in ("3000-01-01", "9999-12-31", "0001-01-01"):
        assert call(capsys, "validate", "england", "--as-of", day)[0] == 2


def test_usage_errors_are_json_too(capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = call(capsys, "run", "--json")
    assert code == 2
    assert json.loads(out)["error"] == "usage"


def test_cash_figures_that_were_asked_for_are_read_even_where_no_floor_is(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = call(capsys, "recommend", "powerball", "--cash", "/no/such/cash.json")
    assert code == 2
    assert "/no/such/cash.json" in err


def test_a_place_that_cannot_be_written_to_is_named_and_no_defect(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "var").write_text("a file where a folder should be")
    settings = (ROOT / "configs" / "environments" / "local.yaml").read_text()
    (tmp_path / "local.yaml").write_text(settings.replace("root: ../..", "root: ."))
    code, _, err = call(capsys, "run", "england", "--environment", str(tmp_path / "local.yaml"), "--out", str(tmp_path))
    assert code == 1
    assert str(tmp_path / "var") in err
    assert "(-v shows where)" in err
    assert "nothing of it was written" not in err
    assert "defect" not in err
