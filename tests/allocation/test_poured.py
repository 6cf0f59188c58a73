"""A split in one crossing is the split worked out part by part, to the bit; a table is its scores.

Rule of this file: lanes are drawn by key, good ones and impossible ones; what is compared is the whole allocation.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
import pytest

from router.allocation.allocate import Exploration, Rules, allocate_rows
from router.allocation.poured import poured
from router.domain.enums import AllocationMode, Side
from router.domain.market import F64
from router.domain.score_table import LEAKAGE, MARKOUT, MU, SPREAD, P, lane_scores, names_of, scores_of_table, table_of
from router.domain.scores import LaneScore, PolicySnapshot
from router.domain.snapshot import fault_of

EDGES = (0.0, 100.0, 400.0)
BAD = (math.nan, math.inf, -math.inf, -1.0)


def drawn(seed: int) -> tuple[int, list[tuple[float, float, int, int, int]], F64]:
    """Return a slice, what is public of some lanes, and their table; every third draw holds impossible numbers."""
    rng = np.random.Generator(np.random.Philox(seed))
    lanes = int(rng.integers(1, 12))
    hazards = rng.uniform(0.0, 0.02, (len(EDGES), lanes))
    costs = rng.normal(0, 2, (2, lanes))
    table = np.vstack([rng.random(lanes), rng.uniform(0, 900, lanes), costs, np.zeros(lanes), hazards])
    table[SPREAD] = rng.choice([0.0, 0.5], lanes) * (seed % 2)
    if seed % 3 == 0:
        table[int(rng.integers(0, len(table))), int(rng.integers(0, lanes))] = BAD[seed % len(BAD)]
    public = (rng.normal(0, 2, lanes), rng.choice([1, 100], lanes), rng.choice([0, 0, 150], lanes))
    caps = rng.integers(0, 3_000, lanes).tolist()
    rows = [(px, 0.1, lot, least, cap) for px, lot, least, cap in zip(*(p.tolist() for p in public), caps, strict=True)]
    return int(rng.choice([0, 1, 100, 150, 700, 5_000])), rows, np.ascontiguousarray(table)


@pytest.mark.parametrize("seed", range(150))
def test_a_table_is_split_as_its_scores_are(seed: int) -> None:
    slice_qty, rows, table = drawn(seed)
    scores = scores_of_table([f"L{k}" for k in range(len(rows))], table)
    exploration = Exploration(0.05, 0.1) if seed % 4 else Exploration(0.0, 0.0)
    rules = Rules(size_edges=EDGES, is_single_lane=seed % 11 == 0)
    for draws in ((0.3, 0.9, 0.5), (0.3, 0.01, 0.5)):
        rest = (AllocationMode.WATER_FILL, 1.0, exploration, draws, rules)
        assert allocate_rows(slice_qty, rows, table, *rest) == allocate_rows(slice_qty, rows, scores, *rest)


def test_most_slices_are_split_in_one_crossing_and_what_one_lane_should_get_is_not() -> None:
    found = [poured(*drawn(seed)[:2], drawn(seed)[2], EDGES, 1.0, 0.1) is not None for seed in range(150)]
    assert sum(found) > 60
    table = np.array([[0.5] * 2, [300.0] * 2, [0.0] * 2, [0.0] * 2, [1.0] * 2, [0.01] * 2, [0.01] * 2, [0.01] * 2])
    assert poured(100, [(1.0, 0.0, 100, 0, 900)] * 2, table, EDGES, 1.0, 0.1) is None
    assert poured(200, [(1.0, 0.0, 100, 0, 900)] * 2, table, EDGES, 1.0, 0.1) is not None


def published(table: F64, lanes: tuple[str, ...] = ("A:TAKE", "B:POST")) -> PolicySnapshot:
    return PolicySnapshot(
        learner_id="learner",
        policy="censored",
        policy_version=1,
        at=0,
        side=Side.BUY,
        mode=AllocationMode.WATER_FILL,
        scores=(),
        routing_probabilities=(0.25, 0.75),
        outcomes_applied=1,
        model_digest="",
        size_edges=EDGES,
        lanes=lanes,
        table=table.tobytes(),
    )


def sound() -> F64:
    return np.vstack([[[0.5, 0.25], [300.0, 20.0], [1.0, -1.0], [0.0, 0.5], [0.1, 0.2]], np.full((3, 2), 0.01)])


def test_a_published_table_is_read_as_the_scores_that_it_holds() -> None:
    snapshot = published(sound())
    assert fault_of(snapshot) == ""
    assert table_of(snapshot).tolist() == sound().tolist()
    assert lane_scores(snapshot)[1] == LaneScore(
        lane="B:POST", p=0.25, mu=20.0, markout_bps=-1.0, leakage_bps=0.5, spread_bps=0.2, hazards=(0.01,) * 3
    )
    plain = msgspec.structs.replace(snapshot, scores=lane_scores(snapshot), lanes=(), table=b"")
    assert fault_of(plain) == ""
    assert names_of(plain) == names_of(snapshot) == ("A:TAKE", "B:POST")
    assert lane_scores(plain) == lane_scores(snapshot)


@pytest.mark.parametrize(
    ("row", "bad", "said"),
    [
        (P, 1.5, "cannot be: p 1.5"),
        (P, -0.5, "cannot be: p -0.5"),
        (MU, -1.0, "cannot be"),
        (MU, math.nan, "not finite"),
        (MARKOUT, math.inf, "not finite"),
        (LEAKAGE, math.nan, "not finite"),
        (SPREAD, -0.1, "cannot be"),
        (-1, -0.01, "cannot be"),
    ],
)
def test_what_cannot_be_in_a_score_cannot_be_in_a_table(row: int, bad: float, said: str) -> None:
    table = sound()
    table[row, 1] = bad
    fault = fault_of(published(table))
    assert said in fault
    assert "B:POST" in fault


def test_a_table_of_another_size_is_no_table() -> None:
    for snapshot in (published(sound()[:-1]), published(sound(), ("A:TAKE",)), published(sound(), ("A:TAKE",) * 3)):
        assert "bytes of scores" in fault_of(snapshot)
    few = published(sound())
    assert "2 lanes" in fault_of(msgspec.structs.replace(few, routing_probabilities=(1.0,)))
