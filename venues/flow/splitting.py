"""Takers who trade a decision in several pieces: runs of trades of one sign, close together.

Rule of this file: a piece is due at a time that was set when the one before it was made, and is drawn by its own
number; what the book did meanwhile changes neither. A run in a recording is what such a taker would have left there.

Source: Lillo, Mike and Farmer, "Theory for long memory in supply and demand", Physical Review E 71 (2005): splitting
is what makes signs of trades persist.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.market import I64
from router.domain.units import SECOND, Nanos
from venues.flow.chance import uniforms4
from venues.flow.parameters import SIZES

RUN_NS: Nanos = 1 * SECOND
"""Trades of a side no further apart than this are of one run."""

SLOTS = 16
"""Takers at most who are not done yet; one more trades once."""

NEVER = np.iinfo(np.int64).max

DUE, SIGN, LEFT = range(3)
"""Columns of the slots: when the next piece comes, its sign, how many are left."""

_PIECE_DRAWS = 1 << 41
"""Counters from here on draw pieces: how many there are, when the next comes, its size."""


class Runs(NamedTuple):
    """`starts` int64 (m,), 1 where a trade is the first of its run; `lengths` of the runs, `gaps` within them in ns."""

    starts: I64
    lengths: I64
    gaps: I64


def runs_of(taken: I64) -> Runs:
    """Return the runs in trades (m, 3) of TAKEN_COLUMNS.

    >>> taken = np.array([[0, 1, 5], [SECOND // 2, 1, 5], [SECOND // 2, -1, 5], [9 * SECOND, 1, 5]])
    >>> [of.tolist() for of in runs_of(taken)]
    [[1, 0, 1, 1], [2, 1, 1], [500000000]]
    """
    starts = np.ones(len(taken), dtype=np.int64)
    lengths: list[I64] = []
    gaps: list[I64] = []
    for sign in (1, -1):
        which = np.flatnonzero(taken[:, 1] == sign)
        apart = np.diff(taken[which, 0])
        starts[which[1:][apart <= RUN_NS]] = 0
        gaps.append(apart[apart <= RUN_NS])
        firsts = np.flatnonzero(starts[which])
        lengths.append(np.diff(firsts, append=len(which)))
    return Runs(starts, np.concatenate(lengths).astype(np.int64), np.concatenate(gaps).astype(np.int64))


def advance_of(taken: I64, ticks: I64) -> float:
    """Return by how many ticks, on average, the price goes on from a trade (m, 3) to the next of its run.

    `ticks` (m,) are the best prices that the trades were made against. 0 where there are no runs.

    >>> advance_of(np.array([[0, 1, 5], [1, 1, 5], [2, -1, 5], [3, -1, 5]]), np.array([100, 103, 99, 98]))
    2.0
    """
    went: list[I64] = []
    for sign in (1, -1):
        which = np.flatnonzero(taken[:, 1] == sign)
        is_near = np.diff(taken[which, 0]) <= RUN_NS
        went.append((np.diff(ticks[which]) * sign)[is_near])
    steps = np.concatenate(went)
    return float(steps.mean()) if len(steps) else 0.0


def new_slots() -> I64:
    """Return the slots of nobody: int64 (SLOTS, 3)."""
    slots = np.zeros((SLOTS, 3), dtype=np.int64)
    slots[:, DUE] = NEVER
    return slots


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def next_slot(slots: I64) -> int:
    """Return the slot whose piece is due first."""
    found = 0
    for i in range(1, SLOTS):
        if slots[i, DUE] < slots[found, DUE]:
            found = i
    return found


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def begin_run(splits: I64, split_gaps: I64, slots: I64, key: np.uint64, counter: int, now: int, sign: int) -> int:
    """Remember the pieces that follow a trade that an event was, if any; return the slot that is due first."""
    u, v, _w, _x = uniforms4(~key, _PIECE_DRAWS + 2 * counter)
    left = splits[int(u * SIZES)] - 1
    if left > 0:
        for i in range(SLOTS):
            if slots[i, DUE] == NEVER:
                slots[i, DUE] = now + max(1, split_gaps[int(v * SIZES)])
                slots[i, SIGN] = sign
                slots[i, LEFT] = left
                break
    first: int = next_slot(slots)
    return first


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def next_piece(sizes: I64, split_gaps: I64, slots: I64, slot: int, key: np.uint64, counter: int) -> int:
    """Return the signed quantity of the piece that is due at event `counter`, and set when the next is."""
    u, v, _w, _x = uniforms4(~key, _PIECE_DRAWS + 2 * counter + 1)
    slots[slot, LEFT] -= 1
    slots[slot, DUE] = slots[slot, DUE] + max(1, split_gaps[int(v * SIZES)]) if slots[slot, LEFT] > 0 else NEVER
    signed: int = slots[slot, SIGN] * sizes[int(u * SIZES)]
    return signed
