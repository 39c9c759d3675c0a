"""Market files as they come: good ones, and good ones with something done to them."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import yaml
from hypothesis import strategies as st

from jackpot.errors import InputError
from jackpot.market.loading import parse_market
from jackpot.market.schema import Market
from jackpot.market.template import commented_template

MARKETS = Path(__file__).resolve().parents[2] / "configs" / "markets"
SHIPPED = sorted(MARKETS.glob("*.yaml"))

_TEXTS = [*(path.read_text(encoding="utf-8") for path in SHIPPED), commented_template("fresh")]

_ODD_VALUES: list[Any] = [
    *(
        None,
        True,
        False,
        "",
        "yes",
        "NO",
        "25%",
        "5M",
        "£5",
        "1,000",
        "06:00",
        "null",
        "\ud800",
        "\0",
        "a\nb",
        "é" * 500,
    ),
    *(0, -1, 1, 5, 25, 1.5, 1e-300, 2.2e-8, 1e300, -0.0, float("nan"), float("inf"), 10**12, 10**400, 2**63),
    *("2026-02-30", "0001-01-01", "9999-12-31", "2026-01-31T00:00:00", 20260131, 1767225600, "02-30"),
    *([], {}, [[]], [None], {"a": 1}, {"": ""}, {5: 5}, [1, 2, 3], [{"starts": "2020-01-01"}]),
]
_FRAGMENTS = [
    *(b"\t", b"\0", b"\r", b"\x85", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc3\xa9", b"\xed\xa0\x80", "\u2028".encode()),
    *(b"---\n", b"...\n", b"%YAML 9.9\n", b"%", b"&a ", b"*a", b"<<: *a\n", b"!!python/object:os.system ", b"!!int "),
    *(b"'", b'"', b'"\\UFFFFFFFF"', b'"\\uD800"', b"[", b"]", b"{", b"}", b":", b"? ", b"- ", b"| \n", b"#", b"[" * 50),
    *(b"{a: " * 500, b"market: x\n", b"0" * 5000, b"1_0", b"0x1F", b"1e999", b"-.inf", b"~", b"  ", b"\n\n"),
]


def _places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [place for key, item in items for place in [(*path, key), *_places(item, (*path, key))]]


def _inside(value: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        value = value[part]
    return value


@st.composite
def _mangled_trees(draw: st.DrawFn) -> bytes:
    """Keys removed, renamed or added and values replaced, in a file that is still YAML."""
    tree = yaml.safe_load(draw(st.sampled_from(_TEXTS)))
    for _ in range(draw(st.integers(1, 4))):
        places = _places(tree)
        if not places:
            break
        *path, last = draw(st.sampled_from(places))
        parent = _inside(tree, tuple(path))
        deed = draw(st.sampled_from(["remove", "rename", "replace", "copy", "add"]))
        if deed == "remove":
            del parent[last]
        elif deed == "rename" and isinstance(parent, dict):
            parent[draw(st.sampled_from([f"{last}s", str(last)[1:], str(last).upper(), "x", 7]))] = parent.pop(last)
        elif deed == "add" and isinstance(parent, dict):
            parent[draw(st.text(max_size=8))] = deepcopy(draw(st.sampled_from(_ODD_VALUES)))
        elif deed == "copy":
            parent[last] = deepcopy(_inside(tree, draw(st.sampled_from(places))))
        else:
            scalars = st.one_of(st.floats(), st.integers(), st.text(max_size=12), st.dates(), st.booleans())
            parent[last] = deepcopy(draw(st.one_of(st.sampled_from(_ODD_VALUES), scalars)))
    return _dumped(tree)


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _dumped(tree: Any) -> bytes:
    return yaml.dump(tree, Dumper=_Dumper, sort_keys=False).encode("utf-8", "surrogatepass")


@st.composite
def _mangled_texts(draw: st.DrawFn) -> bytes:
    """Bytes removed, doubled, exchanged or put in, wherever it may be."""
    data = draw(st.sampled_from(_TEXTS)).encode()
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.sampled_from([0, 0, 1, 3, 30, 3000])))
        noise = draw(st.one_of(st.sampled_from(_FRAGMENTS), st.binary(max_size=6), st.just(data[start:end] * 2)))
        data = data[:start] + noise + data[end:]
    return data


def mangled_market_files() -> st.SearchStrategy[bytes]:
    """Return market files that something was done to: many are bad, some are still good, a few were never YAML."""
    return st.one_of(_mangled_trees(), _mangled_texts(), st.binary(max_size=200), st.text(max_size=200).map(_encoded))


def _encoded(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")


def unreadable_in(data: bytes) -> list[str]:
    """Return what is wrong with the answer to a market file: nothing, for a market or for problems in plain words.

    A market must also survive being written as JSON and read again. Any other exception than InputError passes through.
    """
    try:
        market = parse_market(data, "mangled.yaml")
    except InputError as error:
        texts = [str(problem) for problem in error.problems if problem.where.startswith("mangled.yaml")]
        wrong = [text for text in texts if not text.isprintable() or len(text) > 1000]
        return wrong if texts and len(texts) == len(error.problems) else ["problems without a place"]
    return [] if Market.model_validate_json(market.model_dump_json()) == market else ["it changes as JSON"]
