"""The call auction of a compiled book: the price at which most would trade, and the trade at it.

Rule of this file: an auction is one trade at one price, so pegs, minimum quantities and self-match prevention have no
part in it; icebergs and hidden orders take part with all of their leaves.

The price: of the limit prices, and the reference when it lies between them, the one with the largest volume; then the
least imbalance; then the nearest to the reference; then the lower. Priority: any price before limits, better limits
first, and at one price displayed, auction-only, hidden orders, each in time.
"""

from __future__ import annotations

from router.domain.units import Px, Qty
from venues.book.compiled import compiled
from venues.book.ladder import next_level
from venues.book.layout import (
    CALL,
    CUM,
    DISPLAY,
    DISPLAYED,
    FIRST,
    FLAGS,
    H_BASE,
    H_BEST,
    H_GATHERED,
    H_LEVELS,
    H_PHASE,
    H_SLICES,
    H_STEP,
    ID,
    LADDERS,
    LEVEL,
    LEVEL_QTY,
    NEXT,
    NO_ASK,
    NO_BID,
    OPEN,
    RESERVE,
    ROW,
    UNSEEN,
    BookState,
)
from venues.book.matching import emit
from venues.book.orders import leaves_of, level_at, px_of, remove, room_for_executions, slices
from venues.book.phases import let_pegs_trade, move_pegs, pegs_in_range
from venues.book.words import AUCTION, CONTINUOUS, HALTED, ICEBERG, NOT_IN_PHASE, WHAT_AUCTION, WHAT_EXPIRED


@compiled
def indicative(book: BookState, reference: Px) -> tuple[Px, Qty, Qty]:
    """Return (price, volume, buys less sells at that price) of an uncross now; zeros when nothing would trade."""
    head = book.head
    if head[H_PHASE] != AUCTION:
        return 0, 0, 0
    low, high = _span(book)
    last = head[H_LEVELS] - 1
    demand, supply = _at(book, CALL, last), _at(book, CALL + 1, 0)
    if low > high:
        # Nobody names a price: the reference is the only one.
        volume = min(demand, supply) if reference > 0 and reference % head[H_STEP] == 0 else 0
        return (reference, volume, demand - supply) if volume else (0, 0, 0)
    for level in range(low, high + 1):
        demand += _side_at(book, 0, level)
    middle = level_at(head, reference)
    best, volume, imbalance = 0, 0, 0
    for level in range(low, high + 1):
        buys, sells = _side_at(book, 0, level), _side_at(book, 1, level)
        supply += sells
        if buys or sells or level == middle:
            px = head[H_BASE] + level * head[H_STEP]
            traded, over = min(demand, supply), demand - supply
            is_better = traded > volume
            if traded == volume and volume:
                is_better = abs(over) < abs(imbalance)
                if abs(over) == abs(imbalance) and reference:
                    is_better = abs(px - reference) < abs(best - reference)
            if is_better:
                best, volume, imbalance = px, traded, over
        demand -= buys
    return best, volume, imbalance


@compiled
def _span(book: BookState) -> tuple[int, int]:
    """Return the lowest and the highest level at which an order with a price rests; low above high for none."""
    head = book.head
    last = head[H_LEVELS] - 1
    low, high = NO_ASK, NO_BID
    for ladder in range(LADDERS):
        level = head[H_BEST + ladder]
        while level not in (NO_BID, NO_ASK):
            if 0 < level < last:
                low = min(low, level)
                high = max(high, level)
            level = next_level(head, book.bits, ladder, level)
    return low, high


@compiled
def _side_at(book: BookState, sell: int, level: int) -> Qty:
    return _at(book, DISPLAYED + sell, level) + _at(book, UNSEEN + sell, level) + _at(book, CALL + sell, level)


@compiled
def _at(book: BookState, ladder: int, level: int) -> Qty:
    """Return what takes part at one level of a ladder, reserves included."""
    row = (ladder * book.head[H_LEVELS] + level) * LEVEL
    qty = book.levels[row + LEVEL_QTY]
    if ladder < UNSEEN and book.head[H_SLICES]:
        order = book.levels[row + FIRST]
        while order:
            qty += leaves_of(book, order) - book.orders[order + OPEN]
            order = book.orders[order + NEXT]
    return int(qty)


@compiled
def auction(book: BookState, reference: Px, resumes: bool) -> Qty:
    """Uncross, take out what was for the auction only, and begin trading, or a halt; return the volume or a code."""
    head = book.head
    if head[H_PHASE] != AUCTION:
        return NOT_IN_PHASE
    px, volume, _ = indicative(book, reference)
    head[H_GATHERED] = 0
    code = pegs_in_range(book)
    if code == 0:
        code = room_for_executions(book)
    if code:
        head[H_GATHERED] = 1
        return code
    if volume:
        _pair(book, px, volume)
    for sell in range(2):
        _expire(book, sell)
    head[H_PHASE] = CONTINUOUS if resumes else HALTED
    move_pegs(book)
    if resumes:
        let_pegs_trade(book)
    return volume


@compiled
def _first(book: BookState, sell: int) -> int:
    """Return the order that comes first on one side."""
    head = book.head
    first = DISPLAYED
    for ladder in (CALL, UNSEEN):
        level, best = head[H_BEST + ladder + sell], head[H_BEST + first + sell]
        if (level < best) if sell else (level > best):
            first = ladder
    level = head[H_BEST + first + sell]
    return int(book.levels[((first + sell) * head[H_LEVELS] + level) * LEVEL + FIRST])


@compiled
def _pair(book: BookState, px: Px, volume: Qty) -> None:
    """Trade `volume` between the two sides in priority, and take it off their orders."""
    orders = book.orders
    buy, sell = _first(book, 0), _first(book, 1)
    buy_left, sell_left = leaves_of(book, buy), leaves_of(book, sell)
    while volume > 0:
        qty = min(volume, buy_left, sell_left)
        emit(book, orders[sell + ID], orders[buy + ID], px, qty, 0, WHAT_AUCTION)
        volume -= qty
        buy_left -= qty
        sell_left -= qty
        if buy_left == 0 or volume == 0:
            _fill(book, buy, buy_left)
        if sell_left == 0 or volume == 0:
            _fill(book, sell, sell_left)
        if volume and buy_left == 0:
            buy = _first(book, 0)
            buy_left = leaves_of(book, buy)
        if volume and sell_left == 0:
            sell = _first(book, 1)
            sell_left = leaves_of(book, sell)


@compiled
def _fill(book: BookState, order: int, left: Qty) -> None:
    """Leave `left` open of an order, in its place; an iceberg shows as much as it may."""
    head, orders, extras = book.head, book.orders, book.extras
    orders[order + CUM] += leaves_of(book, order) - left
    if left == 0:
        remove(book, order)
        return
    shown = left
    if orders[order + FLAGS] & ICEBERG:
        head[H_SLICES] -= slices(extras, order)
        shown = min(left, extras[order + DISPLAY])
        extras[order + RESERVE] = left - shown
        head[H_SLICES] += slices(extras, order)
    book.levels[orders[order + ROW] + LEVEL_QTY] += shown - orders[order + OPEN]
    orders[order + OPEN] = shown


@compiled
def _expire(book: BookState, sell: int) -> None:
    """Take out the auction-only orders of one side, best first."""
    head, orders = book.head, book.orders
    best = head[H_BEST + CALL + sell]
    while best not in (NO_BID, NO_ASK):
        order = book.levels[((CALL + sell) * head[H_LEVELS] + best) * LEVEL + FIRST]
        emit(book, orders[order + ID], orders[order + ID], px_of(book, order), orders[order + OPEN], 0, WHAT_EXPIRED)
        remove(book, order)
        best = head[H_BEST + CALL + sell]
