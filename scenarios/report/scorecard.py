"""What each venue was worth to us: counts, rates, costs and markouts, computed from a run's tables.

Rule of this file: every mean comes with its count, and the ones that vary with their interval.
"""

from __future__ import annotations

from typing import NamedTuple

import polars as pl

from router.domain.units import MICROS_PER_PX
from scenarios.intervals import MeanInterval, weighted_mean_interval

HORIZONS: tuple[tuple[str, float], ...] = (
    ("mid_100ms", 0.1),
    ("mid_1s", 1.0),
    ("mid_5s", 5.0),
    ("mid_10s", 10.0),
    ("mid_30s", 30.0),
    ("mid_60s", 60.0),
    ("mid_300s", 300.0),
)
"""Markout horizons: the column of `executions` and the horizon in seconds."""

SCORE_HORIZON = "mid_10s"
"""The horizon of the scorecard and of the summary's adverse part."""

ALL_VENUES = "all venues"


class VenueScore(NamedTuple):
    """One row of the scorecard. Rates and shares are 0..1, None where their denominator is 0."""

    mic: str
    venue_type: str
    volume_share: float | None
    children: int
    routed_qty: int
    filled_qty: int
    fill_share: float | None
    fill_rate: float | None
    hit_ratio: float | None
    reject_rate: float | None
    fee_bps: float | None
    spread_bps: float | None
    markout: MeanInterval | None
    fills: int


class MarkoutPoint(NamedTuple):
    """The quantity-weighted mean markout of a venue at one horizon."""

    horizon_s: float
    estimate: MeanInterval


def with_sign(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the frame with `sign`: +1 where `side` is BUY, -1 for SELL and SELL_SHORT."""
    return frame.with_columns(sign=pl.when(pl.col("side") == "BUY").then(1).otherwise(-1))


def scorecard(venues: pl.DataFrame, children: pl.DataFrame, executions: pl.DataFrame) -> list[VenueScore]:
    """Return one score per venue, in the order of the venue table."""
    hits = dict(children.filter(pl.col("cum_qty") > 0).group_by("mic").len().iter_rows())
    costs = {str(row["mic"]): row for row in venue_costs(executions).iter_rows(named=True)}
    total = int(venues["filled_qty"].sum() or 0)
    scores = []
    for row in venues.iter_rows(named=True):
        mic, count = row["mic"], row["children"]
        cost = costs.get(mic, {})
        own = executions.filter(pl.col("mic") == mic)
        scores.append(
            VenueScore(
                mic=mic,
                venue_type=row["venue_type"],
                volume_share=row["volume_share"],
                children=count,
                routed_qty=row["routed_qty"],
                filled_qty=row["filled_qty"],
                fill_share=_share(row["filled_qty"], total),
                fill_rate=_share(row["filled_qty"], row["routed_qty"]),
                hit_ratio=_share(hits.get(mic, 0), count),
                reject_rate=_share(row["rejects"], count),
                fee_bps=cost.get("fee_bps"),
                spread_bps=cost.get("spread_bps"),
                markout=markout(own, SCORE_HORIZON),
                fills=own.height,
            )
        )
    return scores


def _share(part: int, whole: int) -> float | None:
    return part / whole if whole else None


def venue_costs(executions: pl.DataFrame) -> pl.DataFrame:
    """Return `mic`, `fee_bps` and `spread_bps` (paid against the mid when routed), in bps of executed notional."""
    notional = (pl.col("last_px") * pl.col("last_qty")).sum()
    paid = (pl.col("sign") * (pl.col("last_px") - pl.col("mid_routed")) * pl.col("last_qty")).sum()
    return (
        with_sign(executions)
        .group_by("mic", maintain_order=True)
        .agg(
            fee_bps=pl.col("fee_micros").sum() / (notional * MICROS_PER_PX) * 1e4,
            spread_bps=paid / notional * 1e4,
        )
    )


def markout(executions: pl.DataFrame, column: str) -> MeanInterval | None:
    """Return the quantity-weighted mean of side x (mid - px) / px in bps, positive good, None without a fill.

    Fills whose horizon lies after the run's end are left out; `observations` counts the fills used. The interval allows
    for the fills of one decision moving together.
    """
    known = with_sign(executions.filter(pl.col(column).is_finite() & (pl.col(column) > 0)))
    if known.is_empty():
        return None
    moved = known.select(pl.col("sign") * (pl.col(column) / pl.col("last_px") - 1.0) * 1e4).to_series()
    weights = known["last_qty"].cast(pl.Float64)
    return weighted_mean_interval(moved.to_numpy(), weights.to_numpy(), known["decision_id"].to_list())


def markout_curves(executions: pl.DataFrame, mics: list[str]) -> dict[str, list[MarkoutPoint]]:
    """Return the markout curve of all venues together and of each venue with a fill, by name."""
    curves: dict[str, list[MarkoutPoint]] = {}
    for name in (ALL_VENUES, *mics):
        own = executions if name == ALL_VENUES else executions.filter(pl.col("mic") == name)
        points = [(horizon, markout(own, column)) for column, horizon in HORIZONS]
        curve = [MarkoutPoint(horizon, estimate) for horizon, estimate in points if estimate is not None]
        if curve:
            curves[name] = curve
    return curves
