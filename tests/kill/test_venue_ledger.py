"""A venue's ledger: each batch once, whatever dies when, and a tail that was cut off is no line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from cluster.actors.recorded import RecordedShell
from cluster.live import ledger
from cluster.live.ledger import Ledger, LedgerShell, Line, children_of, read_ledger
from router.domain.enums import OrdType, Side, Tactic, TimeInForce
from router.domain.errors import JournalCorruptError
from router.domain.messages import Arrival, VenueBatch
from router.domain.orders import ChildOrder, NewOrderSingle
from router.domain.units import SECOND
from router.orders.memory_journal import MemoryJournal
from scenarios.assembly import assemble, make_venue
from scenarios.scenario import load_scenario
from scenarios.shells import VenueShell

ASSEMBLY = assemble(load_scenario("smoke"), 1, None)
OPEN_AT = ASSEMBLY.setup.open_at
NEW = Line(1, (("new", "C1", 100),), ())
TRADE = Line(2, (), (("TRADE", "C1", "E1", 60, 400_000), ("CANCELED", "C1", "E2", 0, 0)))


def written(path: Path, *lines: Line) -> Path:
    ledger = Ledger(path)
    for line in lines:
        ledger.write(line)
    ledger.close()
    return path


@contextmanager
def venue_life(journal: MemoryJournal, path: Path) -> Iterator[LedgerShell]:
    """One life of a venue's process."""
    shell = LedgerShell(RecordedShell(VenueShell(make_venue(ASSEMBLY, "XLTA")), journal), path)
    yield shell
    shell.close()


def batch(seq: int, *names: str) -> VenueBatch:
    children = [
        ChildOrder(
            cl_ord_id=name,
            parent_id="P1",
            decision_id="P1.d1",
            symbol=ASSEMBLY.setup.symbol,
            mic="XLTA",
            tactic=Tactic.TAKE,
            side=Side.BUY,
            order_qty=100,
            ord_type=OrdType.LIMIT,
            price=ASSEMBLY.setup.start_px * 2,
            time_in_force=TimeInForce.IMMEDIATE_OR_CANCEL,
        )
        for name in names
    ]
    at = OPEN_AT + seq * SECOND
    return VenueBatch(
        seq=seq, until=at + SECOND, arrivals=tuple(Arrival(at, NewOrderSingle(child)) for child in children)
    )


def test_what_was_written_is_read(tmp_path: Path) -> None:
    assert list(read_ledger(written(tmp_path / "a", NEW, TRADE))) == [NEW, TRADE]


def test_batch_is_written_once_however_often_it_is_answered(tmp_path: Path) -> None:
    with venue_life(MemoryJournal(), tmp_path / "a") as shell:
        first = shell.handle(batch(1, "P1.d1.1"))
        assert shell.handle(batch(1, "P1.d1.1")) == first
    assert children_of(read_ledger(tmp_path / "a"))["P1.d1.1"].received == 1


def test_quiet_batch_leaves_no_line(tmp_path: Path) -> None:
    with venue_life(MemoryJournal(), tmp_path / "a") as shell:
        shell.handle(batch(1))
    assert list(read_ledger(tmp_path / "a")) == []


def test_venue_that_died_before_its_ledger_was_written_writes_it_when_it_is_asked_again(tmp_path: Path) -> None:
    journal = MemoryJournal()
    RecordedShell(VenueShell(make_venue(ASSEMBLY, "XLTA")), journal).handle(batch(1, "P1.d1.1"))
    with venue_life(journal, tmp_path / "a") as shell:
        shell.handle(batch(1, "P1.d1.1"))
    child = children_of(read_ledger(tmp_path / "a"))["P1.d1.1"]
    assert (child.received, child.cum_qty > 0, child.repeated) == (1, True, [])


def test_venue_that_died_after_its_ledger_was_written_does_not_write_it_again(tmp_path: Path) -> None:
    journal = MemoryJournal()
    with venue_life(journal, tmp_path / "a") as shell:
        shell.handle(batch(1, "P1.d1.1"))
    with venue_life(journal, tmp_path / "a") as shell:
        shell.handle(batch(1, "P1.d1.1"))
        shell.handle(batch(2, "P1.d2.1"))
    children = children_of(read_ledger(tmp_path / "a"))
    assert {name: child.received for name, child in children.items()} == {"P1.d1.1": 1, "P1.d2.1": 1}


@pytest.mark.parametrize("cut", [1, 10, 40])
def test_tail_that_was_cut_off_is_written_anew(tmp_path: Path, cut: int) -> None:
    path = written(tmp_path / "a", NEW, TRADE)
    path.write_bytes(path.read_bytes()[:-cut])
    assert list(read_ledger(path)) == [NEW]
    assert list(read_ledger(written(path, TRADE))) == [NEW, TRADE]


@pytest.mark.parametrize("bytes_read", [1, 90, 200, 10_000])
def test_writer_that_looks_at_the_end_alone_goes_on_behind_the_last_whole_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bytes_read: int
) -> None:
    monkeypatch.setattr(ledger, "TAIL_BYTES", bytes_read)
    lines = [NEW, TRADE, NEW._replace(batch=3), TRADE._replace(batch=4)]
    path = written(tmp_path / "a", *lines)
    path.write_bytes(path.read_bytes()[:-5])
    assert list(read_ledger(written(path, *lines))) == lines


def test_writer_reads_no_more_of_a_long_ledger_than_its_end(tmp_path: Path) -> None:
    path = written(tmp_path / "a", NEW, TRADE)
    end = path.read_bytes()
    # A hole takes no room on the disk, and more than there is in memory.
    with path.open("wb") as file:
        file.truncate(1 << 38)
        file.seek(0, 2)
        file.write(b"\n" + end)
    size = path.stat().st_size
    written(path, NEW, TRADE, NEW._replace(batch=3))
    with path.open("rb") as file:
        file.seek(size)
        assert len(file.readlines()) == 1
    path.unlink()


def test_line_that_was_changed_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a", NEW, TRADE)
    path.write_bytes(path.read_bytes().replace(b"C1", b"C2", 1))
    with pytest.raises(JournalCorruptError, match="checksum"):
        list(read_ledger(path))


def test_order_that_was_sent_twice_and_execution_given_twice_show() -> None:
    child = children_of([NEW, NEW._replace(batch=3), TRADE, TRADE._replace(batch=4)])["C1"]
    assert (child.received, child.cum_qty, child.repeated) == (2, 60, ["E1"])
    assert child.ends == ["CANCELED", "CANCELED"]
