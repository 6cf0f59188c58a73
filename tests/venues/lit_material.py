"""A quiet lit market and the orders that tests send to it.

Rule of this file: no takers and no moves, unless a test asks for a share of the volume: what trades is ours or the
makers'.
"""

from __future__ import annotations

from router.domain.enums import OrdType, Side, Tactic, TimeInForce, VenueType
from router.domain.instruments import FeeSchedule, Listing, VenueSpec
from router.domain.messages import Arrival
from router.domain.orders import ChildOrder, NewOrderSingle
from router.domain.units import HOUR, MINUTE, SECOND
from venues.models.reference import MarketSetup
from venues.types.lit import LitVenue
from venues.types.lit_flow import LitParameters

OPEN = 9 * HOUR
AT = OPEN + SECOND
SETUP = MarketSetup(symbol="ABR", open_at=OPEN, close_at=OPEN + 10 * MINUTE, start_px=400_000, daily_volatility=1e-6)
BID, MID, ASK = 399_900, 400_000, 400_100
IOC = TimeInForce.IMMEDIATE_OR_CANCEL


def venue(share: float = 0.0, setup: MarketSetup = SETUP, **params: object) -> LitVenue:
    spec = VenueSpec(
        mic="XONE",
        venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        listing=Listing(symbol="ABR", mic="XONE"),
        fees=FeeSchedule(maker_micros=-2_000, taker_micros=3_000),
        tactics=(Tactic.TAKE, Tactic.POST),
        volume_share=share,
    )
    return LitVenue(spec, setup, LitParameters(refresh_ns=HOUR, **params), 1)  # type: ignore[arg-type]


def new(at: int, name: str, **fields: object) -> Arrival:
    base: dict[str, object] = {
        "cl_ord_id": name,
        "parent_id": "P1",
        "decision_id": "P1.d1",
        "symbol": "ABR",
        "mic": "XONE",
        "tactic": Tactic.POST,
        "side": Side.BUY,
        "order_qty": 100,
        "ord_type": OrdType.LIMIT,
    }
    return Arrival(at, NewOrderSingle(ChildOrder(**(base | fields))))  # type: ignore[arg-type]


def seller(at: int, name: str, qty: int, price: int = BID) -> Arrival:
    return new(at, name, side=Side.SELL, order_qty=qty, price=price, time_in_force=IOC)
