"""`DealerVenue`: a single dealer who streams two-sided quotes in size tiers, holds an order, and may reject it.

Rule of this file: the dealer knows the reference and what our flow did to him; he never sees the next move.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec
import numpy as np

from router.domain.chance import generator, uniform
from router.domain.enums import LastLiquidityInd, OrdType, Side, TimeInForce
from router.domain.errors import bad_value
from router.domain.instruments import VenueSpec
from router.domain.market import I64, PRINT_COLUMNS, QUOTE_COLUMNS, DealerTier
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import MILLISECOND, MINUTE, SECOND, Nanos, Px, Qty, round_to_tick
from venues.models.flow import geometric_sizes, signs, u_shaped_times
from venues.models.reference import MarketSetup, ReferencePath, reference_path
from venues.types.desk import Desk, HeldOrder
from venues.types.timeline import Timeline, flow_rows
from venues.venue import VenueOutput

MOVE, REFRESH, CROSS, CLOSE = range(4)
"""Kinds of rows. MOVE: a = the reference's new price. CROSS: another client's trade, a = sign, b = quantity."""

_REQUOTE, _DECIDE, _JUDGE = range(3)
_CROSS_QTY: Qty = 200
_BPS = 10_000.0


class TierParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One size tier: up to `max_qty` shares at `half_spread_bps` from the reference."""

    max_qty: Qty
    half_spread_bps: float


class DealerParameters(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dealer", tag_field="kind"
):
    """A dealer's hidden parameters.

    Quotes follow the reference on a grid of `refresh_ns`, in prices of `px_step`; a quote that was replaced stays
    good for `grace_ns`. An order is held `hold_ns` (last look) and then rejected with probability `base_reject` +
    `move_slope` for each bp that the reference moved in our favour meanwhile + `toxic_slope` for each bp of our recent
    markouts, at most `reject_max`. Markouts of our fills at `markout_ns` enter a moving average with weight `memory`;
    each bp of it, when above 0, widens the half-spread by `widen` bp, at most `widen_max_bps`.
    """

    tiers: tuple[TierParameters, ...] = (
        TierParameters(max_qty=200, half_spread_bps=1.5),
        TierParameters(max_qty=500, half_spread_bps=2.0),
        TierParameters(max_qty=2_000, half_spread_bps=3.0),
    )
    refresh_ns: Nanos = 250 * MILLISECOND
    px_step: Px = 10
    grace_ns: Nanos = 20 * MILLISECOND
    hold_ns: Nanos = 30 * MILLISECOND
    base_reject: float = 0.03
    move_slope: float = 0.25
    toxic_slope: float = 0.05
    reject_max: float = 0.95
    markout_ns: Nanos = 10 * SECOND
    memory: float = 0.1
    widen: float = 0.5
    widen_max_bps: float = 5.0

    def __post_init__(self) -> None:
        ranges: tuple[tuple[str, float, float], ...] = (
            ("refresh_ns", MILLISECOND, MINUTE),
            ("px_step", 1, 10_000),
            ("grace_ns", 0, 10 * SECOND),
            ("hold_ns", 0, 10 * SECOND),
            ("base_reject", 0.0, 1.0),
            ("move_slope", 0.0, 10.0),
            ("toxic_slope", 0.0, 10.0),
            ("reject_max", 0.0, 1.0),
            ("markout_ns", MILLISECOND, 60 * MINUTE),
            ("memory", 0.0, 1.0),
            ("widen", 0.0, 10.0),
            ("widen_max_bps", 0.0, 100.0),
        )
        for name, low, high in ranges:
            if not low <= getattr(self, name) <= high:
                raise ValueError(bad_value(name, f"a value from {low} to {high}", getattr(self, name)))
        sizes = [tier.max_qty for tier in self.tiers]
        if not sizes or sizes != sorted(set(sizes)) or sizes[0] < 1:
            raise ValueError(bad_value("tiers", "one tier or more, of rising max_qty", sizes))
        if any(not 0.0 <= tier.half_spread_bps <= 500.0 for tier in self.tiers):
            raise ValueError(bad_value("tiers", "half_spread_bps from 0 to 500", self.tiers))


class _Held(NamedTuple):
    """An order in last look: what it takes, at what price, and the reference when it came."""

    order: HeldOrder
    px: Px
    reference: Px


class _Fill(NamedTuple):
    """A fill whose markout is still to be seen."""

    sign: int
    px: Px


class DealerVenue:
    """A dealer driven by (seed, setup, params)."""

    def __init__(
        self,
        spec: VenueSpec,
        setup: MarketSetup,
        params: DealerParameters,
        seed: int,
        reference: ReferencePath | None = None,
    ) -> None:
        self.spec = spec
        self.toxicity_bps = 0.0
        self._setup, self._params, self._seed = setup, params, seed
        self._desk = Desk(spec, self, setup.open_at, setup.close_at, holds=True)
        flow = dealer_flow(spec, setup, params, seed, reference or reference_path(seed, setup))
        self._timeline = Timeline(flow, self, self._desk)
        self._path_px: Px = setup.start_px
        self._shift_px: Px = 0
        self._tiers: tuple[DealerTier, ...] = ()
        self._known: dict[str, tuple[DealerTier, Nanos | None]] = {}
        self._held: dict[int, _Held] = {}
        self._fills: dict[int, _Fill] = {}
        self._n_quote = 0
        self._looks: dict[str, int] = {}
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
            self._tiers,
            events,
            self._timeline.next_at(),
        )

    # Background events.

    @property
    def _reference(self) -> Px:
        return max(1, self._path_px + self._shift_px)

    def on_flow(self, at: Nanos, kind: int, a: int, b: int, c: int) -> None:
        """Process one row of flow."""
        if kind == MOVE:
            self._path_px = a
        elif kind == REFRESH:
            self._quote(at)
        elif kind == CROSS:
            if self._tiers:
                self._prints.append((at, self._tiers[0].ask_px if a > 0 else self._tiers[0].bid_px, b, a))
        elif kind == CLOSE:
            self._close(at)

    def on_later(self, at: Nanos, kind: int, key: int) -> None:
        """Decide on a held order, judge an old fill, or follow a shift."""
        if kind == _DECIDE:
            self._decide(at, key)
        elif kind == _JUDGE:
            fill = self._fills.pop(key)
            markout = fill.sign * (self._reference - fill.px) / fill.px * _BPS
            self.toxicity_bps += self._params.memory * (markout - self.toxicity_bps)
            self._quote(at)
        else:
            self._quote(at)

    def on_ripple(self, at: Nanos, ripple: Ripple) -> None:
        """The dealer sees our impact at once and quotes it at his next refresh."""
        if not isinstance(ripple, Shift):
            return
        self._shift_px = ripple.px
        refresh = self._params.refresh_ns
        if self._setup.open_at <= at:
            grid = self._setup.open_at + ((at - self._setup.open_at) // refresh + 1) * refresh
            self._timeline.later(grid, _REQUOTE)

    def settle(self, at: Nanos) -> None:
        """Quotes are emitted as they are made."""

    def _quote(self, at: Nanos) -> None:
        """Make new quotes where prices changed; the ones before stay good for the grace time."""
        if not self._setup.open_at <= at < self._setup.close_at:
            return
        params, reference = self._params, self._reference
        wider = min(params.widen_max_bps, params.widen * max(0.0, self.toxicity_bps))
        prices: list[tuple[Px, Px]] = []
        for tier in params.tiers:
            half = reference * (tier.half_spread_bps + wider) / _BPS
            bid = max(params.px_step, round_to_tick(reference - half, params.px_step, up=False))
            ask = max(bid + params.px_step, round_to_tick(reference + half, params.px_step, up=True))
            prices.append((bid, ask))
        if prices == [(tier.bid_px, tier.ask_px) for tier in self._tiers]:
            return
        self._retire(at)
        self._n_quote += 1
        self._tiers = tuple(
            DealerTier(
                mic=self.spec.mic,
                quote_id=f"{self.spec.mic}-q{self._n_quote}.{k}",
                at=at,
                max_qty=tier.max_qty,
                bid_px=bid,
                ask_px=ask,
            )
            for k, (tier, (bid, ask)) in enumerate(zip(params.tiers, prices, strict=True))
        )
        self._known.update({tier.quote_id: (tier, None) for tier in self._tiers})
        top = self._tiers[0]
        self._quotes.append((at, top.bid_px, top.max_qty, top.ask_px, top.max_qty))

    def _retire(self, at: Nanos) -> None:
        """Start the grace of the quotes that stand, and forget those whose grace is over."""
        last = at + self._params.grace_ns
        kept = {quote_id: (tier, last if end is None else end) for quote_id, (tier, end) in self._known.items()}
        self._known = {quote_id: known for quote_id, known in kept.items() if known[1] >= at}

    def _close(self, at: Nanos) -> None:
        """Refuse what is still held, then end the quotes."""
        for n in list(self._held):
            self._desk.reject(self._held.pop(n).order, at, "last look: market closed")
        if self._tiers:
            self._quotes.append((at, 0, 0, 0, 0))
        self._tiers = ()
        self._known.clear()

    def _decide(self, at: Nanos, n: int) -> None:
        """End the last look: fill the whole order at its quote, or reject it."""
        held = self._held.pop(n, None)
        if held is None:
            return
        order, params = held.order, self._params
        favourable = max(0.0, order.sign * (self._reference - held.reference) / held.reference * _BPS)
        chance = params.base_reject + params.move_slope * favourable
        chance = min(params.reject_max, chance + params.toxic_slope * max(0.0, self.toxicity_bps))
        # Keyed by the quote and side asked for: what the dealer decides does not depend on who asked for another.
        asked = f"last_look/{order.child.quote_id}/{order.sign}"
        self._looks[asked] = n_look = self._looks.get(asked, -1) + 1
        if uniform(self._seed, self.spec.mic, asked, n_look) < chance:
            self._desk.reject(order, at, "last look")
            return
        self._desk.acknowledge(order, at)
        self._desk.fill(order, at, order.order_qty, held.px, LastLiquidityInd.REMOVED)
        self._prints.append((at, held.px, order.order_qty, order.sign))
        self._fills[n] = _Fill(order.sign, held.px)
        self._timeline.later(at + params.markout_ns, _JUDGE, n)

    # Our orders: the desk's floor.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why the dealer cannot take `child`, or ""."""
        if child.ord_type is not OrdType.PREVIOUSLY_QUOTED:
            return f"expected PREVIOUSLY_QUOTED, got {child.ord_type}"
        if child.time_in_force not in (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL):
            return f"expected IMMEDIATE_OR_CANCEL or FILL_OR_KILL, got {child.time_in_force}"
        tier, end = self._known.get(child.quote_id, (None, 0))
        if tier is None or (end is not None and end < at):
            return "stale quote"
        if child.order_qty > tier.max_qty:
            return f"expected up to {tier.max_qty} shares on this quote, got {child.order_qty}"
        if child.price is not None and child.side.sign * (child.price - _px_of(tier, child.side)) < 0:
            return "the quote is worse than the limit price"
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Hold an order for the last look."""
        tier, _ = self._known[order.child.quote_id]
        self._held[order.n] = _Held(order, _px_of(tier, order.child.side), self._reference)
        if self._params.hold_ns:
            self._timeline.later(at + self._params.hold_ns, _DECIDE, order.n)
        else:
            self._decide(at, order.n)

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """A held order cannot be changed."""
        return "in last look"

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Never asked: `refuse_amend` refuses every change."""

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """A held order cannot be taken back."""
        return "in last look"


def _px_of(tier: DealerTier, side: Side) -> Px:
    return tier.ask_px if side is Side.BUY else tier.bid_px


def dealer_flow(spec: VenueSpec, setup: MarketSetup, params: DealerParameters, seed: int, path: ReferencePath) -> I64:
    """Return the session's flow, int64 (n, 5) by time: moves, the refreshes that follow them, other clients' trades."""
    start = np.array([setup.open_at], dtype=np.int64)
    rounds = np.unique((path.at - setup.open_at) // params.refresh_ns + 1)
    refresh = setup.open_at + rounds * params.refresh_ns
    rng = generator(seed, spec.mic, "crosses")
    cross_at = u_shaped_times(rng, setup, spec.volume_share * setup.adv / _CROSS_QTY, "volume")
    n = cross_at.shape[0]
    return flow_rows(
        (start, MOVE, setup.start_px, 0, 0),
        (start, REFRESH, 0, 0, 0),
        (path.at, MOVE, path.px, 0, 0),
        (refresh[refresh < setup.close_at], REFRESH, 0, 0, 0),
        (cross_at, CROSS, signs(rng, n), geometric_sizes(rng, n, _CROSS_QTY, 5_000), 0),
        (np.array([setup.close_at], dtype=np.int64), CLOSE, 0, 0, 0),
    )
