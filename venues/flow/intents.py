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

    >>> law = intended_law(np.array([1, 2, 2, 9]), np.array([9, 2, 2, 5]))
    >>> [law.count(size) / SIZES for size in (1, 9)]
    [0.25, 0.75]
    """
    if not len(sizes):
        return (1,)
    values, which = np.unique(sizes, return_inverse=True)
    at_risk = len(sizes) - np.searchsorted(np.sort(sizes), values)
    meant = np.bincount(which, weights=sizes != faced, minlength=len(values))
    below = 1.0 - np.cumprod(1.0 - meant / at_risk)
    steps = (np.arange(SIZES) + 0.5) / SIZES
    found = values[np.minimum(np.searchsorted(below, steps), len(values) - 1)]
    return tuple(int(size) for size in np.maximum(found, 1))


def looking_share(law: tuple[int, ...], sizes: I64, faced: I64) -> float:
    """Return the share of takers who take at most what stands there: 1 less how many exceed it over how many meant to.

    >>> looking_share((4,), np.array([2, 2, 2, 4]), np.array([2, 2, 2, 2]))
    0.75
    """
    meant = float((np.array(law)[:, None] > np.sort(faced)[None, ::-1]).mean()) if len(faced) else 0.0
    if meant == 0.0:
        return 0.0
    return round(min(max(1.0 - float((sizes > faced).mean()) / meant, 0.0), 1.0), 6)
