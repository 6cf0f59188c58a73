"""ADWIN over arrays: a window per detector that shrinks when its mean has changed (Bifet and Gavaldà, SDM 2007).

Rule of this file: same answers as `river.drift.ADWIN`, which a test compares value by value; River's keeps its window
where no checkpoint can reach it, this one in arrays.

The window is kept in rows of at most six buckets, a bucket of row i holding 2^i values as their total and variance.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.market import F64, I64

BUCKETS = 5
"""Buckets of a size before two of them are merged."""

LEVELS = 14
"""Rows of buckets: windows of up to eighty thousand values; older ones fall out of a window that never changed."""

WIDTH_MIN, GRACE = 5, 10
"""The least part of a window that is compared, and how many values come before any comparison."""


class Windows(NamedTuple):
    """`totals` and `variances` (detectors, levels, buckets + 1), `used` (detectors, levels) whole, and `sums`
    (detectors, 3): width, total, variance of a whole window. `seen` (detectors, 2), whole: values since it began anew,
    and alarms ever."""

    totals: F64
    variances: F64
    used: I64
    sums: F64
    seen: I64


def empty_windows(detectors: int) -> Windows:
    """Return detectors that have seen nothing."""
    return Windows(
        totals=np.zeros((detectors, LEVELS, BUCKETS + 1)),
        variances=np.zeros((detectors, LEVELS, BUCKETS + 1)),
        used=np.zeros((detectors, LEVELS), dtype=np.int64),
        sums=np.zeros((detectors, 3)),
        seen=np.zeros((detectors, 2), dtype=np.int64),
    )


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _shift(windows: Windows, n: int, level: int, count: int) -> None:
    """Take the oldest `count` buckets out of a row."""
    used = windows.used[n, level]
    for i in range(count, used):
        windows.totals[n, level, i - count] = windows.totals[n, level, i]
        windows.variances[n, level, i - count] = windows.variances[n, level, i]
    for i in range(used - count, used):
        windows.totals[n, level, i] = 0.0
        windows.variances[n, level, i] = 0.0
    windows.used[n, level] = used - count


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _insert(windows: Windows, n: int, value: float) -> None:
    """Add a value as the newest bucket, and merge the two oldest of each row that has too many."""
    first = windows.used[n, 0]
    windows.totals[n, 0, first], windows.variances[n, 0, first] = value, 0.0
    windows.used[n, 0] = first + 1
    width, total = windows.sums[n, 0], windows.sums[n, 1]
    if width > 0.0:
        windows.sums[n, 2] += width * (value - total / width) ** 2 / (width + 1.0)
    windows.sums[n, 0], windows.sums[n, 1] = width + 1.0, total + value
    size = 1.0
    for level in range(LEVELS):
        if windows.used[n, level] <= BUCKETS:
            break
        u0, u1 = windows.totals[n, level, 0], windows.totals[n, level, 1]
        v0, v1 = windows.variances[n, level, 0], windows.variances[n, level, 1]
        if level + 1 == LEVELS:
            _drop(windows, n, level)
            break
        at = windows.used[n, level + 1]
        windows.totals[n, level + 1, at] = u0 + u1
        windows.variances[n, level + 1, at] = v0 + v1 + 0.5 * size * ((u0 - u1) / size) ** 2
        windows.used[n, level + 1] = at + 1
        _shift(windows, n, level, 2)
        size *= 2.0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _drop(windows: Windows, n: int, level: int) -> float:
    """Take the oldest bucket, which lies in row `level`, out of the window; return its size."""
    size = 2.0**level
    total, variance = windows.totals[n, level, 0], windows.variances[n, level, 0]
    width = windows.sums[n, 0] - size
    windows.sums[n, 0] = width
    windows.sums[n, 1] -= total
    gap = total / size - windows.sums[n, 1] / width
    windows.sums[n, 2] -= variance + size * width * gap * gap / (size + width)
    _shift(windows, n, level, 1)
    return size


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _shrink(windows: Windows, n: int, delta: float) -> bool:
    """Drop the oldest bucket when some cut of the window says that its mean changed; return whether one did."""
    oldest = LEVELS - 1
    while oldest > 0 and windows.used[n, oldest] == 0:
        oldest -= 1
    n0, u0 = 0.0, 0.0
    width, n1, u1 = windows.sums[n, 0], windows.sums[n, 0], windows.sums[n, 1]
    prime = math.log(2.0 * math.log(width) / delta)
    variance = windows.sums[n, 2] / width
    for level in range(oldest, -1, -1):
        size = 2.0**level
        for k in range(windows.used[n, level]):
            n0, n1 = n0 + size, n1 - size
            u0, u1 = u0 + windows.totals[n, level, k], u1 - windows.totals[n, level, k]
            if n1 < WIDTH_MIN:
                return False
            if n0 < WIDTH_MIN:
                continue
            each = 1.0 / (n0 - WIDTH_MIN + 1.0) + 1.0 / (n1 - WIDTH_MIN + 1.0)
            least = math.sqrt(2.0 * each * variance * prime) + 2.0 / 3.0 * prime * each
            if abs(u0 / n0 - u1 / n1) > least:
                _drop(windows, n, oldest)
                return True
    return False


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def feed(windows: Windows, n: int, value: float, delta: float, clock: int) -> bool:
    """Add a value to detector `n`; return whether its mean has changed, in which case it begins anew.

    Cuts are looked at every `clock` values, at significance `delta`.
    """
    _insert(windows, n, value)
    windows.seen[n, 0] += 1
    is_changed = False
    if windows.seen[n, 0] % clock == 0 and windows.sums[n, 0] > GRACE:
        while _shrink(windows, n, delta):
            is_changed = True
    if is_changed:
        windows.totals[n], windows.variances[n], windows.used[n], windows.sums[n] = 0.0, 0.0, 0, 0.0
        windows.seen[n, 0] = 0
        windows.seen[n, 1] += 1
    return is_changed
