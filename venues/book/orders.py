"""Orders of a compiled book: taken from the arrays, put to rest, taken out; and prices as levels.

Rule of this file: nothing here trades. Whoever calls has checked that there is room.
"""

from __future__ import annotations

from router.domain.market import I64
from router.domain.units import Px, Qty
from venues.book.compiled import compiled, inlined
from venues.book.ids import erase, insert
from venues.book.ladder import pull, push
from venues.book.layout import (
    CALL,
    CUM,
    DISPLAY,
    DISPLAYED,
    FLAGS,
    H_BASE,
    H_FREE,
    H_GATHERED,
    H_LEVELS,
    H_LIVE,
    H_MAGIC,
    H_MID,
    H_OUT,
    H_PEG_FIRST,
    H_PEG_LAST,
    H_REF_ASK,
    H_REF_BID,
    H_SHIFT,
    H_SLICES,
    H_STEP,
    H_USED,
    H_WANTED_PX,
    ID,
    LEVEL,
    LIMIT,
    MIN_QTY,
    NEXT,
    OFFSET,
    OPEN,
    ORDER,
    OWNER,
    PEG_NEXT,
    PEG_PREV,
    RESERVE,
    ROW,
    UNSEEN,
    BookState,
)
from venues.book.words import (
    AUCTION_ONLY,
    BAD_PRICE,
    BOOK_FULL,
    GROW_EXECUTIONS,
    GROW_LEVELS,
    GROW_ORDERS,
    HIDDEN,
    ICEBERG,
    LEVELS_MAX,
    ORDERS_MAX,
    OUT_COLUMNS,
    OUT_OF_RANGE,
    PEG_MARKET,
    PEG_MID,
    PEGS,
    SELL,
    STORED,
)


@inlined
def level_at(head: I64, px: Px) -> int:
    """Return the level of a price on the grid and inside the range, else -1."""
    above = px - head[H_BASE]
    if above < head[H_STEP] or above > (head[H_LEVELS] - 2) * head[H_STEP]:
        return -1
    level = (above * head[H_MAGIC]) >> 32
    return level if level * head[H_STEP] == above else -1


@compiled
def off_range(head: I64, px: Px) -> int:
    """Return the code for a price that `level_at` does not know."""
    step = head[H_STEP]
    if px <= 0 or px % step != 0:
        return BAD_PRICE
    low, high = px, px
    if head[H_LIVE] > 0:
        low = min(px, head[H_BASE])
        high = max(px, head[H_BASE] + (head[H_LEVELS] - 1) * step)
    if high // step - low // step > LEVELS_MAX - 4:
        return OUT_OF_RANGE
    head[H_WANTED_PX] = px
    return GROW_LEVELS


@compiled
def clamped(head: I64, px: Px, is_up: bool) -> int:
    """Return the level at or below a price, or with `is_up` at or above it, kept within the range."""
    level = level_at(head, px)
    if level > 0:
        return level
    above = px - head[H_BASE]
    level = -(-above // head[H_STEP]) if is_up else above // head[H_STEP]
    return int(min(max(level, 0), head[H_LEVELS] - 1))


@inlined
def room_for_executions(book: BookState) -> int:
    """Return 0, or GROW_EXECUTIONS: each row ends an order, a slice, or what came in."""
    rows = book.head[H_OUT] + 2 * book.head[H_LIVE] + book.head[H_SLICES] + 2
    return GROW_EXECUTIONS if rows * OUT_COLUMNS > len(book.out) else 0


@inlined
def room_for_order(book: BookState) -> int:
    """Return 0, or the code for an array of orders that is full."""
    if book.head[H_FREE] == 0 and book.head[H_USED] >= len(book.orders):
        return GROW_ORDERS if len(book.orders) <= ORDERS_MAX * ORDER else BOOK_FULL
    return 0


@inlined
def taken(head: I64, orders: I64) -> int:
    """Return the offset of a free order."""
    order = head[H_FREE]
    if order:
        head[H_FREE] = orders[order + NEXT]
    else:
        order = head[H_USED]
        head[H_USED] = order + ORDER
    head[H_LIVE] += 1
    return int(order)


@inlined
def rest_plain(book: BookState, oid: int, flags: int, level: int, qty: Qty, cum: Qty, owner: int) -> None:
    """Put a displayed order without a reserve to rest."""
    head, orders = book.head, book.orders
    order = taken(head, orders)
    orders[order + ID] = oid
    orders[order + OPEN] = qty
    orders[order + FLAGS] = flags
    orders[order + CUM] = cum
    orders[order + OWNER] = owner
    push(head, orders, book.levels, book.bits, order, DISPLAYED + (flags & SELL), level)
    insert(book.ids, head[H_SHIFT], oid, order)


@compiled
def rest(
    book: BookState,
    oid: int,
    flags: int,
    level: int,
    qty: Qty,
    display: Qty,
    min_qty: Qty,
    limit: Px,
    offset: Px,
    owner: int,
    cum: Qty,
) -> None:
    """Put any order to rest; a peg stands nowhere at level 0."""
    head, orders, extras = book.head, book.orders, book.extras
    sell = flags & SELL
    order = taken(head, orders)
    orders[order + ID] = oid
    orders[order + FLAGS] = flags & STORED
    orders[order + CUM] = cum
    orders[order + OWNER] = owner
    extras[order + DISPLAY] = display
    extras[order + MIN_QTY] = min_qty
    extras[order + LIMIT] = limit
    extras[order + OFFSET] = offset
    extras[order + RESERVE] = 0
    orders[order + OPEN] = qty
    orders[order + ROW] = 0
    insert(book.ids, head[H_SHIFT], oid, order)
    if flags & AUCTION_ONLY:
        push(head, orders, book.levels, book.bits, order, CALL + sell, level)
    elif flags & PEGS:
        _link_peg(head, extras, order, sell)
        if level:
            push(head, orders, book.levels, book.bits, order, UNSEEN + sell, level)
    elif flags & HIDDEN:
        push(head, orders, book.levels, book.bits, order, UNSEEN + sell, level)
    else:
        if flags & ICEBERG:
            orders[order + OPEN] = min(display, qty)
            extras[order + RESERVE] = qty - orders[order + OPEN]
            head[H_SLICES] += slices(extras, order)
        push(head, orders, book.levels, book.bits, order, DISPLAYED + sell, level)


@compiled
def _link_peg(head: I64, extras: I64, order: int, sell: int) -> None:
    last = head[H_PEG_LAST + sell]
    extras[order + PEG_NEXT] = 0
    extras[order + PEG_PREV] = last
    head[H_PEG_LAST + sell] = order
    if last:
        extras[last + PEG_NEXT] = order
    else:
        head[H_PEG_FIRST + sell] = order


@compiled
def slices(extras: I64, order: int) -> int:
    """Return how often an iceberg may still refresh."""
    return int(-(-extras[order + RESERVE] // extras[order + DISPLAY]))


@compiled
def leaves_of(book: BookState, order: int) -> Qty:
    """Return what is open of an order, its reserve included."""
    reserve = book.extras[order + RESERVE] if book.orders[order + FLAGS] & ICEBERG else 0
    return int(book.orders[order + OPEN] + reserve)


@compiled
def _forget_extras(book: BookState, order: int, flags: int) -> None:
    head, extras = book.head, book.extras
    if flags & ICEBERG:
        head[H_SLICES] -= slices(extras, order)
    if flags & PEGS:
        after, before = extras[order + PEG_NEXT], extras[order + PEG_PREV]
        if before:
            extras[before + PEG_NEXT] = after
        else:
            head[H_PEG_FIRST + (flags & SELL)] = after
        if after:
            extras[after + PEG_PREV] = before
        else:
            head[H_PEG_LAST + (flags & SELL)] = before


@inlined
def remove(book: BookState, order: int) -> None:
    """Take an order out of the book."""
    head, orders = book.head, book.orders
    if orders[order + ROW]:
        pull(head, orders, book.levels, book.bits, order)
    flags = orders[order + FLAGS]
    if flags & (ICEBERG | PEGS):
        _forget_extras(book, order, flags)
    erase(book.ids, head[H_SHIFT], orders[order + ID], order)
    orders[order + NEXT] = head[H_FREE]
    head[H_FREE] = order
    head[H_LIVE] -= 1


@compiled
def px_of(book: BookState, order: int) -> Px:
    """Return the price at which an order stands; 0 when it stands nowhere or at any price."""
    head = book.head
    level = (book.orders[order + ROW] // LEVEL) % head[H_LEVELS]
    if level in (0, head[H_LEVELS] - 1):
        return 0
    return int(head[H_BASE] + level * head[H_STEP])


@compiled
def peg_px(head: I64, flags: int, limit: Px, offset: Px) -> Px:
    """Return the price at which a peg stands now, 0 for nowhere. A positive offset is more aggressive."""
    sign = 1 - 2 * (flags & SELL)
    if flags & PEG_MID:
        reference = head[H_MID]
    elif (flags & PEG_MARKET != 0) == (sign > 0):
        reference = head[H_REF_ASK]
    else:
        reference = head[H_REF_BID]
    if reference == 0 or head[H_GATHERED]:
        return 0
    px = reference + sign * offset
    if limit and sign * (px - limit) > 0:
        px = 0 if flags & PEG_MID else limit
    return int(max(px, 0))
