"""A journal in memory, for simulations and tests: as strict as the one on disk, and as unkind.

Rule of this file: what was appended and not synced is gone after `crash`, as it would be on a disk.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from router.domain.errors import JournalError, StaleWriterError
from router.orders.journal import GENESIS, UNSYNCED_MAX, Draft, Record, digest_of, seal


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
        self._synced = 0
        self._next_seqs: dict[str, int] = {}
        self._head = GENESIS
        self._fault = ""
        self._is_failing = False

    def append(self, stream: str, expected_seq: int, records: Sequence[Draft]) -> int:
        """See `Journal.append`."""
        self._check_writer()
        seq = self._next_seqs.get(stream, 0)
        if seq != expected_seq:
            raise StaleWriterError(f"expected seq {expected_seq}, got {seq} - at stream {stream} of the journal")
        if len(self._records) - self._synced + len(records) > UNSYNCED_MAX:
            raise JournalError(f"expected up to {UNSYNCED_MAX} unsynced records, got {len(records)} more - at {stream}")
        for draft in records:
            offset = len(self._records)
            record, self._head = seal(
                draft, offset=offset, stream=stream, seq=seq, epoch=self.epoch, previous=self._head
            )
            self._records.append(record)
            seq += 1
        if records:
            self._next_seqs[stream] = seq
        return len(self._records) - 1

    def sync(self) -> None:
        """See `Journal.sync`."""
        self._check_writer()
        if self._is_failing:
            self._fault = "its medium failed"
            raise JournalError("expected a durable write, got a failing medium - at the journal in memory")
        self._synced = len(self._records)

    def read(self, start: int = 0, stream: str | None = None) -> Iterator[Record]:
        """See `Journal.read`."""
        for record in self._records[start:]:
            if stream is None or record.stream == stream:
                yield record

    def next_seq(self, stream: str) -> int:
        """See `Journal.next_seq`."""
        return self._next_seqs.get(stream, 0)

    def fence(self, epoch: int) -> None:
        """See `Journal.fence`."""
        self._fence = max(self._fence, epoch)

    def close(self) -> None:
        """See `Journal.close`."""
        if not self._fault:
            self._drop(self._synced)
            self._fault = "it was closed"

    def fail(self) -> None:
        """Let every sync fail from now on, as a full or broken disk does."""
        self._is_failing = True

    def crash(self, keep: int = 0) -> None:
        """Lose the unsynced records but the first `keep` (a write may reach the disk although its sync never
        returned), and stand there as a new writer would find it: reopened, under the next epoch."""
        self._drop(min(self._synced + keep, len(self._records)))
        self._synced = len(self._records)
        self._fault, self._is_failing = "", False
        self.epoch = self._fence = max(self.epoch, self._fence) + 1

    def _drop(self, size: int) -> None:
        for record in self._records[size:][::-1]:
            self._next_seqs[record.stream] = record.seq
        del self._records[size:]
        self._head = digest_of(self._records[-1]) if self._records else GENESIS

    def _check_writer(self) -> None:
        if self._fault:
            raise JournalError(
                f"expected an open journal, got one that is out of use: {self._fault} - at epoch {self.epoch}"
            )
        if self.epoch < self._fence:
            raise StaleWriterError(
                f"expected epoch {self._fence} or newer, got {self.epoch} - at the journal in memory"
            )
