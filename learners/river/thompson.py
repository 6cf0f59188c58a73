"""The chance that each arm's draw is the best one, when an arm's draw is its worth times a random chance of a fill.

Rule of this file: propensities are numbers and not frequencies: one integral per arm, no draws.

Arm k draws σ(m_k + s_k z) c_k with z standard normal: c_k may be negative, and the arms are independent. The chance
that k wins is the mean, over its own z, of the product of the others' chances to draw less.
"""

from __future__ import annotations

import math

import numpy as np

from router.domain.market import F64

REACH, POINTS = 7.0, 401
"""The integral goes over z from -7 to 7 by the trapezoid rule, which for a normal weight errs by less than 1e-9."""

WORTH_MIN, SD_MIN = 1e-12, 1e-9
"""Smaller worths and deviations count as these, so that each draw has a density."""

_Z = np.linspace(-REACH, REACH, POINTS)
_WEIGHTS = np.exp(-0.5 * _Z * _Z)
_WEIGHTS /= _WEIGHTS.sum()


def best_chances(means: F64, sds: F64, worths: F64) -> F64:
    """Return the chance of each arm to draw the most, (arms,), summing to 1.

    >>> best_chances(np.zeros(2), np.ones(2), np.array([1.0, 1.0])).round(6).tolist()
    [0.5, 0.5]
    >>> best_chances(np.zeros(2), np.ones(2), np.array([1.0, -1.0])).round(6).tolist()
    [1.0, 0.0]
    """
    worths = np.where(np.abs(worths) < WORTH_MIN, np.copysign(WORTH_MIN, worths), worths)
    sds = np.maximum(sds, SD_MIN)
    chances: F64 = np.empty(len(means))
    for k in range(len(means)):
        drawn = worths[k] / (1.0 + np.exp(-(means[k] + sds[k] * _Z)))
        below = np.ones(POINTS)
        for j in range(len(means)):
            if j != k:
                below *= _below(drawn, means[j], sds[j], worths[j])
        chances[k] = float(_WEIGHTS @ below)
    return np.asarray(chances / chances.sum())


def _below(drawn: F64, mean: float, sd: float, worth: float) -> F64:
    """Return the chance that an arm draws less than each of `drawn`."""
    share = np.clip(drawn / worth, 1e-300, 1.0 - 1e-16)
    chance = _normal((np.log(share) - np.log1p(-share) - mean) / sd)
    return chance if worth > 0.0 else 1.0 - chance


def _normal(z: F64) -> F64:
    """Return the standard normal distribution function."""
    return np.array([0.5 * math.erfc(-value / math.sqrt(2.0)) for value in z.tolist()])
