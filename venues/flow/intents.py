"""How much somebody meant to trade or cancel, from recordings that only show what there was to take.

Rule of this file: who takes exactly what stands there may have meant more: such a size says "at least this".

Source: the product-limit estimator, Kaplan and Meier, "Nonparametric estimation from incomplete observations", JASA 53
(1958).
"""

from __future__ import annotations

import numpy as np

from router.domain.market import I64
from venues.flow.parameters import SIZES


def quantile_law(sizes: I64) -> tuple[int, ...]:
    """Return the quantile function of the sizes seen, at `SIZES` equal steps, 1 at least; (1,) of none.

    >>> sorted(set(quantile_law(np.array([5, 2, 0]))))
    [1, 2, 5]
    """
    if not len(sizes):
        return (1,)
    ordered = np.sort(sizes)
    which = ((np.arange(SIZES) + 0.5) / SIZES * len(ordered)).astype(np.int64)
    return tuple(int(size) for size in np.maximum(ordered[which], 1))


def intended_law(sizes: I64, faced: I64) -> tuple[int, ...]:
    """Return the quantile function of what was meant, from sizes (n,) and what there was to take (n,).

    What nobody ever exceeded is counted at the largest size seen.

    >>> law = intended_law(np.array([1, 2, 2, 2]), np.array([9, 2, 2, 9]))
    >>> [law.count(size) / SIZES for size in (1, 2)]
    [0.25, 0.75]
    """
    if not len(sizes):
        return (1,)
    values, which = np.unique(sizes, return_inverse=True)
    meant = np.bincount(which, weights=sizes < faced, minlength=len(values))
    # Who took all there was meant as much or more: of that very size it says nothing.
    all_of_it = np.bincount(which, weights=sizes >= faced, minlength=len(values))
    at_risk = len(sizes) - np.searchsorted(np.sort(sizes), values) - all_of_it
    below = 1.0 - np.cumprod(1.0 - meant / np.maximum(at_risk, 1.0))
    steps = (np.arange(SIZES) + 0.5) / SIZES
    found = values[np.minimum(np.searchsorted(below, steps), len(values) - 1)]
    return tuple(int(size) for size in np.maximum(found, 1))
