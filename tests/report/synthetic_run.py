"""A made-up run directory that follows the schemas: what the report is drawn from in tests.

Rule of this file: nothing here comes from a simulation; every number is drawn from a keyed generator.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from router.domain.chance import generator
from scenarios.tables import TABLES, RunSummary

START = 1_700_000_000 * 10**9 - 1_700_000_000 * 10**9 % (86_400 * 10**9) + 34_200 * 10**9
VENUES = (
    ("XNYS", "CENTRAL_LIMIT_ORDER_BOOK", 0.28),
    ("XNAS", "CENTRAL_LIMIT_ORDER_BOOK", 0.22),
    ("BATY", "CENTRAL_LIMIT_ORDER_BOOK", 0.08),
    ("DRKA", "DARK_ORDER_BOOK", 0.06),
    ("DRKB", "DARK_ORDER_BOOK", 0.04),
    ("DEAL", "QUOTE_DRIVEN_MARKET", 0.05),
)
TACTICS = {
    "CENTRAL_LIMIT_ORDER_BOOK": ("TAKE", "POST", "MID_PEG"),
    "DARK_ORDER_BOOK": ("MID_PEG", "CONDITIONAL"),
    "QUOTE_DRIVEN_MARKET": ("QUOTE",),
}
LANES = tuple(f"{mic}:{tactic}" for mic, kind, _ in VENUES for tactic in TACTICS[kind])


def summary(**changes: Any) -> RunSummary:
    """Return a summary with everything filled in."""
    values: dict[str, Any] = {
        "scenario": "midcap_500k", "seed": 1, "policy": "hurdle", "runtime": "inprocess", "digest": "9f" * 32,
        "wall_s": 12.5, "events": 4_200_000, "windows": 60_000, "decisions": 400, "fills": 900, "outcomes": 3_000,
        "order_qty": 100_000, "filled_qty": 97_400, "arrival_slippage_bps": 14.2, "routing_cost_bps": 0.7,
        "markout_bps": -0.9, "spread_bps": 0.55, "fee_bps": -0.12, "adverse_bps": 0.27, "impact_bps": 18.9,
        "timing_bps": -5.4, "vwap_slippage_bps": 2.1, "policy_versions": 700, "anomalies": 0, "children": 1_200,
        "unfilled_qty": 2_600, "peak_memory_mb": 412.0,
        "checks": (("every order finishes", True, "2 of 2"), ("routing cost under 1 bp", True, "0.70")),
    }  # fmt: skip
    return RunSummary(**{**values, **changes})


def write_empty(directory: Path, **changes: Any) -> Path:
    """Write a run in which nothing happened at all."""
    nothing = {key: None for key in RunSummary.__struct_fields__ if key.endswith("_bps")}
    zero = {"fills": 0, "children": 0, "decisions": 0, "filled_qty": 0, "checks": ()}
    return _write(directory, {name: [] for name in TABLES}, summary(**{**nothing, **zero, **changes}))


def write_run(directory: Path, *, rows: int = 6_000, fills: int = 900, **changes: Any) -> Path:
    """Write a run with two parents, four regimes and every table filled."""
    rng = generator(7, "synthetic", "run")
    market = _market(rng, rows)
    executions = _executions(rng, fills, market)
    tables = {
        "market": market,
        "orders": [_order("P1", 70_000, 68_400), _order("P2", 30_000, 29_000)],
        "schedule": _schedule(rows),
        "children": _children(rng, 1_200),
        "executions": executions,
        "decisions": [_decision(rng, n, rows) for n in range(40)],
        "outcomes": [],
        "probabilities": _probabilities(rng, rows),
        "venues": _venue_rows(rng, executions),
    }
    return _write(directory, tables, summary(**changes))


def _write(directory: Path, tables: dict[str, list[dict[str, Any]]], made: RunSummary) -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    for name, schema in TABLES.items():
        chosen = schema.with_metadata({"lanes": ",".join(LANES)}) if name == "probabilities" else schema
        pq.write_table(pa.Table.from_pylist(tables[name], schema=chosen), directory / f"{name}.parquet")
    (directory / "summary.json").write_bytes(msgspec.json.encode(made))
    (directory / "scenario.toml").write_text('name = "synthetic"\n')
    return directory


def _at(n: int) -> int:
    return START + n * 10**9


def _market(rng: np.random.Generator, rows: int) -> list[dict[str, Any]]:
    mids = 400_000 + np.cumsum(rng.normal(0.3, 30, rows)).round()
    names = ("calm", "volatile", "dark_rich", "toxic", "calm")
    return [
        {
            "at": _at(n), "bid_px": int(mid) - 100, "ask_px": int(mid) + 100, "mid": float(mid), "volume": n * 90,
            "shift_px": n // 40, "regime": names[n * len(names) // rows],
        }
        for n, mid in enumerate(mids)
    ]  # fmt: skip


def _order(parent: str, qty: int, done: int) -> dict[str, Any]:
    return {
        "parent_id": parent, "symbol": "MIDC", "side": "BUY", "strategy": "liquidity_seeking", "order_qty": qty,
        "cum_qty": done, "ord_status": "EXPIRED", "start_at": _at(0), "end_at": _at(6_000), "done_at": _at(6_000),
        "arrival_px": 400_000.0, "avg_px": 400_512.5, "fee_micros": -120_000, "anomalies": 0,
    }  # fmt: skip


def _schedule(rows: int) -> list[dict[str, Any]]:
    return [
        {"parent_id": parent, "at": _at(n), "target_qty": qty * n // rows, "cum_qty": int(qty * n / rows * 0.97)}
        for parent, qty in (("P1", 70_000), ("P2", 30_000))
        for n in range(0, rows, 10)
    ]


def _executions(rng: np.random.Generator, fills: int, market: list[dict[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for n in range(fills):
        at = (n * len(market)) // max(fills, 1)
        mic, kind, _ = VENUES[int(rng.integers(len(VENUES)))]
        mid = float(market[at]["mid"])
        px = int(mid) + (100 if kind == "CENTRAL_LIMIT_ORDER_BOOK" and rng.random() < 0.5 else 0)
        later = {
            f"mid_{name}": mid + float(rng.normal(-4 if kind == "DARK_ORDER_BOOK" else 2, 25 * (k + 1) ** 0.5))
            for k, name in enumerate(("100ms", "1s", "5s", "10s", "30s", "60s"))
        }
        made.append(
            {
                "exec_id": f"{mic}-{n}", "cl_ord_id": f"P1.{n}", "parent_id": "P1" if n % 3 else "P2",
                "decision_id": f"P1.d{n // 3}", "mic": mic, "venue_type": kind, "tactic": TACTICS[kind][0],
                "side": "BUY", "at": _at(at), "last_qty": int(rng.integers(1, 8)) * 25, "last_px": px,
                "fee_micros": int(rng.integers(-200, 300)) * 100, "last_liquidity_ind": "REMOVED", "mid_routed": mid,
                "mid_at_fill": mid, **later, "mid_300s": None if n > fills * 0.95 else mid, "shift_px": at // 40,
            }
        )  # fmt: skip
    return made


def _children(rng: np.random.Generator, count: int) -> list[dict[str, Any]]:
    made = []
    for n in range(count):
        mic, kind, _ = VENUES[int(rng.integers(len(VENUES)))]
        status = ("FILLED", "CANCELED", "EXPIRED", "REJECTED")[int(rng.choice(4, p=[0.45, 0.35, 0.18, 0.02]))]
        made.append(
            {
                "cl_ord_id": f"P1.{n}", "parent_id": "P1", "decision_id": f"P1.d{n // 3}", "mic": mic,
                "venue_type": kind, "tactic": TACTICS[kind][0], "side": "BUY", "order_qty": 100,
                "cum_qty": 100 if status == "FILLED" else 0, "price": 400_000, "time_in_force": "DAY",
                "sent_at": _at(n), "closed_at": _at(n + 5), "ord_status": status, "mid_routed": 400_000.0,
            }
        )  # fmt: skip
    return made


def _decision(rng: np.random.Generator, n: int, rows: int) -> dict[str, Any]:
    lanes = LANES[:-1]
    shares = rng.dirichlet(np.full(len(lanes), 0.5))
    return {
        "decision_id": f"P1.d{n}", "parent_id": "P1", "at": _at(rows - 40 + n), "side": "BUY", "slice_qty": 500,
        "policy": "hurdle", "policy_version": 600 + n, "mode": "WATER_FILL", "context_names": ["spread"],
        "context": [1.0] * len(lanes), "candidates": list(lanes), "excluded": [LANES[-1]],
        "exclusion_reasons": ["NO_QUOTE"], "p": rng.random(len(lanes)).tolist(),
        "mu": (rng.random(len(lanes)) * 300).tolist(), "markout_bps": rng.normal(0, 1, len(lanes)).tolist(),
        "values_bps": rng.normal(0, 1, len(lanes)).tolist(), "routing_probabilities": shares.tolist(),
        "quantities": [int(share * 500) // 25 * 25 for share in shares], "propensity": 0.31, "draw": 0.77,
        "probe_lane": LANES[3] if n % 7 == 0 else "", "opportunity_bps": 1.5,
    }  # fmt: skip


def _probabilities(rng: np.random.Generator, rows: int) -> list[dict[str, Any]]:
    level = np.zeros(len(LANES))
    made = []
    for n in range(0, rows, 5):
        level = 0.98 * level + rng.normal(0, 0.25, len(LANES))
        shares = np.exp(level) / np.exp(level).sum()
        made.append(
            {
                "at": _at(n),
                "side": "BUY",
                "policy_version": n,
                "cause": "FILL",
                "routing_probabilities": shares.tolist(),
            }
        )
    return made


def _venue_rows(rng: np.random.Generator, executions: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "mic": mic, "venue_type": kind, "volume_share": share, "routed_qty": 40_000,
            "filled_qty": sum(row["last_qty"] for row in executions if row["mic"] == mic), "children": 200,
            "rejects": int(rng.integers(0, 6)),
        }
        for mic, kind, share in VENUES
    ]  # fmt: skip
