"""An event table on disk, Parquet or Arrow: what its metadata says, and the feed that reads it back.

Rule of this file: a table says of itself what it is; one that does not is refused.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import Nanos
from venues.feeds.blocks import refuse
from venues.feeds.events import EVENT_SCHEMA, EventKind, FeedInfo, Skipped
from venues.feeds.stream_feed import BATCH_ROWS_MAX, COLUMNS, KIND, QTY, SIDE, VENUE, Notes, StreamFeed

METADATA_KEY = b"anabranch.feed"
"""Where the schema's metadata holds a `TableInfo` in JSON."""

FORMATS = (".parquet", ".arrow")

TABLE_VERSION = 1

_UNREADABLE = (pa.ArrowException, OSError, ValueError, KeyError, RuntimeError)


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A file that a table was made of, by its content."""

    name: str
    sha256: str


class TableInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a table says of itself: the feed's own description, what the feed left out, and its sources."""

    version: int
    rows: int
    info: FeedInfo
    skipped: tuple[Skipped, ...]
    sources: tuple[Source, ...]


class ArrowFeed:
    """A `venues.feeds.events.Feed` over a table on disk. `gaps` and what was left out are those of the original.

    Raises:
        TapeError: absent, unreadable, not of `FORMATS`, not an event table, or of another version.
    """

    def __init__(self, path: Path) -> None:
        self.table = table_info(path)
        notes = Notes()
        notes.gaps = self.table.info.gaps
        for reason, records, first in self.table.skipped:
            notes.skip(reason, records, first)
        self._feed = StreamFeed(self.table.info, path.name, _rows(path, self.table), notes)

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield the table's rows, at most 65,536 at once.

        Raises:
            TapeError: a table that is cut or damaged, or whose rows cannot be.
        """
        return self._feed.batches()

    def info(self) -> FeedInfo:
        """Return the original feed's description."""
        return self._feed.info()

    def skipped(self) -> tuple[Skipped, ...]:
        """Return what the original feed left out."""
        return self._feed.skipped()

    def span(self) -> tuple[Nanos, Nanos]:
        """Return the first and last time read so far."""
        return self._feed.span()


def open_table(path: Path, symbol: str | None = None) -> ArrowFeed:
    """Return the feed of an event table.

    Raises:
        TapeError: as `ArrowFeed`, or of another symbol.
    """
    feed = ArrowFeed(path)
    if symbol is not None and symbol != feed.table.info.symbol:
        raise TapeError(bad_value(path.name, f"the symbol {symbol!r}", feed.table.info.symbol))
    return feed


def table_info(path: Path) -> TableInfo:
    """Return what the table at `path` says of itself.

    Raises:
        TapeError: as `ArrowFeed`.
    """
    if path.suffix not in FORMATS:
        raise TapeError(bad_value(path.name, f"a file of {' or '.join(FORMATS)}", path.suffix))
    try:
        if path.suffix == ".parquet":
            schema = pq.read_schema(path)
        else:
            with pa.OSFile(str(path)) as file:
                schema = pa.ipc.open_file(file).schema
        metadata = schema.metadata or {}
        if METADATA_KEY not in metadata:
            raise TapeError(bad_value(path.name, "an event table", "a file without Anabranch metadata"))
        said = msgspec.json.decode(metadata[METADATA_KEY], type=TableInfo)
    except _UNREADABLE as exc:
        reason = f"{type(exc).__name__}: {exc}".partition("\n")[0][:200]
        raise TapeError(bad_value(path.name, "an event table", reason)) from exc
    if said.version != TABLE_VERSION:
        raise TapeError(bad_value(path.name, f"a table of version {TABLE_VERSION}", said.version))
    if not schema.equals(EVENT_SCHEMA):
        raise TapeError(bad_value(path.name, f"the columns {', '.join(COLUMNS)}", ", ".join(schema.names)))
    return said


def _rows(path: Path, table: TableInfo) -> Iterator[I64]:
    record = 1
    batches = _batches(path)
    while True:
        try:
            batch = next(batches, None)
            rows = None if batch is None else _matrix(batch, table.info.venues)
        except _UNREADABLE as exc:
            raise refuse(path.name, record, "a whole event table", str(exc).partition("\n")[0][:200]) from exc
        if rows is None:
            break
        kinds = [int(kind) for kind in EventKind]
        bad = ~np.isin(rows[:, KIND], kinds) | (np.abs(rows[:, SIDE]) > 1) | (rows[:, QTY] < 0)
        if bad.any():
            row = int(bad.argmax())
            raise refuse(path.name, record + row, "a kind, a side and a quantity from 0", rows[row, KIND:].tolist())
        record += len(rows)
        yield rows
    if record - 1 != table.rows:
        raise refuse(path.name, record, f"{table.rows} rows", record - 1)


def _batches(path: Path) -> Iterator[pa.RecordBatch]:
    if path.suffix == ".parquet":
        with pq.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=BATCH_ROWS_MAX)
    else:
        with pa.OSFile(str(path)) as raw:
            reader = pa.ipc.open_file(raw)
            for k in range(reader.num_record_batches):
                yield reader.get_batch(k)


def _matrix(batch: pa.RecordBatch, venues: tuple[str, ...]) -> I64:
    """Return a batch as rows, (n, 8).

    Raises:
        ValueError: a venue that is not one of `venues`, or a value that is missing.
    """
    batch.validate(full=True)
    if any(column.null_count for column in batch.columns):
        raise ValueError("a value is missing")
    rows = np.empty((len(batch), len(COLUMNS)), dtype=np.int64)
    for k, column in enumerate(batch.columns):
        if k == VENUE:
            of = np.array([venues.index(name) for name in column.dictionary.to_pylist()], dtype=np.int64)
            rows[:, k] = of[column.indices.to_numpy()]
        else:
            rows[:, k] = column.to_numpy()
    return rows
