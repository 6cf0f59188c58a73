"""A record as a row of a table, and where a verification is taken up in the middle of one.

Rule of this file: the columns have one order, that of `Record`, in every database.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

from router.domain.errors import JournalCorruptError
from router.orders.journal import BEGINNING, Anchor, Record, check_crc, digest_of

FORMAT = 2
"""The version of the tables. 2: correlation ids in records, snapshots."""

READ_BATCH = 1_024
"""Records fetched at once, so that a reader never holds a transaction open between two of them."""

END = 2**63 - 1
"""Above every offset."""

COLUMNS = (
    '"offset"',
    "stream",
    "seq",
    "epoch",
    "kind",
    "version",
    "at",
    "causation_id",
    "payload",
    "crc32",
    "previous",
    "correlation_id",
)

_IS_LEFT = '(SELECT "offset" FROM {records} WHERE stream = {stream} AND seq = (low + high) / 2) < {start}'
PLACE = f"""WITH RECURSIVE place(low, high) AS (
    SELECT {{zero}}, (SELECT coalesce(max(seq) + 1, {{zero}}) FROM {{records}} WHERE stream = {{stream}})
    UNION ALL
    SELECT CASE WHEN {_IS_LEFT} THEN (low + high) / 2 + 1 ELSE low END,
        CASE WHEN {_IS_LEFT} THEN high ELSE (low + high) / 2 END
    FROM place WHERE low < high)"""
"""Finds the seq of a stream's first record from an offset on, as `low` where `low = high`: both rise together, so that
halving finds it in the index of (stream, seq) that every journal has, and none of (stream, offset) is kept up. Where a
seq is missing it finds an earlier one: whoever reads on from there leaves out what is before the offset."""

VerifyFrom = int | Literal["snapshot"]
"""What is verified when a journal is opened: all records from this offset on (0: the whole; past the end: only that the
last record is the one that was acknowledged), or those from the lowest offset at which a recovery may begin: of the
last good snapshot of each name, the earliest."""


class Head(NamedTuple):
    """What is written beside each group: the writer's epoch, how many records there are, the last one's digest."""

    epoch: int
    size: int
    digest: bytes


Row = tuple[int, str, int, int, str, int, int, str, bytes, int, bytes, str]


def row_of(record: Record) -> Row:
    """Return a record's columns."""
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
        record.correlation_id,
    )


def record_of(row: Row) -> Record:
    """Return the record of its columns."""
    return Record(*row)


def anchor_at(offset: int, before: Record | None, streams: Sequence[tuple[str, int, int]], where: str) -> Anchor:
    """Return where a verification takes up the chain: at `offset`, behind the record `before` it.

    `streams` has of each stream its name, the seq after its last record before `offset`, and how many records it has
    there: seqs and offsets are gapless only where these agree, which costs no look at the records themselves.

    Raises:
        JournalCorruptError: the record before is absent or damaged, or records before it are missing.
    """
    if offset == 0:
        return BEGINNING
    if before is None:
        raise JournalCorruptError(f"expected a record, got none - at {where} offset {offset - 1}")
    check_crc(before, where)
    for stream, next_seq, count in streams:
        if next_seq != count:
            expected = f"expected {next_seq} records of stream {stream} before offset {offset}"
            raise JournalCorruptError(f"{expected}, got {count} - at {where} offset {offset}")
    total = sum(count for _, _, count in streams)
    if total != offset:
        raise JournalCorruptError(f"expected {offset} records, got {total} - at {where} offset {offset}")
    return Anchor(offset, digest_of(before), {stream: seq for stream, seq, _ in streams}, before.epoch)
