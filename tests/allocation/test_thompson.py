"""The probability of a choice by Thompson's rule: against a slow integral, against draws, and at its edges."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.allocation import thompson
from router.allocation.thompson import choice_probabilities, choice_probabilities_plain
from router.domain.market import F64


def chances(mean: list[float], variance: list[float]) -> F64:
    return choice_probabilities(np.array(mean), np.array(variance))


beliefs = st.lists(st.tuples(st.floats(-5.0, 5.0), st.floats(0.3, 3.0)), min_size=1, max_size=5)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(beliefs)
def test_the_quadrature_agrees_with_the_slow_integral(lanes: list[tuple[float, float]]) -> None:
    mean, deviation = [m for m, _ in lanes], [s for _, s in lanes]
    slow = choice_probabilities_plain(mean, [s * s for s in deviation], 3_000)
    assert chances(mean, [s * s for s in deviation]).tolist() == pytest.approx(slow, abs=1e-10)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(st.floats(-10.0, 10.0), st.floats(1e-4, 30.0), st.floats(-10.0, 10.0), st.floats(1e-4, 30.0))
def test_of_two_lanes_the_chance_is_the_normal_distribution_of_their_difference(
    m: float, s: float, n: float, t: float
) -> None:
    expected = 0.5 * math.erfc((n - m) / math.sqrt(2.0 * (s * s + t * t)))
    assert chances([m, n], [s * s, t * t]).tolist() == pytest.approx([expected, 1.0 - expected], abs=1e-10)


@pytest.mark.parametrize("lanes", [2, 3, 16, 200])
def test_equal_beliefs_are_equally_likely(lanes: int) -> None:
    assert chances([2.5] * lanes, [0.49] * lanes).tolist() == pytest.approx([1.0 / lanes] * lanes, abs=1e-10)


def test_chances_are_the_frequencies_of_draws() -> None:
    mean, variance = [0.3, 0.0, -0.4, 0.5], [1.0, 0.04, 4.0, 0.0]
    rng = np.random.Generator(np.random.Philox(11))
    draws = rng.normal(mean, np.sqrt(variance), (400_000, 4))
    seen = np.bincount(draws.argmax(axis=1), minlength=4) / len(draws)
    assert chances(mean, variance).tolist() == pytest.approx(seen.tolist(), abs=4 * 0.5 / math.sqrt(len(draws)))


def test_a_narrow_belief_beside_a_wide_one_is_no_step_that_is_missed() -> None:
    exact = 0.5 * math.erfc(0.3 / math.sqrt(2.0 * (1.0 + 1e-8)))
    assert chances([0.0, 0.3], [1.0, 1e-8])[0] == pytest.approx(exact, abs=1e-12)
    nodes, weights = np.polynomial.hermite_e.hermegauss(32)
    hermite = sum(w * 0.5 * math.erfc((0.3 - z) / (1e-4 * math.sqrt(2.0))) for z, w in zip(nodes, weights, strict=True))
    assert abs(hermite / math.sqrt(2.0 * math.pi) - exact) > 0.01


def test_without_variance_the_first_of_the_best_is_sure() -> None:
    assert chances([1.0, 3.0, 3.0], [0.0, 0.0, 0.0]).tolist() == [0.0, 1.0, 0.0]
    assert chances([7.0], [0.0]).tolist() == [1.0]


@pytest.mark.parametrize("bad", [(math.nan, 1.0), (math.inf, 1.0), (0.0, math.nan), (0.0, -1.0), (0.0, math.inf)])
def test_a_belief_that_is_no_number_is_never_chosen(bad: tuple[float, float]) -> None:
    made = chances([0.0, bad[0]], [1.0, bad[1]])
    assert made.tolist() == [1.0, 0.0]
    assert chances([bad[0]], [bad[1]]).tolist() == [0.0]


def test_a_choice_among_no_lanes_is_none() -> None:
    assert chances([], []).tolist() == []


def test_the_examples_of_the_choice_are_true() -> None:
    assert doctest.testmod(thompson).failed == 0
