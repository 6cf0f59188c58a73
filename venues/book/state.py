"""The arrays of a compiled book are made and doubled here.

Rule of this file: a book that has grown rests and trades as before; nothing here trades.
"""

from __future__ import annotations

import numpy as np

from router.domain.errors import BadInputError, bad_value
from router.domain.market import I64
from router.domain.units import Px
from venues.book.ids import insert
from venues.book.ladder import bitmap_words, mark
from venues.book.layout import (
    FIRST,
    H_BASE,
    H_BEST,
    H_LEVELS,
    H_LIVE,
    H_MAGIC,
    H_OUT,
    H_SHIFT,
    H_SLICES,
    H_STEP,
    H_USED,
    H_WANTED_PX,
    HEAD,
    ID,
    LADDERS,
    LEVEL,
    NEXT,
    NO_ASK,
    NO_BID,
    ORDER,
    ROW,
    BookState,
)
from venues.book.words import GROW_EXECUTIONS, GROW_LEVELS, GROW_ORDERS, LEVELS_MAX, ORDERS_MAX, OUT_COLUMNS


def new_state(px: Px, step: Px = 1, *, orders: int = 1_024, levels: int = 4_096, executions: int = 4_096) -> BookState:
    """Return an empty book whose range of `levels` prices, `step` apart, has `px` near its middle.

    Raises:
        BadInputError: a size or a price outside its range.
    """
    if not (1 <= step <= 1 << 16 and px > 0 and 1 <= orders <= ORDERS_MAX and 64 <= levels <= LEVELS_MAX):
        raise BadInputError(
            bad_value("book", "a step from 1 and sizes within their limits", (px, step, orders, levels))
        )
    orders, levels = _power(orders), _power(levels)
    head = np.zeros(HEAD, dtype=np.int64)
    head[H_STEP] = step
    head[H_MAGIC] = -(-(1 << 32) // step)
    head[H_USED] = ORDER
    head[H_SHIFT] = 64 - (2 * orders).bit_length() + 1
    _set_range(head, px, px, levels)
    return BookState(
        head,
        np.zeros((orders + 1) * ORDER, dtype=np.int64),
        np.zeros((orders + 1) * ORDER, dtype=np.int64),
        np.zeros(LADDERS * levels * LEVEL, dtype=np.int64),
        np.zeros(LADDERS * bitmap_words(levels), dtype=np.uint64),
        np.zeros(2 * orders, dtype=np.int64),
        np.zeros(max(executions, 2 * orders + 2) * OUT_COLUMNS, dtype=np.int64),
    )


def grown(book: BookState, code: int) -> BookState:
    """Return the same book with more room of the kind that `code` (GROW_...) asks for; `head` stays the same array.

    Raises:
        BadInputError: not a code that asks for room.
    """
    if code == GROW_ORDERS:
        return _more_orders(book)
    if code == GROW_LEVELS:
        return _more_levels(book)
    if code == GROW_EXECUTIONS:
        needed = 2 * int(book.head[H_LIVE]) + int(book.head[H_SLICES]) + 2 + int(book.head[H_OUT])
        out = np.zeros(max(2 * len(book.out), 2 * needed * OUT_COLUMNS), dtype=np.int64)
        out[: len(book.out)] = book.out
        return book._replace(out=out)
    raise BadInputError(bad_value("code", "GROW_ORDERS, GROW_LEVELS or GROW_EXECUTIONS", code))


def _power(n: int) -> int:
    return 1 << (n - 1).bit_length()


def _set_range(head: I64, low: Px, high: Px, levels: int) -> None:
    """Lay `levels` levels about the prices from `low` to `high`."""
    step = int(head[H_STEP])
    middle = (low + high) // 2 // step
    head[H_BASE] = max(0, middle - levels // 2) * step
    head[H_LEVELS] = levels
    for ladder in range(LADDERS):
        head[H_BEST + ladder] = NO_ASK if ladder & 1 else NO_BID


def _more_orders(book: BookState) -> BookState:
    room = len(book.orders) // ORDER - 1
    orders = np.zeros((2 * room + 1) * ORDER, dtype=np.int64)
    extras = np.zeros_like(orders)
    orders[: len(book.orders)] = book.orders
    extras[: len(book.extras)] = book.extras
    ids = np.zeros(2 * len(book.ids), dtype=np.int64)
    book.head[H_SHIFT] -= 1
    # An order that is free has no id in the old table: only entries of the table are carried over.
    for entry in book.ids[book.ids != 0].tolist():
        place = (entry & 0xFFFFFFFF) * ORDER
        insert(ids, int(book.head[H_SHIFT]), int(orders[place + ID]), place)
    return book._replace(orders=orders, extras=extras, ids=ids)


def _more_levels(book: BookState) -> BookState:
    """Return the book with a range that takes in H_WANTED_PX and everything that rests."""
    head = book.head
    old, step, base, wanted = int(head[H_LEVELS]), int(head[H_STEP]), int(head[H_BASE]), int(head[H_WANTED_PX])
    firsts = book.levels[FIRST::LEVEL].reshape(LADDERS, old)
    used = np.flatnonzero(firsts[:, 1 : old - 1].any(axis=0)) + 1
    low = min([wanted, *(base + step * used[:1]).tolist()])
    high = max([wanted, *(base + step * used[-1:]).tolist()])
    # Twice the span, so that prices drifting on do not ask again at once.
    size = min(max(old, _power(2 * ((high - low) // step) + 4)), LEVELS_MAX)
    _set_range(head, low, high, size)
    shift = (base - int(head[H_BASE])) // step
    levels = np.zeros(LADDERS * size * LEVEL, dtype=np.int64)
    bits = np.zeros(LADDERS * bitmap_words(size), dtype=np.uint64)
    moved = book._replace(levels=levels, bits=bits)
    for ladder, level in np.argwhere(firsts != 0).tolist():
        new = level + shift
        if level in (0, old - 1):
            new = 0 if level == 0 else size - 1
        row, place = (ladder * old + level) * LEVEL, (ladder * size + new) * LEVEL
        levels[place : place + LEVEL] = book.levels[row : row + LEVEL]
        mark(head, bits, ladder, new)
        order = int(levels[place + FIRST])
        while order:
            book.orders[order + ROW] = place
            order = int(book.orders[order + NEXT])
    return moved
