"""Whole lots from real quantities, by largest remainder.

Rule of this file: the sum never exceeds the slice; when the function returns, what is left of the slice fits on no
open lane (no room, less than a lot, or below the lane's minimum).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numba import njit

from router.domain.market import F64, I64
from router.domain.units import Qty

LOT_NOISE = 1e-9
"""Part of a lot by which a real quantity may miss a whole one and still count as whole: rounding of floats."""


@njit(cache=True)  # type: ignore[untyped-decorator]
def to_lots(v: F64, lot: I64, minimum: I64, cap: I64, total: int) -> I64:
    """Return whole quantities (int64) near `v`: each is 0 or a multiple of its lot in [minimum, cap].

    `cap` and `minimum` are multiples of the lot; a lane with cap 0 is closed. First every lane gets its whole lots,
    then one lot each by largest remainder (equal remainders: the earlier lane), then the lanes take what is left in
    the order of their quantity v.
    """
    lanes = v.shape[0]
    q = np.zeros(lanes, dtype=np.int64)
    rank = np.zeros(lanes)
    left = total
    for k in range(lanes):
        whole = min(math.floor(v[k] / lot[k] + LOT_NOISE) * lot[k], cap[k], left - left % lot[k])
        rank[k] = v[k] / lot[k] - whole // lot[k]
        if whole >= minimum[k] and whole > 0:
            q[k] = whole
            left -= whole
    for stage in range(2):
        for _ in range(lanes):
            best = -1
            for k in range(lanes):
                if rank[k] >= 0.0 and (best < 0 or rank[k] > rank[best]):
                    best = k
            if best < 0 or left <= 0:
                break
            is_open = stage == 1 or rank[best] > LOT_NOISE
            rank[best] = -1.0
            more = min(cap[best] - q[best], left - left % lot[best])
            if stage == 0:
                more = min(more, lot[best])
            if is_open and more > 0 and q[best] + more >= minimum[best]:
                q[best] += more
                left -= more
        for k in range(lanes):
            rank[k] = max(v[k], 0.0)
    return q


def to_lots_plain(
    v: Sequence[float], lot: Sequence[Qty], minimum: Sequence[Qty], cap: Sequence[Qty], total: Qty
) -> list[Qty]:
    """Do what `to_lots` does.

    >>> to_lots_plain([33.4, 33.3, 33.3], [10, 10, 10], [0, 0, 0], [50, 50, 50], 100)
    [40, 30, 30]
    """
    q = [0] * len(v)
    lanes = range(len(v))
    whole = [0] * len(v)

    def give(k: int, more: Qty) -> None:
        left = total - sum(q)
        more = min(more, cap[k] - q[k], left - left % lot[k])
        if more > 0 and q[k] + more >= minimum[k]:
            q[k] += more

    for k in lanes:
        left = total - sum(q)
        whole[k] = min(math.floor(v[k] / lot[k] + LOT_NOISE) * lot[k], cap[k], left - left % lot[k])
        give(k, whole[k])
    remainder = [v[k] / lot[k] - whole[k] // lot[k] for k in lanes]
    for k in sorted(lanes, key=lambda k: -remainder[k]):
        if remainder[k] > LOT_NOISE:
            give(k, lot[k])
    for k in sorted(lanes, key=lambda k: -max(v[k], 0.0)):
        give(k, total)
    return q
