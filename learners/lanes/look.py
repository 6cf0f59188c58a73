"""One look at a lane model: what waits is taken in, and everything asked of all lanes, in one kernel.

Rule of this file: it works nothing out by itself. It calls the kernels that do, in their order, so that a look is one
crossing from Python into compiled code, which costs as much as a lane model of a few lanes.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from learners.lanes.clock import decay, tick
from learners.lanes.drift import Windows
from learners.lanes.queue import Queue, take_all
from learners.lanes.read import B8, fill_chances, mean_sizes, mix, size_tails, weigh_anew
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
    it was read; `ticks` (components, half-lives): when. `weights` (components and one, lanes, half-lives) of the bank,
    the last those of the size bins, and `rates` (lanes, half-lives, size bins): each is of the tick and the count of
    changes in `weighed` (2, components and one, lanes) and `rated` (2, lanes, half-lives)."""

    theta: F64
    chol: F64
    changes: I64
    read: I64
    ticks: I64
    weights: F64
    weighed: I64
    rates: F64
    rated: I64


def nothing_read(lanes: int, half_lives: int, width: int) -> Posteriors:
    """Return what holds nothing yet, of so many lanes, half-lives and parameters."""
    components, abreast = len(COMPONENTS), lanes + -lanes % ABREAST
    return Posteriors(
        theta=np.zeros((components, half_lives, width, abreast)),
        chol=np.zeros((components, half_lives, width, width, abreast)),
        changes=np.ones((components, lanes), dtype=np.int64),
        read=np.zeros((components, lanes), dtype=np.int64),
        ticks=np.full((components, half_lives), -1, dtype=np.int64),
        weights=np.zeros((components + 1, lanes, half_lives)),
        weighed=np.full((2, components + 1, lanes), -1, dtype=np.int64),
        rates=np.zeros((lanes, half_lives, len(SIZE_EDGES))),
        rated=np.full((2, lanes, half_lives), -1, dtype=np.int64),
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


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
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
    eta, none, across = np.empty(lanes), np.empty(0), np.zeros((features, held.theta.shape[3]))
    across[:, :lanes] = x.T
    scored_at, score_scale = tick(now, half_lives[-2]), decay(now, half_lives[-2], sums.epochs[-2])
    for c in range(asked.shape[0]):
        if not asked[c]:
            continue
        theta, chol = held.theta[c], held.chol[c]
        changes, read, ticks, is_sharing = held.changes[c], held.read[c], held.ticks[c], numbers[SHARING] > 0.0
        width, weights = theta.shape[1] if c == FILL else features, held.weights[c]
        weigh_anew(sums.score[c], scored_at, score_scale, numbers[STEADY], changes, held.weighed[:, c], weights)
        settle(sums, c, priors[c], groups, half_lives, now, width, is_sharing, changes, read, ticks, theta, chol)
        sd = out.sd[c] if with_sd[c] else none
        mix(theta, chol, across, weights, eta, sd)
        if c == FILL:
            fill_chances(features, theta, weights, eta, sd, numbers, is_immediate, lengths, out.p)
        elif c == SIZE:
            own, weighed, tail = held.weights[-1], held.weighed[:, -1], out.hazards
            weigh_anew(sums.bin_score, scored_at, score_scale, numbers[STEADY], changes, weighed, own)
            args = (sums, groups, half_lives, now, theta, eta, sd, numbers, across, edges, tails)
            size_tails(*args, own, changes, held.rates, held.rated, tail)
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


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def take_and_look(
    memory: tuple[Any, ...],
    detectors: tuple[Any, ...],
    waiting: tuple[Any, ...],
    read: tuple[Any, ...],
    seen: tuple[Any, ...],
    count: int,
    latest: int,
    taking: tuple[Any, ...],
    terms: tuple[Any, ...],
    now: int,
    x: F64,
    numbers: F64,
    is_held: bool,
    tails: int,
    standard: float,
    bps: float,
    asked: B8,
    with_sd: B8,
) -> None:
    """Take in the first `count` observations that wait, and look: two kernels in one crossing.

    `memory`, `detectors`, `waiting`, `read` and `seen` are the fields of `Sums`, `Windows`, `Queue`, `Posteriors` and
    `Sight`: a plain tuple goes across at half the cost of a named one. `taking` are what else `take_all` writes to, and
    `terms` what both read, in the order of their arguments.
    """
    sums, held = Sums(*memory), Posteriors(*read)
    groups, half_lives, priors, ages, edges, is_immediate, lengths = terms
    if count:
        queue, (written, is_stale, trail) = Queue(*waiting), taking
        args = (groups, half_lives, priors, ages, edges, numbers, held.changes, written, is_stale, trail, is_held)
        take_all(sums, Windows(*detectors), queue, count, latest, *args)
    asking = (x, numbers, is_immediate, lengths, edges, tails, standard, bps, asked, with_sd)
    look(sums, held, priors, groups, half_lives, now, *asking, Sight(*seen))


EVERYTHING: B8 = np.ones(len(COMPONENTS), dtype=np.bool_)
"""All components asked for."""

FILL_ONLY: B8 = np.arange(len(COMPONENTS)) == FILL
"""What `LaneModel.fills` asks for."""

CHANCES_AND_SIZES: B8 = np.arange(len(COMPONENTS)) < MARK_1
"""The components whose deviations enter what is predicted: they are always wanted."""
