"""One look at a lane model: everything asked of all its lanes in one kernel.

Rule of this file: it works nothing out by itself. It calls the kernels that do, in their order, so that a look is one
crossing from Python into compiled code, which costs as much as a lane model of a few lanes.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from learners.lanes.read import B8, fill_chances, mean_sizes, mix, size_tails
from learners.lanes.settle import settle
from learners.lanes.shape import COMPONENTS, FILL, MARK_1, SHARING, SIZE, SIZE_EDGES, STEADY
from learners.lanes.sums import Sums
from router.domain.market import F64, I64

MU_MIN, MU_MAX = 1e-6, 1_000.0
"""A mean size is kept within a millionth of and a thousand standard slices."""

COST_MAX_BPS = 100.0
"""Costs are kept within plus and minus this."""

ABREAST = 16
"""Lanes are worked out side by side, in whole bundles of so many: what is left over would cost as much as a bundle."""


class Posteriors(NamedTuple):
    """What was last read of the sums: `theta` (components, half-lives, parameters, lanes) and the lower factor `chol`
    of its precision, as wide as vectors want them; `changes` and `read` (components, lanes): what happened, and what of
    it was read; `ticks` (components, half-lives): when."""

    theta: F64
    chol: F64
    changes: I64
    read: I64
    ticks: I64


def nothing_read(lanes: int, half_lives: int, width: int) -> Posteriors:
    """Return what holds nothing yet, of so many lanes, half-lives and parameters."""
    components, abreast = len(COMPONENTS), lanes + -lanes % ABREAST
    return Posteriors(
        theta=np.zeros((components, half_lives, width, abreast)),
        chol=np.zeros((components, half_lives, width, width, abreast)),
        changes=np.ones((components, lanes), dtype=np.int64),
        read=np.zeros((components, lanes), dtype=np.int64),
        ticks=np.full((components, half_lives), -1, dtype=np.int64),
    )


class Sight(NamedTuple):
    """Where a look is written, arrays over lanes: `p`, `mu` (shares), `hazards` (lanes, bins), `costs` (components,
    lanes) of which those of costs are used, adverse bps, and `sd` (components, lanes) as in `Prediction`."""

    p: F64
    mu: F64
    hazards: F64
    costs: F64
    sd: F64


def empty_sight(lanes: int) -> Sight:
    """Return arrays for looks at so many lanes."""
    components = len(COMPONENTS)
    return Sight(
        np.empty(lanes),
        np.empty(lanes),
        np.empty((lanes, len(SIZE_EDGES))),
        np.zeros((components, lanes)),
        np.zeros((components, lanes)),
    )


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def look(
    sums: Sums,
    held: Posteriors,
    priors: F64,
    groups: I64,
    half_lives: I64,
    now: int,
    x: F64,
    numbers: F64,
    is_immediate: B8,
    lengths: F64,
    edges: F64,
    tails: int,
    standard: float,
    bps: float,
    asked: B8,
    with_sd: B8,
    out: Sight,
) -> None:
    """Write what is asked (components,) of the lanes in contexts `x` (lanes, features) at `now` into `out`.

    `with_sd` (components,) says whose deviations are wanted besides; `bps` is the unit of costs. The rest is as in the
    kernels called.
    """
    lanes, features = x.shape
    eta, none = np.empty(lanes), np.empty(0)
    weights, across = np.empty((lanes, half_lives.shape[0] - 2)), np.zeros((features, held.theta.shape[3]))
    across[:, :lanes] = x.T
    for c in range(asked.shape[0]):
        if not asked[c]:
            continue
        theta, chol = held.theta[c], held.chol[c]
        changes, read, ticks, is_sharing = held.changes[c], held.read[c], held.ticks[c], numbers[SHARING] > 0.0
        width = theta.shape[1] if c == FILL else features
        settle(sums, c, priors[c], groups, half_lives, now, width, is_sharing, changes, read, ticks, theta, chol)
        sd = out.sd[c] if with_sd[c] else none
        mix(sums, c, half_lives, now, numbers[STEADY], theta, chol, across, weights, eta, sd)
        if c == FILL:
            fill_chances(features, theta, weights, eta, sd, numbers, is_immediate, lengths, out.p)
        elif c == SIZE:
            size_tails(sums, groups, half_lives, now, theta, eta, sd, numbers, across, edges, tails, out.hazards)
            mean_sizes(out.hazards, edges, out.mu)
            for k in range(lanes):
                out.mu[k] = min(max(out.mu[k], MU_MIN), MU_MAX) * standard
                for j in range(edges.shape[0]):
                    out.hazards[k, j] /= standard
        else:
            for k in range(lanes):
                out.costs[c, k] = min(max(eta[k] * bps, -COST_MAX_BPS), COST_MAX_BPS)
                if with_sd[c]:
                    sd[k] *= bps


EVERYTHING: B8 = np.ones(len(COMPONENTS), dtype=np.bool_)
"""All components asked for."""

FILL_ONLY: B8 = np.arange(len(COMPONENTS)) == FILL
"""What `LaneModel.fills` asks for."""

CHANCES_AND_SIZES: B8 = np.arange(len(COMPONENTS)) < MARK_1
"""The components whose deviations enter what is predicted: they are always wanted."""
