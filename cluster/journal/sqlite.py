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
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from router.domain.errors import BadInputError, JournalCorruptError, JournalError, StaleWriterError, bad_value
from router.orders.journal import GENESIS, UNSYNCED_MAX, Draft, Record, check_crc, digest_of, seal, verify

Durability = Literal["power", "process"]

FORMAT = 1
"""The version of the tables, kept in `user_version`."""

APPLICATION_ID = 0x416E6162
"""Marks the file as ours ("Anab"), kept in SQLite's `application_id`."""

BUSY_TIMEOUT_S = 5.0
"""How long a writer waits for another's transaction: a takeover verifies the whole file inside its own."""

READ_BATCH = 1_024
"""Records fetched at once, so that a reader never holds a transaction open between two of them."""

END = 2**63 - 1
"""Above every offset."""

_SYNCHRONOUS = {"power": "FULL", "process": "NORMAL"}

_TABLES = (
    """CREATE TABLE records (
        "offset" INTEGER PRIMARY KEY, stream TEXT NOT NULL, seq INTEGER NOT NULL, epoch INTEGER NOT NULL,
        kind TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL, causation_id TEXT NOT NULL,
        payload BLOB NOT NULL, crc32 INTEGER NOT NULL, previous BLOB NOT NULL, UNIQUE (stream, seq)) STRICT""",
    "CREATE TABLE head (epoch INTEGER NOT NULL, size INTEGER NOT NULL, digest BLOB NOT NULL) STRICT",
    f"PRAGMA application_id = {APPLICATION_ID}",
    f"PRAGMA user_version = {FORMAT}",
)
_COLUMNS = '"offset", stream, seq, epoch, kind, version, at, causation_id, payload, crc32, previous'
_INSERT = f"INSERT INTO records ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_READ = f'SELECT {_COLUMNS} FROM records WHERE "offset" >= ? AND "offset" < ? ORDER BY "offset" LIMIT ?'
_READ_STREAM = _READ.replace("ORDER", "AND stream = ? ORDER")

_Row = tuple[int, str, int, int, str, int, int, str, bytes, int, bytes]


class SqliteJournal:
    """A `Journal` in the file `path`, verified when opened.

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
        self, path: str | Path, *, epoch: int = 1, durability: Durability = "power", is_reader: bool = False
    ) -> None:
        if durability not in _SYNCHRONOUS:
            raise BadInputError(bad_value("durability", "power or process", durability))
        self.path = Path(path)
        self.epoch = epoch
        self._is_reader = is_reader
        self._fault = ""
        self._pending: list[Record] = []
        self._next_seqs: dict[str, int] = {}
        self._size = 0
        self._synced_head = self._head = GENESIS
        with self._medium():
            self._db = self._connect()
        try:
            self._open(durability)
        except BaseException:
            self._db.close()
            raise

    def append(self, stream: str, expected_seq: int, records: Sequence[Draft]) -> int:
        """See `Journal.append`. Costs one look at the epoch on disk, and no write before `sync`."""
        self._check_writer()
        with self._medium():
            self._check_epoch()
        seq = self._next_seqs.get(stream, 0)
        if seq != expected_seq:
            raise StaleWriterError(f"expected seq {expected_seq}, got {seq} - at {self.path} stream {stream}")
        if len(self._pending) + len(records) > UNSYNCED_MAX:
            raise JournalError(
                f"expected up to {UNSYNCED_MAX} unsynced records, got {len(records)} more - at {self.path}"
            )
        for draft in records:
            offset = self._size + len(self._pending)
            record, self._head = seal(
                draft, offset=offset, stream=stream, seq=seq, epoch=self.epoch, previous=self._head
            )
            self._pending.append(record)
            seq += 1
        if records:
            self._next_seqs[stream] = seq
        return self._size + len(self._pending) - 1

    def sync(self) -> None:
        """See `Journal.sync`. One transaction; under its write lock nobody can take over between check and write."""
        self._check_writer()
        rows = [_row(record) for record in self._pending]
        with self._fencing(), self._medium(), self._transaction():
            self._check_epoch()
            self._db.executemany(_INSERT, rows)
            self._db.execute("UPDATE head SET size = ?, digest = ?", (self._size + len(rows), self._head))
        self._size += len(rows)
        self._synced_head = self._head
        self._pending.clear()

    def read(self, start: int = 0, stream: str | None = None) -> Iterator[Record]:
        """See `Journal.read`."""
        self._check_usable()
        # What a writer appends while it reads is not part of this reading, synced or not: no gap, no repetition.
        end, pending = END if self._is_reader else self._size, self._pending[:]
        for record in self._rows(start, end, stream):
            yield check_crc(record, str(self.path))
        for record in pending:
            if record.offset >= start and (stream is None or record.stream == stream):
                yield record

    def next_seq(self, stream: str) -> int:
        """See `Journal.next_seq`."""
        return self._next_seqs.get(stream, 0)

    def fence(self, epoch: int) -> None:
        """See `Journal.fence`. Durable when it returns."""
        self._check_writer()
        with self._medium(), self._transaction():
            self._db.execute("UPDATE head SET epoch = max(epoch, ?)", (epoch,))

    def close(self) -> None:
        """See `Journal.close`."""
        self._fault = self._fault or "it was closed"
        self._pending.clear()
        self._db.close()

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._is_reader else "rwc"
        return sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode={mode}",
            uri=True,
            isolation_level=None,
            timeout=BUSY_TIMEOUT_S,
            # A host may sync in a worker thread; it still lets one thread at a time in.
            check_same_thread=False,
        )

    def _open(self, durability: Durability) -> None:
        """Verify and, for a writer, take over in the same transaction, so that nobody writes in between."""
        if not self._is_reader:
            with self._medium():
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute(f"PRAGMA synchronous = {_SYNCHRONOUS[durability]}")
                # Where the system's fsync leaves data in the drive's cache (macOS), ask for the full one.
                self._db.execute(f"PRAGMA fullfsync = {int(durability == 'power')}")
        with self._medium(), self._transaction(is_writing=not self._is_reader):
            self._check_format()
            for record in verify(self._rows(0, END, None), str(self.path)):
                self._next_seqs[record.stream] = record.seq + 1
                self._size = record.offset + 1
                self._head = digest_of(record)
            self._check_head()
            self._synced_head = self._head
            if not self._is_reader:
                self._db.execute("UPDATE head SET epoch = ?", (self.epoch,))

    def _check_format(self) -> None:
        application = int(self._db.execute("PRAGMA application_id").fetchone()[0])
        version = int(self._db.execute("PRAGMA user_version").fetchone()[0])
        is_new = not self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if is_new and not self._is_reader:
            for statement in _TABLES:
                self._db.execute(statement)
            self._db.execute("INSERT INTO head VALUES (0, 0, ?)", (GENESIS,))
        elif (application, version) != (APPLICATION_ID, FORMAT):
            raise JournalError(
                f"expected a journal of format {FORMAT}, got application {application:#x} format {version}"
                f" - at {self.path}"
            )

    def _check_head(self) -> None:
        heads = self._db.execute("SELECT epoch, size, digest FROM head").fetchall()
        if len(heads) != 1:
            raise JournalCorruptError(f"expected one head, got {len(heads)} - at {self.path} offset {self._size}")
        epoch, size, digest = heads[0]
        if (size, digest) != (self._size, self._head):
            raise JournalCorruptError(
                f"expected {size} records ending in {digest.hex()}, got {self._size} ending in {self._head.hex()}"
                f" - at {self.path} offset {self._size}"
            )
        self.epoch = epoch if self._is_reader else max(epoch + 1, self.epoch)

    def _rows(self, start: int, end: int, stream: str | None) -> Iterator[Record]:
        while True:
            with self._medium():
                if stream is None:
                    rows: list[_Row] = self._db.execute(_READ, (start, end, READ_BATCH)).fetchall()
                else:
                    rows = self._db.execute(_READ_STREAM, (start, end, stream, READ_BATCH)).fetchall()
            for row in rows:
                yield _record(row)
            if len(rows) < READ_BATCH:
                return
            start = rows[-1][0] + 1

    def _check_usable(self) -> None:
        if self._fault:
            raise JournalError(f"expected an open journal, got one that is out of use: {self._fault} - at {self.path}")

    def _check_writer(self) -> None:
        self._check_usable()
        if self._is_reader:
            raise JournalError(f"expected a journal opened for writing, got one opened for reading - at {self.path}")

    def _check_epoch(self) -> None:
        epoch = self._db.execute("SELECT epoch FROM head").fetchone()[0]
        if epoch != self.epoch:
            raise StaleWriterError(f"expected epoch {epoch}, got {self.epoch} - at {self.path}")

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
    def _fencing(self) -> Iterator[None]:
        """A group that was not written is never tried again: whether its bytes reached the disk cannot be known."""
        try:
            yield
        except JournalError as exc:
            if not isinstance(exc, StaleWriterError):
                self._fault = f"its medium failed ({exc.__cause__})"
            self._pending.clear()
            self._head = self._synced_head
            raise

    @contextmanager
    def _medium(self) -> Iterator[None]:
        """Give SQLite's errors their name in our tree."""
        try:
            yield
        except sqlite3.Error as exc:
            code = getattr(exc, "sqlite_errorcode", None)
            # Text that is not UTF-8 is an error of Python's binding and has no code.
            is_corrupt = code is None or code & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
            kind = JournalCorruptError if is_corrupt else JournalError
            raise kind(f"expected a working journal, got {exc} - at {self.path} offset {self._size}") from exc


def _row(record: Record) -> _Row:
    return (
        record.offset,
        record.stream,
        record.seq,
        record.epoch,
        record.kind,
        record.version,
        record.at,
        record.causation_id,
        record.payload,
        record.crc32,
        record.previous,
    )


def _record(row: _Row) -> Record:
    return Record(
        offset=row[0],
        stream=row[1],
        seq=row[2],
        epoch=row[3],
        kind=row[4],
        version=row[5],
        at=row[6],
        causation_id=row[7],
        payload=row[8],
        crc32=row[9],
        previous=row[10],
    )
