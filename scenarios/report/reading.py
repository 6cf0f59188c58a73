"""Read a run directory back: the summary and the tables, checked against the schemas they were written by.

Rule of this file: a run that cannot be read whole is refused with what is missing; nothing is guessed.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import msgspec
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from router.domain.errors import RunError, bad_value
from scenarios.tables import RUN_FORMAT, TABLES, RunSummary

SUMMARY_BYTES_MAX = 10_000_000
"""A summary is some kilobytes; a larger file is not one."""


class RunData(NamedTuple):
    """One run: its summary, its tables by name, and the lanes that `probabilities` is over."""

    directory: Path
    summary: RunSummary
    tables: dict[str, pl.DataFrame]
    lanes: tuple[str, ...]


class _Version(msgspec.Struct):
    run_format: object = None


def read_run(directory: Path) -> RunData:
    """Return the run in `directory`.

    Raises:
        RunError: no directory, a file missing, another run format, or a table that does not follow its schema.
    """
    if not directory.is_dir():
        raise RunError(bad_value("run", "a run directory", str(directory)))
    names = ["summary.json", *(f"{name}.parquet" for name in TABLES)]
    missing = [name for name in names if not (directory / name).is_file()]
    if missing:
        raise RunError(f"expected a complete run, got one without {', '.join(missing)} - at {directory}")
    summary = read_summary(directory / "summary.json")
    tables = {name: _read_table(directory / f"{name}.parquet", schema) for name, schema in TABLES.items()}
    lanes = _lanes(directory / "probabilities.parquet")
    for row in tables["probabilities"]["routing_probabilities"].head(1):
        if len(row) != len(lanes):
            where = f"{directory / 'probabilities.parquet'}, routing_probabilities"
            raise RunError(bad_value(where, f"one probability for each of {len(lanes)} lanes", len(row)))
    return RunData(directory, summary, tables, lanes)


def read_summary(path: Path) -> RunSummary:
    """Return a `summary.json`.

    Raises:
        RunError: it cannot be read, is of another run format, or does not follow `RunSummary`.
    """
    try:
        if path.stat().st_size > SUMMARY_BYTES_MAX:
            raise RunError(bad_value(str(path), f"at most {SUMMARY_BYTES_MAX} bytes", path.stat().st_size))
        data = path.read_bytes()
        version = msgspec.json.decode(data, type=_Version).run_format
        if version != RUN_FORMAT:
            raise RunError(bad_value(str(path), f"run_format {RUN_FORMAT}", version))
        return msgspec.json.decode(data, type=RunSummary)
    except (OSError, msgspec.DecodeError) as exc:
        raise RunError(f"expected a run summary, got {exc} - at {path}") from exc


def _read_table(path: Path, schema: pa.Schema) -> pl.DataFrame:
    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as exc:
        raise RunError(f"expected a Parquet table, got {exc} - at {path}") from exc
    for field in schema:
        found = table.schema.get_field_index(field.name)
        if found < 0:
            raise RunError(bad_value(str(path), f"the column {field.name}", table.column_names))
        if table.schema.field(found).type != field.type:
            got = str(table.schema.field(found).type)
            raise RunError(bad_value(f"{path}, {field.name}", str(field.type), got))
    frame = pl.from_arrow(table.select([field.name for field in schema]))
    assert isinstance(frame, pl.DataFrame)
    return frame


def _lanes(path: Path) -> tuple[str, ...]:
    metadata = pq.read_schema(path).metadata or {}
    if b"lanes" not in metadata:
        raise RunError(bad_value(str(path), "schema metadata `lanes`", sorted(k.decode() for k in metadata)))
    text = metadata[b"lanes"].decode()
    return tuple(text.split(",")) if text else ()
