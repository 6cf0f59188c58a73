"""An exchange driven by its recorded orders: ours stand in the recorded queue at their exact place.

Rule of this file: recorded orders behave as recorded whatever we do; `venues.tape.queue` says when ours trade. Where
our orders come in, what is displayed is taken once: a recorded order that we have taken is gone for us and is not
shown, though the tape goes on with it.

* LIMIT, MARKET and PEGGED to MID_PRICE; IMMEDIATE_OR_CANCEL and FILL_OR_KILL, DAY, GOOD_TILL_DATE; post-only;
  `min_qty` on immediate orders and on pegs. What is left of a marketable LIMIT rests, a peg rests hidden.
* A replacement that only lowers the quantity keeps its place; any other goes to the back.
* While trading is halted new orders are refused, and what rests waits.
* `Shift` (our own impact) moves every recorded price by whole ticks; resting orders then stand at another recorded
  price, at its back, and trade with what is displayed there when the market has moved across them.
* Our resting orders are not in the quotes.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

import msgspec
import numpy as np

from router.domain.enums import ExecInst, ExecType, LastLiquidityInd, OrdType, PegPriceType, TimeInForce
from router.domain.errors import BadInputError, bad_value
from router.domain.instruments import VenueSpec
from router.domain.market import I64
from router.domain.messages import Arrival, Ripple, SessionChange, Shift
from router.domain.orders import ChildOrder
from router.domain.units import PX_MAX, Nanos, Px, Qty
from venues.tape import queue
from venues.tape.book import empty_book
from venues.tape.compact import ASK, AT, BID, Compact
from venues.types.desk import Desk, HeldOrder, in_order
from venues.types.tape_stream import CONTINUOUS, IMMEDIATE, NEVER, Shown
from venues.venue import VenueOutput


class QueueTapeParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """`hidden_share`: what of a hidden execution at the very price of a peg of ours is the peg's, from 0 to 1."""

    hidden_share: float = 0.5

    def __post_init__(self) -> None:
        if not 0.0 <= self.hidden_share <= 1.0:
            raise ValueError(f"expected hidden_share from 0 to 1, got {self.hidden_share!r}")


class QueueTapeVenue:
    """One exchange of an order-level tape, as a `Venue`. It draws nothing by chance.

    Rows before `open_at` build the book; rows from `close_at` on are not played.
    """

    def __init__(
        self,
        spec: VenueSpec,
        tape: Compact,
        open_at: Nanos,
        close_at: Nanos,
        params: QueueTapeParams | None = None,
    ) -> None:
        self.spec = spec
        self._ppm = round((params or QueueTapeParams()).hidden_share * queue.PPM)
        self._rows, self._px = tape.rows, tape.px
        self._times: list[int] = [*tape.rows[: int(np.searchsorted(tape.rows[:, AT], close_at)), AT].tolist(), NEVER]
        self._book = empty_book(tape)
        self._own: I64 = np.empty((0, queue.OWN_WIDTH), dtype=np.int64)
        self._resting: list[HeldOrder] = []
        self._top: I64 = np.zeros(5, dtype=np.int64)
        self._desk = Desk(spec, self, open_at, close_at)
        self._next = 0
        self._shift: Px = 0
        self._shown = Shown()
        self._at: Nanos = 0
        self._walk(open_at - 1)
        # The book that the tape brings to the opening is the first thing seen; it is no event.
        self._shown = Shown()
        self._show_at: Nanos | None = open_at

    def advance(
        self,
        until: Nanos,
        arrivals: Sequence[Arrival] = (),
        ripples: Sequence[Ripple] = (),
        sessions: Sequence[SessionChange] = (),
    ) -> VenueOutput:
        """Process everything before `until`; see `venues.venue.Venue`."""
        for item in in_order(self._at, until, arrivals, ripples, sessions):
            self._run(item.at)
            if isinstance(item, Arrival):
                self._desk.receive(item.at, item.command)
            elif isinstance(item, SessionChange):
                self._desk.session(item.at, item.is_up)
            elif isinstance(item, Shift):
                self._move(item)
        self._run(until - 1)
        self._at = until
        shown, self._shown = self._shown, Shown()
        quotes, prints = shown.rows()
        next_at = min(self._times[self._next], self._desk.next_expiry() or NEVER, self._show_at or NEVER)
        at = next_at if next_at != NEVER else None
        return VenueOutput(
            self._desk.take_reports(), quotes, prints, (), shown.events, at, bool(self._top[queue.HALTED])
        )

    def queue_ahead(self, cl_ord_id: str) -> Qty | None:
        """Return what is displayed in front of a resting displayed order of ours; None when it is none."""
        for k, order in enumerate(self._resting):
            if order.child.cl_ord_id == cl_ord_id and not self._own[k, queue.IS_PEG]:
                side, price, _, joined, _, _ = self._own[k].tolist()
                return int(queue.ahead_of(self._px, self._book.orders, side, price, joined))
        return None

    # The floor: what an order does here.

    def refuse(self, child: ChildOrder, at: Nanos) -> str:
        """Return why `child` cannot be taken."""
        is_peg = child.ord_type is OrdType.PEGGED and child.peg_price_type is PegPriceType.MID_PRICE
        if child.ord_type not in (OrdType.MARKET, OrdType.LIMIT) and not is_peg:
            return f"expected MARKET, LIMIT or PEGGED to MID_PRICE, got {child.ord_type}"
        if child.time_in_force not in CONTINUOUS:
            return f"expected a time in force of continuous trading, got {child.time_in_force}"
        if self._top[queue.HALTED]:
            return "trading is halted"
        is_immediate = child.ord_type is OrdType.MARKET or child.time_in_force in IMMEDIATE
        if child.min_qty and not is_immediate and not is_peg:
            return "expected no min_qty on a displayed resting order"
        if ExecInst.PARTICIPATE_DO_NOT_INITIATE in child.exec_inst and not is_peg:
            if is_immediate:
                return "post only order would not rest"
            if self._offered(child.side.sign, child.price, 1):
                return "post only order would cross"
        return ""

    def enter(self, order: HeldOrder, at: Nanos) -> None:
        """Take what is displayed within its limit, then rest or cancel the remainder."""
        child = order.child
        is_peg = child.ord_type is OrdType.PEGGED
        least = order.leaves_qty if child.time_in_force is TimeInForce.FILL_OR_KILL else max(child.min_qty, 1)
        if not is_peg and self._offered(order.sign, order.price, least) >= least:
            self._take(order, at)
        if not order.is_open:
            return
        if order.is_immediate or child.ord_type is OrdType.MARKET:
            self._desk.out(order, at, ExecType.CANCELED, "nothing more is displayed")
            return
        self._resting.append(order)
        self._own = np.append(self._own, np.zeros((1, queue.OWN_WIDTH), dtype=np.int64), axis=0)
        self._place(len(self._resting) - 1)
        self._sort()

    def refuse_amend(self, order: HeldOrder, order_qty: Qty, price: Px | None, at: Nanos) -> str:
        """Return why an order cannot be changed: a halt, or a post-only order that would come to cross."""
        if self._top[queue.HALTED]:
            return "trading is halted"
        is_post_only = ExecInst.PARTICIPATE_DO_NOT_INITIATE in order.child.exec_inst
        crosses = is_post_only and order.child.ord_type is OrdType.LIMIT and self._offered(order.sign, price, 1)
        return "post only order would cross" if crosses else ""

    def amend(self, order: HeldOrder, at: Nanos) -> None:
        """Keep the place in the queue when only the quantity falls; else leave and enter anew."""
        k = self._resting.index(order)
        if self._recorded(order.price) == self._own[k, queue.PRICE] and order.leaves_qty <= self._own[k, queue.LEAVES]:
            self._own[k, queue.LEAVES] = order.leaves_qty
            return
        self._leave(k)
        self.enter(order, at)

    def withdraw(self, order: HeldOrder, at: Nanos) -> str:
        """Take a resting order out."""
        if order in self._resting:
            self._leave(self._resting.index(order))
        return ""

    # The tape against our orders.

    def _run(self, to: Nanos) -> None:
        """Process the tape up to and including `to`, and what expires on the way (after the rows of its time)."""
        if self._show_at is not None and self._show_at <= to:
            at, self._show_at = self._show_at, None
            self._shown.quote(at, self._standing())
        while (due := self._desk.next_expiry()) is not None and due <= to:
            self._walk(due)
            self._desk.expire_due(due)
        self._walk(to)

    def _walk(self, to: Nanos) -> None:
        if self._times[self._next] > to:
            return
        first, last = self._next, bisect_left(self._times, to + 1, self._next)
        fills, quotes, prints = queue.room(last - first, len(self._own))
        book = self._book
        n_fills, n_quotes, n_prints = queue.walk(
            self._rows,
            first,
            last,
            self._px,
            book.levels,
            book.best,
            book.orders,
            self._own,
            self._top,
            self._ppm,
            fills,
            quotes,
            prints,
        )
        self._next = last
        self._shown.events += last - first
        if n_quotes:
            self._shown.quotes.append(self._moved(quotes[:n_quotes], (1, 3)))
        if n_prints:
            self._shown.prints.append(self._moved(prints[:n_prints], (1,)))
        if n_fills:
            self._book_fills(fills[:n_fills])

    def _book_fills(self, fills: I64) -> None:
        for k, qty, at, px, is_new, aggressor in fills.tolist():
            px = max(px + self._shift, 1)
            self._desk.fill(self._resting[k], at, qty, px, LastLiquidityInd.ADDED)
            if is_new:
                self._shown.trade(at, px, qty, aggressor)
        for k in range(len(self._resting) - 1, -1, -1):
            if not self._resting[k].is_open:
                self._leave(k)

    def _move(self, shift: Shift) -> None:
        """Move all recorded prices; a market that moves across an order of ours trades with it at its price."""
        if abs(shift.px) > PX_MAX:
            raise BadInputError(bad_value("Shift.px", f"a move up to {PX_MAX}", shift.px))
        tick = self.spec.listing.tick
        px = (shift.px + tick // 2) // tick * tick
        if px == self._shift:
            return
        self._shift = px
        for k in range(len(self._resting)):
            self._place(k)
        for order in list(self._resting):
            qty = 0 if order.child.ord_type is OrdType.PEGGED else sum(qty for _, qty in self._levels_taken(order))
            if qty:
                self._desk.fill(order, shift.at, qty, order.price or 0, LastLiquidityInd.ADDED)
                self._shown.trade(shift.at, order.price or 0, qty, -order.sign)
                k = self._resting.index(order)
                self._own[k, queue.LEAVES] = order.leaves_qty
                if not order.is_open:
                    self._leave(k)
        if self._show_at is None:
            self._is_changed(shift.at)
            self._shown.quote(shift.at, self._standing())

    def _offered(self, sign: int, price: Px | None, most: Qty) -> Qty:
        """Return what a taker within `price` (None: any) would find displayed, up to `most`."""
        book, limit = self._book, self._recorded(price)
        if self._top[queue.HALTED] or limit < 0:
            return 0
        return int(queue.offered(self._px, book.levels, book.best, _other(sign), limit, most))

    def _take(self, order: HeldOrder, at: Nanos) -> None:
        """Take what is displayed within the order's limit, level by level."""
        for px, qty in self._levels_taken(order):
            shown_px = max(px + self._shift, 1)
            self._desk.fill(order, at, qty, shown_px, LastLiquidityInd.REMOVED)
            self._shown.trade(at, shown_px, qty, order.sign)
        self._show(at)

    def _levels_taken(self, order: HeldOrder) -> list[tuple[Px, Qty]]:
        book, limit = self._book, self._recorded(order.price)
        if self._top[queue.HALTED] or limit < 0:
            return []
        got = np.empty((len(self._px), 2), dtype=np.int64)
        side = _other(order.sign)
        n = queue.take(self._px, book.levels, book.best, book.orders, side, limit, order.leaves_qty, got)
        return [(px, qty) for px, qty in got[:n].tolist()]

    def _show(self, at: Nanos) -> None:
        """Show what is displayed when it has changed."""
        if self._is_changed(at):
            self._shown.quote(at, self._standing())

    def _is_changed(self, at: Nanos) -> bool:
        """Note what is displayed now; return whether it has changed."""
        quotes = np.empty((1, 5), dtype=np.int64)
        return bool(queue.show(at, self._px, self._book.levels, self._book.best, self._top, quotes, 0))

    def _standing(self) -> tuple[int, int, int, int]:
        """Return what is displayed, as the market shows it."""
        row = self._moved(np.append(0, self._top[:4]).reshape(1, 5), (1, 3))[0].tolist()
        return row[1], row[2], row[3], row[4]

    def _moved(self, rows: I64, columns: tuple[int, ...]) -> I64:
        """Return rows with their prices moved by our own impact; an empty side stays empty."""
        if self._shift:
            for column in columns:
                px = rows[:, column]
                rows[:, column] = np.where(px > 0, np.maximum(px + self._shift, self.spec.listing.tick), 0)
        return rows

    # Our queue.

    def _recorded(self, price: Px | None) -> Px:
        """Return a price of ours as the tape would have it; 0 for any price, below 0 for one under every price."""
        if price is None:
            return 0
        return price - self._shift if price > self._shift else -1

    def _place(self, k: int) -> None:
        """Write an order's row as of now, at the back of its level."""
        order = self._resting[k]
        is_peg = order.child.ord_type is OrdType.PEGGED
        side = BID if order.sign > 0 else ASK
        price = self._recorded(order.price)
        self._own[k] = (side, price, order.leaves_qty, self._next, order.child.min_qty if is_peg else 0, is_peg)

    def _sort(self) -> None:
        """Put the orders in the order in which they trade: pegs, which stand inside the spread, then by price, then as
        they joined."""
        ranks = [
            (side, -is_peg, -order.sign * price, joined, order.n, k)
            for k, (order, (side, price, _, joined, _, is_peg)) in enumerate(
                zip(self._resting, self._own.tolist(), strict=True)
            )
        ]
        places = [rank[-1] for rank in sorted(ranks)]
        self._resting = [self._resting[k] for k in places]
        self._own = self._own[places]

    def _leave(self, k: int) -> None:
        del self._resting[k]
        self._own = np.delete(self._own, k, axis=0)


def _other(sign: int) -> int:
    return ASK if sign > 0 else BID
