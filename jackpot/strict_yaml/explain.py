"""Validation errors in the reader's words: what is allowed here, which key was meant, which unit is expected."""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import get_close_matches
from functools import cache
from typing import Any, Final

from pydantic import BaseModel

from ..errors import Problem
from .section import KeyPath
from .tree import Node, plain_scalar, shown

_FRACTIONS: Final = re.compile(r"share|floor|ceiling|confidence")
_AMOUNT: Final = re.compile(
    r"[^0-9+-]{0,3} ?(?P<whole>[0-9]{1,15}|[0-9]{1,3}(?:[,_ ][0-9]{3}){1,4})(?:[.](?P<part>[0-9]{1,9}))?"
    r" ?(?P<scale>k|thousand|m|mn|mio|million|b|bn|billion|%|)",
    re.IGNORECASE,
)
_DECIMAL_COMMA: Final = re.compile(r"([0-9]{1,15}),([0-9]{1,2})")
_SCALES: Final = {"": 1.0, "k": 1e3, "t": 1e3, "m": 1e6, "b": 1e9, "%": 0.01}


def explain(model: type[BaseModel], details: Mapping[str, Any], tree: Node, where: str) -> list[tuple[int, Problem]]:
    """Return the line and the Problem of each thing wrong in one item of pydantic's `ValidationError.errors()`.

    `model` is what the file was validated against, `tree` the file as it was read, `where` its name.
    """
    at: KeyPath = tuple(details["loc"])
    kind, found = details["type"], details["input"]
    schema = _Schema.of(model)

    def problem(path: KeyPath, message: str, found: str = "", allowed: str = "", hint: str = "") -> tuple[int, Problem]:
        line = tree.line_of(path)
        return line, Problem(message, f"{where}:{line}", _dotted(tree, path), None, found, allowed, hint)

    if kind == "contradiction":
        return [problem((*at, *key), message) for key, message in details["ctx"]["contradictions"]]
    if at and at[-1] == "[key]":
        known = schema.keys(at[:-2])
        return [problem(at[:-1], "unknown key", "", ", ".join(known), _nearest(str(at[-2]), known))]
    if kind == "extra_forbidden":
        known, key = schema.keys(at[:-1]), str(at[-1])
        return [problem(at, "unknown key", "", ", ".join(known), _nearest(key, known) or schema.home_of(key))]
    if kind == "missing":
        return [problem(at, "this key is missing", "", schema.allowed(at), schema.description(at))]
    rule = schema.rule(at)
    message = _message(kind, details["msg"], rule)
    return [problem(at, message, shown(found), schema.allowed(at), _hint(at, found, rule))]


def _dotted(tree: Node, path: KeyPath) -> str:
    """Return a path as `game.tiers[2].prize (4+1)`: the name of a named item of a list stands behind."""
    text, names = "", []
    for depth, part in enumerate(path):
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
        if isinstance(part, int):
            name = tree.at((*path[: depth + 1], "name"))
            names += [name] if isinstance(name, str) and name else []
    field = text if text.isprintable() else shown(text)
    return f"{field[:120]} ({names[-1][:40]})" if names else field[:120]


def _message(kind: str, text: str, schema: Mapping[str, Any]) -> str:
    if kind in ("greater_than", "greater_than_equal"):
        return "the number is too small"
    if kind in ("less_than", "less_than_equal"):
        return "the number is too large"
    if kind in ("value_error", "date", "month_day"):
        return text.removeprefix("Value error, ")
    if kind == "finite_number":
        return "the number is not finite"
    if kind == "too_short":
        return "the list is too short"
    if kind in ("string_pattern_mismatch", "literal_error"):
        return "this value is not known here" if "enum" in schema else "the text has not the form that is expected"
    if kind in ("string_too_long", "string_too_short"):
        return "the text is too long" if kind.endswith("long") else "the text is empty"
    expected = {"number": "a number", "integer": "a whole number", "string": "text", "boolean": "true or false"}
    return f"{expected.get(schema.get('type', ''), 'something else')} is expected here"


def _hint(path: KeyPath, found: Any, schema: Mapping[str, Any]) -> str:
    """Return what to write instead, where what was meant can be told."""
    key = next((part for part in reversed(path) if isinstance(part, str)), "")
    kind = schema.get("type")
    if isinstance(found, str) and "enum" in schema:
        return _nearest(found.lower(), [str(item) for item in schema["enum"]], cutoff=0.5)
    if isinstance(found, str) and kind == "boolean":
        return {"yes": "write true", "on": "write true", "no": "write false", "off": "write false"}.get(
            found.lower(), "write true or false, without quotes"
        )
    if isinstance(found, str) and kind in ("number", "integer"):
        return _number_meant(found)
    if isinstance(found, float) and kind == "integer" and found.is_integer():
        return f"write {found:.0f}"
    if kind == "string" and found is not None and not isinstance(found, str | list | dict):
        return f'put it in quotes: "{shown(found)}"' if schema.get("format") != "date" else ""
    if kind == "number" and isinstance(found, int | float) and not isinstance(found, bool):
        upper = schema.get("maximum", schema.get("exclusiveMaximum"))
        if upper == 1 and 1 < found <= 100 and _FRACTIONS.search(key):
            return f"shares are fractions: write {found / 100:g}"
        if key.endswith("odds_one_in") and 0 < found < 1:
            return f"odds are one in: write {1 / found:.0f}"
    if kind in ("object", "array") and found is not None and not isinstance(found, dict | list):
        return "its keys stand on the lines below it, indented" if kind == "object" else "write it as a list: [a, b]"
    return ""


def _number_meant(text: str) -> str:
    if not isinstance(plain_scalar(text), str):
        return f"write {text} without quotes"
    if comma := _DECIMAL_COMMA.fullmatch(text):
        return f"write {comma[1]}.{comma[2]}"
    match = _AMOUNT.fullmatch(text)
    if match is None:
        return ""
    amount = float(f"{re.sub('[,_ ]', '', match['whole'])}.{match['part'] or 0}")
    return f"write {amount * _SCALES[match['scale'][:1].lower()]:.15g}"


def _nearest(key: str, known: list[str], cutoff: float = 0.6) -> str:
    near = get_close_matches(key[:60], known, n=1, cutoff=cutoff)
    return f"did you mean {near[0]}?" if near else ""


class _Schema:
    """A model's JSON Schema, asked by the path of a key."""

    def __init__(self, model: type[BaseModel]) -> None:
        self._root = model.model_json_schema()

    @staticmethod
    @cache
    def of(model: type[BaseModel]) -> _Schema:
        return _Schema(model)

    def rule(self, path: KeyPath) -> Mapping[str, Any]:
        """Return what is said of the value at `path`, without references and without the null of an optional one."""
        return self._followed(self._at(path))

    def keys(self, path: KeyPath) -> list[str]:
        """Return the keys that the mapping at `path` may have."""
        rule = self.rule(path)
        return list(rule.get("properties", {})) or list(self._followed(rule.get("propertyNames", {})).get("enum", []))

    def description(self, path: KeyPath) -> str:
        """Return what a key is for."""
        schema = self._at(path)
        return str(schema.get("description") or self._followed(schema).get("description", "")).rstrip(".")

    def home_of(self, key: str) -> str:
        """Say to which sections a known key belongs that stands in a wrong one."""
        homes = sorted(path for path, keys in self._sections().items() if key in keys)
        return f"{key} is a key of {' and of '.join(homes[:3])}" if homes else ""

    def allowed(self, path: KeyPath) -> str:
        """Return in words what a value at `path` may be."""
        return _allowed(self.rule(path))

    def _at(self, path: KeyPath) -> Mapping[str, Any]:
        schema: Mapping[str, Any] = self._root
        for part in path:
            inner = self._followed(schema)
            if isinstance(part, int):
                listed = inner.get("prefixItems", [])
                schema = listed[part] if part < len(listed) else inner.get("items", {})
            else:
                schema = inner.get("properties", {}).get(part) or inner.get("additionalProperties") or {}
        return schema

    def _followed(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema or "anyOf" in schema:
            if "$ref" in schema:
                schema = self._root["$defs"][schema["$ref"].rpartition("/")[2]]
            else:
                schema = next(option for option in schema["anyOf"] if option.get("type") != "null")
        return schema

    def _sections(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}

        def visit(schema: Mapping[str, Any], path: str) -> None:
            rule = self._followed(schema)
            if rule.get("type") == "array":
                visit(rule.get("items", {}), path)
            elif "properties" in rule:
                found[path or "the file itself"] = list(rule["properties"])
                for key, child in rule["properties"].items():
                    visit(child, f"{path}.{key}" if path else key)

        visit(self._root, "")
        return found


def _allowed(rule: Mapping[str, Any]) -> str:
    """Return in words what a rule admits."""
    kind = rule.get("type")
    if "const" in rule:
        return str(rule["const"])
    if "enum" in rule:
        return ", ".join(shown(item) if item == "" else str(item) for item in rule["enum"])
    if kind in ("number", "integer"):
        noun = "a whole number" if kind == "integer" else "a number"
        if "minimum" in rule and "maximum" in rule:
            return f"{noun} from {rule['minimum']:,.16g} to {rule['maximum']:,.16g}"
        words = {"minimum": "at least", "exclusiveMinimum": "over", "maximum": "at most", "exclusiveMaximum": "under"}
        limits = [f"{word} {rule[name]:,.16g}" for name, word in words.items() if name in rule]
        return f"{noun} {' and '.join(limits)}".rstrip()
    if kind == "string":
        if rule.get("format") == "date":
            return "a date such as 2026-01-31"
        if "pattern" in rule:
            return f"text such as {shown(rule['examples'][0])}" if "examples" in rule else rule["pattern"]
        longest = f" of at most {rule['maxLength']} characters" if rule.get("maxLength", 1) > 1 else ""
        return f"one character{longest}" if rule.get("maxLength") == 1 else f"text{longest}"
    if kind == "boolean":
        return "true or false"
    if kind == "array":
        return "a list"
    return f"a section with {', '.join(rule['properties'])}" if "properties" in rule else "a mapping"
