"""The compiled loop of a lit venue and the same source interpreted by Python say the same.

Rule of this file: the twin is the source itself, so what is compared is the compilation; the book stays compiled, and
has a twin of its own.
"""

from __future__ import annotations

from types import ModuleType

import msgspec
import numpy as np
import pytest

from router.domain.enums import OrdType as Type
from router.domain.enums import Side, Tactic, TimeInForce, VenueType
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.messages import Arrival, Fade, Hedge, Shift
from router.domain.orders import ChildOrder, NewOrderSingle
from router.domain.units import MINUTE, SECOND
from venues.models.reference import Halt, MarketSetup
from venues.types import lit, lit_build, lit_commands, lit_kernel, lit_makers, lit_noise
from venues.types.lit import LitVenue
from venues.types.lit_flow import LitParameters
from venues.venue import VenueOutput

SETUP = MarketSetup(
    symbol="ABR",
    open_at=0,
    close_at=4 * MINUTE,
    start_px=400_000,
    daily_volatility=0.05,
    adv=50_000_000,
    halts=(Halt(from_at=100 * SECOND, to_at=120 * SECOND),),
)
PARAMS = LitParameters(opening_auction_ns=5 * SECOND, closing_auction_ns=20 * SECOND, hidden=0.2, icebergs=0.2)
OWN = (lit_makers, lit_noise, lit_kernel, lit_commands, lit_build, lit)


def child(n: int, side: Side, **fields: object) -> Arrival:
    order = ChildOrder(
        cl_ord_id=f"P1.{n}",
        parent_id="P1",
        decision_id="P1.d1",
        symbol="ABR",
        mic="XONE",
        tactic=Tactic.POST,
        side=side,
        order_qty=400,
        ord_type=Type.LIMIT,
        price=400_000 + 100 * (n % 5 - 2),
        display_qty=(None, 0, 100)[n % 3],
        **fields,  # type: ignore[arg-type]
    )
    return Arrival((7 + 5 * n) * SECOND, NewOrderSingle(order))


def day() -> VenueOutput:
    """Run the venue's session with orders and ripples of ours in it."""
    spec = VenueSpec(
        mic="XONE",
        venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        listing=Listing(symbol="ABR", mic="XONE"),
        fees=FeeSchedule(),
        tactics=(Tactic.TAKE, Tactic.POST),
        volume_share=0.2,
    )
    sides = (Side.BUY, Side.SELL)
    arrivals = [child(n, sides[n % 2]) for n in range(30)]
    arrivals.append(child(31, Side.BUY, time_in_force=TimeInForce.AT_THE_CLOSE))
    arrivals[-1] = msgspec.structs.replace(arrivals[-1], at=170 * SECOND)
    ripples = [Shift(20 * SECOND, 200), Fade(40 * SECOND, 1, 0.6), Hedge(50 * SECOND, -1, 300)]
    return LitVenue(spec, SETUP, PARAMS, 3).advance(SETUP.close_at + 1, sorted(arrivals, key=lambda a: a.at), ripples)


def interpret(monkeypatch: pytest.MonkeyPatch, modules: tuple[ModuleType, ...]) -> int:
    """Have the modules call their own compiled functions' source instead; return how many functions that are."""
    found = set()
    for module in modules:
        for name, value in list(vars(module).items()):
            source = getattr(value, "py_func", None)
            if source is not None and source.__module__.startswith("venues.types.lit"):
                monkeypatch.setattr(module, name, source)
                found.add(source.__qualname__)
    return len(found)


def test_the_compiled_session_is_the_interpreted_one(monkeypatch: pytest.MonkeyPatch) -> None:
    compiled = day()
    assert interpret(monkeypatch, OWN) > 20
    plain = day()
    assert len(compiled.prints) > 200
    assert np.array_equal(compiled.prints, plain.prints)
    assert np.array_equal(compiled.quotes, plain.quotes)
    assert compiled.reports == plain.reports
    assert compiled.events == plain.events
