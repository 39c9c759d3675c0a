"""Insurance of the jackpot: what the operator bears of a draw's jackpot itself, and what it pays to be spared the rest.

Prize indemnity cover by the draw: the insurer pays what the jackpots of one draw cost above the excess, all winners
together.

The mathematics: docs/decision.md, "Insurance".
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ..market.schema import Game, Insurance
from .winners import winner_chances

Array = npt.NDArray[np.float64]


def retained(insurance: Insurance | None, cost: Array) -> Array:
    """Return what the operator bears of the cost of a draw's jackpots, in units of currency."""
    return cost if insurance is None else np.minimum(cost, insurance.excess)


def retained_per_winner(insurance: Insurance, game: Game, mean: Array, jackpot: Array, win: Array) -> Array:
    """Return E[min(n J, excess)], n the winners of a `mean` number, J paid to each, `win` = P(n > 0).

    It is the sum of n J P(n) over the n that the excess covers, and the excess times the chance of more.
    """
    covered, more = np.zeros_like(win), win
    least = float(jackpot.min(initial=np.inf))
    for n, chance in enumerate(winner_chances(game, mean)):
        if n == 0:
            continue
        if n * least > insurance.excess:
            break
        within = n * jackpot <= insurance.excess
        covered = covered + np.where(within, n * jackpot * chance, 0.0)
        more = more - np.where(within, chance, 0.0)
    return np.asarray(covered + insurance.excess * np.maximum(more, 0.0), dtype=np.float64)


def premium(insurance: Insurance | None, sales: Array, claims: Array) -> Array:
    """Return what a draw's cover costs, from its sales and the `claims` that the insurer expects."""
    if insurance is None:
        return np.zeros_like(sales)
    fixed = insurance.premium_per_draw + insurance.premium_share_of_sales * sales
    return np.asarray(fixed + insurance.premium_per_expected_claim * claims, dtype=np.float64)
