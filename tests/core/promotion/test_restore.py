"""A registry that lost its versions, and a store whose copy is damaged, are put right from each other."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest

from jackpot.errors import JackpotError
from jackpot.ports import RegistryLostError
from jackpot.promotion import Promoter
from jackpot.promotion.restore import lost_versions, model_names
from jackpot.promotion.versions import keep_version, tags_key, version_prefix

from .conftest import NAME, Scene
from .test_promote import V1, V2


def heard(promoter: Promoter, said: list[str]) -> Promoter:
    return replace(promoter, say=said.append)


def lose(scene: Scene) -> None:
    scene.registry.files.clear()
    scene.registry.aliases.clear()


def test_a_registry_that_lost_its_versions_is_filled_again_and_has_its_aliases(scene: Scene) -> None:
    before = dict(scene.registry.files)
    scene.promoter().promote("v2")
    lose(scene)
    said: list[str] = []
    heard(scene.promoter(2), said).settle()
    assert said == [f"the registry has lost v1, v2 of {NAME}: registered again from the store"]
    assert scene.registry.files == before
    scene.check(V2, V1)
    heard(scene.promoter(3), said).settle()
    assert len(said) == 1


def test_what_the_store_has_lost_of_a_champion_and_the_one_before_it_comes_back(scene: Scene) -> None:
    scene.promoter().promote("v2")
    for version in (V1, V2):
        shutil.rmtree(scene.root / "store" / version_prefix(NAME, version))
    said: list[str] = []
    heard(scene.promoter(2), said).settle()
    assert [line.endswith("put right from the registry") for line in said] == [True, True]
    scene.check(V2, V1)
    heard(scene.promoter(3), said).settle()
    assert len(said) == 2


@pytest.mark.parametrize(("version", "left"), [("v1", {"champion": "v2"}), ("v2", {"previous": "v1"})])
def test_no_alias_is_given_to_another_model_under_the_number_of_one_that_was_approved(
    scene: Scene, version: str, left: dict[str, str]
) -> None:
    scene.promoter().promote("v2")
    scene.registry.files[version] = ("0" * 64, scene.registry.files[version][1])
    scene.registry.aliases.clear()
    with pytest.raises(
        RegistryLostError, match=rf"another model than .* as {version} of {NAME}.*jackpot models restore"
    ):
        scene.promoter(2).settle()
    assert scene.registry.aliases == left


def test_a_promotion_and_a_rollback_go_on_with_a_registry_that_lost_its_versions(scene: Scene) -> None:
    lose(scene)
    assert scene.promoter().promote("v2") == V2
    scene.check(V2, V1)
    lose(scene)
    assert scene.promoter(2).rollback("bad") == V1
    scene.check(V1, None)


def test_tags_are_those_of_the_registration(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    keep_version(NAME, V2, {}, scene.store, {"commit": "c0ffee", "as_of": "2025-12-14"})
    restored: dict[str, object] = {}
    monkeypatch.setattr(
        scene.registry, "restore", lambda _, version, sha256, files, tags: restored.update({version: tags})
    )
    lose(scene)
    scene.promoter().restore()
    assert restored["v2"] == {"commit": "c0ffee", "as_of": "2025-12-14"}
    first = restored["v1"]
    assert isinstance(first, dict)
    assert (first["as_of"], first["market"], len(first["gates"])) == ("2025-12-14", "england", 64)


def test_tags_that_contradict_the_gates_are_not_registered(scene: Scene) -> None:
    keep_version(NAME, V2, {}, scene.store, {"commit": "c0ffee", "as_of": "2020-01-01"})
    lose(scene)
    done = scene.promoter().restore()
    assert done is not None
    assert done.again == ("v1",)
    assert "was changed since the version was registered" in done.failed["v2"]


@pytest.mark.parametrize("damaged", [b"[]", b"\xff", b"{"])
def test_damaged_tags_are_named_and_keep_no_other_version_from_its_place(scene: Scene, damaged: bytes) -> None:
    scene.store.replace(tags_key(NAME, V1), damaged)
    lose(scene)
    done = scene.promoter().restore()
    assert done is not None
    assert done.again == ("v2",)
    assert done.failed["v1"].startswith(f"{scene.store.uri(tags_key(NAME, V1))} is damaged")


def test_a_version_that_the_store_has_lost_too_is_named_with_the_remedy_and_the_others_return(scene: Scene) -> None:
    lose(scene)
    shutil.rmtree(scene.root / "store" / version_prefix(NAME, V2))
    done = scene.promoter().restore()
    assert done is not None
    assert done.again == ("v1",)
    assert "v2 of england-synthetic cannot be registered again" in str(done)
    assert "back-up" in done.failed["v2"]
    left = lost_versions(scene.log, NAME, scene.store, scene.registry.versions(NAME))
    assert [version.version for version in left] == ["v2"]
    assert model_names("england", scene.log) == [NAME]


@pytest.mark.parametrize("name", ["model.json", "arrays.npz", "gates.json", "card.md"])
def test_a_damaged_copy_in_the_store_is_put_right_from_the_registry(scene: Scene, name: str) -> None:
    path = scene.root / "store" / version_prefix(NAME, V2) / name
    whole, said = path.read_bytes(), list[str]()
    path.write_bytes(whole[:-3] + b"x")
    assert heard(scene.promoter(), said).promote("v2") == V2
    assert path.read_bytes() == whole
    assert len(said) == 1
    assert said[0].endswith("put right from the registry")
    scene.check(V2, V1)


def test_where_neither_copy_is_right_files_and_remedy_are_named(scene: Scene) -> None:
    path = scene.root / "store" / version_prefix(NAME, V2) / "model.json"
    path.write_bytes(b"{}")
    sha256, files = scene.registry.files["v2"]
    scene.registry.files["v2"] = (sha256, {**files, "arrays.npz": b""})
    with pytest.raises(JackpotError, match=r"model\.json is damaged; in the registry: arrays\.npz .*back-up"):
        scene.promoter().promote("v2")
    scene.check(V1, None)
