"""A run directory as data frames.

Rule of this file: what a run must hold is said in `scenarios.tables`, and read by `scenarios.report.reading`; this file
gives it names. Nothing else of this package imports the engines.
"""

from __future__ import annotations

import difflib
import importlib.util
from pathlib import Path
from typing import Any

import polars as pl

from anabranch.errors import UsageError
from scenarios.report.reading import read_run
from scenarios.tables import RunSummary


class Run:
    """One run: `summary`, `lanes`, and each table as a polars data frame.

    Columns and units are in `scenarios.tables`: prices count the instrument's price unit, times are nanoseconds.
    """

    def __init__(self, directory: Path, summary: RunSummary, tables: dict[str, pl.DataFrame], lanes: tuple[str, ...]):
        self.directory = directory
        self.summary = summary
        self.tables = tables
        """By name."""
        self.lanes = lanes
        """What `routing_probabilities` of the table `probabilities` are over."""
        self.market = tables["market"]
        self.orders = tables["orders"]
        self.schedule = tables["schedule"]
        self.children = tables["children"]
        self.executions = tables["executions"]
        self.decisions = tables["decisions"]
        self.outcomes = tables["outcomes"]
        self.probabilities = tables["probabilities"]
        self.venues = tables["venues"]

    def __repr__(self) -> str:
        rows = ", ".join(f"{name} {len(table)}" for name, table in self.tables.items())
        return f"Run({self.summary.scenario}, {self.summary.policy}, seed {self.summary.seed}; rows: {rows})"

    def __getattr__(self, name: str) -> Any:
        if name == "tables" or name.startswith("__"):
            raise AttributeError(name)
        near = difflib.get_close_matches(name, self.tables, 1)
        expected = f"a table (did you mean {near[0]}?)" if near else f"one of {', '.join(self.tables)}"
        raise AttributeError(f"expected {expected}, got {name!r} - at Run")

    def to_pandas(self) -> dict[str, Any]:
        """Return every table as a pandas `DataFrame`, by name.

        Raises:
            UsageError: pandas is not installed.
        """
        if importlib.util.find_spec("pandas") is None:
            raise UsageError("expected pandas to be installed, got none; polars' frames need nothing - at to_pandas")
        return {name: table.to_pandas() for name, table in self.tables.items()}


def read(path: str | Path) -> Run:
    """Return the run in a directory; see `anabranch.load_run`."""
    found = read_run(Path(path))
    return Run(found.directory, found.summary, found.tables, found.lanes)
