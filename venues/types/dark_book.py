"""`DarkBook`: the hidden book of a pool: who may meet whom, at which price, and in which order.

Rule of this file: every execution is planned before anything changes; nothing here iterates over anything but
insertion-ordered dicts, so that priority is price, then time. It is plain Python on purpose: a pool sees a few thousand
events a day.

Three ways to stand. An order pegged to the mid trades at the mid. One pegged to its near side trades only with interest
that would pay the half spread (`is_far`), which meets orders at the mid first: they are better for it. Uncommitted
interest (`is_firm` false) trades with nobody until a firm-up.
"""

from __future__ import annotations

from typing import NamedTuple

from router.domain.errors import BadInputError, bad_value
from router.domain.units import Px, Qty

OURS = -1
"""The segment of our own orders."""


class Trade(NamedTuple):
    """An execution: the resting order's id, the entering order's id, price and quantity."""

    maker: int
    taker: int
    px: Px
    qty: Qty


class Interest:
    """One order in the pool. `limit` 0: none. `denies` are the segments that it does not trade with."""

    __slots__ = (
        "denies",
        "fails",
        "is_far",
        "is_firm",
        "is_near",
        "leaves",
        "limit",
        "min_qty",
        "oid",
        "segment",
        "sign",
    )

    def __init__(
        self,
        oid: int,
        sign: int,
        leaves: Qty,
        *,
        segment: int = OURS,
        limit: Px = 0,
        min_qty: Qty = 0,
        is_near: bool = False,
        is_far: bool = False,
        is_firm: bool = True,
        fails: bool = False,
        denies: tuple[int, ...] = (),
    ) -> None:
        if leaves < 1 or sign not in (1, -1):
            raise BadInputError(bad_value("order", "a quantity from 1 and a sign of +1 or -1", (leaves, sign)))
        self.oid, self.sign, self.leaves = oid, sign, leaves
        self.segment, self.limit, self.min_qty = segment, limit, min_qty
        self.is_near, self.is_far, self.is_firm, self.fails = is_near, is_far, is_firm, fails
        self.denies = denies


class _Step(NamedTuple):
    other: Interest
    px: Px
    qty: Qty


class DarkBook:
    """The book. Ids are the owner's, any int, unique among the orders that rest; `half_px` is the half spread.

    >>> book = DarkBook(half_px=100)
    >>> book.enter(Interest(1, +1, 300), mid=10_000)
    []
    >>> book.enter(Interest(2, -1, 200), mid=10_000)
    [Trade(maker=1, taker=2, px=10000, qty=200)]
    """

    def __init__(self, half_px: Px) -> None:
        self._half_px = half_px
        self._sides: dict[int, dict[int, Interest]] = {1: {}, -1: {}}

    # Changing.

    def enter(self, order: Interest, mid: Px, *, trades: bool = True, rests: bool = True) -> list[Trade]:
        """Trade what `order` meets; the remainder rests. With `trades` false it waits for an `uncross`; with `rests`
        false what does not trade now is dropped.

        Raises:
            BadInputError: an order of that id rests already.
        """
        if self.find(order.oid) is not None:
            raise BadInputError(bad_value("oid", "an id that does not rest in the book", order.oid))
        done = self._perform(order, self._plan(order, mid, False)) if trades and order.is_firm else []
        if order.leaves and rests:
            self._sides[order.sign][order.oid] = order
        return done

    def cancel(self, oid: int) -> Interest | None:
        """Take an order out and return it; None when it is not in the book."""
        return self._sides[1].pop(oid, None) or self._sides[-1].pop(oid, None)

    def uncross(self, mid: Px) -> list[Trade]:
        """Trade every firm order that can trade at the prices as they are, those at the mid first."""
        done: list[Trade] = []
        for side in self._sides.values():
            for order in sorted(side.values(), key=lambda o: o.is_near):
                if order.leaves and order.is_firm:
                    done += self._perform(order, self._plan(order, mid, False))
                    self._drop_if_done(order)
        return done

    def firm_up(self, oid: int, mid: Px) -> list[Trade]:
        """Let an uncommitted order trade once as a firm one, with uncommitted counterparties too; who of those fails
        to firm up leaves the book. What is left of the order rests uncommitted again, where it was."""
        order = self._resting(oid)
        plan = self._plan(order, mid, True)
        while gone := [step.other.oid for step in plan if step.other.fails and not step.other.is_firm]:
            for other in gone:
                self.cancel(other)
            plan = self._plan(order, mid, True)
        done = self._perform(order, plan)
        self._drop_if_done(order)
        return done

    def clear(self) -> None:
        """Take every order out."""
        for side in self._sides.values():
            side.clear()

    # Asking.

    def find(self, oid: int) -> Interest | None:
        """Return the order that rests under an id, or None."""
        return self._sides[1].get(oid) or self._sides[-1].get(oid)

    def met(self, oid: int, mid: Px) -> Qty:
        """Return the whole quantity of the interest that an uncommitted order would meet now, 0 without any."""
        return sum(step.other.leaves for step in self._plan(self._resting(oid), mid, True))

    def stands(self, order: Interest, mid: Px) -> bool:
        """Whether the order's price is within its limit at this mid."""
        px = mid - order.sign * self._half_px if order.is_near else mid
        return px > 0 and (order.limit == 0 or order.sign * (order.limit - px) >= 0)

    # Inside.

    def _resting(self, oid: int) -> Interest:
        order = self.find(oid)
        if order is None:
            raise BadInputError(bad_value("oid", "an order that rests in the book", oid))
        return order

    def _px(self, order: Interest, other: Interest, mid: Px) -> Px:
        """Return the price at which two opposite orders trade; 0 when they do not."""
        near = order if order.is_near else other if other.is_near else None
        if near is None:
            px = mid
        else:
            far = other if near is order else order
            if not far.is_far or far.is_near:
                return 0
            px = mid - near.sign * self._half_px
        if px <= 0:
            return 0
        is_within = all(o.limit == 0 or o.sign * (o.limit - px) >= 0 for o in (order, other))
        return px if is_within else 0

    def _plan(self, order: Interest, mid: Px, with_uncommitted: bool) -> list[_Step]:
        """Return what `order` would meet, in its order: the better price first, then time."""
        plan: list[_Step] = []
        left = order.leaves
        others = self._sides[-order.sign].values()
        for is_near in (False, True):
            for other in others:
                if not left:
                    return plan
                # Nobody of ours answers an invitation of ours: we should only keep ourselves busy.
                is_ready = other.segment != OURS if with_uncommitted else other.is_firm
                if other.is_near is not is_near or not is_ready:
                    continue
                if other.segment in order.denies or order.segment in other.denies:
                    continue
                take = min(left, other.leaves)
                is_enough = take >= min(other.min_qty, other.leaves) and take >= min(order.min_qty, left)
                px = self._px(order, other, mid) if is_enough else 0
                if px:
                    plan.append(_Step(other, px, take))
                    left -= take
        return plan

    def _perform(self, order: Interest, plan: list[_Step]) -> list[Trade]:
        for other, _, qty in plan:
            other.leaves -= qty
            order.leaves -= qty
            self._drop_if_done(other)
        return [Trade(other.oid, order.oid, px, qty) for other, px, qty in plan]

    def _drop_if_done(self, order: Interest) -> None:
        if not order.leaves:
            self._sides[order.sign].pop(order.oid, None)
