"""Invitations to firm up: what we answer, what becomes of the answer, and that no quantity is ever promised twice.

Rule of this file: a status is reached by reports and requests, as in life; the child is a conditional one of 100.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from order_material import CHILD, PARENT, PX, S, ids, intended, new_parent, reject, report

from router.domain.enums import ExecType, OrdStatus, OrdType, PegPriceType, Tactic, WorkingState
from router.domain.events import (
    ChildAcknowledged,
    ChildCancelRequested,
    ChildInvited,
    ChildLost,
    ChildReplaceRequested,
    ChildSent,
    Event,
    ParentCancelRequested,
    ParentWoke,
    ReportIgnored,
)
from router.domain.orders import OrderCancelReplaceRequest
from router.domain.reports import Report
from router.orders import firm_up, hearing, saying
from router.orders import parent as parents
from router.orders.child import ChildState
from router.orders.parent import ParentState, check_invariants

CONDITIONAL: dict[str, Any] = {
    "tactic": Tactic.CONDITIONAL,
    "ord_type": OrdType.PEGGED,
    "price": None,
    "peg_price_type": PegPriceType.MID_PRICE,
}


ACKED: tuple[Event, ...] = (ChildSent(**ids()), ChildAcknowledged(**ids(), order_id="V1"))


def resting(parent_qty: int = 1_000, **order: Any) -> ParentState:
    """Return a parent whose conditional child rests, acknowledged."""
    state = new_parent(parent_qty)
    state.parent = msgspec.structs.replace(state.parent, **order)
    for event in (intended(**CONDITIONAL), *ACKED):
        parents.apply(state, event)
    return state


def child(state: ParentState) -> ChildState:
    return state.children[CHILD]


def hear(state: ParentState, said: Report, at: int = 5, lot: int = 1) -> list[Event]:
    """Let the parent hear a report and answer it, as its host does; return the events."""
    events: list[Event] = []
    for event in hearing.hear(state, said, at):
        parents.apply(state, event)
        events.append(event)
        if isinstance(event, ChildInvited):
            for answer in firm_up.answer(state, event, at, lot):
                parents.apply(state, answer)
                events.append(answer)
    check_invariants(state)
    return events


def invitation(qty: int, exec_id: str = "i1") -> Report:
    return report(ExecType.RESTATED, exec_id=exec_id, invited_qty=qty, leaves_qty=100, text="invitation")


def replaced(qty: int, request_id: str) -> Report:
    return report(ExecType.REPLACED, exec_id="r1", cl_ord_id=request_id, orig_cl_ord_id=CHILD, order_qty=qty)


def fill(qty: int, exec_id: str = "f1", **changes: Any) -> Report:
    return report(ExecType.TRADE, exec_id=exec_id, last_qty=qty, last_px=PX, ord_status=S.PARTIALLY_FILLED, **changes)


def asked(events: list[Event]) -> list[ChildReplaceRequested]:
    return [event for event in events if isinstance(event, ChildReplaceRequested)]


def invited(state: ParentState, qty: int = 400, **changes: Any) -> ChildReplaceRequested:
    """Invite the child and return the firm-up."""
    return asked(hear(state, invitation(qty), **changes))[0]


@pytest.mark.parametrize(
    ("invited_qty", "order_qty", "parent_qty", "lot"),
    [
        (50, 100, 1_000, 1),  # never less than the child has
        (100, 100, 1_000, 1),
        (400, 400, 1_000, 1),  # more, where more stands against it
        (5_000, 1_000, 1_000, 1),  # up to all that is left
        (450, 400, 1_000, 100),  # in lots
    ],
)
def test_an_invitation_is_answered_at_once_with_what_we_stand_behind(
    invited_qty: int, order_qty: int, parent_qty: int, lot: int
) -> None:
    state = resting(parent_qty)
    request = invited(state, invited_qty, lot=lot)
    assert request.order_qty == order_qty
    assert (child(state).status, child(state).leaves_qty) == (S.PENDING_REPLACE, order_qty)
    command = saying.command_of(state, request)
    assert command == OrderCancelReplaceRequest(
        mic=child(state).child.mic, cl_ord_id=request.request_id, orig_cl_ord_id=CHILD, parent_id=PARENT,
        order_qty=order_qty, price=None,
    )  # fmt: skip


def test_an_order_with_a_limit_on_participation_firms_up_what_the_child_has() -> None:
    assert invited(resting(max_participation=0.2)).order_qty == 100


@pytest.mark.parametrize(("most", "asked_qty"), [(0, 400), (250, 250), (100, 100)])
def test_a_child_is_firmed_up_to_no_more_than_its_order_allows(most: int, asked_qty: int) -> None:
    assert invited(resting(max_child_qty=most)).order_qty == asked_qty


def test_the_parent_awaits_the_answer_and_then_does_what_it_did() -> None:
    state = resting()
    woke = ParentWoke(parent_id=PARENT, at=1, target_qty=1, wake_at=9, working_state=WorkingState.PROBING_DARK)
    parents.apply(state, woke)
    request = invited(state)
    assert state.working_state is WorkingState.AWAITING_FIRM_UP
    parents.apply(state, woke)
    assert state.working_state is WorkingState.AWAITING_FIRM_UP
    hear(state, replaced(400, request.request_id))
    assert state.working_state is WorkingState.PROBING_DARK


def test_a_firmed_up_child_fills_to_its_new_quantity() -> None:
    state = resting()
    request = invited(state)
    hear(state, replaced(400, request.request_id))
    hear(state, fill(100, "f1"))
    assert (child(state).status, child(state).leaves_qty, state.unrouted_qty) == (S.PARTIALLY_FILLED, 300, 600)
    hear(state, fill(300, "f2"))
    assert (child(state).status, state.cum_qty, state.unrouted_qty) == (S.FILLED, 400, 600)


def test_learners_hear_of_the_quantity_that_was_firmed_up() -> None:
    state = resting()
    hear(state, replaced(400, invited(state).request_id))
    events = hear(state, fill(250))
    outcome = saying.outcome_of(state, events[0], was_open=True, watched_from=0)
    assert outcome is not None
    assert (outcome.order_qty, outcome.filled_qty, outcome.leaves_qty, outcome.is_final) == (400, 250, 400, False)


def test_a_fill_that_overtakes_the_answer_brings_the_quantity_with_it() -> None:
    state = resting()
    request = invited(state)
    events = hear(state, fill(250, order_qty=400))
    assert [type(event).__name__ for event in events] == ["ChildReplaced", "ChildTraded"]
    assert (child(state).order_qty, child(state).leaves_qty, child(state).status) == (400, 150, S.PARTIALLY_FILLED)
    late = hear(state, replaced(400, request.request_id))
    assert [event.reason for event in late if isinstance(event, ReportIgnored)] == ["DUPLICATE"]


def test_a_refused_firm_up_leaves_the_child_as_it_was() -> None:
    state = resting()
    request = invited(state)
    hear(state, reject(request.request_id, S.NEW, text="no invitation to firm up"))
    assert (child(state).status, child(state).leaves_qty, state.unrouted_qty) == (S.NEW, 100, 900)
    assert asked(hear(state, invitation(400, "i2")))[0].order_qty == 400


@pytest.mark.parametrize(("qty", "unrouted"), [(400, 600), (100, 600)])
def test_a_lost_answer_keeps_the_quantity_bound_until_the_venue_tells_it(qty: int, unrouted: int) -> None:
    state = resting()
    invited(state)
    parents.apply(state, ChildLost(**ids(), reason="no answer"))
    assert state.unrouted_qty == 600
    hear(state, report(ExecType.ORDER_STATUS, exec_id="s1", order_qty=qty))
    assert (child(state).status, child(state).order_qty, state.unrouted_qty) == (S.NEW, qty, unrouted)
    # Where the venue has the old quantity the firm-up may still be under way: nothing more is promised.
    assert len(asked(hear(state, invitation(900, "i2")))) == (1 if qty == 400 else 0)


def test_a_replace_that_was_under_way_counts_when_it_is_heard_of() -> None:
    state = resting()
    request = invited(state)
    parents.apply(state, ChildLost(**ids(), reason="no answer"))
    hear(state, report(ExecType.ORDER_STATUS, exec_id="s1", order_qty=100))
    hear(state, replaced(400, request.request_id))
    assert (child(state).status, child(state).order_qty, child(state).asked_qty) == (S.NEW, 400, 0)


def test_fills_up_to_what_was_asked_for_are_no_over_fill() -> None:
    state = resting()
    invited(state)
    hear(state, fill(300))
    assert (child(state).status, child(state).leaves_qty) == (S.PENDING_REPLACE, 100)
    assert child(state).excess_qty == 0
    hear(state, fill(100, "f2"))
    assert child(state).status is S.FILLED


def test_an_invitation_heard_twice_is_answered_once() -> None:
    state = resting()
    request = invited(state)
    hear(state, replaced(400, request.request_id))
    again = hear(state, invitation(400))
    assert [type(event) for event in again] == [ReportIgnored]
    assert state.anomalies == 0


WAYS: dict[OrdStatus, tuple[Event, ...]] = {
    S.PENDING_NEW: (ChildSent(**ids()),),
    S.PENDING_CANCEL: (*ACKED, ChildCancelRequested(**ids(), request_id="P1.0/4")),
    S.PENDING_REPLACE: (*ACKED, ChildReplaceRequested(**ids(), request_id="P1.0/4", order_qty=100, price=None)),
    S.UNKNOWN: (*ACKED, ChildLost(**ids(), reason="no answer")),
}


@pytest.mark.parametrize("status", WAYS)
def test_an_invitation_that_cannot_be_answered_is_noted_and_no_anomaly(status: OrdStatus) -> None:
    state = new_parent()
    for event in (intended(**CONDITIONAL), *WAYS[status]):
        parents.apply(state, event)
    events = hear(state, invitation(400))
    assert [type(event) for event in events] == [ChildInvited]
    assert (child(state).status, state.anomalies) == (status, 0)


def test_an_invitation_that_is_over_asks_for_nothing() -> None:
    assert asked(hear(resting(), report(ExecType.RESTATED, exec_id="i1", text="invitation lapsed"))) == []


def test_a_parent_that_ends_firms_nothing_up() -> None:
    state = resting()
    assert asked(hear(state, invitation(400), at=state.parent.end_at)) == []
    parents.apply(state, ParentCancelRequested(parent_id=PARENT, at=6, reason="client"))
    assert asked(hear(state, invitation(400, "i2"), at=7)) == []


def test_an_invitation_of_a_closed_child_is_a_duplicate() -> None:
    state = resting()
    hear(state, report(ExecType.CANCELED, exec_id="c1", ord_status=S.CANCELED))
    assert [type(event) for event in hear(state, invitation(400))] == [ReportIgnored]
    assert state.anomalies == 0
