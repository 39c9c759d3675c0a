"""HTTP/1.1 on a connection: uvicorn's own protocol, with the limits that its parser does not know.

httptools takes a head of any length, for any time, and puts an endless line together anew with each read. Here a
connection is closed once more than so many bytes came without being the end of a head or a part of a body, and once a
head takes too long. An `Upgrade` is passed over, as RFC 9110 (7.8) allows: what was asked is answered in HTTP/1.1.
"""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from .app import ServingApp
from .refusal import Refusal


class HttpProtocol(HttpToolsProtocol):
    """A connection."""

    serving: ClassVar[ServingApp]

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._most = self.serving.fleet.settings.max_head_bytes
        self._read = self._since = 0
        """Bytes of this read, and of it and those before since a head ended or a part of a body came."""
        self._in_head = self._upgrade = False
        self._head_ends: asyncio.TimerHandle | None = None
        self._last_words = b""
        """What is said once all before it is answered; nothing is read any more then."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin; who sends nothing at all is let go like a connection that is kept and not used."""
        super().connection_made(transport)
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def connection_lost(self, exc: Exception | None) -> None:
        """End."""
        self._end_wait()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse what came."""
        if self._last_words:
            return
        self._unset_keepalive_if_required()
        self._read = len(data)
        self._since += self._read
        try:
            while data:
                data = self._feed(data)
        except httptools.HttpParserError as error:
            cause = error.__context__
            self._refuse(cause if isinstance(cause, Refusal) else Refusal(400, "http", "the bytes are no HTTP/1.1"))
            return
        if self._since > self._most:
            self._refuse(self._too_long())
        elif self._head_ends is None and (self._in_head or self._since):
            self._await_head()

    def _feed(self, data: bytes) -> bytes:
        """Parse bytes; where they ask for an upgrade, return what is to be parsed instead."""
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # The parser takes all that follows for another protocol; a new one is given the request without it.
            lines = [b"%s %s HTTP/%s" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())]
            lines += [b"%s: %s" % (name, value) for name, value in self.headers if name != b"upgrade"]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            self._upgrade = False
            return b"\r\n".join([*lines, b"", data[upgrade.args[0] :]])
        return b""

    def on_message_begin(self) -> None:
        """A head begins."""
        super().on_message_begin()
        self._in_head = True

    def on_headers_complete(self) -> None:
        """A head ended; raise Refusal where it is too long, or asks for a tunnel."""
        self._end_wait()
        if self._read > self._most or self._since > self._most:
            size = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
            if size > self._most:
                raise self._too_long()
        self._since, self._in_head = 0, False
        if self.parser.should_upgrade():
            if self.parser.get_method() == b"CONNECT":
                raise Refusal(400, "http", "this is no proxy")
            self._upgrade = True
            return
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A part of a body came."""
        self._since = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request ended."""
        self._since = 0
        self._end_wait()
        if not self._upgrade:
            super().on_message_complete()

    def on_response_complete(self) -> None:
        """An answer ended: begin the next one that waits, or say the last words."""
        super().on_response_complete()
        if self._last_words and self.timeout_keep_alive_task is not None:  # set where none waits
            self._say_last_words()

    def _too_long(self) -> Refusal:
        return Refusal(431, "head", "the head is too long", allowed=f"{self._most:,} bytes")

    def _await_head(self) -> None:
        self._head_ends = self.loop.call_later(self.serving.fleet.settings.head_seconds, self._head_late)

    def _head_late(self) -> None:
        if self.cycle is not None and not self.cycle.response_complete:
            self._await_head()  # what is under way is answered first, and has a limit of its own
        else:
            seconds = self.serving.fleet.settings.head_seconds
            self._refuse(Refusal(408, "slow", f"the head did not end within {seconds:g} s"))

    def _end_wait(self) -> None:
        if self._head_ends is not None:
            self._head_ends.cancel()
            self._head_ends = None

    def _refuse(self, refusal: Refusal) -> None:
        """Answer after what was asked before, and close the connection."""
        self._end_wait()
        headers, body = self.serving.refused(refusal)
        said = {"reason": refusal.reason, "status": refusal.status, "error": refusal.text}
        request_id = dict(headers)[b"x-request-id"].decode()
        self.serving.log("closed", level="warning", request_id=request_id, **said)
        lines = [b"%s: %s\r\n" % header for header in headers]
        length = b"content-length: %d\r\n\r\n" % len(body)
        self._last_words = b"".join([STATUS_LINE[refusal.status], *lines, length, body])
        answered = self.cycle is None or self.cycle.response_complete
        is_rest = not answered and self.cycle.more_body  # of the last request, whose body is not whole
        if is_rest and self.pipeline:
            self.pipeline.popleft()
        elif answered or is_rest:
            self._say_last_words()
            return
        self.flow.pause_reading()

    def _say_last_words(self) -> None:
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(self._last_words)
        self.transport.close()
