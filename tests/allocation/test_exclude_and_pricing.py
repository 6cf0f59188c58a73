"""Every exclusion has its reason in the order of asking, and every child keeps the limit, the tick and its tactic."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.features import lanes as lane_features
from learners.features.market import MarketFeatures
from router.allocation.exclude import CHECKS, DISABLED, ExclusionReason, exclusions
from router.allocation.pricing import child_for, post_px
from router.domain.enums import ExecInst, OrdType, PegPriceType, SessionState, Side, Tactic, TimeInForce, VenueType
from router.domain.errors import BadInputError
from router.domain.instruments import FeeSchedule, Lane, Listing, VenueSpec, lanes_of
from router.domain.market import DealerTier, MarketSnapshot, Quote
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.scores import ContextFrame


def spec(mic: str, venue_type: VenueType, *tactics: Tactic) -> VenueSpec:
    listing = Listing(symbol="ABC", mic=mic)
    return VenueSpec(mic=mic, venue_type=venue_type, listing=listing, fees=FeeSchedule(), tactics=tactics)


SPECS = (
    spec("XLIT", VenueType.CENTRAL_LIMIT_ORDER_BOOK, Tactic.TAKE, Tactic.POST),
    spec("XDRK", VenueType.DARK_ORDER_BOOK, Tactic.MID_PEG),
    spec("XDLR", VenueType.QUOTE_DRIVEN_MARKET, Tactic.QUOTE),
)
LANES = lanes_of(SPECS)
SPEC_OF = {s.mic: s for s in SPECS}
TIERS = (
    DealerTier(mic="XDLR", quote_id="small", at=0, max_qty=500, bid_px=400_050, ask_px=400_150),
    DealerTier(mic="XDLR", quote_id="large", at=0, max_qty=5_000, bid_px=399_950, ask_px=400_250),
)
MARKET = MarketSnapshot(
    at=5,
    quotes=(
        Quote(mic="XLIT", at=1, bid_px=400_000, bid_qty=300, ask_px=400_200, ask_qty=400),
        Quote(mic="XDRK", at=0),
        Quote(mic="XDLR", at=0),
    ),
    tiers=TIERS,
    bid_px=400_000,
    bid_qty=300,
    ask_px=400_200,
    ask_qty=400,
    volume=0,
)


def parent(**changes: Any) -> ParentOrder:
    fields: dict[str, Any] = {
        "parent_id": "P1",
        "client_order_id": "c1",
        "symbol": "ABC",
        "side": Side.BUY,
        "order_qty": 10_000,
        "start_at": 0,
        "end_at": 100,
    }
    fields.update(changes)
    if fields.get("price") is not None:
        fields["ord_type"] = OrdType.LIMIT
    return ParentOrder(**fields)


def frame(*max_qty: int) -> ContextFrame:
    return ContextFrame(
        at=5,
        symbol="ABC",
        side=Side.BUY,
        names=(),
        lanes=tuple(map(str, LANES)),
        x=b"",
        price_bps=(0.0,) * 4,
        fee_bps=(0.0,) * 4,
        max_qty=max_qty or (400, 1_000_000, 1_000_000, 5_000),
    )


def reasons(order: ParentOrder, **changes: Any) -> dict[str, str]:
    asked: dict[str, Any] = {"tactics": tuple(Tactic), "market": MARKET, "unavailable": {}, "frame": frame()}
    asked.update(changes)
    made = exclusions(order, LANES, SPECS, **asked)
    assert all(exclusion.detail for exclusion in made)
    return {exclusion.lane: exclusion.reason for exclusion in made}


def child(tactic: Tactic, order: ParentOrder, qty: int = 200, market: MarketSnapshot = MARKET) -> ChildOrder:
    lane = next(lane for lane in LANES if lane.tactic is tactic)
    return child_for(lane, order, qty, market, SPEC_OF[lane.mic], "P1.1", "P1.d1", 99)


def test_a_plain_market_order_may_use_every_lane() -> None:
    assert reasons(parent()) == {}


def test_venues_the_client_left_out_or_denied_are_out() -> None:
    assert reasons(parent(venues_allow=("XLIT",), venues_deny=("XDRK",))) == {
        "XDRK:MID_PEG": "VENUE_NOT_ALLOWED",
        "XDLR:QUOTE": "VENUE_NOT_ALLOWED",
    }
    assert reasons(parent(venues_deny=("XDRK",))) == {"XDRK:MID_PEG": "VENUE_DENIED"}


def test_a_down_session_comes_before_unavailability_and_that_before_the_schedule() -> None:
    down = msgspec.structs.replace(MARKET.quotes[0], session=SessionState.DOWN)
    market = msgspec.structs.replace(MARKET, quotes=(down, *MARKET.quotes[1:]))
    made = reasons(parent(), market=market, unavailable={"XLIT": "breaker", "XDRK": "breaker"}, tactics={Tactic.POST})
    assert made == {
        "XLIT:TAKE": "SESSION_DOWN",
        "XLIT:POST": "SESSION_DOWN",
        "XDRK:MID_PEG": "VENUE_UNAVAILABLE",
        "XDLR:QUOTE": "TACTIC_NOT_RELEASED",
    }


def test_an_order_says_whether_it_trades_in_dark_pools() -> None:
    outside = {"XLIT:TAKE": "NOT_DARK", "XLIT:POST": "NOT_DARK", "XDLR:QUOTE": "NOT_DARK"}
    assert reasons(parent(dark="ONLY")) == outside
    assert reasons(parent(strategy="dark_only")) == outside
    assert reasons(parent(dark="NONE")) == {"XDRK:MID_PEG": "DARK"}


def test_a_venue_that_a_person_has_disabled_says_so_and_not_that_it_is_broken() -> None:
    made = reasons(parent(), unavailable={"XLIT": DISABLED, "XDLR": "breaker"})
    assert made == {"XLIT:TAKE": "VENUE_DISABLED", "XLIT:POST": "VENUE_DISABLED", "XDLR:QUOTE": "VENUE_UNAVAILABLE"}


def test_children_too_small_for_the_minimum_shut_out_dark_lanes() -> None:
    assert reasons(parent(min_qty=50, max_child_qty=49)) == {"XDRK:MID_PEG": "BELOW_MIN_QTY"}
    assert reasons(parent(min_qty=50, max_child_qty=50)) == {}


def test_only_a_sweep_takes_by_intermarket_sweep_orders() -> None:
    assert child(Tactic.TAKE, parent(strategy="sweep")).exec_inst == (ExecInst.INTERMARKET_SWEEP,)
    assert child(Tactic.TAKE, parent()).exec_inst == ()
    assert ExecInst.INTERMARKET_SWEEP not in child(Tactic.POST, parent(strategy="sweep")).exec_inst


def test_a_lane_without_size_has_no_quote() -> None:
    assert reasons(parent(), frame=frame(0, 1, 1, 0)) == {"XLIT:TAKE": "NO_QUOTE", "XDLR:QUOTE": "NO_QUOTE"}


def test_a_limit_shuts_out_prices_beyond_it_and_leaves_resting_lanes() -> None:
    assert reasons(parent(price=400_100)) == {"XLIT:TAKE": "PRICE_LIMIT", "XDLR:QUOTE": "PRICE_LIMIT"}
    assert reasons(parent(price=400_000)) == {
        "XLIT:TAKE": "PRICE_LIMIT",
        "XDRK:MID_PEG": "OUTSIDE_LIMIT",
        "XDLR:QUOTE": "PRICE_LIMIT",
    }
    assert reasons(parent(side=Side.SELL, price=400_000)) == {}
    assert reasons(parent(side=Side.SELL_SHORT, price=400_050)) == {"XLIT:TAKE": "PRICE_LIMIT"}


def test_too_little_left_for_the_minimum_shuts_out_dark_lanes_alone() -> None:
    assert reasons(parent(min_qty=500), left_qty=499) == {"XDRK:MID_PEG": "BELOW_MIN_QTY"}
    assert reasons(parent(min_qty=500), left_qty=500) == {}


def test_every_reason_has_one_check_and_unknown_lanes_are_refused() -> None:
    assert [reason for reason, _, _ in CHECKS] == list(ExclusionReason)
    with pytest.raises(BadInputError, match="XNYS:TAKE"):
        exclusions(parent(), (Lane("XNYS", Tactic.TAKE),), SPECS, frame(), tuple(Tactic), MARKET, {})


def test_taking_is_a_limit_at_the_far_touch_that_never_rests() -> None:
    made = child(Tactic.TAKE, parent())
    assert (made.ord_type, made.price, made.time_in_force) == (
        OrdType.LIMIT,
        400_200,
        TimeInForce.IMMEDIATE_OR_CANCEL,
    )
    assert (made.exec_inst, made.expire_time, made.lane) == ((), None, "XLIT:TAKE")
    assert child(Tactic.TAKE, parent(side=Side.SELL)).price == 400_000


def test_posting_is_post_only_at_the_near_touch_until_it_expires() -> None:
    made = child(Tactic.POST, parent())
    assert (made.price, made.time_in_force, made.expire_time) == (400_000, TimeInForce.GOOD_TILL_DATE, 99)
    assert made.exec_inst == (ExecInst.PARTICIPATE_DO_NOT_INITIATE, ExecInst.CANCEL_ON_CONNECTION_LOSS)
    assert child(Tactic.POST, parent(price=399_950)).price == 399_900
    assert child(Tactic.POST, parent(side=Side.SELL, price=400_250)).price == 400_300


def test_a_midpoint_child_is_pegged_with_the_minimum_and_the_limit_of_its_parent() -> None:
    made = child(Tactic.MID_PEG, parent(min_qty=150))
    assert (made.ord_type, made.peg_price_type, made.price) == (OrdType.PEGGED, PegPriceType.MID_PRICE, None)
    assert (made.min_qty, made.exec_inst) == (150, (ExecInst.CANCEL_ON_CONNECTION_LOSS,))
    assert child(Tactic.MID_PEG, parent(min_qty=150, price=400_150), qty=100).min_qty == 100
    assert child(Tactic.MID_PEG, parent(price=400_150)).price == 400_100


def test_a_quoted_child_takes_the_best_tier_that_is_large_enough_within_the_limit() -> None:
    made = child(Tactic.QUOTE, parent())
    assert (made.ord_type, made.quote_id, made.price) == (OrdType.PREVIOUSLY_QUOTED, "small", 400_150)
    assert made.time_in_force is TimeInForce.IMMEDIATE_OR_CANCEL
    assert child(Tactic.QUOTE, parent(), qty=501).quote_id == "large"
    bounded = child(Tactic.QUOTE, parent(price=400_200), qty=501)
    assert (bounded.quote_id, bounded.order_qty) == ("small", 500)
    assert child(Tactic.QUOTE, parent(side=Side.SELL)).price == 400_050


def test_what_exclusions_would_have_stopped_is_refused() -> None:
    empty = msgspec.structs.replace(MARKET, quotes=(), tiers=(), bid_px=0, bid_qty=0)
    for tactic in (Tactic.TAKE, Tactic.POST, Tactic.QUOTE):
        with pytest.raises(BadInputError, match="child_for"):
            child(tactic, parent(), market=empty)
    with pytest.raises(BadInputError, match="a quantity from 1"):
        child(Tactic.POST, parent(), qty=0)
    with pytest.raises(BadInputError, match="a price from 1"):
        child(Tactic.POST, parent(price=50))


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.sampled_from(list(Side)),
    st.integers(399_000, 401_000),
    st.integers(399_000, 401_000),
    st.none() | st.integers(399_000, 401_000),
    st.sampled_from([Tactic.TAKE, Tactic.POST, Tactic.MID_PEG]),
    st.sampled_from([1, 50, 100]),
)
def test_no_child_is_off_the_tick_or_beyond_its_limit(
    side: Side, bid: int, ask: int, limit: int | None, tactic: Tactic, tick: int
) -> None:
    quote = Quote(mic="XLIT", at=0, bid_px=bid, bid_qty=1, ask_px=ask, ask_qty=1)
    market = msgspec.structs.replace(MARKET, quotes=(quote,), bid_px=bid, ask_px=ask)
    lane = next(lane for lane in LANES if lane.tactic is tactic)
    listing = Listing(symbol="ABC", mic=lane.mic, tick=tick)
    venue = msgspec.structs.replace(SPEC_OF[lane.mic], listing=listing)
    made = child_for(lane, parent(side=side, price=limit), 100, market, venue, "P1.1", "P1.d1", 99)
    if made.price is None:
        assert limit is None
        return
    assert made.price % tick == 0
    assert limit is None or side.sign * (made.price - limit) <= 0
    if tactic is Tactic.POST:
        far = ask if side is Side.BUY else bid
        assert side.sign * (far - made.price) >= tick


@settings(deadline=None, derandomize=True)
@given(st.sampled_from(list(Side)), st.integers(1, 100_000), st.integers(1, 100_000), st.sampled_from([1, 7, 50, 100]))
def test_learners_and_router_price_a_resting_order_alike(side: Side, bid: int, ask: int, tick: int) -> None:
    near, far = (bid, ask) if side is Side.BUY else (ask, bid)
    assert lane_features.post_px(side.sign, near, far, tick) == post_px(side, bid, ask, tick)


def test_the_context_promises_the_prices_that_the_children_carry() -> None:
    features = MarketFeatures(SPECS, "ABC", 0, 100)
    row = np.array([[1, 0, 400_000, 300, 400_200, 400]], dtype=np.int64)
    features.advance(row, np.empty((0, 5), dtype=np.int64), 5)
    features.set_tiers(TIERS)
    market = features.snapshot(5)
    assert msgspec.structs.replace(market, volatility_bps=0.0) == MARKET
    for side in Side:
        shown = features.frame(5, side, (0.5, 0.5, 0.5))
        assert reasons(parent(side=side), frame=shown, market=market) == {}
        for lane, promised in zip(LANES, shown.price_bps, strict=True):
            made = child_for(lane, parent(side=side), 100, market, SPEC_OF[lane.mic], "P1.1", "P1.d1", 99)
            price = market.mid if made.price is None else made.price
            assert side.sign * (market.mid - price) / market.mid * 1e4 == pytest.approx(promised, abs=1e-12)
