"""What past jackpots leave behind: rollovers since the last win, habit, and the jackpots of the last two draws.

Habit ("lottomania") builds up fast where jackpots are large and decays slowly (Farrell, Morgenroth and Walker 1999,
Oxford Bulletin 61(4); Matheson and Grote 2004). A draw's memory depends on the draws before it alone, never on its own
jackpot, so that the demand curve is the same whatever is remembered.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from .base import Array

BUILD_UP, DECAY = 0.5, 0.06
FALL = 0.3
"""Where winners are not known, a jackpot that falls by more than this share tells of a win."""
SIZE = 4
USUAL_ROLLOVERS = 1.0
"""Log of one more than the rollovers that count as neutral."""


@dataclass(frozen=True)
class Memory:
    """Draws since the last win, habit, and the log jackpots over the reference of the last draw and the one before."""

    rollovers: int = 0
    habit: float = 0.0
    last: float = 0.0
    before: float = 0.0

    def row(self) -> tuple[float, float, float, float]:
        """Return the regressors of the next draw."""
        return float(np.log1p(self.rollovers)) - USUAL_ROLLOVERS, self.habit, self.last, self.before

    def after(self, log_jackpot: float, won: bool) -> Memory:
        """Return the memory after a draw; `log_jackpot` is over the reference."""
        speed = BUILD_UP if log_jackpot > self.habit else DECAY
        habit = self.habit + speed * (log_jackpot - self.habit)
        return Memory(0 if won else self.rollovers + 1, habit, log_jackpot, self.last)

    def to_come(self, draws: int) -> Array:
        """Return the regressors of the next draws, shape (draws, SIZE), at jackpots nobody knows yet: habit decays."""
        later = [(0.0, self.habit * (1 - DECAY) ** steps, 0.0, 0.0) for steps in range(1, draws)]
        return np.array([self.row(), *later][:draws]).reshape(draws, SIZE)


def wins(draws: pd.DataFrame) -> list[bool]:
    """Return whether each draw's jackpot was won, as its winners say.

    Where they are not known, a win shows in the fall of the next jackpot and is noticed after that draw: what is
    remembered before a draw must not depend on its own jackpot.
    """
    jackpots = draws["jackpot"].to_numpy(float)
    fell = np.append(False, jackpots[1:] < (1 - FALL) * jackpots[:-1])[: len(jackpots)]
    if "jackpot_winners" not in draws:
        return [bool(one) for one in fell]
    known = pd.to_numeric(draws["jackpot_winners"], errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    return [bool(w > 0) if np.isfinite(w) else bool(f) for w, f in zip(known, fell, strict=True)]


def remember(log_jackpots: Array, won: list[bool]) -> list[Memory]:
    """Return the memory before each draw and after the last, n + 1 of them; log jackpots are over the reference."""
    memories = [Memory()]
    for log_jackpot, win in zip(log_jackpots.tolist(), won, strict=True):
        memories.append(memories[-1].after(log_jackpot, win))
    return memories
