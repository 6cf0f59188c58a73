"""Our bandits as River's: its checks, clones, pickles and evaluators, and what they learn behind them.

Rule of this file: River's checks are run as River runs them, none left out.
"""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from river import bandit, base, checks, stats

from learners.river import CensoredBandit, DiscountedLinUCB
from learners.river.columns import Columns, vector
from learners.river.growing import grown
from learners.river.lin_ucb import bounds_kernel, bounds_plain, learn_kernel, read_kernel, unread
from learners.river.thompson import best_chances
from learners.state.accumulator import Accumulator
from router.domain.chance import generator
from router.domain.errors import ConfigError, FeatureError

OURS: tuple[Any, ...] = (DiscountedLinUCB, CensoredBandit)
MADE = [(kind, params) for kind in OURS for params in kind._unit_test_params()]
ARMS = ["lit", "dark", "dealer"]


def rounds(n: int, seed: int = 1) -> list[tuple[dict[str, float], str, float]]:
    """Contexts with their time, the arm that was taken and what it gave: `dark` pays when busy, `lit` otherwise."""
    draws = generator(seed, "citizens", "rounds")
    found = []
    for t in range(n):
        busy, noise = float(draws.random() < 0.5), float(draws.standard_normal())
        arm = ARMS[int(draws.integers(len(ARMS)))]
        p = {"lit": 0.8 - 0.6 * busy, "dark": 0.1 + 0.7 * busy, "dealer": 0.3}[arm]
        found.append(({"busy": busy, "noise": noise, "at_s": float(t)}, arm, float(draws.random() < p)))
    return found


def taught(policy: Any, n: int = 400) -> Any:
    for context, arm, reward in rounds(n):
        policy.update(arm, context, reward)
    return policy


@pytest.mark.parametrize(("kind", "params"), MADE)
def test_every_check_of_rivers_passes(kind: Any, params: dict[str, Any]) -> None:
    model = kind(**params)
    assert isinstance(model, base.Estimator) and isinstance(model, bandit.base.ContextualPolicy)
    names = [check.__name__ for check in checks.yield_checks(model)]
    assert len(names) == len(set(names)) == 15, "14 checks of every estimator, and that mutable attributes exist"
    assert model._unit_test_skips() == set()
    checks.check_estimator(model)


@pytest.mark.parametrize("kind", OURS)
def test_replay_on_logged_rounds_learns_from_matches_alone(kind: Any) -> None:
    policy = kind(clock="at_s")
    history = [(ARMS, context, arm, reward) for context, arm, reward in rounds(900)]
    total, used = bandit.evaluate_offline(policy, history)
    assert used == policy._n == sum(policy._counts.values())
    random_total, random_used = bandit.evaluate_offline(bandit.RandomPolicy(seed=1), history)
    assert total.get() / used > 1.4 * random_total.get() / random_used


@pytest.mark.parametrize("kind", OURS)
def test_pickled_and_going_on_is_the_same_as_going_on(kind: Any) -> None:
    policy = taught(kind(clock="at_s"))
    copied = pickle.loads(pickle.dumps(policy))
    for context, arm, reward in rounds(60, seed=2):
        assert copied.pull(ARMS, context=context) == policy.pull(ARMS, context=context)
        copied.update(arm, context, reward)
        policy.update(arm, context, reward)


@pytest.mark.parametrize("kind", OURS)
def test_clone_has_the_parameters_and_has_learned_nothing(kind: Any) -> None:
    policy = taught(kind(clock="at_s", seed=5))
    clone = policy.clone({"burn_in": 3})
    assert (clone.seed, clone.clock, clone.burn_in, clone._n) == (5, "at_s", 3, 0)
    assert policy._n == 400
    assert policy.clone(include_attributes=True).pull(ARMS, {"busy": 1.0, "at_s": 401.0}) in ARMS


def test_what_may_be_mutated_is_and_nothing_else() -> None:
    policy = DiscountedLinUCB()
    policy.mutate({"width": 2.5})
    assert policy.width == 2.5
    with pytest.raises(ValueError, match="not a mutable attribute"):
        policy.mutate({"half_life": 3.0})
    censored = CensoredBandit()
    censored.mutate({"probe": 0.0, "draw": 1.0})
    assert (censored.probe, censored.draw) == (0.0, 1.0)


@pytest.mark.parametrize("kind", OURS)
def test_policies_can_be_printed_before_and_after_they_learned(kind: Any) -> None:
    policy = kind(seed=7)
    assert repr(policy).startswith(f"{kind.__name__} (") and "seed=7" in repr(policy)
    assert repr(taught(policy)) == repr(kind(seed=7))


@pytest.mark.parametrize("kind", OURS)
def test_burn_in_gives_every_arm_its_rewards_first(kind: Any) -> None:
    policy = kind(burn_in=2)
    pulled = []
    for _ in range(6):
        pulled.append(policy.pull(ARMS, context={"busy": 0.0}))
        policy.update(pulled[-1], {"busy": 0.0}, 0.5)
    assert sorted(pulled) == sorted(ARMS * 2)


@pytest.mark.parametrize("kind", OURS)
def test_ranking_and_counts_are_rivers(kind: Any) -> None:
    policy = taught(kind(reward_obj=stats.Mean()))
    assert set(policy.ranking) == set(ARMS)
    assert sum(policy._counts.values()) == policy._n == 400


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), "high"])
def test_what_is_not_finite_is_refused_and_leaves_no_trace(kind: Any, bad: Any) -> None:
    policy, twin = taught(kind(clock="at_s"), 50), taught(kind(clock="at_s"), 50)
    for context, reward in (({"busy": bad, "at_s": 60.0}, 1.0), ({"busy": 1.0, "at_s": bad}, 1.0)):
        with pytest.raises(FeatureError, match="context"):
            policy.update("lit", context, reward)
    if not isinstance(bad, str):
        with pytest.raises(FeatureError, match="reward"):
            policy.update("lit", {"busy": 1.0, "at_s": 60.0}, bad)
    assert policy._n == twin._n
    asked = [{"busy": float(n % 2), "noise": 0.1 * n, "at_s": 61.0 + n} for n in range(20)]
    assert [policy.pull(ARMS, x) for x in asked] == [twin.pull(ARMS, x) for x in asked]


@pytest.mark.parametrize("kind", OURS)
def test_arms_and_features_may_come_later(kind: Any) -> None:
    policy = kind()
    for n in range(60):
        arms = ARMS[: 1 + n // 20]
        context = {f"f{j}": float((n + j) % 3) for j in range(1 + n // 10)}
        arm = policy.pull(arms, context=context)
        assert arm in arms
        policy.update(arm, context, float(n % 2))
    assert policy.pull([*ARMS, "new"], context={}) in [*ARMS, "new"]
    assert policy.pull(ARMS, context=None) in ARMS


@pytest.mark.parametrize("params", [{"half_life": 0.0}, {"prior": -1.0}, {"noise": 0.0}, {"width": -0.1}])
def test_lin_ucb_refuses_parameters_out_of_range(params: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="DiscountedLinUCB"):
        DiscountedLinUCB(**params)


@pytest.mark.parametrize("params", [{"probe": 1.5}, {"prior_p": 1.0}, {"reward_scale": 0.0}, {"draw": -1.0}])
def test_censored_bandit_refuses_parameters_out_of_range(params: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="CensoredBandit"):
        CensoredBandit(**params)


def test_lin_ucb_forgets_by_the_clock_and_not_by_the_update() -> None:
    policy = DiscountedLinUCB(half_life=10.0, width=0.0, clock="at_s")
    for n in range(50):
        policy.update("old", {"at_s": 0.0 + n * 1e-3}, 1.0)
        policy.update("new", {"at_s": 0.0 + n * 1e-3}, 0.5)
    assert policy.pull(["old", "new"], {"at_s": 1.0}) == "old"
    for n in range(8):
        policy.update("old", {"at_s": 100.0 + n}, 0.0)
    assert policy.pull(["old", "new"], {"at_s": 108.0}) == "new"


def test_an_arm_long_unheard_of_is_tried_again() -> None:
    policy = DiscountedLinUCB(half_life=10.0, width=1.0, clock="at_s")
    for n in range(30):
        policy.update("good", {"at_s": float(n)}, 1.0)
        policy.update("bad", {"at_s": float(n)}, 0.0)
    assert policy.pull(["good", "bad"], {"at_s": 30.0}) == "good"
    for n in range(30, 230):
        policy.update("good", {"at_s": float(n)}, 0.3)
    assert policy.pull(["good", "bad"], {"at_s": 230.0}) == "bad"


@settings(max_examples=25, deadline=None)
@given(shuffle=st.randoms(use_true_random=False))
def test_late_rewards_in_any_order_teach_lin_ucb_the_same(shuffle: Any) -> None:
    told = rounds(80)
    mixed = list(told)
    shuffle.shuffle(mixed)
    one, two = DiscountedLinUCB(half_life=20.0, clock="at_s"), DiscountedLinUCB(half_life=20.0, clock="at_s")
    for context, _, _ in told:
        # Arms and features are met in one order, so that their places are the same.
        one.pull(ARMS, context=context)
        two.pull(ARMS, context=context)
    for (x, arm, reward), (x2, arm2, reward2) in zip(told, mixed, strict=True):
        one.update(arm, x, reward)
        two.update(arm2, x2, reward2)
    np.testing.assert_allclose(one._sums.a, two._sums.a, rtol=1e-12)
    np.testing.assert_allclose(one._sums.b, two._sums.b, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("seed", range(8))
def test_bounds_of_the_kernels_are_those_of_the_plain_twin(seed: int) -> None:
    rng = np.random.default_rng(seed)
    rows, d = 5, 6
    sums = Accumulator(rows, 8, 10**9)
    read, places = unread(rows, 8), np.arange(rows)
    read_kernel(sums.a, sums.b, places, 0.4, 1.5, 8, read)
    for n in range(200):
        x = rng.normal(size=d)
        learn_kernel(sums.a, sums.b, int(rng.integers(rows)), 0.7 + n / 100, 2.0, float(rng.normal()), x, d, 0.4, read)
    found, x = np.empty(rows), rng.normal(size=d)
    bounds_kernel(places, read, x, d, 1.3, found)
    expected = bounds_plain(sums.a, sums.b, places, 0.4, 1.5, x, 1.3)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
    read.is_read[:] = False
    read_kernel(sums.a, sums.b, places, 0.4, 1.5, 8, read)
    bounds_kernel(places, read, x, d, 1.3, found)
    np.testing.assert_allclose(found, expected, rtol=1e-10)


def test_censored_bandit_comes_to_the_lane_that_fills_in_each_context() -> None:
    policy = CensoredBandit(probe=0.0, clock="at_s")
    taught(policy, 1_500)
    busy = policy.propensities(ARMS, {"busy": 1.0, "noise": 0.0, "at_s": 1_500.0})
    quiet = policy.propensities(ARMS, {"busy": 0.0, "noise": 0.0, "at_s": 1_500.0})
    assert busy["dark"] > 0.95 and quiet["lit"] > 0.95


def test_a_fill_worth_less_loses_to_a_rarer_one_worth_more() -> None:
    policy = CensoredBandit(probe=0.0, reward_scale=5.0)
    for n in range(600):
        policy.update("often", {"bias": 1.0}, 1.0 if n % 10 else 0.0)
        policy.update("rare", {"bias": 1.0}, 6.0 if n % 2 else 0.0)
        policy.update("harmful", {"bias": 1.0}, -4.0)
    chances = policy.propensities(["often", "rare", "harmful"], {"bias": 1.0})
    assert chances["rare"] > 0.99 and chances["harmful"] < 1e-6


def test_a_reward_of_nothing_may_still_be_a_fill() -> None:
    policy = CensoredBandit()
    for _ in range(60):
        policy.update("flat", {}, 0.0, filled=True)
        policy.update("empty", {}, 0.0)
    logits, _, _ = policy._believed(["flat", "empty"], {})
    assert logits[0] > 1.5 and logits[1] < -1.5


def test_propensities_are_the_frequencies_of_pulls() -> None:
    policy = taught(CensoredBandit(probe=0.2, draw=1.0, clock="at_s"), 40)
    context = {"busy": 1.0, "noise": 0.3, "at_s": 41.0}
    chances = policy.propensities(ARMS, context)
    assert sum(chances.values()) == pytest.approx(1.0)
    n = 6_000
    pulled = [policy.pull(ARMS, context=context) for _ in range(n)]
    for arm, chance in chances.items():
        assert pulled.count(arm) / n == pytest.approx(chance, abs=4.0 * (chance * (1.0 - chance) / n) ** 0.5 + 1e-9)


@pytest.mark.parametrize("seed", range(6))
def test_chances_of_the_best_draw_are_those_of_many_draws(seed: int) -> None:
    rng = np.random.default_rng(seed)
    means, sds, worths = rng.normal(0, 1, 4), rng.uniform(0.05, 1.5, 4), rng.normal(0.5, 1, 4)
    drawn = worths / (1.0 + np.exp(-(means + sds * rng.standard_normal((200_000, 4)))))
    counted = np.bincount(drawn.argmax(axis=1), minlength=4) / 200_000
    np.testing.assert_allclose(best_chances(means, sds, worths), counted, atol=0.006)


def test_a_model_that_grew_believes_what_it_believed() -> None:
    small = taught(CensoredBandit(clock="at_s"), 300)._model
    large = grown(small, 2 * small.lanes, small.shape.features + 3)
    x = np.zeros((large.lanes, large.shape.features))
    x[:, :3] = (1.0, 0.5, -0.2)
    before = small.predict(small.latest, x[: small.lanes, : small.shape.features], sds=True)
    after = large.predict(small.latest, x, sds=True)
    np.testing.assert_array_equal(after.p[: small.lanes], before.p)
    np.testing.assert_array_equal(after.markout[:, : small.lanes], before.markout)
    np.testing.assert_allclose(after.sd[:, : small.lanes], before.sd, rtol=1e-12)
    assert len({round(float(p), 12) for p in after.p[small.lanes :]}) == 1


def test_vectors_begin_with_the_bias_and_names_keep_their_places() -> None:
    columns = Columns()
    assert vector(columns, {"b": 2.0, "t": 9.0, "a": True}, clock="t").tolist() == [1.0, 2.0, 1.0]
    assert vector(columns, {"a": 3.0}, clock=None).tolist() == [1.0, 0.0, 3.0]
    with pytest.raises(FeatureError, match=r"context\.c"):
        vector(columns, {"c": float("nan")}, clock=None)
    assert len(columns) == 2


def test_two_policies_of_one_seed_pull_alike_and_of_two_seeds_do_not() -> None:
    def pulls(seed: int) -> list[Any]:
        policy = CensoredBandit(seed=seed, draw=1.0)
        return [policy.pull(ARMS, context={}) for _ in range(40)]

    first = pulls(1)
    assert first == pulls(1) != pulls(2)
    assert any(a != b for a, b in pairwise(first))
