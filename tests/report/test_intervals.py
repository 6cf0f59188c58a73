"""Intervals against known numbers and against an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest

from router.domain.errors import BadInputError
from scenarios.intervals import mean_interval, student_cdf, student_quantile, weighted_mean_interval

stats = pytest.importorskip("scipy.stats")


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 10, 29, 100, 999])
def test_student_quantiles_agree_with_scipy(freedom: int) -> None:
    for probability in (0.001, 0.025, 0.4, 0.5, 0.9, 0.975, 0.9995):
        expected = stats.t.ppf(probability, freedom)
        assert student_quantile(probability, freedom) == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_student_distribution_is_symmetric() -> None:
    for t in (0.1, 1.0, 12.0):
        assert student_cdf(-t, 5) == pytest.approx(1.0 - student_cdf(t, 5), abs=1e-15)


@pytest.mark.parametrize(("probability", "freedom"), [(0.0, 5), (1.0, 5), (0.5, 0)])
def test_impossible_quantiles_are_refused(probability: float, freedom: int) -> None:
    with pytest.raises(BadInputError, match="expected"):
        student_quantile(probability, freedom)


def test_mean_interval_agrees_with_scipy() -> None:
    x = np.array([1.2, 0.4, -0.7, 2.2, 0.9])
    expected = stats.t.interval(0.95, 4, loc=x.mean(), scale=stats.sem(x))
    estimate = mean_interval(x)
    assert estimate.interval == pytest.approx(expected)
    assert estimate.observations == 5


def test_one_observation_has_no_interval() -> None:
    assert mean_interval([3.0]) == (3.0, None, 1)


def test_no_observation_is_refused() -> None:
    with pytest.raises(BadInputError, match="at least one"):
        mean_interval([])
    with pytest.raises(BadInputError, match="at least one"):
        weighted_mean_interval(np.array([]), np.array([]), [])


def test_equal_weights_and_single_clusters_give_the_plain_interval() -> None:
    x = np.array([1.0, 4.0, 2.0, 8.0])
    weighted = weighted_mean_interval(x, np.full(4, 2.5), ["a", "b", "c", "d"])
    plain = mean_interval(x)
    assert weighted.mean == pytest.approx(plain.mean)
    assert weighted.interval == pytest.approx(plain.interval)


def test_repeating_every_fill_of_a_cluster_does_not_narrow_the_interval() -> None:
    x, clusters = np.array([1.0, 4.0, 2.0, 8.0]), ["a", "b", "c", "d"]
    once = weighted_mean_interval(x, np.ones(4), clusters)
    often = weighted_mean_interval(np.repeat(x, 50), np.ones(200), [c for c in clusters for _ in range(50)])
    assert often.interval == pytest.approx(once.interval)
    assert often.observations == 200


def test_one_cluster_has_no_interval() -> None:
    estimate = weighted_mean_interval(np.array([1.0, 3.0]), np.array([3.0, 1.0]), ["d1", "d1"])
    assert estimate == (1.5, None, 2)
