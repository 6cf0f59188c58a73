"""Our commands to a lit venue's book, compiled: each changes the book, consumes what traded, and notes the new top.

Rule of this file: a code below zero means that nothing has changed; GROW_... asks for room and the same call again.
"""

from __future__ import annotations

from numba import njit

from router.domain.units import Nanos, Px, Qty
from venues.book import kernel
from venues.book.layout import H_SELF_MATCH, BookState
from venues.book.words import PEGS
from venues.types.lit_kernel import refer, room, room_for_rows, settle
from venues.types.lit_makers import consume, pull, take
from venues.types.lit_makers import look_later as _look_later
from venues.types.lit_state import CONTINUOUS, S_PHASE, S_SHIFT_PX, T_MAKERS, LitState


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def submit(
    state: LitState,
    book: BookState,
    at: Nanos,
    order: tuple[int, int, Px, Qty, Qty, Qty, Px],
) -> Qty:
    """Enter an order of ours: (id, flags, price, quantity, display, min_qty, peg offset); return what rests."""
    # The price of an order may lie far from the background: a range for both is asked for once the order rests.
    code = room_for_rows(state, book)
    if code:
        return int(code)
    oid, flags, px, qty, display, min_qty, offset = order
    if flags & PEGS and state.head[S_PHASE] == CONTINUOUS:
        # Without a peg in the book nobody has kept the reference.
        code = refer(book, False)
        if code:
            return int(code)
    owner = 1 if book.head[H_SELF_MATCH] else 0
    rests = kernel.enter(book, oid, flags, px, qty, display, min_qty, offset, owner)
    consume(state, book, at)
    return int(rests)


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def amend(state: LitState, book: BookState, at: Nanos, oid: int, qty: Qty, px: Px) -> Qty:
    """Change an order of ours; return what rests."""
    code = room_for_rows(state, book)
    if code:
        return int(code)
    rests = kernel.replace(book, oid, qty, px)
    consume(state, book, at)
    return int(rests)


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def withdraw(book: BookState, oid: int) -> Qty:
    """Take an order of ours out; return what was open."""
    return int(kernel.cancel(book, oid))


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def note_top(state: LitState, book: BookState, at: Nanos) -> int:
    """Note the displayed top after what we did; return 0 or a code for room."""
    code = room(state, book)
    if code:
        return int(code)
    return int(settle(state, book, at))


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def shift(state: LitState, px: Px, at: Nanos, reaction_ns: Nanos) -> None:
    """Move the anchor by our own impact, `px` in all; makers follow, the k-th after k + 1 times `reaction_ns`."""
    state.head[S_SHIFT_PX] = px
    for maker in range(state.terms[T_MAKERS]):
        _look_later(state, maker, at + reaction_ns * (maker + 1))


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def fade(state: LitState, book: BookState, at: Nanos, sign: int, thousandths: int) -> int:
    """Makers pull what they show against takers of `sign`; return 0 or a code for room."""
    code = room(state, book)
    if code:
        return int(code)
    pull(state, book, at, sign, thousandths)
    return 0


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def hedge(state: LitState, book: BookState, at: Nanos, sign: int, qty: Qty, px: Px) -> int:
    """Somebody takes up to `px`; return 0 or a code for room."""
    code = room(state, book)
    if code:
        return int(code)
    take(state, book, at, sign, qty, px)
    return 0
