"""Questions never hold up pages, nobody's question is computed for nobody, and Prometheus is told of it all."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import CollectorRegistry, generate_latest

from jackpot.decision.changes import Changes
from serving.console.questions import AT_ONCE, Questions, Week
from tests.serving.conftest import free_port, wait_for
from tests.serving.console.conftest import Console, alive, copy_of, process

WEEK = Week("england", "2026-01-01", "recommendations/x")


async def here() -> bool:
    return False


async def away() -> bool:
    return True


class Slow(Questions):
    """Questions whose answers take as long as the test says; nothing is solved."""

    def __init__(self) -> None:
        super().__init__(places=None)  # type: ignore[arg-type]
        self.open, self.begun = threading.Event(), 0

    def prepare(self, week: Week) -> Future[Any]:
        done: Future[Any] = Future()
        done.set_result(None)
        return done

    def _answer(self, week: Week, changes: Changes, with_cash: bool, solved: Any) -> bytes:
        self.begun += 1
        assert self.open.wait(20)
        return changes.model_dump_json().encode()


def test_a_new_plan_does_not_stand_in_the_way_of_another_jackpot_nor_does_who_went_away() -> None:
    async def drag() -> None:
        slow = Slow()
        plans = [asyncio.create_task(slow.answer(WEEK, Changes(floor=0.3 + n / 100), True, here)) for n in range(4)]
        jackpots = [asyncio.create_task(slow.answer(WEEK, Changes(jackpot=(1e6 + n,)), True, here)) for n in range(2)]
        gone = [asyncio.create_task(slow.answer(WEEK, Changes(jackpot=(9e6 + n,)), True, away)) for n in range(50)]
        for _ in range(200):
            await asyncio.sleep(0.01)
            if slow.begun == sum(AT_ONCE.values()):
                break
        assert slow.begun == AT_ONCE[True] + AT_ONCE[False]
        slow.open.set()
        assert all(await asyncio.gather(*plans, *jackpots))
        assert set(await asyncio.gather(*gone)) == {None}
        assert slow.begun == 6
        assert slow.asked == {"new plan": 4, "kept plan": 2}

    asyncio.run(drag())


def test_what_was_asked_before_is_answered_at_once_and_cash_only_to_whom_it_was_given() -> None:
    async def again() -> None:
        slow = Slow()
        slow.open.set()
        asked = Changes(jackpot=(1e6,))
        first = await slow.answer(WEEK, asked, True, here)
        assert await slow.answer(WEEK, asked, True, away) == first
        await slow.answer(WEEK, asked, False, here)
        await slow.answer(WEEK._replace(recommendation="other"), asked, True, here)
        assert slow.asked == {"kept plan": 3, "kept answer": 1}

    asyncio.run(again())


def test_pages_are_answered_while_every_question_is_at_work(shared: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    monkeypatch.setattr(Questions, "_answer", lambda *_: release.wait(60) and b"{}")
    path = f"/markets/england/what-if?draw={shared.draw}&jackpot="
    asking = [
        threading.Thread(target=shared.get, args=(f"{path}{20_000_000 + 100_000 * n}", "dora")) for n in range(40)
    ]
    for one in asking:
        one.start()
    try:
        for page in ("/", "/approvals", "/markets/england", "/markets/england/audit"):
            assert shared.get(page, "dora").status_code == 200
        assert any(one.is_alive() for one in asking)
    finally:
        release.set()
        for one in asking:
            one.join(60)


def figures(registry: CollectorRegistry) -> dict[str, float]:
    lines = [line for line in generate_latest(registry).decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_prometheus_is_told_of_routes_and_never_of_what_people_type(shared: Console) -> None:
    registry = shared.app.state.metrics.registry
    before = figures(registry)
    shared.get("/markets/england", "dora")
    shared.get("/markets/england/draws/2026-01-01<script>", "dora")
    shared.get("/typed-by-someone", "dora")
    shared.client.get("/")
    shared.get("/static/console.js", "dora")
    shared.get(f"/markets/england/what-if?draw={shared.draw}&jackpot=31000000", "dora")
    now = figures(registry)

    def more(page: str, status: int, method: str = "GET") -> float:
        name = f'jackpot_console_requests_total{{method="{method}",page="{page}",status="{status}"}}'
        return now.get(name, 0.0) - before.get(name, 0.0)

    assert more("/markets/{market}", 200) == 1
    assert more("/markets/{market}/draws/{day}", 404) == 1
    assert more("", 404) == 1
    assert more("", 401) == 1
    assert more("/static", 200) == 1
    asked = 'jackpot_console_what_ifs_total{plan="kept plan"}'
    assert now[asked] == before.get(asked, 0.0) + 1
    assert now['jackpot_console_request_seconds_count{method="GET",page="/markets/{market}"}'] >= 1
    assert now["jackpot_console_markets_out_of_reach"] == 0
    text = generate_latest(registry).decode()
    assert "typed" not in text
    assert "script" not in text
    assert "dora" not in text


def test_people_do_not_reach_the_metrics_and_prometheus_does(week: Path, tmp_path: Path, shared: Console) -> None:
    assert shared.get("/metrics", "dora").status_code == 404
    path = copy_of(week, tmp_path / "place")
    port, metrics = free_port(), free_port()
    with process(path, port, "--metrics-port", str(metrics)):
        assert wait_for(lambda: alive(port), 60)
        httpx.get(f"http://127.0.0.1:{port}/", timeout=60)
        told = httpx.get(f"http://127.0.0.1:{metrics}/metrics", timeout=20)
        assert told.status_code == 200
        assert 'jackpot_console_requests_total{method="GET",page="/healthz",status="200"}' in told.text
