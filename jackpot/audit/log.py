"""A market's append-only log: records chained by hash, each signed, its length signed apart.

Record n lies under `<market>/<n>.json` and carries the hash of record n-1; the next number is claimed by a conditional
write, so that of two writers one goes first. A head (count and hash, signed) lies in a store of its own for every
record: a tail that is cut off there too needs rights on both. A record's head is written before the next record, so
that after a crash the last record alone can lack it.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, Literal, NoReturn, TypeVar

from pydantic import JsonValue, ValidationError

from ..canonical import json_bytes, sha256
from ..errors import InputError, JackpotError, Problem
from ..records import Record, Sha256
from ..store import Store

Kind = Literal[
    "recommendation",
    "approval_request",
    "approval_answer",
    "promotion",
    "rollback",
    "decision",
    "decision_confirmation",
    "claim",
    "monitor_verdict",
    "replay",
]
SMALLEST_KEY_BYTES: Final = 32
UNKNOWN_KEY: Final = "which the key file does not hold"
PARALLEL_READS: Final = 16


class Keyring:
    """The keys that sign: the current one, and former ones that still verify."""

    def __init__(self, current: bytes, former: tuple[bytes, ...] = ()) -> None:
        for key in (current, *former):
            if len(key) < SMALLEST_KEY_BYTES:
                raise InputError(
                    Problem(
                        "an audit key is too short",
                        found=f"{len(key)} bytes",
                        allowed=f"at least {SMALLEST_KEY_BYTES}, one key a line, the current one first",
                    )
                )
        self._keys = {sha256(key)[:16]: key for key in (*former, current)}
        self._current = sha256(current)[:16]

    @property
    def current(self) -> str:
        """The name of the key that signs."""
        return self._current

    def names(self, key: str) -> bool:
        """Return whether there is a key of this name."""
        return key in self._keys

    @classmethod
    def parse(cls, data: bytes) -> Keyring:
        """Return the keys of a key file: one a line, the current one first."""
        lines = [line.strip() for line in data.splitlines() if line.strip()] or [b""]
        return cls(lines[0], tuple(lines[1:]))

    def sign(self, content: bytes, key: str) -> str:
        """Return the HMAC-SHA-256 of `content` by a key's name; raise KeyError for a key that is not here."""
        return hmac.new(self._keys[key], content, hashlib.sha256).hexdigest()

    def holds(self, content: bytes, key: str, signature: str) -> bool:
        """Return whether a signature is that of `content` by a known key."""
        return key in self._keys and hmac.compare_digest(self.sign(content, key), signature)


class Signed(Record):
    """A record with its signature over all its other fields."""

    key: str
    signature: Sha256

    def content(self) -> bytes:
        """Return the bytes that are signed."""
        return json_bytes(self.model_dump(mode="json", exclude={"signature"}))


S = TypeVar("S", bound=Signed)


class Entry(Signed):
    """One record of the log."""

    schema_version: Literal["1"] = "1"
    market: str
    number: int
    kind: Kind
    subject: str
    """What it is about: with `kind`, the key under which a thing happens once."""
    at: str
    """ISO 8601, UTC."""
    by: str
    """Who: user, service or run."""
    body: dict[str, JsonValue]
    previous: Sha256 | None


class Head(Signed):
    """How many records there are, and the hash of the last."""

    market: str
    count: int
    entry: Sha256


@dataclass(frozen=True)
class Fault:
    """Something wrong with the log: at which record, and what."""

    number: int
    what: str


@dataclass(frozen=True)
class Mark:
    """A record to be noted down: its number, which is the count of records up to it, and its hash."""

    count: int
    sha256: str

    @classmethod
    def parse(cls, text: str) -> Mark:
        """Return what `str` wrote; raise InputError for another text."""
        found = re.fullmatch(r"([1-9]\d{0,7}):([0-9a-f]{64})", text)
        if found is None:
            raise InputError(
                Problem("this is no record's mark", found=text[:100], allowed="COUNT:HASH, as audit verify prints it")
            )
        return cls(int(found[1]), found[2])

    def __str__(self) -> str:
        return f"{self.count}:{self.sha256}"


@dataclass(frozen=True)
class Examined:
    """What is wrong with a log, and its last record; None where it has none."""

    faults: list[Fault]
    last: Mark | None


class AuditLog:
    """The log of one market."""

    def __init__(self, market: str, store: Store, heads: Store, keys: Keyring) -> None:
        self.market = market
        self._store = store
        self._heads = heads
        self._keys = keys
        self._known: list[tuple[Entry, str]] = []

    def append(
        self, kind: Kind, subject: str, *, at: str, by: str, body: dict[str, Any], once: bool = False
    ) -> tuple[Entry, bool]:
        """Append a record; return it and True, or with `once` the earlier one of this kind and subject and False.

        Raises JackpotError where the log was changed by another hand: nothing is added to a log that is damaged.
        """
        while True:
            self._refresh()
            if once:
                for entry, _ in self._known:
                    if (entry.kind, entry.subject) == (kind, subject):
                        return entry, False
            number = len(self._known) + 1
            fields = {
                "market": self.market,
                "number": number,
                "kind": kind,
                "subject": subject,
                "at": at,
                "by": by,
                "body": body,
                "previous": self._known[-1][1] if self._known else None,
            }
            entry = self._sign(Entry, fields)
            data = entry.to_bytes()
            if self._store.put_new(self._key(number), data):
                self._known.append((entry, sha256(data)))
                self._write_head()
                return entry, True

    def entries(self, *kinds: Kind) -> Iterator[Entry]:
        """Yield the records, oldest first; of these kinds alone where any are named.

        Raises JackpotError at a record that does not hold.
        """
        self._refresh()
        return (entry for entry, _ in list(self._known) if not kinds or entry.kind in kinds)

    def find(self, kind: Kind, subject: str) -> Entry | None:
        """Return the first record of a kind about a subject."""
        return next((entry for entry in self.entries(kind) if entry.subject == subject), None)

    def verify(self) -> list[Fault]:
        """Return everything that is wrong with the log, the first bad record first; empty where it is whole."""
        return self.examine().faults

    def examine(self, expected: Iterable[Mark] = ()) -> Examined:
        """Return what is wrong with the log, and the count and hash of its last record, all of one moment.

        Records that were noted down earlier must still be there: else the log was cut off behind the last it has, or
        written anew by someone who holds the key, which nothing in the log itself can show.
        """
        records, heads = self.contents()
        faults = verify_contents(self.market, records, heads, self._keys)
        for mark in expected:
            held = records.get(self._key(mark.count))
            if held is None:
                faults.append(
                    Fault(mark.count, f"it was noted down, and is gone: the log holds {len(records)} records")
                )
            elif sha256(held) != mark.sha256:
                faults.append(Fault(mark.count, "it is another than the one that was noted down"))
        return Examined(faults, Mark(len(records), sha256(records[max(records)])) if records else None)

    def contents(self) -> tuple[dict[str, bytes], dict[str, bytes]]:
        """Return the bytes of all records and of all heads, by key, as they stood together at one moment."""
        cut_off = _last(self._heads.keys(f"{self.market}/"))
        records = self._contents(self._store)
        heads = self._contents(self._heads)
        # What others added while the records were read is left out.
        seen = max(cut_off, _last(records))
        return records, {key: data for key, data in heads.items() if _last([key]) <= seen}

    def sealed(self, content: dict[str, Any]) -> bytes:
        """Return `content` as JSON with a signature over it, as records have theirs."""
        named = {**content, "key": self._keys.current}
        return json_bytes({**named, "signature": self._keys.sign(json_bytes(named), named["key"])})

    def _contents(self, store: Store) -> dict[str, bytes]:
        keys = list(store.keys(f"{self.market}/"))
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            return dict(zip(keys, pool.map(store.read, keys), strict=True))

    def _refresh(self) -> None:
        """Read what was added since, check it, and see to the last record's head."""
        known = len(self._known)
        listed = list(self._store.keys(f"{self.market}/"))
        if len(listed) < known:
            self._refuse(len(listed) + 1, "it was there before, and is gone")
        keys = listed[known:]
        with ThreadPoolExecutor(PARALLEL_READS) as pool:
            for number, data in enumerate(pool.map(self._store.read, keys), known + 1):
                previous = self._known[-1][1] if self._known else None
                checked = _checked(data, self.market, number, previous, self._keys)
                if isinstance(checked, str):
                    self._refuse(number, checked)
                if keys[number - known - 1] != self._key(number):
                    self._refuse(number, "it is missing")
                self._known.append((checked, sha256(data)))
        heads = list(self._heads.keys(f"{self.market}/"))
        if len(heads) > len(self._known):
            # Between the two listings another writer may have added records.
            newer = list(self._store.keys(f"{self.market}/"))
            if len(newer) >= len(heads):
                self._refresh()
                return
            self._refuse(len(self._known) + 1, "it is gone: the signed head counts more records")
        if self._known:
            last = _checked_head(self._write_head(), self.market, len(self._known), self._known[-1][1], self._keys)
            if last:
                self._refuse(len(self._known), last)

    def _write_head(self) -> bytes:
        """Write the head of the last known record where it is not there yet, and return what is there."""
        fields = {"market": self.market, "count": len(self._known), "entry": self._known[-1][1]}
        data = self._sign(Head, fields).to_bytes()
        key = self._key(len(self._known))
        return data if self._heads.put_new(key, data) else self._heads.read(key)

    def _sign(self, kind: type[S], fields: dict[str, Any]) -> S:
        draft = kind(**fields, key=self._keys.current, signature="0" * 64)
        # What is signed is what is read back: figures at nine digits.
        draft = kind.model_validate_json(draft.to_bytes())
        return draft.model_copy(update={"signature": self._keys.sign(draft.content(), self._keys.current)})

    def _refuse(self, number: int, what: str) -> NoReturn:
        raise JackpotError(
            f"the audit log of {self.market} was changed at record {number}: {what}; nothing is added to it until it "
            f"is restored: `jackpot audit verify {self.market}` lists every fault"
        )

    def _key(self, number: int) -> str:
        return _key(self.market, number)


def verify_contents(market: str, records: dict[str, bytes], heads: dict[str, bytes], keys: Keyring) -> list[Fault]:
    """Return everything that is wrong with a log given as the bytes of its records and heads by key."""
    faults: list[Fault] = []
    numbered = {_key(market, number): number for number in range(1, max(_last(records), _last(heads)) + 1)}
    previous: str | None = None
    for key, number in numbered.items():
        data = records.get(key)
        if data is None:
            faults.append(Fault(number, "the record is missing"))
            previous = None
            continue
        checked = _checked(data, market, number, previous, keys)
        if isinstance(checked, str):
            faults.append(Fault(number, checked))
        head = heads.get(key)
        previous = sha256(data)
        if head is not None:
            wrong = _checked_head(head, market, number, previous, keys)
            if wrong:
                faults.append(Fault(number, wrong))
        elif number < len(numbered):
            faults.append(Fault(number, "its head is missing"))
    strange = [key for key in {**records, **heads} if key not in numbered]
    return faults + [Fault(len(numbered) + 1, f"{key} is no record of this log") for key in sorted(strange)]


def _key(market: str, number: int) -> str:
    return f"{market}/{number:08d}.json"


def _last(keys: Iterable[str]) -> int:
    stems = (key.rpartition("/")[2].removesuffix(".json") for key in keys)
    return max((int(stem) for stem in stems if len(stem) == 8 and stem.isascii() and stem.isdigit()), default=0)


def _checked(data: bytes, market: str, number: int, previous: str | None, keys: Keyring) -> Entry | str:
    """Return the record, or what is wrong with it."""
    try:
        entry = Entry.model_validate_json(data)
    except ValidationError:
        return "it is no record of an audit log"
    if not keys.names(entry.key):
        return f"it is signed with key {entry.key}, {UNKNOWN_KEY}"
    if entry.to_bytes() != data or not keys.holds(entry.content(), entry.key, entry.signature):
        return "its signature does not hold: it was changed"
    if (entry.market, entry.number) != (market, number):
        return f"it is record {entry.number} of {entry.market}"
    if entry.previous != previous:
        return "it does not follow the record before it"
    return entry


def _checked_head(data: bytes, market: str, number: int, entry: str, keys: Keyring) -> str | None:
    try:
        head = Head.model_validate_json(data)
    except ValidationError:
        return "its head is no head of an audit log"
    if head.to_bytes() != data or not keys.holds(head.content(), head.key, head.signature):
        return "its head's signature does not hold"
    if (head.market, head.count, head.entry) != (market, number, entry):
        return "it is not the record that its head was signed for"
    return None
