"""A split by weights in one crossing is the split worked out part by part, to the bit; so is a compiled draw.

Rule of this file: lanes are drawn by key; what is compared is everything that an allocation says.
"""

from __future__ import annotations

import numpy as np
import pytest

from router.allocation.allocate import Exploration, Rules, allocate_rows
from router.allocation.draws import probe_draw
from router.allocation.split import shares
from router.allocation.weighed import weighed_arrays
from router.domain.chance import uniforms
from router.domain.enums import AllocationMode
from router.domain.market import F64, I64

EDGES = (0.0, 100.0, 400.0)
OPPORTUNITY_BPS = 1.25
DRAWS = (0.3, 0.9, 0.5)


def drawn(seed: int) -> tuple[int, list[tuple[float, float, int, int, int]], F64, tuple[float, ...]]:
    """Return a slice, what is public of some lanes, their table, and weights of which some are 0."""
    rng = np.random.Generator(np.random.Philox(seed))
    lanes = int(rng.integers(1, 12))
    scores = [rng.random(lanes), rng.uniform(0, 900, lanes), rng.normal(0, 2, (2, lanes)), np.zeros(lanes)]
    table = np.ascontiguousarray(np.vstack([*scores, rng.uniform(0.0, 0.02, (len(EDGES), lanes))]))
    prices, lots, caps = rng.normal(0, 2, lanes), rng.choice([1, 100], lanes), rng.integers(0, 3_000, lanes)
    rows = [(px, 0.1, lot, 0, cap) for px, lot, cap in zip(prices.tolist(), lots.tolist(), caps.tolist(), strict=True)]
    weights = rng.random(lanes) * rng.choice([0.0, 1.0, 1.0], lanes)
    return int(rng.choice([1, 100, 150, 700, 5_000, 100_000])), rows, table, tuple(weights.tolist())


@pytest.mark.parametrize("seed", range(120))
def test_a_slice_under_a_limit_is_split_as_its_parts_say(seed: int) -> None:
    qty, rows, table, weights = drawn(seed)
    exploration = Exploration(0.05, 0.1) if seed % 4 else Exploration(0.0, 0.0)
    rules = Rules(size_edges=EDGES, slowed=weights)
    plain = allocate_rows(qty, rows, table, AllocationMode.WATER_FILL, OPPORTUNITY_BPS, exploration, DRAWS, rules)
    lot: I64 = np.array([row[2] for row in rows])
    cap: I64 = np.array([row[4] - row[4] % row[2] for row in rows])
    public: F64 = np.column_stack(([row[0] for row in rows], [row[1] for row in rows], table[2], table[3]))
    wanted: F64 = np.where(cap > 0, weights, 0.0)
    found = weighed_arrays(qty, public, wanted, lot, cap, OPPORTUNITY_BPS, exploration.share)
    if found is None:
        assert not sum(plain.quantities)
        return
    assert tuple(found.quantities) == plain.quantities
    assert tuple(found.values_bps) == plain.values_bps
    assert tuple(shares(found.real)) == plain.routing_probabilities
    has_probes = bool(found.probes) and exploration.epsilon > 0
    assert plain.propensity == (1.0 - exploration.epsilon if has_probes else 1.0)


def test_nothing_to_split_by_is_left_to_the_parts() -> None:
    lot, cap = np.array([1, 1]), np.array([0, 0])
    assert weighed_arrays(100, np.zeros((2, 4)), np.zeros(2), lot, cap, 1.0, 0.1) is None
    assert weighed_arrays(100, np.zeros((0, 4)), np.zeros(0), lot[:0], cap[:0], 1.0, 0.1) is None


def test_compiled_draw_is_the_plain_one() -> None:
    for n in range(500):
        seed, order = n % 7, f"P{n % 31}"
        assert probe_draw(seed, order, n * n) == uniforms(seed, order, "decision", n * n)[1]
