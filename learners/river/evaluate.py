"""River's `bandit.evaluate` for contextual policies: contexts are passed, and rewards may come late.

Rule of this file: the records are River's, key for key and in its order; a record is written when a reward is earned,
whenever the policy hears of it.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol

from river import bandit, stats

from router.domain.chance import key_of
from router.domain.errors import ConfigError, bad_value

DELAY_MAX = 1_000_000
"""Steps a reward may be late: more than any episode has."""


class ContextualEnv(Protocol):
    """What is asked of an environment: that of Gymnasium, whose observations here are contexts.

    Arms are `range(env.action_space.n)`, or `env.arms` where there is one. Observations that are no dict make a
    context without keys.
    """

    def reset(self, *, seed: int | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; return the first observation."""
        ...

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return the next observation, the reward, whether it ended, whether it was cut, and more: `delay` in there
        is how many steps later this reward is heard of."""
        ...


def evaluate(
    policies: Sequence[Any],
    env: ContextualEnv,
    reward_stat: Any = None,
    n_episodes: int = 20,
    seed: int = 1,
    delay: int = 0,
) -> Iterator[dict[str, Any]]:
    """Benchmark policies on an environment, each with its own copy of it, contextual ones with its contexts.

    Parameters
    ----------
    policies
        River's policies or ours, contextual or not. Each is cloned before each episode.
    env
        The environment. One copy is made for each policy at the beginning of each episode.
    reward_stat
        A univariate statistic of the rewards, cloned for each episode; `stats.Sum` if none is given.
    n_episodes
        The number of episodes to run.
    seed
        Seed from which that of each episode follows.
    delay
        Steps after which a policy hears of a reward; 0 is at once. `info["delay"]` of a step goes before it. What is
        still to be heard when an episode ends is not.

    Yields
    ------
    dict
        `episode`, `step`, `policy_idx`, `arm`, `reward` and `reward_stat`, as River's `evaluate` yields them.

    Raises
    ------
    ConfigError
        A delay out of its range.

    Examples
    --------
    >>> from learners.river import DiscountedLinUCB, evaluate

    >>> class Signal:
    ...     arms = ("buy", "sell")
    ...     def reset(self, *, seed=None):
    ...         self.t = 0
    ...         return {"up": 0}, {}
    ...     def step(self, action):
    ...         reward = float((action == "buy") == (self.t % 2 == 1))
    ...         self.t += 1
    ...         return {"up": self.t % 2}, reward, False, self.t == 100, {}

    >>> *_, last = evaluate([DiscountedLinUCB()], Signal(), n_episodes=1)
    >>> sorted(last), last["reward_stat"] > 90
    (['arm', 'episode', 'policy_idx', 'reward', 'reward_stat', 'step'], True)
    """
    if not 0 <= delay <= DELAY_MAX:
        raise ConfigError(bad_value("evaluate.delay", f"steps from 0 to {DELAY_MAX}", delay))
    for episode in range(n_episodes):
        begun = key_of(seed, "evaluate", f"episode:{episode}")[0] % 2**32
        players = [_Player(policy.clone(), copy.deepcopy(env), begun, reward_stat, delay) for policy in policies]
        step = 0
        while not all(player.is_done for player in players):
            for policy_idx, player in enumerate(players):
                if not player.is_done:
                    arm, reward = player.play(step)
                    yield {
                        "episode": episode,
                        "step": step,
                        "policy_idx": policy_idx,
                        "arm": arm,
                        "reward": reward,
                        "reward_stat": player.stat.get(),
                    }
            step += 1


class _Player:
    """One policy in its own copy of the environment, and the rewards it has not heard of yet."""

    def __init__(self, policy: Any, env: Any, seed: int, reward_stat: Any, delay: int) -> None:
        self.policy, self.env, self.delay = policy, env, delay
        self.stat = stats.Sum() if reward_stat is None else reward_stat.clone()
        self.is_done = False
        self.is_contextual = isinstance(policy, bandit.base.ContextualPolicy)
        self.context = _context_of(env.reset(seed=seed)[0])
        self.arms = list(env.arms) if hasattr(env, "arms") else list(range(env.action_space.n))
        self.late: deque[tuple[int, Any, dict[Any, float], float]] = deque()

    def play(self, step: int) -> tuple[Any, float]:
        """Pull once, hear what is due, and return the arm and its reward."""
        self._hear(step)
        arm = self.policy.pull(self.arms, context=self.context) if self.is_contextual else self.policy.pull(self.arms)
        seen, reward, is_over, is_cut, info = self.env.step(arm)
        self.late.append((step + int(info.get("delay", self.delay)), arm, self.context, reward))
        # Rewards with different delays are heard in the order in which they become known.
        self.late = deque(sorted(self.late, key=lambda news: news[0]))
        self.stat.update(reward)
        self._hear(step)
        self.context = _context_of(seen)
        self.is_done = is_over or is_cut
        return arm, reward

    def _hear(self, step: int) -> None:
        while self.late and self.late[0][0] <= step:
            _, arm, context, reward = self.late.popleft()
            if self.is_contextual:
                self.policy.update(arm, context, reward)
            else:
                self.policy.update(arm, reward)


def _context_of(observation: Any) -> dict[Any, float]:
    return dict(observation) if isinstance(observation, Mapping) else {}
