"""A window is recorded whole or not at all, however large it is, and what was not recorded was not decided.

Rule of this file: the journal says what was; a desk rebuilt from it takes a window told again as the first one did.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from live_material import OPERATOR, desk, session, submit

from cluster.journal.open import open_journal
from cluster.live.record import Desk, rebuild
from router.domain.enums import WorkingState
from router.domain.errors import BadInputError, JournalError
from router.domain.events import ParentWoke
from router.domain.played import Played
from router.domain.requests import Accepted, SetAccountState
from router.intake.intake import Intake
from router.orders.journal import UNSYNCED_MAX, Draft
from router.orders.memory_journal import MemoryJournal

OPENED = session()
AT = OPENED.open_at + 1


def window(n: int, events: int) -> Played:
    woke = tuple(
        ParentWoke(at=AT, parent_id=f"P{k % 7}", target_qty=k, wake_at=AT + k, working_state=WorkingState.IDLE)
        for k in range(events)
    )
    return Played(
        symbol=OPENED.symbol,
        n=n,
        at=AT,
        is_cut=False,
        heard=0,
        events=woke,
        digest="",
        policy_version=0,
        model_digest="",
    )


def intake() -> Intake:
    made = desk(OPENED)
    made.record(OPENED)
    return made


async def test_a_window_of_more_records_than_may_wait_is_there_once_when_it_is_told_again(tmp_path: Path) -> None:
    place, large = str(tmp_path / "record.sqlite"), window(0, UNSYNCED_MAX + 50)
    first = Desk(intake(), open_journal(place, durability="process"), lambda: AT)
    await first.play(large)
    size = first.group.health().durable_size
    assert size > UNSYNCED_MAX
    await first.play(large)
    await first.close()

    journal = open_journal(place, durability="process")
    rebuilt = intake()
    rebuild(rebuilt, journal)
    again = Desk(rebuilt, journal, lambda: AT)
    await again.play(large)
    await again.play(window(1, 3))
    assert (journal.health().durable_size, rebuilt.played(OPENED.symbol)) == (size + 4, 1)
    assert [record.seq for record in await again.read(size, None, 9)][-1] == 1
    await again.close()


async def test_windows_are_let_in_where_requests_are_turned_away() -> None:
    made = Desk(intake(), MemoryJournal(), lambda: AT)
    large = made.group.commit_entries([("desk", Draft("Kind", 1, "", b""))] * 20_000)
    await made.play(window(0, 20_000))
    await large
    assert made.intake.played(OPENED.symbol) == 0
    await made.close()


class Refusing(MemoryJournal):
    """One that cannot keep a stream, as PostgreSQL cannot keep a NUL."""

    def append_all(self, runs: object) -> int:
        for stream, _ in runs:  # type: ignore[attr-defined]
            if stream == "parent:P3":
                raise ValueError(f"expected another stream than {stream}")
        return super().append_all(runs)  # type: ignore[arg-type]


async def test_after_a_window_that_cannot_be_recorded_nothing_is_decided() -> None:
    journal = Refusing()
    made = Desk(intake(), journal, lambda: AT)
    await made.play(window(0, 2))
    size = journal.health().durable_size
    with pytest.raises(JournalError, match="decided"):
        await made.play(window(1, 9))
    for _ in range(2):
        with pytest.raises(JournalError, match="decided"):
            await made.ask(submit(1, OPENED))
    assert made.intake.book.orders.get("P1") is None
    assert (journal.health().durable_size, "decided" in made.group.health().fault) == (size, True)
    await made.close()


@pytest.mark.parametrize("name", ["A\x00", "A\udcff"])
async def test_a_name_that_no_journal_can_keep_is_refused_before_anything_is_decided(name: str) -> None:
    made = Desk(intake(), MemoryJournal(), lambda: AT)
    for asked in (
        SetAccountState(principal=OPERATOR, account=name, state="HALTED", why="test"),
        SetAccountState(principal=OPERATOR, account="A", state="HALTED", why="test", correlation_id=name),
    ):
        with pytest.raises((BadInputError, UnicodeEncodeError)):
            await made.ask(asked)
    assert (made.group.health().durable_size, made.group.health().fault) == (0, "")
    assert isinstance(await made.ask(submit(1, OPENED)), Accepted)
    await made.close()
