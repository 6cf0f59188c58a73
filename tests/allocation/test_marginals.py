"""Marginal propensities against the frequencies of the allocations themselves, and against what must hold.

Rule of this file: draws are a grid or keyed, never random.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.allocation.allocate import NO_RULES, Exploration, LaneOffer, Rules, allocate
from router.allocation.bounded import Group
from router.allocation.marginal import marginals
from router.domain.chance import uniform_rows
from router.domain.enums import AllocationMode
from router.domain.scores import LaneScore

MODES = tuple(AllocationMode)

RULES = (
    Rules(groups=(Group((0, 1), 300), Group((2, 3), 1_000))),
    Rules(is_single_lane=True),
    Rules(most_qty=1_500, overfill_bps=0.2, may_overbook=(True,) * 4),
    Rules(slowed=(0.1, 0.2, 0.3, 0.4)),
    Rules(budget=50.0, static=(0.25,) * 4),
)


def offers(n: int = 4) -> list[LaneOffer]:
    rows = [(0.5, 400.0, 1.0, 0.4), (0.2, 900.0, 0.5, 0.3), (0.8, 100.0, -2.0, 0.3), (0.05, 50.0, 0.2, 0.0)]
    return [
        LaneOffer(LaneScore(lane=f"X{k}:POST", p=p, mu=mu, weight=weight), price, 0.1, 10, 0, 2_000)
        for k, (p, mu, price, weight) in enumerate(rows[:n])
    ]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("exploration", [Exploration(0.0, 0.0), Exploration(0.3, 0.2), Exploration(1.0, 0.1)])
@pytest.mark.parametrize("rules", [NO_RULES, *RULES])
def test_marginals_are_the_mean_of_the_allocations(
    mode: AllocationMode, exploration: Exploration, rules: Rules
) -> None:
    found = marginals(1_000, offers(), mode, 1.0, exploration, rules)
    draws = np.array(uniform_rows(1, "marginals", "test", 1, 4_000))[:, :3]
    sums, squares = np.zeros(4), np.zeros(4)
    for a, b, c in draws.tolist():
        made = np.array(allocate(1_000, offers(), mode, 1.0, exploration, (a, b, c), rules).quantities)
        part = made / max(1_000, made.sum())
        sums, squares = sums + part, squares + part**2
    np.testing.assert_allclose(found.propensities, sums / len(draws), atol=0.03)
    parts = np.divide(squares, sums, out=np.zeros(4), where=sums > 0)
    np.testing.assert_allclose(found.parts, parts, atol=0.05)


@given(
    st.integers(0, 5_000),
    st.sampled_from(MODES),
    st.floats(0.0, 1.0),
    st.floats(0.0, 1.0),
    st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1_000), st.floats(-3, 3), st.floats(0, 1)), max_size=5),
)
@settings(max_examples=60, deadline=None)
def test_marginals_are_probabilities(
    slice_qty: int,
    mode: AllocationMode,
    epsilon: float,
    share: float,
    lanes: list[tuple[float, float, float, float]],
) -> None:
    some = [
        LaneOffer(LaneScore(lane=f"X{k}:POST", p=p, mu=mu, weight=w), price, 0.0, 1, 0, 1_000)
        for k, (p, mu, price, w) in enumerate(lanes)
    ]
    found = marginals(slice_qty, some, mode, 1.0, Exploration(epsilon, share))
    assert len(found.propensities) == len(found.parts) == len(some)
    assert sum(found.propensities) <= 1.0 + 1e-9
    for propensity, part in zip(found.propensities, found.parts, strict=True):
        assert 0.0 <= propensity <= part + 1e-12 <= 1.0 + 1e-9


def test_without_draws_the_marginals_are_the_allocation() -> None:
    made = allocate(1_000, offers(), AllocationMode.WATER_FILL, 1.0, Exploration(0.0, 0.0), (0.0, 0.0, 0.0))
    found = marginals(1_000, offers(), AllocationMode.WATER_FILL, 1.0, Exploration(0.0, 0.0))
    assert found.propensities == tuple(qty / 1_000 for qty in made.quantities)
    assert found.parts == found.propensities


def test_a_probe_gives_every_lane_that_can_take_it_a_chance() -> None:
    found = marginals(1_000, offers(3), AllocationMode.WATER_FILL, 1.0, Exploration(0.3, 0.2))
    # The third lane is worth nothing: only the probe goes there, 200 shares in 0.3 / 3 of all cases.
    assert found.propensities[2] == pytest.approx(0.3 / 3 * 0.2)
    assert found.parts[2] == pytest.approx(0.2)
