"""Worlds whose answer is known: what estimators are examined on, here and in the benchmark.

Rule of this file: the truth is an average of exact expectations over contexts, never of drawn rewards, and the
judged policy is as sure of itself as a learner late in a day: close to the logged one in some contexts, far in others.

* `linear`: the reward of a lane is linear in the context, with noise. A linear model is right.
* `fills`: a share fills or it does not, with a chance logistic in the context, and what a fill is worth varies by
  lane. A linear model is wrong, as it is for a router.
* `splits`: the same rewards, but the logged policy splits each slice over all lanes by its preferences and diverts
  half of one slice in five to a lane drawn evenly: propensities are marginal, and several lanes answer at once.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from learners.evaluation.rounds import Rounds
from router.domain.chance import generator
from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64

KINDS = ("linear", "fills", "splits")

TRUTH_CONTEXTS = 400_000
"""Contexts that the truth is averaged over: its own error is below a tenth of what is measured with it."""

EVENLY = 0.2
"""Share of the logged policy's choices that is even over the lanes: its exploration."""

PROBES, PROBE_SHARE = 0.2, 0.5
"""`splits`: how many slices are probed, and how much of them goes to the probed lane."""


class World(NamedTuple):
    """Parameters of one world; arrays are (lanes, features), the first feature being 1."""

    kind: str
    chance: F64
    """Coefficients of a share's chance to fill, in log odds (`linear`: of the reward itself, in bps)."""
    worth: F64
    """What a fill is worth in bps, linear in the context."""
    acting: F64
    """Log preferences of the policy that acts."""
    judged: F64
    """Log preferences of the policy that is judged."""
    noise_bps: float


def make_world(kind: str, lanes: int = 8, features: int = 5) -> World:
    """Return the world of a kind; the same one each time.

    Raises:
        BadInputError: an unknown kind.
    """
    if kind not in KINDS:
        raise BadInputError(bad_value("world.kind", f"one of {', '.join(KINDS)}", kind))
    draw = generator(7, "off_policy_world", kind)
    chance = draw.normal(0.0, 0.5, (lanes, features))
    worth = draw.normal(0.0, 0.4, (lanes, features))
    worth[:, 0] += 5.0
    if kind == "linear":
        chance[:, 0] += 4.0
    acting = draw.normal(0.0, 0.5, (lanes, features))
    judged = acting + draw.normal(0.0, 0.45, (lanes, features))
    return World(kind, chance, worth, acting, judged, 1.0)


def draw_rounds(world: World, n: int, seed: int) -> Rounds:
    """Return `n` rounds that the acting policy logged, drawn by key from `seed`."""
    draw = generator(seed, "off_policy_rounds", world.kind)
    x = _contexts(draw, n, world.chance.shape[1])
    logged, taken = _acted(world, x, draw)
    chance, worth = _rewards(world, x)
    if world.kind == "linear":
        reward = chance + draw.normal(0.0, world.noise_bps, chance.shape)
    else:
        filled = draw.random(chance.shape) < chance
        reward = filled * (worth + draw.normal(0.0, world.noise_bps, chance.shape))
    context = np.repeat(x[:, None, :], world.chance.shape[0], axis=1)
    return Rounds(
        context=context,
        target_context=context,
        logged=logged,
        target=_preferences(x, world.judged),
        taken=taken,
        reward=np.where(taken > 0.0, reward, 0.0),
        weight=np.ones(n),
        cluster=np.arange(n),
    )


def true_value(world: World) -> float:
    """Return what the judged policy brings, in bps per share."""
    x = _contexts(generator(11, "off_policy_truth", world.kind), TRUTH_CONTEXTS, world.chance.shape[1])
    chance, worth = _rewards(world, x)
    mean = chance if world.kind == "linear" else chance * worth
    return float((_preferences(x, world.judged) * mean).sum(axis=1).mean())


def plain_rounds(n: int, seed: int) -> Rounds:
    """Return rounds of a small world, for examples.

    >>> plain_rounds(3, seed=1).logged.shape
    (3, 4)
    """
    return draw_rounds(make_world("fills", lanes=4, features=3), n, seed)


def _contexts(draw: np.random.Generator, n: int, features: int) -> F64:
    x: F64 = draw.normal(0.0, 1.0, (n, features))
    x[:, 0] = 1.0
    return x


def _preferences(x: F64, coefficients: F64) -> F64:
    logits = x @ coefficients.T
    out: F64 = np.exp(logits - logits.max(axis=1, keepdims=True))
    out /= out.sum(axis=1, keepdims=True)
    return out


def _rewards(world: World, x: F64) -> tuple[F64, F64]:
    """Return the chance to fill (`linear`: the mean reward) and the worth of a fill, (n, lanes) each."""
    linear: F64 = x @ world.chance.T
    worth: F64 = x @ world.worth.T
    return (linear if world.kind == "linear" else 1.0 / (1.0 + np.exp(-linear))), worth


def _acted(world: World, x: F64, draw: np.random.Generator) -> tuple[F64, F64]:
    """Return the marginal propensities and what was taken, (n, lanes) each."""
    n, lanes = len(x), world.acting.shape[0]
    preferred = _preferences(x, world.acting)
    if world.kind != "splits":
        logged = (1.0 - EVENLY) * preferred + EVENLY / lanes
        chosen = (draw.random((n, 1)) > np.cumsum(logged, axis=1)).sum(axis=1).clip(0, lanes - 1)
        return logged, np.eye(lanes)[chosen]
    probed = np.eye(lanes)[draw.integers(0, lanes, n)] * PROBE_SHARE + (1.0 - PROBE_SHARE) * preferred
    is_probed = draw.random((n, 1)) < PROBES
    logged = (1.0 - PROBES * PROBE_SHARE) * preferred + PROBES * PROBE_SHARE / lanes
    return logged, np.where(is_probed, probed, preferred)
