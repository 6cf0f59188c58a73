"""A bust or correction that comes before its execution is remembered, and amends it as soon as it comes."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from order_material import CHILD, MIC, PARENT, PARENT_ORDER, PX, S, ids, intended, parent_with, report

from router.domain import codec
from router.domain.enums import ExecType, OrdStatus, Side
from router.domain.events import (
    ChildAmendedEarly,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    Event,
    ParentAccepted,
    ReportIgnored,
)
from router.domain.messages import Delivered, HostBatch
from router.domain.orders import NewOrderSingle
from router.domain.reports import ExecutionReport
from router.orders import hearing
from router.orders import parent as parents
from router.orders.desk import HostSetup
from router.orders.executions import EARLY_MAX
from router.orders.host import OrderHost
from router.orders.journal import Draft
from router.orders.memory_journal import MemoryJournal
from router.orders.parent import ParentState, check_invariants
from router.orders.venue_gate import VenueGate, facts_of
from router.risk.exposure import Exposure, OpenOrder
from router.risk.invariants import audit

BUST = report(ExecType.TRADE_CANCEL, exec_id="a1", exec_ref_id="e1")
CORRECTION = report(ExecType.TRADE_CORRECT, exec_id="a2", exec_ref_id="e1", last_qty=20, last_px=PX + 100)


def fill(qty: int, exec_id: str = "e1", **changes: Any) -> ExecutionReport:
    return report(ExecType.TRADE, exec_id=exec_id, last_qty=qty, last_px=PX, **changes)


def heard(state: ParentState, *reports: ExecutionReport) -> list[Event]:
    """Hear reports one after the other, apply what comes of each, and return all of it."""
    events: list[Event] = []
    for said in reports:
        for event in hearing.hear(state, said, 50):
            parents.apply(state, event)
            events.append(event)
        check_invariants(state)
    return events


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


@pytest.mark.parametrize("status", [S.PENDING_NEW, S.NEW, S.PENDING_CANCEL, S.PENDING_REPLACE, S.UNKNOWN, S.CANCELED])
def test_bust_before_its_execution_takes_it_back_when_it_comes(status: OrdStatus) -> None:
    state = parent_with(status)
    cum_qty, notional = state.cum_qty, state.notional
    events = heard(state, BUST, fill(30))
    assert kinds(events) == [ChildAmendedEarly, ChildTraded, ChildTradeCanceled]
    assert (state.cum_qty, state.notional) == (cum_qty, notional)
    assert state.children[CHILD].early == []


def test_correction_before_its_execution_holds_when_it_comes() -> None:
    state = parent_with(S.NEW)
    events = heard(state, CORRECTION, fill(30))
    assert events[-1] == ChildTradeCorrected(
        **ids(50), exec_id="a2", exec_ref_id="e1", last_qty=20, last_px=PX + 100, transacted_at=5
    )
    assert (state.cum_qty, state.notional) == (20, 20 * (PX + 100))


def test_bust_of_a_fill_that_completes_its_child_leaves_a_closed_child_without_quantity() -> None:
    state = parent_with(S.NEW)
    heard(state, BUST, fill(100))
    child = state.children[CHILD]
    assert (child.status, child.cum_qty, child.leaves_qty) == (S.CANCELED, 0, 0)


def test_amendments_of_one_execution_hold_in_the_order_they_came() -> None:
    state = parent_with(S.NEW)
    heard(state, CORRECTION, BUST, fill(30))
    assert state.cum_qty == 0
    assert {"a1", "a2", "e1"} <= {exec_id for _, exec_id in state.exec_ids}


@pytest.mark.parametrize("said", [BUST, CORRECTION])
def test_early_amendment_said_again_counts_once(said: ExecutionReport) -> None:
    state = parent_with(S.NEW)
    again = heard(state, said, said, fill(30), said)
    ignored = [event.reason for event in again if isinstance(event, ReportIgnored)]
    assert ignored == ["DUPLICATE", "DUPLICATE"]
    assert state.cum_qty == (0 if said is BUST else 20)


def test_execution_said_again_after_its_early_bust_stays_busted() -> None:
    state = parent_with(S.NEW)
    events = heard(state, BUST, fill(30), fill(30))
    assert kinds(events)[-1] is ReportIgnored
    assert state.cum_qty == 0


def test_other_executions_are_not_amended() -> None:
    state = parent_with(S.NEW)
    assert kinds(heard(state, BUST, fill(30, "e2"))) == [ChildAmendedEarly, ChildTraded]
    assert state.cum_qty == 30
    assert [early.exec_id for early in state.children[CHILD].early] == ["a1"]


def test_execution_that_was_inferred_meanwhile_is_replaced_and_then_taken_back() -> None:
    state = parent_with(S.UNKNOWN)
    status = report(ExecType.ORDER_STATUS, ord_status=S.PARTIALLY_FILLED, cum_qty=70, avg_px=PX)
    heard(state, status)
    assert state.cum_qty == 70
    heard(state, BUST, fill(30))
    assert (state.cum_qty, state.children[CHILD].inferred_qty) == (40, 0)


def test_venue_that_amends_without_end_what_never_comes_is_not_listened_to() -> None:
    state = parent_with(S.NEW)
    said = [report(ExecType.TRADE_CANCEL, exec_id=f"a{n}", exec_ref_id=f"e{n}") for n in range(EARLY_MAX + 5)]
    reasons = [event.reason for event in heard(state, *said) if isinstance(event, ReportIgnored)]
    assert reasons == ["UNKNOWN_EXECUTION"] * 5
    assert len(state.children[CHILD].early) == EARLY_MAX


def host_with_child() -> tuple[OrderHost, MemoryJournal]:
    """Return a host whose parent of a hundred shares has one child of all of them."""
    journal = MemoryJournal()
    child = intended(0, 100)
    order = msgspec.structs.replace(PARENT_ORDER, order_qty=100)
    accepted = ParentAccepted(parent_id=PARENT, at=0, parent=order, arrival_px2=2 * PX)
    for event in (accepted, child):
        stream = f"parent:{PARENT}"
        journal.append(stream, journal.next_seq(stream), [Draft(type(event).__name__, 0, "2", codec.encode(event))])
    journal.sync()
    host = OrderHost(journal, HostSetup(specs=(), seed=1))
    host.recover()
    return host, journal


def test_a_host_that_comes_back_between_bust_and_execution_still_knows_of_it() -> None:
    host, journal = host_with_child()
    host.handle(HostBatch(seq=4, now=10, reports=(Delivered(9, BUST),)))
    journal.crash()
    again = OrderHost(journal, HostSetup(specs=(), seed=1))
    again.recover()
    reply = again.handle(HostBatch(seq=6, now=20, reports=(Delivered(19, fill(100)),)))
    assert kinds(list(reply.events)) == [ChildTraded, ChildTradeCanceled]
    state = again.parents[PARENT]
    assert (state.cum_qty, state.is_open) == (0, True)
    once_more = OrderHost(journal, HostSetup(specs=(), seed=1))
    once_more.recover()
    assert once_more.parents == again.parents


def test_auditor_and_host_agree_on_what_an_early_bust_left() -> None:
    host, journal = host_with_child()
    host.handle(HostBatch(seq=4, now=10, reports=(Delivered(9, BUST), Delivered(10, fill(60)))))
    events = [(n, codec.decode_event(record.payload)) for n, record in enumerate(journal.read())]
    found = [violation.invariant for violation in audit(events)]
    assert found == ["I10"], "the test's own child was intended without a decision, and nothing else is wrong"
    assert host.parents[PARENT].cum_qty == 0


@pytest.mark.parametrize(("said", "room", "freed"), [(BUST, 900, 1_000), (CORRECTION, 900, 980)])
def test_second_gate_amends_an_execution_that_comes_after_its_amendment(
    said: ExecutionReport, room: int, freed: int
) -> None:
    gate = VenueGate([MIC])
    gate.open_parent(facts_of(PARENT_ORDER))
    assert gate.admit(NewOrderSingle(intended(0, 100).child), 0) is None
    for heard_now in (said, said, fill(100), said, fill(100)):
        gate.hear(heard_now)
    assert gate.room(PARENT) == room
    gate.free_busted(PARENT)
    assert gate.room(PARENT) == freed


def test_correction_that_the_venue_had_counted_when_it_was_asked_counts_once() -> None:
    state = parent_with(S.UNKNOWN)
    corrected = report(ExecType.TRADE_CORRECT, exec_id="a2", exec_ref_id="x1", last_qty=70, last_px=PX, transact_time=5)
    status = report(ExecType.ORDER_STATUS, ord_status=S.PARTIALLY_FILLED, cum_qty=70, avg_px=PX, transact_time=7)
    heard(state, status)
    (event,) = heard(state, corrected)
    assert isinstance(event, ChildTradeCorrected)
    assert event.replaces_inferred_qty == 30
    assert (state.cum_qty, state.children[CHILD].inferred_qty, state.notional) == (70, 0, 70 * PX)


def test_correction_made_after_the_venue_was_asked_is_no_part_of_what_was_inferred() -> None:
    state = parent_with(S.UNKNOWN)
    corrected = report(ExecType.TRADE_CORRECT, exec_id="a2", exec_ref_id="x1", last_qty=50, last_px=PX, transact_time=9)
    status = report(ExecType.ORDER_STATUS, ord_status=S.PARTIALLY_FILLED, cum_qty=60, avg_px=PX, transact_time=7)
    heard(state, status, corrected)
    assert (state.cum_qty, state.children[CHILD].inferred_qty) == (70, 20)


def test_early_correction_to_more_replaces_what_was_inferred_of_it() -> None:
    state = parent_with(S.UNKNOWN)
    more = report(ExecType.TRADE_CORRECT, exec_id="a2", exec_ref_id="e1", last_qty=35, last_px=PX, transact_time=6)
    status = report(ExecType.ORDER_STATUS, ord_status=S.PARTIALLY_FILLED, cum_qty=75, avg_px=PX, transact_time=7)
    heard(state, status, more, fill(30))
    assert (state.cum_qty, state.children[CHILD].inferred_qty) == (75, 0)


ASKED = report(ExecType.ORDER_STATUS, ord_status=S.FILLED, cum_qty=100, avg_px=PX, transact_time=40)
TO_30 = report(ExecType.TRADE_CORRECT, exec_id="a2", exec_ref_id="e1", last_qty=30, last_px=PX, transact_time=30)
TO_50 = report(ExecType.TRADE_CORRECT, exec_id="a3", exec_ref_id="e1", last_qty=50, last_px=PX, transact_time=31)
TWICE = (ASKED, TO_30, TO_50, fill(10, transact_time=20))
"""An execution that was corrected twice, and counted so, before it came."""


def test_second_of_two_early_corrections_adds_to_the_first_and_not_to_the_execution() -> None:
    state = parent_with(S.UNKNOWN)
    book = Exposure()
    order = OpenOrder(
        order_id=PARENT, account="A", symbol="ABR", strategy="s", side=Side.BUY, order_qty=1_000, risk_px=PX
    )
    book.order_accepted(order)
    book.filled(PARENT, CHILD, "x0", state.cum_qty, PX)
    events = heard(state, *TWICE)
    replaced = [event.replaces_inferred_qty for event in events if isinstance(event, ChildTraded | ChildTradeCorrected)]
    assert replaced == [0, 10, 20, 20]
    for event in events:
        book.follow(event)
    assert (state.cum_qty, state.unrouted_qty, book.book("A", "ABR").position) == (100, 900, 100)
    assert state.children[CHILD].inferred_qty == 10
    for event in heard(state, fill(10, "e2", transact_time=35)):
        book.follow(event)
    assert (state.cum_qty, book.book("A", "ABR").position) == (100, 100)
    assert state.children[CHILD].inferred_qty == 0


def test_host_auditor_and_second_gate_agree_on_two_early_corrections() -> None:
    host, journal = host_with_child()
    host.handle(HostBatch(seq=4, now=10, is_restart=True))
    host.handle(HostBatch(seq=6, now=50, reports=tuple(Delivered(41 + n, said) for n, said in enumerate(TWICE))))
    state = host.parents[PARENT]
    assert (state.cum_qty, state.children[CHILD].inferred_qty) == (100, 50)
    events = [(n, codec.decode_event(record.payload)) for n, record in enumerate(journal.read())]
    assert [violation.invariant for violation in audit(events)] == ["I10"]
    gate = VenueGate([MIC])
    gate.open_parent(facts_of(PARENT_ORDER))
    assert gate.admit(NewOrderSingle(intended(0, 100).child), 0) is None
    for said in TWICE:
        gate.hear(said)
    assert gate.room(PARENT) == 900


def test_refusal_that_admits_what_was_executed_closes_the_child() -> None:
    state = parent_with(S.UNKNOWN)
    heard(state, report(ExecType.ORDER_STATUS, ord_status=S.REJECTED, cum_qty=40))
    child = state.children[CHILD]
    assert (child.status, child.cum_qty, child.leaves_qty) == (S.REJECTED, 40, 0)


def test_venue_that_knows_nothing_of_what_it_executed_is_not_believed() -> None:
    state = parent_with(S.UNKNOWN)
    (event,) = heard(state, report(ExecType.ORDER_STATUS, ord_status=S.REJECTED, cum_qty=0))
    assert isinstance(event, ReportIgnored)
    assert state.children[CHILD].status is S.UNKNOWN
