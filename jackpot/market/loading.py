"""From a name or a path to a validated market, or to a list of all that is wrong, each with its line."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..canonical import sha256
from ..errors import InputError, Problem
from .explain import explain
from .schema import Market
from .yaml_tree import LARGEST_FILE, MOST_PROBLEMS, read_tree, shortened, shown

_CONFIGS: Final = (Path("configs"), Path(__file__).resolve().parents[2] / "configs")

MARKET_FOLDERS: Final = tuple(configs / "markets" for configs in _CONFIGS)
"""Where a market's name is looked up, in order: under the current directory, then beside the package."""

ModelT = TypeVar("ModelT", bound=BaseModel)
_SUFFIXES = (".yaml", ".yml")


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
    data = _read(path)
    market = parse_market(data, _shown_path(path))
    if market.market != path.stem:
        line = read_tree(data, _shown_path(path)).line_of(("market",))
        raise InputError(
            Problem(
                "the market's name is not the file's",
                where=f"{_shown_path(path)}:{line}",
                field="market",
                found=shown(market.market),
                allowed=shown(path.stem),
                hint=f"write `market: {path.stem}` or name the file {market.market}{path.suffix}",
            )
        )
    return LoadedMarket(market, path, data, sha256(data))


def known_markets(search: Sequence[Path] = MARKET_FOLDERS) -> tuple[str, ...]:
    """Return the names of all markets in the folders of `search`, in order."""
    return tuple(_files(search))


def market_path(name: str, *, search: Sequence[Path] = MARKET_FOLDERS) -> Path:
    """Return the file of a market: of its name in the folders of `search`, else the path itself.

    Raises InputError, with the known markets and the nearest of them, where there is no such file.
    """
    return _named(name, search, "market")


def parse_market(data: bytes, where: str) -> Market:
    """Return the market that a file's bytes describe; `where` is the file's name in errors.

    Raises InputError with all the problems found, in order of lines.
    """
    return load_yaml_model(data, where, Market)


def named_file(name: str, folder: str, kind: str) -> Path:
    """Return the YAML file of a name in configs/<folder> (here, then beside the package), else the path itself.

    `kind` is what the file is called in errors. Raises InputError, with the known names, where there is no such file.
    """
    return _named(name, [configs / folder for configs in _CONFIGS], kind)


def load_yaml_model(data: bytes, where: str, model: type[ModelT]) -> ModelT:
    """Return the model that a YAML file's bytes describe; `where` is the file's name in errors.

    Raises InputError with all the problems found, in order of lines.
    """
    tree = read_tree(data, where)
    try:
        return model.model_validate(tree.plain())
    except ValidationError as error:
        details = _causes(error.errors(include_url=False))
    placed = [item for detail in details[:MOST_PROBLEMS] for item in explain(model, detail, tree, where)]
    problems = [problem for _, problem in sorted(placed, key=lambda item: item[0])]
    raise InputError(shortened(problems, where, len(details)))


def _causes(details: Sequence[ErrorDetails]) -> list[ErrorDetails]:
    """Leave out that a list is too short where an item of it was refused: that is no second mistake."""
    places = {detail["loc"][:depth] for detail in details for depth in range(len(detail["loc"]))}
    return [detail for detail in details if detail["type"] != "too_short" or detail["loc"] not in places]


def _files(search: Sequence[Path]) -> dict[str, Path]:
    """Return each file by its name, in order of names; a folder earlier in `search` wins."""
    found: dict[str, Path] = {}
    for folder in search:
        try:
            files = sorted(path for path in folder.iterdir() if path.suffix in _SUFFIXES)
        except OSError:
            continue
        for path in files:
            found.setdefault(path.stem, path)
    return dict(sorted(found.items()))


def _named(name: str, search: Sequence[Path], kind: str) -> Path:
    known = _files(search)
    if name in known:
        return known[name]
    path = Path(name)
    try:
        if path.is_file():
            return path
        other = "" if not name or not path.exists() else "a folder" if path.is_dir() else "not a regular file"
    except (OSError, ValueError):
        other = ""
    if other:
        raise InputError(Problem(f"this is {other}, where the file of a {kind} was expected", found=shown(name)))
    near = get_close_matches(path.stem.lower()[:80], known, n=1)
    file = " file" if path.suffix in _SUFFIXES or os.sep in name else ""
    raise InputError(
        Problem(
            f"there is no such {kind}{file}",
            found=shown(name),
            allowed=f"a path, or one of {', '.join(known)}" if known else f"the path of a {kind} file",
            hint=f"did you mean {near[0]}?" if near else "",
        )
    )


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(Problem(f"the file cannot be read: {error.strerror}", _shown_path(path))) from None


def _shown_path(path: Path) -> str:
    text = str(path)
    return text if text.isprintable() else shown(text)
