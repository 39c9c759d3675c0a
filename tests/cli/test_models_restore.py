"""A registry whose database is gone is noticed, named with the remedy, and filled again by it."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from jackpot.adapters.places import open_places
from jackpot.promotion.versions import version_prefix
from tests.cli.test_governance import jackpot, told
from tests.conftest import Place
from tests.core.promotion.conftest import NAME, Scene, at

pytestmark = pytest.mark.xdist_group("mlflow")


@pytest.mark.integration
@pytest.mark.slow
def test_a_registry_whose_database_is_gone_is_noticed_and_filled_again(place: Place) -> None:
    scene, places = Scene(place.root), open_places(str(place.environment))
    champion = scene.add(1, None)
    promoter = replace(places.promoter("england", NAME, "run:1", at(0)), registry=scene.registry)
    assert promoter.bootstrap(champion)

    listed = jackpot(place, "models", "list", "england")
    assert "the registry has lost v1" in listed.stdout + listed.stderr
    assert "jackpot models restore england" in listed.stdout + listed.stderr
    shown = jackpot(place, "models", "show", "england", "v1")
    assert shown.returncode == 2
    assert "jackpot models restore" in shown.stderr
    examined = jackpot(place, "doctor", "--json")
    (found,) = (each for each in told(examined)["findings"] if each["name"] == "registered models")
    assert (found["state"], found["fix"]) == ("failed", "jackpot models restore")
    assert f"v1 of {NAME}" in found["found"]

    restored = jackpot(place, "models", "restore", "england", "--json")
    assert told(restored) == [{"market": "england", "model_name": NAME, "again": ["v1"], "failed": {}}]
    assert "registered again from the store" in restored.stderr
    (row,) = told(jackpot(place, "models", "list", "england", "--json"))
    assert (row["version"], row["stands"], row["sha256"]) == ("v1", ["champion"], champion.sha256)
    assert told(jackpot(place, "models", "restore", "england", "--json")) == []

    (place.root / "mlflow.db").unlink()
    shutil.rmtree(place.root / "store" / version_prefix(NAME, champion))
    gone = jackpot(place, "models", "restore", "england", "--json")
    assert gone.returncode == 1
    (each,) = told(gone)
    assert (each["again"], list(each["failed"])) == ([], ["v1"])
    assert "back-up" in each["failed"]["v1"]
