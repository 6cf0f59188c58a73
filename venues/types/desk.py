"""The order desk of a venue: known ids, status, cancel, replace, expiry, session loss and reports, for any venue type.

Rule of this file: everything a venue says about an order of ours is said here, with one counter and one clock (the
`at` handed in); what an order does in the market (enter, amend, withdraw) is asked of the venue's `Floor`.

A venue type builds a `Desk` with itself as the floor. For each of its inputs `in_order` it first lets its own events
happen up to and including the input's time, `expire_due` among them, and then hands the input over (`receive`,
`session`): see `venues/types/timeline.py:Timeline.advance`.

The floor calls back `fill`, `out`, and, at a venue that holds orders before it accepts them, `acknowledge` or `reject`.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Protocol, TypeAlias

from router.domain.enums import ExecInst, ExecType, LastLiquidityInd, OrdStatus, OrdType, TimeInForce
from router.domain.errors import BadInputError, bad_value
from router.domain.instruments import VenueSpec
from router.domain.messages import Arrival, Fade, Hedge, Ripple, SessionChange, Shift
from router.domain.orders import (
    ChildOrder,
    Command,
    NewOrderSingle,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderStatusRequest,
)
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.units import PX_MAX, QTY_MAX, Nanos, Px, Qty
from venues.models.fees import Fees

OPEN = (OrdStatus.PENDING_NEW, OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)
"""The states in which an order can still trade."""

Input: TypeAlias = Arrival | SessionChange | Ripple

UNKNOWN_ORDER = "unknown order"
_RANK: dict[type, int] = {SessionChange: 0, Shift: 1, Fade: 1, Hedge: 1, Arrival: 2}


class HeldOrder:
    """An order of ours as the venue holds it. `n` counts the venue's orders from 1 and is their time priority."""

    __slots__ = ("child", "cum_qty", "expire_at", "n", "order_id", "order_qty", "paid", "price", "sign", "status")

    def __init__(self, child: ChildOrder, n: int, order_id: str, expire_at: Nanos) -> None:
        self.child = child
        self.n = n
        self.order_id = order_id
        self.sign = child.side.sign
        self.order_qty: Qty = child.order_qty
        self.price: Px | None = child.price
        self.cum_qty: Qty = 0
        self.paid: int = 0
        self.status = OrdStatus.PENDING_NEW
        self.expire_at = expire_at

    @property
    def is_open(self) -> bool:
        """Whether it can still trade."""
        return self.status in OPEN

    @property
    def leaves_qty(self) -> Qty:
        """What is open: 0 once the order is closed."""
        return self.order_qty - self.cum_qty if self.status in OPEN else 0

    @property
    def is_immediate(self) -> bool:
        """Whether what does not trade on entry is cancelled."""
        return self.child.time_in_force in (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)


class Floor(Protocol):
    """What a venue type does with an order once the desk has checked what is common to all venues."""

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why this venue cannot take `child`, or "" when it can. Changes nothing."""
        ...

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Bring an accepted order to the market. An immediate order must be closed on return (unless held)."""
        ...

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """Return why an open order cannot be changed so, or "" when it can. Changes nothing."""
        ...

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Bring an order's new `order_qty` and `price` to the market; they are set, and reported, already."""
        ...

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Take an open order out of the market; return why it cannot be taken out, or ""."""
        ...


def in_order(
    last: Nanos,
    until: Nanos,
    arrivals: Sequence[Arrival],
    ripples: Sequence[Ripple],
    sessions: Sequence[SessionChange],
) -> list[Input]:
    """Return a window's inputs by time; at equal times sessions, then ripples, then arrivals, each as given.

    Raises:
        BadInputError: an input lies outside [last, until), or `until` is before `last`.
    """
    if until < last:
        raise BadInputError(bad_value("until", f"a time from {last}", until))
    items: list[Input] = [*sessions, *ripples, *arrivals]
    for item in items:
        if not last <= item.at < until:
            raise BadInputError(bad_value(f"{type(item).__name__}.at", f"a time in [{last}, {until})", item.at))
    items.sort(key=lambda item: (item.at, _RANK[type(item)]))
    return items


class Desk:
    """Our orders at one venue. With `holds` a new order is answered PENDING_NEW and the floor accepts it later.

    While the session is down nothing that arrives is heard; reports that the venue makes meanwhile are kept in its
    output, and it is for the network to lose them.
    """

    def __init__(self, spec: VenueSpec, floor: Floor, open_at: Nanos, close_at: Nanos, *, holds: bool = False) -> None:
        self.spec = spec
        self.orders: dict[str, HeldOrder] = {}
        self.is_up = True
        self._floor = floor
        self._open_at, self._close_at = open_at, close_at
        self._holds = holds
        self._requests: dict[str, HeldOrder] = {}
        self._expiries: list[tuple[Nanos, int, HeldOrder]] = []
        self._reports: list[Report] = []
        self._fees = Fees(spec.fees)
        self._n_exec = self._n_order = 0

    # What the venue's loop calls.

    def receive(self, at: Nanos, command: Command) -> None:
        """Answer one command; nothing is heard while the session is down."""
        if not self.is_up:
            return
        if isinstance(command, NewOrderSingle):
            self._new(at, command.child)
        elif isinstance(command, OrderCancelRequest):
            self._cancel(at, command)
        elif isinstance(command, OrderCancelReplaceRequest):
            self._replace(at, command)
        else:
            self._status(at, command)

    def session(self, at: Nanos, is_up: bool) -> None:
        """Note that the link went down or came back; a loss cancels what asked for it, oldest first."""
        if self.is_up and not is_up:
            for order in [o for o in self.orders.values() if o.is_open]:
                wants = ExecInst.CANCEL_ON_CONNECTION_LOSS in order.child.exec_inst
                if wants and not self._floor.withdraw(order, at):
                    self.out(order, at, ExecType.CANCELED, "connection lost")
        self.is_up = is_up

    def next_expiry(self) -> Nanos | None:
        """Return when the next open order expires; None when none does."""
        heap = self._expiries
        while heap and heap[0][2].status not in OPEN:
            heappop(heap)
        return heap[0][0] if heap else None

    def expire_due(self, at: Nanos) -> int:
        """Expire every open order due at or before `at`, each at its own time; return how many."""
        n = 0
        while (due := self.next_expiry()) is not None and due <= at:
            order = heappop(self._expiries)[2]
            if not self._floor.withdraw(order, due):
                self.out(order, due, ExecType.EXPIRED, "market closed" if due >= self._close_at else "expire time")
                n += 1
        return n

    def take_reports(self) -> list[Report]:
        """Return the reports made since the last call, in order."""
        reports, self._reports = self._reports, []
        return reports

    # What the floor calls.

    def fill(self, order: HeldOrder, at: Nanos, qty: Qty, px: Px, liquidity: LastLiquidityInd) -> None:
        """Book an execution of an open order and report it."""
        order.cum_qty += qty
        order.paid += px * qty
        order.status = OrdStatus.FILLED if order.cum_qty >= order.order_qty else OrdStatus.PARTIALLY_FILLED
        fee = self._fees.charge(order.child, qty, px, liquidity)
        self._report(order, at, ExecType.TRADE, last_qty=qty, last_px=px, fee_micros=fee, last_liquidity_ind=liquidity)

    def out(self, order: HeldOrder, at: Nanos, exec_type: ExecType, text: str = "") -> None:
        """Close what is left of an order that the floor no longer holds: CANCELED or EXPIRED."""
        order.status = OrdStatus.EXPIRED if exec_type is ExecType.EXPIRED else OrdStatus.CANCELED
        self._report(order, at, exec_type, text=text)

    def acknowledge(self, order: HeldOrder, at: Nanos) -> None:
        """Accept an order that was held."""
        order.status = OrdStatus.NEW
        self._report(order, at, ExecType.NEW)

    def restate(self, order: HeldOrder, at: Nanos, text: str, invited_qty: Qty) -> None:
        """Say something of an open order unasked: that it is invited to firm up, or (0) that it no longer is."""
        self._report(order, at, ExecType.RESTATED, text=text, invited_qty=invited_qty)

    def reject(self, order: HeldOrder, at: Nanos, text: str) -> None:
        """Refuse an order that was held or has just arrived."""
        order.status = OrdStatus.REJECTED
        self._report(order, at, ExecType.REJECTED, text=text)

    # The four commands.

    def _new(self, at: Nanos, child: ChildOrder) -> None:
        known = self.orders.get(child.cl_ord_id) or self._requests.get(child.cl_ord_id)
        if known is not None:
            self._report(known, at, ExecType.ORDER_STATUS, text="duplicate")
            return
        self._n_order += 1
        expire_at = self._close_at
        if child.time_in_force is TimeInForce.GOOD_TILL_DATE and child.expire_time is not None:
            expire_at = min(child.expire_time, self._close_at)
        order = HeldOrder(child, self._n_order, f"{self.spec.mic}.{self._n_order}", expire_at)
        self.orders[child.cl_ord_id] = order
        reason = self._fault(at, child) or self._floor.refuse(child, at)
        if reason:
            self.reject(order, at, reason)
            return
        if self._holds:
            self._report(order, at, ExecType.PENDING_NEW)
        else:
            self.acknowledge(order, at)
        heappush(self._expiries, (expire_at, order.n, order))
        self._floor.enter(order, at)

    def _cancel(self, at: Nanos, request: OrderCancelRequest) -> None:
        order = self._find(at, request)
        if order is None:
            return
        reason = self._floor.withdraw(order, at) if order.is_open else f"too late: {order.status}"
        if reason:
            self._refuse_request(order, at, request, reason)
        else:
            self.out(order, at, ExecType.CANCELED, "requested")

    def _replace(self, at: Nanos, request: OrderCancelReplaceRequest) -> None:
        order = self._find(at, request)
        if order is None:
            return
        price = order.price if request.price is None else request.price
        reason = self._fault_in_replace(order, request.order_qty, request.price)
        reason = reason or self._floor.refuse_amend(order, request.order_qty, price, at)
        if reason:
            self._refuse_request(order, at, request, reason)
            return
        order.order_qty, order.price = request.order_qty, price
        if order.cum_qty == order.order_qty:
            self._floor.withdraw(order, at)
            order.status = OrdStatus.FILLED
        self._report(order, at, ExecType.REPLACED, request_id=request.cl_ord_id)
        if order.is_open:
            self._floor.amend(order, at)

    def _status(self, at: Nanos, request: OrderStatusRequest) -> None:
        order = self.orders.get(request.orig_cl_ord_id)
        if order is not None:
            self._report(order, at, ExecType.ORDER_STATUS)
            return
        self._n_exec += 1
        self._reports.append(
            ExecutionReport(
                mic=self.spec.mic,
                cl_ord_id=request.orig_cl_ord_id,
                order_id="NONE",
                exec_id=f"{self.spec.mic}-{self._n_exec}",
                exec_type=ExecType.ORDER_STATUS,
                ord_status=OrdStatus.REJECTED,
                transact_time=at,
                text=UNKNOWN_ORDER,
            )
        )

    # Checks and reports.

    def _find(self, at: Nanos, request: OrderCancelRequest | OrderCancelReplaceRequest) -> HeldOrder | None:
        """Return the order a request is about, or answer it here: a request seen before, or an unknown order."""
        seen = self._requests.get(request.cl_ord_id) or self.orders.get(request.cl_ord_id)
        if seen is not None:
            self._report(seen, at, ExecType.ORDER_STATUS, text="duplicate")
            return None
        order = self.orders.get(request.orig_cl_ord_id)
        if order is None:
            self._refuse_request(None, at, request, UNKNOWN_ORDER)
            return None
        self._requests[request.cl_ord_id] = order
        return order

    def _fault(self, at: Nanos, child: ChildOrder) -> str:
        """Return what is wrong with a new order at any venue, or ""."""
        listing, qty = self.spec.listing, child.order_qty
        is_till_date = child.time_in_force is TimeInForce.GOOD_TILL_DATE
        is_ours = child.symbol == listing.symbol and child.mic == self.spec.mic and self._open_at <= at < self._close_at
        is_whole = 1 <= qty <= QTY_MAX and qty % listing.lot == 0 and 0 <= child.min_qty <= qty
        is_plain = child.ord_type is OrdType.PEGGED or (child.ord_type is OrdType.LIMIT and child.price is not None)
        if is_ours and is_whole and is_plain and (not is_till_date or (child.expire_time or 0) > at):
            # Most orders: the words below cost more than all the rest.
            return self._fault_in_price(child.ord_type, child.price)
        checks = (
            (child.symbol == listing.symbol, f"unknown symbol: expected {listing.symbol}, got {child.symbol}"),
            (child.mic == self.spec.mic, f"wrong venue: expected {self.spec.mic}, got {child.mic}"),
            (self._open_at <= at < self._close_at, "market closed"),
            (1 <= child.order_qty <= QTY_MAX, f"expected a quantity from 1, got {child.order_qty}"),
            (child.order_qty % listing.lot == 0, f"expected lots of {listing.lot}, got {child.order_qty}"),
            (0 <= child.min_qty <= child.order_qty, f"expected a min_qty up to order_qty, got {child.min_qty}"),
            ((child.price is not None) or child.ord_type is not OrdType.LIMIT, "expected a price with LIMIT"),
            (child.price is None or child.ord_type is not OrdType.MARKET, "expected no price with MARKET"),
            (not is_till_date or child.expire_time is not None, "expected an expire_time with GOOD_TILL_DATE"),
            (not is_till_date or (child.expire_time or 0) > at, "expire_time has passed"),
        )
        said = next((text for holds, text in checks if not holds), "")
        return said or self._fault_in_price(child.ord_type, child.price)

    def _fault_in_price(self, ord_type: OrdType, price: Px | None) -> str:
        # A quoted child's price is the dealer's own, which need not lie on the tick grid.
        tick = 1 if ord_type is OrdType.PREVIOUSLY_QUOTED else self.spec.listing.tick
        if price is not None and not (1 <= price <= PX_MAX and price % tick == 0):
            return f"expected a price in ticks of {tick}, got {price}"
        return ""

    def _fault_in_replace(self, order: HeldOrder, order_qty: Qty, price: Px | None) -> str:
        lot = self.spec.listing.lot
        if not order.is_open:
            return f"too late: {order.status}"
        if not max(1, order.cum_qty) <= order_qty <= QTY_MAX:
            return f"expected a quantity from {max(1, order.cum_qty)}, got {order_qty}"
        if order_qty % lot and order_qty != order.cum_qty:
            return f"expected lots of {lot}, got {order_qty}"
        if price is not None and order.child.ord_type is OrdType.MARKET:
            return "expected no price with MARKET"
        return self._fault_in_price(order.child.ord_type, price)

    def _refuse_request(
        self, order: HeldOrder | None, at: Nanos, request: OrderCancelRequest | OrderCancelReplaceRequest, text: str
    ) -> None:
        self._reports.append(
            OrderCancelReject(
                mic=self.spec.mic,
                cl_ord_id=request.cl_ord_id,
                orig_cl_ord_id=request.orig_cl_ord_id,
                ord_status=OrdStatus.REJECTED if order is None else order.status,
                transact_time=at,
                cum_qty=0 if order is None else order.cum_qty,
                text=text,
            )
        )

    def _report(
        self,
        order: HeldOrder,
        at: Nanos,
        exec_type: ExecType,
        *,
        last_qty: Qty = 0,
        last_px: Px = 0,
        fee_micros: int = 0,
        last_liquidity_ind: LastLiquidityInd | None = None,
        request_id: str = "",
        text: str = "",
        invited_qty: Qty = 0,
    ) -> None:
        self._n_exec += 1
        cum = order.cum_qty
        self._reports.append(
            ExecutionReport(
                mic=self.spec.mic,
                cl_ord_id=request_id or order.child.cl_ord_id,
                orig_cl_ord_id=order.child.cl_ord_id if request_id else "",
                order_id=order.order_id,
                exec_id=f"{self.spec.mic}-{self._n_exec}",
                exec_type=exec_type,
                ord_status=order.status,
                transact_time=at,
                order_qty=order.order_qty,
                cum_qty=cum,
                leaves_qty=order.leaves_qty,
                avg_px=(2 * order.paid + cum) // (2 * cum) if cum else 0,
                last_qty=last_qty,
                last_px=last_px,
                fee_micros=fee_micros,
                last_liquidity_ind=last_liquidity_ind,
                text=text,
                invited_qty=invited_qty,
            )
        )
