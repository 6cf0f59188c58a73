"""A child's life cycle, pair by pair, and what each event changes.

Rule of this file: the table of expectations is written out here a second time, on purpose: a changed row is a changed
promise and must be changed in two places.
"""

from __future__ import annotations

from copy import deepcopy

import pytest
from order_material import CHILD, PX, WAYS, S, child_events, ids, intended, new_parent, parent_with, traded

from router.domain.enums import OrdStatus
from router.domain.errors import IllegalTransitionError, InvariantError
from router.domain.events import (
    ChildAcknowledged,
    ChildAmendedEarly,
    ChildCancelRequested,
    ChildInvited,
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
)
from router.orders import child as children
from router.orders import parent as parents
from router.orders.child import CLOSED, TABLE, ChildState
from router.orders.parent import ParentState, check_invariants

AMENDED = {ChildTradeCanceled, ChildTradeCorrected, ChildAmendedEarly}

EXPECTED: dict[OrdStatus, dict[type, OrdStatus]] = {
    S.INTENDED: {ChildSent: S.PENDING_NEW, ChildLost: S.UNKNOWN},
    S.PENDING_NEW: {
        ChildAcknowledged: S.NEW,
        ChildRejected: S.REJECTED,
        ChildTraded: S.PARTIALLY_FILLED,
        ChildOut: S.CANCELED,
        ChildLost: S.UNKNOWN,
        ChildInvited: S.PENDING_NEW,
        ChildAmendedEarly: S.PENDING_NEW,
    },
    S.NEW: {
        ChildTraded: S.PARTIALLY_FILLED,
        ChildOut: S.CANCELED,
        ChildCancelRequested: S.PENDING_CANCEL,
        ChildReplaceRequested: S.PENDING_REPLACE,
        ChildLost: S.UNKNOWN,
        ChildInvited: S.NEW,
        ChildReplaced: S.NEW,
        **dict.fromkeys(AMENDED, S.NEW),
    },
    S.PARTIALLY_FILLED: {
        ChildAcknowledged: S.PARTIALLY_FILLED,
        ChildTraded: S.PARTIALLY_FILLED,
        ChildOut: S.CANCELED,
        ChildCancelRequested: S.PENDING_CANCEL,
        ChildReplaceRequested: S.PENDING_REPLACE,
        ChildLost: S.UNKNOWN,
        ChildInvited: S.PARTIALLY_FILLED,
        ChildReplaced: S.PARTIALLY_FILLED,
        **dict.fromkeys(AMENDED, S.PARTIALLY_FILLED),
    },
    S.PENDING_CANCEL: {
        ChildAcknowledged: S.PENDING_CANCEL,
        ChildTraded: S.PENDING_CANCEL,
        ChildOut: S.CANCELED,
        ChildRequestRefused: S.PARTIALLY_FILLED,
        ChildLost: S.UNKNOWN,
        ChildInvited: S.PENDING_CANCEL,
        **dict.fromkeys(AMENDED, S.PENDING_CANCEL),
    },
    S.PENDING_REPLACE: {
        ChildTraded: S.PENDING_REPLACE,
        ChildOut: S.CANCELED,
        ChildReplaced: S.PARTIALLY_FILLED,
        ChildRequestRefused: S.PARTIALLY_FILLED,
        ChildLost: S.UNKNOWN,
        ChildInvited: S.PENDING_REPLACE,
        **dict.fromkeys(AMENDED, S.PENDING_REPLACE),
    },
    S.UNKNOWN: {
        ChildAcknowledged: S.PARTIALLY_FILLED,
        ChildRejected: S.REJECTED,
        ChildTraded: S.UNKNOWN,
        ChildOut: S.CANCELED,
        ChildQueried: S.UNKNOWN,
        ChildReconciled: S.PARTIALLY_FILLED,
        ChildReplaced: S.PARTIALLY_FILLED,
        ChildInvited: S.UNKNOWN,
        **dict.fromkeys(AMENDED, S.UNKNOWN),
    },
    S.FILLED: {
        ChildTraded: S.FILLED,
        ChildTradeCanceled: S.CANCELED,
        ChildTradeCorrected: S.FILLED,
        ChildAmendedEarly: S.FILLED,
    },
    S.CANCELED: {ChildTraded: S.CANCELED, **dict.fromkeys(AMENDED, S.CANCELED)},
    S.EXPIRED: {ChildTraded: S.EXPIRED, **dict.fromkeys(AMENDED, S.EXPIRED)},
    S.REJECTED: {ChildTraded: S.REJECTED, **dict.fromkeys(AMENDED, S.REJECTED)},
}

PAIRS = [(status, kind) for status in WAYS for kind in child_events()]
ALLOWED = [(status, kind, EXPECTED[status][kind]) for status, kind in PAIRS if kind in EXPECTED[status]]
FORBIDDEN = [(status, kind) for status, kind in PAIRS if kind not in EXPECTED[status]]
OPEN_WITH_FILL = [S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.PENDING_REPLACE, S.UNKNOWN]


def child_of(state: ParentState) -> ChildState:
    return state.children[CHILD]


@pytest.mark.parametrize(("status", "kind", "result"), ALLOWED)
def test_an_allowed_event_leads_where_the_table_says(status: OrdStatus, kind: type, result: OrdStatus) -> None:
    state = parent_with(status)
    version = child_of(state).version
    parents.apply(state, child_events(at=9)[kind])
    assert child_of(state).status is result
    assert child_of(state).version == version + 1
    assert (CHILD in state.live) == child_of(state).is_open == (result not in CLOSED)
    check_invariants(state)


@pytest.mark.parametrize(("status", "kind"), FORBIDDEN)
def test_a_forbidden_event_raises_and_changes_nothing(status: OrdStatus, kind: type) -> None:
    state = parent_with(status)
    before = deepcopy(state)
    with pytest.raises(IllegalTransitionError, match=f"legal in {status}, got {kind.__name__}"):
        children.apply(child_of(state), child_events(at=9)[kind])
    assert state == before


def test_the_table_has_no_row_beyond_those_expected_here() -> None:
    assert {(status, kind) for status, kind in TABLE} == {(status, kind) for status, kind, _ in ALLOWED}


@pytest.mark.parametrize("status", OPEN_WITH_FILL)
def test_the_fill_that_completes_a_child_closes_it_in_any_open_status(status: OrdStatus) -> None:
    state = parent_with(status)
    parents.apply(state, traded("x2", 60, at=9))
    assert child_of(state).status is S.FILLED
    assert child_of(state).closed_at == 9
    assert (child_of(state).cum_qty, child_of(state).leaves_qty) == (100, 0)


@pytest.mark.parametrize("status", [s for s in WAYS if s not in CLOSED])
def test_an_open_child_binds_all_that_it_may_still_execute(status: OrdStatus) -> None:
    state = parent_with(status)
    child = child_of(state)
    assert child.leaves_qty == 100 - child.cum_qty
    assert state.routed_qty == child.leaves_qty
    assert state.unrouted_qty == 1_000 - 100


@pytest.mark.parametrize("status", [s for s in WAYS if s in CLOSED])
def test_a_closed_child_binds_nothing(status: OrdStatus) -> None:
    state = parent_with(status)
    assert child_of(state).leaves_qty == state.routed_qty == 0
    assert state.unrouted_qty == 1_000 - child_of(state).cum_qty


def test_fills_add_up_with_their_fees() -> None:
    state = parent_with(S.NEW)
    parents.apply(state, traded("x5", 30, px=400_100, fee_micros=90_000))
    parents.apply(state, traded("x6", 20, px=399_900, fee_micros=-40_000))
    child = child_of(state)
    assert (child.cum_qty, child.notional, child.fee_micros) == (50, 30 * 400_100 + 20 * 399_900, 50_000)
    assert (state.cum_qty, state.notional, state.fee_micros) == (50, child.notional, 50_000)
    assert state.avg_px() == 400_020.0


def test_a_child_stays_open_until_the_fills_that_the_venue_counts_add_up() -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    parents.apply(state, ChildOut(**ids(9), ord_status=S.CANCELED, cum_qty=70))
    child = child_of(state)
    assert child.status is S.UNKNOWN
    assert child.leaves_qty == 30, "what the venue says it cancelled is free, what it says it executed is bound"
    parents.apply(state, traded("x2", 10, at=10))
    assert child.is_open
    parents.apply(state, traded("x3", 20, at=11))
    assert (child.status, child.cum_qty, child.closed_at) == (S.CANCELED, 70, 11)
    check_invariants(state)


def test_a_child_that_filled_by_the_venues_count_ends_filled_whatever_the_report_calls_it() -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    parents.apply(state, ChildOut(**ids(9), ord_status=S.EXPIRED, cum_qty=100))
    parents.apply(state, traded("x2", 60, at=10))
    assert child_of(state).status is S.FILLED


INFERRED = traded("inferred:P1.0/5", 50, px=PX, is_inferred=True)
REPLACEMENTS = [
    pytest.param([50], 90, 0, id="by one of the same size"),
    pytest.param([20, 30], 90, 0, id="in two parts"),
    pytest.param([20], 90, 30, id="by a smaller one"),
    pytest.param([55], 95, 0, id="by a larger one"),
]


@pytest.mark.parametrize(("sizes", "cum_qty", "inferred_qty"), REPLACEMENTS)
def test_an_inferred_fill_gives_way_to_the_real_one(sizes: list[int], cum_qty: int, inferred_qty: int) -> None:
    state = parent_with(S.UNKNOWN)
    parents.apply(state, ChildReconciled(**ids(8), ord_status=S.PARTIALLY_FILLED, cum_qty=90))
    parents.apply(state, INFERRED)
    child = child_of(state)
    assert (child.cum_qty, child.inferred_qty) == (90, 50)
    for n, size in enumerate(sizes):
        replaced = min(child.inferred_qty, size)
        parents.apply(state, traded(f"x{n + 5}", size, px=PX + 100, replaces_inferred_qty=replaced))
    assert (child.cum_qty, child.inferred_qty) == (cum_qty, inferred_qty)
    real = sum(sizes)
    assert child.notional == 40 * PX + real * (PX + 100) + inferred_qty * PX
    assert "inferred:P1.0/5" not in child.executions
    check_invariants(state)


def test_inferred_fills_of_two_prices_give_way_oldest_first_and_leave_the_real_notional() -> None:
    state = parent_with(S.UNKNOWN)
    child, before = child_of(state), child_of(state).notional
    for n, (qty, price) in enumerate([(20, PX), (30, PX + 500)]):
        parents.apply(state, traded(f"inferred:P1.0/{n}", qty, px=price, is_inferred=True))
    assert child.notional == before + 20 * PX + 30 * (PX + 500)
    parents.apply(state, traded("x5", 30, px=PX + 700, replaces_inferred_qty=30))
    assert child.notional == before + 30 * (PX + 700) + 20 * (PX + 500)
    check_invariants(state)
    parents.apply(state, ChildTradeCorrected(**ids(9), exec_id="c1", exec_ref_id="x5", last_qty=25, last_px=PX))
    check_invariants(state)
    parents.apply(state, traded("x6", 20, px=PX - 100, replaces_inferred_qty=20))
    assert (child.inferred, child.notional) == ([], before + 25 * PX + 20 * (PX - 100))
    parents.apply(state, ChildTradeCanceled(**ids(9), exec_id="b1", exec_ref_id="x6"))
    assert child.notional == state.notional == before + 25 * PX
    check_invariants(state)


@pytest.mark.parametrize("owner", ["child", "parent"])
@pytest.mark.parametrize("what", ["notional", "fee_micros"])
def test_money_that_does_not_add_up_is_found(owner: str, what: str) -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    wrong = state if owner == "parent" else child_of(state)
    setattr(wrong, what, getattr(wrong, what) + 1)
    with pytest.raises(InvariantError, match="I3"):
        check_invariants(state)


@pytest.mark.parametrize("status", [*OPEN_WITH_FILL, S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED])
def test_a_busted_execution_leaves_no_quantity_and_no_fee(status: OrdStatus) -> None:
    state = parent_with(status)
    whole = child_of(state).cum_qty
    parents.apply(state, ChildTradeCanceled(**ids(9), exec_id="b2", exec_ref_id="x1"))
    assert child_of(state).cum_qty == state.cum_qty == whole - 40
    assert child_of(state).executions["x1"].qty == 0
    check_invariants(state)


def test_a_bust_gives_its_fee_back_once() -> None:
    state = parent_with(S.NEW)
    parents.apply(state, traded("x5", 10, fee_micros=700))
    parents.apply(state, ChildTradeCanceled(**ids(9), exec_id="b2", exec_ref_id="x5"))
    parents.apply(state, ChildTradeCanceled(**ids(9), exec_id="b3", exec_ref_id="x5"))
    assert (state.cum_qty, state.fee_micros, state.notional) == (0, 0, 0)


@pytest.mark.parametrize("qty", [10, 40, 60])
def test_a_correction_replaces_quantity_and_price(qty: int) -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    parents.apply(state, ChildTradeCorrected(**ids(9), exec_id="c2", exec_ref_id="x1", last_qty=qty, last_px=PX + 300))
    assert (state.cum_qty, state.notional) == (qty, qty * (PX + 300))
    assert child_of(state).leaves_qty == 100 - qty
    check_invariants(state)


def test_a_correction_can_complete_a_child() -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    parents.apply(state, ChildTradeCorrected(**ids(9), exec_id="c2", exec_ref_id="x1", last_qty=100, last_px=PX))
    assert (child_of(state).status, child_of(state).closed_at) == (S.FILLED, 9)


def test_an_over_fill_is_booked_in_full_and_counts_as_the_venues_doing() -> None:
    state = parent_with(S.PARTIALLY_FILLED, parent_qty=100)
    parents.apply(state, traded("x2", 90, at=9))
    child = child_of(state)
    assert (child.status, child.cum_qty, child.excess_qty) == (S.FILLED, 130, 30)
    assert state.unrouted_qty == -30
    check_invariants(state)


@pytest.mark.parametrize("status", [S.CANCELED, S.EXPIRED, S.REJECTED])
def test_a_fill_after_the_end_is_booked_and_flagged(status: OrdStatus) -> None:
    state = parent_with(status)
    before = (child_of(state).cum_qty, state.anomalies)
    parents.apply(state, traded("x2", 25, at=9, is_late=True))
    assert (child_of(state).cum_qty, state.anomalies) == (before[0] + 25, before[1] + 1)
    assert child_of(state).status is status
    check_invariants(state)


def test_what_a_venue_executes_after_its_own_end_may_have_been_routed_again() -> None:
    state = parent_with(S.CANCELED, parent_qty=100)
    parents.apply(state, intended(1, qty=60, at=9))
    parents.apply(state, traded("x2", 60, at=10, is_late=True))
    assert (state.cum_qty, state.routed_qty, child_of(state).excess_qty) == (100, 60, 60)
    check_invariants(state)


def test_a_bust_after_the_end_does_not_open_a_child_again() -> None:
    state = parent_with(S.FILLED)
    parents.apply(state, ChildTradeCanceled(**ids(9), exec_id="b2", exec_ref_id="x1"))
    assert (child_of(state).status, state.live, state.unrouted_qty) == (S.CANCELED, {}, 940)


def test_a_larger_replacement_is_bound_while_it_is_asked_for_and_free_once_refused() -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    asked = ChildReplaceRequested(**ids(9), request_id="P1.0/4", order_qty=300, price=PX)
    parents.apply(state, asked)
    assert (child_of(state).leaves_qty, state.unrouted_qty) == (260, 700)
    assert child_of(state).excess_qty == 0, "what we ask for is no excess"
    check_invariants(state)
    refused = deepcopy(state)
    parents.apply(refused, ChildRequestRefused(**ids(10), request_id="P1.0/4", ord_status=S.PARTIALLY_FILLED))
    assert (child_of(refused).leaves_qty, refused.unrouted_qty) == (60, 900)
    check_invariants(refused)
    parents.apply(state, ChildReplaced(**ids(10), request_id="P1.0/4", order_qty=300, price=PX + 100))
    child = child_of(state)
    assert (child.order_qty, child.price, child.leaves_qty, child.request) == (300, PX + 100, 260, None)
    check_invariants(state)


@pytest.mark.parametrize("qty", [0, 39, 1_001])
def test_a_replacement_below_the_fills_or_above_the_parent_is_refused(qty: int) -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    before = deepcopy(state)
    with pytest.raises(InvariantError, match="expected 40 to 1000 shares"):
        parents.apply(state, ChildReplaceRequested(**ids(9), request_id="P1.0/4", order_qty=qty, price=PX))
    assert state == before


def test_events_note_when_we_last_asked_and_how_often() -> None:
    state = parent_with(S.NEW)
    child = child_of(state)
    parents.apply(state, ChildLost(**ids(20), reason="no answer"))
    assert child.asked_at == 20
    parents.apply(state, ChildQueried(**ids(21), request_id="P1.0/7"))
    parents.apply(state, ChildQueried(**ids(22), request_id="P1.0/8"))
    assert (child.asked_at, child.queries) == (22, 2)
    parents.apply(state, ChildReconciled(**ids(23), ord_status=S.NEW, cum_qty=0, order_id="V7"))
    assert (child.queries, child.order_id, child.status) == (0, "V7", S.NEW)
    parents.apply(state, ChildCancelRequested(**ids(24), request_id="P1.0/9"))
    assert (child.asked_at, child.request) == (24, ChildCancelRequested(**ids(24), request_id="P1.0/9"))


def test_an_unknown_childs_state_is_not_shared_with_its_message() -> None:
    state = new_parent()
    event = intended()
    parents.apply(state, event)
    parents.apply(state, ChildSent(**ids()))
    assert event.child.order_qty == children.intended(event).order_qty == 100
    assert children.intended(event).status is S.INTENDED
