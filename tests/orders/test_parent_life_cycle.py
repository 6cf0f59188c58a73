"""A parent's life cycle, pair by pair, and the invariants it keeps whoever asks.

Rule of this file: every kind of event meets every status that a parent can have.
"""

from __future__ import annotations

from copy import deepcopy
from typing import get_args

import pytest
from msgspec.structs import replace
from order_material import (
    CHILD,
    MIC,
    NEW_TERMS,
    PX,
    S,
    child_events,
    ids,
    intended,
    new_parent,
    parent_events,
    parent_with,
    traded,
)

from router.domain.enums import OrdStatus, OrdType, Side, Tactic, WorkingState
from router.domain.errors import IllegalTransitionError, InvariantError
from router.domain.events import (
    ChildIntended,
    ChildSent,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    DecisionMade,
    Event,
    ParentAccepted,
    ParentCancelRequested,
    ParentDone,
    ParentReplaced,
    ParentReplaceRefused,
    ParentReplaceRequested,
    ParentResumed,
    ParentSuspended,
    ParentWoke,
    ReportIgnored,
)
from router.domain.events import ParentAccepted as Accepted
from router.orders import parent as parents
from router.orders.parent import CLOSED, TABLE, ParentState, check_invariants

STATUSES = (
    S.NEW,
    S.PARTIALLY_FILLED,
    S.PENDING_CANCEL,
    S.PENDING_REPLACE,
    S.SUSPENDED,
    S.FILLED,
    S.CANCELED,
    S.EXPIRED,
)

FORBIDDEN: dict[OrdStatus, set[type]] = {
    S.NEW: {ParentAccepted, ParentResumed},
    S.PARTIALLY_FILLED: {ParentAccepted, ParentResumed},
    S.PENDING_CANCEL: {
        ParentAccepted,
        ParentCancelRequested,
        ParentResumed,
        ParentReplaceRequested,
        ParentReplaced,
        ChildIntended,
    },
    S.PENDING_REPLACE: {
        ParentAccepted,
        ParentCancelRequested,
        ParentSuspended,
        ParentResumed,
        ParentReplaceRequested,
        ParentDone,
        ChildIntended,
    },
    S.SUSPENDED: {ParentAccepted, ParentSuspended, ParentReplaceRequested, ParentReplaced, ChildIntended},
}
NEVER_AGAIN = {
    ParentAccepted,
    ParentCancelRequested,
    ParentSuspended,
    ParentResumed,
    ParentReplaceRequested,
    ParentReplaced,
    ParentDone,
    ChildIntended,
}
"""What cannot happen to a closed parent."""

MOVES: dict[type, dict[OrdStatus, OrdStatus]] = {
    ChildTraded: {S.NEW: S.PARTIALLY_FILLED},
    ParentCancelRequested: dict.fromkeys(STATUSES, S.PENDING_CANCEL),
    ParentSuspended: dict.fromkeys(STATUSES, S.SUSPENDED),
    ParentResumed: {S.SUSPENDED: S.PARTIALLY_FILLED},
    ParentReplaceRequested: dict.fromkeys(STATUSES, S.PENDING_REPLACE),
    ParentReplaced: {S.PENDING_REPLACE: S.PARTIALLY_FILLED},
    ParentReplaceRefused: {S.PENDING_REPLACE: S.PARTIALLY_FILLED},
    ParentDone: dict.fromkeys(STATUSES, S.EXPIRED),
}
"""Where an event leads; every other event, and every status absent here, leaves the status as it is."""

KINDS = get_args(Event)
PAIRS = [(status, kind) for status in STATUSES for kind in KINDS]


def parent_in(status: OrdStatus) -> ParentState:
    """Return a parent in `status` whose one child is closed, so that nothing but the table stands in an event's way."""
    state = new_parent() if status is S.NEW else parent_with(S.CANCELED)
    if status is S.NEW:
        for event in (intended(), ChildSent(**ids())):
            parents.apply(state, event)
        parents.apply(state, child_events()[_rejected()])
    match status:
        case S.PENDING_CANCEL:
            parents.apply(state, ParentCancelRequested(parent_id="P1", at=2, reason="client"))
        case S.PENDING_REPLACE:
            parents.apply(state, ParentReplaceRequested(parent_id="P1", at=2, request_id="R1", parent=NEW_TERMS))
        case S.SUSPENDED:
            parents.apply(state, ParentSuspended(parent_id="P1", at=2, reason="over-filled"))
        case S.FILLED | S.CANCELED | S.EXPIRED:
            parents.apply(state, ParentDone(parent_id="P1", at=2, ord_status=status))
    assert state.status is status
    return state


def _rejected() -> type:
    return next(kind for kind in child_events() if kind.__name__ == "ChildRejected")


def event_of(kind: type) -> Event:
    return {**child_events(at=9), **parent_events(at=9)}[kind]


@pytest.mark.parametrize(("status", "kind"), PAIRS)
def test_every_event_in_every_status_moves_the_parent_or_raises_and_changes_nothing(
    status: OrdStatus, kind: type
) -> None:
    state = parent_in(status)
    before = deepcopy(state)
    event = event_of(kind)
    if kind in FORBIDDEN.get(status, NEVER_AGAIN):
        with pytest.raises(IllegalTransitionError):
            parents.apply(state, event)
        assert state == before
        return
    try:
        parents.apply(state, event)
    except (IllegalTransitionError, InvariantError):
        # The child is closed, or has no such execution: its own table speaks, and that is tested pair by pair there.
        assert kind.__name__.startswith("Child")
        assert state == before
    else:
        assert state.status is MOVES.get(kind, {}).get(status, status)
        assert state.version == before.version + 1
        check_invariants(state)


def test_the_table_has_only_rows_that_are_tested_here() -> None:
    assert {status for status, _ in TABLE} <= set(STATUSES)
    assert {kind for _, kind in TABLE} == set(MOVES)


@pytest.mark.parametrize("status", STATUSES)
def test_a_fill_counts_in_every_status(status: OrdStatus) -> None:
    state = parent_in(status)
    before = state.cum_qty
    parents.apply(state, traded("x2", 10, at=9))
    assert (state.cum_qty, state.children[CHILD].cum_qty) == (before + 10, before + 10)


@pytest.mark.parametrize("status", [S.INTENDED, S.PENDING_NEW, S.NEW, S.UNKNOWN, S.PENDING_CANCEL])
def test_a_parent_does_not_end_before_its_children(status: OrdStatus) -> None:
    state = parent_with(status)
    before = deepcopy(state)
    with pytest.raises(InvariantError, match="I2"):
        parents.apply(state, ParentDone(parent_id="P1", at=9, ord_status=S.CANCELED))
    assert state == before


@pytest.mark.parametrize("status", [s for s in OrdStatus if s not in CLOSED])
def test_a_parent_does_not_end_in_an_open_status(status: OrdStatus) -> None:
    state = parent_in(S.NEW)
    with pytest.raises(IllegalTransitionError, match="expected a closed state"):
        parents.apply(state, ParentDone(parent_id="P1", at=9, ord_status=status))
    assert state.is_open


def test_a_request_that_comes_while_another_is_pending_is_refused_and_changes_nothing_else() -> None:
    state = parent_in(S.PENDING_REPLACE)
    parents.apply(state, ParentReplaceRefused(parent_id="P1", at=9, request_id="R7", reason="PENDING: R1 comes first"))
    assert (state.status, state.replace_ids) == (S.PENDING_REPLACE, {"R1", "R7"})


def test_only_the_pending_request_is_answered_and_only_with_its_own_terms() -> None:
    for other in ({"request_id": "R7"}, {"parent": replace(NEW_TERMS, order_qty=700)}):
        state = parent_in(S.PENDING_REPLACE)
        before = deepcopy(state)
        with pytest.raises(IllegalTransitionError, match="expected the answer to R1"):
            parents.apply(state, replace(event_of(ParentReplaced), **other))
        assert state == before


@pytest.mark.parametrize("change", [{"side": Side.SELL}, {"symbol": "XXX"}, {"parent_id": "P2"}, {"account": "A2"}])
def test_new_terms_are_those_of_the_same_order(change: dict[str, object]) -> None:
    state = parent_in(S.NEW)
    before = deepcopy(state)
    with pytest.raises(IllegalTransitionError, match=f"expected the same {next(iter(change))}"):
        parents.apply(state, replace(event_of(ParentReplaced), parent=replace(NEW_TERMS, **change)))
    assert state == before


@pytest.mark.parametrize("status", [S.INTENDED, S.PENDING_NEW, S.NEW, S.UNKNOWN, S.PENDING_CANCEL])
def test_a_parent_is_not_replaced_to_less_than_what_it_cannot_take_back(status: OrdStatus) -> None:
    state = parent_with(status)
    bound = state.cum_qty + state.routed_qty
    before = deepcopy(state)
    with pytest.raises(InvariantError, match=f"I9: expected a quantity from {bound}, got {bound - 1}"):
        parents.apply(state, replace(event_of(ParentReplaced), parent=replace(NEW_TERMS, order_qty=bound - 1)))
    assert state == before
    parents.apply(state, replace(event_of(ParentReplaced), parent=replace(NEW_TERMS, order_qty=bound)))
    assert (state.parent.order_qty, state.unrouted_qty) == (bound, 0)
    check_invariants(state)


def test_a_parent_is_not_given_a_limit_that_its_children_are_beyond() -> None:
    state = parent_with(S.NEW)
    limited = replace(NEW_TERMS, ord_type=OrdType.LIMIT, price=PX - 100)
    before = deepcopy(state)
    with pytest.raises(InvariantError, match="I6"):
        parents.apply(state, replace(event_of(ParentReplaced), parent=limited))
    assert state == before


@pytest.mark.parametrize("kind", [ParentCancelRequested, ParentSuspended, ParentReplaced, ParentReplaceRequested])
def test_a_parent_that_is_stopped_or_changed_acts_at_once(kind: type) -> None:
    state = parent_in(S.PARTIALLY_FILLED)
    state.wake_at = 500
    parents.apply(state, event_of(kind))
    assert (state.wake_at, state.may_route) == (9, kind is ParentReplaced)


def test_a_wake_notes_what_the_schedule_said() -> None:
    state = parent_in(S.NEW)
    parents.apply(state, event_of(ParentWoke))
    assert (state.target_qty, state.wake_at, state.woken_at, state.sweeps) == (50, 16, 9, 2)
    assert state.working_state is WorkingState.POSTING


def test_decisions_and_anomalies_are_counted_and_duplicates_are_no_anomaly() -> None:
    state = new_parent()
    parents.apply(state, event_of(DecisionMade))
    parents.apply(state, event_of(ReportIgnored))
    parents.apply(state, ReportIgnored(parent_id="P1", at=9, mic=MIC, exec_id="x1", reason="DUPLICATE"))
    assert (state.decisions, state.anomalies) == (1, 1)


@pytest.mark.parametrize(
    ("qty", "changes", "says"),
    [
        (0, {}, "I2"),
        (-5, {}, "I2"),
        (901, {}, "I2: expected a child of 1 to 900 shares, got 901"),
        (10, {"side": Side.SELL}, "I6"),
        (10, {"symbol": "XXX"}, "I6"),
    ],
)
def test_a_child_that_its_parent_cannot_have_is_refused(qty: int, changes: dict[str, object], says: str) -> None:
    state = parent_with(S.UNKNOWN)
    before = deepcopy(state)
    with pytest.raises(InvariantError, match=says):
        parents.apply(state, intended(1, qty, **changes))
    assert state == before


def test_a_child_id_is_used_once() -> None:
    state = parent_with(S.CANCELED)
    with pytest.raises(InvariantError, match="I4"):
        parents.apply(state, intended(0, 10))


@pytest.mark.parametrize(
    ("side", "price", "is_allowed"),
    [
        (Side.BUY, PX, True),
        (Side.BUY, PX + 1, False),
        (Side.SELL, PX, True),
        (Side.SELL, PX - 1, False),
        (Side.SELL_SHORT, PX - 1, False),
        (Side.BUY, None, False),
    ],
)
def test_a_child_keeps_to_its_parents_limit(side: Side, price: int | None, is_allowed: bool) -> None:
    order = new_parent().parent
    fields = {name: getattr(order, name) for name in order.__struct_fields__}
    limited = type(order)(**{**fields, "side": side, "ord_type": OrdType.LIMIT, "price": PX})
    state = parents.accepted(Accepted(parent_id="P1", at=0, parent=limited, arrival_px2=2 * PX))
    child = intended(0, 10, side=side, price=price)
    if is_allowed:
        parents.apply(state, child)
        assert len(state.live) == 1
    else:
        with pytest.raises(InvariantError, match="I6"):
            parents.apply(state, child)


@pytest.mark.parametrize("kind", [ChildTraded, ChildTradeCanceled, ChildTradeCorrected])
def test_an_execution_id_counts_once_a_venue(kind: type) -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    event = child_events(at=9)[kind]
    parents.apply(state, event)
    before = deepcopy(state)
    with pytest.raises(InvariantError, match="I4"):
        parents.apply(state, event)
    assert state == before


def test_the_same_execution_id_of_another_venue_is_another_execution() -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    for event in (intended(1, mic="XLTB"), ChildSent(**ids(child="P1.1"))):
        parents.apply(state, event)
    parents.apply(state, traded("x1", 5, child="P1.1"))
    assert state.cum_qty == 45


def test_an_event_about_a_stranger_is_refused() -> None:
    state = new_parent()
    with pytest.raises(IllegalTransitionError, match=r"expected a child of P1, got P1\.7"):
        parents.apply(state, traded("x1", 5, child="P1.7"))


def test_only_dark_children_count_as_resting_in_the_dark() -> None:
    state = new_parent()
    for n, tactic in enumerate((Tactic.MID_PEG, Tactic.CONDITIONAL, Tactic.POST, Tactic.TAKE)):
        parents.apply(state, intended(n, 10 + n, tactic=tactic))
    assert (state.routed_qty, state.resting_dark_qty) == (46, 21)


def _disturbed(name: str) -> ParentState:
    state = parent_with(S.PARTIALLY_FILLED)
    child = state.children[CHILD]
    match name:
        case "I1":
            state.cum_qty = child.cum_qty = -1
        case "I2":
            state.children[CHILD].order_qty = 2_000
            state.children[CHILD].bound_qty = 2_000
        case "I3":
            state.cum_qty += 1
        case "I4":
            child.executions["x1"].qty += 1
        case "I7":
            state.live.clear()
    return state


@pytest.mark.parametrize("name", ["I1", "I2", "I3", "I4", "I7"])
def test_a_broken_invariant_is_named(name: str) -> None:
    with pytest.raises(InvariantError, match=f"^{name}:"):
        check_invariants(_disturbed(name))


def test_a_closed_parent_with_a_live_child_is_noticed() -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    state.status = S.EXPIRED
    with pytest.raises(InvariantError, match="I7: expected no live child of a closed parent"):
        check_invariants(state)
