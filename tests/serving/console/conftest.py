"""What tests of the console share: a place where a week was run, people with roles in it, and the console over it."""

from __future__ import annotations

import contextlib
import datetime as dt
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from jackpot.adapters.places import Places, open_places
from jackpot.approval import Caller, request
from jackpot.audit import Entry
from jackpot.audit.turns import standings
from serving.console.app import create_app
from serving.console.guard import Tokens
from serving.console.identity import UnknownPersonError

ROOT = Path(__file__).resolve().parents[3]
LOOPBACK = ("127.0.0.1", 50000)
ORIGIN = "http://127.0.0.1"
ENVIRONMENT = """environment: test
store: store
restricted_store: restricted
registry: {tracking_uri: sqlite:///mlflow.db, artifacts: mlflow}
audit: {store: audit/records, heads: audit/heads, key: keys/audit, create_key: true}
approval: {approvers: {england: [alice, dora], uk_lotto: [ursula]}}
cash_uri: cash/{market}.json
cash_required: false
synthetic_allowed: true
bootstrap: true
notify: [file]
markets: [england, uk_lotto]
run_link: "https://kubeflow.example.com/runs/{run_id}"
console:
  read: {england: [rita], uk_lotto: [ursula]}
  decide: {england: [dora, david], uk_lotto: [ursula]}
  administer: {england: [adam], uk_lotto: [ursula]}
"""
EVIDENCE = {
    "summary": "the error falls by 3.2%",
    "gates": [{"name": "beats_naive", "figure": 0.1, "threshold": "< 1", "verdict": "passed", "reason": "it does"}],
    "this_week": None,
}


def by_header(headers: Mapping[str, str], client: str | None) -> Caller:
    """Say who asks, as a proxy that can be trusted would: for tests of all that comes after identity."""
    if "x-person" not in headers:
        raise UnknownPersonError("no x-person")
    return Caller(headers["x-person"], f"test:{headers['x-person']}")


@dataclass
class Console:
    """A console, and the people who use it."""

    root: Path
    places: Places
    app: FastAPI
    client: TestClient
    draw: str
    number: int
    """Of the request for approval."""
    tokens: Tokens

    def get(self, path: str, person: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers={"x-person": person, **headers}, follow_redirects=False)

    def token(self, person: str) -> str:
        """Return the token on a form that a person is shown."""
        page = self.get("/markets/england", person).text
        found = re.search(r'name="token" value="([0-9a-f]{64})"', page)
        assert found is not None, f"{person} is shown no form"
        return found.group(1)

    def site_token(self, person: str) -> str:
        """Return the token that the console makes for a person, whether or not a page shows them a form."""
        return self.tokens.of(person)

    def post(self, path: str, person: str, fields: Mapping[str, str], **headers: str) -> httpx.Response:
        return self.client.post(
            path, data=dict(fields), headers={"x-person": person, "origin": ORIGIN, **headers}, follow_redirects=False
        )

    def decide(self, person: str, jackpot: object, reason: str = "", **fields: str) -> httpx.Response:
        given = {"token": self.token(person), "day": self.draw, "jackpot": str(jackpot), "reason": reason, **fields}
        return self.post("/markets/england/decide", person, given)

    def entries(self, *kinds: str) -> list[Entry]:
        return list(self.places.audit("england").entries(*kinds))  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def week(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Run a week once; tests work on copies."""
    root = tmp_path_factory.mktemp("console") / "place"
    root.mkdir()
    (root / "test.yaml").write_text(ENVIRONMENT)
    words = ["run", "england", "--environment", str(root / "test.yaml"), "--out", str(root / "out")]
    subprocess.run([sys.executable, "-m", "jackpot", *words], check=True, cwd=ROOT, capture_output=True, timeout=300)
    return root


def ask(
    places: Places, version: str = "v9", days: float = 7, model_sha256: str = "a" * 64, **evidence: object
) -> Entry:
    now = dt.datetime.now(dt.UTC).replace(microsecond=0)
    log = places.audit("england")
    champion = standings(log, "england-synthetic").champion
    return request(
        log,
        model_name="england-synthetic",
        version=version,
        model_sha256=model_sha256,
        evidence={**EVIDENCE, "comparison": champion.body if champion else None, **evidence},
        trained_by=Caller("run:7"),
        four_eyes=False,
        at=(now - dt.timedelta(hours=1)).isoformat(),
        expires_at=(now + dt.timedelta(days=days)).isoformat(),
    )


def copy_of(week: Path, to: Path, changes: Mapping[str, str] | None = None) -> Path:
    """Return the environment file of a copy of the place, some of its text replaced."""
    shutil.copytree(week, to)
    path = to / "test.yaml"
    text = path.read_text()
    for old, new in (changes or {}).items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text)
    return path


def open_console(path: Path) -> Iterator[Console]:
    places = open_places(str(path))
    asked = ask(places)
    recommended = next(places.audit("england").entries("recommendation"))
    tokens = Tokens()
    app = create_app(places, str(path), by_header, tokens)
    with TestClient(app, base_url=ORIGIN, client=LOOPBACK, raise_server_exceptions=False) as client:
        yield Console(path.parent, places, app, client, str(recommended.body["draw_date"]), asked.number, tokens)


@contextlib.contextmanager
def process(path: Path, port: int, *flags: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "serving.console", "--environment", str(path), "--port", str(port)]
    one = subprocess.Popen([*command, *flags], cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield one
    finally:
        one.kill()
        one.wait(20)


def alive(port: int) -> bool:
    with contextlib.suppress(httpx.HTTPError):
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=2).status_code == 200
    return False


@pytest.fixture
def console(week: Path, tmp_path: Path) -> Iterator[Console]:
    yield from open_console(copy_of(week, tmp_path / "place"))


@pytest.fixture(scope="module")
def shared(week: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Console]:
    """Return a console in which nothing is written."""
    yield from open_console(copy_of(week, tmp_path_factory.mktemp("shared") / "place"))
