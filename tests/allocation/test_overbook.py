"""Over-booking: priced right, never worth less than none, within its bounds, as good as a slow climb."""

from __future__ import annotations

import doctest
import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.allocation import overbook_plain
from router.allocation.overbook import overbook
from router.allocation.overbook_plain import overbook_plain as climb
from router.allocation.overbook_plain import overbook_value, overfill
from router.allocation.tails import pour_tails

TOTAL = 600.0
EDGES = [0.0, 75.0, 300.0]

CASES: dict[str, tuple[list[float], list[list[float]], list[float]]] = {
    "two equal": ([0.3, 0.3], [[0.002] * 3] * 2, [3.0, 3.0]),
    "three unlike": ([0.2, 0.5, 0.35], [[0.004] * 3, [0.001] * 3, [0.002] * 3], [4.0, 2.0, 3.0]),
    "heavy tails": ([0.2, 0.25, 0.3], [[0.01, 0.002, 0.0002], [0.0, 0.003, 0.001], [0.02, 0.004, 0.001]], [3, 2, 2]),
    "one lane": ([0.25], [[0.003, 0.003, 0.001]], [3.0]),
}


def split(
    case: str, penalty: float, most: float = 1_200.0, may: list[float] | None = None, cap: float = 1e5
) -> list[float]:
    p, hazards, c = CASES[case]
    n = len(p)
    arrays = [np.array(a, dtype=np.float64) for a in (p, hazards, EDGES, c, [0.0] * n, [cap] * n, may or [1.0] * n)]
    made: list[float] = overbook(*arrays, TOTAL, most, penalty).tolist()
    return made


def value(case: str, v: list[float], penalty: float) -> float:
    p, hazards, c = CASES[case]
    return overbook_value(p, hazards, EDGES, c, v, TOTAL, penalty)


def plain_split(case: str) -> list[float]:
    return split(case, 0.0, most=TOTAL)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("penalty", [1.0, 6.0, 30.0])
def test_over_booking_is_as_good_as_a_slow_climb(case: str, penalty: float) -> None:
    p, hazards, c = CASES[case]
    n = len(p)
    slow = climb(p, hazards, EDGES, c, [1e5] * n, [True] * n, TOTAL, 1_200.0, penalty, parts=12)
    # The best split may be one whose full fills just make up the slice, which lies between the cells of both.
    assert value(case, split(case, penalty), penalty) >= 0.98 * value(case, slow, penalty)


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("penalty", [0.5, 3.0, 10.0, 100.0, 1e9])
def test_over_booking_is_never_worth_less_than_none(case: str, penalty: float) -> None:
    v = split(case, penalty)
    # The kernel's cells are coarser than the twin's: what that misjudges is less than half a percent.
    assert value(case, v, penalty) >= 0.995 * value(case, plain_split(case), penalty)
    assert sum(v) <= 1_200.0 * (1 + 1e-9)


@pytest.mark.parametrize("case", ["two equal", "three unlike", "heavy tails"])
def test_what_is_posted_falls_as_the_penalty_rises(case: str) -> None:
    posted = [sum(split(case, penalty)) for penalty in (0.0, 5.0, 20.0, 80.0, 1e9)]
    assert all(more >= less - 1e-6 for more, less in pairwise(posted))
    assert posted[0] == pytest.approx(1_200.0)
    assert posted[-1] == pytest.approx(TOTAL)


def test_without_room_for_more_it_is_the_split_over_tails() -> None:
    p, hazards, c = (np.array(a, dtype=np.float64) for a in CASES["three unlike"])
    expected = pour_tails(p, hazards, np.array(EDGES), c, np.zeros(3), np.full(3, 1e5), TOTAL)
    assert plain_split("three unlike") == expected.tolist()


def test_lanes_that_may_not_be_over_booked_get_the_slice_at_most() -> None:
    v = split("three unlike", 1.0, may=[1.0, 0.0, 0.0])
    assert v[1] + v[2] <= TOTAL * (1 + 1e-9)
    assert sum(v) > TOTAL
    assert sum(split("three unlike", 1.0, may=[0.0, 0.0, 0.0])) == pytest.approx(TOTAL)


def test_caps_bound_over_booking_too() -> None:
    assert split("two equal", 1.0, cap=350.0) == pytest.approx([350.0, 350.0])


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.floats(0.0, 1.0), st.sampled_from([0.0, 1e-3, 0.01, 1.0]), st.floats(-3.0, 9.0)),
        min_size=1,
        max_size=6,
    ),
    st.sampled_from([0.0, 4.0, 40.0]),
    st.sampled_from([600.0, 750.0, 3_000.0]),
    st.lists(st.sampled_from([0.0, 100.0]), min_size=6, max_size=6),
)
def test_every_over_booked_split_keeps_its_bounds(
    lanes: list[tuple[float, float, float]], penalty: float, most: float, minima: list[float]
) -> None:
    p, hazard, c = (np.array(column, dtype=np.float64) for column in zip(*lanes, strict=True))
    low, cap, may = np.array(minima[: len(p)]), np.full(len(p), 900.0), np.arange(len(p)) % 2.0
    v = overbook(p, hazard[:, None], np.zeros(1), c, low, cap, may, TOTAL, most, penalty)
    assert v.sum() <= most * (1 + 1e-9)
    assert (v * (1 - may)).sum() <= TOTAL * (1 + 1e-9)
    assert all(vk == 0 or lk * (1 - 1e-9) <= vk <= 900.0 for vk, lk in zip(v, low, strict=True))
    assert all(vk == 0 for vk, pk, ck in zip(v, p, c, strict=True) if pk * ck <= 0)


def test_the_expected_over_fill_is_what_draws_show() -> None:
    p, hazards, _ = CASES["heavy tails"]
    v, rng = [500.0, 400.0, 300.0], np.random.Generator(np.random.Philox(5))
    fills = np.zeros(200_000)
    for pk, row, vk in zip(p, hazards, v, strict=True):
        depth, drawn = rng.exponential(size=len(fills)), np.zeros(len(fills))
        for h, at, end in zip(row, EDGES, [*EDGES[1:], math.inf], strict=True):
            here = np.minimum(depth / h, end - at) if h else np.full(len(fills), end - at)
            drawn += np.where(depth > 0, here, 0.0)
            depth -= h * (end - at)
        fills += np.where(rng.random(len(fills)) < pk, np.minimum(drawn, vk), 0.0)
    seen = np.maximum(fills - TOTAL, 0.0).mean()
    assert overfill(p, hazards, EDGES, v, TOTAL) == pytest.approx(seen, rel=0.03)


def test_the_examples_of_over_booking_are_true() -> None:
    assert doctest.testmod(overbook_plain).failed == 0
