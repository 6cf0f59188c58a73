"""The loop of a lit venue, compiled: rows known beforehand, makers' second looks, noise; then the top as it stands.

Rule of this file: time only goes forward and ties have one order: rows, then looks, then noise. Before an event the
loop sees that there is room for it; if not it returns a code, changes nothing, and is called again once there is.
"""

from __future__ import annotations

from numba import njit

from router.domain.units import Nanos, Qty
from venues.book.auction import auction
from venues.book.kernel import cancel, enter
from venues.book.layout import H_BASE, H_LEVELS, H_LIVE, H_PEG_FIRST, H_SLICES, H_STEP, H_WANTED_PX, ORDER, BookState
from venues.book.look import top
from venues.book.phases import clear, set_phase, set_reference
from venues.book.words import (
    AUCTION,
    AUCTION_ONLY,
    GROW_EXECUTIONS,
    GROW_LEVELS,
    GROW_ORDERS,
    HIDDEN,
    OUT_COLUMNS,
    POST,
    SELL,
)
from venues.flow.chance import TO_UNIT, block
from venues.flow.parameters import DISTANCES, SIZES
from venues.types.lit_flow import INTEREST, MOVE, PHASE, PUSH, REQUOTE, TAKE
from venues.types.lit_makers import anchor, consume, next_looker, requote, take, withdraw_makers
from venues.types.lit_noise import chosen_column, next_candidate
from venues.types.lit_state import (
    CALL,
    CLOSED,
    CONTINUOUS,
    GROW_NOISE,
    GROW_OURS,
    GROW_PRINTS,
    GROW_QUOTES,
    NEVER,
    S_ASK_PX,
    S_ASK_QTY,
    S_ASKS,
    S_BID_PX,
    S_BID_QTY,
    S_BIDS,
    S_DRAW,
    S_DRAW_AT,
    S_EVENTS,
    S_ID,
    S_LOOK_AT,
    S_OURS,
    S_PATH_PX,
    S_PHASE,
    S_PRINTS,
    S_PUSH_PX,
    S_QUOTES,
    S_ROW,
    S_UNSETTLED,
    T_COLLAR_PX,
    T_HALF_SPREAD_PX,
    T_HIDDEN,
    T_ICEBERG,
    T_MAKERS,
    T_NOISE_MAX,
    T_OPEN_AT,
    T_SPAN_PX,
    T_TICK,
    LitState,
)

_SPARE = 80
"""Orders that one event may add at most: eight makers' quotes after an auction, and one more."""

_ICEBERG_SLICES = 3
_FIXED_POINT = 8
"""Pegs that trade may uncover a new top, which moves pegs: so often at most in one event."""


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def room_for_rows(state: LitState, book: BookState) -> int:
    """Return 0 when what one event adds finds room; else the code of what must grow. Prices are no part of it."""
    live, slices = book.head[H_LIVE], book.head[H_SLICES]
    if live + _SPARE > len(book.orders) // ORDER - 1:
        return GROW_ORDERS
    rows = 2 * (live + _SPARE) + slices + 2
    if rows * OUT_COLUMNS > len(book.out):
        return GROW_EXECUTIONS
    head = state.head
    if head[S_PRINTS] + rows > len(state.prints):
        return GROW_PRINTS
    if head[S_OURS] + rows > len(state.ours):
        return GROW_OURS
    if head[S_QUOTES] + 4 > len(state.quotes):
        return GROW_QUOTES
    if max(head[S_BIDS], head[S_ASKS]) + 2 > state.noise.shape[1]:
        return GROW_NOISE
    return 0


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _room_for_levels(state: LitState, book: BookState) -> int:
    """Return 0 when the dense range holds every price that the background can reach; else the code to grow it."""
    center, span, base, step = anchor(state), state.terms[T_SPAN_PX], book.head[H_BASE], book.head[H_STEP]
    if center + span > base + (book.head[H_LEVELS] - 3) * step:
        book.head[H_WANTED_PX] = center + 2 * span
        return GROW_LEVELS
    low = center - span
    if low < base + 2 * step and base > 0:
        book.head[H_WANTED_PX] = max(step, low - span)
        return GROW_LEVELS
    return 0


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def room(state: LitState, book: BookState) -> int:
    """Return 0 when the next event of the background, whatever it is, finds room; else the code of what must grow."""
    code = room_for_rows(state, book)
    return int(code) if code else _room_for_levels(state, book)


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def refer(book: BookState, trades: bool) -> int:
    """Have pegs follow the displayed top as it stands; return 0, or the code for room: then nothing has changed."""
    bid_px, _, ask_px, _ = top(book)
    step = book.head[H_STEP]
    mid = (bid_px + ask_px) // 2 // step * step if bid_px and ask_px else 0
    code = set_reference(book, bid_px, ask_px, mid, trades)
    return int(code) if code in (GROW_LEVELS, GROW_EXECUTIONS) else 0


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def settle(state: LitState, book: BookState, at: Nanos) -> int:
    """Note the displayed top when it changed; pegs follow it first. Nothing is displayed while orders gather.

    Returns 0, or a code for room: the top is still to be noted then, by the same call again.
    """
    head = state.head
    bid_px = bid_qty = ask_px = ask_qty = 0
    if head[S_PHASE] == CONTINUOUS:
        bid_px, bid_qty, ask_px, ask_qty = top(book)
        if book.head[H_PEG_FIRST] + book.head[H_PEG_FIRST + 1]:
            for _ in range(_FIXED_POINT):
                code = refer(book, True)
                if code:
                    return int(code)
                consume(state, book, at)
                before = (bid_px, ask_px)
                bid_px, bid_qty, ask_px, ask_qty = top(book)
                if before == (bid_px, ask_px):
                    break
    if bid_px != head[S_BID_PX] or bid_qty != head[S_BID_QTY] or ask_px != head[S_ASK_PX] or ask_qty != head[S_ASK_QTY]:
        head[S_BID_PX], head[S_BID_QTY], head[S_ASK_PX], head[S_ASK_QTY] = bid_px, bid_qty, ask_px, ask_qty
        n = head[S_QUOTES]
        state.quotes[n, 0] = at
        state.quotes[n, 1] = bid_px
        state.quotes[n, 2] = bid_qty
        state.quotes[n, 3] = ask_px
        state.quotes[n, 4] = ask_qty
        head[S_QUOTES] = n + 1
    return 0


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def run(state: LitState, book: BookState, last: Nanos) -> int:
    """Process the venue's own events up to and including `last`; return 0, or a code for room and call again."""
    head, rows = state.head, state.rows
    while True:
        if head[S_UNSETTLED]:
            code = settle(state, book, head[S_UNSETTLED] - 1)
            if code:
                return int(code)
            head[S_UNSETTLED] = 0
        row_at = rows[head[S_ROW], 0] if head[S_ROW] < len(rows) else NEVER
        look_at, draw_at = head[S_LOOK_AT], head[S_DRAW_AT]
        at = min(row_at, look_at, draw_at)
        if at > last:
            return 0
        code = room(state, book)
        if code:
            return int(code)
        if row_at == at:
            k = head[S_ROW]
            head[S_ROW] = k + 1
            _row(state, book, at, rows[k, 1], rows[k, 2], rows[k, 3], rows[k, 4])
        elif look_at == at:
            requote(state, book, at, next_looker(state), at % len(state.sizes))
        elif not _noise(state, book, at):
            continue
        head[S_EVENTS] += 1
        head[S_UNSETTLED] = at + 1


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def next_own(state: LitState) -> Nanos:
    """Return when something next happens by itself, NEVER when nothing will."""
    head = state.head
    row_at = state.rows[head[S_ROW], 0] if head[S_ROW] < len(state.rows) else NEVER
    return int(min(row_at, head[S_LOOK_AT], head[S_DRAW_AT]))


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _row(state: LitState, book: BookState, at: Nanos, kind: int, a: int, b: int, c: int) -> None:
    """Process one row; see `lit_flow` for what a, b and c are."""
    head = state.head
    if kind == REQUOTE:
        requote(state, book, at, a, b)
    elif kind == TAKE:
        sign = 1 if a > 0 else -1
        take(state, book, at, sign, b, anchor(state) + sign * (abs(a) - 1))
    elif kind == MOVE:
        head[S_PATH_PX] = a
    elif kind == PUSH:
        head[S_PUSH_PX] = a
    elif kind == INTEREST:
        head[S_ID] += 1
        px = max(state.terms[T_TICK], anchor(state) + a * c * state.terms[T_TICK])
        enter(book, head[S_ID], AUCTION_ONLY | (SELL if a < 0 else 0), px, b, 0, 0, 0, 0)
    elif kind == PHASE:
        _change_phase(state, book, at, a)


@njit(cache=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _change_phase(state: LitState, book: BookState, at: Nanos, phase: int) -> None:
    """Begin to gather, uncross and trade on, or close."""
    before = state.head[S_PHASE]
    state.head[S_PHASE] = phase
    if phase != before:
        # What was displayed is no reference any more: pegs wait for the next one, and none can bar the auction.
        set_reference(book, 0, 0, 0, False)
    if phase == CONTINUOUS and before != CONTINUOUS:
        # Makers' quotes of before the halt are stale: they come back once a price is found.
        withdraw_makers(state, book)
        auction(book, anchor(state), True)
        consume(state, book, at)
        for maker in range(state.terms[T_MAKERS]):
            requote(state, book, at, maker, at % len(state.sizes))
    elif phase == CLOSED:
        if before == CALL:
            auction(book, anchor(state), False)
            consume(state, book, at)
        withdraw_makers(state, book)
        clear(book)
    elif phase != CONTINUOUS and before == CONTINUOUS:
        set_phase(book, AUCTION)


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _noise(state: LitState, book: BookState, at: Nanos) -> bool:
    """Let the candidate that is due happen, or not; return which."""
    head, terms = state.head, state.terms
    wait, choice, size, place = block(state.key, head[S_DRAW])
    next_candidate(state, at, wait * TO_UNIT)
    if head[S_PHASE] != CONTINUOUS:
        return False
    since_open = at - terms[T_OPEN_AT]
    spread = (head[S_ASK_PX] - head[S_BID_PX]) // terms[T_TICK] if head[S_BID_PX] and head[S_ASK_PX] else 2
    column = chosen_column(
        state,
        choice,
        (head[S_BID_QTY], head[S_ASK_QTY], spread),
        (1000 * head[S_BIDS] // terms[T_NOISE_MAX], 1000 * head[S_ASKS] // terms[T_NOISE_MAX]),
        since_open,
    )
    if column < 0:
        return False
    kind, side = column >> 1, column & 1
    qty = state.flow.sizes[kind, int(size * TO_UNIT * SIZES)]
    if kind == 0 or kind == 3:
        _join(state, book, side, kind == 3, qty, int(place))
    elif kind == 1:
        _leave(state, book, side, place * TO_UNIT)
    else:
        sign = 1 - 2 * side
        take(state, book, at, sign, qty, anchor(state) + sign * terms[T_COLLAR_PX])
    return True


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _join(state: LitState, book: BookState, side: int, is_better: bool, qty: Qty, word: int) -> None:
    """Enter a noise limit order at its side's best price, behind it, or a tick inside; never beyond the anchor."""
    head, terms = state.head, state.terms
    out = 1 if side else -1
    center = anchor(state)
    best = head[S_ASK_PX] if side else head[S_BID_PX]
    distance = -1 if is_better else state.flow.distances[(word >> 16) % DISTANCES]
    px = best + out * distance * terms[T_TICK]
    if best == 0 or out * (px - center) < 0:
        px = center + out * terms[T_HALF_SPREAD_PX]
    if px <= 0 or out * (px - center) > terms[T_SPAN_PX] // 2:
        return
    flags, display = POST | side, 0
    lot = word & 0xFFFF
    if lot < terms[T_HIDDEN]:
        flags |= HIDDEN
    elif lot < terms[T_ICEBERG]:
        display = qty
        qty *= _ICEBERG_SLICES
    head[S_ID] += 1
    if enter(book, head[S_ID], flags, px, qty, display, 0, 0, 0) > 0:
        count = S_ASKS if side else S_BIDS
        state.noise[side, head[count]] = head[S_ID]
        head[count] += 1


@njit(cache=True, forceinline=True, _nrt=False)  # type: ignore[untyped-decorator,unused-ignore]
def _leave(state: LitState, book: BookState, side: int, uniform: float) -> None:
    """Cancel one noise order of a side, all alike; one that has traded away meanwhile is forgotten."""
    head, noise = state.head, state.noise
    count = S_ASKS if side else S_BIDS
    n = head[count]
    if n == 0:
        return
    which = int(uniform * n)
    oid = noise[side, which]
    noise[side, which] = noise[side, n - 1]
    head[count] = n - 1
    cancel(book, oid)
