"""A dark pool driven by the midpoint prints that were reported for it.

Rule of this file: a print proves that its shares traded at the midpoint, so an order of ours that was resting before
it could have been on either side of it; each print's shares meet ours once.

* Orders are PEGGED to MID_PRICE, with an optional limit price and `min_qty`, and rest; time priority among ours.
* A print offers `participation` of its shares (rounded down), to buys and sells alike; the price is the print's own.
* A fill below `min_qty` (or below what is left, when that is less) is not made.
* Nothing is known to rest, so an immediate order is cancelled on entry.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from router.domain.enums import ExecType, LastLiquidityInd, OrdType, PegPriceType
from router.domain.instruments import VenueSpec
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import Nanos, Px, Qty
from venues.feeds.taq import TaqDay
from venues.types.desk import Desk, HeldOrder, in_order
from venues.types.tape_stream import CONTINUOUS, NEVER, NO_QUOTES, Shown, TapeStream
from venues.venue import VenueOutput

_PPM = 1_000_000


class TapeDarkParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`participation`: the share of each print that can be ours, above 0 and up to 1."""

    participation: float = 1.0

    def __post_init__(self) -> None:
        if not 0.0 < self.participation <= 1.0:
            raise ValueError(f"expected participation above 0 and up to 1, got {self.participation!r}")


class TapeDarkVenue:
    """One dark pool of a recorded day, as a `Venue`. The tape draws nothing by chance, so `seed` is not used."""

    def __init__(self, spec: VenueSpec, day: TaqDay, params: TapeDarkParams | None = None, seed: int = 0) -> None:
        self.spec = spec
        self._share_ppm = round((params or TapeDarkParams()).participation * _PPM)
        self._stream = TapeStream(NO_QUOTES, day.pools[spec.mic], 1)
        self._desk = Desk(spec, self, day.open_at, day.close_at)
        self._resting: list[HeldOrder] = []
        self._shown = Shown()

    def advance(
        self,
        until: Nanos,
        arrivals: Sequence[Arrival] = (),
        ripples: Sequence[Ripple] = (),
        sessions: Sequence[SessionChange] = (),
    ) -> VenueOutput:
        """Process everything before `until`; see `venues.venue.Venue`."""
        if not (arrivals or ripples or sessions):
            own = self._desk.next_expiry() or NEVER
            if not self._resting or until <= min(self._stream.next, own):
                return self._stream.skim(until, own)
        for item in in_order(self._stream.at, until, arrivals, ripples, sessions):
            self._run(item.at)
            if isinstance(item, Arrival):
                self._desk.receive(item.at, item.command)
            elif isinstance(item, SessionChange):
                self._desk.session(item.at, item.is_up)
            elif isinstance(item, Shift):
                self._stream.move(item.px)
        self._run(until - 1)
        self._stream.at = until
        shown, self._shown = self._shown, Shown()
        quotes, prints = shown.rows()
        next_at = min(self._stream.next, self._desk.next_expiry() or NEVER)
        return VenueOutput(
            self._desk.take_reports(), quotes, prints, (), shown.events, next_at if next_at != NEVER else None
        )

    # The floor: what an order does here.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why `child` cannot be taken: only midpoint pegs rest here."""
        if child.ord_type is not OrdType.PEGGED or child.peg_price_type is not PegPriceType.MID_PRICE:
            return f"expected PEGGED to MID_PRICE, got {child.ord_type}"
        if child.time_in_force not in CONTINUOUS:
            return f"expected a time in force of continuous trading, got {child.time_in_force}"
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Rest behind our earlier orders; an immediate order finds nothing that is known to rest."""
        if order.is_immediate:
            self._desk.out(order, at, ExecType.CANCELED, "no contra interest")
        else:
            self._resting.append(order)

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """Any change is possible."""
        return ""

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Keep the place among our orders: they do not compete with anybody the tape knows."""

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Take a resting order out."""
        if order in self._resting:
            self._resting.remove(order)
        return ""

    # The tape against our orders.

    def _run(self, to: Nanos) -> None:
        """Process the tape up to and including `to`, and what expires on the way (after the prints of its time)."""
        while (due := self._desk.next_expiry()) is not None and due <= to:
            self._walk(due)
            self._desk.expire_due(due)
        self._walk(to)

    def _walk(self, to: Nanos) -> None:
        stream = self._stream
        _, p = stream.seek(to + 1)
        if p == stream.p:
            return
        prints = stream.shown_prints(stream.prints[p : stream.p])
        self._shown.events += len(prints)
        self._shown.prints.append(prints)
        if self._resting:
            for at, px, qty, _ in prints.tolist():
                self._meet(at, px, qty * self._share_ppm // _PPM)

    def _meet(self, at: Nanos, px: Px, offered: Qty) -> None:
        """Let one print meet our orders, oldest first."""
        for order in list(self._resting):
            if order.price is not None and (order.price - px) * order.sign < 0:
                continue
            qty = min(offered, order.leaves_qty)
            if qty < max(1, min(order.child.min_qty, order.leaves_qty)):
                continue
            offered -= qty
            self._desk.fill(order, at, qty, px, LastLiquidityInd.ADDED)
            if not order.is_open:
                self._resting.remove(order)
