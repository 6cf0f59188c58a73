"""Our orders in a recorded queue: the kernel that walks recorded events and says what of them is ours.

Rule of this file: a recorded order keeps the place it was recorded in; an order of ours stands behind every order that
was there when it came, and in front of every one that came later. So its place is exact, and needs no model.

* A recorded execution of an order behind ours, or at a price worse than ours, fills ours first, up to its size.
* A recorded order that enters at a price ours reaches trades with ours first, up to its size, at our price.
* A hidden execution at a price no better than a displayed order of ours fills it first: what is displayed goes first.
* A midpoint peg of ours is hidden and stands at the middle of what is displayed, within its limit. An execution at a
  price worse than that shows that nobody stood inside, and fills the peg first. Of a hidden execution at the very
  price of the peg, `share_ppm` millionths are the peg's: who came first is not known.
* While trading is halted nothing of ours trades and nothing is shown.

Arrays, int64. `own` (k, 6), best priority first on each side: side, price (of a peg its limit, 0 none), leaves,
joined (number of the event before which it came), least quantity of one fill, 1 for a peg. `fills` (n, 6): row of
`own`, quantity, time, price, 1 when the trade is not on the tape, aggressor. `shown` (5,): last top shown, and
1 while halted.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from router.domain.market import I64
from router.domain.units import Nanos, Px, Qty
from venues.feeds.events import EventFlag, EventKind
from venues.tape.book import ENTERED, OPEN_QTY, RANK_OF, SIDE_OF, TAKEN, apply, clear, set_level
from venues.tape.compact import ASK, AT, BID, FLAGS, KIND, QTY, RANK, SIDE, SLOT

OWN_SIDE, PRICE, LEAVES, JOINED, LEAST, IS_PEG = range(6)
OWN_WIDTH = 6
HALTED = 4
PPM = 1_000_000

_ADD, _MODIFY, _EXECUTE = int(EventKind.ADD), int(EventKind.MODIFY), int(EventKind.EXECUTE)
_TRADE, _CLEAR, _STATUS = int(EventKind.TRADE), int(EventKind.CLEAR), int(EventKind.STATUS)
_LAST, _OFF_EXCHANGE = int(EventFlag.LAST), int(EventFlag.OFF_EXCHANGE)
_HIDDEN_ORDER = 1 << 62
"""In place of the number of the event that entered the order executed: it was hidden, behind all that is displayed."""


@njit(cache=True)  # type: ignore[untyped-decorator]
def peg_px(side: int, limit: Px, bid: Px, ask: Px) -> Px:
    """Return the price of a midpoint peg: the middle rounded away from the other side, within its limit; 0 when there
    is no middle.

    >>> int(peg_px(0, 0, 100, 103)), int(peg_px(1, 0, 100, 103)), int(peg_px(0, 100, 100, 103)), int(peg_px(0, 0, 0, 9))
    (101, 102, 100, 0)
    """
    if bid == 0 or ask <= bid:
        return 0
    if side == BID:
        px = (bid + ask) // 2
        return min(px, limit) if limit else px
    return max((bid + ask + 1) // 2, limit)


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _fill(own: I64, k: int, qty: Qty, at: Nanos, px: Px, is_new: int, sign: int, fills: I64, n: int) -> int:
    own[k, LEAVES] -= qty
    fills[n, 0], fills[n, 1], fills[n, 2], fills[n, 3], fills[n, 4], fills[n, 5] = k, qty, at, px, is_new, sign
    return n + 1


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def is_entry(row: I64) -> bool:
    """Return whether a row puts an order at a price."""
    is_placed = row[SLOT] >= 0 and row[SIDE] >= 0 and row[RANK] >= 0
    return bool(is_placed and (row[KIND] == _ADD or row[KIND] == _MODIFY))


@njit(cache=True)  # type: ignore[untyped-decorator]
def executed(
    at: Nanos, side: int, px: Px, qty: Qty, entered: int, bid: Px, ask: Px, own: I64, ppm: int, fills: I64, n: int
) -> int:
    """Let one recorded execution meet our orders of the resting `side`; return the new count of fills.

    `entered` numbers the event that entered the order executed, or is _HIDDEN_ORDER. `bid` and `ask` are what is
    displayed before it.
    """
    left, sign = qty, 1 - 2 * side
    # Twice: first what goes before the order executed for certain, then pegs at the price of a hidden one.
    for turn in range(2):
        if turn == 1:
            if entered != _HIDDEN_ORDER:
                break
            left = left * ppm // PPM
        for k in range(len(own)):
            if own[k, OWN_SIDE] != side or own[k, LEAVES] == 0 or left == 0:
                continue
            price = peg_px(side, own[k, PRICE], bid, ask) if own[k, IS_PEG] else own[k, PRICE]
            depth = (price - px) * sign
            if price == 0 or depth < 0 or (turn == 1 and depth > 0):
                continue
            if depth == 0 and (own[k, IS_PEG] != turn or entered < own[k, JOINED]):
                continue
            got = min(left, own[k, LEAVES])
            if got >= min(own[k, LEAST], own[k, LEAVES]):
                left -= got
                n = _fill(own, k, got, at, price, 0, -sign, fills, n)
    return n


@njit(cache=True)  # type: ignore[untyped-decorator]
def entered(at: Nanos, side: int, px: Px, qty: Qty, bid: Px, ask: Px, own: I64, fills: I64, n: int) -> int:
    """Let a recorded order that comes to rest at `px` meet our orders of the other side; return the count of fills."""
    left, sign = qty, 1 - 2 * side
    for k in range(len(own)):
        if own[k, OWN_SIDE] == side or own[k, LEAVES] == 0 or left == 0:
            continue
        price = peg_px(1 - side, own[k, PRICE], bid, ask) if own[k, IS_PEG] else own[k, PRICE]
        if price == 0 or (px - price) * sign < 0:
            continue
        got = min(left, own[k, LEAVES])
        if got >= min(own[k, LEAST], own[k, LEAVES]):
            left -= got
            n = _fill(own, k, got, at, price, 1, sign, fills, n)
    return n


@njit(cache=True)  # type: ignore[untyped-decorator]
def show(at: Nanos, px: I64, levels: I64, best: I64, shown: I64, quotes: I64, n: int) -> int:
    """Add a row to `quotes` when what is displayed has changed; return the new count. Nothing is displayed while
    halted, locked or crossed."""
    bid, ask = best[BID], best[ASK]
    row = (0, 0, 0, 0)
    if shown[HALTED] == 0 and bid < ask:
        bid_px, bid_qty = (px[bid], levels[BID, bid]) if bid >= 0 else (0, 0)
        ask_px, ask_qty = (px[ask], levels[ASK, ask]) if ask < len(px) else (0, 0)
        row = (bid_px, bid_qty, ask_px, ask_qty)
    if row[0] == shown[0] and row[1] == shown[1] and row[2] == shown[2] and row[3] == shown[3]:
        return n
    quotes[n, 0] = at
    for c in range(4):
        quotes[n, 1 + c] = shown[c] = row[c]
    return n + 1


@njit(cache=True, inline="always")  # type: ignore[untyped-decorator]
def _print(at: Nanos, px: Px, qty: Qty, aggressor: int, prints: I64, n: int) -> int:
    prints[n, 0], prints[n, 1], prints[n, 2], prints[n, 3] = at, px, qty, aggressor
    return n + 1


@njit(cache=True)  # type: ignore[untyped-decorator]
def walk(
    rows: I64,
    first: int,
    last: int,
    px: I64,
    levels: I64,
    best: I64,
    orders: I64,
    own: I64,
    shown: I64,
    ppm: int,
    fills: I64,
    quotes: I64,
    prints: I64,
) -> tuple[int, int, int]:
    """Apply rows [first, last) to the book; return how many fills, quotes and prints there were.

    `fills` has room for 4 (last - first) + k rows, `quotes` (n, 5) and `prints` (n, 4) for last - first each.
    """
    n_fills, n_quotes, n_prints, high = 0, 0, 0, len(px)
    for i in range(first, last):
        row, kind, at = rows[i], rows[i, KIND], rows[i, AT]
        if kind <= _EXECUTE:
            slot, before = row[SLOT], n_fills
            if kind == _EXECUTE and slot >= 0 and orders[slot, OPEN_QTY]:
                side, price = orders[slot, SIDE_OF], px[orders[slot, RANK_OF]]
                n_prints = _print(at, price, row[QTY], 2 * side - 1, prints, n_prints)
                if len(own) and shown[HALTED] == 0:
                    n_fills = executed(
                        at, side, price, row[QTY], orders[slot, ENTERED], shown[0], shown[2], own, ppm, fills, n_fills
                    )
                before = n_fills
            elif len(own) and shown[HALTED] == 0 and is_entry(row):
                price = px[row[RANK]]
                n_fills = entered(at, row[SIDE], price, row[QTY], shown[0], shown[2], own, fills, n_fills)
            apply(levels, best, orders, row, i, 0, high)
            for k in range(before, n_fills):
                take_of(levels, best, orders, slot, fills[k, 1], high)
        elif kind == _TRADE:
            if row[RANK] >= 0 and row[QTY] and not row[FLAGS] & _OFF_EXCHANGE:
                price, side = px[row[RANK]], row[SIDE]
                n_prints = _print(at, price, row[QTY], 2 * side - 1 if side >= 0 else 0, prints, n_prints)
                for resting in range(2 if len(own) and shown[HALTED] == 0 else 0):
                    if side == resting or side < 0:
                        n_fills = executed(
                            at, resting, price, row[QTY], _HIDDEN_ORDER, shown[0], shown[2], own, ppm, fills, n_fills
                        )
        elif kind == _CLEAR:
            clear(levels, best, orders, 0, high)
        elif kind == _STATUS:
            shown[HALTED] = 1 if row[QTY] == 0 else 0
        if row[FLAGS] & _LAST:
            n_quotes = show(at, px, levels, best, shown, quotes, n_quotes)
    return n_fills, n_quotes, n_prints


@njit(cache=True)  # type: ignore[untyped-decorator]
def take_of(levels: I64, best: I64, orders: I64, slot: int, qty: Qty, high: int) -> Qty:
    """Take up to `qty` of one recorded order; return how much."""
    got = min(qty, orders[slot, OPEN_QTY] - orders[slot, TAKEN])
    if got > 0:
        side, rank = orders[slot, SIDE_OF], orders[slot, RANK_OF]
        orders[slot, TAKEN] += got
        set_level(levels, best, side, rank, levels[side, rank] - got, 0, high)
    return int(got)


@njit(cache=True)  # type: ignore[untyped-decorator]
def offered(px: I64, levels: I64, best: I64, side: int, limit: Px, most: Qty) -> Qty:
    """Return what `side` displays and we have not taken, up to `most`, at `limit` (0: any) or better for a taker."""
    total, rank = 0, best[side]
    while total < most and 0 <= rank < len(px):
        if limit and (px[rank] - limit) * (1 - 2 * side) < 0:
            break
        total += levels[side, rank]
        rank += 2 * side - 1
    return min(total, most)


@njit(cache=True)  # type: ignore[untyped-decorator]
def take(px: I64, levels: I64, best: I64, orders: I64, side: int, limit: Px, qty: Qty, got: I64) -> int:
    """Take up to `qty` of what `side` displays at `limit` (0: any) or better, best price first, oldest first.

    Writes (price, quantity) per level into `got` (ranks, 2); returns how many levels.
    """
    n, left, high = 0, qty, len(px)
    while left > 0 and 0 <= best[side] < high:
        rank = best[side]
        if limit and (px[rank] - limit) * (1 - 2 * side) < 0:
            break
        here = min(left, levels[side, rank])
        got[n, 0], got[n, 1] = px[rank], here
        n += 1
        left -= here
        while here > 0:
            oldest = -1
            for slot in range(len(orders)):
                is_here = orders[slot, OPEN_QTY] > orders[slot, TAKEN] and orders[slot, RANK_OF] == rank
                is_here = is_here and orders[slot, SIDE_OF] == side
                if is_here and (oldest < 0 or orders[slot, ENTERED] < orders[oldest, ENTERED]):
                    oldest = slot
            here -= take_of(levels, best, orders, oldest, here, high)
    return n


@njit(cache=True)  # type: ignore[untyped-decorator]
def ahead_of(px: I64, orders: I64, side: int, price: Px, joined: int) -> Qty:
    """Return what is displayed, and not taken by us, in front of an order of ours."""
    total = 0
    for slot in range(len(orders)):
        is_there = orders[slot, OPEN_QTY] > orders[slot, TAKEN] and orders[slot, SIDE_OF] == side
        if is_there and px[orders[slot, RANK_OF]] == price and orders[slot, ENTERED] < joined:
            total += orders[slot, OPEN_QTY] - orders[slot, TAKEN]
    return total


def room(rows: int, own: int) -> tuple[I64, I64, I64]:
    """Return arrays for the fills, quotes and prints that so many rows can bring to so many orders of ours."""
    fills: I64 = np.empty((4 * rows + own, 6), dtype=np.int64)
    return fills, np.empty((rows, 5), dtype=np.int64), np.empty((rows, 4), dtype=np.int64)
