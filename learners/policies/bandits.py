"""River's bandits as routing policies, by name: `river:LinUCBDisjoint`, `river:UCB` ... (mode DRAW).

Rule of this file: River chooses, we keep the books. A lane is an arm; one child is one round, with one reward
(`learners.policies.rewards`), clipped to ±reward_clip_bps and scaled to [0, 1].

* `scores` weighs the lane that River would pull with 1 - probe_share, and shares the rest evenly over the lanes that
  can be used: propensities are exact. Pulling must leave no trace, but River's pulls move generators: before each pull
  they are all seeded from (seed, updates so far, time and side of the frame), and whatever a pull creates lazily is
  created once at the start. A pull is then a function of what was learned and of the frame, with no copy made.
* Contextual policies take one context for all arms. We pull with the mean row over the frame's lanes (market-wide
  features are the same in every row) and update with the lane's own row.
* Policies that count successes in a Beta posterior (BayesUCB, ThompsonSampling) get a success with probability equal to
  the scaled reward, drawn by key from the child's id (Agrawal and Goyal, COLT 2012, algorithm 2).
* Exp3 divides by the probability of the last pull, which with late rewards is another round's: its probabilities are
  computed again before each update, and its weights divided by the largest, which changes no probability and keeps
  them finite.
"""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Sequence
from typing import Any

import numpy as np
from river import bandit, proba

from learners.policies.context import ContextGate, read_parameters
from learners.policies.policy import PolicySetup
from learners.policies.rewards import Reward, RewardBook
from learners.policies.static import usable_shares
from learners.state.seen import SeenOutcomes
from router.domain.chance import key_of, uniform
from router.domain.enums import AllocationMode
from router.domain.errors import ConfigError, bad_value
from router.domain.market import F64
from router.domain.scores import ContextFrame, LaneScore, Outcome

PARAMETERS = {
    "probe_share": (0.05, 0.0, 1.0),
    "reward_clip_bps": (10.0, 0.1, 1e4),
    "opportunity_bps": (5.0, 0.0, 1e4),
}
"""Ours, for every River policy: name -> (default, least, greatest)."""

RIVER_PARAMETERS = {
    "alpha": (1.0, 1.0, 1.0),
    "beta": (10.0, 1e-6, 1e6),
    "burn_in": (1.0, 0.0, 1e6),
    "decay": (0.0, 0.0, 1.0),
    "delta": (0.3, 0.0, 1e6),
    "epsilon": (0.1, 0.0, 1.0),
    "gamma": (0.1, 0.0, 1.0),
}
"""River's own that may be set. `alpha` other than 1 makes its Bayesian regression inconsistent, `smoothing` turns it
into NaN: neither can be set. With a `burn_in` of 1 each lane is tried before any is preferred.
`beta` is the precision of a reward: River adds the reward's own spread to LinUCB's bonus, so that it must be small."""

NO_BURN_IN = ("BayesUCB", "Exp3", "LinUCBDisjoint", "RandomPolicy")
"""River 0.26 passes their burn_in on as a reward scaler (Exp3: pulls no probability for the update to divide by)."""

ON_SUCCESSES = ("BayesUCB", "ThompsonSampling")


def river_policies() -> dict[str, type[Any]]:
    """Return River's bandit policies by name, sorted: every concrete class that `river.bandit` offers.

    >>> sorted(set(river_policies()) & {"UCB", "Exp3", "LinUCBDisjoint"})
    ['Exp3', 'LinUCBDisjoint', 'UCB']
    """
    found: dict[str, type[Any]] = {}
    for name in sorted(bandit.__all__):
        kind = getattr(bandit, name)
        if inspect.isclass(kind) and issubclass(kind, bandit.base.Policy) and not inspect.isabstract(kind):
            found[name] = kind
    return found


class RiverBanditPolicy:
    """A bandit policy of River's behind our interface.

    `setup.parameters` may hold those of `PARAMETERS` and those of `RIVER_PARAMETERS` that the policy takes.

    Raises:
        ConfigError: no such policy (the known ones are listed), or a parameter it cannot have.
    """

    mode = AllocationMode.DRAW

    def __init__(self, river_name: str, setup: PolicySetup) -> None:
        kinds = river_policies()
        if river_name not in kinds:
            raise ConfigError(bad_value("policy", f"one of river:{', river:'.join(kinds)}", f"river:{river_name}"))
        self.name = f"river:{river_name}"
        self._kind = river_name
        takes = inspect.signature(kinds[river_name]).parameters
        own = {key: value for key, value in RIVER_PARAMETERS.items() if key in takes}
        if river_name in NO_BURN_IN:
            own.pop("burn_in", None)
        values = read_parameters(setup.parameters, PARAMETERS | own)
        self._probe_share = values["probe_share"]
        self._clip_bps = values["reward_clip_bps"]
        self._seed = setup.seed
        self._gate = ContextGate(setup)
        self._arms = list(self._gate.lanes)
        self._rewards = RewardBook(values["opportunity_bps"])
        self._seen = SeenOutcomes()
        self._updates = 0
        chosen: dict[str, Any] = {key: values[key] for key in own}
        if "burn_in" in chosen:
            chosen["burn_in"] = int(chosen["burn_in"])
        if river_name == "ThompsonSampling":
            chosen["reward_obj"] = proba.Beta()
        self._river = kinds[river_name](seed=setup.seed, **chosen)
        self._is_contextual = isinstance(self._river, bandit.base.ContextualPolicy)
        self._prime()

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Apply outcomes in order; a repeated one changes nothing, and a child's reward comes once (see `rewards`).

        Raises:
            FeatureError: a lane, context or number that cannot be; that outcome is not applied, those before it are.
        """
        for outcome in outcomes:
            key = outcome.key
            if self._seen.has(key):
                continue
            self._gate.row(outcome)
            self._seen.accept(key, outcome)
            for reward in self._rewards.hear(outcome):
                self._update(reward)

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return one weight per lane, summing to 1; lanes with `max_qty` 0 get none unless none can be used.

        Raises:
            FeatureError: the frame is not finite or has other lanes, names or lengths.
        """
        x = self._gate.matrix(frame)
        even = usable_shares([1.0] * len(self._arms), frame.max_qty)
        arms = [arm for arm, share in zip(self._arms, even, strict=True) if share > 0.0]
        pulled = self._pull(arms, x, f"{self._updates}:{frame.at}:{frame.side}")
        return tuple(
            LaneScore(lane=arm, weight=self._probe_share * share + (1.0 - self._probe_share) * (arm == pulled))
            for arm, share in zip(self._arms, even, strict=True)
        )

    def digest(self) -> str:
        """Return a sha256 of the outcomes accepted and of what River holds of each arm."""
        held = [(arm, self._river._counts[arm], self._value_of(arm)) for arm in self._arms]
        text = repr((self.name, self._updates, held, self._seen.digest()))
        return hashlib.sha256(text.encode()).hexdigest()

    def _prime(self) -> None:
        """Let River create what it creates at the first pull, and put all its generators under one seed."""
        x: F64 = np.zeros((len(self._arms), self._gate.width))
        self._pull(self._arms, x, "prime")
        if self._kind == "ThompsonSampling":
            for arm in self._arms:
                self._river._rewards[arm]._rng = self._river._rng

    def _pull(self, arms: list[str], x: F64, key: str) -> str:
        self._river._rng.seed(key_of(self._seed, self.name, f"pull:{key}")[0])
        if not self._is_contextual:
            return str(self._river.pull(arms))
        context = dict(zip(self._gate.names, x.mean(axis=0).tolist(), strict=True))
        return str(self._river.pull(arms, context=context))

    def _update(self, reward: Reward) -> None:
        scaled = (min(max(reward.bps, -self._clip_bps), self._clip_bps) + self._clip_bps) / (2.0 * self._clip_bps)
        self._updates += 1
        if self._kind in ON_SUCCESSES:
            scaled = float(uniform(self._seed, reward.cl_ord_id, "bandit_success", 0) < scaled)
        if self._is_contextual:
            self._river.update(reward.lane, dict(zip(self._gate.names, reward.x, strict=True)), 2.0 * scaled - 1.0)
            return
        if self._kind == "Exp3":
            self._river._pull(self._arms)
        self._river.update(reward.lane, scaled)
        if self._kind == "Exp3":
            weights = self._river._weights
            top = max(weights.values())
            for arm in self._arms:
                weights[arm] = max(weights[arm] / top, 1e-300)

    def _value_of(self, arm: str) -> tuple[float, ...]:
        """What River holds of an arm, as numbers; absent before the arm's first reward in some policies."""
        if self._kind == "Exp3":
            return (float(self._river._weights[arm]),)
        if self._kind == "LinUCBDisjoint":
            model = self._river._bayes_lin_regs[arm]
            return tuple(map(float, model._eta_arr)) + tuple(map(float, np.diag(model._ss_arr)))
        reward = self._river._rewards.get(arm)
        if self._kind in ON_SUCCESSES:
            beta = reward if self._kind == "ThompsonSampling" else self._river._posteriors[arm]
            return (float(beta.alpha), float(beta.beta))
        return () if reward is None else (float(reward.get()),)
