"""The open inference protocol over gRPC: the service's methods on bytes, so that broken messages are refused too."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

import grpc
from google.protobuf.message import DecodeError
from kserve.protocol.grpc import grpc_predict_v2_pb2 as pb

from . import v2
from .app import ServingApp
from .columns import only
from .refusal import CODES, Refusal
from .version import Forecast, Question, TooMuchAtOnceError, Version

SHORT: Final = 256
"""Instances that are forecast in the event loop."""
CONTENTS: Final = {
    "FP64": "fp64_contents", "FP32": "fp32_contents", "INT64": "int64_contents", "INT32": "int_contents",
    "INT16": "int_contents", "INT8": "int_contents", "UINT64": "uint64_contents", "UINT32": "uint_contents",
    "UINT16": "uint_contents", "UINT8": "uint_contents", "BYTES": "bytes_contents",
}  # fmt: skip
SERVER: Final = "jackpot"
"""What the server is called in its metadata."""
Context = Any
Handler = Callable[[Any, Context], Awaitable[Any]]


class InferenceService(grpc.GenericRpcHandler):  # type: ignore[misc]
    """What an application answers over HTTP, over gRPC."""

    def __init__(self, app: ServingApp) -> None:
        self._app = app
        self._methods: dict[str, tuple[type[Any], Handler]] = {
            "ServerLive": (pb.ServerLiveRequest, self._server_live),
            "ServerReady": (pb.ServerReadyRequest, self._server_ready),
            "ServerMetadata": (pb.ServerMetadataRequest, self._server_metadata),
            "ModelReady": (pb.ModelReadyRequest, self._model_ready),
            "ModelMetadata": (pb.ModelMetadataRequest, self._model_metadata),
            "ModelInfer": (pb.ModelInferRequest, self._infer),
            "RepositoryModelLoad": (pb.RepositoryModelLoadRequest, self._refused),
            "RepositoryModelUnload": (pb.RepositoryModelUnloadRequest, self._refused),
        }

    def service(self, details: Any) -> Any:
        """Return what answers a call, or None for a method that is none."""
        service, _, method = details.method.strip("/").partition("/")
        if service != v2.SERVICE or method not in self._methods:
            return None
        kind, handler = self._methods[method]

        async def answer(data: bytes, context: Context) -> Any:
            started, request = time.perf_counter(), None
            try:
                request = kind.FromString(data)
                return (await handler(request, context)).SerializeToString()
            except DecodeError:
                refusal = Refusal(400, "protobuf", f"the bytes are no {kind.__name__}")
            except Refusal as found:
                refusal = found.with_traceback(None)
            if method == "ModelInfer":
                self._refuse(getattr(request, "model_name", ""), refusal, context, time.perf_counter() - started)
            return await context.abort(CODES[refusal.status], refusal.text)

        return grpc.unary_unary_rpc_method_handler(answer)

    def _refuse(self, name: str, refusal: Refusal, context: Context, seconds: float) -> None:
        """Count and log an inference that was refused; of names that are none, no metric is made."""
        known = name if name in self._app.fleet.served else ""
        headers = _metadata(context)
        self._app.fleet.metrics.refusals[known, refusal.reason] += 1
        request_id = self._app.request_id(headers)
        self._app.seen(known, "grpc", "", refusal.status, seconds, None, 0, request_id, headers, refusal)

    def _version(self, name: str, number: str, field: str) -> Version:
        served = self._app.fleet.served.get(name)
        if served is None:
            known = ", ".join(self._app.fleet.served)
            raise Refusal(404, "model", "no such model", field="model_name", found=name, allowed=known)
        if served.current is None:
            raise Refusal(503, "not_ready", f"no version of {name} is ready yet")
        if number and number != served.current.version:
            raise Refusal(404, "model", "not the version that answers", field=field, found=number,
                          allowed=served.current.version)  # fmt: skip
        return served.current

    async def _server_live(self, request: Any, context: Context) -> Any:
        return pb.ServerLiveResponse(live=True)

    async def _server_ready(self, request: Any, context: Context) -> Any:
        return pb.ServerReadyResponse(ready=self._app.fleet.ready)

    async def _server_metadata(self, request: Any, context: Context) -> Any:
        return pb.ServerMetadataResponse(name=SERVER, version=self._app.version, extensions=[])

    async def _model_ready(self, request: Any, context: Context) -> Any:
        self._version(request.name, request.version, "version")
        return pb.ModelReadyResponse(ready=not self._app.fleet.draining)

    async def _model_metadata(self, request: Any, context: Context) -> Any:
        version = self._version(request.name, request.version, "version")
        return pb.ModelMetadataResponse(
            name=request.name, versions=[version.version], platform=v2.PLATFORM, inputs=v2.INPUTS, outputs=v2.OUTPUTS
        )

    async def _refused(self, request: Any, context: Context) -> Any:
        raise Refusal(403, "repository", "models are loaded and unloaded by the registry alone")

    async def _infer(self, request: Any, context: Context) -> Any:
        app, settings, started = self._app, self._app.fleet.settings, time.perf_counter()
        version = self._version(request.model_name, request.model_version, "model_version")
        v2.checked_id(request.id)
        raw = list(request.raw_input_contents)
        if raw and len(raw) != len(request.inputs):
            raise Refusal(400, "tensor", "not as many raw contents as inputs", field="raw_input_contents",
                          found=len(raw), allowed=str(len(request.inputs)))  # fmt: skip
        tensors: dict[str, Any] = {}
        for place, tensor in enumerate(request.inputs):
            name, datatype, count = v2.header(
                tensor.name, tensor.datatype, list(tensor.shape), tensors, place, settings
            )
            # No need of it here, but KServe's own client sends it.
            only(dict(tensor.parameters), ("binary_data_size",) if raw else (), f"inputs.{name}.parameters")
            # Other kinds of contents, or any beside raw ones, may be what was meant.
            filled = {kind.name for kind, _ in tensor.contents.ListFields()}
            allowed = set() if raw else {CONTENTS[datatype]}
            if not filled <= allowed:
                raise Refusal(400, "tensor", "contents that are not read", field=f"inputs.{name}.contents",
                              found=", ".join(sorted(filled - allowed)),
                              allowed="none beside raw_input_contents" if raw else CONTENTS[datatype])  # fmt: skip
            if raw:
                tensors[name] = v2.from_bytes(raw[place], datatype, count, name)
                continue
            values = list(getattr(tensor.contents, CONTENTS[datatype]))
            if len(values) != count:
                raise Refusal(422, "shape", "not as many values as its shape says", field=f"inputs.{name}.contents",
                              found=len(values), allowed=f"{count} {CONTENTS[datatype]}")  # fmt: skip
            tensors[name] = v2.texts(values, name) if datatype == "BYTES" else v2.within(values, datatype, name)
        unknown = sorted(set(request.parameters) - {"quantiles"})
        if unknown:
            raise Refusal(422, "unknown_field", "no such parameter", field=f"parameters.{unknown[0][:40]}",
                          allowed="quantiles")  # fmt: skip
        given = request.parameters.get("quantiles")
        asked = v2.columns(tensors, given.string_param if given is not None else None, settings)
        wanted: dict[str, bool] = {}
        for place, one in enumerate(request.outputs):
            only(dict(one.parameters), ("binary_data",), f"outputs[{place}].parameters")
            wanted[v2.output_name(one.name, place, wanted)] = True
        try:
            if len(asked.dates) > SHORT:
                raise TooMuchAtOnceError
            forecast = version.forecast(asked, in_loop=True)
        except TooMuchAtOnceError:
            forecast = await app.in_thread(version, asked)
        headers = _metadata(context)
        request_id = app.request_id(headers)
        app.answered(version, request_id, asked, forecast)
        seconds = time.perf_counter() - started
        app.seen(version.name, "grpc", "", 200, seconds, version.version, len(asked.dates), request_id, headers, None)
        return _response(request.id, version, asked, forecast, list(wanted) or list(v2.OUTPUT_NAMES), bool(raw))


def _metadata(context: Context) -> dict[bytes, bytes]:
    """Return a call's metadata as headers are given: names and values in bytes."""
    given = context.invocation_metadata() or ()
    return {key.encode(): value if isinstance(value, bytes) else value.encode() for key, value in given}


def _response(id: str, version: Version, asked: Question, forecast: Forecast, names: list[str], raw: bool) -> Any:
    response = pb.ModelInferResponse(model_name=version.name, model_version=version.version, id=id)
    for key, value in {"quantiles": v2.levels_text(asked.levels), **version.origin}.items():
        response.parameters[key].string_param = value
    for name in names:
        values = v2.output(forecast, name)
        boolean = name == "extrapolated"
        tensor = response.outputs.add(name=name, datatype="BOOL" if boolean else "FP64", shape=values.shape)
        if raw:
            response.raw_output_contents.append(values.tobytes())
        elif boolean:
            tensor.contents.bool_contents.extend(values.tolist())
        else:
            tensor.contents.fp64_contents.extend(values.ravel().tolist())
    return response
