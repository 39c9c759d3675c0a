"""The model that a week's recommendation rests on, as a folder: its files, its evaluation and its standing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from ..canonical import json_bytes, read_folder, write_atomically
from ..demand.storage import ARRAYS, SCALARS
from ..ports import Files
from ..records import Evaluation, Record

CARD: Final = "card.md"
"""The model card, beside the model's own files."""
TUNING: Final = "tuning.json"
"""Where the model's settings come from, beside its own files; it is not there where they are the default's."""


class Standing(Record):
    """standing.json: champion or candidate, and the registry's version where it has one."""

    standing: Literal["champion", "candidate"]
    version: str | None
    degraded: str | None = None
    """What was out of reach when it was settled."""
    held: str | None = None
    """Why it may not decide: it only tells what is to be expected of the last jackpot."""


@dataclass(frozen=True)
class ModelInUse:
    """A model's files, its own evaluation, and its standing."""

    files: Files
    evaluation: Evaluation
    standing: Standing

    @classmethod
    def of(cls, files: Files, evaluation: Evaluation, standing: Standing) -> ModelInUse:
        """Return a model in use with its own files and its card, whatever else lies beside them."""
        card = {CARD: files[CARD]} if CARD in files else {}
        return cls({**{name: files[name] for name in (SCALARS, ARRAYS)}, **card}, evaluation, standing)

    def write(self, folder: Path) -> None:
        """Leave everything in a folder."""
        for name, data in self.files.items():
            write_atomically(folder / name, data)
        write_atomically(folder / "evaluation.json", self.evaluation.to_bytes())
        write_atomically(folder / "standing.json", json_bytes(self.standing.model_dump(mode="json")))

    @classmethod
    def read(cls, folder: Path) -> ModelInUse:
        """Return what `write` left."""
        files = read_folder(folder)
        standing = Standing.model_validate_json(files.pop("standing.json"))
        return cls.of(files, Evaluation.model_validate_json(files["evaluation.json"]), standing)
