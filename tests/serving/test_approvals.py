"""The approval service over real sockets: genuine answers count once, and nothing else counts at all."""

from __future__ import annotations

import hashlib
import hmac
import json
import random
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import uvicorn

from jackpot.adapters.places import Places, open_places
from jackpot.adapters.slack import blocks
from jackpot.approval import Caller, request
from jackpot.approval.buttons import Question, answer_blocks
from jackpot.audit import Entry
from jackpot.ports import Notice
from serving.approvals.app import LARGEST_BODY, create_app
from serving.approvals.desk import Desk, tell
from tests.conftest import Place

SECRET = "a-signing-secret-of-a-test"  # noqa: S105
MODEL = "a" * 64
CLIENT = httpx.Client()


@dataclass
class Slack:
    """Plays the end of Slack that takes outcomes."""

    url: str
    told: list[dict[str, Any]] = field(default_factory=list)
    status: int = 200


@pytest.fixture
def slack() -> Iterator[Slack]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            got.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(got.status)
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    got = Slack(f"http://127.0.0.1:{server.server_address[1]}/")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield got
    server.shutdown()
    server.server_close()
    thread.join()


@dataclass
class Service:
    url: str
    places: Places
    slack: Slack
    asked: Entry
    promoted: list[Entry]
    hold: threading.Event

    def press(
        self, action: str = "approve", user: str = "UALICE", reason: str | None = "better", **changes: Any
    ) -> str:
        """Return the form that Slack posts for a pressed button."""
        question = Question(
            market="england",
            request=self.asked.subject,
            evidence_sha256=str(self.asked.body["evidence_sha256"]),
        ).model_copy(update=changes.pop("question", {}))
        payload = {
            "type": "block_actions",
            "user": {"id": user},
            "actions": [{"action_id": action, "value": question.model_dump_json()}],
            "state": {"values": {"reason": {"reason": {"type": "plain_text_input", "value": reason}}}},
            "response_url": f"{self.slack.url}actions/1",
        }
        return urlencode({"payload": json.dumps({**payload, **changes})})

    def post(self, body: str | bytes, *, secret: str = SECRET, age: float = 0, **headers: str) -> httpx.Response:
        """Post a body as Slack does, signed with a secret, `age` seconds ago."""
        return CLIENT.post(f"{self.url}/slack/interactions", content=body, headers=signed(body, secret, age) | headers)

    def answers(self) -> list[Entry]:
        return list(self.places.audit("england").entries("approval_answer"))

    def wait(self, true: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 120
        while not true():
            assert time.monotonic() < deadline
            time.sleep(0.02)


def signed(body: str | bytes, secret: str = SECRET, age: float = 0, stamp: str = "") -> dict[str, str]:
    stamp = stamp or str(int(time.time() - age))
    data = body.encode() if isinstance(body, str) else body
    mark = hmac.new(secret.encode(), b"v0:" + stamp.encode() + b":" + data, hashlib.sha256).hexdigest()
    return {
        "X-Slack-Request-Timestamp": stamp,
        "X-Slack-Signature": f"v0={mark}",
        "Content-Type": "application/x-www-form-urlencoded",
    }


def environment(place: Place, slack: Slack) -> Places:
    (place.root / "signing").write_text(SECRET)
    text = place.environment.read_text()
    old = 'approval: {approvers: {"*": ["local:*"]}}\n'
    assert text.count(old) == 1
    place.environment.write_text(
        text.replace(
            old,
            'approval: {approvers: {"*": [alice, bob]}, people: {"slack:UALICE": alice, "slack:UBOB": bob}}\n'
            f"slack: {{channel: C1, token: token, signing_secret: signing, hooks: '{slack.url}'}}\n",
        )
    )
    return open_places(str(place.environment))


def ask(places: Places, version: str = "v4", days: float = 7) -> Entry:
    def at(days: float) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%S+00:00", time.gmtime(time.time() + 86400 * days))

    return request(
        places.audit("england"),
        model_name="england",
        version=version,
        model_sha256=MODEL,
        evidence={"gain_pct": 3.2, "version": version},
        trained_by=Caller("run:7"),
        four_eyes=False,
        at=at(min(days, 0) - 1),
        expires_at=at(days),
    )


@pytest.fixture
def service(place: Place, slack: Slack) -> Iterator[Service]:
    places = environment(place, slack)
    asked, promoted, hold = ask(places), [], threading.Event()
    hold.set()

    def promote(entry: Entry) -> str:
        promoted.append(entry)
        return "The promotion has started: https://kubeflow.example.com"

    class Slow(Desk):
        def answer(self, press: Any) -> Any:
            hold.wait(20)
            return super().answer(press)

    app = create_app(Slow(places), SECRET, promote, lambda url, text, in_place: tell(url, text, slack.url, in_place))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        server = uvicorn.Server(uvicorn.Config(app, log_level="warning"))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            time.sleep(0.01)
        try:
            yield Service(f"http://127.0.0.1:{listener.getsockname()[1]}", places, slack, asked, promoted, hold)
        finally:
            server.should_exit = True
            thread.join()


def test_a_pressed_button_is_an_answer_and_starts_the_promotion(service: Service) -> None:
    done = service.post(service.press(reason="better by 3%"))
    assert (done.status_code, done.json()["recorded"]) == (200, True)
    (answer,) = service.answers()
    assert (answer.by, answer.body["verdict"], answer.body["reason"]) == ("alice", "approved", "better by 3%")
    service.wait(lambda: len(service.slack.told) == 2)
    assert service.promoted == [answer]
    first, second = service.slack.told
    assert "approved by alice: better by 3%" in first["text"]
    assert (first["replace_original"], second["replace_original"]) == (True, False)
    assert "promotion has started" in second["text"]

    late = service.post(service.press("reject", "UBOB"))
    assert late.json() == {
        "recorded": False,
        "text": f"Nothing was recorded: {service.asked.subject} was approved by "
        f"alice at {answer.at}: it has its answer.",
    }
    assert service.answers() == [answer]


def test_a_rejection_promotes_nothing(service: Service) -> None:
    assert service.post(service.press("reject", reason="not in May")).json()["recorded"] is True
    service.wait(lambda: len(service.slack.told) == 1)
    assert service.answers()[0].body["verdict"] == "rejected"
    assert service.promoted == []


def test_an_answer_that_takes_long_is_acknowledged_within_three_seconds_and_told_later(service: Service) -> None:
    service.hold.clear()
    started = time.monotonic()
    assert service.post(service.press()).json()["recorded"] is None
    assert time.monotonic() - started < 3
    service.hold.set()
    service.wait(lambda: len(service.slack.told) == 2)
    assert len(service.answers()) == 1


def test_an_answer_stands_though_slack_does_not_take_the_outcome(service: Service) -> None:
    service.slack.status = 500
    assert service.post(service.press()).json()["recorded"] is True
    service.wait(lambda: len(service.promoted) == 1)
    assert service.answers()[0].by == "alice"


def test_of_fifty_answers_at_once_one_wins(service: Service) -> None:
    def send(number: int) -> bool | None:
        user, action = ("UALICE", "UBOB")[number % 2], ("approve", "reject")[number // 2 % 2]
        return service.post(service.press(action, user, f"mine is {number}")).json()["recorded"]

    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(send, range(50)))
    assert len(service.answers()) == 1
    assert said.count(True) <= 1
    assert said.count(False) + said.count(None) + said.count(True) == 50
    assert service.places.audit("england").verify() == []


def test_a_get_never_has_a_side_effect(service: Service) -> None:
    body = service.press()
    before = sorted(path for path in service.places.root.rglob("*") if path.is_file())
    for path in ("/slack/interactions", f"/slack/interactions?{body}", "/", "/approve", "/docs", "/openapi.json"):
        assert CLIENT.get(f"{service.url}{path}", headers=signed(body)).status_code in (404, 405)
    assert [CLIENT.get(f"{service.url}/{path}").json() for path in ("healthz", "readyz")] == [{"status": "ok"}] * 2
    assert sorted(path for path in service.places.root.rglob("*") if path.is_file()) == before


def test_what_was_taken_and_refused_is_counted(service: Service) -> None:
    service.post(service.press())
    service.post(service.press(), secret="not Slack's")
    told = CLIENT.get(f"{service.url}/metrics").text
    assert 'jackpot_approvals_interactions_total{status="200"} 1.0' in told
    assert 'jackpot_approvals_interactions_total{status="401"} 1.0' in told


def test_nothing_is_answered_where_the_log_is_damaged_and_no_service_without_its_key(service: Service) -> None:
    (record,) = (service.places.root / "audit" / "records" / "england").iterdir()
    record.write_bytes(b"{}")
    assert service.post(service.press()).status_code == 503
    assert [CLIENT.get(f"{service.url}/{path}").status_code for path in ("healthz", "readyz")] == [200, 200]
    assert service.slack.told == []
    vars(service.places).pop("_keyring")
    key = service.places.root / "keys" / "audit"
    key.write_bytes(b"short")
    assert [CLIENT.get(f"{service.url}/{path}").status_code for path in ("healthz", "readyz")] == [200, 503]


def _attacks(service: Service, dice: random.Random) -> Iterator[tuple[str, Callable[[], httpx.Response]]]:
    """Yield attacks without end: each a name and the sending of it."""
    stale, other = ask(service.places, "v3", days=-1), ask(service.places, "v5")
    sent = service.press(user="UMALLORY", reason="a genuine message of someone who may not")
    genuine = signed(sent)
    assert CLIENT.post(f"{service.url}/slack/interactions", content=sent, headers=genuine).json()["recorded"] is False

    def raw(body: str | bytes, headers: dict[str, str]) -> httpx.Response:
        told = {name: value.encode() for name, value in headers.items()}
        return CLIENT.post(f"{service.url}/slack/interactions", content=body, headers=told)

    def forged() -> httpx.Response:
        return service.post(service.press(), secret=f"guess-{dice.random()}")

    def flipped() -> httpx.Response:
        body = bytearray(service.press().encode())
        headers = signed(bytes(body))
        body[dice.randrange(len(body))] ^= 1 << dice.randrange(7)
        return raw(bytes(body), headers)

    def no_signature() -> httpx.Response:
        headers = signed(service.press())
        name = dice.choice(["X-Slack-Signature", "X-Slack-Request-Timestamp"])
        headers[name] = dice.choice(["", "v0=", "v0=" + "0" * 64, "nan", "-1", "1e9", "1_0", "١٢"])
        return raw(service.press(), headers)

    def old() -> httpx.Response:
        return service.post(service.press(), age=dice.choice([-1, 1]) * dice.uniform(302, 1e8))

    def replayed() -> httpx.Response:
        return raw(sent, genuine)

    def restamped() -> httpx.Response:
        return raw(sent, genuine | {"X-Slack-Request-Timestamp": str(int(time.time()) + dice.randrange(1, 200))})

    def other_evidence() -> httpx.Response:
        question = (
            {"request": other.subject} if dice.random() < 0.5 else {"evidence_sha256": f"{dice.getrandbits(256):064x}"}
        )
        return service.post(service.press(question=question))

    def other_target() -> httpx.Response:
        names = ["../england", "freedonia", "megasena", "", "/etc/passwd", "england/..", "england\0"]
        question = (
            {"market": dice.choice(names)}
            if dice.random() < 0.5
            else {"request": service.asked.subject + dice.choice(["/2", "0", "\n", "/../x"])}
        )
        return service.post(service.press(question=question))

    def expired() -> httpx.Response:
        question = {"request": stale.subject, "evidence_sha256": str(stale.body["evidence_sha256"])}
        return service.post(service.press(question=question))

    def stranger() -> httpx.Response:
        return service.post(
            service.press(user=dice.choice(["UMALLORY", "alice", "ualice", "", "UALICE ", "slack:UALICE", "*"]))
        )

    def no_reason() -> httpx.Response:
        return service.post(service.press(reason=dice.choice([None, "", "  \n", "x" * 2001])))

    def malformed() -> httpx.Response:
        return service.post(
            dice.choice(
                [
                    b"", b"payload=", b"payload={}", b"payload=[]&payload={}", b"\xff\xfe", b"payload=%ff", b"x" * 1000,
                    b"payload=" + b"[" * 50_000,
                    service.press(type="view_submission").encode(),
                    service.press(actions=[]).encode(),
                    service.press(actions=[{"action_id": "promote", "value": "{}"}]).encode(),
                    service.press(state={}).encode(),
                    service.press(user={"id": ["UALICE"]}).encode(),
                    (service.press() + "&" + service.press()).encode(),
                ]
            )
        )  # fmt: skip

    def huge() -> httpx.Response:
        return service.post(service.press(padding="x" * (LARGEST_BODY + dice.randrange(1000))))

    makers = [forged, flipped, no_signature, old, replayed, restamped, other_evidence, other_target]
    makers += [expired, stranger, no_reason, malformed, huge]
    while True:
        make = dice.choice(makers)
        yield make.__name__, make


def test_of_a_thousand_attacks_none_is_accepted(service: Service) -> None:
    attacks = _attacks(service, random.Random(11))
    kinds: dict[str, set[int]] = {}
    for name, send in (next(attacks) for _ in range(1000)):
        response = send()
        kinds.setdefault(name, set()).add(response.status_code)
        assert response.status_code in (200, 400, 401, 409, 413), (name, response.text)
        if response.status_code == 200:
            assert response.json()["recorded"] is False, (name, response.text)
    assert service.answers() == []
    assert service.promoted == []
    assert kinds["forged"] == kinds["flipped"] == kinds["no_signature"] == kinds["old"] == kinds["restamped"] == {401}
    assert kinds["replayed"] == {409}
    assert kinds["huge"] == {413}
    assert kinds["malformed"] <= {400, 401, 409}
    assert service.post(service.press()).json()["recorded"] is True


def test_an_outcome_is_told_to_slack_alone() -> None:
    from jackpot.errors import JackpotError

    for url in ("http://169.254.169.254/latest", "https://hooks.slack.com.evil.example/x", "file:///etc/passwd", ""):
        with pytest.raises(JackpotError, match="not Slack's"):
            tell(url, "text", "https://hooks.slack.com")


def test_the_message_carries_the_buttons_where_the_service_answers() -> None:
    question = Question(market="england", request="england/v4/aa", evidence_sha256="b" * 64)
    notice = Notice("england", "run", "approval", "v4 asks", None, ("gates",), question.model_dump())
    made = answer_blocks(question)
    assert [block for block in blocks(notice, buttons=True) if block in made] == made
    assert not [block for block in blocks(notice) if block in made]
    assert all(len(element["value"]) <= 2000 for element in made[1]["elements"])


def test_the_service_starts_from_an_environment_and_says_what_it_lacks(place: Place, slack: Slack) -> None:
    command = [
        sys.executable,
        "-m",
        "serving.approvals",
        "--environment",
        str(place.environment),
        "--host",
        "127.0.0.1",
    ]
    lacking = subprocess.run(command, capture_output=True, text=True, timeout=180)
    assert lacking.returncode == 2
    assert "signing secret" in lacking.stderr
    assert "Traceback" not in lacking.stderr

    places = environment(place, slack)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = subprocess.Popen([*command, "--port", str(port)], stderr=subprocess.PIPE, text=True)
    try:
        service = Service(f"http://127.0.0.1:{port}", places, slack, ask(places), [], threading.Event())

        def up() -> bool:
            try:
                return CLIENT.get(f"{service.url}/readyz").status_code == 200
            except httpx.TransportError:
                return False

        service.wait(up)
        assert service.post(service.press()).json()["recorded"] is True
        # No such version was ever registered: the promotion fails, and Slack is told how to start it again.
        service.wait(lambda: len(slack.told) == 2)
        assert "jackpot promote england england/v4" in slack.told[1]["text"]
    finally:
        running.terminate()
        _, printed = running.communicate(timeout=120)
    assert SECRET not in printed
