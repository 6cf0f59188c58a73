"""What handlers of message formats share: a clock that never falls, and rows gathered into blocks.

Rule of this file: nothing here knows a format; a time is raised to the one before it by a stated bound at most, and
beyond that the recording is out of order and refused.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeAlias

import numpy as np

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import Nanos
from venues.feeds.blocks import refuse
from venues.feeds.events import EventFlag
from venues.feeds.stream_feed import BATCH_ROWS_MAX, COLUMNS

Row: TypeAlias = tuple[int, int, int, int, int, int, int, int]
"""One row in the order of `venues.feeds.stream_feed.COLUMNS`."""

AT_MAX: Nanos = 1 << 62
"""Latest time: the year 2116. Above it a stamp is undefined or garbage."""

WHOLE_MAX = 1 << 62
"""Largest price, quantity and id that a row can hold, with room to add two of them."""

SYMBOLS_MAX = 1 << 16
"""Symbols in one recording: five times those of the US stock market."""


class Clock:
    """The time of the rows of one venue: it stands still where the recording's own stamps fall a little.

    >>> clock = Clock("x.gz", back_max=5)
    >>> [clock.tell(at, record) for record, at in enumerate((10, 7, 12), start=1)]
    [10, 10, 12]
    """

    def __init__(self, place: str, back_max: Nanos) -> None:
        self._place, self._back_max = place, back_max
        self._now: Nanos = 0

    def tell(self, at: Nanos, record: int) -> Nanos:
        """Return `at`, or the last time told when that is later.

        Raises:
            TapeError: `at` is not a time, or earlier than the last one by more than the bound.
        """
        if not 0 <= at <= AT_MAX:
            raise refuse(self._place, record, f"a time from 0 to {AT_MAX}", at)
        if at < self._now - self._back_max:
            raise refuse(self._place, record, f"a time at most {self._back_max} ns before {self._now}", at)
        self._now = max(self._now, at)
        return self._now


def row_blocks(messages: Iterable[list[Row]]) -> Iterator[I64]:
    """Yield the rows of all messages as int64 (n, 8), about `BATCH_ROWS_MAX` at a time.

    >>> [block.shape for block in row_blocks([[(1, 0, 1, 1, 5, 5, 7, 0)], []])]
    [(1, 8)]
    """
    rows: list[Row] = []
    for message in messages:
        rows += message
        if len(rows) >= BATCH_ROWS_MAX:
            yield np.array(rows, dtype=np.int64)
            rows = []
    if rows:
        yield np.array(rows, dtype=np.int64).reshape(-1, len(COLUMNS))


def mark_last(rows: list[Row]) -> list[Row]:
    """Return a message's rows with LAST on the last of them; no rows stay no rows."""
    if rows:
        at, venue, kind, side, px, qty, order_id, flags = rows[-1]
        rows[-1] = (at, venue, kind, side, px, qty, order_id, flags | int(EventFlag.LAST))
    return rows


def choose_symbol(place: str, counts: Counter[str], symbol: str | None) -> str:
    """Return `symbol`, or the most frequent one (of equals the first by name) when it is None.

    Raises:
        TapeError: the recording has nothing of that symbol, nothing at all, or more than `SYMBOLS_MAX` symbols.
    """
    if not counts:
        raise TapeError(bad_value(place, "at least one record with a symbol", 0))
    if len(counts) > SYMBOLS_MAX:
        raise TapeError(bad_value(place, f"at most {SYMBOLS_MAX} symbols", len(counts)))
    if symbol is None:
        return min(counts, key=lambda name: (-counts[name], name))
    if symbol not in counts:
        most = ", ".join(name for name, _ in counts.most_common(12))
        raise TapeError(bad_value(place, f"records of the symbol {symbol!r}", f"{len(counts)} symbols such as {most}"))
    return symbol
