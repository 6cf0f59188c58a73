"""Logged decisions as arrays: what was shown, how likely each lane was, what was sent there and what it brought.

Rule of this file: the unit that a policy assigns is one share of a slice. `logged[i, k]` is the marginal propensity:
the probability that a share of slice i goes to lane k, over everything that was drawn (the lane, the probe and its
lane), so that the expectation of `taken` is `logged`. What is sent nowhere brings 0 and has no column.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64, I64

TOLERANCE = 1e-6
"""By how much probabilities of one decision may sum above 1: rounding of floats."""


class Rounds(NamedTuple):
    """n decisions over K lanes, in the order in which they were made; check with `check_rounds`.

    Rewards are basis points per share routed: over the fills of the lane's child, (quantity / order quantity) x
    (opportunity - fee + markout), as `learners.policies.rewards` defines it.
    """

    context: F64
    """(n, K, d): what the reward model sees of each lane, at the quantity that was sent; the first column is 1."""
    target_context: F64
    """(n, K, d): the same at the quantity that the judged policy would send; equal where quantity is no feature."""
    logged: F64
    """(n, K): marginal propensities of the policy that acted."""
    target: F64
    """(n, K): marginal propensities of the policy that is judged."""
    taken: F64
    """(n, K): the part of the slice that really went to each lane."""
    reward: F64
    """(n, K): what a share routed there brought, in bps; 0 where nothing was taken."""
    weight: F64
    """(n,): shares in the slice, above 0: what a decision counts."""
    cluster: I64
    """(n,): decisions of one number share the market's path and are no independent observations."""

    @property
    def importance(self) -> F64:
        """(n, K): target over logged propensities; 0 where the logged one is 0."""
        return np.divide(self.target, self.logged, out=np.zeros_like(self.target), where=self.logged > 0.0)


def check_rounds(rounds: Rounds) -> Rounds:
    """Return `rounds` if they can be judged.

    Raises:
        BadInputError: no decision, shapes that do not agree, a number that is not finite, propensities that are no
            probabilities, or something taken where the logged propensity is 0.
    """
    n, lanes = rounds.logged.shape if rounds.logged.ndim == 2 else (0, 0)
    if n < 1 or lanes < 1:
        raise BadInputError(bad_value("rounds.logged", "(decisions, lanes) from (1, 1)", rounds.logged.shape))
    shapes = {"target": (n, lanes), "taken": (n, lanes), "reward": (n, lanes), "weight": (n,), "cluster": (n,)}
    for name, shape in shapes.items():
        if getattr(rounds, name).shape != shape:
            raise BadInputError(bad_value(f"rounds.{name}", f"the shape {shape}", getattr(rounds, name).shape))
    if rounds.context.shape[:2] != (n, lanes) or rounds.context.shape != rounds.target_context.shape:
        shapes_got = (rounds.context.shape, rounds.target_context.shape)
        raise BadInputError(bad_value("rounds.context", f"two contexts of shape ({n}, {lanes}, features)", shapes_got))
    for name, values in rounds._asdict().items():
        if not np.isfinite(values).all():
            raise BadInputError(bad_value(f"rounds.{name}", "finite numbers", "others"))
    for name in ("logged", "target", "taken"):
        values = getattr(rounds, name)
        if values.min() < 0.0 or values.sum(axis=1).max() > 1.0 + TOLERANCE:
            got = (float(values.min()), float(values.sum(axis=1).max()))
            raise BadInputError(bad_value(f"rounds.{name}", "shares from 0 that sum to at most 1", got))
    if rounds.weight.min() <= 0.0:
        raise BadInputError(bad_value("rounds.weight", "slices above 0", float(rounds.weight.min())))
    if (rounds.taken[rounds.logged <= 0.0] > 0.0).any():
        raise BadInputError(bad_value("rounds.taken", "nothing where the logged propensity is 0", "something"))
    return rounds
