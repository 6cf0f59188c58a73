"""How often the best prices of a feed are locked or crossed, and what its order ids refer to.

Rule of this file: a state counts when its message is whole (LAST) and both sides are there.
"""

from __future__ import annotations

from heapq import heappop, heappush

import msgspec
import pyarrow as pa

from router.domain.units import Px, Qty
from venues.feeds.events import EventFlag, EventKind

_ADD, _REDUCE, _DELETE = int(EventKind.ADD), int(EventKind.REDUCE), int(EventKind.DELETE)
_MODIFY, _EXECUTE = int(EventKind.MODIFY), int(EventKind.EXECUTE)
_QUOTE, _LEVEL, _CLEAR = int(EventKind.QUOTE), int(EventKind.LEVEL), int(EventKind.CLEAR)
_LAST = int(EventFlag.LAST)
_BOOK_KINDS = (_ADD, _REDUCE, _DELETE, _MODIFY, _EXECUTE, _LEVEL, _CLEAR)


ALL = "all venues"
"""Whose states those of the consolidated best prices are, where several venues quote."""


class StateCount(msgspec.Struct, kw_only=True):
    """Whole two-sided states of one venue: of its quotes, or of its book of levels or orders."""

    venue: str
    of: str
    states: int = 0
    locked: int = 0
    crossed: int = 0


class BookStates:
    """The venues' quotes and books as the rows so far make them."""

    def __init__(self) -> None:
        self.unknown_orders = 0
        """Rows about an order that was never added, or has left."""
        self.overdrawn_orders = 0
        """Rows that take more from an order than it has."""
        self._quotes: dict[str, _Quotes] = {}
        self._books: dict[str, _Book] = {}
        self._counts: dict[tuple[str, str], StateCount] = {}

    def counts(self) -> tuple[StateCount, ...]:
        """Return what was counted, by venue."""
        return tuple(self._counts[key] for key in sorted(self._counts))

    def add(self, batch: pa.RecordBatch) -> None:
        """Apply a batch of `EVENT_SCHEMA`."""
        names = batch.column("venue").dictionary.to_pylist()
        venues = batch.column("venue").indices.to_pylist()
        columns = [batch.column(name).to_pylist() for name in ("kind", "side", "px", "qty", "order_id", "flags")]
        for venue, kind, side, px, qty, order_id, flags in zip(venues, *columns, strict=True):
            name = names[venue]
            if kind == _QUOTE:
                quotes = self._quotes.get(name)
                if quotes is None:
                    quotes = self._quotes[name] = _Quotes()
                quotes.best[side] = px if qty else 0
                if flags & _LAST:
                    self._count(name, "quotes", quotes.best[1], quotes.best[-1])
                    if len(self._quotes) > 1:
                        self._count(ALL, "quotes", *self._consolidated())
            elif kind in _BOOK_KINDS:
                book = self._books.get(name)
                if book is None:
                    book = self._books[name] = _Book()
                if kind == _LEVEL:
                    book.set_level(side, px, qty)
                elif kind == _CLEAR:
                    self._books[name] = _Book()
                else:
                    self._order(book, kind, side, px, qty, order_id)
                if flags & _LAST:
                    self._count(name, "book", book.best(1), book.best(-1))

    def _order(self, book: _Book, kind: int, side: int, px: Px, qty: Qty, order_id: int) -> None:
        if kind == _ADD:
            book.add(order_id, side, px, qty)
            return
        held = book.orders.get(order_id)
        if held is None:
            self.unknown_orders += 1
        elif kind == _MODIFY:
            book.take(order_id, held[2])
            book.add(order_id, side or held[0], px, qty)
        elif kind == _DELETE:
            book.take(order_id, held[2])
        else:
            self.overdrawn_orders += qty > held[2]
            book.take(order_id, min(qty, held[2]))

    def _consolidated(self) -> tuple[Px, Px]:
        """Return the best bid and ask over the venues, 0 for a side that nobody quotes."""
        asks = [ask for quotes in self._quotes.values() if (ask := quotes.best[-1])]
        return max(quotes.best[1] for quotes in self._quotes.values()), min(asks, default=0)

    def _count(self, venue: str, of: str, bid: Px, ask: Px) -> None:
        if not bid or not ask:
            return
        count = self._counts.get((venue, of))
        if count is None:
            count = self._counts[venue, of] = StateCount(venue=venue, of=of)
        count.states += 1
        if bid >= ask:
            count.locked += bid == ask
            count.crossed += bid > ask


class _Quotes:
    """Best price by side, 0 when empty."""

    def __init__(self) -> None:
        self.best = {1: 0, -1: 0, 0: 0}


class _Book:
    """Quantity by price of both sides, and orders by id: [side, px, qty]."""

    def __init__(self) -> None:
        self.orders: dict[int, list[int]] = {}
        self._levels: dict[int, dict[Px, Qty]] = {1: {}, -1: {}, 0: {}}
        # Prices that have had a quantity, best first; those that have none any more go when they come to the top.
        self._ranks: dict[int, list[int]] = {1: [], -1: [], 0: []}

    def set_level(self, side: int, px: Px, qty: Qty) -> None:
        levels = self._levels[side]
        if qty:
            if px not in levels:
                heappush(self._ranks[side], -px * side)
            levels[px] = qty
        else:
            levels.pop(px, None)

    def add(self, order_id: int, side: int, px: Px, qty: Qty) -> None:
        held = self.orders.get(order_id)
        if held is not None and held[:2] == [side, px]:
            held[2] += qty
        else:
            self.orders[order_id] = [side, px, qty]
        self.set_level(side, px, self._levels[side].get(px, 0) + qty)

    def take(self, order_id: int, qty: Qty) -> None:
        held = self.orders[order_id]
        held[2] -= qty
        if not held[2]:
            del self.orders[order_id]
        side, px = held[:2]
        self.set_level(side, px, max(self._levels[side].get(px, 0) - qty, 0))

    def best(self, side: int) -> Px:
        """Return the best price with a quantity, 0 when there is none."""
        ranks, levels = self._ranks[side], self._levels[side]
        while ranks and -ranks[0] * side not in levels:
            heappop(ranks)
        return -ranks[0] * side if ranks else 0
