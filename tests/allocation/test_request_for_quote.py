"""A dealer who streams nothing and answers requests is asked: the lane is open, and the child is the request.

Rule of this file: the market is the smallest in which the lane can be used.
"""

from __future__ import annotations

import msgspec
import numpy as np
import pytest

from learners.features.market import MarketFeatures
from router.allocation.exclude import exclusions
from router.allocation.pricing import asks_for_quote, child_for
from router.domain.enums import OrdType, Side, Tactic, TimeInForce, VenueType
from router.domain.errors import BadInputError
from router.domain.instruments import FeeSchedule, Lane, Listing, VenueSpec, lanes_of
from router.domain.market import DealerTier
from router.domain.orders import ChildOrder, ParentOrder

BID, ASK = 400_000, 400_200
LANE = Lane("XDLR", Tactic.QUOTE)
TIER = DealerTier(mic="XDLR", quote_id="q", at=0, max_qty=500, bid_px=400_050, ask_px=400_150)


def specs(rfq_max_qty: int = 3_000) -> tuple[VenueSpec, ...]:
    return tuple(
        VenueSpec(
            mic=mic,
            venue_type=venue_type,
            listing=Listing(symbol="ABC", mic=mic),
            fees=FeeSchedule(),
            tactics=(tactic,),
            rfq_max_qty=rfq_max_qty if tactic is Tactic.QUOTE else 0,
        )
        for mic, venue_type, tactic in (
            ("XLIT", VenueType.CENTRAL_LIMIT_ORDER_BOOK, Tactic.TAKE),
            ("XDLR", VenueType.QUOTE_DRIVEN_MARKET, Tactic.QUOTE),
        )
    )


def view(
    rfq_max_qty: int = 3_000, *tiers: DealerTier, quotes: tuple[int, ...] = (BID, 300, ASK, 300)
) -> MarketFeatures:
    made = MarketFeatures(specs(rfq_max_qty), "ABC", 0, 100)
    made.advance(np.array([[1, 0, *quotes]], dtype=np.int64), np.empty((0, 5), dtype=np.int64), 2)
    made.set_tiers(tiers)
    return made


def parent(side: Side = Side.BUY, limit: int | None = None) -> ParentOrder:
    return ParentOrder(
        parent_id="P1",
        client_order_id="c1",
        symbol="ABC",
        side=side,
        order_qty=10_000,
        start_at=0,
        end_at=100,
        ord_type=OrdType.MARKET if limit is None else OrdType.LIMIT,
        price=limit,
    )


def asked(market: MarketFeatures, order: ParentOrder, qty: int = 1_000, rfq_max_qty: int = 3_000) -> ChildOrder:
    return child_for(LANE, order, qty, market.snapshot(2), specs(rfq_max_qty)[1], "P1.1", "P1.d1", 99)


@pytest.mark.parametrize(("side", "price"), [(Side.BUY, ASK), (Side.SELL, BID)])
def test_a_request_names_no_quote_and_has_the_far_touch_as_its_limit(side: Side, price: int) -> None:
    child = asked(view(), parent(side))
    assert (child.ord_type, child.quote_id, child.price) == (OrdType.PREVIOUSLY_QUOTED, "", price)
    assert (child.time_in_force, child.order_qty) == (TimeInForce.IMMEDIATE_OR_CANCEL, 1_000)


def test_a_request_is_never_priced_beyond_the_parents_limit_nor_larger_than_is_answered() -> None:
    assert asked(view(), parent(limit=400_120)).price == 400_120
    assert asked(view(), parent(Side.SELL, limit=400_080)).price == 400_080
    assert asked(view(), parent(), qty=9_000).order_qty == 3_000


def test_a_stream_is_taken_rather_than_asked_about() -> None:
    market = view(3_000, TIER)
    assert not asks_for_quote(market.snapshot(2), specs()[1])
    assert asked(market, parent()).quote_id == "q"


def test_nobody_is_asked_who_does_not_answer() -> None:
    assert not asks_for_quote(view(0).snapshot(2), specs(0)[1])
    with pytest.raises(BadInputError, match="a dealer tier within the limit"):
        asked(view(0), parent(), rfq_max_qty=0)


def test_without_a_far_side_there_is_no_limit_to_ask_with() -> None:
    with pytest.raises(BadInputError, match="a market with a far side"):
        asked(view(3_000, quotes=(BID, 300, 0, 0)), parent())


def test_the_lane_is_open_at_the_far_touch_for_the_size_that_is_answered() -> None:
    frame = view().frame(2, Side.BUY, (0.5, 0.5))
    assert frame.max_qty == (300, 3_000)
    assert frame.price_bps[1] == frame.price_bps[0] < 0
    assert view(0).frame(2, Side.BUY, (0.5, 0.5)).max_qty == (300, 0)


@pytest.mark.parametrize(
    ("rfq_max_qty", "reasons"),
    [(3_000, {"XLIT:TAKE": "PRICE_LIMIT"}), (0, {"XLIT:TAKE": "PRICE_LIMIT", "XDLR:QUOTE": "NO_QUOTE"})],
)
def test_a_limit_shuts_no_request_out(rfq_max_qty: int, reasons: dict[str, str]) -> None:
    market, order = view(rfq_max_qty), parent(limit=400_120)
    found = exclusions(
        order,
        lanes_of(specs(rfq_max_qty)),
        specs(rfq_max_qty),
        market.frame(2, Side.BUY, (0.5, 0.5)),
        tuple(Tactic),
        market.snapshot(2),
        {},
    )
    assert {one.lane: one.reason for one in found} == reasons


def test_a_dealer_who_is_down_is_not_asked() -> None:
    market = view()
    market.set_session("XDLR", False)
    assert market.frame(2, Side.BUY, (0.5, 0.5)).max_qty == (300, 0)
    assert msgspec.structs.asdict(market.snapshot(2))["tiers"] == ()
