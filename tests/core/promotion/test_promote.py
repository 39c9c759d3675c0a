"""Of all that may go wrong in a promotion, nothing leaves two champions, none, or an unapproved one."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from jackpot.approval import Caller, Rules, answer
from jackpot.audit import AuditLog
from jackpot.environment import Approval
from jackpot.errors import InputError, JackpotError
from jackpot.ports import RegisteredModel, RegistryUnreachableError, Target
from jackpot.promotion import Version, named_version, standings
from jackpot.promotion.local import RecordDeployer
from jackpot.promotion.versions import ChampionLostError, load_champion, load_version, version_prefix
from jackpot.store import FolderStore, Store

from .conftest import NAME, FailingDeployer, Scene, at, fitted

V1, V2 = (Version(f"v{number}", fitted(number)[1]) for number in (1, 2))


def test_an_approved_version_becomes_champion_and_the_former_is_kept(scene: Scene) -> None:
    scene.registry.aliases["challenger"] = "v2"
    assert scene.promoter().promote("v2") == V2
    scene.check(V2, V1)
    assert "challenger" not in scene.registry.aliases
    (promotion,) = [entry for entry in scene.log.entries("promotion") if entry.body["version"] == "v2"]
    approval = scene.log.find("approval_answer", str(promotion.body["request"]))
    assert approval is not None
    assert promotion.body["approval"] == approval.number


def test_promoting_again_changes_nothing(scene: Scene) -> None:
    scene.promoter().promote("v2")
    count = len(list(scene.log.entries()))
    scene.promoter(2).promote("v2")
    scene.check(V2, V1)
    assert len(list(scene.log.entries())) == count


def test_aliases_and_traffic_moved_by_hand_are_set_right(scene: Scene) -> None:
    scene.promoter().promote("v2")
    scene.registry.aliases.update(champion="v1", previous="v2")
    (scene.root / "store/deployments/england.json").unlink()
    scene.promoter(2).promote("v2")
    scene.check(V2, V1)


def test_nothing_is_promoted_without_a_valid_approval(scene: Scene) -> None:
    third = scene.add(3, V1)
    with pytest.raises(JackpotError, match="nobody was asked"):
        scene.promoter().promote("v3")
    request = scene.ask(third)
    with pytest.raises(JackpotError, match="is not approved: it waits"):
        scene.promoter().promote("v3")
    answer(scene.log, request, "rejected", "bad", Caller("alice"), at(0.5), Rules("england", ("*",), False))
    with pytest.raises(JackpotError, match="was rejected by alice"):
        scene.promoter().promote("v3")
    with pytest.raises(JackpotError, match="held until"):
        scene.promoter(hours=500).promote("v2")
    with pytest.raises(InputError, match="no such version"):
        scene.promoter().promote("v9")
    scene.check(V1, None)


def test_an_approval_by_whoever_trained_is_refused_where_the_request_asked_for_four_eyes(scene: Scene) -> None:
    third = scene.add(3, V1)
    asked = scene.log.find("approval_request", scene.ask(third, four_eyes=True))
    assert asked is not None
    body = {name: asked.body[name] for name in ("model_name", "version", "model_sha256", "evidence_sha256")}
    body |= {"verdict": "approved", "reason": "mine", "request": asked.number}
    scene.log.append("approval_answer", asked.subject, at=at(0.5), by="bob", body=body, once=True)
    with pytest.raises(JackpotError, match="four eyes"):
        scene.promoter().promote("v3")
    scene.check(V1, None)


@pytest.mark.parametrize("four_eyes", [True, False])
def test_a_request_that_does_not_say_has_the_four_eyes_of_the_registered_market_file(
    scene: Scene, four_eyes: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    appended = AuditLog.append

    def without(log: AuditLog, *arguments: Any, body: dict[str, Any], **named: Any) -> Any:
        body = {name: value for name, value in body.items() if name != "four_eyes"}
        return appended(log, *arguments, body=body, **named)

    files, sha256 = fitted(3)
    changed = files["market.yaml"] + f"governance: {{four_eyes: {str(four_eyes).lower()}}}\n".encode()
    monkeypatch.setattr(
        "tests.core.promotion.conftest.fitted", lambda number: ({**files, "market.yaml": changed}, sha256)
    )
    monkeypatch.setattr(AuditLog, "append", without)
    third = scene.add(3, V1)
    answer(scene.log, scene.ask(third), "approved", "mine", Caller("bob"), at(0.5), Rules("england", ("*",), False))
    if four_eyes:
        with pytest.raises(JackpotError, match="four eyes"):
            scene.promoter().promote("v3")
    else:
        assert scene.promoter().promote("v3") == third


ROOT = "local:root"
PEOPLE = Approval(approvers={"*": ("bob", "alice", ROOT)}, people={"slack:U1": "bob", "slack:U2": "alice"})


@pytest.mark.parametrize(
    ("trained_by", "by", "says"),
    [
        (Caller(ROOT, ROOT), Caller("bob", "slack:U1"), ""),
        # A copy of the environment file names another person behind the identity that answers...
        (Caller(ROOT, ROOT), Caller("bob", ROOT), f"knows {ROOT} by that name"),
        (Caller("alice", "slack:U2"), Caller("bob", "local:eve"), "knows local:eve by that name"),
        # ... or that trained, or lets another approve.
        (Caller("carol", "slack:U1"), Caller("bob", "slack:U1"), "four eyes"),
        (Caller("carol", "slack:U2"), Caller("alice", "slack:U2"), "four eyes"),
        (Caller("carol", "local:eve"), Caller("eve", "eve"), "may not answer"),
        # Records of an earlier release.
        (Caller(ROOT), Caller("bob", ROOT), f"knows {ROOT} by that name"),
        (Caller(ROOT), Caller("bob"), "four eyes"),
    ],
)
def test_who_approved_is_checked_by_the_environment_that_promotes(
    scene: Scene, trained_by: Caller, by: Caller, says: str
) -> None:
    third = scene.add(3, V1)
    asked = scene.log.find("approval_request", scene.ask(third, four_eyes=True, trained_by=trained_by))
    assert asked is not None
    body = {name: asked.body[name] for name in ("model_name", "version", "model_sha256", "evidence_sha256")}
    body |= {"verdict": "approved", "reason": "mine", "request": asked.number, "identity": by.identity}
    scene.log.append("approval_answer", asked.subject, at=at(0.5), by=by.person, body=body, once=True)
    if says:
        with pytest.raises(JackpotError, match=says):
            scene.promoter(people=PEOPLE).promote("v3")
        scene.check(V1, None)
    else:
        assert scene.promoter(people=PEOPLE).promote("v3") == third


def test_an_approval_that_does_not_say_the_identity_counts_where_four_eyes_are_not_asked_for(scene: Scene) -> None:
    assert scene.promoter(people=PEOPLE).promote("v2") == V2
    scene.check(V2, V1)


def test_an_approval_that_was_used_does_not_undo_a_rollback(scene: Scene) -> None:
    late = scene.promoter(by="run:late")
    scene.promoter().promote("v2")
    scene.promoter(2).rollback("bad")
    for promoter in (scene.promoter(3), late):
        with pytest.raises(JackpotError, match=r"the approval of .* was used, .*jackpot run england"):
            promoter.promote("v2")
        with pytest.raises(JackpotError, match="ended by another"):
            promoter.finish(V2)
        scene.check(V1, None)
    scene.approve(V2, hours=4)
    assert scene.promoter(5).promote("v2") == V2
    scene.check(V2, V1)


def test_a_champion_whose_files_are_gone_is_not_said_to_be_promoted(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.promoter().promote("v2")
    shutil.rmtree(scene.root / "store" / version_prefix(NAME, V2))

    def gone(name: str, version: str) -> RegisteredModel:
        raise JackpotError("its files are gone")

    monkeypatch.setattr(scene.registry, "load", gone)
    with pytest.raises(JackpotError, match=r"v2 of england-synthetic is champion, .*gone.*jackpot rollback england"):
        scene.promoter(2).promote("v2")
    monkeypatch.undo()
    assert scene.promoter(3).promote("v2") == V2


def test_a_rollback_that_was_interrupted_is_finished_by_the_same_command(scene: Scene) -> None:
    class ReadOnly(RecordDeployer):
        def serve(self, service: str, target: Any) -> None:
            raise PermissionError(30, "Read-only file system", "deployments/england.json")

    scene.promoter().promote("v2")
    scene.approve(third := scene.add(3, V2))
    scene.promoter(2).promote("v3")
    for hours, former, previous in ((3, V2, V1), (4, V1, None)):
        with pytest.raises(PermissionError):
            scene.promoter(hours, deployer=ReadOnly(scene.store)).rollback("bad")
        assert RecordDeployer(scene.store).served("england") == (third if former == V2 else V2).sha256
        assert scene.promoter(hours).rollback("bad") == former
        scene.check(former, previous)
    assert len(list(scene.log.entries("rollback"))) == 2


def test_a_rollback_takes_effect_without_the_registry_and_its_aliases_follow(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene.promoter().promote("v2")
    scene.approve(third := scene.add(3, V2))
    scene.promoter(2).promote("v3")

    def down(name: str) -> Any:
        raise RegistryUnreachableError("http://mlflow does not answer")

    monkeypatch.setattr(scene.registry, "versions", down)
    for hours in (3, 4):
        said: list[str] = []
        assert replace(scene.promoter(hours), say=said.append).rollback("bad") == V2
        assert said == [
            "v2 serves; the registry's aliases follow with the next run, or by jackpot models restore england: "
            "http://mlflow does not answer"
        ]
        assert RecordDeployer(scene.store).served("england") == V2.sha256
    assert scene.registry.aliases["champion"] == third.version
    monkeypatch.undo()
    scene.promoter(5).settle()
    scene.check(V2, V1)
    assert len(list(scene.log.entries("rollback"))) == 1


def test_a_rollback_that_moved_no_traffic_is_not_said_to_have(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    def lost(name: str, version: str) -> RegisteredModel:
        raise RegistryUnreachableError("http://mlflow does not answer")

    scene.promoter().promote("v2")
    monkeypatch.setattr(scene.registry, "load", lost)
    shutil.rmtree(scene.root / "store" / version_prefix(NAME, V1))
    with pytest.raises(JackpotError, match="does not answer"):
        scene.promoter(2).rollback("bad")


@pytest.mark.parametrize("reason", ["", " \n", "x" * 2001])
def test_a_rollback_gives_its_reason(scene: Scene, reason: str) -> None:
    scene.promoter().promote("v2")
    with pytest.raises(InputError, match="gives a reason"):
        scene.promoter(2).rollback(reason)
    scene.check(V2, V1)


@pytest.mark.parametrize("name", ["gates.json", "evaluation.json", "market.yaml", "card.md"])
def test_files_other_than_those_approved_are_refused(scene: Scene, name: str) -> None:
    path = scene.root / "store" / version_prefix(NAME, V2) / name
    path.write_bytes(path.read_bytes() + b" ")
    sha256, files = scene.registry.files["v2"]
    scene.registry.files["v2"] = (sha256, {**files, name: path.read_bytes()})
    with pytest.raises(JackpotError, match=f"are not those that were approved .*{name} is damaged; in the registry"):
        scene.promoter().promote("v2")
    scene.check(V1, None)


def test_a_version_re_pointed_in_the_registry_is_refused(scene: Scene) -> None:
    other, sha256 = fitted(7)
    scene.registry.files["v2"] = (sha256, {**other, "gates.json": scene.registry.files["v2"][1]["gates.json"]})
    with pytest.raises(JackpotError):
        scene.promoter().promote("v2")
    scene.check(V1, None)


def test_a_version_that_failed_its_gates_is_refused_whatever_was_approved(scene: Scene) -> None:
    scene.approve(scene.add(3, V1, passed=False))
    with pytest.raises(JackpotError, match="did not pass its gates"):
        scene.promoter().promote("v3")


def test_a_version_compared_with_a_former_champion_is_refused(scene: Scene) -> None:
    scene.approve(scene.add(3, V1))
    scene.promoter().promote("v2")
    with pytest.raises(JackpotError, match="was compared with another champion than today's"):
        scene.promoter().promote("v3")
    scene.check(V2, V1)


def test_a_damaged_copy_in_the_store_is_made_good_from_the_registry(scene: Scene) -> None:
    store = scene.store
    store.replace(f"{version_prefix(NAME, V2)}/model.json", b"{}")
    assert load_version(NAME, V2, store, scene.registry).files == scene.registry.files["v2"][1]
    scene.registry.files.clear()
    with pytest.raises(JackpotError):
        load_version(NAME, V2, store, scene.registry)


def test_for_a_champion_that_is_lost_the_one_before_it_stands_in(scene: Scene) -> None:
    scene.promoter().promote("v2")
    for version, stand_in in ((V2, "v1"), (V1, None)):
        scene.store.replace(f"{version_prefix(NAME, version)}/model.json", b"{}")
        del scene.registry.files[version.version]
        with pytest.raises(ChampionLostError, match="champion v2 of england-synthetic cannot be loaded") as lost:
            load_champion(scene.log, NAME, scene.store, scene.registry)
        assert (lost.value.stand_in and lost.value.stand_in.version) == stand_in


def test_a_failed_deployment_returns_the_traffic_and_moves_no_alias(scene: Scene) -> None:
    with pytest.raises(JackpotError, match="too slow"):
        scene.promoter(deployer=FailingDeployer(scene.store)).promote("v2")
    scene.check(V1, None)
    failed = list(scene.log.entries("promotion"))[-1]
    assert (failed.body["outcome"], failed.body["reason"]) == ("failed", "too slow")
    scene.promoter(2).promote("v2")
    scene.check(V2, V1)


def test_a_model_that_cannot_forecast_is_not_deployed(scene: Scene) -> None:
    files = scene.registry.files["v2"][1]
    target = Target("england", NAME, "v2", V2.sha256, version_prefix(NAME, V2), files)
    with pytest.raises(JackpotError, match="not those of the model"):
        RecordDeployer(scene.store).roll_out("england", replace(target, sha256="0" * 64))


def test_rolling_back_returns_to_the_former_champion_and_ends_a_promotion(scene: Scene) -> None:
    scene.promoter().promote("v2")
    scene.approve(scene.add(3, V2))
    late = scene.promoter(by="run:late")
    version = late.begin("v3")
    late.deploy(version)
    assert scene.promoter(2, by="alice").rollback("sales fell") == V1
    scene.check(V1, None)
    with pytest.raises(JackpotError, match="ended by"):
        late.finish(version)
    scene.check(V1, None)
    with pytest.raises(InputError, match="no earlier champion"):
        scene.promoter(3).rollback("again")


def test_one_promotion_at_a_time_and_one_left_behind_is_given_up_in_the_end(scene: Scene) -> None:
    third = scene.add(3, V1)
    scene.approve(third)
    scene.promoter().begin("v2")
    with pytest.raises(JackpotError, match="v2 of england-synthetic is being promoted"):
        scene.promoter(2).promote("v3")
    scene.promoter(4).promote("v3")
    scene.check(third, V1)


def test_a_promotion_left_behind_half_way_is_undone_by_any_run_once_its_time_is_over(scene: Scene) -> None:
    left = scene.promoter()
    left.deploy(left.begin("v2"))
    assert RecordDeployer(scene.store).served("england") == V2.sha256
    scene.promoter(2).settle()
    assert RecordDeployer(scene.store).served("england") == V2.sha256
    scene.promoter(4).settle()
    scene.check(V1, None)
    with pytest.raises(JackpotError, match="ended by another"):
        left.finish(V2)


def test_standings_are_known_for_any_moment(scene: Scene) -> None:
    scene.promoter(1).promote("v2")
    scene.promoter(5).rollback("no")
    held = [standings(scene.log, NAME, at(hours)).champion for hours in (-1, 0.5, 2, 6)]
    assert held == [None, V1, V2, V1]


def test_a_bare_number_is_a_version_of_the_name_last_spoken_of(scene: Scene) -> None:
    assert named_version("england", "v2", scene.log) == (NAME, "v2")
    assert named_version("england", "other/v2", scene.log) == ("other", "v2")
    with pytest.raises(InputError, match="this is no version"):
        named_version("england", "latest", scene.log)


class KilledError(BaseException):
    """Stands for kill -9: nothing catches it."""


class Fuse:
    """Lets so many writes through, then kills: before the write, or just after it."""

    def __init__(self, writes: int, after: bool) -> None:
        self.left, self.after = writes, after

    def burn(self, write: Any = lambda: None) -> Any:
        self.left -= 1
        if self.left == 0 and not self.after:
            raise KilledError
        done = write()
        if self.left == 0:
            raise KilledError
        return done


class FusedStore(FolderStore):
    def __init__(self, store: Store, fuse: Fuse) -> None:
        assert isinstance(store, FolderStore)
        super().__init__(store.root, store.mode)
        self.fuse = fuse

    def put_new(self, key: str, data: bytes) -> bool:
        return bool(self.fuse.burn(lambda: super(FusedStore, self).put_new(key, data)))

    def replace(self, key: str, data: bytes) -> None:
        self.fuse.burn(lambda: super(FusedStore, self).replace(key, data))


def killed_at(scene: Scene, writes: int, after: bool, act: Any) -> bool:
    """Act with a fuse in every store and the registry; return whether it burnt through before the end."""
    fuse = Fuse(writes, after)
    fused = Scene(scene.root, scene.registry, lambda store: FusedStore(store, fuse))
    scene.registry.write = fuse.burn
    try:
        act(fused)
    except KilledError:
        return True
    finally:
        scene.registry.write = lambda: None
    return False


ACTS = {
    "promote": (lambda scene: scene.promoter().promote("v2"), (V2, V1)),
    "fail": (lambda scene: _fails(scene), (V1, None)),
    "bootstrap": (lambda scene: scene.promoter().bootstrap(V1), (V1, None)),
    "rollback": (lambda scene: scene.promoter(2).rollback("no"), (V1, None)),
}


def _fails(scene: Scene) -> None:
    with pytest.raises(JackpotError):
        scene.promoter(deployer=FailingDeployer(scene.store)).promote("v2")


@pytest.mark.slow
@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_killed_at_any_write_the_next_run_finishes_or_undoes(tmp_path: Any, act: str, after: bool) -> None:
    """All writes are enumerated: the n-th kills, for every n until none is left."""
    call, (champion, previous) = ACTS[act]
    for writes in range(1, 50):
        scene = Scene(tmp_path / str(writes))
        first = scene.add(1, None)
        if act != "bootstrap":
            scene.promoter(0).bootstrap(first)
            scene.approve(scene.add(2, first))
        if act == "rollback":
            scene.promoter().promote("v2")
        killed = killed_at(scene, writes, after, call)
        assert not [fault for fault in scene.log.verify() if "missing" not in fault.what]
        if killed:
            # A rollback that was killed after its last write has nothing left to do.
            with suppress(InputError):
                call(scene)
        scene.check(champion, previous)
        if not killed:
            assert writes > 4
            return
    pytest.fail("it never ended")


@pytest.mark.slow
def test_of_fifty_promotions_at_once_one_wins(scene: Scene) -> None:
    versions = [V2, *(scene.add(number, V1) for number in range(3, 12))]
    for version in versions[1:]:
        scene.approve(version)

    def promote(turn: int) -> Version | None:
        try:
            return scene.promoter(by=f"run:{turn}").promote(versions[turn % len(versions)].version)
        except JackpotError:
            return None

    with ThreadPoolExecutor(16) as pool:
        won = {version for version in pool.map(promote, range(50)) if version is not None}
    assert len(won) == 1
    scene.check(won.pop(), V1)
