"""The feed that all our handlers return: rows of whole numbers in, batches of `EVENT_SCHEMA` out.

Rule of this file: a handler makes (n, 8) int64 rows in `COLUMNS` and notes what it leaves out; cutting into batches,
the span and the order of times are kept here, once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa

from router.domain.errors import InvariantError, TapeError, bad_value
from router.domain.market import I64
from router.domain.units import Nanos
from venues.feeds.events import EVENT_SCHEMA, FeedInfo, Skipped

BATCH_ROWS_MAX = 65_536
"""Rows in one batch: enough to make what is done once a batch cheap, and a few megabytes at most."""

COLUMNS = tuple(EVENT_SCHEMA.names)
"""Columns of a handler's rows; `venue` is an index into the feed's venues."""

AT, VENUE, KIND, SIDE, PX, QTY, ORDER_ID, FLAGS = range(8)


class Notes:
    """What a handler notes while it reads: what it left out by reason, where first, and breaks in the sequence."""

    def __init__(self) -> None:
        self.gaps = 0
        self._skipped: dict[str, Skipped] = {}

    def skip(self, reason: str, records: int, first: str) -> None:
        """Count records left out; `first` is where the first of them stood."""
        if records:
            known = self._skipped.get(reason, Skipped(reason, 0, first))
            self._skipped[reason] = known._replace(records=known.records + records)

    def skipped(self) -> tuple[Skipped, ...]:
        """Return what was left out so far, by reason."""
        return tuple(self._skipped[reason] for reason in sorted(self._skipped))


class StreamFeed:
    """A `venues.feeds.events.Feed` over a handler's rows.

    `source` names the file in errors. `rows` is read once, as far as it is asked for.
    """

    def __init__(self, info: FeedInfo, source: str, rows: Iterable[I64], notes: Notes) -> None:
        self._info, self._source, self._rows, self._notes = info, source, rows, notes
        self._names = pa.array(info.venues, pa.string())
        self._last_at = np.full(len(info.venues), -1, dtype=np.int64)
        self._first = self._last = 0
        self._is_open = False

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the feed as batches of at most `BATCH_ROWS_MAX` rows.

        Raises:
            TapeError: what the handler cannot read, or a venue's time that goes back.
            InvariantError: called for the second time.
        """
        if self._is_open:
            raise InvariantError(f"expected one reading of a feed - at {self._source}")
        self._is_open = True
        return self._batches()

    def info(self) -> FeedInfo:
        """Return what the feed knows of itself; `gaps` counts those so far."""
        return self._info._replace(gaps=self._notes.gaps)

    def skipped(self) -> tuple[Skipped, ...]:
        """Return what was left out so far, by reason."""
        return self._notes.skipped()

    def span(self) -> tuple[Nanos, Nanos]:
        """Return the first and the last time seen so far; (0, 0) before the first row."""
        return self._first, self._last

    def _batches(self) -> Iterator[pa.RecordBatch]:
        for rows in self._rows:
            for start in range(0, len(rows), BATCH_ROWS_MAX):
                part = rows[start : start + BATCH_ROWS_MAX]
                self._check_times(part)
                yield _batch(part, self._names)

    def _check_times(self, rows: I64) -> None:
        for venue in range(len(self._last_at)):
            at = rows[rows[:, VENUE] == venue, AT]
            if len(at):
                steps = np.diff(at, prepend=self._last_at[venue])
                if steps.min() < 0:
                    k = int(np.argmax(steps < 0))
                    before = int(at[k]) - int(steps[k])
                    raise TapeError(bad_value(self._source, f"times that never fall, after {before}", int(at[k])))
                self._last_at[venue] = at[-1]
        low, high = int(rows[:, AT].min()), int(rows[:, AT].max())
        self._first = min(self._first, low) if self._last else low
        self._last = max(self._last, high)


def _batch(rows: I64, venues: pa.Array) -> pa.RecordBatch:
    columns = [pa.array(rows[:, k]).cast(field.type) for k, field in enumerate(EVENT_SCHEMA) if k != VENUE]
    indices = pa.array(rows[:, VENUE].astype(np.int32))
    columns.insert(VENUE, pa.DictionaryArray.from_arrays(indices, venues))
    return pa.RecordBatch.from_arrays(columns, schema=EVENT_SCHEMA)


def merged(streams: Sequence[Iterator[I64]]) -> Iterator[I64]:
    """Merge row streams by time; each must be in order of time itself. At one time the earlier stream goes first.

    Holds one block of each stream.

    >>> ones = (np.full((1, 8), at) for at in (1, 3))
    >>> twos = iter([np.full((2, 8), 2), np.full((1, 8), 4)])
    >>> [int(row[0]) for block in merged([ones, twos]) for row in block]
    [1, 2, 2, 3, 4]
    """
    held = [_next_rows(stream) for stream in streams]
    while any(len(rows) for rows in held):
        # A stream that still has rows may go on at its block's last time: only what is before that is settled.
        until = min(int(rows[-1, AT]) for rows in held if len(rows))
        cuts = [int(np.searchsorted(rows[:, AT], until, side="left")) for rows in held]
        if not any(cuts):
            held = [_longer(rows, stream, until) for rows, stream in zip(held, streams, strict=True)]
            cuts = [int(np.searchsorted(rows[:, AT], until, side="right")) for rows in held]
        ready = np.concatenate([rows[:cut] for rows, cut in zip(held, cuts, strict=True)])
        yield ready[np.argsort(ready[:, AT], kind="stable")]
        held = [
            rows[cut:] if cut < len(rows) else _next_rows(stream)
            for rows, cut, stream in zip(held, cuts, streams, strict=True)
        ]


def _next_rows(stream: Iterator[I64]) -> I64:
    """Return the stream's next block that is not empty, or no rows at its end."""
    return next((rows for rows in stream if len(rows)), np.empty((0, len(COLUMNS)), dtype=np.int64))


def _longer(rows: I64, stream: Iterator[I64], until: Nanos) -> I64:
    """Return `rows` with as many blocks more as it takes to see everything of the time `until`."""
    while len(rows) and rows[-1, AT] == until:
        more = _next_rows(stream)
        if not len(more):
            break
        rows = np.concatenate((rows, more))
    return rows
