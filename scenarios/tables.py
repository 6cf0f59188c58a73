"""The Parquet tables of a run directory: one schema each, named once.

Rule of this file: a column's unit is in its name or its type here; readers (report, notebooks) use these names.

A run directory holds `<table>.parquet` for each table below, `summary.json` (`RunSummary`) and `scenario.toml`
(the scenario as it was run).
"""

from __future__ import annotations

import msgspec
import pyarrow as pa

from router.domain.events import LearnerSteered
from router.domain.messages import ReleaseStatus

PX_UNIT = "0.0001"
"""What a Px of 1 is worth where no recording says otherwise."""

RUN_FORMAT = 3
"""Raised when a table changes in a way that older readers cannot follow."""

_lanes_f = pa.list_(pa.float64())
_lanes_q = pa.list_(pa.int64())
_lanes_s = pa.list_(pa.string())

MARKET = pa.schema(
    [
        ("at", pa.int64()),
        ("bid_px", pa.int64()),
        ("ask_px", pa.int64()),
        ("mid", pa.float64()),
        ("volume", pa.int64()),
        ("shift_px", pa.int64()),
        ("regime", pa.string()),
    ]
)
"""One row a window: the consolidated market at its end, in Px; our own impact so far; the hidden regime."""

ORDERS = pa.schema(
    [
        ("parent_id", pa.string()),
        ("symbol", pa.string()),
        ("side", pa.string()),
        ("strategy", pa.string()),
        ("order_qty", pa.int64()),
        ("cum_qty", pa.int64()),
        ("ord_status", pa.string()),
        ("start_at", pa.int64()),
        ("end_at", pa.int64()),
        ("done_at", pa.int64()),
        ("arrival_px", pa.float64()),
        ("avg_px", pa.float64()),
        ("fee_micros", pa.int64()),
        ("anomalies", pa.int64()),
    ]
)

SCHEDULE = pa.schema(
    [("parent_id", pa.string()), ("at", pa.int64()), ("target_qty", pa.int64()), ("cum_qty", pa.int64())]
)
"""At each wake of a parent: where the schedule wants it and where it is."""

CHILDREN = pa.schema(
    [
        ("cl_ord_id", pa.string()),
        ("parent_id", pa.string()),
        ("decision_id", pa.string()),
        ("mic", pa.string()),
        ("venue_type", pa.string()),
        ("tactic", pa.string()),
        ("side", pa.string()),
        ("order_qty", pa.int64()),
        ("cum_qty", pa.int64()),
        ("price", pa.int64()),
        ("time_in_force", pa.string()),
        ("sent_at", pa.int64()),
        ("closed_at", pa.int64()),
        ("ord_status", pa.string()),
        ("mid_routed", pa.float64()),
    ]
)

EXECUTIONS = pa.schema(
    [
        ("exec_id", pa.string()),
        ("cl_ord_id", pa.string()),
        ("parent_id", pa.string()),
        ("decision_id", pa.string()),
        ("mic", pa.string()),
        ("venue_type", pa.string()),
        ("tactic", pa.string()),
        ("side", pa.string()),
        ("at", pa.int64()),
        ("last_qty", pa.int64()),
        ("last_px", pa.int64()),
        ("fee_micros", pa.int64()),
        ("last_liquidity_ind", pa.string()),
        ("mid_routed", pa.float64()),
        ("mid_at_fill", pa.float64()),
        ("mid_100ms", pa.float64()),
        ("mid_1s", pa.float64()),
        ("mid_5s", pa.float64()),
        ("mid_10s", pa.float64()),
        ("mid_30s", pa.float64()),
        ("mid_60s", pa.float64()),
        ("mid_300s", pa.float64()),
        ("shift_px", pa.int64()),
    ]
)
"""Mids are null where the run ended before the horizon; `shift_px` is our own impact at the fill."""

DECISIONS = pa.schema(
    [
        ("decision_id", pa.string()),
        ("parent_id", pa.string()),
        ("at", pa.int64()),
        ("side", pa.string()),
        ("slice_qty", pa.int64()),
        ("policy", pa.string()),
        ("policy_version", pa.int64()),
        ("mode", pa.string()),
        ("context_names", _lanes_s),
        ("context", _lanes_f),
        ("candidates", _lanes_s),
        ("excluded", _lanes_s),
        ("exclusion_reasons", _lanes_s),
        ("p", _lanes_f),
        ("mu", _lanes_f),
        ("markout_bps", _lanes_f),
        ("values_bps", _lanes_f),
        ("routing_probabilities", _lanes_f),
        ("quantities", _lanes_q),
        ("propensity", pa.float64()),
        ("draw", pa.float64()),
        ("probe_lane", pa.string()),
        ("opportunity_bps", pa.float64()),
        ("record", pa.binary()),
    ]
)
"""`context` is the row-major matrix (candidates x context_names), flattened. `record` is the whole `RoutingDecision` as
MessagePack, which `scenarios.decision_log` reads back; so it is with `Outcome` in the next table."""

OUTCOMES = pa.schema(
    [
        ("at", pa.int64()),
        ("kind", pa.string()),
        ("parent_id", pa.string()),
        ("decision_id", pa.string()),
        ("cl_ord_id", pa.string()),
        ("exec_id", pa.string()),
        ("lane", pa.string()),
        ("order_qty", pa.int64()),
        ("leaves_qty", pa.int64()),
        ("filled_qty", pa.int64()),
        ("cum_qty", pa.int64()),
        ("age_from_ns", pa.int64()),
        ("age_to_ns", pa.int64()),
        ("is_final", pa.bool_()),
        ("horizon_ns", pa.int64()),
        ("markout_bps", pa.float64()),
        ("policy_version", pa.int64()),
        ("record", pa.binary()),
    ]
)
"""In the order in which the learner heard them. `policy_version` is the one that an outcome made; 0: the learner was
frozen, and learned nothing of it."""

PROBABILITIES = pa.schema(
    [
        ("at", pa.int64()),
        ("side", pa.string()),
        ("policy_version", pa.int64()),
        ("cause", pa.string()),
        ("routing_probabilities", _lanes_f),
    ]
)
"""One row a published version; the lanes are in the schema metadata under `lanes`, joined by commas."""

VENUES = pa.schema(
    [
        ("mic", pa.string()),
        ("venue_type", pa.string()),
        ("volume_share", pa.float64()),
        ("routed_qty", pa.int64()),
        ("filled_qty", pa.int64()),
        ("children", pa.int64()),
        ("rejects", pa.int64()),
    ]
)

TABLES: dict[str, pa.Schema] = {
    "market": MARKET,
    "orders": ORDERS,
    "schedule": SCHEDULE,
    "children": CHILDREN,
    "executions": EXECUTIONS,
    "decisions": DECISIONS,
    "outcomes": OUTCOMES,
    "probabilities": PROBABILITIES,
    "venues": VENUES,
}


class RunSummary(msgspec.Struct, frozen=True, kw_only=True):
    """What one run came to: the JSON object that `anabranch replay --json` prints.

    All costs in basis points of the executed notional, positive is bad, summed over the run's parents:
    arrival_slippage (fees included) = routing_cost + impact + timing; routing_cost = spread + fee + adverse, where
    spread is paid against the mid when routed, and adverse is what the mid moved against our fills from routing to
    10 s after the fill, without our own impact. `markout_bps` is the quantity-weighted mean markout at 10 s,
    positive good. Values are null when nothing was filled.
    """

    scenario: str
    seed: int
    policy: str
    runtime: str
    digest: str
    wall_s: float
    events: int
    windows: int
    decisions: int
    fills: int
    outcomes: int
    order_qty: int
    filled_qty: int
    arrival_slippage_bps: float | None
    routing_cost_bps: float | None
    markout_bps: float | None
    spread_bps: float | None
    fee_bps: float | None
    adverse_bps: float | None
    impact_bps: float | None
    timing_bps: float | None
    vwap_slippage_bps: float | None
    policy_versions: int
    anomalies: int
    children: int
    unfilled_qty: int
    peak_memory_mb: float
    checks: tuple[tuple[str, bool, str], ...] = ()
    """What must hold, as the scenario states it: name, whether it held, detail."""
    px_unit: str = PX_UNIT
    """What a Px of 1 is worth, in the currency; a recording brings its own."""
    learner_digest: str = ""
    """What the learner called its state at the end."""
    checkpoint: str = ""
    """The sha256 of the checkpoint that the policy began from; empty when it began without one."""
    past_days: int = 0
    """How many past days had taught the policy."""
    release: ReleaseStatus | None = None
    """Where the release of a challenger stood at the end."""
    steered: tuple[LearnerSteered, ...] = ()
    """What changed in the release, by whom and why."""
    out: str | None = None
    run_format: int = RUN_FORMAT
