"""The sums of a lane model, and how one observation enters them for every half-life of the bank at once.

Rule of this file: kernels only add. What an observation is linearised at (`base`, `rates`) was fixed before it came,
so that observations between two refreshes may come in any order, or in shards that are added up later.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from learners.lanes.clock import SHIFT_MAX
from learners.lanes.families import weigh, weigh_plain
from learners.lanes.shape import COMPONENTS, SIZE, SIZE_EDGES, LaneShape
from router.domain.market import F64, I64


class Sums(NamedTuple):
    """All that is learned: c components, r rows (lanes, then groups), m half-lives, w parameters, j size bins.

    `a` (c, r, m, w, w), lower triangles, and `b` (c, r, m, w): discounted information. `base` (c, r, m, w): parameters
    at which observations are linearised. `score` (c, r, m): discounted log scores. `bins` (r, m, j, 2): discounted
    events and exposure per size bin. `rates` (r, m, j): hazards by which bins are scored. `bin_score` (r, m) and
    `tail_score` (r, 2): log scores of the bins per half-life, and of the exponential tail and the bins. `mixes`
    (r, 2, m): weights of the bank for the exponential tail and for the bins, as of the last refresh. `fresh` (c, r, 3):
    residuals, their variance, and by how much the shortest memory predicted better than the longest, since the
    detectors were last fed; `lead` (c, r): the last of these added up since it was last below 0. `past_a` (c, r, w, w),
    `past_b` (c, r, w), `past_bins` (r, j, 2): what past days said, which does not decay. `counts` (c, r, 3), whole:
    observations ever, since the last refresh, and of past days. `epochs` (m + 2,), whole, in half-lives; the last two
    are those of the scores and of the tails' scores.
    """

    a: F64
    b: F64
    base: F64
    score: F64
    bins: F64
    rates: F64
    bin_score: F64
    tail_score: F64
    mixes: F64
    fresh: F64
    lead: F64
    past_a: F64
    past_b: F64
    past_bins: F64
    counts: I64
    epochs: I64


def empty_sums(shape: LaneShape, bank: int) -> Sums:
    """Return the sums of nothing."""
    c, r, w, j = len(COMPONENTS), shape.rows, shape.width, len(SIZE_EDGES)
    return Sums(
        a=np.zeros((c, r, bank, w, w)),
        b=np.zeros((c, r, bank, w)),
        base=np.zeros((c, r, bank, w)),
        score=np.zeros((c, r, bank)),
        bins=np.zeros((r, bank, j, 2)),
        rates=np.zeros((r, bank, j)),
        bin_score=np.zeros((r, bank)),
        tail_score=np.zeros((r, 2)),
        mixes=np.full((r, 2, bank), 1.0 / bank),
        fresh=np.zeros((c, r, 3)),
        lead=np.zeros((c, r)),
        past_a=np.zeros((c, r, w, w)),
        past_b=np.zeros((c, r, w)),
        past_bins=np.zeros((r, j, 2)),
        counts=np.zeros((c, r, 3), dtype=np.int64),
        epochs=np.zeros(bank + 2, dtype=np.int64),
    )


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def observe(
    sums: Sums, c: int, lane: int, group: int, gamma: F64, xs: F64, family: int, ys: F64, exposures: F64
) -> None:
    """Add observations of one lane to its row, each half-life linearised at its own base.

    `xs` is (n, parameters), `ys` and `exposures` (n,); `gamma` (m + 2,) are the weights of the event's time.
    """
    bank, width = sums.b.shape[2], xs.shape[1]
    for i in range(xs.shape[0]):
        residual, variance, score, first = 0.0, 0.0, 0.0, 0.0
        for m in range(bank):
            eta = 0.0
            for j in range(width):
                eta += sums.base[c, lane, m, j] * xs[i, j]
            w, wz, score, residual, variance = weigh(family, eta, ys[i], exposures[i])
            sums.score[c, lane, m] += gamma[bank] * score
            if m == 0:
                first = score
            w, wz = gamma[m] * w, gamma[m] * wz
            for j in range(width):
                x = xs[i, j]
                if x == 0.0:
                    continue
                sums.b[c, lane, m, j] += wz * x
                wx = w * x
                for k in range(j + 1):
                    sums.a[c, lane, m, j, k] += wx * xs[i, k]
        # The size's lead is that of its bins. Residuals are those of the longest memory, the last of the bank: the
        # others follow a break by themselves.
        sums.fresh[c, lane, 0] += residual
        sums.fresh[c, lane, 1] += variance
        if c != SIZE:
            sums.fresh[c, lane, 2] += first - score
    for row in (lane, group):
        sums.counts[c, row, 0] += 1
        sums.counts[c, row, 1] += 1


def observe_plain(
    sums: Sums, c: int, lane: int, group: int, gamma: F64, xs: F64, family: int, ys: F64, exposures: F64
) -> None:
    """The plain twin of `observe`."""
    bank, width = sums.b.shape[2], xs.shape[1]
    for x, y, exposure in zip(xs, ys.tolist(), exposures.tolist(), strict=True):
        first = 0.0
        for m in range(bank):
            eta = float(sums.base[c, lane, m, :width] @ x)
            w, wz, score, residual, variance = weigh_plain(family, eta, y, exposure)
            sums.score[c, lane, m] += gamma[bank] * score
            first = score if m == 0 else first
            sums.b[c, lane, m, :width] += gamma[m] * wz * x
            sums.a[c, lane, m, :width, :width] += np.tril(gamma[m] * w * np.outer(x, x))
        sums.fresh[c, lane] += (residual, variance, first - score if c != SIZE else 0.0)
    sums.counts[c, [lane, group], :2] += 1


def copied(sums: Sums) -> Sums:
    """Return sums that share nothing with these."""
    return Sums._make(array.copy() for array in sums)


def move_sums(sums: Sums, epochs: I64) -> None:
    """Take sums to other epochs, in place: a multiplication by powers of two, which is exact."""
    factors = np.array([math.ldexp(1.0, max(int(shift), -SHIFT_MAX)) for shift in (sums.epochs - epochs).tolist()])
    bank = factors[:-2]
    sums.a[...] *= bank[:, None, None]
    sums.b[...] *= bank[:, None]
    sums.bins[...] *= bank[:, None, None]
    sums.score[...] *= factors[-2]
    sums.bin_score[...] *= factors[-2]
    sums.tail_score[...] *= factors[-1]
    sums.epochs[...] = epochs
