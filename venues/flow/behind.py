"""What is remembered of prices behind a side's best: somebody improves, and the price left behind mostly stays.

Rule of this file: a recording of best prices and a simulated book remember by the same functions, so that a share
counted on one is a chance in the other. Prices count outwards: ticks of asks, ticks of bids times -1.
"""

from __future__ import annotations

from typing import NamedTuple

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


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
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
    row: int = n - 1
    return row


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def age_class(age_ns: int) -> int:
    """Return which class of `AGE_EDGES` an age belongs to."""
    found = 0
    for edge in AGE_EDGES:
        if age_ns < edge:
            break
        found += 1
    return found


class Memory(NamedTuple):
    """What a recording says of what is behind a best that is gone.

    `kept` is the chance, by class of age, that the price left behind is the best again; `kept_qty` that it then holds
    what it held; `gaps` int64 (n,) ticks to the next best where it was another, `revealed` (m,) what stood at a price
    that became the best and was not remembered.
    """

    kept: tuple[float, ...]
    kept_qty: float
    gaps: I64
    revealed: I64


def memory_of(top: I64, is_whole: I64) -> Memory:
    """Return the memory in quotes (n, 5) of TOP_COLUMNS with `is_whole` (n,).

    Below an ask of 102 comes one of 101, and goes: 102 is back with what it held.

    >>> asks = ((102, 5), (101, 1), (102, 5), (104, 7))
    >>> top = np.array([(i, 100, 9, *ask) for i, ask in enumerate(asks)])
    >>> memory_of(top, np.ones(4, dtype=np.int64))[1:]
    (1.0, array([2]), array([7]))
    """
    ages = np.zeros((AGE_CLASSES, 2), dtype=np.int64)
    gaps, revealed = np.zeros(2 * len(top), dtype=np.int64), np.zeros(2 * len(top), dtype=np.int64)
    n_gaps, n_revealed = _walk_behind(top, is_whole, ages, gaps, revealed)
    tried, came = ages.T
    kept = tuple(round(float(x), 6) for x in came / np.maximum(tried, 1))
    # Each that came back and did not reveal anything held what it had held.
    same = n_gaps + int(came.sum()) - n_revealed
    return Memory(kept, round(same / max(int(came.sum()), 1), 6), gaps[:n_gaps], revealed[:n_revealed])


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _walk_behind(top: I64, is_whole: I64, ages: I64, gaps: I64, revealed: I64) -> tuple[int, int]:
    """Fill the last three arrays; return how many gaps and revealed quantities there are."""
    n_gaps = n_revealed = 0
    behind = new_behind()
    for row in range(1, top.shape[0]):
        if is_whole[row - 1] == 0 or is_whole[row] == 0:
            continue
        for which in range(2):
            outwards = -1 if which == 0 else 1
            px, new_px = outwards * top[row - 1, 1 + 2 * which], outwards * top[row, 1 + 2 * which]
            qty, new_qty = top[row - 1, 2 + 2 * which], top[row, 2 + 2 * which]
            if new_px < px:
                leave_behind(behind, which, px, top[row, 0], qty)
            elif new_px > px:
                held = -1
                i = forget_upto(behind, which, px)
                if i >= 0:
                    age = age_class(top[row, 0] - behind[which, i, SINCE])
                    ages[age, 0] += 1
                    if behind[which, i, PX] == new_px:
                        ages[age, 1] += 1
                        held = behind[which, i, QTY]
                if held < 0:
                    gaps[n_gaps] = new_px - px
                    n_gaps += 1
                if held != new_qty:
                    revealed[n_revealed] = new_qty
                    n_revealed += 1
                forget_upto(behind, which, new_px)
    return n_gaps, n_revealed
