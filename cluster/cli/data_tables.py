"""What `anabranch data list` prints of the feeds, and `anabranch data inspect` of one.

Rule of this file: it prints what it is given and decides nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from router.domain.units import SECOND, Nanos

if TYPE_CHECKING:
    from rich.console import Console

    from venues.feeds.inspection import Inspection


def print_feeds(
    console: Console,
    feeds: Sequence[tuple[str, str, Sequence[str]]],
    unread: Mapping[str, Sequence[str]],
    root: Path | None,
) -> None:
    """Print each feed (name, title, files), then what the data directory `root` has unread, by reason."""
    from rich.table import Table
    from rich.text import Text

    table = Table("feed", "reads", "files", box=None, pad_edge=False)
    for name, title, files in feeds:
        table.add_row(Text(name, "bold"), Text(title), Text(_some(files)))
    console.print(table)
    console.print(Text(f"data directory: {root if root is not None else 'none'}"))
    for reason, files in unread.items():
        console.print(Text(f"not read: {_some(files)} ({reason})"), soft_wrap=True)


def print_inspection(console: Console, name: str, of: Inspection) -> None:
    """Print one feed in two columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False, title=name, title_justify="left", title_style="bold")
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for label, value in _lines(of):
        table.add_row(Text(label), Text(value))
    console.print(table)


def _lines(of: Inspection) -> list[tuple[str, str]]:
    info = of.info
    lines = [
        ("feed", f"{info.feed}, {info.symbol or 'no symbol'}"),
        ("units", f"price {info.px_unit}, quantity {info.qty_unit or 'not recorded'}"),
        ("rows", f"{of.rows:,}: {_counts(of.kinds)}" if of.rows else "0"),
        ("venues", _counts(of.venues) if of.venues else "none"),
    ]
    if of.flags:
        lines.append(("flagged", _counts(of.flags)))
    if of.rows:
        silence = f"{of.silence_ns / SECOND:,.3f} s from {utc(of.silence_from)}"
        lines += [("span", f"{utc(of.first)} to {utc(of.last)}"), ("longest silence", silence)]
    lines.append(("sequence gaps", f"{info.gaps:,}"))
    if of.unknown_orders or of.overdrawn_orders:
        lines.append(("orders", f"{of.unknown_orders:,} rows unknown, {of.overdrawn_orders:,} overdrawn"))
    for state in of.states:
        shares = f"locked {state.locked / state.states:.3%}, crossed {state.crossed / state.states:.3%}"
        lines.append((f"{state.venue} {state.of}", f"{state.states:,} states, {shares}"))
    for reason, records, first in of.skipped:
        lines.append(("left out", f"{records:,}: {reason} (first at {first})"))
    return lines


def utc(at: Nanos) -> str:
    """Write a time in UTC to the nanosecond.

    >>> utc(1_514_903_400_000_000_001)
    '2018-01-02 14:30:00.000000001'
    """
    whole, rest = divmod(at, SECOND)
    return f"{datetime.fromtimestamp(whole, UTC):%Y-%m-%d %H:%M:%S}.{rest:09}"


def _counts(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in counts.items())


def _some(files: Sequence[str]) -> str:
    return "-" if not files else files[0] if len(files) == 1 else f"{files[0]} and {len(files) - 1} more"
