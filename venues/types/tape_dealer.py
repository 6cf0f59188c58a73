"""A single dealer driven by a tape: by the sub-penny prints of orders that dealers served, or by his recorded quotes.

Rule of this file: what is streamed at a time follows from what was recorded before it; what is filled, from what was
recorded up to the decision.

* `DealerTape` says what is streamed: `venues.types.tape_dealer_quotes` makes it of a US day's prints,
  `venues.tape.dealer_stream` of a currency dealer's own quotes.
* A PREVIOUSLY_QUOTED child names a tier by its quote id. It is held `wait_ns` (last look). Then it is filled in full
  at the tier's price if the dealer's own price has not moved against the dealer by more than `tolerance_px`, and if
  he has room for it; else REJECTED.
* Room: where prints show what he served, prints of the child's side in the last `memory_ns` must still have that many
  unused shares (oldest go first, each once). Where no prints are recorded, what he has sold us (or bought) in the last
  `memory_ns` must come to no more than his largest tier.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from heapq import heappop, heappush
from typing import NamedTuple

from router.domain.enums import LastLiquidityInd, OrdType, Side
from router.domain.instruments import VenueSpec
from router.domain.market import I64, DealerTier
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import Nanos, Px, Qty
from venues.types.desk import Desk, HeldOrder, in_order
from venues.types.tape_dealer_quotes import TapeDealerParams
from venues.types.tape_stream import IMMEDIATE, NEVER, NO_PRINTS, Shown, TapeStream
from venues.venue import VenueOutput


class DealerTape(NamedTuple):
    """What a dealer streamed, int64: `quotes` (n, 5) his best tier in QUOTE_COLUMNS, 0 all over without a quote;
    `ladder` (n, tiers, 3) size, bid and ask of each tier, size 0 for none; `prints` (m, 4) what he served, None where
    that was not recorded."""

    quotes: I64
    ladder: I64
    prints: I64 | None
    open_at: Nanos
    close_at: Nanos


class TapeDealerVenue:
    """One dealer of a recorded day, as a `Venue`. It draws nothing by chance.

    A quote id is `f"{mic}.{row}.{epoch}.{tier}"`: the row of the day's quotes, how often our own impact had shifted
    prices by then, and the tier; so it does not depend on who asked, nor when.
    """

    def __init__(self, spec: VenueSpec, tape: DealerTape, params: TapeDealerParams | None = None) -> None:
        self.spec = spec
        self._params = params or TapeDealerParams()
        self._ladder, self._is_printed = tape.ladder, tape.prints is not None
        prints = NO_PRINTS if tape.prints is None else tape.prints
        self._stream = TapeStream(tape.quotes, prints, 1)
        self._desk = Desk(spec, self, tape.open_at, tape.close_at, holds=True)
        self._left = prints[:, 2].copy()
        self._served: deque[tuple[Nanos, int, Qty]] = deque()
        self._held: list[tuple[Nanos, int, Px, HeldOrder]] = []
        self._epochs: list[tuple[Nanos, Px]] = [(0, 0)]
        self._tiers: tuple[DealerTier, ...] = ()
        self._tiers_key = (-1, -1)
        self._shown = Shown()

    def advance(
        self,
        until: Nanos,
        arrivals: Sequence[Arrival] = (),
        ripples: Sequence[Ripple] = (),
        sessions: Sequence[SessionChange] = (),
    ) -> VenueOutput:
        """Process everything before `until`; see `venues.venue.Venue`."""
        own = self._next_own()
        if until <= own and not (arrivals or ripples or sessions):
            output = self._stream.skim(until, own)
            tiers = self._standing()
            return output._replace(tiers=tiers) if tiers else output
        for item in in_order(self._stream.at, until, arrivals, ripples, sessions):
            self._run(item.at)
            if isinstance(item, Arrival):
                self._desk.receive(item.at, item.command)
            elif isinstance(item, SessionChange):
                self._desk.session(item.at, item.is_up)
            elif isinstance(item, Shift):
                self._shift(item)
        self._run(until - 1)
        self._stream.at = until
        shown, self._shown = self._shown, Shown()
        quotes, prints = shown.rows()
        next_at = min(self._stream.next, self._next_own())
        return VenueOutput(
            self._desk.take_reports(),
            quotes,
            prints,
            self._standing(),
            shown.events,
            next_at if next_at != NEVER else None,
        )

    # The floor: what an order does here.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why `child` cannot be taken: it must take a live tier of ours within its size and price."""
        if child.ord_type is not OrdType.PREVIOUSLY_QUOTED:
            return f"expected PREVIOUSLY_QUOTED, got {child.ord_type}"
        if child.time_in_force not in IMMEDIATE:
            return f"expected IMMEDIATE_OR_CANCEL or FILL_OR_KILL, got {child.time_in_force}"
        found = self._find(child.quote_id, at)
        if isinstance(found, str):
            return found
        if child.order_qty > found.max_qty:
            return f"expected a quantity up to {found.max_qty}, got {child.order_qty}"
        px = _price(found, child.side)
        if child.price is not None and (child.price - px) * child.side.sign < 0:
            return f"quoted {px}, beyond the limit {child.price}"
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Hold the order for its last look."""
        found = self._find(order.child.quote_id, at)
        if not isinstance(found, str):  # `refuse` has just found it
            heappush(self._held, (at + self._params.wait_ns, order.n, _price(found, order.child.side), order))

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """A quote is taken as it stands."""
        return "an order on a quote cannot be changed"

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Never comes to pass: every amendment is refused."""

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Let go of a held order."""
        self._held = sorted(held for held in self._held if held[3] is not order)
        return ""

    # The tape against our orders.

    def _next_own(self) -> Nanos:
        return min(self._held[0][0] if self._held else NEVER, self._desk.next_expiry() or NEVER)

    def _run(self, to: Nanos) -> None:
        """Process the tape up to and including `to`, with last looks and expiries on the way, each after the rows
        of its time and last looks first."""
        while (due := self._next_own()) <= to:
            self._walk(due)
            while self._held and self._held[0][0] <= due:
                _, _, px, order = heappop(self._held)
                self._look(order, due, px)
            self._desk.expire_due(due)
        self._walk(to)

    def _walk(self, to: Nanos) -> None:
        stream, shown = self._stream, self._shown
        q, p = stream.seek(to + 1)
        if (q, p) == (stream.q, stream.p):
            return
        shown.events += stream.q - q + stream.p - p
        shown.quotes.append(stream.shown(stream.quotes[q : stream.q]))
        shown.prints.append(stream.shown_prints(stream.prints[p : stream.p]))

    def _shift(self, shift: Shift) -> None:
        stream = self._stream
        if shift.px == stream.shift:
            return
        stream.move(shift.px)
        self._epochs.append((shift.at, shift.px))
        if stream.q:
            row = stream.shown(stream.quotes[stream.q - 1 : stream.q]).tolist()[0]
            self._shown.quote(shift.at, (row[1], row[2], row[3], row[4]))

    def _look(self, order: HeldOrder, at: Nanos, px: Px) -> None:
        """Decide on a held order: fill it whole or reject it."""
        stream, sign = self._stream, order.sign
        now = stream.quotes[stream.q - 1]
        recorded = int(now[3] if sign > 0 else now[1])
        if not recorded or (stream.shown_px(recorded) - px) * sign > self._params.tolerance_px:
            self._desk.reject(order, at, "last look: price moved")
            return
        has_room = self._use_prints if self._is_printed else self._use_book
        if not has_room(at, sign, order.order_qty):
            self._desk.reject(order, at, "last look: no capacity")
            return
        self._desk.acknowledge(order, at)
        self._desk.fill(order, at, order.order_qty, px, LastLiquidityInd.REMOVED)

    def _use_prints(self, at: Nanos, sign: int, qty: Qty) -> bool:
        """Use up recorded shares of that side for `qty`; False, and nothing used, when there are not enough."""
        stream = self._stream
        start = stream.printed_after(at - self._params.memory_ns)
        rows = start + (stream.prints[start : stream.p, 3] == sign).nonzero()[0]
        offered = self._left[rows].cumsum()
        if not len(rows) or offered[-1] < qty:
            return False
        # Oldest first: whole prints up to the one that covers the order, then what is needed of that one.
        k = int(offered.searchsorted(qty))
        self._left[rows[:k]] = 0
        self._left[rows[k]] = offered[k] - qty
        return True

    def _use_book(self, at: Nanos, sign: int, qty: Qty) -> bool:
        """Count `qty` against what he takes from one side in `memory_ns`; False, and nothing counted, beyond it."""
        while self._served and self._served[0][0] <= at - self._params.memory_ns:
            self._served.popleft()
        largest = int(self._ladder[self._stream.q - 1, :, 0].max())
        if qty + sum(of for _, side, of in self._served if side == sign) > largest:
            return False
        self._served.append((at, sign, qty))
        return True

    # Quotes.

    def _standing(self) -> tuple[DealerTier, ...]:
        """Return the tiers as they stand, made once a quote."""
        key = (self._stream.q - 1, len(self._epochs) - 1)
        if key != self._tiers_key:
            self._tiers_key = key
            self._tiers = self._tiers_of(*key)
        return self._tiers

    def _tiers_of(self, row: int, epoch: int) -> tuple[DealerTier, ...]:
        """Return the tiers of a quote row (none before the first, or without a quote) in an epoch of our impact."""
        if row < 0 or not self._stream.quotes[row, 1]:
            return ()
        ladder = self._ladder[row].tolist()
        return tuple([self._tier(row, epoch, tier, *terms) for tier, terms in enumerate(ladder) if terms[0]])

    def _tier(self, row: int, epoch: int, tier: int, size: Qty, bid_px: Px, ask_px: Px) -> DealerTier:
        at = int(self._stream.quotes[row, 0])
        since, px = self._epochs[epoch]
        return DealerTier(
            mic=self.spec.mic,
            quote_id=f"{self.spec.mic}.{row}.{epoch}.{tier}",
            at=max(at, since),
            max_qty=size,
            bid_px=max(bid_px + px, 1),
            ask_px=max(ask_px + px, 1),
        )

    def _find(self, quote_id: str, at: Nanos) -> DealerTier | str:
        """Return the tier a quote id names, or why it cannot be taken at `at`."""
        parts = quote_id.split(".")
        if len(parts) != 4 or parts[0] != self.spec.mic or not all(p.isascii() and p.isdigit() for p in parts[1:]):
            return f"unknown quote: {quote_id!r}"
        row, epoch = int(parts[1]), int(parts[2])
        if row >= self._stream.q or epoch >= len(self._epochs):
            return f"unknown quote: {quote_id!r}"
        ended = self._stream.replaced_at(row)
        if epoch + 1 < len(self._epochs):
            ended = min(ended, self._epochs[epoch + 1][0])
        if at - ended > self._params.quote_life_ns:
            return "quote has expired"
        number = int(parts[3])
        terms = self._ladder[row, number].tolist() if number < self._ladder.shape[1] else (0,)
        if terms[0] and self._stream.quotes[row, 1]:
            tier = self._tier(row, epoch, number, *terms)
            if tier.quote_id == quote_id:
                return tier
        return f"unknown quote: {quote_id!r}"


def _price(tier: DealerTier, side: Side) -> Px:
    return tier.ask_px if side is Side.BUY else tier.bid_px
