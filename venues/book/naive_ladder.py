"""Orders, levels and ladders of the naive book.

Rule of this file: plain dicts in order of insertion and one sorted list; the totals are kept, never guessed.
"""

from __future__ import annotations

from bisect import bisect_left, insort

from router.domain.units import Px, Qty
from venues.book.book import Entry
from venues.book.words import AUCTION_ONLY, HIDDEN, ICEBERG, PEGS, SELL, STORED

ANY = -(1 << 62)
"""The key of orders at any price: before every other."""


class Order:
    """One resting order. `px` is where it stands: 0 for a peg that stands nowhere, and for an order at any price."""

    __slots__ = (
        "cum",
        "display",
        "flags",
        "is_standing",
        "limit",
        "min_qty",
        "offset",
        "oid",
        "owner",
        "px",
        "reserve",
        "shown",
        "sign",
    )

    def __init__(self, entry: Entry, flags: int, left: Qty, cum: Qty, min_qty: Qty) -> None:
        self.oid, self.sign, self.owner, self.cum = entry.oid, entry.sign, entry.owner, cum
        self.flags = flags & STORED
        self.limit: Px = entry.px
        self.px: Px = 0 if flags & PEGS else entry.px
        self.offset: Px = entry.offset
        self.min_qty: Qty = min_qty
        self.display: Qty = entry.display if flags & ICEBERG else 0
        self.shown: Qty = min(entry.display, left) if flags & ICEBERG else left
        self.reserve: Qty = left - self.shown
        self.is_standing = False

    @property
    def leaves(self) -> Qty:
        """What is open, its reserve included."""
        return self.shown + self.reserve

    @property
    def ladder(self) -> int:
        """The ladder it stands on: displayed 0, hidden 2, auction-only 4, one more for sells."""
        kind = 4 if self.flags & AUCTION_ONLY else 2 if self.flags & (HIDDEN | PEGS) else 0
        return kind + (self.flags & SELL)

    @property
    def key(self) -> int:
        """Its price as a key that is smaller the better it is."""
        return -self.sign * self.px if self.px else ANY

    def row(self) -> tuple[int, ...]:
        """Return the order as a row of ROW_COLUMNS."""
        ladder = self.ladder if self.is_standing else -1
        limit = self.limit if self.flags & PEGS else self.px
        tail = (self.display, self.min_qty, self.offset, self.owner, self.cum, self.flags)
        return (self.oid, ladder, self.px, limit, self.shown, self.reserve, *tail)


class Level:
    """A queue of orders at one price, oldest first, with the total of what stands in it."""

    __slots__ = ("qty", "queue")

    def __init__(self) -> None:
        self.queue: dict[int, Order] = {}
        self.qty: Qty = 0


class Ladder:
    """Levels of one side. `keys` ascend, so that the best price is keys[0]."""

    __slots__ = ("keys", "levels")

    def __init__(self) -> None:
        self.keys: list[int] = []
        self.levels: dict[int, Level] = {}

    def push(self, order: Order) -> None:
        """Put an order at the back of its price."""
        level = self.levels.get(order.key)
        if level is None:
            level = self.levels[order.key] = Level()
            insort(self.keys, order.key)
        level.queue[order.oid] = order
        level.qty += order.shown
        order.is_standing = True

    def pull(self, order: Order) -> None:
        """Take an order out of its queue."""
        level = self.levels[order.key]
        del level.queue[order.oid]
        level.qty -= order.shown
        order.is_standing = False
        if not level.queue:
            del self.levels[order.key]
            del self.keys[bisect_left(self.keys, order.key)]

    def orders(self) -> list[Order]:
        """Return its orders in priority."""
        return [order for key in self.keys for order in self.levels[key].queue.values()]
