"""One arithmetic of fees: what the venue charges is what the router expects, in whole micros.

Rule of this file: fees are worked out by hand here, in micros.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from learners.features.market import MarketFeatures
from router.domain.enums import LastLiquidityInd, OrdType, Side, Tactic, VenueType
from router.domain.errors import BadInputError
from router.domain.fees import Rates, expected_rates, fee_of, rates_bps, rates_of
from router.domain.instruments import FeeSchedule, FeeTier, Listing, VenueSpec
from router.domain.orders import ChildOrder
from venues.models.fees import Fees, charge

ADDED, REMOVED, AUCTION = LastLiquidityInd.ADDED, LastLiquidityInd.REMOVED, LastLiquidityInd.AUCTION
TIERED = FeeSchedule(
    maker_micros=-2_000,
    taker_micros=3_000,
    tiers=(FeeTier(1_000, -2_200, 2_900), FeeTier(5_000, -2_500, 2_500)),
)


@pytest.mark.parametrize(
    ("liquidity", "is_hidden", "micros"),
    [(ADDED, False, -2_000), (ADDED, True, 500), (REMOVED, True, 3_000), (AUCTION, False, 1_000)],
)
def test_each_kind_of_liquidity_has_its_rate(liquidity: LastLiquidityInd, is_hidden: bool, micros: int) -> None:
    schedule = FeeSchedule(maker_micros=-2_000, taker_micros=3_000, auction_micros=1_000, hidden_micros=500)
    assert charge(schedule, 100, liquidity, 400_000, is_hidden=is_hidden) == 100 * micros


def test_rates_that_a_schedule_leaves_out_are_those_that_apply_anyway() -> None:
    schedule = FeeSchedule(maker_micros=-2_000, taker_micros=3_000)
    assert charge(schedule, 10, AUCTION) == 30_000
    assert charge(schedule, 10, ADDED, is_hidden=True) == -20_000
    free = FeeSchedule(maker_micros=-2_000, taker_micros=3_000, auction_micros=0, hidden_micros=0)
    assert charge(free, 10, AUCTION) == charge(free, 10, ADDED, is_hidden=True) == 0


def test_a_part_of_the_notional_comes_on_top_rounded_to_the_nearest_micro() -> None:
    schedule = FeeSchedule(taker_micros=1_000, taker_bps=0.25, maker_bps=-0.1)
    assert charge(schedule, 100, REMOVED, 400_000) == 100_000 + 100_000
    assert charge(schedule, 100, ADDED, 400_000) == -40_000
    assert [fee_of(Rates(0, bps), 1, 50) for bps in (0.99, 1.0, 2.99, 3.0)] == [0, 1, 1, 2]


def test_the_tier_is_that_of_what_was_traded_before_and_never_splits_an_execution() -> None:
    fees = Fees(TIERED)
    charged = [fees.charge(None, qty, 400_000, REMOVED) // qty for qty in (999, 1, 6_000, 100)]
    assert charged == [3_000, 3_000, 2_900, 2_500]
    assert fees.day_qty == 7_100


def test_an_order_that_shows_nothing_pays_the_hidden_rate() -> None:
    fees = Fees(FeeSchedule(maker_micros=-2_000, hidden_micros=-500))
    orders = [
        ChildOrder(
            cl_ord_id="P1.1",
            parent_id="P1",
            decision_id="P1.d1",
            symbol="ABC",
            mic="XLIT",
            tactic=Tactic.POST,
            side=Side.BUY,
            order_qty=100,
            ord_type=OrdType.LIMIT,
            price=400_000,
            display_qty=display_qty,
        )
        for display_qty in (None, 50, 0)
    ]
    assert [fees.charge(one, 100, 400_000, ADDED) for one in orders] == [-200_000, -200_000, -50_000]


@given(
    st.integers(-3_000, 3_000),
    st.integers(-100, 100),
    st.integers(1, 10_000),
    st.integers(1_000, 10_000_000),
    st.sampled_from((Tactic.TAKE, Tactic.POST)),
)
def test_what_the_router_expects_is_what_the_venue_charges(
    micros: int, hundredths: int, qty: int, px: int, tactic: Tactic
) -> None:
    bps = hundredths / 100
    schedule = FeeSchedule(maker_micros=micros, taker_micros=-micros, maker_bps=bps, taker_bps=-bps)
    charged = charge(schedule, qty, ADDED if tactic is Tactic.POST else REMOVED, px)
    rates = expected_rates(schedule, tactic)
    assert fee_of(rates, qty, px) == charged
    notional = px * qty * 100
    half_a_micro = 0.5e4 / notional + 1e-9
    assert rates_bps(rates, 2 * px) == pytest.approx(charged * 1e4 / notional, abs=half_a_micro)


def test_a_lane_expects_the_tier_that_we_have_reached() -> None:
    spec = VenueSpec(
        mic="XLIT",
        venue_type=VenueType.CENTRAL_LIMIT_ORDER_BOOK,
        listing=Listing(symbol="ABC", mic="XLIT"),
        fees=TIERED,
        tactics=(Tactic.TAKE, Tactic.POST),
    )
    view = MarketFeatures((spec,), "ABC", 0, 100)
    quote = np.array([[1, 0, 399_900, 300, 400_100, 300]], dtype=np.int64)
    view.advance(quote, np.empty((0, 5), dtype=np.int64), 2)
    before = view.frame(2, Side.BUY, (0.5,)).fee_bps
    view.traded("XLIT", 5_000)
    after = view.frame(2, Side.BUY, (0.5,)).fee_bps
    assert before == pytest.approx((0.75, -0.5))
    assert after == pytest.approx((0.625, -0.625))
    with pytest.raises(BadInputError, match=r"expected one of XLIT, got 'XBAD'"):
        view.traded("XBAD", 1)


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"tiers": (FeeTier(100, 0, 0), FeeTier(100, 0, 0))}, r"rising from_qty, from 1, got \[100, 100\]"),
        ({"tiers": (FeeTier(0, 0, 0),)}, "rising from_qty"),
        ({"taker_bps": 0.005}, "hundredths of a basis point, got 0.005 - at taker_bps"),
    ],
)
def test_a_schedule_that_cannot_be_is_refused(fields: dict[str, object], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        FeeSchedule(**fields)  # type: ignore[arg-type]


def test_the_tier_in_force_is_the_last_that_was_reached() -> None:
    assert [rates_of(TIERED, REMOVED, qty).micros for qty in (0, 999, 1_000, 4_999, 5_000)] == [
        3_000,
        3_000,
        2_900,
        2_900,
        2_500,
    ]
