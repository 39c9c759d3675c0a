"""Markets small enough that the best policy over the whole ledger can be computed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from jackpot.decision.programme import Stage
from jackpot.decision.situation import Array


@dataclass(frozen=True)
class Small:
    """A small market: what each jackpot adds to the sum with which chance, and the draws in the window at the start."""

    increment: Array
    chance: Array
    reward: Array
    ledger: tuple[float, ...]
    high: float
    draws: int

    def stages(self, t: int, ledger: tuple[float, ...]) -> tuple[Stage, ...]:
        """Return the draws from t on as the engine sees them."""
        window, left = len(ledger), self.draws - t
        return tuple(
            Stage(
                self.increment,
                self.chance,
                self.reward,
                0.0,
                self.high,
                ledger[i] if i < window else 0.0,
                1.0 if i < window else 1.0 - 1.0 / window,
                i == left - 1,
            )
            for i in range(left)
        )


def small_market(seed: int, draws: int | None = None) -> Small:
    """Return a small market: one win or two, a floor or a floor and a ceiling; `draws` are the window's if None."""
    rng = np.random.default_rng([4, seed])
    two = seed % 2
    window = 3 if two else 4
    wins = np.array([rng.uniform(1, 3), rng.uniform(3, 6), rng.uniform(7, 12)]) / (1 + two)
    cost, chances = float(rng.uniform(0.3, 1.0)), np.array([0.6, 0.3, 0.1] if two else [0.6, 0.4])
    increment = np.arange(2 + two)[:, None] * wins - cost
    ledger = (0.0, *(float(one) for one in rng.uniform(0.5, 4, window - 1)))
    high = 22.0 if seed % 3 == 0 else np.inf
    reward = np.sort(rng.uniform(0, 3, 3))[::-1].copy()
    chance = np.repeat(chances[:, None], 3, axis=1)
    return Small(increment, chance, reward, ledger, high, draws or window)
