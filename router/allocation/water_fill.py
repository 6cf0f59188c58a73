"""Water-filling: the split of a slice that is worth most when every further share on a lane is worth less.

Maximise  sum_k p_k mu_k (1 - exp(-v_k / mu_k)) c_k  with  sum_k v_k = V  and  0 <= v_k <= cap_k,  for lanes that fill
at all with probability p and then meet an exponential quantity of mean mu, each share being worth c. The conditions
of Karush, Kuhn and Tucker give  v_k = clip(mu_k (log(p_k c_k) - log nu), 0, cap_k),  with nu, the worth of the last
share, the same on every lane that is neither empty nor full (Ganchev, Nevmyvaka, Kearns and Vaughan, 2010, have the
same argument for censored tails).

Rule of this file: quantities are real numbers here; `lots` makes them whole. The kernel bisects on log nu; the plain
twin in `water_fill_plain` walks the breakpoints instead, so that the two agree by mathematics and not by copying.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from router.domain.market import F64

MU_MIN = 1e-6
"""A lane that meets less than a millionth of a share meets nothing."""

BISECTIONS_MAX = 200
"""More than the bits of a float: the search ends when the bracket cannot shrink any more."""


@njit(cache=True)  # type: ignore[untyped-decorator]
def _volume(level: float, worth: F64, mu: F64, lower: F64, cap: F64, v: F64) -> float:
    total = 0.0
    for k in range(v.shape[0]):
        v[k] = min(max(mu[k] * (worth[k] - level), lower[k]), cap[k]) if cap[k] > 0.0 else 0.0
        total += v[k]
    return total


@njit(cache=True)  # type: ignore[untyped-decorator]
def _pour(worth: F64, mu: F64, lower: F64, cap: F64, total: float) -> F64:
    """Return v with sum `total`, or `cap` where the caps do not reach it; lanes with cap 0 do not take part."""
    v = np.zeros_like(cap)
    if cap.sum() <= total:
        v[:] = cap
        return v
    low, high = math.inf, -math.inf
    for k in range(cap.shape[0]):
        if cap[k] > 0.0:
            low = min(low, worth[k] - cap[k] / mu[k])
            high = max(high, worth[k])
    over = np.zeros_like(cap)
    for _ in range(BISECTIONS_MAX):
        middle = low + (high - low) / 2.0
        if middle <= low or middle >= high:
            break
        if _volume(middle, worth, mu, lower, cap, over) > total:
            low = middle
        else:
            high = middle
    beneath = _volume(high, worth, mu, lower, cap, v)
    above = _volume(low, worth, mu, lower, cap, over)
    if above > beneath:
        v += (over - v) * (min(max(total - beneath, 0.0) / (above - beneath), 1.0))
    return v


@njit(cache=True)  # type: ignore[untyped-decorator]
def _value(gain: F64, mu: F64, v: F64) -> float:
    total = 0.0
    for k in range(v.shape[0]):
        if v[k] > 0.0:
            total -= gain[k] * mu[k] * math.expm1(-v[k] / mu[k])
    return total


@njit(cache=True)  # type: ignore[untyped-decorator]
def water_fill(p: F64, mu: F64, c: F64, minimum: F64, cap: F64, total: float) -> F64:
    """Return the real quantities v (float64, one per lane) of the best split of `total`.

    All arguments are float64 arrays over lanes: probability of a fill, mean quantity met, value in bps per share,
    smallest and largest quantity of a lane (minimum <= cap, or cap 0). Lanes with p, mu or c at or below 0, or not
    finite, get 0. Every v is 0 or in [minimum, cap]: the lane that falls shortest of its minimum is lifted to it or
    dropped, whichever is worth more, and the rest is solved again, until none falls short.
    """
    out = np.zeros(p.shape[0])
    lanes = 0
    for k in range(p.shape[0]):
        g = p[k] * c[k]
        is_worth = p[k] > 0.0 and c[k] > 0.0 and g > 0.0 and math.isfinite(g)
        if is_worth and mu[k] >= MU_MIN and math.isfinite(mu[k]) and cap[k] > 0.0:
            # Those that take part are counted in `out` first: the search below looks at nobody else.
            out[lanes] = k
            lanes += 1
    gain, worth, safe_mu = np.empty(lanes), np.empty(lanes), np.empty(lanes)
    least, room, part = np.empty(lanes), np.empty(lanes), np.empty(lanes, dtype=np.int64)
    for i in range(lanes):
        k = int(out[i])
        gain[i], safe_mu[i], least[i], room[i], part[i] = p[k] * c[k], mu[k], minimum[k], cap[k], k
        worth[i] = math.log(gain[i])
    v = _lift_or_drop(gain, worth, safe_mu, least, room, total)
    out[:] = 0.0
    for i in range(lanes):
        out[part[i]] = v[i]
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def _lift_or_drop(gain: F64, worth: F64, safe_mu: F64, minimum: F64, room: F64, total: float) -> F64:
    """Return the quantities of lanes that all take part; `room` is left changed where a lane was dropped."""
    lanes = gain.shape[0]
    lower = np.zeros(lanes)
    v: F64 = _pour(worth, safe_mu, lower, room, total)
    for _ in range(lanes):
        short, shortest = -1, 1.0
        for k in range(lanes):
            if v[k] > 0.0 and lower[k] == 0.0 and v[k] < minimum[k] * shortest:
                short, shortest = k, v[k] / minimum[k]
        if short < 0:
            break
        kept, is_lifted = room[short], False
        if lower.sum() + minimum[short] <= total:
            lower[short] = minimum[short]
            lifted = _pour(worth, safe_mu, lower, room, total)
            lower[short], room[short] = 0.0, 0.0
            dropped = _pour(worth, safe_mu, lower, room, total)
            is_lifted = _value(gain, safe_mu, lifted) > _value(gain, safe_mu, dropped)
        room[short] = kept if is_lifted else 0.0
        lower[short] = minimum[short] if is_lifted else 0.0
        v = _pour(worth, safe_mu, lower, room, total)
    return v
