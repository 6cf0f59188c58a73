"""The split over binned tails is the best one: against its twin, against greedy lots, and where tails are exponential
against `water_fill`."""

from __future__ import annotations

import doctest
import heapq
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.allocation import tails_plain
from router.allocation.tails import pour_tails, tail_value
from router.allocation.tails_plain import met, pour_tails_plain
from router.allocation.water_fill import water_fill

EDGES = [0.0, 8.0, 16.0, 31.0, 63.0, 125.0, 250.0, 500.0, 1_000.0]

hazard = st.sampled_from([0.0, 1e-6, 1e-3, 4e-3, 0.02, 0.1, 3.0])
lane_rows = st.tuples(
    st.floats(0.0, 1.0),
    st.lists(hazard, min_size=9, max_size=9),
    st.floats(-5.0, 50.0) | st.sampled_from([math.nan, math.inf, 1e-300]),
    st.sampled_from([0.0, 0.0, 20.0, 90.0]),
    st.sampled_from([0.0, 1.0, 60.0, 1_000.0, 1e6]),
)
many_lanes = st.lists(lane_rows, min_size=1, max_size=8)
totals = st.sampled_from([0.0, 1.0, 7.0, 100.0, 5_000.0, 3e6])
Row = tuple[float, list[float], float, float, float]


def arguments(lanes: list[Row], with_minimum: bool) -> list[list[object]]:
    p, hazards, c, minimum, cap = (list(column) for column in zip(*lanes, strict=True))
    lows = [min(m, bound) if with_minimum else 0.0 for m, bound in zip(minimum, cap, strict=True)]
    return [p, hazards, EDGES, c, lows, cap]


def fast(lanes: list[Row], total: float, with_minimum: bool = False) -> list[float]:
    made: list[float] = pour_tails(
        *(np.array(a, dtype=np.float64) for a in arguments(lanes, with_minimum)), total
    ).tolist()
    return made


def slow(lanes: list[Row], total: float, with_minimum: bool = False) -> list[float]:
    return pour_tails_plain(*arguments(lanes, with_minimum), total)  # type: ignore[call-arg, arg-type]


def worth(lanes: list[Row], v: list[float]) -> float:
    return sum(p * c * met(row, EDGES, vk) for (p, row, c, _, _), vk in zip(lanes, v, strict=True) if vk > 0)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(many_lanes, totals)
def test_both_ways_to_split_over_tails_are_worth_the_same(lanes: list[Row], total: float) -> None:
    # Of equal tails any split is best, so that only what a split is worth is determined.
    v, twin = fast(lanes, total), slow(lanes, total)
    assert worth(lanes, v) == pytest.approx(worth(lanes, twin), rel=1e-9, abs=1e-9)
    assert sum(v) == pytest.approx(sum(twin), rel=1e-9, abs=1e-9)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(many_lanes, st.sampled_from([1.0, 7.0, 100.0, 5_000.0]))
def test_both_ways_keep_minimum_quantities_over_tails(lanes: list[Row], total: float) -> None:
    worths = []
    for v in (fast(lanes, total, True), slow(lanes, total, True)):
        for vk, (_, _, _, low, cap) in zip(v, lanes, strict=True):
            assert vk == 0 or min(low, cap) * (1 - 1e-9) <= vk <= cap
        assert sum(v) <= total * (1 + 1e-9)
        worths.append(worth(lanes, v))
    assert worths[0] == pytest.approx(worths[1], rel=1e-5, abs=1e-6)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(many_lanes, totals)
def test_the_sum_over_tails_is_the_slice_or_all_the_room_there_is(lanes: list[Row], total: float) -> None:
    v = fast(lanes, total)
    takes = [p * c > 0 and c > 0 and math.isfinite(p * c) for p, _, c, _, _ in lanes]
    room = sum(lane[4] for lane, is_taking in zip(lanes, takes, strict=True) if is_taking)
    for vk, lane, is_taking in zip(v, lanes, takes, strict=True):
        assert 0 <= vk <= lane[4]
        assert is_taking or vk == 0
    assert sum(v) == pytest.approx(min(total, room), rel=1e-9, abs=1e-9)


def greedy(lanes: list[Row], total: int) -> float:
    """Share after share to the lane where the next is worth most: exact, because tails never rise."""

    def gain(k: int, at: int) -> float:
        p, row, c, _, cap = lanes[k]
        is_open = at < cap and p * c > 0 and c > 0 and math.isfinite(p * c)
        return p * c * (met(row, EDGES, at + 1.0) - met(row, EDGES, float(at))) if is_open else 0.0

    heap = [(-gain(k, 0), k, 0) for k in range(len(lanes))]
    heapq.heapify(heap)
    reached = 0.0
    for _ in range(total):
        best, k, at = heapq.heappop(heap)
        reached -= best
        heapq.heappush(heap, (-gain(k, at + 1), k, at + 1))
    return reached


@settings(max_examples=60, deadline=None, derandomize=True)
@given(many_lanes, st.sampled_from([1, 9, 120]))
def test_no_split_in_whole_shares_is_worth_more(lanes: list[Row], total: int) -> None:
    best = worth(lanes, fast(lanes, float(total)))
    whole = greedy(lanes, total)
    one_share = sum(p * c for p, _, c, _, _ in lanes if p * c > 0 and math.isfinite(p * c))
    assert whole - 1e-9 * abs(whole) - 1e-12 <= best <= whole + one_share + 1e-9


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(
            st.floats(0.0, 1.0),
            st.sampled_from([0.5, 1.0, 30.0, 2_500.0]),
            st.floats(-5.0, 50.0),
            st.sampled_from([0.0, 50.0]),
            st.sampled_from([0.0, 60.0, 1e6]),
        ),
        min_size=1,
        max_size=8,
    ),
    totals,
)
def test_constant_hazards_are_the_exponential_split(
    lanes: list[tuple[float, float, float, float, float]], total: float
) -> None:
    bounded = [(p, mu, c, min(low, cap), cap) for p, mu, c, low, cap in lanes]
    p, mu, c, low, cap = (np.array(column, dtype=np.float64) for column in zip(*bounded, strict=True))
    binned = np.repeat(1.0 / mu[:, None], 9, axis=1)
    edges = np.array(EDGES)
    v = pour_tails(p, binned, edges, c, low, cap, total)
    w = water_fill(p, mu, c, low, cap, total)
    np.testing.assert_allclose(tail_value(p, binned, edges, c, v), tail_value(p, binned, edges, c, w), rtol=1e-7)
    if not low.any():
        np.testing.assert_allclose(v, w, rtol=1e-6, atol=1e-6 * max(total, 1.0))


def test_a_flat_tail_is_filled_to_its_end_before_a_cheaper_lane_gets_a_share() -> None:
    hazards = np.array([[0.0, 1.0], [0.0, 0.0]])
    v = pour_tails(
        np.array([0.9, 0.8]), hazards, np.array([0.0, 100.0]), np.ones(2), np.zeros(2), np.array([1e6, 1e6]), 150.0
    )
    assert v[0] == pytest.approx(100.0 + math.log(9 / 8), abs=1e-9)
    assert v.sum() == pytest.approx(150.0)


def test_lanes_that_tie_on_a_flat_tail_share_it_by_its_length() -> None:
    caps = np.array([300.0, 100.0])
    v = pour_tails(np.full(2, 0.5), np.zeros((2, 1)), np.zeros(1), np.ones(2), np.zeros(2), caps, 100.0)
    assert v.tolist() == pytest.approx([75.0, 25.0])


@pytest.mark.parametrize("bad", [math.nan, math.inf, -1e-9])
def test_a_hazard_that_is_none_gets_nothing(bad: float) -> None:
    hazards = np.array([[0.01, bad], [0.01, 0.01]])
    v = pour_tails(np.full(2, 0.5), hazards, np.array([0.0, 9.0]), np.ones(2), np.zeros(2), np.full(2, 1e3), 100.0)
    assert v.tolist() == [0.0, 100.0]


def test_the_value_of_a_split_is_the_same_by_kernel_and_twin() -> None:
    rng = np.random.Generator(np.random.Philox(7))
    hazards = rng.uniform(0.0, 0.05, (5, 9))
    p, c, v = rng.random(5), rng.random(5) * 5, rng.random(5) * 700
    expected = sum(p[k] * c[k] * met(hazards[k].tolist(), EDGES, v[k]) for k in range(5))
    assert tail_value(p, hazards, np.array(EDGES), c, v) == pytest.approx(expected, rel=1e-12)


def test_the_examples_of_the_tails_are_true() -> None:
    assert doctest.testmod(tails_plain).failed == 0
