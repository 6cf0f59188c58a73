"""Looking at a compiled book: its top, depth, leaves, what would trade, and all of its rows.

Rule of this file: nothing here changes a book.
"""

from __future__ import annotations

from router.domain.market import I64
from router.domain.units import Px, Qty
from venues.book.compiled import compiled, inlined
from venues.book.ids import find
from venues.book.ladder import next_level
from venues.book.layout import (
    CUM,
    DISPLAY,
    DISPLAYED,
    FIRST,
    FLAGS,
    H_BASE,
    H_BEST,
    H_LEVELS,
    H_PEG_FIRST,
    H_PHASE,
    H_SHIFT,
    H_STEP,
    ID,
    LADDERS,
    LEVEL,
    LEVEL_QTY,
    LIMIT,
    MIN_QTY,
    NEXT,
    NO_ASK,
    NO_BID,
    OFFSET,
    OPEN,
    OWNER,
    PEG_NEXT,
    RESERVE,
    ROW,
    BookState,
)
from venues.book.matching import crosses, fillable
from venues.book.orders import clamped, leaves_of, level_at, px_of
from venues.book.words import (
    CONTINUOUS,
    HIDDEN,
    ICEBERG,
    PEGS,
    R_CUM,
    R_DISPLAY,
    R_FLAGS,
    R_ID,
    R_LADDER,
    R_LIMIT,
    R_MIN_QTY,
    R_OFFSET,
    R_OPEN,
    R_OWNER,
    R_PX,
    R_RESERVE,
)


@inlined
def best_px(book: BookState, sign: int) -> Px:
    """Return the best displayed price of one side (+1: bids), 0 when it is empty."""
    head = book.head
    level = head[H_BEST + DISPLAYED] if sign > 0 else head[H_BEST + DISPLAYED + 1]
    return head[H_BASE] + level * head[H_STEP] if level not in (NO_BID, NO_ASK) else 0


@inlined
def top(book: BookState) -> tuple[Px, Qty, Px, Qty]:
    """Return (bid_px, bid_qty, ask_px, ask_qty) as displayed; zeros for an empty side."""
    head, levels = book.head, book.levels
    bid, ask = head[H_BEST + DISPLAYED], head[H_BEST + DISPLAYED + 1]
    bid_px = bid_qty = ask_px = ask_qty = 0
    if bid != NO_BID:
        bid_px = head[H_BASE] + bid * head[H_STEP]
        bid_qty = levels[(DISPLAYED * head[H_LEVELS] + bid) * LEVEL + LEVEL_QTY]
    if ask != NO_ASK:
        ask_px = head[H_BASE] + ask * head[H_STEP]
        ask_qty = levels[((DISPLAYED + 1) * head[H_LEVELS] + ask) * LEVEL + LEVEL_QTY]
    return bid_px, bid_qty, ask_px, ask_qty


@inlined
def depth(book: BookState, sign: int, px: Px) -> Qty:
    """Return the displayed quantity at a price of one side (+1: bids)."""
    head = book.head
    level = level_at(head, px)
    if level < 0:
        return 0
    return int(book.levels[((DISPLAYED + (sign < 0)) * head[H_LEVELS] + level) * LEVEL + LEVEL_QTY])


@inlined
def leaves(book: BookState, oid: int) -> Qty:
    """Return what is open of an order, 0 when it does not rest."""
    order = find(book.ids, book.orders, book.head[H_SHIFT], oid)
    return leaves_of(book, order) if order else 0


@compiled
def can_trade(book: BookState, sign: int, px: Px, qty: Qty) -> bool:
    """Whether an order at `px` would trade on entry, were nothing protected."""
    sell = 1 if sign < 0 else 0
    level = clamped(book.head, px, sell == 1)
    is_trading = book.head[H_PHASE] == CONTINUOUS
    return is_trading and crosses(book, sell, level) and fillable(book, sell, level, qty, 0, 0) > 0


@compiled
def _write(book: BookState, order: int, rows: I64, n: int) -> None:
    orders, extras = book.orders, book.extras
    flags = orders[order + FLAGS]
    is_iceberg, is_peg = flags & ICEBERG != 0, flags & PEGS != 0
    rows[n, R_ID] = orders[order + ID]
    rows[n, R_LADDER] = orders[order + ROW] // LEVEL // book.head[H_LEVELS] if orders[order + ROW] else -1
    rows[n, R_PX] = px_of(book, order) if orders[order + ROW] else 0
    rows[n, R_LIMIT] = extras[order + LIMIT] if is_peg else rows[n, R_PX]
    rows[n, R_OPEN] = orders[order + OPEN]
    rows[n, R_RESERVE] = extras[order + RESERVE] if is_iceberg else 0
    rows[n, R_DISPLAY] = extras[order + DISPLAY] if is_iceberg else 0
    rows[n, R_MIN_QTY] = extras[order + MIN_QTY] if is_peg or flags & HIDDEN else 0
    rows[n, R_OFFSET] = extras[order + OFFSET] if is_peg else 0
    rows[n, R_OWNER] = orders[order + OWNER]
    rows[n, R_CUM] = orders[order + CUM]
    rows[n, R_FLAGS] = flags


@compiled
def write_rows(book: BookState, rows: I64) -> int:
    """Write every order that stands somewhere, ladder by ladder in priority; return how many.

    `rows` (n, ROW_COLUMNS) has room for every order that rests.
    """
    head, orders = book.head, book.orders
    n = 0
    for ladder in range(LADDERS):
        level = head[H_BEST + ladder]
        while level not in (NO_BID, NO_ASK):
            order = book.levels[(ladder * head[H_LEVELS] + level) * LEVEL + FIRST]
            while order:
                _write(book, order, rows, n)
                n += 1
                order = orders[order + NEXT]
            level = next_level(head, book.bits, ladder, level)
    return n


@compiled
def write_pegs(book: BookState, rows: I64) -> int:
    """Write every peg, buys then sells, each in order of entry; return how many. `rows` as for `write_rows`."""
    n = 0
    for sell in range(2):
        order = book.head[H_PEG_FIRST + sell]
        while order:
            _write(book, order, rows, n)
            n += 1
            order = book.extras[order + PEG_NEXT]
    return n
