"""The past is read beside the writer, page by page at a page's cost; and a commit is whole whatever its size.

Rule of this file: what a page costs is counted in rows that the medium looks at, not in seconds.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.journal.group import GroupCommit
from cluster.journal.open import open_journal
from cluster.journal.sqlite import SqliteJournal
from cluster.journal.stored import StoredJournal
from router.domain.errors import JournalCorruptError, JournalError
from router.orders.journal import UNSYNCED_MAX, Beside, Draft, Record
from router.orders.memory_journal import MemoryJournal

NewUrl = Callable[[], str]


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return str(tmp_path / "journal.sqlite")
    new_url: NewUrl = request.getfixturevalue("new_postgres_url")
    return new_url()


class Held(SqliteJournal):
    """One whose worker can be held at a sync, and whose reader beside can be broken."""

    def __init__(self, path: Path) -> None:
        super().__init__(path, durability="process")
        self.may_sync = threading.Event()
        self.is_at_sync = threading.Event()
        self.may_sync.set()
        self.opened = 0
        self.broken: type[JournalError] | None = None

    def sync(self) -> None:
        self.is_at_sync.set()
        self.may_sync.wait()
        super().sync()

    def beside(self) -> Beside:
        self.opened += 1
        if self.broken is not None:
            raise self.broken("expected a second connection, got none")
        return super().beside()


def test_a_page_of_a_stream_costs_the_page_and_not_the_stream(tmp_path: Path) -> None:
    costs = {}
    for size in (2_000, 32_000):
        path = tmp_path / f"{size}.sqlite"
        journal = SqliteJournal(path, durability="process")
        for n in range(size // 1_000):
            journal.append_all([("account:A", [_draft(n)] * 900), ("desk", [_draft(n)] * 100)])
            journal.sync()
        db = journal._store._db  # type: ignore[attr-defined]
        for start in (0, size // 2, size - 200):
            steps = [0]
            db.set_progress_handler(lambda steps=steps: steps.__setitem__(0, steps[0] + 1), 100)
            page = journal.read_durable(start, 50, "account:A")
            db.set_progress_handler(None, 0)
            assert (page[0].offset, len(page)) == (_first_of("account:A", start), 50)
            costs[size, start] = steps[0]
        journal.close()
    # In hundreds of steps of SQLite's machine: sixteen times the stream is four halvings more.
    assert max(costs.values()) <= 60, costs


def test_a_stream_with_a_hole_is_read_all_the_same(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    journal = SqliteJournal(path)
    journal.append_all([("A", [_draft(n) for n in range(64)]), ("B", [_draft(0)]), ("A", [_draft(64)])])
    journal.sync()
    with sqlite3.connect(path) as other:
        other.execute("DELETE FROM records WHERE stream = ? AND seq BETWEEN 20 AND 40", ("A",))
    other.close()
    for start in (0, 10, 30, 50, 64):
        expected = [n for n in range(start, 64) if not 20 <= n <= 40] + [65]
        assert [record.offset for record in journal.read_durable(start, 99, "A")] == expected
    journal.close()


async def test_reading_does_not_wait_for_commits_nor_they_for_it(tmp_path: Path) -> None:
    journal = Held(tmp_path / "journal.sqlite")
    group = GroupCommit(journal, linger_s=0)
    await group.commit_entries([("A", _draft(0)), ("B", _draft(1))])
    journal.may_sync.clear()
    journal.is_at_sync.clear()
    writing = group.commit_entries([("A", _draft(2))])
    await asyncio.to_thread(journal.is_at_sync.wait)
    assert [record.at for record in await group.read(0, 9, "A")] == [0], "what is not durable is not read"
    assert [record.at for record in await group.read(0, 9)] == [0, 1]
    assert not writing.done()
    journal.may_sync.set()
    await writing
    assert [record.at for record in await group.read(0, 9, "A")] == [0, 2]
    assert await group.read(3, 9) == []
    assert journal.opened == 1
    await group.close()
    with pytest.raises(JournalError, match="closed"):
        await group.read(0, 9)
    journal.close()


async def test_reader_that_cannot_be_opened_leaves_the_reading_to_the_writer(tmp_path: Path) -> None:
    journal = Held(tmp_path / "journal.sqlite")
    group = GroupCommit(journal, linger_s=0)
    await group.commit_entries([("A", _draft(0)), ("B", _draft(1))])
    journal.broken = JournalError
    assert [record.at for record in await group.read(0, 9, "B")] == [1]
    journal.broken = JournalCorruptError
    with pytest.raises(JournalCorruptError):
        await group.read(0, 9, "B")
    journal.broken = None
    assert [record.at for record in await group.read(0, 9, "B")] == [1]
    assert (journal.opened, group.health().fault) == (3, "")
    await group.close()
    journal.close()


async def test_both_media_and_memory_read_the_same(place: str) -> None:
    journals: list[StoredJournal | MemoryJournal] = [open_journal(place), MemoryJournal()]
    told: list[list[list[Record]]] = []
    for journal in journals:
        group = GroupCommit(journal, linger_s=0)
        followed: list[Record] = []
        group.on_durable(followed.extend)
        for n in range(40):
            await group.commit_entries([(f"P{k % 3}", _draft(n)) for k in range(n % 5 + 1)])
        pages = [await group.read(start, 7, stream) for start in range(0, 125, 3) for stream in (None, "P0", "P2")]
        assert sum(map(len, pages[::3])) > 200
        assert followed == await group.read(0, 999)
        told.append(pages)
        await group.close()
        journal.close()
    assert told[0] == told[1]


async def test_a_commit_of_more_than_may_wait_is_written_whole(place: str) -> None:
    journal = open_journal(place)
    group = GroupCommit(journal)
    half = UNSYNCED_MAX // 2 + 1
    entries = [("P1", _draft(1))] * half + [("P2", _draft(2))] * half
    assert await group.commit_entries(entries) == 2 * half - 1
    assert (journal.next_seq("P1"), journal.next_seq("P2"), group.health().fault) == (half, half, "")
    await group.close()
    journal.close()


async def test_what_was_decided_and_cannot_be_recorded_ends_the_group_and_nothing_of_it_is_there(place: str) -> None:
    journal = open_journal(place)
    group = GroupCommit(journal, linger_s=0.02)
    # A lone surrogate is no text that a record can keep.
    bad = Draft("Kind", 1, "\ud800", b"")
    before, failing, after = (
        group.commit_entries([("P1", _draft(0))]),
        group.commit_entries([("P1", _draft(1)), ("P2", bad)]),
        group.commit_entries([("P1", _draft(2))]),
    )
    assert await before == 0
    for one in (failing, after):
        with pytest.raises(JournalError, match="decided"):
            await one
    assert "decided" in group.health().fault
    with pytest.raises(JournalError, match="decided"):
        group.check_room()
    assert [record.at for record in journal.read()] == [0]
    await group.close()
    journal.close()


def _first_of(stream: str, start: int) -> int:
    """Return the first offset from `start` on that is the stream's: the first 900 of each thousand."""
    assert stream == "account:A"
    return start if start % 1_000 < 900 else (start // 1_000 + 1) * 1_000


def _draft(n: int) -> Draft:
    return Draft("Kind", n, "", b"x" * 100)
