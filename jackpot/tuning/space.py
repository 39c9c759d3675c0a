"""Which settings are tried: a scrambled Sobol sequence over the search space, after the default itself.

Trial t is the same however many are asked for, so that a longer search goes on where a shorter one ended (Sobol 1967;
Owen 1998, Journal of Complexity 14(4)). Random search over few dimensions that matter loses little against cleverer
ones (Bergstra and Bengio 2012, JMLR 13), and its trials are independent: any machine may run any of them.
"""

from __future__ import annotations

import math

import numpy as np

from ..canonical import rounded
from ..demand.settings import SPACE, Settings


def proposals(trials: int, seed: int) -> tuple[Settings, ...]:
    """Return the settings of so many trials: the default, then points of the space, even in the factors' logs."""
    from scipy.stats import qmc

    if trials < 2:
        return (Settings(),) * trials
    # Whole powers of two keep the sequence balanced; what is not asked for is cut off.
    points = qmc.Sobol(len(SPACE), rng=seed).random_base2(math.ceil(math.log2(trials)))[: trials - 1]
    low, high = np.log(np.array(list(SPACE.values()))).T
    found = np.exp(low + points * (high - low)).tolist()
    return Settings(), *(Settings.of(dict(zip(SPACE, rounded(point), strict=True))) for point in found)
