"""Calling a command in this process, as a shell would."""

from __future__ import annotations

import pytest

from jackpot.cli import main


def call(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    """Return a command's exit code and what it printed on either stream; a traceback fails the test."""
    with pytest.raises(SystemExit) as stop:
        main(words)
    out, err = capsys.readouterr()
    assert "Traceback" not in out + err
    return int(stop.value.code or 0), out, err
