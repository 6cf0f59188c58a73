"""Options that several commands share, declared once.

Rule of this file: an option means the same in every command that has it.
"""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

SEED_MAX = 2**63 - 1
"""The largest seed that a summary's readers can hold as a signed 64-bit number."""


class Runtime(StrEnum):
    """Where the actors of a replay live."""

    INPROCESS = "inprocess"
    RAY = "ray"


Scenario = Annotated[str, typer.Argument(metavar="SCENARIO", help="A library scenario's name or a TOML file.")]
Seed = Annotated[int | None, typer.Option(min=0, max=SEED_MAX, help="Default: the scenario's own.")]
Policy = Annotated[str | None, typer.Option(metavar="NAME", help="Default: the scenario's own.")]
Data = Annotated[Path | None, typer.Option(metavar="DIR", help="Recorded data. Default: as configured.")]
Out = Annotated[Path | None, typer.Option(metavar="DIR", help="Where to write. Default: a folder under runs.")]
Config = Annotated[
    Path | None, typer.Option("--config", metavar="FILE", help="A TOML file. Default: the one ANABRANCH_CONFIG names.")
]
Address = Annotated[str | None, typer.Option(metavar="A", help="A running Ray cluster. Default: a local one.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout and nothing else.")]
Report = Annotated[bool, typer.Option("--report/--no-report", help="Write the HTML report beside the tables.")]
Strict = Annotated[bool, typer.Option("--strict", help="Exit with 3 when a check of the scenario does not hold.")]
RuntimeOption = Annotated[Runtime, typer.Option("--runtime", help="This process alone, or actors on Ray.")]
