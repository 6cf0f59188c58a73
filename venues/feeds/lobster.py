"""LOBSTER: one day of one Nasdaq stock, order by order, with the book's best levels after each message.

Rule of this file: played back in order, the rows give the recorded book after every message, to all levels it shows.

Source: the read-me in each sample (1 Sept 2013). A message is `seconds after midnight, type, order id, size, price,
direction of the resting order`; row i of the book file is the book after message i. The book before message 0 is row
0 with message 0 undone. Messages outside the levels shown are not recorded: `venues.feeds.level_view` says what that
costs.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import SECOND, Nanos
from venues.feeds.blocks import members, place_of, refuse
from venues.feeds.csv_blocks import Block, Column, check_order, csv_blocks
from venues.feeds.days import NEW_YORK, midnight
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.level_view import Row, SideView
from venues.feeds.stream_feed import AT, FLAGS, KIND, Notes, StreamFeed

FOLDER = "lobster_nasdaq_20120621"
MIC = "XNAS"

LEVELS_MAX = 200
"""Levels that LOBSTER sells."""

_NAME = re.compile(
    r"(?P<symbol>[A-Za-z.\-]+)_(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)_\d+_\d+_message_(?P<levels>\d+)\.csv(\.gz)?"
)

ADD, REDUCE, DELETE, EXECUTE, HIDDEN, CROSS, HALT = 1, 2, 3, 4, 5, 6, 7
"""Types of messages. 6, a cross, came after the samples."""

_BOOK_TYPES = (ADD, REDUCE, DELETE, EXECUTE)

_EMPTY_PX = 9_999_999_999
"""Price of a level that does not exist, negative on the bid side; its size is 0."""

_TRADES = 1
"""Price of the halt message that says: trading again."""

_NOISE_PLACES = 3

_MESSAGE = (
    # From noon on, the files carry what a float adds behind the nanoseconds.
    Column("time", places=9 + _NOISE_PLACES, high=86_400 * SECOND * 10**_NOISE_PLACES),
    Column("type", low=ADD, high=HALT),
    Column("order_id", low=-1),
    Column("size", high=10**9),
    Column("price", low=-1, high=_EMPTY_PX),
    Column("direction", low=-1, high=1),
)


class Files(NamedTuple):
    """The two files of one day: their path and, in a zip, their members; what their names say."""

    path: Path
    book_path: Path
    message: str | None
    book: str | None
    symbol: str
    day: str
    levels: int


def open_lobster(path: Path, symbol: str | None = None) -> StreamFeed:
    """Return the feed of a sample's zip, or of a message file beside its book file (`.csv` or `.csv.gz`).

    Px is 0.0001 dollar, Qty one share. Negative order ids are orders whose ids were never recorded, as one block a
    level. Rows with SNAPSHOT put levels right that had been out of sight; the first ones are the opening book.

    Raises:
        TapeError: no such pair of files, or of another symbol; later, a record that is not what the format says.
    """
    files = lobster_files(path)
    if symbol is not None and symbol != files.symbol:
        raise TapeError(bad_value(path.name, f"the symbol {symbol!r}", files.symbol))
    start = midnight(files.day, NEW_YORK)
    info = FeedInfo("lobster", files.symbol, "0.0001", "1", (MIC,))
    place = place_of(path, files.message)
    return StreamFeed(info, place, _rows(files, start, place), Notes())


def lobster_files(path: Path) -> Files:
    """Return the pair of files at `path`.

    Raises:
        TapeError: a zip without exactly one message file, a name of another form, or no book file beside it.
    """
    if path.suffix == ".zip":
        names = members(path)
        message = next((name for name in names if _NAME.fullmatch(name)), None)
        if message is None:
            raise TapeError(bad_value(path.name, "a zip with one TICKER_DATE_START_END_message_LEVEL.csv", len(names)))
        book = message.replace("_message_", "_orderbook_")
        if book not in names:
            raise TapeError(bad_value(path.name, f"a zip with {book}", "none"))
        return _files(path, path, message, book, message)
    book_path = path.with_name(path.name.replace("_message_", "_orderbook_"))
    if not _NAME.fullmatch(path.name):
        raise TapeError(bad_value(path.name, "a name as TICKER_DATE_START_END_message_LEVEL.csv", path.name))
    if not book_path.is_file():
        raise TapeError(bad_value(path.name, f"{book_path.name} beside it", "none"))
    return _files(path, book_path, None, None, path.name)


def _files(path: Path, book_path: Path, message: str | None, book: str | None, name: str) -> Files:
    match = _NAME.fullmatch(name)
    levels = int(match["levels"]) if match else 0
    if not match or not 1 <= levels <= LEVELS_MAX:
        raise TapeError(bad_value(path.name, f"1 to {LEVELS_MAX} levels", levels))
    day = match["year"] + match["month"] + match["day"]
    return Files(path, book_path, message, book, match["symbol"], day, levels)


def _rows(files: Files, start: Nanos, place: str) -> Iterator[I64]:
    replay = _Replay(place)
    before = 0
    for messages, book in _pairs(files):
        at = _nearest_ns(messages.columns["time"])
        check_order(place, messages.first, at, before)
        before = int(at[-1])
        yield replay.rows(messages, book, at + start)


def _pairs(files: Files) -> Iterator[tuple[Block, I64]]:
    """Yield blocks of messages with their rows of the book, int64 (n, 4 * levels): ask, size, bid, size, ask ...

    Raises:
        TapeError: the two files have different numbers of records.
    """
    columns = [Column(f"column {k + 1}", low=-_EMPTY_PX, high=_EMPTY_PX) for k in range(4 * files.levels)]
    books = csv_blocks(files.book_path, columns, member=files.book)
    book_place = place_of(files.book_path, files.book)
    held = np.empty((0, len(columns)), dtype=np.int64)
    record = 1
    for messages in csv_blocks(files.path, _MESSAGE, member=files.message):
        n = len(messages.columns["time"])
        while len(held) < n:
            block = next(books, None)
            if block is None:
                raise refuse(book_place, record + len(held), "a row of the book for each message", "none")
            held = np.concatenate((held, np.column_stack([block.columns[column.name] for column in columns])))
        if (bad := (held[:n, 1::2] < 0).any(axis=1)).any():
            raise refuse(book_place, record + int(bad.argmax()), "sizes from 0", held[int(bad.argmax()), 1::2].tolist())
        yield messages, held[:n]
        held = held[n:]
        record += n
    if len(held) or next(books, None) is not None:
        raise refuse(book_place, record, "no row after the last message", "one")


def _nearest_ns(time: I64) -> I64:
    unit = 10**_NOISE_PLACES
    nearest: I64 = (time + unit // 2) // unit
    return nearest


class _Replay:
    """The book as the rows so far make it."""

    def __init__(self, place: str) -> None:
        self._place = place
        self._out: list[Row] = []
        self._bids, self._asks = SideView(1, self._out), SideView(-1, self._out)
        self._shown: list[int] = []

    def rows(self, messages: Block, book: I64, at: I64) -> I64:
        """Return the rows of a block of messages, (m, 8); the last row of each message has LAST."""
        out = self._out
        out.clear()
        ends = []
        columns = [messages.columns[column.name].tolist() for column in _MESSAGE[1:]]
        for row, (*message, shown) in enumerate(zip(*columns, book.tolist(), strict=True)):
            if not self._shown:
                self._begin(messages.record(row), message, shown)
            self._apply(messages.record(row), message)
            if shown != self._shown:
                self._shown = shown
                self._bids.show(shown[2::4], shown[3::4])
                self._asks.show(shown[0::4], shown[1::4])
            ends.append(len(out))
        return _matrix(out, np.array(ends), at)

    def _begin(self, record: int, message: list[int], shown: list[int]) -> None:
        """Make the opening book: the first row of the book file with its message undone."""
        kind, _, size, px, side = message
        self._out.append((int(EventKind.CLEAR), 0, 0, 0, 0, int(EventFlag.SNAPSHOT)))
        for of, view, first in ((1, self._bids, 2), (-1, self._asks, 0)):
            levels = {price: qty for price, qty in zip(shown[first::4], shown[first + 1 :: 4], strict=True) if qty}
            if of == side and kind in _BOOK_TYPES:
                levels[px] = levels.get(px, 0) + (-size if kind == ADD else size)
                if levels[px] < 0:
                    raise refuse(self._place, record, f"at most {levels[px] + size} shares, as its book shows", size)
            for price in sorted(levels, reverse=of > 0):
                if levels[price]:
                    view.add_block(price, levels[price])

    def _apply(self, record: int, message: list[int]) -> None:
        kind, order_id, size, px, side = message
        if kind < CROSS:
            if not (side and size > 0 and 0 < px < _EMPTY_PX):
                raise refuse(self._place, record, "a side, a size and a price", f"{side}, {size}, {px}")
            view = self._bids if side > 0 else self._asks
            if kind == ADD:
                view.add(order_id, px, size)
            elif kind == DELETE:
                view.delete(order_id, px, size)
            elif kind == HIDDEN:
                self._out.append((int(EventKind.TRADE), side, px, size, max(order_id, 0), int(EventFlag.HIDDEN)))
            else:
                view.take(int(EventKind.EXECUTE if kind == EXECUTE else EventKind.REDUCE), order_id, px, size)
        elif kind == CROSS:
            self._out.append((int(EventKind.CROSS), 0, px, size, 0, 0))
        elif px in (-1, 0, _TRADES):
            self._out.append((int(EventKind.STATUS), 0, 0, int(px == _TRADES), 0, 0))
        else:
            raise refuse(self._place, record, "a halt of price -1, 0 or 1", px)


def _matrix(out: list[Row], ends: I64, at: I64) -> I64:
    """Return rows (m, 8) from tuples: `ends` (n,) counts the rows up to each message, `at` (n,) is its time."""
    rows = np.zeros((len(out), 8), dtype=np.int64)
    rows[:, KIND:] = out
    rows[:, AT] = np.repeat(at, np.diff(ends, prepend=0))
    rows[ends - 1, FLAGS] |= int(EventFlag.LAST)
    return rows
