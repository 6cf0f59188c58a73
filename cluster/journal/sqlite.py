"""The embedded journal: one SQLite file, one writer, one transaction for everything between two syncs.

Rule of this file: a record is acknowledged only after the commit that holds it, and a file that does not verify from
its first record to its last is never written to.

SQLite in WAL mode appends a transaction to the write-ahead log and, with `synchronous=FULL`, syncs the log before the
commit returns (https://www.sqlite.org/wal.html, https://www.sqlite.org/pragma.html#pragma_synchronous). The row in
`head` repeats how many records there are and the digest of the last, in the same transaction, so that a tail cut off
by hand is found too, which a chain alone would not show.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from cluster.journal.rows import COLUMNS, FORMAT, PLACE, Head, Row, VerifyFrom
from cluster.journal.stored import StoredJournal
from cluster.journal.wal import check_wal
from router.domain.errors import BadInputError, JournalCorruptError, JournalError, StaleWriterError, bad_value
from router.orders.journal import GENESIS, SNAPSHOTS_KEPT

Durability = Literal["power", "process"]

APPLICATION_ID = 0x416E6162
"""Marks the file as ours ("Anab"), kept in SQLite's `application_id`; the format is in its `user_version`."""

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits for another's transaction: a takeover verifies inside its own."""

_SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}

_TABLES = (
    """CREATE TABLE records (
        "offset" INTEGER PRIMARY KEY, stream TEXT NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL,
        kind TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL, causation_id TEXT NOT NULL,
        payload BLOB NOT NULL, crc32 INTEGER NOT NULL, previous BLOB NOT NULL, correlation_id TEXT NOT NULL,
        UNIQUE (stream, seq)) STRICT""",
    """CREATE TABLE snapshots (
        name TEXT NOT NULL, "offset" INTEGER NOT NULL, crc32 INTEGER NOT NULL, payload BLOB NOT NULL,
        PRIMARY KEY (name, "offset")) STRICT""",
    "CREATE TABLE head (epoch INTEGER NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL) STRICT",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
_COLUMNS = ", ".join(COLUMNS)
_INSERT = f"INSERT INTO records ({_COLUMNS}) VALUES ({', '.join('?' * len(COLUMNS))})"
_READ = f'SELECT {_COLUMNS} FROM records WHERE "offset" >= ? AND "offset" < ? ORDER BY "offset" LIMIT ?'
_READ_STREAM = f"""{PLACE.format(zero="0", records="records", stream=":stream", start=":start")}
    SELECT {_COLUMNS} FROM records WHERE stream = :stream AND seq >= (SELECT low FROM place WHERE low = high)
    AND "offset" >= :start AND "offset" < :end ORDER BY seq LIMIT :limit"""
_STREAMS = 'SELECT stream, max(seq) + 1, count(*) FROM records WHERE "offset" < ? GROUP BY stream'
_SNAPSHOTS = 'SELECT "offset", crc32, payload FROM snapshots WHERE name = ? ORDER BY "offset" DESC'
_DROP_SNAPSHOTS = """DELETE FROM snapshots WHERE name = ? AND "offset" NOT IN
    (SELECT "offset" FROM snapshots WHERE name = ? ORDER BY "offset" DESC LIMIT ?)"""


class SqliteJournal(StoredJournal):
    """A `Journal` in the file `path`, verified when opened, from its first record or as `verify_from` says.

    `durability` is "power" (an acknowledged record survives a power cut) or "process" (it survives `kill -9` of the
    process; a power cut may take the last ones but leaves a file that verifies; replays use it). Opening for writing
    takes over: it starts the next epoch (at least `epoch`), and every older writer gets StaleWriterError. With
    `is_reader` nothing is taken over and nothing can be written.

    One thread at a time may use it.

    Raises:
        BadInputError: an unknown durability.
        JournalError: the file cannot be opened, is not ours or is of another format.
        JournalCorruptError: a record fails its checksum or its place in the chain; names file and offset.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        epoch: int = 1,
        durability: Durability = "power",
        is_reader: bool = False,
        verify_from: VerifyFrom = 0,
    ) -> None:
        if durability not in _SYNCHRONOUS:
            raise BadInputError(bad_value("durability", "power or process", durability))
        self.path = Path(path)
        store = SqliteStore(self.path, durability, is_reader=is_reader)
        super().__init__(store, epoch=epoch, is_reader=is_reader, verify_from=verify_from)


class SqliteStore:
    """A `Store` in a file. Under a write lock nobody can take over between the check of the epoch and the commit."""

    def __init__(self, path: Path, durability: Durability, *, is_reader: bool) -> None:
        self.where = str(path)
        self._durability = durability
        with self._medium():
            self._db = sqlite3.connect(
                f"{path.absolute().as_uri()}?mode={'ro' if is_reader else 'rwc'}",
                uri=True,
                isolation_level=None,
                timeout=BUSY_TIMEOUT_S,
                # A host may sync in a worker thread; it still lets one thread at a time in.
                check_same_thread=False,
            )
        try:
            if not is_reader:
                self._set_up(durability)
        except BaseException:
            self._db.close()
            raise

    @contextmanager
    def opening(self, *, is_writing: bool) -> Iterator[None]:
        """See `Store.opening`."""
        with self._medium(), self._transaction(is_writing=is_writing):
            if is_writing and self._durability == "power":
                # Under the write lock nobody else changes the log, and we have written nothing to it yet.
                check_wal(Path(f"{self.where}-wal"))
            self._check_format(is_writing=is_writing)
            yield
        if is_writing:
            # The next group begins a new log, so that what a failed one left there is not taken for part of it. Where
            # this fails (a full disk) the log stays, as it does when SQLite's own checkpoints fail.
            with suppress(sqlite3.OperationalError):
                self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def rows(self, start: int, end: int, stream: str | None, limit: int) -> list[Row]:
        """See `Store.rows`."""
        with self._medium(f" offset {start}"):
            if stream is None:
                return self._db.execute(_READ, (start, end, limit)).fetchall()
            wanted = {"start": start, "end": end, "stream": stream, "limit": limit}
            return self._db.execute(_READ_STREAM, wanted).fetchall()

    def beside(self) -> SqliteStore:
        """See `Store.beside`. Readers of a log that is written ahead hold up nobody: each sees the commits there were
        when its statement began."""
        return SqliteStore(Path(self.where), self._durability, is_reader=True)

    def size(self) -> int:
        """See `Store.size`."""
        with self._medium():
            return int(self._db.execute('SELECT coalesce(max("offset") + 1, 0) FROM records').fetchone()[0])

    def streams(self, end: int) -> list[tuple[str, int, int]]:
        """See `Store.streams`. Reads one index, and no record."""
        with self._medium():
            return self._db.execute(_STREAMS, (end,)).fetchall()

    def heads(self) -> list[Head]:
        """See `Store.heads`."""
        with self._medium():
            return [Head(*row) for row in self._db.execute("SELECT epoch, size, digest FROM head")]

    def take(self, epoch: int) -> None:
        """See `Store.take`."""
        with self._medium():
            self._db.execute("UPDATE head SET epoch = ?", (epoch,))

    def write(self, rows: Sequence[Row], after: Head, before: int) -> None:
        """See `Store.write`."""
        with self._medium(), self._transaction():
            self._check_head(after.epoch, before)
            if rows:
                self._db.executemany(_INSERT, rows)
                self._db.execute("UPDATE head SET size = ?, digest = ?", (after.size, after.digest))

    def fence(self, epoch: int) -> None:
        """See `Store.fence`."""
        with self._medium(), self._transaction():
            self._db.execute("UPDATE head SET epoch = max(epoch, ?)", (epoch,))

    def put_snapshot(self, epoch: int, name: str, offset: int, crc32: int, payload: bytes) -> None:
        """See `Store.put_snapshot`."""
        with self._medium(), self._transaction():
            self._check_head(epoch)
            self._db.execute("INSERT OR REPLACE INTO snapshots VALUES (?, ?, ?, ?)", (name, offset, crc32, payload))
            self._db.execute(_DROP_SNAPSHOTS, (name, name, SNAPSHOTS_KEPT))

    def snapshots(self, name: str) -> Iterator[tuple[int, int, bytes]]:
        """See `Store.snapshots`."""
        with self._medium():
            yield from self._db.execute(_SNAPSHOTS, (name,))

    def snapshot_names(self) -> list[str]:
        """See `Store.snapshot_names`."""
        with self._medium():
            return [name for (name,) in self._db.execute("SELECT DISTINCT name FROM snapshots ORDER BY name")]

    def close(self) -> None:
        """See `Store.close`."""
        self._db.close()

    def _set_up(self, durability: Durability) -> None:
        with self._medium():
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
            # Where the system's fsync leaves data in the drive's cache (macOS), ask for the full one.
            self._db.execute(f"PRAGMA fullfsync = {int(durability == 'power')}")

    def _check_format(self, *, is_writing: bool) -> None:
        application = int(self._db.execute("PRAGMA application_id").fetchone()[0])
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        is_new = not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if is_new and is_writing:
            for statement in _TABLES:
                self._db.execute(statement)
            self._db.execute("INSERT INTO head VALUES (0, 0, ?)", (GENESIS,))
        elif application == APPLICATION_ID and version < FORMAT:
            got = f"one of format {version}, which an earlier version wrote"
            raise JournalError(f"expected a journal of format {FORMAT}, got {got} - at {self.where}")
        elif (application, version) != (APPLICATION_ID, FORMAT):
            got = f"application {application:#x} format {version}"
            raise JournalError(f"expected a journal of format {FORMAT}, got {got} - at {self.where}")

    def _check_head(self, epoch: int, size: int | None = None) -> None:
        found, there = self._db.execute("SELECT epoch, size FROM head").fetchone()
        if found != epoch:
            raise StaleWriterError(f"expected epoch {found}, got {epoch} - at {self.where}")
        if size is not None and there != size:
            raise JournalError(f"expected {size} records before this group, got {there} - at {self.where}")

    @contextmanager
    def _transaction(self, *, is_writing: bool = True) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE" if is_writing else "BEGIN")
        try:
            yield
            self._db.execute("COMMIT")
        except BaseException:
            # After some failures (a full disk) SQLite has rolled back by itself.
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            raise

    @contextmanager
    def _medium(self, place: str = "") -> Iterator[None]:
        """Give SQLite's errors their name in our tree."""
        try:
            yield
        except (sqlite3.Error, OverflowError) as exc:
            code = getattr(exc, "sqlite_errorcode", 0 if isinstance(exc, OverflowError) else None)
            # Text that is not UTF-8 is an error of Python's binding and has no code.
            is_corrupt = code is None or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            kind = JournalCorruptError if is_corrupt else JournalError
            raise kind(f"expected a working journal, got {exc} - at {self.where}{place}") from exc
