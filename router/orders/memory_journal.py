"""A journal in memory, for simulations and tests: as strict as the one on disk, and as unkind.

Rule of this file: what was appended and not synced is gone after `crash`, as it would be on a disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice

from router.domain.errors import JournalError, StaleWriterError
from router.orders.journal import (
    GENESIS,
    SNAPSHOTS_KEPT,
    UNSYNCED_MAX,
    Draft,
    JournalHealth,
    Record,
    check_snapshot,
    digest_of,
    seal,
    snapshot_crc,
)


class MemoryJournal:
    """A `Journal` in a list.

    >>> journal = MemoryJournal()
    >>> journal.append("P1", 0, [Draft("ParentAccepted", 5, "", b"...")])
    0
    >>> journal.sync()
    >>> journal.append("P1", 1, [Draft("ChildIntended", 6, "P1.d0", b"...")])
    1
    >>> journal.crash()
    >>> [record.kind for record in journal.read()], journal.next_seq("P1")
    (['ParentAccepted'], 1)
    """

    def __init__(self, *, epoch: int = 1) -> None:
        self.epoch = epoch
        self._fence = epoch
        self._records: list[Record] = []
        self._unsealed: list[tuple[Draft, str, int, int]] = []
        """What came after the records: drafts with their streams, seqs and epochs."""
        self._size = 0
        self._synced = 0
        self._next_seqs: dict[str, int] = {}
        self._snapshots: dict[str, dict[int, tuple[bytes, int]]] = {}
        self._bad_snapshots = 0
        self._head = GENESIS
        self._fault = ""
        self._is_failing = False

    def append(self, stream: str, expected_seq: int, records: Sequence[Draft]) -> int:
        """See `Journal.append`."""
        self._check_writer()
        seq = self._next_seqs.get(stream, 0)
        if seq != expected_seq:
            raise StaleWriterError(f"expected seq {expected_seq}, got {seq} - at stream {stream} of the journal")
        self._check_room(len(records))
        return self._add(stream, records)

    def append_all(self, runs: Sequence[tuple[str, Sequence[Draft]]]) -> int:
        """See `Journal.append_all`."""
        self._check_writer()
        self._check_room(sum(len(drafts) for _, drafts in runs))
        for stream, drafts in runs:
            self._add(stream, drafts)
        return self._size - 1

    def _add(self, stream: str, records: Sequence[Draft]) -> int:
        seq = self._next_seqs.get(stream, 0)
        self._unsealed += [(draft, stream, seq + n, self.epoch) for n, draft in enumerate(records)]
        self._size += len(records)
        if records:
            self._next_seqs[stream] = seq + len(records)
        return self._size - 1

    def sync(self) -> None:
        """See `Journal.sync`."""
        self._check_writer()
        if self._is_failing:
            self._fault = "its medium failed"
            raise JournalError("expected a durable write, got a failing medium - at the journal in memory")
        self._synced = self._size

    def read(self, start: int = 0, stream: str | None = None) -> Iterator[Record]:
        """See `Journal.read`."""
        for record in self._sealed()[start:]:
            if stream is None or record.stream == stream:
                yield record

    def read_durable(self, start: int, limit: int, stream: str | None = None) -> list[Record]:
        """See `Journal.read_durable`."""
        if stream is None:
            return self._sealed()[start : min(start + limit, self._synced)]
        durable = islice(self._sealed(), start, self._synced)
        return list(islice((record for record in durable if record.stream == stream), limit))

    def beside(self) -> None:
        """See `Journal.beside`: there is none."""

    def next_seq(self, stream: str) -> int:
        """See `Journal.next_seq`."""
        return self._next_seqs.get(stream, 0)

    def fence(self, epoch: int) -> None:
        """See `Journal.fence`."""
        self._fence = max(self._fence, epoch)

    def put_snapshot(self, name: str, offset: int, payload: bytes) -> None:
        """See `Journal.put_snapshot`."""
        self._check_writer()
        check_snapshot(offset, payload, self._synced, "the journal in memory")
        kept = self._snapshots.setdefault(name, {})
        kept[offset] = (payload, snapshot_crc(name, offset, payload))
        for old in sorted(kept)[:-SNAPSHOTS_KEPT]:
            del kept[old]

    def get_snapshot(self, name: str) -> tuple[int, bytes] | None:
        """See `Journal.get_snapshot`."""
        for offset, (payload, crc32) in sorted(self._snapshots.get(name, {}).items(), reverse=True):
            if snapshot_crc(name, offset, payload) == crc32:
                return offset, payload
            self._bad_snapshots += 1
        return None

    def health(self) -> JournalHealth:
        """See `Journal.health`."""
        overtaken = f"a writer of epoch {self._fence} has taken over" if self._fence > self.epoch else ""
        return JournalHealth(
            size=self._size,
            durable_size=self._synced,
            epoch=self.epoch,
            fault=self._fault or overtaken,
            bad_snapshots=self._bad_snapshots,
        )

    def close(self) -> None:
        """See `Journal.close`."""
        if not self._fault:
            self._drop(self._synced)
            self._fault = "it was closed"

    def fail(self) -> None:
        """Let every sync fail from now on, as a full or broken disk does."""
        self._is_failing = True

    def damage_snapshot(self, name: str) -> None:
        """Flip a bit in the last snapshot of a name, as a bad disk does."""
        offset = max(self._snapshots[name])
        payload, crc32 = self._snapshots[name][offset]
        self._snapshots[name][offset] = (payload, crc32 ^ 1)

    def take_over(self) -> MemoryJournal:
        """Return the writer of the next epoch on the same records, the synced ones; this one is stale from now on."""
        newer = MemoryJournal(epoch=self._fence + 1)
        newer._records, newer._snapshots = self._sealed()[: self._synced], self._snapshots
        newer._synced = newer._size = self._synced
        newer._next_seqs = {record.stream: record.seq + 1 for record in newer._records}
        newer._head = digest_of(newer._records[-1]) if newer._records else GENESIS
        self._fence = newer.epoch
        return newer

    def crash(self, keep: int = 0) -> None:
        """Lose the unsynced records but the first `keep` (a write may reach the disk although its sync never
        returned), and stand there as a new writer would find it: reopened, under the next epoch."""
        self._drop(min(self._synced + keep, self._size))
        self._synced = self._size
        self._fault, self._is_failing = "", False
        self.epoch = self._fence = max(self.epoch, self._fence) + 1

    def _drop(self, size: int) -> None:
        for record in self._sealed()[size:][::-1]:
            self._next_seqs[record.stream] = record.seq
        del self._records[size:]
        self._size = size
        self._head = digest_of(self._records[-1]) if self._records else GENESIS

    def _sealed(self) -> list[Record]:
        """Return the records, each sealed after the one before it: a simulation writes many that nobody reads."""
        for draft, stream, seq, epoch in self._unsealed:
            offset = len(self._records)
            record, self._head = seal(draft, offset=offset, stream=stream, seq=seq, epoch=epoch, previous=self._head)
            self._records.append(record)
        self._unsealed.clear()
        return self._records

    def _check_room(self, more: int) -> None:
        waiting = self._size - self._synced
        if waiting and waiting + more > UNSYNCED_MAX:
            raise JournalError(f"expected up to {UNSYNCED_MAX} unsynced records, got {more} more - at {waiting}")

    def _check_writer(self) -> None:
        if self._fault:
            raise JournalError(
                f"expected an open journal, got one that is out of use: {self._fault} - at epoch {self.epoch}"
            )
        if self.epoch < self._fence:
            raise StaleWriterError(
                f"expected epoch {self._fence} or newer, got {self.epoch} - at the journal in memory"
            )
