"""Market by order in Databento Binary Encoding: every order of a book, with its id and its place in the queue.

Rule of this file: the rows say how the displayed book changes, once each. The format tells a trade several times: by T
(the taker), by F (each order filled, the taker's own too) and then by C or M (what that does to the book). Here a
displayed order's fill is one EXECUTE, the C or M that repeats it is left out, and what C or M say beyond it becomes
REDUCE, DELETE, MODIFY or ADD. A trade without a taker's side is CROSS when its orders are told, else TRADE.

An order whose shown part has traded and whose next part comes in (an iceberg) enters anew: ADD with its id, last in its
queue. A smaller quantity at the same price keeps its place, and is REDUCE.

Source: Databento, "Market by order (MBO)" schema, and "State management of resting orders".
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import numpy as np

from router.domain.errors import TapeError, bad_value
from router.domain.units import SECOND
from venues.feeds.blocks import refuse
from venues.feeds.dbn_records import read_dbn
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.message_rows import SYMBOLS_MAX, WHOLE_MAX, Clock, Row, choose_symbol, mark_last, row_blocks
from venues.feeds.stream_feed import Notes, StreamFeed

FOLDER = "cme_es_mbo_dbn"

PX_UNIT = "0.0001"
"""Px of the rows: a half of any tick in use is a whole number of it."""

EVENT_ROWS_MAX = 1 << 20
"""Rows of one event: a snapshot of a busy book has a hundredth of it."""

BACK_MAX = SECOND
"""How far the exchange's stamps may fall in a file that is in the order of receipt."""

_LAST, _SNAPSHOT, _BAD_RECEIPT, _MAYBE_BAD = 128, 32, 8, 4
_SIDES = {ord("B"): 1, ord("A"): -1, ord("N"): 0}
_CLEAR, _WITHOUT_SIZE = ord("R"), frozenset(b"RN")
_FIELDS = ("instrument_id", "ts_event", "ts_recv", "order_id", "price", "size", "flags", "action", "side")
_ADD, _REDUCE, _DELETE = int(EventKind.ADD), int(EventKind.REDUCE), int(EventKind.DELETE)
_MODIFY, _EXECUTE, _TRADE = int(EventKind.MODIFY), int(EventKind.EXECUTE), int(EventKind.TRADE)
_HIDDEN = int(EventFlag.HIDDEN)


class _Mbo(NamedTuple):
    """One record as plain values; `record` counts from 1, `px` is in our unit."""

    record: int
    at: int
    action: str
    side: int
    px: int
    qty: int
    order_id: int
    flags: int


def open_dbn(path: Path, symbol: str | None = None, px_unit: str = PX_UNIT) -> StreamFeed:
    """Return the feed of one `.dbn` or `.dbn.zst` file of the schema `mbo`.

    Px is `px_unit` of the currency, Qty one contract or share. A file of several symbols gives the one asked for, or
    the most frequent. `at` is the exchange's stamp (of a snapshot: when it was taken), raised where it falls.

    Raises:
        TapeError: not such a file, or another symbol; later, a record that is truncated, out of order, or not what the
            format says.
    """
    dataset, names = read_dbn(path)[0]
    name = choose_symbol(path.name, _counts(path, names), symbol)
    ids = frozenset(number for number, of in names.items() if of == name) or frozenset({int(name)})
    step = Decimal(px_unit) * 10**9
    if step != int(step) or step < 1:
        raise TapeError(bad_value(path.name, "a price unit of whole 10^-9", px_unit))
    notes = Notes()
    rows = row_blocks(_events(path.name, _selected(path, ids, int(step), notes), notes))
    return StreamFeed(FeedInfo("dbn", name, px_unit, "1", (dataset.partition(".")[0],)), path.name, rows, notes)


def _counts(path: Path, names: dict[int, str]) -> Counter[str]:
    """Return how often each symbol comes: a header of one symbol has said it, else the records are counted."""
    if len(names) == 1:
        return Counter(names.values())
    counts: Counter[str] = Counter()
    for part in read_dbn(path)[1]:
        for number, n in zip(*np.unique(part["instrument_id"], return_counts=True), strict=True):
            counts[names.get(int(number), str(int(number)))] += int(n)
        if len(counts) > SYMBOLS_MAX:
            break
    return counts


def _selected(path: Path, ids: frozenset[int], step: int, notes: Notes) -> Iterator[_Mbo]:
    """Yield the records of the instruments `ids` in our units."""
    clock, received, record = Clock(path.name, BACK_MAX), 0, 0
    for part in read_dbn(path)[1]:
        for instrument, event, receipt, order_id, price, size, flags, action, side in zip(
            *(part[field].tolist() for field in _FIELDS), strict=True
        ):
            record += 1
            if instrument not in ids:
                notes.skip("another symbol", 1, f"{path.name} record {record}")
                continue
            if side not in _SIDES:
                raise refuse(path.name, record, "a side B, A or N", chr(side))
            if not flags & _BAD_RECEIPT:
                if receipt < received:
                    raise refuse(path.name, record, f"a time of receipt from {received}", receipt)
                received = receipt
            px, rest = divmod(price, step)
            if action != _CLEAR and (rest or abs(px) > WHOLE_MAX):
                raise refuse(path.name, record, f"a price in steps of {step} / 10^9", price)
            if action not in _WITHOUT_SIZE and not (size and order_id <= WHOLE_MAX):
                raise refuse(path.name, record, "a size from 1 and an order's id", f"{size}, {order_id}")
            at = clock.tell(receipt if flags & _SNAPSHOT else event, record)
            yield _Mbo(record, at, chr(action), _SIDES[side], px, size, order_id, flags)


def _events(place: str, records: Iterator[_Mbo], notes: Notes) -> Iterator[list[Row]]:
    """Yield the rows of each event: of the records up to one that is flagged as the last."""
    book = _Book(place, notes)
    for one in records:
        book.apply(one)
        if one.flags & _LAST:
            yield mark_last(book.take())
        elif len(book.rows) > EVENT_ROWS_MAX:
            raise refuse(place, one.record, f"at most {EVENT_ROWS_MAX} rows before an event's last record", "more")
    yield book.take()


class _Order:
    """What the book says of an order, and what our rows have shown of it."""

    __slots__ = ("px", "qty", "shown", "side")

    def __init__(self, side: int, px: int, qty: int) -> None:
        self.side, self.px, self.qty, self.shown = side, px, qty, qty


class _Trade:
    """A trade that was told, until its fills are."""

    __slots__ = ("crossed", "filled", "one")

    def __init__(self, one: _Mbo) -> None:
        self.one, self.filled, self.crossed = one, 0, False


class _Book:
    """All live orders, and the rows of the event so far."""

    def __init__(self, place: str, notes: Notes) -> None:
        self.rows: list[Row] = []
        self._place, self._notes = place, notes
        self._orders: dict[int, _Order] = {}
        self._trade: _Trade | None = None
        self._actions = {
            "A": self._add,
            "C": self._cancel,
            "M": self._modify,
            "T": self._traded,
            "F": self._fill,
            "R": self._clear,
            "N": self._nothing,
        }

    def apply(self, one: _Mbo) -> None:
        """Add what one record changes to the rows."""
        if one.action != "F":
            self._settle()
        if one.flags & _MAYBE_BAD:
            # The publisher says that it lost packets before this record.
            self._notes.gaps += 1
        if one.action not in self._actions:
            raise refuse(self._place, one.record, f"an action of {''.join(self._actions)}", one.action)
        self._actions[one.action](one)

    def take(self) -> list[Row]:
        """Return the rows of the event that ends here."""
        self._settle()
        rows, self.rows = self.rows, []
        return rows

    def _row(self, one: _Mbo, kind: int, side: int, px: int, qty: int, flags: int = 0) -> None:
        snapshot = int(EventFlag.SNAPSHOT) if one.flags & _SNAPSHOT else 0
        self.rows.append((one.at, 0, kind, side, px, qty, one.order_id, flags | snapshot))

    def _skip(self, one: _Mbo, reason: str) -> None:
        self._notes.skip(reason, 1, f"{self._place} record {one.record}")

    def _clear(self, one: _Mbo) -> None:
        self._orders.clear()
        self.rows.append((one.at, 0, int(EventKind.CLEAR), 0, 0, 0, 0, int(EventFlag.SNAPSHOT)))

    def _nothing(self, one: _Mbo) -> None:
        self._skip(one, "no action")

    def _add(self, one: _Mbo) -> None:
        if one.order_id in self._orders:
            raise refuse(self._place, one.record, "an order that is not in the book", one.order_id)
        if not one.side:
            raise refuse(self._place, one.record, "a side B or A", "N")
        self._orders[one.order_id] = _Order(one.side, one.px, one.qty)
        self._row(one, _ADD, one.side, one.px, one.qty)

    def _cancel(self, one: _Mbo) -> None:
        order = self._orders.get(one.order_id)
        if order is None:
            self._skip(one, "unknown order")
            return
        order.qty -= one.qty
        if order.qty < 0:
            raise refuse(self._place, one.record, f"at most {order.qty + one.qty} to cancel", one.qty)
        self._show(one, order)
        if not order.qty:
            del self._orders[one.order_id]

    def _modify(self, one: _Mbo) -> None:
        order = self._orders.get(one.order_id)
        if order is None:
            self._add(one)
            return
        if one.side != order.side:
            raise refuse(self._place, one.record, f"the side {order.side} of the order", one.side)
        is_moved, order.px, order.qty = one.px != order.px, one.px, one.qty
        if not (is_moved or one.qty > order.shown):
            self._show(one, order)
            return
        self._row(one, _MODIFY if order.shown else _ADD, order.side, order.px, order.qty)
        order.shown = order.qty

    def _show(self, one: _Mbo, order: _Order) -> None:
        """Show an order that is smaller now, as far as its fills have not."""
        if order.qty >= order.shown:
            self._skip(one, "told by its fills")
            return
        kind = _REDUCE if order.qty else _DELETE
        self._row(one, kind, order.side, order.px, order.shown - order.qty)
        order.shown = order.qty

    def _traded(self, one: _Mbo) -> None:
        self._trade = _Trade(one)

    def _fill(self, one: _Mbo) -> None:
        trade, order = self._trade, self._orders.get(one.order_id)
        side = one.side or (order.side if order and not trade else 0)
        if trade and not side:
            trade.crossed = True
            self._skip(one, "told by its cross")
            return
        if trade and side == trade.one.side:
            # The taker was in the book itself: the C or M that follows says what that leaves of it.
            self._skip(one, "the taker's own fill")
            return
        shown = min(order.shown, one.qty) if order else 0
        if trade:
            trade.filled += one.qty
        if order and shown:
            order.shown -= shown
            self._row(one, _EXECUTE, side, one.px, shown)
        if one.qty > shown:
            self._row(one, _TRADE, side, one.px, one.qty - shown, _HIDDEN)

    def _settle(self) -> None:
        """Say what no fill has said of the trade before: a cross, or a trade with nobody's displayed order."""
        trade, self._trade = self._trade, None
        if trade is None:
            return
        one = trade.one
        if trade.crossed:
            self._row(one, int(EventKind.CROSS), 0, one.px, one.qty)
        elif one.qty > trade.filled:
            self._row(one, _TRADE, -one.side, one.px, one.qty - trade.filled, _HIDDEN)
        else:
            self._skip(one, "told by its fills")
