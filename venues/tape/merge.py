"""Many venues' recorded events merged in time into their books and one consolidated best: no strategy, one loop.

Rule of this file: at equal times the venue that was named first comes first, and each venue's rows keep their order;
the plain twin of this kernel lies with the tests.

`Streams` lays the venues end to end: ranks, slots and rows of venue v lie in [low, high) of its own offsets, so that
one kernel walks all of them over flat arrays. `merge_orders` takes order-level rows, `merge_levels` LEVEL rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.errors import BadInputError, bad_value
from router.domain.market import I64
from venues.feeds.events import EventKind
from venues.tape.book import apply, clear, set_level
from venues.tape.compact import ASK, AT, BID, KIND, QTY, RANK, SIDE, SLOT, Compact

VENUES_MAX = 256
"""A venue's number has eight bits of the merge's keys."""

_CLEAR, _LEVEL, _EXECUTE = int(EventKind.CLEAR), int(EventKind.LEVEL), int(EventKind.EXECUTE)
_BITS = 8


class Streams(NamedTuple):
    """Venues end to end: `rows` (n, 7) with ranks and slots that count over all of them, `bounds` (venues, 6): first
    and last (exclusive) row, rank and slot of each, `px` (ranks,)."""

    rows: I64
    bounds: I64
    px: I64
    slots: int


class Merged(NamedTuple):
    """What a merge leaves: `quotes` (m, 5) of the consolidated market, a row where it changed, `tops` (venues, 4) the
    last bid_px, bid_qty, ask_px, ask_qty of each, and how many events there were."""

    quotes: I64
    tops: I64
    events: int


def lay_out(venues: Sequence[Compact]) -> Streams:
    """Return the venues' rows end to end.

    Raises:
        BadInputError: none, or more than VENUES_MAX.
    """
    if not 1 <= len(venues) <= VENUES_MAX:
        raise BadInputError(bad_value("venues", f"1 to {VENUES_MAX}", len(venues)))
    bounds: I64 = np.zeros((len(venues), 6), dtype=np.int64)
    pieces = []
    row = rank = slot = 0
    for v, venue in enumerate(venues):
        rows = venue.rows.copy()
        rows[:, RANK] += np.where(rows[:, RANK] >= 0, rank, 0)
        rows[:, SLOT] += np.where(rows[:, SLOT] >= 0, slot, 0)
        pieces.append(rows)
        bounds[v] = (row, row + len(rows), rank, rank + len(venue.px), slot, slot + venue.slots)
        row, rank, slot = row + len(rows), rank + len(venue.px), slot + venue.slots
    return Streams(np.concatenate(pieces), bounds, np.concatenate([venue.px for venue in venues]), slot)


def merge_orders(streams: Streams) -> Merged:
    """Merge order-level rows (ADD, REDUCE, DELETE, MODIFY, EXECUTE, CLEAR; others change nothing)."""
    return _merge(streams, np.zeros((streams.slots, 5), dtype=np.int64), False)


def merge_levels(streams: Streams) -> Merged:
    """Merge level-2 rows (LEVEL, CLEAR; others change nothing)."""
    return _merge(streams, np.zeros((1, 5), dtype=np.int64), True)


def _merge(streams: Streams, orders: I64, is_levels: bool) -> Merged:
    venues = len(streams.bounds)
    levels = np.zeros((2, len(streams.px)), dtype=np.int64)
    best = np.column_stack((streams.bounds[:, 2] - 1, streams.bounds[:, 3]))
    tops = np.zeros((venues, 4), dtype=np.int64)
    quotes = np.empty((len(streams.rows), 5), dtype=np.int64)
    heads: I64 = np.empty((venues, 2), dtype=np.int64)
    kernel = _merge_levels if is_levels else _merge_orders
    n = kernel(streams.rows, streams.bounds, streams.px, levels, best, orders, tops, heads, quotes)
    return Merged(quotes[:n], tops, len(streams.rows))


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _start(rows: I64, bounds: I64, heads: I64) -> int:
    """Fill `heads` (key, next row) with the venues that have rows, as a heap by key; return how many. A key is the
    time since the first row, with the venue's number in its last bits."""
    n = 0
    for v in range(len(bounds)):
        if bounds[v, 0] == bounds[v, 1]:
            continue
        heads[n, 0], heads[n, 1] = (rows[bounds[v, 0], AT] - rows[0, AT]) << _BITS | v, bounds[v, 0]
        k = n
        while k > 0 and heads[(k - 1) // 2, 0] > heads[k, 0]:
            above = (k - 1) // 2
            for c in range(2):
                kept = heads[above, c]
                heads[above, c] = heads[k, c]
                heads[k, c] = kept
            k = above
        n += 1
    return n


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _next(rows: I64, bounds: I64, heads: I64, n: int, v: int) -> int:
    """Move the first venue of the heap, `v`, to its next row; return how many venues still have one."""
    row = heads[0, 1] + 1
    if row < bounds[v, 1]:
        key = (rows[row, AT] - rows[0, AT]) << _BITS | v
    else:
        n -= 1
        key, row = heads[n, 0], heads[n, 1]
    k = 0
    while True:
        below = 2 * k + 1
        if below >= n:
            break
        if below + 1 < n and heads[below + 1, 0] < heads[below, 0]:
            below += 1
        if heads[below, 0] >= key:
            break
        heads[k, 0], heads[k, 1] = heads[below, 0], heads[below, 1]
        k = below
    heads[k, 0], heads[k, 1] = key, row
    return n


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _consolidate(side: int, px: int, qty: int, tops: I64, v: int, best: I64) -> bool:
    """Let a side of a venue's top become (px, qty), and the consolidated `best` (4,) follow; True when that moved."""
    at_px, at_qty = 2 * side, 2 * side + 1
    old_px, old_qty = tops[v, at_px], tops[v, at_qty]
    if old_px == px and old_qty == qty:
        return False
    tops[v, at_px], tops[v, at_qty] = px, qty
    sign = 1 - 2 * side
    top, total = best[at_px], best[at_qty]
    if px and (top == 0 or (px - top) * sign > 0):
        best[at_px], best[at_qty] = px, qty
        return True
    if old_px != top and px != top:
        return False
    total += (qty if px == top else 0) - (old_qty if old_px == top else 0)
    if total > 0:
        best[at_qty] = total
        return True
    top = total = 0
    for other in range(len(tops)):
        px, qty = tops[other, at_px], tops[other, at_qty]
        if px and (top == 0 or (px - top) * sign > 0):
            top, total = px, qty
        elif px and px == top:
            total += qty
    best[at_px], best[at_qty] = top, total
    return True


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _show(
    at: int, v: int, px: I64, levels: I64, best: I64, low: int, high: int, tops: I64, whole: I64, quotes: I64, n: int
) -> int:
    """Bring the consolidated market up to a venue's book; return the new count of consolidated rows."""
    bid, ask = best[BID], best[ASK]
    moved = False
    if bid >= low:
        moved = _consolidate(BID, px[bid], levels[BID, bid], tops, v, whole)
    else:
        moved = _consolidate(BID, 0, 0, tops, v, whole)
    if ask < high:
        moved |= _consolidate(ASK, px[ask], levels[ASK, ask], tops, v, whole)
    else:
        moved |= _consolidate(ASK, 0, 0, tops, v, whole)
    if moved:
        quotes[n, 0] = at
        for c in range(4):
            quotes[n, 1 + c] = whole[c]
        n += 1
    return n


@njit(cache=True)  # type: ignore[untyped-decorator]
def _merge_levels(
    rows: I64, bounds: I64, px: I64, levels: I64, best: I64, orders: I64, tops: I64, heads: I64, quotes: I64
) -> int:
    whole = np.zeros(4, dtype=np.int64)
    shown = 0
    n = _start(rows, bounds, heads)
    while n:
        v, i = heads[0, 0] & (VENUES_MAX - 1), heads[0, 1]
        low, high = bounds[v, 2], bounds[v, 3]
        if rows[i, KIND] == _LEVEL:
            set_level(levels, best[v], rows[i, SIDE], rows[i, RANK], rows[i, QTY], low, high)
        elif rows[i, KIND] == _CLEAR:
            clear(levels, best[v], orders, low, high)
        shown = _show(rows[i, AT], v, px, levels, best[v], low, high, tops, whole, quotes, shown)
        n = _next(rows, bounds, heads, n, v)
    return shown


@njit(cache=True)  # type: ignore[untyped-decorator]
def _merge_orders(
    rows: I64, bounds: I64, px: I64, levels: I64, best: I64, orders: I64, tops: I64, heads: I64, quotes: I64
) -> int:
    whole = np.zeros(4, dtype=np.int64)
    shown = 0
    n = _start(rows, bounds, heads)
    while n:
        v, i = heads[0, 0] & (VENUES_MAX - 1), heads[0, 1]
        low, high = bounds[v, 2], bounds[v, 3]
        if rows[i, KIND] <= _EXECUTE:
            apply(levels, best[v], orders, rows[i], i, low, high)
        elif rows[i, KIND] == _CLEAR:
            clear(levels, best[v], orders[bounds[v, 4] : bounds[v, 5]], low, high)
        shown = _show(rows[i, AT], v, px, levels, best[v], low, high, tops, whole, quotes, shown)
        n = _next(rows, bounds, heads, n, v)
    return shown
