"""The gradient on placements: its kernel and its twin, where it ends, and what it never does.

Rule of this file: optima are found by other means than the gradient.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.policies.cont_kukanov_gradient import (
    SPLIT,
    PlacementCosts,
    PlacementGradient,
    fresh_state,
    learn_kernel,
    learn_plain,
    placement_cost,
    project,
    project_plain,
)
from router.domain.errors import ConfigError, FeatureError

COSTS = PlacementCosts(half_spread=0.02, fee=0.003, rebate=0.002, impact=0.0005, under=0.05, over=0.05)


def descend(learner: PlacementGradient, hidden: np.ndarray) -> PlacementGradient:
    for sizes in hidden:
        learner.learn(np.minimum(sizes, learner.split[1:]))
    return learner


@pytest.mark.parametrize("seed", range(6))
def test_kernel_and_plain_twin_go_the_same_way(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lanes, total = int(rng.integers(1, 6)), float(rng.uniform(50, 5_000))
    one, two = fresh_state(lanes, total), fresh_state(lanes, total)
    slopes, steps = np.zeros(lanes + 1), np.zeros(lanes + 1)
    for _ in range(400):
        hidden = rng.gamma(2.0, total / 8, lanes)
        learn_kernel(COSTS, one, total, np.minimum(hidden, one[SPLIT, 1:]), slopes, steps)
        learn_plain(COSTS, two, total, np.minimum(hidden, two[SPLIT, 1:]))
        np.testing.assert_allclose(one[SPLIT], two[SPLIT], rtol=1e-6, atol=1e-6 * total)
        # Twins part where a fill equals what was posted to the last bit: they go on from one state.
        two[:] = one


@settings(max_examples=80, deadline=None)
@given(
    split=st.lists(st.floats(-50, 300), min_size=2, max_size=6),
    give=st.lists(st.floats(0.1, 10), min_size=6, max_size=6),
    is_tight=st.booleans(),
)
def test_projection_is_feasible_and_is_its_twin(split: list[float], give: list[float], is_tight: bool) -> None:
    total, found, weights = 100.0, np.array(split), np.array(give[: len(split)])
    expected = project_plain(found.copy(), weights, total, is_tight=is_tight)
    project(found, weights, total, is_tight)
    assert (found >= 0.0).all() and (found <= total).all() and found.sum() >= total * (1.0 - 1e-8)
    assert not is_tight or found.sum() <= total * (1.0 + 1e-8)
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_what_is_sent_always_covers_the_slice_and_never_more_than_it_a_lane() -> None:
    rng = np.random.default_rng(3)
    learner = PlacementGradient(3, 900.0, COSTS)
    for _ in range(500):
        split = learner.split
        assert (split >= 0.0).all() and (split <= 900.0).all() and split.sum() >= 900.0 * (1.0 - 1e-8)
        learner.learn(np.minimum(rng.exponential(300.0, 3), split[1:]))


def test_the_answer_is_as_good_as_the_best_of_a_grid() -> None:
    rng = np.random.default_rng(5)
    total, flow = 600.0, (150.0, 300.0)
    learned = descend(PlacementGradient(2, total, COSTS), rng.normal(flow, 30.0, (4_000, 2)).clip(0.0))
    judged = rng.normal(flow, 30.0, (4_000, 2)).clip(0.0)
    grid = [np.array([m, a, b]) for m in range(60, 241, 20) for a in range(100, 221, 15) for b in range(220, 371, 15)]
    best = min(placement_cost(COSTS, total, split, judged).mean() for split in grid if split.sum() >= total)
    assert placement_cost(COSTS, total, learned.answer(), judged).mean() <= best * (1.0 + 0.002 * np.sign(best)) + 1e-3


def test_a_lane_that_always_fills_leaves_nothing_to_the_market() -> None:
    learner = descend(PlacementGradient(1, 100.0, COSTS), np.full((600, 1), 1e6))
    assert learner.answer().tolist() == pytest.approx([0.0, 100.0])


def test_a_lane_that_never_fills_leaves_everything_to_the_market() -> None:
    learner = descend(PlacementGradient(2, 100.0, COSTS), np.zeros((3_000, 2)))
    market, *posted = learner.answer().tolist()
    assert market == pytest.approx(100.0, abs=0.5) and max(posted) < 0.5


def test_costs_of_a_placement_are_those_of_the_paper() -> None:
    split, hidden = np.array([60.0, 50.0]), np.array([[0.0], [30.0], [50.0]])
    sent, taken = 0.0005 * 110.0, 0.023 * 60.0
    expected = [
        taken + sent + (0.0005 + 0.05) * 40.0,
        taken + sent - 0.022 * 30.0 + (0.0005 + 0.05) * 10.0,
        taken + sent - 0.022 * 50.0 + 0.05 * 10.0,
    ]
    np.testing.assert_allclose(placement_cost(COSTS, 100.0, split, hidden), expected)


@pytest.mark.parametrize("fills", [[1.0], [1.0, float("nan")], [1.0, -2.0], [1.0, 2.0, 3.0]])
def test_fills_that_cannot_be_are_refused(fills: list[float]) -> None:
    learner = PlacementGradient(2, 100.0, COSTS)
    before = learner.state.copy()
    with pytest.raises(FeatureError, match="fills"):
        learner.learn(np.array(fills))
    np.testing.assert_array_equal(learner.state, before)


def test_placements_that_cannot_be_are_refused() -> None:
    for lanes, total in ((0, 10.0), (1, 0.0), (1, float("inf"))):
        with pytest.raises(ConfigError, match="total"):
            PlacementGradient(lanes, total, COSTS)
    with pytest.raises(ConfigError, match="costs"):
        PlacementGradient(1, 10.0, COSTS._replace(fee=float("nan")))
