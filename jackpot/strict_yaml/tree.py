"""YAML as a tree that knows its lines: the plain part of YAML, read strictly and without surprises.

YAML 1.1 takes `NO` for false, `06:00` for 360 and `1e6` for text. Here a plain scalar is what a reader takes it for:
null, true, false, a number, a date, and else text. Anchors, aliases, tags and several documents are refused, so that
a file of a few bytes cannot grow into gigabytes and what is read is what is written.
"""

from __future__ import annotations

import datetime as dt
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml import events

from ..errors import InputError, Problem
from .section import KeyPath

LARGEST_FILE = 256 * 1024
"""Bytes; a long one has 6,000."""
DEEPEST = 12
MOST_PROBLEMS = 50

_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*(_[0-9]+)*)")
_NUMBER: Final = re.compile(r"[-+]?([0-9]+(_[0-9]+)*(\.[0-9]*)?|\.[0-9]+)([eE][-+]?[0-9]{1,4})?")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys((".inf", "+.inf"), float("inf")),
    "-.inf": float("-inf"),
    **dict.fromkeys((".nan", ".NaN", ".NAN"), float("nan")),
}
_LONGEST_NUMBER = 40
_LONGEST_SHOWN = 60


@dataclass
class Node:
    """A value with the line (from 1) where it starts; `keys` holds the line of each key of a mapping."""

    value: Any
    line: int
    keys: dict[str, int] = field(default_factory=dict)

    def plain(self) -> Any:
        """Return the value with nothing but dicts, lists and scalars in it."""
        if isinstance(self.value, dict):
            return {key: node.plain() for key, node in self.value.items()}
        if isinstance(self.value, list):
            return [node.plain() for node in self.value]
        return self.value

    def _step(self, part: str | int) -> tuple[Node, int] | None:
        """Return the child at a key or an index with the line on which it is written, None where there is none."""
        if isinstance(self.value, dict) and isinstance(part, str) and part in self.value:
            return self.value[part], self.keys[part]
        if isinstance(self.value, list) and isinstance(part, int) and part < len(self.value):
            return self.value[part], self.value[part].line
        return None

    def has(self, path: KeyPath) -> bool:
        """Return whether the file has something at `path`."""
        step = self._step(path[0]) if path else None
        return not path or (step is not None and step[0].has(path[1:]))

    def at(self, path: KeyPath) -> Any:
        """Return the plain value at `path`, None where the file has nothing there."""
        if not path:
            return self.plain()
        step = self._step(path[0])
        return step[0].at(path[1:]) if step else None

    def line_of(self, path: KeyPath) -> int:
        """Return the line of what is at `path`, or of the nearest part above it that the file has."""
        node, line = self, self.line
        for part in path:
            step = node._step(part)
            if step is None:
                break
            node, line = step
        return line


def read_tree(data: bytes, where: str) -> Node:
    """Return the one document in `data`, which must be a mapping.

    A byte-order mark of UTF-8 is passed over. Raises InputError on anything else than one plain mapping in UTF-8.
    """
    text = _decoded(data, where)
    builder = _Builder(where)
    try:
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            builder.take(event)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = error.character if isinstance(error.character, int) else 0
        raise InputError(
            Problem("a control character stands in the text", f"{where}:{line}", found=f"U+{character:04X}")
        ) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InputError(_syntax(error, f"{where}:{mark.line + 1}" if mark else where)) from None
    except (yaml.YAMLError, ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF" is a ValueError
        raise InputError(Problem("this is not YAML", where, found=shown(str(error)))) from None
    if builder.problems:
        raise InputError(shortened(builder.problems, where))
    if builder.root is None or builder.root.value is None:
        raise InputError(Problem("the file is empty", where))
    if not isinstance(builder.root.value, dict):
        raise InputError(
            Problem("the file must be a mapping of keys to values", where, found=shown(builder.root.plain()))
        )
    return builder.root


def _decoded(data: bytes, where: str) -> str:
    if len(data) > LARGEST_FILE:
        raise InputError(Problem("the file is too large", where, allowed=f"{LARGEST_FILE // 1024} KiB at most"))
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError(Problem("the file is not in UTF-8", where, found="UTF-16", hint="save it as UTF-8"))
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = f"byte 0x{data[error.start]:02X}"
        raise InputError(
            Problem("the file is not in UTF-8", f"{where}:{line}", found=found, hint="save it as UTF-8")
        ) from None


def _syntax(error: yaml.MarkedYAMLError, where: str) -> Problem:
    problem = str(error.problem or error.context)
    hint = ""
    if "\\t" in problem:
        hint = "indent with spaces, not tabs"
    elif "mapping values are not allowed" in problem:
        hint = "is the indentation right? Text with a colon in it needs quotes"
    elif "found character" in problem:
        hint = "text that begins with such a sign needs quotes"
    elif "block end" in problem or "could not find expected ':'" in problem:
        hint = "is the indentation right, and has each key its colon?"
    return Problem(f"this is not YAML: {problem}", where, hint=hint)


class _Builder:
    """Builds the tree from the parser's events without recursion, so that depth is a limit and not a crash."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.root: Node | None = None
        self.problems: list[Problem] = []
        self._open: list[Node] = []
        self._key: list[str | None] = []
        self._documents = 0

    def take(self, event: events.Event) -> None:
        """Take the parser's next event."""
        line = event.start_mark.line + 1 if event.start_mark else 1
        if isinstance(event, events.DocumentStartEvent):
            self._documents += 1
            if self._documents > 1:
                raise InputError(Problem("the file holds several documents", f"{self.where}:{line}", allowed="one"))
        elif isinstance(event, events.AliasEvent):
            self._refuse(line, "aliases (*name) are not used in these files", "write the value out")
            self._add(Node(None, line), None)
        elif isinstance(event, events.ScalarEvent):
            self._refuse_extras(event, line)
            if self._awaits_key():
                self._take_key(event.value, line)
            else:
                self._add(Node(self._scalar(event, line), line), None)
        elif isinstance(event, events.CollectionStartEvent):
            self._refuse_extras(event, line)
            if self._awaits_key():
                raise InputError(Problem("a key is a word, not a list or a mapping", f"{self.where}:{line}"))
            if len(self._open) >= DEEPEST:
                raise InputError(
                    Problem("the file is nested too deeply", f"{self.where}:{line}", allowed=f"{DEEPEST} levels")
                )
            mapping = isinstance(event, events.MappingStartEvent)
            node = Node({} if mapping else [], line)
            self._add(node, node)
        elif isinstance(event, events.CollectionEndEvent):
            self._open.pop()
            self._key.pop()

    def _awaits_key(self) -> bool:
        return bool(self._open) and isinstance(self._open[-1].value, dict) and self._key[-1] is None

    def _take_key(self, key: str, line: int) -> None:
        parent = self._open[-1]
        if key in parent.keys:
            self._refuse(
                line,
                f"the key {shown(key)} stands here twice, first on line {parent.keys[key]}",
                "remove one of them",
            )
        if _unprintable(key):
            self._refuse(line, "a key holds a control character", "")
        parent.keys[key] = line
        self._key[-1] = key

    def _add(self, node: Node, opened: Node | None) -> None:
        if not self._open:
            self.root = node
        elif isinstance(self._open[-1].value, list):
            self._open[-1].value.append(node)
        else:
            key = self._key[-1]
            if key is None:  # an alias in the place of a key
                raise InputError(self.problems)
            self._open[-1].value[key] = node
            self._key[-1] = None
        if opened is not None:
            self._open.append(opened)
            self._key.append(None)

    def _scalar(self, event: events.ScalarEvent, line: int) -> Any:
        if event.style is not None:
            value: Any = event.value
        else:
            value = plain_scalar(event.value)
        if isinstance(value, str) and _unprintable(value):
            self._refuse(line, "the text holds a control character", "")
        return value

    def _refuse_extras(self, event: events.NodeEvent, line: int) -> None:
        if event.anchor is not None:
            self._refuse(line, "anchors (&name) are not used in these files", "write the value out where it is needed")
        if getattr(event, "tag", None) is not None:
            self._refuse(line, "tags (!name) are not used in these files", "text that begins with ! needs quotes")

    def _refuse(self, line: int, message: str, hint: str) -> None:
        self.problems.append(Problem(message, f"{self.where}:{line}", hint=hint))


def plain_scalar(text: str) -> Any:
    """Return what an unquoted scalar stands for: None, a bool, an int, a float, a date or the text itself."""
    if text in _WORDS:
        return _WORDS[text]
    if len(text) <= _LONGEST_NUMBER:
        if _INTEGER.fullmatch(text):
            return int(text)
        if _NUMBER.fullmatch(text) and not re.match(r"[-+]?0[0-9]", text):
            return float(text)
        if _DATE.fullmatch(text):
            try:
                return dt.date.fromisoformat(text)
            except ValueError:
                return text
    return text


def shortened(problems: Sequence[Problem], where: str, total: int = 0) -> list[Problem]:
    """Return the first MOST_PROBLEMS and, where there are more (`total`, if given), a last one that says how many."""
    more = max(total, len(problems)) - MOST_PROBLEMS
    rest = [Problem(f"and {more} more problems", where)] if more > 0 else []
    return [*problems[:MOST_PROBLEMS], *rest]


def shown(value: Any) -> str:
    """Return a value as an error shows it: as it would be written, on one line, and short."""
    if isinstance(value, dict | list | tuple):
        return "a mapping" if isinstance(value, dict) else "a list"
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    text = json.dumps(value, ensure_ascii=not value.isprintable()) if isinstance(value, str) else str(value)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


def _unprintable(text: str) -> bool:
    return any(_is_control(character) for character in text)


def _is_control(character: str) -> bool:
    code = ord(character)
    return (code < 32 and character not in "\t\n") or 127 <= code < 160 or 0xD800 <= code < 0xE000
