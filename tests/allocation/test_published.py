"""The routing probabilities of a learner's table are those of its scores."""

from __future__ import annotations

import numpy as np
import pytest

from router.allocation.allocate import lane_terms, probabilities_on
from router.allocation.published import standard_terms, table_probabilities, term_arrays
from router.domain.enums import AllocationMode
from router.domain.scores import LaneScore

SEEDS = range(60)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_table_gives_the_probabilities_of_its_scores(seed: int) -> None:
    rng = np.random.default_rng(seed)
    lanes = int(rng.integers(1, 30))
    rows = [
        (float(rng.normal(0, 2)), float(rng.normal(0, 1)), 1, int(rng.choice([0, 0, 200])), int(rng.integers(0, 3_000)))
        for _ in range(lanes)
    ]
    none = np.zeros(lanes)
    table = np.stack([rng.uniform(-0.1, 1.1, lanes), rng.uniform(0, 900, lanes), rng.normal(1, 2, lanes), none, none])
    terms = lane_terms(rows, float(rng.uniform(0, 3)))
    scores = [LaneScore(lane=f"L{k}", p=p, mu=mu, markout_bps=m) for k, (p, mu, m, _, _) in enumerate(table.T.tolist())]
    expected = probabilities_on(500, terms, scores, AllocationMode.WATER_FILL)
    assert table_probabilities(500, term_arrays(terms), table) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_lane_that_is_not_finite_gets_nothing(bad: float) -> None:
    terms = lane_terms([(0.0, 0.0, 1, 0, 1_000), (0.0, 0.0, 1, 0, 1_000)], 2.0)
    table = np.array([[0.5, 0.5], [300.0, 300.0], [bad, 0.0], [0.0, 0.0], [0.0, 0.0]])
    assert table_probabilities(500, term_arrays(terms), table) == (0.0, 1.0)


def test_with_nothing_worth_anything_the_shares_are_even() -> None:
    terms = lane_terms([(0.0, 0.0, 1, 0, 1_000)] * 4, 0.0)
    assert table_probabilities(500, term_arrays(terms), np.zeros((5, 4))) == (0.25,) * 4


@pytest.mark.parametrize("seed", range(5))
def test_terms_made_from_columns_are_those_made_lane_by_lane(seed: int) -> None:
    rng = np.random.default_rng(seed)
    prices, fees = rng.normal(0, 2, 20), rng.normal(0, 1, 20)
    sizes, lots = rng.integers(-50, 3_000, 20), rng.choice([1, 10, 100], 20)
    columns = (prices.tolist(), fees.tolist(), lots.tolist(), [0] * 20, sizes.tolist())
    expected = term_arrays(lane_terms(zip(*columns, strict=True), 1.5))
    for made, wanted in zip(standard_terms(prices, fees, sizes, lots, 1.5), expected, strict=True):
        assert made.tolist() == wanted.tolist()
