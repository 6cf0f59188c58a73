"""Posting more than the slice where it may rest, because most of what rests does not fill, at an over-fill penalty.

Maximise  sum_k p_k c_k E[min(D_k, v_k)] - penalty x E[(sum_k F_k - V)+]  with F_k = min(D_k, v_k) independent, as Cont
and Kukanov (2017, section 2) price a split over limit orders: with their lambda_u for shares left over (already in c
as the opportunity) and lambda_o for shares too many, penalty is lambda_u + lambda_o, for a share too many saves no
opportunity either. What may be posted in all is bounded by the caller and is never more than its parent has left.

The next share on lane k is worth  p_k S_k(v) (c_k - penalty x P(the others fill more than V - v)): with that chance
held fixed this is one more tail, and `pour_tails` splits it. The chance is worked out again for the new split, half way
between the last two, until the rounds are over; the split that is worth the most is kept, the one without
over-booking among them.

Rule of this file: a pure kernel over arrays as in `tails`; the sum of the fills lives on `CELLS` cells a slice, which
errs by less than a cell. The plain twin climbs the same objective on finer cells without any formula for its slope.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from router.allocation.tails import pour_tails, tail_value
from router.domain.market import F64

CELLS = 32
"""Cells of a slice on which the sum of fills is added up."""

ROUNDS = 12
"""Splits that are tried; halving the way in each leaves less than a cell after six."""

FADED = 7.0
"""How far log-worth falls where the penalty has eaten it up, in place of to minus infinity."""


@njit(cache=True)  # type: ignore[untyped-decorator]
def _survival(p: F64, hazards: F64, edges: F64, cell: float, points: int) -> F64:
    """Return P(F_k >= i cells) of each lane were it posted without end: float64 (lanes, points); 1 at i = 0 counts
    as p, the chance that anything is met."""
    lanes, bins = hazards.shape
    out = np.zeros((lanes, points))
    for k in range(lanes):
        j, depth = 0, 0.0
        for i in range(points):
            v = i * cell
            while j + 1 < bins and edges[j + 1] <= v:
                depth += hazards[k, j] * (edges[j + 1] - edges[j])
                j += 1
            out[k, i] = p[k] * math.exp(-(depth + hazards[k, j] * (v - edges[j])))
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def _fills(k: int, v: float, survival: F64, cell: float, out: F64) -> float:
    """Write the chances of lane k's fill in cells, those at or above the slice in the last; return its mean in cells.

    A quantity between two cells counts for both in proportion, so that means are kept.
    """
    out[:] = 0.0
    top, points = out.shape[0] - 1, survival.shape[1]
    at = min(v / cell, float(points - 1))
    whole = int(at)
    part = at - whole
    mean, left = 0.0, 1.0
    for i in range(whole + 1):
        # The quantity's end lies `part` of the way into the last cell, which is left out where it is nothing.
        length = 1.0 if i < whole else part
        if length <= 0.0:
            break
        gone = (survival[k, i] - survival[k, min(i + 1, points - 1)]) * length
        out[min(i, top)] += gone * (1.0 - 0.5 * length)
        out[min(i + 1, top)] += gone * 0.5 * length
        mean += gone * (i + 0.5 * length)
        left -= gone
    full = survival[k, whole] - (survival[k, whole] - survival[k, min(whole + 1, points - 1)]) * part
    out[min(whole, top)] += full * (1.0 - part)
    out[min(whole + 1, top)] += full * part
    mean += full * at
    out[0] += left - full
    return float(mean)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _add(one: F64, other: F64, out: F64) -> None:
    """Write the chances of the sum of two fills; the last cell holds all that is at or above the slice."""
    out[:] = 0.0
    top = out.shape[0] - 1
    for i in range(top + 1):
        if one[i] > 0.0:
            for j in range(top + 1):
                out[min(i + j, top)] += one[i] * other[j]


@njit(cache=True)  # type: ignore[untyped-decorator]
def _over(v: F64, total: float, survival: F64) -> float:
    """Return E[(sum of fills - total)+] in shares; exactly 0 for a split that posts no more than the total."""
    if v.sum() <= total:
        return 0.0
    cell = total / CELLS
    ahead, one, both = np.zeros(CELLS + 1), np.zeros(CELLS + 1), np.zeros(CELLS + 1)
    ahead[0], mean = 1.0, 0.0
    for k in range(v.shape[0]):
        if v[k] > 0.0:
            mean += _fills(k, v[k], survival, cell, one)
            _add(ahead, one, both)
            ahead[:] = both
    for i in range(CELLS + 1):
        mean -= ahead[i] * i
    return max(mean, 0.0) * cell


@njit(cache=True)  # type: ignore[untyped-decorator]
def _crowding(v: F64, total: float, survival: F64) -> F64:
    """Return P(the other lanes fill more than total - i cells) per lane and i: float64 (lanes, points)."""
    lanes, points = survival.shape
    cell = total / CELLS
    ones, before = np.zeros((lanes, CELLS + 1)), np.zeros((lanes + 1, CELLS + 1))
    before[0, 0] = 1.0
    for k in range(lanes):
        _fills(k, v[k], survival, cell, ones[k])
        _add(before[k], ones[k], before[k + 1])
    out, after, others = np.ones((lanes, points)), np.zeros(CELLS + 1), np.zeros(CELLS + 1)
    after[0] = 1.0
    for k in range(lanes - 1, -1, -1):
        _add(before[k], after, others)
        chance = 0.0
        for i in range(min(CELLS + 1, points)):
            # Strictly more: fills that just make the slice whole are none too many.
            out[k, i] = chance
            chance += others[CELLS - i]
        _add(after, ones[k], others)
        after[:] = others
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def _as_tails(worth: F64, survival: F64, cell: float, cap: F64, hazards: F64, first: F64, room: F64) -> None:
    """Write what a lane's shares are worth as a tail: its first share's worth, hazards per cell, and where it ends.

    `worth` is float64 (lanes, points), bps: the value of a share that fills, at each cell's start.
    """
    lanes, points = survival.shape
    for k in range(lanes):
        first[k], room[k] = survival[k, 0] * max(worth[k, 0], 0.0), cap[k]
        hazards[k, :] = 0.0
        if first[k] <= 0.0:
            room[k] = 0.0
            continue
        for i in range(points - 1):
            here, there = survival[k, i] * worth[k, i], survival[k, i + 1] * worth[k, i + 1]
            if there > 0.0:
                hazards[k, i] = max(math.log(here / there), 0.0) / cell
                continue
            reach = max(here / (here - there), 1e-9) if here > there else 1.0
            hazards[k, i] = FADED / (reach * cell)
            room[k] = min(room[k], (i + reach) * cell)
            break


@njit(cache=True)  # type: ignore[untyped-decorator]
def _pour_both(
    first: F64, hazards: F64, edges: F64, minimum: F64, room: F64, may: F64, total: float, most: float
) -> F64:
    """Split `most`, of which lanes that may not be over-booked get `total` at most."""
    ones = np.ones(first.shape[0])
    v: F64 = pour_tails(ones, hazards, edges, first, minimum, room, most)
    if (v * (1.0 - may)).sum() <= total:
        return v
    # Both bounds bind, and then the two kinds of lanes have nothing to do with each other.
    firm: F64 = pour_tails(ones, hazards, edges, first, minimum, room * (1.0 - may), total)
    free: F64 = pour_tails(ones, hazards, edges, first, minimum, room * may, most - total)
    return firm + free


@njit(cache=True)  # type: ignore[untyped-decorator]
def overbook(
    p: F64,
    hazards: F64,
    edges: F64,
    c: F64,
    minimum: F64,
    cap: F64,
    may: F64,
    total: float,
    most: float,
    penalty_bps: float,
) -> F64:
    """Return the real quantities v (float64, one per lane) of the best split that may post `most` against `total`.

    Args:
        p, hazards, edges, c, minimum, cap, total: as in `pour_tails`, whose split is returned where none that posts
            more is worth more; hazards are finite and at or above 0.
        may: float64 (lanes,), 1 where a lane may be over-booked, 0 where not: the latter get `total` together at most.
        most: shares that may be posted in all; at or below `total` there is no over-booking.
        penalty_bps: what a share that fills beyond `total` costs, on top of what its fill is worth.
    """
    best: F64 = pour_tails(p, hazards, edges, c, minimum, cap, total)
    if most <= total or total <= 0.0:
        return best
    lanes, cell = p.shape[0], total / CELLS
    points = math.ceil(most / cell) + 1
    grid = np.arange(points) * cell
    survival = _survival(p, hazards, edges, cell, points)
    slopes, first, room = np.zeros((lanes, points)), np.zeros(lanes), np.zeros(lanes)
    reached: float = tail_value(p, hazards, edges, c, best)
    v = best.copy()
    for _ in range(ROUNDS):
        worth = c.reshape(lanes, 1) - penalty_bps * _crowding(v, total, survival)
        _as_tails(worth, survival, cell, cap, slopes, first, room)
        made = _pour_both(first, slopes, grid, minimum, room, may, total, most)
        value = tail_value(p, hazards, edges, c, made) - penalty_bps * _over(made, total, survival)
        if value > reached:
            best, reached = made, value
        v = 0.5 * (v + made)
    return best
