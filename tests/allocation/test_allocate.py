"""An allocation keeps its slice and every lane's bounds, says exactly how likely it was, and survives bad scores."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.allocation.allocate import Allocation, Exploration, LaneOffer, allocate, lane_probabilities
from router.domain.enums import AllocationMode
from router.domain.errors import BadInputError
from router.domain.scores import LaneScore

NONE = Exploration(0.0, 0.0)
STILL = (0.5, 0.5, 0.5)
MODES = tuple(AllocationMode)


def offer(
    p: float = 0.5,
    mu: float = 300.0,
    *,
    price: float = 1.0,
    markout: float = 0.0,
    weight: float = 1.0,
    lot: int = 1,
    min_qty: int = 0,
    max_qty: int = 10_000,
) -> LaneOffer:
    score = LaneScore(lane="X:POST", p=p, mu=mu, markout_bps=markout, weight=weight)
    return LaneOffer(score, price, 0.0, lot, min_qty, max_qty)


any_number = st.floats(0.0, 3.0) | st.sampled_from([math.nan, math.inf, -math.inf, -1.0])
offers_drawn = st.lists(
    st.builds(
        offer,
        any_number,
        st.sampled_from([0.0, 1.0, 40.0, 5_000.0, math.nan, math.inf]),
        price=st.floats(-8.0, 8.0),
        markout=any_number,
        weight=any_number,
        lot=st.sampled_from([1, 10, 100]),
        min_qty=st.sampled_from([0, 0, 50, 130]),
        max_qty=st.sampled_from([0, 5, 99, 400, 10_000]),
    ),
    max_size=8,
)
uniform = st.floats(0.0, 1.0, exclude_max=True)
explorations = st.builds(Exploration, st.sampled_from([0.0, 0.1, 1.0]), st.sampled_from([0.0, 0.08, 1.0]))


@settings(max_examples=400, deadline=None, derandomize=True)
@given(
    st.integers(0, 3_000),
    offers_drawn,
    st.sampled_from(MODES),
    st.floats(-3.0, 6.0) | st.just(math.nan),
    explorations,
    st.tuples(uniform, uniform, uniform),
)
def test_every_allocation_keeps_its_slice_its_bounds_and_its_numbers(
    slice_qty: int,
    offers: list[LaneOffer],
    mode: AllocationMode,
    opportunity: float,
    exploration: Exploration,
    draws: tuple[float, float, float],
) -> None:
    made = allocate(slice_qty, offers, mode, opportunity, exploration, draws)
    assert made == allocate(slice_qty, offers, mode, opportunity, exploration, draws)
    assert sum(made.quantities) <= slice_qty
    for k, (qty, lane) in enumerate(zip(made.quantities, offers, strict=True)):
        assert qty % lane.lot == 0
        assert qty == 0 or lane.min_qty <= qty <= lane.max_qty
        assert qty == 0 or all(map(math.isfinite, (lane.score.p, lane.score.mu, lane.score.weight, made.values_bps[k])))
        if qty and k != made.probe_index and mode is AllocationMode.WATER_FILL:
            assert made.values_bps[k] > 0
    assert all(map(math.isfinite, made.values_bps))
    assert not offers or math.isclose(sum(made.routing_probabilities), 1.0, rel_tol=1e-9)
    assert all(0.0 <= share <= 1.0 for share in made.routing_probabilities)
    assert 0.0 < made.propensity <= 1.0
    assert made.probe_index < 0 or made.quantities[made.probe_index] > 0


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.integers(0, 3_000), offers_drawn, st.sampled_from([AllocationMode.WATER_FILL, AllocationMode.SPLIT]))
def test_what_is_left_of_the_slice_fits_on_no_wanted_lane(
    slice_qty: int, offers: list[LaneOffer], mode: AllocationMode
) -> None:
    made = allocate(slice_qty, offers, mode, 1.0, NONE, STILL)
    left = slice_qty - sum(made.quantities)
    for qty, lane, value in zip(made.quantities, offers, made.values_bps, strict=True):
        score = lane.score
        if not all(map(math.isfinite, (score.p, score.mu, score.weight, score.markout_bps))):
            continue
        is_wanted = score.weight > 0 if mode is AllocationMode.SPLIT else min(score.p, value, score.mu) > 0
        more = min(lane.max_qty - qty, left) // lane.lot * lane.lot
        assert not is_wanted or more <= 0 or qty + more < lane.min_qty


def test_a_slice_goes_out_whole_when_the_caps_allow() -> None:
    offers = [offer(0.9, 10.0), offer(0.01, 5.0, price=-0.5), offer(0.3, 1_000.0)]
    for slice_qty in (1, 7, 999, 29_999, 30_000):
        assert sum(allocate(slice_qty, offers, AllocationMode.WATER_FILL, 1.0, NONE, STILL).quantities) == slice_qty


def test_nothing_is_sent_when_no_lane_is_worth_it_and_the_probabilities_still_sum_to_one() -> None:
    offers = [offer(0.6, price=-5.0), offer(0.2, price=-5.0)]
    made = allocate(100, offers, AllocationMode.WATER_FILL, 1.0, Exploration(0.5, 0.1), (0.0, 0.0, 0.0))
    assert made.quantities == (0, 0)
    assert (made.propensity, made.probe_index) == (1.0, -1)
    assert made.routing_probabilities == pytest.approx((0.75, 0.25))
    assert lane_probabilities(100, [offer(0.0), offer(0.0)], AllocationMode.WATER_FILL, 1.0) == (0.5, 0.5)
    closed = [offer(weight=1.0, max_qty=0), offer(weight=3.0, max_qty=0)]
    assert lane_probabilities(100, closed, AllocationMode.SPLIT, 1.0) == (0.25, 0.75)


def test_a_share_is_worth_the_opportunity_and_the_price_less_every_cost() -> None:
    score = LaneScore(lane="X:POST", p=0.5, mu=100.0, markout_bps=0.5, leakage_bps=0.25)
    made = allocate(10, [LaneOffer(score, 1.0, 0.125, 1, 0, 100)], AllocationMode.WATER_FILL, 2.0, NONE, STILL)
    assert made.values_bps == (2.0 + 1.0 - 0.125 - 0.5 - 0.25,)


def test_no_offers_is_an_empty_allocation() -> None:
    for mode in MODES:
        assert allocate(100, [], mode, 1.0, Exploration(0.5, 0.1), STILL) == Allocation((), (), (), 1.0, 0.5, -1)
        assert lane_probabilities(100, [], mode, 1.0) == ()


def test_a_bad_score_gets_nothing_and_the_others_are_served() -> None:
    for bad in (offer(math.nan), offer(0.5, math.inf), offer(markout=math.nan), offer(weight=math.nan)):
        for mode in MODES:
            assert allocate(100, [bad, offer()], mode, 1.0, Exploration(1.0, 0.1), STILL).quantities == (0, 100)


def test_a_split_follows_its_weights_whatever_the_values() -> None:
    offers = [offer(weight=0.1, price=-9.0), offer(weight=0.3, price=-9.0), offer(weight=0.6, price=-9.0, max_qty=30)]
    made = allocate(100, offers, AllocationMode.SPLIT, 0.0, NONE, STILL)
    assert made.quantities == (18, 52, 30)
    assert made.values_bps == (-9.0, -9.0, -9.0)


def test_a_drawn_lane_takes_the_slice_up_to_its_cap_with_its_probability() -> None:
    offers = [offer(weight=0.25), offer(weight=0.75, max_qty=60), offer(weight=9.0, min_qty=500, max_qty=1_000)]
    first = allocate(100, offers, AllocationMode.DRAW, 0.0, NONE, (0.24, 0.5, 0.5))
    assert (first.quantities, first.propensity, first.draw) == ((100, 0, 0), 0.25, 0.24)
    second = allocate(100, offers, AllocationMode.DRAW, 0.0, NONE, (0.26, 0.5, 0.5))
    assert (second.quantities, second.propensity) == ((0, 60, 0), 0.75)
    assert second.routing_probabilities == (0.25, 0.75, 0.0)


@pytest.mark.parametrize("mode", MODES)
def test_the_propensity_is_the_frequency_over_all_draws(mode: AllocationMode) -> None:
    offers = [
        offer(0.5, 300.0, weight=0.5),
        offer(0.3, 200.0, weight=0.3, lot=100),
        offer(0.2, 100.0, weight=0.2, max_qty=900),
        offer(0.2, 100.0, price=-9.0, weight=0.0, min_qty=50),
        offer(0.2, 100.0, weight=0.0, max_qty=20),
    ]
    grid = [(n + 0.5) / 20 for n in range(20)]
    counts: Counter[tuple[tuple[int, ...], int]] = Counter()
    propensity: dict[tuple[tuple[int, ...], int], float] = {}
    for a in grid if mode is AllocationMode.DRAW else [0.5]:
        for b in grid:
            for c in grid:
                made = allocate(1_000, offers, mode, 1.0, Exploration(0.2, 0.05), (a, b, c))
                key = (made.quantities, made.probe_index)
                counts[key] += 1
                assert propensity.setdefault(key, made.propensity) == made.propensity
    assert sum(propensity.values()) == pytest.approx(1.0)
    total = sum(counts.values())
    assert {key: n / total for key, n in counts.items()} == pytest.approx(propensity)
    assert {key[1] for key in counts} == {-1, 0, 1, 2, 3}


def test_a_probe_diverts_its_share_and_no_more() -> None:
    offers = [offer(0.5, 300.0), offer(0.5, 300.0, price=-9.0, lot=10)]
    made = allocate(1_000, offers, AllocationMode.WATER_FILL, 1.0, Exploration(0.1, 0.076), (0.5, 0.05, 0.9))
    assert made.quantities == (930, 70)
    assert (made.probe_index, made.draw) == (1, 0.05)
    assert made.propensity == pytest.approx(0.05)
    assert made.routing_probabilities == (1.0, 0.0)


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(BadInputError, match="slice_qty"):
        allocate(-1, [offer()], AllocationMode.SPLIT, 1.0, NONE, STILL)
    with pytest.raises(BadInputError, match="lot"):
        allocate(1, [offer(lot=0)], AllocationMode.SPLIT, 1.0, NONE, STILL)
    for exploration in (Exploration(1.5, 0.1), Exploration(0.1, -0.1), Exploration(math.nan, 0.1)):
        with pytest.raises(BadInputError, match="exploration"):
            allocate(1, [offer()], AllocationMode.SPLIT, 1.0, exploration, STILL)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.integers(1, 3_000), offers_drawn, st.sampled_from(MODES))
def test_published_probabilities_are_those_of_the_allocation(
    slice_qty: int, offers: list[LaneOffer], mode: AllocationMode
) -> None:
    made = allocate(slice_qty, offers, mode, 2.0, NONE, STILL)
    assert lane_probabilities(slice_qty, offers, mode, 2.0) == made.routing_probabilities
