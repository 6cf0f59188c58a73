"""What is broken in the River that is installed, and what of ours can go when it is mended.

Rule of this file: a test here fails when River is mended; its message says what to simplify then.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable

import numpy as np
import pytest
from river import __version__, bandit, base, checks, linear_model, proba

BANDITS = "learners/policies/bandits.py"


@pytest.mark.parametrize("name", ["LinUCBDisjoint", "BayesUCB", "RandomPolicy"])
def test_burn_in_is_passed_on_as_a_reward_scaler(name: str) -> None:
    policy = getattr(bandit, name)(burn_in=3, seed=1)
    is_lost = policy.burn_in == 0 and policy.reward_scaler == 3
    assert is_lost, f"{name} keeps its burn_in: shorten NO_BURN_IN in {BANDITS}"
    with pytest.raises(AttributeError, match="_update"):
        policy.update("a", *([{"x": 1.0}] if name == "LinUCBDisjoint" else []), 1.0)


def test_bayesian_regression_with_another_alpha_contradicts_itself() -> None:
    model = linear_model.BayesianLinearRegression(alpha=4.0)
    model.learn_one({"a": 1.0}, 1.0)
    product = float((model._ss_arr @ model._ss_inv_arr)[1, 1])
    assert product == pytest.approx(1.0 / 16.0), f"precision times covariance is one: let alpha be set in {BANDITS}"


def test_smoothing_turns_predictions_into_nan() -> None:
    model = linear_model.BayesianLinearRegression(smoothing=0.5)
    broken = False
    for n in range(3_000):
        x = {"a": 1.0, "b": float(n % 2)}
        try:
            model.learn_one(x, 1.0)
        except np.linalg.LinAlgError:
            broken = True
            break
        if not np.isfinite(model.predict_one(x)):
            broken = True
            break
    assert broken, f"smoothing survives 3,000 updates: let it be set in {BANDITS}"


def test_the_bonus_of_lin_ucb_holds_the_noise_of_a_single_reward() -> None:
    policy = bandit.LinUCBDisjoint(beta=4.0, seed=1)
    for _ in range(3_000):
        policy.update("a", {"x": 1.0}, 1.0)
    bonus = policy._bayes_lin_regs["a"].predict_one({"x": 1.0}, with_dist=True).sigma
    has_noise = bonus == pytest.approx(0.5, rel=1e-3)
    assert has_noise, f"the bonus shrinks with what is known: give beta its meaning in {BANDITS}"


def test_thompson_sampling_with_a_gaussian_draws_rewards_and_not_means() -> None:
    policy = bandit.ThompsonSampling(reward_obj=proba.Gaussian(), seed=1)
    for n in range(4_000):
        policy.update("a", float(n % 2))
    drawn = [policy._rewards["a"].sample() for _ in range(400)]
    assert float(np.std(drawn)) > 0.4, f"draws are of the mean: use proba.Gaussian on rewards themselves in {BANDITS}"


def breaks(call: Callable[[], object], *errors: type[Exception]) -> bool:
    """Return whether a call still ends in one of the errors it is known for."""
    try:
        call()
    except errors:
        return True
    return False


def test_exp3_cannot_hear_of_a_pull_before_the_last() -> None:
    policy = bandit.Exp3(gamma=0.5, seed=1)
    policy.pull(["a", "b"])
    policy.pull(["b", "c"])
    still = breaks(lambda: policy.update("a", 1.0), KeyError)
    assert still, f"late rewards reach Exp3: drop the recomputed probabilities in {BANDITS}"


def test_weights_of_exp3_grow_until_they_overflow() -> None:
    policy = bandit.Exp3(gamma=0.9, seed=1)

    def play() -> None:
        for _ in range(20_000):
            policy.update(policy.pull(["a", "b"]), 1.0)

    still = breaks(play, OverflowError, ValueError)
    assert still, f"Exp3 keeps its weights finite: drop their division by the largest in {BANDITS}"


class Shown:
    """An environment whose observation says which arm pays."""

    class Space:
        n = 2

        def seed(self, seed: int) -> None:
            self.seeded = seed

    def __init__(self) -> None:
        self.action_space = self.Space()

    def reset(self, *, seed: int | None = None) -> tuple[dict[str, float], dict[str, float]]:
        return {"pays": 1.0}, {}

    def step(self, action: int) -> tuple[dict[str, float], float, bool, bool, dict[str, float]]:
        return {"pays": 1.0}, float(action == 1), False, True, {}


def test_evaluate_never_passes_a_context() -> None:
    played = bandit.evaluate([bandit.LinUCBDisjoint(seed=1)], Shown(), n_episodes=1)
    still = breaks(lambda: next(played), TypeError, AttributeError)
    assert still, "River's evaluate passes contexts: learners/river/evaluate.py is needed for late rewards alone"


def test_pickles_carry_no_version() -> None:
    policy = bandit.LinUCBDisjoint(seed=1)
    policy.update("a", {"x": 1.0}, 1.0)
    knows = __version__.encode() in pickle.dumps(policy)
    has_reader = any(hasattr(kind, "__setstate__") for kind in type(policy).__mro__)
    assert not knows and not has_reader, "River's pickles know their version: checkpoints may hold them"


def test_a_fresh_policy_cannot_be_printed() -> None:
    still = breaks(lambda: repr(bandit.UCB(delta=1.0)), ValueError)
    assert still, "River prints policies that learned nothing: drop __repr__ in learners/river"


def test_rivers_own_policies_are_no_estimators() -> None:
    policy = bandit.EpsilonGreedy(0.1, seed=1)
    is_estimator = isinstance(policy, base.Estimator)
    assert not is_estimator, "policies are estimators: drop the second base class in learners/river"
    with pytest.raises(AttributeError, match="_unit_test_skips"):
        checks.check_estimator(policy)
