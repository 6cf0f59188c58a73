"""The risk gate sees that trading stands still: nothing new comes in, and what is there may be taken back."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from desk_and_market import Live, live
from live_material import LIMIT, OPEN_AT, TRADER, order, session

from cluster.live.session import assembly_of
from router.domain.enums import OrdStatus, Side, VenueType
from router.domain.facts import OrderDenied, SessionOpened
from router.domain.requests import Accepted, CancelOrder, Denied, Noted, ReplaceOrder, SubmitOrder
from router.domain.units import SECOND, px
from venues.build import build_venue

SPECS = assembly_of(session(), None).specs
HALTED_S, GOES_ON_S = 10, 30
HALT = f'\n[[breaks]]\nkind = "halt"\nfrom_s = {HALTED_S}\nto_s = {GOES_ON_S}\n'


def halted_session(*venues: str) -> SessionOpened:
    """A session in which everything halts for a while, or these venues do."""
    opened = session()
    breaks = [f'{HALT}venue = "{venue}"\n' for venue in venues] or [HALT]
    return msgspec.structs.replace(opened, scenario_text=opened.scenario_text + "".join(breaks))


def go_on(made: Live, at_s: float) -> None:
    """Play to a second of the session, the desk seeing what the market shows it."""
    made.go_on(OPEN_AT + round(at_s * SECOND))
    made.desk.see(made.market.reference())


def submit(made: Live, n: int, **terms: Any) -> object:
    now = made.market.now
    placed = order(n, made.opened, now, **{"parent_id": "-", "side": Side.BUY, "end_at": now + 120 * SECOND, **terms})
    return made.ask(SubmitOrder(principal=TRADER, correlation_id="x", order=placed, body_hash=f"h{n}"))


def codes(answer: object) -> list[str]:
    assert isinstance(answer, Denied)
    return [denial.code for denial in answer.denials]


def test_new_order_in_a_halt_is_refused_with_its_code_and_recorded() -> None:
    made = live(halted_session())
    go_on(made, HALTED_S - 2)
    assert isinstance(submit(made, 1), Accepted)
    go_on(made, HALTED_S + 2)
    assert codes(submit(made, 2)) == ["HALTED"]
    assert [r.kind for r in made.record.read()].count(OrderDenied.__name__) == 1


def test_replace_in_a_halt_is_refused_and_a_cancel_goes_through() -> None:
    made = live(halted_session())
    go_on(made, HALTED_S - 2)
    submit(made, 1, ord_type=LIMIT, price=px("39.00"))
    go_on(made, HALTED_S + 2)
    assert codes(made.ask(ReplaceOrder(principal=TRADER, parent_id="P1", order_qty=900))) == ["HALTED"]
    assert made.ask(CancelOrder(principal=TRADER, parent_id="P1")) == Noted()
    go_on(made, GOES_ON_S + 10)
    assert made.desk.book.orders["P1"].ended is OrdStatus.CANCELED


def test_orders_come_in_again_once_trading_goes_on() -> None:
    made = live(halted_session())
    go_on(made, HALTED_S + 1)
    assert codes(submit(made, 1)) == ["HALTED"]
    go_on(made, GOES_ON_S + 5)
    assert isinstance(submit(made, 2), Accepted)


def test_halt_of_a_venue_without_a_public_book_halts_nothing() -> None:
    dark = next(spec.mic for spec in SPECS if spec.venue_type is VenueType.DARK_ORDER_BOOK)
    made = live(halted_session(dark))
    go_on(made, HALTED_S + 2)
    assert not made.market.reference().is_halted
    assert isinstance(submit(made, 1), Accepted)


def test_instrument_is_halted_when_its_last_public_book_is() -> None:
    books = [spec.mic for spec in SPECS if spec.venue_type is VenueType.CENTRAL_LIMIT_ORDER_BOOK]
    assert len(books) > 1
    for n in range(len(books) + 1):
        made = live(halted_session("XDKA", *books[:n]))
        go_on(made, HALTED_S + 2)
        assert made.market.reference().is_halted is (n == len(books))


@pytest.mark.parametrize("mic", [spec.mic for spec in SPECS])
def test_every_kind_of_venue_says_when_trading_stands_still(mic: str) -> None:
    assembly = assembly_of(halted_session(), None)
    spec = next(spec for spec in assembly.specs if spec.mic == mic)
    part = next(part for part in assembly.scenario.file.venues if part.mic == mic)
    venue = build_venue(spec, assembly.setup, part.parameters, assembly.seed)
    said = [venue.advance(OPEN_AT + at_s * SECOND).is_halted for at_s in (5, HALTED_S + 1, GOES_ON_S - 1, 60)]
    assert said == [False, True, True, False]
