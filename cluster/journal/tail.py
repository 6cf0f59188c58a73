"""The end of a journal as its writer knows it: what is durable, and what was appended since.

Rule of this file: it knows no medium. What a medium did not make durable is dropped, and the chain goes back to where
it stood.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.domain.errors import JournalError, StaleWriterError
from router.orders.journal import GENESIS, UNSYNCED_MAX, Draft, Record, digest_of, seal

LAST_GROUP_MAX = 1_024
"""Records of the last group kept in memory, for who follows; a larger group is read from the medium."""


class Tail:
    """Seals drafts into the chain behind the last durable record.

    >>> tail = Tail("the doctest")
    >>> tail.append("P1", 0, [Draft("ParentAccepted", 5, "", b"...")], epoch=1)
    0
    >>> tail.kept()
    >>> (tail.durable_size, tail.size, tail.last_group(0, 10) == tail.last_group(0, 1))
    (1, 1, True)
    """

    def __init__(self, where: str) -> None:
        self.where = where
        self.next_seqs: dict[str, int] = {}
        self.durable_size = 0
        self.pending: list[Record] = []
        self.head = self._durable_head = GENESIS
        self._last_group: list[Record] = []

    @property
    def size(self) -> int:
        """How many records there are, durable or not."""
        return self.durable_size + len(self.pending)

    def set_out(self, size: int, head: bytes, next_seqs: dict[str, int]) -> None:
        """Stand behind `size` verified records, the last with the digest `head`."""
        self.durable_size, self.next_seqs = size, next_seqs
        self.head = self._durable_head = head

    def append(self, stream: str, expected_seq: int, drafts: Sequence[Draft], epoch: int) -> int:
        """See `Journal.append`."""
        seq = self.next_seqs.get(stream, 0)
        if seq != expected_seq:
            raise StaleWriterError(f"expected seq {expected_seq}, got {seq} - at {self.where} stream {stream}")
        return self.append_all(((stream, drafts),), epoch)

    def append_all(self, runs: Sequence[tuple[str, Sequence[Draft]]], epoch: int) -> int:
        """See `Journal.append_all`."""
        more = sum(len(drafts) for _, drafts in runs)
        if self.pending and len(self.pending) + more > UNSYNCED_MAX:
            raise JournalError(f"expected up to {UNSYNCED_MAX} unsynced records, got {more} more - at {self.where}")
        sealed: list[Record] = []
        next_seqs: dict[str, int] = {}
        offset, head = self.size, self.head
        for stream, drafts in runs:
            seq = next_seqs.get(stream, self.next_seqs.get(stream, 0))
            for draft in drafts:
                record, head = seal(draft, offset=offset, stream=stream, seq=seq, epoch=epoch, previous=head)
                sealed.append(record)
                offset += 1
                seq += 1
            if drafts:
                next_seqs[stream] = seq
        # Only now, so that a draft that cannot be encoded leaves nothing of its batch behind.
        self.pending += sealed
        self.head = head
        self.next_seqs.update(next_seqs)
        return self.size - 1

    def kept(self) -> None:
        """What was appended is durable."""
        self.durable_size += len(self.pending)
        self._durable_head = self.head
        if self.pending:
            self._last_group = self.pending if len(self.pending) <= LAST_GROUP_MAX else []
            self.pending = []

    def drop(self) -> None:
        """What was appended is not durable: stand again behind what is."""
        for record in reversed(self.pending):
            self.next_seqs[record.stream] = record.seq
        self.pending = []
        self.head = self._durable_head

    def last_group(self, start: int, limit: int) -> list[Record] | None:
        """Return up to `limit` durable records from `start` on if the last group has them all, else None."""
        if start >= self.durable_size:
            return []
        group = self._last_group
        if not group or start < group[0].offset:
            return None
        return group[start - group[0].offset :][:limit]


def head_of(last: Record | None) -> bytes:
    """Return what the record after `last` carries as `previous`."""
    return GENESIS if last is None else digest_of(last)
