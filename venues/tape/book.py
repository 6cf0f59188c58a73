"""A recorded order book as kernels see it: quantities by price rank, the best of each side, orders by slot.

Rule of this file: a recorded fact is applied as it stands and never refused; what is not known to rest cannot leave.

Arrays, all int64. `levels` (2, ranks): what is displayed and left at each price, bids in row 0. `best` (2,): rank of
the best bid (-1 none) and of the best ask (ranks none). `orders` (slots, 5): rank, quantity left, quantity of it that
we have taken, number of the event that entered it (its time priority), side. Best comes first throughout: a rank is
better than another when `is_better` says so, the higher for bids and the lower for asks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.market import I64
from venues.feeds.events import EventFlag, EventKind
from venues.tape.compact import ASK, BID, FLAGS, KIND, QTY, RANK, SIDE, SLOT, Compact

RANK_OF, OPEN_QTY, TAKEN, ENTERED, SIDE_OF = range(5)

BEFORE_ALL = 1 << 40
"""Taken from the number of an event that only says what was there before: more events than any tape has."""

_REDUCE, _DELETE = int(EventKind.REDUCE), int(EventKind.DELETE)
_EXECUTE, _SNAPSHOT = int(EventKind.EXECUTE), int(EventFlag.SNAPSHOT)


class BookState(NamedTuple):
    """The arrays of one book."""

    levels: I64
    best: I64
    orders: I64


def empty_book(of: Compact) -> BookState:
    """Return a book without orders for a venue's rows."""
    best = np.array([-1, len(of.px)], dtype=np.int64)
    return BookState(np.zeros((2, len(of.px)), dtype=np.int64), best, np.zeros((of.slots, 5), dtype=np.int64))


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def set_level(levels: I64, best: I64, side: int, rank: int, qty: int, low: int, high: int) -> None:
    """Set what is left at a level of a book whose ranks lie in [low, high), and move the best."""
    levels[side, rank] = qty
    if qty > 0:
        if side == BID:
            if rank > best[BID]:
                best[BID] = rank
        elif rank < best[ASK]:
            best[ASK] = rank
    elif rank == best[side]:
        if side == BID:
            rank -= 1
            while rank >= low and levels[BID, rank] == 0:
                rank -= 1
        else:
            rank += 1
            while rank < high and levels[ASK, rank] == 0:
                rank += 1
        best[side] = rank


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def change(levels: I64, best: I64, orders: I64, slot: int, qty: int, low: int, high: int) -> int:
    """Let an order have `qty` open, and return the change (never above 0) of what it leaves for us.

    What we took of it stays taken up to what is open.
    """
    open_qty, taken = orders[slot, OPEN_QTY], orders[slot, TAKEN]
    left = open_qty - taken
    taken = min(taken, qty)
    orders[slot, OPEN_QTY], orders[slot, TAKEN] = qty, taken
    delta = qty - taken - left
    if delta:
        side, rank = orders[slot, SIDE_OF], orders[slot, RANK_OF]
        set_level(levels, best, side, rank, levels[side, rank] + delta, low, high)
    return int(delta)


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def enter(
    levels: I64,
    best: I64,
    orders: I64,
    slot: int,
    side: int,
    rank: int,
    qty: int,
    taken: int,
    n: int,
    low: int,
    high: int,
) -> None:
    """Let an order that has nothing open enter as event number `n`, of which we have `taken` (at most all of it)."""
    taken = min(taken, qty)
    orders[slot, RANK_OF], orders[slot, OPEN_QTY], orders[slot, TAKEN] = rank, qty, taken
    orders[slot, ENTERED], orders[slot, SIDE_OF] = n, side
    if qty > taken:
        set_level(levels, best, side, rank, levels[side, rank] + qty - taken, low, high)


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def apply(levels: I64, best: I64, orders: I64, row: I64, n: int, low: int, high: int) -> int:
    """Apply an ADD, REDUCE, DELETE, MODIFY or EXECUTE as event number `n` to a book whose ranks lie in [low, high).

    Returns the change of what the order it names left for us at its old place (never above 0); an id that is not
    known to rest changes nothing. An ADD of an order that is open is a MODIFY.
    """
    slot, kind = row[SLOT], row[KIND]
    if slot < 0:
        return 0
    if kind in (_REDUCE, _EXECUTE):
        return int(change(levels, best, orders, slot, max(orders[slot, OPEN_QTY] - row[QTY], 0), low, high))
    if kind == _DELETE:
        return int(change(levels, best, orders, slot, 0, low, high))
    if row[RANK] < 0 or row[SIDE] < 0:
        return 0
    # A new quantity at the same place adds what it adds; at another price the order is there for everybody again.
    is_same = orders[slot, OPEN_QTY] and orders[slot, SIDE_OF] == row[SIDE] and orders[slot, RANK_OF] == row[RANK]
    taken = orders[slot, TAKEN] if is_same else 0
    delta = change(levels, best, orders, slot, 0, low, high) if orders[slot, OPEN_QTY] else 0
    # What a snapshot brings was there before: it stands in front of whatever is known.
    entered = n - BEFORE_ALL if row[FLAGS] & _SNAPSHOT else n
    enter(levels, best, orders, slot, row[SIDE], row[RANK], row[QTY], taken, entered, low, high)
    return int(delta)


@njit(cache=True)  # type: ignore[untyped-decorator]
def clear(levels: I64, best: I64, orders: I64, low: int, high: int) -> None:
    """Empty the book."""
    levels[:, low:high] = 0
    best[BID], best[ASK] = low - 1, high
    orders[:, OPEN_QTY] = 0
    orders[:, TAKEN] = 0
