"""`CensoredBandit`: the chance that a lane fills times what a fill there is worth, learned by the router's lane model.

Rule of this file: River's dicts become arrays here and nothing else happens; what is learned, forgotten and believed
is decided in `learners.lanes`.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
from river import bandit, base

from learners.lanes.model import LaneModel
from learners.lanes.shape import LaneSettings, LaneShape
from learners.river.columns import Columns, event_time, vector
from learners.river.growing import grown
from learners.river.thompson import best_chances
from router.domain.chance import generator, uniforms
from router.domain.errors import ConfigError, FeatureError, bad_value
from router.domain.market import F64

HORIZON = 0
"""Which of the lane model's markouts holds the worth of a fill: one is enough, and rewards have no horizon here."""


class CensoredBandit(bandit.base.ContextualPolicy, base.Estimator):  # type: ignore[misc,unused-ignore]
    """Hurdle model of each arm's reward, pulled by Thompson draws of the chance of a fill.

    A reward is 0 when nothing was met and something else when something was: the chance of the latter is a logistic
    model of the context, its size a linear one with Student-t weights. Both have a bank of half-lives weighted by how
    well each predicted, lean on what all arms have in common, and watch their residuals for breaks: they are the lane
    model with which the router itself learns, in the one configuration that it has everywhere.

    Features should be of the order of one; the bias is added here. Context keys that come later are taken in.

    Parameters
    ----------
    probe
        Chance that a pull goes to an arm drawn evenly, whatever is believed.
    draw
        Deviations of the belief in a fill are drawn this many times as wide: 1 is Thompson's rule, 0 greed.
    prior_p
        Chance of a fill before anything is learned.
    reward_scale
        Size of a typical reward, in its own unit.
    clock
        Key of the context that holds its time in seconds; it is no feature. Without a clock an update is a second.
    reward_obj
        The reward object used to measure the performance of each arm.
    burn_in
        The number of rewards that each arm is given before beliefs are compared.
    seed
        Seed of the draws. A pull depends on it, on what was learned and on how many pulls came before.

    Examples
    --------
    >>> from learners.river import CensoredBandit

    >>> policy = CensoredBandit(probe=0.0)
    >>> for step in range(300):
    ...     context = {"busy": step % 2}
    ...     arm = policy.pull(["lit", "dark"], context=context)
    ...     policy.update(arm, context, 1.0 if (arm == "lit") == bool(step % 2) else 0.0)

    >>> policy.propensities(["lit", "dark"], {"busy": 1})["lit"] > 0.9
    True
    """

    def __init__(
        self,
        probe: float = 0.05,
        draw: float = 0.5,
        prior_p: float = 0.3,
        reward_scale: float = 1.0,
        clock: str | None = None,
        reward_obj: Any = None,
        burn_in: int = 0,
        seed: int = 1,
    ) -> None:
        super().__init__(reward_obj=reward_obj, burn_in=burn_in)
        if not (0.0 <= probe <= 1.0 and 0.0 < prior_p < 1.0 and reward_scale > 0.0 and draw >= 0.0):
            got = (probe, draw, prior_p, reward_scale)
            expected = "shares, a positive reward_scale and draw from 0"
            raise ConfigError(bad_value("CensoredBandit", expected, got))
        self.probe = probe
        self.draw = draw
        self.prior_p = prior_p
        self.reward_scale = reward_scale
        self.clock = clock
        self.seed = seed
        self._arms, self._features = Columns(), Columns()
        shape = LaneShape((0,), (True,), 1, 1.0, (prior_p,), (1.0,), (-reward_scale,), (0.0,))
        # Draws explore, so that the configuration's own optimism would count twice.
        settings = LaneSettings(optimism=0.0, markout_scale_bps=reward_scale)
        self._model = LaneModel(shape, settings)
        self._pulls = 0

    def update(self, arm_id: Hashable, context: Mapping[Hashable, float] | None, *args: Any, **kwargs: Any) -> None:
        """Learn the reward of one pull: `update(arm, context, reward)`, 0 when nothing was met.

        `filled`, a keyword, says whether something was met when a reward of 0 does not.

        Raises
        ------
        FeatureError
            A context or reward that is not finite; nothing is learned.
        """
        is_filled = bool(kwargs.pop("filled", args[0] != 0))
        reward = float(args[0])
        at = event_time(context, self.clock, self._n)
        if not math.isfinite(reward):
            raise FeatureError(bad_value("CensoredBandit.reward", "a finite number", reward))
        x = vector(self._features, context, self.clock)
        arm = self._arms.place(arm_id)
        self._make_room()
        padded = np.zeros(self._model.shape.features)
        padded[: len(x)] = x
        self._model.trial(arm, at, padded, is_filled)
        if is_filled:
            self._model.markout(arm, at, padded, HORIZON, -reward)
        super().update(arm_id, context, *args, **kwargs)

    def propensities(self, arm_ids: Sequence[Hashable], context: Mapping[Hashable, float] | None) -> dict[Any, float]:
        """Return the chance of each arm to be pulled next in a context, burn-in left aside; they sum to 1."""
        logits, sds, worths = self._believed(arm_ids, context)
        best = best_chances(logits, self.draw * sds, worths)
        shares = self.probe / len(arm_ids) + (1.0 - self.probe) * best
        return dict(zip(arm_ids, shares.tolist(), strict=True))

    def _pull(self, arm_ids: Sequence[Hashable], context: Mapping[Hashable, float] | None) -> Hashable:
        logits, sds, worths = self._believed(arm_ids, context)
        self._pulls += 1
        is_probe, which, _, _ = uniforms(self.seed, "CensoredBandit", "probe", self._pulls)
        if is_probe < self.probe:
            return arm_ids[int(which * len(arm_ids))]
        z = generator(self.seed, "CensoredBandit", f"draw:{self._pulls}").standard_normal(len(arm_ids))
        drawn = worths / (1.0 + np.exp(-(logits + self.draw * sds * z)))
        return arm_ids[int(np.argmax(drawn))]

    def _believed(self, arm_ids: Sequence[Hashable], context: Mapping[Hashable, float] | None) -> tuple[F64, F64, F64]:
        """Return the log odds of a fill, their deviations and the worth of a fill, each (arms,)."""
        at = event_time(context, self.clock, self._n)
        x = vector(self._features, context, self.clock)
        rows = [self._arms.place(arm) for arm in arm_ids]
        self._make_room()
        padded = np.zeros((self._model.lanes, self._model.shape.features))
        padded[:, : len(x)] = x
        seen = self._model.predict(at, padded, sds=True)
        p = seen.p[rows]
        return np.log(p) - np.log1p(-p), seen.sd[0][rows], -seen.markout[HORIZON][rows]

    def _make_room(self) -> None:
        """Grow the model to the arms and features met so far, doubling."""
        lanes, features = self._model.lanes, self._model.shape.features
        if len(self._arms) <= lanes and len(self._features) < features:
            return
        while lanes < len(self._arms):
            lanes *= 2
        while features <= len(self._features):
            features *= 2
        self._model = grown(self._model, lanes, features)

    @property
    def _mutable_attributes(self) -> set[str]:
        return {"probe", "draw"}

    def __repr__(self) -> str:
        """Return the parameters: River's table of arms cannot be printed before the first reward."""
        return str(base.Base.__repr__(self))

    @classmethod
    def _unit_test_params(cls) -> Any:
        yield {}
        yield {"probe": 0.0, "draw": 1.0, "clock": "at_s", "burn_in": 2}
