"""Group commit: one sync for many callers, success only after it, and never again after one that failed.

Rule of this file: a journal whose disk is slow is one that waits for the test, not for a clock.
"""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from cluster.journal.group import FLUSH_BOUNDS_S, GroupCommit
from cluster.journal.open import open_journal
from cluster.journal.sqlite import SqliteJournal
from router.domain.errors import BadInputError, JournalBusyError, JournalError, StaleWriterError
from router.orders.journal import Draft, Record
from router.orders.memory_journal import MemoryJournal


class SlowJournal(MemoryJournal):
    """One whose sync waits until the test lets it go; it counts them."""

    def __init__(self) -> None:
        super().__init__()
        self.syncs = 0
        self.is_at_sync = threading.Semaphore(0)
        self.may_go = threading.Semaphore(0)

    def sync(self) -> None:
        self.syncs += 1
        self.is_at_sync.release()
        self.may_go.acquire()
        super().sync()

    async def reached(self) -> None:
        await asyncio.to_thread(self.is_at_sync.acquire)


async def turn() -> None:
    """Let everything that is ready in the loop go on once."""
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    loop.call_soon(done.set_result, None)
    await done


async def test_all_that_arrive_together_are_one_sync_and_in_order() -> None:
    journal = SlowJournal()
    group = GroupCommit(journal, linger_s=0.01)
    journal.may_go.release()
    offsets = await asyncio.gather(*(group.commit(f"P{n % 3}", None, [_draft(n)]) for n in range(30)))
    assert (offsets, journal.syncs) == (list(range(30)), 1)
    assert [record.at for record in journal.read()] == list(range(30))
    await group.close()


async def test_nobody_hears_of_success_before_the_sync() -> None:
    journal = SlowJournal()
    group = GroupCommit(journal, linger_s=0)
    heard: list[Sequence[Record]] = []
    group.on_durable(heard.append)
    commit = asyncio.create_task(group.commit("P1", 0, [_draft(0)]))
    await journal.reached()
    assert (commit.done(), heard, group.waiting) == (False, [], 1)
    journal.may_go.release()
    assert await commit == 0
    assert ([record.at for record in heard[0]], group.waiting) == ([0], 0)
    await group.close()


async def test_next_group_gathers_while_one_is_written_and_groups_are_bounded() -> None:
    journal = SlowJournal()
    group = GroupCommit(journal, linger_s=0, group_max=4)
    first = asyncio.create_task(group.commit("P1", None, [_draft(0)]))
    await journal.reached()
    others = [asyncio.create_task(group.commit("P1", None, [_draft(n)] * 3)) for n in (1, 2, 3)]
    await turn()
    assert (journal.syncs, group.waiting) == (1, 10)
    for _ in range(4):
        journal.may_go.release()
    assert [await first, *[await one for one in others]] == [0, 3, 6, 9]
    # Three and three are more than four: a commit is never split.
    assert journal.syncs == 4
    await group.close()


async def test_full_group_does_not_linger() -> None:
    group = GroupCommit(MemoryJournal(), linger_s=3_600, group_max=3)
    async with asyncio.timeout(60):
        assert await asyncio.gather(*(group.commit("P1", None, [_draft(n)]) for n in range(3))) == [0, 1, 2]
        assert await group.commit("P1", None, [_draft(n) for n in range(7)]) == 9
    await group.close()


async def test_refused_commit_takes_no_other_with_it(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite")
    group = GroupCommit(journal)
    answers = await asyncio.gather(
        group.commit("P1", 0, [_draft(0)]),
        group.commit("P1", 0, [_draft(9)]),
        group.commit("P1", 1, [_draft(1)]),
        group.commit("P1", 2, [Draft("K\ud800", 1, "", b"")]),
        group.commit("P2", None, []),
        group.commit("P1", 2, [_draft(2)]),
        return_exceptions=True,
    )
    stale, surrogate = answers.pop(1), answers.pop(2)
    assert answers == [0, 1, 1, 2]
    assert isinstance(stale, StaleWriterError)
    assert isinstance(surrogate, ValueError)
    assert [record.at for record in journal.read()] == [0, 1, 2]
    assert group.health().durable_size == 3
    await group.close()
    journal.close()


async def test_failed_sync_is_told_to_all_who_wait_and_to_all_who_come() -> None:
    journal = SlowJournal()
    group = GroupCommit(journal, linger_s=0, group_max=2)
    heard: list[Sequence[Record]] = []
    group.on_durable(heard.append)
    commits = [asyncio.create_task(group.commit("P1", None, [_draft(n)])) for n in range(7)]
    await journal.reached()
    journal.fail()
    for _ in commits:
        journal.may_go.release()
    answers = await asyncio.gather(*commits, return_exceptions=True)
    assert [type(answer) for answer in answers] == [JournalError] * 7
    assert len({id(answer) for answer in answers}) == 7
    for call in (group.commit("P1", None, [_draft(9)]), group.call(lambda journal: journal.next_seq("P1"))):
        with pytest.raises(JournalError, match="failing medium"):
            await call
    assert (heard, journal.syncs, group.flushes()[0], group.waiting) == ([], 1, 0, 0)
    assert "medium failed" in group.health().fault
    await group.close()


async def test_writer_that_was_overtaken_says_so_for_ever(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    older = SqliteJournal(path)
    group = GroupCommit(older)
    assert await group.commit("P1", None, [_draft(0)]) == 0
    newer = SqliteJournal(path)
    for _ in range(2):
        with pytest.raises(StaleWriterError):
            await group.commit("P1", None, [_draft(1)])
    assert newer.read_durable(0, 9) == list(newer.read())
    assert newer.health().durable_size == 1
    await group.close()
    older.close()
    newer.close()


async def test_too_many_waiting_are_refused_and_leave_nothing_behind() -> None:
    journal = SlowJournal()
    group = GroupCommit(journal, linger_s=0, waiting_max=5)
    flying = asyncio.create_task(group.commit("P1", None, [_draft(0)] * 3))
    await journal.reached()
    waiting = asyncio.create_task(group.commit("P1", None, [_draft(1)] * 2))
    await turn()
    for drafts in ([_draft(2)], []):
        with pytest.raises(JournalBusyError, match="up to 5 waiting records, got 5 and 1 more"):
            await group.commit("P2", None, drafts)
    with pytest.raises(BadInputError, match="up to 5 drafts, got 6"):
        await group.commit("P2", None, [_draft(2)] * 6)
    journal.may_go.release()
    journal.may_go.release()
    assert (await flying, await waiting, journal.next_seq("P2")) == (2, 4, 0)
    journal.may_go.release()
    assert await group.commit("P2", 0, [_draft(2)]) == 5
    await group.close()


async def test_cancelled_caller_leaves_the_others_alone() -> None:
    journal = SlowJournal()
    group = GroupCommit(journal, linger_s=0)
    first = asyncio.create_task(group.commit("P1", None, [_draft(0)]))
    await journal.reached()
    second = asyncio.create_task(group.commit("P1", None, [_draft(1)]))
    await turn()
    first.cancel()
    second.cancel()
    third = asyncio.create_task(group.commit("P1", None, [_draft(2)]))
    journal.may_go.release()
    journal.may_go.release()
    assert await third == 2
    assert first.cancelled() and second.cancelled()
    await group.close()


async def test_subscribers_get_every_record_once_and_in_order(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite", durability="process")
    await asyncio.to_thread(journal.append, "P0", 0, [_draft(99)])
    await asyncio.to_thread(journal.sync)
    group = GroupCommit(journal, linger_s=0)
    heard: list[Record] = []
    broken: list[Record] = []
    told: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: told.append(context))

    def breaking(records: Sequence[Record]) -> None:
        broken.extend(records)
        raise ValueError("a view that cannot follow")

    group.on_durable(breaking)
    group.on_durable(heard.extend)
    # The last is a group larger than what the writer keeps in memory.
    for size in (1, 5, 300, 2_000):
        commits = [group.commit(f"P{n % 4}", None, [_draft(n)] * (size // 5 or 1)) for n in range(5)]
        await asyncio.gather(*commits)
        assert len(heard) == group.health().durable_size - 1
    assert heard == list(journal.read(1))
    # One that failed has a gap: it is told of nothing more, and the failure is not lost.
    assert len(broken) < len(heard)
    assert [context["exception"].args for context in told] == [("a view that cannot follow",)]
    await group.close()
    journal.close()


async def test_snapshots_are_taken_between_groups() -> None:
    journal = MemoryJournal()
    group = GroupCommit(journal)
    offset = await group.commit("P1", None, [_draft(0)])
    await group.call(lambda journal: journal.put_snapshot("desk", offset + 1, b"state"))
    assert await group.call(lambda journal: journal.get_snapshot("desk")) == (1, b"state")
    with pytest.raises(JournalError, match="up to 1"):
        await group.call(lambda journal: journal.put_snapshot("desk", 2, b"state"))
    assert await group.commit("P1", 1, [_draft(1)]) == 1
    await group.close()


async def test_flush_times_are_counted_in_bounded_buckets() -> None:
    group = GroupCommit(MemoryJournal(), linger_s=0)
    assert group.flushes() == (0, 0.0, tuple((bound, 0) for bound in FLUSH_BOUNDS_S))
    for n in range(5):
        await group.commit("P1", n, [_draft(n)])
    number, seconds, buckets = group.flushes()
    assert number == 5
    assert seconds > 0
    assert [bound for bound, _ in buckets] == list(FLUSH_BOUNDS_S)
    assert buckets[-1] == (math.inf, 5)
    assert [count for _, count in buckets] == sorted(count for _, count in buckets)
    await group.close()


async def test_closing_writes_what_waits_and_takes_no_more() -> None:
    journal = MemoryJournal()
    group = GroupCommit(journal, linger_s=3_600)
    commits = [asyncio.create_task(group.commit("P1", None, [_draft(n)])) for n in range(3)]
    await turn()
    async with asyncio.timeout(60):
        await asyncio.gather(group.close(), group.close())
    assert [await commit for commit in commits] == [0, 1, 2]
    with pytest.raises(JournalError, match="closed"):
        await group.commit("P1", None, [_draft(3)])
    await group.close()
    assert journal.append("P1", 3, [_draft(3)]) == 3


@pytest.mark.parametrize("bad", [{"linger_s": -1}, {"linger_s": math.nan}, {"group_max": 0}, {"waiting_max": 0}])
async def test_bounds_that_make_no_sense_are_refused(bad: dict[str, Any]) -> None:
    with pytest.raises(BadInputError):
        GroupCommit(MemoryJournal(), **bad)


async def test_hundred_streams_commit_to_a_real_server(new_postgres_url: Any) -> None:
    url = new_postgres_url()
    journal = await asyncio.to_thread(open_journal, url)
    group = GroupCommit(journal)

    async def trade(stream: str) -> list[int]:
        return [await group.commit(stream, seq, [_draft(seq)]) for seq in range(5)]

    offsets = await asyncio.gather(*(trade(f"parent:P{n}") for n in range(100)))
    assert sorted(offset for of in offsets for offset in of) == list(range(500))
    assert group.flushes()[0] < 100
    await group.close()
    journal.close()
    again = open_journal(url, is_reader=True)
    assert {again.next_seq(f"parent:P{n}") for n in range(100)} == {5}
    again.close()


def _draft(n: int) -> Draft:
    return Draft("ChildSent", n, f"P1.d{n}", str(n).encode())
