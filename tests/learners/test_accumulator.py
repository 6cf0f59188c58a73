"""The additive sums: order does not matter, shards add up, the prior does not decay, nothing infinite gets in.

Rule of this file: exactness is asserted to 1e-12 of the sums' size; bits where only the epoch moves.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.state.accumulator import (
    EPOCH_SPAN,
    Accumulator,
    add_kernel,
    add_numpy,
    posterior_kernel,
    posterior_numpy,
)
from router.domain.errors import FeatureError
from router.domain.units import SECOND

HALF_LIFE = 30 * SECOND
START = 1_700_000_000 * SECOND

EVENTS = st.lists(
    st.tuples(
        st.integers(0, 1),
        st.integers(-40, 40_000),
        st.tuples(*[st.floats(-3.0, 3.0)] * 3),
        st.floats(0.05, 5.0),
        st.floats(-5.0, 5.0),
    ),
    min_size=1,
    max_size=30,
)
Event = tuple[int, int, tuple[float, ...], float, float]


def _sums(events: list[Event]) -> Accumulator:
    sums = Accumulator(2, 3, HALF_LIFE)
    for row, at, x, weight, pull in events:
        sums.add(row, START + at * SECOND, np.array(x), weight, pull)
    return sums


def assert_same(one: Accumulator, two: Accumulator) -> None:
    assert one.epoch == two.epoch
    for mine, theirs in ((one.a, two.a), (one.b, two.b)):
        np.testing.assert_allclose(mine, theirs, rtol=0.0, atol=1e-12 * max(1.0, np.abs(one.a).max()))


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, shuffle=st.randoms(use_true_random=False))
def test_updates_commute(events: list[Event], shuffle: object) -> None:
    shuffled = list(events)
    shuffle.shuffle(shuffled)  # type: ignore[attr-defined]
    assert_same(_sums(events), _sums(shuffled))


@settings(max_examples=60, deadline=None)
@given(events=EVENTS, cut=st.integers(0, 30))
def test_merged_shards_equal_one(events: list[Event], cut: int) -> None:
    left, right = _sums(events[:cut]), _sums(events[cut:])
    left.merge(right)
    assert_same(left, _sums(events))


def test_moving_the_epoch_changes_no_bit_of_what_is_read() -> None:
    early, late = Accumulator(1, 2, HALF_LIFE), Accumulator(1, 2, HALF_LIFE)
    late.event_weight(START)
    x, at = np.array([1.0, 0.7]), START - 11 * SECOND
    early.add(0, at, x, 1.3, 0.4)
    early.event_weight(START + EPOCH_SPAN * HALF_LIFE)
    late.event_weight(START + EPOCH_SPAN * HALF_LIFE)
    late.add(0, at, x, 1.3, 0.4)
    assert early.digest() == late.digest()


def test_memory_halves_with_each_half_life_and_the_prior_stays() -> None:
    sums = Accumulator(1, 1, HALF_LIFE)
    sums.add(0, START, np.ones(1), 8.0, 16.0)
    one, zero = np.ones(1), np.zeros(1)
    reads = [sums.read(0, START + n * HALF_LIFE, one, zero)[0] for n in (0, 1, 3, 200)]
    assert reads == pytest.approx([16 / 9, 8 / 5, 2 / 2, 0.0], abs=1e-12)
    assert sums.read(0, START + 200 * HALF_LIFE, one, 5.0 * one)[0] == pytest.approx(5.0)


def test_time_is_never_lost_over_ten_years() -> None:
    sums = Accumulator(1, 1, HALF_LIFE)
    for year in range(10):
        sums.add(0, START + year * 365 * 86_400 * SECOND, np.ones(1), 1.0, float(year))
    assert np.isfinite(sums.a).all()
    assert sums.read(0, START + 9 * 365 * 86_400 * SECOND, 1e-9 * np.ones(1), np.zeros(1))[0] == pytest.approx(9.0)


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_what_is_not_finite_is_refused_and_leaves_no_trace(bad: float) -> None:
    sums = Accumulator(1, 2, HALF_LIFE)
    sums.add(0, START, np.ones(2), 1.0, 1.0)
    before = sums.digest()
    for x, weight, pull in (
        (np.array([1.0, bad]), 1.0, 1.0),
        (np.ones(2), bad, 1.0),
        (np.ones(2), 1.0, bad),
        (np.ones(3), 1.0, 1.0),
    ):
        with pytest.raises(FeatureError, match="expected"):
            sums.add(0, START + 10 * EPOCH_SPAN * HALF_LIFE, x, weight, pull)
    assert sums.digest() == before


def test_shards_of_another_shape_are_refused() -> None:
    sums = Accumulator(1, 2, HALF_LIFE)
    broken = Accumulator(1, 2, HALF_LIFE)
    broken.a[0, 0, 0] = np.nan
    for other in (Accumulator(1, 3, HALF_LIFE), Accumulator(1, 2, 2 * HALF_LIFE), broken):
        with pytest.raises(FeatureError, match="merge"):
            sums.merge(other)


def test_kernels_and_plain_twins_agree() -> None:
    draws = np.random.default_rng(5)
    a, b = np.zeros((2, 6, 6)), np.zeros((2, 6))
    a2, b2 = a.copy(), b.copy()
    for _ in range(50):
        x, weight, pull = draws.normal(size=6), draws.uniform(0.05, 5.0), draws.normal()
        add_kernel(a, b, 1, weight, pull, x)
        add_numpy(a2, b2, 1, weight, pull, x)
    np.testing.assert_allclose(a, a2, atol=1e-12)
    np.testing.assert_allclose(b, b2, atol=1e-12)
    precision, mean, out = draws.uniform(0.5, 10.0, 6), draws.normal(size=6), np.empty(6)
    posterior_kernel(a[1], b[1], 0.37, precision, mean, np.empty((6, 6)), out)
    np.testing.assert_allclose(out, posterior_numpy(a[1], b[1], 0.37, precision, mean), atol=1e-12)


def test_digest_follows_the_sums() -> None:
    one, two = Accumulator(3, 2, HALF_LIFE), Accumulator(3, 2, HALF_LIFE)
    seen = {one.digest()}
    for row in range(3):
        one.add(row, START, np.ones(2), 1.0, 1.0)
        seen.add(one.digest())
        two.add(row, START, np.ones(2), 1.0, 1.0)
    assert len(seen) == 4
    assert one.digest() == two.digest()
