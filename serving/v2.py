"""The open inference protocol, V2: columns as tensors, in JSON, in its binary extension, and from gRPC's messages.

https://kserve.github.io/website/docs/concepts/architecture/data-plane/v2-protocol and, for binary tensors,
https://github.com/triton-inference-server/server/blob/main/docs/protocol/extension_binary_data.md
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import orjson

from jackpot.demand.base import Array

from .columns import FIELDS, LEVELS, NOT_ASKED, check_count, dates_of, jackpots_of, levels_of_text, only
from .refusal import Refusal
from .settings import Settings
from .v1 import json_object
from .version import Forecast, Question, Version

SERVICE: Final = "inference.GRPCInferenceService"
"""The protocol over gRPC."""
WHERE: Final = "inputs.{1}[{0}]"
NUMBERS: Final = {
    "FP64": "<f8", "FP32": "<f4", "INT64": "<i8", "INT32": "<i4", "INT16": "<i2", "INT8": "<i1",
    "UINT64": "<u8", "UINT32": "<u4", "UINT16": "<u2", "UINT8": "<u1",
}  # fmt: skip
INPUTS: Final = (
    {"name": "jackpot", "datatype": "FP64", "shape": [-1]},
    {"name": "draw_date", "datatype": "BYTES", "shape": [-1]},
)
OUTPUTS: Final = (
    {"name": "mean", "datatype": "FP64", "shape": [-1]},
    {"name": "median", "datatype": "FP64", "shape": [-1]},
    {"name": "quantiles", "datatype": "FP64", "shape": [-1, -1]},
    {"name": "elasticity", "datatype": "FP64", "shape": [-1]},
    {"name": "extrapolated", "datatype": "BOOL", "shape": [-1]},
)
PLATFORM: Final = "jackpot"
OUTPUT_NAMES: Final = tuple(str(one["name"]) for one in OUTPUTS)


@dataclass(frozen=True)
class Wanted:
    """What a request wants back: outputs by name, each as JSON or binary, and its own id."""

    id: str
    binary: Mapping[str, bool]


def read(body: bytes, json_length: bytes | None, model: str, settings: Settings) -> tuple[Question, Wanted]:
    """Return what a V2 body asks of a model and wants; `json_length` is of its JSON where binary tensors follow it."""
    end = _json_end(body, json_length)
    document = json_object(body[:end])
    only(document, ("id", "inputs", "model_name", "outputs", "parameters"), "")
    # No field of the protocol, but KServe's own client sends it.
    if document.get("model_name", model) != model:
        raise Refusal(422, "model", "not the model of the address", field="model_name", found=document["model_name"],
                      allowed=model)  # fmt: skip
    parameters = document.get("parameters", {})
    only(parameters, ("quantiles", "binary_data_output"), "parameters")
    inputs = document.get("inputs")
    if type(inputs) is not list:
        raise Refusal(422, "type", "not an array", field="inputs", found=inputs, allowed="an array of tensors")
    tensors: dict[str, Any] = {}
    for place, tensor in enumerate(inputs):
        only(tensor, ("name", "datatype", "shape", "data", "parameters"), f"inputs[{place}]")
        of_tensor = tensor.get("parameters", {})
        only(of_tensor, ("binary_data_size",), f"inputs[{place}].parameters")
        name, datatype, count = header(
            tensor.get("name"), tensor.get("datatype"), tensor.get("shape"), tensors, place, settings
        )
        size = of_tensor.get("binary_data_size")
        if size is None:
            tensors[name] = _from_json(tensor.get("data"), datatype, count, name, len(tensor.get("shape")))
        else:
            if "data" in tensor or type(size) is not int or not 0 <= size <= len(body) - end:
                raise Refusal(400, "tensor", "the bytes of the tensor are not there", field=f"inputs.{name}",
                              found=size, allowed=f"binary_data_size up to {len(body) - end}, and no data")  # fmt: skip
            tensors[name] = from_bytes(body[end : end + size], datatype, count, name)
            end += size
    if end != len(body):
        raise Refusal(400, "tensor", "bytes after the last tensor", found=len(body) - end, allowed="none")
    return columns(tensors, parameters.get("quantiles"), settings), _wanted(document, parameters)


def metadata(version: Version) -> dict[str, Any]:
    """Return a model's metadata, over REST."""
    return {
        "name": version.name,
        "versions": [version.version],
        "platform": PLATFORM,
        "inputs": INPUTS,
        "outputs": OUTPUTS,
    }


def _json_end(body: bytes, json_length: bytes | None) -> int:
    if json_length is None:
        return len(body)
    if not (json_length.isdigit() and len(json_length) < 12 and int(json_length) <= len(body)):
        raise Refusal(400, "tensor", "not the length of the JSON part", field="Inference-Header-Content-Length",
                      found=json_length.decode("latin-1"), allowed=f"0 to {len(body)}")  # fmt: skip
    return int(json_length)


def header(
    name: Any, datatype: Any, shape: Any, seen: Mapping[str, Any], place: int, settings: Settings
) -> tuple[str, str, int]:
    """Return a tensor's name, datatype and number of values; raise Refusal where it is none of this model's."""
    if name not in FIELDS or name in seen:
        message = "twice" if isinstance(name, str) and name in seen else "no such input"
        raise Refusal(422, "unknown_field", message, field=f"inputs[{place}].name", found=name, allowed=NOT_ASKED)
    allowed = NUMBERS if name == "jackpot" else ("BYTES",)
    if not isinstance(datatype, str) or datatype not in allowed:
        raise Refusal(422, "type", "not its datatype", field=f"inputs.{name}.datatype", found=datatype,
                      allowed=", ".join(allowed))  # fmt: skip
    good = isinstance(shape, list | tuple) and len(shape) in (1, 2) and all(type(one) is int for one in shape)
    if not good or min(shape) < 0 or (len(shape) == 2 and shape[1] != 1):
        raise Refusal(422, "shape", "not its shape", field=f"inputs.{name}.shape", found=shape,
                      allowed="[n] or [n, 1]")  # fmt: skip
    check_count(shape[0], settings.max_instances, f"inputs.{name}.shape")
    return name, datatype, shape[0]


def _from_json(data: Any, datatype: str, count: int, name: str, dimensions: int) -> Any:
    if type(data) is list and dimensions == 2 and data and all(type(row) is list and len(row) == 1 for row in data):
        data = [row[0] for row in data]
    if type(data) is not list or len(data) != count:
        raise Refusal(422, "shape", "not as many values as its shape says", field=f"inputs.{name}.data", found=data,
                      allowed=f"an array of {count}")  # fmt: skip
    if datatype.startswith(("INT", "UINT")) and set(map(type, data)) != {int}:
        row = next(i for i, value in enumerate(data) if type(value) is not int)
        raise Refusal(422, "type", "not an integer", field=WHERE.format(row, name), found=data[row], allowed=datatype)
    return within(data, datatype, name)


def within(values: list[Any], datatype: str, name: str) -> list[Any]:
    """Return integers; raise Refusal where one is none of its datatype, which JSON and gRPC's messages cannot see."""
    if datatype.startswith(("INT", "UINT")):
        bounds = np.iinfo(NUMBERS[datatype])
        low, high = int(bounds.min), int(bounds.max)
        row = next((row for row, value in enumerate(values) if not low <= value <= high), None)
        if row is not None:
            raise Refusal(422, "type", f"no {datatype}", field=WHERE.format(row, name), found=values[row],
                          allowed=f"{low} to {high}")  # fmt: skip
    return values


def from_bytes(raw: bytes, datatype: str, count: int, name: str) -> Any:
    """Return a tensor's values from its bytes, little-endian; texts each after their length in four bytes."""
    if datatype != "BYTES":
        kind = np.dtype(NUMBERS[datatype])
        if len(raw) != count * kind.itemsize:
            raise Refusal(400, "tensor", "not as many bytes as its shape says", field=f"inputs.{name}",
                          found=len(raw), allowed=str(count * kind.itemsize))  # fmt: skip
        return np.frombuffer(raw, kind).astype(np.float64)
    values: list[bytes] = []
    at = 0
    while at + 4 <= len(raw) and len(values) < count:
        start = at + 4
        at = start + int.from_bytes(raw[at:start], "little")
        values.append(raw[start:at])
    if at != len(raw) or len(values) != count:
        raise Refusal(400, "tensor", "not the texts that its shape says", field=f"inputs.{name}", found=len(raw),
                      allowed=f"{count} texts, each after its length in four bytes")  # fmt: skip
    return texts(values, name)


def texts(values: Sequence[bytes], name: str) -> list[str]:
    """Return texts from their UTF-8."""
    try:
        return [value.decode() for value in values]
    except UnicodeDecodeError as error:
        raise Refusal(400, "utf8", "not UTF-8", field=f"inputs.{name}", found=error.object[:40]) from None


def columns(tensors: Mapping[str, Any], levels: Any, settings: Settings) -> Question:
    """Return the question in tensors; raise Refusal where one is missing or their lengths differ."""
    missing = [name for name in FIELDS if name not in tensors]
    if missing:
        raise Refusal(422, "missing_field", "missing", field=f"inputs.{missing[0]}", allowed=", ".join(FIELDS))
    jackpots = tensors["jackpot"]
    if not isinstance(jackpots, np.ndarray):
        jackpots = jackpots_of(jackpots, WHERE)
    dates = dates_of(tensors["draw_date"], WHERE)
    if len(dates) != len(jackpots):
        raise Refusal(422, "shape", "not as many as jackpots", field="inputs.draw_date.shape", found=len(dates),
                      allowed=f"[{len(jackpots)}]")  # fmt: skip
    asked = LEVELS if levels is None else levels_of_text(levels, "parameters.quantiles", settings)
    return Question(jackpots, dates, asked, WHERE)


def checked_id(id: Any) -> str:
    """Return a request's id; raise Refusal where it is none."""
    if not isinstance(id, str) or len(id) > 200:
        raise Refusal(422, "type", "not an id", field="id", found=id, allowed="a text of at most 200 characters")
    return id


def _wanted(document: Mapping[str, Any], parameters: Mapping[str, Any]) -> Wanted:
    id, every = checked_id(document.get("id", "")), parameters.get("binary_data_output", False)
    if type(every) is not bool:
        raise Refusal(422, "type", "not true or false", field="parameters.binary_data_output", found=every)
    if "outputs" not in document:
        return Wanted(id, dict.fromkeys(OUTPUT_NAMES, every))
    outputs = document["outputs"]
    binary: dict[str, bool] = {}
    if type(outputs) is not list:
        raise Refusal(422, "type", "not an array", field="outputs", found=outputs, allowed="an array of objects")
    for place, one in enumerate(outputs[: len(OUTPUTS) + 1]):
        only(one, ("name", "parameters"), f"outputs[{place}]")
        only(one.get("parameters", {}), ("binary_data",), f"outputs[{place}].parameters")
        wanted = one.get("parameters", {}).get("binary_data", every)
        if type(wanted) is not bool:
            raise Refusal(422, "type", "not true or false", field=f"outputs[{place}].parameters.binary_data",
                          found=wanted)  # fmt: skip
        binary[output_name(one.get("name"), place, binary)] = wanted
    return Wanted(id, binary or dict.fromkeys(OUTPUT_NAMES, every))


def output_name(name: Any, place: int, seen: Mapping[str, Any]) -> str:
    """Return the name of an output; raise Refusal where there is none such, or it is asked for twice."""
    if not isinstance(name, str) or name not in OUTPUT_NAMES or name in seen:
        raise Refusal(422, "unknown_field", "no such output", field=f"outputs[{place}].name", found=name,
                      allowed=f"each once: {', '.join(OUTPUT_NAMES)}")  # fmt: skip
    return name


def output(forecast: Forecast, name: str) -> Array:
    """Return an output tensor by its name; quantiles have one row an instance."""
    return np.ascontiguousarray(forecast.quantiles.T) if name == "quantiles" else getattr(forecast, name)


def levels_text(levels: tuple[float, ...]) -> str:
    """Return the levels of the columns of `quantiles`."""
    return ",".join(f"{level:g}" for level in levels)


def answer(version: Version, asked: Question, wanted: Wanted, forecast: Forecast) -> tuple[bytes, int | None]:
    """Return the body of a V2 answer, and the length of its JSON where binary tensors follow."""
    tensors, binary = [], []
    for name, as_bytes in wanted.binary.items():
        values = output(forecast, name)
        tensor: dict[str, Any] = {
            "name": name, "datatype": "BOOL" if name == "extrapolated" else "FP64", "shape": list(values.shape),
        }  # fmt: skip
        if as_bytes:
            binary.append(values.tobytes())
            tensor["parameters"] = {"binary_data_size": len(binary[-1])}
        else:
            tensor["data"] = values.ravel()
        tensors.append(tensor)
    document: dict[str, Any] = {
        "model_name": version.name,
        "model_version": version.version,
        **({"id": wanted.id} if wanted.id else {}),
        "parameters": {"quantiles": levels_text(asked.levels), **version.origin},
        "outputs": tensors,
    }
    head = orjson.dumps(document, option=orjson.OPT_SERIALIZE_NUMPY)
    return (b"".join([head, *binary]), len(head)) if binary else (head, None)
