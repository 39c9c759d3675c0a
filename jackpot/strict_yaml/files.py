"""YAML files by name or path, read whole into the model that says what they may hold."""

from __future__ import annotations

import os
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Final, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from ..errors import InputError, Problem
from .explain import explain
from .tree import LARGEST_FILE, MOST_PROBLEMS, read_tree, shortened, shown

CONFIGS: Final = (Path("configs"), Path(__file__).resolve().parents[2] / "configs")
"""Where names are looked up, in order: under the current directory, then beside the package."""

ModelT = TypeVar("ModelT", bound=BaseModel)
_SUFFIXES = (".yaml", ".yml")


def load_yaml(data: bytes, where: str, model: type[ModelT]) -> ModelT:
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


def files_by_name(search: Sequence[Path]) -> dict[str, Path]:
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


def named_file(name: str, search: Sequence[Path], kind: str) -> Path:
    """Return the YAML file of a name in the folders of `search`, else the path itself.

    `kind` is what the file is called in errors. Raises InputError, with the known names, where there is no such file.
    """
    known = files_by_name(search)
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


def read_file(path: Path) -> bytes:
    """Return a file's bytes, of one too large the beginning alone; raise InputError where it is unreadable."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(Problem(f"the file cannot be read: {error.strerror}", shown_path(path))) from None


def shown_path(path: Path) -> str:
    """Return a path as errors show it: printable, whatever its name."""
    text = str(path)
    return text if text.isprintable() else shown(text)
