"""Binance websocket recordings: spot, USD-M and COIN-M order books by differences, best prices and trades.

Rule of this file: a difference changes a book that is known; without a snapshot, or after a break in the sequence,
differences are counted and left out until a snapshot comes.

Source: Binance's API documents ("How to manage a local order book correctly") and the recording's own read-me. A line
is `local receive time, JSON`; the time is `at`. Futures chain by `pu` = the `u` before, spot by `U` = the `u` before
plus 1. QUOTE rows come from bookTicker, which is ahead of the differences.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import msgspec

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import MICROSECOND, Nanos
from venues.feeds.blocks import line_blocks, place_of, refuse
from venues.feeds.decimals import PLACES_MAX, DecimalRows, places_of, unit
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.stream_feed import Notes, StreamFeed

FOLDER = "crypto_binance_3markets"

MARKETS = {"spot": "BINANCE_SPOT", "usdm": "BINANCE_USDM", "cm": "BINANCE_COINM"}
"""The market of a file's name, and its venue."""

PENDING_MAX = 4_096
"""Differences kept while the snapshot is on its way: they come ten to a hundred a second, and it takes a second."""

_NAME = re.compile(r"(?P<market>spot|usdm|cm)_(?P<symbol>[a-z0-9]+)(?P<perpetual>_perp)?_\d{8}\.gz")
_TIME = re.compile(rb"1\d{15}|1\d{18}")
"""Microseconds or nanoseconds, from 2001 to 2033."""

_NUMBER = rb'\s*"([0-9.]+)"\s*'
_PAIRS = re.compile(rb"\[" + _NUMBER + rb"," + _NUMBER + rb"\]")
_PRICES = re.compile(rb'"[pba]"\s*:' + _NUMBER)
_QUANTITIES = re.compile(rb'"[qBA]"\s*:' + _NUMBER)

_LAST, _SNAPSHOT = int(EventFlag.LAST), int(EventFlag.SNAPSHOT)

Levels = list[tuple[str, str]]


class _Depth(msgspec.Struct):
    first: int = msgspec.field(name="U")
    last: int = msgspec.field(name="u")
    b: Levels
    a: Levels
    before: int | None = msgspec.field(name="pu", default=None)


class _Ticker(msgspec.Struct):
    b: str
    bid_qty: str = msgspec.field(name="B")
    a: str
    ask_qty: str = msgspec.field(name="A")


class _Trade(msgspec.Struct):
    p: str
    q: str
    is_buyer_maker: bool = msgspec.field(name="m")
    order_type: str = msgspec.field(name="X", default="MARKET")


class _Line(msgspec.Struct):
    """A stream's message, or the REST snapshot, which has no stream."""

    stream: str = ""
    data: msgspec.Raw = msgspec.Raw(b"")
    last_update: int | None = msgspec.field(name="lastUpdateId", default=None)
    bids: Levels = []
    asks: Levels = []


_LINE = msgspec.json.Decoder(_Line)
_DEPTH = msgspec.json.Decoder(_Depth)
_TICKER = msgspec.json.Decoder(_Ticker)
_TRADED = msgspec.json.Decoder(_Trade)


def open_binance(path: Path, symbol: str | None = None) -> StreamFeed:
    """Return the feed of `MARKET_SYMBOL_DAY.gz`, market spot, usdm or cm.

    Units are the finest decimals in the file, which is therefore read once to open it. Differences of the book are
    LEVEL rows, trades TRADE rows with the resting side, the best prices QUOTE rows; `gaps` counts breaks in the
    sequence of differences, each followed by CLEAR.

    Raises:
        TapeError: a name of another form or of another symbol, or a file that cannot be read to its end; later, a
            line that is not what the format says.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise TapeError(bad_value(path.name, "a name as MARKET_SYMBOL_DAY.gz, market spot, usdm or cm", path.name))
    name = match["symbol"].upper() + (match["perpetual"] or "").upper()
    if symbol is not None and symbol.upper() != name:
        raise TapeError(bad_value(path.name, f"the symbol {symbol!r}", name))
    px_places, qty_places = _places(path)
    info = FeedInfo("binance", name, unit(px_places), unit(qty_places), (MARKETS[match["market"]],))
    notes = Notes()
    reader = _Reader(place_of(path), DecimalRows(place_of(path), px_places, qty_places), notes)
    return StreamFeed(info, place_of(path), reader.rows(path), notes)


def _places(path: Path) -> tuple[int, int]:
    """Return the decimals of the finest price and quantity in a file."""
    px_places = qty_places = 0
    for block in line_blocks(path):
        pairs = _PAIRS.findall(block)
        prices = {px for px, _ in pairs}.union(_PRICES.findall(block))
        quantities = {qty for _, qty in pairs}.union(_QUANTITIES.findall(block))
        px_places = max(px_places, places_of(text.decode() for text in prices))
        qty_places = max(qty_places, places_of(text.decode() for text in quantities))
    return min(px_places, PLACES_MAX), min(qty_places, PLACES_MAX)


class _Reader:
    """Lines to rows, and where the book stands in the sequence."""

    def __init__(self, place: str, out: DecimalRows, notes: Notes) -> None:
        self._place, self._out, self._notes = place, out, notes
        self._at: Nanos = 0
        self._record = 0
        self._update: int | None = None
        self._is_fresh = False
        self._pending: deque[tuple[int, _Depth]] = deque()

    def rows(self, path: Path) -> Iterator[I64]:
        """Yield the rows of the whole file."""
        for block in line_blocks(path):
            for line in block.splitlines():
                self._record += 1
                try:
                    self._read(line)
                except (msgspec.MsgspecError, UnicodeDecodeError) as exc:
                    raise refuse(self._place, self._record, "a message of Binance", str(exc)) from exc
            yield self._out.take()
        for record, _ in self._pending:
            self._skip("difference without a snapshot", record)

    def _read(self, line: bytes) -> None:
        text, _, body = line.partition(b" ")
        if not _TIME.fullmatch(text):
            shown = text[:40].decode("utf-8", "replace")
            raise refuse(self._place, self._record, "a receive time in us (16 digits) or ns (19 digits)", shown)
        at = int(text) * (MICROSECOND if len(text) == 16 else 1)
        if at < self._at:
            raise refuse(self._place, self._record, f"a time from {self._at}", at)
        self._at = at
        message = _LINE.decode(body)
        if message.last_update is not None:
            self._snapshot(message.last_update, message)
            return
        kind = message.stream.partition("@")[2].partition("@")[0]
        if kind == "depth":
            self._difference(_DEPTH.decode(message.data))
        elif kind == "bookTicker":
            best = _TICKER.decode(message.data)
            self._add(EventKind.QUOTE, 1, best.b, best.bid_qty, 0)
            self._add(EventKind.QUOTE, -1, best.a, best.ask_qty, _LAST)
        elif kind == "trade":
            self._trade(_TRADED.decode(message.data))
        else:
            self._skip(f"stream {kind or 'without a name'}", self._record)

    def _trade(self, trade: _Trade) -> None:
        if trade.order_type != "MARKET":
            # The insurance fund and the like: not of the book.
            self._skip(f"trade of type {trade.order_type}", self._record)
            return
        self._add(EventKind.TRADE, 1 if trade.is_buyer_maker else -1, trade.p, trade.q, _LAST)

    def _snapshot(self, update: int, message: _Line) -> None:
        self._update, self._is_fresh = update, True
        self._add(EventKind.CLEAR, 0, "0", "0", _SNAPSHOT)
        self._levels(message.bids, message.asks, _SNAPSHOT)
        # What was received while the snapshot was on its way may be newer than it.
        while self._pending and self._update is not None:
            record, depth = self._pending.popleft()
            self._apply(record, depth)

    def _difference(self, depth: _Depth) -> None:
        if self._update is not None:
            self._apply(self._record, depth)
            return
        self._pending.append((self._record, depth))
        if len(self._pending) > PENDING_MAX:
            self._skip("difference without a snapshot", self._pending.popleft()[0])

    def _apply(self, record: int, depth: _Depth) -> None:
        update = self._update or 0
        if depth.last <= update:
            self._skip("difference older than the book", record)
            return
        chains_at = depth.first - 1 if depth.before is None else depth.before
        # The first one after a snapshot may begin before it.
        if chains_at > update or (chains_at < update and not self._is_fresh):
            self._notes.gaps += 1
            self._update = None
            self._add(EventKind.CLEAR, 0, "0", "0", _LAST)
            self._pending.appendleft((record, depth))
            return
        self._update, self._is_fresh = depth.last, False
        self._levels(depth.b, depth.a, 0)

    def _levels(self, bids: Levels, asks: Levels, flags: int) -> None:
        rows = [(1, px, qty) for px, qty in bids] + [(-1, px, qty) for px, qty in asks]
        for k, (side, px, qty) in enumerate(rows, start=1):
            self._add(EventKind.LEVEL, side, px, qty, flags | _LAST if k == len(rows) else flags)

    def _add(self, kind: int, side: int, px: str, qty: str, flags: int) -> None:
        self._out.add(self._record, self._at, int(kind), side, px, qty, flags)

    def _skip(self, reason: str, record: int) -> None:
        self._notes.skip(reason, 1, f"{self._place} record {record}")
