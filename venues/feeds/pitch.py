"""Cboe (BATS) PITCH in ASCII: every order of one exchange's book, with its id.

Rule of this file: a message's layout is one row of `FORMS`, and what it means is one method of `_Session`; a message
of another length, or that takes more from an order than it has, is refused.

A line is a message, with or without the session's letter S before it: 8 digits of milliseconds since midnight, a type,
its fields. Ids are base 36 and stand as that number. A hidden order's trade and a break carry the execution's id. An
execution says no price: it is its order's. Source: Cboe, "PITCH specification", 1.x (ASCII).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import MILLISECOND, SECOND, Nanos
from venues.feeds.blocks import line_blocks, refuse
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.message_rows import SYMBOLS_MAX, Clock, Row, choose_symbol, row_blocks
from venues.feeds.stream_feed import PX, QTY, Notes, StreamFeed

FOLDER = "cboe_pitch_ascii"
MIC = "BATS"

BACK_MAX = SECOND
"""How far stamps may fall: the matching units of one exchange are not in step, by milliseconds."""

DAY_MS = 86_400_000

FORMS = {
    "A": (("id", 12), ("side", 1), ("shares", 6), ("symbol", 6), ("price", 10), ("display", 1)),
    "d": (("id", 12), ("side", 1), ("shares", 6), ("symbol", 8), ("price", 10), ("display", 1), ("participant", 4)),
    "E": (("id", 12), ("shares", 6), ("execution", 12)),
    "X": (("id", 12), ("shares", 6)),
    "P": (("id", 12), ("side", 1), ("shares", 6), ("symbol", 6), ("price", 10), ("execution", 12)),
    "r": (("id", 12), ("side", 1), ("shares", 6), ("symbol", 8), ("price", 10), ("execution", 12)),
    "B": (("execution", 12),),
    "H": (("symbol", 8), ("status", 1), ("reserved", 3)),
    "s": (("symbol", 8),),
    "I": (("symbol", 8), ("auction", 1), ("reference", 10), ("buy", 10), ("sell", 10), ("indicative", 10)),
    "J": (("symbol", 8), ("auction", 1), ("price", 10), ("shares", 10)),
    "R": (("symbol", 8), ("retail", 1)),
}
"""The fields of each type of message and their widths, behind the stamp and the type."""

_WIDTHS = {kind: 9 + sum(width for _, width in fields) for kind, fields in FORMS.items()}
_SIDES = {"B": 1, "S": -1}
_TRADING = {"T": 1, "H": 0, "Q": 0, "A": 0, "S": 0}
_LAST, _HIDDEN = int(EventFlag.LAST), int(EventFlag.HIDDEN)


class _Message(NamedTuple):
    record: int
    ms: int
    kind: str
    fields: dict[str, str]


def open_pitch(path: Path, symbol: str | None = None, midnight: Nanos = 0) -> StreamFeed:
    """Return the feed of one symbol, or of the one with most messages, of a file (`.gz` is unpacked).

    Px is 0.0001 dollar, Qty one share. The format has no date: `midnight` is the time from which its stamps count, in
    ns since 1970 UTC; without it, times are those of 1970-01-01 as if the exchange's clock were UTC. Stamps are raised
    where they fall.

    Raises:
        TapeError: unreadable, or without that symbol; later, a line that is not what the format says.
    """
    counts: Counter[str] = Counter()
    for message in _messages(path):
        if "symbol" in message.fields:
            counts[message.fields["symbol"]] += 1
            if len(counts) > SYMBOLS_MAX:
                break
    name = choose_symbol(path.name, counts, symbol)
    notes = Notes()
    return StreamFeed(
        FeedInfo("pitch", name, "0.0001", "1", (MIC,)), path.name, _rows(path, name, midnight, notes), notes
    )


def _rows(path: Path, symbol: str, midnight: Nanos, notes: Notes) -> Iterator[I64]:
    session = _Session(path.name, symbol, midnight, notes)
    return row_blocks(session.rows(message) for message in _messages(path))


def _messages(path: Path) -> Iterator[_Message]:
    """Yield the messages of the file; symbols are stripped of their padding."""
    record = 0
    for block in line_blocks(path):
        for line in block.splitlines():
            record += 1
            yield _message(path.name, record, line)
    if not record:
        raise TapeError(bad_value(path.name, "at least one message", 0))


def _message(place: str, record: int, line: bytes) -> _Message:
    text = line.removeprefix(b"S").decode("latin-1")
    kind = text[8:9]
    if kind not in FORMS or len(text) != _WIDTHS[kind]:
        raise refuse(place, record, f"a message of a type {''.join(FORMS)} and its length", line[:80])
    fields, start = {}, 9
    for name, width in FORMS[kind]:
        fields[name] = text[start : start + width]
        start += width
    if "symbol" in fields:
        fields["symbol"] = fields["symbol"].rstrip(" ")
        if not (fields["symbol"].isascii() and fields["symbol"].isprintable() and fields["symbol"]):
            raise refuse(place, record, "a symbol", fields["symbol"])
    ms = _number(place, record, text[:8])
    if ms >= DAY_MS:
        raise refuse(place, record, f"milliseconds below {DAY_MS}", ms)
    return _Message(record, ms, kind, fields)


def _number(place: str, record: int, text: str, base: int = 10) -> int:
    """Return a number of digits alone: `int` would also take signs, spaces and underscores."""
    if not (text.isascii() and (text.isdigit() if base == 10 else text.isalnum())):
        raise refuse(place, record, f"a number to base {base}", text)
    return int(text, base)


class _Order:
    """A live order; `is_ours` when it is of the feed's symbol."""

    __slots__ = ("is_ours", "px", "qty", "side")

    def __init__(self, is_ours: bool, side: int, px: int, qty: int) -> None:
        self.is_ours, self.side, self.px, self.qty = is_ours, side, px, qty


class _Session:
    """The live orders of all symbols, since executions and cancels name an order and no symbol.

    What it remembers grows with the live orders, and with the executions of the feed's own symbol.
    """

    def __init__(self, place: str, symbol: str, midnight: Nanos, notes: Notes) -> None:
        self._place, self._symbol, self._midnight, self._notes = place, symbol, midnight, notes
        self._clock = Clock(place, BACK_MAX)
        self._orders: dict[int, _Order] = {}
        self._executions: dict[int, tuple[int, int]] = {}
        self._does: dict[str, Callable[[_Message, Nanos], list[Row]]] = {
            "A": self._add,
            "d": self._add,
            "E": self._execute,
            "X": self._cancel,
            "P": self._trade,
            "r": self._trade,
            "B": self._break,
            "H": self._status,
            "s": self._clear,
            "I": self._auction_update,
            "J": self._auction,
            "R": self._retail_interest,
        }

    def rows(self, message: _Message) -> list[Row]:
        """Return the rows of one message: one, or none when it is of another symbol."""
        at = self._clock.tell(self._midnight + message.ms * MILLISECOND, message.record)
        return self._does[message.kind](message, at)

    def _skip(self, message: _Message, reason: str) -> list[Row]:
        self._notes.skip(reason, 1, f"{self._place} record {message.record}")
        return []

    def _value(self, message: _Message, field: str, base: int = 10) -> int:
        return _number(self._place, message.record, message.fields[field], base)

    def _side(self, message: _Message) -> int:
        side = message.fields["side"]
        if side not in _SIDES:
            raise refuse(self._place, message.record, "a side B or S", side)
        return _SIDES[side]

    def _shares(self, message: _Message) -> int:
        shares = self._value(message, "shares")
        if not shares:
            raise refuse(self._place, message.record, "shares from 1", shares)
        return shares

    def _add(self, message: _Message, at: Nanos) -> list[Row]:
        order_id, side = self._value(message, "id", 36), self._side(message)
        px, qty = self._value(message, "price"), self._shares(message)
        if order_id in self._orders:
            raise refuse(self._place, message.record, "an order that is not in the book", message.fields["id"])
        is_ours = message.fields["symbol"] == self._symbol
        self._orders[order_id] = _Order(is_ours, side, px, qty)
        if not is_ours:
            return self._skip(message, "another symbol")
        return [(at, 0, int(EventKind.ADD), side, px, qty, order_id, _LAST)]

    def _execute(self, message: _Message, at: Nanos) -> list[Row]:
        execution = self._value(message, "execution", 36)
        rows = self._take(message, at, int(EventKind.EXECUTE), int(EventKind.EXECUTE))
        for row in rows:
            self._executions[execution] = row[PX], row[QTY]
        return rows

    def _cancel(self, message: _Message, at: Nanos) -> list[Row]:
        return self._take(message, at, int(EventKind.REDUCE), int(EventKind.DELETE))

    def _take(self, message: _Message, at: Nanos, of_a_part: int, of_all: int) -> list[Row]:
        order_id, qty = self._value(message, "id", 36), self._shares(message)
        order = self._orders.get(order_id)
        if order is None:
            return self._skip(message, "unknown order")
        if qty > order.qty:
            raise refuse(self._place, message.record, f"at most the order's {order.qty} shares", qty)
        order.qty -= qty
        if not order.qty:
            del self._orders[order_id]
        if not order.is_ours:
            return self._skip(message, "another symbol")
        return [(at, 0, of_a_part if order.qty else of_all, order.side, order.px, qty, order_id, _LAST)]

    def _trade(self, message: _Message, at: Nanos) -> list[Row]:
        side, px, qty = self._side(message), self._value(message, "price"), self._shares(message)
        execution = self._value(message, "execution", 36)
        if message.fields["symbol"] != self._symbol:
            return self._skip(message, "another symbol")
        self._executions[execution] = px, qty
        return [(at, 0, int(EventKind.TRADE), side, px, qty, execution, _LAST | _HIDDEN)]

    def _break(self, message: _Message, at: Nanos) -> list[Row]:
        # A break names no symbol: it is ours when the execution was.
        execution = self._value(message, "execution", 36)
        if execution not in self._executions:
            return self._skip(message, "break of an execution of another symbol, or unknown")
        px, qty = self._executions.pop(execution)
        return [(at, 0, int(EventKind.BUST), 0, px, qty, execution, _LAST)]

    def _status(self, message: _Message, at: Nanos) -> list[Row]:
        status = message.fields["status"]
        if status not in _TRADING:
            raise refuse(self._place, message.record, f"a trading status of {''.join(_TRADING)}", status)
        if message.fields["symbol"] != self._symbol:
            return self._skip(message, "another symbol")
        return [(at, 0, int(EventKind.STATUS), 0, 0, _TRADING[status], 0, _LAST)]

    def _clear(self, message: _Message, at: Nanos) -> list[Row]:
        # Orders of other symbols stay known; nothing names them again but their own messages.
        if message.fields["symbol"] != self._symbol:
            return self._skip(message, "another symbol")
        self._orders = {order_id: order for order_id, order in self._orders.items() if not order.is_ours}
        return [(at, 0, int(EventKind.CLEAR), 0, 0, 0, 0, _LAST)]

    def _retail_interest(self, message: _Message, at: Nanos) -> list[Row]:
        return self._skip(message, "retail price improvement")

    def _auction_update(self, message: _Message, at: Nanos) -> list[Row]:
        return self._skip(message, "auction update")

    def _auction(self, message: _Message, at: Nanos) -> list[Row]:
        px, qty = self._value(message, "price"), self._value(message, "shares")
        if message.fields["symbol"] != self._symbol:
            return self._skip(message, "another symbol")
        if not qty:
            return self._skip(message, "auction without a trade")
        return [(at, 0, int(EventKind.CROSS), 0, px, qty, 0, _LAST)]
