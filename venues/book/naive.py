"""`NaiveBook`: a price-time-priority limit order book in plain Python, the readable twin of the compiled one.

Rule of this file: it checks a command and hands it on; what then happens is in `venues.book.naive_core`.

Displayed orders stand at their price; hidden orders and pegs stand behind them, unseen. Priority: price, then displayed
before unseen, then time. An execution happens at the resting order's price.
"""

from __future__ import annotations

import numpy as np

from router.domain.market import I64
from router.domain.units import QTY_MAX, Px, Qty
from venues.book.book import Answer, Entry, Execution, Indication, ShortWays, Top
from venues.book.naive_auction import auction_trades, indication
from venues.book.naive_checks import refused
from venues.book.naive_core import NaiveCore
from venues.book.naive_ladder import Order
from venues.book.words import (
    ALL,
    ALLOWED,
    AUCTION,
    AUCTION_ONLY,
    BAD_DISPLAY,
    BAD_FLAGS,
    BAD_PRICE,
    BAD_QTY,
    BELOW_TRADED,
    CANCEL_BOTH,
    CONTINUOUS,
    DUPLICATE_ID,
    HALTED,
    ICEBERG,
    IMMEDIATE,
    NOT_IN_PHASE,
    PEGS,
    POST,
    ROW_COLUMNS,
    SLICES_MAX,
    UNKNOWN_ID,
    WHAT_EXPIRED,
    WOULD_TRADE,
)

__all__ = ["Execution", "NaiveBook", "Top"]


class NaiveBook(NaiveCore, ShortWays):
    """The book; `Book` has the contract. Prices are multiples of `step`.

    >>> book = NaiveBook()
    >>> book.limit(1, -1, 100, 50), book.limit(2, -1, 100, 50)
    ([], [])
    >>> book.ioc(3, +1, 100, 60)
    [Execution(maker=1, taker=3, px=100, qty=50, sign=1), Execution(maker=2, taker=3, px=100, qty=10, sign=1)]
    >>> book.top()
    Top(bid_px=0, bid_qty=0, ask_px=100, ask_qty=40)
    """

    # Commands.

    def enter(self, entry: Entry) -> Answer:
        """See `Book.enter`."""
        flags = entry.all_flags
        flags |= IMMEDIATE if flags & ALL else 0
        code = refused(entry, flags, self.step, self._phase)
        if not code and entry.oid in self._orders:
            code = DUPLICATE_ID
        if not code and flags & POST and self._would_trade(entry):
            code = WOULD_TRADE
        if code:
            return Answer(code=code)
        if 0 < entry.display < entry.qty:
            flags |= ICEBERG
        return self._submit(entry, flags, 0)

    def cancel(self, oid: int) -> Qty:
        """See `Book.cancel`."""
        order = self._orders.get(oid)
        if order is None:
            return 0
        self._remove(order)
        return order.leaves

    def amend(self, oid: int, qty: Qty, px: Px) -> Answer:
        """See `Book.amend`."""
        order = self._orders.get(oid)
        if order is None:
            return Answer(code=UNKNOWN_ID)
        left = qty - order.cum
        code = 0
        if not 1 <= qty <= QTY_MAX:
            code = BAD_QTY
        elif left < 0:
            code = BELOW_TRADED
        elif px < 0 or px % self.step or (px == 0 and not order.flags & (PEGS | AUCTION_ONLY)):
            code = BAD_PRICE
        elif self._phase == HALTED:
            code = NOT_IN_PHASE
        if code:
            return Answer(code=code)
        if px == order.limit and 0 < left <= order.leaves:
            self._reduce(order, order.leaves - left)
            return Answer(left)
        if left == 0:
            self._remove(order)
            return Answer()
        if order.flags & ICEBERG and (left - 1) // order.display > SLICES_MAX:
            return Answer(code=BAD_DISPLAY)
        entry = Entry(oid, order.sign, px, left, order.flags, order.display, order.min_qty, order.offset, order.owner)
        if order.flags & POST and self._would_trade(entry):
            return Answer(code=WOULD_TRADE)
        self._remove(order)
        return self._submit(entry, order.flags, order.cum)

    def set_reference(self, bid: Px, ask: Px, mid: Px, *, trades: bool = True) -> Answer:
        """See `Book.set_reference`."""
        if any(px < 0 or px % self.step for px in (bid, ask, mid)):
            return Answer(code=BAD_PRICE)
        self._reference = (bid, ask, mid)
        self._move_pegs()
        if trades and self._phase == CONTINUOUS:
            self._let_pegs_trade()
        return self._answer()

    def trade_pegs(self) -> Answer:
        """See `Book.trade_pegs`."""
        if self._phase != CONTINUOUS:
            return Answer(code=NOT_IN_PHASE)
        self._let_pegs_trade()
        return self._answer()

    def set_away(self, bid: Px, ask: Px) -> Answer:
        """See `Book.set_away`."""
        if min(bid, ask) < 0:
            return Answer(code=BAD_PRICE)
        self._away = {1: ask, -1: bid}
        return Answer()

    def set_phase(self, phase: int) -> Answer:
        """See `Book.set_phase`."""
        if phase not in (CONTINUOUS, AUCTION, HALTED) or (phase == CONTINUOUS and self._is_gathered):
            return Answer(code=NOT_IN_PHASE)
        if phase == self._phase:
            return Answer()
        self._phase = phase
        if phase == AUCTION:
            self._is_gathered = True
            self._move_pegs()
        if phase == CONTINUOUS:
            self._let_pegs_trade()
        return self._answer()

    def set_self_match(self, mode: int) -> Answer:
        """See `Book.set_self_match`."""
        if not ALLOWED <= mode <= CANCEL_BOTH:
            return Answer(code=BAD_FLAGS)
        self._self_match = mode
        return Answer()

    def auction(self, reference: Px, *, resumes: bool = True) -> Answer:
        """See `Book.auction`."""
        if self._phase != AUCTION:
            return Answer(code=NOT_IN_PHASE)
        px, volume, _ = self.indicative(reference)
        for buy, sell, row in auction_trades(self._ladders, px, volume):
            self._out.append(row)
            for order in (buy, sell):
                self._fill_in_auction(order, row[3])
        for order in self._ladders[4].orders() + self._ladders[5].orders():
            self._out.append((order.oid, order.oid, order.px, order.leaves, 0, WHAT_EXPIRED))
            self._remove(order)
        self._is_gathered = False
        self._phase = CONTINUOUS if resumes else HALTED
        self._move_pegs()
        if resumes:
            self._let_pegs_trade()
        return self._answer(volume)

    # Asking.

    @property
    def reference(self) -> tuple[Px, Px, Px]:
        """See `Book.reference`."""
        return self._reference

    def indicative(self, reference: Px) -> Indication:
        """See `Book.indicative`."""
        return indication(self._ladders, reference, self.step) if self._phase == AUCTION else Indication(0, 0, 0)

    def top(self) -> Top:
        """See `Book.top`."""
        found: list[int] = []
        for ladder in self._ladders[:2]:
            key = ladder.keys[0] if ladder.keys else 0
            found += (abs(key), ladder.levels[key].qty if key else 0)
        return Top(*found)

    def leaves(self, oid: int) -> Qty:
        """See `Book.leaves`."""
        order = self._orders.get(oid)
        return order.leaves if order is not None else 0

    def depth(self, sign: int, px: Px) -> Qty:
        """See `Book.depth`."""
        level = self._ladders[sign < 0].levels.get(-sign * px)
        return level.qty if level is not None else 0

    def can_trade(self, sign: int, px: Px, qty: Qty = 1) -> bool:
        """See `Book.can_trade`."""
        return self._would_trade(Entry(0, sign, px, qty))

    def rows(self) -> I64:
        """See `Book.rows`."""
        return _array([order for ladder in self._ladders for order in ladder.orders()])

    def pegs(self) -> I64:
        """See `Book.pegs`."""
        return _array([*self._pegs[1].values(), *self._pegs[-1].values()])

    def settings(self) -> tuple[int, ...]:
        """See `ShortWays.settings`."""
        away = (self._away[-1], self._away[1])
        return (*self._reference, *away, self._phase, int(self._is_gathered), self._self_match)


def _array(orders: list[Order]) -> I64:
    return np.array([order.row() for order in orders], dtype=np.int64).reshape(-1, ROW_COLUMNS)
