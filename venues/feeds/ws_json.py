"""Raw websocket recordings of crypto exchanges: one line a message, with the time of its receipt.

Rule of this file: a symbol's book is known from a snapshot on and until its numbers break, a connection is opened anew
or the recording ends; changes that no snapshot precedes are counted and left out. What an exchange's words mean is in
`ws_json_spot.py` and `ws_json_futures.py`.

Lines are `url <-> time` (opened), `url <- time: json` (sent), `url -> time: json` (the answer to a request),
`time: json` (received); times are seconds since 1970. `EXCHANGE.ws.N` is a connection, `EXCHANGE.http.*` holds the
snapshots that were asked for. `at` is the time of receipt: only some of the exchanges stamp their messages.

Source of the lines: cryptofeed's `AsyncFileCallback`.
"""

from __future__ import annotations

import heapq
import re
from collections import Counter
from collections.abc import Iterator
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import SECOND, Nanos
from venues.feeds.blocks import line_blocks, refuse
from venues.feeds.decimals import PLACES_MAX, DecimalRows, places_of, unit
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.message_rows import SYMBOLS_MAX, Clock, choose_symbol
from venues.feeds.stream_feed import BATCH_ROWS_MAX, Notes, StreamFeed
from venues.feeds.ws_json_futures import bybit, deribit
from venues.feeds.ws_json_said import BookSaid, Parse, ParseAnswer, Said, TradeSaid
from venues.feeds.ws_json_spot import (
    binance,
    binance_answer,
    bitstamp,
    bitstamp_answer,
    coinbase,
    gemini,
    kraken,
)

FOLDER = "crypto_ws_raw"

EXCHANGES: dict[str, tuple[Parse, ParseAnswer | None]] = {
    "BINANCE": (binance, binance_answer),
    "BITSTAMP": (bitstamp, bitstamp_answer),
    "BYBIT": (bybit, None),
    "COINBASE": (coinbase, None),
    "DERIBIT": (deribit, None),
    "GEMINI": (gemini, None),
    "KRAKEN": (kraken, None),
}
"""Who reads each exchange's messages, and its snapshots where they come by request."""

BACK_MAX = SECOND
"""How far times of receipt may fall: a recorder that waits for its disk writes a little out of order."""

PENDING_MAX = 4_096
"""Changes kept while a snapshot is on its way: ten a second come, and it takes seconds."""

_NAME = re.compile(r"(?P<exchange>[A-Z]+)(\.ws(\.\d+)+(\.gz)?)?")
_LINE = re.compile(
    rb"(?:(?P<url>\S+) (?P<arrow><->|<-|->) )?(?P<s>\d{9,10})(?:\.(?P<part>\d{1,9}))?(?:: (?P<text>.*))?"
)
_JSON = msgspec.json.Decoder(float_hook=str)
_LAST, _SNAPSHOT = int(EventFlag.LAST), int(EventFlag.SNAPSHOT)
_WRONG_SHAPE = (LookupError, TypeError, ValueError, AttributeError, ArithmeticError)


class _Line(NamedTuple):
    at: Nanos
    place: str
    record: int
    url: str
    arrow: str
    text: bytes

    def where(self) -> str:
        return f"{self.place} record {self.record}"


class _Scan(NamedTuple):
    """What a first reading finds: how often each symbol comes, and the decimals its numbers need."""

    counts: Counter[str]
    px_places: dict[str, int]
    qty_places: dict[str, int]


def open_ws_json(path: Path, symbol: str | None = None) -> StreamFeed:
    """Return the feed of one symbol, or of the one with most levels and trades, at one exchange.

    `path` is a connection's file (`KRAKEN.ws.50.gz`), or the exchange's name in its folder (`KRAKEN`) for all of its
    connections together; requested snapshots are read from beside it. Units are the finest decimals that the symbol's
    prices and quantities need. A recording without any symbol is a feed without rows, and its symbol is empty.

    Raises:
        TapeError: no such recording, an exchange out of `EXCHANGES`, or without that symbol; a line or a message that
            is not what it should be; later, a book that waits for its snapshot for too long.
    """
    match = _NAME.fullmatch(path.name)
    if not match or match["exchange"] not in EXCHANGES:
        raise TapeError(bad_value(path.name, f"a recording as EXCHANGE.ws.N.gz of {', '.join(EXCHANGES)}", path.name))
    exchange = match["exchange"]
    files = _files(path, exchange)
    scan = _scan(path.name, files, exchange)
    # A connection without a book or a trade is a recording too, of no symbol: what it says is counted and left out.
    name = choose_symbol(path.name, scan.counts, symbol) if scan.counts or symbol is not None else ""
    px, qty = scan.px_places.get(name, 0), scan.qty_places.get(name, 0)
    notes = Notes()
    book = _Book(path.name, name, DecimalRows(path.name, px, qty), notes)
    info = FeedInfo("ws_json", name, unit(px), unit(qty), (exchange,))
    return StreamFeed(info, path.name, _rows(files, exchange, book, notes), notes)


def _files(path: Path, exchange: str) -> list[Path]:
    connections = sorted(path.parent.glob(f"{exchange}.ws.*")) if path.name == exchange else [path]
    if not connections:
        raise TapeError(bad_value(path.name, f"files {exchange}.ws.* beside it", "none"))
    answers = sorted(path.parent.glob(f"{exchange}.http.*")) if EXCHANGES[exchange][1] else []
    return [*connections, *answers]


def _scan(place: str, files: list[Path], exchange: str) -> _Scan:
    scan = _Scan(Counter(), {}, {})
    for line in _lines(files):
        said = _said(line, exchange)
        for one in () if isinstance(said, str) else said:
            pairs = one.levels if isinstance(one, BookSaid) else [(one.side, one.px, one.qty)]
            scan.counts[one.symbol] += len(pairs)
            for places, texts in (
                (scan.px_places, [p for _, p, _ in pairs]),
                (scan.qty_places, [q for _, _, q in pairs]),
            ):
                places[one.symbol] = max(places.get(one.symbol, 0), places_of(texts))
                if places[one.symbol] > PLACES_MAX:
                    raise refuse(line.place, line.record, f"at most {PLACES_MAX} decimals", places[one.symbol])
        if len(scan.counts) > SYMBOLS_MAX:
            break
    return scan


def _rows(files: list[Path], exchange: str, book: _Book, notes: Notes) -> Iterator[I64]:
    opened: set[str] = set()
    for line in _lines(files):
        if line.arrow == "<->":
            if line.place in opened:
                book.lose(line)
            opened.add(line.place)
        said = _said(line, exchange)
        if isinstance(said, str):
            notes.skip(said, 1, line.where())
        else:
            for one in said:
                book.hear(line, one)
        if len(book.rows) >= BATCH_ROWS_MAX:
            yield book.rows.take()
    book.end()
    if len(book.rows):
        yield book.rows.take()


def _lines(files: list[Path]) -> Iterator[_Line]:
    return heapq.merge(*(_lines_of(path) for path in files), key=attrgetter("at"))


def _lines_of(path: Path) -> Iterator[_Line]:
    """Yield a file's lines in order of time; empty ones say nothing."""
    clock, record = Clock(path.name, BACK_MAX), 0
    for block in line_blocks(path):
        for text in block.split(b"\n")[:-1]:
            record += 1
            if not text:
                continue
            match = _LINE.fullmatch(text)
            if not match:
                raise refuse(path.name, record, "a line of a time and a message", text[:80])
            url, arrow = (match["url"] or b"").decode("latin-1"), (match["arrow"] or b"").decode("latin-1")
            at = int(match["s"]) * SECOND + int((match["part"] or b"0").ljust(9, b"0"))
            yield _Line(clock.tell(at, record), path.name, record, url, arrow, match["text"] or b"")


def _said(line: _Line, exchange: str) -> Said:
    """Return what a line says, or why it is left out.

    Raises:
        TapeError: not JSON, or not of the shape that the exchange documents.
    """
    if line.arrow == "<->":
        return "connection opened"
    if line.arrow == "<-":
        return "request sent"
    parse, parse_answer = EXCHANGES[exchange]
    try:
        message: Any = _JSON.decode(line.text)
    except (msgspec.DecodeError, RecursionError, ValueError) as exc:
        raise refuse(line.place, line.record, "JSON", str(exc)) from exc
    try:
        if line.arrow != "->":
            return parse(message)
        return parse_answer(line.url, message) if parse_answer else "answer to a request"
    except _WRONG_SHAPE as exc:
        what = f"{type(exc).__name__} {exc}"[:200]
        raise refuse(line.place, line.record, f"a message as {exchange} documents it", what) from exc


class _Book:
    """Whether one symbol's book is known, and up to which number."""

    def __init__(self, place: str, symbol: str, rows: DecimalRows, notes: Notes) -> None:
        self.rows = rows
        self._place, self._symbol, self._notes = place, symbol, notes
        self._is_known, self._last, self._trades = False, 0, 0
        self._pending: list[tuple[_Line, BookSaid]] = []

    def hear(self, line: _Line, said: BookSaid | TradeSaid) -> None:
        """Add the rows of what was said of our symbol."""
        if said.symbol != self._symbol:
            self._notes.skip("another symbol", 1, line.where())
        elif isinstance(said, TradeSaid):
            self._trade(line, said)
        elif said.is_snapshot:
            self._snapshot(line, said)
        elif not self._is_known:
            self._wait(line, said)
        else:
            self._change(line, line.at, said)

    def lose(self, line: _Line) -> None:
        """Forget the book: its connection was opened anew."""
        if self._is_known:
            self._notes.gaps += 1
            self._clear(line)
        self._is_known = False

    def end(self) -> None:
        """Count what still waits for a snapshot."""
        for line, _ in self._pending:
            self._notes.skip("change without a snapshot", 1, line.where())
        self._pending.clear()

    def _trade(self, line: _Line, said: TradeSaid) -> None:
        self._trades += 1
        order_id = self._trades if said.trade_id is None else said.trade_id
        self.rows.add(line.record, line.at, int(EventKind.TRADE), said.side, said.px, said.qty, _LAST, order_id)

    def _snapshot(self, line: _Line, said: BookSaid) -> None:
        if self._is_known and said.last < self._last:
            self._notes.skip("snapshot older than the book", 1, line.where())
            return
        self._clear(line, _SNAPSHOT)
        self._levels(line, line.at, said, _SNAPSHOT)
        self._is_known, self._last = True, said.last
        pending, self._pending = self._pending, []
        for heard, change in pending:
            if not self._is_known:
                self._wait(heard, change)
            elif change.last > said.last:
                self._change(heard, line.at, change)
            else:
                # A change without a number came before the snapshot, so that has it.
                self._notes.skip("change that the snapshot has", 1, heard.where())

    def _wait(self, line: _Line, said: BookSaid) -> None:
        self._pending.append((line, said))
        if len(self._pending) > PENDING_MAX:
            raise refuse(line.place, line.record, f"a snapshot within {PENDING_MAX} changes", "none")

    def _change(self, line: _Line, at: Nanos, said: BookSaid) -> None:
        if said.last and said.last <= self._last:
            self._notes.skip("change that the snapshot has", 1, line.where())
            return
        if said.after > self._last:
            self._notes.gaps += 1
            self._clear(line._replace(at=at))
            self._is_known = False
            self._wait(line, said)
            return
        self._last = said.last
        self._levels(line, at, said, 0)

    def _clear(self, line: _Line, flags: int = 0) -> None:
        self.rows.add(line.record, line.at, int(EventKind.CLEAR), 0, "0", "0", flags | (0 if flags else _LAST))

    def _levels(self, line: _Line, at: Nanos, said: BookSaid, flags: int) -> None:
        for k, (side, px, qty) in enumerate(said.levels, start=1):
            last = _LAST if k == len(said.levels) else 0
            self.rows.add(line.record, at, int(EventKind.LEVEL), side, px, qty, flags | last)
