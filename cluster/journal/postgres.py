"""The journal of several machines: a schema on a PostgreSQL server, one writer, one statement for each group.

Rule of this file: a group is written by one statement that also checks the epoch, and a statement whose answer did not
come is never sent again: whether it was committed only the head can tell, to the writer that opens next.

The head's row is updated first, on condition of epoch and size, and the records are inserted only where that succeeded.
The update takes the row's lock, and so does a writer of the next epoch when it opens (`SELECT ... FOR UPDATE`,
https://www.postgresql.org/docs/current/explicit-locking.html): it comes before all of the group or after all of it. A
lost server, a full disk or a failed fsync there reaches us as an error or as a lost connection; both end this writer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg
from psycopg import conninfo, errors, sql

from cluster.journal.rows import COLUMNS, FORMAT, PLACE, Head, Row, VerifyFrom
from cluster.journal.stored import StoredJournal
from router.domain.errors import (
    BadInputError,
    ConfigError,
    JournalCorruptError,
    JournalError,
    StaleWriterError,
    bad_value,
)
from router.orders.journal import GENESIS, SNAPSHOTS_KEPT, Draft

SCHEMA = "anabranch"
"""The schema of a journal that names none."""

SCHEMA_LENGTH_MAX = 63
"""What PostgreSQL keeps of a name."""

CONNECT_TIMEOUT_S = 5
"""How long a server may take to answer the first time."""

SESSION = {
    # Another's takeover verifies while it holds the head: as long as SQLite's writers wait.
    "lock_timeout": "5s",
    # A statement that hangs is a lost one: the writer above must not wait for ever.
    "statement_timeout": "30s",
    # Nobody may have to wait for ever for a process that was stopped while it verified.
    "idle_in_transaction_session_timeout": "30s",
    # A group's condition is looked at again after it has waited for a lock, which higher levels refuse.
    "default_transaction_isolation": "read committed",
    # A page comes in an index's order. While a table is new the server does not know that a stream may be most of it,
    # and would rather gather all of its rows first.
    "enable_bitmapscan": "off",
}

_TABLES = """
CREATE SCHEMA IF NOT EXISTS {schema};
CREATE TABLE {schema}.records (
    "offset" bigint PRIMARY KEY, stream text NOT NULL, seq bigint NOT NULL, epoch bigint NOT NULL, kind text NOT NULL,
    version bigint NOT NULL, at bigint NOT NULL, causation_id text NOT NULL, payload bytea NOT NULL,
    crc32 bigint NOT NULL, previous bytea NOT NULL, correlation_id text NOT NULL, UNIQUE (stream, seq));
CREATE TABLE {schema}.snapshots (
    name text NOT NULL, "offset" bigint NOT NULL, crc32 bigint NOT NULL, payload bytea NOT NULL,
    PRIMARY KEY (name, "offset"));
CREATE TABLE {schema}.head (
    is_only boolean PRIMARY KEY DEFAULT true CHECK (is_only), format bigint NOT NULL, epoch bigint NOT NULL,
    size bigint NOT NULL, digest bytea NOT NULL)"""
_TYPES = ("bigint", "text", "bigint", "bigint", "text", "bigint", "bigint", "text", "bytea", "bigint", "bytea", "text")
Arguments = Sequence[object] | Mapping[str, object]

_COLUMNS = ", ".join(COLUMNS)
_WRITE = f"""
WITH held AS (UPDATE {{schema}}.head SET size = %b, digest = %b WHERE epoch = %b AND size = %b RETURNING 1)
INSERT INTO {{schema}}.records ({_COLUMNS})
SELECT * FROM unnest({", ".join(f"%b::{kind}[]" for kind in _TYPES)}) WHERE EXISTS (SELECT 1 FROM held)"""
_READ = f"""SELECT {_COLUMNS} FROM {{schema}}.records
    WHERE "offset" >= %s AND "offset" < %s ORDER BY "offset" LIMIT %s"""
_PLACE = PLACE.format(zero="0::bigint", records="{schema}.records", stream="%(stream)s", start="%(start)s")
_READ_STREAM = f"""{_PLACE}
    SELECT {_COLUMNS} FROM {{schema}}.records WHERE stream = %(stream)s
    AND seq >= (SELECT low FROM place WHERE low = high) AND "offset" + 0 >= %(start)s AND "offset" + 0 < %(end)s
    ORDER BY seq LIMIT %(limit)s"""
"""Goes along the index of (stream, seq) alone: that of offsets (`+ 0` keeps it out) would bring rows to be sorted."""
_STREAMS = 'SELECT stream, max(seq) + 1, count(*) FROM {schema}.records WHERE "offset" < %s GROUP BY stream'
_SNAPSHOTS = 'SELECT "offset", crc32, payload FROM {schema}.snapshots WHERE name = %s ORDER BY "offset" DESC'
_PUT_SNAPSHOT = """
WITH held AS (SELECT 1 FROM {schema}.head WHERE epoch = %s FOR UPDATE)
INSERT INTO {schema}.snapshots (name, "offset", crc32, payload)
SELECT %s::text, %s::bigint, %s::bigint, %b::bytea FROM held
ON CONFLICT (name, "offset") DO UPDATE SET crc32 = excluded.crc32, payload = excluded.payload"""
_DROP_SNAPSHOTS = """DELETE FROM {schema}.snapshots WHERE name = %s AND "offset" NOT IN
    (SELECT "offset" FROM {schema}.snapshots WHERE name = %s ORDER BY "offset" DESC LIMIT %s)"""
_OTHERS = "SELECT count(*) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname = %s"


class PostgresJournal(StoredJournal):
    """A `Journal` in a schema of the database at `url` (as libpq takes it: `postgresql://...`), made when it is not
    there, and verified when opened, from its first record or as `verify_from` says.

    Opening for writing takes over: it starts the next epoch (at least `epoch`), and every older writer gets
    StaleWriterError at its next sync. With `is_reader` nothing is taken over and nothing can be written. The server
    must have fsync on and the encoding UTF8; a pooler in between must keep sessions. Texts must have no NUL in them:
    PostgreSQL cannot keep one.

    One thread at a time may use it.

    Raises:
        ConfigError: the URL, the schema's name or the server's settings cannot be used.
        JournalError: the server cannot be reached, or what is in the schema is not ours or of another format.
        JournalCorruptError: a record fails its checksum or its place in the chain; names schema and offset.
    """

    def __init__(
        self,
        url: str,
        *,
        schema: str = SCHEMA,
        epoch: int = 1,
        is_reader: bool = False,
        verify_from: VerifyFrom = 0,
    ) -> None:
        super().__init__(PostgresStore(url, schema), epoch=epoch, is_reader=is_reader, verify_from=verify_from)

    def append(self, stream: str, expected_seq: int, records: Sequence[Draft]) -> int:
        """See `Journal.append`.

        Raises:
            BadInputError: a text with a NUL. Found here, it is refused alone; found by the server, it would end all.
        """
        self._check_texts(stream, records)
        return super().append(stream, expected_seq, records)

    def append_all(self, runs: Sequence[tuple[str, Sequence[Draft]]]) -> int:
        """See `Journal.append_all`.

        Raises:
            BadInputError: as `append`.
        """
        for stream, drafts in runs:
            self._check_texts(stream, drafts)
        return super().append_all(runs)

    def _check_texts(self, stream: str, drafts: Sequence[Draft]) -> None:
        for text in (stream, *(text for one in drafts for text in (one.kind, one.causation_id, one.correlation_id))):
            if "\x00" in text:
                raise BadInputError(bad_value(self.place, "texts without NUL", text))


class PostgresStore:
    """A `Store` in a schema of a database, over one connection."""

    def __init__(self, url: str, schema: str) -> None:
        self.where = _place(url, schema)
        self._url, self._schema = url, schema
        self._composed: dict[str, sql.Composed] = {}
        with self._medium():
            self._db = psycopg.connect(url, autocommit=True, connect_timeout=CONNECT_TIMEOUT_S)
        try:
            self._set_up()
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def opening(self, *, is_writing: bool) -> Iterator[None]:
        """See `Store.opening`. A writer holds the head's row; a reader sees one moment of all tables."""
        with self._medium(), self._db.transaction():
            if is_writing:
                # Two writers may want to make the tables at once.
                self._execute("SELECT pg_advisory_xact_lock(%s)", (zlib.crc32(self._schema.encode()),))
                self._make_tables()
            else:
                self._execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            lock = " FOR UPDATE" if is_writing else ""
            formats = [int(row[0]) for row in self._execute("SELECT format FROM {schema}.head" + lock)]
            if formats not in ([FORMAT], []):
                raise JournalError(f"expected a journal of format {FORMAT}, got {formats} - at {self.where}")
            yield

    def rows(self, start: int, end: int, stream: str | None, limit: int) -> list[Row]:
        """See `Store.rows`."""
        with self._medium(f" offset {start}"):
            rows: list[Row]
            if stream is None:
                rows = self._execute(_READ, (start, end, limit)).fetchall()
            else:
                wanted = {"start": start, "end": end, "stream": stream, "limit": limit}
                rows = self._execute(_READ_STREAM, wanted).fetchall()
            return rows

    def beside(self) -> PostgresStore:
        """See `Store.beside`."""
        made = PostgresStore(self._url, self._schema)
        with made._medium():
            made._execute("SET default_transaction_read_only = on")
        return made

    def size(self) -> int:
        """See `Store.size`."""
        with self._medium():
            return self._number('SELECT coalesce(max("offset") + 1, 0) FROM {schema}.records')

    def streams(self, end: int) -> list[tuple[str, int, int]]:
        """See `Store.streams`."""
        with self._medium():
            streams: list[tuple[str, int, int]] = self._execute(_STREAMS, (end,)).fetchall()
            return streams

    def heads(self) -> list[Head]:
        """See `Store.heads`."""
        with self._medium():
            return [Head(*row) for row in self._execute("SELECT epoch, size, digest FROM {schema}.head")]

    def take(self, epoch: int) -> None:
        """See `Store.take`."""
        with self._medium():
            self._execute("UPDATE {schema}.head SET epoch = %s", (epoch,))

    def write(self, rows: Sequence[Row], after: Head, before: int) -> None:
        """See `Store.write`. One round trip."""
        with self._medium():
            if rows:
                columns = [list(column) for column in zip(*rows, strict=True)]
                head = (after.size, after.digest, after.epoch, before)
                if self._execute(_WRITE, (*head, *columns), prepare=True).rowcount == len(rows):
                    return
            self._check_head(after.epoch, before)

    def fence(self, epoch: int) -> None:
        """See `Store.fence`."""
        with self._medium():
            self._execute("UPDATE {schema}.head SET epoch = greatest(epoch, %s)", (epoch,))

    def put_snapshot(self, epoch: int, name: str, offset: int, crc32: int, payload: bytes) -> None:
        """See `Store.put_snapshot`."""
        with self._medium(), self._db.transaction():
            if self._execute(_PUT_SNAPSHOT, (epoch, name, offset, crc32, payload)).rowcount != 1:
                self._check_head(epoch)
            self._execute(_DROP_SNAPSHOTS, (name, name, SNAPSHOTS_KEPT))

    def snapshots(self, name: str) -> Iterator[tuple[int, int, bytes]]:
        """See `Store.snapshots`."""
        with self._medium():
            yield from self._execute(_SNAPSHOTS, (name,))

    def snapshot_names(self) -> list[str]:
        """See `Store.snapshot_names`."""
        with self._medium():
            return [row[0] for row in self._execute("SELECT DISTINCT name FROM {schema}.snapshots ORDER BY name")]

    def close(self) -> None:
        """See `Store.close`."""
        self._db.close()

    def _set_up(self) -> None:
        with self._medium():
            for name, needed in (("fsync", "on"), ("server_encoding", "UTF8")):
                found = self._execute(f"SHOW {name}").fetchone()[0]
                if found != needed:
                    raise ConfigError(bad_value(f"{self.where} {name}", needed, found))
            for name, value in SESSION.items():
                self._execute("SELECT set_config(%s, %s, false)", (name, value))
            # Stronger settings (a standby that has applied it) are the server's own business.
            if self._execute("SHOW synchronous_commit").fetchone()[0] == "off":
                self._execute("SET synchronous_commit = on")

    def _make_tables(self) -> None:
        if self._number("SELECT count(*) FROM pg_tables WHERE schemaname = %s AND tablename = 'head'", self._schema):
            return
        others = self._number(_OTHERS, self._schema)
        if others:
            raise JournalError(f"expected an empty schema or a journal, got {others} others' objects - at {self.where}")
        for statement in _TABLES.split(";"):
            self._execute(statement)
        self._execute("INSERT INTO {schema}.head VALUES (true, %s, 0, 0, %s)", (FORMAT, GENESIS))

    def _check_head(self, epoch: int, size: int | None = None) -> None:
        found, there = self._execute("SELECT epoch, size FROM {schema}.head").fetchone()
        if found != epoch:
            raise StaleWriterError(f"expected epoch {found}, got {epoch} - at {self.where}")
        if size is None or there != size:
            raise JournalError(f"expected {size} records before this group, got {there} - at {self.where}")

    def _number(self, statement: str, *arguments: object) -> int:
        return int(self._execute(statement, arguments).fetchone()[0])

    def _execute(self, statement: str, arguments: Arguments = (), *, prepare: bool | None = None) -> Any:
        """Run one statement, its `{schema}` filled in. Of psycopg's types none leaves this file."""
        composed = self._composed.get(statement)
        if composed is None:
            # Our own constants: no text from outside is ever part of a statement.
            composed = sql.SQL(statement).format(schema=sql.Identifier(self._schema))
            self._composed[statement] = composed
        return self._db.cursor(binary=True).execute(composed, arguments, prepare=prepare)

    @contextmanager
    def _medium(self, place: str = "") -> Iterator[None]:
        """Give psycopg's errors their name in our tree."""
        try:
            yield
        except psycopg.Error as exc:
            is_corrupt = isinstance(exc, errors.DataCorrupted | errors.IndexCorrupted)
            kind = JournalCorruptError if is_corrupt else JournalError
            said = " ".join(str(exc).split()) or type(exc).__name__
            raise kind(f"expected a working journal, got {said} - at {self.where}{place}") from exc


def _place(url: str, schema: str) -> str:
    """Return how messages name a journal: without its password.

    Raises:
        ConfigError: no URL that libpq takes, or no name for a schema.
    """
    if not schema or len(schema.encode()) > SCHEMA_LENGTH_MAX or "\x00" in schema or schema.startswith("pg_"):
        raise ConfigError(bad_value("schema", f"a name of 1 to {SCHEMA_LENGTH_MAX} bytes", schema))
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.Error as exc:
        raise ConfigError(f"expected a URL that libpq takes, got {' '.join(str(exc).split())}") from exc
    host = parts.get("host") or parts.get("hostaddr") or ""
    return f"postgresql://{host}/{parts.get('dbname') or ''} schema {schema}"
