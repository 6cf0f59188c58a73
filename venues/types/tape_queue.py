"""Resting orders against recorded quotes and trades: queue positions and fills, in whole numbers.

Rule of this file: one recorded share meets one share of ours at most. `meet` is compiled; its slow twin in plain
Python lies with the tests and must agree after every row.

Arrays, all int64. `orders` (n, 5), best priority first: sign, price, leaves, ahead, traded. `ahead` is the displayed
size in front of the order, UNKNOWN while its price lies behind the touch; `traded` the shares traded at its price that
no quote has shown yet. `book` (6,): bid_px, bid_qty, ask_px, ask_qty as recorded, then what of the bid and of the ask
we have not taken. `fills` (k, 5): order row, quantity, time, 1 when it met a quote and 0 a trade, aggressor.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from router.domain.market import I64
from router.domain.units import Px

SIGN, PRICE, LEAVES, AHEAD, TRADED = range(5)
BID_PX, BID_QTY, ASK_PX, ASK_QTY, LEFT_BID, LEFT_ASK = range(6)

UNKNOWN = -1
"""`ahead` of an order behind the touch: nothing is known of the queue there."""

PPM = 1_000_000


@njit(cache=True)  # type: ignore[untyped-decorator]
def ahead_at_join(sign: int, price: Px, book: I64) -> int:
    """Return the displayed size ahead of an order that joins now: 0 inside the touch, UNKNOWN behind it."""
    touch, qty = (book[BID_PX], book[BID_QTY]) if sign > 0 else (book[ASK_PX], book[ASK_QTY])
    if touch == 0 or (price - touch) * sign > 0:
        return 0
    return int(qty) if price == touch else UNKNOWN


@njit(cache=True)  # type: ignore[untyped-decorator]
def cross(at: int, book: I64, orders: I64, fills: I64, n: int) -> int:
    """Fill orders whose price the opposite quote has reached, up to its size; return the new count of fills."""
    for k in range(len(orders)):
        sign = orders[k, SIGN]
        touch, left = (book[ASK_PX], LEFT_ASK) if sign > 0 else (book[BID_PX], LEFT_BID)
        if touch == 0 or (orders[k, PRICE] - touch) * sign < 0:
            continue
        qty = min(orders[k, LEAVES], book[left])
        if qty > 0:
            book[left] -= qty
            orders[k, LEAVES] -= qty
            fills[n, 0], fills[n, 1], fills[n, 2], fills[n, 3], fills[n, 4] = k, qty, at, 1, -sign
            n += 1
    return n


@njit(cache=True)  # type: ignore[untyped-decorator]
def trade(at: int, px: Px, size: int, aggressor: int, orders: I64, fills: I64, n: int) -> int:
    """Let one recorded trade meet our orders; return the new count of fills.

    A trade through an order's price fills it up to the trade's size. A trade at its price first uses up the queue
    ahead; one whose aggressor is on the order's own side met the other side's queue and is not for us.
    """
    left = size
    queue = 0  # public shares at this price that this trade has used up
    for k in range(len(orders)):
        sign = orders[k, SIGN]
        depth = (orders[k, PRICE] - px) * sign
        if depth < 0 or orders[k, LEAVES] == 0 or (depth == 0 and (aggressor == sign or orders[k, AHEAD] < 0)):
            continue
        if depth == 0:
            public = min(left, max(orders[k, AHEAD] - queue, 0))
            queue += public
            left -= public
            orders[k, AHEAD] = max(orders[k, AHEAD] - queue, 0)
        else:
            orders[k, AHEAD] = 0
        qty = min(left, orders[k, LEAVES])
        if qty > 0:
            left -= qty
            orders[k, LEAVES] -= qty
            fills[n, 0], fills[n, 1], fills[n, 2], fills[n, 3], fills[n, 4] = k, qty, at, 0, aggressor
            n += 1
        if depth == 0:
            orders[k, TRADED] += size
    return n


@njit(cache=True)  # type: ignore[untyped-decorator]
def quote(row: I64, book: I64, orders: I64, share_ppm: int) -> None:
    """Let one recorded quote replace the top of `book`, and move the queues.

    What we took stays taken while a side's price stands: more size adds what it adds, less size caps what is left.
    A fall in size that trades do not explain is a cancel; `share_ppm` millionths of it were ahead of us.
    """
    for side in range(2):
        px, qty = row[1 + 2 * side], row[2 + 2 * side]
        old_px, old_qty, left = book[2 * side], book[2 * side + 1], book[4 + side]
        if px != old_px:
            left = qty
        elif qty > old_qty:
            left += qty - old_qty
        else:
            left = min(left, qty)
        book[2 * side], book[2 * side + 1], book[4 + side] = px, qty, left
        sign = 1 - 2 * side
        for k in range(len(orders)):
            if orders[k, SIGN] != sign or orders[k, LEAVES] == 0:
                continue
            depth = (orders[k, PRICE] - px) * sign
            if px == 0 or depth > 0:
                orders[k, AHEAD] = 0  # the touch fell below our price: nobody displayed is ahead
            elif depth == 0 and orders[k, AHEAD] < 0:
                orders[k, AHEAD] = qty  # our level has become the touch: all it displays counts as ahead
            elif depth == 0 and px == old_px and qty < old_qty:
                cancelled = max(old_qty - qty - orders[k, TRADED], 0)
                orders[k, TRADED] = max(orders[k, TRADED] - (old_qty - qty), 0)
                orders[k, AHEAD] = max(orders[k, AHEAD] - cancelled * share_ppm // PPM, 0)
            if depth == 0:
                orders[k, AHEAD] = min(orders[k, AHEAD], qty)
            if px != old_px:
                orders[k, TRADED] = 0


@njit(cache=True)  # type: ignore[untyped-decorator]
def meet(quotes: I64, prints: I64, book: I64, orders: I64, share_ppm: int, fills: I64, shown: I64) -> int:
    """Walk quotes (n, 5) and prints (m, 4) in order of time, trades first at equal times; return the fills made.

    `shown` (n, 5) receives the quotes with what we have taken left out; a side taken whole is empty, since nothing
    is known behind it. `fills` is a `room` for the rows and orders.
    """
    n = 0
    q = p = 0
    while q < len(quotes) or p < len(prints):
        if p < len(prints) and (q == len(quotes) or prints[p, 0] <= quotes[q, 0]):
            n = trade(prints[p, 0], prints[p, 1], prints[p, 2], prints[p, 3], orders, fills, n)
            p += 1
            continue
        quote(quotes[q], book, orders, share_ppm)
        n = cross(quotes[q, 0], book, orders, fills, n)
        shown[q, 0] = quotes[q, 0]
        for side in range(2):
            left = book[4 + side]
            shown[q, 1 + 2 * side] = book[2 * side] if left > 0 else 0
            shown[q, 2 + 2 * side] = left
        q += 1
    return n


def room(rows: int, orders: int) -> I64:
    """Return an array for the fills that `rows` rows can bring to `orders` orders.

    A fill closes its order or uses up what it met, and a row brings at most one liquidity a side.
    """
    return np.empty((2 * rows + orders, 5), dtype=np.int64)
