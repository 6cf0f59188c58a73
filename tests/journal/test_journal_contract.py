"""Every journal keeps the port's promises, and the one in memory behaves as the one on disk does.

Rule of this file: all journals run the same checks; the one in memory and the one on disk the same histories too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.journal.open import open_journal
from cluster.journal.sqlite import Durability, SqliteJournal
from cluster.journal.tail import Tail
from router.domain.errors import JournalError, StaleWriterError
from router.orders.check_journal import CHECKS, CHECKS_OF_TWO, Make, TakeOver
from router.orders.journal import UNSYNCED_MAX, Draft, Journal, Record
from router.orders.memory_journal import MemoryJournal


class Medium:
    """Makes journals of one kind, and knows which place each is in."""

    def __init__(self, places: Iterator[str], durability: Durability = "power") -> None:
        self._places = places
        self._durability = durability
        self._made: list[tuple[Journal, str]] = []

    def make(self) -> Journal:
        return self._open(next(self._places))

    def take_over(self, older: Journal) -> Journal:
        return self._open(next(place for journal, place in self._made if journal is older))

    def close(self) -> None:
        for journal, _ in self._made:
            journal.close()

    def _open(self, place: str) -> Journal:
        self._made.append((open_journal(place, durability=self._durability), place))
        return self._made[-1][0]


@pytest.fixture(params=["memory", "power", "process", "postgres"])
def medium(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Make, TakeOver]]:
    if request.param == "memory":
        yield MemoryJournal, MemoryJournal.take_over
        return
    if request.param == "postgres":
        new_url = request.getfixturevalue("new_postgres_url")
        made = Medium(iter(new_url, ""))
    else:
        made = Medium((str(tmp_path / f"{n}.sqlite") for n in count()), request.param)
    yield made.make, made.take_over
    made.close()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_journal_keeps_its_promise(check: Callable[[Make], None], medium: tuple[Make, TakeOver]) -> None:
    assert check(medium[0]) is None


@pytest.mark.parametrize("check", CHECKS_OF_TWO, ids=lambda check: check.__name__)
def test_two_writers_keep_their_promise(check: Callable[[Make, TakeOver], None], medium: tuple[Make, TakeOver]) -> None:
    assert check(*medium) is None


def test_every_check_is_in_the_suite() -> None:
    import router.orders.check_journal as module

    here = [value for name, value in vars(module).items() if name.startswith("check_")]
    checks = {check.__name__ for check in here if check.__module__ == module.__name__} - {"check_journal"}
    assert {check.__name__ for check in (*CHECKS, *CHECKS_OF_TWO)} == checks


def test_unsynced_records_are_bounded(medium: tuple[Make, TakeOver]) -> None:
    journal = medium[0]()
    draft = Draft("Kind", 1, "", b"")
    journal.append("P1", 0, [draft] * UNSYNCED_MAX)
    with pytest.raises(JournalError, match="unsynced"):
        journal.append("P1", UNSYNCED_MAX, [draft])
    journal.sync()
    assert journal.append("P1", UNSYNCED_MAX, [draft]) == UNSYNCED_MAX
    journal.close()


def test_tail_that_dropped_stands_again_behind_what_is_durable() -> None:
    dropping, straight = Tail("one"), Tail("another")
    for tail in (dropping, straight):
        tail.append("P1", 0, [_draft(0)], epoch=1)
        tail.kept()
    dropping.append("P1", 1, [_draft(8), _draft(9)], epoch=1)
    dropping.append("P2", 0, [_draft(9)], epoch=1)
    dropping.drop()
    for tail in (dropping, straight):
        tail.append("P2", 0, [_draft(1)], epoch=1)
        tail.append("P1", 1, [_draft(2)], epoch=1)
    assert (dropping.pending, dropping.head) == (straight.pending, straight.head)
    assert dropping.size == 3


def test_memory_journal_loses_what_was_not_synced() -> None:
    journal = MemoryJournal()
    journal.append("P1", 0, [_draft(0)])
    journal.sync()
    journal.append("P1", 1, [_draft(1), _draft(2)])
    journal.append("P2", 0, [_draft(3)])
    journal.crash()
    assert [record.offset for record in journal.read()] == [0]
    assert (journal.next_seq("P1"), journal.next_seq("P2")) == (1, 0)


def test_memory_journal_may_keep_a_part_of_what_was_not_synced() -> None:
    journal = MemoryJournal()
    journal.append("P1", 0, [_draft(0), _draft(1), _draft(2)])
    journal.crash(keep=2)
    assert journal.next_seq("P1") == 2
    assert journal.append("P1", 2, [_draft(2)]) == 2
    journal.crash()
    assert journal.next_seq("P1") == 2


def test_crash_starts_a_new_epoch_and_lifts_what_stopped_the_writer() -> None:
    journal = MemoryJournal(epoch=3)
    journal.fence(9)
    with pytest.raises(StaleWriterError):
        journal.append("P1", 0, [_draft(0)])
    journal.crash()
    journal.append("P1", 0, [_draft(0)])
    assert [record.epoch for record in journal.read()] == [10]


def test_memory_journal_keeps_its_snapshots_and_passes_over_damaged_ones() -> None:
    journal = MemoryJournal()
    journal.append("P1", 0, [_draft(n) for n in range(5)])
    journal.sync()
    for offset in range(1, 6):
        journal.put_snapshot("desk", offset, str(offset).encode())
    journal.crash()
    assert journal.get_snapshot("desk") == (5, b"5")
    journal.damage_snapshot("desk")
    assert journal.get_snapshot("desk") == (4, b"4")
    assert journal.health().bad_snapshots == 1


def test_failed_sync_of_the_memory_journal_fences_it() -> None:
    journal = MemoryJournal()
    journal.append("P1", 0, [_draft(0)])
    journal.fail()
    for _ in range(2):
        with pytest.raises(JournalError):
            journal.sync()
    with pytest.raises(JournalError, match="medium failed"):
        journal.append("P1", 1, [_draft(1)])
    journal.crash()
    assert list(journal.read()) == []


STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.sampled_from(["P1", "P2", "L"]), st.integers(0, 3)),
        st.tuples(st.just("stale"), st.sampled_from(["P1", "P2"]), st.just(0)),
        st.tuples(st.just("sync"), st.just(""), st.just(0)),
        st.tuples(st.just("crash"), st.just(""), st.just(0)),
    ),
    max_size=30,
)


@settings(max_examples=40, deadline=None)
@given(steps=STEPS)
def test_memory_and_disk_tell_the_same_story(steps: list[tuple[str, str, int]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "journal.sqlite"
        disk, memory = SqliteJournal(path, durability="process"), MemoryJournal()
        for n, (step, stream, count) in enumerate(steps):
            if step == "append":
                drafts = [_draft(n)] * count
                assert disk.append(stream, disk.next_seq(stream), drafts) == memory.append(
                    stream, memory.next_seq(stream), drafts
                )
            elif step == "stale":
                for journal in (disk, memory):
                    with pytest.raises(StaleWriterError):
                        journal.append(stream, journal.next_seq(stream) + 1, [_draft(n)])
            elif step == "sync":
                disk.sync()
                memory.sync()
            else:
                disk.close()
                disk = SqliteJournal(path, durability="process")
                memory.crash()
            assert _story(disk) == _story(memory)
        disk.close()


def _story(journal: Journal) -> list[Record]:
    return list(journal.read())


def _draft(n: int) -> Draft:
    return Draft("ChildSent", n, f"P1.d{n}", str(n).encode())
