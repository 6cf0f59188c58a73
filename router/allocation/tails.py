"""Water-filling for sizes that are not exponential: the tail of what a lane may meet has a hazard per size bin.

A lane fills at all with probability p and then meets a quantity D with survival S(v) = exp(-H(v)), where H adds up
hazards that are constant within bins of size: log S is piecewise linear, so that one split solves every such tail and
the exponential one (all hazards 1 / mu) with it. Maximise  sum_k p_k c_k (integral of S_k from 0 to v_k)  with
sum_k v_k = V  and  0 <= v_k <= cap_k. The integrand never rises, so  v_k(nu) = sup {v : p_k c_k S_k(v) >= nu}  with nu
the same on every lane that is neither empty nor full (Ganchev, Nevmyvaka, Kearns and Vaughan, 2010, section 4).

Rule of this file: quantities are real numbers here, as in `water_fill`, whose treatment of minima this file repeats.
The kernel closes a bracket on log nu by Newton's steps (volume is piecewise linear in it) with bisection where they
leave the bracket or a flat tail makes volume jump; the plain twin in `tails_plain` walks the breakpoints instead.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from router.domain.market import F64

HAZARD_MAX = 1e6
"""Per share. A lane that starts above it meets nothing; a later bin above it ends the tail as well as any."""

STEPS_MAX = 200
"""More than halving a bracket of floats takes; steps of Newton's come on top of halvings, not in their place."""

NEAR = 1e-13
"""Relative to the total: a volume this near is the total, and the last step spreads what is missing."""


@njit(cache=True)  # type: ignore[untyped-decorator]
def _depth(k: int, v: float, hazards: F64, starts: F64, edges: F64) -> float:
    """Return H(v) of lane k; `starts` are the values of H at `edges`."""
    j = edges.shape[0] - 1
    while edges[j] > v:
        j -= 1
    return float(starts[k, j] + hazards[k, j] * (v - edges[j]))


@njit(cache=True)  # type: ignore[untyped-decorator]
def _volume(
    level: float, worth: F64, hazards: F64, starts: F64, edges: F64, lower: F64, cap: F64, v: F64
) -> tuple[float, float]:
    """Write the quantities at a level to `v`; return their sum and how fast it grows as the level falls.

    A lane's quantity is sup {v : H(v) <= worth - level}, within its bounds. Rows of matrices are indexed and never
    taken as views: a view per lane and level costs four times what the arithmetic does.
    """
    total, growth = 0.0, 0.0
    last = edges.shape[0] - 1
    for k in range(v.shape[0]):
        if cap[k] <= 0.0:
            v[k] = 0.0
            continue
        depth, reached, rate = worth[k] - level, 0.0, 0.0
        if depth >= 0.0:
            j = last
            while starts[k, j] > depth:
                j -= 1
            rate = 1.0 / hazards[k, j] if hazards[k, j] > 0.0 else math.inf
            reached = edges[j] + (depth - starts[k, j]) * rate if rate < math.inf else math.inf
        if reached < lower[k]:
            reached = lower[k]
        elif reached >= cap[k]:
            reached = cap[k]
        else:
            growth += rate
        v[k] = reached
        total += reached
    return total, growth


@njit(cache=True)  # type: ignore[untyped-decorator]
def _pour(worth: F64, hazards: F64, starts: F64, edges: F64, lower: F64, cap: F64, total: float) -> F64:
    """Return v with sum `total`, or `cap` where the caps do not reach it; lanes with cap 0 do not take part."""
    v = np.zeros_like(cap)
    if cap.sum() <= total:
        v[:] = cap
        return v
    low, high = math.inf, -math.inf
    for k in range(cap.shape[0]):
        if cap[k] > 0.0:
            low = min(low, worth[k] - _depth(k, cap[k], hazards, starts, edges))
            high = max(high, worth[k])
    # A flat start is full at its own worth: only above every worth is the volume surely nothing.
    low, high = low - 1.0, high + 1.0
    over = np.zeros_like(cap)
    level, width = low + (high - low) / 2.0, math.inf
    for _ in range(STEPS_MAX):
        if level <= low or level >= high:
            break
        volume, growth = _volume(level, worth, hazards, starts, edges, lower, cap, over)
        if volume > total:
            low = level
        else:
            high = level
        if abs(volume - total) <= NEAR * total:
            break
        step = level + (volume - total) / growth if growth > 0.0 else low
        is_newton = low < step < high and high - low <= 0.5 * width
        width = high - low
        level = step if is_newton else low + width / 2.0
    beneath, _ = _volume(high, worth, hazards, starts, edges, lower, cap, v)
    above, _ = _volume(low, worth, hazards, starts, edges, lower, cap, over)
    if above > beneath:
        v += (over - v) * (min(max(total - beneath, 0.0) / (above - beneath), 1.0))
    return v


@njit(cache=True)  # type: ignore[untyped-decorator]
def _met(k: int, v: float, hazards: F64, starts: F64, edges: F64) -> float:
    """Return the integral of S from 0 to v of lane k."""
    total, bins = 0.0, edges.shape[0]
    for j in range(bins):
        if edges[j] >= v:
            break
        to = v if j == bins - 1 else min(v, edges[j + 1])
        length, hazard = to - edges[j], hazards[k, j]
        gone = hazard * length
        # Below 1e-8 the tail is flat to the last bit but one, and hazard may be 0.
        inside = length * (1.0 - 0.5 * gone) if gone < 1e-8 else -math.expm1(-gone) / hazard
        total += math.exp(-starts[k, j]) * inside
    return total


@njit(cache=True)  # type: ignore[untyped-decorator]
def _value(gain: F64, hazards: F64, starts: F64, edges: F64, v: F64) -> float:
    total = 0.0
    for k in range(v.shape[0]):
        if v[k] > 0.0:
            total += gain[k] * _met(k, v[k], hazards, starts, edges)
    return total


@njit(cache=True)  # type: ignore[untyped-decorator]
def _sound(k: int, hazards: F64, edges: F64, safe: F64, starts: F64) -> bool:
    """Write lane k's hazards, capped, and H at the edges; False when a hazard is no hazard or nothing is met."""
    at = 0.0
    for j in range(edges.shape[0]):
        hazard = hazards[k, j]
        if not hazard >= 0.0 or hazard == math.inf:
            return False
        safe[k, j], starts[k, j] = min(hazard, HAZARD_MAX), at
        if j + 1 < edges.shape[0]:
            at += safe[k, j] * (edges[j + 1] - edges[j])
    return bool(hazards[k, 0] <= HAZARD_MAX)


@njit(cache=True)  # type: ignore[untyped-decorator]
def tail_value(p: F64, hazards: F64, edges: F64, c: F64, v: F64) -> float:
    """Return the objective, in bps times shares: sum of p c E[min(D, v)] over the lanes with v above 0.

    Shapes as in `pour_tails`; `v` is float64 over lanes. Raises nothing: hazards must be finite and at or above 0.
    """
    safe, starts = np.zeros_like(hazards), np.zeros_like(hazards)
    for k in range(p.shape[0]):
        _sound(k, hazards, edges, safe, starts)
    return float(_value(p * c, safe, starts, edges, v))


@njit(cache=True)  # type: ignore[untyped-decorator]
def pour_tails(p: F64, hazards: F64, edges: F64, c: F64, minimum: F64, cap: F64, total: float) -> F64:
    """Return the real quantities v (float64, one per lane) of the best split of `total` over binned tails.

    Args:
        p: float64 (lanes,), the probability that a lane meets anything.
        hazards: float64 (lanes, bins), per share: what is met given that anything is has log-survival falling by
            this much per share within a bin; 0 is a flat tail. Constant rows of 1 / mu are exponential tails.
        edges: float64 (bins,), shares: where bins start, rising from 0; the last bin has no end.
        c: float64 (lanes,), bps: what a share is worth.
        minimum: float64 (lanes,), shares: the smallest quantity of a lane that gets any.
        cap: float64 (lanes,), shares: the largest (minimum <= cap, or cap 0).
        total: shares to split.

    Lanes with p or c at or below 0, or any number of theirs not finite, or a negative hazard, get 0. Every v is 0 or
    in [minimum, cap]: the lane that falls shortest of its minimum is lifted to it or dropped, whichever is worth
    more, and the rest is solved again, until none falls short. Lanes that tie on a flat tail share it in proportion
    to its length.
    """
    lanes = p.shape[0]
    gain, worth, room, lower = np.zeros(lanes), np.zeros(lanes), np.zeros(lanes), np.zeros(lanes)
    safe, starts = np.zeros_like(hazards), np.zeros_like(hazards)
    for k in range(lanes):
        g = p[k] * c[k]
        is_sound = _sound(k, hazards, edges, safe, starts)
        if is_sound and p[k] > 0.0 and c[k] > 0.0 and g > 0.0 and math.isfinite(g):
            gain[k], worth[k], room[k] = g, math.log(g), cap[k]
    v: F64 = _pour(worth, safe, starts, edges, lower, room, total)
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
            lifted = _pour(worth, safe, starts, edges, lower, room, total)
            lower[short], room[short] = 0.0, 0.0
            dropped = _pour(worth, safe, starts, edges, lower, room, total)
            better = _value(gain, safe, starts, edges, lifted) - _value(gain, safe, starts, edges, dropped)
            is_lifted = better > 0.0
        room[short] = kept if is_lifted else 0.0
        lower[short] = minimum[short] if is_lifted else 0.0
        v = _pour(worth, safe, starts, edges, lower, room, total)
    return v
