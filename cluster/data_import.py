"""Write a recorded feed as one event table, Parquet or Arrow, whole or not at all.

Rule of this file: the table's name appears when everything is in it; until then, and after a failure, there is nothing.

The feed knows its description when it has been read to its end, and a table says it at its head: so the rows go to a
temporary file first, and from there, with the description, into the table.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from router.domain.errors import BadInputError, TapeError, bad_value
from venues.feeds.catalogue import feed_of, open_feed, parts
from venues.feeds.events import EVENT_SCHEMA, Feed
from venues.feeds.table import FORMATS, METADATA_KEY, TABLE_VERSION, Source, TableInfo

_READ_BYTES = 1 << 20

_NUMBERED = pa.schema([field if field.name != "venue" else pa.field("venue", pa.int32()) for field in EVENT_SCHEMA])
"""The temporary file's columns: venues are numbers, since their names are known for sure at the end only."""


def import_feed(path: Path, out: Path, symbol: str | None = None, feed: str | None = None) -> TableInfo:
    """Read the feed of the recorded file `path` and write it to `out`, replacing what was there.

    Raises:
        BadInputError: `out` is neither `.parquet` nor `.arrow`, its folder does not exist, it is the source, or it
            cannot be written.
        TapeError: what the feed refuses, or a feed without a row.
    """
    name = feed if feed is not None else feed_of(path)
    if out.suffix not in FORMATS:
        raise BadInputError(bad_value("--out", f"a file of {' or '.join(FORMATS)}", out.name))
    try:
        if not out.parent.is_dir() or out.is_dir():
            raise BadInputError(bad_value("--out", "a file in a folder that exists", str(out)))
        sources = parts(path, name)
        if any(out.resolve() == source.resolve() for source in sources):
            raise BadInputError(bad_value("--out", "another file than the recorded one", out.name))
        return _import(open_feed(path, symbol, name), path.name, sources, out)
    except OSError as exc:
        reason = os.strerror(exc.errno) if exc.errno else str(exc).partition("\n")[0]
        raise BadInputError(bad_value("--out", "a file that can be written", f"{reason}: {out}")) from exc


def _import(opened: Feed, place: str, sources: tuple[Path, ...], out: Path) -> TableInfo:
    rows_file = out.with_name(f".{out.name}.{os.getpid()}.rows")
    table_file = out.with_name(f".{out.name}.{os.getpid()}.part")
    with ExitStack() as stack:
        stack.callback(rows_file.unlink, missing_ok=True)
        stack.callback(table_file.unlink, missing_ok=True)
        rows, venues = _write_rows(opened, rows_file)
        if not rows:
            raise TapeError(bad_value(place, "a feed with at least one row", 0))
        said = TableInfo(
            version=TABLE_VERSION,
            rows=rows,
            info=opened.info()._replace(venues=tuple(venues)),
            skipped=opened.skipped(),
            sources=tuple(Source(name=source.name, sha256=_sha256(source)) for source in sources),
        )
        _write_table(rows_file, table_file, said, out.suffix)
        table_file.replace(out)
    return said


def _write_rows(feed: Feed, path: Path) -> tuple[int, list[str]]:
    """Write the feed's rows; return how many, and the names of the venue numbers."""
    names: list[str] = list(feed.info().venues)
    rows = 0
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, _NUMBERED) as writer:
        for batch in feed.batches():
            venue = batch.column("venue")
            local = venue.dictionary.to_pylist()
            names += [name for name in local if name not in names]
            numbers = pa.array([names.index(name) for name in local], pa.int32()).take(venue.indices)
            k = EVENT_SCHEMA.get_field_index("venue")
            columns = [numbers if at == k else column for at, column in enumerate(batch.columns)]
            writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=_NUMBERED))
            rows += len(batch)
    return rows, names


def _write_table(rows_file: Path, path: Path, said: TableInfo, suffix: str) -> None:
    schema = EVENT_SCHEMA.with_metadata({METADATA_KEY: msgspec.json.encode(said)})
    with ExitStack() as stack:
        if suffix == ".parquet":
            writer = stack.enter_context(pq.ParquetWriter(path, schema, compression="zstd"))
        else:
            file = stack.enter_context(pa.OSFile(str(path), "wb"))
            writer = stack.enter_context(pa.ipc.new_file(file, schema))
        for batch in _named(rows_file, schema, said.info.venues):
            writer.write_batch(batch)
    # What a power cut may take is the whole table or nothing of it.
    with path.open("rb") as written:
        os.fsync(written.fileno())


def _named(rows_file: Path, schema: pa.Schema, venues: tuple[str, ...]) -> Iterator[pa.RecordBatch]:
    names = pa.array(venues, pa.string())
    k = schema.get_field_index("venue")
    with pa.OSFile(str(rows_file)) as file:
        reader = pa.ipc.open_file(file)
        for n in range(reader.num_record_batches):
            columns = list(reader.get_batch(n).columns)
            columns[k] = pa.DictionaryArray.from_arrays(columns[k], names)
            yield pa.RecordBatch.from_arrays(columns, schema=schema)


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()
