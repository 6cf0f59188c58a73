"""The examiner of journals: `check_journal(make)`, one suite for the one in memory and those on disk.

Rule of this file: a check says what a journal promises; it knows nothing of how one keeps it. `make` gives a new, empty
journal each time it is called. What needs a process to die, a disk to fill or a bit to flip is tested where the medium
is: a port cannot ask for it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Any

from router.domain.errors import JournalError, StaleWriterError
from router.orders.journal import GENESIS, Draft, Journal, digest_of, verify

Make = Callable[[], Journal]


def check_journal(make: Make) -> None:
    """Run every check on journals from `make`.

    Raises:
        AssertionError: a promise of `Journal` that this one does not keep.

    >>> from router.orders.memory_journal import MemoryJournal
    >>> check_journal(MemoryJournal)
    """
    for check in CHECKS:
        check(make)


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
        draft = Draft(record.kind, record.at, record.causation_id, record.payload, record.version)
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
)


def _draft(n: int) -> Draft:
    return Draft(f"Kind{n}", 1_000 + n, f"P1.d{n}", f"payload {n}".encode(), 1 + n % 2)


def _raised(kind: type[JournalError], call: Callable[[], Any]) -> bool:
    try:
        call()
    except kind:
        return True
    return False
