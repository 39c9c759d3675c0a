"""Processes that work for this one, and end with it."""

from __future__ import annotations

import os
import signal
import time

import pytest

from jackpot.workers import worker_pool


def test_an_error_waits_for_nothing_that_is_under_way() -> None:
    def interrupted() -> None:
        with worker_pool(1) as pool:
            pool.submit(time.sleep, 60)
            raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert time.monotonic() - began < 30


def test_ctrl_c_is_for_the_command_and_not_for_its_workers() -> None:
    with worker_pool(1) as pool:
        os.kill(pool.submit(os.getpid).result(), signal.SIGINT)
        assert pool.submit(abs, -1).result() == 1
