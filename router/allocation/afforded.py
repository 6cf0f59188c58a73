"""Whether a budget covers one split and each of its probes, in one crossing into compiled code: what they give up
against the better of the split and the static one.

Rule of this file: the same answer as `allocate_rows` comes to by its parts for lanes without a smallest quantity; what
is done where it is no is for others to say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from router.allocation.columns import Columns, tails_of
from router.allocation.lots import to_lots
from router.allocation.poured import Poured
from router.allocation.tails import HAZARD_MAX, pour_tails, tail_value
from router.allocation.weighed import pour_weights
from router.domain.market import F64, I64
from router.domain.units import Qty

NOISE = 1e-9
"""Part of a budget by which a bound must keep within it: rounding of floats."""


class Staked(NamedTuple):
    """What is the same for every slice over some lanes, as arrays over lanes."""

    p: F64
    hazards: F64
    edges: F64
    lot: I64
    cap: I64
    static: F64
    """Weights of the split that a budget falls back on."""
    weights: F64
    """Weights that a slice is split by; none: it is filled by worth."""


def staked(columns: Columns, static: Sequence[float], weights: Sequence[float]) -> Staked:
    """Return the lanes of `columns` as arrays; none in `weights`: slices are filled by worth."""
    hazards, edges = tails_of(columns)
    p: F64 = np.array(columns.p, dtype=np.float64)
    bounds: I64 = np.array((columns.lot, columns.cap), dtype=np.int64)
    still: F64 = np.array(static, dtype=np.float64)
    wanted: F64 = np.array(weights, dtype=np.float64)
    return Staked(p, hazards, edges, bounds[0], bounds[1], still, wanted)


def is_afforded(slice_qty: Qty, lanes: Staked, split: Poured, probe_share: float, budget: float) -> bool:
    """Whether neither `split` nor the worst of its probes gives up more than `budget`, in bps times shares; a
    `probe_share` of 0: nothing is probed."""
    c: F64 = np.array(split.values_bps, dtype=np.float64)
    made: I64 = np.array(split.quantities, dtype=np.int64)
    probes: I64 = np.array(split.probes if probe_share > 0.0 else (), dtype=np.int64)
    return bool(_is_afforded(slice_qty, *lanes, c, made, probes, probe_share, budget))


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _is_afforded(
    slice_qty: int,
    p: F64,
    hazards: F64,
    edges: F64,
    lot: I64,
    cap: I64,
    static: F64,
    weights: F64,
    c: F64,
    made: I64,
    probes: I64,
    probe_share: float,
    budget: float,
) -> bool:
    fallen_back = _split(slice_qty, p, hazards, edges, lot, cap, static, c)
    own = tail_value(p, hazards, edges, c, made.astype(np.float64))
    benchmark = max(own, tail_value(p, hazards, edges, c, fallen_back.astype(np.float64)))
    if benchmark - own > budget:
        return False
    dearest, most = np.where(cap > 0, np.minimum(p * c, 0.0), 0.0).min(), 0
    for k in probes:
        most = max(most, _probe_qty(slice_qty, probe_share, lot[k]))
    # A lane costs at most p c for each share, and where slices are filled by worth only the probe's lane may cost.
    if benchmark - dearest * (slice_qty if weights.shape[0] else most) < budget * (1.0 - NOISE):
        return True
    for k in probes:
        qty = _probe_qty(slice_qty, probe_share, lot[k])
        room = cap.copy()
        room[k] -= qty
        probed = _split(slice_qty - qty, p, hazards, edges, lot, room, weights, c)
        probed[k] += qty
        if benchmark - tail_value(p, hazards, edges, c, probed.astype(np.float64)) > budget:
            return False
    return True


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _probe_qty(slice_qty: int, probe_share: float, lot: int) -> int:
    qty = int(probe_share * slice_qty)
    return max(qty - qty % lot, lot)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _split(qty: int, p: F64, hazards: F64, edges: F64, lot: I64, cap: I64, weights: F64, c: F64) -> I64:
    """Return whole quantities by weights, or by worth where there are none."""
    least = np.zeros(lot.shape[0], np.int64)
    if weights.shape[0]:
        wanted = np.where(cap > 0, weights, 0.0)
        by_weight: I64 = to_lots(pour_weights(wanted, cap, qty), lot, least, np.where(wanted > 0.0, cap, 0), qty)
        return by_weight
    is_wanted = (hazards[:, 0] <= HAZARD_MAX) & (c > 0.0) & (p * c > 0.0)
    real = pour_tails(p, hazards, edges, c, least.astype(np.float64), cap.astype(np.float64), float(qty))
    by_worth: I64 = to_lots(real, lot, least, np.where(is_wanted, cap, 0), qty)
    return by_worth
