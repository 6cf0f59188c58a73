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
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import SECOND
from venues.feeds.blocks import refuse
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.message_rows import WHOLE_MAX, Clock, Row, choose_symbol, mark_last, row_blocks
from venues.feeds.stream_feed import Notes, StreamFeed

if TYPE_CHECKING:
    import databento_dbn as dbn

FOLDER = "cme_es_mbo_dbn"

PX_UNIT = "0.0001"
"""Px of the rows: a half of any tick in use is a whole number of it."""

BLOCK_BYTES = 1 << 20
"""Unpacked at once: about 19,000 records."""

EVENT_ROWS_MAX = 1 << 20
"""Rows of one event: a snapshot of a busy book has a hundredth of it."""

BACK_MAX = SECOND
"""How far the exchange's stamps may fall in a file that is in the order of receipt."""

_LAST, _SNAPSHOT, _BAD_RECEIPT, _MAYBE_BAD = 128, 32, 8, 4
_SIDES = {"B": 1, "A": -1, "N": 0}
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
        TapeError: not such a file, another symbol, or without the packages of the extra `feeds`; later, a record that
            is truncated, out of order, or not what the format says.
    """
    metadata = _metadata(path)
    names = {int(of["symbol"]): name for name, spans in metadata.mappings.items() for of in spans if of["symbol"]}
    if len(names) > 1:
        counts = Counter(names.get(one.instrument_id, str(one.instrument_id)) for one in _messages(path))
    else:
        counts = Counter(names.values())
    name = choose_symbol(path.name, counts, symbol)
    ids = frozenset(number for number, of in names.items() if of == name)
    info = FeedInfo("dbn", name, px_unit, "1", (metadata.dataset.partition(".")[0],))
    notes = Notes()
    return StreamFeed(info, path.name, _rows(path, ids, Decimal(px_unit), notes), notes)


def _rows(path: Path, ids: frozenset[int], px_unit: Decimal, notes: Notes) -> Iterator[I64]:
    step = int(px_unit * 10**9)
    return row_blocks(_events(path.name, _selected(path, ids, step, notes), notes))


def _selected(path: Path, ids: frozenset[int], step: int, notes: Notes) -> Iterator[_Mbo]:
    """Yield the records of the instruments `ids` in our units."""
    clock, received = Clock(path.name, BACK_MAX), 0
    for record, one in enumerate(_messages(path), start=1):
        if one.instrument_id not in ids:
            notes.skip("another symbol", 1, f"{path.name} record {record}")
            continue
        flags, action, side = int(one.flags), str(one.action), str(one.side)
        if side not in _SIDES:
            raise refuse(path.name, record, "a side B, A or N", side)
        if not flags & _BAD_RECEIPT:
            if one.ts_recv < received:
                raise refuse(path.name, record, f"a time of receipt from {received}", one.ts_recv)
            received = one.ts_recv
        at = clock.tell(one.ts_recv if flags & _SNAPSHOT else one.ts_event, record)
        px, rest = divmod(one.price, step)
        if action != "R" and (rest or abs(px) > WHOLE_MAX):
            raise refuse(path.name, record, f"a price in steps of {step} / 10^9", one.price)
        if action not in "RN" and not (one.size and one.order_id <= WHOLE_MAX):
            raise refuse(path.name, record, "a size from 1 and an order's id", f"{one.size}, {one.order_id}")
        yield _Mbo(record, at, action, _SIDES[side], px, one.size, one.order_id, flags)


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


def _metadata(path: Path) -> dbn.Metadata:
    """Return the header.

    Raises:
        TapeError: not a DBN file, or not of market by order.
    """
    package = _decoder_package(path)
    for part in _decoded(path):
        for one in part:
            if not isinstance(one, package.Metadata):
                break
            metadata: dbn.Metadata = one
            if metadata.schema != package.Schema.MBO:
                raise TapeError(bad_value(f"{path.name} header", "the schema mbo", str(metadata.schema)))
            return metadata
    raise TapeError(bad_value(f"{path.name} header", "a header of DBN", "none"))


def _messages(path: Path) -> Iterator[dbn.MBOMsg]:
    """Yield the records behind the header.

    Raises:
        TapeError: one that is not market by order, or none.
    """
    package = _decoder_package(path)
    record = 0
    for part in _decoded(path):
        for one in part:
            if isinstance(one, package.MBOMsg):
                record += 1
                yield one
            elif not isinstance(one, package.Metadata):
                raise refuse(path.name, record + 1, "a record of market by order", type(one).__name__)
    if not record:
        raise TapeError(bad_value(path.name, "at least one record", 0))


def _decoded(path: Path) -> Iterator[list[dbn.DBNRecord]]:
    """Yield what the decoder makes of each block of bytes.

    Raises:
        TapeError: unreadable, truncated, not DBN, or without the decoder.
    """
    package = _decoder_package(path)
    decoder, records = package.DBNDecoder(), 0
    try:
        with pa.input_stream(str(path), compression="zstd" if path.suffix == ".zst" else None) as file:
            while block := file.read(BLOCK_BYTES):
                decoder.write(block)
                part = decoder.decode()
                yield part
                records += len(part)
    # The decoder's own error and Arrow's on unpacking; a time above its range is a ValueError or an OverflowError.
    except (package.DBNError, OSError, ValueError, OverflowError) as exc:
        raise refuse(path.name, max(records, 1), "whole records of DBN", str(exc)) from exc
    if decoder.buffer():
        raise refuse(path.name, max(records, 1), "whole records of DBN", f"{len(decoder.buffer())} bytes of one")


def _decoder_package(path: Path) -> ModuleType:
    try:
        import databento_dbn
    except ImportError as exc:
        raise TapeError(bad_value(path.name, "the packages of the extra 'feeds'", "none")) from exc
    return databento_dbn
