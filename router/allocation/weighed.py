"""The split of a slice by weights in one crossing into compiled code: what a policy gets while a limit slows it, and
what is in force when no learner is.

Rule of this file: the same numbers as `allocate_rows` comes to by its parts for lanes without a smallest quantity.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from router.allocation.lots import to_lots
from router.allocation.poured import Poured, note_probes, told
from router.domain.market import F64, I64
from router.domain.units import Qty


def weighed_arrays(
    slice_qty: Qty, public_bps: F64, weights: F64, lot: I64, cap: I64, opportunity_bps: float, probe_share: float
) -> Poured | None:
    """Return the split of `slice_qty` in proportion to `weights`, float64 (lanes,), each 0 or more, 0 where `cap` is 0;
    None where there is nothing to split by.

    `public_bps` is float64 (lanes, 4): price, fee, markout and leakage. `lot` and `cap` are int64 (lanes,), in shares;
    caps are whole lots, 0 for a lane that has no room.

    >>> lots, caps = np.array([1, 1]), np.array([900, 900])
    >>> weighed_arrays(100, np.zeros((2, 4)), np.array([3.0, 1.0]), lots, caps, 1.0, 0.0).quantities
    [75, 25]
    """
    lanes = weights.shape[0]
    if not lanes:
        return None
    numbers: F64 = np.empty((2, lanes))
    whole: I64 = np.empty((2, lanes), dtype=np.int64)
    if not _weigh(slice_qty, public_bps, weights, lot, cap, opportunity_bps, probe_share, numbers, whole):
        return None
    return told(numbers, whole)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _weigh(
    slice_qty: int,
    public_bps: F64,
    weights: F64,
    lot: I64,
    cap: I64,
    opportunity_bps: float,
    probe_share: float,
    numbers: F64,
    whole: I64,
) -> bool:
    """Write what `_pour` of `router.allocation.poured` writes; False where no weight counts."""
    lanes = weights.shape[0]
    if not weights.max() > 0.0:
        return False
    v = pour_weights(weights, cap, slice_qty)
    minimum = np.zeros(lanes, np.int64)
    whole[0] = to_lots(v, lot, minimum, np.where(weights > 0.0, cap, 0), slice_qty)
    numbers[0] = v
    for k in range(lanes):
        numbers[1, k] = opportunity_bps + public_bps[k, 0] - public_bps[k, 1] - public_bps[k, 2] - public_bps[k, 3]
    note_probes(slice_qty, lot, minimum, cap, probe_share, whole)
    return True


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def pour_weights(weights: F64, cap: I64, total: int) -> F64:
    """Return real quantities (float64, one per lane) of `total` in proportion to `weights`, each 0 or more and 0 where
    `cap` is 0; lanes at their cap pass the rest on in proportion. All 0 when no weight counts."""
    lanes = weights.shape[0]
    v, is_free = np.zeros(lanes), weights > 0.0
    largest = weights.max()
    if not largest > 0.0:
        return v
    left = float(total)
    while True:
        whole = 0.0
        for k in range(lanes):
            if is_free[k]:
                whole += weights[k] / largest
        full = 0
        taken = 0
        for k in range(lanes):
            if is_free[k] and left * ((weights[k] / largest) / whole) >= cap[k]:
                v[k] = cap[k]
                full += 1
                taken += cap[k]
        if full == 0:
            break
        left = max(left - float(taken), 0.0)
        for k in range(lanes):
            is_free[k] = is_free[k] and v[k] < cap[k]
    for k in range(lanes):
        if is_free[k]:
            v[k] = left * ((weights[k] / largest) / whole)
    return v
