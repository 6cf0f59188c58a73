"""From reports and silence to events: whatever a venue says is legal, counted once, or ignored with a reason.

Rule of this file: what is heard is applied, so that an illegal event would show.
"""

from __future__ import annotations

from copy import deepcopy
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from order_material import CHILD, MIC, PX, WAYS, S, child_order, ids, intended, new_parent, parent_with, reject, report

from router.domain.enums import ExecType, OrdStatus, TimeInForce
from router.domain.events import (
    ChildAcknowledged,
    ChildCancelRequested,
    ChildLost,
    ChildOut,
    ChildQueried,
    ChildReconciled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildRequestRefused,
    ChildSent,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    Event,
    ReportIgnored,
)
from router.domain.reports import Report
from router.domain.units import SECOND
from router.orders import hearing
from router.orders import parent as parents
from router.orders.child import CLOSED
from router.orders.hearing import QUERIES_MAX
from router.orders.parent import ParentState, check_invariants

TIMEOUT = 2 * SECOND
NOBODY: dict[str, bool] = {}


def heard(state: ParentState, said: Report, now: int = 50) -> list[Event]:
    """Hear a report, apply what comes of it and check the invariants."""
    events = hearing.hear(state, said, now)
    assert events, "everything that is heard is recorded"
    for event in events:
        parents.apply(state, event)
    check_invariants(state)
    return events


def kinds(events: list[Event]) -> list[type]:
    return [type(event) for event in events]


def reason_of(events: list[Event]) -> str:
    (event,) = events
    assert isinstance(event, ReportIgnored)
    return event.reason


def fill(exec_id: str, qty: int, **changes: Any) -> Report:
    return report(ExecType.TRADE, exec_id=exec_id, last_qty=qty, last_px=PX, **changes)


EXTREMES = [
    {},
    {"exec_id": "x1"},
    {"exec_id": "e2", "exec_ref_id": "x1", "last_qty": 30, "last_px": PX, "cum_qty": 30},
    {"exec_id": "e3", "exec_ref_id": "x1", "last_qty": -30, "last_px": -PX, "cum_qty": -30, "order_qty": -1},
    {"exec_id": "e4", "exec_ref_id": "x1", "last_qty": 900, "last_px": PX, "cum_qty": 900, "order_qty": 900},
    {"exec_id": "", "order_id": "", "last_qty": 1, "last_px": 1, "cum_qty": 2**60},
    {"cl_ord_id": "P1.0/4", "orig_cl_ord_id": CHILD, "order_qty": 2**60},
    {"cl_ord_id": "P1.99"},
    {"mic": "XXXX"},
]


@pytest.mark.parametrize(("status", "exec_type"), list(product(WAYS, ExecType)))
def test_every_report_in_every_status_gives_legal_events(status: OrdStatus, exec_type: ExecType) -> None:
    for changes, ord_status in product(EXTREMES, OrdStatus):
        state = parent_with(status)
        said = report(exec_type, ord_status=ord_status, **changes)
        events = [*heard(state, said), *heard(state, said)]
        fills = [event for event in events if isinstance(event, ChildTraded) and not event.is_inferred]
        assert len(fills) <= 1, "said twice, counted once"


@pytest.mark.parametrize(("status", "ord_status"), list(product(WAYS, OrdStatus)))
def test_every_refusal_in_every_status_gives_legal_events(status: OrdStatus, ord_status: OrdStatus) -> None:
    for request, mic in product(("P1.0/4", "P1.0/9", ""), (MIC, "XXXX")):
        state = parent_with(status)
        cum_qty, routed_qty = state.cum_qty, state.routed_qty
        heard(state, reject(request, ord_status, mic=mic))
        assert state.cum_qty == cum_qty
        assert state.routed_qty <= routed_qty, "a refusal frees or keeps, it never binds more"


def test_an_acknowledgement_counts_once() -> None:
    state = parent_with(S.PENDING_NEW)
    assert heard(state, report(ExecType.NEW)) == [ChildAcknowledged(**ids(50), order_id="V1")]
    assert reason_of(heard(state, report(ExecType.NEW))) == "DUPLICATE"


def test_an_acknowledgement_without_an_order_id_can_come_twice() -> None:
    state = parent_with(S.PENDING_NEW)
    heard(state, report(ExecType.NEW, order_id=""))
    assert reason_of(heard(state, report(ExecType.NEW, order_id=""))) == "OUT_OF_TURN"
    assert state.children[CHILD].status is S.NEW


def test_a_fill_says_all_that_the_venue_said() -> None:
    state = parent_with(S.NEW)
    (event,) = heard(state, fill("e1", 30, fee_micros=12, transact_time=44))
    assert event == ChildTraded(
        **ids(50), exec_id="e1", last_qty=30, last_px=PX, fee_micros=12, transacted_at=44, is_late=False
    )


@pytest.mark.parametrize("status", [s for s in WAYS if s in CLOSED])
def test_a_fill_after_the_end_is_accepted_and_flagged(status: OrdStatus) -> None:
    state = parent_with(status)
    (event,) = heard(state, fill("e1", 30))
    assert isinstance(event, ChildTraded)
    assert event.is_late


@pytest.mark.parametrize("exec_type", [ExecType.TRADE, ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT])
def test_an_execution_report_counts_once(exec_type: ExecType) -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    said = report(exec_type, exec_id="e1", exec_ref_id="x1", last_qty=10, last_px=PX)
    assert not isinstance(heard(state, said)[0], ReportIgnored)
    cum_qty = state.cum_qty
    assert reason_of(heard(state, said)) == "DUPLICATE"
    assert state.cum_qty == cum_qty


@pytest.mark.parametrize(("qty", "px"), [(0, PX), (-5, PX), (5, 0), (5, -PX)])
def test_an_execution_without_quantity_or_price_is_ignored(qty: int, px: int) -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    for exec_type in (ExecType.TRADE, ExecType.TRADE_CORRECT):
        said = report(exec_type, exec_id="e1", exec_ref_id="x1", last_qty=qty, last_px=px)
        assert reason_of(heard(state, said)) == "BAD_EXECUTION"
    assert state.cum_qty == 40


def test_a_venue_cannot_use_the_ids_of_inferred_fills() -> None:
    state = parent_with(S.NEW)
    assert reason_of(heard(state, fill("inferred:P1.0/12", 5))) == "BAD_EXECUTION"


@pytest.mark.parametrize("changes", [{"cl_ord_id": "P1.5"}, {"mic": "XLTB"}])
def test_a_report_about_a_stranger_is_ignored_and_counted(changes: dict[str, str]) -> None:
    state = parent_with(S.NEW)
    assert reason_of(heard(state, fill("e1", 5, **changes))) == "UNKNOWN_ORDER"
    assert (state.cum_qty, state.anomalies) == (0, 1)


def test_a_bust_or_correction_of_nothing_is_ignored() -> None:
    state = parent_with(S.NEW)
    for exec_type in (ExecType.TRADE_CANCEL, ExecType.TRADE_CORRECT):
        said = report(exec_type, exec_ref_id="", last_qty=5, last_px=PX)
        assert reason_of(heard(state, said)) == "UNKNOWN_EXECUTION"


def test_busts_and_corrections_name_their_execution() -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    corrected = report(ExecType.TRADE_CORRECT, exec_id="e1", exec_ref_id="x1", last_qty=10, last_px=PX + 5)
    assert heard(state, corrected) == [
        ChildTradeCorrected(**ids(50), exec_id="e1", exec_ref_id="x1", last_qty=10, last_px=PX + 5, transacted_at=5)
    ]
    busted = report(ExecType.TRADE_CANCEL, exec_id="e2", exec_ref_id="x1")
    assert heard(state, busted) == [ChildTradeCanceled(**ids(50), exec_id="e2", exec_ref_id="x1", transacted_at=5)]
    assert (state.cum_qty, state.notional) == (0, 0)


@pytest.mark.parametrize(("exec_type", "status"), [(ExecType.CANCELED, S.CANCELED), (ExecType.EXPIRED, S.EXPIRED)])
def test_an_out_report_waits_for_the_fills_that_it_counts(exec_type: ExecType, status: OrdStatus) -> None:
    state = parent_with(S.PENDING_NEW)
    said = report(exec_type, exec_id="e9", cum_qty=30)
    assert heard(state, said) == [ChildOut(**ids(50), ord_status=status, cum_qty=30, transacted_at=5)]
    assert state.children[CHILD].status is S.UNKNOWN
    assert state.routed_qty == 30
    assert reason_of(heard(state, said)) == "DUPLICATE"
    heard(state, fill("e1", 30))
    assert state.children[CHILD].status is status
    assert state.live == {}


def test_what_executed_after_the_venues_own_out_report_is_booked_and_flagged() -> None:
    state = parent_with(S.NEW)
    heard(state, report(ExecType.CANCELED, exec_id="e9", cum_qty=30, transact_time=20))
    assert kinds(heard(state, fill("e1", 10, transact_time=20))) == [ChildTraded]
    flagged, event = heard(state, fill("e2", 20, transact_time=21))
    assert reason_of([flagged]) == "EXECUTED_AFTER_OUT"
    assert isinstance(event, ChildTraded)
    assert (state.cum_qty, state.anomalies) == (30, 1)


def test_a_rejection_counts_only_where_nothing_is_known_of_the_order() -> None:
    for status in WAYS:
        state = parent_with(status)
        events = heard(state, report(ExecType.REJECTED))
        if status is S.PENDING_NEW:
            assert kinds(events) == [ChildRejected]
        else:
            assert reason_of(events) == ("DUPLICATE" if status is S.REJECTED else "TOO_LATE_REJECT")


def test_a_refused_request_leaves_the_order_as_the_venue_says() -> None:
    for status in (S.PENDING_CANCEL, S.PENDING_REPLACE):
        state = parent_with(status)
        assert kinds(heard(state, reject("P1.0/4", S.PARTIALLY_FILLED))) == [ChildRequestRefused]
        assert state.children[CHILD].status is S.PARTIALLY_FILLED


@pytest.mark.parametrize("ord_status", [S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED])
def test_a_cancel_that_came_too_late_means_that_we_do_not_know(ord_status: OrdStatus) -> None:
    state = parent_with(S.PENDING_CANCEL)
    assert kinds(heard(state, reject("P1.0/4", ord_status))) == [ChildLost]
    assert state.routed_qty == 60


@pytest.mark.parametrize("changes", [{"mic": "XLTB"}, {"cl_ord_id": "P1.0/3"}])
def test_a_refusal_of_what_we_did_not_ask_there_is_ignored(changes: dict[str, str]) -> None:
    state = parent_with(S.PENDING_CANCEL)
    assert reason_of(heard(state, reject(**{"request": "P1.0/4", "ord_status": S.NEW, **_renamed(changes)}))) == (
        "DUPLICATE"
    )
    assert state.children[CHILD].status is S.PENDING_CANCEL


def _renamed(changes: dict[str, str]) -> dict[str, Any]:
    return {("request" if name == "cl_ord_id" else name): value for name, value in changes.items()}


@pytest.mark.parametrize(("said", "taken"), [(0, 90), (85, 85), (90, 90), (500, 90), (-3, 90)])
def test_a_replacement_is_never_taken_for_more_than_we_asked(said: int, taken: int) -> None:
    state = parent_with(S.PENDING_REPLACE)
    confirmed = report(ExecType.REPLACED, cl_ord_id="P1.0/4", orig_cl_ord_id=CHILD, order_qty=said)
    assert kinds(heard(state, confirmed)) == [ChildReplaced]
    child = state.children[CHILD]
    assert (child.order_qty, child.price, child.leaves_qty) == (taken, PX - 200, taken - 40)
    assert reason_of(heard(state, confirmed)) == "DUPLICATE"


def status_report(ord_status: OrdStatus, cum_qty: int, **changes: Any) -> Report:
    return report(ExecType.ORDER_STATUS, exec_id="s1", ord_status=ord_status, cum_qty=cum_qty, avg_px=PX, **changes)


def test_a_status_says_nothing_to_a_child_that_is_known() -> None:
    for status in WAYS:
        if status is not S.UNKNOWN:
            assert reason_of(heard(parent_with(status), status_report(S.NEW, 0))) == "DUPLICATE"


def test_a_status_reconciles_an_unknown_child_and_books_the_fills_we_miss() -> None:
    state = parent_with(S.UNKNOWN)
    assert kinds(heard(state, status_report(S.PARTIALLY_FILLED, 70))) == [ChildReconciled, ChildTraded]
    child = state.children[CHILD]
    assert (child.status, child.cum_qty, child.inferred_qty) == (S.PARTIALLY_FILLED, 70, 30)
    heard(state, fill("e1", 30))
    assert (child.cum_qty, child.inferred_qty) == (70, 0)


@pytest.mark.parametrize("ord_status", [S.CANCELED, S.EXPIRED, S.FILLED])
def test_a_status_of_a_closed_order_closes_the_child(ord_status: OrdStatus) -> None:
    state = parent_with(S.UNKNOWN)
    heard(state, status_report(ord_status, 70))
    child = state.children[CHILD]
    assert (child.status, child.cum_qty, state.live) == (ord_status, 70, {})


def test_a_status_that_was_overtaken_by_a_fill_does_not_undo_it() -> None:
    state = parent_with(S.UNKNOWN)
    (event,) = heard(state, status_report(S.CANCELED, 10))
    assert event == ChildReconciled(**ids(50), ord_status=S.CANCELED, cum_qty=40, order_id="V1")
    assert state.cum_qty == 40


def test_an_order_that_never_arrived_is_rejected_and_its_quantity_is_free_again() -> None:
    state = new_parent()
    for event in (intended(), ChildSent(**ids()), ChildLost(**ids(), reason="no answer")):
        parents.apply(state, event)
    assert state.unrouted_qty == 900
    assert kinds(heard(state, status_report(S.REJECTED, 0))) == [ChildRejected]
    assert state.unrouted_qty == 1_000


def test_a_venue_that_forgets_an_order_it_has_filled_is_not_believed() -> None:
    state = parent_with(S.UNKNOWN)
    assert reason_of(heard(state, status_report(S.REJECTED, 0))) == "UNKNOWN_TO_VENUE"
    assert state.routed_qty == 60


def test_a_missing_fill_is_priced_by_the_venues_average() -> None:
    state = parent_with(S.UNKNOWN)
    heard(state, report(ExecType.ORDER_STATUS, ord_status=S.PARTIALLY_FILLED, cum_qty=80, avg_px=PX + 50))
    assert state.notional == 80 * (PX + 50)


# Silence


def test_an_answer_that_is_owed_is_missed_after_the_timeout_and_not_before() -> None:
    for status in (S.PENDING_NEW, S.PENDING_CANCEL, S.PENDING_REPLACE):
        state = parent_with(status)
        due = hearing.next_deadline(state, TIMEOUT)
        assert due == 1 + TIMEOUT
        assert hearing.overdue(state, due - 1, TIMEOUT, NOBODY) == []
        assert kinds(hearing.overdue(state, due, TIMEOUT, NOBODY)) == [ChildLost, ChildQueried]


def test_an_unknown_child_is_asked_for_again_and_again_up_to_a_bound() -> None:
    state = parent_with(S.UNKNOWN)
    asked = []
    now = 1
    for _ in range(QUERIES_MAX + 5):
        now += TIMEOUT
        for event in hearing.overdue(state, now, TIMEOUT, NOBODY):
            parents.apply(state, event)
            asked.append(event)
    assert len(asked) == QUERIES_MAX
    requests = [event.request_id for event in asked if isinstance(event, ChildQueried)]
    assert len(set(requests)) == QUERIES_MAX
    assert state.routed_qty == 60, "its quantity stays bound"


def test_children_at_a_venue_that_is_down_are_unknown_and_asking_waits() -> None:
    down = {MIC: True}
    for status in (S.PENDING_NEW, S.NEW, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.PENDING_REPLACE):
        state = parent_with(status)
        events = hearing.overdue(state, 5, TIMEOUT, down)
        assert kinds(events) == [ChildLost]
        for event in events:
            parents.apply(state, event)
        assert hearing.overdue(state, 10 * TIMEOUT, TIMEOUT, down) == []
        assert kinds(hearing.overdue(state, 10 * TIMEOUT, TIMEOUT, NOBODY)) == [ChildQueried]


def test_a_child_that_should_have_expired_is_missed() -> None:
    state = new_parent()
    gtd = {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expire_time": 60 * SECOND}
    for event in (intended(**gtd), ChildSent(**ids()), ChildAcknowledged(**ids(), order_id="V1")):
        parents.apply(state, event)
    due = 60 * SECOND + TIMEOUT
    assert hearing.next_deadline(state, TIMEOUT) == due
    assert hearing.overdue(state, due - 1, TIMEOUT, NOBODY) == []
    assert kinds(hearing.overdue(state, due, TIMEOUT, NOBODY)) == [ChildLost, ChildQueried]


@pytest.mark.parametrize("tif", [TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL])
def test_an_immediate_child_that_does_not_end_is_missed(tif: TimeInForce) -> None:
    state = parent_with(S.PARTIALLY_FILLED, time_in_force=tif)
    assert hearing.next_deadline(state, TIMEOUT) == 1 + TIMEOUT
    assert kinds(hearing.overdue(state, 1 + TIMEOUT, TIMEOUT, NOBODY)) == [ChildLost, ChildQueried]


def test_a_day_order_that_rests_is_never_overdue() -> None:
    for status in (S.NEW, S.PARTIALLY_FILLED):
        state = parent_with(status)
        assert hearing.next_deadline(state, TIMEOUT) is None
        assert hearing.overdue(state, 10**18, TIMEOUT, NOBODY) == []


def test_the_next_deadline_is_the_earliest() -> None:
    state = parent_with(S.PENDING_NEW)
    parents.apply(state, intended(1, at=7))
    parents.apply(state, ChildSent(**ids(7, "P1.1")))
    assert hearing.next_deadline(state, TIMEOUT) == 1 + TIMEOUT
    assert hearing.next_deadline(new_parent(), TIMEOUT) is None


def test_only_children_that_are_known_to_work_are_cancelled() -> None:
    for status in WAYS:
        state = parent_with(status)
        wanted = hearing.cancels(state, 9, NOBODY)
        if status in (S.NEW, S.PARTIALLY_FILLED):
            assert kinds(wanted) == [ChildCancelRequested]
            assert hearing.cancels(state, 9, {MIC: True}) == []
        else:
            assert wanted == []


def test_deciding_what_was_heard_changes_nothing() -> None:
    for status in WAYS:
        state = parent_with(status)
        before = deepcopy(state)
        hearing.hear(state, fill("e1", 10), 50)
        hearing.overdue(state, 10**18, TIMEOUT, NOBODY)
        hearing.cancels(state, 9, NOBODY)
        assert state == before


# Anything at all

CHILD_IDS = st.sampled_from([CHILD, "P1.1", "P1.2", "P1.9", "", "P1.0/4"])
QTYS = st.sampled_from([-10, 0, 1, 20, 40, 60, 100, 101, 5_000])
SAID = st.builds(
    report,
    st.sampled_from(ExecType),
    mic=st.sampled_from([MIC, MIC, MIC, "XXXX"]),
    cl_ord_id=CHILD_IDS,
    orig_cl_ord_id=st.sampled_from(["", "", CHILD, "P1.1"]),
    order_id=st.sampled_from(["V1", ""]),
    exec_id=st.sampled_from(["x1", "x2", "x3", "x4", "x5", ""]),
    exec_ref_id=st.sampled_from(["x1", "x2", "x3", ""]),
    ord_status=st.sampled_from(OrdStatus),
    transact_time=st.integers(0, 100),
    order_qty=QTYS,
    cum_qty=QTYS,
    avg_px=st.sampled_from([0, PX, 2 * PX]),
    last_qty=QTYS,
    last_px=st.sampled_from([-1, 0, PX, PX + 100]),
)
REFUSED = st.builds(
    reject, st.sampled_from(["P1.0/4", "P1.0/5", "P1.1/3"]), st.sampled_from(OrdStatus), orig_cl_ord_id=CHILD_IDS
)
ACTS = st.sampled_from(["route", "silence", "cancel", "replace"])


@settings(max_examples=250, deadline=None, derandomize=True, database=None)
@given(st.lists(st.one_of(SAID, SAID, REFUSED, ACTS), max_size=40))
def test_no_stream_of_reports_breaks_an_invariant(stream: list[Report | str]) -> None:
    state = new_parent(250)
    seen: set[tuple[str, str]] = set()
    for now, item in enumerate(["route", *stream], start=1):
        events = _acted(state, item, now) if isinstance(item, str) else hearing.hear(state, item, now)
        for event in events:
            if isinstance(event, ChildTraded) and not event.is_inferred:
                assert (MIC, event.exec_id) not in seen
                seen.add((MIC, event.exec_id))
            parents.apply(state, event)
        check_invariants(state)
        bound = sum(child.bound_qty for child in state.children.values())
        assert bound <= 250, "what we asked for never exceeds the parent, whatever venues say"


def _acted(state: ParentState, act: str, now: int) -> list[Event]:
    n = len(state.children)
    match act:
        case "route" if state.unrouted_qty > 0 and state.may_route and n < 3:
            order = child_order(n, min(100, state.unrouted_qty))
            return [intended(n, order.order_qty, at=now), ChildSent(**ids(now, order.cl_ord_id))]
        case "silence":
            return hearing.overdue(state, now + 10 * SECOND, TIMEOUT, NOBODY)
        case "cancel":
            return hearing.cancels(state, now, NOBODY)
        case "replace":
            return [
                ChildReplaceRequested(
                    **ids(now, name),
                    request_id=f"{name}/{child.version}",
                    order_qty=child.cum_qty + child.leaves_qty + max(state.unrouted_qty, 0),
                    price=PX,
                )
                for name, child in list(state.live.items())[:1]
                if child.status in (S.NEW, S.PARTIALLY_FILLED)
            ]
    return []
