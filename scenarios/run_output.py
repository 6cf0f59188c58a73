"""Writes a run directory: the tables of `tables.py`, the summary and the scenario as it was run.

Rule of this file: a directory appears whole or not at all: it is written beside its place and renamed.
"""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from router.domain import codec
from router.domain.errors import RunError
from router.domain.instruments import lanes_of
from router.domain.scores import Outcome, RoutingDecision
from scenarios.recorder import Recorder, Row
from scenarios.scenario import Scenario
from scenarios.tables import TABLES, RunSummary

_FILES = frozenset({"summary.json", "scenario.toml", *(f"{name}.parquet" for name in TABLES)})


def write_run(out: Path, scenario: Scenario, recorder: Recorder, summary: RunSummary) -> None:
    """Write the run directory `out`, replacing an earlier run there.

    Raises:
        RunError: it cannot be written, or `out` holds something that is not a run.
    """
    draft = out.with_name(out.name + ".part")
    try:
        _check_place(out, draft)
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        for name, rows in _rows(recorder).items():
            schema = TABLES[name]
            if name == "probabilities":
                lanes = ",".join(str(lane) for lane in lanes_of(recorder.specs))
                schema = schema.with_metadata({"lanes": lanes})
            pq.write_table(_table(rows, schema), draft / f"{name}.parquet")
        (draft / "scenario.toml").write_text(scenario.text, encoding="utf-8")
        (draft / "summary.json").write_bytes(msgspec.json.format(msgspec.json.encode(summary), indent=2))
        shutil.rmtree(out, ignore_errors=True)
        draft.rename(out)
    except OSError as exc:
        raise RunError(f"expected a folder that can be written, got {exc} - at {out}") from exc


def _check_place(out: Path, draft: Path) -> None:
    """Refuse to delete anything that no run has written."""
    is_ours = not out.exists() or (out.is_dir() and (not any(out.iterdir()) or _is_run(out)))
    if not is_ours:
        raise RunError(f"expected a new folder or an earlier run, got something else - at {out}")
    if draft.exists() and not (draft.is_dir() and _FILES.issuperset(path.name for path in draft.iterdir())):
        raise RunError(f"expected nothing or an interrupted run, got something else - at {draft}")


def _is_run(folder: Path) -> bool:
    summary = folder / "summary.json"
    try:
        return summary.is_file() and "run_format" in msgspec.json.decode(summary.read_bytes(), type=dict)
    except msgspec.DecodeError:
        return False


def _table(rows: list[Row], schema: pa.Schema) -> pa.Table:
    columns = [pa.array([row[field.name] for row in rows], type=field.type) for field in schema]
    return pa.Table.from_arrays(columns, schema=schema)


def _rows(recorder: Recorder) -> dict[str, list[Row]]:
    orders = list(recorder.orders.values())
    for order in orders:
        order["avg_px"] = order["notional"] / order["cum_qty"] if order["cum_qty"] else None
    return {
        "market": recorder.market,
        "orders": orders,
        "schedule": recorder.schedule,
        "children": list(recorder.children.values()),
        "executions": recorder.executions,
        "decisions": [_decision(decision) for decision in recorder.decisions],
        "outcomes": [_outcome(*told) for told in zip(recorder.outcomes, recorder.learned, strict=True)],
        "probabilities": recorder.probabilities,
        "venues": _venues(recorder),
    }


def _decision(decision: RoutingDecision) -> Row:
    return {
        "decision_id": decision.decision_id,
        "parent_id": decision.parent_id,
        "at": decision.at,
        "side": str(decision.side),
        "slice_qty": decision.slice_qty,
        "policy": decision.policy,
        "policy_version": decision.policy_version,
        "mode": str(decision.mode),
        "context_names": decision.context_names,
        "context": np.frombuffer(decision.context, dtype=np.float64),
        "candidates": decision.candidates,
        "excluded": [exclusion.lane for exclusion in decision.exclusions],
        "exclusion_reasons": [exclusion.reason for exclusion in decision.exclusions],
        "p": [score.p for score in decision.scores],
        "mu": [score.mu for score in decision.scores],
        "markout_bps": [score.markout_bps for score in decision.scores],
        "values_bps": decision.values_bps,
        "routing_probabilities": decision.routing_probabilities,
        "quantities": decision.quantities,
        "propensity": decision.propensity,
        "draw": decision.draw,
        "probe_lane": decision.probe_lane,
        "opportunity_bps": decision.opportunity_bps,
        "record": codec.encode(decision),
    }


def _outcome(outcome: Outcome, policy_version: int) -> dict[str, Any]:
    own = [name for name in TABLES["outcomes"].names if name not in ("policy_version", "record")]
    row = {name: getattr(outcome, name) for name in own}
    record = codec.encode(outcome)
    return {**row, "kind": str(outcome.kind), "policy_version": policy_version, "record": record}


def _venues(recorder: Recorder) -> list[Row]:
    rows: dict[str, Row] = {
        spec.mic: {
            "mic": spec.mic,
            "venue_type": str(spec.venue_type),
            "volume_share": spec.volume_share,
            "routed_qty": 0,
            "filled_qty": 0,
            "children": 0,
            "rejects": 0,
        }
        for spec in recorder.specs
    }
    for child in recorder.children.values():
        row = rows[child["mic"]]
        row["routed_qty"] += child["order_qty"]
        row["filled_qty"] += child["cum_qty"]
        row["children"] += 1
        row["rejects"] += child["ord_status"] == "REJECTED"
    return list(rows.values())
