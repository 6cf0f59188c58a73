"""Choosing one lane as Thompson sampling does, with the exact probability of each choice.

Thompson's rule draws a score for each lane from what is believed of it and takes the largest. With independent normal
beliefs the probability that lane k is taken is  P_k = integral of f_k(x) prod_{j != k} F_j(x) dx  with f and F the
density and distribution of the lanes' scores; drawing a lane by these probabilities is the same rule, and the
propensity that is logged is the number that was drawn by (Thompson, 1933; Russo et al., 2018, section 3).

Rule of this file: all lanes share one set of nodes, Gauss-Legendre on panels between multiples of every lane's own
deviation. Gauss-Hermite around one lane sees another's narrow belief as a step between two of its nodes and misses in
the second digit (the tests show it); here the panels are as narrow as the narrowest belief that lies in them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit

from router.domain.market import F64

VARIANCE_SHARE = 0.5
"""Scores are drawn with half of the posterior variance: the full one explores too long when much is learned anyway."""

REACH = 8.0
"""Deviations from the mean beyond which a score does not lie: 1e-15 of it does."""

STEP = 2.0
"""The widest panel, in deviations of the narrowest belief that reaches into it."""

EVEN = 1e-6
"""A deviation below this part of the scores' size is none, and the score is its mean: floats do not resolve it."""

NODES, WEIGHTS = np.polynomial.legendre.leggauss(12)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _panel_end(x: float, mean: F64, deviation: F64, high: float) -> float:
    """Return where the panel from `x` ends: no belief that reaches into it may be narrow beside it."""
    end = high
    for k in range(mean.shape[0]):
        first, last = mean[k] - REACH * deviation[k], mean[k] + REACH * deviation[k]
        if deviation[k] > 0.0 and x < last:
            end = min(end, first if x < first else min(x + STEP * deviation[k], last))
    return end


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add_node(x: float, weight: float, mean: F64, deviation: F64, under: F64, made: F64) -> None:
    """Add one node's part to the probability of every lane whose score has a density; `under` is for scratch."""
    lanes = mean.shape[0]
    for k in range(lanes):
        under[k] = 0.5 * math.erfc((mean[k] - x) / (deviation[k] * math.sqrt(2.0))) if deviation[k] > 0.0 else 1.0
    for k in range(lanes):
        z = (x - mean[k]) / deviation[k] if deviation[k] > 0.0 else math.inf
        if abs(z) < REACH:
            part = weight * math.exp(-0.5 * z * z) / (deviation[k] * math.sqrt(2.0 * math.pi))
            for j in range(lanes):
                if j != k:
                    part *= under[j]
            made[k] += part


@njit(cache=True)  # type: ignore[untyped-decorator]
def _probabilities(mean: F64, deviation: F64, sure: int, nodes: F64, weights: F64) -> F64:
    """Return the probabilities of lanes that are all sound; `sure` is the best lane without a deviation, or -1."""
    lanes = mean.shape[0]
    made, under = np.zeros(lanes), np.zeros(lanes)
    low, high = mean[sure] if sure >= 0 else -math.inf, -math.inf
    for k in range(lanes):
        if deviation[k] > 0.0:
            low, high = max(low, mean[k] - REACH * deviation[k]), max(high, mean[k] + REACH * deviation[k])
    if sure >= 0:
        made[sure] = 1.0
        for k in range(lanes):
            if deviation[k] > 0.0:
                made[sure] *= 0.5 * math.erfc((mean[k] - mean[sure]) / (deviation[k] * math.sqrt(2.0)))
    while low < high:
        end = _panel_end(low, mean, deviation, high)
        half, middle = 0.5 * (end - low), 0.5 * (end + low)
        for j in range(nodes.shape[0]):
            _add_node(middle + half * nodes[j], half * weights[j], mean, deviation, under, made)
        low = end
    made /= made.sum()
    return made


@njit(cache=True)  # type: ignore[untyped-decorator]
def _choice(mean: F64, variance: F64, nodes: F64, weights: F64) -> F64:
    lanes = mean.shape[0]
    out = np.zeros(lanes)
    kept = np.empty(lanes, dtype=np.int64)
    n, low, high, widest = 0, math.inf, -math.inf, 0.0
    for k in range(lanes):
        if math.isfinite(mean[k]) and math.isfinite(variance[k]) and variance[k] >= 0.0:
            kept[n], n = k, n + 1
            low, high, widest = min(low, mean[k]), max(high, mean[k]), max(widest, math.sqrt(variance[k]))
    if n == 0:
        return out
    scale = EVEN * max(high - low, widest, abs(low), abs(high))
    means, deviation, sure = np.empty(n), np.zeros(n), -1
    for i in range(n):
        means[i] = mean[kept[i]]
        spread = math.sqrt(variance[kept[i]])
        if spread > scale:
            deviation[i] = spread
        elif sure < 0 or means[i] > means[sure]:
            sure = i
    made = _probabilities(means, deviation, sure, nodes, weights)
    for i in range(n):
        out[kept[i]] = made[i]
    return out


def choice_probabilities(mean: F64, variance: F64) -> F64:
    """Return the probability of each lane that a normal score drawn for it is the largest; float64, summing to 1.

    Args:
        mean: float64 (lanes,), expected scores, in any unit.
        variance: float64 (lanes,), their variances in the unit squared; 0: the score is its mean.

    A lane with a number that is not finite, or a negative variance, gets 0; when all are such, all get 0. Of lanes
    without variance only the best can be chosen, of equal ones the first. Errors stay below 1e-10.

    >>> choice_probabilities(np.array([1.0, 1.0]), np.array([4.0, 0.0])).round(12).tolist()
    [0.5, 0.5]
    >>> choice_probabilities(np.array([1.0, 2.0, 2.0]), np.zeros(3)).tolist()
    [0.0, 1.0, 0.0]
    """
    made: F64 = _choice(mean, variance, NODES, WEIGHTS)
    return made


def choice_probabilities_plain(mean: Sequence[float], variance: Sequence[float], cells: int = 20_000) -> list[float]:
    """Do what `choice_probabilities` does by the trapezoid rule, for lanes that are sound and all have a variance.

    With a smooth integrand that is nothing at both ends, the rule's error falls faster than any power of the cells.

    >>> [round(p, 9) for p in choice_probabilities_plain([0.0, 0.0, 0.0], [1.0, 1.0, 1.0])]
    [0.333333333, 0.333333333, 0.333333333]
    """
    deviation = [math.sqrt(v) for v in variance]
    low = min(m - 9.0 * s for m, s in zip(mean, deviation, strict=True))
    high = max(m + 9.0 * s for m, s in zip(mean, deviation, strict=True))
    width, out = (high - low) / cells, [0.0] * len(mean)
    for i in range(cells + 1):
        x = low + i * width
        under = [0.5 * math.erfc((m - x) / (s * math.sqrt(2.0))) for m, s in zip(mean, deviation, strict=True)]
        for k, (m, s) in enumerate(zip(mean, deviation, strict=True)):
            others = math.prod(under[:k] + under[k + 1 :])
            out[k] += width * others * math.exp(-0.5 * ((x - m) / s) ** 2) / (s * math.sqrt(2.0 * math.pi))
    return out
