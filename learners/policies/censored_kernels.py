"""The arithmetic of the censored learner: how one observation is weighed, and how lanes are scored.

Rule of this file: free functions over arrays, no state; the twin of each kernel is in plain numpy below it.

Weights are those of one-pass iteratively re-weighted least squares: an observation is linearised once, at the
parameters known when it came, as (w, z) with w z = w θᵀx + residual.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from learners.state.accumulator import add_kernel, posterior_kernel, posterior_numpy, substitute_kernel
from router.domain.market import F64, I64

B8: TypeAlias = NDArray[np.bool_]

ETA_MAX = 8.0
"""Linear predictors are clipped to ±8 before exp: rates from 1/3000 to 3000 of their unit."""

WEIGHT_MIN, WEIGHT_MAX, RESIDUAL_MAX = 0.05, 5.0, 3.0
"""Clips of the Poisson weights and residuals: one event can neither count for nothing nor move everything."""

NU = 4.0
"""Degrees of freedom of the Student-t weights on markouts."""

P_MIN, P_MAX = 1e-4, 1.0 - 1e-4
"""No lane is ever certain to fill, or certain not to."""

LOGISTIC, POISSON, LINEAR = 0, 1, 2


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def weigh_kernel(family: int, eta: float, y: float, exposure: float) -> tuple[float, float]:
    """Return (w, w z) of one observation at the linear predictor `eta`.

    LOGISTIC: y in {0, 1}. POISSON: y events in `exposure`; the least weight is per unit of exposure, so that a life cut
    into many heartbeats gains no weight from the cut. LINEAR: y in units of its scale, Student-t weight.
    """
    if family == LINEAR:
        miss = y - eta
        w = (NU + 1.0) / (NU + miss * miss)
        return w, w * y
    eta = min(max(eta, -ETA_MAX), ETA_MAX)
    if family == LOGISTIC:
        p = 1.0 / (1.0 + math.exp(-eta))
        w = max(p * (1.0 - p), WEIGHT_MIN)
        return w, w * eta + (y - p)
    expected = exposure * math.exp(eta)
    least = WEIGHT_MIN if y > 0.0 else WEIGHT_MIN * min(exposure, 1.0)
    w = min(max(expected, least), WEIGHT_MAX)
    return w, w * eta + min(max(y - expected, -RESIDUAL_MAX), RESIDUAL_MAX)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def observe_kernel(
    a: F64,
    b: F64,
    row: int,
    pool: int,
    decay: float,
    gamma: float,
    prior: F64,
    xs: F64,
    family: int,
    ys: F64,
    exposures: F64,
) -> None:
    """Add observations of one lane, all linearised at the same θ̄, to its row and to its tactic's row.

    `prior` is (3, width): precision of the tactic's row, its mean, precision of the lane's row around the tactic's.
    `xs` is (n, width), `ys` and `exposures` (n,). `decay` reads the sums now, `gamma` weighs what is added now.
    """
    width = b.shape[1]
    chol = np.empty((width, width))
    shared = np.empty(width)
    theta = np.empty(width)
    posterior_kernel(a[pool], b[pool], decay, prior[0], prior[1], chol, shared)
    posterior_kernel(a[row], b[row], decay, prior[2], shared, chol, theta)
    for i in range(xs.shape[0]):
        eta = 0.0
        for j in range(width):
            eta += theta[j] * xs[i, j]
        w, wz = weigh_kernel(family, eta, ys[i], exposures[i])
        add_kernel(a, b, row, gamma * w, gamma * wz, xs[i])
        add_kernel(a, b, pool, gamma * w, gamma * wz, xs[i])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _factor_rows(chol: F64, precision: F64) -> None:
    """Do what `factor_kernel` does for n matrices at once, in place: `chol` is (width, width, n)."""
    d, _, n = chol.shape
    for j in range(d):
        for i in range(j, d):
            total = chol[i, j]
            for k in range(j):
                left, right = chol[i, k], chol[j, k]
                for r in range(n):
                    total[r] -= left[r] * right[r]
            pivot = chol[j, j]
            if i == j:
                for r in range(n):
                    pivot[r] = math.sqrt(max(pivot[r], 0.5 * precision[r, j]))
            else:
                for r in range(n):
                    total[r] /= pivot[r]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _substitute_rows(chol: F64, y: F64) -> None:
    """Do what `substitute_kernel` does for n right sides at once: `y` is (width, n)."""
    d, n = y.shape
    for i in range(d):
        total = y[i]
        for k in range(i):
            left, right = chol[i, k], y[k]
            for r in range(n):
                total[r] -= left[r] * right[r]
        pivot = chol[i, i]
        for r in range(n):
            total[r] /= pivot[r]
    for i in range(d - 1, -1, -1):
        total = y[i]
        for k in range(i + 1, d):
            left, right = chol[k, i], y[k]
            for r in range(n):
                total[r] -= left[r] * right[r]
        pivot = chol[i, i]
        for r in range(n):
            total[r] /= pivot[r]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def posteriors_kernel(a: F64, b: F64, rows: I64, scale: float, precision: F64, mean: F64, out: F64) -> None:
    """Write the posterior means of several rows of the sums into `out`, shape (rows, width), as `posterior_kernel`
    does one by one and to the same bits: every number goes through the same operations in the same order.

    `precision` and `mean` are (rows, width). The rows are the innermost loop: the processor takes several at once.
    """
    n, d = out.shape
    chol = np.empty((d, d, n))
    y = np.empty((d, n))
    for i in range(d):
        for j in range(i + 1):
            for r in range(n):
                chol[i, j, r] = scale * a[rows[r], i, j]
        for r in range(n):
            chol[i, i, r] += precision[r, i]
            y[i, r] = scale * b[rows[r], i] + precision[r, i] * mean[r, i]
    _factor_rows(chol, precision)
    _substitute_rows(chol, y)
    for r in range(n):
        for i in range(d):
            out[r, i] = y[i, r]


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def predict_kernel(
    a: F64, b: F64, pools: I64, decay: float, priors: F64, shifts: F64, x: F64, bins: int, is_asked: B8, out: F64
) -> None:
    """Write the linear predictors of the lanes whose tactic is asked for into `out`, shape (lanes, max(bins, 1)).

    `pools` gives each lane's tactic row, `priors` is (tactics, 3, width) as in `observe_kernel`, `x` (lanes, features).
    `shifts` (lanes,) moves the prior mean of the lane's bias, at the tactic's level, by that much. With `bins` > 0 the
    last `bins` features are indicators of the age bin, and a column is one bin. `is_asked` is (tactics,).
    """
    lanes, d = x.shape
    width = b.shape[1]
    chol = np.empty((width, width))
    shared = np.empty((priors.shape[0], width))
    lever = np.zeros((priors.shape[0], width))
    for t in range(priors.shape[0]):
        if is_asked[t]:
            posterior_kernel(a[lanes + t], b[lanes + t], decay, priors[t, 0], priors[t, 1], chol, shared[t])
            lever[t, 0] = priors[t, 0, 0]
            substitute_kernel(chol, lever[t])
    rows = np.empty(lanes, dtype=np.int64)
    n = 0
    for k in range(lanes):
        if is_asked[pools[k] - lanes]:
            rows[n] = k
            n += 1
    precision, mean, theta = np.empty((n, width)), np.empty((n, width)), np.empty((n, width))
    for r in range(n):
        k, t = rows[r], pools[rows[r]] - lanes
        for j in range(width):
            precision[r, j] = priors[t, 2, j]
            mean[r, j] = shared[t, j] + shifts[k] * lever[t, j]
    posteriors_kernel(a, b, rows[:n], decay, precision, mean, theta)
    for r in range(n):
        k = rows[r]
        eta = 0.0
        for j in range(d):
            eta += theta[r, j] * x[k, j]
        if bins == 0:
            out[k, 0] = eta
        for g in range(bins):
            out[k, g] = eta + theta[r, d + g]


def predict_numpy(a: F64, b: F64, pools: I64, decay: float, priors: F64, shifts: F64, x: F64, bins: int) -> F64:
    """The plain twin of `predict_kernel`, every tactic asked for; returns what it writes."""
    lanes, d = x.shape
    out: F64 = np.empty((lanes, max(bins, 1)))
    for k in range(lanes):
        own = priors[pools[k] - lanes]
        mean = own[1].copy()
        mean[0] += shifts[k]
        shared = posterior_numpy(a[pools[k]], b[pools[k]], decay, own[0], mean)
        theta = posterior_numpy(a[k], b[k], decay, own[2], shared)
        out[k] = theta[:d] @ x[k] + (theta[d:] if bins else 0.0)
    return out


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def fill_chances(etas: F64, is_immediate: B8, lengths: F64, out: F64) -> None:
    """Write each lane's fill probability within a standard life into `out`, clipped to [P_MIN, P_MAX].

    `etas` is (lanes, bins): log odds (an immediate lane, first column) or log hazards per bin of `lengths` lives.
    """
    for k in range(etas.shape[0]):
        total = 0.0
        for g in range(lengths.shape[0]):
            total += math.exp(min(max(etas[k, g], -ETA_MAX), ETA_MAX)) * lengths[g]
        odds = math.exp(min(max(etas[k, 0], -ETA_MAX), ETA_MAX))
        p = odds / (1.0 + odds) if is_immediate[k] else -math.expm1(-total)
        out[k] = min(max(p, P_MIN), P_MAX)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def bounded(values: F64, scale: float, least: float, most: float, out: F64) -> None:
    """Write `scale` times the values, clipped to [least, most], into `out`; all (lanes,). Its twin is `np.clip`."""
    for k in range(values.shape[0]):
        out[k] = min(max(values[k] * scale, least), most)


def fill_chances_numpy(etas: F64, is_immediate: B8, lengths: F64) -> F64:
    """The plain twin of `fill_chances`; returns what it writes."""
    hazard = np.exp(np.clip(etas, -ETA_MAX, ETA_MAX))
    resting = -np.expm1(-hazard @ lengths)
    chance: F64 = np.clip(np.where(is_immediate, hazard[:, 0] / (1.0 + hazard[:, 0]), resting), P_MIN, P_MAX)
    return chance
