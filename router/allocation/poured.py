"""The split of most decisions in one crossing into compiled code: a table's lanes filled by worth, under no rules.

Rule of this file: the same numbers, to the bit, as `allocate_rows` comes to by its parts, which is the plain twin; what
is not plain (a slice that one lane should get, nothing to send) it leaves to them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numba import njit

from router.allocation.columns import PublicRow
from router.allocation.lots import to_lots
from router.allocation.tails import HAZARD_MAX, pour_tails
from router.domain.market import F64, I64
from router.domain.score_table import HAZARDS, LEAKAGE, MARKOUT, MU, SPREAD, P
from router.domain.units import Qty


class Poured(NamedTuple):
    """A split: whole quantities, the real ones that they are of, the lanes' values in bps, and which of them can take a
    probe."""

    quantities: list[Qty]
    real: list[float]
    values_bps: list[float]
    probes: list[int]


def poured(
    slice_qty: Qty,
    rows: Sequence[PublicRow],
    table: F64,
    size_edges: Sequence[float],
    opportunity_bps: float,
    probe_share: float,
) -> Poured | None:
    """Return the split of `slice_qty` over the lanes of `rows` and of `table` (see `router.domain.score_table`), whose
    size bins start at `size_edges`; None where it is to be worked out part by part.

    >>> table = np.array([[0.5, 0.2], [300.0, 500.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [1 / 300, 1 / 500]])
    >>> rows = [(1.0, -0.5, 100, 0, 10_000), (0.0, 0.25, 100, 0, 10_000)]
    >>> poured(1_000, rows, table, (0.0,), 2.0, 0.0).quantities
    [700, 300]
    """
    public: F64 = np.array(rows, dtype=np.float64).reshape(-1, 5)
    edges: F64 = np.array(size_edges, dtype=np.float64)
    return poured_arrays(slice_qty, public, table, edges, opportunity_bps, probe_share)


def poured_arrays(
    slice_qty: Qty, public: F64, table: F64, edges: F64, opportunity_bps: float, probe_share: float
) -> Poured | None:
    """Do what `poured` does with what is public of the lanes, float64 (lanes, 5), and the edges as arrays."""
    lanes = public.shape[0]
    if not lanes:
        return None
    numbers: F64 = np.empty((2, lanes))
    whole: I64 = np.empty((2, lanes), dtype=np.int64)
    if not _pour(slice_qty, public, table, edges, opportunity_bps, probe_share, numbers, whole):
        return None
    return told(numbers, whole)


def told(numbers: F64, whole: I64) -> Poured:
    """Return what a kernel wrote: real quantities and values (2, lanes), whole ones and who can take a probe."""
    quantities, can_probe = whole.tolist()
    real, values_bps = numbers.tolist()
    return Poured(quantities, real, values_bps, [k for k, can in enumerate(can_probe) if can])


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _pour(
    slice_qty: int,
    public: F64,
    table: F64,
    edges: F64,
    opportunity_bps: float,
    probe_share: float,
    numbers: F64,
    whole: I64,
) -> bool:
    """Write the real quantities and values into `numbers` (2, lanes), the whole ones and who can take a probe into
    `whole` (2, lanes); False where it is not to be filled by worth, or nothing is."""
    lanes, bins = public.shape[0], edges.shape[0]
    p, c, hazards = np.zeros(lanes), np.zeros(lanes), np.zeros((lanes, bins))
    lot, minimum, cap = np.ones(lanes, np.int64), np.zeros(lanes, np.int64), np.zeros(lanes, np.int64)
    has_spread = False
    for k in range(lanes):
        has_spread |= 0.0 < table[SPREAD, k] < math.inf
        lot[k] = int(public[k, 2])
        minimum[k] = max(int(public[k, 3]) + -int(public[k, 3]) % lot[k], 0)
        most = int(public[k, 4]) - int(public[k, 4]) % lot[k]
        cap[k] = most if minimum[k] <= most else 0
        worth = opportunity_bps + public[k, 0] - public[k, 1] - table[MARKOUT, k] - table[LEAKAGE, k]
        is_sound = math.isfinite(worth) and math.isfinite(table[P, k]) and math.isfinite(table[MU, k])
        if is_sound:
            p[k], c[k] = min(max(table[P, k], 0.0), 1.0), worth
        has_tail = True
        for j in range(bins):
            hazards[k, j] = table[HAZARDS + j, k]
            has_tail &= 0.0 <= hazards[k, j] < math.inf
        if not has_tail:
            hazards[k, :] = 0.0
        if not has_tail or not is_sound:
            cap[k] = 0
    wanted = (hazards[:, 0] <= HAZARD_MAX) & (c > 0.0) & (p * c > 0.0)
    if has_spread and not _can_share(lot, minimum, cap, wanted, slice_qty):
        return False
    real = pour_tails(p, hazards, edges, c, minimum.astype(np.float64), cap.astype(np.float64), float(slice_qty))
    if not real.sum() > 0.0:
        return False
    whole[0] = to_lots(real, lot, minimum, np.where(wanted, cap, 0), slice_qty)
    numbers[0], numbers[1] = real, c
    note_probes(slice_qty, lot, minimum, cap, probe_share, whole)
    return True


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def note_probes(slice_qty: int, lot: I64, minimum: I64, cap: I64, probe_share: float, whole: I64) -> None:
    """Write which lanes have room for a probe, once the whole quantities stand, into the second row of `whole`."""
    allocated = min(whole[0].sum(), slice_qty)
    for k in range(lot.shape[0]):
        probe = int(probe_share * slice_qty)
        probe = max(probe - probe % lot[k], lot[k], minimum[k])
        whole[1, k] = allocated > 0 and probe <= min(cap[k], allocated)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _can_share(lot: I64, minimum: I64, cap: I64, wanted: F64, slice_qty: int) -> bool:
    """Whether two of the lanes that are wanted can share the slice."""
    least, second = -1, -1
    for k in range(lot.shape[0]):
        if wanted[k] and cap[k] > 0:
            needs = max(lot[k], minimum[k])
            if least < 0 or needs < least:
                least, second = needs, least
            elif second < 0 or needs < second:
                second = needs
    return bool(second >= 0 and least + second <= slice_qty)
