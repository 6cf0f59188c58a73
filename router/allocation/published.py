"""The routing probabilities that a learner publishes after each outcome, straight from its table of scores.

Rule of this file: the same numbers as `probabilities_on` gives for a WATER_FILL policy, which is the plain twin, but
over arrays: a learner publishes some ten thousand versions a day and nothing here may run once per lane in Python.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from router.allocation.allocate import LaneTerms
from router.allocation.water_fill import water_fill
from router.domain.market import F64
from router.domain.units import Qty


class TermArrays(NamedTuple):
    """`LaneTerms` as float64 arrays over lanes."""

    public_bps: F64
    minimum: F64
    cap: F64


def term_arrays(terms: LaneTerms) -> TermArrays:
    """Return the terms as arrays, once for all the versions of a moment."""
    return TermArrays(
        np.array(terms.public_bps, dtype=np.float64),
        np.array(terms.minimum, dtype=np.float64),
        np.array(terms.cap, dtype=np.float64),
    )


def table_probabilities(standard_qty: Qty, terms: TermArrays, table: F64) -> tuple[float, ...]:
    """Return the share of the next standard slice that each lane would get, summing to 1.

    Args:
        standard_qty: the slice, in shares.
        terms: what is public of the lanes.
        table: float64 (3, lanes): p, mu and markout_bps of each lane, as in `LaneScore`.
    """
    made: list[float] = _shares(table, *terms, float(max(standard_qty, 0))).tolist()
    return tuple(made)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _shares(table: F64, public_bps: F64, minimum: F64, cap: F64, total: float) -> F64:
    lanes = public_bps.shape[0]
    p, mu, c, room = np.zeros(lanes), np.zeros(lanes), np.zeros(lanes), np.zeros(lanes)
    for k in range(lanes):
        worth = public_bps[k] - table[2, k]
        if math.isfinite(worth) and math.isfinite(table[0, k]) and math.isfinite(table[1, k]):
            p[k], mu[k], c[k] = min(max(table[0, k], 0.0), 1.0), max(table[1, k], 0.0), worth
            room[k] = cap[k]
    made = water_fill(p, mu, c, minimum, room, total)
    if not _to_shares(made) and not _to_shares(p):
        return np.full(lanes, 1.0 / lanes)
    return made if made.sum() > 0.0 else p


@njit(cache=True)  # type: ignore[untyped-decorator]
def _to_shares(weights: F64) -> bool:
    """Scale weights (none below 0) to a sum of 1, the largest first to 1 as `shares` does; False when all are 0."""
    largest = weights.max() if weights.shape[0] else 0.0
    if largest <= 0.0:
        return False
    total = 0.0
    for k in range(weights.shape[0]):
        weights[k] /= largest
        total += weights[k]
    for k in range(weights.shape[0]):
        weights[k] /= total
    return True
