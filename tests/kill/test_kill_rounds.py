"""A desk whose processes are killed under load: every book agrees afterwards, and each check sees what it is there for.

Rule of this file: real Ray, real processes, real signals; nothing is asserted about time but that all come back.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec
import pytest

from benchmarks.kill_checks import Client, check_all, one_writer, read_books
from benchmarks.kill_drill import ACCOUNT, LIMITED, PROBES
from benchmarks.kill_rounds import ROLES, Report, kill_rounds_in, rows_of
from benchmarks.kill_switches import kills_in, stop_of
from cluster.live.ledger import Ledger, read_ledger
from router.domain.events import ChildIntended
from router.domain.facts import OrderAccepted
from router.risk.facts import FOREVER, Accepted, Cut, Killed
from router.risk.invariants import audit

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its own behind when it shuts down.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

ROUNDS = len(ROLES) + 1


class Drilled(NamedTuple):
    """What one short drill left."""

    report: Report
    client: Client
    state: Path


@pytest.fixture(scope="module")
def drilled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Drilled]:
    yield Drilled(*kill_rounds_in(tmp_path_factory.mktemp("kills"), ROUNDS))


@pytest.fixture
def copied(drilled: Drilled, tmp_path: Path) -> Drilled:
    """Return the same with books of its own, to spoil."""
    shutil.copytree(drilled.state, tmp_path / "state")
    return drilled._replace(state=tmp_path / "state")


def faults_in(drilled: Drilled) -> set[str]:
    return {name for name, found in check_all(drilled.state, drilled.client).items() if found}


def test_every_book_agrees_after_every_role_was_killed(drilled: Drilled) -> None:
    assert {killed.role for killed in drilled.report.rounds} == set(ROLES)
    assert {name: found for name, found in drilled.report.faults.items() if found} == {}


def test_something_was_traded_while_processes_died(drilled: Drilled) -> None:
    report = drilled.report
    assert min(report.orders, report.cancels, report.replaces, report.executions) >= 1


def test_rows_of_a_drill_say_what_was_found_and_how_long_it_took(drilled: Drilled) -> None:
    rows = {row.id: row for row in rows_of(drilled.report)}
    assert rows["kills.faults"].holds is True
    assert [role for role in ROLES if f"kills.{role}.p50_s" not in rows] == []


def test_acknowledged_order_that_is_not_in_the_journal_is_found(drilled: Drilled) -> None:
    client = drilled.client._replace(acknowledged={**drilled.client.acknowledged, "ghost": "P999999"})
    assert faults_in(drilled._replace(client=client)) == {"acknowledged_once", "invariants"}


def test_record_that_an_older_life_wrote_is_found(drilled: Drilled) -> None:
    records = read_books(drilled.state).records
    lives = len({record.epoch for record in records})
    assert lives > 1, "the record was killed, and each of its lives has an epoch"
    late = [*records, msgspec.structs.replace(records[-1], epoch=records[0].epoch)]
    assert len(list(one_writer(late))) == 1
    assert list(one_writer(records)) == []


def test_event_that_the_stream_left_out_is_found(drilled: Drilled) -> None:
    stream = drilled.client.told[ACCOUNT]
    executed = next(n for n, said in enumerate(stream) if said["event"] == "order_executed")
    told = {**drilled.client.told, ACCOUNT: stream[:executed] + stream[executed + 1 :]}
    assert faults_in(drilled._replace(client=drilled.client._replace(told=told))) == {"stream_gapless", "sums_agree"}


def test_people_stopped_trading_positions_were_limited_and_links_went_down(drilled: Drilled) -> None:
    report = drilled.report
    assert report.stops == sum(stop_of(n) is not None for n in range(ROUNDS))
    assert report.outages >= 1
    kills = kills_in(read_books(drilled.state).records)
    assert sorted({kill.level for kill in kills}) == ["ACCOUNT", "STRATEGY", "VENUE"]
    assert all(kill.at < kill.until < FOREVER for kill in kills)
    opened = [fact for fact in read_books(drilled.state).facts if isinstance(fact, OrderAccepted)]
    assert {fact.account for fact in opened} == {ACCOUNT, LIMITED, PROBES}


def test_child_that_leaves_while_it_is_stopped_is_found(drilled: Drilled) -> None:
    books = read_books(drilled.state)
    at, child = next((e.at, e.child) for _, e in books.events if isinstance(e, ChildIntended))
    account = next(f.account for f in books.facts if isinstance(f, OrderAccepted) and f.parent_id == child.parent_id)
    accepts = [Accepted(f.parent_id, f.account) for f in books.facts if isinstance(f, OrderAccepted)]
    for level, target in (("ACCOUNT", account), ("VENUE", child.mic)):
        found = audit(books.events, accepts, [Killed(level, target, at - 1, at + 1)])
        assert "I19" in {violation.invariant for violation in found}
    cut = audit(books.events, accepts, cuts=[Cut(child.mic, at, at + 1)])
    assert {violation.invariant for violation in cut} == {"I23"}


def test_child_that_a_venue_was_sent_twice_is_found(copied: Drilled) -> None:
    path = copied.state / "XLTA.ledger"
    sent = next(line for line in read_ledger(path) if any(kind == "new" for kind, _, _ in line.got))
    last = max(line.batch for line in read_ledger(path))
    ledger = Ledger(path)
    ledger.write(sent._replace(batch=last + 1, said=()))
    ledger.close()
    assert faults_in(copied) == {"sent_once"}


def test_execution_that_only_a_venue_knows_of_is_found(copied: Drilled) -> None:
    path = copied.state / "XLTA.ledger"
    traded = next(line for line in read_ledger(path) if any(what == "TRADE" for what, *_ in line.said))
    what, name, exec_id, qty, px = next(said for said in traded.said if said[0] == "TRADE")
    ledger = Ledger(path)
    ledger.write(traded._replace(batch=10**9, got=(), said=((what, name, f"{exec_id}-more", qty, px),)))
    ledger.close()
    assert faults_in(copied) == {"sums_agree"}
