"""One version becomes champion: checked, deployed, recorded, and only then named so.

The order of writes makes every crash harmless. The claim comes first, so that one promotion goes ahead; the record of
the promotion decides; traffic and aliases are derived from it by `settle`, which any later run repeats.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from ..approval import Caller, Rules, approved, giver_of, reasoned, trainer_of, two_people
from ..audit import AuditLog, Entry
from ..audit.turns import PROMOTED, Standings, Version, claim, end, give_up, standings
from ..environment import Approval
from ..errors import InputError, JackpotError, Problem
from ..ports import Deployer, RegisteredModel, Registry, RegistryLostError, Target
from ..records import Gates
from ..store import Store
from .restore import Restored, restore_versions
from .versions import GATES, file_hashes, load_version, tags_hash, version_prefix

CLAIM_MINUTES: Final = 120
"""After so long, a promotion that neither ended nor was run again is given up by the next one."""


@dataclass(frozen=True)
class Promoter:
    """Promotes and rolls back the versions of one model name; `at` is now, ISO 8601, and `by` is who or which run."""

    market: str
    model_name: str
    log: AuditLog
    registry: Registry
    store: Store
    deployer: Deployer
    people: Approval
    by: str
    at: str
    say: Callable[[str], None] = lambda text: None
    """Told what was put right on the way."""

    def promote(self, version: str) -> Version:
        """Promote an approved version: `begin`, `deploy` and `finish`. Repeating it is harmless.

        Raises InputError where there is no such version, and JackpotError where it may not be promoted, another
        promotion is under way, or it fails on its way; traffic and aliases are then as before.
        """
        known = self.begin(version)
        self.deploy(known)
        return self.finish(known)

    def begin(self, version: str) -> Version:
        """Check gates and approval of a version and claim the turn; the champion itself has but to be loaded."""
        self.restore()
        note = next((note for note in self.registry.versions(self.model_name) if note.version == version), None)
        if note is None:
            raise InputError(
                Problem(
                    f"{self.model_name} has no such version",
                    found=version,
                    hint=f"see: jackpot models list {self.market}; what a registry has lost is put back by: jackpot "
                    f"models restore {self.market}",
                )
            )
        known = Version(version, note.sha256)
        while True:
            stand = standings(self.log, self.model_name)
            if stand.champion == known:
                self._load_champion(stand, known)
                return known
            try:
                self._check(known, stand.champion)
            except JackpotError as error:
                if stand.claim is not None and Version.of(stand.claim.body) == known:
                    self._fail(stand.turn, known, error)
                raise
            if claim(self.log, self.model_name, stand, known, by=self.by, at=self.at, minutes=CLAIM_MINUTES):
                return known

    def deploy(self, version: Version) -> None:
        """Roll a version out; where that fails, end the turn and give the traffic back."""
        stand = standings(self.log, self.model_name)
        if stand.champion == version:
            return
        self._own_claim(version, stand.claim)
        try:
            self.deployer.roll_out(self.market, self._target(version))
        except JackpotError as error:
            self._fail(stand.turn, version, error)
            raise

    def deploy_candidate(self, version: Version) -> None:
        """Serve a version beside the champion, on a service of its own, and verify it."""
        self.deployer.roll_out(f"{self.market}-candidate", self._target(version))

    def finish(self, version: Version) -> Version:
        """Record the promotion of a version that is deployed, then move the aliases."""
        stand = standings(self.log, self.model_name)
        if stand.champion != version:
            self._own_claim(version, stand.claim)
            if self.deployer.served(self.market) != version.sha256:
                raise JackpotError(f"{self.market} does not serve {version.version}: promote it again")
            asked, given = self._approval(version)
            body = {"outcome": PROMOTED, "request": asked.subject, "approval": given.number}
            entry = end(self.log, "promotion", self.model_name, stand.turn, version, body, by=self.by, at=self.at)
            self._must_be(entry, version)
        self.settle()
        return version

    def bootstrap(self, version: Version) -> bool:
        """Make a version champion without approval where there is none yet; return whether this one is champion."""
        stand = standings(self.log, self.model_name)
        if stand.champion is None:
            body = {"outcome": PROMOTED, "bootstrap": True, **tags_hash(self.model_name, version, self.store)}
            end(self.log, "promotion", self.model_name, stand.turn, version, body, by=self.by, at=self.at)
        self.settle()
        return standings(self.log, self.model_name).champion == version

    def rollback(self, reason: str) -> Version:
        """Return to the champion before the current one, at once; a promotion under way is over. Return that version.

        Repeated after an interruption it finishes what was begun, and goes no further back. Without the registry it
        takes effect too; aliases follow. Raises InputError where there is none before, or no reason.
        """
        said = reasoned(reason)
        stand = standings(self.log, self.model_name)
        if stand.champion is not None and self._half_rolled_back(stand, stand.champion):
            self._settle_but_aliases(stand.champion)
            return stand.champion
        if stand.previous is None or stand.champion is None:
            raise InputError(
                Problem(
                    f"{self.model_name} has no earlier champion to return to",
                    found=f"{stand.champion.version} is champion" if stand.champion else "no champion",
                )
            )
        body = {"from": stand.champion.body, "reason": said}
        entry = end(self.log, "rollback", self.model_name, stand.turn, stand.previous, body, by=self.by, at=self.at)
        if entry.kind == "promotion":
            raise JackpotError(f"the promotion of {entry.body['version']} ended at this very moment: roll back again")
        self._settle_but_aliases(stand.previous)
        return stand.previous

    def _settle_but_aliases(self, champion: Version) -> None:
        try:
            self.settle()
        except Exception as error:
            if self.deployer.served(self.market) != champion.sha256:
                raise
            why = next(iter(str(error).splitlines()), type(error).__name__)
            self.say(
                f"{champion.version} serves; the registry's aliases follow with the next run, or by jackpot models "
                f"restore {self.market}: {why}"
            )

    def settle(self) -> None:
        """Make traffic and aliases what the audit log says.

        A promotion under way is left its traffic; one whose time is over is given up.
        """
        while True:
            stand = standings(self.log, self.model_name)
            if stand.claim is not None and give_up(self.log, self.model_name, stand, by=self.by, at=self.at):
                continue
            if stand.champion is not None:
                self._follow(stand, stand.champion)
            # Another run may have ended a turn meanwhile, and have written before this one did.
            if standings(self.log, self.model_name) == stand:
                return

    def restore(self) -> Restored | None:
        """Register again what the registry has lost, from the store; return what was done, None: nothing was lost."""
        done = restore_versions(self.log, self.model_name, self.store, self.registry)
        if done is not None:
            self.say(str(done))
        return done

    def _follow(self, stand: Standings, champion: Version) -> None:
        if stand.claim is None and self.deployer.served(self.market) != champion.sha256:
            self.deployer.serve(self.market, self._target(champion))
        self.restore()
        notes = {note.version: note for note in self.registry.versions(self.model_name)}
        strange = {
            version.version
            for version in (champion, stand.previous)
            if version and version.version in notes and notes[version.version].sha256 != version.sha256
        }
        for kept in (champion, stand.previous):
            if kept is not None and kept.version in notes and kept.version not in strange:
                # What the store has lost comes back; what neither has is told where it is needed.
                with suppress(JackpotError):
                    self._load(kept)
        aliases = {
            alias: None if version in strange else version for alias, version in _aliases(stand, champion).items()
        }
        if champion.version in notes and "challenger" in notes[champion.version].aliases:
            aliases["challenger"] = None
        self.registry.set_aliases(self.model_name, aliases)
        if strange:
            raise RegistryLostError(
                f"the registry has another model than the audit log as {', '.join(sorted(strange))} of "
                f"{self.model_name}: delete it there, then: jackpot models restore {self.market}"
            )

    def _half_rolled_back(self, stand: Standings, champion: Version) -> bool:
        """Return whether the last change is a rollback that traffic or aliases have not followed yet."""
        if stand.since is None or stand.since.kind != "rollback" or stand.claim is not None:
            return False
        if self.deployer.served(self.market) != champion.sha256:
            return True
        try:
            notes = self.registry.versions(self.model_name)
        except Exception:
            # What cannot be asked has not followed: a second command must not go back further.
            return True
        held = {alias: note.version for note in notes for alias in note.aliases}
        return any(held.get(alias) != version for alias, version in _aliases(stand, champion).items())

    def _load_champion(self, stand: Standings, champion: Version) -> None:
        try:
            self._load(champion)
        except JackpotError as error:
            way_out = f"; jackpot rollback {self.market} returns to {stand.previous.version}" if stand.previous else ""
            raise JackpotError(
                f"{champion.version} of {self.model_name} is champion, but cannot be loaded: {error}{way_out}"
            ) from error

    def _check(self, version: Version, champion: Version | None) -> None:
        asked, given = self._approval(version)
        loaded = self._load(version)
        gates = Gates.model_validate_json(loaded.files[GATES])
        if _hashes(asked) != file_hashes(loaded.files):
            raise JackpotError(f"the files of {version.version} are not those that were approved in {asked.subject}")
        self._check_answer(asked, given, _four_eyes(asked, loaded))
        if not gates.passed or gates.model_sha256 != version.sha256:
            raise JackpotError(f"{version.version} did not pass its gates: {gates.summary}")
        against = gates.champion.model_sha256 if gates.champion else None
        if against != (champion.sha256 if champion else None):
            raise JackpotError(
                f"{version.version} was compared with another champion than today's "
                f"({champion.version if champion else 'there is none'}): the next weekly run compares anew"
            )

    def _check_answer(self, asked: Entry, given: Entry, four_eyes: bool) -> None:
        """Check who answered by the environment that promotes: the one that the answer was given in may be anybody's.

        Answers of an earlier release do not say by which identity: they count, but not for four eyes.
        """
        by, trained_by = giver_of(given), trainer_of(asked)
        known = self.people.person(by.identity or by.person)
        if known != by.person:
            raise JackpotError(
                f"{asked.subject} was approved by {by}, but the environment that promotes knows {known} by that name"
            )
        Rules.of(self.market, self.people.approvers, four_eyes=False).check(by, trained_by)
        trained_by_now = Caller(self.people.person(trained_by.identity or trained_by.person), trained_by.identity)
        others = two_people(by, trained_by) and two_people(by, trained_by_now)
        if four_eyes and not (by.identity and others):
            raise JackpotError(
                f"{asked.subject} asks for four eyes, and {by}, who approved it, is not known to be another than "
                f"{trained_by if trained_by.names else 'whoever'}, who trained the model"
            )

    def _approval(self, version: Version) -> tuple[Entry, Entry]:
        """Return the last request about a version, and its approval; raise JackpotError where none holds."""
        asked = self._requests(version)
        if not asked:
            raise JackpotError(f"nobody was asked to approve {version.version} of {self.model_name}")
        return asked[-1], approved(self.log, asked[-1].subject, version.sha256, self.at)

    def _requests(self, version: Version) -> list[Entry]:
        first = f"{self.model_name}/{version.version}/{version.sha256[:16]}"
        return [
            entry
            for entry in self.log.entries("approval_request")
            if entry.subject == first or entry.subject.startswith(f"{first}/")
        ]

    def _own_claim(self, version: Version, entry: Entry | None) -> None:
        if entry is None or Version.of(entry.body) != version:
            raise JackpotError(f"the promotion of {version.version} was ended by another: start it again")

    def _must_be(self, entry: Entry, version: Version) -> None:
        if entry.kind == "promotion" and entry.body["outcome"] == PROMOTED and Version.of(entry.body) == version:
            return
        self.settle()
        raise JackpotError(f"the promotion of {version.version} was ended by {entry.by} ({entry.kind}) at {entry.at}")

    def _fail(self, turn: int, version: Version, error: JackpotError) -> None:
        body = {"outcome": "failed", "reason": str(error)}
        end(self.log, "promotion", self.model_name, turn, version, body, by=self.by, at=self.at)
        self.settle()

    def _load(self, version: Version) -> RegisteredModel:
        """Return a version's files, put right in the store where they were damaged there."""
        asked = self._requests(version)
        hashes = _hashes(asked[-1]) if asked else None
        return load_version(self.model_name, version, self.store, self.registry, hashes, self.say)

    def _target(self, version: Version) -> Target:
        loaded = self._load(version)
        prefix = version_prefix(self.model_name, version)
        return Target(self.market, self.model_name, version.version, version.sha256, prefix, loaded.files)


def _aliases(stand: Standings, champion: Version) -> dict[str, str | None]:
    return {"previous": stand.previous.version if stand.previous else None, "champion": champion.version}


def _hashes(asked: Entry) -> dict[str, str] | None:
    """Return the hashes of a version's files as a request names them; None where it does not."""
    evidence = asked.body["evidence"]
    files = evidence.get("files") if isinstance(evidence, dict) else None
    return {name: str(told) for name, told in files.items()} if isinstance(files, dict) else None


def _four_eyes(asked: Entry, version: RegisteredModel) -> bool:
    if "four_eyes" in asked.body:
        return bool(asked.body["four_eyes"])
    # Requests of an earlier release do not say; the market file that the model was trained by does.
    from ..market.loading import parse_market

    return parse_market(version.files["market.yaml"], "market.yaml").governance.four_eyes
