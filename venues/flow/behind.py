"""What is remembered of prices behind a side's best: somebody improves, and the price left behind mostly stays.

Rule of this file: a recording of best prices and a simulated book remember by the same functions, so that a share
counted on one is a chance in the other. Prices count outwards: ticks of asks, ticks of bids times -1.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from router.domain.market import I64
from router.domain.units import MILLISECOND, SECOND

REMEMBERED = 16
"""Prices remembered of a side; the furthest is forgotten first."""

PX, SINCE, QTY = range(3)

AGE_EDGES = (
    10 * MILLISECOND,
    100 * MILLISECOND,
    SECOND,
    3 * SECOND,
    10 * SECOND,
    30 * SECOND,
    100 * SECOND,
)
"""Least age of each class of remembered prices but the first."""

AGE_CLASSES = len(AGE_EDGES) + 1


def new_behind() -> I64:
    """Return the memory of a fresh book: int64 (2, REMEMBERED + 1, 3); the last row of a side holds how many."""
    return np.zeros((2, REMEMBERED + 1, 3), dtype=np.int64)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def leave_behind(behind: I64, which: int, px: int, at: int, qty: int) -> None:
    """Remember what was the best of a side until somebody improved on it."""
    side = behind[which]
    n = side[REMEMBERED, 0]
    if n == REMEMBERED:
        for i in range(n - 1):
            side[i] = side[i + 1]
        n -= 1
    side[n, PX] = px
    side[n, SINCE] = at
    side[n, QTY] = qty
    side[REMEMBERED, 0] = n + 1


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def forget_upto(behind: I64, which: int, px: int) -> int:
    """Forget a side's prices up to `px`, the best or better; return which row holds the next one, -1 if none does."""
    side = behind[which]
    n = side[REMEMBERED, 0]
    while n > 0 and side[n - 1, PX] <= px:
        n -= 1
    side[REMEMBERED, 0] = n
    return n - 1


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def age_class(age_ns: int) -> int:
    """Return which class of `AGE_EDGES` an age belongs to."""
    found = 0
    for edge in AGE_EDGES:
        found += 1 if age_ns >= edge else 0
    return found
