"""From a name or a path to a validated market, or to a list of all that is wrong, each with its line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..canonical import sha256
from ..errors import InputError, Problem
from ..strict_yaml.files import CONFIGS, files_by_name, load_yaml, named_file, read_file, shown_path
from ..strict_yaml.tree import read_tree, shown
from .schema import Market

MARKET_FOLDERS: Final = tuple(configs / "markets" for configs in CONFIGS)
"""Where a market's name is looked up, in order: under the current directory, then beside the package."""


@dataclass(frozen=True)
class LoadedMarket:
    """A market with the file it came from; `sha256` is of the file's bytes, by which records name it."""

    market: Market
    path: Path
    data: bytes
    sha256: str


def load_market(path_or_name: str, *, search: Sequence[Path] = MARKET_FOLDERS) -> LoadedMarket:
    """Read the market of a name in the folders of `search`, or of a file anywhere.

    Raises InputError, with all that is wrong, where there is no such market or its file cannot be read or used, and
    where the file's `market` is not the file's own name.
    """
    path = market_path(path_or_name, search=search)
    data = read_file(path)
    market = parse_market(data, shown_path(path))
    if market.market != path.stem:
        line = read_tree(data, shown_path(path)).line_of(("market",))
        raise InputError(
            Problem(
                "the market's name is not the file's",
                where=f"{shown_path(path)}:{line}",
                field="market",
                found=shown(market.market),
                allowed=shown(path.stem),
                hint=f"write `market: {path.stem}` or name the file {market.market}{path.suffix}",
            )
        )
    return LoadedMarket(market, path, data, sha256(data))


def known_markets(search: Sequence[Path] = MARKET_FOLDERS) -> tuple[str, ...]:
    """Return the names of all markets in the folders of `search`, in order."""
    return tuple(files_by_name(search))


def market_path(name: str, *, search: Sequence[Path] = MARKET_FOLDERS) -> Path:
    """Return the file of a market: of its name in the folders of `search`, else the path itself.

    Raises InputError, with the known markets and the nearest of them, where there is no such file.
    """
    return named_file(name, search, "market")


def parse_market(data: bytes, where: str) -> Market:
    """Return the market that a file's bytes describe; `where` is the file's name in errors.

    Raises InputError with all the problems found, in order of lines.
    """
    return load_yaml(data, where, Market)
