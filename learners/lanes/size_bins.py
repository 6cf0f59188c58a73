"""The tail of the size that a lane meets, as hazards per size bin: for tails that are not exponential.

Rule of this file: sizes are in standard slices, divided by what the lane's context says of them: a size v counts as
u = v s with s = exp(θ·x without the bias), so that context stretches a tail and the bins hold its shape.

A bin holds discounted events e (the size ended in it) and exposure u. Its hazard is (e + n) / (u + n / r0) under a
Gamma prior worth n events at r0. A group's r0 of a bin is what was found in the bin below, a lane's r0 its group's
hazard times how the lane compares with its group in the bins below: what was never reached is what was, carried on.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from learners.lanes.sums import Sums
from router.domain.market import F64

CARRY = 0.7
"""The prior hazard of a bin, as a share of the one below. Twice as wide bins with .5 would be a power law, with 1 an
exponential tail."""

RATE_MIN, RATE_MAX = 1e-4, 1e4
"""Hazards per standard slice are kept within these."""


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def add_size(bins: F64, edges: F64, weight: float, u: float, y: float) -> None:
    """Add a size `u`, seen to end there (y = 1) or not (0), to a row's bins (j, 2) with `weight`."""
    last = edges.shape[0] - 1
    for j in range(last + 1):
        if edges[j] > u:
            break
        is_inside = j == last or u < edges[j + 1]
        bins[j, 1] += weight * ((u if is_inside else edges[j + 1]) - edges[j])
        if is_inside:
            bins[j, 0] += weight * y


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def group_rates(bins: F64, scale: float, past: F64, events: float, first: float, out: F64) -> None:
    """Write a group's hazards into `out` (j,); `first` is the prior hazard of the first bin."""
    prior = first
    for j in range(out.shape[0]):
        ended = scale * bins[j, 0] + past[j, 0] + events
        rate = ended / (scale * bins[j, 1] + past[j, 1] + events / prior)
        out[j] = min(max(rate, RATE_MIN), RATE_MAX)
        prior = CARRY * out[j]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def lane_rates(
    bins: F64, scale: float, past: F64, edges: F64, events: float, level: float, optimism: float, group: F64, out: F64
) -> None:
    """Write a lane's hazards into `out` (j,), given its group's: `optimism` standard deviations below their means, and
    such that a bin's survival is that expected under what is not known of its hazard. Negative: the mean hazards.
    """
    last = out.shape[0] - 1
    ended, expected = level, level
    for j in range(last + 1):
        prior = group[j] * ended / expected
        shape, exposure = scale * bins[j, 0] + past[j, 0], scale * bins[j, 1] + past[j, 1]
        ended += shape
        expected += exposure * group[j]
        shape, exposure = shape + events, exposure + events / prior
        if optimism < 0.0:
            rate = shape / exposure
        else:
            length = edges[j + 1] - edges[j] if j < last else edges[last]
            rate = shape * math.log1p(length / exposure) / length * max(1.0 - optimism / math.sqrt(shape), 0.05)
        out[j] = min(max(rate, RATE_MIN), RATE_MAX)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def log_density(rates: F64, edges: F64, stretch: float, v: float, y: float) -> float:
    """Return the log density of a size that ended at `v` (y = 1), or of one that reached it (0), in standard slices."""
    u, depth, rate = v * stretch, 0.0, rates[0]
    last = edges.shape[0] - 1
    for j in range(last + 1):
        if edges[j] > u:
            break
        is_inside = j == last or u < edges[j + 1]
        rate = rates[j]
        depth += rate * ((u if is_inside else edges[j + 1]) - edges[j])
    return float(y * math.log(rate * stretch) - depth)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def stretched(rates: F64, edges: F64, stretch: float, out: F64) -> None:
    """Write into `out` (j,) the hazards per bin of v that have, at the edges, the survival of `rates` over u = v s."""
    last = edges.shape[0] - 1
    before, passed, i = 0.0, 0.0, 0
    for j in range(last + 1):
        # What comes after the last edge is read at four times it.
        end = 4.0 * edges[last] if j == last else edges[j + 1]
        u = end * stretch
        while i < last and u >= edges[i + 1]:
            passed += rates[i] * (edges[i + 1] - edges[i])
            i += 1
        depth = passed + rates[i] * (u - edges[i])
        out[j] = (depth - before) / (end - edges[j])
        before = depth


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def stretch_of(base: F64, x: F64) -> float:
    """Return s = exp(θ·x without the bias), the bias being the first feature; θ·x is clipped to ±4."""
    eta = 0.0
    for j in range(1, x.shape[0]):
        eta += base[j] * x[j]
    return math.exp(min(max(eta, -4.0), 4.0))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def observe_bins(sums: Sums, c: int, lane: int, group: int, gamma: F64, edges: F64, x: F64, v: float, y: float) -> None:
    """Score both tails on a size `v`, then add it to the bins of the lane and of its group."""
    bank = sums.bin_score.shape[1]
    plain, binned, first, score = 0.0, 0.0, 0.0, 0.0
    for m in range(bank):
        eta = 0.0
        for j in range(x.shape[0]):
            eta += sums.base[c, lane, m, j] * x[j]
        eta = min(max(eta, -8.0), 8.0)
        plain += sums.mixes[lane, 0, m] * math.exp(max(y * eta - v * math.exp(eta), -50.0))
        stretch = stretch_of(sums.base[c, lane, m], x)
        score = max(log_density(sums.rates[lane, m], edges, stretch, v, y), -50.0)
        binned += sums.mixes[lane, 1, m] * math.exp(score)
        sums.bin_score[lane, m] += gamma[bank] * score
        if m == 0:
            first = score
        add_size(sums.bins[lane, m], edges, gamma[m], v * stretch, y)
        add_size(sums.bins[group, m], edges, gamma[m], v * stretch, y)
    sums.tail_score[lane, 0] += gamma[bank + 1] * math.log(plain)
    sums.tail_score[lane, 1] += gamma[bank + 1] * math.log(binned)
    sums.fresh[c, lane, 2] += first - score


def lane_rates_plain(
    bins: F64, scale: float, past: F64, edges: F64, events: float, level: float, optimism: float, group: F64
) -> F64:
    """The plain twin of `lane_rates`."""
    found = scale * bins + past
    ended = level + np.concatenate(([0.0], np.cumsum(found[:-1, 0])))
    expected = level + np.concatenate(([0.0], np.cumsum(found[:-1, 1] * group[:-1])))
    shape = found[:, 0] + events
    exposure = found[:, 1] + events / (group * ended / expected)
    lengths = np.append(np.diff(edges), edges[-1])
    rates = shape / exposure
    if optimism >= 0.0:
        rates = shape * np.log1p(lengths / exposure) / lengths * np.maximum(1.0 - optimism / np.sqrt(shape), 0.05)
    return np.asarray(np.clip(rates, RATE_MIN, RATE_MAX))


def log_density_plain(rates: F64, edges: F64, stretch: float, v: float, y: float) -> float:
    """The plain twin of `log_density`.

    >>> log_density_plain(np.array([2.0, 1.0]), np.array([0.0, 1.0]), 1.0, 3.0, 0.0)
    -4.0
    """
    u = v * stretch
    ends = np.append(edges[1:], np.inf)
    depth = float((rates * np.clip(np.minimum(ends, u) - edges, 0.0, None)).sum())
    inside = int(np.searchsorted(edges, u, side="right")) - 1
    return float(y * np.log(rates[inside] * stretch) - depth)
