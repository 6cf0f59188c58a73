"""The fold of quotes and prints into the consolidated market, as a numba kernel over preallocated arrays.

Rule of this file: decay happens at events and at reads, never at the end of a window, so that any split of a span
into windows leaves the same bits. The plain twin is `fold_plain`.

State, all owned by the caller:
* `book` int64 (venues, 5): at, bid_px, bid_qty, ask_px, ask_qty as last quoted;
* `is_counted` bool (venues,): lit and up;
* `best` int64 (4,): bid_px, bid_qty, ask_px, ask_qty consolidated, 0 for an empty side;
* `whole` int64 (7,): see the constants; `sums` float64 (3,): decayed squared returns in bps^2, shares bought, sold.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from router.domain.market import F64, I64

Flags: TypeAlias = NDArray[np.bool_]

VOLUME, LAST_PX, TICK_SIGN, VARIANCE_AT, FLOW_AT, FIRST_MID_AT, MID2 = range(7)
VARIANCE, BOUGHT, SOLD = range(3)

VOLATILITY_HALF_LIFE_NS = 300_000_000_000
FLOW_HALF_LIFE_NS = 30_000_000_000
RETURN_BPS_MAX = 50.0
"""A single move of the mid counts up to this: a stub quote at the open is not volatility."""

ORDERED, QUOTE_FAULT, PRINT_FAULT = range(3)
_LN2 = math.log(2.0)


@njit(cache=True)  # type: ignore[untyped-decorator]
def first_fault(quotes: I64, prints: I64, venues: int, last: int, until: int) -> tuple[int, int]:
    """Return (ORDERED, 0), or which table and which row is out of order, out of [last, until) or of no venue."""
    at = last
    for i in range(quotes.shape[0]):
        if quotes[i, 0] < at or quotes[i, 0] >= until or quotes[i, 1] < 0 or quotes[i, 1] >= venues:
            return QUOTE_FAULT, i
        at = quotes[i, 0]
    at = last
    for i in range(prints.shape[0]):
        if prints[i, 0] < at or prints[i, 0] >= until or prints[i, 1] < 0 or prints[i, 1] >= venues:
            return PRINT_FAULT, i
        at = prints[i, 0]
    return ORDERED, 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def consolidate(book: I64, is_counted: Flags, best: I64) -> bool:
    """Write the best prices over the counted venues, with all the shares at them; return whether they changed.

    A side of a venue is usable when its price and its quantity are both above 0.
    """
    bid_px, bid_qty, ask_px, ask_qty = 0, 0, 0, 0
    for v in range(book.shape[0]):
        if not is_counted[v]:
            continue
        if book[v, 1] > 0 and book[v, 2] > 0:
            if book[v, 1] > bid_px:
                bid_px, bid_qty = book[v, 1], book[v, 2]
            elif book[v, 1] == bid_px:
                bid_qty += book[v, 2]
        if book[v, 3] > 0 and book[v, 4] > 0:
            if ask_px == 0 or book[v, 3] < ask_px:
                ask_px, ask_qty = book[v, 3], book[v, 4]
            elif book[v, 3] == ask_px:
                ask_qty += book[v, 4]
    is_changed: bool = best[0] != bid_px or best[1] != bid_qty or best[2] != ask_px or best[3] != ask_qty
    best[0], best[1], best[2], best[3] = bid_px, bid_qty, ask_px, ask_qty
    return is_changed


@njit(cache=True)  # type: ignore[untyped-decorator]
def _see_mid(at: int, best: I64, whole: I64, sums: F64) -> None:
    if best[0] == 0 or best[2] == 0:
        return
    mid2 = best[0] + best[2]
    if whole[MID2] == 0:
        if whole[FIRST_MID_AT] < 0:
            whole[FIRST_MID_AT] = at
            whole[VARIANCE_AT] = at
    elif mid2 != whole[MID2]:
        move = 1e4 * (mid2 - whole[MID2]) / whole[MID2]
        move = min(max(move, -RETURN_BPS_MAX), RETURN_BPS_MAX)
        keep = math.exp(-_LN2 * (at - whole[VARIANCE_AT]) / VOLATILITY_HALF_LIFE_NS)
        sums[VARIANCE] = sums[VARIANCE] * keep + move * move
        whole[VARIANCE_AT] = at
    whole[MID2] = mid2


@njit(cache=True)  # type: ignore[untyped-decorator]
def _see_print(row: I64, best: I64, whole: I64, sums: F64) -> None:
    at, px, qty, aggressor = row[0], row[2], row[3], row[4]
    if px <= 0 or qty <= 0:
        return
    if whole[LAST_PX] > 0 and px != whole[LAST_PX]:
        whole[TICK_SIGN] = 1 if px > whole[LAST_PX] else -1
    whole[LAST_PX] = px
    whole[VOLUME] += qty
    sign = aggressor
    if sign == 0 and best[0] > 0 and best[2] > 0:
        sign = 2 * px - best[0] - best[2]
    if sign == 0:
        sign = whole[TICK_SIGN]
    keep = math.exp(-_LN2 * (at - whole[FLOW_AT]) / FLOW_HALF_LIFE_NS)
    whole[FLOW_AT] = at
    sums[BOUGHT] *= keep
    sums[SOLD] *= keep
    if sign > 0:
        sums[BOUGHT] += qty
    elif sign < 0:
        sums[SOLD] += qty


@njit(cache=True)  # type: ignore[untyped-decorator]
def fold(quotes: I64, prints: I64, book: I64, is_counted: Flags, best: I64, whole: I64, sums: F64, out: I64) -> int:
    """Apply sorted rows to the state; write (at, *best) to `out` after every time at which the best changed and
    return how many rows that were.

    At one time, prints come first (a trade is judged by the market it met: Lee and Ready, 1991) and all quotes
    count together, so that venues which move in the same nanosecond make no false cross.
    """
    i, j, k = 0, 0, 0
    n, m = quotes.shape[0], prints.shape[0]
    while i < n or j < m:
        at = quotes[i, 0] if i < n else prints[j, 0]
        if j < m and prints[j, 0] < at:
            at = prints[j, 0]
        while j < m and prints[j, 0] == at:
            _see_print(prints[j], best, whole, sums)
            j += 1
        if i == n or quotes[i, 0] != at:
            continue
        while i < n and quotes[i, 0] == at:
            v = quotes[i, 1]
            book[v, 0] = at
            for c in range(1, 5):
                book[v, c] = quotes[i, c + 1]
            i += 1
        if consolidate(book, is_counted, best):
            out[k, 0] = at
            for c in range(4):
                out[k, c + 1] = best[c]
            k += 1
            _see_mid(at, best, whole, sums)
    return k
