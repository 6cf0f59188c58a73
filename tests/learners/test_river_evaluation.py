"""The contextual `evaluate`: River's records, contexts that arrive, rewards that come late.

Rule of this file: where River's own `evaluate` can play, ours gives the same records.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest
from river import bandit, stats

from learners.river import DiscountedLinUCB, evaluate
from router.domain.chance import uniform
from router.domain.errors import ConfigError

KEYS = ["episode", "step", "policy_idx", "arm", "reward", "reward_stat"]


class Space:
    """How many arms there are, in Gym's words."""

    n = 3

    def seed(self, seed: int) -> None:
        self.seeded = seed


class Signal:
    """Shows which arm pays next; ends after `steps`."""

    def __init__(self, steps: int = 60, delay: int | None = None) -> None:
        self.steps, self.delay = steps, delay
        self.action_space = Space()

    def reset(self, *, seed: int | None = None) -> tuple[dict[str, float], dict[str, Any]]:
        self.seeded, self.t = seed or 0, 0
        return self.seen(), {}

    def seen(self) -> dict[str, float]:
        self.pays = int(3 * uniform(self.seeded, "signal", "pays", self.t))
        return {f"pays_{arm}": float(arm == self.pays) for arm in range(3)}

    def step(self, action: int) -> tuple[dict[str, float], float, bool, bool, dict[str, Any]]:
        reward = float(action == self.pays)
        self.t += 1
        info = {} if self.delay is None else {"delay": self.delay}
        return self.seen(), reward, False, self.t == self.steps, info


class Listener(bandit.base.ContextualPolicy):  # type: ignore[misc]
    """Notes what it is shown and told, in order."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[str, Any]] = LOG

    def _pull(self, arm_ids: list[int], context: dict[str, float]) -> int:
        self.log.append(("shown", max(context, key=context.__getitem__)))
        return 0

    def update(self, arm_id: int, context: dict[str, float], *args: Any, **kwargs: Any) -> None:
        self.log.append(("told", max(context, key=context.__getitem__)))


LOG: list[tuple[str, Any]] = []


def test_records_have_rivers_keys_in_rivers_order() -> None:
    yielded = inspect.getsource(bandit.evaluate)
    assert [key for key in KEYS if f'"{key}":' in yielded] == KEYS, "River yields other keys: follow it"
    records = list(evaluate([DiscountedLinUCB(), bandit.RandomPolicy(seed=1)], Signal(5), n_episodes=2))
    assert all(list(record) == KEYS for record in records)
    assert [(r["episode"], r["step"], r["policy_idx"]) for r in records[:4]] == [
        (0, 0, 0),
        (0, 0, 1),
        (0, 1, 0),
        (0, 1, 1),
    ]
    assert len(records) == 2 * 2 * 5


def test_policies_without_contexts_fare_as_in_rivers_own() -> None:
    policies = [bandit.EpsilonGreedy(0.2, seed=3), bandit.UCB(delta=1.0, seed=3)]
    ours = list(evaluate(policies, Signal(80), n_episodes=1, seed=4))
    theirs = list(bandit.evaluate(policies, Signal(80), n_episodes=1, seed=4))
    assert [list(record) for record in theirs] == [list(record) for record in ours]
    # Seeds of episodes are drawn otherwise, so arms agree only until the first rewards differ.
    assert [record["arm"] for record in theirs[:2]] == [record["arm"] for record in ours[:2]]


def test_a_contextual_policy_is_shown_contexts_and_profits() -> None:
    *_, last = evaluate([DiscountedLinUCB()], Signal(200), n_episodes=1)
    *_, blind = evaluate([bandit.RandomPolicy(seed=1)], Signal(200), n_episodes=1)
    assert last["reward_stat"] > 170 > 100 > blind["reward_stat"]


@pytest.mark.parametrize("where", ["argument", "info"])
def test_late_rewards_are_told_late_with_the_context_they_belong_to(where: str) -> None:
    LOG.clear()
    env = Signal(6) if where == "argument" else Signal(6, delay=2)
    list(evaluate([Listener()], env, n_episodes=1, delay=2 if where == "argument" else 0))
    shown = [text for kind, text in LOG if kind == "shown"]
    told = [text for kind, text in LOG if kind == "told"]
    assert [kind for kind, _ in LOG[:5]] == ["shown", "shown", "told", "shown", "told"]
    assert told == shown[: len(told)]
    assert len(told) == 4


def test_rewards_without_delay_are_told_before_the_next_pull() -> None:
    LOG.clear()
    list(evaluate([Listener()], Signal(4), n_episodes=1))
    assert [kind for kind, _ in LOG] == ["shown", "told"] * 4


def test_each_episode_begins_with_fresh_policies_and_another_seed() -> None:
    policy = DiscountedLinUCB()
    records = list(evaluate([policy], Signal(30), n_episodes=2, reward_stat=stats.Mean()))
    assert policy._n == 0
    first, second = records[:30], records[30:]
    assert [r["arm"] for r in first] != [r["arm"] for r in second]
    assert second[0]["reward_stat"] == second[0]["reward"]
    assert list(evaluate([policy], Signal(30), n_episodes=2, reward_stat=stats.Mean())) == records


def test_late_rewards_do_not_stop_learning() -> None:
    *_, last = evaluate([DiscountedLinUCB()], Signal(300), n_episodes=1, delay=20)
    assert last["reward_stat"] > 230


def test_a_delay_that_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="delay"):
        list(evaluate([DiscountedLinUCB()], Signal(5), delay=-1))
