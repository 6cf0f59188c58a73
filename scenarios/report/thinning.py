"""Fewer points, same picture: long series cut to what a screen can show.

Rule of this file: what is thinned keeps its extremes, its totals or its means, and nothing is interpolated.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from router.domain.market import F64, I64

POINTS_MAX = 3_000
"""Points of one trace: about two a pixel on a wide screen."""

BANDS_MAX = 200
"""Background bands of one plot: each is a shape the browser redraws on every zoom."""


def keep_extremes(y: F64, points_max: int = POINTS_MAX) -> I64:
    """Return the indices to draw: all of them, or the first, last, least and greatest of each equal bucket.

    >>> keep_extremes(np.arange(3.0)).tolist()
    [0, 1, 2]
    """
    if y.size <= points_max:
        return np.arange(y.size, dtype=np.int64)
    kept: set[int] = {0, y.size - 1}
    edges = np.linspace(0, y.size, max(points_max // 4, 1) + 1).astype(np.int64)
    for start, stop in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True):
        part = y[start:stop]
        kept.update((start, stop - 1, start + int(part.argmin()), start + int(part.argmax())))
    return np.array(sorted(kept), dtype=np.int64)


def last_of_buckets(at: I64, buckets: int) -> I64:
    """Return the index of the last row in each of `buckets` equal spans of time; `at` ascends."""
    if at.size <= buckets:
        return np.arange(at.size, dtype=np.int64)
    span = max(int(at[-1]) - int(at[0]), 1)
    bucket = ((at - at[0]).astype(np.float64) / span * buckets).astype(np.int64).clip(0, buckets - 1)
    return np.flatnonzero(np.append(np.diff(bucket) > 0, True)).astype(np.int64)


def bucket_means(at: I64, rows: F64, buckets: int) -> tuple[I64, F64]:
    """Return (time, mean row) of each of `buckets` equal spans of time that has rows; few rows stay as they are.

    `at` (n,) ascends, `rows` is (n, k); a span's time is that of its first row.

    >>> bucket_means(np.array([0, 1, 9]), np.array([[0.0], [1.0], [4.0]]), 2)[1].tolist()
    [[0.5], [4.0]]
    """
    if at.size <= buckets:
        return at, rows
    ends = last_of_buckets(at, buckets)
    starts = np.append(0, ends[:-1] + 1).astype(np.int64)
    return at[starts], np.add.reduceat(rows, starts, axis=0) / (ends - starts + 1)[:, None]


def runs_of(values: list[str], at: I64) -> list[tuple[str, int, int]]:
    """Return (value, from, to) of each stretch of equal values; a stretch ends where the next begins.

    >>> runs_of(["calm", "calm", "toxic"], np.array([0, 10, 20]))
    [('calm', 0, 20), ('toxic', 20, 20)]
    """
    stretches: list[tuple[str, int, int]] = []
    for value, time in zip(values, at.tolist(), strict=True):
        if stretches and stretches[-1][0] == value:
            stretches[-1] = (value, stretches[-1][1], time)
            continue
        if stretches:
            stretches[-1] = (stretches[-1][0], stretches[-1][1], time)
        stretches.append((value, time, time))
    return stretches


def merge_fills(fills: pl.DataFrame, points_max: int = POINTS_MAX) -> pl.DataFrame:
    """Return fills as points: `at`, `mic`, `tactic`, `side`, `qty`, `px` (quantity-weighted), `fills`.

    Above `points_max` fills, those at one venue, tactic and side in one span of time become one point.
    """
    by = ["mic", "tactic", "side"]
    if fills.height > points_max:
        kinds = max(fills.select(by).n_unique(), 1)
        start, span = int(fills["at"].min() or 0), int(fills["at"].max() or 0) - int(fills["at"].min() or 0) + 1  # type: ignore[arg-type]
        width = max(-(-span * kinds // points_max), 1)
        fills = fills.with_columns(bucket=(pl.col("at") - start) // width)
    else:
        fills = fills.with_columns(bucket=pl.int_range(pl.len(), dtype=pl.Int64))
    weight = pl.col("last_qty").sum()
    return (
        fills.group_by("bucket", *by, maintain_order=True)
        .agg(
            at=pl.col("at").max(),
            qty=weight,
            px=(pl.col("last_px") * pl.col("last_qty")).sum() / weight,
            fills=pl.len(),
        )
        .drop("bucket")
        .sort("at", maintain_order=True)
    )
