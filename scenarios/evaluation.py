"""What a run cost, and of what the cost is made.

Rule of this file: it reads a finished run and the mid's history; nothing here reaches a router. Costs are in basis
points of the executed notional, positive is bad (definitions: `RunSummary`).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.domain.enums import Tactic
from router.domain.market import F64, I64
from router.domain.units import MILLISECOND, SECOND, Nanos
from scenarios.history import MidHistory
from scenarios.recorder import Recorder

HORIZONS: dict[str, Nanos] = {
    "mid_100ms": 100 * MILLISECOND,
    "mid_1s": SECOND,
    "mid_5s": 5 * SECOND,
    "mid_10s": 10 * SECOND,
    "mid_30s": 30 * SECOND,
    "mid_60s": 60 * SECOND,
    "mid_300s": 300 * SECOND,
}
"""The columns of the executions table and how long after the fill each mid is."""


class Costs(NamedTuple):
    """The parts of a run's cost in bps; all None when nothing was filled."""

    arrival_slippage_bps: float | None = None
    routing_cost_bps: float | None = None
    markout_bps: float | None = None
    spread_bps: float | None = None
    fee_bps: float | None = None
    adverse_bps: float | None = None
    impact_bps: float | None = None
    timing_bps: float | None = None
    vwap_slippage_bps: float | None = None


def add_mids(recorder: Recorder, history: MidHistory) -> None:
    """Write the mids at and after each execution, and our own impact then, into the execution rows.

    An order accepted before the first quote, as at the open, arrived at the first mid there was.
    """
    for order in recorder.orders.values():
        if order["arrival_px"] is None:
            order["arrival_px"] = history.first_mid(order["start_at"])
    rows = recorder.executions
    at: I64 = np.array([row["at"] for row in rows], dtype=np.int64)
    names, later = ("mid_at_fill", *HORIZONS), np.array([0, *HORIZONS.values()], dtype=np.int64)
    found = history.mids(at[:, None] + later).tolist()
    for row, mids, shift in zip(rows, found, shifts_at(recorder, at).tolist(), strict=True):
        row.update(zip(names, [mid if mid == mid else None for mid in mids], strict=True))
        row["shift_px"] = int(shift)


def shifts_at(recorder: Recorder, at: I64) -> F64:
    """Return our own impact in Px that venues knew of at each time."""
    times = np.array([row["at"] for row in recorder.market], dtype=np.int64)
    values = np.array([0, *(row["shift_px"] for row in recorder.market)], dtype=np.float64)
    return values[np.searchsorted(times, at, side="left")]


def costs(recorder: Recorder, history: MidHistory) -> Costs:
    """Return the cost of all executions of the run. Call `add_mids` first."""
    rows = recorder.executions
    if not rows:
        return Costs()
    qty = _column(rows, "last_qty")
    px = _column(rows, "last_px")
    sign = np.array([1.0 if row["side"] == "BUY" else -1.0 for row in rows])
    at = np.array([row["at"] for row in rows], dtype=np.int64)
    # An order for the close is sent minutes ahead: what the market does until the auction is timing, not routing.
    is_cross = np.array([row["tactic"] == Tactic.AUCTION for row in rows])
    sent = np.where(is_cross, at, np.array([row["sent_at"] for row in rows], dtype=np.int64))
    orders = [recorder.orders[row["parent_id"]] for row in rows]
    routed = _column(rows, "mid_routed")
    crossed = np.array([row["mid_at_fill"] or row["mid_routed"] for row in rows], dtype=np.float64)
    routed = np.where(is_cross, crossed, routed)
    arrival = np.array([order["arrival_px"] or row["mid_routed"] for order, row in zip(orders, rows, strict=True)])
    started = np.array([order["start_at"] for order in orders], dtype=np.int64)
    # Where the run ended before ten seconds had passed, the last mid known stands in.
    after = history.mids(np.minimum(at + 10 * SECOND, history.until))
    after = np.where(np.isnan(after), routed, after)
    shift_routed, shift_after = shifts_at(recorder, sent), shifts_at(recorder, at + 10 * SECOND)
    shift_arrival = shifts_at(recorder, started)
    notional = float((qty * px).sum())

    def bps(per_share_px: F64) -> float:
        return float((qty * per_share_px).sum()) / notional * 1e4

    fee = sum(row["fee_micros"] for row in rows) / 100 / notional * 1e4
    spread = bps(sign * (px - routed))
    adverse = bps(-sign * ((after - shift_after) - (routed - shift_routed)))
    impact = bps(sign * (shift_routed - shift_arrival))
    timing = bps(sign * ((after - shift_after) - (arrival - shift_arrival)))
    return Costs(
        arrival_slippage_bps=spread + fee + adverse + impact + timing,
        routing_cost_bps=spread + fee + adverse,
        markout_bps=bps(sign * (after - px)),
        spread_bps=spread,
        fee_bps=fee,
        adverse_bps=adverse,
        impact_bps=impact,
        timing_bps=timing,
        vwap_slippage_bps=_vwap_slippage(recorder),
    )


def _column(rows: list[dict[str, object]], name: str) -> F64:
    return np.array([row[name] for row in rows], dtype=np.float64)


def _vwap_slippage(recorder: Recorder) -> float | None:
    """Return the notional-weighted slippage of each order against the market's VWAP over the order's life."""
    if not recorder.prints:
        return None
    prints = np.concatenate(recorder.prints)
    total, cost = 0.0, 0.0
    for order in recorder.orders.values():
        end = order["done_at"] or order["end_at"]
        mine = prints[(prints[:, 0] >= order["start_at"]) & (prints[:, 0] <= end)]
        volume = mine[:, 2].sum()
        if not order["cum_qty"] or not volume:
            continue
        vwap = float((mine[:, 1] * mine[:, 2]).sum()) / float(volume)
        sign = 1.0 if order["side"] == "BUY" else -1.0
        cost += sign * (order["notional"] - vwap * order["cum_qty"])
        total += order["notional"]
    return cost / total * 1e4 if total else None
