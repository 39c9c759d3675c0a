"""The one place that relies on how KServe's model server is built inside; a test pins the version it was read from.

`kserve.model_server` keeps the application it serves, and the classes of its REST and gRPC servers, as attributes of
the module. The application is replaced by one that answers the hot paths itself; the REST server by one that fails
readiness before it closes its door and bounds a request's head; the gRPC server by one that refuses broken messages.
Models, data plane, signals, flags and all other routes stay KServe's.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import os
import signal
import socket
import struct
import time
from typing import Any, Final

import kserve
import uvicorn
from grpc import aio
from kserve import model_server
from uvicorn.protocols.http import httptools_impl

from .app import ServingApp
from .fleet import Fleet, Log
from .grpc_service import SERVER, InferenceService
from .http_protocol import HttpProtocol
from .v2 import INPUTS, OUTPUTS

KSERVE_VERSION: Final = "0.21.0"
QUEUE_SECONDS: Final = 0.1
"""In which who waits at the door, or is half through it, comes in."""
NEWCOMER_SECONDS: Final = 1.0
"""How long who came in last has for its first request."""
_SO_ATTACH_FILTER: Final = 26
_NO_SYN: Final = struct.pack(
    "HBBI" * 5,
    *(0x30, 0, 0, 13),  # the flags of the TCP header
    *(0x54, 0, 0, 0x12),  # and SYN or ACK
    *(0x15, 0, 1, 0x02),  # SYN alone?
    *(0x06, 0, 0, 0),  # pass over it
    *(0x06, 0, 0, 0xFFFFFFFF),  # take all others
)
"""A program of Linux's socket filter (Documentation/networking/filter.rst)."""


class ServedModel(kserve.Model):  # type: ignore[misc]
    """A name in KServe's repository: its signature, and whether a version is ready."""

    def __init__(self, name: str, fleet: Fleet) -> None:
        super().__init__(name)
        self._fleet = fleet

    async def healthy(self) -> bool:
        """Return whether a version is ready and the server is not about to stop."""
        return self._fleet.served[self.name].current is not None and not self._fleet.draining

    def get_input_types(self) -> list[dict[str, Any]]:
        """Return the inputs of the V2 protocol."""
        return list(INPUTS)

    def get_output_types(self) -> list[dict[str, Any]]:
        """Return the outputs of the V2 protocol."""
        return list(OUTPUTS)


class DataPlane(model_server.DataPlane):  # type: ignore[misc]
    """KServe's, but for a readiness that is true."""

    fleet: Fleet

    async def ready(self) -> bool:
        """Return whether every model answered its self-test and the server is not about to stop."""
        return self.fleet.ready

    def metadata(self) -> dict[str, Any]:
        """Return the server's metadata: models cannot be loaded or unloaded from outside."""
        app = HttpProtocol.serving
        return {"name": SERVER, "version": app.version, "extensions": ["binary_tensor_data"]}


class RestServer(model_server.RESTServer):  # type: ignore[misc]
    """uvicorn with our log alone, and a door that closes late."""

    def __init__(self, *arguments: Any, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.config.server_header = False
        self.config.ws = "none"
        self.config.http = HttpProtocol
        self.config.lifespan = "off"
        self._server = _LateClosing(self.config, self.dataplane.fleet)

    async def start(self) -> None:
        """Serve until stopped; then end what else runs for the fleet."""
        try:
            await super().start()
        finally:
            self.dataplane.fleet.stopped.set()


class _LogLines(logging.Handler):
    """What libraries log, each record one line of our own log, its traceback in it."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        said = {"said": record.getMessage()}
        if record.exc_info:
            said["traceback"] = logging.Formatter().formatException(record.exc_info)
        self._log(record.name, level=record.levelname.lower(), **said)


class _LateClosing(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, fleet: Fleet) -> None:
        super().__init__(config)
        self._fleet = fleet

    def handle_exit(self, sig: int, frame: Any) -> None:
        """Fail readiness, answer on while proxies take notice, then stop; a second signal, or Ctrl-C, stops at once."""
        if sig == signal.SIGINT or self._fleet.draining:
            super().handle_exit(sig, frame)
            return
        self._fleet.draining = True
        loop, seconds = asyncio.get_running_loop(), self._fleet.settings.drain_seconds
        # In a turn of its own: the log's lock may be held where the signal came.
        loop.call_soon_threadsafe(lambda: HttpProtocol.serving.log("draining", seconds=seconds))
        loop.call_later(seconds, super().handle_exit, sig, frame)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close the door; who is through it already is answered."""
        connections = self.server_state.connections
        HttpProtocol.serving.log("door closed", connections=len(connections))
        if self._fleet.draining:
            for server in self.servers:
                for listening in server.sockets:
                    _let_nobody_in(listening.fileno())
            self._fleet.closing = True
            until = time.monotonic() + NEWCOMER_SECONDS
            await asyncio.sleep(QUEUE_SECONDS)
            while time.monotonic() < until and any(getattr(one, "cycle", None) is None for one in connections):
                await asyncio.sleep(0.01)
        await super().shutdown(sockets)


def _let_nobody_in(listening: int) -> None:
    """Have the kernel pass over whoever asks for a connection from now on; its next try, a second later, is refused.

    A listening socket that is closed resets those who wait in its queue, and there is no moment at which that is known
    to be empty while others come. Where filters are unknown (no Linux), a request or two may be lost.
    """
    program = ctypes.create_string_buffer(_NO_SYN)
    with contextlib.suppress(OSError), socket.socket(fileno=os.dup(listening)) as one:
        one.setsockopt(
            socket.SOL_SOCKET, _SO_ATTACH_FILTER, struct.pack("HP", len(_NO_SYN) // 8, ctypes.addressof(program))
        )


class _Cycle(httptools_impl.RequestResponseCycle):
    """A request and its answer. uvicorn closes a connection with the first answer that says so; a client that goes on
    regardless would lose its next request, so until the door closes only what the client asked for closes it."""

    fleet: Fleet

    async def send(self, message: Any) -> None:
        """Send a part of the answer."""
        keep_alive = self.keep_alive
        await super().send(message)
        if self.fleet.draining and not self.fleet.closing and message["type"] == "http.response.start":
            self.keep_alive = keep_alive


class GrpcServer(model_server.GRPCServer):  # type: ignore[misc]
    """gRPC on the event loop, with a service that takes bytes."""

    async def start(self, max_workers: int) -> None:
        """Serve until stopped."""
        fleet = self._data_plane.fleet
        largest = fleet.settings.max_body_bytes
        self._server = aio.server(
            options=[
                ("grpc.max_receive_message_length", largest),
                ("grpc.max_send_message_length", 8 * largest),
                ("grpc.so_reuseport", 0),  # a second server on the port fails instead of sharing it
            ]
        )
        self._server.add_generic_rpc_handlers((InferenceService(model_server.app),))
        self._server.add_insecure_port(f"[::]:{self._port}")
        await self._server.start()
        await self._server.wait_for_termination()


def model_server_for(fleet: Fleet, app: ServingApp, **settings: Any) -> Any:
    """Return KServe's model server for a fleet: start it with `.start([])`.

    Names that the fleet takes up later are registered with it as they come.
    """
    model_server.app = app
    model_server.RESTServer, model_server.GRPCServer = RestServer, GrpcServer
    model_server.DataPlane = DataPlane
    DataPlane.fleet = _Cycle.fleet = fleet
    HttpProtocol.serving = app
    httptools_impl.RequestResponseCycle = _Cycle  # type: ignore[misc]
    server = kserve.ModelServer(workers=1, grace_period=fleet.settings.grace_seconds, **settings)

    # Each request is one line of our own log; of KServe's, uvicorn's and others', only what is wrong.
    lines = _LogLines(app.log)
    logging.getLogger().addHandler(lines)
    for name in ("kserve", "kserve.trace", "uvicorn", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [], True
        logger.setLevel(logging.WARNING)
    access = logging.getLogger("uvicorn.access")
    access.handlers, access.propagate = [], False

    def register(name: str) -> None:
        server.registered_models.update(ServedModel(name, fleet))

    fleet.on_name = register
    for name in fleet.served:
        register(name)
    server.servers.append(fleet.follow())
    return server
