"""A real Chromium, driven over the DevTools protocol: pages are opened, clicked, typed into and looked at."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.sync.client import ClientConnection, connect

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome") or shutil.which("chromium-browser")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--remote-debugging-port=0",
    "about:blank",
)
KEYS = {"Tab": 9, "Enter": 13, "Space": 32, "ArrowRight": 39, "ArrowLeft": 37}
SECONDS = 30.0


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.told: list[dict[str, Any]] = []
        """Messages of the console, exceptions and requests, in the order in which they came."""
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        self._number += 1
        self._socket.send(json.dumps({"id": self._number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._socket.recv(SECONDS))
            if message.get("id") == self._number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                found: dict[str, Any] = message["result"]
                return found
            self.told.append(message)

    def run(self, script: str) -> Any:
        """Return what an expression is, awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(f"{script[:200]}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, condition: str, seconds: float = SECONDS) -> Any:
        """Wait until an expression holds, and return it; a page may be loading meanwhile."""
        until = time.monotonic() + seconds
        while True:
            try:
                found = self.run(condition)
            except AssertionError:
                found = None
            if found:
                return found
            assert time.monotonic() < until, f"{condition}: not within {seconds} s at {self.run('location.href')}"
            time.sleep(0.02)

    def wait_for(self, selector: str) -> None:
        """Wait until the page is whole and has an element."""
        self.wait(f"document.readyState === 'complete' && !!document.querySelector({json.dumps(selector)})")

    def open(self, url: str) -> None:
        self.call("Page.navigate", url=url)
        self.wait(f"document.readyState === 'complete' && location.href === new URL({json.dumps(url)}).href")

    def look(self, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Take on a size and a colour scheme."""
        phone = width < 600
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=phone)
        features = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=features)

    def click(self, selector: str) -> None:
        """Click the middle of an element, as a mouse does."""
        self.wait_for(selector)
        script = (
            f"(() => {{ const one = document.querySelector({json.dumps(selector)});"
            "one.scrollIntoView({block: 'center'});"
            "const box = one.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2]; })()"
        )
        x, y = self.run(script)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def type(self, selector: str, text: str) -> None:
        """Put the focus on a field, and text in the place of its own."""
        self.wait_for(selector)
        self.run(
            f"(() => {{ const one = document.querySelector({json.dumps(selector)}); one.focus(); one.select(); }})()"
        )
        self.call("Input.insertText", text=text)

    def key(self, name: str, times: int = 1) -> None:
        for _ in range(times):
            text = {"Enter": "\r", "Space": " "}.get(name)
            code = {"key": " " if name == "Space" else name, "code": name, "windowsVirtualKeyCode": KEYS[name]}
            self.call("Input.dispatchKeyEvent", type="keyDown", **code, **({"text": text} if text else {}))
            self.call("Input.dispatchKeyEvent", type="keyUp", **code)

    def tab_to(self, selector: str, most: int = 80) -> None:
        """Press Tab until an element has the focus."""
        for _ in range(most):
            self.key("Tab")
            if self.run(f"document.activeElement.matches({json.dumps(selector)})"):
                return
        raise AssertionError(f"{selector} cannot be reached by Tab")

    def text(self, selector: str = "body") -> str:
        return str(self.run(f"document.querySelector({json.dumps(selector)})?.innerText ?? ''"))

    def picture(self, path: Path, whole: bool = True) -> None:
        data = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        path.write_bytes(base64.b64decode(data))

    def faults(self) -> list[str]:
        """Return what the browser complained of since the page was opened: errors, refused loads, other hosts."""
        self.run("1")
        found = []
        for message in self.told:
            kind, body = message["method"], message["params"]
            if kind == "Runtime.exceptionThrown":
                found.append(str(body["exceptionDetails"]))
            if kind == "Log.entryAdded" and body["entry"]["level"] == "error":
                found.append(f"{body['entry']['text']} {body['entry'].get('url', '')}")
        return found

    def requested(self) -> list[str]:
        """Return the addresses that the browser asked for."""
        sent = [one for one in self.told if one["method"] == "Network.requestWillBeSent"]
        return [one["params"]["request"]["url"] for one in sent]


@contextmanager
def chromium() -> Iterator[Page]:
    """Start a browser of its own, with an empty profile."""
    assert CHROMIUM is not None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        process = subprocess.Popen(
            [CHROMIUM, *FLAGS[:-1], f"--user-data-dir={profile}", FLAGS[-1]],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "TZ": "Europe/London", "LANG": "en_GB.UTF-8"},
        )
        try:
            port = Path(profile) / "DevToolsActivePort"
            until = time.monotonic() + SECONDS
            while not (port.is_file() and len(port.read_text().splitlines()) == 2):
                assert process.poll() is None, "Chromium ended"
                assert time.monotonic() < until, "Chromium did not start"
                time.sleep(0.05)
            number = port.read_text().splitlines()[0]
            pages = httpx.get(f"http://127.0.0.1:{number}/json/list").json()
            address = next(one["webSocketDebuggerUrl"] for one in pages if one["type"] == "page")
            with connect(address, max_size=None, compression=None) as socket:
                yield Page(socket)
        finally:
            process.terminate()
            process.wait(20)
