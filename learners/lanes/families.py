"""How one observation is weighed: its information, its pull, its log score and its calibrated residual.

Rule of this file: free functions of the linear predictor at which the observation is linearised; no state.
Weights are those of one-pass iteratively re-weighted least squares.
"""

from __future__ import annotations

import math

from numba import njit

LOGISTIC, POISSON, LINEAR = 0, 1, 2

ETA_MAX = 8.0
"""Linear predictors are clipped to ±8 before exp: rates from 1/3000 to 3000 of their unit."""

WEIGHT_MIN, WEIGHT_MAX, RESIDUAL_MAX = 0.05, 5.0, 3.0
"""Clips of the weights and residuals: one event can neither count for nothing nor move everything."""

NU = 4.0
"""Degrees of freedom of the Student-t weights on markouts."""


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def weigh(family: int, eta: float, y: float, exposure: float) -> tuple[float, float, float, float, float]:
    """Return (w, w z, log score, residual, its variance) of one observation at the linear predictor `eta`.

    LOGISTIC: y in {0, 1}. POISSON: y events in `exposure`; the least weight is per unit of exposure, so that a life cut
    into many heartbeats gains no weight from the cut. LINEAR: y in units of its scale, Student-t weight.
    """
    if family == LINEAR:
        miss = y - eta
        w = (NU + 1.0) / (NU + miss * miss)
        score = -0.5 * (NU + 1.0) * math.log1p(miss * miss / NU)
        return w, w * y, score, min(max(miss, -RESIDUAL_MAX), RESIDUAL_MAX), 1.0
    eta = min(max(eta, -ETA_MAX), ETA_MAX)
    if family == LOGISTIC:
        p = 1.0 / (1.0 + math.exp(-eta))
        w = max(p * (1.0 - p), WEIGHT_MIN)
        score = math.log(p) if y > 0.5 else math.log1p(-p)
        return w, w * eta + (y - p), score, y - p, p * (1.0 - p)
    expected = exposure * math.exp(eta)
    least = WEIGHT_MIN if y > 0.0 else WEIGHT_MIN * min(exposure, 1.0)
    w = min(max(expected, least), WEIGHT_MAX)
    pull = min(max(y - expected, -RESIDUAL_MAX), RESIDUAL_MAX)
    return w, w * eta + pull, y * eta - expected, y - expected, expected


def weigh_plain(family: int, eta: float, y: float, exposure: float) -> tuple[float, float, float, float, float]:
    """The plain twin of `weigh`.

    >>> weigh_plain(LOGISTIC, 0.0, 1.0, 1.0)[:2]
    (0.25, 0.5)
    """
    if family == LINEAR:
        w = (NU + 1.0) / (NU + (y - eta) ** 2)
        residual = min(max(y - eta, -RESIDUAL_MAX), RESIDUAL_MAX)
        return w, w * y, -0.5 * (NU + 1.0) * math.log1p((y - eta) ** 2 / NU), residual, 1.0
    eta = min(max(eta, -ETA_MAX), ETA_MAX)
    if family == LOGISTIC:
        p = 1.0 / (1.0 + math.exp(-eta))
        w = max(p * (1.0 - p), WEIGHT_MIN)
        return w, w * eta + y - p, math.log(p if y > 0.5 else 1.0 - p), y - p, p * (1.0 - p)
    expected = exposure * math.exp(eta)
    w = min(max(expected, WEIGHT_MIN * (1.0 if y > 0.0 else min(exposure, 1.0))), WEIGHT_MAX)
    pull = min(max(y - expected, -RESIDUAL_MAX), RESIDUAL_MAX)
    return w, w * eta + pull, y * eta - expected, y - expected, expected
