"""`DarkVenue`: a hidden midpoint book, where contra interest is mostly absent, sometimes large, sometimes informed.

Rule of this file: every share of contra interest is an order in the book, so that it trades once, by price and time,
with us or with somebody else; nothing is displayed. The reference is looked up when an event needs it: a move of it
is an event only for an order of ours that waits for it beyond its limit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from router.domain.enums import ExecType, LastLiquidityInd, OrdType, PegPriceType, Tactic, TimeInForce
from router.domain.instruments import VenueSpec
from router.domain.market import PRINT_COLUMNS, QUOTE_COLUMNS, no_rows
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import Nanos, Px, Qty
from venues.models.reference import MarketSetup, ReferencePath, reference_path
from venues.types.dark_book import DarkBook, Interest, Trade
from venues.types.dark_flow import CLOSE, CONTRA, CROSS, HALT, LEAVE, RESUME, UNCROSS, DarkParameters, dark_flow
from venues.types.dark_invitations import Invitations
from venues.types.desk import Desk, HeldOrder
from venues.types.timeline import Timeline
from venues.venue import VenueOutput

__all__ = ["DarkParameters", "DarkVenue"]

_WITHIN, _LAPSE = range(2)
"""Kinds of what is due later. _WITHIN: the reference comes within the limit of our order `key`. _LAPSE: the time to
firm up our order `key` is over."""

_RESTING = (TimeInForce.DAY, TimeInForce.GOOD_TILL_DATE)
_PEGS = (PegPriceType.MID_PRICE, PegPriceType.PRIMARY)


class DarkVenue:
    """A pool driven by (seed, setup, params). Its mid is the shared reference with our impact on it."""

    def __init__(
        self,
        spec: VenueSpec,
        setup: MarketSetup,
        params: DarkParameters,
        seed: int,
        reference: ReferencePath | None = None,
    ) -> None:
        self.spec = spec
        self._path = reference or reference_path(seed, setup)
        self._params, self._close_at = params, setup.close_at
        self._is_continuous = params.uncross_every_ns == 0
        self._is_halted = False
        self._flow = dark_flow(spec, setup, params, seed, self._path)
        self._kinds = params.kinds()
        self._number = {segment.name: k for k, segment in enumerate(params.segments)}
        self._half_px: Px = params.half_spread_ticks * setup.tick
        self.book = DarkBook(self._half_px)
        self._desk = Desk(spec, self, setup.open_at, setup.close_at)
        self._timeline = Timeline(self._flow.rows, self, self._desk)
        self._invitations = Invitations(params)
        self._shift_px: Px = 0
        self._ours: dict[int, HeldOrder] = {}
        self._limited: dict[int, tuple[Px, Nanos]] = {}
        """Our orders with a limit: the shift under which we last asked when they trade next, and the answer."""
        self._prints: list[tuple[int, ...]] = []

    def advance(
        self,
        until: Nanos,
        arrivals: Sequence[Arrival] = (),
        ripples: Sequence[Ripple] = (),
        sessions: Sequence[SessionChange] = (),
    ) -> VenueOutput:
        """See `Venue.advance`."""
        self._prints = []
        events = self._timeline.advance(until, arrivals, ripples, sessions)
        prints = np.array(self._prints, dtype=np.int64).reshape(-1, len(PRINT_COLUMNS))
        reports = self._desk.take_reports()
        next_at = self._timeline.next_at()
        return VenueOutput(reports, no_rows(QUOTE_COLUMNS), prints, (), events, next_at, self._is_halted)

    @property
    def reputation(self) -> float:
        """Our reputation with the pool: the decayed share of its invitations that we firmed up."""
        return self._invitations.reputation

    # Background events.

    def on_flow(self, at: Nanos, kind: int, a: int, b: int, c: int) -> None:
        """Process one row of flow."""
        if kind == CONTRA:
            self._arrive(at, a, b, c)
        elif kind == LEAVE:
            self.book.cancel(c)
        elif kind == CROSS:
            self._prints.append((at, self._mid(at), a, 0))
        elif kind == UNCROSS:
            self._executed(at, self.book.uncross(self._mid(at)))
        elif kind == HALT:
            self._is_halted = True
            for n in self._invitations.withdraw_all():
                self._desk.restate(self._ours[n], at, "invitation withdrawn: trading is halted", 0)
        elif kind == RESUME:
            self._is_halted = False
            self._resume(at)
        elif kind == CLOSE:
            self._desk.expire_due(at)
            self.book.clear()

    def on_later(self, at: Nanos, kind: int, key: int) -> None:
        """A limit has been reached, or an invitation has not been answered."""
        if kind == _WITHIN:
            if key in self._limited:
                self._resume(at)
        elif self._invitations.lapse(key, at):
            self._desk.restate(self._ours[key], at, "invitation lapsed", 0)

    def on_ripple(self, at: Nanos, ripple: Ripple) -> None:
        """The mid follows our own impact at once: it is the consolidated mid."""
        if isinstance(ripple, Shift):
            self._shift_px = ripple.px
            if at < self._close_at:
                self._resume(at)

    def settle(self, at: Nanos) -> None:
        """See to it that an order beyond its limit is looked at when the reference comes back."""
        for n, (shift, due) in tuple(self._limited.items()):
            if (shift, due) == (self._shift_px, max(due, at + 1)):
                continue
            due = self._within_at(n, at)
            self._limited[n] = (self._shift_px, due)
            if due < self._close_at:
                self._timeline.later(due, _WITHIN, n)

    def _arrive(self, at: Nanos, sign: int, qty: Qty, oid: int) -> None:
        k = self._flow.segment[oid]
        segment = self._kinds[k]
        contra = Interest(
            oid,
            sign,
            qty,
            segment=k,
            min_qty=segment.min_qty,
            is_far=self._flow.is_far[oid],
            is_firm=not segment.conditional,
            fails=self._flow.fails[oid],
        )
        self._executed(at, self.book.enter(contra, self._mid(at), trades=self._trades))
        self._invite(at)

    @property
    def _trades(self) -> bool:
        """Whether an order may trade when it comes."""
        return self._is_continuous and not self._is_halted

    def _mid(self, at: Nanos) -> Px:
        return max(1, self._path.px_at(at) + self._shift_px)

    def _within_at(self, n: int, at: Nanos) -> Nanos:
        """Return when, after `at` and at the shift as it is, the reference next comes within an order's limit, having
        been beyond it; the close when it does not."""
        order = self._ours[n]
        # Bounds on the reference itself, in the order's own direction.
        bound = order.sign * ((order.price or 0) - self._shift_px) + (self._half_px if _is_near(order) else 0)
        k = int(np.searchsorted(self._path.at, at, side="right"))
        within = np.concatenate(([order.sign * self._path.px_at(at)], order.sign * self._path.px[k:])) <= bound
        comes = np.flatnonzero(within[1:] & ~within[:-1])
        return int(self._path.at[k + comes[0]]) if comes.shape[0] else self._close_at

    def _resume(self, at: Nanos) -> None:
        """Trade what can trade now, and invite."""
        if self._trades:
            self._executed(at, self.book.uncross(self._mid(at)))
        self._invite(at)

    def _executed(self, at: Nanos, trades: list[Trade]) -> None:
        for trade in trades:
            self._prints.append((at, trade.px, trade.qty, 0))
            for oid, side in ((trade.taker, LastLiquidityInd.REMOVED), (trade.maker, LastLiquidityInd.ADDED)):
                if oid < 0:
                    order = self._ours[-oid]
                    liquidity = side if self._is_continuous else LastLiquidityInd.AUCTION
                    self._desk.fill(order, at, trade.qty, trade.px, liquidity)
                    if not order.is_open:
                        self._forget(order)

    def _invite(self, at: Nanos) -> None:
        """Invite our uncommitted orders, oldest first, that meet enough interest now."""
        if not self._params.conditional or self._is_halted:
            return
        for n, order in self._ours.items():
            if order.child.tactic is Tactic.CONDITIONAL and self._invitations.may_invite(n, at):
                qty = self.book.met(-n, self._mid(at))
                if qty:
                    self._timeline.later(self._invitations.invite(n, at), _LAPSE, n)
                    self._desk.restate(order, at, "invitation", qty)

    # Our orders: the desk's floor.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why this pool cannot take `child`, or ""."""
        if child.ord_type is not OrdType.PEGGED or child.peg_price_type not in _PEGS:
            return f"expected PEGGED to MID_PRICE or PRIMARY, got {child.ord_type} {child.peg_price_type}"
        if child.time_in_force not in (*_RESTING, TimeInForce.IMMEDIATE_OR_CANCEL):
            return f"unsupported time_in_force {child.time_in_force}"
        unknown = [name for name in child.segments_deny if name not in self._number]
        if unknown:
            return f"unknown segment {unknown[0]}"
        if child.tactic is not Tactic.CONDITIONAL:
            return ""
        if not self._params.conditional:
            return f"unsupported tactic {child.tactic}"
        is_possible = child.peg_price_type is PegPriceType.MID_PRICE and child.time_in_force in _RESTING
        return "" if is_possible else "expected a CONDITIONAL order that rests, pegged to MID_PRICE"

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Peg an accepted order; what an immediate order does not trade is cancelled."""
        child = order.child
        self._ours[order.n] = order
        if order.price is not None and not order.is_immediate:
            self._limited[order.n] = (self._shift_px, at)
        entering = self._interest(order)
        executions = self.book.enter(entering, self._mid(at), trades=self._trades, rests=not order.is_immediate)
        self._executed(at, executions)
        if order.is_open and order.is_immediate:
            self._forget(order)
            text = "trading is halted" if self._is_halted else "remainder of an immediate order"
            self._desk.out(order, at, ExecType.CANCELED, text)
        elif child.tactic is Tactic.CONDITIONAL:
            self._invite(at)

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """A firm order may be changed in any way that the desk lets through, a conditional one be firmed up."""
        if order.child.tactic is not Tactic.CONDITIONAL:
            return ""
        if not self._invitations.is_invited(order.n):
            return "no invitation to firm up"
        if order_qty > order.cum_qty and order_qty - order.cum_qty >= min(order.child.min_qty, order.leaves_qty):
            return ""
        self._invitations.fail(order.n, at)
        return f"too little to firm up: expected {order.child.min_qty} shares, got {order_qty - order.cum_qty}"

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Bring a change to the book; at a periodic pool it takes part in the next uncross."""
        oid, limit = -order.n, order.price or 0
        resting = self.book.find(oid)
        if resting is None:
            return
        if limit:
            self._limited[order.n] = (self._shift_px, at)
        if order.child.tactic is Tactic.CONDITIONAL:
            self._invitations.keep(order.n)
            resting.leaves, resting.limit = order.leaves_qty, limit
            self._executed(at, self.book.firm_up(oid, self._mid(at)))
        elif limit == resting.limit and order.leaves_qty <= resting.leaves:
            # Less of the same keeps its place in time.
            resting.leaves = order.leaves_qty
        else:
            self.book.cancel(oid)
            self._executed(at, self.book.enter(self._interest(order), self._mid(at), trades=self._trades))

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Take an order out of the book."""
        self.book.cancel(-order.n)
        self._forget(order)
        return ""

    def _interest(self, order: HeldOrder) -> Interest:
        child = order.child
        return Interest(
            -order.n,
            order.sign,
            order.leaves_qty,
            limit=order.price or 0,
            min_qty=child.min_qty,
            is_near=_is_near(order),
            is_firm=child.tactic is not Tactic.CONDITIONAL,
            denies=tuple(self._number[name] for name in child.segments_deny),
        )

    def _forget(self, order: HeldOrder) -> None:
        self._ours.pop(order.n, None)
        self._limited.pop(order.n, None)
        self._invitations.forget(order.n)


def _is_near(order: HeldOrder) -> bool:
    return order.child.peg_price_type is PegPriceType.PRIMARY
