"""What differs between two documents, field by field, and by how much."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from ..errors import InputError
from ..market.schema import Market
from ..records import Record

MOST_FIELDS: Final = 200
"""At most so many differing fields are listed."""
_ABSENT: Final = "(absent)"


class FieldDifference(Record):
    """A field that is not what was recorded."""

    field: str
    recorded: str
    found: str
    change: float | None = None
    """Found less recorded, of numbers."""
    relative: float | None = None
    """That over the recorded size; null where it was zero."""


def json_differences(recorded: bytes, found: bytes) -> tuple[FieldDifference, ...]:
    """Return how two JSON documents differ; no documents of JSON differ as a whole."""
    try:
        return differences(json.loads(recorded), json.loads(found))
    except ValueError:
        return () if recorded == found else (_whole(f"{len(recorded)} bytes", f"{len(found)} bytes, no JSON"),)


def market_differences(recorded: bytes, found: bytes, name: str) -> tuple[FieldDifference, ...]:
    """Return which settings two market files differ in: none where only comments and layout do."""
    from ..market.loading import parse_market

    try:
        return differences(_plain(parse_market(recorded, name)), _plain(parse_market(found, name)))
    except InputError as error:
        return (_whole("a market file", str(error.problems[0])),)


def snapshot_differences(recorded: bytes, found: bytes, market: Market) -> tuple[FieldDifference, ...]:
    """Return which cells of two snapshots differ, by draw date and column."""
    from ..history.snapshot import read_snapshot

    try:
        tables = [read_snapshot(data, market) for data in (recorded, found)]
    except InputError as error:
        return (_whole("a snapshot", str(error.problems[0])),)
    rows = [
        {str(row.pop("draw_date"))[:10]: {key: _cell(cell) for key, cell in row.items()} for row in table}
        for table in (frame.to_dict("records") for frame in tables)
    ]
    return differences(rows[0], rows[1])


def differences(recorded: Any, found: Any) -> tuple[FieldDifference, ...]:
    """Return how two plain values differ, field by field, at most MOST_FIELDS of them."""
    before, after = dict(_leaves(recorded)), dict(_leaves(found))
    changed = (
        _difference(key, before.get(key, _ABSENT), after.get(key, _ABSENT))
        for key in {**before, **after}
        if before.get(key, _ABSENT) != after.get(key, _ABSENT)
    )
    return tuple(field for field, _ in zip(changed, range(MOST_FIELDS), strict=False))


def _leaves(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, dict) and value:
        for key in sorted(value, key=str):
            yield from _leaves(value[key], f"{path}.{key}" if path else str(key))
    elif isinstance(value, list | tuple) and value:
        for position, item in enumerate(value):
            yield from _leaves(item, f"{path}[{position}]")
    else:
        yield path, value


def _difference(field: str, recorded: Any, found: Any) -> FieldDifference:
    change = relative = None
    if all(isinstance(value, int | float) and not isinstance(value, bool) for value in (recorded, found)):
        change = float(found) - float(recorded)
        relative = change / abs(float(recorded)) if recorded else None
    return FieldDifference(
        field=field, recorded=_shown(recorded), found=_shown(found), change=change, relative=relative
    )


def _whole(recorded: str, found: str) -> FieldDifference:
    return FieldDifference(field="", recorded=recorded, found=found)


def _shown(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= 120 else text[:119] + "…"


def _cell(cell: Any) -> Any:
    if isinstance(cell, str) or cell is None:
        return cell
    try:
        return None if cell != cell else float(cell)
    except TypeError:  # pandas' own missing value has no truth
        return None


def _plain(market: Market) -> Any:
    return market.model_dump(mode="json")
