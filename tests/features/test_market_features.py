"""What learners see of the market is finite, independent of windows, and the same from the kernel and its twin."""

from __future__ import annotations

import itertools
import math

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.features.fold import fold
from learners.features.fold_plain import fold_plain
from learners.features.lane_kernel import lane_rows
from learners.features.lanes import lane_rows_plain
from learners.features.market import PRIOR_VOLATILITY_BPS, MarketFeatures
from learners.features.names import FEATURE_MAX, FEATURES
from router.domain.enums import SessionState, Side, Tactic, VenueType
from router.domain.errors import BadInputError, FeatureError
from router.domain.instruments import FeeSchedule, FeeTier, Listing, VenueSpec
from router.domain.market import I64, DealerTier
from router.domain.scores import ContextFrame
from router.domain.units import MINUTE, SECOND

CLOSE = 100 * MINUTE


def spec(mic: str, venue_type: VenueType, *tactics: Tactic, maker: int = -2_000, taker: int = 3_000) -> VenueSpec:
    return VenueSpec(
        mic=mic,
        venue_type=venue_type,
        listing=Listing(symbol="ABC", mic=mic),
        fees=FeeSchedule(maker_micros=maker, taker_micros=taker),
        tactics=tactics,
    )


SPECS = (
    spec("XLIA", VenueType.CENTRAL_LIMIT_ORDER_BOOK, Tactic.TAKE, Tactic.POST),
    spec("XLIB", VenueType.CENTRAL_LIMIT_ORDER_BOOK, Tactic.TAKE, Tactic.POST),
    spec("XDRK", VenueType.DARK_ORDER_BOOK, Tactic.MID_PEG, taker=1_000),
    spec("XDLR", VenueType.QUOTE_DRIVEN_MARKET, Tactic.QUOTE, taker=0),
)
OWN = (0.5, 0.5, 0.5, 0.5)


def rows(table: list[tuple[int, ...]], width: int) -> I64:
    return np.array(sorted(table, key=lambda r: r[:2]), dtype=np.int64).reshape(-1, width)


def market(*quotes: tuple[int, ...], prints: tuple[tuple[int, ...], ...] = (), until: int = SECOND) -> MarketFeatures:
    features = MarketFeatures(SPECS, "ABC", 0, CLOSE)
    features.advance(rows(list(quotes), 6), rows(list(prints), 5), until)
    return features


def lane(frame: ContextFrame, name: str) -> tuple[dict[str, float], float, float, int]:
    i = frame.lanes.index(name)
    x = np.frombuffer(frame.x).reshape(len(frame.lanes), -1)
    features = dict(zip(frame.names, x[i].tolist(), strict=True))
    return features, frame.price_bps[i], frame.fee_bps[i], frame.max_qty[i]


A = (0, 0, 400_000, 300, 400_200, 100)
B = (0, 1, 399_900, 500, 400_200, 700)
MID = 400_100

side_of_book = st.tuples(st.sampled_from([0, 99, 100, 100, 101, 102, 250]), st.sampled_from([0, 1, 100, 100, 999_999]))
times = st.integers(0, 40)
quotes_drawn = st.lists(
    st.tuples(times, st.integers(0, 3), side_of_book, side_of_book).map(
        lambda q: (q[0] * SECOND, q[1], q[2][0] * 100, q[2][1], q[3][0] * 100, q[3][1])
    ),
    max_size=40,
)
prints_drawn = st.lists(
    st.tuples(times, st.integers(0, 3), st.integers(-1, 260), st.sampled_from([0, 1, 500]), st.integers(-1, 1)).map(
        lambda p: (p[0] * SECOND, p[1], p[2] * 50, p[3], p[4])
    ),
    max_size=40,
)


def state(features: MarketFeatures, now: int) -> tuple[object, ...]:
    frames = [features.frame(now, side, OWN) for side in (Side.BUY, Side.SELL)]
    return (features.snapshot(now), features.mid2(), features.volatility_bps, features.flow_share(now), *frames)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(quotes_drawn, prints_drawn, st.lists(times, max_size=6))
def test_any_split_into_windows_leaves_the_same_bits(
    quotes: list[tuple[int, ...]], prints: list[tuple[int, ...]], cuts: list[int]
) -> None:
    table, tape, end = rows(quotes, 6), rows(prints, 5), 41 * SECOND
    whole = MarketFeatures(SPECS, "ABC", 0, CLOSE)
    at_once = whole.advance(table, tape, end)
    split = MarketFeatures(SPECS, "ABC", 0, CLOSE)
    parts = []
    edges = [0, *sorted(cut * SECOND for cut in cuts), end]
    for start, until in itertools.pairwise(edges):
        q = table[(table[:, 0] >= start) & (table[:, 0] < until)]
        p = tape[(tape[:, 0] >= start) & (tape[:, 0] < until)]
        parts.append(split.advance(q, p, until))
    assert np.array_equal(np.concatenate(parts), at_once)
    assert state(split, end) == state(whole, end)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(quotes_drawn, prints_drawn)
def test_kernel_and_twin_agree(quotes: list[tuple[int, ...]], prints: list[tuple[int, ...]]) -> None:
    made = []
    for fold_rows in (fold, fold_plain):
        features = MarketFeatures(SPECS, "ABC", 0, CLOSE, fold_rows)
        changes = features.advance(rows(quotes, 6), rows(prints, 5), 41 * SECOND)
        made.append((features, changes))
    (fast, fast_rows), (slow, slow_rows) = made
    assert np.array_equal(fast_rows, slow_rows)
    seen, twin = (msgspec.structs.replace(f.snapshot(41 * SECOND), volatility_bps=0.0) for f in (fast, slow))
    assert seen == twin
    assert math.isclose(fast.volatility_bps, slow.volatility_bps, rel_tol=1e-12)
    assert math.isclose(fast.flow_share(41 * SECOND), slow.flow_share(41 * SECOND), rel_tol=1e-9, abs_tol=1e-12)


tiers_drawn = st.lists(
    st.tuples(st.sampled_from([0, 1, 500]), st.sampled_from([0, 98, 100]), st.sampled_from([0, 101, 102])).map(
        lambda t: DealerTier(mic="XDLR", quote_id="q", at=0, max_qty=t[0], bid_px=t[1] * 100, ask_px=t[2] * 100)
    ),
    max_size=3,
)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(quotes_drawn, tiers_drawn, st.sampled_from([0, 700]), st.lists(st.integers(0, 3), max_size=2))
def test_lanes_are_shown_to_the_bit_as_the_plain_twin_shows_them(
    quotes: list[tuple[int, ...]], tiers: list[DealerTier], rfq_max_qty: int, down: list[int]
) -> None:
    tiered = FeeSchedule(maker_micros=-2_000, taker_micros=3_000, maker_bps=0.25, tiers=(FeeTier(100, -2_500, 2_800),))
    replace = msgspec.structs.replace
    specs = (replace(SPECS[0], fees=tiered), *SPECS[1:3], replace(SPECS[3], rfq_max_qty=rfq_max_qty))
    frames = []
    for show_lanes in (lane_rows, lane_rows_plain):
        features = MarketFeatures(specs, "ABC", 0, CLOSE, show_lanes=show_lanes)
        features.advance(rows(quotes, 6), rows([], 5), 41 * SECOND)
        features.set_tiers(tiers)
        features.traded("XLIA", 150)
        for venue in down:
            features.set_session(specs[venue].mic, False)
        frames.append([features.frame(41 * SECOND, side, (0.0, 1.0, 0.25, 0.5)) for side in (Side.BUY, Side.SELL)])
    assert frames[0] == frames[1]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(quotes_drawn, prints_drawn, st.lists(st.tuples(st.integers(0, 3), st.booleans()), max_size=5))
def test_every_number_shown_is_finite_and_bounded(
    quotes: list[tuple[int, ...]], prints: list[tuple[int, ...]], sessions: list[tuple[int, bool]]
) -> None:
    features = market(*quotes, prints=tuple(prints), until=41 * SECOND)
    for venue, is_up in sessions:
        features.set_session(SPECS[venue].mic, is_up)
    features.set_tiers((DealerTier(mic="XDLR", quote_id="q", at=0, max_qty=100, bid_px=0, ask_px=10_000),))
    for side in (Side.BUY, Side.SELL, Side.SELL_SHORT):
        frame = features.frame(200 * MINUTE, side, (0.0, 1.0, 0.25, 0.5))
        x = np.frombuffer(frame.x)
        assert x.shape == (len(frame.lanes) * len(FEATURES),)
        assert np.isfinite(x).all()
        assert np.abs(x).max() <= FEATURE_MAX
        assert all(map(math.isfinite, frame.price_bps + frame.fee_bps))
        assert all(qty >= 0 for qty in frame.max_qty)
        if not features.mid2():
            assert set(frame.max_qty) == {0}
    assert math.isfinite(features.half_spread_bps)
    assert features.half_spread_bps >= 0
    assert features.volatility_bps > 0


def test_the_consolidated_best_adds_the_sizes_at_the_best_price() -> None:
    features = MarketFeatures(SPECS, "ABC", 0, CLOSE)
    changes = features.advance(rows([A, B], 6), rows([], 5), SECOND)
    assert changes.tolist() == [[0, 400_000, 300, 400_200, 800]]
    assert features.mid2() == 2 * MID
    assert features.half_spread_bps == pytest.approx(1e4 * 100 / MID)


def test_a_dark_venue_and_a_dealer_never_make_the_consolidated_best() -> None:
    features = market(A, (0, 2, 400_100, 900, 400_100, 900), (0, 3, 400_050, 900, 400_150, 900))
    assert features.snapshot(0).bid_px == 400_000
    assert features.snapshot(0).ask_px == 400_200


def test_lanes_are_priced_against_the_mid_for_a_buy() -> None:
    frame = market(A, B).frame(SECOND, Side.BUY, OWN)
    x, price, fee, size = lane(frame, "XLIA:TAKE")
    assert (price, size) == (pytest.approx(-1e4 * 100 / MID), 100)
    assert fee == pytest.approx(0.003 / 40.01 * 1e4)
    assert x["at_touch"] == 1.0
    x, price, fee, size = lane(frame, "XLIB:POST")
    assert price == pytest.approx(1e4 * 100 / MID)
    assert fee == pytest.approx(-0.002 / 40.01 * 1e4)
    assert (x["at_touch"], size > 1_000) == (-1.0, True)
    _, price, fee, size = lane(frame, "XDRK:MID_PEG")
    assert (price, size > 1_000) == (0.0, True)
    assert fee == pytest.approx(0.001 / 40.01 * 1e4)


def test_signed_features_change_sign_with_the_side_and_press_against_a_passive_fill() -> None:
    features = market(A, (0, 1, 400_000, 900, 0, 0), prints=((1, 0, 400_200, 400, 0),))
    buy, sell = (lane(features.frame(SECOND, side, OWN), "XLIA:POST")[0] for side in (Side.BUY, Side.SELL))
    for name in ("imbalance", "microprice", "flow"):
        assert buy[name] > 0
        assert sell[name] == -buy[name]
    for name in ("bias", "spread", "volatility", "time_of_day"):
        assert buy[name] == sell[name]


@pytest.mark.parametrize(("bid", "ask"), [(400_200, 400_200), (400_300, 400_100)])
def test_a_locked_or_crossed_market_has_a_mid_no_spread_and_is_posted_strictly_passive(bid: int, ask: int) -> None:
    features = market((0, 0, bid, 100, bid + 500, 100), (0, 1, ask - 500, 100, ask, 100))
    assert features.mid2() == bid + ask
    assert features.half_spread_bps == 0.0
    for side in (Side.BUY, Side.SELL):
        _, price, _, size = lane(features.frame(SECOND, side, OWN), "XLIA:POST")
        assert price > 0
        assert size > 0


def test_without_a_side_nothing_can_be_used() -> None:
    features = market((0, 0, 400_000, 100, 0, 0))
    features.set_tiers((DealerTier(mic="XDLR", quote_id="q", at=0, max_qty=100, bid_px=1, ask_px=2),))
    frame = features.frame(SECOND, Side.BUY, OWN)
    assert features.mid2() == 0
    assert set(frame.max_qty) == {0}
    assert set(frame.price_bps) == {0.0}


def test_a_dealer_lane_shows_its_best_priced_tier() -> None:
    features = market(A, B)
    tiers = [(2_000, 399_950, 400_150), (500, 400_050, 400_120)]
    features.set_tiers(
        tuple(DealerTier(mic="XDLR", quote_id=f"q{n}", at=0, max_qty=n, bid_px=b, ask_px=a) for n, b, a in tiers)
    )
    _, price, _, size = lane(features.frame(SECOND, Side.BUY, OWN), "XDLR:QUOTE")
    assert (price, size) == (pytest.approx(-1e4 * 20 / MID), 500)
    _, price, _, size = lane(features.frame(SECOND, Side.SELL, OWN), "XDLR:QUOTE")
    assert price == pytest.approx(-1e4 * 50 / MID)
    features.set_session("XDLR", False)
    assert lane(features.frame(SECOND, Side.BUY, OWN), "XDLR:QUOTE")[3] == 0
    assert features.snapshot(SECOND).tiers == ()


def test_a_venue_that_is_down_is_ignored_and_its_return_is_reported() -> None:
    features = market(A, B)
    before = features.volatility_bps
    features.set_session("XLIA", False)
    snapshot = features.snapshot(SECOND)
    assert (snapshot.bid_px, snapshot.bid_qty) == (399_900, 500)
    assert snapshot.quotes[0].session is SessionState.DOWN
    assert lane(features.frame(SECOND, Side.BUY, OWN), "XLIA:TAKE")[3] == 0
    changes = features.advance(rows([], 6), rows([], 5), 2 * SECOND)
    assert changes.tolist() == [[SECOND, 399_900, 500, 400_200, 700]]
    features.set_session("XLIA", True)
    changes = features.advance(rows([], 6), rows([], 5), 2 * SECOND)
    assert changes.tolist() == [[2 * SECOND, 400_000, 300, 400_200, 800]]
    assert features.volatility_bps < before


def test_a_session_that_blinks_between_windows_reports_no_change() -> None:
    features = market(A, B)
    features.set_session("XLIA", False)
    features.set_session("XLIA", True)
    assert features.advance(rows([], 6), rows([], 5), 2 * SECOND).shape == (0, 5)


def test_prints_are_signed_by_the_market_before_the_quote_of_the_same_time() -> None:
    moved = (SECOND, 0, 400_400, 100, 400_600, 100)
    features = market(A, moved, prints=((SECOND, 0, 400_200, 500, 0),), until=2 * SECOND)
    assert features.flow_share(SECOND) == pytest.approx(500 / 600)


def test_a_print_at_the_mid_takes_the_sign_of_the_last_price_change() -> None:
    tape = ((SECOND, 0, 400_000, 100, 0), (2 * SECOND, 2, MID, 500, 0))
    features = market(A, prints=tape, until=3 * SECOND)
    assert features.flow_share(3 * SECOND) > 0
    assert features.snapshot(3 * SECOND).volume == 600


def test_volatility_of_a_known_walk_is_found() -> None:
    steps = [(n * SECOND, 0, 400_000 + 400 * (n % 2), 100, 400_200 + 400 * (n % 2), 100) for n in range(1_800)]
    features = market(*steps, until=1_800 * SECOND)
    assert features.volatility_bps == pytest.approx(10.0 * math.sqrt(60), rel=0.05)
    assert market(until=SECOND).volatility_bps == PRIOR_VOLATILITY_BPS


def test_one_stub_quote_does_not_own_the_volatility() -> None:
    stub = market((0, 0, 1, 1, 1_999_990_000, 1), (SECOND, 0, 400_000, 1, 400_200, 1), until=2 * SECOND)
    assert stub.volatility_bps < 100.0


@pytest.mark.parametrize(
    "table",
    [
        [(5, 0, 1, 1, 2, 1), (4, 0, 1, 1, 2, 1)],
        [(5, 4, 1, 1, 2, 1)],
        [(5, -1, 1, 1, 2, 1)],
        [(10, 0, 1, 1, 2, 1)],
        [(-1, 0, 1, 1, 2, 1)],
    ],
)
def test_rows_out_of_order_or_of_no_venue_are_refused_and_nothing_is_applied(table: list[tuple[int, ...]]) -> None:
    features = MarketFeatures(SPECS, "ABC", 0, CLOSE)
    with pytest.raises(BadInputError, match="rows in order of time"):
        features.advance(np.array(table, dtype=np.int64), rows([], 5), 10)
    prints = np.array([row[:5] for row in table], dtype=np.int64)
    with pytest.raises(BadInputError, match="prints"):
        features.advance(rows([], 6), prints, 10)
    assert features.snapshot(0) == MarketFeatures(SPECS, "ABC", 0, CLOSE).snapshot(0)


def test_tables_names_and_times_of_the_wrong_kind_are_refused() -> None:
    features = market(A)
    with pytest.raises(BadInputError, match="6 columns"):
        features.advance(rows([], 5), rows([], 5), 2 * SECOND)
    with pytest.raises(BadInputError, match="until"):
        features.advance(rows([], 6), rows([], 5), 0)
    with pytest.raises(BadInputError, match="XDRK"):
        features.set_session("XNYS", True)
    with pytest.raises(BadInputError, match="XDRK"):
        features.set_tiers((DealerTier(mic="XNYS", quote_id="q", at=0, max_qty=1, bid_px=1, ask_px=2),))
    with pytest.raises(BadInputError, match="close_at"):
        MarketFeatures(SPECS, "ABC", 5, 5)
    for own in ((0.5,), (0.5, 0.5, 0.5, math.nan)):
        with pytest.raises(FeatureError, match="4 finite shares"):
            features.frame(SECOND, Side.BUY, own)
