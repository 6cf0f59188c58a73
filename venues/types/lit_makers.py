"""What the makers and takers of a lit venue do to its book, compiled: quote, sweep, pull, come back, take.

Rule of this file: the caller has made room (see `lit_kernel.room`), so that no command here asks for any; every
execution is consumed at once, into prints, the sign feedback and what concerns us.
"""

from __future__ import annotations

from numba import njit

from router.domain.units import Nanos, Px, Qty
from venues.book.ids import find
from venues.book.kernel import cancel, enter, replace
from venues.book.layout import CUM, H_OUT, H_SHIFT, BookState
from venues.book.look import leaves, top
from venues.book.words import (
    IMMEDIATE,
    MAKER,
    OUT_COLUMNS,
    POST,
    PX,
    QTY,
    SELL,
    SIGN,
    TAKER,
    WHAT,
    WHAT_AUCTION,
    WHAT_TRADE,
)
from venues.flow.queue_reactive import feedback_trade
from venues.types.lit_state import (
    CONTINUOUS,
    LOOKS,
    NEVER,
    O_AT,
    O_MAKER,
    O_PX,
    O_QTY,
    O_TAKER,
    O_WHAT,
    S_ID,
    S_LOOK_AT,
    S_OURS,
    S_PATH_PX,
    S_PHASE,
    S_PRINTS,
    S_PUSH_PX,
    S_SHIFT_PX,
    T_CLOSE_AT,
    T_FADE_NS,
    T_HALF_SPREAD_PX,
    T_LEVELS,
    T_MAKERS,
    T_OPEN_AT,
    T_SWEEP_QTY,
    T_TICK,
    LitState,
)


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def anchor(state: LitState) -> Px:
    """Return the price that makers quote around: the reference, our impact in it, and a push while one lasts."""
    head = state.head
    return int(head[S_PATH_PX] + head[S_SHIFT_PX] + head[S_PUSH_PX])


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def consume(state: LitState, book: BookState, at: Nanos) -> None:
    """Turn the book's executions into prints, into feedback, and into rows for us; ids below zero are ours."""
    n = book.head[H_OUT]
    if n == 0:
        return
    head, out = state.head, book.out
    signed = 0
    for k in range(n):
        row = k * OUT_COLUMNS
        what = out[row + WHAT]
        maker, taker = out[row + MAKER], out[row + TAKER]
        if what in (WHAT_TRADE, WHAT_AUCTION):
            place = head[S_PRINTS]
            state.prints[place, 0] = at
            state.prints[place, 1] = out[row + PX]
            state.prints[place, 2] = out[row + QTY]
            state.prints[place, 3] = out[row + SIGN]
            head[S_PRINTS] = place + 1
            signed += out[row + SIGN] * out[row + QTY]
        if maker < 0 or taker < 0:
            place = head[S_OURS]
            state.ours[place, O_AT] = at
            state.ours[place, O_MAKER] = maker
            state.ours[place, O_TAKER] = taker
            state.ours[place, O_PX] = out[row + PX]
            state.ours[place, O_QTY] = out[row + QTY]
            state.ours[place, O_WHAT] = what
            head[S_OURS] = place + 1
    book.head[H_OUT] = 0
    if signed:
        feedback_trade(state.flow, state.memory, at - state.terms[T_OPEN_AT], signed)


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def take(state: LitState, book: BookState, at: Nanos, sign: int, qty: Qty, px: Px) -> None:
    """A taker who is not us trades up to `px`; nothing of it rests."""
    if px > 0 and qty > 0 and state.head[S_PHASE] == CONTINUOUS:
        state.head[S_ID] += 1
        enter(book, state.head[S_ID], IMMEDIATE | (SELL if sign < 0 else 0), px, qty, 0, 0, 0, 0)
        consume(state, book, at)


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def requote(state: LitState, book: BookState, at: Nanos, maker: int, k: int) -> None:
    """Bring a maker's quotes to the anchor: cancel what is off, sweep if last, quote what is missing."""
    if at >= state.terms[T_CLOSE_AT] or state.head[S_PHASE] != CONTINUOUS:
        return
    for side in range(2):
        _cancel_what_is_off(state, book, at, maker, side, k)
    if maker == state.terms[T_MAKERS] - 1:
        _sweep(state, book, at)
    center = anchor(state)
    terms, quoted = state.terms, state.quoted
    for level in range(terms[T_LEVELS]):
        for side in range(2):
            if quoted[maker, side, level, 0]:
                continue
            qty = _wanted(state, at, maker, side, level, k)
            distance = terms[T_HALF_SPREAD_PX] + level * terms[T_TICK]
            px = center + distance if side else center - distance
            if px > 0 and qty > 0:
                state.head[S_ID] += 1
                oid = state.head[S_ID]
                if enter(book, oid, POST | side, px, qty, 0, 0, 0, 0) > 0:
                    quoted[maker, side, level, 0] = oid
                    quoted[maker, side, level, 1] = px
    for side in range(2):
        if state.pulled[maker, side, 0] <= at:
            state.pulled[maker, side, 0] = 0


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _wanted(state: LitState, at: Nanos, maker: int, side: int, level: int, k: int) -> Qty:
    """Return how much a maker wants to show at a level of a side (0: bids): less while it has pulled."""
    qty = state.sizes[(k * 8 + 2 * level + 1 - side) % len(state.sizes)] * (2 + level) // 2
    if state.pulled[maker, side, 0] > at:
        qty = qty * (1000 - state.pulled[maker, side, 1]) // 1000
    return int(qty)


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _cancel_what_is_off(state: LitState, book: BookState, at: Nanos, maker: int, side: int, k: int) -> None:
    """Keep the quotes at prices still wanted that hold half of what is wanted; all of it once a pull is over."""
    levels, tick, half = state.terms[T_LEVELS], state.terms[T_TICK], state.terms[T_HALF_SPREAD_PX]
    center = anchor(state)
    least = 1 if 0 < state.pulled[maker, side, 0] <= at else 2
    kept = state.kept
    kept[:] = 0
    for level in range(levels):
        oid, px = state.quoted[maker, side, level, 0], state.quoted[maker, side, level, 1]
        if oid == 0:
            continue
        beyond = (px - center if side else center - px) - half
        where = beyond // tick
        if 0 <= where < levels and beyond % tick == 0 and kept[where, 0] == 0:
            wanted = _wanted(state, at, maker, side, where, k)
            if wanted > 0 and least * leaves(book, oid) >= wanted:
                kept[where, 0] = oid
                kept[where, 1] = px
                continue
        cancel(book, oid)
    for level in range(levels):
        state.quoted[maker, side, level, 0] = kept[level, 0]
        state.quoted[maker, side, level, 1] = kept[level, 1]


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _sweep(state: LitState, book: BookState, at: Nanos) -> None:
    """Take what others, we among them, left standing on the wrong side of the anchor.

    Makers do not take from each other: one that is late now, by its jitter, pulls its quotes there just in time.
    """
    center, tick = anchor(state), state.terms[T_TICK]
    for maker in range(state.terms[T_MAKERS]):
        for side in range(2):
            for level in range(state.terms[T_LEVELS]):
                oid, px = state.quoted[maker, side, level, 0], state.quoted[maker, side, level, 1]
                if oid and (px < center if side else px > center):
                    cancel(book, oid)
                    state.quoted[maker, side, level, 0] = 0
    bid_px, _, ask_px, _ = top(book)
    if bid_px > center:
        take(state, book, at, -1, state.terms[T_SWEEP_QTY], center + tick)
    if 0 < ask_px < center:
        take(state, book, at, 1, state.terms[T_SWEEP_QTY], center - tick)


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def withdraw_makers(state: LitState, book: BookState) -> None:
    """Cancel every quote of every maker."""
    for maker in range(state.terms[T_MAKERS]):
        for side in range(2):
            for level in range(state.terms[T_LEVELS]):
                oid = state.quoted[maker, side, level, 0]
                if oid:
                    cancel(book, oid)
                    state.quoted[maker, side, level, 0] = 0


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def look_later(state: LitState, maker: int, at: Nanos) -> None:
    """Have a maker look again at a time; looks of a maker keep their order, and a full ring forgets the new one."""
    begin, count = state.ring[maker, 0], state.ring[maker, 1]
    if count == LOOKS:
        return
    if count:
        at = max(at, state.looks[maker, (begin + count - 1) % LOOKS])
    state.looks[maker, (begin + count) % LOOKS] = at
    state.ring[maker, 1] = count + 1
    state.head[S_LOOK_AT] = min(state.head[S_LOOK_AT], at)


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def next_looker(state: LitState) -> int:
    """Return the maker whose look is due next, taking it off; note when the one after comes."""
    found, first, second = -1, NEVER, NEVER
    for maker in range(state.terms[T_MAKERS]):
        begin, count = state.ring[maker, 0], state.ring[maker, 1]
        for j in range(min(count, 2)):
            at = state.looks[maker, (begin + j) % LOOKS]
            if at < first:
                second = first
                first = at
                found = maker
            elif at < second:
                second = at
    state.ring[found, 0] = (state.ring[found, 0] + 1) % LOOKS
    state.ring[found, 1] -= 1
    state.head[S_LOOK_AT] = second
    return found


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def pull(state: LitState, book: BookState, at: Nanos, sign: int, thousandths: int) -> None:
    """Makers pull so much of what they show on the side that a taker of `sign` would hit; they come back later."""
    side = 1 if sign > 0 else 0
    until = at + state.terms[T_FADE_NS]
    for maker in range(state.terms[T_MAKERS]):
        for level in range(state.terms[T_LEVELS]):
            oid, px = state.quoted[maker, side, level, 0], state.quoted[maker, side, level, 1]
            left = leaves(book, oid) if oid else 0
            if left == 0:
                continue
            shown = left * (1000 - thousandths) // 1000
            if shown == 0:
                cancel(book, oid)
                state.quoted[maker, side, level, 0] = 0
            elif shown < left:
                order = find(book.ids, book.orders, book.head[H_SHIFT], oid)
                replace(book, oid, book.orders[order + CUM] + shown, px)
        state.pulled[maker, side, 0] = until
        state.pulled[maker, side, 1] = thousandths
        look_later(state, maker, until)
