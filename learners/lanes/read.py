"""What lanes are worth in a context: posteriors mixed by the bank's weights, turned into chances, sizes and costs.

Rule of this file: reading changes nothing that is learned. Predictors of the half-lives are averaged before they are
turned into a chance or a rate, so that each lane's component is one vector of parameters.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from learners.lanes.clock import decay, tick
from learners.lanes.families import ETA_MAX
from learners.lanes.settle import bank_weights, spreads
from learners.lanes.shape import BIN_LEVEL, BIN_PRIOR, OPTIMISM, TAIL_ODDS
from learners.lanes.size_bins import lane_rates, stretch_of, stretched
from learners.lanes.sums import Sums
from router.domain.market import F64, I64

B8 = NDArray[np.bool_]

P_MIN, P_MAX = 1e-4, 1.0 - 1e-4
"""No lane is ever certain to fill, or certain not to."""

NODES = (-2.856970013872806, -1.355626179974266, 0.0, 1.355626179974266, 2.856970013872806)
NODE_WEIGHTS = (
    0.011257411327720682,
    0.22207592200561266,
    0.5333333333333333,
    0.22207592200561266,
    0.011257411327720682,
)
"""Gauss-Hermite nodes and weights for a standard normal: expectations over what is not known of a predictor."""

KNOWN_SD = 0.05
"""A predictor known this well is taken as it is."""

WEIGHT_LEAST = 1e-40
"""A memory of less weight changes no bit of a hazard, whose bounds are twenty powers of ten apart."""

BINNED_LEAST = 0.01
"""Below this weight of the binned tail a lane's tail is called exponential, whose split is cheaper."""


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def weigh_anew(score: F64, now: int, scale: float, steady: float, changes: I64, weighed: I64, weights: F64) -> None:
    """Bring the weights of each lane's bank (lanes, m) up to date: those of lanes that changed since, or were weighed
    at another tick than `now`.

    `score` (rows, m), lanes first, are log scores and `scale` what they count at that tick; `changes` (lanes,) count
    what happened, `weighed` (2, lanes) are the ticks and the counts of which the weights are.
    """
    for k in range(weights.shape[0]):
        if weighed[0, k] != now or weighed[1, k] != changes[k]:
            weighed[0, k], weighed[1, k] = now, changes[k]
            bank_weights(score[k], scale, steady, weights[k])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def mix(theta: F64, chol: F64, x: F64, weights: F64, eta: F64, sd: F64) -> None:
    """Write each lane's linear predictor (lanes,) and its posterior standard deviation into `eta` and `sd`, given the
    weights of its bank (lanes, m).

    `theta` (m, parameters, lanes) and `chol` are settled; `x` is (features, lanes). All three are as wide as vectors
    want them, with lanes that mean nothing at the end. Parameters after the features (the age bins') are left to the
    caller. A `sd` of length 0 is not asked for.
    """
    features, abreast = x.shape
    lanes = eta.shape[0]
    total, half, variance = np.empty(abreast), np.empty((features, abreast)), np.zeros(lanes)
    eta[:] = 0.0
    for m in range(theta.shape[0]):
        total[:] = 0.0
        for j in range(features):
            for k in range(abreast):
                total[k] += theta[m, j, k] * x[j, k]
        for k in range(lanes):
            eta[k] += weights[k, m] * total[k]
        if sd.shape[0] > 0:
            spreads(chol[m], x, half, total)
            for k in range(lanes):
                variance[k] += weights[k, m] * total[k]
    if sd.shape[0] > 0:
        for k in range(lanes):
            sd[k] = math.sqrt(variance[k])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def fill_chances(
    features: int, theta: F64, weights: F64, eta: F64, sd: F64, numbers: F64, is_immediate: B8, lengths: F64, out: F64
) -> None:
    """Write each lane's fill probability within a standard life into `out`, clipped to [P_MIN, P_MAX].

    `theta`, `weights`, `eta` (the predictors without the age bins) and `sd` are those of `mix`, `lengths` the bins'
    lengths in standard lives.
    """
    bank, bins = theta.shape[0], lengths.shape[0]
    for k in range(eta.shape[0]):
        lift = numbers[OPTIMISM] * sd[k] if sd.shape[0] > 0 else 0.0
        if is_immediate[k]:
            # E[sigmoid(η)] for a normal η is close to the sigmoid of η drawn in (MacKay, Neural Computation 1992).
            drawn = (eta[k] + lift) / math.sqrt(1.0 + 0.125 * math.pi * sd[k] * sd[k]) if sd.shape[0] > 0 else eta[k]
            odds = math.exp(min(max(drawn, -ETA_MAX), ETA_MAX))
            p = odds / (1.0 + odds)
        else:
            total = 0.0
            for g in range(bins):
                shift = 0.0
                for m in range(bank):
                    shift += weights[k, m] * theta[m, features + g, k]
                total += math.exp(min(max(eta[k] + lift + shift, -ETA_MAX), ETA_MAX)) * lengths[g]
            p = -math.expm1(-total)
        out[k] = min(max(p, P_MIN), P_MAX)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def expected_tail(eta: float, sd: float, edges: F64, out: F64) -> None:
    """Write the hazards per bin of E[exp(-v exp(η))], η normal with mean `eta` and deviation `sd`, into `out`.

    What is not known of a rate makes the tail of the size heavier than exponential.
    """
    last = edges.shape[0] - 1
    before, reached = 0.0, 0.0
    rates, left = np.empty(len(NODES)), np.ones(len(NODES))
    for q in range(len(NODES)):
        rates[q] = math.exp(min(max(eta + sd * NODES[q], -ETA_MAX), ETA_MAX))
    for j in range(last + 1):
        end = edges[j + 1] if j < last else 4.0 * edges[last]
        alive = 0.0
        for q in range(len(NODES)):
            # Most bins end at twice the one before: what is left there is the square, and no exponential.
            left[q] = left[q] * left[q] if end == 2.0 * reached else math.exp(-end * rates[q])
            alive += NODE_WEIGHTS[q] * left[q]
        reached = end
        depth = -math.log(max(alive, 1e-300))
        out[j] = max(depth - before, 0.0) / (end - edges[j])
        before = depth


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def size_tails(
    sums: Sums,
    groups: I64,
    half_lives: I64,
    at: int,
    theta: F64,
    eta: F64,
    sd: F64,
    numbers: F64,
    x: F64,
    edges: F64,
    tails: int,
    weights: F64,
    changes: I64,
    rates: F64,
    rated: I64,
    hazards: F64,
) -> None:
    """Write the hazards per size bin (lanes, bins), per standard slice, of each lane's tail.

    A lane's tail is exponential with log rate `eta`, or binned, each as far as it has predicted better (`tails` 0), or
    always the former (1) or the latter (2). `numbers` are those of `numbers_of`, `theta` and `x` as in `mix`. `weights`
    (lanes, m) are those of the bins' bank. `rates` (lanes, m, bins), of the ticks and `changes` in `rated` (2, lanes,
    m), are brought up to date where they are used.
    """
    lanes, bank, bins = eta.shape[0], theta.shape[0], edges.shape[0]
    own, smooth, scales, now = np.empty(bins), np.empty(bins), np.empty(bank), np.empty(bank, np.int64)
    for m in range(bank):
        scales[m], now[m] = decay(at, half_lives[m], sums.epochs[m]), tick(at, half_lives[m])
    events, level, optimism = numbers[BIN_PRIOR], numbers[BIN_LEVEL], numbers[OPTIMISM]
    tail_scale = decay(at, half_lives[-1], sums.epochs[-1])
    for k in range(lanes):
        lift = numbers[OPTIMISM] * sd[k] if sd.shape[0] > 0 else 0.0
        gap = numbers[TAIL_ODDS] + tail_scale * (sums.tail_score[k, 0] - sums.tail_score[k, 1])
        binned = 1.0 / (1.0 + math.exp(min(max(gap, -50.0), 50.0))) if tails == 0 else float(tails - 1)
        if binned == 1.0:
            smooth[:] = 0.0
        elif sd.shape[0] > 0 and sd[k] > KNOWN_SD:
            expected_tail(eta[k] - lift, sd[k], edges, smooth)
        else:
            smooth[:] = math.exp(min(max(eta[k] - lift, -ETA_MAX), ETA_MAX))
        for j in range(bins):
            hazards[k, j] = (1.0 - binned) * smooth[j]
        if binned < BINNED_LEAST:
            for j in range(bins):
                hazards[k, j] = smooth[j]
            continue
        for m in range(bank):
            if weights[k, m] < WEIGHT_LEAST:
                continue
            if rated[0, k, m] != now[m] or rated[1, k, m] != changes[k]:
                rated[0, k, m], rated[1, k, m] = now[m], changes[k]
                group, past, found = sums.rates[lanes + groups[k], m], sums.past_bins[k], sums.bins[k, m]
                lane_rates(found, scales[m], past, edges, events, level, optimism, group, rates[k, m])
            stretched(rates[k, m], edges, stretch_of(theta[m, : x.shape[0], k], x[:, k]), own)
            for j in range(bins):
                hazards[k, j] += binned * weights[k, m] * own[j]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def mean_sizes(hazards: F64, edges: F64, out: F64) -> None:
    """Write each lane's mean size, the integral of its survival, into `out`, in the unit of 1 / hazard."""
    last = edges.shape[0] - 1
    for k in range(hazards.shape[0]):
        alive, total = 1.0, 0.0
        for j in range(last + 1):
            rate = max(hazards[k, j], 1e-12)
            gone = rate * (edges[j + 1] - edges[j]) if j < last else math.inf
            # Either way is exact to the last bits, whichever of what ends and what is left is the small part.
            if gone < 0.5:
                ended = -alive * math.expm1(-gone)
                alive -= ended
            else:
                left = alive * math.exp(-gone)
                ended, alive = alive - left, left
            total += ended / rate
        out[k] = total
