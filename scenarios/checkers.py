"""Whether what a scenario says must hold did hold.

Rule of this file: a checker reads the summary and the rows of a run, and says what was expected and what came.
"""

from __future__ import annotations

from scenarios.recorder import Recorder
from scenarios.scenario import HoldsPart
from scenarios.tables import RunSummary

Check = tuple[str, bool, str]
CLOSED = ("FILLED", "CANCELED", "EXPIRED")


def check_holds(holds: HoldsPart, summary: RunSummary, recorder: Recorder) -> tuple[Check, ...]:
    """Return (name, whether it held, detail) for each thing the scenario asks for."""
    checks: list[Check] = []
    share = summary.filled_qty / summary.order_qty
    if holds.filled_share_min is not None:
        held = share >= holds.filled_share_min
        checks.append(("filled_share_min", held, f"expected {holds.filled_share_min}, got {share:.4f}"))
    if holds.filled_share_max is not None:
        held = share <= holds.filled_share_max
        checks.append(("filled_share_max", held, f"expected {holds.filled_share_max}, got {share:.4f}"))
    if holds.decisions_min is not None:
        held = summary.decisions >= holds.decisions_min
        checks.append(("decisions_min", held, f"expected {holds.decisions_min}, got {summary.decisions}"))
    if holds.anomalies_max is not None:
        held = summary.anomalies <= holds.anomalies_max
        checks.append(("anomalies_max", held, f"expected {holds.anomalies_max}, got {summary.anomalies}"))
    if holds.routing_cost_max_bps is not None:
        cost = summary.routing_cost_bps
        held = cost is not None and cost <= holds.routing_cost_max_bps
        checks.append(("routing_cost_max_bps", held, f"expected {holds.routing_cost_max_bps}, got {cost}"))
    if holds.orders_end:
        open_orders = [row["parent_id"] for row in recorder.orders.values() if row["ord_status"] not in CLOSED]
        is_all = len(recorder.orders) and not open_orders
        checks.append(("orders_end", bool(is_all), f"expected none open, got {open_orders}"))
    return (*checks, *_fills_by_venue(holds, recorder))


def _fills_by_venue(holds: HoldsPart, recorder: Recorder) -> list[Check]:
    filled: dict[str, int] = {}
    for row in recorder.executions:
        filled[row["mic"]] = filled.get(row["mic"], 0) + row["last_qty"]
    absent = [
        (f"no_fills_at {mic}", not filled.get(mic), f"expected 0, got {filled.get(mic, 0)}")
        for mic in holds.no_fills_at
    ]
    present = [
        (f"fills_at {mic}", bool(filled.get(mic)), f"expected fills, got {filled.get(mic, 0)}")
        for mic in holds.fills_at
    ]
    return [*absent, *present]
