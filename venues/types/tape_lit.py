"""A displayed exchange driven by its own recorded best bid and offer and its own recorded trades.

Rule of this file: our orders meet recorded shares only, each share once, and nothing is known behind the touch.

* A marketable order takes what the opposite touch displays and we have not taken yet, at that price, at once. What
  we took stays taken while the touch keeps its price; a new price, or added size, refreshes it. The touch is shown
  without what we took.
* What is left of an immediate or market order is cancelled; of a LIMIT it rests.
* A resting order joins behind the displayed size at its price (nobody when it improves the touch; unknown behind
  the touch, until its level becomes the touch and all that is displayed there counts as ahead). The queue ahead falls
  with trades at its price and with `cancel_ahead_share` of every fall in size that trades do not explain.
* Trades beyond the queue fill it; so do, up to their size, a trade through its price and an opposite quote that
  reaches its price. A resting order always trades at its own price.
* Our own resting orders are not shown in the venue's quotes, and our fills leave the recorded queue as it was.
* When our past trades shift prices (`Shift`, rounded to the nearest tick), recorded prices move and resting orders
  join anew at the level they now stand at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec
import numpy as np

from router.domain.enums import ExecInst, ExecType, LastLiquidityInd, OrdType, TimeInForce
from router.domain.instruments import VenueSpec
from router.domain.market import I64
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import Nanos, Px, Qty
from venues.types.desk import Desk, HeldOrder, in_order
from venues.types.tape_queue import (
    AHEAD,
    ASK_PX,
    BID_PX,
    LEAVES,
    LEFT_ASK,
    LEFT_BID,
    PPM,
    PRICE,
    TRADED,
    ahead_at_join,
    cross,
    meet,
    room,
)
from venues.types.tape_stream import CONTINUOUS, IMMEDIATE, NEVER, Shown, TapeStream
from venues.venue import VenueOutput


class TapeLitParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the recorded book treats us. `cancel_ahead_share` of cancels at our price were ahead of us (0..1)."""

    cancel_ahead_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.cancel_ahead_share <= 1.0:
            raise ValueError(f"expected cancel_ahead_share from 0 to 1, got {self.cancel_ahead_share!r}")


class TouchDay(Protocol):
    """A recorded session: `quotes[mic]` (n, 5) in QUOTE_COLUMNS and `trades[mic]` (n, 4) in PRINT_COLUMNS."""

    @property
    def open_at(self) -> Nanos: ...
    @property
    def close_at(self) -> Nanos: ...
    @property
    def quotes(self) -> Mapping[str, I64]: ...
    @property
    def trades(self) -> Mapping[str, I64]: ...


class TapeLitVenue:
    """One exchange of a recorded day, as a `Venue`. The tape draws nothing by chance, so `seed` is not used."""

    def __init__(self, spec: VenueSpec, day: TouchDay, params: TapeLitParams | None = None, seed: int = 0) -> None:
        self.spec = spec
        self._share_ppm = round((params or TapeLitParams()).cancel_ahead_share * PPM)
        self._stream = TapeStream(day.quotes[spec.mic], day.trades[spec.mic], spec.listing.tick)
        self._desk = Desk(spec, self, day.open_at, day.close_at)
        self._book: I64 = np.zeros(6, dtype=np.int64)
        self._resting: list[HeldOrder] = []
        self._orders: I64 = np.empty((0, 5), dtype=np.int64)
        self._is_walking = False
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
            if not self._is_walking or until <= min(self._stream.next, own):
                return self._stream.skim(until, own)
        for item in in_order(self._stream.at, until, arrivals, ripples, sessions):
            self._run(item.at)
            self._step_in()
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
        next_at = min(self._stream.next, self._desk.next_expiry() or NEVER)
        return VenueOutput(
            self._desk.take_reports(), quotes, prints, (), shown.events, next_at if next_at != NEVER else None
        )

    # The floor: what an order does here.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why `child` cannot be taken: the tape has no pegs, no auctions, no hidden minimum."""
        if child.ord_type not in (OrdType.MARKET, OrdType.LIMIT):
            return f"expected MARKET or LIMIT, got {child.ord_type}"
        if child.time_in_force not in CONTINUOUS:
            return f"expected a time in force of continuous trading, got {child.time_in_force}"
        is_immediate = child.ord_type is OrdType.MARKET or child.time_in_force in IMMEDIATE
        if child.min_qty and not is_immediate:
            return "expected no min_qty on a displayed resting order"
        if ExecInst.PARTICIPATE_DO_NOT_INITIATE in child.exec_inst:
            if is_immediate:
                return "post only order would not rest"
            if self._reaches(child.side.sign, child.price):
                return "post only order would cross"
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Take what the touch offers, then rest or cancel the remainder."""
        child = order.child
        least = order.leaves_qty if child.time_in_force is TimeInForce.FILL_OR_KILL else child.min_qty
        if self._offered(order) >= least:
            self._take(order, at)
        if not order.is_open:
            return
        if order.is_immediate or child.ord_type is OrdType.MARKET:
            self._desk.out(order, at, ExecType.CANCELED, "nothing more is displayed")
            return
        self._resting.append(order)
        self._resting.sort(key=lambda held: (-held.sign, -held.sign * (held.price or 0), held.n))
        self._join(self._resting.index(order))

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """Return why an order cannot be changed: a post-only order must not come to cross."""
        is_post_only = ExecInst.PARTICIPATE_DO_NOT_INITIATE in order.child.exec_inst
        return "post only order would cross" if is_post_only and self._reaches(order.sign, price) else ""

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Keep the place in the queue when only the quantity falls; else leave and enter anew."""
        k = self._resting.index(order)
        is_same_price = order.price is not None and order.price - self._stream.shift == self._orders[k, PRICE]
        if is_same_price and order.leaves_qty <= self._orders[k, LEAVES]:
            self._orders[k, LEAVES] = order.leaves_qty
            return
        self._leave(k)
        self.enter(order, at)

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Take a resting order out."""
        if order in self._resting:
            self._leave(self._resting.index(order))
        return ""

    # The tape against our orders.

    def _step_in(self) -> None:
        """Bring the book up to the last row that was skimmed over, since something of ours may now meet it."""
        if self._is_walking:
            return
        self._is_walking = True
        q = self._stream.q
        if q:
            self._book[:4] = self._stream.quotes[q - 1, 1:]
            self._book[LEFT_BID], self._book[LEFT_ASK] = self._book[1], self._book[3]

    def _run(self, to: Nanos) -> None:
        """Process the tape up to and including `to`, and what expires on the way (after the rows of its time)."""
        while (due := self._desk.next_expiry()) is not None and due <= to:
            self._walk(due)
            self._desk.expire_due(due)
        self._walk(to)
        if self._is_walking and not self._resting:
            # Nothing rests; where nothing is taken the book follows from the last row, so rows can be skimmed again.
            _, bid_qty, _, ask_qty, left_bid, left_ask = self._book.tolist()
            self._is_walking = (left_bid, left_ask) != (bid_qty, ask_qty)

    def _walk(self, to: Nanos) -> None:
        stream, shown = self._stream, self._shown
        q, p = stream.seek(to + 1)
        if (q, p) == (stream.q, stream.p):
            return
        quotes, prints = stream.quotes[q : stream.q], stream.prints[p : stream.p]
        shown.events += len(quotes) + len(prints)
        if len(prints):
            shown.prints.append(stream.shown_prints(prints))
        if not self._is_walking:
            shown.quotes.append(stream.shown(quotes))
            return
        fills = room(len(quotes) + len(prints), len(self._orders))
        left = np.empty_like(quotes)
        n = meet(quotes, prints, self._book, self._orders, self._share_ppm, fills, left)
        shown.quotes.append(stream.shown(left))
        self._book_fills(fills[:n])

    def _book_fills(self, fills: I64) -> None:
        if not len(fills):
            return
        for k, qty, at, is_quote, aggressor in fills.tolist():
            order = self._resting[k]
            self._desk.fill(order, at, qty, order.price or 0, LastLiquidityInd.ADDED)
            if is_quote:  # a recorded trade is on the tape already; this one is not
                self._shown.trade(at, order.price or 0, qty, aggressor)
        for k in range(len(self._resting) - 1, -1, -1):
            if not self._resting[k].is_open:
                self._leave(k)

    def _shift(self, shift: Shift) -> None:
        """Move all recorded prices; a quote that moves across our price fills us."""
        tick, stream = self.spec.listing.tick, self._stream
        px = (shift.px + tick // 2) // tick * tick
        if px == stream.shift:
            return
        stream.move(px)
        for k, order in enumerate(self._resting):
            self._place(k, order)
        fills = room(1, len(self._orders))
        self._book_fills(fills[: cross(shift.at, self._book, self._orders, fills, 0)])
        if stream.q:
            self._show_touch(shift.at)

    def _take(self, order: HeldOrder, at: Nanos) -> None:
        """Take what is left of the opposite touch, up to the order's quantity and limit."""
        qty = min(self._offered(order), order.leaves_qty)
        if not qty:
            return
        touch, left = (ASK_PX, LEFT_ASK) if order.sign > 0 else (BID_PX, LEFT_BID)
        self._book[left] -= qty
        px = self._stream.shown_px(int(self._book[touch]))
        self._desk.fill(order, at, qty, px, LastLiquidityInd.REMOVED)
        self._shown.trade(at, px, qty, order.sign)
        self._show_touch(at)

    def _offered(self, order: HeldOrder) -> Qty:
        if not self._reaches(order.sign, order.price):
            return 0
        return int(self._book[LEFT_ASK if order.sign > 0 else LEFT_BID])

    def _reaches(self, sign: int, price: Px | None) -> bool:
        """Return whether an order at `price` (None: any) reaches the opposite recorded touch."""
        touch = int(self._book[ASK_PX if sign > 0 else BID_PX])
        return touch > 0 and (price is None or (price - self._stream.shown_px(touch)) * sign >= 0)

    def _show_touch(self, at: Nanos) -> None:
        bid, _, ask, _, left_bid, left_ask = self._book.tolist()
        bid_px = self._stream.shown_px(bid) if left_bid else 0
        ask_px = self._stream.shown_px(ask) if left_ask else 0
        self._shown.quote(at, (bid_px, left_bid, ask_px, left_ask))

    # Our queue.

    def _join(self, k: int) -> None:
        orders: I64 = np.zeros((len(self._orders) + 1, 5), dtype=np.int64)
        orders[:k], orders[k + 1 :] = self._orders[:k], self._orders[k:]
        self._orders = orders
        self._place(k, self._resting[k])

    def _place(self, k: int, order: HeldOrder) -> None:
        """Write an order's row as of now, at the back of its level."""
        price = (order.price or 0) - self._stream.shift
        self._orders[k] = (order.sign, price, order.leaves_qty, 0, 0)
        self._orders[k, AHEAD] = ahead_at_join(order.sign, price, self._book)
        self._orders[k, TRADED] = 0

    def _leave(self, k: int) -> None:
        del self._resting[k]
        self._orders = np.concatenate((self._orders[:k], self._orders[k + 1 :]))
