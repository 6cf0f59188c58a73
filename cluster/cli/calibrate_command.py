"""`anabranch calibrate`: fit the background flow to a recording, and show both side by side.

Rule of this file: it fits nothing; `venues.flow` does.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, progress_bar, stdout, stdout_for_result
from router.domain.errors import BadInputError, bad_value

if TYPE_CHECKING:
    from venues.flow.examination import Beside


def calibrate(
    recording: Annotated[str, typer.Argument(metavar="RECORDING", help="Which recording: lobster or taq.")],
    data: options.Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write the fitted parameters there, as TOML.")
    ] = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Fit rates, sizes, signs and the day's shape to a recording; print its stylised facts beside the flow's."""
    from cluster.cli.places import chosen_data, writable_dir
    from cluster.config import load_config
    from scenarios.recordings import recorded
    from venues.flow.examination import beside
    from venues.flow.parameter_text import parameters_toml

    folder = chosen_data(data, load_config(config))
    if out is not None:
        if not out.parent.is_dir() or out.is_dir():
            raise BadInputError(bad_value("--out", "a file in a folder that exists", str(out)))
        writable_dir(out.parent, "--out")
    with stdout_for_result(), progress_bar("calibrate") as progress:
        if progress is not None:
            progress(0.1, f"reading {recording}")
        tape = recorded(recording, folder)
        if progress is not None:
            progress(0.4, f"fitting {len(tape.top):,} quotes and {len(tape.taken):,} trades")
        found = beside(tape)
        if out is not None:
            out.write_text(parameters_toml(found.parameters, f"Background flow fitted to {tape.name}"), "utf-8")
    if json:
        print_json({"recording": found.tape, "flow": found.flow, "out": out})
    else:
        _print_table(tape.name, found)
        if out is not None:
            stdout().print(f"parameters written to {out}", markup=False, soft_wrap=True)
    return 0


def _print_table(name: str, found: Beside) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in ("fact", name, "flow", "ratio"):
        table.add_column(head, justify="left" if head == "fact" else "right")
    for fact, recorded in found.tape.items():
        flow = found.flow[fact]
        ratio = f"{flow / recorded:.2f}" if recorded else "–"
        table.add_row(Text(fact), f"{recorded:.3f}", f"{flow:.3f}", ratio)
    stdout().print(table)
