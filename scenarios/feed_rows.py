"""Rows of quotes or of prints on their way from the venues to us.

Rule of this file: bytes in, arrays out; what is seen when is decided by the feeds' latencies alone.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from router.domain.market import I64, PRINT_COLUMNS, rows_from_bytes
from router.domain.units import Nanos, Px


class FeedRows:
    """One kind of rows from all venues, seen later by each feed's latency and in the order (time, venue, as said).

    >>> rows = FeedRows(("at", "px"), (10, 0))
    >>> rows.say(0, np.array([[5, 100]]).tobytes())
    >>> rows.say(1, np.array([[7, 101], [20, 102]]).tobytes())
    >>> rows.due(20).tolist()
    [[7, 1, 101], [15, 0, 100]]
    """

    def __init__(self, columns: tuple[str, ...], feed_ns: Sequence[Nanos]) -> None:
        self._columns = columns
        self._feed_ns: I64 = np.array(feed_ns, dtype=np.int64)
        self._none: I64 = np.empty((0, len(columns) + 1), dtype=np.int64)
        self._none.setflags(write=False)
        self._later = self._none
        """What was said and is not seen yet, sorted."""
        self._venues: list[int] = []
        self._said: list[bytes] = []

    def say(self, venue: int, rows: bytes) -> None:
        """Put what a venue said in a window on its way."""
        self._venues.append(venue)
        self._said.append(rows)

    def due(self, until: Nanos) -> I64:
        """Take the rows that are seen before `until`: the time at which they are, the venue's number, what was said."""
        rows = self._later
        if self._said:
            fresh = self._fresh()
            rows = np.concatenate((rows, fresh)) if len(rows) else fresh
            if len(self._said) > 1 or len(self._later):
                rows = rows.take(np.lexsort((rows[:, 1], rows[:, 0])), axis=0)
            self._venues, self._said = [], []
        if not len(rows) or rows[-1, 0] < until:
            self._later = self._none
            return rows
        cut = int(rows[:, 0].searchsorted(until))
        self._later = rows[cut:]
        return rows[:cut]

    def _fresh(self) -> I64:
        """Return what was said since it was last asked, as we see it."""
        width = 8 * len(self._columns)
        said = rows_from_bytes(b"".join(self._said), self._columns)
        venues = np.array(self._venues).repeat([len(rows) // width for rows in self._said])
        out: I64 = np.empty((len(said), len(self._columns) + 1), dtype=np.int64)
        out[:, 0], out[:, 1], out[:, 2:] = said[:, 0] + self._feed_ns[venues], venues, said[:, 1:]
        return out


class SeenPrints(FeedRows):
    """Prints on their way to us; `last_px` is the price of the last one that we have seen, 0 before the first."""

    def __init__(self, feed_ns: Sequence[Nanos]) -> None:
        super().__init__(PRINT_COLUMNS, feed_ns)
        self.last_px: Px = 0

    def due(self, until: Nanos) -> I64:
        """See `FeedRows.due`."""
        rows = super().due(until)
        if len(rows):
            self.last_px = int(rows[-1, 2])
        return rows
