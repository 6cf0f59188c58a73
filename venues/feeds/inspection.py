"""What is in a recorded feed: rows by kind, span, silences, gaps, crossed and locked states, what was left out.

Rule of this file: one pass, nothing kept but counts; the numbers are of the rows as a replay would get them.
"""

from __future__ import annotations

from collections import Counter

import msgspec
import numpy as np
import pyarrow as pa

from router.domain.market import I64
from router.domain.units import Nanos
from venues.feeds.book_states import BookStates, StateCount
from venues.feeds.events import EventFlag, EventKind, Feed, FeedInfo, Skipped

_COUNTED_FLAGS = (EventFlag.SNAPSHOT, EventFlag.HIDDEN, EventFlag.OFF_EXCHANGE, EventFlag.ODD)


class Inspection(msgspec.Struct, frozen=True, kw_only=True):
    """A feed in numbers. Times in ns since 1970 UTC; `silence_ns` is the longest time without a row, from
    `silence_from` on."""

    info: FeedInfo
    rows: int
    kinds: dict[str, int]
    flags: dict[str, int]
    venues: dict[str, int]
    first: Nanos
    last: Nanos
    silence_ns: Nanos
    silence_from: Nanos
    states: tuple[StateCount, ...]
    unknown_orders: int
    overdrawn_orders: int
    skipped: tuple[Skipped, ...]


class _Tally:
    """Counts of the rows so far."""

    def __init__(self) -> None:
        self.rows = 0
        self.kinds: Counter[int] = Counter()
        self.flags: Counter[EventFlag] = Counter()
        self.venues: Counter[str] = Counter()
        self.silence: tuple[Nanos, Nanos] = (0, 0)
        self._latest: Nanos | None = None

    def add(self, batch: pa.RecordBatch) -> None:
        if not len(batch):
            return
        self.rows += len(batch)
        kinds, counts = np.unique(batch.column("kind").to_numpy(), return_counts=True)
        self.kinds.update(dict(zip(kinds.tolist(), counts.tolist(), strict=True)))
        flags = batch.column("flags").to_numpy()
        for flag in _COUNTED_FLAGS:
            self.flags[flag] += int(np.count_nonzero(flags & int(flag)))
        venue = batch.column("venue")
        indices, counts = np.unique(venue.indices.to_numpy(), return_counts=True)
        names = venue.dictionary.to_pylist()
        for index, count in zip(indices.tolist(), counts.tolist(), strict=True):
            self.venues[names[index]] += count
        self._measure_silence(batch.column("at").to_numpy())

    def _measure_silence(self, at: I64) -> None:
        # Times may fall between venues: a silence is measured from the latest time before.
        latest = np.maximum.accumulate(at)
        if self._latest is None:
            self._latest = int(latest[0])
            self.silence = (0, self._latest)
        start = self._latest
        latest = np.maximum(latest, start)
        steps = np.diff(latest, prepend=start)
        longest = int(steps.argmax())
        if steps[longest] > self.silence[0]:
            self.silence = (int(steps[longest]), int(latest[longest] - steps[longest]))
        self._latest = int(latest[-1])


def inspect(feed: Feed) -> Inspection:
    """Read a feed to its end and return what it holds.

    Raises:
        TapeError: what the feed refuses.
    """
    tally, states = _Tally(), BookStates()
    for batch in feed.batches():
        tally.add(batch)
        states.add(batch)
    first, last = feed.span()
    return Inspection(
        info=feed.info(),
        rows=tally.rows,
        kinds={kind.name: tally.kinds[kind] for kind in EventKind if tally.kinds[kind]},
        flags={str(flag.name): tally.flags[flag] for flag in _COUNTED_FLAGS if tally.flags[flag]},
        venues=dict(sorted(tally.venues.items())),
        first=first,
        last=last,
        silence_ns=tally.silence[0],
        silence_from=tally.silence[1],
        states=states.counts(),
        unknown_orders=states.unknown_orders,
        overdrawn_orders=states.overdrawn_orders,
        skipped=feed.skipped(),
    )
