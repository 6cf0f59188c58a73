"""The split of Cont and Kukanov, the dynamic programme, and scores of the past: what each is by its own mathematics."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from learners.policies.build import build_policy, build_ranked
from learners.policies.check import example_frame, example_outcomes, example_setup
from learners.policies.cont_kukanov import to_simplex
from learners.policies.programme import cheapest_lots
from router.domain.errors import ConfigError
from router.domain.instruments import lanes_of
from router.domain.scores import LaneScore


@pytest.mark.parametrize("seed", range(30))
def test_the_nearest_point_of_the_simplex_is_no_farther_than_any_other(seed: int) -> None:
    rng = np.random.default_rng(seed)
    v = rng.normal(0, 2, 5)
    nearest = to_simplex(v)
    assert nearest.sum() == pytest.approx(1.0) and (nearest >= 0).all()
    others = rng.dirichlet(np.ones(5), 500)
    assert ((others - v) ** 2).sum(axis=1).min() >= ((nearest - v) ** 2).sum() - 1e-12


@pytest.mark.parametrize("seed", range(40))
def test_the_programme_finds_the_cheapest_of_all_splits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    linear, quadratic = rng.normal(0, 2, 3), rng.uniform(0, 0.05, 3)
    size = rng.integers(0, 9, 3) * 10.0
    most = [min(6, int(q // 10)) for q in size]
    every = list(itertools.product(*(range(m + 1) for m in most)))
    placed = min(6, sum(most))

    def cost(n: tuple[int, ...]) -> float:
        v = np.array(n) * 10.0
        return float((linear * v + quadratic * v * v).sum())

    cheapest = min(cost(n) for n in every if sum(n) == placed)
    found = cheapest_lots(linear, quadratic, size, 10.0, 6)
    assert found.sum() == placed
    assert cost(tuple(found.astype(int).tolist())) == pytest.approx(cheapest)


def test_a_lane_with_less_than_a_lot_on_offer_can_take_one() -> None:
    assert cheapest_lots(np.zeros(2), np.zeros(2), np.array([3.0, 0.0]), 10.0, 4).tolist() == [1.0, 0.0]


def test_past_scores_are_what_is_published_whatever_comes() -> None:
    setup = example_setup()
    past = tuple(LaneScore(lane=str(lane), p=0.1 * k, mu=100.0) for k, lane in enumerate(lanes_of(setup.specs)))
    policy = build_ranked("quarterly", setup._replace(past=past))
    before = policy.digest()
    policy.learn(example_outcomes(setup, 3))
    assert policy.scores(example_frame(setup, 10**9)) == past
    assert policy.digest() == before


def test_past_scores_of_other_lanes_are_refused() -> None:
    setup = example_setup()
    with pytest.raises(ConfigError, match="a score for each of"):
        build_ranked("quarterly", setup._replace(past=(LaneScore(lane="X:TAKE"),)))
    with pytest.raises(ConfigError, match="quarterly or daily_reranked"):
        build_ranked("weekly", setup)


def test_the_split_of_cont_and_kukanov_moves_to_the_lane_that_pays() -> None:
    setup = example_setup()
    policy = build_policy("cont_kukanov", setup)
    lanes = [str(lane) for lane in lanes_of(setup.specs)]
    policy.learn(example_outcomes(setup, 60, lanes[2]))
    weights = {s.lane: s.weight for s in policy.scores(example_frame(setup, 10**12))}
    assert weights[lanes[2]] > 0.5
