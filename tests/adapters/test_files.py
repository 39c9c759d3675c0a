"""Files of any size, local and on a real S3 server: read at any place, and refused once they have changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters.files import open_file, open_store
from jackpot.canonical import sha256
from jackpot.errors import InputError
from jackpot.scoring.job import collect, missing_shards, plan_job, read_model
from jackpot.scoring.model import load_scoring_model
from jackpot.scoring.shard import Scorer
from jackpot.store import FolderStore
from tests.scoring import csv_lines, model_files_of


def test_an_object_is_read_by_ranges_and_refused_once_replaced(s3: Any) -> None:
    s3.create_bucket(Bucket="files")
    data = bytes(range(256)) * 40_000
    s3.put_object(Bucket="files", Key="in/rows.csv", Body=data)
    file = open_file("s3://files/in/rows.csv")
    assert file.size == len(data)
    with file.open() as opened:
        opened.seek(5_000_000)
        assert opened.read(100) == data[5_000_000:5_000_100]
        assert opened.read() == data[5_000_100:]
    s3.put_object(Bucket="files", Key="in/rows.csv", Body=b"other")
    with pytest.raises(InputError, match="changed while it was scored"), file.open() as opened:
        opened.read(1)


def test_a_file_is_scored_from_s3_to_s3_with_the_bytes_that_folders_get(s3: Any, tmp_path: Path) -> None:
    s3.create_bucket(Bucket="scores")
    text = "\n".join(csv_lines(2_000)).encode()
    s3.put_object(Bucket="scores", Key="rows.csv", Body=text)
    (tmp_path / "rows.csv").write_bytes(text)
    made = []
    for source, out in (
        ("s3://scores/rows.csv", "s3://scores/out"),
        (str(tmp_path / "rows.csv"), str(tmp_path / "out")),
    ):
        file, store = open_file(source), open_store(out)
        plan = plan_job(
            load_scoring_model(model_files_of("england", "state_space")), "v1", file, store, "parquet", shard_rows=1_000
        )
        scorer = Scorer(plan, read_model(store, plan), file, store)
        assert [scorer.score(number).scored for number in missing_shards(plan, store)] == [1_000, 1_000]
        assert missing_shards(plan, store) == []
        manifest = collect(plan, store)
        assert [sha256(store.read(part.key)) for part in manifest.forecasts] == [p.sha256 for p in manifest.forecasts]
        made.append((manifest.job, manifest.forecasts))
    assert made[0] == made[1]


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("", "which file"),
        ("no-such-file.csv", "the file cannot be read"),
        ("s3://bucket-only", "this names no object"),
    ],
)
def test_what_is_no_file_is_refused(uri: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        open_file(uri)


def test_an_object_that_is_not_there_is_refused(s3: Any) -> None:
    with pytest.raises(InputError, match="the object cannot be read"):
        open_file("s3://no-such-bucket/rows.csv")


def test_a_store_needs_an_address(tmp_path: Path) -> None:
    assert isinstance(open_store(str(tmp_path)), FolderStore)
    with pytest.raises(InputError, match="where does the result go"):
        open_store(" ")
