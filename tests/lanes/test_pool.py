"""A symbol of which little is known begins at what its group has in common: nearer to the truth, and not stubborn.

Rule of this file: symbols are drawn from keyed generators around one group; what is known of them is learned by the
lane model itself.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from lane_material import FEATURES, STANDARD, shape

from learners.lanes.model import LaneModel
from learners.lanes.pool import pool
from learners.lanes.shape import DEFAULTS
from router.domain.chance import generator
from router.domain.errors import FeatureError
from router.domain.market import F64
from router.domain.units import SECOND

PLAIN = DEFAULTS._replace(half_lives_s=(1e8,), drift=0.0, takeover=0.0, optimism=0.0)
LANES = 4
X: F64 = np.ones((LANES, 1))


def _symbol(seed: int, deviation: float, count: int) -> tuple[LaneModel, F64, F64]:
    """Return a model after `count` requests and markouts a lane, and its true chances and costs, both (lanes,)."""
    draws, model = generator(seed, "pool", "symbol"), LaneModel(shape(LANES, 1), PLAIN)
    logits = np.array([1.5, -2.0, -0.5, 0.5]) + deviation * draws.normal(size=LANES)
    truth, costs = 1.0 / (1.0 + np.exp(-logits)), np.array([3.0, -1.0, 0.0, 2.0]) + deviation * draws.normal(size=LANES)
    for n in range(count):
        for lane in range(LANES):
            at, is_filled = (n + 1) * SECOND, bool(draws.random() < truth[lane])
            if model.shape.immediate[lane]:
                model.trial(lane, at, X[lane], is_filled)
            else:
                # A whole standard life, or up to the fill within it.
                end = float(draws.random()) if is_filled else 1.0
                model.expose(lane, at, X[lane], 0.0, end, is_filled)
            model.markout(lane, at, X[lane], 1, float(costs[lane] + 2.0 * draws.normal()))
            met = min(float(draws.exponential(2.0 * STANDARD)), STANDARD)
            model.size(lane, at, X[lane], STANDARD, max(met, 1.0))
    return model, truth, costs


def _errors(model: LaneModel, truth: F64, costs: F64, at: int) -> tuple[float, float]:
    seen = model.predict(at, X)
    return float(np.abs(seen.p - truth)[::2].mean()), float(np.abs(seen.markout[1] - costs).mean())


def _pooled(members: list[LaneModel]) -> LaneModel:
    model = LaneModel(shape(LANES, 1), PLAIN)
    pool(model, members)
    return model


def test_a_thin_fourth_symbol_begins_nearer_to_the_truth_than_unpooled() -> None:
    pooled, alone = np.zeros(2), np.zeros(2)
    for seed in range(12):
        members = [_symbol(100 * seed + k, 0.3, 200)[0] for k in range(3)]
        _, truth, costs = _symbol(100 * seed + 9, 0.3, 0)
        pooled += _errors(_pooled(members), truth, costs, SECOND)
        alone += _errors(LaneModel(shape(LANES, 1), PLAIN), truth, costs, SECOND)
    assert (pooled < 0.5 * alone).all()


def test_the_fourth_symbol_keeps_its_advantage_over_its_first_outcomes_and_is_still_moved_by_them() -> None:
    pooled, alone = np.zeros(2), np.zeros(2)
    for seed in range(12):
        members = [_symbol(100 * seed + k, 0.3, 200)[0] for k in range(3)]
        thin, truth, costs = _symbol(100 * seed + 9, 0.3, 5)
        begun = _pooled(members)
        # What the thin symbol saw, seen by a model that began pooled: sums add.
        begun.sums.a[...], begun.sums.b[...] = thin.sums.a, thin.sums.b
        begun.sums.counts[:, :, 0], begun.latest = thin.sums.counts[:, :, 0], thin.latest
        begun.sums.epochs[...] = thin.sums.epochs
        begun.refresh(thin.latest)
        pooled += _errors(begun, truth, costs, thin.latest)
        alone += _errors(thin, truth, costs, thin.latest)
    assert (pooled < 0.8 * alone).all()
    model, at = _pooled([_symbol(k, 0.3, 100)[0] for k in range(3)]), 1_000 * SECOND
    before = model.predict(at, X).p[0]
    for n in range(400):
        model.trial(0, at + n * SECOND, X[0], False)
    assert model.predict(at + 400 * SECOND, X).p[0] < min(0.15, 0.5 * before)


def test_members_that_agree_are_worth_more_than_members_that_do_not() -> None:
    alike, unlike = (_pooled([_symbol(k, deviation, 200)[0] for k in range(4)]) for deviation in (0.05, 2.0))
    assert (alike.sums.past_a[0, :, 0, 0] > 2.0 * unlike.sums.past_a[0, :, 0, 0]).mean() > 0.5
    assert alike.sums.past_a[3, :LANES, 0, 0].min() > unlike.sums.past_a[3, :LANES, 0, 0].max()


def test_size_tails_of_the_members_are_pooled_too() -> None:
    model = _pooled([_symbol(k, 0.3, 200)[0] for k in range(3)])
    mu = model.predict(SECOND, X).mu
    assert mu == pytest.approx(np.full(LANES, 2.0 * STANDARD), rel=0.25)
    assert (model.sums.past_bins[LANES:] == model.sums.past_bins[:LANES].reshape(2, 2, -1, 2).sum(axis=0)).all()


def test_lanes_that_no_member_used_stay_at_their_prior() -> None:
    members = [LaneModel(shape(LANES, 1), PLAIN) for _ in range(2)]
    model = _pooled(members)
    assert model.digest() == LaneModel(shape(LANES, 1), PLAIN).digest()
    for member in members:
        member.trial(0, SECOND, X[0], True)
    model = _pooled(members)
    assert not model.sums.past_a[:, 1].any()
    assert not model.sums.past_a[1:].any()


def test_the_order_of_members_does_not_matter() -> None:
    members = [_symbol(k, 0.3, 50)[0] for k in range(3)]
    one, two = _pooled(members), _pooled(members[::-1])
    np.testing.assert_allclose(one.sums.past_a, two.sums.past_a, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(one.sums.past_b, two.sums.past_b, rtol=1e-6, atol=1e-9)


def test_what_cannot_be_pooled_is_refused() -> None:
    one, other = LaneModel(shape(LANES, 1), PLAIN), LaneModel(shape(LANES, FEATURES), PLAIN)
    taught = _symbol(1, 0.3, 2)[0]
    for model, members, cap in (
        (one, [taught], 500.0),
        (one, [taught, other], 500.0),
        (taught, [taught, taught], 500.0),
        (one, [taught, taught], 0.0),
        (one, [taught, taught], math.nan),
        (_pooled([taught, taught]), [taught, taught], 500.0),
    ):
        with pytest.raises(FeatureError):
            pool(model, members, cap)
