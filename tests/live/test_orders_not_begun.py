"""An order that has not begun is changed at once: no host knows of it, and it begins with its new terms."""

from __future__ import annotations

import pytest
from desk_and_market import Live, live, of_kind
from live_material import LIMIT, OPEN_AT, TRADER, desk, order

from router.domain.enums import OrdStatus, Side
from router.domain.events import ChildIntended, ParentAccepted
from router.domain.facts import OrderEnded, OrderReplaced, ReplaceAsked
from router.domain.requests import CancelOrder, Denied, Noted, ReplaceOrder, SubmitOrder
from router.domain.units import MILLISECOND, SECOND, px

START = OPEN_AT + 20 * SECOND


def submit(made: Live, n: int = 1, **terms: object) -> str:
    placed = order(
        n, made.opened, START, **{"parent_id": "-", "side": Side.BUY, "end_at": START + 60 * SECOND, **terms}
    )
    made.ask(SubmitOrder(principal=TRADER, correlation_id="x", order=placed, body_hash=f"h{n}"))
    return f"P{n}"


def replace(parent_id: str, **terms: object) -> ReplaceOrder:
    return ReplaceOrder(principal=TRADER, parent_id=parent_id, **terms)  # type: ignore[arg-type]


def test_a_replace_before_the_start_is_answered_in_the_next_window_and_holds_from_the_start() -> None:
    made = live()
    parent_id = submit(made)
    assert made.ask(replace(parent_id, order_qty=150, end_at=START + 5 * SECOND)) == Noted()
    (told,) = of_kind(made, OrderReplaced)
    assert (told.order_qty, told.end_at, told.refused) == (150, START + 5 * SECOND, "")
    assert not of_kind(made, ParentAccepted)
    assert made.desk.book.orders[parent_id].order.order_qty == 150
    assert not made.desk.book.orders[parent_id].is_replacing
    made.go_on(START + 12 * SECOND)
    (begun,) = of_kind(made, ParentAccepted)
    assert begun.at >= START
    assert begun.parent.order_qty == 150
    ended = of_kind(made, OrderEnded)[0]
    assert ended.cum_qty <= 150
    assert ended.at <= START + 10 * SECOND


def test_an_order_is_changed_before_its_start_as_often_as_its_client_likes() -> None:
    made = live()
    parent_id = submit(made)
    for qty in (300, 200, 500):
        assert made.ask(replace(parent_id, order_qty=qty)) == Noted()
    assert [told.order_qty for told in of_kind(made, OrderReplaced)] == [300, 200, 500]
    held = made.desk.gate.exposure.find(parent_id)
    assert held is not None
    assert held.order_qty == 500


def test_a_limit_that_was_changed_before_the_start_binds_every_child() -> None:
    made = live()
    parent_id = submit(made, ord_type=LIMIT, price=px("101.00"))
    made.ask(replace(parent_id, price=px("95.00")))
    made.go_on(START + 20 * SECOND)
    prices = [event.child.price for event in of_kind(made, ChildIntended)]
    assert all(price is not None and price <= px("95.00") for price in prices)
    held = made.desk.gate.exposure.find(parent_id)
    assert held is not None
    assert held.risk_px == px("95.00")


def test_terms_that_no_order_could_have_are_refused_and_the_old_ones_hold() -> None:
    made = live()
    parent_id = submit(made)
    until = made.market.now + 7 * MILLISECOND
    asked = ReplaceAsked(
        at=until, account="A", parent_id=parent_id, who="bob", held_qty=400, end_at=START - SECOND, order_qty=300
    )
    played = made.market.step(until, made.size() + 1, ((made.size(), asked),))
    assert played is not None
    (told,) = played.changed
    assert told.refused.startswith("BAD_TERMS: ")
    assert (told.order_qty, told.end_at) == (400, START + 60 * SECOND)
    assert made.market.step(played.at + SECOND, played.heard, ()) is not None


def test_the_risk_gate_denies_a_replace_before_the_start_as_any_other() -> None:
    made = live()
    parent_id = submit(made)
    answer = made.ask(replace(parent_id, order_qty=10_000_000))
    assert isinstance(answer, Denied)
    assert not of_kind(made, OrderReplaced)
    assert made.desk.book.orders[parent_id].order.order_qty == 400


def test_an_order_replaced_and_then_cancelled_before_its_start_ends_without_a_child() -> None:
    made = live()
    parent_id = submit(made)
    made.ask(replace(parent_id, order_qty=900))
    assert made.ask(CancelOrder(principal=TRADER, parent_id=parent_id)) == Noted()
    made.go_on(made.market.now + SECOND)
    (ended,) = of_kind(made, OrderEnded)
    assert ended.ord_status is OrdStatus.CANCELED
    assert not of_kind(made, ChildIntended)
    assert made.market.open_orders == 0
    assert made.desk.gate.exposure.account("A").open_orders == 0


def test_orders_begin_in_their_turn_after_some_of_them_were_changed() -> None:
    made = live()
    for n in range(1, 6):
        submit(made, n, order_qty=400 + n)
    made.ask(replace("P4", order_qty=100))
    made.ask(replace("P2", order_qty=200))
    made.go_on(START + SECOND)
    begun = of_kind(made, ParentAccepted)
    assert [event.parent_id for event in begun] == ["P1", "P2", "P3", "P4", "P5"]
    assert [event.parent.order_qty for event in begun] == [401, 200, 403, 100, 405]


def test_a_desk_that_comes_back_knows_the_terms_of_an_order_that_has_not_begun() -> None:
    made = live()
    parent_id = submit(made)
    made.ask(replace(parent_id, order_qty=150))
    again = desk(made.opened)
    for record in made.record.read():
        again.apply(record)
    assert again.digest() == made.desk.digest()
    assert again.book.orders[parent_id].order.order_qty == 150


@pytest.mark.parametrize("asked_before", [0, 1, 2])
def test_a_market_that_comes_back_between_replaces_is_where_it_was(asked_before: int) -> None:
    made = live()
    parent_id = submit(made)
    for qty in (300, 150)[:asked_before]:
        made.ask(replace(parent_id, order_qty=qty))
    again = made.killed()
    assert again.market.now == made.market.now
    for qty in (300, 150)[asked_before:]:
        again.ask(replace(parent_id, order_qty=qty))
    assert again.desk.book.orders[parent_id].order.order_qty == 150
    again.go_on(START + 10 * SECOND)
    (begun,) = of_kind(again, ParentAccepted)
    assert begun.parent.order_qty == 150
    assert of_kind(again, ChildIntended)
