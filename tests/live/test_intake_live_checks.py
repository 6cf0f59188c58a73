"""Every code of checks 4, 8 and 16 denies on a desk over a live market, and what feeds them is the market's own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from desk_and_market import Live, live
from live_material import LIMIT, OPERATOR, TRADER, order, session

from router.domain.enums import Side
from router.domain.facts import SessionOpened
from router.domain.orders import ParentOrder
from router.domain.requests import Accepted, Denied, Noted, NotReady, ReplaceOrder, SetLimit, SubmitOrder
from router.domain.units import SECOND, px
from router.risk.reasons import REASONS, DenyReason

R = DenyReason
HALT = '\n[[breaks]]\nkind = "halt"\nfrom_s = 0.1\nto_s = 60\n'
SHORT: dict[str, Any] = {"side": Side.SELL_SHORT, "ord_type": LIMIT, "price": px("45.00")}


def running(opened: SessionOpened | None = None, **limits: object) -> Live:
    """A desk that has seen its market for a second."""
    made = live(opened, **limits)
    made.go_on(made.market.now + SECOND)
    made.desk.see(made.market.reference())
    return made


def placed(made: Live, n: int = 1, **terms: Any) -> ParentOrder:
    now = made.market.now
    return order(n, made.opened, now, **{"parent_id": "-", "side": Side.BUY, "end_at": now + 600 * SECOND, **terms})


def submit(made: Live, n: int = 1, *, is_located: bool = False, **terms: Any) -> object:
    asked = SubmitOrder(principal=TRADER, order=placed(made, n, **terms), body_hash=f"h{n}", is_located=is_located)
    return made.ask(asked)


def set_limit(made: Live, key: str, value: str) -> None:
    assert made.ask(SetLimit(principal=OPERATOR, key=key, value=value, why="a drill")) == Noted()


def codes(answer: object) -> list[str]:
    return [denial.code for denial in answer.denials] if isinstance(answer, Denied) else []


def away(made: Live) -> object:
    """The market has said nothing yet."""
    made.desk.forget_unrecorded()
    return submit(made)


def without_a_book(made: Live) -> object:
    made.desk.see(msgspec.structs.replace(made.market.reference(), bid_px=px("41.00"), ask_px=px("40.00")))
    return submit(made)


def old(made: Live) -> object:
    seen = made.market.reference()
    made.go_on(made.market.now + 6 * SECOND)
    made.desk.see(msgspec.structs.replace(seen, at=made.market.now + 6 * SECOND))
    return submit(made)


def halted() -> SessionOpened:
    return msgspec.structs.replace(session(), scenario_text=session().scenario_text + HALT)


def closed(made: Live) -> object:
    made.desk.see(msgspec.structs.replace(made.market.reference(), is_open=False))
    return submit(made)


def limited(key: str, value: str, **terms: Any) -> Callable[[Live], object]:
    def case(made: Live) -> object:
        set_limit(made, key, value)
        made.desk.see(made.market.reference())
        return submit(made, **terms)

    return case


CASES: dict[DenyReason, Callable[[Live], object]] = {
    R.UNKNOWN_INSTRUMENT: lambda made: submit(made, symbol="NONE"),
    R.NO_VENUE: lambda made: submit(made, venues_allow=("XXXX",)),
    R.HALTED: lambda _: submit(running(halted())),
    R.SESSION_CLOSED: closed,
    R.OUTSIDE_BAND: limited("price_band_bps", "50", ord_type=LIMIT, price=px("38.00")),
    R.NO_REFERENCE: without_a_book,
    R.STALE_REFERENCE: old,
    R.OUTSIDE_COLLAR: limited("collar_bps", "1"),
    R.SHORT_SALE_FORBIDDEN: limited("short_sale", "FORBIDDEN", is_located=True, **SHORT),
    R.NOT_MARKED_SHORT: lambda made: submit(made, side=Side.SELL),
    R.NO_LOCATE: lambda made: submit(made, **SHORT),
    R.SHORT_SALE_RESTRICTED: limited(
        "short_restricted", '["SMOK"]', is_located=True, side=Side.SELL_SHORT, ord_type=LIMIT, price=px("38.00")
    ),
}
"""For each code of checks 4, 8 and 16 an order over a live market that is denied with it."""


@pytest.mark.parametrize("reason", list(CASES), ids=str)
def test_each_code_denies_on_a_live_desk(reason: DenyReason) -> None:
    assert codes(CASES[reason](running())) == [str(reason)]


def test_no_code_of_these_checks_is_left_out() -> None:
    assert set(CASES) == {reason for reason, of in REASONS.items() if of.check in (4, 8, 16)}


def test_market_that_has_said_nothing_yet_is_no_denial() -> None:
    assert isinstance(away(running()), NotReady)


def test_last_trade_is_the_market_s_own_and_inside_its_day() -> None:
    made = running()
    seen = made.market.reference()
    assert seen.last_px and abs(seen.last_px - seen.bid_px) < px("1.00")
    before = seen.last_px
    made.go_on(made.market.now + 20 * SECOND)
    assert made.market.reference().last_px != before


def test_band_holds_on_either_side_of_the_last_trade() -> None:
    made = running(price_band_bps=200)
    last = made.market.reference().last_px
    inside, outside = last * 101 // 100 // 100 * 100, last * 103 // 100 // 100 * 100
    short = {"side": Side.SELL_SHORT, "ord_type": LIMIT, "is_located": True}
    assert codes(submit(made, 1, price=outside, **short)) == ["OUTSIDE_BAND"]
    assert isinstance(submit(made, 2, price=inside, **short), Accepted)


def test_restricted_short_sale_passes_with_a_limit_above_the_bid() -> None:
    made = running(short_restricted=("SMOK",))
    assert codes(submit(made, 1, side=Side.SELL_SHORT, is_located=True)) == ["SHORT_SALE_RESTRICTED"]
    assert isinstance(submit(made, 2, is_located=True, **SHORT), Accepted)


def test_short_sale_grows_with_a_locate_for_the_difference_and_shrinks_without() -> None:
    made = running()
    assert isinstance(submit(made, is_located=True, **SHORT), Accepted)
    made.go_on(made.market.now + SECOND)
    made.desk.see(made.market.reference())
    grown = ReplaceOrder(principal=TRADER, parent_id="P1", order_qty=5_000)
    assert codes(made.ask(grown)) == ["NO_LOCATE"]
    assert made.ask(msgspec.structs.replace(grown, is_located=True)) == Noted()
    made.go_on(made.market.now + SECOND)
    made.desk.see(made.market.reference())
    assert made.desk.book.orders["P1"].order.order_qty == 5_000
    assert made.ask(ReplaceOrder(principal=TRADER, parent_id="P1", order_qty=400)) == Noted()
