"""What the journal on disk promises when a process dies, a disk fills, a bit flips or a second writer comes.

Rule of this file: the faults are real: `kill -9`, a file size limit of the system, changed bytes in the file.
"""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.journal.sqlite import SqliteJournal
from router.domain.errors import BadInputError, JournalCorruptError, JournalError, StaleWriterError
from router.orders.journal import Draft, verify

WRITER = """
import sys
from cluster.journal.sqlite import SqliteJournal
from router.orders.journal import Draft

journal = SqliteJournal(sys.argv[1], durability=sys.argv[2])
seq = 0
for line in sys.stdin:
    if line.strip() == "append":
        journal.append("P1", seq, [Draft("ChildSent", seq, "P1.d0", b"x" * 50)])
        seq += 1
    else:
        journal.sync()
    print("done", flush=True)
"""

FILLER = """
import resource, sys
from cluster.journal.sqlite import SqliteJournal
from router.domain.errors import JournalError
from router.orders.journal import Draft

journal = SqliteJournal(sys.argv[1])
unlimited = resource.RLIM_INFINITY
resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, unlimited))
acknowledged, refusals = 0, []
for _ in range(100):
    try:
        journal.append("P1", journal.next_seq("P1"), [Draft("ChildSent", 1, "", bytes(1_000))] * 10)
        journal.sync()
        acknowledged += 10
    except JournalError as exc:
        refusals.append(type(exc).__name__)
        # Room again: a journal that once failed must not go on as if nothing had been lost.
        resource.setrlimit(resource.RLIMIT_FSIZE, (unlimited, unlimited))
print(acknowledged, *refusals)
"""


@pytest.mark.parametrize("durability", ["power", "process"])
@pytest.mark.parametrize(
    ("steps", "kept"), [(["append"], 0), (["append", "sync"], 1), (["append", "append", "sync", "append"], 2)]
)
def test_killed_writer_keeps_what_was_synced_and_nothing_else(
    tmp_path: Path, durability: str, steps: list[str], kept: int
) -> None:
    path = tmp_path / "journal.sqlite"
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), durability],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with writer:
        assert writer.stdin is not None
        assert writer.stdout is not None
        for step in steps:
            print(step, file=writer.stdin, flush=True)
            assert writer.stdout.readline() == "done\n"
        writer.kill()
    assert writer.returncode == -signal.SIGKILL
    journal = SqliteJournal(path)
    assert [record.seq for record in journal.read()] == list(range(kept))
    assert journal.append("P1", kept, [_draft(kept)]) == kept
    journal.sync()
    journal.close()


def test_full_disk_fences_the_journal_and_keeps_exactly_what_it_acknowledged(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    done = subprocess.run([sys.executable, "-c", FILLER, str(path)], capture_output=True, text=True, check=True)
    acknowledged, *refusals = done.stdout.split()
    # A hundred groups were tried; from the first refused one on, all were.
    assert refusals == ["JournalError"] * (100 - int(acknowledged) // 10)
    journal = SqliteJournal(path, is_reader=True)
    assert len(list(journal.read())) == int(acknowledged) > 0
    journal.close()


def test_reopening_goes_on_where_it_stood(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    for n in range(3):
        journal = SqliteJournal(path)
        assert journal.next_seq("P1") == n
        journal.append("P1", n, [_draft(n)])
        journal.sync()
        journal.close()
    journal = SqliteJournal(path, is_reader=True)
    assert [record.epoch for record in verify(journal.read(), "the file")] == [1, 2, 3]
    journal.close()


def test_epoch_given_is_the_least_that_is_taken(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    epochs = []
    for asked in (7, 1, 9):
        journal = SqliteJournal(path, epoch=asked)
        epochs.append(journal.epoch)
        journal.close()
    assert epochs == [7, 8, 9]


def test_older_writer_is_stale_from_the_moment_another_opens(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    older = SqliteJournal(path)
    older.append("P1", 0, [_draft(0)])
    older.sync()
    older.append("P1", 1, [_draft(1)])
    newer = SqliteJournal(path)
    with pytest.raises(StaleWriterError, match="expected epoch 2, got 1"):
        older.sync()
    with pytest.raises(StaleWriterError):
        older.append("P1", 1, [_draft(1)])
    newer.append("P1", 1, [_draft(9)])
    newer.sync()
    assert [record.at for record in newer.read()] == [0, 9]
    older.close()
    newer.close()


def test_reader_follows_the_writer_and_cannot_write(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    writer = SqliteJournal(path)
    reader = SqliteJournal(path, is_reader=True)
    writer.append("P1", 0, [_draft(0)])
    assert list(reader.read()) == []
    writer.sync()
    assert [record.seq for record in reader.read()] == [0]
    for refused in (lambda: reader.append("P1", 1, [_draft(1)]), reader.sync, lambda: reader.fence(9)):
        with pytest.raises(JournalError, match=str(path)):
            refused()
    writer.append("P1", 1, [_draft(1)])
    writer.sync()
    reader.close()
    writer.close()


def test_reading_a_long_journal_passes_the_batches(tmp_path: Path) -> None:
    journal = SqliteJournal(tmp_path / "journal.sqlite", durability="process")
    for n in range(0, 3_000, 3):
        journal.append("P1", journal.next_seq("P1"), [_draft(n)])
        journal.append("P2", journal.next_seq("P2"), [_draft(n), _draft(n)])
    journal.sync()
    assert [record.offset for record in journal.read()] == list(range(3_000))
    assert [record.seq for record in journal.read(1_500, "P2")] == list(range(1_000, 2_000))
    journal.close()


TAMPERINGS = {
    "payload": ("UPDATE records SET payload = x'00' WHERE \"offset\" = 2", 2),
    "kind": ("UPDATE records SET kind = 'ChildRejected' WHERE \"offset\" = 3", 3),
    "at": ('UPDATE records SET at = at + 1 WHERE "offset" = 0', 0),
    "crc": ('UPDATE records SET crc32 = crc32 + 1 WHERE "offset" = 1', 1),
    "previous": ('UPDATE records SET previous = zeroblob(32) WHERE "offset" = 4', 4),
    "a record in the middle": ('DELETE FROM records WHERE "offset" = 2', 2),
    "the first record": ('DELETE FROM records WHERE "offset" = 0', 0),
    "the last record": ('DELETE FROM records WHERE "offset" = 4', 4),
    "text that is not UTF-8": ("UPDATE records SET kind = CAST(x'ff' AS TEXT) WHERE \"offset\" = 2", 0),
    "the head": ("UPDATE head SET size = 4", 5),
    "no head": ("DELETE FROM head", 5),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_changed_record_is_found_when_opened(tmp_path: Path, what: str) -> None:
    path = _five_records(tmp_path)
    statement, offset = TAMPERINGS[what]
    with sqlite3.connect(path) as db:
        assert db.execute(statement).rowcount == 1
    db.close()
    with pytest.raises(JournalCorruptError, match=f"{path} offset {offset}$"):
        SqliteJournal(path)
    with pytest.raises(JournalCorruptError):
        SqliteJournal(path, is_reader=True)


def test_record_rewritten_with_its_own_crc_breaks_the_chain(tmp_path: Path) -> None:
    path = _five_records(tmp_path)
    forged = tmp_path / "forged.sqlite"
    other = SqliteJournal(forged)
    other.append("P1", 0, [_draft(0), _draft(1), _draft(99)])
    other.sync()
    record = list(other.read())[2]
    other.close()
    with sqlite3.connect(path) as db:
        db.execute(
            'UPDATE records SET at = ?, causation_id = ?, payload = ?, crc32 = ? WHERE "offset" = 2',
            (record.at, record.causation_id, record.payload, record.crc32),
        )
    db.close()
    with pytest.raises(JournalCorruptError, match=r"previous .* offset 3$"):
        SqliteJournal(path)


def test_flipped_bit_in_the_file_is_found(tmp_path: Path) -> None:
    path = _five_records(tmp_path)
    data = bytearray(path.read_bytes())
    at = data.index(b"payload 3")
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(JournalCorruptError, match=r"crc32 .* offset 3$"):
        SqliteJournal(path)


def test_flipped_bit_after_opening_is_found_by_reading(tmp_path: Path) -> None:
    path = _five_records(tmp_path)
    journal = SqliteJournal(path, is_reader=True)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE records SET payload = x'00' WHERE \"offset\" = 1")
    db.close()
    reading = journal.read()
    assert next(reading).offset == 0
    with pytest.raises(JournalCorruptError, match=r"offset 1$"):
        next(reading)
    journal.close()


@pytest.mark.parametrize("content", [b"not a database at all" * 100, b"SQLite format 3\x00" + b"\xff" * 5_000])
def test_file_that_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "journal.sqlite"
    path.write_bytes(content)
    with pytest.raises(JournalError, match=str(path)):
        SqliteJournal(path)
    assert path.read_bytes() == content


def test_someone_elses_database_is_refused_and_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.sqlite"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE theirs (a)")
    db.close()
    with pytest.raises(JournalError, match="expected a journal of format 2"):
        SqliteJournal(path)
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]
    db.close()


def test_absent_folder_absent_file_and_unknown_durability_are_refused(tmp_path: Path) -> None:
    with pytest.raises(JournalError):
        SqliteJournal(tmp_path / "absent" / "journal.sqlite")
    with pytest.raises(JournalError):
        SqliteJournal(tmp_path / "absent.sqlite", is_reader=True)
    with pytest.raises(BadInputError, match="expected power or process, got 'hope' - at durability"):
        SqliteJournal(tmp_path / "journal.sqlite", durability="hope")  # type: ignore[arg-type]


def _five_records(folder: Path) -> Path:
    path = folder / "journal.sqlite"
    journal = SqliteJournal(path)
    journal.append("P1", 0, [_draft(n) for n in range(5)])
    journal.sync()
    journal.close()
    return path


def _draft(n: int) -> Draft:
    return Draft("ChildSent", n, f"P1.d{n}", f"payload {n}".encode())
