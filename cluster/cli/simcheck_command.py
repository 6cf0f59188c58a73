"""`anabranch simcheck`: is the simulator credible? One row for each published or stated fact it must show. With
`--faults`: does every order end right whatever goes wrong, over so many drawn days?

Rule of this file: it measures nothing; `scenarios.simcheck` and `scenarios.fault_sweep` do. A row that fails is printed
as it is.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, progress_bar, stdout, stdout_for_result
from cluster.cli.exits import CHECK_FAILED

if TYPE_CHECKING:
    from scenarios.fault_sweep import SweepReport
    from venues.flow.checks import CheckRow

SEEDS_MAX = 1_000_000


def simcheck(
    quick: Annotated[bool, typer.Option("--quick", help="Small sizes: wider of the mark, within seconds.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 3 when a row fails.")] = False,
    faults: Annotated[bool, typer.Option("--faults", help="The fault sweep: everything that goes wrong.")] = False,
    seeds: Annotated[int, typer.Option(min=1, max=SEEDS_MAX, metavar="N", help="--faults: seeds 0 to N-1.")] = 200,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Examine the simulator: published probabilities, impact, no free lunch, stylised facts beside recordings."""
    if faults:
        return _faults(seeds, strict=strict, json=json)
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


def _faults(seeds: int, *, strict: bool, json: bool) -> int:
    from scenarios.fault_sweep import sweep

    with stdout_for_result(), progress_bar("simcheck --faults") as progress:
        report = sweep(range(seeds), progress)
    if json:
        print_json(_plain(report))
    else:
        _print_sweep(report)
    return CHECK_FAILED if strict and report.violations else 0


def _plain(report: SweepReport) -> dict[str, object]:
    """Return a sweep's report for JSON: rows of the tables as `STATE x Event`, with why they were not used."""
    from scenarios.fault_rows import why_unused

    return report._asdict() | {
        "child_rows": {" x ".join(row): n for row, n in report.child_rows.items()},
        "parent_rows": {" x ".join(row): n for row, n in report.parent_rows.items()},
        "never_child": {" x ".join(row): why_unused(row) for row in report.never_child},
        "never_parent": {" x ".join(row): why_unused(row) for row in report.never_parent},
        "violations": {str(seed): broken for seed, broken in report.violations.items()},
    }


def _print_sweep(report: SweepReport) -> None:
    from scenarios.fault_rows import FAULT_KINDS, why_unused

    out = stdout()
    out.print(f"{report.seeds} seeds, {len(report.violations)} with violations")
    out.print("faults: " + ", ".join(f"{n:,} {kind}" for kind, n in report.faults.items()), highlight=False)
    kinds = len(FAULT_KINDS)
    out.print(f"kinds of faults: {kinds - len(report.never_fault)} of {kinds} happened", highlight=False)
    out.print("".join(f"  never: {kind}\n" for kind in report.never_fault), end="", highlight=False)
    for name, rows, never in (
        ("child", report.child_rows, report.never_child),
        ("parent", report.parent_rows, report.never_parent),
    ):
        out.print(f"{name} table: {len(rows)} of {len(rows) + len(never)} rows used", highlight=False)
        said = "".join(f"  never: {' x '.join(row)} ({why_unused(row)})\n" for row in never)
        out.print(said, end="", highlight=False, soft_wrap=True)
    for seed, broken in report.violations.items():
        out.print(f"seed {seed}: {'; '.join(broken)}", highlight=False, markup=False)


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
