"""`NaiveBook`: a price-time-priority limit order book in plain Python, the readable twin of any faster kernel.

Rule of this file: every execution is planned before anything changes, so that a fill-or-kill order is the same walk
as any other; nothing here iterates over anything but insertion-ordered dicts and sorted lists.

Two kinds of orders rest. Displayed orders stand at their price. Mid pegs are hidden: they stand at the reference mid
that the owner sets (`set_mid`), or nowhere while it is beyond their limit. Priority: price, then displayed before
hidden, then time. An execution happens at the resting order's price.
"""

from __future__ import annotations

import hashlib
from bisect import bisect_left, insort
from typing import NamedTuple

from router.domain.errors import BadInputError, bad_value
from router.domain.units import Px, Qty


class Execution(NamedTuple):
    """A trade: the resting order's id, the entering order's id, price, quantity, and +1 when a buyer entered."""

    maker: int
    taker: int
    px: Px
    qty: Qty
    sign: int


class Top(NamedTuple):
    """The displayed top of the book; an empty side has price 0 and quantity 0."""

    bid_px: Px
    bid_qty: Qty
    ask_px: Px
    ask_qty: Qty


class _Order:
    """One resting order. `limit` is 0 for a peg without one."""

    __slots__ = ("cum", "is_peg", "leaves", "limit", "min_qty", "oid", "sign")

    def __init__(self, oid: int, sign: int, leaves: Qty, limit: Px, is_peg: bool, min_qty: Qty) -> None:
        self.oid, self.sign, self.leaves, self.limit = oid, sign, leaves, limit
        self.is_peg, self.min_qty = is_peg, min_qty
        self.cum = 0


_Queue = dict[int, _Order]


class _Level:
    """A queue of displayed orders at one price, oldest first, with its total."""

    __slots__ = ("qty", "queue")

    def __init__(self) -> None:
        self.queue: _Queue = {}
        self.qty: Qty = 0


class _Side:
    """Displayed levels of one side. `keys` are -sign * px ascending, so that the best price is keys[0]."""

    __slots__ = ("keys", "levels", "pegs", "sign")

    def __init__(self, sign: int) -> None:
        self.sign = sign
        self.keys: list[int] = []
        self.levels: dict[Px, _Level] = {}
        self.pegs: _Queue = {}


class NaiveBook:
    """The book. Order ids are the owner's, any int, unique among the orders that rest.

    >>> book = NaiveBook()
    >>> book.limit(1, -1, 100, 50), book.limit(2, -1, 100, 50)
    ([], [])
    >>> book.ioc(3, +1, 100, 60)
    [Execution(maker=1, taker=3, px=100, qty=50, sign=1), Execution(maker=2, taker=3, px=100, qty=10, sign=1)]
    >>> book.top()
    Top(bid_px=0, bid_qty=0, ask_px=100, ask_qty=40)
    """

    def __init__(self) -> None:
        self.mid: Px = 0
        self._bids, self._asks = _Side(1), _Side(-1)
        self._orders: dict[int, _Order] = {}

    # Entering.

    def limit(self, oid: int, sign: int, px: Px, qty: Qty) -> list[Execution]:
        """Trade what crosses; the remainder rests, displayed at `px`."""
        self._check(oid, sign, qty)
        executions, left = self._trade(oid, sign, px, qty, 0)
        if left:
            self._rest(_Order(oid, sign, left, px, False, 0), qty - left)
        return executions

    def post(self, oid: int, sign: int, px: Px, qty: Qty) -> bool:
        """Rest without trading; False, and nothing changes, when the order would trade."""
        if self.can_trade(sign, px):
            return False
        self._check(oid, sign, qty)
        self._rest(_Order(oid, sign, qty, px, False, 0), 0)
        return True

    def ioc(self, oid: int, sign: int, px: Px, qty: Qty) -> list[Execution]:
        """Trade what crosses; nothing rests."""
        self._check(oid, sign, qty)
        return self._trade(oid, sign, px, qty, 0)[0]

    def market(self, oid: int, sign: int, qty: Qty) -> list[Execution]:
        """Trade at any price; nothing rests."""
        self._check(oid, sign, qty)
        return self._trade(oid, sign, None, qty, 0)[0]

    def fok(self, oid: int, sign: int, px: Px | None, qty: Qty) -> list[Execution]:
        """Trade all of it or nothing; without a price, at any."""
        self._check(oid, sign, qty)
        plan = self._plan(sign, px, qty, 0)
        return self._perform(oid, sign, plan) if sum(step[2] for step in plan) == qty else []

    def peg_mid(
        self, oid: int, sign: int, qty: Qty, limit: Px = 0, min_qty: Qty = 0, *, trades: bool = True, rests: bool = True
    ) -> list[Execution]:
        """Enter a hidden order pegged to the mid, not beyond `limit` (0: none).

        Each of its executions is at least `min_qty`, or all that is left of it. With `trades` false it waits for
        `uncross`; with `rests` false what does not trade now is dropped.
        """
        self._check(oid, sign, qty)
        executions: list[Execution] = []
        left = qty
        if trades and self._stands(sign, limit):
            executions, left = self._trade(oid, sign, self.mid, qty, min_qty)
        if left and rests:
            self._rest(_Order(oid, sign, left, limit, True, min_qty), qty - left)
        return executions

    # Changing.

    def cancel(self, oid: int) -> Qty:
        """Take an order out; return what was open, 0 when it is not in the book."""
        order = self._orders.get(oid)
        if order is None:
            return 0
        self._remove(order)
        return order.leaves

    def replace(self, oid: int, qty: Qty, px: Px) -> list[Execution]:
        """Change a resting order's total quantity and price (a peg's limit, 0: none).

        A smaller quantity at the same price keeps its place; anything else goes to the back, and may trade.

        Raises:
            BadInputError: the order does not rest here, or `qty` is below what has traded.
        """
        order = self._orders.get(oid)
        if order is None:
            raise BadInputError(bad_value("oid", "an order that rests in the book", oid))
        if qty < order.cum or qty < 1:
            raise BadInputError(bad_value("qty", f"a quantity from {max(1, order.cum)}", qty))
        leaves = qty - order.cum
        if px == order.limit and 0 < leaves <= order.leaves:
            if not order.is_peg:
                self._side(order.sign).levels[px].qty -= order.leaves - leaves
            order.leaves = leaves
            return []
        self._remove(order)
        if not leaves:
            return []
        price = self.mid if order.is_peg else px
        executions: list[Execution] = []
        left = leaves
        if not order.is_peg or self._stands(order.sign, px):
            executions, left = self._trade(oid, order.sign, price, leaves, order.min_qty)
        if left:
            self._rest(_Order(oid, order.sign, left, px, order.is_peg, order.min_qty), qty - left)
        return executions

    def set_mid(self, mid: Px, *, trades: bool = True) -> list[Execution]:
        """Move the reference mid, and trade what the pegs now cross, oldest peg first, buys before sells."""
        self.mid = mid
        return self.uncross() if trades and (self._bids.pegs or self._asks.pegs) else []

    def uncross(self) -> list[Execution]:
        """Trade every peg that can trade at the mid as it is."""
        executions: list[Execution] = []
        for side in (self._bids, self._asks):
            for order in list(side.pegs.values()):
                if order.oid in self._orders and self._stands(order.sign, order.limit):
                    plan = self._plan(order.sign, self.mid, order.leaves, order.min_qty)
                    executions += self._perform(order.oid, order.sign, plan)
                    self._reduce(order, sum(step[2] for step in plan))
        return executions

    def clear(self) -> None:
        """Take every order out."""
        self._bids, self._asks = _Side(1), _Side(-1)
        self._orders.clear()

    # Asking.

    def top(self) -> Top:
        """Return the displayed top."""
        bids, asks = self._bids, self._asks
        bid = -bids.keys[0] if bids.keys else 0
        ask = asks.keys[0] if asks.keys else 0
        return Top(bid, bids.levels[bid].qty if bid else 0, ask, asks.levels[ask].qty if ask else 0)

    def leaves(self, oid: int) -> Qty:
        """Return what is open of an order, 0 when it is not in the book."""
        order = self._orders.get(oid)
        return order.leaves if order is not None else 0

    def depth(self, sign: int, px: Px) -> Qty:
        """Return the displayed quantity at a price of one side (+1: bids)."""
        level = self._side(sign).levels.get(px)
        return level.qty if level is not None else 0

    def can_trade(self, sign: int, px: Px) -> bool:
        """Whether a one-share order at `px` would trade on entry."""
        return bool(self._plan(sign, px, 1, 0))

    def resting(self) -> list[tuple[int, int, Px, Qty, bool]]:
        """Return (id, sign, limit, leaves, is_peg) of every resting order in priority: bids, asks, then pegs."""
        found: list[_Order] = []
        for side in (self._bids, self._asks):
            for key in side.keys:
                found += side.levels[-side.sign * key].queue.values()
        found += [*self._bids.pegs.values(), *self._asks.pegs.values()]
        return [(o.oid, o.sign, o.limit, o.leaves, o.is_peg) for o in found]

    def digest(self) -> str:
        """Return a hex digest of everything that rests, in priority, and the mid: equal when the books are equal."""
        rows = [(*row, self._orders[row[0]].cum, self._orders[row[0]].min_qty) for row in self.resting()]
        text = repr((self.mid, [tuple(map(int, row)) for row in rows]))
        return hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    # Inside.

    def _side(self, sign: int) -> _Side:
        return self._bids if sign > 0 else self._asks

    def _check(self, oid: int, sign: int, qty: Qty) -> None:
        if oid in self._orders:
            raise BadInputError(bad_value("oid", "an id that does not rest in the book", oid))
        if qty < 1 or sign not in (1, -1):
            raise BadInputError(bad_value("order", "a quantity from 1 and a sign of +1 or -1", (qty, sign)))

    def _stands(self, sign: int, limit: Px) -> bool:
        return self.mid > 0 and (limit == 0 or sign * (limit - self.mid) >= 0)

    def _plan(self, sign: int, px: Px | None, qty: Qty, min_qty: Qty) -> list[tuple[_Order, Px, Qty]]:
        """Return (resting order, price, quantity) in the order an entering order would meet them."""
        other = self._asks if sign > 0 else self._bids
        pegs = other.pegs if self.mid and (px is None or sign * (px - self.mid) >= 0) else None
        peg_key = sign * self.mid
        plan: list[tuple[_Order, Px, Qty]] = []
        left = qty
        for key in other.keys:
            if pegs and peg_key < key:
                left = self._plan_pegs(plan, pegs, left, min_qty)
                pegs = None
            price = sign * key
            if not left or (px is not None and sign * (px - price) < 0):
                break
            for order in other.levels[price].queue.values():
                if (take := min(left, order.leaves)) >= min(min_qty, left):
                    plan.append((order, price, take))
                    left -= take
                    if not left:
                        return plan
        if pegs and left:
            self._plan_pegs(plan, pegs, left, min_qty)
        return plan

    def _plan_pegs(self, plan: list[tuple[_Order, Px, Qty]], pegs: _Queue, left: Qty, min_qty: Qty) -> Qty:
        for order in pegs.values():
            if not left:
                break
            if not self._stands(order.sign, order.limit):
                continue
            take = min(left, order.leaves)
            if take >= min(order.min_qty, order.leaves) and take >= min(min_qty, left):
                plan.append((order, self.mid, take))
                left -= take
        return left

    def _perform(self, oid: int, sign: int, plan: list[tuple[_Order, Px, Qty]]) -> list[Execution]:
        for order, _, qty in plan:
            self._reduce(order, qty)
        return [Execution(order.oid, oid, px, qty, sign) for order, px, qty in plan]

    def _trade(self, oid: int, sign: int, px: Px | None, qty: Qty, min_qty: Qty) -> tuple[list[Execution], Qty]:
        plan = self._plan(sign, px, qty, min_qty)
        if not plan:
            return [], qty
        executions = self._perform(oid, sign, plan)
        return executions, qty - sum(step[2] for step in plan)

    def _rest(self, order: _Order, cum: Qty) -> None:
        order.cum = cum
        self._orders[order.oid] = order
        side = self._side(order.sign)
        if order.is_peg:
            side.pegs[order.oid] = order
            return
        level = side.levels.get(order.limit)
        if level is None:
            level = side.levels[order.limit] = _Level()
            insort(side.keys, -order.sign * order.limit)
        level.queue[order.oid] = order
        level.qty += order.leaves

    def _reduce(self, order: _Order, qty: Qty) -> None:
        if qty == order.leaves:
            self._remove(order)
            order.leaves = 0
        else:
            if not order.is_peg:
                self._side(order.sign).levels[order.limit].qty -= qty
            order.leaves -= qty
        order.cum += qty

    def _remove(self, order: _Order) -> None:
        del self._orders[order.oid]
        side = self._side(order.sign)
        if order.is_peg:
            del side.pegs[order.oid]
            return
        level = side.levels[order.limit]
        del level.queue[order.oid]
        level.qty -= order.leaves
        if not level.queue:
            del side.levels[order.limit]
            del side.keys[bisect_left(side.keys, -order.sign * order.limit)]
