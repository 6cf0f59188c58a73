"""The inside of the naive book: what it holds, how an order walks through it, how pegs move.

Rule of this file: the obvious way. What must be known before anything changes is tried on a copy; nothing here iterates
over anything but insertion-ordered dicts and sorted lists.
"""

from __future__ import annotations

from collections import deque
from copy import deepcopy
from itertools import takewhile

from router.domain.units import Px, Qty
from venues.book.book import Answer, Entry, answer_of
from venues.book.naive_ladder import Ladder, Order
from venues.book.words import (
    ALL,
    ALLOWED,
    AUCTION_ONLY,
    CANCEL_AGGRESSIVE,
    CANCEL_PASSIVE,
    CONTINUOUS,
    ICEBERG,
    IMMEDIATE,
    ISO,
    MIN_TOTAL,
    PEG_MARKET,
    PEG_MID,
    PEGS,
    QUIET,
    WHAT_SELF_MATCH,
    WHAT_TRADE,
    WHY_IMMEDIATE,
    WHY_NOT_ALL,
    WHY_NOTHING,
    WHY_PROTECTED,
    WHY_SELF_MATCH,
)

_WORST = 1 << 62
"""The key of a limit that is none."""


class NaiveCore:
    """Orders, ladders and settings, and everything that moves them; see `NaiveBook`."""

    def __init__(self, step: Px = 1) -> None:
        self.step = step
        self._reference = (0, 0, 0)
        self._away = {1: 0, -1: 0}
        self._phase, self._is_gathered, self._self_match = CONTINUOUS, False, ALLOWED
        self._out: list[tuple[int, ...]] = []
        self.clear()

    def clear(self) -> None:
        """Take every order out; the references and the phase stay."""
        self._ladders = [Ladder() for _ in range(6)]
        self._pegs: dict[int, dict[int, Order]] = {1: {}, -1: {}}
        self._orders: dict[int, Order] = {}

    # Inside: trading.

    def _answer(self, result: int = 0, dropped: Qty = 0, why: int = WHY_NOTHING) -> Answer:
        rows, self._out = self._out, []
        return answer_of(result, dropped, why, rows)

    def _submit(self, entry: Entry, flags: int, cum: Qty) -> Answer:
        """Trade what may, then let the remainder rest; everything has been checked."""
        limit = self._limit_key(entry, flags)
        bound, left, why = limit, entry.qty, WHY_NOTHING
        needed = entry.qty if flags & ALL else entry.min_qty if flags & MIN_TOTAL else 0
        if not flags & (ISO | PEGS) and self._away[entry.sign]:
            bound = min(limit, entry.sign * self._away[entry.sign])
        may_trade = self._phase == CONTINUOUS and not flags & (AUCTION_ONLY | QUIET)
        if needed and (not may_trade or deepcopy(self)._walk(entry, entry.qty, bound, 0)[0] > entry.qty - needed):
            why = WHY_NOT_ALL
        elif may_trade:
            left, is_stopped = self._walk(entry, left, bound, 0 if needed else entry.min_qty)
            if is_stopped:
                why = WHY_SELF_MATCH
            elif bound != limit and self._route(entry.sign, limit):
                why = WHY_PROTECTED
        if flags & IMMEDIATE and not why:
            why = WHY_IMMEDIATE
        if why or not left:
            return self._answer(0, left, why if left else WHY_NOTHING)
        order = Order(entry, flags, left, cum + entry.qty - left, 0 if flags & MIN_TOTAL else entry.min_qty)
        self._orders[order.oid] = order
        if flags & PEGS:
            self._pegs[order.sign][order.oid] = order
            order.px = self._peg_px(order.sign, flags, order.limit, order.offset)
        if order.px or flags & AUCTION_ONLY:
            self._ladders[order.ladder].push(order)
        return self._answer(left)

    def _limit_key(self, entry: Entry, flags: int) -> int:
        """Return the worst key that an order trades at: its sign times its price."""
        if flags & PEGS:
            px = self._peg_px(entry.sign, flags, entry.px, entry.offset)
            return entry.sign * px if px else -_WORST
        return entry.sign * entry.px if entry.px else _WORST

    def _route(self, sign: int, bound: int) -> list[tuple[int, Ladder]]:
        """Return the (key, ladder) that an order meets in turn, down to a key."""
        other = sign > 0
        seen, unseen = self._ladders[other], self._ladders[2 + other]
        if not unseen.keys:
            return [(key, seen) for key in takewhile(lambda key: key <= bound, seen.keys)]
        both = [(key, 0) for key in seen.keys if key <= bound] + [(key, 1) for key in unseen.keys if key <= bound]
        return [(key, unseen if is_unseen else seen) for key, is_unseen in sorted(both)]

    def _walk(self, taker: Entry, left: Qty, bound: int, least: Qty) -> tuple[Qty, bool]:
        """Trade down to a key; return what is left, and whether self-match prevention ended it."""
        for key, ladder in self._route(taker.sign, bound):
            queue = deque(ladder.levels[key].queue.values())
            while queue and left:
                order = queue.popleft()
                if not _is_enough(order, left, least):
                    continue
                if self._is_own(order, taker.owner):
                    if self._self_match != CANCEL_AGGRESSIVE:
                        self._report(order, taker, order.leaves, WHAT_SELF_MATCH)
                        self._remove(order)
                    if self._self_match != CANCEL_PASSIVE:
                        return left, True
                    continue
                take = min(left, order.shown)
                left -= take
                self._report(order, taker, take, WHAT_TRADE)
                self._fill(order, take)
                if left and order.is_standing:
                    queue.append(order)
            if not left:
                break
        return left, False

    def _is_own(self, order: Order, owner: int) -> bool:
        return bool(owner) and order.owner == owner and self._self_match != ALLOWED

    def _would_trade(self, entry: Entry) -> bool:
        """Whether an order would trade were nothing protected."""
        if self._phase != CONTINUOUS:
            return False
        for key, ladder in self._route(entry.sign, self._limit_key(entry, entry.flags)):
            for order in ladder.levels[key].queue.values():
                if _is_enough(order, entry.qty, entry.min_qty):
                    if not self._is_own(order, entry.owner):
                        return True
                    if self._self_match != CANCEL_PASSIVE:
                        return False
        return False

    def _report(self, order: Order, taker: Entry, qty: Qty, what: int) -> None:
        self._out.append((order.oid, taker.oid, order.px, qty, taker.sign, what))

    # Inside: orders.

    def _fill(self, order: Order, qty: Qty) -> None:
        """Take what traded off what an order shows; an iceberg that shows nothing shows again, at the back."""
        order.cum += qty
        ladder = self._ladders[order.ladder]
        if qty < order.shown:
            order.shown -= qty
            ladder.levels[order.key].qty -= qty
        elif order.reserve:
            ladder.pull(order)
            order.shown = min(order.display, order.reserve)
            order.reserve -= order.shown
            ladder.push(order)
        else:
            self._remove(order)

    def _fill_in_auction(self, order: Order, qty: Qty) -> None:
        """Take what traded off an order in its place; an iceberg shows as much as it may."""
        left = order.leaves - qty
        order.cum += qty
        if not left:
            self._remove(order)
            return
        shown = min(left, order.display) if order.flags & ICEBERG else left
        self._ladders[order.ladder].levels[order.key].qty += shown - order.shown
        order.shown, order.reserve = shown, left - shown

    def _reduce(self, order: Order, by: Qty) -> None:
        """Take `by` off what is open, the reserve first; the order keeps its place."""
        unseen = min(by, order.reserve)
        order.reserve -= unseen
        order.shown -= by - unseen
        if order.is_standing:
            self._ladders[order.ladder].levels[order.key].qty -= by - unseen

    def _remove(self, order: Order) -> None:
        if order.is_standing:
            self._ladders[order.ladder].pull(order)
        del self._orders[order.oid]
        if order.flags & PEGS:
            del self._pegs[order.sign][order.oid]

    # Inside: pegs.

    def _peg_px(self, sign: int, flags: int, limit: Px, offset: Px) -> Px:
        """Return the price at which a peg stands now, 0 for nowhere."""
        bid, ask, mid = self._reference
        near, far = (bid, ask) if sign > 0 else (ask, bid)
        reference = mid if flags & PEG_MID else far if flags & PEG_MARKET else near
        if not reference or self._is_gathered:
            return 0
        px = reference + sign * offset
        if limit and sign * (px - limit) > 0:
            px = 0 if flags & PEG_MID else limit
        return max(px, 0)

    def _move_pegs(self) -> None:
        for side in self._pegs.values():
            for order in side.values():
                px = self._peg_px(order.sign, order.flags, order.limit, order.offset)
                if px != order.px:
                    if order.is_standing:
                        self._ladders[order.ladder].pull(order)
                    order.px = px
                    if px:
                        self._ladders[order.ladder].push(order)

    def _let_pegs_trade(self) -> None:
        for side in self._pegs.values():
            for order in list(side.values()):
                # A peg that an earlier one met is gone.
                if order.oid in self._orders and order.px:
                    self._let_peg_trade(order)

    def _let_peg_trade(self, order: Order) -> None:
        taker = Entry(order.oid, order.sign, order.px, order.shown, owner=order.owner)
        left, is_stopped = self._walk(taker, order.shown, order.sign * order.px, order.min_qty)
        if left < order.shown:
            self._fill(order, order.shown - left)
        if left and is_stopped:
            self._out.append((order.oid, order.oid, order.px, left, -order.sign, WHAT_SELF_MATCH))
            self._remove(order)


def _is_enough(order: Order, left: Qty, least: Qty) -> bool:
    """Whether an execution would be as large as both sides ask, or all that is left of one."""
    take = min(left, order.shown)
    return take >= min(least, left) and take >= min(order.min_qty, order.shown)
