"""What moves a compiled book as a whole: the reference that pegs follow, the away best, the phase of trading.

Rule of this file: a peg that moves goes to the back of its new price, pegs that move together in order of entry; a peg
that does not move keeps its place.
"""

from __future__ import annotations

from router.domain.units import Px
from venues.book.compiled import compiled
from venues.book.ladder import pull, push
from venues.book.layout import (
    CUM,
    FLAGS,
    H_AWAY_ASK,
    H_AWAY_BID,
    H_BEST,
    H_FREE,
    H_GATHERED,
    H_LEVELS,
    H_LIVE,
    H_MID,
    H_PEG_FIRST,
    H_PEG_LAST,
    H_PHASE,
    H_REF_ASK,
    H_REF_BID,
    H_SELF_MATCH,
    H_SLICES,
    H_STEP,
    H_STOPPED,
    H_USED,
    ID,
    LADDERS,
    LEVEL,
    LEVEL_QTY,
    LIMIT,
    MIN_QTY,
    NO_ASK,
    NO_BID,
    OFFSET,
    OPEN,
    ORDER,
    OWNER,
    PEG_NEXT,
    ROW,
    UNSEEN,
    BookState,
)
from venues.book.matching import crosses, emit, walk
from venues.book.orders import level_at, off_range, peg_px, px_of, remove, room_for_executions
from venues.book.words import (
    AUCTION,
    BAD_FLAGS,
    BAD_PRICE,
    CANCEL_BOTH,
    CONTINUOUS,
    HALTED,
    NOT_IN_PHASE,
    WHAT_SELF_MATCH,
)


@compiled
def set_reference(book: BookState, bid: Px, ask: Px, mid: Px, trades: bool) -> int:
    """Set the consolidated best bid and ask and the mid (0: unknown), move the pegs, and with `trades` let them trade.

    Returns 0 or a code.
    """
    head = book.head
    step = head[H_STEP]
    if min(bid, ask, mid) < 0 or bid % step or ask % step or mid % step:
        return BAD_PRICE
    old_bid, old_ask, old_mid = head[H_REF_BID], head[H_REF_ASK], head[H_MID]
    head[H_REF_BID], head[H_REF_ASK], head[H_MID] = bid, ask, mid
    code = pegs_in_range(book)
    if code == 0 and trades and head[H_PEG_FIRST] + head[H_PEG_FIRST + 1]:
        code = room_for_executions(book)
    if code:
        head[H_REF_BID], head[H_REF_ASK], head[H_MID] = old_bid, old_ask, old_mid
        return code
    move_pegs(book)
    if trades and head[H_PHASE] == CONTINUOUS:
        let_pegs_trade(book)
    return 0


@compiled
def pegs_in_range(book: BookState) -> int:
    """Return 0, or the code for a peg whose new price is outside the range."""
    head, orders, extras = book.head, book.orders, book.extras
    for sell in range(2):
        order = head[H_PEG_FIRST + sell]
        while order:
            px = peg_px(head, orders[order + FLAGS], extras[order + LIMIT], extras[order + OFFSET])
            if px and level_at(head, px) < 0:
                return off_range(head, px)
            order = extras[order + PEG_NEXT]
    return 0


@compiled
def move_pegs(book: BookState) -> None:
    """Put every peg where the reference says; all their prices are in range."""
    head, orders, extras = book.head, book.orders, book.extras
    for sell in range(2):
        order = head[H_PEG_FIRST + sell]
        while order:
            px = peg_px(head, orders[order + FLAGS], extras[order + LIMIT], extras[order + OFFSET])
            if px != (px_of(book, order) if orders[order + ROW] else 0):
                if orders[order + ROW]:
                    pull(head, orders, book.levels, book.bits, order)
                    orders[order + ROW] = 0
                if px:
                    push(head, orders, book.levels, book.bits, order, UNSEEN + sell, level_at(head, px))
            order = extras[order + PEG_NEXT]


@compiled
def trade_pegs(book: BookState) -> int:
    """Let every standing peg trade: oldest first, buys before sells. Returns 0 or a code."""
    if book.head[H_PHASE] != CONTINUOUS:
        return NOT_IN_PHASE
    code = room_for_executions(book)
    if code == 0:
        let_pegs_trade(book)
    return code


@compiled
def let_pegs_trade(book: BookState) -> None:
    """Let every standing peg trade; there is room for what comes out."""
    head, orders, extras = book.head, book.orders, book.extras
    for sell in range(2):
        order = head[H_PEG_FIRST + sell]
        while order:
            after = extras[order + PEG_NEXT]
            row = orders[order + ROW]
            if row:
                level = row // LEVEL - (UNSEEN + sell) * head[H_LEVELS]
                if crosses(book, sell, level):
                    _let_peg_trade(book, order, sell, level)
            order = after


@compiled
def _let_peg_trade(book: BookState, order: int, sell: int, level: int) -> None:
    head, orders = book.head, book.orders
    stands, owner = orders[order + OPEN], orders[order + OWNER]
    left = walk(book, orders[order + ID], sell, level, stands, book.extras[order + MIN_QTY], owner)
    orders[order + CUM] += stands - left
    orders[order + OPEN] = left
    book.levels[orders[order + ROW] + LEVEL_QTY] -= stands - left
    if left and head[H_STOPPED]:
        emit(book, orders[order + ID], orders[order + ID], px_of(book, order), left, 2 * sell - 1, WHAT_SELF_MATCH)
    if left == 0 or head[H_STOPPED]:
        remove(book, order)


@compiled
def set_away(book: BookState, bid: Px, ask: Px) -> int:
    """Set the away best that entering orders, but for sweeps and pegs, do not trade through (0: none)."""
    if min(bid, ask) < 0:
        return BAD_PRICE
    book.head[H_AWAY_BID], book.head[H_AWAY_ASK] = bid, ask
    return 0


@compiled
def set_phase(book: BookState, phase: int) -> int:
    """Change the phase of trading; return 0 or a code. Orders that gathered trade by `auction`, never by this."""
    head = book.head
    if phase not in (CONTINUOUS, AUCTION, HALTED):
        return NOT_IN_PHASE
    if phase == head[H_PHASE]:
        return 0
    if phase == CONTINUOUS:
        if head[H_GATHERED]:
            return NOT_IN_PHASE
        code = room_for_executions(book)
        if code:
            return code
        head[H_PHASE] = phase
        let_pegs_trade(book)
        return 0
    head[H_PHASE] = phase
    if phase == AUCTION:
        head[H_GATHERED] = 1
        move_pegs(book)
    return 0


@compiled
def set_self_match(book: BookState, mode: int) -> int:
    """Choose what happens when an order meets one of its own owner; return 0 or a code."""
    if mode < 0 or mode > CANCEL_BOTH:
        return BAD_FLAGS
    book.head[H_SELF_MATCH] = mode
    return 0


@compiled
def clear(book: BookState) -> None:
    """Take every order out; the reference, the away best and the phase stay."""
    head = book.head
    book.levels[:] = 0
    book.bits[:] = 0
    book.ids[:] = 0
    for ladder in range(LADDERS):
        head[H_BEST + ladder] = NO_ASK if ladder & 1 else NO_BID
    head[H_FREE], head[H_USED], head[H_LIVE], head[H_SLICES] = 0, ORDER, 0, 0
    for sell in range(2):
        head[H_PEG_FIRST + sell] = 0
        head[H_PEG_LAST + sell] = 0
