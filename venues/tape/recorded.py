"""A feed read whole: every venue's rows as int64 arrays, with what the feed says of itself.

Rule of this file: rows keep the feed's order; nothing is left out and nothing is added.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import Nanos
from venues.feeds.events import Feed, FeedInfo, Skipped
from venues.tape.compact import RAW_COLUMNS

ROWS_MAX = 50_000_000
"""Rows held at once: 56 bytes each, so 2.8 GB."""


class Recording(NamedTuple):
    """`venues[mic]` (n, 7) in RAW_COLUMNS, read-only, in the order of time."""

    info: FeedInfo
    venues: Mapping[str, I64]
    skipped: tuple[Skipped, ...]
    first_at: Nanos
    last_at: Nanos


def record(feed: Feed) -> Recording:
    """Return a feed read to its end.

    Raises:
        TapeError: as the feed does; no rows at all, or more than ROWS_MAX.
    """
    pieces: dict[str, list[I64]] = {}
    total = 0
    for batch in feed.batches():
        total += batch.num_rows
        if total > ROWS_MAX:
            raise TapeError(bad_value("feed", f"up to {ROWS_MAX:,} rows", total))
        rows = np.column_stack([_column(batch, name) for name in RAW_COLUMNS])
        venue = batch.column(batch.schema.get_field_index("venue"))
        number = venue.indices.to_numpy(zero_copy_only=False)
        for k, mic in enumerate(venue.dictionary.to_pylist()):
            mine = rows[number == k]
            if len(mine):
                pieces.setdefault(mic, []).append(mine)
    info = feed.info()
    if not pieces:
        raise TapeError(bad_value(f"feed {info.feed}", "at least one row", 0))
    venues = {mic: np.concatenate(pieces[mic]) for mic in sorted(pieces)}
    for rows in venues.values():
        rows.setflags(write=False)
    first_at, last_at = feed.span()
    return Recording(info, venues, feed.skipped(), first_at, last_at)


def _column(batch: pa.RecordBatch, name: str) -> I64:
    column: I64 = batch.column(batch.schema.get_field_index(name)).to_numpy(zero_copy_only=False).astype(np.int64)
    return column
