"""Rows of quotes and prints on their way from a venue to us.

Rule of this file: arrays in, arrays out; what is seen when is decided by the feed's latency alone.
"""

from __future__ import annotations

import numpy as np

from router.domain.market import I64
from router.domain.units import Nanos


def seen(rows: I64, venue: int, feed_ns: Nanos) -> I64:
    """Return a venue's rows as we see them: later by the feed's latency, with the venue's number beside the time."""
    out = np.empty((rows.shape[0], rows.shape[1] + 1), dtype=np.int64)
    out[:, 0] = rows[:, 0] + feed_ns
    out[:, 1] = venue
    out[:, 2:] = rows[:, 1:]
    return out


def due(batches: list[I64], until: Nanos, width: int) -> tuple[I64, list[I64]]:
    """Split rows into those seen before `until`, sorted by (time, venue, order), and the rest."""
    if not batches:
        return np.empty((0, width), dtype=np.int64), []
    rows = batches[0]
    if len(batches) > 1:
        rows = np.concatenate(batches)
        rows = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    cut = int(rows[:, 0].searchsorted(until))
    return rows[:cut], [rows[cut:]] if cut < len(rows) else []
