"""Who may answer a market's requests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Final

from ..errors import InputError, Problem

EVERY_MARKET: Final = "*"


@dataclass(frozen=True)
class Caller:
    """A person, and the identity by which the place knows them: who names the person is a file, who the identity, not.

    Without a file that names the person they are the same; an identity is empty where a record does not say it.
    """

    person: str
    identity: str = ""

    def __str__(self) -> str:
        return self.person if self.identity in ("", self.person) else f"{self.person} ({self.identity})"

    @property
    def names(self) -> frozenset[str]:
        """Both, where they are known."""
        return frozenset({self.person, self.identity} - {""})


@dataclass(frozen=True)
class Rules:
    """Who may approve, as patterns of identities (`alice`, `local:*`), and whether whoever trained may."""

    market: str
    approvers: tuple[str, ...]
    four_eyes: bool

    @classmethod
    def of(cls, market: str, approvers: Mapping[str, tuple[str, ...]], four_eyes: bool) -> Rules:
        """Return a market's rules: those of its own name, else of `*`."""
        return cls(market, approvers.get(market, approvers.get(EVERY_MARKET, ())), four_eyes)

    def at_least(self, four_eyes: bool) -> Rules:
        """Return these rules, with four eyes where either asks for them."""
        return replace(self, four_eyes=self.four_eyes or four_eyes)

    def check(self, by: Caller, trained_by: Caller) -> None:
        """Raise InputError where `by` may not answer a request for a model that `trained_by` trained."""
        if not any(fnmatchcase(by.person, pattern) for pattern in self.approvers):
            raise InputError(
                Problem(
                    f"this identity may not answer for {self.market}",
                    field=f"approvers.{self.market}",
                    found=by.person,
                    allowed=", ".join(self.approvers) or "nobody yet",
                    hint="the environment file says who may",
                )
            )
        if self.four_eyes and not two_people(by, trained_by):
            raise InputError(
                Problem(
                    f"{self.market} asks for four eyes: whoever trained a model may not answer for it",
                    field="governance.four_eyes",
                    found=f"trained by {trained_by}" if trained_by.names else "who trained it is not recorded",
                    allowed="another approver",
                )
            )


def two_people(by: Caller, trained_by: Caller) -> bool:
    """Return whether whoever answers is known not to be whoever trained: neither the person nor the identity is."""
    return bool(trained_by.names) and not by.names & trained_by.names
