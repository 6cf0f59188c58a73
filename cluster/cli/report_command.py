"""`anabranch report`: the HTML page of a run that was written before.

Rule of this file: it reads a run directory and writes one file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")],
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The page. Default: report.html in the run directory.")
    ] = None,
) -> int:
    """Write the offline HTML report of a run."""
    from scenarios.report import write_report

    typer.echo(write_report(run, out))
    return 0
