"""Tests of the memory of past regimes: what comes back is known again, and nothing else is disturbed.

Rule of this file: worlds are drawn from keyed generators; a regime is a level of markouts per lane.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from learners.lanes.families import LINEAR, LOGISTIC, POISSON
from learners.lanes.model import LaneModel
from learners.lanes.regimes import ONE_MEMORY, RegimeModel, RegimeSettings, foretell
from learners.lanes.settle import posterior_plain
from learners.lanes.shape import LaneShape
from router.domain.chance import generator
from router.domain.errors import ConfigError, FeatureError
from router.domain.market import F64
from router.domain.units import SECOND

LANES = 3
SHAPE = LaneShape((0,) * LANES, (True,) * LANES, 1, 100.0, (0.5,), (1.0,), (0.0,), (0.0,))
LEVELS = np.array([[0.0, 1.0, -1.0], [4.0, -3.0, 2.0]])
"""Mean adverse bps of each regime's lanes."""

ONE = np.ones(1)


def markouts(model: RegimeModel, first: int, last: int, regime: int, lanes: int = LANES) -> None:
    """Let a model learn a markout a second from `first` to `last`, of the first lanes in turn."""
    noise = generator(1, "regimes", "noise").standard_normal(10_000)
    for n in range(first, last):
        lane = n % lanes
        model.markout(lane, n * SECOND, ONE, 1, float(LEVELS[regime, lane] + noise[n]))


def levels(model: RegimeModel | LaneModel) -> F64:
    """Return the markouts that a model predicts, (lanes,)."""
    found: F64 = model.predict(0, np.ones((LANES, 1))).markout[1]
    return found


def test_a_regime_that_comes_back_is_known_again_on_lanes_that_were_not_used_since() -> None:
    model = RegimeModel(SHAPE)
    markouts(model, 0, 400, 0)
    markouts(model, 400, 800, 1)
    assert model.believed == 1
    assert np.abs(levels(model) - LEVELS[1]).max() < 0.5
    markouts(model, 800, 820, 0, lanes=1)
    assert (model.believed, model.switches) == (0, 2)
    assert np.abs(levels(model) - LEVELS[0]).max() < 0.5


def test_a_world_that_never_changes_has_one_regime_and_is_learned_as_by_one_model() -> None:
    model, alone = RegimeModel(SHAPE), LaneModel(SHAPE, ONE_MEMORY)
    noise = generator(2, "regimes", "noise").standard_normal(600)
    for n in range(600):
        model.markout(n % LANES, n * SECOND, ONE, 1, float(noise[n]))
        alone.markout(n % LANES, n * SECOND, ONE, 1, float(noise[n]))
        model.trial(n % LANES, n * SECOND, ONE, n % 2 == 0)
        alone.trial(n % LANES, n * SECOND, ONE, n % 2 == 0)
    assert model.switches == 0
    assert model.model.digest() == alone.digest()


def test_no_more_regimes_are_remembered_than_there_are_places() -> None:
    model = RegimeModel(SHAPE, regimes=RegimeSettings(members=2, least=50))
    noise = generator(4, "regimes", "noise").standard_normal(900)
    means = 2.5 * np.array([[1, 1, 1], [-1, -1, -1], [1, -1, 1], [-1, 1, -1], [1, 1, -1], [-1, -1, 1]])
    for n in range(900):
        lane, regime = n % LANES, n // 150
        model.markout(lane, n * SECOND, ONE, 1, float(means[regime, lane] + noise[n]))
    assert model.switches >= 3
    assert model.believed in (0, 1)
    assert model.chances.shape == (3,)
    assert model.chances.sum() == pytest.approx(1.0)


def test_a_model_restored_goes_on_as_the_first_would_have() -> None:
    first, second = RegimeModel(SHAPE), RegimeModel(SHAPE)
    markouts(first, 0, 300, 0)
    markouts(first, 300, 450, 1)
    second.restore({name: array.copy() for name, array in first.arrays().items()})
    assert second.digest() == first.digest()
    for model in (first, second):
        markouts(model, 450, 500, 0)
    assert second.digest() == first.digest()
    assert first.switches == 2


def test_what_cannot_be_changes_nothing() -> None:
    model = RegimeModel(SHAPE)
    markouts(model, 0, 20, 0)
    before = model.digest()
    with pytest.raises(FeatureError):
        model.markout(0, 21 * SECOND, ONE, 3, 1.0)
    with pytest.raises(FeatureError):
        model.markout(0, 21 * SECOND, ONE, 1, math.nan)
    with pytest.raises(FeatureError):
        model.size(0, 21 * SECOND, ONE, 1.0, 2.0)
    with pytest.raises(FeatureError):
        model.expose(0, 21 * SECOND, ONE, 1.0, 0.5, False)
    with pytest.raises(FeatureError):
        model.trial(LANES, 21 * SECOND, ONE, True)
    with pytest.raises(FeatureError):
        model.restore({})
    assert model.digest() == before


def test_a_lane_that_changes_a_little_alone_is_no_new_regime() -> None:
    model = RegimeModel(SHAPE)
    markouts(model, 0, 300, 0)
    noise = generator(5, "regimes", "noise").standard_normal(100)
    for n in range(100):
        level = 1.5 if n % LANES == 0 else float(LEVELS[0, n % LANES])
        model.markout(n % LANES, (300 + n) * SECOND, ONE, 1, level + float(noise[n]))
    assert model.switches == 0


def test_settings_that_cannot_be_are_refused() -> None:
    for regimes in (RegimeSettings(members=0), RegimeSettings(change=0.0), RegimeSettings(least=0)):
        with pytest.raises(ConfigError):
            RegimeModel(SHAPE, regimes=regimes)


@pytest.mark.parametrize("family", (LOGISTIC, POISSON, LINEAR))
def test_what_is_foretold_agrees_with_its_plain_twin(family: int) -> None:
    draws = generator(3, "regimes", "twin")
    width = 4
    seen = draws.normal(size=(30, width))
    a, b = seen.T @ seen, draws.normal(size=width)
    none, nothing = np.zeros((width, width)), np.zeros(width)
    precision, mean = draws.uniform(0.5, 2.0, width), 0.1 * draws.normal(size=width)
    xs = draws.normal(size=(2, width))
    ys, exposures = np.array([1.0, 0.0]), np.array([0.3, 0.7])
    args = (a, b, 0.5, none, nothing, precision, mean)
    score, _ = foretell(*args, width, xs, ys, exposures, family, 0.2)
    eta = xs @ posterior_plain(*args)
    if family == LOGISTIC:
        expected = np.log(np.where(ys > 0.5, 1.0 / (1.0 + np.exp(-eta)), 1.0 / (1.0 + np.exp(eta))))
    elif family == POISSON:
        expected = ys * eta - exposures * np.exp(eta)
    else:
        inverse = np.linalg.inv(0.5 * a + np.diag(precision))
        variance = 0.2 + np.einsum("ni,ij,nj->n", xs, inverse, xs)
        expected = -2.5 * np.log1p((ys - eta) ** 2 / (4.0 * variance)) - 0.5 * np.log(variance)
    assert score == pytest.approx(float(expected.sum()), rel=1e-9)
