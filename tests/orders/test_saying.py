"""What follows from events outside: commands for venues, and outcomes whose exposures add up to a child's life.

Rule of this file: stories are told through `apply` and `outcome_of` together, as the host does.
"""

from __future__ import annotations

from itertools import pairwise

import pytest
from order_material import CHILD, MIC, PX, WAYS, S, child_events, ids, intended, new_parent, parent_events, traded

from router.domain.enums import OrdStatus, OutcomeKind, Side, TimeInForce
from router.domain.events import (
    ChildAcknowledged,
    ChildCancelRequested,
    ChildIntended,
    ChildLost,
    ChildOut,
    ChildQueried,
    ChildReconciled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildSent,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildWatched,
    Event,
    MarkoutObserved,
    ParentAccepted,
    ParentDone,
)
from router.domain.orders import (
    NewOrderSingle,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderStatusRequest,
    ParentOrder,
)
from router.domain.scores import Outcome
from router.domain.units import SECOND
from router.orders import parent as parents
from router.orders import saying
from router.orders.parent import ParentState

K = OutcomeKind
ACK = (ChildSent(**ids(0)), ChildAcknowledged(**ids(0), order_id="V1"))


def told(*events: Event, state: ParentState | None = None, **changes: object) -> list[Outcome]:
    """Apply a child's story from its intent at time 0 and return what learners hear of it."""
    state = state or new_parent()
    outcomes = []
    for event in (intended(at=0, **changes), *events):
        child = state.children.get(getattr(event, "cl_ord_id", ""))
        was_open, watched = (child.is_open, child.watched_age) if child else (True, 0)
        parents.apply(state, event)
        outcome = saying.outcome_of(state, event, was_open, watched)
        if outcome is not None:
            outcomes.append(outcome)
    return outcomes


def exposures(outcomes: list[Outcome]) -> list[tuple[int, int, int]]:
    """Return (from, to, shares open) of what carries exposure."""
    return [(o.age_from_ns, o.age_to_ns, o.leaves_qty) for o in outcomes if o.kind is not K.MARKOUT]


def out(at: int, status: OrdStatus, cum_qty: int) -> ChildOut:
    return ChildOut(**ids(at), ord_status=status, cum_qty=cum_qty)


STORIES: dict[str, tuple[tuple[Event, ...], list[tuple[int, int, int]]]] = {
    "filled at once": ((traded("x1", 100, 7),), [(0, 7, 100)]),
    "filled in three parts": (
        (traded("x1", 40, 7), traded("x2", 10, 9), traded("x3", 50, 20)),
        [(0, 7, 100), (7, 9, 60), (9, 20, 50)],
    ),
    "expired without a fill": ((out(30, S.EXPIRED, 0),), [(0, 30, 100)]),
    "partly filled, then cancelled": ((traded("x1", 40, 7), out(30, S.CANCELED, 40)), [(0, 7, 100), (7, 30, 60)]),
    "watched twice": (
        (ChildWatched(**ids(10)), traded("x1", 40, 15), ChildWatched(**ids(25)), out(30, S.EXPIRED, 40)),
        [(0, 10, 100), (10, 15, 100), (15, 25, 60), (25, 30, 60)],
    ),
    "rejected": ((ChildLost(**ids(3), reason="x"), ChildRejected(**ids(5))), [(0, 5, 100)]),
    "fills overtook each other": (
        (traded("x2", 10, 21, transacted_at=20), traded("x1", 40, 22, transacted_at=7), out(30, S.EXPIRED, 50)),
        [(0, 20, 100), (20, 20, 90), (20, 30, 50)],
    ),
    "lost and found cancelled": (
        (ChildLost(**ids(8), reason="x"), ChildReconciled(**ids(30), ord_status=S.CANCELED, cum_qty=0)),
        [(0, 30, 100)],
    ),
    "lost and found filled": (
        (
            ChildLost(**ids(8), reason="x"),
            ChildReconciled(**ids(30), ord_status=S.FILLED, cum_qty=100),
            traded("inferred:P1.0/5", 100, 30, is_inferred=True),
        ),
        [(0, 30, 100)],
    ),
    "a late fill is no exposure": (
        (out(30, S.CANCELED, 0), traded("x1", 40, 35, transacted_at=29, is_late=True)),
        [(0, 30, 100), (0, 0, 40)],
    ),
    "a correction completed it": (
        (traded("x1", 40, 7), ChildTradeCorrected(**ids(9), exec_id="c1", exec_ref_id="x1", last_qty=100, last_px=PX)),
        [(0, 7, 100), (7, 9, 0)],
    ),
    "replaced to what was filled": (
        (
            traded("x1", 40, 7),
            ChildReplaceRequested(**ids(8), request_id="r", order_qty=40, price=PX),
            ChildReplaced(**ids(9), request_id="r", order_qty=40, price=PX),
        ),
        [(0, 7, 100), (7, 9, 60)],
    ),
}


@pytest.mark.parametrize("name", STORIES)
def test_exposures_follow_each_other_and_add_up_to_the_childs_life(name: str) -> None:
    events, expected = STORIES[name]
    outcomes = told(*ACK, *events)
    assert exposures(outcomes) == expected
    spans = [(start, end) for start, end, _ in exposures(outcomes) if end > start]
    assert spans[0][0] == 0
    assert all(one[1] == two[0] for one, two in pairwise(spans)), "no gap and no overlap"
    assert sum(end - start for start, end in spans) == spans[-1][1]


@pytest.mark.parametrize("name", STORIES)
def test_a_child_ends_with_exactly_one_final_outcome(name: str) -> None:
    outcomes = told(*ACK, *STORIES[name][0])
    assert sum(outcome.is_final for outcome in outcomes) == 1


@pytest.mark.parametrize("name", [name for name in STORIES if name != "a correction completed it"])
def test_fills_add_up_to_what_the_child_came_to(name: str) -> None:
    outcomes = told(*ACK, *STORIES[name][0])
    assert sum(outcome.filled_qty for outcome in outcomes) == max(outcome.cum_qty for outcome in outcomes)


@pytest.mark.parametrize(("status", "kind"), [(S.CANCELED, K.CANCEL), (S.EXPIRED, K.EXPIRE), (S.FILLED, K.FILL)])
def test_an_end_is_called_by_its_name(status: OrdStatus, kind: OutcomeKind) -> None:
    (outcome,) = told(*ACK, out(30, status, 0))
    assert (outcome.kind, outcome.is_final, outcome.filled_qty) == (kind, True, 0)


def test_an_end_that_waits_for_fills_is_told_with_the_last_of_them() -> None:
    outcomes = told(*ACK, out(30, S.CANCELED, 50), traded("x1", 20, 31, transacted_at=7), traded("x2", 30, 32))
    assert [(o.kind, o.filled_qty, o.is_final) for o in outcomes] == [(K.FILL, 20, False), (K.FILL, 30, True)]


def test_exposure_ends_when_the_venues_clock_ended_the_child() -> None:
    gtd = {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expire_time": 20}
    (outcome,) = told(*ACK, out(90, S.EXPIRED, 0), **gtd)
    assert (outcome.age_from_ns, outcome.age_to_ns, outcome.at) == (0, 20, 90)


@pytest.mark.parametrize(("transacted_at", "age"), [(0, 40), (12, 12), (35, 20)])
def test_exposure_ends_at_the_venues_time_of_the_end_or_at_its_expiry(transacted_at: int, age: int) -> None:
    gtd = {"time_in_force": TimeInForce.GOOD_TILL_DATE, "expire_time": 20 if transacted_at else 50}
    end = ChildOut(**ids(40), ord_status=S.CANCELED, cum_qty=0, transacted_at=transacted_at)
    (outcome,) = told(*ACK, end, **gtd)
    assert (outcome.age_from_ns, outcome.age_to_ns, outcome.at) == (0, age, 40)


def test_exposure_that_was_watched_past_the_venues_end_is_not_taken_back() -> None:
    end = ChildOut(**ids(40), ord_status=S.CANCELED, cum_qty=0, transacted_at=12)
    outcomes = told(*ACK, ChildWatched(**ids(25)), end)
    assert exposures(outcomes) == [(0, 25, 100), (25, 25, 100)]


def test_the_real_report_of_an_inferred_fill_is_no_news() -> None:
    lost = (ChildLost(**ids(8), reason="x"), ChildReconciled(**ids(30), ord_status=S.NEW, cum_qty=50))
    inferred = traded("inferred:P1.0/5", 50, 30, is_inferred=True)
    outcomes = told(*ACK, *lost, inferred, traded("x1", 50, 31, replaces_inferred_qty=50))
    assert [(o.filled_qty, o.exec_id) for o in outcomes] == [(50, "inferred:P1.0/5")]
    outcomes = told(*ACK, *lost, inferred, traded("x1", 70, 31, replaces_inferred_qty=50))
    assert [(o.filled_qty, o.cum_qty, o.exec_id) for o in outcomes[1:]] == [(20, 70, "x1")]


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1), (Side.SELL_SHORT, -1)])
def test_prices_are_told_from_our_side_against_the_mid_when_routed(side: Side, sign: int) -> None:
    order = ParentOrder(
        parent_id="P1", client_order_id="C", symbol="ABR", side=side, order_qty=100, start_at=0, end_at=SECOND
    )
    state = parents.accepted(ParentAccepted(parent_id="P1", at=0, parent=order, arrival_px2=2 * PX))
    fill = traded("x1", 50, 7, px=PX - 40, fee_micros=150_000)
    markout = MarkoutObserved(**ids(SECOND), exec_id="x1", horizon_ns=SECOND, mid2=2 * (PX + 40))
    filled, late = told(*ACK, fill, markout, state=state, side=side)
    assert filled.price_bps == pytest.approx(sign * 1.0)
    assert filled.fee_bps == pytest.approx(150_000 / ((PX - 40) * 50 * 100) * 1e4)
    assert late.price_bps == filled.price_bps
    assert late.markout_bps == pytest.approx(sign * 80 / (PX - 40) * 1e4)
    assert (late.kind, late.horizon_ns, late.filled_qty, late.is_final) == (K.MARKOUT, SECOND, 50, False)


def test_a_markout_of_an_execution_that_no_longer_counts_is_not_told() -> None:
    busted = ChildTradeCanceled(**ids(9), exec_id="b1", exec_ref_id="x1")
    markouts = [
        MarkoutObserved(**ids(SECOND), exec_id=name, horizon_ns=SECOND, mid2=2 * PX) for name in ("x1", "nobody")
    ]
    outcomes = told(*ACK, traded("x1", 50, 7), busted, *markouts)
    assert [o.kind for o in outcomes] == [K.FILL]


def test_without_a_mid_when_routed_nothing_is_said_of_the_price() -> None:
    state = new_parent()
    blind = ChildIntended(**ids(0), child=intended().child, mid_routed2=0)
    for event in (blind, *ACK, traded("x1", 5, 7)):
        parents.apply(state, event)
    outcome = saying.outcome_of(state, traded("x1", 5, 7), True, 0)
    assert outcome is not None
    assert outcome.price_bps == 0.0


def test_commands_say_what_their_events_ask_for() -> None:
    state = new_parent()
    for event in (intended(), *WAYS[S.PARTIALLY_FILLED]):
        parents.apply(state, event)
    request = {"mic": MIC, "cl_ord_id": "P1.0/9", "orig_cl_ord_id": CHILD, "parent_id": "P1"}
    expected = {
        ChildCancelRequested: OrderCancelRequest(**request),
        ChildQueried: OrderStatusRequest(**request),
        ChildReplaceRequested: OrderCancelReplaceRequest(**request, order_qty=80, price=PX - 100),
        ChildIntended: NewOrderSingle(intended(1).child),
    }
    for kind, event in {**child_events(), **parent_events()}.items():
        assert saying.command_of(state, event) == expected.get(kind)


@pytest.mark.parametrize(("side", "sign"), [(Side.BUY, 1), (Side.SELL, -1)])
def test_what_a_request_leaked_is_the_move_away_from_what_is_left_to_trade(side: Side, sign: int) -> None:
    order = ParentOrder(
        parent_id="P1", client_order_id="C", symbol="ABR", side=side, order_qty=1_000, start_at=0, end_at=SECOND
    )
    state = parents.accepted(ParentAccepted(parent_id="P1", at=0, parent=order, arrival_px2=2 * PX))
    mark = MarkoutObserved(**ids(10 * SECOND), exec_id="", horizon_ns=10 * SECOND, mid2=2 * (PX + 40))
    *_, leak = told(*ACK, traded("x1", 50, 7), mark, state=state, side=side)
    assert (leak.kind, leak.exec_id, leak.horizon_ns, leak.is_final) == (K.MARKOUT, "", 10 * SECOND, False)
    assert leak.markout_bps == pytest.approx(-sign * 40 / PX * 1e4)
    assert (leak.leaves_qty, leak.filled_qty, leak.price_bps) == (950, 0, 0.0)


def test_a_request_of_a_parent_that_is_done_hurts_nothing() -> None:
    done = ParentDone(parent_id="P1", at=9, ord_status=S.EXPIRED)
    out = ChildOut(**ids(8), ord_status=S.EXPIRED, cum_qty=0)
    mark = MarkoutObserved(**ids(10 * SECOND), exec_id="", horizon_ns=10 * SECOND, mid2=2 * PX + 80)
    assert told(*ACK, out, done, mark)[-1].leaves_qty == 0
