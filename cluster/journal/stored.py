"""A journal over a store that survives its process: what SQLite's and PostgreSQL's have in common.

Rule of this file: a record is acknowledged only after the store's commit that holds it, a store that does not verify
is never written to, and whatever goes wrong in a commit ends this writer.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from itertools import islice
from typing import Protocol

from cluster.journal.rows import END, READ_BATCH, Head, Row, VerifyFrom, anchor_at, record_of, row_of
from cluster.journal.tail import Tail, head_of
from router.domain.errors import JournalCorruptError, JournalError, StaleWriterError
from router.orders.journal import Beside, Draft, JournalHealth, Record, check_crc, check_snapshot, snapshot_crc, verify


class Store(Protocol):
    """A database with the tables of one journal. Its errors are JournalError and JournalCorruptError, with its place.

    Every call that writes is one transaction, durable when it returns, in which the epoch is checked.
    """

    where: str
    """How messages name it: a path or a URL without secrets."""

    def opening(self, *, is_writing: bool) -> AbstractContextManager[None]:
        """Hold one view of the store; for a writer also its lock, tables that were made if need be, and a commit at
        the end. Raises JournalError where what is there is not ours or of another format."""
        ...

    def rows(self, start: int, end: int, stream: str | None, limit: int) -> list[Row]:
        """Return up to `limit` rows with offsets from `start` up to before `end`, of one stream or of all. What it
        costs grows with `limit`, and with nothing else by more than its logarithm."""
        ...

    def beside(self) -> Store:
        """Return a connection of its own to the same tables, which can only read."""
        ...

    def size(self) -> int:
        """Return the offset after the last record's."""
        ...

    def streams(self, end: int) -> list[tuple[str, int, int]]:
        """Return of each stream before `end`: its name, the seq after its last, and how many records it has."""
        ...

    def heads(self) -> list[Head]:
        """Return what stands in the head's table: one row, unless somebody changed it."""
        ...

    def take(self, epoch: int) -> None:
        """Write the epoch of a new writer, inside `opening`."""
        ...

    def write(self, rows: Sequence[Row], after: Head, before: int) -> None:
        """Write a group and the head after it, if the head's epoch is that of `after` and its size `before`.

        Raises:
            StaleWriterError: the epoch is another; nothing was written.
        """
        ...

    def fence(self, epoch: int) -> None:
        """Raise the head's epoch to `epoch`, never lower it."""
        ...

    def put_snapshot(self, epoch: int, name: str, offset: int, crc32: int, payload: bytes) -> None:
        """Write a snapshot and drop those beyond `SNAPSHOTS_KEPT`; raises StaleWriterError as `write` does."""
        ...

    def snapshots(self, name: str) -> Iterator[tuple[int, int, bytes]]:
        """Yield offset, crc32 and payload of a name's snapshots, the last first."""
        ...

    def snapshot_names(self) -> list[str]:
        """Return the names that have snapshots, in order."""
        ...

    def close(self) -> None:
        """Let go; twice changes nothing."""
        ...


class StoredJournal:
    """A `Journal` over a `Store`, which it closes when it cannot be opened.

    One thread at a time may use it.

    Raises:
        JournalError: what is there is not ours, is of another format, or cannot be read.
        JournalCorruptError: a record fails its checksum or its place in the chain; names store and offset.
    """

    def __init__(self, store: Store, *, epoch: int, is_reader: bool, verify_from: VerifyFrom) -> None:
        self.epoch = epoch
        self._store = store
        self._is_reader = is_reader
        self._fault = ""
        self._fenced_by = 0
        self._last_flush_s = 0.0
        self._bad_snapshots = 0
        self._tail = Tail(store.where)
        try:
            self._open(verify_from)
        except BaseException:
            store.close()
            raise

    @property
    def place(self) -> str:
        """How messages name it: a path or a URL without secrets."""
        return self._store.where

    def append(self, stream: str, expected_seq: int, records: Sequence[Draft]) -> int:
        """See `Journal.append`. Costs no look at the store: `sync` finds out whether another writer has taken over."""
        self._check_writer()
        self._check_fence()
        return self._tail.append(stream, expected_seq, records, self.epoch)

    def append_all(self, runs: Sequence[tuple[str, Sequence[Draft]]]) -> int:
        """See `Journal.append_all`."""
        self._check_writer()
        self._check_fence()
        return self._tail.append_all(runs, self.epoch)

    def sync(self) -> None:
        """See `Journal.sync`. One transaction."""
        self._check_writer()
        tail, began = self._tail, time.perf_counter()
        rows = [row_of(record) for record in tail.pending]
        with self._fencing():
            self._check_fence()
            self._store.write(rows, Head(self.epoch, tail.size, tail.head), tail.durable_size)
        tail.kept()
        self._last_flush_s = time.perf_counter() - began

    def read(self, start: int = 0, stream: str | None = None) -> Iterator[Record]:
        """See `Journal.read`."""
        self._check_usable()
        # What a writer appends while it reads is not part of this reading, synced or not: no gap, no repetition.
        end, pending = END if self._is_reader else self._tail.durable_size, self._tail.pending[:]
        for record in self._records(start, end, stream):
            yield check_crc(record, self._store.where)
        for record in pending:
            if record.offset >= start and (stream is None or record.stream == stream):
                yield record

    def read_durable(self, start: int, limit: int, stream: str | None = None) -> list[Record]:
        """See `Journal.read_durable`. Costs a writer no look at the store where its last group has it all."""
        self._check_usable()
        known = None if self._is_reader or stream is not None else self._tail.last_group(start, limit)
        if known is not None:
            return known
        end = END if self._is_reader else self._tail.durable_size
        records = _page(self._store, start, end, limit, stream)
        if self._is_reader and records:
            self._tail.durable_size = max(self._tail.durable_size, records[-1].offset + 1)
        return records

    def beside(self) -> Beside:
        """See `Journal.beside`: it has a connection of its own."""
        return StoredBeside(self._store.beside())

    def next_seq(self, stream: str) -> int:
        """See `Journal.next_seq`. A reader says what it was when it opened."""
        return self._tail.next_seqs.get(stream, 0)

    def fence(self, epoch: int) -> None:
        """See `Journal.fence`. Durable when it returns."""
        self._check_writer()
        with self._fencing():
            self._store.fence(epoch)
        self._fenced_by = max(self._fenced_by, epoch)

    def put_snapshot(self, name: str, offset: int, payload: bytes) -> None:
        """See `Journal.put_snapshot`. One transaction."""
        self._check_writer()
        check_snapshot(offset, payload, self._tail.durable_size, self._store.where)
        with self._fencing():
            self._store.put_snapshot(self.epoch, name, offset, snapshot_crc(name, offset, payload), payload)

    def get_snapshot(self, name: str) -> tuple[int, bytes] | None:
        """See `Journal.get_snapshot`."""
        self._check_usable()
        for offset, crc32, payload in self._store.snapshots(name):
            if snapshot_crc(name, offset, payload) == crc32:
                return offset, payload
            self._bad_snapshots += 1
        return None

    def snapshot_names(self) -> list[str]:
        """Return the names that have snapshots, in order."""
        self._check_usable()
        return self._store.snapshot_names()

    def health(self) -> JournalHealth:
        """See `Journal.health`. A reader's sizes are those that it has seen."""
        overtaken = (
            f"a writer of epoch {self._fenced_by} or later has taken over" if self._fenced_by > self.epoch else ""
        )
        return JournalHealth(
            size=self._tail.size,
            durable_size=self._tail.durable_size,
            epoch=self.epoch,
            last_flush_s=self._last_flush_s,
            fault=self._fault or overtaken,
            bad_snapshots=self._bad_snapshots,
        )

    def close(self) -> None:
        """See `Journal.close`."""
        self._fault = self._fault or "it was closed"
        self._tail.drop()
        self._store.close()

    def _open(self, verify_from: VerifyFrom) -> None:
        """Verify and, for a writer, take over in the same transaction, so that nobody writes in between."""
        with self._store.opening(is_writing=not self._is_reader):
            self._verify(self._first_to_verify(verify_from))
            self._check_head()
            if not self._is_reader:
                self._store.take(self.epoch)

    def _first_to_verify(self, verify_from: VerifyFrom) -> int:
        if verify_from == "snapshot":
            found = [self.get_snapshot(name) for name in self._store.snapshot_names()]
            start = min((0 if one is None else one[0] for one in found), default=0)
        else:
            start = verify_from
        return 0 if start <= 0 else min(start, self._store.size())

    def _verify(self, start: int) -> None:
        where, last = self._store.where, next(self._records(start - 1, start, None), None)
        anchor = anchor_at(start, last, self._store.streams(start) if start else (), where)
        size, next_seqs = start, dict(anchor.next_seqs)
        for last in verify(self._records(start, END, None), where, anchor):
            next_seqs[last.stream], size = last.seq + 1, last.offset + 1
        self._tail.set_out(size, head_of(last), next_seqs)

    def _check_head(self) -> None:
        heads, tail = self._store.heads(), self._tail
        place = f"{self._store.where} offset {tail.size}"
        if len(heads) != 1:
            raise JournalCorruptError(f"expected one head, got {len(heads)} - at {place}")
        epoch, size, digest = heads[0]
        if (size, digest) != (tail.size, tail.head):
            got = f"{tail.size} ending in {tail.head.hex()}"
            raise JournalCorruptError(f"expected {size} records ending in {digest.hex()}, got {got} - at {place}")
        self.epoch = epoch if self._is_reader else max(epoch + 1, self.epoch)

    def _records(self, start: int, end: int, stream: str | None) -> Iterator[Record]:
        return _records(self._store, start, end, stream, READ_BATCH)

    def _check_usable(self) -> None:
        if self._fault:
            reason = f"one that is out of use: {self._fault}"
            raise JournalError(f"expected an open journal, got {reason} - at {self._store.where}")

    def _check_writer(self) -> None:
        self._check_usable()
        if self._is_reader:
            got = "one opened for reading"
            raise JournalError(f"expected a journal opened for writing, got {got} - at {self._store.where}")

    def _check_fence(self) -> None:
        if self._fenced_by > self.epoch:
            raise StaleWriterError(f"expected epoch {self._fenced_by}, got {self.epoch} - at {self._store.where}")

    @contextmanager
    def _fencing(self) -> Iterator[None]:
        """A group that was not written is never tried again: whether its bytes are durable cannot be known."""
        try:
            yield
        except StaleWriterError:
            # At least that one: which it is stands in the error.
            self._fenced_by = max(self._fenced_by, self.epoch + 1)
            self._tail.drop()
            raise
        except BaseException as exc:
            self._fault = f"its medium failed ({exc.__cause__ or repr(exc)})"
            self._tail.drop()
            raise


class StoredBeside:
    """A `Beside` over a store's second connection."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def read(self, start: int, end: int, limit: int, stream: str | None = None) -> list[Record]:
        """See `Beside.read`."""
        return _page(self._store, start, end, limit, stream)

    def close(self) -> None:
        """See `Beside.close`."""
        self._store.close()


def _page(store: Store, start: int, end: int, limit: int, stream: str | None) -> list[Record]:
    """Return up to `limit` records whose content is what was written."""
    if stream is None:
        end = min(end, start + limit)
    records = _records(store, start, end, stream, min(limit, READ_BATCH))
    return [check_crc(record, store.where) for record in islice(records, limit)]


def _records(store: Store, start: int, end: int, stream: str | None, batch: int) -> Iterator[Record]:
    while start < end:
        rows = store.rows(start, end, stream, batch)
        for row in rows:
            yield record_of(row)
        if len(rows) < batch:
            return
        start = rows[-1][0] + 1
