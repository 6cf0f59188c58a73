"""The estimators against worlds whose answer is known, against formulas by hand, and at the edges of the data.

Rule of this file: draws come from keyed generators, so that every figure asserted is the same on every machine.
"""

from __future__ import annotations

import math

import numpy as np
import pytest

from learners.evaluation.estimators import (
    effective_share,
    estimates,
    gain,
    logged_value,
    student_95,
    unsupported_share,
)
from learners.evaluation.reward_model import predict
from learners.evaluation.rounds import Rounds, check_rounds
from learners.evaluation.verdict import BETTER, REFUSED, UNDECIDED, WORSE, judge
from learners.evaluation.worlds import KINDS, draw_rounds, make_world, plain_rounds, true_value
from router.domain.errors import BadInputError


def by_hand() -> Rounds:
    """Four rounds over two lanes: the logged policy is even, the judged one takes the second lane at 3/4."""
    context = np.ones((4, 2, 1))
    taken = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]])
    return Rounds(
        context=context,
        target_context=context,
        logged=np.full((4, 2), 0.5),
        target=np.tile([0.25, 0.75], (4, 1)),
        taken=taken,
        reward=taken * np.array([[2.0, 0.0], [0.0, 4.0], [0.0, 8.0], [6.0, 0.0]]),
        weight=np.array([100.0, 100.0, 100.0, 100.0]),
        cluster=np.arange(4),
    )


def named(rounds: Rounds) -> dict[str, float]:
    return {estimate.name: estimate.value for estimate in estimates(rounds)}


def test_ips_and_snips_are_the_published_sums() -> None:
    # Weights 0.5, 1.5, 1.5, 0.5; weighted rewards 1, 6, 12, 3.
    found = named(by_hand())
    assert found["IPS"] == pytest.approx(22.0 / 4.0)
    assert found["SNIPS"] == pytest.approx(22.0 / 4.0)
    heavier = by_hand()._replace(taken=np.array([[0.0, 1.0], [0.0, 1.0], [0.0, 1.0], [1.0, 0.0]]))
    assert named(heavier)["SNIPS"] == pytest.approx((1.5 * 0 + 6 + 12 + 3) / (1.5 + 1.5 + 1.5 + 0.5))


def test_shares_that_go_nowhere_bring_nothing() -> None:
    half = by_hand()
    half = half._replace(logged=half.logged / 2, target=half.target / 2, taken=half.taken / 2)
    whole = named(by_hand())
    assert named(half)["IPS"] == pytest.approx(whole["IPS"] / 2)
    assert named(half)["SNIPS"] == pytest.approx(whole["SNIPS"] / 2)


def test_the_same_policy_is_estimated_by_what_it_brought() -> None:
    rounds = plain_rounds(2_000, seed=3)
    same = rounds._replace(target=rounds.logged)
    brought = logged_value(same).value
    found = named(same)
    assert found["IPS"] == pytest.approx(brought)
    assert found["SNIPS"] == pytest.approx(brought)
    assert found["DR"] == pytest.approx(brought, abs=0.05)
    assert effective_share(same) == pytest.approx(1.0)
    assert judge(same).verdict == UNDECIDED


def test_slices_count_by_their_shares() -> None:
    rounds = plain_rounds(600, seed=4)
    first = Rounds(*(column[:300] for column in rounds))
    twice = first._replace(weight=2.0 * first.weight)
    repeated = Rounds(*(np.concatenate((column, column)) for column in first))
    assert named(twice)["IPS"] == pytest.approx(named(first)["IPS"])
    assert named(repeated)["IPS"] == pytest.approx(named(first)["IPS"])
    # A decision said twice is one cluster: nothing is more certain for it.
    assert logged_value(repeated).error == pytest.approx(logged_value(first).error)


@pytest.mark.parametrize("kind", KINDS)
def test_estimates_are_near_the_truth_and_intervals_hold_it(kind: str) -> None:
    world = make_world(kind)
    truth = true_value(world)
    held = {"IPS": 0, "SNIPS": 0, "DR": 0, "DRS": 0}
    for seed in range(20):
        for estimate in estimates(draw_rounds(world, 3_000, seed)):
            assert estimate.value == pytest.approx(truth, rel=0.12)
            if estimate.name in held:
                held[estimate.name] += estimate.low <= truth <= estimate.high
    assert min(held.values()) >= 17


def test_a_prediction_has_not_seen_its_own_answer() -> None:
    rounds = plain_rounds(1_000, seed=5)
    spoiled = rounds._replace(reward=rounds.reward.copy())
    spoiled.reward[:100] += 1_000.0 * (rounds.taken[:100] > 0)
    clean, changed = predict(rounds), predict(spoiled)
    assert np.abs(changed.at_logged[:100]).max() < 50.0
    assert np.abs(changed.at_logged[100:] - clean.at_logged[100:]).max() > 1.0


def test_a_feature_that_never_moved_in_the_log_says_nothing_elsewhere() -> None:
    rounds = plain_rounds(1_000, seed=6)
    size = np.full((*rounds.logged.shape, 1), 3.0)
    log = rounds._replace(
        context=np.concatenate((rounds.context, size), axis=2),
        target_context=np.concatenate((rounds.context, size / 7.0), axis=2),
    )
    predicted = predict(log)
    np.testing.assert_allclose(predicted.at_target, predicted.at_logged)


def test_too_little_overlap_is_refused_and_says_how_little() -> None:
    rounds = draw_rounds(make_world("fills"), 3_000, seed=7)
    found = judge(rounds._replace(target=np.eye(8)[rounds.logged.argmin(axis=1)]))
    assert found.verdict == REFUSED
    assert f"{found.effective_share:.2%}" in found.reason
    assert found.effective_share < 0.05


def test_lanes_that_the_log_never_used_are_refused() -> None:
    rounds = by_hand()
    logged = np.tile([1.0, 0.0], (4, 1))
    taken = logged.copy()
    only = rounds._replace(logged=logged, taken=taken, reward=2.0 * taken)
    assert unsupported_share(only) == pytest.approx(0.75)
    found = judge(only)
    assert found.verdict == REFUSED
    assert "75.0%" in found.reason


def test_a_short_log_is_refused() -> None:
    found = judge(by_hand())
    assert found.verdict == REFUSED
    assert "4 stretches of time" in found.reason


def test_a_better_and_a_worse_policy_are_called_so() -> None:
    rounds = plain_rounds(6_000, seed=8)
    reward = np.where(rounds.taken > 0.0, np.arange(4.0), 0.0) * 4.0
    tilted = rounds.logged * np.exp(0.8 * np.arange(4.0))
    up = rounds._replace(reward=reward, target=tilted / tilted.sum(axis=1, keepdims=True))
    tilted = rounds.logged * np.exp(-0.8 * np.arange(4.0))
    down = rounds._replace(reward=reward, target=tilted / tilted.sum(axis=1, keepdims=True))
    assert judge(up).verdict == BETTER
    assert judge(down).verdict == WORSE


def test_a_gain_allows_for_how_far_the_model_pulled_it() -> None:
    rounds = plain_rounds(2_000, seed=9)
    predicted = predict(rounds)
    found = {estimate.name: estimate for estimate in estimates(rounds, predicted)}
    gained = gain(rounds, predicted)
    assert gained.value == pytest.approx(found["DRS"].value - logged_value(rounds).value)
    assert gained.error >= abs(found["DRS"].value - found["DR"].value)


def test_nothing_depends_on_the_order_of_lanes() -> None:
    rounds = plain_rounds(800, seed=10)
    turned = Rounds(
        *(column[:, ::-1].copy() if column.ndim > 1 else column for column in rounds),
    )
    first, second = named(rounds), named(turned)
    for name, value in first.items():
        assert second[name] == pytest.approx(value, rel=1e-9), name


def test_one_cluster_has_no_interval() -> None:
    rounds = by_hand()._replace(cluster=np.zeros(4, dtype=np.int64))
    assert math.isinf(logged_value(rounds).error)
    assert logged_value(rounds).low == -math.inf


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("reward", np.full((4, 2), np.nan), "finite numbers"),
        ("logged", np.full((4, 2), 0.9), "sum to at most 1"),
        ("target", np.full((4, 2), -0.1), "shares from 0"),
        ("logged", np.tile([1.0, 0.0], (4, 1)), "nothing where the logged propensity is 0"),
        ("weight", np.zeros(4), "slices above 0"),
        ("weight", np.ones(3), "the shape"),
        ("context", np.ones((4, 3, 1)), "two contexts"),
        ("logged", np.ones((0, 2)), "decisions, lanes"),
    ],
)
def test_rounds_that_cannot_be_are_refused(field: str, value: object, said: str) -> None:
    with pytest.raises(BadInputError, match=said):
        check_rounds(by_hand()._replace(**{field: value}))


def test_an_unknown_world_is_refused() -> None:
    with pytest.raises(BadInputError, match="one of linear, fills, splits"):
        make_world("flat")


@pytest.mark.parametrize(("freedom", "quantile"), [(5, 2.571), (10, 2.228), (30, 2.042), (1_000, 1.962)])
def test_student_quantile_is_that_of_the_tables(freedom: int, quantile: float) -> None:
    assert student_95(freedom) == pytest.approx(quantile, rel=2e-3)
