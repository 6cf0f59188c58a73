"""The one table that every feed is normalised to: `EVENT_SCHEMA`, its kinds, flags and what a feed skipped.

Rule of this file: a row is one fact of one venue in the feed's own order; times never fall within a venue, prices and
quantities are whole numbers of the units that the table's metadata names, and nothing is invented.
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum, IntFlag
from typing import NamedTuple, Protocol

import pyarrow as pa

from router.domain.units import Nanos


class EventKind(IntEnum):
    """What a row says; the columns it uses stand behind it."""

    ADD = 1
    """An order enters the book: side, px, qty, order_id."""
    REDUCE = 2
    """A part of an order is cancelled: order_id, qty taken away (side and px when the feed says them)."""
    DELETE = 3
    """An order leaves the book: order_id."""
    MODIFY = 4
    """An order has a new px and qty, and is last in its queue: order_id, side, px, qty."""
    EXECUTE = 5
    """A displayed order trades: order_id of the resting order, its side, px, qty."""
    TRADE = 6
    """A trade without a displayed order (hidden, off book, no ids): side is the resting one, 0 unknown."""
    QUOTE = 7
    """The venue's best price of one side becomes (px, qty); qty 0: that side is empty."""
    LEVEL = 8
    """The displayed quantity at one price of one side becomes qty; 0 takes the level away."""
    CLEAR = 9
    """Everything of the venue's book is gone; what follows is a snapshot."""
    STATUS = 10
    """The trading state changed: qty is 1 when trading, 0 when halted."""
    CROSS = 11
    """An auction or cross traded: px, qty."""
    BUST = 12
    """An earlier trade is broken: order_id is the trade's or the execution's id, px and qty when known."""


class EventFlag(IntFlag):
    """Bits of `flags`."""

    NONE = 0
    SNAPSHOT = 1
    """Part of a snapshot, not a change at this time."""
    LAST = 2
    """The last row of one message or packet: the book is whole after it."""
    HIDDEN = 4
    """A trade with an order that was not displayed."""
    OFF_EXCHANGE = 8
    """A trade reported by a trade reporting facility."""
    ODD = 16
    """A condition that keeps the print out of the last sale (odd lot, late, out of sequence, derivatively priced)."""


EVENT_SCHEMA = pa.schema(
    [
        ("at", pa.int64()),
        ("venue", pa.dictionary(pa.int32(), pa.string())),
        ("kind", pa.int8()),
        ("side", pa.int8()),
        ("px", pa.int64()),
        ("qty", pa.int64()),
        ("order_id", pa.int64()),
        ("flags", pa.int32()),
    ]
)
"""`at` in ns since 1970 UTC; side +1 bid (or a resting buy), -1 ask, 0 none; ids that are text are numbered from 1."""


class Skipped(NamedTuple):
    """Records that a feed read and left out: why, how many, and where the first one stood."""

    reason: str
    records: int
    first: str


class FeedInfo(NamedTuple):
    """What a feed knows of itself. Units are decimals: a px of 1 is `px_unit` of the currency.

    An empty `qty_unit` says that sizes are not recorded: a qty of 1 is then some quantity. `gaps` counts the breaks in
    the feed's own sequence numbers, 0 where it has none.
    """

    feed: str
    symbol: str
    px_unit: str
    qty_unit: str
    venues: tuple[str, ...]
    gaps: int = 0


class Feed(Protocol):
    """One recorded stream. `batches` may be called once; `info` and `skipped` are whole when it is exhausted."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield batches of `EVENT_SCHEMA`, at most 65,536 rows each.

        Raises:
            TapeError: truncated, corrupted, unsorted or impossible input, with file, record and what was expected.
        """
        ...

    def info(self) -> FeedInfo:
        """Return the feed's own description."""
        ...

    def skipped(self) -> tuple[Skipped, ...]:
        """Return what was left out so far, by reason."""
        ...

    def span(self) -> tuple[Nanos, Nanos]:
        """Return the first and last time seen so far; (0, 0) before the first row."""
        ...
