"""The compiled book's commands: enter, cancel, replace.

Rule of this file: a command is checked whole before it changes anything; below zero it returns a code and nothing has
changed. `NaiveBook` is the readable twin of every function here.
"""

from __future__ import annotations

from router.domain.market import I64
from router.domain.units import QTY_MAX, Px, Qty
from venues.book.compiled import compiled, inlined
from venues.book.ids import find
from venues.book.layout import (
    CUM,
    DISPLAY,
    FLAGS,
    H_AWAY_ASK,
    H_AWAY_BID,
    H_DROPPED,
    H_LEVELS,
    H_PHASE,
    H_SHIFT,
    H_SLICES,
    H_STEP,
    H_STOPPED,
    H_WHY,
    LEVEL_QTY,
    LIMIT,
    MIN_QTY,
    OFFSET,
    OPEN,
    OWNER,
    RESERVE,
    ROW,
    BookState,
)
from venues.book.matching import crosses, fillable, walk
from venues.book.orders import (
    clamped,
    leaves_of,
    level_at,
    off_range,
    peg_px,
    px_of,
    remove,
    rest,
    rest_plain,
    room_for_executions,
    room_for_order,
    slices,
)
from venues.book.words import (
    ALL,
    AUCTION,
    AUCTION_ONLY,
    BAD_DISPLAY,
    BAD_FLAGS,
    BAD_MIN_QTY,
    BAD_PRICE,
    BAD_QTY,
    BELOW_TRADED,
    CONTINUOUS,
    DUPLICATE_ID,
    GROW_EXECUTIONS,
    HALTED,
    HIDDEN,
    ICEBERG,
    IMMEDIATE,
    ISO,
    MIN_TOTAL,
    NOT_IN_PHASE,
    PEGS,
    POST,
    QUIET,
    SELL,
    SLICES_MAX,
    STORED,
    UNKNOWN_ID,
    WHY_IMMEDIATE,
    WHY_NOT_ALL,
    WHY_NOTHING,
    WHY_PROTECTED,
    WHY_SELF_MATCH,
    WOULD_TRADE,
)


@inlined
def enter(
    book: BookState,
    oid: int,
    flags: int,
    px: Px,
    qty: Qty,
    display: Qty,
    min_qty: Qty,
    offset: Px,
    owner: int,
) -> Qty:
    """Enter an order; return what rests of it, or a code. H_DROPPED and H_WHY say what neither traded nor rests."""
    head = book.head
    if (flags & ~SELL) | display | min_qty | offset | head[H_PHASE]:
        return _enter_any(book, oid, flags, px, qty, display, min_qty, offset, owner)
    level = level_at(head, px)
    if qty < 1 or qty > QTY_MAX or level < 0 or crosses(book, flags, level):
        return _enter_any(book, oid, flags, px, qty, display, min_qty, offset, owner)
    if find(book.ids, book.orders, head[H_SHIFT], oid):
        return DUPLICATE_ID
    code = room_for_order(book)
    if code:
        return code
    head[H_DROPPED] = 0
    head[H_WHY] = WHY_NOTHING
    rest_plain(book, oid, flags, level, qty, 0, owner)
    return qty


@compiled
def _enter_any(
    book: BookState,
    oid: int,
    flags: int,
    px: Px,
    qty: Qty,
    display: Qty,
    min_qty: Qty,
    offset: Px,
    owner: int,
) -> Qty:
    head = book.head
    flags = flags | IMMEDIATE if flags & ALL else flags
    code = _refused(head, flags, px, qty, display, min_qty, offset)
    if code:
        return code
    level = _level_for(head, flags, px, offset)
    if level < 0:
        return level
    if find(book.ids, book.orders, head[H_SHIFT], oid):
        return DUPLICATE_ID
    is_trading = head[H_PHASE] == CONTINUOUS and not flags & (AUCTION_ONLY | QUIET) and (level > 0 or not flags & PEGS)
    may_trade = is_trading and crosses(book, flags & SELL, level)
    if may_trade and flags & POST and fillable(book, flags & SELL, level, qty, min_qty, owner):
        return WOULD_TRADE
    if not flags & IMMEDIATE:
        code = room_for_order(book)
    if code == 0 and may_trade:
        code = room_for_executions(book)
    if code:
        return code
    if 0 < display < qty:
        flags |= ICEBERG
    return _submit(book, oid, flags, px, level, qty, display, min_qty, offset, owner, 0, may_trade)


@compiled
def _refused(head: I64, flags: int, px: Px, qty: Qty, display: Qty, min_qty: Qty, offset: Px) -> int:
    """Return the code for an order that no book could take as it is, or 0."""
    pegs = flags & PEGS
    unseen = flags & HIDDEN or pegs
    if pegs & (pegs - 1) or (pegs and flags & (POST | HIDDEN)) or flags & ICEBERG or (offset and not pegs):
        return BAD_FLAGS
    if flags & POST and flags & IMMEDIATE:
        return BAD_FLAGS
    if flags & AUCTION_ONLY and (flags & (IMMEDIATE | POST) or unseen):
        return BAD_FLAGS
    if qty < 1 or qty > QTY_MAX:
        return BAD_QTY
    if display and (unseen or flags & (IMMEDIATE | AUCTION_ONLY) or display < 0 or display > qty):
        return BAD_DISPLAY
    if display and (qty - 1) // display > SLICES_MAX:
        return BAD_DISPLAY
    if min_qty and (min_qty < 0 or min_qty > qty or not (unseen or flags & (IMMEDIATE | MIN_TOTAL))):
        return BAD_MIN_QTY
    # A division costs as much as the rest of the checks: it waits until the quick ways have failed.
    if px < 0 or (level_at(head, px) < 0 and px % head[H_STEP]) or (offset and offset % head[H_STEP]):
        return BAD_PRICE
    if px == 0 and not pegs and not flags & (IMMEDIATE | AUCTION_ONLY):
        return BAD_PRICE
    if head[H_PHASE] == HALTED or (head[H_PHASE] == AUCTION and flags & IMMEDIATE):
        return NOT_IN_PHASE
    return 0


@compiled
def _level_for(head: I64, flags: int, px: Px, offset: Px) -> int:
    """Return the level at which an order enters (a peg that stands nowhere: 0), or a code."""
    if flags & PEGS:
        px = peg_px(head, flags, px, offset)
        if px == 0:
            return 0
    elif px == 0:
        return 0 if flags & SELL else head[H_LEVELS] - 1
    elif flags & IMMEDIATE:
        return clamped(head, px, flags & SELL != 0)
    level = level_at(head, px)
    return level if level > 0 else off_range(head, px)


@compiled
def _submit(
    book: BookState,
    oid: int,
    flags: int,
    px: Px,
    level: int,
    qty: Qty,
    display: Qty,
    min_qty: Qty,
    offset: Px,
    owner: int,
    cum: Qty,
    may_trade: bool,
) -> Qty:
    """Trade what may, then let the remainder rest; everything has been checked."""
    head, sell = book.head, flags & SELL
    limit, left, why = level, qty, WHY_NOTHING
    if may_trade:
        limit = level if flags & (ISO | PEGS) else _protected(head, sell, level)
        least = 0 if flags & (ALL | MIN_TOTAL) else min_qty
        needed = qty if flags & ALL else (min_qty if flags & MIN_TOTAL else 0)
        if needed and fillable(book, sell, limit, qty, 0, owner) < needed:
            why = WHY_NOT_ALL
        else:
            left = walk(book, oid, sell, limit, qty, least, owner)
            if head[H_STOPPED]:
                why = WHY_SELF_MATCH
            elif limit != level and crosses(book, sell, level):
                why = WHY_PROTECTED
    elif flags & ALL or (flags & MIN_TOTAL and min_qty):
        why = WHY_NOT_ALL
    if flags & IMMEDIATE and why == WHY_NOTHING:
        why = WHY_IMMEDIATE
    head[H_DROPPED] = 0
    head[H_WHY] = WHY_NOTHING
    if left == 0:
        return 0
    if why != WHY_NOTHING:
        head[H_DROPPED] = left
        head[H_WHY] = why
        return 0
    if flags & ~(SELL | POST | ISO | MIN_TOTAL):
        each = 0 if flags & MIN_TOTAL else min_qty
        rest(book, oid, flags, level, left, display, each, px, offset, owner, cum + qty - left)
    else:
        rest_plain(book, oid, flags & STORED, level, left, cum + qty - left, owner)
    return left


@compiled
def _protected(head: I64, sell: int, level: int) -> int:
    """Return the worst level at which an order trades that must not trade through the away best."""
    away = head[H_AWAY_BID] if sell else head[H_AWAY_ASK]
    if away == 0:
        return level
    bound = clamped(head, away, sell != 0)
    return max(level, bound) if sell else min(level, bound)


@inlined
def cancel(book: BookState, oid: int) -> Qty:
    """Take an order out in any phase; return what was open, 0 when it does not rest."""
    order = find(book.ids, book.orders, book.head[H_SHIFT], oid)
    if order == 0:
        return 0
    open_qty = leaves_of(book, order)
    remove(book, order)
    return open_qty


@compiled
def replace(book: BookState, oid: int, qty: Qty, px: Px) -> Qty:
    """Change a resting order's total quantity and price (a peg's limit); return what rests, or a code.

    A smaller quantity at the same price keeps its place; anything else goes to the back, and may trade.
    """
    head, orders, extras = book.head, book.orders, book.extras
    order = find(book.ids, orders, head[H_SHIFT], oid)
    if order == 0:
        return UNKNOWN_ID
    head[H_DROPPED] = 0
    head[H_WHY] = WHY_NOTHING
    flags, cum, owner = orders[order + FLAGS], orders[order + CUM], orders[order + OWNER]
    if qty < 1 or qty > QTY_MAX:
        return BAD_QTY
    if qty < cum:
        return BELOW_TRADED
    if px < 0 or px % head[H_STEP] or (px == 0 and not flags & (PEGS | AUCTION_ONLY)):
        return BAD_PRICE
    if head[H_PHASE] == HALTED:
        return NOT_IN_PHASE
    left = qty - cum
    if px == (extras[order + LIMIT] if flags & PEGS else px_of(book, order)) and 0 < left <= leaves_of(book, order):
        _reduce(book, order, leaves_of(book, order) - left)
        return int(left)
    if left == 0:
        remove(book, order)
        return 0
    is_special = flags & (HIDDEN | PEGS | ICEBERG)
    display = extras[order + DISPLAY] if flags & ICEBERG else 0
    min_qty = extras[order + MIN_QTY] if is_special else 0
    offset = extras[order + OFFSET] if flags & PEGS else 0
    if flags & ICEBERG and (left - 1) // display > SLICES_MAX:
        return BAD_DISPLAY
    level = _level_for(head, flags, px, offset)
    if level < 0:
        return level
    is_trading = head[H_PHASE] == CONTINUOUS and not flags & AUCTION_ONLY and (level > 0 or not flags & PEGS)
    may_trade = is_trading and crosses(book, flags & SELL, level)
    if may_trade and flags & POST and fillable(book, flags & SELL, level, left, min_qty, owner):
        return WOULD_TRADE
    if may_trade and room_for_executions(book):
        return GROW_EXECUTIONS
    remove(book, order)
    return _submit(book, oid, flags, px, level, left, display, min_qty, offset, owner, cum, may_trade)


@compiled
def _reduce(book: BookState, order: int, by: Qty) -> None:
    """Take `by` off what is open, an iceberg's reserve first; the order keeps its place."""
    head, orders, extras = book.head, book.orders, book.extras
    if orders[order + FLAGS] & ICEBERG:
        head[H_SLICES] -= slices(extras, order)
        hidden = min(by, extras[order + RESERVE])
        extras[order + RESERVE] -= hidden
        by -= hidden
        head[H_SLICES] += slices(extras, order)
    orders[order + OPEN] -= by
    if orders[order + ROW]:
        book.levels[orders[order + ROW] + LEVEL_QTY] -= by
