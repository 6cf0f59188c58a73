"""The lane model: what it learns, what it refuses, and that its state is all there is to it.

Rule of this file: worlds are drawn from keyed generators with known parameters.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from lane_material import LANES, contexts, shape, stream, teach

from learners.lanes.carry import carry
from learners.lanes.model import LaneModel
from learners.lanes.shape import DEFAULTS, FILL, MARK_10, SIZE, LaneShape
from router.domain.chance import generator
from router.domain.errors import ConfigError, FeatureError
from router.domain.units import SECOND

ONE = np.ones(1)
STEADY = DEFAULTS._replace(half_lives_s=(1e8,), drift=0.0, takeover=0.0, optimism=0.0)


def _single(settings: object = STEADY, *, immediate: bool = True, features: int = 1) -> LaneModel:
    made = LaneShape((0,), (immediate,), features, 100.0, (0.2,), (0.25,), (0.0,), (0.0,))
    return LaneModel(made, settings)  # type: ignore[arg-type]


def test_a_tail_that_is_not_exponential_is_found_by_its_bins() -> None:
    """Half of the sizes are 2 shares, half 80: an exponential tail of the same mean is wrong everywhere."""
    draws = generator(2, "lane_model", "two sizes")
    model = _single()
    for n in range(800):
        hidden = 2.0 if draws.random() < 0.5 else 80.0
        sent = float(draws.integers(5, 60))
        model.size(0, n * SECOND, ONE, sent, min(sent, hidden))
    hazards = model.predict(800 * SECOND, np.ones((1, 1))).hazards[0]
    edges = np.append(model.size_edges, np.inf)
    survival = [
        math.exp(-float((hazards * np.clip(np.minimum(edges[1:], v) - edges[:-1], 0, None)).sum())) for v in (4, 50)
    ]
    assert survival == pytest.approx([0.5, 0.5], abs=0.06)


def test_an_exponential_tail_stays_exponential() -> None:
    draws = generator(3, "lane_model", "exponential")
    model = _single()
    for n in range(400):
        hidden, sent = float(draws.exponential(60.0)) + 1e-9, 80.0
        model.size(0, n * SECOND, ONE, sent, min(sent, hidden))
    seen = model.predict(400 * SECOND, np.ones((1, 1)))
    assert seen.mu[0] == pytest.approx(60.0, rel=0.15)
    assert seen.hazards[0] == pytest.approx(np.full(10, 1 / 60.0), rel=0.2)


def test_without_censoring_full_fills_look_like_small_sizes() -> None:
    naive, fair = _single(STEADY._replace(censoring=False)), _single()
    for n in range(200):
        for model in (naive, fair):
            model.size(0, n * SECOND, ONE, 10.0, 10.0)
    at_10 = [model.predict(200 * SECOND, np.ones((1, 1))).mu[0] for model in (naive, fair)]
    assert at_10[0] < 20.0 < 100.0 < at_10[1]


def test_the_bank_follows_a_change_that_one_long_memory_does_not() -> None:
    bank, long = _single(DEFAULTS), _single()
    for n in range(3_000):
        for model in (bank, long):
            model.trial(0, n * SECOND, ONE, n % 10 < (8 if n < 2_800 else 1))
    seen = [model.predict(3_000 * SECOND, np.ones((1, 1))).p[0] for model in (bank, long)]
    assert seen[0] == pytest.approx(0.1, abs=0.06)
    assert seen[1] > 0.6


def test_a_break_is_noticed_once_and_shortens_every_memory() -> None:
    model = _single(DEFAULTS)
    for n in range(1_200):
        model.trial(0, n * SECOND, ONE, n % 4 == 0)
    before = model.sums.a[0, 0, -1, 0, 0]
    for n in range(1_200, 1_300):
        model.trial(0, n * SECOND, ONE, n % 10 != 0)
    assert model.sums.a[0, 0, -1, 0, 0] < 0.3 * before


def test_a_break_in_one_lane_is_news_to_its_group_alone() -> None:
    model = LaneModel(shape(lanes=3), DEFAULTS)
    x = contexts(1)[0]
    for n in range(1_200):
        model.trial(0, n * SECOND, x, n % 4 == 0)
    assert model.sums.lead[FILL, 1:3].max() == 0.0
    before = model.digest()
    for n in range(1_200, 1_400):
        model.trial(0, n * SECOND, x, n % 10 != 0)
    assert model.sums.lead[FILL, 2] > 0.0, "the other lane of the group"
    assert model.sums.lead[FILL, 1] == 0.0, "a lane of another group"
    assert model.digest() != before
    again = LaneModel(shape(lanes=3), DEFAULTS)
    again.restore(model.arrays())
    assert again.digest() == model.digest(), "no row that was written to was taken for unchanged"


def test_a_steady_lane_raises_no_alarm() -> None:
    draws = generator(4, "lane_model", "steady")
    model = _single(DEFAULTS)
    for n in range(5_000):
        model.trial(0, n * SECOND, ONE, bool(draws.random() < 0.2))
    assert model.windows.seen[:, 1].sum() == 0
    assert model.predict(5_000 * SECOND, np.ones((1, 1))).p[0] == pytest.approx(0.2, abs=0.03)


def test_costs_are_learned_by_horizon_and_leakage_apart() -> None:
    model = _single()
    for n in range(300):
        for horizon, bps in enumerate((0.5, 1.5, 3.0)):
            model.markout(0, n * SECOND, ONE, horizon, bps)
        model.leak(0, n * SECOND, ONE, -1.0)
    seen = model.predict(300 * SECOND, np.ones((1, 1)), sds=True)
    assert seen.markout[:, 0] == pytest.approx([0.5, 1.5, 3.0], abs=0.05)
    assert seen.leakage[0] == pytest.approx(-1.0, abs=0.05)
    assert 0.0 < seen.sd[MARK_10, 0] < 0.2


def test_a_lane_without_data_leans_on_its_group_and_not_without_sharing() -> None:
    seen = {}
    for sharing in (1.0, 0.0):
        model = LaneModel(shape(), STEADY._replace(sharing=sharing))
        for n in range(400):
            model.trial((0, 2)[n % 2], n * SECOND, np.array([1.0, 0.0, 0.0]), True)
        seen[sharing] = model.predict(400 * SECOND, np.tile([1.0, 0.0, 0.0], (LANES, 1))).p
    assert seen[1.0][4] > 0.7
    assert seen[0.0][4] == pytest.approx(0.4, abs=0.05)
    assert seen[1.0][1] == seen[0.0][1]


def test_asking_changes_nothing() -> None:
    asked, quiet = LaneModel(shape()), LaneModel(shape())
    for n, each in enumerate(stream(300)):
        teach(asked, [each])
        teach(quiet, [each])
        asked.predict(each.at + n * SECOND, contexts(LANES, n), sds=True)
    x = contexts(LANES, 77)
    assert asked.digest() == quiet.digest()
    for mine, theirs in zip(asked.predict(asked.latest, x), quiet.predict(quiet.latest, x), strict=True):
        assert mine.tobytes() == theirs.tobytes()


def test_a_restored_model_goes_on_as_the_one_it_was_taken_from() -> None:
    seen = stream(400)
    model, other = teach(LaneModel(shape()), seen[:200]), LaneModel(shape())
    other.restore({name: array.copy() for name, array in model.arrays().items()})
    assert other.digest() == model.digest()
    assert teach(other, seen[200:]).digest() == teach(model, seen[200:]).digest()
    assert other.digest() == teach(LaneModel(shape()), seen).digest()


@pytest.mark.parametrize("name", ["a", "counts", "latest"])
def test_a_state_that_cannot_be_is_refused_whole(name: str) -> None:
    model = teach(LaneModel(shape()), stream(50))
    before = model.digest()
    arrays = {key: array.copy() for key, array in model.arrays().items()}
    arrays[name] = arrays[name][:0]
    with pytest.raises(FeatureError, match=name):
        model.restore(arrays)
    del arrays[name]
    with pytest.raises(FeatureError, match="the arrays"):
        model.restore(arrays)
    assert model.digest() == before


def test_what_is_not_finite_never_touches_a_sum() -> None:
    model = teach(LaneModel(shape()), stream(50))
    before, bad, good = model.digest(), np.array([1.0, math.nan, 0.0]), np.array([1.0, 0.0, 0.0])
    refused = [
        lambda: model.trial(0, 1, bad, True),
        lambda: model.trial(9, 1, good, True),
        lambda: model.trial(0, -1, good, True),
        lambda: model.expose(1, 1, good, 0.5, 0.2, True),
        lambda: model.expose(1, 1, good, 0.0, math.inf, True),
        lambda: model.size(1, 1, good, 10.0, 0.0),
        lambda: model.size(1, 1, good, 10.0, 11.0),
        lambda: model.size(1, 1, good, math.nan, 1.0),
        lambda: model.markout(1, 1, good, 3, 1.0),
        lambda: model.markout(1, 1, good, 1, math.inf),
        lambda: model.leak(1, 1, bad, 1.0),
        lambda: model.predict(1, np.tile(bad, (LANES, 1))),
        lambda: model.predict(1, good),
    ]
    for call in refused:
        with pytest.raises(FeatureError):
            call()
    assert model.digest() == before


def test_configurations_that_cannot_be_are_refused() -> None:
    for settings in (
        DEFAULTS._replace(half_lives_s=()),
        DEFAULTS._replace(half_lives_s=(100.0, 10.0)),
        DEFAULTS._replace(tails="power"),
        DEFAULTS._replace(prior_slope=0.0),
        DEFAULTS._replace(drift=-1.0),
    ):
        with pytest.raises(ConfigError):
            LaneModel(shape(), settings)
    with pytest.raises(ConfigError):
        LaneModel(shape()._replace(groups=(0, 0, 0, 0, 7)))


def test_yesterday_is_a_prior_that_today_can_move() -> None:
    past, model, cold = _single(DEFAULTS), _single(DEFAULTS), _single(DEFAULTS)
    for n in range(2_000):
        past.trial(0, n * SECOND, ONE, n % 10 < 7)
        past.size(0, n * SECOND, ONE, 50.0, 40.0 if n % 2 else 50.0)
        past.markout(0, n * SECOND, ONE, 1, 2.0)
    carry(model, past, cap=100.0)
    x = np.ones((1, 1))
    new, old, none = (each.predict(0, x) for each in (model, past, cold))
    assert new.p[0] == pytest.approx(old.p[0], abs=0.03)
    assert none.mu[0] < 60.0 < min(old.mu[0], new.mu[0])
    assert new.markout[1, 0] == pytest.approx(2.0, abs=0.2)
    assert none.p[0] < 0.35
    later = model.predict(100_000 * SECOND, x).p[0]
    assert later == pytest.approx(new.p[0], abs=1e-9), "what yesterday taught does not decay"
    for n in range(300):
        model.trial(0, n * SECOND, ONE, n % 10 == 0)
    assert model.predict(300 * SECOND, x).p[0] < 0.35
    with pytest.raises(FeatureError):
        carry(model, past)


def test_sizes_lean_on_the_feature_that_says_what_is_on_offer() -> None:
    made = LaneShape((0,), (True,), 2, 500.0, (0.9,), (1.0,), (0.0,), (0.0,), 1, (1.5,))
    model = LaneModel(made, STEADY)
    small, large = (model.predict(0, np.array([[1.0, f]])).mu[0] for f in (-1.0, 1.0))
    assert large / small == pytest.approx(math.exp(3.0), rel=0.4), "the tail beyond the bins is read at one length"
    assert model.sums.counts[SIZE].sum() == 0
