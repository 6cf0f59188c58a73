"""The mid as it was: what markouts are read from, and what the evaluation measures against.

Rule of this file: append only; a time before the first consolidated quote, or after the last window, has no mid.
"""

from __future__ import annotations

from bisect import bisect_right

import numpy as np

from router.domain.market import F64, I64
from router.domain.units import Nanos, Px


class MidHistory:
    """Every change of the consolidated market of a run."""

    def __init__(self) -> None:
        self._at: list[Nanos] = []
        self._mid2: list[Px] = []
        self.until: Nanos = 0

    def extend(self, rows: I64, until: Nanos) -> None:
        """Add consolidated rows (at, bid_px, bid_qty, ask_px, ask_qty); the history is known up to `until`."""
        if len(rows):
            bid, ask = rows[:, 1], rows[:, 3]
            self._at.extend(rows[:, 0].tolist())
            self._mid2.extend(np.where((bid > 0) & (ask > 0), bid + ask, 0).tolist())
        self.until = until

    def mid2(self, at: Nanos) -> Px:
        """Return twice the mid at a time; 0 when there was none."""
        k = bisect_right(self._at, at)
        return self._mid2[k - 1] if k else 0

    def first_mid(self, at: Nanos) -> float | None:
        """Return the mid in Px at a time, or the first one after it; None when there never was one."""
        k = max(bisect_right(self._at, at) - 1, 0)
        return next((mid2 / 2 for mid2 in self._mid2[k:] if mid2), None)

    def mids(self, at: I64) -> F64:
        """Return the mid in Px at each time; NaN where there was none or where the run had ended."""
        times = np.array(self._at, dtype=np.int64)
        values = np.array([0, *self._mid2], dtype=np.float64) / 2
        found = values[np.searchsorted(times, at, side="right")]
        return np.where((found > 0) & (at <= self.until), found, np.nan)
