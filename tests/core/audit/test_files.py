"""Every file that a record names is checked, and what stands in the store without a record is told."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from jackpot.audit import AuditLog, Keyring
from jackpot.audit.files import OF_THE_RUN, VERSION, file_faults, unnamed_versions
from jackpot.canonical import json_bytes, sha256
from jackpot.promotion import Version
from jackpot.promotion.versions import FILES, tags_key, version_prefix
from jackpot.records import Metadata
from jackpot.store import FolderStore

AT = "2026-11-21T12:00:00Z"
SNAPSHOT, MARKET = b"draws", b"market: england\n"
PREFIX = "recommendations/england/2026-11-25/abc/def"
MONITOR = {"as_of": "2026-11-21", "snapshot": "s" * 64, "model": "m" * 64}


def version_files(number: int) -> tuple[Version, dict[str, bytes]]:
    files = {"model.json": b"model %d" % number, "arrays.npz": b"arrays", "card.md": b"card", "evaluation.json": b"{}"}
    model = sha256(json_bytes({name: sha256(files[name]) for name in ("model.json", "arrays.npz")}))
    gates = {"model_sha256": model, "snapshot": sha256(SNAPSHOT), "market_file": sha256(MARKET)}
    files |= {"gates.json": json_bytes(gates), "market.yaml": MARKET, "snapshot.parquet": SNAPSHOT}
    return Version(f"v{number}", model), files


class Scene:
    """A market's store and log: v1 champion without a request, v2 approved and promoted, published, monitored."""

    def __init__(self, root: Path) -> None:
        self.root, self.store = root, FolderStore(root / "store")
        self.keep(f"snapshots/england/{sha256(SNAPSHOT)}.parquet", SNAPSHOT)
        self.keep(f"snapshots/england/{sha256(SNAPSHOT)}.quarantine-{sha256(b'rows')[:16]}.csv", b"rows")
        self.keep(f"markets/england/{sha256(MARKET)}.yaml", MARKET)
        first, second = self.version(1), self.version(2)
        self.add("promotion", "england/turn-1", {"model_name": "england", **first.body, "outcome": "promoted"})
        files = {name: sha256(data) for name, data in version_files(2)[1].items()}
        asked = {"model_name": "england", **second.body, "evidence": {"files": files}}
        self.add("approval_request", "england/v2", asked)
        self.add("claim", "england/turn-2", {"model_name": "england", **second.body})
        self.publish("one")
        monitor = json_bytes(MONITOR)
        self.keep("monitoring/england/2026-11-21/m.json", monitor)
        self.keep("monitoring/england/latest.json", monitor)
        verdict = {"monitor": "monitoring/england/2026-11-21/m.json", "sha256": sha256(monitor)}
        self.add("monitor_verdict", f"2026-11-21/{'s' * 16}/{'m' * 16}", verdict)
        self.add("promotion", "england/turn-2", {"model_name": "england", **second.body, "outcome": "promoted"})
        told = {"market": "england", "model_name": "england", "version": "v2"}
        self.keep("runs/two/promotion.json", json_bytes(told))
        self.serve(second)

    @property
    def log(self) -> AuditLog:
        stores = (FolderStore(self.root / "records"), FolderStore(self.root / "heads"))
        return AuditLog("england", *stores, Keyring(b"k" * 32))

    def keep(self, key: str, data: bytes) -> None:
        self.store.replace(key, data)

    def add(self, kind: str, subject: str, body: Mapping[str, object]) -> None:
        self.log.append(kind, subject, at=AT, by="run", body=dict(body))  # type: ignore[arg-type]

    def version(self, number: int) -> Version:
        version, files = version_files(number)
        for name, data in files.items():
            self.keep(f"{version_prefix('england', version)}/{name}", data)
        return version

    def serve(self, version: Version, **changed: object) -> None:
        """Name the version that is served."""
        told = {"market": "england", "model_name": "england", **version.body}
        self.keep(
            "deployments/england.json", json_bytes({**told, "prefix": version_prefix("england", version), **changed})
        )

    def publish(self, run_id: str, **changed: object) -> None:
        """Leave what publish leaves; the record is written once."""
        metadata = {
            "run_id": run_id,
            "finished_at": AT,
            "seed": 1,
            "snapshot_uri": f"snapshots/england/{sha256(SNAPSHOT)}.parquet",
            "market_file": f"markets/england/{sha256(MARKET)}.yaml",
            "inputs": {"snapshot": sha256(SNAPSHOT), "market_file": sha256(MARKET)},
            **changed,
        }
        for prefix in (PREFIX, f"runs/{run_id}"):
            self.keep(f"{prefix}/metadata.json", json_bytes(metadata))
            self.keep(f"{prefix}/gates.json", b"{}")
        self.keep(f"{PREFIX}/recommendation.json", b"r")
        body = {"prefix": PREFIX, "files": {"recommendation.json": sha256(b"r")}, "metadata": metadata}
        self.log.append("recommendation", "2026-11-25/def", at=AT, by="run", body=body, once=True)
        self.keep(f"runs/{run_id}/result.json", json_bytes({"market": "england", "prefix": PREFIX}))

    def told(self) -> list[str]:
        return [fault.what for fault in file_faults(self.log, self.store)]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def test_a_version_lies_where_promotion_keeps_it() -> None:
    assert set(VERSION) == set(FILES)
    assert set(Metadata.model_fields) > OF_THE_RUN


def test_a_whole_store_has_no_faults(scene: Scene) -> None:
    assert (scene.told(), unnamed_versions(scene.log, scene.store)) == ([], [])


NAMED = [key for key in FILES if key not in ("card.md", "evaluation.json")]
V1, V2 = (version_prefix("england", version_files(number)[0]) for number in (1, 2))


@pytest.mark.parametrize(
    "key",
    [
        *(f"{V2}/{name}" for name in FILES),
        *(f"{V1}/{name}" for name in NAMED),
        *(f"{PREFIX}/{name}" for name in ("recommendation.json", "metadata.json", "gates.json")),
        f"snapshots/england/{sha256(SNAPSHOT)}.parquet",
        f"snapshots/england/{sha256(SNAPSHOT)}.quarantine-{sha256(b'rows')[:16]}.csv",
        f"markets/england/{sha256(MARKET)}.yaml",
        "monitoring/england/2026-11-21/m.json",
    ],
)
def test_a_changed_or_missing_file_is_named(scene: Scene, key: str) -> None:
    kept = scene.store.read(key)
    for forged in (b"forged", b'{"forged": 1}', b"[]"):
        scene.keep(key, forged)
        assert any(key in what or key.rpartition("/")[0] in what for what in scene.told()), forged
    (scene.root / "store" / key).unlink()
    # What no record names but by its content may be gone: nothing tells that it was ever there.
    assert ("quarantine" in key) != any(f"{key} is missing" in what for what in scene.told())
    scene.keep(key, kept)
    assert scene.told() == []


def test_a_later_run_may_tell_of_itself_and_of_nothing_else(scene: Scene) -> None:
    scene.publish("two", finished_at="2026-11-22T12:00:00Z")
    assert scene.told() == []
    scene.publish("two", seed=2)
    assert [what.rpartition(" ")[2] for what in scene.told()] == ["seed"]
    metadata = json.loads(scene.store.read(f"{PREFIX}/metadata.json"))
    scene.keep(f"{PREFIX}/metadata.json", json_bytes({**metadata, "seed": 1, "finished_at": "yesterday"}))
    assert any("it is not what run two wrote" in what for what in scene.told())


def cut(scene: Scene, records: int) -> None:
    """Cut the last records off, in both stores."""
    for folder in ("records", "heads"):
        for path in sorted((scene.root / folder / "england").iterdir())[-records:]:
            path.unlink()


@pytest.mark.parametrize(
    ("records", "words"),
    [
        (1, ["tells of the promotion of v2"]),
        (2, ["tells of the promotion of v2", "is a verdict that no record names"]),
        (3, [f"{PREFIX} was published", f"tells of {PREFIX}, and no record", "is a verdict", "promotion of v2"]),
        (4, ["serves england v2, and the log's champion is v1"]),
        (5, ["serves england v2, and the log's champion is v1", f"{PREFIX} was published"]),
        (6, ["promotion of v2"]),
    ],
)
def test_what_a_cut_off_tail_leaves_behind_is_told(scene: Scene, records: int, words: list[str]) -> None:
    cut(scene, records)
    assert scene.log.verify() == []
    told = scene.told()
    for each in words:
        assert any(each in what for what in told), (each, told)
    faults = file_faults(scene.log, scene.store)
    assert all(fault.number == 7 - records for fault in faults)


def test_tags_that_were_changed_are_named(scene: Scene) -> None:
    second, third = scene.version(2), scene.version(3)
    keys = [tags_key("england", version) for version in (second, third)]
    gates = version_files(2)[1]["gates.json"]
    tags = {"snapshot": sha256(SNAPSHOT), "gates": sha256(gates), "commit": "c" * 40}
    scene.keep(keys[0], json_bytes(tags))
    assert scene.told() == []
    scene.keep(keys[0], json_bytes({**tags, "snapshot": "0" * 64}))
    assert scene.told() == [f"{scene.store.uri(keys[0])} was changed: snapshot"]
    scene.keep(keys[0], json_bytes(tags))
    scene.keep(keys[1], json_bytes({"commit": "c"}))
    files = {name: sha256(data) for name, data in version_files(3)[1].items()}
    evidence = {"files": files, "tags": sha256(json_bytes({"commit": "c"}))}
    scene.add("approval_request", "england/v3", {"model_name": "england", **third.body, "evidence": evidence})
    assert scene.told() == []
    scene.keep(keys[1], json_bytes({"commit": "d"}))
    assert scene.told() == [f"{scene.store.uri(keys[1])} was changed"]


def test_what_is_served_is_the_champion_or_being_promoted(scene: Scene) -> None:
    first, second, third = scene.version(1), scene.version(2), scene.version(3)
    scene.serve(first)
    (said,) = scene.told()
    assert "serves england v1, and the log's champion is v2" in said
    scene.serve(second, prefix=version_prefix("england", first))
    (said,) = scene.told()
    assert f"serves {version_prefix('england', first)}, where england v2 does not lie" in said
    files = {name: sha256(data) for name, data in version_files(3)[1].items()}
    scene.add("approval_request", "england/v3", {"model_name": "england", **third.body, "evidence": {"files": files}})
    scene.serve(third)
    (said,) = scene.told()
    assert "serves england v3, and the log's champion is v2" in said
    scene.add("claim", "england/turn-3", {"model_name": "england", **third.body})
    assert scene.told() == []
    scene.add("rollback", "england/turn-3", {"model_name": "england", **first.body, "from": second.body})
    (said,) = scene.told()
    assert "serves england v3, and the log's champion is v1" in said
    scene.serve(first)
    assert scene.told() == []


def test_a_version_without_a_record_is_noted(scene: Scene) -> None:
    third = scene.version(3)
    assert (scene.told(), unnamed_versions(scene.log, scene.store)) == (
        [],
        [scene.store.uri(version_prefix("england", third))],
    )


@pytest.mark.parametrize(
    ("key", "data"),
    [
        ("runs/x/result.json", b"\xff"),
        ("runs/x/result.json", b'{"market": "england", "prefix": ["x"]}'),
        ("runs/x/promotion.json", b'{"market": "england", "version": {}}'),
        ("deployments/england.json", b'{"model_name": 1}'),
        ("monitoring/england/x.json", b"7"),
        (f"{PREFIX}/metadata.json", b'{"run_id": "../../.."}'),
    ],
)
def test_nonsense_in_the_store_is_a_fault_and_no_crash(scene: Scene, key: str, data: bytes) -> None:
    scene.keep(key, data)
    assert scene.told() != []
