"""The server, of one model (on a cluster) or of all that a store's deployments name (locally).

python -m serving --model_name england --model_dir /mnt/models --store s3://bucket/prefix
python -m serving --deployed --store var/store
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import orjson
from kserve import model_server
from prometheus_client import REGISTRY

from jackpot.errors import JackpotError
from jackpot.store import FolderStore, Store

from .app import ServingApp
from .background import Background, Lines
from .fleet import Fleet, Log
from .kserve_server import model_server_for
from .loading import UNREGISTERED, Assignment, deployed, in_folder
from .metrics import Metrics
from .payload_log import PayloadLog
from .settings import Settings, add_flags, number

if TYPE_CHECKING:
    from .tracing import Tracing

SWITCH_SECONDS: Final = 0.0005
"""How long a thread may keep the interpreter from the one that answers; Python's own 5 ms would be seen in p99."""


def parser() -> argparse.ArgumentParser:
    """Return the flags: KServe's own, where the models are, and the settings."""
    flags = argparse.ArgumentParser(
        "python -m serving",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[model_server.parser],
    )
    flags.add_argument("--model_dir", default="/mnt/models", help="The folder of the one model's files.")
    flags.add_argument("--model_version", default=UNREGISTERED, help="The registry's version of it, e.g. v3.")
    flags.add_argument("--model_sha256", default=None, help="The hash that the registry records; another is refused.")
    flags.add_argument("--deployed", nargs="*", metavar="MARKET", help="Follow deployments in the store instead [all].")
    flags.add_argument("--store", default=None, help="A folder or s3://bucket/prefix, for each week's new state.")
    flags.add_argument("--payload_store", default=None, help="A folder or s3://bucket/prefix for the payload log.")
    add_flags(flags)
    for one in flags._actions:  # KServe's own
        if one.type is int:
            one.type = number(int, min(1, one.default or 1), 65_535 if one.dest.endswith("_port") else None)
    return flags


def open_store(uri: str) -> Store:
    """Return the store at a folder or s3://bucket/prefix."""
    if uri.startswith("s3://"):
        from jackpot.adapters.s3_store import S3Store

        bucket, _, prefix = uri.removeprefix("s3://").partition("/")
        return S3Store(bucket, prefix)
    return FolderStore(Path(uri))


def open_tracing(environ: Mapping[str, str], settings: Settings, log: Log) -> Tracing | None:
    """Return what traces requests where OpenTelemetry's variables ask for it; else None, and nothing is imported.

    https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables; as it says there, what is not
    known is said and passed over.
    """

    def first(*names: str, default: str = "") -> str:
        return next((value for name in names if (value := environ.get(name, "").strip())), default).lower()

    asked = first("OTEL_TRACES_EXPORTER")
    endpoint = first("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
    if not (asked or endpoint) or asked == "none" or first("OTEL_SDK_DISABLED") == "true":
        return None
    exporter = asked or "otlp"
    protocol = first("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL", default="http/protobuf")
    try:
        if (exporter, protocol) != ("otlp", "http/protobuf"):
            raise ValueError(f"exporter {exporter}, protocol {protocol}; known are otlp and http/protobuf")
        from .tracing import Tracing

        return Tracing(settings, log)
    except Exception as error:
        log("not traced", level="error", error=f"{type(error).__name__}: {error}")
        return None


def serve() -> None:
    """Serve until stopped."""
    import uvloop

    arguments = parser().parse_args()
    settings = Settings.from_arguments(arguments)
    lines, metrics = Lines(), Metrics()

    def log(event: str, level: str = "info", **fields: Any) -> None:
        lines.add(orjson.dumps({"time": time.time(), "level": level, "event": event, **fields}))

    store = open_store(arguments.store) if arguments.store else None
    wanted: Callable[[], Mapping[str, Assignment]]
    if arguments.deployed is not None:
        if store is None:
            raise JackpotError("--deployed needs --store, where the deployments are")
        wanted = partial(deployed, store, frozenset(arguments.deployed) or None)
    else:
        one = in_folder(
            arguments.model_name, Path(arguments.model_dir), arguments.model_version, arguments.model_sha256
        )
        wanted = partial(dict, {one.name: one})
    fleet = Fleet(wanted, store, settings, metrics, log)
    payloads = PayloadLog(open_store(arguments.payload_store), settings, log) if arguments.payload_store else None
    app = ServingApp(title="Jackpot Optimiser", version="1", docs_url=None, redoc_url=None)
    tracing = open_tracing(os.environ, settings, log)
    app.serve(fleet, log, lines.add, payloads, tracing)
    metrics.gauges["jackpot_log_lines_dropped"] = "Lines of the log that did not fit.", lambda: lines.dropped
    writers: list[Background] = []
    if payloads is not None:
        told = "Rows of the payload log that did not fit."
        metrics.gauges["jackpot_payloads_dropped"] = told, lambda: payloads.dropped
        writers.append(payloads)
    if tracing is not None:
        spans = tracing.spans
        metrics.gauges["jackpot_spans_dropped"] = "Spans that did not reach the collector.", lambda: spans.dropped
        writers.append(spans)
    writers.append(lines)  # stopped last: the others say in it what they lost
    REGISTRY.register(metrics)
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    asyncio.set_event_loop(asyncio.new_event_loop())
    server = model_server_for(
        fleet, app, http_port=arguments.http_port, grpc_port=arguments.grpc_port, enable_grpc=arguments.enable_grpc
    )
    for writer in writers:
        writer.start()
    fleet.look()
    # Hundreds of thousands of objects of imported modules: a full collection would look at each, for 0.2 s.
    gc.collect()
    gc.freeze()
    # Counts what is left: a full collection waits until a quarter as much again has come.
    gc.collect()
    sys.setswitchinterval(SWITCH_SECONDS)
    log("starting", http_port=arguments.http_port, grpc_port=arguments.grpc_port, models=list(fleet.served))
    try:
        server.start([])
    finally:
        log("stopped")
        for writer in writers:
            writer.stop()
