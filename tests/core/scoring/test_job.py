"""A job: every row is scored once or rejected with a reason, whatever the shards; repeated, it does what is missing."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jackpot.adapters.files import open_file
from jackpot.canonical import json_bytes, sha256
from jackpot.errors import InputError, JackpotError
from jackpot.scoring import contract
from jackpot.scoring.contract import Manifest, Plan
from jackpot.scoring.job import collect, missing_shards, plan_job, read_model
from jackpot.scoring.model import load_scoring_model
from jackpot.scoring.reading import chunks, lay_out
from jackpot.scoring.shard import Scorer
from jackpot.steps.batch import tasks
from jackpot.store import FolderStore
from tests.scoring import csv_lines, model_files_of

MODEL = ("england", "state_space")


def plan_of(source: Path, out: Path, shard_rows: int = 1_000, form: str | None = None) -> Plan:
    wanted = {"csv": "csv", "parquet": "parquet", None: None}[form]
    file, store = open_file(str(source)), FolderStore(out)
    return plan_job(load_scoring_model(model_files_of(*MODEL)), "v1", file, store, wanted, shard_rows=shard_rows)  # type: ignore[arg-type]


def score(source: Path, out: Path, shard_rows: int = 1_000, form: str | None = None) -> Manifest:
    plan, store = plan_of(source, out, shard_rows, form), FolderStore(out)
    scorer = Scorer(plan, read_model(store, plan), open_file(str(source)), store)
    for number in missing_shards(plan, store):
        scorer.score(number)
    return collect(plan, store)


def result(manifest: Manifest, out: Path) -> pa.Table:
    read = pc.read_csv if manifest.forecasts[0].key.endswith("csv") else pq.read_table
    return pa.concat_tables([read(out / part.key) for part in manifest.forecasts])


def rejects(manifest: Manifest, out: Path) -> list[dict[str, str]]:
    return [row for part in manifest.rejects for row in csv.DictReader(io.StringIO((out / part.key).read_text()))]


@pytest.mark.slow
def test_csv_and_parquet_of_the_same_rows_give_the_same_forecasts_in_any_number_of_shards(tmp_path: Path) -> None:
    lines = csv_lines(2_500)
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    pq.write_table(pc.read_csv(tmp_path / "rows.csv"), tmp_path / "rows.parquet", row_group_size=700)
    whole = result(score(tmp_path / "rows.csv", tmp_path / "a", 100_000, "parquet"), tmp_path / "a")
    for place, name, shard_rows in (("b", "rows.csv", 999), ("c", "rows.parquet", 1_000)):
        manifest = score(tmp_path / name, tmp_path / place, shard_rows, "parquet")
        assert (manifest.rows, manifest.scored, len(manifest.forecasts)) == (2_500, 2_500, 3)
        found = result(manifest, tmp_path / place)
        assert found.column_names == ["id", "jackpot", "draw_date", "mean", "median", "q0.05", "q0.95", "elasticity",
                                      "extrapolated"]  # fmt: skip
        for column in ("mean", "q0.95", "extrapolated"):
            assert found.column(column).to_pylist() == whole.column(column).to_pylist()
        assert [int(one) for one in found.column("id").to_pylist()] == list(range(2_500))


def test_bad_rows_go_to_the_rejects_with_the_files_own_row_number(tmp_path: Path) -> None:
    lines = csv_lines(2_000)
    bad = {3: "1,abc,2026-01-17", 1_000: "", 1_001: 'x,"2e7,2026-01-17', 1_500: "x,2e7", 2_000: "x,-5,2026-01-17"}
    for number, line in bad.items():
        lines[number] = line
    data = ("\r\n".join(lines)).encode() + b"\r\n" + b"\xff\xfe,2e7,2026-01-17"
    (tmp_path / "rows.csv").write_bytes(data)
    manifest = score(tmp_path / "rows.csv", tmp_path / "out", 600)
    assert (manifest.rows, manifest.scored, manifest.rejected) == (2_001, 1_995, 6)
    found = {int(row["row"]): row["reason"] for row in rejects(manifest, tmp_path / "out")}
    assert list(found) == [4, 1_001, 1_002, 1_501, 2_001, 2_002]
    assert "not a number" in found[4]
    assert "empty line" in found[1_001]
    assert "broken CSV" in found[1_002]
    assert "not as many cells" in found[1_501]
    assert "not above 0" in found[2_001]
    assert "UTF-8" in found[2_002]
    kept = [int(one) for one in result(manifest, tmp_path / "out").column("id").to_pylist()]
    assert kept == [i for i in range(2_000) if i + 1 not in bad]


def test_hashes_and_counts_in_the_manifest_are_those_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("\n".join(csv_lines(1_500)) + "\n")
    manifest = score(tmp_path / "rows.csv", tmp_path / "out")
    assert manifest.input_sha256 == sha256((tmp_path / "rows.csv").read_bytes())
    for part in manifest.forecasts:
        data = (tmp_path / "out" / part.key).read_bytes()
        assert (sha256(data), len(data)) == (part.sha256, part.size)
    assert json.loads((tmp_path / "out" / manifest.job / "manifest.json").read_bytes())["rows"] == 1_500


def test_only_missing_shards_are_scored_again_and_the_bytes_are_the_same(tmp_path: Path) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out"
    source.write_text("\n".join(csv_lines(3_000)) + "\n")
    first = score(source, out)
    store, plan = FolderStore(out), plan_of(source, out)
    assert missing_shards(plan, store) == []
    assert tasks(plan, store) == [""]
    (out / plan.key("shards", 1)).unlink()  # killed between a shard's files and its record
    (out / plan.key("forecasts", 1)).write_bytes(b"half a file")
    assert missing_shards(plan, store) == [1]
    with pytest.raises(JackpotError, match="1 of 3 shards are not scored"):
        collect(plan, store)
    assert score(source, out) == first
    assert sha256((out / plan.key("forecasts", 1)).read_bytes()) == first.forecasts[1].sha256


def test_a_shard_whose_file_or_record_is_lost_or_altered_is_scored_again(tmp_path: Path) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out"
    source.write_text("\n".join(csv_lines(3_000)) + "\n")
    first = score(source, out)
    store, plan = FolderStore(out), plan_of(source, out)
    (out / plan.key("forecasts", 1)).unlink()
    (out / plan.key("shards", 2)).write_bytes(b"")
    assert missing_shards(plan, store) == [1, 2]
    assert score(source, out) == first
    (out / plan.key("forecasts", 0)).write_bytes(b"altered")
    Scorer(plan, read_model(store, plan), open_file(str(source)), store).score(0)
    assert [sha256((out / part.key).read_bytes()) for part in first.forecasts] == [p.sha256 for p in first.forecasts]


def test_another_input_model_or_setting_is_another_job(tmp_path: Path) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out"
    source.write_text("\n".join(csv_lines(50)) + "\n")
    first = plan_of(source, out)
    assert plan_of(source, out).job == first.job
    assert plan_of(source, out, form="parquet").job != first.job
    source.write_text("\n".join(csv_lines(51)) + "\n")
    assert plan_of(source, out).job != first.job


def test_a_plan_is_hashed_once_however_many_shards_it_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = tmp_path / "rows.csv"
    source.write_text("\n".join(csv_lines(50)) + "\n")
    plan = plan_of(source, tmp_path / "out")
    fresh, hashed = Plan.model_validate_json(plan.to_bytes()), []
    monkeypatch.setattr(contract, "json_bytes", lambda what: hashed.append(what) or json_bytes(what))
    assert {fresh.key("shards", number) for number in range(500)} == {
        plan.key("shards", number) for number in range(500)
    }
    assert len(hashed) == 1


def test_an_input_that_changes_under_way_ends_the_job(tmp_path: Path) -> None:
    source, out = tmp_path / "rows.csv", tmp_path / "out"
    source.write_text("\n".join(csv_lines(50)) + "\n")
    file = open_file(str(source))
    plan = plan_job(load_scoring_model(model_files_of(*MODEL)), "v1", file, FolderStore(out))
    source.write_text("\n".join(csv_lines(40)) + "\n")
    model = load_scoring_model(model_files_of(*MODEL))
    with pytest.raises(InputError, match="changed while it was scored"):
        Scorer(plan, model, file, FolderStore(out)).score(0)


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("rows.csv", b"", "the file is empty"),
        ("rows.csv", b"jackpot,draw_date", None),
        ("rows.csv", b"\xff\xfe\n", "the header cannot be read"),
        ("rows.parquet", b"no parquet", "this is no Parquet file"),
        ("rows.txt", b"x", "the name tells no format"),
    ],
)
def test_a_file_that_is_none_is_refused_and_one_without_rows_is_not(
    tmp_path: Path, name: str, data: bytes, said: str | None
) -> None:
    (tmp_path / name).write_bytes(data)
    if said is None:
        manifest = score(tmp_path / name, tmp_path / "out")
        assert (manifest.rows, manifest.forecasts) == (0, ())
    else:
        with pytest.raises(InputError, match=said):
            plan_of(tmp_path / name, tmp_path / "out")


def test_figures_of_a_csv_come_out_as_numbers_and_dates_and_other_cells_as_they_came(tmp_path: Path) -> None:
    header, *lines = csv_lines(20)
    lines[4] = "4, 20000000 ,2026-01-17 00:00:00"
    source = tmp_path / "rows.csv"
    source.write_text("\n".join([header, *lines]) + "\n")
    manifest = score(source, tmp_path / "a", form="parquet")
    found = pq.read_table(tmp_path / "a" / manifest.forecasts[0].key)
    assert [found.schema.field(name).type for name in ("id", "jackpot", "draw_date")] == [
        pa.string(),
        pa.float64(),
        pa.date32(),
    ]
    assert found.slice(4, 1).select(["id", "jackpot", "draw_date"]).to_pylist() == [
        {"id": "4", "jackpot": 2e7, "draw_date": dt.date(2026, 1, 17)}
    ]
    manifest = score(source, tmp_path / "b", form="csv")
    text = (tmp_path / "b" / manifest.forecasts[0].key).read_text().splitlines()
    assert text[5].startswith("4,20000000,2026-01-17,")
    assert [line.split(",")[:3] for line in text[1:5]] == [line.split(",") for line in lines[:4]]


def test_cells_that_hold_commas_and_quotes_come_out_whole(tmp_path: Path) -> None:
    notes = ["a, b", 'say "x"', "", "plain"]
    rows = [["note", "jackpot", "draw_date"], *([note, "20000000", "2026-01-17"] for note in notes)]
    with (tmp_path / "rows.csv").open("w", newline="") as opened:
        csv.writer(opened).writerows(rows)
    manifest = score(tmp_path / "rows.csv", tmp_path / "out")
    with (tmp_path / "out" / manifest.forecasts[0].key).open(newline="") as opened:
        assert [row[:3] for row in csv.reader(opened)] == rows


def test_typed_columns_of_a_parquet_stay_as_they_came(tmp_path: Path) -> None:
    dates = pa.array([dt.datetime(2026, 1, 17)], type=pa.timestamp("ms"))  # noqa: DTZ001
    pq.write_table(pa.table({"jackpot": pa.array([20_000_000]), "draw_date": dates}), tmp_path / "rows.parquet")
    manifest = score(tmp_path / "rows.parquet", tmp_path / "out")
    schema = pq.read_schema(tmp_path / "out" / manifest.forecasts[0].key)
    assert [schema.field(name).type for name in ("jackpot", "draw_date")] == [pa.int64(), pa.timestamp("ms")]


@pytest.mark.parametrize(
    ("levels", "said"),
    [
        ((0.1, 2.0), "between 0 and 1"),
        ((0.9, 0.1), "must ascend"),
        ((), "between 0 and 1"),
        ((0.05, 0.05 + 1e-15), "must ascend"),
    ],
)
def test_quantiles_that_are_none_are_told_apart(tmp_path: Path, levels: tuple[float, ...], said: str) -> None:
    (tmp_path / "rows.csv").write_text("\n".join(csv_lines(5)) + "\n")
    file = open_file(str(tmp_path / "rows.csv"))
    with pytest.raises(InputError) as stop:
        plan_job(load_scoring_model(model_files_of(*MODEL)), "v1", file, FolderStore(tmp_path / "out"), None, levels)
    (problem,) = stop.value.problems
    assert said in problem.message


LINE = st.text(st.sampled_from(list('ab1,"\r ')), max_size=12)


@given(st.lists(LINE, min_size=1, max_size=30), st.integers(1, 7), st.booleans())
@settings(max_examples=60, deadline=None)
def test_every_line_of_any_csv_is_a_row_or_broken_exactly_once(lines: list[str], shard: int, ended: bool) -> None:
    class Memory:
        uri, version = "memory.csv", "1"
        data = ("a,b\n" + "\n".join(lines) + ("\n" if ended else "")).encode()
        size = len(data)

        def open(self) -> io.BytesIO:
            return io.BytesIO(self.data)

    file = Memory()
    layout = lay_out(file, "csv", shard)  # type: ignore[arg-type]
    seen: list[int] = []
    for span in layout.shards:
        before = len(seen)
        for chunk in chunks(file, "csv", ("a", "b"), span):  # type: ignore[arg-type]
            places = chunk.rows if chunk.rows is not None else range(chunk.first, chunk.first + len(chunk.batch))
            seen += [*places, *(broken.row for broken in chunk.broken)]
        assert len(seen) - before == span.rows
    assert sorted(seen) == list(range(layout.rows))
    assert layout.rows == Memory.data.count(b"\n") - 1 + (not Memory.data.endswith(b"\n"))
