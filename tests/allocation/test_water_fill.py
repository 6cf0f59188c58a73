"""The split is the best one: against its twin, against brute force, and by the laws any best split keeps."""

from __future__ import annotations

import doctest
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.allocation import allocate, lots, pricing, split, water_fill_plain
from router.allocation.lots import to_lots, to_lots_plain
from router.allocation.split import draw_lane, proportional
from router.allocation.water_fill import water_fill
from router.allocation.water_fill_plain import split_value
from router.allocation.water_fill_plain import water_fill_plain as plain

Lane = tuple[float, float, float, float, float]

lane_numbers = st.tuples(
    st.floats(0.0, 1.0),
    st.sampled_from([0.0, 1e-9, 0.5, 1.0, 30.0, 100.0, 2_500.0, 1e7]),
    st.floats(-5.0, 50.0) | st.sampled_from([math.nan, math.inf, 1e-300]),
    st.just(0.0),
    st.sampled_from([0.0, 1.0, 60.0, 1_000.0, 1e6]),
)
free_lanes = st.lists(lane_numbers, min_size=1, max_size=8)
totals = st.sampled_from([0.0, 1.0, 7.0, 100.0, 5_000.0, 3e6])


def columns(lanes: list[Lane]) -> list[np.ndarray[tuple[int], np.dtype[np.float64]]]:
    return [np.array(column, dtype=np.float64) for column in zip(*lanes, strict=True)]


def fast(lanes: list[Lane], total: float) -> list[float]:
    made: list[float] = water_fill(*columns(lanes), total).tolist()
    return made


def slow(lanes: list[Lane], total: float) -> list[float]:
    return plain(*(column.tolist() for column in columns(lanes)), total)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(free_lanes, totals)
def test_kernel_and_twin_agree(lanes: list[Lane], total: float) -> None:
    assert fast(lanes, total) == pytest.approx(slow(lanes, total), rel=1e-6, abs=1e-6 * max(total, 1.0))


@settings(max_examples=150, deadline=None, derandomize=True)
@given(free_lanes, totals, st.lists(st.sampled_from([0.0, 1.0, 50.0]), min_size=8, max_size=8))
def test_kernel_and_twin_are_worth_the_same_with_minimum_quantities(
    lanes: list[Lane], total: float, minima: list[float]
) -> None:
    bounded = [(p, mu, c, min(low, cap), cap) for (p, mu, c, _, cap), low in zip(lanes, minima, strict=False)]
    worths = []
    for v in (fast(bounded, total), slow(bounded, total)):
        assert all(vk == 0 or vk >= lane[3] * (1 - 1e-9) for vk, lane in zip(v, bounded, strict=True))
        rows = [(p, mu, c, vk) for (p, mu, c, _, _), vk in zip(bounded, v, strict=True) if vk > 0]
        worths.append(split_value(*zip(*rows, strict=True)) if rows else 0.0)
    assert worths[0] == pytest.approx(worths[1], rel=1e-5, abs=1e-6)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(free_lanes, totals)
def test_the_sum_is_the_slice_or_all_the_room_there_is(lanes: list[Lane], total: float) -> None:
    v = fast(lanes, total)
    takes = [p * c > 0 and c > 0 and math.isfinite(p * c) and mu >= 1e-6 for p, mu, c, _, _ in lanes]
    room = sum(lane[4] for lane, is_taking in zip(lanes, takes, strict=True) if is_taking)
    for vk, lane, is_taking in zip(v, lanes, takes, strict=True):
        assert 0 <= vk <= lane[4]
        assert is_taking or vk == 0
    assert sum(v) == pytest.approx(min(total, room), rel=1e-6, abs=1e-6)


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.floats(0.05, 1.0), st.floats(1.0, 50.0), st.floats(0.1, 20.0), st.just(0.0), st.integers(1, 30)),
        min_size=2,
        max_size=3,
    ),
    st.integers(1, 30),
)
def test_no_whole_split_is_worth_more(lanes: list[Lane], total: int) -> None:
    p, mu, c, low, cap = (column.tolist() for column in columns(lanes))
    v = fast(lanes, float(total))
    best = max(
        split_value(p, mu, c, q)
        for q in itertools.product(*(range(int(bound) + 1) for bound in cap))
        if sum(q) <= total
    )
    assert split_value(p, mu, c, v) >= best * (1 - 1e-9)
    one = [1] * len(p)
    q = to_lots_plain(v, one, [0] * len(p), [int(bound) for bound in cap], total)
    assert split_value(p, mu, c, q) >= 0.95 * best
    assert low == [0.0] * len(p)


def test_the_last_share_is_worth_the_same_on_every_lane_that_is_neither_empty_nor_full() -> None:
    lanes = [(0.5, 300.0, 2.0, 0.0, 1e6), (0.2, 900.0, 3.0, 0.0, 1e6), (0.9, 50.0, 1.0, 0.0, 10.0)]
    v = fast(lanes, 1_000.0)
    marginal = [p * c * math.exp(-vk / mu) for (p, mu, c, _, _), vk in zip(lanes, v, strict=True)]
    assert marginal[0] == pytest.approx(marginal[1], rel=1e-9)
    assert v[2] == 10.0
    assert marginal[2] > marginal[0]


@settings(max_examples=100, deadline=None, derandomize=True)
@given(free_lanes, totals, st.sampled_from([0.25, 3.0, 1_000.0]))
def test_values_in_another_unit_change_nothing_and_sizes_in_another_unit_scale(
    lanes: list[Lane], total: float, unit: float
) -> None:
    lanes = [lane for lane in lanes if lane[1] != 1e-9 and not 0 < lane[0] * lane[2] < 1e-250]
    if not lanes:
        return
    v = fast(lanes, total)
    dearer = fast([(p, mu, c * unit, low, cap) for p, mu, c, low, cap in lanes], total)
    larger = fast([(p, mu * unit, c, low, cap * unit) for p, mu, c, low, cap in lanes], total * unit)
    noise = 1e-6 * max(total, 1.0)
    assert dearer == pytest.approx(v, rel=1e-6, abs=noise)
    assert [vk / unit for vk in larger] == pytest.approx(v, rel=1e-6, abs=noise)


def test_a_lane_below_its_minimum_is_lifted_when_that_is_worth_more_and_dropped_when_not() -> None:
    alike = (0.5, 100.0, 2.0, 0.0, 1_000.0)
    assert fast([(0.45, 400.0, 2.0, 500.0, 1_000.0), alike], 600.0) == pytest.approx([500.0, 100.0])
    assert fast([(0.2, 100.0, 2.0, 550.0, 1_000.0), alike], 600.0) == pytest.approx([0.0, 600.0])
    assert fast([(0.5, 100.0, 2.0, 100.0, 100.0), (0.9, 5.0, 9.0, 0.0, 10.0)], 100.0) == pytest.approx([100.0, 0.0])


lots_rows = st.lists(
    st.tuples(st.floats(0, 500), st.sampled_from([1, 10, 100]), st.integers(0, 3), st.integers(0, 8)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(lots_rows, st.integers(0, 2_000))
def test_lots_keep_every_bound_and_leave_nothing_that_fits(rows: list[tuple[float, int, int, int]], total: int) -> None:
    lot = [row[1] for row in rows]
    minimum = [row[1] * row[2] for row in rows]
    cap = [row[1] * row[3] if row[3] >= row[2] else 0 for row in rows]
    scale = min(1.0, total / (sum(row[0] for row in rows) or 1.0))
    v = [min(row[0] * scale, bound) for row, bound in zip(rows, cap, strict=True)]
    q: list[int] = to_lots(np.array(v), np.array(lot), np.array(minimum), np.array(cap), total).tolist()
    assert q == to_lots_plain(v, lot, minimum, cap, total)
    left = total - sum(q)
    assert left >= 0
    for qk, step, low, high in zip(q, lot, minimum, cap, strict=True):
        assert qk % step == 0
        assert qk == 0 or low <= qk <= high
        more = min(high - qk, left - left % step)
        assert more <= 0 or qk + more < low


@settings(max_examples=150, deadline=None, derandomize=True)
@given(
    st.lists(st.tuples(st.floats(allow_nan=True), st.integers(0, 40), st.integers(0, 300)), min_size=1, max_size=8),
    st.integers(0, 1_000),
)
def test_proportional_shares_keep_their_bounds(rows: list[tuple[float, int, int]], total: int) -> None:
    weights, low, cap = [r[0] for r in rows], [min(r[1], r[2]) for r in rows], [r[2] for r in rows]
    v = proportional(weights, low, cap, total)
    assert sum(v) <= total * (1 + 1e-9)
    for vk, weight, least, most in zip(v, weights, low, cap, strict=True):
        assert vk == 0 or least <= vk <= most
        assert vk == 0 or weight > 0


def test_a_drawn_lane_has_its_probability() -> None:
    draws = [(n + 0.5) / 1_000 for n in range(1_000)]
    counts = [sum(draw_lane([0.2, 0.0, 0.5, 0.3], draw) == k for draw in draws) for k in range(4)]
    assert counts == [200, 0, 500, 300]
    assert draw_lane([0.1] * 10, 0.999999999999999999) == 9


@pytest.mark.parametrize("module", [allocate, lots, pricing, split, water_fill_plain])
def test_the_examples_of_the_allocation_are_true(module: object) -> None:
    failed, tried = doctest.testmod(module)  # type: ignore[arg-type]
    assert tried > 0
    assert failed == 0
