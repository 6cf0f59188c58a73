"""`DarkVenue`: a hidden midpoint book, where contra interest is mostly absent, sometimes large, sometimes informed.

Rule of this file: every share of contra interest is an order in the book, so that it trades once, by time priority,
with us or with somebody else; nothing is displayed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import msgspec
import numpy as np

from router.domain.chance import generator
from router.domain.enums import ExecType, LastLiquidityInd, OrdType, PegPriceType, TimeInForce
from router.domain.errors import bad_value
from router.domain.instruments import VenueSpec
from router.domain.market import F64, I64, PRINT_COLUMNS, QUOTE_COLUMNS, no_rows
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import MILLISECOND, MINUTE, SECOND, Nanos, Px, Qty
from venues.book.naive import Execution, NaiveBook
from venues.models.flow import LOT, geometric_sizes, pareto_sizes, u_shaped_times
from venues.models.reference import MarketSetup, ReferencePath, reference_path
from venues.types.desk import Desk, HeldOrder
from venues.types.timeline import Timeline, flow_rows
from venues.venue import VenueOutput

MOVE, CONTRA, LEAVE, UNCROSS, CROSS, CLOSE = range(6)
"""Kinds of rows. MOVE: a = the reference's new price. CONTRA: a = sign, b = quantity. LEAVE: the CONTRA ends. CROSS:
somebody else's trade that we could not have joined, a = quantity. c is the order's id in CONTRA and LEAVE."""

_CROSS_QTY: Qty = 200
_INFORMED_LOTS = 3
"""Informed interest comes in 1 to 3 lots: small fills are the worst ones."""

_Group: TypeAlias = tuple[I64, int, I64 | int, I64 | int, I64 | int]


class DarkParameters(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dark", tag_field="kind"
):
    """A dark pool's hidden parameters.

    In each bin of `bin_ns` and on each side contra interest is absent with probability `zero_bin` (a regime's `dark`
    multiplies the chance that it is there); else it has a power-law size of exponent `beta` up to `largest_qty`,
    arrives within the bin and stays for `patience_ns`. With probability `informed` (times the regime's) it knows the
    largest move within `lookahead_ns` that hurts its counterparty, comes up to `lead_ns` before it, and leaves with it.
    With `uncross_every_ns` above 0 nothing trades but at uncrosses, about so far apart.
    """

    bin_ns: Nanos = 5 * SECOND
    zero_bin: float = 0.90
    beta: float = 1.2
    largest_qty: Qty = 3_000
    patience_ns: Nanos = 4 * SECOND
    informed: float = 0.15
    lookahead_ns: Nanos = 60 * SECOND
    lead_ns: Nanos = 800 * MILLISECOND
    uncross_every_ns: Nanos = 0

    def __post_init__(self) -> None:
        ranges: tuple[tuple[str, float, float], ...] = (
            ("bin_ns", 10 * MILLISECOND, 60 * MINUTE),
            ("zero_bin", 0.0, 1.0),
            ("beta", 0.1, 10.0),
            ("largest_qty", LOT, 10_000_000),
            ("patience_ns", 1, 60 * MINUTE),
            ("informed", 0.0, 1.0),
            ("lookahead_ns", 1, 60 * MINUTE),
            ("lead_ns", 1, 60 * MINUTE),
            ("uncross_every_ns", 0, 60 * MINUTE),
        )
        for name, low, high in ranges:
            if not low <= getattr(self, name) <= high:
                raise ValueError(bad_value(name, f"a value from {low} to {high}", getattr(self, name)))


class DarkVenue:
    """A midpoint book driven by (seed, setup, params). Its mid is the shared reference with our impact on it."""

    def __init__(
        self,
        spec: VenueSpec,
        setup: MarketSetup,
        params: DarkParameters,
        seed: int,
        reference: ReferencePath | None = None,
    ) -> None:
        self.spec = spec
        self.book = NaiveBook()
        self._setup = setup
        self._is_continuous = params.uncross_every_ns == 0
        self._desk = Desk(spec, self, setup.open_at, setup.close_at)
        flow = dark_flow(spec, setup, params, seed, reference or reference_path(seed, setup))
        self._timeline = Timeline(flow, self, self._desk)
        self._path_px: Px = setup.start_px
        self._shift_px: Px = 0
        self._ours: dict[int, HeldOrder] = {}
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
        return VenueOutput(reports, no_rows(QUOTE_COLUMNS), prints, (), events, self._timeline.next_at())

    # Background events.

    def on_flow(self, at: Nanos, kind: int, a: int, b: int, c: int) -> None:
        """Process one row of flow."""
        if kind == CONTRA:
            self._executed(at, self.book.peg_mid(c, a, b, trades=self._is_continuous))
        elif kind == LEAVE:
            self.book.cancel(c)
        elif kind == MOVE:
            self._path_px = a
            self._move(at)
        elif kind == UNCROSS:
            self._executed(at, self.book.uncross())
        elif kind == CROSS:
            self._prints.append((at, self.book.mid, a, 0))
        elif kind == CLOSE:
            self._desk.expire_due(at)
            self.book.clear()

    def on_later(self, at: Nanos, kind: int, key: int) -> None:
        """Nothing in a dark pool is asked for later."""

    def on_ripple(self, at: Nanos, ripple: Ripple) -> None:
        """The mid follows our own impact at once: it is the consolidated mid."""
        if not isinstance(ripple, Shift):
            return
        self._shift_px = ripple.px
        if at < self._setup.close_at:
            self._move(at)

    def settle(self, at: Nanos) -> None:
        """Nothing is displayed, so nothing is left to do after an event."""

    def _move(self, at: Nanos) -> None:
        mid = max(1, self._path_px + self._shift_px)
        self._executed(at, self.book.set_mid(mid, trades=self._is_continuous))

    def _executed(self, at: Nanos, executions: list[Execution]) -> None:
        for e in executions:
            self._prints.append((at, e.px, e.qty, 0))
            for oid, side in ((e.taker, LastLiquidityInd.REMOVED), (e.maker, LastLiquidityInd.ADDED)):
                if oid < 0:
                    order = self._ours[oid]
                    self._desk.fill(order, at, e.qty, e.px, side if self._is_continuous else LastLiquidityInd.AUCTION)
                    if not order.is_open:
                        del self._ours[oid]

    # Our orders: the desk's floor.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why this pool cannot take `child`, or ""."""
        times = (TimeInForce.DAY, TimeInForce.GOOD_TILL_DATE, TimeInForce.IMMEDIATE_OR_CANCEL)
        if child.ord_type is not OrdType.PEGGED or child.peg_price_type is not PegPriceType.MID_PRICE:
            return f"expected PEGGED to MID_PRICE, got {child.ord_type} {child.peg_price_type}"
        if child.time_in_force not in times:
            return f"unsupported time_in_force {child.time_in_force}"
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Peg an accepted order to the mid; what an immediate order does not trade is cancelled."""
        oid, child = -order.n, order.child
        self._ours[oid] = order
        executions = self.book.peg_mid(
            oid,
            order.sign,
            order.order_qty,
            order.price or 0,
            child.min_qty,
            trades=self._is_continuous,
            rests=not order.is_immediate,
        )
        self._executed(at, executions)
        if order.is_open and order.is_immediate:
            del self._ours[oid]
            self._desk.out(order, at, ExecType.CANCELED, "remainder of an immediate order")

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """Any change the desk lets through is possible here."""
        return ""

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Bring a change to the book; at a periodic pool it takes part in the next uncross."""
        oid, limit = -order.n, order.price or 0
        if self._is_continuous:
            self._executed(at, self.book.replace(oid, order.order_qty, limit))
            return
        self.book.cancel(oid)
        self.book.peg_mid(oid, order.sign, order.leaves_qty, limit, order.child.min_qty, trades=False)

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Take an order out of the book."""
        self.book.cancel(-order.n)
        self._ours.pop(-order.n, None)
        return ""


def dark_flow(spec: VenueSpec, setup: MarketSetup, params: DarkParameters, seed: int, path: ReferencePath) -> I64:
    """Return the session's flow, int64 (n, 5) by time (columns of `timeline`)."""
    groups: list[_Group] = [
        (np.array([setup.open_at], dtype=np.int64), MOVE, setup.start_px, 0, 0),
        (path.at, MOVE, path.px, 0, 0),
    ]
    first_id = 1
    for sign, name in ((1, "contra/buy"), (-1, "contra/sell")):
        at, qty, leave = _contra(spec, setup, params, seed, path, sign, name)
        ids = np.arange(first_id, first_id + at.shape[0])
        groups += [(leave, LEAVE, 0, 0, ids), (at, CONTRA, sign, qty, ids)]
        first_id += at.shape[0]
    rng = generator(seed, spec.mic, "crosses")
    cross_at = u_shaped_times(rng, setup, spec.volume_share * setup.adv / _CROSS_QTY, "volume")
    groups.append((cross_at, CROSS, geometric_sizes(rng, cross_at.shape[0], _CROSS_QTY, 5_000), 0, 0))
    groups.append((_uncrosses(spec, setup, params, seed), UNCROSS, 0, 0, 0))
    groups.append((np.array([setup.close_at], dtype=np.int64), CLOSE, 0, 0, 0))
    return flow_rows(*groups)


def _contra(
    spec: VenueSpec, setup: MarketSetup, params: DarkParameters, seed: int, path: ReferencePath, sign: int, name: str
) -> tuple[I64, I64, I64]:
    """Return when interest of one side arrives, how large it is, and when it leaves.

    One draw of each kind is made for every bin, used or not, so that a parameter changes only what it is about.
    """
    rng = generator(seed, spec.mic, name)
    starts = np.arange(setup.open_at, setup.close_at, params.bin_ns, dtype=np.int64)
    n = starts.shape[0]
    u_there, u_at, u_informed, u_lead = rng.random(n), rng.random(n), rng.random(n), rng.random(n)
    lots = rng.integers(1, _INFORMED_LOTS + 1, n)
    qty = pareto_sizes(rng, n, params.beta, params.largest_qty)
    at = starts + (u_at * params.bin_ns).astype(np.int64)
    leave = at + params.patience_ns
    chance: F64 = np.minimum(1.0, (1.0 - params.zero_bin) * setup.multipliers(starts, "dark"))
    knows: F64 = np.minimum(0.95, params.informed * setup.multipliers(starts, "informed"))
    for k in np.flatnonzero((u_there < chance) & (u_informed < knows)).tolist():
        # Who sells to us before a fall, or buys from us before a rise, trades in the move's own direction.
        move = path.largest_move(int(at[k]), sign, params.lookahead_ns)
        if move is not None:
            at[k] = max(setup.open_at, move - 1 - int(u_lead[k] * params.lead_ns))
            qty[k], leave[k] = lots[k] * LOT, move
    kept = (u_there < chance) & (at < setup.close_at) & (leave > at)
    return at[kept], qty[kept], np.minimum(leave[kept], setup.close_at)


def _uncrosses(spec: VenueSpec, setup: MarketSetup, params: DarkParameters, seed: int) -> I64:
    """Return the times of the periodic uncross: each interval is 0.5 to 1.5 of the stated one."""
    if not params.uncross_every_ns:
        return np.empty(0, dtype=np.int64)
    n = 2 * ((setup.close_at - setup.open_at) // params.uncross_every_ns + 1)
    rng = generator(seed, spec.mic, "uncross")
    gaps = ((0.5 + rng.random(n)) * params.uncross_every_ns).astype(np.int64)
    at: I64 = setup.open_at + np.cumsum(np.maximum(1, gaps))
    return at[at < setup.close_at]
