"""A champion that cannot be loaded ends no week: the one before it stands in, or the last jackpot is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from jackpot.demand.models import new_model
from jackpot.demand.storage import model_files
from jackpot.ports import RegisteredModel
from jackpot.promotion.versions import ChampionLostError
from jackpot.records import Circumstances, Evaluation, Recommendation
from jackpot.steps.evaluate import evaluate
from jackpot.steps.model_in_use import ModelInUse
from jackpot.steps.optimise import optimise
from jackpot.steps.week import Week
from jackpot.store import FolderStore
from tests.core.promotion.conftest import MemoryRegistry
from tests.desk import AS_OF, a_week

LOST = "champion v2 cannot be loaded: gone"


def decided(week: Week, folder: Path, stand_in: RegisteredModel | None) -> tuple[Evaluation, Recommendation]:
    names = ("evaluation", "forecasts", "model_in_use", "page", "gates", "gates_page")
    lost = ChampionLostError(LOST, stand_in)
    paths = {name: folder / name for name in names}
    record, _ = evaluate(week, folder.parent / "candidate", MemoryRegistry(), "run", (), lost, **paths)
    in_use, restricted = ModelInUse.read(paths["model_in_use"]), FolderStore(folder / "restricted")
    out = {"recommendation": folder / "recommendation.json", "curve": folder / "curve.csv"}
    return record, optimise(week, in_use, None, restricted, **out).recommendation


@pytest.mark.slow
def test_the_champion_before_a_lost_one_stands_in_and_without_it_the_last_jackpot_is_kept(tmp_path: Path) -> None:
    week = a_week(AS_OF)
    fitted = model_files(new_model("log_log_ols").fit(week.history.draws, week.market))
    (tmp_path / "candidate").mkdir()
    for name, data in fitted.items():
        (tmp_path / "candidate" / name).write_bytes(data)

    record, held = decided(week, tmp_path / "held", None)
    assert held.circumstances == Circumstances(stopped=f"{LOST}, and there is none before it")
    assert held.jackpot == held.keep_last.jackpot
    assert "the last jackpot is kept" in held.warnings[0]

    before = RegisteredModel("v1", "0" * 64, "2020-01-01", {**fitted, "evaluation.json": record.to_bytes()})
    _, free = decided(week, tmp_path / "free", before)
    assert free.circumstances == Circumstances(degraded=f"{LOST}; v1, the champion before it, stands in")
    assert free.jackpot != held.jackpot
