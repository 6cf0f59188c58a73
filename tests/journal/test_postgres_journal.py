"""What the journal on a PostgreSQL server promises when the server dies, fills, fails to sync, or is changed by hand.

Rule of this file: a real server; those that are broken by a test are its own.
"""

from __future__ import annotations

import select
import shutil
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from faults import STEPPING_WRITER, Writer, failing_syncs, small_disk

from benchmarks.postgres_server import PostgresServer
from cluster.journal.open import open_journal
from cluster.journal.stored import StoredJournal
from router.domain.errors import BadInputError, ConfigError, JournalCorruptError, JournalError, StaleWriterError
from router.orders.journal import Draft, verify

NewUrl = Callable[[], str]


def test_reopening_goes_on_where_it_stood(new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    for n in range(3):
        journal = open_journal(url)
        assert journal.next_seq("P1") == n
        journal.append("P1", n, [_draft(n)])
        journal.sync()
        journal.close()
    journal = open_journal(url, is_reader=True)
    assert [record.epoch for record in verify(journal.read(), "the journal")] == [1, 2, 3]
    journal.close()


def test_reader_follows_the_writer_and_cannot_write(new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    writer = open_journal(url, epoch=7)
    reader = open_journal(url, is_reader=True)
    writer.append("P1", 0, [_draft(0)])
    assert (reader.read_durable(0, 9), reader.epoch) == ([], 7)
    writer.sync()
    assert reader.read_durable(0, 9) == writer.read_durable(0, 9) == list(reader.read())
    assert reader.health().durable_size == 1
    refused: tuple[Callable[[], Any], ...] = (
        lambda: reader.append("P1", 1, [_draft(1)]),
        reader.sync,
        lambda: reader.fence(9),
        lambda: reader.put_snapshot("desk", 1, b""),
    )
    for call in refused:
        with pytest.raises(JournalError, match="opened for reading"):
            call()
    writer.sync()
    reader.close()
    writer.close()


def test_writers_that_come_at_once_to_a_new_schema_get_epochs_one_by_one(new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    with ThreadPoolExecutor(6) as pool:
        opened = list(pool.map(open_journal, [url] * 6))
    opened.sort(key=lambda journal: journal.epoch)
    assert [journal.epoch for journal in opened] == [1, 2, 3, 4, 5, 6]
    for journal in opened[:-1]:
        with pytest.raises(StaleWriterError):
            journal.sync()
    opened[-1].append("P1", 0, [_draft(0)])
    opened[-1].sync()
    for journal in opened:
        journal.close()


def test_long_journal_is_read_past_the_batches(new_postgres_url: NewUrl) -> None:
    journal = open_journal(new_postgres_url())
    for _ in range(3):
        journal.append("P1", journal.next_seq("P1"), [_draft(1)] * 400)
        journal.append("P2", journal.next_seq("P2"), [_draft(1)] * 800)
        journal.sync()
    assert [record.offset for record in journal.read()] == list(range(3_600))
    assert [record.seq for record in journal.read(1_500, "P2")] == list(range(800, 2_400))
    assert [record.offset for record in journal.read_durable(1_000, 1_500)] == list(range(1_000, 2_500))
    journal.close()


TAMPERINGS = {
    "payload": ("UPDATE records SET payload = '' WHERE \"offset\" = 2", 2),
    "correlation id": ("UPDATE records SET correlation_id = 'x' WHERE \"offset\" = 3", 3),
    "at": ('UPDATE records SET at = at + 1 WHERE "offset" = 0', 0),
    "previous": ("UPDATE records SET previous = '' WHERE \"offset\" = 4", 4),
    "a record in the middle": ('DELETE FROM records WHERE "offset" = 2', 2),
    "the last record": ('DELETE FROM records WHERE "offset" = 4', 4),
    "the head": ("UPDATE head SET size = 4", 5),
    "no head": ("DELETE FROM head", 5),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_changed_table_is_found_when_opened(new_postgres_url: NewUrl, what: str) -> None:
    url = new_postgres_url()
    _five_records(url).close()
    statement, offset = TAMPERINGS[what]
    _execute(url, statement)
    for is_reader in (False, True):
        with pytest.raises(JournalCorruptError, match=f"offset {offset}$"):
            open_journal(url, is_reader=is_reader)


def test_flipped_bit_in_the_servers_file_is_found(own_postgres: PostgresServer) -> None:
    _five_records(own_postgres.url).close()
    path = own_postgres.data / _execute(own_postgres.url, "SELECT pg_relation_filepath('anabranch.records')")[0][0]
    own_postgres.stop()
    data = bytearray(path.read_bytes())
    data[data.index(b"payload 3")] ^= 1
    path.write_bytes(data)
    own_postgres.start()
    with pytest.raises(JournalCorruptError, match="invalid page"):
        open_journal(own_postgres.url)


def test_server_that_crashes_keeps_all_it_acknowledged(own_postgres: PostgresServer) -> None:
    journal = _five_records(own_postgres.url)
    journal.append("P1", 5, [_draft(5)])
    own_postgres.stop("immediate")
    with pytest.raises(JournalError):
        journal.sync()
    own_postgres.start()
    # The server is back, but whether the group had reached it this writer cannot know: it stays out of use.
    for call in (journal.sync, lambda: journal.append("P1", 5, [_draft(9)])):
        with pytest.raises(JournalError, match="medium failed"):
            call()
    assert (journal.health().fault != "", journal.health().durable_size) == (True, 5)
    again = open_journal(own_postgres.url)
    assert [record.at for record in again.read()] == [0, 1, 2, 3, 4]
    again.append("P1", 5, [_draft(5)])
    again.sync()
    again.close()
    journal.close()


def test_terminated_connection_fences_the_journal(new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    journal = _five_records(url)
    journal.append("P1", 5, [_draft(5)])
    others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND query LIKE %s"
    schema = url.rpartition("=")[2]
    assert _execute(url, others, (f'%"{schema}"%',)) == [(True,)]
    for _ in range(2):
        with pytest.raises(JournalError):
            journal.sync()
    journal.close()
    again = open_journal(url)
    assert again.health().durable_size == 5
    again.close()


def test_lost_answer_to_a_commit_is_never_taken_for_success_or_sent_again(postgres: PostgresServer) -> None:
    url = f"{postgres.url}&schema=lost_answer"
    _five_records(url).close()
    with _proxy(postgres.folder / ".s.PGSQL.5432", postgres.folder / "proxy") as proxy:
        journal = open_journal(url.replace(str(postgres.folder), str(proxy.folder)))
        journal.append("P1", 5, [_draft(5)])
        proxy.is_swallowing = True
        with pytest.raises(JournalError):
            journal.sync()
        assert proxy.swallowed > 0
        with pytest.raises(JournalError, match="medium failed"):
            journal.sync()
        assert journal.health().durable_size == 5
        journal.close()
    again = open_journal(url)
    # It had been committed: the head says so, once.
    assert [record.at for record in again.read()] == [0, 1, 2, 3, 4, 5]
    again.close()


def test_full_disk_fences_the_journal_and_keeps_exactly_what_it_acknowledged(own_postgres: PostgresServer) -> None:
    with small_disk(own_postgres.folder / "small") as small:
        if own_postgres.user is not None:
            shutil.chown(small, own_postgres.user)
        _execute(own_postgres.url, f"CREATE TABLESPACE small LOCATION '{small}'")
        url = own_postgres.url + "&options=-c%20default_tablespace%3Dsmall"
        journal, acknowledged = open_journal(url), 0
        with pytest.raises(JournalError, match="No space left on device"):
            for _ in range(200):
                journal.append("P1", acknowledged, [Draft("ChildSent", 1, "", bytes(1_000))] * 10)
                journal.sync()
                acknowledged += 10
        with pytest.raises(JournalError, match="medium failed"):
            journal.sync()
        reader = open_journal(url, is_reader=True)
        assert len(list(reader.read())) == acknowledged > 0
        reader.close()
        journal.close()


def test_failed_sync_of_the_server_is_never_acknowledged(own_postgres: PostgresServer) -> None:
    writer = Writer(STEPPING_WRITER, own_postgres.url)
    assert (writer.says(), writer.step(), writer.step()) == ("ready", "kept", "kept")
    servers = "SELECT pid FROM pg_stat_activity WHERE query LIKE %s AND pid <> pg_backend_pid()"
    with failing_syncs(_execute(own_postgres.url, servers, ("%held%",))[0][0]):
        # A server that cannot sync its log stops and recovers; to us it is a connection that was lost.
        assert [writer.step() for _ in range(2)] == ["refused JournalError True"] * 2
    writer.kill()
    # The server may still be recovering: only a start after a stop is sure to be ready.
    own_postgres.stop("immediate")
    own_postgres.start()
    journal = open_journal(own_postgres.url)
    assert 2 <= journal.health().durable_size <= 3
    journal.close()


def test_head_that_somebody_moved_stops_the_writer_of_the_same_epoch(new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    journal = _five_records(url)
    journal.append("P1", 5, [_draft(5)])
    _execute(url, "UPDATE head SET size = 4")
    with pytest.raises(JournalError, match="expected 5 records before this group, got 4"):
        journal.sync()
    assert _execute(url, "SELECT count(*) FROM records") == [(5,)]
    journal.close()


def test_damaged_snapshot_is_passed_over(new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    journal = _five_records(url)
    for offset in (1, 2, 3, 4, 5):
        journal.put_snapshot("desk", offset, str(offset).encode())
    assert _execute(url, 'SELECT "offset" FROM snapshots ORDER BY 1') == [(3,), (4,), (5,)]
    _execute(url, "UPDATE snapshots SET payload = 'x' WHERE \"offset\" = 5")
    assert journal.get_snapshot("desk") == (4, b"4")
    assert journal.health().bad_snapshots == 1
    journal.close()


def test_verification_may_begin_at_a_snapshot(new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    journal = _five_records(url)
    journal.put_snapshot("desk", 3, b"state")
    journal.close()
    _execute(url, "UPDATE records SET payload = 'x' WHERE \"offset\" = 1")
    journal = open_journal(url, verify_from="snapshot")
    assert (journal.next_seq("P1"), journal.health().durable_size) == (5, 5)
    journal.close()
    with pytest.raises(JournalCorruptError, match=r"offset 1$"):
        open_journal(url)
    _execute(url, 'DELETE FROM records WHERE "offset" = 0')
    with pytest.raises(JournalCorruptError, match=r"expected 3 records .* got 2"):
        open_journal(url, verify_from="snapshot")


def test_someone_elses_schema_and_another_format_are_refused_and_left_alone(new_postgres_url: NewUrl) -> None:
    theirs, later, absent = new_postgres_url(), new_postgres_url(), new_postgres_url()
    _execute(theirs, f"CREATE SCHEMA {theirs.rpartition('=')[2]}")
    _execute(theirs, "CREATE TABLE theirs (a int)")
    with pytest.raises(JournalError, match="others' objects"):
        open_journal(theirs)
    assert _execute(theirs, "SELECT count(*) FROM theirs") == [(0,)]
    _five_records(later).close()
    _execute(later, "UPDATE head SET format = 3")
    with pytest.raises(JournalError, match=r"format 2, got \[3\]"):
        open_journal(later)
    with pytest.raises(JournalError, match="does not exist"):
        open_journal(absent, is_reader=True)


def test_text_that_postgres_cannot_keep_is_refused_when_appended(new_postgres_url: NewUrl) -> None:
    journal = open_journal(new_postgres_url())
    bad = (("P\x001", _draft(0)), ("P1", Draft("K\x00", 1, "", b"")), ("P1", Draft("K", 1, "\x00", b"")))
    for stream, draft in bad:
        with pytest.raises(BadInputError, match="without NUL"):
            journal.append(stream, 0, [_draft(0), draft])
    journal.append("P1", 0, [Draft("K", 1, "", b"\x00")])
    journal.sync()
    assert journal.health().durable_size == 1
    journal.close()


def test_server_that_does_not_sync_is_refused(own_postgres: PostgresServer) -> None:
    _execute(own_postgres.url, "SELECT 1")
    own_postgres.stop()
    with (own_postgres.data / "postgresql.conf").open("a", encoding="utf-8") as settings:
        settings.write("synchronous_commit = off\n")
    own_postgres.start(fsync="off")
    with pytest.raises(ConfigError, match=r"expected on, got 'off' - at .* fsync"):
        open_journal(own_postgres.url)


def test_no_secret_is_in_a_message(postgres: PostgresServer) -> None:
    url = f"postgresql://anabranch:open-sesame@/absent?host={postgres.folder}"
    with pytest.raises(JournalError, match="absent") as refused:
        open_journal(url)
    assert "open-sesame" not in str(refused.value)


def test_older_writer_waits_for_no_one_and_is_stale_at_its_sync(new_postgres_url: NewUrl) -> None:
    url = new_postgres_url()
    older = _five_records(url)
    older.append("P1", 5, [_draft(5)])
    newer = open_journal(url)
    newer.append("P1", 5, [_draft(9)])
    newer.sync()
    with pytest.raises(StaleWriterError, match="expected epoch 2, got 1"):
        older.sync()
    assert [record.at for record in newer.read()] == [0, 1, 2, 3, 4, 9]
    older.close()
    newer.close()


class _Proxy:
    """Hands bytes on between a client and the server, until it swallows the answer to an insert and hangs up."""

    def __init__(self, server: Path, folder: Path) -> None:
        self.folder = folder
        self.is_swallowing = False
        self.swallowed = 0
        self._server = server
        folder.mkdir()
        self._door = socket.socket(socket.AF_UNIX)
        self._door.bind(str(folder / server.name))
        self._door.listen(1)
        self._thread = threading.Thread(target=self._carry)
        self._thread.start()

    def close(self) -> None:
        self._thread.join()
        self._door.close()

    def _carry(self) -> None:
        with self._door.accept()[0] as client, socket.socket(socket.AF_UNIX) as server:
            server.connect(str(self._server))
            while True:
                for one in select.select([client, server], [], [])[0]:
                    data = one.recv(1 << 16)
                    if not data:
                        return
                    if one is server and self.is_swallowing and b"INSERT 0 " in data:
                        # The server says so only after its commit.
                        self.swallowed += len(data)
                        return
                    (server if one is client else client).sendall(data)


@contextmanager
def _proxy(server: Path, folder: Path) -> Iterator[_Proxy]:
    proxy = _Proxy(server, folder)
    try:
        yield proxy
    finally:
        proxy.close()


def _five_records(url: str) -> StoredJournal:
    journal = open_journal(url)
    journal.append("P1", 0, [_draft(n) for n in range(5)])
    journal.sync()
    return journal


def _execute(url: str, statement: str, arguments: tuple[object, ...] = ()) -> list[tuple[Any, ...]]:
    """Run a statement as somebody else would, in the URL's schema."""
    import psycopg

    place, _, schema = url.partition("&schema=")
    with psycopg.connect(place.partition("&options")[0], autocommit=True) as db:
        db.execute(f'SET search_path = "{schema or "anabranch"}"')
        cursor = db.execute(statement, arguments or None)  # type: ignore[call-overload]
        return cursor.fetchall() if cursor.description else []


def _draft(n: int) -> Draft:
    return Draft("ChildSent", n, f"P1.d{n}", f"payload {n}".encode())
