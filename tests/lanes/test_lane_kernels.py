"""Each kernel of the lane model does what its plain twin does.

Rule of this file: numbers are drawn; twins agree to rounding.
"""

from __future__ import annotations

import numpy as np
import pytest
from lane_material import LANES, contexts, shape, stream, teach
from river import drift

from learners.lanes.clock import decay, decay_plain, enter, enter_plain, epochs_at
from learners.lanes.drift import empty_windows, feed
from learners.lanes.families import LINEAR, LOGISTIC, POISSON, weigh, weigh_plain
from learners.lanes.hierarchy import add_member, add_member_plain
from learners.lanes.model import LaneModel
from learners.lanes.settle import bank_weights, bank_weights_plain, posterior, posterior_plain, settle_plain, spread
from learners.lanes.shape import COMPONENTS, FILL, SIZE, SIZE_EDGES
from learners.lanes.size_bins import lane_rates, lane_rates_plain, log_density, log_density_plain, stretched
from learners.lanes.sums import copied, move_sums, observe, observe_plain
from router.domain.chance import generator
from router.domain.units import SECOND

EDGES = np.array(SIZE_EDGES)


def _draws(name: str) -> np.random.Generator:
    return generator(1, "lane_kernels", name)


@pytest.mark.parametrize("family", [LOGISTIC, POISSON, LINEAR])
def test_weights_agree_with_their_twin(family: int) -> None:
    draws = _draws("weigh")
    for _ in range(200):
        eta, exposure = float(draws.normal(0, 4)), float(draws.uniform(0.001, 3))
        y = float(draws.normal(0, 3)) if family == LINEAR else float(draws.integers(2))
        assert weigh(family, eta, y, exposure) == pytest.approx(weigh_plain(family, eta, y, exposure), rel=1e-9)


def test_weights_have_the_published_constants() -> None:
    assert weigh_plain(LOGISTIC, 0.0, 1.0, 1.0)[:2] == pytest.approx((0.25, 0.5))
    assert weigh_plain(LOGISTIC, 8.0, 0.0, 1.0)[0] == 0.05
    assert weigh_plain(POISSON, 0.0, 0.0, 0.5)[:2] == pytest.approx((0.5, -0.5))
    assert weigh_plain(POISSON, -8.0, 0.0, 0.1)[0] == pytest.approx(0.005)
    assert weigh_plain(POISSON, 8.0, 0.0, 1.0)[:2] == pytest.approx((5.0, 40.0 - 3.0))
    assert weigh_plain(LINEAR, 0.0, 4.0, 1.0)[:2] == pytest.approx((0.25, 1.0))


def test_the_clock_agrees_with_its_twin_and_epochs_leave_no_trace() -> None:
    halves, out = np.array([7, 1_000, 10**12]), np.empty(3)
    for at in (0, 5, 999, 12_345, 1_700_000_000 * SECOND):
        epochs = epochs_at(at, halves)
        enter(at, halves, epochs, out)
        for m in range(3):
            half, epoch = int(halves[m]), int(epochs[m])
            assert out[m] == enter_plain(at, half, epoch)
            assert decay(at, half, epoch) == decay_plain(at, half, epoch)
            assert out[m] * decay(at, half, epoch) == pytest.approx(1.0, rel=0.1 if half < 64 else 0.012)


def test_posteriors_agree_with_their_twin_and_know_their_spread() -> None:
    draws = _draws("posterior")
    root, past = draws.normal(size=(7, 4)), draws.normal(size=(3, 4))
    a, past_a = np.tril(root.T @ root), np.tril(past.T @ past)
    b, past_b, precision, mean = draws.normal(size=(4, 4))
    precision = np.abs(precision) + 0.1
    chol, out = np.zeros((4, 4)), np.empty(4)
    posterior(a, b, 0.3, past_a, past_b, precision, mean, 4, chol, out)
    np.testing.assert_allclose(out, posterior_plain(a, b, 0.3, past_a, past_b, precision, mean), atol=1e-12)
    x = draws.normal(size=4)
    whole = chol @ chol.T
    assert spread(chol, x, 4, np.empty(4)) == pytest.approx(float(x @ np.linalg.solve(whole, x)))


def test_members_say_of_their_group_what_the_plain_twin_says() -> None:
    draws = _draws("member")
    root = draws.normal(size=(6, 3))
    a, b, held = np.tril(root.T @ root), draws.normal(size=3), draws.uniform(0.5, 4, 3)
    total, pull = np.zeros((3, 3)), np.zeros(3)
    add_member(a, b, 0.7, np.zeros((3, 3)), np.zeros(3), held, 3, np.zeros((3, 3)), total, pull)
    plain = add_member_plain(a, b, 0.7, held)
    np.testing.assert_allclose(total, plain[0], atol=1e-12)
    np.testing.assert_allclose(pull, plain[1], atol=1e-12)


def test_bank_weights_agree_with_their_twin() -> None:
    score, out = np.array([-310.0, -300.0, -305.0]), np.empty(3)
    bank_weights(score, 0.2, 1.0, out)
    np.testing.assert_allclose(out, bank_weights_plain(score, 0.2, 1.0), rtol=1e-12)
    assert out.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("optimism", [-1.0, 0.0, 0.5])
def test_hazards_of_size_bins_agree_with_their_twin(optimism: float) -> None:
    draws = _draws("rates")
    bins, past = draws.uniform(0, 9, (len(EDGES), 2)), draws.uniform(0, 2, (len(EDGES), 2))
    group, out = draws.uniform(0.5, 5, len(EDGES)), np.empty(len(EDGES))
    lane_rates(bins, 0.4, past, EDGES, 1.0, 2.0, optimism, group, out)
    np.testing.assert_allclose(out, lane_rates_plain(bins, 0.4, past, EDGES, 1.0, 2.0, optimism, group), rtol=1e-12)


def test_densities_of_sizes_agree_with_their_twin_and_stretched_tails_with_both() -> None:
    draws = _draws("density")
    rates = draws.uniform(0.1, 5, len(EDGES))
    for v in (0.001, 0.01, 0.3, 0.9, 1.0, 5.0):
        for y in (0.0, 1.0):
            assert log_density(rates, EDGES, 1.7, v, y) == pytest.approx(log_density_plain(rates, EDGES, 1.7, v, y))
    out = np.empty(len(EDGES))
    stretched(rates, EDGES, 1.7, out)
    for edge in EDGES[1:]:
        survival = log_density(rates, EDGES, 1.7, float(edge), 0.0)
        assert log_density(out, EDGES, 1.0, float(edge), 0.0) == pytest.approx(survival)


@pytest.mark.parametrize("family", [LOGISTIC, POISSON, LINEAR])
def test_observing_adds_what_the_plain_twin_adds(family: int) -> None:
    draws = _draws("observe")
    model = teach(LaneModel(shape()), stream(80))
    one, two = copied(model.sums), copied(model.sums)
    gamma = draws.uniform(0.5, 2, len(model.half_lives))
    xs, ys, exposures = draws.normal(size=(2, 3)), np.array([1.0, 0.0]), np.array([0.4, 1.1])
    observe(one, SIZE, 1, LANES + 1, gamma, xs, family, ys, exposures)
    observe_plain(two, SIZE, 1, LANES + 1, gamma, xs, family, ys, exposures)
    for mine, theirs in zip(one, two, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-9)


@pytest.mark.parametrize("is_sharing", [True, False])
def test_what_is_read_is_what_the_plain_twin_reads(is_sharing: bool) -> None:
    settings = LaneModel(shape()).settings._replace(sharing=1.0 if is_sharing else 0.0)
    model = teach(LaneModel(shape(), settings), stream(200))
    at, halves = model.latest + 7 * SECOND, model.half_lives
    model.predict(at, contexts(LANES))
    for c, width in zip((FILL, SIZE), (6, 3), strict=True):
        plain = settle_plain(model.sums, c, model.priors[c], model.groups, halves, at, width, is_sharing)
        np.testing.assert_allclose(model.settled(c)[:, :, :width], plain, atol=1e-9)


def test_moving_epochs_changes_no_weight() -> None:
    model = teach(LaneModel(shape()), stream(60))
    moved = copied(model.sums)
    move_sums(moved, model.sums.epochs + 64)
    for m, half in enumerate(model.half_lives[:-2].tolist()):
        old, new = (decay_plain(model.latest, half, int(sums.epochs[m])) for sums in (model.sums, moved))
        assert (new * moved.a[:, :, m]).tobytes() == (old * model.sums.a[:, :, m]).tobytes()
    assert len(COMPONENTS) == moved.a.shape[0]


@pytest.mark.parametrize("clock", [1, 4, 32])
@pytest.mark.parametrize("name", ["bernoulli", "normal"])
def test_adwin_answers_as_river_s_does(clock: int, name: str) -> None:
    draws, windows, theirs = _draws(name), empty_windows(2), drift.ADWIN(clock=clock)
    alarms = 0
    for n in range(4_000):
        mean = (0.3, 0.1, 0.5, 0.5)[n // 1_000]
        value = float(draws.random() < mean) if name == "bernoulli" else float(draws.normal(mean, 0.1))
        is_alarm = feed(windows, 1, value, 0.002, clock)
        theirs.update(value)
        alarms += is_alarm
        assert is_alarm == theirs.drift_detected
        if not is_alarm:
            assert windows.sums[1, 0] == theirs.width
            assert windows.sums[1, 1] == pytest.approx(theirs.total, abs=1e-9)
    assert alarms == windows.seen[1, 1] >= 2
    assert not windows.sums[0].any()
