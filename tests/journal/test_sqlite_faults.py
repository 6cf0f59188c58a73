"""What the journal in a file promises when a sync fails, a disk is full, a write is torn, or a snapshot is damaged.

Rule of this file: the faults are real: an injected EIO, a mounted disk of a megabyte, bytes cut off and changed.
"""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest
from faults import BUSY_WRITER, STEPPING_WRITER, Writer, failing_syncs, small_disk

from cluster.journal.sqlite import SqliteJournal
from router.domain.errors import JournalCorruptError, JournalError
from router.orders.journal import Draft, verify


def test_failed_sync_is_never_acknowledged_nor_tried_again(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    writer = Writer(STEPPING_WRITER, str(path))
    assert (writer.says(), writer.step(), writer.step()) == ("ready", "kept", "kept")
    with failing_syncs(writer.pid):
        assert writer.step() == "refused JournalError True"
    # The disk works again, and nobody knows what it lost: this writer stays out of use.
    assert writer.step() == "refused JournalError True"
    writer.kill()
    journal = SqliteJournal(path)
    assert 2 <= journal.health().durable_size <= 3
    journal.close()


def test_full_disk_refuses_and_keeps_exactly_what_was_acknowledged(tmp_path: Path) -> None:
    with small_disk(tmp_path / "small") as small:
        ballast = small / "ballast"
        ballast.write_bytes(bytes(200_000))
        journal, acknowledged = SqliteJournal(small / "journal.sqlite"), 0
        with pytest.raises(JournalError, match="full"):
            for _ in range(200):
                journal.append("P1", acknowledged, [Draft("ChildSent", 1, "", bytes(1_000))] * 10)
                journal.sync()
                acknowledged += 10
        ballast.unlink()
        with pytest.raises(JournalError, match="medium failed"):
            journal.append("P1", acknowledged, [_draft(0)])
        assert "full" in journal.health().fault
        journal.close()
        again = SqliteJournal(small / "journal.sqlite")
        assert len(list(verify(again.read(), "the journal"))) == acknowledged > 0
        again.append("P1", acknowledged, [_draft(0)])
        again.sync()
        again.close()


def test_torn_tail_of_the_log_is_cut_off_at_a_whole_group(tmp_path: Path) -> None:
    path, torn = tmp_path / "journal.sqlite", tmp_path / "torn.sqlite"
    writer = Writer(BUSY_WRITER, str(path))
    groups = [0, *(int(writer.says()) for _ in range(40))]
    groups += map(int, writer.kill())
    log = Path(f"{path}-wal").read_bytes()
    sizes = []
    for cut in range(0, len(log), len(log) // 12):
        shutil.copy(path, torn)
        Path(f"{torn}-wal").write_bytes(log[: len(log) - cut])
        journal = SqliteJournal(torn, is_reader=False)
        sizes.append(len(list(verify(journal.read(), "the journal"))))
        journal.close()
        torn.unlink()
    assert sizes == sorted(sizes, reverse=True)
    # A killed writer may have had one more group on disk than it could say.
    assert set(sizes[1:]) <= {*groups, groups[-1] + groups[-1] % 7 + 1}
    assert sizes[0] >= groups[-1] > sizes[-1]


def test_flipped_bit_in_the_log_is_found_unless_only_the_last_group_is_hit(tmp_path: Path) -> None:
    path, flipped = tmp_path / "journal.sqlite", tmp_path / "flipped.sqlite"
    writer = Writer(BUSY_WRITER, str(path))
    acknowledged = [int(writer.says()) for _ in range(30)]
    acknowledged += map(int, writer.kill())
    log = Path(f"{path}-wal").read_bytes()
    assert len(log) > 30 * 4_096
    outcomes = []
    for at in [0, 9, 17, 30, *range(32, len(log), len(log) // 20), len(log) - 1]:
        shutil.copy(path, flipped)
        Path(f"{flipped}-wal").write_bytes(log[:at] + bytes([log[at] ^ 4]) + log[at + 1 :])
        try:
            journal = SqliteJournal(flipped)
        except JournalCorruptError as exc:
            assert f"{flipped}-wal" in str(exc)
            outcomes.append(0)
        else:
            # The last group's frames may also be those of a group that a crash tore: nothing tells them apart.
            outcomes.append(journal.health().durable_size)
            journal.close()
        for name in (flipped, Path(f"{flipped}-wal"), Path(f"{flipped}-shm")):
            name.unlink(missing_ok=True)
    assert outcomes[:15] == [0] * 15
    assert outcomes[-1] > 0
    assert all(size == 0 or size >= acknowledged[-1] - 7 for size in outcomes)


@pytest.mark.parametrize("keep", [0.9, 0.5, 0.1])
def test_file_that_was_cut_off_is_refused(tmp_path: Path, keep: float) -> None:
    path = _journal_of(tmp_path, 500)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * keep)])
    with pytest.raises(JournalCorruptError, match=str(path)):
        SqliteJournal(path)


def test_head_that_somebody_moved_stops_the_writer_of_the_same_epoch(tmp_path: Path) -> None:
    path = _journal_of(tmp_path, 5)
    journal = SqliteJournal(path)
    journal.append("P3", 0, [_draft(5)])
    _execute(path, "UPDATE head SET size = 4")
    with pytest.raises(JournalError, match="expected 5 records before this group, got 4"):
        journal.sync()
    with pytest.raises(JournalError, match="medium failed"):
        journal.sync()
    journal.close()


def test_damaged_snapshot_is_passed_over_for_the_one_before(tmp_path: Path) -> None:
    path = _journal_of(tmp_path, 5)
    journal = SqliteJournal(path)
    for offset in (1, 2, 3, 4, 5):
        journal.put_snapshot("desk", offset, str(offset).encode())
    for statement, found, bad in (
        ("SELECT 1", (5, b"5"), 0),
        ("UPDATE snapshots SET payload = x'00' WHERE \"offset\" = 5", (4, b"4"), 1),
        ('UPDATE snapshots SET crc32 = 0 WHERE "offset" = 4', (3, b"3"), 3),
        ("UPDATE snapshots SET name = 'other' WHERE \"offset\" = 3", None, 5),
    ):
        _execute(path, statement)
        assert journal.get_snapshot("desk") == found
        assert journal.health().bad_snapshots == bad
    assert journal.get_snapshot("other") is None
    journal.close()


@pytest.mark.parametrize("is_reader", [False, True])
def test_verification_may_begin_at_the_lowest_of_the_last_snapshots(tmp_path: Path, is_reader: bool) -> None:
    path = _journal_of(tmp_path, 50)
    journal = SqliteJournal(path)
    for name, offset in (("desk", 10), ("desk", 40), ("learner", 30)):
        journal.put_snapshot(name, offset, b"state")
    journal.close()
    _execute(path, "UPDATE records SET payload = x'00' WHERE \"offset\" = 28")
    journal = SqliteJournal(path, is_reader=is_reader, verify_from="snapshot")
    assert (journal.next_seq("P1"), journal.next_seq("P2"), journal.health().durable_size) == (25, 25, 50)
    with pytest.raises(JournalCorruptError, match=r"offset 28$"):
        list(journal.read())
    journal.close()
    _execute(path, "UPDATE records SET payload = x'00' WHERE \"offset\" = 30")
    with pytest.raises(JournalCorruptError, match=r"offset 30$"):
        SqliteJournal(path, is_reader=is_reader, verify_from="snapshot")


@pytest.mark.parametrize(
    ("statement", "offset"),
    [
        ("UPDATE records SET payload = x'00' WHERE \"offset\" = 19", 19),
        ('DELETE FROM records WHERE "offset" = 19', 19),
        ('DELETE FROM records WHERE "offset" = 3', 20),
        ('DELETE FROM records WHERE "offset" = 49', 49),
        ("UPDATE head SET digest = zeroblob(32)", 50),
    ],
)
def test_what_is_not_verified_record_by_record_is_still_counted(tmp_path: Path, statement: str, offset: int) -> None:
    path = _journal_of(tmp_path, 50)
    _execute(path, statement)
    with pytest.raises(JournalCorruptError, match=rf"offset {offset}$"):
        SqliteJournal(path, verify_from=20)


@pytest.mark.parametrize("verify_from", [-3, 0, 1, 25, 50, 51, 10**12, "snapshot"])
def test_wherever_verification_begins_the_writer_goes_on_in_the_same_place(
    tmp_path: Path, verify_from: int | str
) -> None:
    path = _journal_of(tmp_path, 50)
    journal = SqliteJournal(path, verify_from=verify_from)  # type: ignore[arg-type]
    assert journal.append("P3", 0, [_draft(1)]) == 50
    assert journal.append("P1", 25, [_draft(2)]) == 51
    journal.sync()
    assert len(list(verify(journal.read(), "the journal"))) == 52
    journal.close()


def test_empty_journal_may_be_verified_from_anywhere(tmp_path: Path) -> None:
    for n, verify_from in enumerate((0, 7, "snapshot")):
        journal = SqliteJournal(tmp_path / f"{n}.sqlite", verify_from=verify_from)  # type: ignore[arg-type]
        assert journal.health().size == 0
        journal.close()


def test_journal_of_an_earlier_version_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = _journal_of(tmp_path, 5)
    _execute(path, "PRAGMA user_version = 1")
    before = path.read_bytes()
    for is_reader in (False, True):
        with pytest.raises(JournalError, match="format 2, got one of format 1, which an earlier version wrote"):
            SqliteJournal(path, is_reader=is_reader)
    assert path.read_bytes() == before


def test_draft_that_the_file_cannot_hold_ends_the_writer_and_nothing_of_it_is_kept(tmp_path: Path) -> None:
    path = _journal_of(tmp_path, 5)
    journal = SqliteJournal(path)
    journal.append("P3", 0, [Draft("ChildSent", 2**63, "", b"")])
    with pytest.raises(JournalError, match="too large"):
        journal.sync()
    with pytest.raises(JournalError, match="medium failed"):
        journal.sync()
    journal.close()
    journal = SqliteJournal(path, is_reader=True)
    assert journal.health().size == 5
    journal.close()


def _journal_of(folder: Path, records: int) -> Path:
    path = folder / "journal.sqlite"
    journal = SqliteJournal(path)
    for n in range(records):
        journal.append(f"P{n % 2 + 1}", n // 2, [_draft(n)])
    journal.sync()
    journal.close()
    return path


def _execute(path: Path, statement: str) -> None:
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


def _draft(n: int) -> Draft:
    return Draft("ChildSent", n, f"P1.d{n}", f"payload {n}".encode())
