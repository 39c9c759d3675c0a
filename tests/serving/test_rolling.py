"""New versions and states take over without a lost or mixed answer; broken ones are refused; SIGTERM drains."""

from __future__ import annotations

import asyncio
import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from jackpot.errors import JackpotError
from serving.fleet import Fleet
from serving.loading import deployed, load
from serving.metrics import Metrics
from serving.settings import Settings

from .conftest import MARKET, ROOT, Server, Trained, start, wait_for

DATE = "2025-12-27"
BODY = {"instances": [{"jackpot": 2e7, "draw_date": DATE}, {"jackpot": 2e7, "draw_date": DATE}]}

_BYTES = json.dumps(BODY).encode()
REQUEST = (
    f"POST /v1/models/{MARKET}:predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
    f"content-length: {len(_BYTES)}\r\n\r\n"
).encode() + _BYTES

REFUSED = f'jackpot_loads_total{{model="{MARKET}",result="refused"}}'


@pytest.fixture(scope="module")
def own(trained: Trained, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """Return a copy of the store for the server whose models change."""
    folder = tmp_path_factory.mktemp("rolling") / "store"
    shutil.copytree(trained.folder, folder)
    return replace(trained, folder=folder)


@pytest.fixture(scope="module")
def rolling(own: Trained, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    one = start(tmp_path_factory.mktemp("rolling") / "log", "--deployed", "--store", str(own.folder))
    yield one
    one.stop()


@pytest.fixture
def v1(rolling: Server, own: Trained) -> dict[str, Any]:
    """Return the answer of v1, which the server goes back to for each test."""
    own.deploy(1)
    assert wait_for(lambda: _ask(rolling)["model_version"] == "v1", 10)
    return _ask(rolling)


def _ask(server: Server) -> dict[str, Any]:
    answer: dict[str, Any] = httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY).json()
    return answer


async def _load(server: Server, until: Any, answers: list[tuple[int, str, str, float]], failed: list[str]) -> None:
    """Ask again and again from four connections, until the server says that it closes."""

    async def one(client: httpx.AsyncClient) -> None:
        while not until():
            try:
                response = await client.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY)
            except httpx.HTTPError as error:
                failed.append(repr(error))
                return
            said = response.json()
            means = {row["mean"] for row in said.get("predictions", ())}
            answers.append((response.status_code, said.get("model_version"), said.get("state"), *means))
            if response.headers.get("connection") == "close":
                return  # as a proxy that follows readiness

    async with httpx.AsyncClient() as client:
        await asyncio.gather(*(one(client) for _ in range(4)))


def test_versions_swap_under_load_without_a_failed_or_mixed_answer(rolling: Server, own: Trained) -> None:
    states = {v: own.keep(v, 1) for v in (1, 2)}
    answers: list[Any] = []
    failed: list[str] = []
    swaps = 6
    ended = []

    async def swap() -> None:
        for turn in range(swaps):
            own.deploy(turn % 2 + 1)
            wanted = f"v{turn % 2 + 1}"
            for _ in range(200):
                await asyncio.sleep(0.02)
                if answers and answers[-1][1] == wanted:
                    break
            else:
                failed.append(f"{wanted} never came")
        ended.append(True)

    async def both() -> None:
        await asyncio.gather(_load(rolling, lambda: bool(ended), answers, failed), swap())

    asyncio.run(both())
    assert failed == []
    assert len(answers) > 50
    seen = Counter(answers)
    # Two versions, one state and one mean each: nothing between them, and no other status.
    assert {(status, version, state) for status, version, state, *_ in seen} == {
        (200, "v1", states[1]),
        (200, "v2", states[2]),
    }
    assert len(seen) == 2


DAMAGES: dict[str, Callable[[Trained], None]] = {
    "another model's hash": lambda store: store.deploy(2, model_sha256=store.hashes[0]),
    "changed parameters": lambda store: _overwrite(store, "models/v2/model.json", b"5", b"6"),
    "torn arrays": lambda store: store.store._path("models/v2/arrays.npz").write_bytes(b"PK"),
    "a file missing": lambda store: store.store._path("models/v2/arrays.npz").unlink(),
    "no market": lambda store: store.store._path("models/v2/evaluation.json").write_bytes(b"[]"),
    "damaged state": lambda store: _overwrite(store, f"states/{MARKET}/{store.hashes[1]}/latest.json", b"{", b"["),
    "damaged draws, kept state gone": lambda store: _forget_kept(store, b"PAR1", b"PAR2"),
}


def _forget_kept(store: Trained, old: bytes, new: bytes) -> None:
    for kept in store.store._path(f"states/{MARKET}").rglob("*.npz"):
        kept.unlink()
    _overwrite(store, f"snapshots/{MARKET}", old, new)


def _overwrite(store: Trained, key: str, old: bytes, new: bytes) -> None:
    path = store.store._path(key)
    for one in [path] if path.is_file() else path.iterdir():
        one.write_bytes(one.read_bytes().replace(old, new))


@pytest.mark.parametrize("name", DAMAGES)
def test_a_version_that_is_not_what_it_says_is_not_loaded(fresh: Trained, name: str) -> None:
    fresh.deploy(2)
    assert load(deployed(fresh.store)[MARKET], fresh.store, Settings()).version == "v2"
    DAMAGES[name](fresh)
    with pytest.raises(JackpotError):
        load(deployed(fresh.store)[MARKET], fresh.store, Settings())


def test_a_corrupt_version_is_refused_and_the_old_goes_on(rolling: Server, own: Trained, v1: dict[str, Any]) -> None:
    before, lines = rolling.metric(REFUSED), len(rolling.lines("refused"))
    own.deploy(2, model_sha256="0" * 64)
    assert wait_for(lambda: rolling.metric(REFUSED) >= before + 3, 10)  # tried again, and counted each time
    assert _ask(rolling) == v1
    assert rolling.ready()
    (line,) = rolling.lines("refused")[lines:]  # and said once
    assert (line["level"], line["goes_on_with"]) == ("error", "v1")
    own.deploy(2, model_sha256="1" * 64)  # for another reason, and said again
    assert wait_for(lambda: len(rolling.lines("refused")) == lines + 2, 10)
    own.deploy(2)
    assert wait_for(lambda: _ask(rolling)["model_version"] == "v2", 10)
    own.deploy(2, model_sha256="1" * 64)  # after one that was good, and said anew
    assert wait_for(lambda: len(rolling.lines("refused")) == lines + 3, 10)


def test_a_candidate_answers_beside_the_champion(rolling: Server, own: Trained, v1: dict[str, Any]) -> None:
    own.deploy(2, service=f"{MARKET}-candidate")
    address = f"{rolling.url}/v1/models/{MARKET}-candidate:predict"
    assert wait_for(lambda: httpx.post(address, json=BODY).status_code == 200, 10)
    assert httpx.post(address, json=BODY).json()["model_version"] == "v2"
    assert _ask(rolling) == v1


@pytest.mark.parametrize("data", [b"{", b"[]", b'{"service": "megasena"}', b"\xff"])
def test_a_damaged_deployment_record_changes_nothing_and_is_said_once(
    rolling: Server, own: Trained, v1: dict[str, Any], data: bytes
) -> None:
    before, lines = rolling.metric(REFUSED), len(rolling.lines("refused"))
    own.store.replace(f"deployments/{MARKET}.json", data)
    assert wait_for(lambda: len(rolling.lines("refused")) > lines, 10)
    time.sleep(1)  # ten more looks, and longer than retry_seconds
    (line,) = rolling.lines("refused")[lines:]
    assert (line["level"], line["name"], line["goes_on_with"]) == ("error", MARKET, "v1")
    assert "deployments/england.json" in line["error"]
    assert rolling.metric(REFUSED) == before + 1
    assert _ask(rolling) == v1
    assert rolling.ready()


def test_a_damaged_record_of_another_market_stops_nobody(rolling: Server, own: Trained, v1: dict[str, Any]) -> None:
    own.store.replace("deployments/megasena.json", b"{")
    assert wait_for(lambda: any(line["name"] == "megasena" for line in rolling.lines("refused")), 10)
    assert rolling.ready()
    assert _ask(rolling) == v1
    own.store._path("deployments/megasena.json").unlink()


def _record(**changes: object) -> bytes:
    record = {"service": "megasena", "version": "v1", "model_sha256": "0" * 64, "prefix": "models/v1"}
    return json.dumps({**record, **changes}).encode()


@pytest.mark.parametrize(
    "data",
    [
        b"", b"[" * 100_000, b'{"service": ' + b"1" * 5_000 + b"}", b"null", b'"text"', b"\xef\xbb\xbf{}",
        _record(service="a"), _record(version="\ud800"), _record(service="\ud800"), _record(version={}),
        _record(prefix="../.."), _record(prefix="a\0b"), _record(prefix=""), _record(prefix=None),
        _record(prefix="a" * 5_000),
    ],
)  # fmt: skip
def test_whatever_a_record_holds_no_other_market_is_held_up(fresh: Trained, data: bytes) -> None:
    fresh.store.replace("deployments/a.json", _record(service="megasena"))
    fresh.store.replace("deployments/megasena.json", data)
    lines: list[bytes] = []

    def log(event: str, **fields: Any) -> None:
        lines.append(orjson.dumps({"event": event, **fields}))

    metrics = Metrics()
    fleet = Fleet(lambda: deployed(fresh.store), fresh.store, Settings(), metrics, log)
    for _ in range(3):
        fleet.look()
    assert fleet.served[MARKET].current is not None
    refused = [json.loads(line)["name"] for line in lines if b'"refused"' in line]
    assert refused == ["a", "megasena"]
    assert metrics.swaps == {(MARKET, "taken"): 1, ("a", "refused"): 1, ("megasena", "refused"): 1}


def test_a_model_of_another_market_is_refused(rolling: Server, own: Trained, v1: dict[str, Any]) -> None:
    lines = len(rolling.lines("refused"))
    key = "models/elsewhere/"
    for name, file in own.files(2).items():
        own.store.replace(key + name, b'{"market": "megasena"}' if name == "evaluation.json" else file)
    state = json.loads(own.store.read(f"states/{MARKET}/{own.hashes[1]}/latest.json"))
    there = f"states/megasena/{own.hashes[1]}/latest.json"
    own.store.replace(there, json.dumps({**state, "market": "megasena"}).encode())
    own.deploy(2, prefix="models/elsewhere")
    assert wait_for(lambda: len(rolling.lines("refused")) > lines, 10)
    line = rolling.lines("refused")[lines]
    assert "a model of megasena, not of england" in line["error"]
    assert line["goes_on_with"] == "v1"
    assert _ask(rolling) == v1


def test_sigterm_fails_readiness_answers_on_and_ends_well(trained: Trained, tmp_path: Path) -> None:
    server = start(tmp_path / "log", "--deployed", "--store", str(trained.folder), "--drain_seconds", "0.6")
    answers: list[Any] = []
    failed: list[str] = []
    readiness: list[int] = []

    async def stop() -> None:
        await asyncio.sleep(0.3)
        server.process.send_signal(signal.SIGTERM)
        await asyncio.sleep(0.2)
        async with httpx.AsyncClient() as client:
            response = await client.get(f"{server.url}/v2/health/ready")
            readiness.append(response.status_code)
            during = await client.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY)
            readiness.append(during.status_code)
            assert during.headers["connection"] == "close"
            # A client that goes on with the connection regardless is answered too.
            with socket.create_connection(("127.0.0.1", server.http)) as deaf:
                for _ in range(3):
                    deaf.sendall(REQUEST)
                    said = b""
                    while not said.endswith(b"}"):
                        said += deaf.recv(4000)
                    assert said.startswith(b"HTTP/1.1 200")

    async def both() -> None:
        until = time.monotonic() + 3
        await asyncio.gather(_load(server, lambda: time.monotonic() > until, answers, failed), stop())

    asyncio.run(both())
    assert readiness == [503, 200]
    assert failed == []
    assert {status for status, *_ in answers} == {200}
    assert server.process.wait(10) in (0, -signal.SIGTERM)
    assert "Traceback" not in server.log.read_text()
    assert all(line.startswith("{") for line in server.log.read_text().splitlines())


def test_who_comes_as_the_door_closes_is_answered_or_turned_away(trained: Trained, tmp_path: Path) -> None:
    server = start(tmp_path / "log", "--deployed", "--store", str(trained.folder), "--drain_seconds", "0.5")
    found: Counter[str] = Counter()

    def ask_anew() -> None:
        """Ask on one new connection after another, until one is refused: who is refused lost nothing."""
        while True:
            try:
                with socket.create_connection(("127.0.0.1", server.http), timeout=10) as raw:
                    raw.sendall(REQUEST)
                    found[raw.recv(4000)[:12].decode() or "closed"] += 1
            except ConnectionRefusedError:
                found["refused"] += 1
                return
            except OSError as error:
                found[type(error).__name__] += 1

    with ThreadPoolExecutor(6) as clients:
        for _ in range(6):
            clients.submit(ask_anew)
        time.sleep(0.2)
        server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) in (0, -signal.SIGTERM)
    answered = found.pop("HTTP/1.1 200")
    assert answered > 50
    assert found == {"refused": 6}
    assert wait_for(lambda: server.lines("stopped"), 5)
    (draining,), (closed,), (stopped,) = (server.lines(event) for event in ("draining", "door closed", "stopped"))
    assert draining["seconds"] == 0.5
    assert 0.4 < closed["time"] - draining["time"] < 5
    assert closed["time"] < stopped["time"]


def test_not_ready_is_503_until_there_is_a_model(fresh: Trained, tmp_path: Path) -> None:
    path = fresh.store._path("models/v1/arrays.npz")
    whole = path.read_bytes()
    path.write_bytes(b"")
    server = start(tmp_path / "log", "--deployed", "--store", str(fresh.folder), ready=False)
    try:
        assert wait_for(lambda: _alive(server), 20)
        assert not server.ready()
        assert httpx.post(f"{server.url}/v1/models/{MARKET}:predict", json=BODY).status_code == 503
        path.write_bytes(whole)
        assert wait_for(server.ready, 10)
        assert _ask(server)["model_version"] == "v1"
    finally:
        server.stop()


def _alive(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/v2/health/live").status_code == 200
    except httpx.HTTPError:
        return False


def test_one_model_of_a_folder_takes_each_weeks_state(fresh: Trained, tmp_path: Path) -> None:
    mounted = tmp_path / "models"
    mounted.mkdir()
    for name, data in fresh.files(1).items():
        (mounted / name).write_bytes(data)
    model = fresh.hashes[0]
    fresh.store._path(f"states/{MARKET}/{model}/latest.json").unlink()
    flags = ["--model_name", MARKET, "--model_dir", str(mounted), "--model_version", "v1", "--model_sha256", model]
    server = start(tmp_path / "log", *flags, "--store", str(fresh.folder), "--enable_grpc", "false")
    try:
        before = _ask(server)
        assert (before["model_version"], before["model"]) == ("v1", model)
        assert before["as_of"] == fresh.weeks[0].checks.as_of  # the state it was fitted in lies beside the model
        state = fresh.keep(1, 1)
        assert wait_for(lambda: _ask(server)["state"] == state, 10)
        after = _ask(server)
        assert after["model"] == model
        assert after["as_of"] == fresh.weeks[1].checks.as_of
        assert after["predictions"][0]["mean"] != before["predictions"][0]["mean"]
    finally:
        assert server.stop() == 0


@pytest.mark.parametrize(
    ("flag", "value", "allowed"),
    [
        ("max_instances", "-5", "1 or more"),
        ("max_instances", "1.5", "a whole number"),
        ("max_body_bytes", str(2**28), "1 to 268,435,455"),
        ("drain_seconds", "nan", "0 to 86,400"),
        ("grace_seconds", "-1", "0 to 86,400"),
        ("poll_seconds", "0", "0.001 to 86,400"),
        ("payload_share", "1.1", "0 to 1"),
        ("horizon_days", "1e9", "a whole number"),
        ("http_port", "-1", "1 to 65,535"),
        ("grpc_port", "70000", "1 to 65,535"),
        ("max_threads", "0", "1 or more"),
    ],
)
def test_a_flag_that_makes_no_sense_ends_the_start(
    flag: str, value: str, allowed: str, capsys: pytest.CaptureFixture[str]
) -> None:
    from serving.server import parser

    with pytest.raises(SystemExit) as stop:
        parser().parse_args([f"--{flag}", value])
    said = capsys.readouterr().err.splitlines()[-1]
    assert stop.value.code == 2
    assert (f"--{flag}" in said, repr(value) in said, allowed in said) == (True, True, True), said


def test_every_number_among_the_flags_is_checked() -> None:
    from serving.server import parser

    numbers = [one for one in parser()._actions if isinstance(one.default, int | float) and one.type is not None]
    assert len(numbers) > 25
    assert [one.dest for one in numbers if one.type in (int, float)] == []
    defaults = parser().parse_args([])
    assert Settings.from_arguments(defaults) == Settings()


def test_what_is_imported_at_start() -> None:
    code = (
        "import sys, json; sys.argv = ['x']\n"
        "from serving.__main__ import without_kubernetes_client as begin; begin()\n"
        "import serving.server\n"
        "heavy = ('mlflow', 'sklearn', 'scipy', 'matplotlib', 'boto3', 'kubernetes')\n"
        "print(json.dumps([name for name in heavy if name in sys.modules]))"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(found.stdout.splitlines()[-1]) == []


def test_kserve_is_built_as_we_rely_on() -> None:
    import inspect
    from importlib.metadata import version

    from kserve import model_server
    from uvicorn.protocols.http import httptools_impl

    code = "import sys; sys.argv = ['x']; from serving.kserve_server import KSERVE_VERSION; print(KSERVE_VERSION)"
    pinned = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert version("kserve") == pinned.stdout.strip()
    source = inspect.getsource(model_server.ModelServer)
    for used in ("RESTServer(", "GRPCServer(", "DataPlane(", "self.servers.append(", "FASTAPI_APP_IMPORT_STRING"):
        assert used in source
    assert model_server.FASTAPI_APP_IMPORT_STRING == "kserve.model_server:app"
    assert "self._server = _RefreshingServer(self.config)" in inspect.getsource(model_server.RESTServer)
    kserve = Path(inspect.getfile(model_server)).parent
    assert (kserve / "__init__.py").read_text().count("kserve_client") == 1
    for used in ("self._port", "self._data_plane", "self._server", "self._grace_period"):
        assert used in inspect.getsource(model_server.GRPCServer)
    protocol = inspect.getsource(httptools_impl)
    for used in (
        "self.cycle = RequestResponseCycle(",
        "self.pipeline.appendleft((self.cycle, app))",
        "self.response_complete = True\n                self.message_event.set()\n",
        "if not self.keep_alive:\n                    self.transport.close()",
        "self.timeout_keep_alive, self.timeout_keep_alive_handler",
        "self.parser.set_dangerous_leniencies(lenient_data_after_close=True)",
        "self.headers.append((name, value))",
    ):
        assert used in protocol
