"""`DealerVenue`: a single dealer who streams quotes in tiers or answers requests, holds an order, may reject it.

Rule of this file: the dealer knows the reference and what our flow did to him; he never sees the next move.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

import numpy as np

from router.domain.chance import generator, uniforms
from router.domain.enums import LastLiquidityInd, OrdType, Side, TimeInForce
from router.domain.instruments import VenueSpec
from router.domain.market import PRINT_COLUMNS, DealerTier
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import Nanos, Px, Qty
from venues.models.flow import geometric_sizes, signs, u_shaped_times
from venues.models.hedge import hedge_steps
from venues.models.reference import MarketSetup, ReferencePath, reference_path
from venues.types.dealer_parameters import DealerParameters, TierParameters
from venues.types.dealer_quotes import NEVER, QuoteStream, Stance, half_spread_at, two_way
from venues.types.desk import Desk, HeldOrder, in_order
from venues.venue import VenueOutput

__all__ = ["DealerParameters", "DealerVenue", "TierParameters"]

_REQUOTE, _ANSWER, _DECIDE, _JUDGE, _FLATTEN = range(5)
"""What a dealer does later: follow a shift, answer a request, end a last look, judge a fill, work off a position."""

_CROSS_QTY: Qty = 200
_BPS = 10_000.0


class _Held(NamedTuple):
    """An order in last look: at what price, the reference when it came, and the draw that decides."""

    order: HeldOrder
    px: Px
    reference: Px
    draw: float


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
        self.position: Qty = 0
        """Shares he holds because of us: below 0 when he sold to us."""
        self._params, self._seed = params, seed
        self._path = reference or reference_path(seed, setup)
        self._stream = QuoteStream(params, setup, spec.mic, self._path)
        self._desk = Desk(spec, self, setup.open_at, setup.close_at, holds=True)
        self._crosses = _crosses(spec, setup, seed)
        self._n_cross = self._n_move = 0
        self._at: Nanos = 0
        self._events = 0
        self._later: list[tuple[Nanos, int, int, int]] = []
        self._n_later = 0
        self._asked: dict[int, HeldOrder] = {}
        self._held: dict[int, _Held] = {}
        self._fills: dict[int, _Fill] = {}
        self._looks: dict[str, int] = {}
        self._prints: list[tuple[int, ...]] = []
        self._tiers: tuple[DealerTier, ...] = ()
        self._n_tiers = -1

    def advance(
        self,
        until: Nanos,
        arrivals: Sequence[Arrival] = (),
        ripples: Sequence[Ripple] = (),
        sessions: Sequence[SessionChange] = (),
    ) -> VenueOutput:
        """See `Venue.advance`."""
        self._events, self._prints = 0, []
        for item in in_order(self._at, until, arrivals, ripples, sessions):
            self._run(item.at)
            self._events += 1
            if isinstance(item, Arrival):
                self._desk.receive(item.at, item.command)
            elif isinstance(item, SessionChange):
                self._desk.session(item.at, item.is_up)
            elif isinstance(item, Shift):
                self._shift(item)
        self._run(until - 1)
        self._at = until
        moves = int(np.searchsorted(self._path.at, until))
        self._events, self._n_move = self._events + moves - self._n_move, moves
        return VenueOutput(
            self._desk.take_reports(),
            self._stream.take_rows(),
            np.array(self._prints, dtype=np.int64).reshape(-1, len(PRINT_COLUMNS)),
            self._standing(),
            self._events,
            self._next_at(),
            self._stream.is_halted(until - 1),
        )

    # The loop: background first, then what is due later, then expiries, then what came in.

    def _next_own(self) -> Nanos:
        later = self._later[0][0] if self._later else NEVER
        expiry = self._desk.next_expiry()
        return later if expiry is None else min(later, expiry)

    def _next_at(self) -> Nanos | None:
        at = min(self._stream.next_at(), self._crosses[self._n_cross][0], self._next_own())
        return None if at >= NEVER else at

    def _run(self, last: Nanos) -> None:
        """Process the venue's own events up to and including `last`."""
        while (due := self._next_own()) <= last:
            self._flow(due)
            if self._later and self._later[0][0] == due:
                _, _, kind, key = heappop(self._later)
                self._do(due, kind, key)
                self._events += 1
            else:
                self._events += self._desk.expire_due(due)
        self._flow(last)

    def _flow(self, to: Nanos) -> None:
        """Make the quotes, and the trades of other clients on them, up to and including `to`."""
        stream = self._stream
        before = stream.refreshes
        stream.run(to)
        self._events += stream.refreshes - before
        while self._crosses[self._n_cross][0] <= to:
            at, sign, qty = self._crosses[self._n_cross]
            self._n_cross += 1
            self._events += 1
            n = stream.quote_at(at)
            if n >= 0 and stream.prices[n][0]:
                self._prints.append((at, stream.prices[n][1 if sign > 0 else 0], qty, sign))

    def _later_on(self, at: Nanos, kind: int, key: int = 0) -> None:
        self._n_later += 1
        heappush(self._later, (at, self._n_later, kind, key))

    def _do(self, at: Nanos, kind: int, key: int) -> None:
        if kind == _REQUOTE:
            self._stream.requote(at)
        elif kind == _ANSWER:
            self._answer(at, key)
        elif kind == _DECIDE:
            self._decide(at, key)
        elif kind == _JUDGE:
            self._judge(at, key)
        else:
            self.position += key
            self._restand(at)

    def _shift(self, shift: Shift) -> None:
        """Our impact is seen at once and quoted at the next refresh."""
        stream = self._stream
        stream.stand(shift.at, stream.stance._replace(shift=shift.px))
        if stream.is_quoting(shift.at):
            self._later_on(stream.refresh_after(shift.at), _REQUOTE)

    # What he makes of us.

    def _restand(self, at: Nanos) -> None:
        """Quote by what he thinks of us and holds of ours now."""
        params = self._params
        skew = -self.position / 1_000 * params.skew_bps
        stance = Stance(
            self._stream.stance.shift,
            min(params.widen_max_bps, params.widen * max(0.0, self.toxicity_bps)),
            max(-params.skew_max_bps, min(params.skew_max_bps, skew)),
        )
        self._stream.stand(at, stance)
        self._stream.requote(at)

    def _judge(self, at: Nanos, n: int) -> None:
        """See what a fill was worth at the markout horizon."""
        fill = self._fills.pop(n)
        markout = fill.sign * (self._stream.reference(at) - fill.px) / fill.px * _BPS
        self.toxicity_bps += self._params.memory * (markout - self.toxicity_bps)
        self._restand(at)

    def _answer(self, at: Nanos, n: int) -> None:
        """Answer a request for quote: a price for this side and size, or none."""
        order = self._asked.pop(n, None)
        if order is None:
            return
        stream, params, child = self._stream, self._params, order.child
        if not stream.is_quoting(at):
            self._desk.reject(order, at, "request for quote: trading stopped")
            return
        name = f"rfq/{stream.quote_at(at)}/{order.sign}"
        declines, _ = self._draws(name)
        if declines < params.rfq_decline + params.toxic_slope * max(0.0, self.toxicity_bps):
            self._desk.reject(order, at, "request for quote: declined")
            return
        half = half_spread_at(params, child.order_qty) + stream.stance.wider_bps
        half *= params.rfq_tighter if self.toxicity_bps <= 0.0 else 1.0
        bid, ask = two_way(stream.reference(at), half, stream.stance, params.px_step)
        price = ask if order.sign > 0 else bid
        if child.price is not None and order.sign * (price - child.price) > 0:
            self._desk.reject(order, at, f"request for quote: quoted {price}, beyond the limit {child.price}")
            return
        self._hold(order, at, price, f"last_look/{name}")

    def _hold(self, order: HeldOrder, at: Nanos, px: Px, asked: str) -> None:
        """Begin the last look. Draws are keyed by the quote and side asked for: what the dealer decides does not depend
        on who asked for another."""
        params = self._params
        draw, late = self._draws(asked)
        self._held[order.n] = _Held(order, px, self._stream.reference(at), draw)
        hold_ns = params.hold_ns + int(-math.log1p(-late) * params.hold_jitter_ns)
        if hold_ns:
            self._later_on(min(at + hold_ns, self._stream.next_stop(at)), _DECIDE, order.n)
        else:
            self._decide(at, order.n)

    def _draws(self, asked: str) -> tuple[float, float]:
        """Return the draws of the next look at what was asked for."""
        self._looks[asked] = n = self._looks.get(asked, -1) + 1
        first, second, _, _ = uniforms(self._seed, self.spec.mic, asked, n)
        return first, second

    def _decide(self, at: Nanos, n: int) -> None:
        """End the last look: fill the whole order at its quote, or reject it."""
        order, px, reference, draw = self._held.pop(n)
        params, stream = self._params, self._stream
        if not stream.is_quoting(at):
            self._desk.reject(order, at, "last look: trading stopped")
            return
        move = order.sign * (stream.reference(at) - reference) / reference * _BPS
        against = abs(move) if params.look == "symmetric" else max(0.0, move)
        chance = params.base_reject + params.move_slope * against
        if draw < min(params.reject_max, chance + params.toxic_slope * max(0.0, self.toxicity_bps)):
            self._desk.reject(order, at, "last look")
            return
        self._desk.acknowledge(order, at)
        self._desk.fill(order, at, order.order_qty, px, LastLiquidityInd.REMOVED)
        self._prints.append((at, px, order.order_qty, order.sign))
        self._fills[n] = _Fill(order.sign, px)
        self._later_on(at + params.markout_ns, _JUDGE, n)
        self.position -= order.sign * order.order_qty
        for due, qty in hedge_steps(at, order.order_qty, params.hedge_ns):
            self._later_on(due, _FLATTEN, order.sign * qty)
        self._restand(at)

    # Our orders: the desk's floor.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why the dealer cannot take `child`, or ""."""
        if child.ord_type is not OrdType.PREVIOUSLY_QUOTED:
            return f"expected PREVIOUSLY_QUOTED, got {child.ord_type}"
        if child.time_in_force not in (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL):
            return f"expected IMMEDIATE_OR_CANCEL or FILL_OR_KILL, got {child.time_in_force}"
        if not self._stream.is_quoting(at):
            return "trading halted"
        if not child.quote_id:
            return self._refuse_request(child)
        found = self._find(child.quote_id, at)
        if found is None:
            return "stale quote"
        px, max_qty = self._terms(found, child.side)
        if child.order_qty > max_qty:
            return f"expected up to {max_qty} shares on this quote, got {child.order_qty}"
        if child.price is not None and child.side.sign * (child.price - px) < 0:
            return "the quote is worse than the limit price"
        return ""

    def _refuse_request(self, child: ChildOrder) -> str:
        if not self._params.rfq_qty:
            return "expected a quote_id: no requests for quote are answered here"
        if child.price is None:
            return "expected a limit price with a request for quote"
        if child.order_qty > self._params.rfq_qty:
            return f"expected a request for up to {self._params.rfq_qty} shares, got {child.order_qty}"
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Hold an order for the last look, or keep a request until it is answered."""
        quote_id = order.child.quote_id
        if not quote_id:
            self._asked[order.n] = order
            self._later_on(min(at + self._params.rfq_ns, self._stream.next_stop(at)), _ANSWER, order.n)
            return
        found = self._find(quote_id, at)
        if found is not None:  # `refuse` has just found it
            self._hold(order, at, self._terms(found, order.child.side)[0], f"last_look/{quote_id}/{order.sign}")

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """A quote is taken as it stands."""
        return "an order on a quote cannot be changed"

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Never asked: `refuse_amend` refuses every change."""

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """A request can be taken back until it is answered, a held order cannot."""
        return "" if self._asked.pop(order.n, None) else "in last look"

    # Quotes by name.

    def _standing(self) -> tuple[DealerTier, ...]:
        """Return the tiers that stand now, made once a quote."""
        n = len(self._stream.since) - 1
        if n != self._n_tiers:
            self._n_tiers = n
            is_shown = self._params.streams and self._stream.prices[n][0] > 0
            self._tiers = tuple(self._tier(n, k) for k in range(len(self._params.tiers))) if is_shown else ()
        return self._tiers

    def _tier(self, n: int, k: int) -> DealerTier:
        prices, mic = self._stream.prices[n], self.spec.mic
        return DealerTier(
            mic=mic,
            quote_id=f"{mic}-q{n}.{k}",
            at=self._stream.since[n],
            max_qty=self._params.tiers[k].max_qty,
            bid_px=prices[2 * k],
            ask_px=prices[2 * k + 1],
        )

    def _find(self, quote_id: str, at: Nanos) -> tuple[int, int] | None:
        """Return (quote, tier) of a quote id that is still good at `at`, or None."""
        number, _, tier = quote_id.removeprefix(f"{self.spec.mic}-q").partition(".")
        if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in (number, tier)):
            return None
        n, k = int(number), int(tier)
        stream = self._stream
        is_known = n < len(stream.since) and k < len(self._params.tiers) and self._params.streams
        if not is_known or not stream.prices[n][0] or stream.replaced_at(n) + self._params.grace_ns < at:
            return None
        return n, k

    def _terms(self, quote: tuple[int, int], side: Side) -> tuple[Px, Qty]:
        """Return the price for a side, and the largest size, of a quote."""
        n, k = quote
        return self._stream.prices[n][2 * k + (1 if side is Side.BUY else 0)], self._params.tiers[k].max_qty


def _crosses(spec: VenueSpec, setup: MarketSetup, seed: int) -> list[tuple[Nanos, int, Qty]]:
    """Return other clients' trades as (at, sign, quantity) in order of time, with one that never comes at the end."""
    rng = generator(seed, spec.mic, "crosses")
    at = u_shaped_times(rng, setup, spec.volume_share * setup.adv / _CROSS_QTY, "volume")
    n = at.shape[0]
    signed, sizes = signs(rng, n), geometric_sizes(rng, n, _CROSS_QTY, 5_000)
    return [*zip(at.tolist(), signed.tolist(), sizes.tolist(), strict=True), (NEVER, 0, 0)]
