"""What cannot be read is named with its reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackpot.errors import InputError
from jackpot.history.source import Source, read_local


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    (tmp_path / "draws.csv").write_bytes(b"a\0b")
    assert read_local(str(tmp_path / "draws.csv")) == Source(str(tmp_path / "draws.csv"), b"a\0b", None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("drwas.csv", r"no such file; did you mean .*draws\.csv\?"),
        (".", "a folder"),
        ("draws.csv/x", "no such file|Not a directory"),
        ("a\0b", "null byte|no such file"),
        ("x" * 300, "File name too long|no such file"),
        ("~nobody_of_this_name/x", "home directory"),
        ("https://example.com/draws.csv", "s3://bucket/key"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, name: str, message: str) -> None:
    (tmp_path / "draws.csv").write_bytes(b"a")
    with pytest.raises(InputError, match=message):
        read_local(name if "://" in name or name.startswith("~") else f"{tmp_path}/{name}")


def test_a_device_is_refused() -> None:
    with pytest.raises(InputError, match="not an ordinary file"):
        read_local("/dev/zero")
