"""What a journal is, to everyone who records in one: `Journal`; its examiner is `check_journal` beside it.

Rule of this file: a record says where it stands. Its offset is gapless in the journal, its seq is gapless in its
stream, its crc32 covers all of it, and its `previous` is the SHA-256 of the record before it, so that a lost, changed,
swapped or repeated record is found by reading.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, Protocol

import msgspec

from router.domain import codec
from router.domain.errors import JournalCorruptError, JournalError
from router.domain.events import Event
from router.domain.units import Nanos

GENESIS = bytes(32)
"""What stands in `previous` of the first record."""

RECORD_VERSION = 1
"""The version of the payload's schema: raised when older readers could not follow."""

UNSYNCED_MAX = 100_000
"""Records that may wait for one sync: above it a caller forgot to sync, and memory would grow without bound. What comes
in one call when nothing waits may be more: it is one transaction, whole or not at all."""

SNAPSHOTS_KEPT = 3
"""Snapshots kept of a name: when the last one is damaged, the one before it still shortens a recovery."""

SNAPSHOT_BYTES_MAX = 64 * 2**20
"""Above it a snapshot would hold up the records that wait behind it."""

_encoder = msgspec.msgpack.Encoder()


class Draft(msgspec.Struct, frozen=True, gc=False):
    """What a writer gives: the kind of fact, when it was decided, what caused it, and the fact.

    The fact is its encoded bytes, or an event, which is frozen and so may be encoded when its bytes are asked for.
    `causation_id` names what led to it directly, `correlation_id` the request from outside that began it all, the same
    from door to venue and back; both may be empty.

    >>> Draft("ChildSent", 7, "P1.d1", b"x").payload
    b'x'
    """

    kind: str
    at: Nanos
    causation_id: str
    fact: bytes | Event
    version: int = RECORD_VERSION
    correlation_id: str = ""

    @property
    def payload(self) -> bytes:
        """The fact as a record keeps it."""
        return self.fact if isinstance(self.fact, bytes) else codec.encode(self.fact)


class Record(msgspec.Struct, frozen=True, gc=False):
    """One entry of a journal. `offset` and `seq` count from 0; `previous` is 32 bytes."""

    offset: int
    stream: str
    seq: int
    epoch: int
    kind: str
    version: int
    at: Nanos
    causation_id: str
    payload: bytes
    crc32: int
    previous: bytes
    correlation_id: str = ""


class JournalHealth(msgspec.Struct, frozen=True):
    """How a journal is. `size` counts all records, `durable_size` those that a crash leaves, as last seen by this
    object; `last_flush_s` is how long the last write to the medium took (0 before the first, and in memory); `fault` is
    empty, or why nothing is accepted any more; `bad_snapshots` counts those found damaged and passed over."""

    size: int
    durable_size: int
    epoch: int
    last_flush_s: float = 0.0
    fault: str = ""
    bad_snapshots: int = 0


class Anchor(NamedTuple):
    """Where a chain is taken up: what all records before `offset` came to. The default is a journal's beginning."""

    offset: int = 0
    previous: bytes = GENESIS
    next_seqs: Mapping[str, int] = {}
    epoch: int = 0


BEGINNING = Anchor()


class Beside(Protocol):
    """Who reads a journal's durable records while its writer writes, in another thread."""

    def read(self, start: int, end: int, limit: int, stream: str | None = None) -> list[Record]:
        """Return up to `limit` records with offsets from `start` to before `end`, of one stream or of all. `end` is no
        more than the writer knows to be durable.

        Raises:
            JournalCorruptError: a record fails its checksum.
            JournalError: the medium cannot be read in this way; its writer may be well.
        """
        ...

    def close(self) -> None:
        """Let go of the medium. Closing twice changes nothing."""
        ...


class Journal(Protocol):
    """An ordered log of streams with one writer. Handlers journal, sync, then apply, then perform."""

    epoch: int
    """The epoch under which this writer writes."""

    def append(self, stream: str, expected_seq: int, records: Sequence[Draft]) -> int:
        """Add `records` to the end of `stream`, all or none, and return the journal's last offset (-1 when empty).

        They are readable at once through this object and durable only after `sync`.

        Raises:
            StaleWriterError: the stream's next seq is not `expected_seq`, or a newer epoch was fenced in, as far as is
                known here; `sync` knows it of every writer.
            JournalError: the journal is closed or fenced, or with those before more than `UNSYNCED_MAX` would wait.
        """
        ...

    def append_all(self, runs: Sequence[tuple[str, Sequence[Draft]]]) -> int:
        """Add drafts to the ends of streams, in this order, all or none, and return the journal's last offset.

        Raises:
            StaleWriterError, JournalError: as `append`; nothing was added.
        """
        ...

    def sync(self) -> None:
        """Make everything appended durable. A failed sync fences the journal: what was not synced is not durable, and
        nothing is ever appended or acknowledged again.

        Raises:
            StaleWriterError: a newer epoch was fenced in since the append; nothing of this group was written.
            JournalError: the medium failed, now or earlier.
        """
        ...

    def read(self, start: int = 0, stream: str | None = None) -> Iterator[Record]:
        """Yield the records from offset `start` on, of one stream or of all, in the order of offsets.

        Raises:
            JournalCorruptError: a record fails its checksum.
        """
        ...

    def read_durable(self, start: int, limit: int, stream: str | None = None) -> list[Record]:
        """Return up to `limit` records from offset `start` on that are durable now, of one stream or of all: what one
        who polls goes by. It costs what it returns, however long the stream is.

        Raises:
            JournalCorruptError: a record fails its checksum.
        """
        ...

    def beside(self) -> Beside | None:
        """Return a reader for another thread, opened now; None: a medium that has one only for its writer's thread.

        Raises:
            JournalError: none can be opened now.
        """
        ...

    def next_seq(self, stream: str) -> int:
        """Return the seq that the next record of `stream` gets; 0 for a stream that is not there."""
        ...

    def fence(self, epoch: int) -> None:
        """From now on a writer with an epoch below `epoch` gets StaleWriterError; a fence never goes back."""
        ...

    def put_snapshot(self, name: str, offset: int, payload: bytes) -> None:
        """Keep what the records before `offset` came to, in somebody's own bytes. Durable when it returns; the last
        `SNAPSHOTS_KEPT` by offset are kept of each name. Reading goes on from `offset`.

        Raises:
            StaleWriterError: a newer epoch was fenced in.
            JournalError: `offset` is beyond what is durable, the payload is over `SNAPSHOT_BYTES_MAX`, or the medium
                failed, which fences the journal.
        """
        ...

    def get_snapshot(self, name: str) -> tuple[int, bytes] | None:
        """Return offset and payload of the last snapshot of a name that is as it was written; None without one. A
        damaged one is passed over and counted in `health`."""
        ...

    def health(self) -> JournalHealth:
        """Return how it is, also when it is closed or failed; from what is known here, so that it never waits."""
        ...

    def close(self) -> None:
        """Let go of the medium; what was not synced is lost. Closing twice changes nothing."""
        ...


def seal(draft: Draft, *, offset: int, stream: str, seq: int, epoch: int, previous: bytes) -> tuple[Record, bytes]:
    """Return the record at its place, and its digest: the `previous` of the record after it.

    >>> record, digest = seal(Draft("ChildSent", 7, "P1.d1", b"x"), offset=0, stream="P1", seq=0, epoch=1,
    ...                       previous=GENESIS)
    >>> digest_of(record) == digest, len(digest)
    (True, 32)
    """
    kind, version, at, causation_id = draft.kind, draft.version, draft.at, draft.causation_id
    payload, correlation_id = draft.payload, draft.correlation_id
    body = _encoder.encode(
        (offset, stream, seq, epoch, kind, version, at, causation_id, payload, previous, correlation_id)
    )
    crc32 = zlib.crc32(body)
    record = Record(
        offset, stream, seq, epoch, kind, version, at, causation_id, payload, crc32, previous, correlation_id
    )
    return record, hashlib.sha256(body).digest()


def digest_of(record: Record) -> bytes:
    """Return the SHA-256 of a record: what the record after it must carry as `previous`."""
    return hashlib.sha256(_body(record)).digest()


def verify(records: Iterable[Record], where: str, anchor: Anchor = BEGINNING) -> Iterator[Record]:
    """Yield the records of a whole journal, from its first or from an anchor on, each after its place and content were
    checked.

    Raises:
        JournalCorruptError: names `where`, the offset, what was expected and what is there.
    """
    previous, seqs, epoch = anchor.previous, dict(anchor.next_seqs), anchor.epoch
    for n, record in enumerate(records, anchor.offset):
        seq = seqs.get(record.stream, 0)
        body = _body(record)
        rules: tuple[tuple[str, object, object], ...] = (
            ("offset", n, record.offset),
            ("crc32", zlib.crc32(body), record.crc32),
            ("previous", previous.hex(), record.previous.hex()),
            (f"seq of stream {record.stream}", seq, record.seq),
            ("epoch not below the one before", max(epoch, record.epoch), record.epoch),
        )
        for name, expected, got in rules:
            if expected != got:
                raise JournalCorruptError(f"expected {name} {expected}, got {got} - at {where} offset {n}")
        previous, epoch, seqs[record.stream] = hashlib.sha256(body).digest(), record.epoch, seq + 1
        yield record


def check_crc(record: Record, where: str) -> Record:
    """Return `record` if its content is what was written.

    Raises:
        JournalCorruptError: names `where` and the offset.
    """
    crc = zlib.crc32(_body(record))
    if crc != record.crc32:
        raise JournalCorruptError(f"expected crc32 {crc}, got {record.crc32} - at {where} offset {record.offset}")
    return record


def snapshot_crc(name: str, offset: int, payload: bytes) -> int:
    """Return the checksum of a snapshot: of its bytes and of where it belongs."""
    return zlib.crc32(payload, zlib.crc32(_encoder.encode((name, offset))))


def check_snapshot(offset: int, payload: bytes, durable_size: int, where: str) -> None:
    """Refuse a snapshot that no crash may leave behind: of records that a crash takes, or too large.

    Raises:
        JournalError: names `where`.
    """
    if not 0 <= offset <= durable_size:
        raise JournalError(f"expected a snapshot at an offset up to {durable_size}, got {offset} - at {where}")
    if len(payload) > SNAPSHOT_BYTES_MAX:
        raise JournalError(f"expected up to {SNAPSHOT_BYTES_MAX} bytes, got {len(payload)} - at {where}")


def _body(record: Record) -> bytes:
    return _encoder.encode(
        (
            record.offset,
            record.stream,
            record.seq,
            record.epoch,
            record.kind,
            record.version,
            record.at,
            record.causation_id,
            record.payload,
            record.previous,
            record.correlation_id,
        )
    )
