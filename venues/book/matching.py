"""What an entering order meets: the walk through the other side, and its plan.

Rule of this file: price first, then displayed before unseen, then time; an execution happens at the resting order's
price. `fillable` says what `walk` would do and changes nothing. Levels are of one book, so that they compare as prices.
"""

from __future__ import annotations

from router.domain.units import Px, Qty
from venues.book.compiled import compiled, inlined
from venues.book.ladder import next_level, pull, push
from venues.book.layout import (
    CUM,
    DISPLAY,
    DISPLAYED,
    FIRST,
    FLAGS,
    H_BASE,
    H_BEST,
    H_LEVELS,
    H_OUT,
    H_SELF_MATCH,
    H_SLICES,
    H_STEP,
    H_STOPPED,
    ID,
    LEVEL,
    LEVEL_QTY,
    MIN_QTY,
    NEXT,
    OPEN,
    OWNER,
    RESERVE,
    UNSEEN,
    BookState,
)
from venues.book.orders import leaves_of, remove
from venues.book.words import (
    ALLOWED,
    CANCEL_AGGRESSIVE,
    CANCEL_PASSIVE,
    ICEBERG,
    MAKER,
    OUT_COLUMNS,
    PX,
    QTY,
    SIGN,
    TAKER,
    WHAT,
    WHAT_SELF_MATCH,
    WHAT_TRADE,
)


@inlined
def crosses(book: BookState, sell: int, limit: int) -> bool:
    """Whether anything stands on the other side at `limit` or better."""
    head = book.head
    if sell:
        return bool(head[H_BEST + DISPLAYED] >= limit or head[H_BEST + UNSEEN] >= limit)
    return bool(head[H_BEST + DISPLAYED + 1] <= limit or head[H_BEST + UNSEEN + 1] <= limit)


@compiled
def emit(book: BookState, maker: int, taker: int, px: Px, qty: Qty, sign: int, what: int) -> None:
    """Write one row of the output."""
    row = book.head[H_OUT] * OUT_COLUMNS
    out = book.out
    out[row + MAKER] = maker
    out[row + TAKER] = taker
    out[row + PX] = px
    out[row + QTY] = qty
    out[row + SIGN] = sign
    out[row + WHAT] = what
    book.head[H_OUT] += 1


@compiled
def walk(book: BookState, taker: int, sell: int, limit: int, left: Qty, least: Qty, owner: int) -> Qty:
    """Trade down to the level `limit`, each time at least `least` or all that is left; return what is left.

    Sets H_STOPPED when self-match prevention ends it.
    """
    head = book.head
    seen_ladder, unseen_ladder = DISPLAYED + 1 - sell, UNSEEN + 1 - sell
    seen, unseen = head[H_BEST + seen_ladder], head[H_BEST + unseen_ladder]
    head[H_STOPPED] = 0
    while left > 0:
        is_seen = seen >= unseen if sell else seen <= unseen
        level = seen if is_seen else unseen
        if (level < limit) if sell else (level > limit):
            break
        left = _walk_level(book, seen_ladder if is_seen else unseen_ladder, level, taker, sell, left, least, owner)
        if left == 0 or head[H_STOPPED]:
            break
        if is_seen:
            seen = next_level(head, book.bits, seen_ladder, level)
        else:
            unseen = next_level(head, book.bits, unseen_ladder, level)
    return left


@compiled
def _walk_level(
    book: BookState, ladder: int, level: int, taker: int, sell: int, left: Qty, least: Qty, owner: int
) -> Qty:
    head, orders = book.head, book.orders
    row = (ladder * head[H_LEVELS] + level) * LEVEL
    px = head[H_BASE] + level * head[H_STEP]
    mode = head[H_SELF_MATCH] if owner else ALLOWED
    order = book.levels[row + FIRST]
    while order and left > 0:
        after = orders[order + NEXT]
        stands = orders[order + OPEN]
        take = min(left, stands)
        if take < min(least, left) or (ladder >= UNSEEN and take < min(book.extras[order + MIN_QTY], stands)):
            order = after
            continue
        if mode != ALLOWED and orders[order + OWNER] == owner:
            if mode != CANCEL_AGGRESSIVE:
                emit(book, orders[order + ID], taker, px, leaves_of(book, order), 1 - 2 * sell, WHAT_SELF_MATCH)
                remove(book, order)
            if mode != CANCEL_PASSIVE:
                head[H_STOPPED] = 1
                break
            order = after
            continue
        emit(book, orders[order + ID], taker, px, take, 1 - 2 * sell, WHAT_TRADE)
        left -= take
        orders[order + CUM] += take
        if take < stands:
            orders[order + OPEN] = stands - take
            book.levels[row + LEVEL_QTY] -= take
        elif orders[order + FLAGS] & ICEBERG and book.extras[order + RESERVE]:
            _refresh(book, order, ladder, level)
            after = after if after else order
        else:
            remove(book, order)
        order = after
    return left


@compiled
def _refresh(book: BookState, order: int, ladder: int, level: int) -> None:
    """Show an iceberg's next slice at the back of its queue."""
    head, orders, extras = book.head, book.orders, book.extras
    pull(head, orders, book.levels, book.bits, order)
    orders[order + OPEN] = min(extras[order + DISPLAY], extras[order + RESERVE])
    extras[order + RESERVE] -= orders[order + OPEN]
    head[H_SLICES] -= 1
    push(head, orders, book.levels, book.bits, order, ladder, level)


@compiled
def fillable(book: BookState, sell: int, limit: int, qty: Qty, least: Qty, owner: int) -> Qty:
    """Return what `walk` would trade. Exact when `least` is 0; otherwise exact as to whether it is 0."""
    head = book.head
    seen_ladder, unseen_ladder = DISPLAYED + 1 - sell, UNSEEN + 1 - sell
    seen, unseen = head[H_BEST + seen_ladder], head[H_BEST + unseen_ladder]
    left = qty
    while left > 0:
        is_seen = seen >= unseen if sell else seen <= unseen
        level = seen if is_seen else unseen
        if (level < limit) if sell else (level > limit):
            break
        ladder = seen_ladder if is_seen else unseen_ladder
        left, is_stopped = _plan_level(book, ladder, level, left, least, owner)
        if is_stopped:
            break
        if is_seen:
            seen = next_level(head, book.bits, seen_ladder, level)
        else:
            unseen = next_level(head, book.bits, unseen_ladder, level)
    return qty - left


@compiled
def _plan_level(book: BookState, ladder: int, level: int, left: Qty, least: Qty, owner: int) -> tuple[Qty, bool]:
    """Return what would be left after a level, and whether self-match prevention would end the walk there."""
    head, orders, extras = book.head, book.orders, book.extras
    mode = head[H_SELF_MATCH] if owner else ALLOWED
    order = book.levels[(ladder * head[H_LEVELS] + level) * LEVEL + FIRST]
    # Reserves come round behind everything displayed; an own order in the queue stops the walk before that.
    reserves = 0
    while order and left > 0:
        stands = orders[order + OPEN]
        take = min(left, stands)
        is_enough = take >= min(least, left) and (ladder < UNSEEN or take >= min(extras[order + MIN_QTY], stands))
        if is_enough and mode != ALLOWED and orders[order + OWNER] == owner:
            if mode != CANCEL_PASSIVE:
                return left, True
        elif is_enough:
            left -= take
            if orders[order + FLAGS] & ICEBERG:
                reserves += extras[order + RESERVE]
        order = orders[order + NEXT]
    return left - min(left, reserves), False
