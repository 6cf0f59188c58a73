"""A comparison as compact tables: each policy, then in words what it does not beat.

Rule of this file: the verdicts are those of `scenarios.comparison`, word for word.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from scenarios.comparison import Comparison
from scenarios.intervals import Interval

if TYPE_CHECKING:
    from rich.console import Console


def print_comparison(console: Console, comparison: Comparison, report: Path) -> None:
    """Print means, differences to the static baseline, and what is not beaten."""
    from rich.table import Table
    from rich.text import Text

    title = f"{comparison.scenario} · {comparison.metric} · {len(comparison.seeds)} paired seeds"
    console.print(Text(title, style="bold"))
    table = Table(box=None, pad_edge=False)
    table.add_column("policy", no_wrap=True)
    for head in ("filled", "mean", "5 % to 95 %", f"difference to {comparison.static}", "gap closed"):
        table.add_column(head, justify="right")
    table.add_column("verdict")
    for result in comparison.policies:
        pair = None if result.policy == comparison.static else comparison.pair(result.policy, comparison.static)
        gap = "–" if result.gap_closed is None else f"{result.gap_closed:.0%}{_around(result.gap_interval, 0, 100)}"
        difference = "" if pair is None else f"{_number(pair.mean_difference)}{_around(pair.interval, 2)}"
        spread = f"{_number(result.quantile_05)} to {_number(result.quantile_95)}"
        table.add_row(
            Text(result.policy),
            f"{result.filled_share:.1%}",
            _number(result.mean),
            spread,
            difference,
            gap,
            pair.verdict if pair else "baseline",
        )
    console.print(table)
    for result in comparison.policies:
        left = [p.against for p in comparison.pairs if p.policy == result.policy and p.verdict != "beats"]
        console.print(Text(f"{result.policy} does not beat: {', '.join(left) or 'none left'}"), soft_wrap=True)
    for policy, seed in comparison.missing:
        console.print(Text(f"missing: {policy}, seed {seed}: nothing was filled", style="bold red"))
    console.print(Text(f"report  {report}"), soft_wrap=True)


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:+.2f}"


def _around(interval: Interval | None, digits: int, scale: float = 1.0) -> str:
    if interval is None:
        return " (no interval)"
    return f" ({interval.low * scale:+.{digits}f} to {interval.high * scale:+.{digits}f})"
