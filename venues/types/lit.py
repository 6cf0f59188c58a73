"""`LitVenue`: a displayed limit order book with makers, noise, informed takers, and our orders in the same queues.

Rule of this file: Python is here for our few orders only. The background runs in one compiled loop (`lit_kernel`) up to
the next moment that concerns us; what it says of our orders is told to the desk before that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import pairwise

from router.domain.enums import ExecType, LastLiquidityInd, OrdType, TimeInForce
from router.domain.instruments import VenueSpec
from router.domain.messages import Arrival, Fade, Hedge, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import Nanos, Px, Qty
from venues.book.layout import H_DROPPED, H_SELF_MATCH, H_STEP, H_WHY
from venues.book.look import can_trade
from venues.book.state import grown
from venues.book.words import (
    ALLOWED,
    AUCTION_ONLY,
    CANCEL_AGGRESSIVE,
    CANCEL_BOTH,
    CANCEL_PASSIVE,
    REASONS,
    SELL,
    WHAT_AUCTION,
    WHAT_EXPIRED,
    WHAT_SELF_MATCH,
    WHY_NOT_ALL,
    WHY_SELF_MATCH,
    WOULD_TRADE,
)
from venues.models.reference import MarketSetup, ReferencePath, reference_path
from venues.types import lit_commands
from venues.types.desk import Desk, HeldOrder, in_order
from venues.types.lit_build import new_lit
from venues.types.lit_flow import LitParameters
from venues.types.lit_kernel import next_own, run
from venues.types.lit_makers import anchor
from venues.types.lit_orders import AUCTIONS, display_of, flags_of, is_post_only, refusal, refusal_of_terms
from venues.types.lit_phases import phases
from venues.types.lit_state import (
    CALL,
    CONTINUOUS,
    GROW_NOISE,
    GROW_QUOTES,
    HALT,
    NEVER,
    S_EVENTS,
    S_OURS,
    S_PHASE,
    S_PRINTS,
    S_QUOTES,
    S_SHIFT_PX,
    T_COLLAR_PX,
    grown_lit,
)
from venues.venue import VenueOutput

_SELF_MATCH = {
    "allowed": ALLOWED,
    "cancel_aggressive": CANCEL_AGGRESSIVE,
    "cancel_passive": CANCEL_PASSIVE,
    "cancel_both": CANCEL_BOTH,
}
_DROPPED = {WHY_NOT_ALL: "not all of it at once", WHY_SELF_MATCH: "self-match prevention"}
_POST_ONLY = "post only: would trade"
_GATHERING = {CALL: "no trading before the auction", HALT: "trading is halted"}


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
        self._params, self._setup = params, setup
        path = reference or reference_path(seed, setup)
        self._state, self._book = new_lit(spec, setup, params, seed, path)
        self._book.head[H_SELF_MATCH] = _SELF_MATCH[params.self_match]
        self._phases = phases(spec.mic, setup, params)
        self._desk = Desk(spec, self, setup.open_at, setup.close_at)
        self._ours: dict[int, HeldOrder] = {}
        self._at: Nanos = 0
        self._events = 0
        self._later: list[tuple[Nanos, int, HeldOrder | Hedge]] = []
        self._n_later = 0
        # Orders outside the book: when each enters.
        self._waiting: dict[int, Nanos] = {}
        # Of each order by number: the quantity and price last brought here, and what had traded when it last entered.
        self._terms: dict[int, tuple[Qty, Px]] = {}
        self._before: dict[int, Qty] = {}

    def advance(
        self,
        until: Nanos,
        arrivals: Sequence[Arrival] = (),
        ripples: Sequence[Ripple] = (),
        sessions: Sequence[SessionChange] = (),
    ) -> VenueOutput:
        """See `Venue.advance`."""
        head = self._state.head
        before = self._events + int(head[S_EVENTS])
        for item in in_order(self._at, until, arrivals, ripples, sessions):
            self._run(item.at)
            self._events += 1
            if isinstance(item, Arrival):
                self._desk.receive(item.at, item.command)
            elif isinstance(item, SessionChange):
                self._desk.session(item.at, item.is_up)
            else:
                self._ripple(item)
            self._settle(item.at)
        self._run(until - 1)
        self._at = until
        quotes = self._state.quotes[: head[S_QUOTES]].copy()
        prints = self._state.prints[: head[S_PRINTS]].copy()
        head[S_QUOTES] = head[S_PRINTS] = 0
        events = self._events + int(head[S_EVENTS]) - before
        is_halted = bool(head[S_PHASE] == HALT)
        return VenueOutput(self._desk.take_reports(), quotes, prints, (), events, self._next_at(), is_halted)

    # Time.

    def _next_at(self) -> Nanos | None:
        at = min(int(next_own(self._state)), self._due())
        return None if at >= NEVER else at

    def _due(self) -> Nanos:
        """Return when an order of ours next expires or a delayed one enters."""
        later = self._later[0][0] if self._later else NEVER
        expiry = self._desk.next_expiry()
        return later if expiry is None else min(later, expiry)

    def _run(self, last: Nanos) -> None:
        """Process what happens by itself up to and including `last`; at equal times the background comes first."""
        while True:
            due = self._due()
            self._background(min(due, last))
            if due > last:
                return
            if self._later and self._later[0][0] == due:
                self._enter_late(due, heappop(self._later)[2])
                self._events += 1
            else:
                self._events += self._desk.expire_due(due)
            self._settle(due)

    def _background(self, last: Nanos) -> None:
        self._with_room(lambda: run(self._state, self._book, last))
        self._tell()

    def _with_room(self, command: Callable[[], int]) -> int:
        """Return what a compiled command answers, once it has the room it asks for."""
        while True:
            code = int(command())
            if GROW_NOISE <= code <= GROW_QUOTES:
                self._state = grown_lit(self._state, code)
            elif -3 <= code <= -1:
                self._book = grown(self._book, code)
            else:
                return code

    def _settle(self, at: Nanos) -> None:
        self._with_room(lambda: lit_commands.note_top(self._state, self._book, at))
        self._tell()

    def _tell(self) -> None:
        """Report what the book says of our orders since the last time."""
        head = self._state.head
        n = int(head[S_OURS])
        if not n:
            return
        rows: list[list[int]] = self._state.ours[:n].tolist()
        head[S_OURS] = 0
        for at, maker, taker, px, qty, what in rows:
            if what in (WHAT_SELF_MATCH, WHAT_EXPIRED):
                if maker in self._ours:
                    is_match = what == WHAT_SELF_MATCH
                    order = self._ours.pop(maker)
                    out = ExecType.CANCELED if is_match else ExecType.EXPIRED
                    self._desk.out(order, at, out, "self-match prevention" if is_match else "auction over")
                continue
            added, removed = LastLiquidityInd.ADDED, LastLiquidityInd.REMOVED
            if what == WHAT_AUCTION:
                added = removed = LastLiquidityInd.AUCTION
            for oid, liquidity in ((taker, removed), (maker, added)):
                if oid < 0:
                    self._fill(oid, at, qty, px, liquidity)

    def _fill(self, oid: int, at: Nanos, qty: Qty, px: Px, liquidity: LastLiquidityInd) -> None:
        order = self._ours[oid]
        self._desk.fill(order, at, qty, px, liquidity)
        if not order.is_open:
            del self._ours[oid]

    def _ripple(self, ripple: Ripple) -> None:
        """Makers follow our own impact, pull quotes, or somebody takes: what others do because of us."""
        at = ripple.at
        if not self._setup.open_at <= at < self._setup.close_at:
            if isinstance(ripple, Shift):
                self._state.head[S_SHIFT_PX] = self._on_grid(ripple.px)
            return
        if isinstance(ripple, Shift):
            px = self._on_grid(ripple.px)
            if px != self._state.head[S_SHIFT_PX]:
                lit_commands.shift(self._state, px, at, self._params.reaction_ns)
        elif isinstance(ripple, Fade):
            share = min(1000, max(0, int(ripple.share * 1000.0 + 0.5)))
            self._with_room(lambda: lit_commands.fade(self._state, self._book, at, ripple.sign, share))
        elif self._params.speed_bump_ns:
            self._do_later(at + self._params.speed_bump_ns, ripple)
        else:
            self._hedge(at, ripple)

    def _hedge(self, at: Nanos, ripple: Hedge) -> None:
        px = int(anchor(self._state)) + ripple.sign * int(self._state.terms[T_COLLAR_PX])
        self._with_room(lambda: lit_commands.hedge(self._state, self._book, at, ripple.sign, ripple.qty, px))

    def _on_grid(self, px: Px) -> Px:
        """Return a shift as whole ticks, rounded to the nearest."""
        tick = self._setup.tick
        return (2 * px + tick) // (2 * tick) * tick

    # Our orders: the desk's floor.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why this book cannot take `child`, or ""."""
        text = refusal(child, int(self._book.head[H_STEP])) or self._far(child, child.order_qty, child.price)
        if text:
            return text
        if child.time_in_force in AUCTIONS and self._gathers_at(child, at) is None:
            return f"no auction to come for {child.time_in_force}"
        if is_post_only(child) and child.price is not None:
            return self._crossing(child.side.sign, child.price)
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Queue or trade an accepted order, at once or when its time has come; what cannot rest is cancelled."""
        self._terms[order.n] = order.order_qty, order.price or 0
        due = at + self._params.speed_bump_ns
        if order.child.time_in_force in AUCTIONS:
            due = max(due, self._gathers_at(order.child, at) or due)
        if due > at:
            self._waiting[order.n] = due
            self._do_later(due, order)
        else:
            self._submit(order, at)

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """Return why an order that rests cannot be changed so, or ""."""
        text = self._far(order.child, order_qty, None if price == order.price else price)
        if text:
            return text
        if is_post_only(order.child) and price != order.price and price is not None:
            return self._crossing(order.sign, price)
        return ""

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Bring a change to the book; it keeps its place only when it got smaller at the same price.

        At a venue with a speed bump any other change takes the order out and delays it like a new one.
        """
        old_qty, old_px = self._terms[order.n]
        qty, px = order.order_qty, order.price or 0
        self._terms[order.n] = qty, px
        if self._params.speed_bump_ns and (px != old_px or qty > old_qty):
            self.withdraw(order, at)
            self.enter(order, at)
            return
        if order.n in self._waiting:
            return
        qty -= self._before[order.n]
        code = self._with_room(lambda: lit_commands.amend(self._state, self._book, at, -order.n, qty, px))
        self._tell()
        self._drop(order, at, code)

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Take an order out of the book, or out of those that wait to enter it."""
        lit_commands.withdraw(self._book, -order.n)
        self._ours.pop(-order.n, None)
        self._waiting.pop(order.n, None)
        return ""

    def _far(self, child: ChildOrder, order_qty: Qty, price: Px | None) -> str:
        center, step = int(anchor(self._state)), int(self._book.head[H_STEP])
        return refusal_of_terms(child, order_qty, price, center, step)

    def _crossing(self, sign: int, px: Px) -> str:
        return _POST_ONLY if can_trade(self._book, sign, px, 1) else ""

    def _gathers_at(self, child: ChildOrder, at: Nanos) -> Nanos | None:
        """Return when the auction that `child` is for next gathers: now or later, None when it is over."""
        for (start, phase), (end, _) in pairwise(self._phases):
            if end <= at or phase == CONTINUOUS:
                continue
            is_opening, is_closing = start == self._setup.open_at, end == self._setup.close_at
            wants = {
                TimeInForce.AT_THE_OPENING: is_opening and phase == CALL,
                TimeInForce.AT_THE_CLOSE: is_closing and phase == CALL,
                TimeInForce.GOOD_FOR_AUCTION: True,
            }
            if wants[child.time_in_force]:
                return max(start, at)
        return None

    def _do_later(self, at: Nanos, what: HeldOrder | Hedge) -> None:
        self._n_later += 1
        heappush(self._later, (at, self._n_later, what))

    def _enter_late(self, at: Nanos, what: HeldOrder | Hedge) -> None:
        if isinstance(what, Hedge):
            self._hedge(at, what)
        elif self._waiting.get(what.n) == at and what.is_open:
            del self._waiting[what.n]
            self._submit(what, at)

    def _submit(self, order: HeldOrder, at: Nanos) -> None:
        flags, px = flags_of(order), order.price or 0
        phase = int(self._state.head[S_PHASE])
        if phase != CONTINUOUS and order.child.ord_type is OrdType.MARKET and not order.is_immediate:
            flags = AUCTION_ONLY | (flags & SELL)
        elif phase in _GATHERING and order.is_immediate:
            self._desk.out(order, at, ExecType.CANCELED, _GATHERING[phase])
            return
        qty, child = order.leaves_qty, order.child
        fields = (-order.n, flags, px, qty, display_of(order), min(child.min_qty, qty), child.peg_offset)
        self._before[order.n] = order.cum_qty
        self._ours[-order.n] = order
        code = self._with_room(lambda: lit_commands.submit(self._state, self._book, at, fields))
        self._tell()
        self._drop(order, at, code)

    def _drop(self, order: HeldOrder, at: Nanos, code: int) -> None:
        """Close what the book refused, or dropped of an order on entry."""
        if not order.is_open:
            return
        if code < 0:
            text = _POST_ONLY if code == WOULD_TRADE else f"expected {REASONS.get(code, 'an order that it takes')}"
            # A refused change has left the order as it was.
            lit_commands.withdraw(self._book, -order.n)
        elif self._book.head[H_DROPPED]:
            text = _DROPPED.get(int(self._book.head[H_WHY]), "remainder of an immediate order")
        else:
            return
        self._ours.pop(-order.n, None)
        self._desk.out(order, at, ExecType.CANCELED, text)
