"""A recommendation replays to the same bytes, and whatever was changed is named."""

from __future__ import annotations

import datetime as dt
import json
import random
import shutil
from collections.abc import Callable
from dataclasses import replace as changed
from pathlib import Path
from typing import Any

import pytest

from jackpot.canonical import json_bytes
from jackpot.cash import Cash, read_cash
from jackpot.errors import InputError
from jackpot.evaluation.backtest import Backtest
from jackpot.lineage import CodeVersion
from jackpot.replay import Replay, Stored, find, replay
from tests.desk import AS_OF, CODE, Desk

Change = Callable[[Path, random.Random], None]


def look(desk: Desk, reference: str) -> Stored:
    return find(reference, desk.log, ["england", "freedonia"], desk.store, desk.restricted)


def again(stored: Stored, code: CodeVersion = CODE, cash: Cash | None = None) -> Replay:
    kept = read_cash(stored.cash, "kept", "GBP") if stored.cash is not None else None
    return replay(stored, cash or kept, code)


def names(found: Replay) -> set[str]:
    return {difference.name for difference in found.inputs}


def folder_of(desk: Desk) -> Path:
    """Return a folder as an export holds it: the recommendation with all it rests on."""
    (prefix,) = desk.prefixes()
    folder = desk.root / "given"
    shutil.copytree(desk.root / "store" / prefix, folder)
    (snapshot,) = (desk.root / "store" / "snapshots" / "england").iterdir()
    shutil.copy(snapshot, folder / "snapshot.parquet")
    return folder


def edit_json(path: Path, edit: Callable[[dict[str, Any]], None]) -> None:
    value = json.loads(path.read_bytes())
    edit(value)
    path.write_bytes(json_bytes(value))


def flip(path: Path, dice: random.Random) -> None:
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(bytes(data))


def other_sales(folder: Path, dice: random.Random) -> None:
    from jackpot.history.snapshot import read_snapshot, snapshot_bytes
    from jackpot.market.loading import parse_market
    from jackpot.steps.week import week_of
    from tests.desk import a_week

    market = (folder / "market.yaml").read_bytes()
    data = (folder / "snapshot.parquet").read_bytes()
    draws = read_snapshot(data, parse_market(market, "market.yaml"))
    draws.loc[dice.randrange(len(draws)), "sales"] *= 1.01 + dice.random()
    week = week_of(market, data, a_week(AS_OF).checks)
    (folder / "snapshot.parquet").write_bytes(snapshot_bytes(changed(week.history, draws=draws)))


def text(old: str, new: str) -> Change:
    def edit(folder: Path, dice: random.Random) -> None:
        path = folder / "market.yaml"
        assert path.read_text().count(old) == 1
        path.write_text(path.read_text().replace(old, new.format(dice.randrange(2, 9))))

    return edit


def in_json(file: str, *keys: str, to: Callable[[random.Random], Any]) -> Change:
    def edit(folder: Path, dice: random.Random) -> None:
        def put(value: dict[str, Any]) -> None:
            for key in keys[:-1]:
                value = value[key]
            value[keys[-1]] = to(dice)

        edit_json(folder / file, put)

    return edit


CHANGES: dict[str, tuple[Change, set[str]]] = {
    "a draw's sales": (other_sales, {"snapshot"}),
    "a bit of the snapshot": (lambda folder, dice: flip(folder / "snapshot.parquet", dice), {"snapshot"}),
    "the cap": (text("cap: 50_000_000", "cap: {0}1_000_000"), {"market file"}),
    "a comment": (text("# 4.7 million tickets", "# {0} million tickets"), {"market file"}),
    "the seed": (text("samples: 50,", "samples: 50, seed: {0},"), {"market file", "seed"}),
    "a bit of the market file": (lambda folder, dice: flip(folder / "market.yaml", dice), {"market file"}),
    "a bit of the model": (lambda folder, dice: flip(folder / "model" / "arrays.npz", dice), {"model"}),
    "the model's name": (in_json("model/model.json", "model", to=lambda _: "spline"), {"model"}),
    "what the model scored": (
        in_json("model/evaluation.json", "model", "wmape_pct", to=lambda dice: dice.random()),
        {"model evaluation"},
    ),
    "a warning": (in_json("checks.json", "warnings", to=lambda dice: [str(dice.random())]), {"checks", "warnings"}),
    "the day": (in_json("checks.json", "as_of", to=lambda dice: f"2025-06-0{dice.randrange(2, 8)}"), {"checks"}),
    "the seed that metadata.json tells": (
        in_json("metadata.json", "seed", to=lambda dice: dice.randrange(9)),
        {"metadata.json"},
    ),
    "the recommended jackpot": (
        in_json("recommendation.json", "jackpot", to=lambda dice: dice.randrange(10**7)),
        {"recommendation"},
    ),
}


@pytest.mark.slow
def test_a_recommendation_replays_to_the_same_bytes_by_key_hash_and_path(desk: Desk) -> None:
    (prefix,) = desk.prefixes()
    folder = folder_of(desk)
    identity = prefix.rpartition("/")[2]
    for reference in (prefix, prefix + "/", identity[:8], str(folder), str(folder / "recommendation.json")):
        found = again(look(desk, reference))
        assert (found.verdict, found.inputs, found.code, found.fields) == ("identical", (), (), ())
        assert found.computed == found.recommendation
    other = again(look(desk, prefix), changed(CODE, commit="0" * 40))
    assert (other.verdict, [ran.name for ran in other.code]) == ("identical", ["code commit"])


@pytest.mark.slow
@pytest.mark.parametrize("case", CHANGES)
def test_a_changed_input_is_named(case: str, desk: Desk) -> None:
    change, expected = CHANGES[case]
    folder = folder_of(desk)
    change(folder, random.Random(1))
    found = again(look(desk, str(folder)))
    assert found.verdict == "differs"
    assert expected <= names(found)
    assert names(found) - expected <= {"seed"}


@pytest.mark.integration
@pytest.mark.slow
def test_it_is_told_by_how_much_an_input_and_the_result_differ(desk: Desk) -> None:
    folder = folder_of(desk)
    text("step: 100_000", "step: 300_000")(folder, random.Random(1))
    found = again(look(desk, str(folder)))
    (difference,) = found.inputs
    assert [(f.field, f.recorded, f.found, f.change) for f in difference.fields] == [
        ("jackpot.step", "100000.0", "300000.0", 200000.0)
    ]
    assert difference.fields[0].relative == pytest.approx(2.0)
    assert {"jackpot", "metadata.market_file"} <= {field.field for field in found.fields}
    assert found.computed != found.recommendation

    folder_2 = desk.root / "second"
    shutil.copytree(folder, folder_2)
    shutil.copy(desk.root / "store" / desk.prefixes()[0] / "market.yaml", folder_2)
    other_sales(folder_2, random.Random(3))
    (difference,) = again(look(desk, str(folder_2))).inputs
    (field,) = difference.fields
    assert field.field.endswith(".sales")
    assert field.relative is not None
    assert field.relative > 0.009


@pytest.mark.slow
def test_missing_inputs_and_other_cash_are_named_and_no_cash_figure_is_told(desk: Desk) -> None:
    (prefix,) = desk.prefixes()
    given = b'{"currency": "GBP", "as_of": "2025-06-01", "cash": 73519246, "salt": "sixteen letters!!"}'
    found = again(look(desk, prefix), cash=read_cash(given, "given", "GBP"))
    assert names(found) == {"cash figures"}
    assert "73519246" not in found.model_dump_json()
    (kept,) = (desk.root / "restricted" / "cash" / "england").iterdir()
    kept.unlink()
    (desk.root / "store" / prefix / "model" / "arrays.npz").unlink()
    found = again(look(desk, prefix))
    assert names(found) == {"cash figures", "model"}
    assert found.reason == "not computed: missing model/arrays.npz, cash figures"
    assert found.computed is None


@pytest.mark.integration
@pytest.mark.slow
def test_code_and_lock_are_named_where_the_result_differs_and_the_data_do_not(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another version of the code, played by another number of curve points' worth of sampling."""
    from jackpot.decision import recommend

    monkeypatch.setattr(recommend, "_warnings", lambda *arguments: ("the code is another",))
    stored = look(desk, desk.prefixes()[0])
    found = again(stored, changed(CODE, commit="0" * 40, lock_sha256="1" * 64))
    assert (found.verdict, found.inputs) == ("differs", ())
    assert found.reason == "the data are as they were; what ran was another: code commit, lock"
    assert [field.field for field in found.fields] == ["warnings[0]"]
    assert "this machine's arithmetic" in again(stored).reason


def test_what_is_no_recommendation_is_refused(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "recommendation.json").write_text("{}")
    (tmp_path / "empty").mkdir()
    bad = ["nonsense", "0123456789abcdef", "recommendations/england/x", str(tmp_path), str(tmp_path / "empty"), "x\0"]
    for reference in (*bad, desk.prefixes()[0][:-1] + "_", "recommendations/../../r/england/1"):
        with pytest.raises(InputError):
            look(desk, reference)


@pytest.mark.integration
@pytest.mark.slow
def test_each_of_several_recommendations_replays(desk: Desk, evaluated: Backtest) -> None:
    for week in range(1, 3):
        desk.recommend(AS_OF + dt.timedelta(weeks=week), f"run-{week}", evaluated)
    assert len(desk.prefixes()) == 3
    assert [again(look(desk, prefix)).verdict for prefix in desk.prefixes()] == ["identical"] * 3
