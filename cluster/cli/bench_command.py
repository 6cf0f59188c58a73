"""`anabranch bench`: a benchmark's table, ours beside the references.

Rule of this file: it measures nothing; the folder `benchmarks` does, which is part of the repository and not of the
installed package.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cluster.cli import options
from cluster.cli.console import print_json, progress_bar, stdout, stdout_for_result
from router.domain.errors import RunError

if TYPE_CHECKING:
    from benchmarks.rows import Row

_ROOT = Path(__file__).resolve().parents[2]

REPEATS_MAX, SEEDS_MAX, ROUNDS_MAX = 100, 10_000, 100_000
"""Above them a day would not do."""


def bench(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Which benchmark: spine, compare, replay, …")],
    repeat: Annotated[int, typer.Option(min=1, max=REPEATS_MAX, metavar="N", help="Medians of so many.")] = 3,
    seeds: Annotated[int, typer.Option(min=1, max=SEEDS_MAX, metavar="N", help="compare: seeds 1 to N.")] = 20,
    id: Annotated[
        list[str] | None, typer.Option(metavar="L1", help="learning, load: only this; may be repeated.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=0, max=ROUNDS_MAX, metavar="N", help="kills: rounds; 0: 200.")] = 0,
    quick: Annotated[bool, typer.Option("--quick", help="Once, with small sizes: that it runs, not how fast.")] = False,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Measure speed, memory and digests (spine), what policies are worth (compare) or how they learn (learning).

    `book` measures limit order books beside other engines. Needs the repository.
    """
    from cluster.cli.places import chosen_data
    from cluster.config import load_config

    catalogue = _module("catalogue")
    ids = tuple(id or ())
    catalogue.groups_of(name, ids)
    folder = chosen_data(data, load_config(config))
    with stdout_for_result(), progress_bar(name) as progress:
        say = progress or (lambda share, text: None)
        settings = _module("rows").Settings(repeat, quick, seeds, folder, say, rounds)
        rows = catalogue.run(name, settings, ids)
    if json:
        print_json(rows)
    else:
        _print_table(rows)
    return 0


def _module(name: str) -> Any:
    """Return a module of the folder `benchmarks` beside this package.

    Raises:
        RunError: the folder is not there, as in an installed package.
    """
    if not (_ROOT / "benchmarks" / "catalogue.py").is_file():
        raise RunError("expected the folder benchmarks of the repository, got an installed package without it")
    if str(_ROOT) not in sys.path:
        sys.path.append(str(_ROOT))
    return importlib.import_module(f"benchmarks.{name}")


def _print_table(rows: list[Row]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in ("id", "what", "ours", "unit", "references", "ratio", "bound", "holds"):
        is_number = head in ("ours", "ratio", "bound")
        table.add_column(head, justify="right" if is_number else "left", overflow="fold", no_wrap=head == "id")
    for row in rows:
        interval = "" if row.interval is None else f" ({_number(row.interval[0])} to {_number(row.interval[1])})"
        others = ", ".join(f"{name} {_number(value)}" for name, value in row.references.items())
        holds = {True: Text("yes", "green"), False: Text("NO", "bold red"), None: Text("–")}[row.holds]
        ours, ratio, bound = (_number(value) for value in (row.ours, row.ratio, row.bound))
        table.add_row(
            Text(row.id), Text(row.what), Text(ours + interval), Text(row.unit), Text(others), ratio, bound, holds
        )
    stdout().print(table)


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    return f"{value:,.0f}" if float(value).is_integer() else f"{value:,.4g}"
