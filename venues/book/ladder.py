"""Ladders of price levels: queues of orders, their displayed totals, and the best occupied level by bitmap.

Rule of this file: a ladder knows nothing of why an order comes or goes. Even ladders hold bids, whose best is the
highest level; odd ones asks, whose best is the lowest.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic

from router.domain.market import I64
from venues.book.compiled import compiled, inlined
from venues.book.layout import (
    COUNT,
    FIRST,
    H_BEST,
    H_LEVELS,
    LAST,
    LEVEL,
    LEVEL_QTY,
    NEXT,
    NO_ASK,
    NO_BID,
    OPEN,
    PREV,
    ROW,
    U64,
)

_ALL = np.uint64(0xFFFFFFFFFFFFFFFF)
_ONE = np.uint64(1)


@intrinsic  # type: ignore[untyped-decorator]
def _trailing_zeros(typing: Any, word: Any) -> Any:
    """Count the zeros below the lowest bit of a word that is not 0."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), emit


@intrinsic  # type: ignore[untyped-decorator]
def _leading_zeros(typing: Any, word: Any) -> Any:
    """Count the zeros above the highest bit of a word that is not 0."""

    def emit(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), emit


@inlined
def bitmap_words(levels: int) -> int:
    """Return the words of one ladder's bitmaps: one bit a level, then one bit a word."""
    return (levels >> 6) + ((levels + 4095) >> 12)


@inlined
def mark(head: I64, bits: U64, ladder: int, level: int) -> None:
    """Note that a level has become occupied."""
    words = head[H_LEVELS] >> 6
    block = ladder * bitmap_words(head[H_LEVELS])
    word = level >> 6
    bits[block + word] |= _ONE << np.uint64(level & 63)
    bits[block + words + (word >> 6)] |= _ONE << np.uint64(word & 63)
    best = head[H_BEST + ladder]
    if (level < best) if ladder & 1 else (level > best):
        head[H_BEST + ladder] = level


@compiled
def unmark(head: I64, bits: U64, ladder: int, level: int) -> None:
    """Note that a level has become empty."""
    words = head[H_LEVELS] >> 6
    block = ladder * bitmap_words(head[H_LEVELS])
    word = level >> 6
    bits[block + word] &= ~(_ONE << np.uint64(level & 63))
    if bits[block + word] == 0:
        bits[block + words + (word >> 6)] &= ~(_ONE << np.uint64(word & 63))
    if level == head[H_BEST + ladder]:
        head[H_BEST + ladder] = next_level(head, bits, ladder, level)


@compiled
def next_level(head: I64, bits: U64, ladder: int, level: int) -> int:
    """Return the next occupied level of a ladder that is worse than `level`; NO_BID or NO_ASK when there is none."""
    words = head[H_LEVELS] >> 6
    block = ladder * bitmap_words(head[H_LEVELS])
    word = level >> 6
    if ladder & 1:
        rest = bits[block + word] & ((_ALL << np.uint64(level & 63)) << _ONE)
        if rest:
            return int((word << 6) + _trailing_zeros(rest))
        top = word >> 6
        rest = bits[block + words + top] & ((_ALL << np.uint64(word & 63)) << _ONE)
        last = (words - 1) >> 6
        while rest == 0 and top < last:
            top += 1
            rest = bits[block + words + top]
        if rest == 0:
            return NO_ASK
        word = (top << 6) + _trailing_zeros(rest)
        return int((word << 6) + _trailing_zeros(bits[block + word]))
    rest = bits[block + word] & ~(_ALL << np.uint64(level & 63))
    if rest:
        return int((word << 6) + 63 - _leading_zeros(rest))
    top = word >> 6
    rest = bits[block + words + top] & ~(_ALL << np.uint64(word & 63))
    while rest == 0 and top > 0:
        top -= 1
        rest = bits[block + words + top]
    if rest == 0:
        return NO_BID
    word = (top << 6) + 63 - _leading_zeros(rest)
    return int((word << 6) + 63 - _leading_zeros(bits[block + word]))


@inlined
def push(head: I64, orders: I64, levels: I64, bits: U64, order: int, ladder: int, level: int) -> None:
    """Put an order at the back of a level's queue."""
    row = (ladder * head[H_LEVELS] + level) * LEVEL
    last = levels[row + LAST]
    orders[order + NEXT] = 0
    orders[order + PREV] = last
    orders[order + ROW] = row
    levels[row + LAST] = order
    levels[row + LEVEL_QTY] += orders[order + OPEN]
    levels[row + COUNT] += 1
    if last:
        orders[last + NEXT] = order
    else:
        levels[row + FIRST] = order
        mark(head, bits, ladder, level)


@inlined
def pull(head: I64, orders: I64, levels: I64, bits: U64, order: int) -> None:
    """Take an order out of its queue."""
    row = orders[order + ROW]
    after, before = orders[order + NEXT], orders[order + PREV]
    levels[row + LEVEL_QTY] -= orders[order + OPEN]
    levels[row + COUNT] -= 1
    if before:
        orders[before + NEXT] = after
    else:
        levels[row + FIRST] = after
    if after:
        orders[after + PREV] = before
    else:
        levels[row + LAST] = before
        if before == 0:
            place = row // LEVEL
            ladder = place // head[H_LEVELS]
            unmark(head, bits, ladder, place - ladder * head[H_LEVELS])
