"""`anabranch simcheck`: is the simulator credible? One row for each published or stated fact it must show.

Rule of this file: it measures nothing; `scenarios.simcheck` does. A row that fails is printed as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, progress_bar, stdout, stdout_for_result
from cluster.cli.exits import CHECK_FAILED

if TYPE_CHECKING:
    from venues.flow.checks import CheckRow


def simcheck(
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: wider of the mark, within seconds.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 when a row fails.")] = False,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Examine the simulator: published probabilities, impact, no free lunch, stylised facts beside recordings."""
    from cluster.cli.places import chosen_data
    from cluster.config import load_config
    from scenarios.simcheck import simcheck as examine

    folder = chosen_data(data, load_config(config))
    with stdout_for_result(), progress_bar("simcheck") as progress:
        rows = examine(folder, is_quick=quick, progress=progress)
    if json:
        print_json(rows)
    else:
        _print_table(rows)
    return CHECK_FAILED if strict and any(row.verdict != "pass" for row in rows) else 0


def _print_table(rows: list[CheckRow]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in ("id", "value", "error", "bound", "verdict"):
        table.add_column(head, justify="left" if head in ("id", "verdict") else "right", no_wrap=True)
    for row in rows:
        verdict = Text(row.verdict, "green" if row.verdict == "pass" else "bold red")
        table.add_row(Text(row.id), f"{row.value:.4f}", error_text(row.error), bound_text(row.bound), verdict)
    stdout().print(table)
    failed = sum(row.verdict != "pass" for row in rows)
    stdout().print(f"{len(rows)} rows, {failed} failed")


def error_text(error: float | None) -> str:
    """Write a standard error as people do.

    >>> error_text(0.0123), error_text(None)
    ('± 0.0123', '')
    """
    return "" if error is None else f"± {error:.4f}"


def bound_text(bound: tuple[float | None, float | None]) -> str:
    """Write a bound as people do.

    >>> bound_text((0.49, 0.51)), bound_text((None, 0.0)), bound_text((1.0, None))
    ('0.49 to 0.51', 'up to 0', 'from 1')
    """
    low, high = bound
    if low is None:
        return "any" if high is None else f"up to {high:g}"
    return f"from {low:g}" if high is None else f"{low:g} to {high:g}"
