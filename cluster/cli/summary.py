"""A run's summary as a compact table.

Rule of this file: the words and units are those of `RunSummary`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.tables import RunSummary

if TYPE_CHECKING:
    from rich.console import Console

_COSTS = (
    ("routing cost", "routing_cost_bps"),
    ("  spread", "spread_bps"),
    ("  fee", "fee_bps"),
    ("  adverse", "adverse_bps"),
    ("impact", "impact_bps"),
    ("timing", "timing_bps"),
    ("arrival slippage", "arrival_slippage_bps"),
    ("VWAP slippage", "vwap_slippage_bps"),
    ("markout at 10 s", "markout_bps"),
)


def print_summary(console: Console, summary: RunSummary, report: Path | None) -> None:
    """Print what a run came to: counts and costs, the checks, where it was written."""
    from rich.table import Table
    from rich.text import Text

    title = f"{summary.scenario} · {summary.policy} · seed {summary.seed} · {summary.runtime}"
    console.print(Text(title, style="bold"))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    table.add_column(min_width=4)
    table.add_column()
    table.add_column(justify="right")
    costs = [(label, _bps(getattr(summary, key))) for label, key in _COSTS]
    for (label, value), (cost, bps) in zip(_counts(summary), costs, strict=True):
        table.add_row(label, value, "", cost, bps)
    console.print(table)
    for name, holds, detail in summary.checks:
        mark = Text("holds  " if holds else "FAILS  ", style="green" if holds else "bold red")
        console.print(mark + Text(f"{name}: {detail}" if detail else name))
    console.print(Text(f"digest  {summary.digest}"), soft_wrap=True)
    for label, path in (("run     ", summary.out), ("report  ", report)):
        if path is not None:
            console.print(Text(f"{label}{path}"), soft_wrap=True)


def _counts(summary: RunSummary) -> tuple[tuple[str, str], ...]:
    share = f" ({summary.filled_qty / summary.order_qty:.1%})" if summary.order_qty else ""
    return (
        ("ordered", f"{summary.order_qty:,}"),
        ("executed", f"{summary.filled_qty:,}{share}"),
        ("children", f"{summary.children:,}"),
        ("fills", f"{summary.fills:,}"),
        ("decisions", f"{summary.decisions:,}"),
        ("policy versions", f"{summary.policy_versions:,}"),
        ("market events", f"{summary.events:,}"),
        ("anomalies", f"{summary.anomalies:,}"),
        ("wall time", f"{summary.wall_s:.1f} s"),
    )


def _bps(value: float | None) -> str:
    return "nothing to compare" if value is None else f"{value:+.2f} bps"
