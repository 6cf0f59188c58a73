"""A change that makes an order large waits for a second person; until then the order goes on as it was."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from desk_and_market import Live, live, of_kind
from live_material import LIMIT, OPERATOR, RISK_OFFICER, TRADER, desk, order, session, settings

from cluster.live.reopening import limits_text
from cluster.live.session import assembly_of, fresh_link
from cluster.live.verifying import verify_session
from router.domain.enums import OrdStatus, Side
from router.domain.facts import OrderReplaced, ReplaceAsked, SessionOpened
from router.domain.requests import (
    Accepted,
    CancelOrder,
    Conflicting,
    Denied,
    JudgeApproval,
    Kill,
    Noted,
    NotFound,
    Principal,
    ReplaceOrder,
    SubmitOrder,
)
from router.domain.units import SECOND, px

ABOVE = 100_000
SMALL, LARGE = 100, 60_000
SECOND_PERSON = Noted(waits_for="a second person")
COLLEAGUE = Principal(name="liz", role="trader", accounts=("A",), session="s9")


def asking(above: int = ABOVE) -> SessionOpened:
    """A session in which orders worth so much wait for a second person."""
    kept = {"limits": limits_text(settings().limits), "approval_above": str(above)}
    return msgspec.structs.replace(session(), **kept)


def worked(made: Live, n: int = 1, **terms: Any) -> str:
    """Hand in a small order at a price at which nobody sells, and play until it is worked."""
    now = made.market.now
    made.desk.see(made.market.reference())
    given = {"parent_id": "-", "side": Side.BUY, "ord_type": LIMIT, "price": px("39.00"), "end_at": now + 600 * SECOND}
    placed = order(n, made.opened, now, SMALL, **{**given, **terms})
    answer = made.ask(SubmitOrder(principal=TRADER, correlation_id="x", order=placed, body_hash=f"h{n}"))
    assert isinstance(answer, Accepted)
    go_on(made)
    return answer.parent_id


def go_on(made: Live) -> None:
    made.go_on(made.market.now + SECOND)
    made.desk.see(made.market.reference())


def change(made: Live, who: Principal = TRADER, **terms: Any) -> object:
    return made.ask(ReplaceOrder(principal=who, parent_id="P1", **terms))


def judge(made: Live, who: Principal = RISK_OFFICER, name: str = "A-P1-1", *, is_approved: bool = True) -> object:
    return made.ask(JudgeApproval(principal=who, approval_id=name, is_approved=is_approved, why="looked"))


def qty_of(made: Live) -> tuple[int, int]:
    """The order's quantity at the desk and in the market."""
    return made.desk.book.orders["P1"].order.order_qty, made.market._open["P1"].order_qty


def test_change_that_makes_an_order_large_waits_and_the_order_goes_on_as_it_was() -> None:
    made = live(asking())
    worked(made)
    assert change(made, order_qty=LARGE) == SECOND_PERSON
    go_on(made)
    assert qty_of(made) == (SMALL, SMALL)
    assert [fact.approval_id for fact in of_kind(made, ReplaceAsked)] == ["A-P1-1"]
    # Until it is judged the books have room for it.
    assert made.desk.gate.exposure.orders["P1"].order_qty == LARGE


def test_change_holds_once_somebody_else_has_approved_it() -> None:
    made = live(asking())
    worked(made)
    change(made, order_qty=LARGE)
    own = judge(made, TRADER)
    assert isinstance(own, Conflicting) and own.code == "OWN_ORDER"
    go_on(made)
    assert qty_of(made) == (SMALL, SMALL)
    assert judge(made) == Noted()
    go_on(made)
    assert qty_of(made) == (LARGE, LARGE)
    assert isinstance(judge(made), NotFound)


def test_who_sent_the_order_may_judge_a_change_of_somebody_else() -> None:
    made = live(asking())
    worked(made)
    assert change(made, COLLEAGUE, order_qty=LARGE) == SECOND_PERSON
    assert isinstance(judge(made, COLLEAGUE), Conflicting)
    assert judge(made, TRADER) == Noted()


def test_change_that_is_not_approved_leaves_the_order_and_its_exposure() -> None:
    made = live(asking())
    worked(made)
    before = made.desk.gate.exposure.orders["P1"]
    change(made, order_qty=LARGE)
    assert judge(made, is_approved=False) == Noted()
    go_on(made)
    assert qty_of(made) == (SMALL, SMALL)
    assert made.desk.gate.exposure.orders["P1"] == before
    assert [fact.refused for fact in of_kind(made, OrderReplaced)] == ["not approved by joe"]
    assert change(made, order_qty=SMALL + 100) == Noted()


def test_next_change_waits_under_an_id_of_its_own_and_one_waits_at_a_time() -> None:
    made = live(asking())
    worked(made)
    change(made, order_qty=LARGE)
    busy = change(made, order_qty=200)
    assert isinstance(busy, Conflicting) and (busy.code, "waiting for approval" in busy.text) == ("ORDER_IS_BUSY", True)
    judge(made, is_approved=False)
    change(made, order_qty=LARGE)
    assert isinstance(judge(made, name="A-P1-1"), NotFound)
    assert judge(made, name="A-P1-2") == Noted()


def test_cancel_takes_the_change_with_it() -> None:
    made = live(asking())
    worked(made)
    change(made, order_qty=LARGE)
    made.ask(CancelOrder(principal=TRADER, parent_id="P1"))
    assert isinstance(judge(made), NotFound)
    go_on(made)
    assert made.desk.book.orders["P1"].ended is OrdStatus.CANCELED
    assert not made.desk.gate.exposure.orders


def test_what_is_killed_is_not_approved() -> None:
    made = live(asking())
    worked(made)
    change(made, order_qty=LARGE)
    made.desk.gate.board.set_account("A", "HALTED", "ann", "x", 1)  # type: ignore[arg-type]
    assert isinstance(judge(made), Denied)
    made.desk.gate.board.set_account("A", "ACTIVE", "ann", "x", 1)  # type: ignore[arg-type]
    made.ask(Kill(principal=OPERATOR, level="account", target="A", why="drill"))
    go_on(made)
    assert isinstance(judge(made), NotFound)


@pytest.mark.parametrize(
    ("terms", "waits"),
    [
        ({"order_qty": 2_000}, False),
        ({"order_qty": 3_000}, True),
        ({"urgency": 0.2}, False),
        ({"order_qty": 2_500, "price": px("39.90")}, False),
        ({"order_qty": 2_500, "price": px("40.00")}, True),
    ],
)
def test_only_what_makes_an_order_worth_the_bound_waits(terms: dict[str, Any], waits: bool) -> None:
    made = live(asking())
    worked(made)
    assert change(made, **terms) == (SECOND_PERSON if waits else Noted())


def test_what_makes_a_large_order_no_larger_waits_for_nobody() -> None:
    made = live(asking(above=1_000))
    made.desk.see(made.market.reference())
    assert worked(made) == "P1"
    judge(made, name="A-P1")
    go_on(made)
    assert change(made, order_qty=90) == Noted()
    go_on(made)
    assert change(made, price=px("38.00")) == Noted()
    go_on(made)
    assert change(made, order_qty=91) == SECOND_PERSON


def test_a_waiting_change_is_there_again_after_a_restart_of_desk_and_market() -> None:
    made = live(asking())
    worked(made)
    change(made, order_qty=LARGE)
    again = desk(made.opened)
    for record in made.record.read():
        again.apply(record)
    made.desk.forget_unrecorded()
    assert again.digest() == made.desk.digest()
    back = made.killed()._replace(desk=again)
    again.see(back.market.reference())
    assert judge(back) == Noted()
    go_on(back)
    assert qty_of(back) == (LARGE, LARGE)


def test_session_with_approved_and_rejected_changes_plays_again_alike() -> None:
    made = live(asking())
    worked(made)
    change(made, order_qty=LARGE)
    go_on(made)
    judge(made, is_approved=False)
    change(made, order_qty=LARGE)
    go_on(made)
    judge(made, name="A-P1-2")
    go_on(made)
    verified = verify_session(made.record, made.opened, fresh_link(made.opened, assembly_of(made.opened, None)), None)
    assert (verified.difference, verified.windows_recorded > 5) == ("", True)
