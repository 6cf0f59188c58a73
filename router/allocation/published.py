"""The routing probabilities that a learner publishes after each outcome, straight from its table of scores.

Rule of this file: the same numbers as `probabilities_on` gives for a WATER_FILL policy, which is the plain twin, but
over arrays: a learner publishes some ten thousand versions a day and nothing here may run once per lane in Python.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numba import njit

from router.allocation.columns import LaneTerms
from router.allocation.tails import pour_tails
from router.allocation.water_fill import water_fill
from router.domain.market import F64, I64
from router.domain.score_table import HAZARDS, LEAKAGE, MARKOUT, MU, P
from router.domain.units import Qty

EXPONENTIAL: F64 = np.zeros(0)
"""The edges of the size bins of a policy that has none."""


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


def standard_terms(prices: F64, fees: F64, sizes: I64, lots: I64, opportunity_bps: float) -> TermArrays:
    """Return what `term_arrays` makes of `lane_terms`, without a smallest quantity: the columns are those of a frame.

    >>> standard_terms(np.array([1.0]), np.array([0.25]), np.array([250]), np.array([100]), 2.0).cap.tolist()
    [200.0]
    """
    cap = (sizes - sizes % lots).astype(np.float64)
    return TermArrays(opportunity_bps + prices - fees, np.zeros(len(cap)), np.maximum(cap, 0.0))


def table_probabilities(
    standard_qty: Qty, terms: TermArrays, table: F64, size_edges: F64 = EXPONENTIAL
) -> tuple[float, ...]:
    """Return the share of the next standard slice that each lane would get, summing to 1.

    Args:
        standard_qty: the slice, in shares.
        terms: what is public of the lanes.
        table: float64 (5 + bins, lanes), see `router.domain.score_table`.
        size_edges: float64 (bins,), where the bins start, in shares; none: tails are exponential.
    """
    made: F64 = np.empty(len(terms.cap))
    _shares(table, *terms, size_edges, float(max(standard_qty, 0)), made)
    return tuple(made.tolist())


@njit(cache=True)  # type: ignore[untyped-decorator]
def _shares(table: F64, public_bps: F64, minimum: F64, cap: F64, edges: F64, total: float, out: F64) -> None:
    """Write the shares into `out`: to hand an array back costs Python more than the shares do."""
    lanes = public_bps.shape[0]
    p, mu, c, room = np.zeros(lanes), np.zeros(lanes), np.zeros(lanes), np.zeros(lanes)
    for k in range(lanes):
        worth = public_bps[k] - table[MARKOUT, k] - table[LEAKAGE, k]
        if math.isfinite(worth) and math.isfinite(table[P, k]) and math.isfinite(table[MU, k]):
            p[k], mu[k], c[k] = min(max(table[P, k], 0.0), 1.0), max(table[MU, k], 0.0), worth
            room[k] = cap[k]
    if edges.shape[0]:
        hazards = np.ascontiguousarray(table[HAZARDS : HAZARDS + edges.shape[0]].T)
        made = pour_tails(p, hazards, edges, c, minimum, room, total)
    else:
        made = water_fill(p, mu, c, minimum, room, total)
    if not _to_shares(made) and not _to_shares(p):
        out[:] = 1.0 / lanes
    else:
        out[:] = made if made.sum() > 0.0 else p


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
