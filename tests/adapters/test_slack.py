"""Messages to Slack, over HTTP to a server that plays Slack and checks what it gets."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from jackpot.adapters import slack
from jackpot.adapters.notifiers import send, to_store
from jackpot.adapters.slack import SlackThread
from jackpot.environment import Slack
from jackpot.ports import Notice
from jackpot.store import FolderStore

TOKEN = "xoxb-1-the-bots-token"  # noqa: S105


@dataclass
class Server:
    """Slack's chat.postMessage, as far as it matters here."""

    url: str = ""
    posts: list[dict[str, Any]] = field(default_factory=list)
    answers: list[int] = field(default_factory=list)
    """Status codes to answer first; then it works."""
    delay: float = 0.0
    attempts: int = 0

    def answer(self, path: str, authorization: str | None, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.attempts += 1
        time.sleep(self.delay)
        if self.answers:
            return self.answers.pop(0), {"ok": False, "error": "internal_error"}
        if path != "/api/chat.postMessage":
            return 404, {"ok": False, "error": "unknown_method"}
        if authorization != f"Bearer {TOKEN}":
            return 200, {"ok": False, "error": "invalid_auth"}
        if "thread_ts" in body and body["thread_ts"] not in {post["ts"] for post in self.posts}:
            return 200, {"ok": False, "error": "thread_not_found"}
        if not body.get("channel") or not body.get("text"):
            return 200, {"ok": False, "error": "no_text"}
        self.posts.append({**body, "ts": f"1700000000.{len(self.posts):06d}"})
        return 200, {"ok": True, "channel": body["channel"], "ts": self.posts[-1]["ts"]}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(slack, "LONGEST_WAIT", 0.05)
    playing = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            body = json.loads(self.rfile.read(length))
            status, said = playing.answer(self.path, self.headers["Authorization"], body)
            data = json.dumps(said).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(data)))
            self.send_header("Retry-After", "3600")
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, format: str, *args: Any) -> None: ...

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    http.daemon_threads = True
    playing.url = f"http://127.0.0.1:{http.server_port}/api/"
    threading.Thread(target=http.serve_forever, daemon=True).start()
    yield playing
    http.shutdown()
    http.server_close()


def thread(server: Server, folder: Path, timeout: int = 5) -> SlackThread:
    (folder / "token").write_text(TOKEN + "\n")
    settings = Slack(channel="C0123ABCD", token="token", api=server.url, timeout_seconds=timeout)
    return SlackThread(settings, folder / "token", FolderStore(folder / "store"))


def notice(kind: str, run_id: str = "run-1", text: str = "something happened", **more: Any) -> Notice:
    return Notice("england", run_id, kind, text, more.pop("link", None), **more)


def test_a_runs_messages_are_one_thread_even_from_other_processes(server: Server, tmp_path: Path) -> None:
    for kind in ("started", "approval", "recommended"):
        thread(server, tmp_path)(notice(kind))
    thread(server, tmp_path)(notice("started", "run-2"))
    first, second, third, other = server.posts
    assert "thread_ts" not in first
    assert second["thread_ts"] == third["thread_ts"] == first["ts"]
    assert second["reply_broadcast"] is True
    assert not third.get("reply_broadcast")
    assert "thread_ts" not in other


def test_a_failure_shows_step_log_and_link_and_nothing_that_slack_would_read_as_its_own(
    server: Server, tmp_path: Path
) -> None:
    text = "train: <!channel> 1 < 2 & x"
    thread(server, tmp_path)(notice("failed", text=text, lines=("a line", "```"), link="https://kf.example.com/r/1"))
    shown = json.dumps(server.posts[0]["blocks"])
    assert "&lt;!channel&gt; 1 &lt; 2 &amp; x" in shown
    assert "<!channel>" not in shown
    assert shown.count("```") == 2
    assert "<https://kf.example.com/r/1|the run>" in shown


@pytest.mark.parametrize("status", [429, 500, 503])
def test_what_passes_is_tried_again_and_not_for_as_long_as_slack_asks(
    server: Server, tmp_path: Path, status: int
) -> None:
    server.answers = [status, status]
    began = time.monotonic()
    thread(server, tmp_path)(notice("started"))
    assert len(server.posts) == 1
    assert time.monotonic() - began < 5


def test_slack_down_slow_or_refusing_fails_nothing_and_keeps_the_other_messages(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = FolderStore(tmp_path / "store")
    server.answers = [500] * 10
    assert send(notice("started"), [thread(server, tmp_path), to_store(store)]) != []
    assert server.attempts == slack.ATTEMPTS
    server.answers, server.delay = [], 3.0
    began = time.monotonic()
    assert send(notice("failed"), [thread(server, tmp_path, timeout=1), to_store(store)]) != []
    assert time.monotonic() - began < 6
    server.delay = 0.0
    (tmp_path / "token").write_text("xoxb-wrong")
    wrong = SlackThread(
        Slack(channel="C0123ABCD", token="token", api=server.url), tmp_path / "token", FolderStore(tmp_path / "other")
    )
    (why,) = send(notice("recommended"), [wrong, to_store(store)])
    assert "invalid_auth" in why
    kept = {path.name for path in (tmp_path / "store" / "runs" / "run-1").iterdir()}
    assert kept == {"notice-started.json", "notice-failed.json", "notice-recommended.json"}
    assert capsys.readouterr().out.count("notice-not-sent") == 3


def test_what_looks_like_a_credential_is_blotted_out_everywhere(server: Server, tmp_path: Path) -> None:
    secrets = (
        "postgresql://jackpot:hunter2@db/mlflow",
        "xoxb-12-34-abcd",
        "AKIAABCDEFGHIJKLMNOP",
        "Bearer abcdef123456",
    )
    store = FolderStore(tmp_path / "store")
    send(notice("failed", text=" ".join(secrets), lines=secrets), [thread(server, tmp_path), to_store(store)])
    told = json.dumps(server.posts) + store.read("runs/run-1/notice-failed.json").decode()
    assert not [word for word in ("hunter2", "xoxb-12", "AKIAABCD", "abcdef123456") if word in told]
    assert "postgresql://[redacted]@db/mlflow" in told
