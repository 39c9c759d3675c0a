"""Bad input, 10,000 cases: each ends in a message to act on or in a correct result. `make fuzz` runs this file."""

from __future__ import annotations

import contextlib
import io
import json
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jackpot.cli import COMMANDS, main
from tests.strategies.history import HistoryFile, check_answer, mangled_history_files
from tests.strategies.market import mangled_market_files, unreadable_in

ROOT = Path(__file__).resolve().parent.parent
many = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@pytest.mark.parametrize("part", range(2))
def test_market_files(part: int) -> None:
    @settings(many, max_examples=2000)
    @given(mangled_market_files())
    def each(data: bytes) -> None:
        assert unreadable_in(data) == []

    each()


@pytest.mark.parametrize("part", range(2))
def test_histories(part: int) -> None:
    @settings(many, max_examples=2000)
    @given(mangled_history_files())
    def each(file: HistoryFile) -> None:
        check_answer(file)

    each()


WORDS = st.one_of(
    st.sampled_from([*COMMANDS, "england", "nowhere", "--json", "--as-of", "2025-06-01", "2026-02-30", "--history"]),
    st.sampled_from(["bad.csv", "bad.yaml", "/", "", "--out", "folder", "--seed", "-1", "--draws", "x", "--help"]),
    st.sampled_from(["--environment", "bad.yaml", "--cash", "cash.json", "--image", "s3://", "--", "\udcff"]),
    st.text(max_size=12),
)
# Commands that start processes, install nothing, but take seconds each: their words are tried before anything starts.
QUICK = sorted(set(COMMANDS) - {"run", "submit", "compile", "schema"})


@settings(many, max_examples=2500)
@given(
    st.sampled_from(QUICK),
    st.lists(WORDS, max_size=6),
    mangled_market_files(),
    mangled_history_files().map(lambda file: file.data),
    st.one_of(st.binary(max_size=60), st.just(b'{"currency": "GBP", "cash": 1e999}')),
)
def test_command_lines(command: str, words: list[str], market: bytes, history: bytes, cash: bytes) -> None:
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for name, data in {"bad.yaml": market, "bad.csv": history, "cash.json": cash}.items():
                Path(name).write_bytes(data)
            out, err = io.StringIO(), io.StringIO()
            with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
                try:
                    main([command, *words])
                except SystemExit as stop:
                    code = stop.code or 0
            assert code in (0, 1, 2)
            assert "Traceback" not in out.getvalue() + err.getvalue()
            assert "defect of jackpot" not in err.getvalue(), (words, err.getvalue())
            if "--json" in words and code == 0 and "--help" not in words:
                json.loads(out.getvalue())
            assert Path("bad.csv").read_bytes() == history
            assert Path("bad.yaml").read_bytes() == market
            assert Path("cash.json").read_bytes() == cash
            assert not [path for path in Path().rglob(".*") if path.is_file()], "half-written files are left"
        finally:
            os.chdir(before)
