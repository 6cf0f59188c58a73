"""The script of commands that `check_venue` sends to a venue, and what must come of each.

Rule of this file: a script is a pure function of the venue's public spec; it says what it expects as data.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from router.domain.enums import ExecInst, OrdType, PegPriceType, Side, Tactic, TimeInForce, VenueType
from router.domain.instruments import VenueSpec
from router.domain.messages import Arrival
from router.domain.orders import (
    ChildOrder,
    Command,
    NewOrderSingle,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderStatusRequest,
)
from router.domain.units import MILLISECOND, SECOND, Nanos, Px, Qty


class Script(NamedTuple):
    """Arrivals in order of time, and expectations by id."""

    arrivals: list[Arrival]
    rejects: set[str]
    accepts: set[str]
    limits: dict[str, Px]
    """The worst price an order may trade at."""
    expiries: dict[str, Nanos]
    """When an order expires, if it does."""
    copies: dict[str, int]
    """How many copies of a NewOrderSingle were sent after the first."""
    refused_requests: set[str]
    unknown: set[str]
    canceled: dict[str, Nanos]
    """Orders that must be out at a time."""


class _Writer:
    """Writes the script: a child a call, each under its own name."""

    def __init__(self, spec: VenueSpec, open_at: Nanos, close_at: Nanos, price: Px, quote_id: str) -> None:
        self.spec, self.close_at, self.price, self.quote_id = spec, close_at, price, quote_id
        self.at = open_at + SECOND
        self.script = Script([], set(), set(), {}, {}, {}, set(), set(), {})
        lot = spec.listing.lot
        self.qty: Qty = -(-100 // lot) * lot
        # Passive prices lie 5 % away, on the tick grid.
        self.far: Px = price // 20 // spec.listing.tick * spec.listing.tick

    def child(self, name: str, **changes: object) -> ChildOrder:
        """Return a child that this type of venue takes, with changes."""
        fields: dict[str, object] = {
            "cl_ord_id": name,
            "parent_id": "CHECK",
            "decision_id": "CHECK.d1",
            "symbol": self.spec.listing.symbol,
            "mic": self.spec.mic,
            "side": Side.BUY,
            "order_qty": self.qty,
        }
        if self.spec.venue_type is VenueType.DARK_ORDER_BOOK:
            peg = {"tactic": Tactic.MID_PEG, "ord_type": OrdType.PEGGED, "peg_price_type": PegPriceType.MID_PRICE}
            fields |= peg
        elif self.spec.venue_type is VenueType.QUOTE_DRIVEN_MARKET:
            quoted = {"tactic": Tactic.QUOTE, "ord_type": OrdType.PREVIOUSLY_QUOTED, "quote_id": self.quote_id}
            fields |= quoted | {"time_in_force": TimeInForce.FILL_OR_KILL}
            fields |= {} if self.quote_id else {"price": self.price + self.far}
        else:
            fields |= {"tactic": Tactic.POST, "ord_type": OrdType.LIMIT, "price": self.price}
        return ChildOrder(**(fields | changes))  # type: ignore[arg-type]

    def send(self, command: Command, after: Nanos = 10 * MILLISECOND) -> None:
        """Add a command, then let time pass."""
        self.script.arrivals.append(Arrival(self.at, command))
        self.at += after

    def new(self, child: ChildOrder, *, is_bad: bool = False, copies: int = 0) -> None:
        """Add a new order, with what is expected of it, and copies of the message."""
        script, name = self.script, child.cl_ord_id
        if is_bad:
            script.rejects.add(name)
        else:
            if self.spec.venue_type is not VenueType.QUOTE_DRIVEN_MARKET:
                script.accepts.add(name)
            expiry = child.expire_time if child.time_in_force is TimeInForce.GOOD_TILL_DATE else None
            script.expiries[name] = min(expiry or self.close_at, self.close_at)
            if child.price is not None:
                script.limits[name] = child.price
        self.send(NewOrderSingle(child))
        for _ in range(copies):
            self.send(NewOrderSingle(child))
        if copies:
            script.copies[name] = copies

    def cancel(self, name: str, of: str, *, is_refused: bool = False) -> None:
        """Add a cancel."""
        if is_refused:
            self.script.refused_requests.add(name)
        else:
            self.script.canceled[of] = self.at
        mic = self.spec.mic
        self.send(OrderCancelRequest(mic=mic, cl_ord_id=name, orig_cl_ord_id=of, parent_id="CHECK"))

    def replace(self, name: str, of: str, qty: Qty, price: Px | None = None, *, is_refused: bool = False) -> None:
        """Add a replace; a changed price widens the limit to the looser of the two (both sides are buys)."""
        if is_refused:
            self.script.refused_requests.add(name)
        elif price is not None:
            self.script.limits[of] = max(price, self.script.limits.get(of, price))
        mic = self.spec.mic
        self.send(
            OrderCancelReplaceRequest(
                mic=mic, cl_ord_id=name, orig_cl_ord_id=of, parent_id="CHECK", order_qty=qty, price=price
            )
        )

    def status(self, name: str, of: str) -> None:
        """Add a status request."""
        mic = self.spec.mic
        self.send(OrderStatusRequest(mic=mic, cl_ord_id=name, orig_cl_ord_id=of, parent_id="CHECK"))


def script_of(spec: VenueSpec, open_at: Nanos, close_at: Nanos, price: Px, quote_id: str) -> Script:
    """Return the script for a venue of the spec's type."""
    writer = _Writer(spec, open_at, close_at, price, quote_id)
    if spec.venue_type is VenueType.QUOTE_DRIVEN_MARKET:
        _dealer(writer)
    else:
        _resting(writer)
        if spec.venue_type is VenueType.CENTRAL_LIMIT_ORDER_BOOK:
            _lit(writer)
    _anywhere(writer)
    return writer.script


def _anywhere(w: _Writer) -> None:
    """Faults that every venue refuses, and questions about orders that nobody sent."""
    w.new(w.child("bad-symbol", symbol=w.spec.listing.symbol + "X"), is_bad=True)
    w.new(w.child("bad-mic", mic="XBAD"), is_bad=True)
    w.new(w.child("bad-zero", order_qty=0), is_bad=True)
    w.new(w.child("bad-negative", order_qty=-100), is_bad=True)
    w.new(w.child("bad-min", min_qty=w.qty * 2), is_bad=True)
    w.new(w.child("bad-date", time_in_force=TimeInForce.GOOD_TILL_DATE, expire_time=w.at - 1), is_bad=True)
    if w.spec.listing.lot > 1:
        w.new(w.child("bad-lot", order_qty=w.qty + 1), is_bad=True)
    w.cancel("c-unknown", "nobody", is_refused=True)
    w.replace("r-unknown", "nobody", w.qty, is_refused=True)
    w.status("s-unknown", "nobody-knows")
    w.script.unknown.add("nobody-knows")
    w.cancel("c-bad", "bad-zero", is_refused=True)
    w.at = w.close_at + 10 * MILLISECOND
    w.new(w.child("bad-late"), is_bad=True)


def _resting(w: _Writer) -> None:
    """Orders that may rest, at a lit or a dark book."""
    gtd = TimeInForce.GOOD_TILL_DATE
    far = w.price - w.far
    w.new(w.child("gtd", price=far, time_in_force=gtd, expire_time=w.at + 3 * SECOND + 7), copies=2)
    w.new(w.child("day", price=far))
    w.new(w.child("sell", price=w.price + w.far, side=Side.SELL))
    w.new(w.child("short", price=w.price + w.far, side=Side.SELL_SHORT))
    w.new(w.child("cancelled", price=far))
    w.status("s1", "cancelled")
    w.cancel("c1", "cancelled")
    w.cancel("c2", "cancelled", is_refused=True)
    w.new(w.child("replaced", price=far, order_qty=3 * w.qty))
    w.replace("r1", "replaced", 2 * w.qty)
    w.replace("r2", "replaced", 2 * w.qty, far - w.spec.listing.tick)
    w.replace("r3", "replaced", -5, is_refused=True)
    w.replace("r4", "replaced", w.qty)
    w.new(w.child("ioc", price=w.price + w.far, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL), copies=1)
    w.cancel("c3", "ioc", is_refused=True)
    for k in range(8):
        w.new(w.child(f"near{k}", price=w.price + (k - 4) * w.spec.listing.tick, time_in_force=gtd,
                      expire_time=w.at + (k + 1) * SECOND))  # fmt: skip
        w.at += SECOND
    if w.spec.listing.tick > 1:
        w.new(w.child("bad-tick", price=w.price + 1), is_bad=True)
    if Tactic.CONDITIONAL in w.spec.tactics:
        _conditional(w)


def _conditional(w: _Writer) -> None:
    """Orders that rest uncommitted. Nobody has invited those far away, so that they cannot be firmed up."""
    far = w.price - w.far
    w.new(w.child("cond-far", tactic=Tactic.CONDITIONAL, price=far), copies=1)
    w.replace("cr1", "cond-far", w.qty, is_refused=True)
    w.cancel("cc1", "cond-far")
    for side in (Side.BUY, Side.SELL):
        name = f"cond-{side}"
        # Not invited, invited and lapsed, or firmed up: whichever it is, it has an answer and one end.
        w.new(w.child(name, tactic=Tactic.CONDITIONAL, side=side, order_qty=20 * w.qty))
        for k in range(8):
            w.at += 400 * MILLISECOND
            w.replace(f"{name}/{k}", name, (20 + k % 2) * w.qty)
    w.new(w.child("bad-now", tactic=Tactic.CONDITIONAL, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL), is_bad=True)


def _lit(w: _Writer) -> None:
    """Orders that only a lit book takes."""
    post = (ExecInst.PARTICIPATE_DO_NOT_INITIATE,)
    w.new(w.child("post", price=w.price - w.far, exec_inst=post))
    w.new(w.child("crossing-post", price=w.price + w.far, exec_inst=post), is_bad=True)
    w.new(w.child("fok", price=w.price + w.far, time_in_force=TimeInForce.FILL_OR_KILL))
    w.new(w.child("fok-huge", price=w.price + w.far, order_qty=10**6 * w.qty, time_in_force=TimeInForce.FILL_OR_KILL))
    market = w.child("market", ord_type=OrdType.MARKET, time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL)
    w.new(msgspec.structs.replace(market, price=None))
    w.new(w.child("sweep", price=w.price + w.far, order_qty=5 * w.qty, side=Side.BUY), copies=1)
    w.new(w.child("bad-price", price=None), is_bad=True)


def _dealer(w: _Writer) -> None:
    """Orders on quotes."""
    w.new(w.child("quoted"), copies=1)
    w.at += SECOND
    w.status("s1", "quoted")
    w.cancel("c1", "quoted", is_refused=True)
    w.new(w.child("bad-quote", quote_id="no-such-quote"), is_bad=True)
    asked = w.child("asked", quote_id="", price=w.price + w.far)
    if w.spec.rfq_max_qty:
        w.new(asked, copies=1)
        w.new(msgspec.structs.replace(asked, cl_ord_id="asked-too-low", price=w.price - w.far), is_bad=True)
        w.new(msgspec.structs.replace(asked, cl_ord_id="bad-asked", price=None), is_bad=True)
    else:
        w.new(asked, is_bad=True)
    w.new(w.child("bad-size", order_qty=10**6 * w.qty), is_bad=True)
    w.new(w.child("bad-day", time_in_force=TimeInForce.DAY), is_bad=True)
