"""The examiner of journals: `check_journal(make)`, one suite for the one in memory and those on disk.

Rule of this file: a check says what a journal promises; it knows nothing of how one keeps it. `make` gives a new, empty
journal each time it is called, and `take_over` a second writer on the medium of a first. What needs a process to die, a
disk to fill or a bit to flip is tested where the medium is: a port cannot ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

import msgspec

from router.domain import codec
from router.domain.errors import JournalCorruptError, JournalError, StaleWriterError
from router.domain.events import ChildSent
from router.orders.journal import (
    GENESIS,
    SNAPSHOT_BYTES_MAX,
    UNSYNCED_MAX,
    Draft,
    Journal,
    check_crc,
    digest_of,
    verify,
)

Make = Callable[[], Journal]
TakeOver = Callable[[Any], Journal]


def check_journal(make: Make, take_over: TakeOver | None = None) -> None:
    """Run every check on journals from `make`; with `take_over`, which opens the medium of one once more for writing
    while the first writer lives, those of two writers as well.

    Raises:
        AssertionError: a promise of `Journal` that this one does not keep.

    >>> from router.orders.memory_journal import MemoryJournal
    >>> check_journal(MemoryJournal, MemoryJournal.take_over)
    """
    for check in CHECKS:
        check(make)
    if take_over is not None:
        for check_two in CHECKS_OF_TWO:
            check_two(make, take_over)


def check_new_journal_is_empty(make: Make) -> None:
    """Nothing is there, and nothing more after an append of nothing."""
    journal = make()
    assert list(journal.read()) == []
    assert journal.next_seq("P1") == 0
    assert journal.append("P1", 0, []) == -1
    journal.sync()
    assert journal.next_seq("P1") == 0
    journal.close()


def check_records_come_back_as_written(make: Make) -> None:
    """Offsets are gapless over all streams, seqs in each; the fields are the draft's."""
    journal = make()
    assert journal.append("P1", 0, [_draft(0), _draft(1)]) == 1
    assert journal.append("P2", 0, [_draft(2)]) == 2
    journal.sync()
    assert journal.append("P1", 2, [_draft(3)]) == 3
    journal.sync()
    records = list(journal.read())
    assert [record.offset for record in records] == [0, 1, 2, 3]
    assert [(record.stream, record.seq) for record in records] == [("P1", 0), ("P1", 1), ("P2", 0), ("P1", 2)]
    for n, record in enumerate(records):
        ids = (record.causation_id, record.payload, record.version, record.correlation_id)
        draft = Draft(record.kind, record.at, *ids)
        assert draft == _draft(n)
        assert record.epoch == journal.epoch
    journal.close()


def check_records_form_a_chain(make: Make) -> None:
    """Each record carries the digest of the one before it, over streams and syncs."""
    journal = make()
    for n in range(6):
        journal.append(f"P{n % 2}", n // 2, [_draft(n)])
        journal.sync()
    records = list(journal.read())
    assert records[0].previous == GENESIS
    assert all(b.previous == digest_of(a) for a, b in pairwise(records))
    assert list(verify(records, "the journal")) == records
    journal.close()


def check_reading_from_the_middle(make: Make) -> None:
    """`read` starts at an offset and keeps to a stream; past the end there is nothing."""
    journal = make()
    for n in range(5):
        stream = "P2" if n == 2 else "P1"
        journal.append(stream, journal.next_seq(stream), [_draft(n)])
    journal.sync()
    assert [record.offset for record in journal.read(3)] == [3, 4]
    assert [record.offset for record in journal.read(1, "P1")] == [1, 3, 4]
    assert [record.offset for record in journal.read(0, "P2")] == [2]
    assert list(journal.read(5)) == []
    assert list(journal.read(0, "P3")) == []
    journal.close()


def check_writer_reads_what_it_appended(make: Make) -> None:
    """Unsynced records are readable through the writer, and a reading does not grow while it is read."""
    journal = make()
    journal.append("P1", 0, [_draft(0)])
    journal.sync()
    journal.append("P1", 1, [_draft(1)])
    assert [record.seq for record in journal.read()] == [0, 1]
    reading = journal.read()
    seen = [next(reading).seq]
    journal.append("P1", 2, [_draft(2)])
    journal.sync()
    seen += [record.seq for record in reading]
    assert seen == [0, 1]
    assert [record.seq for record in journal.read()] == [0, 1, 2]
    journal.close()


def check_append_is_conditional(make: Make) -> None:
    """A writer that expects another seq than the next one is stale, and nothing of its batch is added."""
    journal = make()
    journal.append("P1", 0, [_draft(0)])
    for expected_seq in (0, 2, -1):
        assert _raised(StaleWriterError, partial(journal.append, "P1", expected_seq, [_draft(9), _draft(9)]))
    assert _raised(StaleWriterError, lambda: journal.append("P2", 1, [_draft(9)]))
    assert journal.append("P1", 1, [_draft(1)]) == 1
    journal.sync()
    assert [record.kind for record in journal.read()] == [_draft(0).kind, _draft(1).kind]
    journal.close()


def check_fenced_writer_stops(make: Make) -> None:
    """A fence at its own epoch leaves a writer alone; a newer one stops it, and an older one does not undo that."""
    journal = make()
    journal.append("P1", 0, [_draft(0)])
    journal.sync()
    journal.fence(journal.epoch)
    journal.append("P1", 1, [_draft(1)])
    journal.sync()
    journal.append("P1", 2, [_draft(2)])
    journal.fence(journal.epoch + 1)
    journal.fence(journal.epoch)
    assert _raised(StaleWriterError, journal.sync)
    assert _raised(StaleWriterError, lambda: journal.append("P1", 2, [_draft(9)]))
    assert _raised(StaleWriterError, lambda: journal.append("P2", 0, [_draft(9)]))
    journal.close()


def check_closed_journal_refuses(make: Make) -> None:
    """After `close`, which may be called twice, nothing is accepted."""
    journal = make()
    journal.append("P1", 0, [_draft(0)])
    journal.sync()
    journal.close()
    journal.close()
    assert _raised(JournalError, lambda: journal.append("P1", 1, [_draft(1)]))
    assert _raised(JournalError, journal.sync)


def check_any_bytes_can_be_recorded(make: Make) -> None:
    """Payloads are opaque: empty, binary, large; ids may be empty and times far."""
    journal = make()
    drafts = [
        Draft("Empty", 0, "", b""),
        Draft("Binary", 2**62, "P1.7/1", bytes(range(256))),
        Draft("Large", 1, "ü", b"\x00" * 100_000),
    ]
    journal.append("P1", 0, drafts)
    journal.sync()
    assert [record.payload for record in journal.read()] == [draft.payload for draft in drafts]
    assert [record.causation_id for record in journal.read()] == ["", "P1.7/1", "ü"]
    journal.close()


def check_events_are_recorded_as_their_bytes(make: Make) -> None:
    """An event that is not encoded yet gives the record that its bytes give."""
    given, encoded = make(), make()
    event = ChildSent(parent_id="P1", at=7, cl_ord_id="P1.0")
    given.append("P1", 0, [Draft("ChildSent", 7, "P1.d0", event)])
    encoded.append("P1", 0, [Draft("ChildSent", 7, "P1.d0", codec.encode(event))])
    assert list(given.read()) == list(encoded.read())
    given.close()
    encoded.close()


def check_correlation_id_is_sealed(make: Make) -> None:
    """A correlation id comes back, is empty where none was given, and cannot be changed unnoticed."""
    journal = make()
    journal.append("P1", 0, [Draft("Kind", 1, "", b"", correlation_id="req-7/ü"), Draft("Kind", 1, "", b"")])
    journal.sync()
    records = list(journal.read())
    assert [record.correlation_id for record in records] == ["req-7/ü", ""]
    forged = msgspec.structs.replace(records[0], correlation_id="req-8")
    assert digest_of(forged) != digest_of(records[0])
    assert _raised(JournalCorruptError, lambda: check_crc(forged, "a forged record"))
    journal.close()


def check_only_the_durable_is_read_as_durable(make: Make) -> None:
    """`read_durable` gives what a sync has acknowledged, bounded, from anywhere; past the end nothing."""
    journal = make()
    assert journal.read_durable(0, 10) == []
    journal.append("P1", 0, [_draft(n) for n in range(4)])
    assert journal.read_durable(0, 10) == []
    journal.sync()
    journal.append("P2", 0, [_draft(4), _draft(5)])
    everything = list(journal.read())
    assert journal.read_durable(0, 10) == everything[:4]
    assert journal.read_durable(1, 2) == everything[1:3]
    journal.sync()
    for start in range(8):
        for limit in (1, 3, 10):
            assert journal.read_durable(start, limit) == everything[start : start + limit]
    journal.close()


def check_commit_is_whole(make: Make) -> None:
    """`append_all` adds to several streams all or nothing, however much, and `read_durable` gives of one stream what is
    durable from any offset on."""
    journal = make()
    runs = [("P1", [_draft(0), _draft(1)]), ("P2", [_draft(2)]), ("P1", [_draft(3)]), ("P3", [])]
    assert journal.append_all(runs) == 3
    assert [(record.stream, record.seq) for record in journal.read()] == [("P1", 0), ("P1", 1), ("P2", 0), ("P1", 2)]
    assert [journal.next_seq(stream) for stream in ("P1", "P2", "P3")] == [3, 1, 0]
    assert journal.read_durable(0, 9, "P1") == []
    journal.sync()
    assert journal.append("P2", 1, [_draft(4)]) == 4
    for stream in ("P1", "P2", "P3"):
        for start in range(6):
            everything = [record for record in journal.read(start, stream) if record.offset < 4]
            for limit in (1, 2, 9):
                assert journal.read_durable(start, limit, stream) == everything[:limit]
    assert _raised(JournalError, lambda: journal.append_all([("P2", [_draft(5)]), ("P1", [_draft(6)] * UNSYNCED_MAX)]))
    assert [journal.next_seq(stream) for stream in ("P1", "P2")] == [3, 2]
    journal.sync()
    assert journal.append_all([("P1", [_draft(7)] * UNSYNCED_MAX), ("P2", [_draft(8)])]) == 5 + UNSYNCED_MAX
    journal.sync()
    assert journal.health().durable_size == 6 + UNSYNCED_MAX
    journal.close()


def check_past_is_read_beside_the_writer(make: Make) -> None:
    """A reader beside gives what it is asked for of what is durable, while the writer goes on; some have none."""
    journal = make()
    journal.append_all([("P1", [_draft(0), _draft(1)]), ("P2", [_draft(2)])])
    journal.sync()
    everything = list(journal.read())
    beside = journal.beside()
    if beside is not None:
        journal.append("P1", 2, [_draft(3)])
        assert beside.read(0, 3, 9) == everything
        assert beside.read(1, 3, 1) == everything[1:2]
        journal.sync()
        assert beside.read(0, 3, 9, "P1") == everything[:2]
        assert beside.read(1, 4, 9, "P1") == [everything[1], *journal.read(3)]
        assert beside.read(0, 4, 9, "P3") == []
        beside.close()
        beside.close()
    journal.close()


def check_health_says_how_it_is(make: Make) -> None:
    """Sizes, epoch, and why nothing is accepted any more; also of one that is closed."""
    journal = make()
    assert _sizes(journal) == (0, 0)
    journal.append("P1", 0, [_draft(0)])
    assert _sizes(journal) == (1, 0)
    journal.sync()
    journal.append("P1", 1, [_draft(1), _draft(2)])
    assert _sizes(journal) == (3, 1)
    health = journal.health()
    assert (health.epoch, health.fault, health.bad_snapshots) == (journal.epoch, "", 0)
    assert health.last_flush_s >= 0.0
    journal.close()
    assert (_sizes(journal), journal.health().fault) == ((1, 1), "it was closed")
    assert journal.next_seq("P1") == 1


def check_last_snapshot_comes_back(make: Make) -> None:
    """The one of the greatest offset, of each name its own; the same offset again replaces."""
    journal = make()
    assert journal.get_snapshot("desk") is None
    journal.put_snapshot("empty", 0, b"")
    journal.append("P1", 0, [_draft(n) for n in range(9)])
    journal.sync()
    for offset in (2, 9, 4, 3, 8):
        journal.put_snapshot("desk", offset, f"state {offset}".encode())
    journal.put_snapshot("learner", 4, bytes(range(256)))
    assert journal.get_snapshot("desk") == (9, b"state 9")
    journal.put_snapshot("desk", 9, b"again")
    assert journal.get_snapshot("desk") == (9, b"again")
    assert journal.get_snapshot("learner") == (4, bytes(range(256)))
    assert journal.get_snapshot("empty") == (0, b"")
    assert journal.get_snapshot("another") is None
    assert [record.offset for record in journal.read(9)] == []
    journal.close()


def check_snapshot_never_runs_ahead(make: Make) -> None:
    """No snapshot of what a crash would take, of nothing that there is, or above the bound; the journal goes on."""
    journal = make()
    journal.append("P1", 0, [_draft(0), _draft(1)])
    journal.sync()
    journal.append("P1", 2, [_draft(2)])
    for offset in (-1, 3, 4):
        assert _raised(JournalError, partial(journal.put_snapshot, "desk", offset, b"state"))
    assert _raised(JournalError, lambda: journal.put_snapshot("desk", 2, bytes(SNAPSHOT_BYTES_MAX + 1)))
    assert journal.get_snapshot("desk") is None
    journal.put_snapshot("desk", 2, b"state")
    journal.sync()
    assert journal.get_snapshot("desk") == (2, b"state")
    assert _sizes(journal) == (3, 3)
    journal.close()


def check_newer_writer_wins(make: Make, take_over: TakeOver) -> None:
    """A second writer goes on behind what was synced, under a newer epoch; the older one writes nothing any more."""
    older = make()
    older.append("P1", 0, [_draft(0)])
    older.sync()
    older.put_snapshot("desk", 1, b"state")
    older.append("P1", 1, [_draft(1)])
    newer = take_over(older)
    assert newer.epoch > older.epoch
    assert _raised(StaleWriterError, older.sync)
    assert _raised(StaleWriterError, lambda: older.append("P1", older.next_seq("P1"), [_draft(9)]))
    assert _raised(StaleWriterError, lambda: older.put_snapshot("desk", 1, b"stale"))
    assert _raised(StaleWriterError, older.sync)
    assert ("taken over" in older.health().fault, newer.health().fault) == (True, "")
    newer.append("P1", 1, [_draft(2)])
    newer.sync()
    assert [record.kind for record in newer.read()] == ["Kind0", "Kind2"]
    assert list(verify(newer.read(), "the journal")) == newer.read_durable(0, 9)
    assert newer.get_snapshot("desk") == (1, b"state")
    older.close()
    newer.close()


def check_stale_writer_is_told_by_an_empty_sync(make: Make, take_over: TakeOver) -> None:
    """A writer with nothing to write finds out as well: whoever asks before it acts may go by a sync."""
    older = make()
    older.sync()
    newer = take_over(older)
    assert _raised(StaleWriterError, older.sync)
    newer.sync()
    older.close()
    newer.close()


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_new_journal_is_empty,
    check_records_come_back_as_written,
    check_records_form_a_chain,
    check_reading_from_the_middle,
    check_writer_reads_what_it_appended,
    check_append_is_conditional,
    check_fenced_writer_stops,
    check_closed_journal_refuses,
    check_any_bytes_can_be_recorded,
    check_events_are_recorded_as_their_bytes,
    check_correlation_id_is_sealed,
    check_only_the_durable_is_read_as_durable,
    check_commit_is_whole,
    check_past_is_read_beside_the_writer,
    check_health_says_how_it_is,
    check_last_snapshot_comes_back,
    check_snapshot_never_runs_ahead,
)

CHECKS_OF_TWO: tuple[Callable[[Make, TakeOver], None], ...] = (
    check_newer_writer_wins,
    check_stale_writer_is_told_by_an_empty_sync,
)


def _draft(n: int) -> Draft:
    return Draft(f"Kind{n}", 1_000 + n, f"P1.d{n}", f"payload {n}".encode(), 1 + n % 2, "ü" * (n % 3))


def _sizes(journal: Journal) -> tuple[int, int]:
    health = journal.health()
    return health.size, health.durable_size


def _raised(kind: type[JournalError], call: Callable[[], Any]) -> bool:
    try:
        call()
    except kind:
        return True
    return False
