"""A look at a lane model as the rows of a table of scores, in one crossing into compiled code.

Rule of this file: what was looked at is only put into its place, bounded and combined; nothing is predicted here.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from learners.lanes.look import Sight
from learners.lanes.read import B8
from learners.lanes.shape import FILL, LEAK
from router.domain.market import F64
from router.domain.score_table import HAZARDS, LEAKAGE, MARKOUT, MU, SPREAD, P

MU_MIN = 1.0
"""A mean size is at least a share."""


def score_rows(seen: Sight, worth_bps: F64, is_asked: B8, scored: int, is_leaking: bool, table: F64) -> None:
    """Write a look into `table` float64 (5 + bins, lanes), laid out as `router.domain.score_table` says.

    `worth_bps` (lanes,) is what is public of a share's worth, `is_asked` (lanes,) says which lanes are requests,
    `scored` is the component of the markout; leakage is 0 unless `is_leaking`. The spread is the standard deviation of
    a share's worth: of its chance and of its cost.
    """
    of_cost: F64 = np.empty(len(worth_bps))
    _write(seen.p, seen.mu, seen.hazards, seen.costs, seen.sd, worth_bps, is_asked, scored, is_leaking, table, of_cost)
    np.hypot(table[SPREAD], of_cost, out=table[SPREAD])


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def _write(
    p: F64,
    mu: F64,
    hazards: F64,
    costs: F64,
    sd: F64,
    worth_bps: F64,
    is_asked: B8,
    scored: int,
    is_leaking: bool,
    table: F64,
    of_cost: F64,
) -> None:
    """Write all but the spread, of which its part by chance goes into the table and that by cost into `of_cost`."""
    for k in range(p.shape[0]):
        table[P, k], table[MU, k], table[MARKOUT, k] = p[k], max(mu[k], MU_MIN), costs[scored, k]
        # Asking moves no price towards us. Where the mid came our way on balance, it would have come without us.
        table[LEAKAGE, k] = max(costs[LEAK, k], 0.0) if is_leaking and is_asked[k] else 0.0
        worth = worth_bps[k] - (table[MARKOUT, k] + table[LEAKAGE, k])
        table[SPREAD, k] = p[k] * (1.0 - p[k]) * sd[FILL, k] * worth
        of_cost[k] = p[k] * sd[scored, k]
        for j in range(table.shape[0] - HAZARDS):
            table[HAZARDS + j, k] = hazards[k, j]


def score_rows_plain(seen: Sight, worth_bps: F64, is_asked: B8, scored: int, is_leaking: bool, table: F64) -> None:
    """The plain twin of `score_rows`."""
    table[P], table[MU], table[MARKOUT] = seen.p, np.maximum(seen.mu, MU_MIN), seen.costs[scored]
    table[LEAKAGE] = np.where(is_asked, np.maximum(seen.costs[LEAK], 0.0), 0.0) if is_leaking else 0.0
    worth = worth_bps - (table[MARKOUT] + table[LEAKAGE])
    table[SPREAD] = np.hypot(seen.p * (1.0 - seen.p) * seen.sd[FILL] * worth, seen.p * seen.sd[scored])
    table[HAZARDS:] = seen.hazards.T[: len(table) - HAZARDS]
