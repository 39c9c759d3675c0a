from __future__ import annotations

import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jackpot.canonical import json_bytes, rounded, write_atomically


def test_floats_have_nine_significant_digits_and_whole_ones_no_fraction() -> None:
    assert rounded({"a": [0.1 + 0.2, 17_300_000.0, 123456789012.3]}) == {"a": [0.3, 17_300_000, 123_456_789_000]}


@given(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e15, max_value=1e15))
def test_rounding_changes_nothing_in_the_ninth_digit_and_is_idempotent(value: float) -> None:
    once = rounded(value)
    assert math.isclose(once, value, rel_tol=5e-9)
    assert rounded(once) == once


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_has_no_place_in_a_record(value: float) -> None:
    with pytest.raises(ValueError, match="no place"):
        json_bytes({"a": value})


def test_the_order_of_keys_does_not_matter() -> None:
    assert json_bytes({"b": 1, "a": 2}) == json_bytes({"a": 2, "b": 1}) == b'{\n  "a": 2,\n  "b": 1\n}\n'


def test_a_failed_write_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_atomically(tmp_path / "a", b"old")

    def refuse(self: Path, target: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("size", [10, 100_000], ids=["found when the file is flushed", "found when it is written"])
def test_a_full_disk_names_the_file_and_leaves_what_was_there(size: int, tmp_path: Path) -> None:
    code = f"""
import resource, sys
from pathlib import Path
from jackpot.canonical import write_atomically, write_once
resource.setrlimit(resource.RLIMIT_FSIZE, (5, 5))
for write, name in ((write_atomically, "old"), (write_once, "new")):
    try:
        write(Path(name), b"x" * {size})
    except OSError as error:
        print(error.filename, error.strerror)
"""
    (tmp_path / "old").write_bytes(b"old")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert done.stdout.splitlines() == ["old File too large", "new File too large"], done.stderr
    assert [path.read_bytes() for path in tmp_path.iterdir()] == [b"old"]
