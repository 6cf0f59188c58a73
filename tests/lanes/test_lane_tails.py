"""What a lane's size is expected to be is what the formulas say, however few exponentials it is worked out with."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from learners.lanes.families import ETA_MAX
from learners.lanes.read import NODE_WEIGHTS, NODES, expected_tail, mean_sizes
from learners.lanes.shape import SIZE_EDGES
from router.domain.market import F64

EDGES: F64 = np.array(SIZE_EDGES)
ENDS = [*SIZE_EDGES[1:], 4.0 * SIZE_EDGES[-1]]


@settings(deadline=None)
@given(st.floats(-ETA_MAX, ETA_MAX), st.floats(0.0, 3.0))
def test_expected_tail_is_the_survival_averaged_over_what_is_not_known(eta: float, sd: float) -> None:
    hazards = np.empty(len(EDGES))
    expected_tail(eta, sd, EDGES, hazards)
    rates = [math.exp(min(max(eta + sd * node, -ETA_MAX), ETA_MAX)) for node in NODES]
    before, depth = 0.0, 0.0
    for start, end, hazard in zip(SIZE_EDGES, ENDS, hazards.tolist(), strict=True):
        alive = sum(weight * math.exp(-end * rate) for weight, rate in zip(NODE_WEIGHTS, rates, strict=True))
        depth = -math.log(max(alive, 1e-300))
        assert hazard * (end - start) == pytest.approx(max(depth - before, 0.0), rel=1e-9, abs=1e-11)
        before = depth


@settings(deadline=None)
@given(st.lists(st.floats(1e-9, 1e3), min_size=len(SIZE_EDGES), max_size=len(SIZE_EDGES)))
def test_mean_size_is_the_integral_of_the_survival(hazards: list[float]) -> None:
    found = np.empty(1)
    mean_sizes(np.array([hazards]), EDGES, found)
    depth, total = 0.0, 0.0
    for rate, start, end in zip(hazards, SIZE_EDGES, [*SIZE_EDGES[1:], math.inf], strict=True):
        total -= math.exp(-depth) * math.expm1(-rate * (end - start)) / rate
        depth += rate * (end - start)
    assert found[0] == pytest.approx(total, rel=1e-12)
