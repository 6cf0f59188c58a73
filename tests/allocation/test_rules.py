"""What rules add to a split: tails, over-booking, bounds on groups, slowed weights, budgets and choices of one lane.

Rule of this file: each rule is kept whatever is drawn, and propensities stay the frequencies of draws under all.
"""

from __future__ import annotations

import doctest
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.allocation import columns
from router.allocation.allocate import Allocation, Exploration, LaneOffer, Rules, allocate, lane_terms, probabilities_on
from router.allocation.bounded import Group
from router.allocation.limits import LimitReason
from router.allocation.published import table_probabilities, term_arrays
from router.allocation.thompson import VARIANCE_SHARE, choice_probabilities
from router.domain.enums import AllocationMode
from router.domain.score_table import scores_of_table
from router.domain.scores import LaneScore

NONE = Exploration(0.0, 0.0)
PROBING = Exploration(0.3, 0.1)
STILL = (0.5, 0.5, 0.5)
EDGES = (0.0, 50.0, 200.0)
MODES = tuple(AllocationMode)


def offer(
    p: float = 0.5,
    mu: float = 300.0,
    *,
    price: float = 1.0,
    weight: float = 1.0,
    hazards: tuple[float, ...] = (),
    spread: float = 0.0,
    lot: int = 1,
    min_qty: int = 0,
    max_qty: int = 10_000,
) -> LaneOffer:
    score = LaneScore(lane="X:POST", p=p, mu=mu, weight=weight, hazards=hazards, spread_bps=spread)
    return LaneOffer(score, price, 0.0, lot, min_qty, max_qty)


lanes_drawn = st.lists(
    st.builds(
        offer,
        st.floats(0.0, 1.0) | st.just(math.nan),
        st.sampled_from([0.0, 40.0, 900.0]),
        price=st.floats(-6.0, 6.0),
        weight=st.floats(0.0, 1.0),
        hazards=st.sampled_from([(), (0.01, 0.001, 0.02), (0.0, 0.0, 0.0), (math.nan, 0.1, 0.1), (0.1,)]),
        spread=st.sampled_from([0.0, 0.0, 0.5, math.nan]),
        lot=st.sampled_from([1, 10, 100]),
        min_qty=st.sampled_from([0, 0, 60]),
        max_qty=st.sampled_from([0, 99, 400, 10_000]),
    ),
    min_size=1,
    max_size=6,
)
uniform = st.floats(0.0, 1.0, exclude_max=True)
draws_drawn = st.tuples(uniform, uniform, uniform)


def groups_of(n: int, bounds: list[int]) -> tuple[Group, ...]:
    """Lanes two by two, each pair with a bound."""
    return tuple(Group(tuple(range(k, min(k + 2, n))), bounds[k // 2]) for k in range(0, n, 2))


@settings(max_examples=300, deadline=None, derandomize=True)
@given(
    st.integers(0, 2_000),
    lanes_drawn,
    st.sampled_from(MODES),
    draws_drawn,
    st.sampled_from([(), EDGES]),
    st.sampled_from([0, 500, 6_000]),
    st.lists(st.sampled_from([0, 70, 300, 100_000]), min_size=3, max_size=3),
    st.booleans(),
    st.sampled_from([math.inf, 0.0, 100.0]),
    st.booleans(),
)
def test_every_allocation_keeps_all_its_rules(
    slice_qty: int,
    offers: list[LaneOffer],
    mode: AllocationMode,
    draws: tuple[float, float, float],
    edges: tuple[float, ...],
    extra: int,
    bounds: list[int],
    is_single: bool,
    budget: float,
    is_slowed: bool,
) -> None:
    n = len(offers)
    may = tuple(k % 2 == 0 for k in range(n))
    groups = groups_of(n, bounds)
    rules = Rules(
        size_edges=edges,
        is_single_lane=is_single,
        most_qty=slice_qty + extra,
        overfill_bps=3.0,
        may_overbook=may,
        groups=groups,
        slowed=(1.0 / n,) * n if is_slowed else (),
        static=(1.0 / n,) * n,
        budget=budget,
    )
    made = allocate(slice_qty, offers, mode, 1.0, PROBING, draws, rules)
    assert made == allocate(slice_qty, offers, mode, 1.0, PROBING, draws, rules)
    assert sum(made.quantities) <= slice_qty + extra
    firm = sum(qty for qty, is_free in zip(made.quantities, may, strict=True) if not is_free)
    assert firm <= slice_qty
    for group in groups:
        assert sum(made.quantities[k] for k in group.lanes) <= group.most
    for qty, lane in zip(made.quantities, offers, strict=True):
        assert qty % lane.lot == 0
        assert qty == 0 or lane.min_qty <= qty <= lane.max_qty
        assert qty == 0 or not edges or not lane.score.hazards or len(lane.score.hazards) == len(edges)
    assert 0.0 < made.propensity <= 1.0
    assert made.given_up <= budget + 1e-6
    is_drawn = AllocationMode.DRAW in (made.acted or mode,)
    if is_drawn and made.probe_index < 0:
        assert sum(qty > 0 for qty in made.quantities) <= 1
    assert math.isclose(sum(made.routing_probabilities), 1.0, rel_tol=1e-9)


def outcomes(slice_qty: int, offers: list[LaneOffer], mode: AllocationMode, rules: Rules) -> list[Allocation]:
    """Return what each of many evenly spread draws comes to."""
    grid = [(n + 0.5) / 24 for n in range(24)]
    return [allocate(slice_qty, offers, mode, 1.0, PROBING, (a, a, c), rules) for a in grid for c in grid]


@pytest.mark.parametrize(
    "rules",
    [
        Rules(most_qty=1_800, overfill_bps=4.0, may_overbook=(True, True, False)),
        Rules(groups=(Group((0, 1), 400),)),
        Rules(slowed=(0.2, 0.3, 0.5)),
        Rules(static=(0.3, 0.3, 0.4), budget=20.0),
        Rules(size_edges=EDGES),
    ],
    ids=["over-booking", "group", "slowed", "budget", "tails"],
)
def test_propensities_are_frequencies_under_every_rule(rules: Rules) -> None:
    offers = [offer(0.5, 300.0), offer(0.3, 200.0, price=2.0, lot=50), offer(0.2, 100.0, price=-0.5)]
    grid = [(n + 0.5) / 60 for n in range(60)]
    counts: Counter[tuple[tuple[int, ...], int]] = Counter()
    propensity: dict[tuple[tuple[int, ...], int], float] = {}
    for b in grid:
        for c in grid:
            made = allocate(1_000, offers, AllocationMode.WATER_FILL, 1.0, PROBING, (0.5, b, c), rules)
            key = (made.quantities, made.probe_index)
            counts[key] += 1
            assert propensity.setdefault(key, made.propensity) == made.propensity
    assert {key: n / len(grid) ** 2 for key, n in counts.items()} == pytest.approx(propensity)


def test_one_lane_takes_the_slice_with_the_chance_that_its_draw_is_best() -> None:
    offers = [
        offer(0.5, 300.0, spread=0.8),
        offer(0.4, 300.0, price=1.6, spread=0.2),
        offer(0.3, price=-9.0, spread=9.0),
    ]
    rules = Rules(is_single_lane=True)
    met = 300.0 * -math.expm1(-1 / 3) / 100.0
    mean = np.array([0.5 * 2.0 * met, 0.4 * 2.6 * met, math.nan])
    expected = choice_probabilities(mean, VARIANCE_SHARE * np.array([0.64, 0.04, 0.0]))
    first = allocate(100, offers, AllocationMode.WATER_FILL, 1.0, PROBING, (0.0, 0.0, 0.0), rules)
    assert first.acted is AllocationMode.DRAW
    assert (first.quantities, first.probe_index) == ((100, 0, 0), -1)
    assert first.routing_probabilities == pytest.approx(expected.tolist())
    assert first.propensity == pytest.approx(expected[0])
    last = allocate(100, offers, AllocationMode.WATER_FILL, 1.0, PROBING, (0.999, 0.0, 0.0), rules)
    assert last.quantities == (0, 100, 0)


def test_without_a_spread_one_lane_is_the_best_one() -> None:
    offers = [offer(0.4, 300.0), offer(0.5, 300.0), offer(0.5, 300.0, price=-2.0)]
    made = allocate(400, offers, AllocationMode.WATER_FILL, 1.0, PROBING, STILL, Rules(is_single_lane=True))
    assert (made.quantities, made.propensity) == ((0, 400, 0), 1.0)


def test_a_slice_that_no_two_lanes_can_share_is_a_choice_when_scores_have_a_spread() -> None:
    forced = [offer(min_qty=80, spread=1.0), offer(min_qty=80, spread=1.0)]
    made = allocate(100, forced, AllocationMode.WATER_FILL, 1.0, NONE, (0.9, 0.5, 0.5))
    assert (made.acted, made.quantities) == (AllocationMode.DRAW, (0, 100))
    assert made.propensity == pytest.approx(0.5)
    free = allocate(200, forced, AllocationMode.WATER_FILL, 1.0, NONE, (0.9, 0.5, 0.5))
    assert (free.acted, free.quantities) == (None, (100, 100))
    sure = [offer(min_qty=80), offer(min_qty=80)]
    assert allocate(100, sure, AllocationMode.WATER_FILL, 1.0, NONE, STILL).acted is None


def test_over_booking_posts_more_where_it_rests_and_the_slice_where_it_does_not() -> None:
    offers = [offer(0.2, 500.0), offer(0.25, 400.0), offer(0.3, 300.0)]
    rules = Rules(most_qty=1_500, overfill_bps=2.0, may_overbook=(True, True, False))
    made = allocate(1_000, offers, AllocationMode.WATER_FILL, 1.0, NONE, STILL, rules)
    assert 1_000 < sum(made.quantities) <= 1_500
    assert made.quantities[2] <= 1_000
    dear = rules._replace(overfill_bps=1e9)
    assert sum(allocate(1_000, offers, AllocationMode.WATER_FILL, 1.0, NONE, STILL, dear).quantities) == 1_000


def test_a_venue_at_its_bound_is_said_and_leaves_the_rest_to_others() -> None:
    offers = [offer(0.9, 900.0), offer(0.8, 900.0), offer(0.1, 300.0)]
    made = allocate(
        1_000,
        offers,
        AllocationMode.WATER_FILL,
        1.0,
        NONE,
        STILL,
        Rules(groups=(Group((0, 1), 300), Group((2,), 1_000))),
    )
    assert sum(made.quantities[:2]) == 300
    assert made.quantities[2] == 700
    assert made.limits == ((0, LimitReason.VENUE_SHARE),)


def test_slowed_probabilities_split_the_slice_themselves() -> None:
    offers = [offer(0.9, 900.0), offer(0.1, 10.0)]
    made = allocate(1_000, offers, AllocationMode.WATER_FILL, 1.0, NONE, STILL, Rules(slowed=(0.4, 0.6)))
    assert made.quantities == (400, 600)
    assert made.routing_probabilities == pytest.approx((0.4, 0.6))
    assert made.limits == ((-1, LimitReason.PROBABILITY_CHANGE),)
    drawn = allocate(1_000, offers, AllocationMode.DRAW, 1.0, NONE, (0.5, 0.5, 0.5), Rules(slowed=(0.4, 0.6)))
    assert drawn.quantities == (0, 1_000)
    assert drawn.propensity == pytest.approx(0.6)


def test_a_budget_stops_probes_that_it_might_not_cover() -> None:
    offers = [offer(0.5, 300.0), offer(0.5, 300.0, price=-3.0)]
    free = Rules(static=(0.5, 0.5))
    costs = {made.given_up for made in outcomes(1_000, offers, AllocationMode.WATER_FILL, free._replace(budget=1e9))}
    assert min(costs) == pytest.approx(0.0)
    assert max(costs) > 50.0
    tight = outcomes(1_000, offers, AllocationMode.WATER_FILL, free._replace(budget=max(costs) - 1.0))
    assert {made.probe_index for made in tight} == {-1}
    assert {made.limits for made in tight} == {((-1, LimitReason.EXPLORATION_BUDGET),)}
    assert {(made.propensity, made.given_up) for made in tight} == {(1.0, 0.0)}


def test_a_budget_puts_the_static_split_in_place_of_one_that_is_worse_by_the_scores() -> None:
    offers = [offer(0.9, 900.0, weight=0.0), offer(0.1, 10.0, weight=1.0)]
    rules = Rules(static=(0.7, 0.3), budget=10.0)
    made = allocate(1_000, offers, AllocationMode.SPLIT, 1.0, NONE, STILL, rules)
    assert (made.quantities, made.propensity, made.given_up) == ((700, 300), 1.0, 0.0)
    assert made.limits == ((-1, LimitReason.STATIC_SPLIT),)
    rich = allocate(1_000, offers, AllocationMode.SPLIT, 1.0, NONE, STILL, rules._replace(budget=1e9))
    assert rich.quantities == (0, 1_000)
    assert rich.given_up > 100.0


def test_constant_hazards_split_as_their_means_do() -> None:
    offers = [offer(0.5, 300.0), offer(0.3, 150.0, price=2.0)]
    tails = [offer(0.5, 1.0, hazards=(1 / 300.0,) * 3), offer(0.3, 1.0, price=2.0, hazards=(1 / 150.0,) * 3)]
    with_bins = allocate(1_000, tails, AllocationMode.WATER_FILL, 1.0, NONE, STILL, Rules(size_edges=EDGES))
    assert with_bins.quantities == allocate(1_000, offers, AllocationMode.WATER_FILL, 1.0, NONE, STILL).quantities


@settings(max_examples=80, deadline=None, derandomize=True)
@given(st.integers(1, 6), st.integers(0, 2**32), st.sampled_from([1, 500, 20_000]))
def test_published_probabilities_over_tails_are_those_of_the_plain_way(lanes: int, seed: int, qty: int) -> None:
    rng = np.random.Generator(np.random.Philox(seed))
    table = np.vstack([rng.random((3, lanes)), np.zeros((2, lanes)), rng.uniform(0.0, 0.02, (3, lanes))])
    table[1] *= 500.0
    rows = [(float(rng.normal()), 0.1, 1, 0, int(rng.integers(0, 2_000))) for _ in range(lanes)]
    terms = lane_terms(rows, 1.0)
    scores = scores_of_table([f"L{k}" for k in range(lanes)], table)
    expected = probabilities_on(qty, terms, scores, AllocationMode.WATER_FILL, EDGES)
    made = table_probabilities(qty, term_arrays(terms), table, np.array(EDGES))
    assert made == pytest.approx(expected, abs=1e-12)


def test_the_examples_of_the_columns_are_true() -> None:
    assert doctest.testmod(columns).failed == 0
