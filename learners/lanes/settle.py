"""What the sums say: posteriors per row and half-life, and the weights of the bank.

Rule of this file: a posterior is a function of the sums, of its group's base and of the tick of the time asked; asking
leaves no trace. Rows that neither changed nor grew older by a tick are not worked out again.

The model of errors is NumPy's, here as in all kernels of an observation or a look: a division that is looked at first
keeps lanes from being worked out side by side, and what is counted of arrays from being left out.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from learners.lanes.clock import decay, decay_plain, tick
from learners.lanes.sums import Sums
from router.domain.market import F64, I64

BUNDLE, BUNDLES = 8, 64
"""Posteriors that are worked out side by side, at least: as many as a vector of the widest kind holds; and at most,
where what they need is put together for it: more would not stay in the nearest cache."""


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def posterior(
    a: F64, b: F64, scale: float, past_a: F64, past_b: F64, precision: F64, mean: F64, width: int, chol: F64, out: F64
) -> None:
    """Write P⁻¹ (scale b + past_b + P0 mean) into `out` and the lower factor of P = scale a + past_a + P0 into `chol`.

    With a positive prior precision every pivot is at least its prior's in exact arithmetic; rounding cannot take
    more than that away unless a feature dwarfs the others, and then the prior stands in for the pivot.
    """
    for i in range(width):
        rhs = scale * b[i] + past_b[i] + precision[i] * mean[i]
        for j in range(i):
            total = scale * a[i, j] + past_a[i, j]
            for k in range(j):
                total -= chol[i, k] * chol[j, k]
            total /= chol[j, j]
            chol[i, j] = total
            rhs -= total * out[j]
        pivot = scale * a[i, i] + past_a[i, i] + precision[i]
        for k in range(i):
            pivot -= chol[i, k] * chol[i, k]
        root = math.sqrt(max(pivot, 0.5 * precision[i]))
        chol[i, i] = root
        out[i] = rhs / root
    for i in range(width - 1, -1, -1):
        total = out[i]
        for k in range(i + 1, width):
            total -= chol[k, i] * out[k]
        out[i] = total / chol[i, i]


def posterior_plain(a: F64, b: F64, scale: float, past_a: F64, past_b: F64, precision: F64, mean: F64) -> F64:
    """The plain twin of `posterior`; `a` and `past_a` are lower triangles."""
    half = scale * np.tril(a) + np.tril(past_a)
    whole = half + np.tril(half, -1).T + np.diag(precision)
    return np.asarray(np.linalg.solve(whole, scale * b + past_b + precision * mean))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def rebase(
    sums: Sums, c: int, lane: int, group: int, prior: F64, half_lives: I64, at: int, width: int, is_sharing: bool
) -> None:
    """Set a lane's base to its posterior at `at` around its group's base, or without sharing around the prior.

    `prior` is (3, parameters) of its group: the group's precision, its mean, a lane's precision.
    """
    bank, base = sums.b.shape[2], sums.base
    scales, centres = np.empty(bank), np.empty((1, bank, width))
    for m in range(bank):
        scales[m] = decay(at, half_lives[m], sums.epochs[m])
        for i in range(width):
            centres[0, m, i] = base[c, group, m, i] if is_sharing else prior[1, i]
    alike = np.zeros(lane + 1, np.int64)
    right, _ = solved(sums, c, width, np.full(bank, lane), np.arange(bank), scales, alike, prior[2:], centres)
    for m in range(bank):
        for i in range(width):
            base[c, lane, m, i] = right[i, m]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def settle(
    sums: Sums,
    c: int,
    priors: F64,
    groups: I64,
    half_lives: I64,
    at: int,
    width: int,
    is_sharing: bool,
    changes: I64,
    known: I64,
    ticks: I64,
    theta: F64,
    chol: F64,
) -> bool:
    """Bring `theta` (m, parameters, lanes) and `chol` (m, parameters, parameters, lanes) up to date for component `c`;
    return whether anything moved. Both may hold more parameters and lanes: those are not used.

    `changes` and `known` (lanes,) count what happened to a lane and what of it was read; `ticks` (m,) are the ticks
    that were read. `priors` is (groups, 3, parameters); a lane leans on its group's base when `is_sharing`.
    """
    lanes, bank, moved = groups.shape[0], half_lives.shape[0] - 2, False
    scales, centres = np.empty(bank), centres_of(sums, c, priors, lanes, is_sharing)
    lane, memory = np.empty(lanes * bank, np.int64), np.empty(lanes * bank, np.int64)
    count = 0
    for m in range(bank):
        now, first = tick(at, half_lives[m]), count
        scales[m] = decay(at, half_lives[m], sums.epochs[m])
        is_older = now != ticks[m]
        for k in range(lanes):
            if is_older or changes[k] != known[k]:
                lane[count], memory[count] = k, m
                count += 1
        if is_older:
            # All lanes of a memory lie side by side: they are worked out where they are, and are not left for later.
            ticks[m], count, moved = now, first, True
            least = np.empty((width, theta.shape[2]))
            of, by = lane[first : first + lanes], memory[first : first + lanes]
            gather(sums, c, of, by, scales, groups, priors[:, 2], centres, theta[m], chol[m], least)
            posteriors(theta[m], chol[m], least)
    for first in range(0, count, BUNDLES):
        of, by = lane[first : min(first + BUNDLES, count)], memory[first : min(first + BUNDLES, count)]
        settle_some(sums, c, width, of, by, scales, groups, priors[:, 2], centres, theta, chol)
        moved = True
    for k in range(lanes):
        known[k] = changes[k]
    return moved


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def centres_of(sums: Sums, c: int, priors: F64, lanes: int, is_sharing: bool) -> F64:
    """Return what the lanes of each group lean on, (groups, m, parameters): its base, or without sharing its prior."""
    bank, width = sums.b.shape[2], sums.b.shape[3]
    base = sums.base
    out = np.empty((priors.shape[0], bank, width))
    for g in range(priors.shape[0]):
        for m in range(bank):
            for i in range(width):
                out[g, m, i] = base[c, lanes + g, m, i] if is_sharing else priors[g, 1, i]
    return out


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def settle_some(
    sums: Sums,
    c: int,
    width: int,
    lane: I64,
    memory: I64,
    scales: F64,
    groups: I64,
    held: F64,
    centres: F64,
    theta: F64,
    chol: F64,
) -> None:
    """Bring the posteriors of some lanes' memories up to date, which lie apart in `theta` and `chol`: the arguments are
    those of `gather` and of `settle`."""
    right, left = solved(sums, c, width, lane, memory, scales, groups, held, centres)
    for n in range(lane.shape[0]):
        k, m = lane[n], memory[n]
        for i in range(width):
            theta[m, i, k] = right[i, n]
            for j in range(i + 1):
                chol[m, i, j, k] = left[i, j, n]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def solved(
    sums: Sums, c: int, width: int, lane: I64, memory: I64, scales: F64, groups: I64, held: F64, centres: F64
) -> tuple[F64, F64]:
    """Return what `posteriors` makes of what `gather` writes for `lane` and `memory` (n,): solutions and factors."""
    count = lane.shape[0]
    abreast = count + -count % BUNDLE
    right, left, least = np.empty((width, abreast)), np.empty((width, width, abreast)), np.empty((width, abreast))
    gather(sums, c, lane, memory, scales, groups, held, centres, right, left, least)
    posteriors(right, left, least)
    return right, left


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def gather(
    sums: Sums,
    c: int,
    lane: I64,
    memory: I64,
    scales: F64,
    groups: I64,
    held: F64,
    centres: F64,
    right: F64,
    left: F64,
    least: F64,
) -> None:
    """Write what `posterior` would solve for each of `lane` and `memory` (n,): the lower triangles of its P into `left`
    (parameters, parameters, n), its right-hand sides into `right` (parameters, n), and what its pivots are at least
    into `least` (parameters, n).

    `scales` (m,) is what sums count for, `held` (groups, parameters) the precision that holds a lane to the centre of
    its group, `centres` (groups, m, parameters). What is written to may be wider than n: that is filled up.
    """
    width, count = least.shape[0], lane.shape[0]
    a, b, past_a, past_b = sums.a, sums.b, sums.past_a, sums.past_b
    for n in range(count, least.shape[1]):
        # Lanes that are there to fill a vector up are solved, too.
        for i in range(width):
            right[i, n], least[i, n] = 0.0, 1.0
            for j in range(i + 1):
                left[i, j, n] = 1.0
    for n in range(count):
        k, m = lane[n], memory[n]
        g, scale = groups[k], scales[m]
        for i in range(width):
            right[i, n] = scale * b[c, k, m, i] + past_b[c, k, i] + held[g, i] * centres[g, m, i]
            for j in range(i + 1):
                left[i, j, n] = scale * a[c, k, m, i, j] + past_a[c, k, i, j]
            left[i, i, n] += held[g, i]
            least[i, n] = 0.5 * held[g, i]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def posteriors(right: F64, left: F64, least: F64) -> None:
    """Do what `posterior` does for all lanes abreast, in the same order of operations, so that the same bits come out:
    `right` and `left`, as `gather` wrote them, become the solutions and the lower factors."""
    width, lanes = least.shape
    for j in range(width):
        for k in range(lanes):
            root = math.sqrt(max(left[j, j, k], least[j, k]))
            left[j, j, k] = root
            right[j, k] /= root
        for i in range(j + 1, width):
            for k in range(lanes):
                left[i, j, k] /= left[j, j, k]
                right[i, k] -= left[i, j, k] * right[j, k]
            for h in range(j + 1, i + 1):
                for k in range(lanes):
                    left[i, h, k] -= left[i, j, k] * left[h, j, k]
    for i in range(width - 1, -1, -1):
        for h in range(i + 1, width):
            for k in range(lanes):
                right[i, k] -= left[h, i, k] * right[h, k]
        for k in range(lanes):
            right[i, k] /= left[i, i, k]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def bank_weights(score: F64, scale: float, steady: float, out: F64) -> None:
    """Write the weights of a bank into `out`: the softmax of `scale` times its log scores.

    `steady` are the log odds of a memory over the next shorter one before anything is seen.
    """
    best, total, last = -math.inf, 0.0, score.shape[0] - 1
    for m in range(last + 1):
        best = max(best, scale * score[m] - steady * (last - m))
    for m in range(last + 1):
        out[m] = math.exp(scale * score[m] - steady * (last - m) - best)
        total += out[m]
    for m in range(score.shape[0]):
        out[m] /= total


def bank_weights_plain(score: F64, scale: float, steady: float) -> F64:
    """The plain twin of `bank_weights`.

    >>> bank_weights_plain(np.array([-3.0, -3.0]), 1.0, 1.0).tolist()
    [0.2689414213699951, 0.7310585786300049]
    """
    logs = scale * score - steady * np.arange(len(score))[::-1]
    odds = np.exp(logs - logs.max())
    return np.asarray(odds / odds.sum())


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def spread(chol: F64, x: F64, width: int, half: F64) -> float:
    """Return xᵀ P⁻¹ x, the posterior variance of a linear predictor, given P's lower factor; `half` is scratch."""
    total = 0.0
    for i in range(width):
        value = x[i]
        for k in range(i):
            value -= chol[i, k] * half[k]
        half[i] = value / chol[i, i]
        total += half[i] * half[i]
    return total


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def spreads(chol: F64, x: F64, half: F64, out: F64) -> None:
    """Write what `spread` gives for each lane into `out` (lanes,): `chol` is (parameters, parameters, lanes), `x`
    (features, lanes); `half` (features, lanes) is scratch."""
    features, lanes = x.shape
    out[:] = 0.0
    for i in range(features):
        for k in range(lanes):
            half[i, k] = x[i, k]
        for h in range(i):
            for k in range(lanes):
                half[i, k] -= chol[i, h, k] * half[h, k]
        for k in range(lanes):
            half[i, k] /= chol[i, i, k]
            out[k] += half[i, k] * half[i, k]


def settle_plain(
    sums: Sums, c: int, priors: F64, groups: I64, half_lives: I64, at: int, width: int, is_sharing: bool
) -> F64:
    """The plain twin of `settle`: return theta (lanes, m, width)."""
    lanes, bank = len(groups), len(half_lives) - 2
    theta: F64 = np.zeros((lanes, bank, width))
    for k, g in enumerate(groups.tolist()):
        for m in range(bank):
            prior = priors[g, :, :width]
            mean = sums.base[c, lanes + g, m, :width] if is_sharing else prior[1]
            scale = decay_plain(at, int(half_lives[m]), int(sums.epochs[m]))
            a, b = sums.a[c, k, m, :width, :width], sums.b[c, k, m, :width]
            past_a, past_b = sums.past_a[c, k, :width, :width], sums.past_b[c, k, :width]
            theta[k, m] = posterior_plain(a, b, scale, past_a, past_b, prior[2], mean)
    return theta
