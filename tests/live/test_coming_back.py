"""A desk that comes back from snapshots and the tails of its journals is the one that goes through all of them: the
same records, byte for byte, whenever it died."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest
from live_material import reference, session
from scripted_desk import STEPS, scripted

from benchmarks.stepped_desk import NEVER, told
from cluster.journal.sqlite import SqliteJournal
from cluster.live.freezing import constants_of, frozen, thawed
from cluster.live.session import assembly_of, fresh_link
from cluster.live.snapshots import FOLDER, Company, Rhythm
from cluster.live.verifying import session_in, verify_session
from router.domain import codec
from router.domain.errors import JournalError
from router.domain.facts import SessionOpened
from router.orders.journal import Draft

JOURNALS = ("record", "market", "host-0", "host-1", "learner", "XLTA", "XINA", "XDKA", "XSDA")
NOW_AND_THEN = Rhythm(0.0, 7, is_forked=False)
"""Tails of up to six records behind every snapshot."""

TOGETHER = NOW_AND_THEN._replace(company=Company())
"""The market takes the snapshots of all its shells, as where they share a thread."""


def lived(
    folder: Path, opened: SessionOpened, rhythm: Rhythm, deaths: tuple[int, ...], dies_early: bool = False
) -> None:
    """Live a whole session in a folder, with a death of the whole desk before each of these windows."""
    folder.mkdir()
    journal = SqliteJournal(folder / "record.sqlite")
    journal.append(f"market:{opened.symbol}", 0, [Draft("SessionOpened", opened.at, "", codec.encode(opened))])
    journal.sync()
    journal.close()
    for until in (*deaths, STEPS):
        desk = scripted(opened, folder, rhythm)
        desk.run(until, dies_early=dies_early and until != STEPS)
        desk.leave()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A session without a death and without snapshots."""
    folder = tmp_path_factory.mktemp("undisturbed") / "state"
    lived(folder, session(), NEVER, ())
    yield folder


def test_the_session_has_something_of_everything_in_it(undisturbed: Path) -> None:
    kinds = {kind for _, kind, _, _ in told(undisturbed)}
    assert {"OrderExecuted", "OrderReplaced", "OrderEnded", "KillSet", "LimitSet", "DecisionMade"} <= kinds
    assert not (undisturbed / FOLDER).exists()


@pytest.mark.parametrize("first", [1, 4, 6])
@pytest.mark.parametrize("dies_early", [False, True])
@pytest.mark.parametrize("rhythm", [NOW_AND_THEN, TOGETHER], ids=["each", "together"])
def test_a_desk_that_dies_again_and_again_writes_the_same_records(
    undisturbed: Path, tmp_path: Path, rhythm: Rhythm, first: int, dies_early: bool
) -> None:
    folder = tmp_path / "state"
    lived(folder, session(), rhythm, tuple(range(first, STEPS, 7)), dies_early=dies_early)
    assert {path.name.partition(".")[0] for path in (folder / FOLDER).iterdir()} == set(JOURNALS)
    assert [name for name in JOURNALS if told(folder, name) != told(undisturbed, name)] == []


def test_without_its_snapshots_it_is_the_same_from_the_whole_journals(undisturbed: Path, tmp_path: Path) -> None:
    folder = tmp_path / "state"
    lived(folder, session(), NEVER, (20, 50))
    assert [name for name in JOURNALS if told(folder, name) != told(undisturbed, name)] == []


def test_a_session_that_came_back_from_snapshots_is_the_same_played_again(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    lived(folder, session(), NOW_AND_THEN, (13, 37, 62))
    journal = SqliteJournal(folder / "record.sqlite", is_reader=True)
    opened = session_in(journal)
    verified = verify_session(journal, opened, fresh_link(opened, assembly_of(opened, None)), None)
    journal.close()
    assert (verified.difference, verified.decisions > 0, verified.fills > 0) == ("", True, True)


def test_a_record_stands_where_its_whole_journal_puts_it(tmp_path: Path) -> None:
    folder, opened = tmp_path / "state", session()
    lived(folder, opened, NOW_AND_THEN, (45,))
    stands = []
    for rhythm in (NOW_AND_THEN, NEVER):
        if rhythm is NEVER:
            for path in (folder / FOLDER).iterdir():
                path.unlink()
        desk = scripted(opened, folder, rhythm)
        # What is not recorded, the last price, is said again to both.
        desk.intake.see(reference(opened, opened.open_at))
        stands.append((desk.intake.digest(), desk.intake.gate.digest()))
        desk.leave()
    assert stands[0] == stands[1]


def test_each_damaged_snapshot_is_told_of_and_costs_nothing_but_time(
    undisturbed: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder, opened = tmp_path / "state", session()
    lived(folder, opened, NOW_AND_THEN, (20, 55))
    for path in (folder / FOLDER).iterdir():
        path.write_bytes(path.read_bytes()[:-7])
    with caplog.at_level(logging.WARNING, "anabranch.snapshots"):
        desk = scripted(opened, folder, NEVER)
    desk.leave()
    assert all(f"dropped a snapshot of {name}" in caplog.text for name in JOURNALS)
    assert told(folder) == told(undisturbed)


@pytest.mark.parametrize("policy", ["uniform", "cont_kukanov", "dp_split", "river:LinUCBDisjoint", "river:UCB"])
def test_a_learner_of_any_kind_comes_back_as_it_was(tmp_path: Path, policy: str) -> None:
    opened = msgspec.structs.replace(session(), policy=policy)
    lived(tmp_path / "whole", opened, NEVER, ())
    lived(tmp_path / "broken", opened, NOW_AND_THEN, (11, 29, 48, 66))
    assert told(tmp_path / "broken") == told(tmp_path / "whole")


def test_arrays_come_back_as_they_were_laid_out() -> None:
    whole = np.arange(24, dtype=np.int64).reshape(4, 6)
    locked = np.arange(3.0)
    locked.setflags(write=False)
    part, words = whole[1:3, ::2], whole.view(np.uint64)
    state = thawed(frozen((whole, part, words, locked), {}, {}), {}, {})
    state[0][1, 2] = -1
    assert state[1][0, 1] == -1
    assert int(state[2][1, 2]) == 2**64 - 1
    assert (state[1].strides, state[2].dtype, state[3].flags.writeable) == (part.strides, words.dtype, False)


def test_large_arrays_that_a_new_engine_has_too_are_not_written() -> None:
    drawn, alike = np.arange(200_000), (np.zeros(200_000), np.zeros(200_000))
    constants = constants_of({"drawn": drawn, "alike": alike})
    assert len(constants) == 1
    data = frozen({"drawn": drawn, "again": drawn, "alike": alike}, {}, constants)
    assert 2 * alike[0].nbytes < len(data) < 2 * alike[0].nbytes + 2_000
    state = thawed(data, {}, constants)
    assert state["drawn"] is drawn and state["again"] is drawn
    assert state["alike"][0] is not state["alike"][1]


def test_a_large_array_that_has_changed_is_written() -> None:
    drawn = np.arange(200_000)
    constants = constants_of(drawn)
    data = frozen(drawn + 1, {}, constants)
    assert thawed(data, {}, constants)[0] == 1


def test_what_cannot_be_pickled_or_read_is_said() -> None:
    with pytest.raises(JournalError, match="can be pickled"):
        frozen(lambda: 0, {}, {})
    with pytest.raises(JournalError, match="can be read"):
        thawed(frozen(opening := object, {}, {})[:-1], {"x": opening}, {})
    kept = session()
    with pytest.raises(JournalError, match="can be read"):
        thawed(frozen(kept, {"session": kept}, {}), {}, {})
