"""The limits on learning: none is ever passed, and what is allowed is the nearest to what was wanted."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.allocation import limits
from router.allocation.limits import Limits, Pace, budget_left, check_limits, slowed, venue_bounds
from router.domain.errors import BadInputError
from router.domain.units import MINUTE

weights = st.lists(st.floats(0.0, 1.0), min_size=2, max_size=10).filter(lambda w: sum(w) > 0.01)


def probabilities(drawn: list[float], lanes: int) -> tuple[float, ...]:
    cut = (drawn * lanes)[:lanes]
    total = sum(cut) or 1.0
    return tuple(w / total for w in cut) if sum(cut) else (1.0 / lanes,) * lanes


@settings(max_examples=200, deadline=None, derandomize=True)
@given(weights, weights, st.sampled_from([0.0, 0.01, 0.2, 1.0]))
def test_no_probability_moves_further_than_it_may(one: list[float], other: list[float], change: float) -> None:
    last, wanted = probabilities(one, len(one)), probabilities(other, len(one))
    made = slowed(last, wanted, change)
    assert sum(made) == pytest.approx(1.0, abs=1e-12)
    assert all(abs(m - p) <= change + 1e-12 for m, p in zip(made, last, strict=True))
    assert all(m >= 0.0 for m in made)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(weights, weights, st.integers(0, 2**32))
def test_no_other_allowed_probabilities_are_nearer_to_what_was_wanted(
    one: list[float], other: list[float], seed: int
) -> None:
    last, wanted = np.array(probabilities(one, len(one))), np.array(probabilities(other, len(one)))
    made = np.array(slowed(tuple(last), tuple(wanted), 0.1))
    rng = np.random.Generator(np.random.Philox(seed))
    for _ in range(40):
        # Any allowed probabilities: from what was made, shift a little from one lane to another.
        i, j = rng.integers(len(last), size=2)
        step = rng.uniform(0.0, 0.05)
        rival = made.copy()
        rival[i] += step
        rival[j] -= step
        if (abs(rival - last) <= 0.1).all() and (rival >= 0).all():
            assert ((rival - wanted) ** 2).sum() >= ((made - wanted) ** 2).sum() - 1e-12


def test_a_wish_that_is_near_enough_is_granted_whole() -> None:
    assert slowed((0.5, 0.5), (0.45, 0.55), 0.05 + 1e-12) == (0.45, 0.55)
    assert slowed((0.5, 0.5), (1.0, 0.0), math.inf) == (1.0, 0.0)


def test_lanes_must_be_the_same_to_be_slowed() -> None:
    with pytest.raises(BadInputError, match="2 lanes"):
        slowed((1.0,), (0.5, 0.5), 0.1)


def test_published_probabilities_reach_what_is_wanted_in_time() -> None:
    pace = Pace(0.3)
    assert pace.limit(0, (1.0, 0.0)) == (1.0, 0.0)
    assert pace.limit(MINUTE, (0.0, 1.0)) == pytest.approx((0.7, 0.3))
    assert pace.limit(3 * MINUTE, (0.0, 1.0)) == pytest.approx((0.1, 0.9))
    assert pace.limit(4 * MINUTE, (0.0, 1.0)) == (0.0, 1.0)


def test_many_versions_at_one_moment_move_no_further_than_one() -> None:
    pace = Pace(0.3)
    pace.limit(0, (1.0, 0.0))
    for _ in range(5):
        assert pace.limit(MINUTE, (0.0, 1.0)) == pytest.approx((0.7, 0.3))
    assert pace.limit(2 * MINUTE, (0.0, 1.0)) == pytest.approx((0.4, 0.6))


def test_a_change_of_lanes_starts_anew() -> None:
    pace = Pace(0.3)
    pace.limit(0, (1.0, 0.0))
    assert pace.limit(MINUTE, (0.0, 0.0, 1.0)) == (0.0, 0.0, 1.0)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.integers(0, 10_000),
    st.lists(st.integers(0, 5_000), min_size=1, max_size=5),
    st.floats(0.05, 1.0),
)
def test_no_venue_gets_more_than_its_share_of_the_slice_or_of_the_order(
    slice_qty: int, had: list[int], share: float
) -> None:
    mics = [f"X{k}" for k in range(len(had))]
    committed = dict(zip(mics, had, strict=True))
    bounds = venue_bounds(slice_qty, mics, committed, share)
    for mic, bound in zip(mics, bounds, strict=True):
        assert 0 <= bound <= share * slice_qty + 1e-6
        assert bound == 0 or committed[mic] + bound <= share * (sum(had) + slice_qty) + 1e-6


def test_a_budget_is_used_up_and_never_negative() -> None:
    limited = Limits(exploration_budget_bps=1.0)
    assert budget_left(limited, 1_000, 400.0) == 600.0
    assert budget_left(limited, 1_000, 1_400.0) == 0.0
    assert budget_left(Limits(), 1_000, 1e12) == math.inf


@pytest.mark.parametrize(
    "bad",
    [
        Limits(exploration_budget_bps=-1.0),
        Limits(exploration_budget_bps=math.nan),
        Limits(probability_change_max=-0.1),
        Limits(venue_share_max=0.0),
        Limits(venue_share_max=1.1),
    ],
)
def test_impossible_limits_are_refused(bad: Limits) -> None:
    with pytest.raises(BadInputError, match="at learning"):
        check_limits(bad, "learning")


def test_the_examples_of_the_limits_are_true() -> None:
    assert doctest.testmod(limits).failed == 0
