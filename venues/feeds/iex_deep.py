"""IEX DEEP 1.0 over IEX-TP: the displayed quantity at every price of one stock at IEX, and its trades.

Rule of this file: the transport's sequence numbers decide what is read. A repeated message is left out; after lost
ones, and when the sender starts its sequence anew, the book is not known any more: a CLEAR row says so.

LEVEL rows carry LAST when the exchange says that its event is complete. A trade is a TRADE row without a side (the feed
says none) with the trade's id; a single-price cross is CROSS. STATUS rows are written when the stock's own status or
the exchange's operational halt changes whether it trades.

Source: IEX, "IEX Transport Specification" 1.1 and "DEEP Specification" 1.0.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from router.domain.market import I64
from router.domain.units import PX_MAX, SECOND, Nanos
from venues.feeds.blocks import refuse
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.message_rows import SYMBOLS_MAX, Clock, Row, choose_symbol, mark_last, row_blocks
from venues.feeds.pcap import udp_payloads
from venues.feeds.stream_feed import KIND, Notes, StreamFeed

FOLDER = "iex_wire_samples"
MIC = "IEXG"

DEEP = 0x8004
"""Message protocol of DEEP 1.0."""

BACK_MAX = 10 * SECOND
"""How far stamps may fall: what a message says last happened may be older than what was sent before it."""

LENGTHS = {
    b"S": 10,
    b"D": 31,
    b"H": 22,
    b"I": 18,
    b"O": 18,
    b"P": 19,
    b"E": 18,
    b"8": 30,
    b"5": 30,
    b"T": 38,
    b"B": 38,
    b"X": 26,
    b"A": 80,
}
"""Bytes of each type of message."""

_LEFT_OUT = {
    b"S": "system event",
    b"D": "security directory",
    b"I": "retail liquidity indicator",
    b"P": "short sale price test",
    b"E": "security event",
    b"X": "official price",
    b"A": "auction information",
}

_TRANSPORT = struct.Struct("<BxHIIHHqqq")  # version, protocol, channel, session, bytes, messages, offset, first, time
_LENGTH = struct.Struct("<H")
_STAMP = struct.Struct("<2xq")
_SIZE_PRICE = struct.Struct("<18xIq")
_SIZE_PRICE_ID = struct.Struct("<18xIqq")
_LAST = int(EventFlag.LAST)
_EXTENDED_HOURS, _ODD_LOT, _CROSS = 0x40, 0x20, 0x08


class _Segment(NamedTuple):
    """One packet of the transport: its messages, of which the first has the number `first`."""

    record: int
    session: int
    offset: int
    first: int
    sent: Nanos
    messages: list[bytes]


def open_iex_deep(path: Path, symbol: str | None = None) -> StreamFeed:
    """Return the feed of one symbol, or of the one with most price levels and trades, of a `.pcap` or `.pcap.gz`.

    Px is 0.0001 dollar, Qty one share. `at` is the exchange's stamp, raised where it falls. What the capture cut is
    counted as skipped.

    Raises:
        TapeError: no such capture, another protocol or without that symbol; later, a packet that is not what the
            format says.
    """
    counts: Counter[str] = Counter()
    for segment in _segments(path, Notes()):
        for message in segment.messages:
            if message[:1] in b"85TB":
                counts[_symbol(message)] += 1
        if len(counts) > SYMBOLS_MAX:
            break
    name = choose_symbol(path.name, counts, symbol)
    notes = Notes()
    return StreamFeed(FeedInfo("iex", name, "0.0001", "1", (MIC,)), path.name, _rows(path, name, notes), notes)


def _rows(path: Path, symbol: str, notes: Notes) -> Iterator[I64]:
    book = _Book(path.name, symbol, notes)
    return row_blocks(book.rows(segment) for segment in _segments(path, notes))


def _symbol(message: bytes) -> str:
    return message[10:18].decode("latin-1").rstrip(" ")


def _segments(path: Path, notes: Notes) -> Iterator[_Segment]:
    """Yield what each packet carries.

    Raises:
        TapeError: another protocol, lengths that do not add up, or a known type of another length.
    """
    for record, payload in udp_payloads(path, notes):
        if len(payload) < _TRANSPORT.size:
            raise refuse(path.name, record, f"a transport header of {_TRANSPORT.size} bytes", len(payload))
        version, protocol, _, session, size, count, offset, first, sent = _TRANSPORT.unpack_from(payload)
        if (version, protocol) != (1, DEEP):
            raise refuse(path.name, record, f"IEX-TP 1 with protocol {DEEP:#x}", f"{version} with {protocol:#x}")
        if size != len(payload) - _TRANSPORT.size or offset < 0 or first < 0:
            raise refuse(path.name, record, "a payload of the header's length", f"{size}, {offset}, {first}")
        yield _Segment(record, session, offset, first, sent, _split(path.name, record, payload, count))


def _split(place: str, record: int, payload: bytes, count: int) -> list[bytes]:
    messages: list[bytes] = []
    start = _TRANSPORT.size
    for _ in range(count):
        if start + _LENGTH.size > len(payload):
            raise refuse(place, record, f"{count} messages", len(messages))
        (length,) = _LENGTH.unpack_from(payload, start)
        message = payload[start + _LENGTH.size : start + _LENGTH.size + length]
        if not message or len(message) != length or length != LENGTHS.get(message[:1], length):
            raise refuse(place, record, f"a message of {LENGTHS.get(message[:1], length)} bytes", length)
        messages.append(message)
        start += _LENGTH.size + length
    if start != len(payload):
        raise refuse(place, record, f"{count} messages", "more bytes")
    return messages


class _Book:
    """Where the sequence is, and whether the stock trades."""

    def __init__(self, place: str, symbol: str, notes: Notes) -> None:
        self._place, self._notes = place, notes
        self._symbol = symbol.encode("latin-1").ljust(8)
        self._clock = Clock(place, BACK_MAX)
        self._session, self._next = 0, 0
        self._is_listed, self._is_halted = True, False
        self._trades: bool | None = None
        self._does: dict[bytes, Callable[[int, bytes, Nanos], list[Row]]] = {
            b"8": self._level,
            b"5": self._level,
            b"T": self._trade,
            b"B": self._break,
            b"H": self._status,
            b"O": self._halt,
        }

    def rows(self, segment: _Segment) -> list[Row]:
        """Return the rows of one packet, the last with LAST unless the exchange's event goes on."""
        rows = self._follow(segment)
        self._notes.skip("heartbeat", int(not segment.messages), f"{self._place} record {segment.record}")
        for message in segment.messages[self._known(segment) :]:
            rows += self._message(segment.record, message)
        self._next = max(self._next, segment.first + len(segment.messages))
        return rows if rows and rows[-1][KIND] == EventKind.LEVEL else mark_last(rows)

    def _known(self, segment: _Segment) -> int:
        """Return how many of the packet's messages have been read before, and count them."""
        known = min(max(self._next - segment.first, 0), len(segment.messages))
        self._notes.skip("repeated message", known, f"{self._place} record {segment.record}")
        return known

    def _follow(self, segment: _Segment) -> list[Row]:
        """Follow the sequence; a break is a gap and clears the book."""
        is_first = not self._next
        # A sender that starts anew counts from 1 at offset 0, in the same session or another.
        is_new = segment.session != self._session or (segment.first == 1 < self._next and not segment.offset)
        is_broken = is_new or segment.first > self._next
        self._session = segment.session
        if is_broken:
            self._next = segment.first
        if is_first or not is_broken:
            return []
        self._notes.gaps += 1
        return [(self._clock.tell(segment.sent, segment.record), 0, int(EventKind.CLEAR), 0, 0, 0, 0, 0)]

    def _message(self, record: int, message: bytes) -> list[Row]:
        kind = message[:1]
        if kind not in self._does:
            self._notes.skip(_LEFT_OUT.get(kind, "unknown type"), 1, f"{self._place} record {record}")
            return []
        if message[10:18] != self._symbol:
            self._notes.skip("another symbol", 1, f"{self._place} record {record}")
            return []
        return self._does[kind](record, message, self._clock.tell(_STAMP.unpack_from(message)[0], record))

    def _level(self, record: int, message: bytes, at: Nanos) -> list[Row]:
        qty, px = _SIZE_PRICE.unpack_from(message)
        self._check_price(record, px)
        side = 1 if message[:1] == b"8" else -1
        return [(at, 0, int(EventKind.LEVEL), side, px, qty, 0, _LAST if message[1] & 1 else 0)]

    def _trade(self, record: int, message: bytes, at: Nanos) -> list[Row]:
        qty, px, trade_id = _SIZE_PRICE_ID.unpack_from(message)
        self._check_price(record, px)
        flags = int(EventFlag.ODD) if message[1] & (_EXTENDED_HOURS | _ODD_LOT) else 0
        kind = EventKind.CROSS if message[1] & _CROSS else EventKind.TRADE
        return [(at, 0, int(kind), 0, px, qty, trade_id, flags)]

    def _break(self, record: int, message: bytes, at: Nanos) -> list[Row]:
        qty, px, trade_id = _SIZE_PRICE_ID.unpack_from(message)
        self._check_price(record, px)
        return [(at, 0, int(EventKind.BUST), 0, px, qty, trade_id, 0)]

    def _status(self, record: int, message: bytes, at: Nanos) -> list[Row]:
        if message[1:2] not in b"THOP":
            raise refuse(self._place, record, "a trading status T, H, O or P", message[1:2])
        self._is_listed = message[1:2] == b"T"
        return self._tell_status(record, at)

    def _halt(self, record: int, message: bytes, at: Nanos) -> list[Row]:
        if message[1:2] not in b"ON":
            raise refuse(self._place, record, "an operational halt status O or N", message[1:2])
        self._is_halted = message[1:2] == b"O"
        return self._tell_status(record, at)

    def _tell_status(self, record: int, at: Nanos) -> list[Row]:
        trades = self._is_listed and not self._is_halted
        if trades == self._trades:
            self._notes.skip("status as before", 1, f"{self._place} record {record}")
            return []
        self._trades = trades
        return [(at, 0, int(EventKind.STATUS), 0, 0, int(trades), 0, 0)]

    def _check_price(self, record: int, px: int) -> None:
        if not 0 < px <= PX_MAX:
            raise refuse(self._place, record, f"a price from 1 to {PX_MAX}", px)
