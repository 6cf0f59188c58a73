"""`LitVenue`: a displayed limit order book with makers, noise, informed takers, and our orders in the same queues.

Rule of this file: background flow is made before the day begins and is the same whatever we do; what it meets in the
book, and so what it trades with, is where our orders matter.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from router.domain.enums import ExecInst, ExecType, LastLiquidityInd, OrdType, PegPriceType, TimeInForce
from router.domain.instruments import VenueSpec
from router.domain.market import PRINT_COLUMNS, QUOTE_COLUMNS
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import Nanos, Px, Qty
from venues.book.naive import Execution, NaiveBook
from venues.models.reference import MarketSetup, ReferencePath, reference_path
from venues.types.desk import Desk, HeldOrder
from venues.types.lit_flow import CLOSE, INFORMED, JOIN, LEAVE, MOVE, REQUOTE, TRADE, LitParameters, lit_flow
from venues.types.timeline import Timeline
from venues.venue import VenueOutput

_MAKER_IDS = 1 << 40
"""Makers' order ids start here; noise orders have their row number, ours are negative."""

_TIMES = (
    TimeInForce.DAY,
    TimeInForce.GOOD_TILL_DATE,
    TimeInForce.IMMEDIATE_OR_CANCEL,
    TimeInForce.FILL_OR_KILL,
)
_SWEEP_TOUCHES = 20
"""How many touches' worth the last maker takes of what stands beyond the reference after a move."""


class LitVenue:
    """A lit book driven by (seed, setup, params). The reference path is shared by the venues of a run."""

    def __init__(
        self,
        spec: VenueSpec,
        setup: MarketSetup,
        params: LitParameters,
        seed: int,
        reference: ReferencePath | None = None,
    ) -> None:
        self.spec = spec
        self.book = NaiveBook()
        self._params, self._setup = params, setup
        path = reference or reference_path(seed, setup)
        flow, self._sizes = lit_flow(spec, setup, params, seed, path)
        self._desk = Desk(spec, self, setup.open_at, setup.close_at)
        self._timeline = Timeline(flow, self, self._desk)
        self._path_px: Px = setup.start_px
        self._shift_px: Px = 0
        self._ours: dict[int, HeldOrder] = {}
        self._quoted: list[dict[tuple[int, Px], int]] = [{} for _ in range(params.makers)]
        self._n_maker = _MAKER_IDS
        self._top: tuple[int, ...] = (0, 0, 0, 0)
        self._quotes: list[tuple[int, ...]] = []
        self._prints: list[tuple[int, ...]] = []

    def advance(
        self,
        until: Nanos,
        arrivals: Sequence[Arrival] = (),
        ripples: Sequence[Ripple] = (),
        sessions: Sequence[SessionChange] = (),
    ) -> VenueOutput:
        """See `Venue.advance`."""
        self._quotes, self._prints = [], []
        events = self._timeline.advance(until, arrivals, ripples, sessions)
        return VenueOutput(
            self._desk.take_reports(),
            np.array(self._quotes, dtype=np.int64).reshape(-1, len(QUOTE_COLUMNS)),
            np.array(self._prints, dtype=np.int64).reshape(-1, len(PRINT_COLUMNS)),
            (),
            events,
            self._timeline.next_at(),
        )

    # Background events.

    @property
    def _reference(self) -> Px:
        return self._path_px + self._shift_px

    def on_flow(self, at: Nanos, kind: int, a: int, b: int, c: int) -> None:
        """Process one row of flow; see `lit_flow` for what a, b and c are."""
        if kind == TRADE:
            self._take(at, c, a, b, self._reference + a * self._params.collar_ticks * self._setup.tick)
        elif kind == JOIN:
            ticks = (b & 0xFF) - self._params.half_spread_ticks - 1
            px = self._reference + a * ticks * self._setup.tick
            if px > 0:
                self.book.post(c, a, px, b >> 8)
        elif kind == LEAVE:
            self.book.cancel(c)
        elif kind == REQUOTE:
            self._requote(at, a, b)
        elif kind == INFORMED:
            sign = 1 if a > 0 else -1
            # `a` carries sign x (1 + how far, in Px, beyond today's reference the informed will still pay).
            self._take(at, c, sign, b, self._reference + sign * (abs(a) - 1))
        elif kind == MOVE:
            self._path_px = a
            self._executed(at, self.book.set_mid(self._reference))
        elif kind == CLOSE:
            self._desk.expire_due(at)
            self.book.clear()

    def on_later(self, at: Nanos, kind: int, key: int) -> None:
        """A maker answers a shift of the reference."""
        self._requote(at, kind, key)

    def on_ripple(self, at: Nanos, ripple: Ripple) -> None:
        """Makers follow our own impact as they follow any move, each after its own reaction."""
        if not isinstance(ripple, Shift) or ripple.px == self._shift_px:
            return
        self._shift_px = ripple.px
        if self._setup.open_at <= at < self._setup.close_at:
            self._executed(at, self.book.set_mid(self._reference))
            for maker in range(self._params.makers):
                self._timeline.later(at + self._params.reaction_of(maker), maker, at % len(self._sizes))

    def settle(self, at: Nanos) -> None:
        """Emit the displayed top when it changed."""
        top = self.book.top()
        if top != self._top:
            self._top = top
            self._quotes.append((at, *top))

    def _take(self, at: Nanos, oid: int, sign: int, qty: Qty, px: Px) -> None:
        if px > 0:
            self._executed(at, self.book.ioc(oid, sign, px, qty))

    def _requote(self, at: Nanos, maker: int, k: int) -> None:
        """Bring a maker's quotes to the reference: cancel what is off, sweep if last, quote what is missing."""
        if at >= self._setup.close_at:
            return
        book, quoted, params, tick = self.book, self._quoted[maker], self._params, self._setup.tick
        reference, sizes = self._reference, self._sizes
        wanted: dict[tuple[int, Px], Qty] = {}
        for level in range(params.levels):
            distance = (params.half_spread_ticks + level) * tick
            for sign in (1, -1):
                px = reference - sign * distance
                if px > 0:
                    wanted[sign, px] = sizes[(k * 8 + 2 * level + (sign > 0)) % len(sizes)] * (2 + level) // 2
        for place, oid in list(quoted.items()):
            if place not in wanted or 2 * book.leaves(oid) < wanted[place]:
                book.cancel(oid)
                del quoted[place]
        if maker == params.makers - 1:
            self._sweep(at, reference, tick)
        for place, qty in wanted.items():
            if place not in quoted:
                self._n_maker += 1
                if book.post(self._n_maker, place[0], place[1], qty):
                    quoted[place] = self._n_maker

    def _sweep(self, at: Nanos, reference: Px, tick: Px) -> None:
        """Take what others, we among them, left standing on the wrong side of the reference."""
        bid, _, ask, _ = self.book.top()
        qty = self._params.touch_qty * _SWEEP_TOUCHES
        if bid > reference:
            self._n_maker += 1
            self._take(at, self._n_maker, -1, qty, reference + tick)
        if 0 < ask < reference:
            self._n_maker += 1
            self._take(at, self._n_maker, 1, qty, reference - tick)

    def _executed(self, at: Nanos, executions: list[Execution]) -> None:
        for e in executions:
            self._prints.append((at, e.px, e.qty, e.sign))
            for oid, liquidity in ((e.taker, LastLiquidityInd.REMOVED), (e.maker, LastLiquidityInd.ADDED)):
                if oid < 0:
                    order = self._ours[oid]
                    self._desk.fill(order, at, e.qty, e.px, liquidity)
                    if not order.is_open:
                        del self._ours[oid]

    # Our orders: the desk's floor.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why this book cannot take `child`, or ""."""
        is_post = ExecInst.PARTICIPATE_DO_NOT_INITIATE in child.exec_inst
        is_peg = child.ord_type is OrdType.PEGGED
        rests = child.time_in_force in (TimeInForce.DAY, TimeInForce.GOOD_TILL_DATE)
        types = (OrdType.LIMIT, OrdType.MARKET, OrdType.PEGGED)
        checks = (
            (child.ord_type in types, f"unsupported ord_type {child.ord_type}"),
            (child.time_in_force in _TIMES, f"unsupported time_in_force {child.time_in_force}"),
            (not is_peg or child.peg_price_type is PegPriceType.MID_PRICE, "expected peg_price_type MID_PRICE"),
            (not is_peg or child.time_in_force is not TimeInForce.FILL_OR_KILL, "no FILL_OR_KILL with PEGGED"),
            (is_peg or not child.min_qty, "min_qty only with PEGGED"),
            (child.display_qty in (None, child.order_qty), "display_qty is not supported"),
            (not is_post or (child.ord_type is OrdType.LIMIT and rests), "post only needs a LIMIT that rests"),
        )
        for holds, text in checks:
            if not holds:
                return text
        if is_post and child.price is not None and self.book.can_trade(child.side.sign, child.price):
            return "post only: would trade"
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Queue or trade an accepted order; what cannot rest is cancelled."""
        child, oid, book = order.child, -order.n, self.book
        self._ours[oid] = order
        sign, qty, price = order.sign, order.order_qty, order.price
        is_market = child.ord_type is OrdType.MARKET
        if child.ord_type is OrdType.PEGGED:
            executions = book.peg_mid(oid, sign, qty, price or 0, child.min_qty, rests=not order.is_immediate)
        elif child.time_in_force is TimeInForce.FILL_OR_KILL:
            executions = book.fok(oid, sign, price, qty)
        elif price is None:
            executions = book.market(oid, sign, qty)
        elif order.is_immediate:
            executions = book.ioc(oid, sign, price, qty)
        else:
            executions = book.limit(oid, sign, price, qty)
        self._executed(at, executions)
        if order.is_open and (order.is_immediate or is_market):
            del self._ours[oid]
            self._desk.out(order, at, ExecType.CANCELED, "remainder of an immediate order")

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """Return why an order that rests cannot be changed so, or ""."""
        is_post = ExecInst.PARTICIPATE_DO_NOT_INITIATE in order.child.exec_inst
        if is_post and price != order.price and price is not None and self.book.can_trade(order.sign, price):
            return "post only: would trade"
        return ""

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Bring a change to the book; it keeps its place only when it got smaller at the same price."""
        self._executed(at, self.book.replace(-order.n, order.order_qty, order.price or 0))

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Take an order out of the book."""
        self.book.cancel(-order.n)
        self._ours.pop(-order.n, None)
        return ""
