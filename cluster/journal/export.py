"""A journal as a table for other programs: Parquet, or one JSON object a line.

Rule of this file: the table is whole or it is not there: it is written beside its place and moved when it is complete.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from cluster.journal.showing import payload_json, record_json
from router.domain.errors import BadInputError, bad_value
from router.orders.journal import Record

BATCH = 4_096
"""Records in memory at once."""

SUFFIXES = (".parquet", ".jsonl")

SCHEMA = pa.schema(
    [
        ("offset", pa.int64()),
        ("stream", pa.string()),
        ("seq", pa.int64()),
        ("epoch", pa.int64()),
        ("kind", pa.string()),
        ("version", pa.int64()),
        ("at", pa.int64()),
        ("causation_id", pa.string()),
        ("payload", pa.binary()),
        ("crc32", pa.int64()),
        ("previous", pa.binary()),
        ("correlation_id", pa.string()),
        # Of the payload, for who has no decoder.
        ("payload_json", pa.string()),
    ]
)


def check_suffix(path: Path, where: str) -> None:
    """Refuse a file whose name does not say in which form it is to be.

    Raises:
        BadInputError: neither of `SUFFIXES`.
    """
    if path.suffix not in SUFFIXES:
        raise BadInputError(bad_value(where, f"a file ending in {' or '.join(SUFFIXES)}", str(path)))


def export_records(records: Iterable[Record], path: Path) -> int:
    """Write records to `path` in the form that its name ends in, and return how many.

    Raises:
        BadInputError: neither of `SUFFIXES`.
        JournalError: the records cannot be read to their end; no file is left behind.
        OSError: the file cannot be written; no file is left behind.
    """
    check_suffix(path, "the export")
    with _replacing(path) as beside:
        return _to_parquet(records, beside) if path.suffix == ".parquet" else _to_lines(records, beside)


def _to_lines(records: Iterable[Record], path: Path) -> int:
    written = 0
    with path.open("w", encoding="utf-8") as file:
        for record in records:
            file.write(record_json(record) + "\n")
            written += 1
    return written


def _to_parquet(records: Iterable[Record], path: Path) -> int:
    written, todo = 0, iter(records)
    with pq.ParquetWriter(path, SCHEMA) as writer:
        while batch := list(islice(todo, BATCH)):
            columns = {name: [getattr(record, name) for record in batch] for name in Record.__struct_fields__}
            columns["payload_json"] = [payload_json(record.payload) for record in batch]
            writer.write_table(pa.table(columns, schema=SCHEMA))
            written += len(batch)
    return written


@contextmanager
def _replacing(path: Path) -> Iterator[Path]:
    beside = path.with_name(f".{path.name}.part")
    try:
        yield beside
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
