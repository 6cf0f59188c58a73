"""Scorecard and markouts by hand, and thinning that keeps what matters."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from scenarios.report.scorecard import ALL_VENUES, markout, markout_curves, scorecard
from scenarios.report.thinning import bucket_means, keep_extremes, last_of_buckets, merge_fills, runs_of
from scenarios.tables import TABLES


def frame(table: str, rows: list[dict[str, Any]]) -> pl.DataFrame:
    empty = pl.from_arrow(TABLES[table].empty_table())
    assert isinstance(empty, pl.DataFrame)
    return pl.DataFrame([{**dict.fromkeys(empty.columns), **row} for row in rows], schema=empty.schema)


def fill(mic: str, side: str, px: int, qty: int, **more: Any) -> dict[str, Any]:
    row = {"mic": mic, "side": side, "last_px": px, "last_qty": qty, "mid_routed": 400_000.0, "fee_micros": 0}
    return {**row, "tactic": "TAKE", "decision_id": "d", "at": 0, **more}


FILLS = frame(
    "executions",
    [
        fill("XNYS", "BUY", 400_100, 300, mid_10s=400_000.0, fee_micros=900_000, decision_id="d1"),
        fill("XNYS", "SELL", 399_900, 100, mid_10s=399_900.0, fee_micros=-100_000, decision_id="d2"),
        fill("DARK", "SELL_SHORT", 400_000, 200, mid_10s=None, decision_id="d3"),
    ],
)


def test_scorecard_adds_up_by_hand() -> None:
    venues = frame(
        "venues",
        [
            {"mic": "XNYS", "venue_type": "CENTRAL_LIMIT_ORDER_BOOK", "volume_share": 0.3, "routed_qty": 1_000}
            | {"filled_qty": 400, "children": 4, "rejects": 1},
            {"mic": "DARK", "venue_type": "DARK_ORDER_BOOK", "volume_share": 0.1, "routed_qty": 0}
            | {"filled_qty": 0, "children": 0, "rejects": 0},
        ],
    )
    children = frame("children", [{"mic": "XNYS", "cum_qty": qty} for qty in (300, 100, 0, 0)])
    nyse, dark = scorecard(venues, children, FILLS)
    assert (nyse.fill_rate, nyse.hit_ratio, nyse.reject_rate, nyse.fill_share) == (0.4, 0.5, 0.25, 1.0)
    notional = 400_100 * 300 + 399_900 * 100
    assert nyse.spread_bps == pytest.approx((100 * 300 + 100 * 100) / notional * 1e4)
    assert nyse.fee_bps == pytest.approx(800_000 / (notional * 100) * 1e4)
    assert nyse.fills == 2
    assert (dark.fill_rate, dark.hit_ratio, dark.reject_rate) == (None, None, None)
    assert dark.markout is None


def test_markout_is_positive_when_the_mid_moves_our_way() -> None:
    estimate = markout(FILLS.filter(pl.col("mic") == "XNYS"), "mid_10s")
    assert estimate is not None
    bought = (400_000 / 400_100 - 1) * 1e4
    assert estimate.mean == pytest.approx(0.75 * bought)
    assert estimate.observations == 2
    assert estimate.interval is not None


def test_fills_whose_horizon_lies_after_the_end_are_left_out() -> None:
    assert markout(FILLS.filter(pl.col("mic") == "DARK"), "mid_10s") is None
    curves = markout_curves(FILLS, ["XNYS", "DARK"])
    assert list(curves) == [ALL_VENUES, "XNYS"]
    assert [point.horizon_s for point in curves["XNYS"]] == [10.0]


def test_thinning_keeps_ends_and_extremes() -> None:
    y = np.sin(np.arange(50_000) / 300.0)
    y[31_234], y[777] = 9.0, -9.0
    kept = keep_extremes(y, 2_000)
    assert kept.size <= 2_001
    assert {0, 777, 31_234, y.size - 1} <= set(kept.tolist())
    assert (np.diff(kept) > 0).all()


def test_last_of_buckets_keeps_the_last_row() -> None:
    at = np.arange(0, 10_000, 3, dtype=np.int64)
    kept = last_of_buckets(at, 100)
    assert kept.size == 100
    assert kept[-1] == at.size - 1


def test_bucket_means_still_sum_to_one() -> None:
    rows = np.random.default_rng(3).dirichlet(np.ones(4), 5_000)
    at, means = bucket_means(np.arange(5_000, dtype=np.int64) ** 2, rows, 100)
    assert at[0] == 0
    assert means.shape == (at.size, 4)
    assert means.sum(axis=1) == pytest.approx(np.ones(at.size))


def test_equal_times_are_thinned_to_one() -> None:
    assert last_of_buckets(np.zeros(50, dtype=np.int64), 10).tolist() == [49]


def test_stretches_touch_and_cover() -> None:
    stretches = runs_of(["a", "b", "b", "a"], np.array([0, 1, 2, 3]))
    assert stretches == [("a", 0, 1), ("b", 1, 3), ("a", 3, 3)]


def test_merging_fills_loses_no_share() -> None:
    rows = [fill("XNYS" if n % 3 else "DARK", "BUY", 400_000 + n % 7, 1 + n % 5, at=n * 11) for n in range(5_000)]
    fills = frame("executions", rows)
    points = merge_fills(fills, 200)
    assert points.height <= 210
    assert points["qty"].sum() == fills["last_qty"].sum()
    assert points["fills"].sum() == 5_000
    paid = (points["px"] * points["qty"]).sum()
    assert paid == pytest.approx((fills["last_px"] * fills["last_qty"]).sum())
    assert points["at"].is_sorted()


def test_few_fills_stay_as_they_are() -> None:
    points = merge_fills(FILLS, 10)
    assert points["fills"].to_list() == [1, 1, 1]
