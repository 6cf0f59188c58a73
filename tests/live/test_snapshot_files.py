"""Snapshots in files: whole or not there, and never read where anything about them is in doubt."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from cluster.journal.sqlite import SqliteJournal
from cluster.live.snapshots import FOLDER, KEPT, Opening, Snapshots, come_back, head_at
from router.domain.errors import JournalError
from router.orders.journal import GENESIS, Draft
from router.orders.memory_journal import MemoryJournal

SETUP = b"the session"
RECORDS = 6


def filled(journal: SqliteJournal | MemoryJournal, text: bytes = b"r") -> None:
    """Put a few records in a journal."""
    for n in range(RECORDS):
        journal.append("S", n, [Draft("Kind", n, "", text + str(n).encode())])
    journal.sync()


@pytest.fixture
def journal(tmp_path: Path) -> Path:
    """The path of a journal of some records."""
    made = SqliteJournal(tmp_path / "actor.sqlite")
    filled(made)
    made.close()
    return tmp_path / "actor.sqlite"


def write(path: Path, offset: int, payload: bytes, setup: bytes = SETUP) -> Path:
    """Write a snapshot beside a journal and return its file."""
    snapshots, kept = Snapshots(path.parent, "actor", setup), SqliteJournal(path, is_reader=True)
    snapshots.write(snapshots.header(offset, head_at(kept, offset)), payload)
    kept.close()
    return path.parent / FOLDER / f"actor.{offset:015d}.snapshot"


def back(path: Path, setup: bytes = SETUP, thaw: Callable[[bytes], bytes] = bytes) -> tuple[bytes | None, int]:
    """Come back beside a journal: the payload that was taken, and the offset to go on from."""
    opening = Opening(lambda start: SqliteJournal(path, verify_from=start), Snapshots(path.parent, "actor", setup))
    journal, payload, offset = come_back(opening, lambda snapshot, _: thaw(snapshot.payload))
    assert journal.health().size == RECORDS
    journal.close()
    return payload, offset


def test_the_newest_snapshot_is_taken_and_the_journal_is_read_on_from_it(journal: Path) -> None:
    write(journal, 2, b"two")
    write(journal, 4, b"four")
    assert back(journal) == (b"four", 4)


def test_without_a_snapshot_the_whole_journal_is_gone_through(journal: Path) -> None:
    assert back(journal) == (None, 0)


def test_old_snapshots_go_and_the_last_ones_stay(journal: Path) -> None:
    for offset in range(1, RECORDS):
        write(journal, offset, b"x")
    kept = sorted(path.name for path in (journal.parent / FOLDER).iterdir())
    assert kept == [f"actor.{offset:015d}.snapshot" for offset in range(RECORDS - KEPT, RECORDS)]


def test_a_snapshot_cut_off_anywhere_gives_way_to_the_one_before(
    journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(journal, 2, b"two")
    path = write(journal, 4, b"four")
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        assert back(journal) == (b"two", 2)
    assert "dropped a snapshot of actor" in caplog.text


def test_a_snapshot_with_any_bit_flipped_gives_way_to_the_one_before(journal: Path) -> None:
    write(journal, 2, b"two")
    path = write(journal, 4, b"four")
    whole = path.read_bytes()
    for n in range(len(whole)):
        spoilt = bytearray(whole)
        spoilt[n] ^= 1 << (n % 8)
        path.write_bytes(spoilt)
        assert back(journal) == (b"two", 2)


def test_where_no_snapshot_holds_together_it_says_so_and_the_whole_journal_is_read(
    journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for offset in (2, 4):
        path = write(journal, offset, b"x")
        path.write_bytes(path.read_bytes()[:-1])
    with caplog.at_level(logging.WARNING, "anabranch.snapshots"):
        assert back(journal) == (None, 0)
    assert caplog.text.count("expected a snapshot as it was written") == 2


def test_a_snapshot_of_another_session_or_another_build_is_not_read(
    journal: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(journal, 4, b"four", setup=b"another session")
    assert back(journal) == (None, 0)
    assert "expected a snapshot of this build and session" in caplog.text


def test_a_snapshot_beside_another_journal_is_not_read(journal: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(journal, 4, b"four")
    journal.unlink()
    other = SqliteJournal(journal)
    filled(other, b"other")
    other.close()
    assert back(journal) == (None, 0)
    assert "expected a snapshot of this journal" in caplog.text


def test_a_snapshot_ahead_of_its_journal_is_not_read(tmp_path: Path) -> None:
    long, short = tmp_path / "actor.sqlite", SqliteJournal(tmp_path / "short.sqlite")
    made = SqliteJournal(long)
    filled(made)
    made.append("S", RECORDS, [Draft("Kind", 9, "", b"more")])
    made.sync()
    made.close()
    write(long, RECORDS + 1, b"seven")
    filled(short)
    short.close()
    (tmp_path / "short.sqlite").replace(long)
    assert back(long) == (None, 0)


def test_a_snapshot_that_was_just_written_stays_where_stale_ones_stand_further_on(journal: Path) -> None:
    snapshots = Snapshots(journal.parent, "actor", SETUP)
    for offset in (900, 950):
        snapshots.write(snapshots.header(offset, bytes(32)), b"of an end that the journal has lost")
    for offset in (2, 4):
        write(journal, offset, b"new")
        assert back(journal) == (b"new", offset)


def test_what_stands_beyond_the_end_of_its_journal_goes_when_that_is_found(journal: Path) -> None:
    snapshots = Snapshots(journal.parent, "actor", SETUP)
    snapshots.write(snapshots.header(900, bytes(32)), b"of an end that the journal has lost")
    assert back(journal) == (None, 0)
    assert list((journal.parent / FOLDER).iterdir()) == []


def test_a_state_that_cannot_be_read_gives_way_to_the_one_before(journal: Path) -> None:
    write(journal, 2, b"two")
    write(journal, 4, b"four")

    def only_two(payload: bytes) -> bytes:
        if payload != b"two":
            raise JournalError(f"expected two, got {payload!r} - at the test")
        return payload

    assert back(journal, thaw=only_two) == (b"two", 2)


@pytest.mark.parametrize("place", ["file", "folder"])
def test_what_others_may_write_to_is_not_read(journal: Path, place: str, caplog: pytest.LogCaptureFixture) -> None:
    path = write(journal, 4, b"four")
    (path if place == "file" else path.parent).chmod(0o722)
    assert back(journal) == (None, 0)
    assert "expected what only we can write" in caplog.text


def test_files_are_for_their_owner_alone(journal: Path) -> None:
    path = write(journal, 4, b"four")
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


_KILLED = """
import os, signal, sys
from pathlib import Path
from cluster.live.snapshots import Snapshots

def die(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

snapshots = Snapshots(Path(sys.argv[1]), "actor", b"the session")
snapshots.write(snapshots.header(4, bytes(32)), b"four", die)
"""


@pytest.mark.parametrize("step", ["written", "synced"])
def test_a_writer_killed_before_the_file_has_its_name_leaves_the_one_before(journal: Path, step: str) -> None:
    write(journal, 2, b"two")
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(journal.parent), step], check=False)
    assert killed.returncode < 0
    assert any(path.suffix == ".part" for path in (journal.parent / FOLDER).iterdir())
    assert back(journal) == (b"two", 2)
    assert not any(path.suffix == ".part" for path in (journal.parent / FOLDER).iterdir())


def test_before_the_first_record_everything_begins_alike() -> None:
    assert head_at(MemoryJournal(), 0) == GENESIS
    assert head_at(MemoryJournal(), 1) == b""


def test_a_part_of_this_process_is_written_over(journal: Path) -> None:
    folder = journal.parent / FOLDER
    folder.mkdir(mode=0o700)
    (folder / f"actor.{os.getpid()}.part").write_bytes(b"half")
    write(journal, 4, b"four")
    assert back(journal) == (b"four", 4)
