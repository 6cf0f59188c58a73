"""A parent gets other terms at once, after children in the way are out, or not at all, and each wish is answered once.

Rule of this file: what the host does is seen from its replies alone; a parent's children come into their states by
legal events.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import pytest
from host_days import changing_day, day, journal_of
from msgspec.structs import replace
from order_material import CHILD, MIC, PARENT, PX, S, ids, intended, new_parent, parent_with, traded
from test_parent_life_cycle import parent_in

from router.domain import codec
from router.domain.enums import OrdStatus, OrdType
from router.domain.events import (
    ChildAcknowledged,
    ChildCancelRequested,
    ChildOut,
    ChildReconciled,
    ChildRequestRefused,
    ChildSent,
    Event,
    ParentCancelRequested,
    ParentReplaced,
    ParentReplaceRefused,
    ParentReplaceRequested,
)
from router.domain.messages import HostBatch, HostReply, ReplaceParent
from router.domain.units import SECOND
from router.orders import hearing, replacing
from router.orders import parent as parents
from router.orders.host import OrderHost
from router.orders.parent import ParentState, check_invariants

TIMEOUT = 2 * SECOND
_ANSWERS = (ParentReplaced, ParentReplaceRefused)


def request(name: str = "R1", **terms: Any) -> ReplaceParent:
    return ReplaceParent(parent_id=PARENT, request_id=name, **terms)


def asked(state: ParentState, now: int = 9, name: str = "R1", **terms: Any) -> Event:
    """Ask for other terms, apply the answer and return it."""
    (event,) = replacing.asked(state, request(name, **terms), now)
    parents.apply(state, event)
    check_invariants(state)
    return event


def after(state: ParentState, event: Event) -> list[Event]:
    """Apply an event and whatever answer it gives the pending request; return the answer."""
    parents.apply(state, event)
    answers = replacing.answered(state, event, event.at)
    for answer in answers:
        parents.apply(state, answer)
    check_invariants(state)
    return answers


def with_children(*quantities: int, qty: int = 1_000) -> ParentState:
    """Return a parent with open children of these quantities, acknowledged."""
    state = new_parent(qty)
    for n, each in enumerate(quantities):
        name = f"{PARENT}.{n}"
        for event in (
            intended(n, each),
            ChildSent(**ids(child=name)),
            ChildAcknowledged(**ids(child=name), order_id=f"V{n}"),
        ):
            parents.apply(state, event)
    return state


def way(state: ParentState, **terms: Any) -> list[str]:
    found = replacing.in_the_way(state, replacing.terms_of(state.parent, request(**terms)))
    return [child.child.cl_ord_id for child in found]


@pytest.mark.parametrize("terms", [{"order_qty": 5_000}, {"order_qty": 100}, {"end_at": 60 * SECOND}, {"urgency": 0.9}])
def test_terms_that_no_child_stands_against_are_in_force_at_once(terms: dict[str, Any]) -> None:
    state = with_children(100)
    event = asked(state, **terms)
    assert isinstance(event, ParentReplaced)
    assert {name: getattr(state.parent, name) for name in terms} == terms
    assert (state.status, state.wake_at, state.replacing) == (S.NEW, 9, None)


def test_a_price_makes_a_limit_order_of_a_market_order() -> None:
    state = new_parent()
    asked(state, price=PX)
    assert (state.parent.ord_type, state.parent.price) == (OrdType.LIMIT, PX)


def test_what_is_not_named_stays_as_it_is() -> None:
    state = new_parent()
    before = state.parent
    asked(state, urgency=0.75)
    assert state.parent == replace(before, urgency=0.75)


@pytest.mark.parametrize(
    ("terms", "says"),
    [
        ({"order_qty": 0}, "order_qty"),
        ({"end_at": 9}, "end_at"),
        ({"price": 0}, "price"),
        ({"urgency": 1.5}, "urgency"),
        ({"urgency": math.nan}, "urgency"),
        ({"max_participation": 0.0}, "max_participation"),
    ],
)
def test_terms_that_no_order_can_have_are_refused(terms: dict[str, Any], says: str) -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    before = state.parent
    event = asked(state, **terms)
    assert isinstance(event, ParentReplaceRefused)
    assert event.reason.startswith("BAD_TERMS: expected")
    assert says in event.reason
    assert (state.parent, state.status) == (before, S.PARTIALLY_FILLED)


def test_a_limit_beyond_which_the_would_price_lies_is_refused() -> None:
    state = new_parent()
    state.parent = replace(state.parent, would_price=PX)
    event = asked(state, price=PX - 100)
    assert isinstance(event, ParentReplaceRefused)
    assert "would_price" in event.reason


def test_less_than_what_is_executed_is_refused_at_once() -> None:
    state = parent_with(S.PARTIALLY_FILLED)
    event = asked(state, order_qty=39)
    assert isinstance(event, ParentReplaceRefused)
    assert event.reason == "BELOW_CUM: 40 executed, 39 wanted"


def test_the_same_request_heard_twice_counts_once() -> None:
    state = parent_with(S.NEW)
    asked(state, order_qty=500)
    assert replacing.asked(state, request(order_qty=500), 10) == []
    refused = asked(state, name="R2", order_qty=0)
    assert isinstance(refused, ParentReplaceRefused)
    assert replacing.asked(state, request("R2", order_qty=0), 10) == []


def test_a_second_request_is_refused_while_one_is_pending() -> None:
    state = parent_with(S.NEW)
    assert isinstance(asked(state, order_qty=50), ParentReplaceRequested)
    second = asked(state, name="R2", order_qty=900)
    assert isinstance(second, ParentReplaceRefused)
    assert second.reason == "PENDING: R1 comes first"
    assert (state.status, state.parent.order_qty) == (S.PENDING_REPLACE, 1_000)


def test_the_oldest_children_are_kept_where_they_fit() -> None:
    state = with_children(300, 300, 100)
    assert way(state, order_qty=700) == []
    assert way(state, order_qty=699) == ["P1.2"]
    assert way(state, order_qty=400) == ["P1.1"]
    assert way(state, order_qty=300) == ["P1.1", "P1.2"]
    assert way(state, order_qty=299) == ["P1.0", "P1.1"]


def test_a_child_that_nobody_can_be_asked_for_is_kept_before_one_that_can() -> None:
    state = with_children(300, 300)
    parents.apply(state, intended(2, 300))
    assert way(state, order_qty=600) == ["P1.1"]
    assert way(state, order_qty=300) == ["P1.0", "P1.1"]


@pytest.mark.parametrize(("price", "names"), [(PX, []), (PX - 1, ["P1.0"])])
def test_children_beyond_the_new_limit_are_in_the_way(price: int, names: list[str]) -> None:
    assert way(parent_with(S.NEW), price=price) == names


def test_a_child_without_a_price_is_in_the_way_of_any_limit() -> None:
    assert way(parent_with(S.NEW, price=None), price=PX * 2) == [CHILD]


def test_new_terms_are_in_force_once_the_children_in_the_way_are_out() -> None:
    state = with_children(300, 300)
    asked(state, order_qty=400)
    assert (state.status, state.may_route, state.parent.order_qty) == (S.PENDING_REPLACE, False, 1_000)
    (cancel,) = replacing.take_back(state, 10, {})
    assert isinstance(cancel, ChildCancelRequested)
    assert cancel.cl_ord_id == "P1.1"
    assert after(state, cancel) == []
    assert replacing.take_back(state, 11, {}) == []
    assert after(state, traded("x1", 50, at=12, child="P1.1")) == []
    (answer,) = after(state, ChildOut(**ids(13, "P1.1"), ord_status=S.CANCELED, cum_qty=50))
    assert isinstance(answer, ParentReplaced)
    assert (state.status, state.parent.order_qty, state.unrouted_qty) == (S.PARTIALLY_FILLED, 400, 50)


def test_fills_of_what_is_taken_back_may_let_the_rest_fit_no_more() -> None:
    state = with_children(300, 300)
    asked(state, order_qty=400)
    for cancel in replacing.take_back(state, 10, {}):
        after(state, cancel)
    assert after(state, traded("x1", 200, at=12, child="P1.1")) == []
    assert after(state, ChildOut(**ids(13, "P1.1"), ord_status=S.CANCELED, cum_qty=200)) == []
    # 200 are executed and 300 are still open: the other child is in the way now.
    assert [event.cl_ord_id for event in replacing.take_back(state, 14, {})] == ["P1.0"]


def test_what_executes_beyond_the_new_quantity_meanwhile_refuses_it() -> None:
    state = with_children(300)
    asked(state, order_qty=200)
    assert after(state, traded("x1", 200, at=10, child="P1.0")) == []
    (answer,) = after(state, traded("x2", 1, at=11, child="P1.0"))
    assert isinstance(answer, ParentReplaceRefused)
    assert answer.reason == "BELOW_CUM: 201 executed, 200 wanted"
    assert (state.status, state.parent.order_qty, state.wake_at) == (S.PARTIALLY_FILLED, 1_000, 11)


def test_a_venue_that_keeps_a_child_refuses_the_new_terms() -> None:
    state = with_children(300)
    asked(state, order_qty=200)
    for cancel in replacing.take_back(state, 10, {}):
        after(state, cancel)
    (answer,) = after(state, ChildRequestRefused(**ids(11), request_id="P1.0/3", ord_status=S.NEW))
    assert isinstance(answer, ParentReplaceRefused)
    assert answer.reason == f"CHILD_KEPT: {MIC} keeps P1.0, 300 shares"


def test_a_cancel_that_was_lost_is_asked_again() -> None:
    state = with_children(300)
    asked(state, order_qty=200)
    (first,) = replacing.take_back(state, 10, {})
    after(state, first)
    for event in (
        *hearing.overdue(state, 10 + TIMEOUT, TIMEOUT, {}),
        ChildReconciled(**ids(20 + TIMEOUT), ord_status=S.NEW, cum_qty=0, order_id="V0", order_qty=300),
    ):
        assert after(state, event) == []
    (again,) = replacing.take_back(state, 30 + TIMEOUT, {})
    assert isinstance(first, ChildCancelRequested)
    assert isinstance(again, ChildCancelRequested)
    assert again.request_id != first.request_id


def test_nobody_is_asked_behind_a_link_that_is_down() -> None:
    state = with_children(300)
    asked(state, order_qty=200)
    assert replacing.take_back(state, 10, {MIC: True}) == []


def test_a_request_is_given_up_after_a_few_silences_and_at_the_orders_end() -> None:
    state = parent_with(S.UNKNOWN)
    asked(state, order_qty=50)
    patience = replacing.PATIENCE * TIMEOUT
    assert replacing.given_up(state, 9 + patience - 1, TIMEOUT) == []
    (late,) = replacing.given_up(state, 9 + patience, TIMEOUT)
    (ended,) = replacing.given_up(state, state.parent.end_at, TIMEOUT)
    assert isinstance(late, ParentReplaceRefused)
    assert isinstance(ended, ParentReplaceRefused)
    assert late.reason == "NO_ANSWER: still in the way: P1.0"
    assert ended.reason.startswith("ENDED")


@pytest.mark.parametrize("status", [S.PENDING_CANCEL, S.SUSPENDED, S.FILLED, S.CANCELED, S.EXPIRED])
def test_a_parent_that_is_not_worked_keeps_its_terms(status: OrdStatus) -> None:
    state = parent_in(status)
    before = state.parent
    event = asked(state, order_qty=900)
    assert isinstance(event, ParentReplaceRefused)
    assert event.reason == f"NOT_OPEN: the order is {status}"
    assert (state.parent, state.status) == (before, status)


def test_a_parent_past_its_end_gets_no_later_one() -> None:
    event = asked(new_parent(), now=900 * SECOND, end_at=1_000 * SECOND)
    assert isinstance(event, ParentReplaceRefused)
    assert event.reason.startswith("ENDED")


def test_a_client_that_never_stops_asking_is_no_longer_heard() -> None:
    state = new_parent()
    state.replace_ids.update(f"Q{n}" for n in range(replacing.REPLACES_MAX))
    event = asked(state, order_qty=900)
    assert isinstance(event, ParentReplaceRefused)
    assert event.reason.startswith("TOO_MANY")


def test_a_pending_request_is_refused_before_its_parent_is_cancelled() -> None:
    state = parent_with(S.NEW)
    asked(state, order_qty=50)
    (refused,) = replacing.stopped(state, 10, "cancelled by client")
    parents.apply(state, refused)
    parents.apply(state, ParentCancelRequested(parent_id=PARENT, at=10, reason="client"))
    assert (state.status, state.replacing) == (S.PENDING_CANCEL, None)
    assert replacing.stopped(state, 11, "cancelled by client") == []


def _kinds(replies: Iterable[HostReply]) -> set[type]:
    return {type(event) for reply in replies for event in reply.events}


def test_a_client_may_change_his_mind_on_a_bad_day() -> None:
    assert not _kinds(day().replies) & {ParentReplaced, ParentReplaceRequested, ParentReplaceRefused}
    assert {ParentReplaced, ParentReplaceRequested, ParentReplaceRefused} <= _kinds(changing_day().replies)
    host = OrderHost(journal_of(changing_day().records), changing_day().setup)
    host.recover()
    for state in host.parents.values():
        check_invariants(state)
        assert not state.is_open
    answers = [e.request_id for r in changing_day().replies for e in r.events if isinstance(e, _ANSWERS)]
    assert sorted(answers) == [f"A.r{n}" for n in range(5)]


def test_a_host_rebuilt_before_every_batch_of_such_a_day_says_the_same() -> None:
    lived = changing_day()
    for k, (batch, reply) in enumerate(zip(lived.batches, lived.replies, strict=True)):
        host = OrderHost(journal_of(lived.records[: lived.sizes[k - 1] if k else 0]), lived.setup)
        host.recover()
        assert codec.encode(host.handle(batch)) == codec.encode(reply)


class Dead(Exception):
    """The host's process is gone."""


@pytest.mark.parametrize("step", ["decided", "synced"])
def test_a_host_that_dies_on_a_replace_answers_it_once_all_the_same(step: str) -> None:
    lived, deaths = changing_day(), 0
    for k, (batch, reply) in enumerate(zip(lived.batches, lived.replies, strict=True)):
        if not any(isinstance(event, (*_ANSWERS, ParentReplaceRequested)) for event in reply.events):
            continue

        def probe(name: str) -> None:
            if name == step:
                raise Dead

        journal = journal_of(lived.records[: lived.sizes[k - 1]])
        host = OrderHost(journal, lived.setup, probe)
        host.recover()
        with pytest.raises(Dead):
            host.handle(batch)
        deaths += 1
        journal.crash()
        back = OrderHost(journal, lived.setup)
        back.recover()
        assert codec.encode(back.handle(batch)) == codec.encode(reply)
        again = HostBatch(seq=batch.seq + 2, now=batch.now, replaces=batch.replaces)
        assert not _kinds([back.handle(again)]) & {ParentReplaced, ParentReplaceRequested, ParentReplaceRefused}
    assert deaths >= 5
