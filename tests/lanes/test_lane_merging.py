"""Shards add up to the learner that heard everything, in any order and however often a delta comes.

Rule of this file: the orders and the shards are hypothesis's.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lane_material import LANES, contexts, shape, stream, teach

from learners.lanes.merge import ADDED, DECISIONS_MAX, Owner, ShardedModel, add_sums, take_delta
from learners.lanes.model import LaneModel
from learners.lanes.sums import copied
from router.domain.errors import FeatureError
from router.domain.units import SECOND

SEEN = stream(60)
TOLERANCE = 1e-12
"""Relative to the largest of a kind: additions round, and differently in another order."""


def _owner() -> Owner:
    owner = Owner(teach(LaneModel(shape()), stream(40, seed=9)))
    owner.publish()
    return owner


def _agree(one: LaneModel, two: LaneModel) -> None:
    for name in ADDED:
        mine, theirs = getattr(one.sums, name), getattr(two.sums, name)
        np.testing.assert_allclose(mine, theirs, rtol=0, atol=TOLERANCE * max(float(np.abs(theirs).max()), 1e-300))


@given(order=st.permutations(range(len(SEEN))), cuts=st.lists(st.integers(0, 2), min_size=60, max_size=60))
@settings(max_examples=15, deadline=None)
def test_shards_in_any_order_equal_one_learner_over_everything(order: list[int], cuts: list[int]) -> None:
    many, single = _owner(), _owner()
    shards, one = [many.fork() for _ in range(3)], single.fork()
    for n in order:
        teach(shards[cuts[n]], [SEEN[n]])
    teach(one, SEEN)
    for n in (2, 0, 1):
        assert many.add(take_delta(shards[n], f"s{n}", 0, 1, 1))
    assert single.add(take_delta(one, "s", 0, 1, 1))
    _agree(many.model, single.model)
    many.publish()
    single.publish()
    x = contexts(LANES, 3)
    for mine, theirs in zip(many.model.predict(0, x), single.model.predict(0, x), strict=True):
        np.testing.assert_allclose(mine, theirs, rtol=1e-9, atol=1e-12)


@given(arrivals=st.lists(st.integers(0, 4), min_size=1, max_size=15))
@settings(max_examples=20, deadline=None)
def test_deltas_that_come_again_or_late_change_nothing_more(arrivals: list[int]) -> None:
    owner, once = _owner(), _owner()
    shard, deltas = owner.fork(), []
    for n in range(5):
        teach(shard, SEEN[n * 10 : n * 10 + 10])
        deltas.append(take_delta(shard, "s", n // 3, n % 3 + 1, 1))
    for n in sorted(set(arrivals)):
        once.add(deltas[n])
    added = [owner.add(deltas[n]) for n in arrivals]
    assert sum(added) == len(set(arrivals))
    _agree(owner.model, once.model)


def test_a_delta_of_another_shape_or_not_finite_is_refused_whole() -> None:
    owner = _owner()
    before = owner.model.digest()
    other = LaneModel(shape(lanes=2))
    with pytest.raises(FeatureError, match="merge"):
        add_sums(owner.model, other.sums, 0)
    bad = copied(owner.model.sums)
    bad.b[0, 0, 0, 0] = math.nan
    with pytest.raises(FeatureError, match="finite"):
        add_sums(owner.model, bad, 0)
    assert owner.model.digest() == before


def test_shards_decide_at_most_a_hundred_times_between_merges() -> None:
    sharded = ShardedModel(LaneModel(shape()), shards=2)
    merged = 0
    for n in range(3 * DECISIONS_MAX):
        shard = sharded.shards[n % 2]
        shard.trial(0, n * SECOND, np.array([1.0, 0.0, 0.0]), n % 3 == 0)
        merged += sharded.decided()
    assert merged == 3
    assert sharded.owner.model.sums.counts[0, 0, 0] == 3 * DECISIONS_MAX
    x = np.tile([1.0, 0.0, 0.0], (LANES, 1))
    p = [model.predict(300 * SECOND, x).p[0] for model in (sharded.owner.model, *sharded.shards)]
    assert p[0] == pytest.approx(1 / 3, abs=0.06)
    with pytest.raises(FeatureError):
        ShardedModel(LaneModel(shape()), shards=2, every=DECISIONS_MAX + 1)


def test_a_shard_linearises_at_what_its_owner_published() -> None:
    owner = _owner()
    shard = owner.fork()
    assert shard.sums.base.tobytes() == owner.model.sums.base.tobytes()
    assert not shard.sums.a.any()
    teach(shard, SEEN)
    assert shard.sums.base.tobytes() == owner.model.sums.base.tobytes()
