"""Slices that go to one lane only: the chances of each lane, as Thompson's rule would choose.

Rule of this file: what is drawn is the worth of the whole slice on a lane, per share of it, with the policy's own
uncertainty of it; lanes that no split by worth would use are never drawn.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from router.allocation.columns import Columns, tails_of, wants
from router.allocation.tails import tail_value
from router.allocation.thompson import VARIANCE_SHARE, choice_probabilities
from router.domain.market import F64
from router.domain.units import Qty, round_down


def choice_of(
    columns: Columns, spread_bps: Sequence[float], slice_qty: Qty, is_single_lane: bool
) -> list[float] | None:
    """Return the chance of each lane to get all of the slice; None where the slice is to be split.

    It goes to one lane where `is_single_lane` says so (without a spread: to the best), and where no two lanes can
    share it and some score has a spread. `spread_bps` is the standard deviation of what the policy believes a share
    sent to the lane to be worth; one that is not a finite number above 0 counts as none.
    """
    spread = [s if 0.0 < s < math.inf else 0.0 for s in spread_bps]
    if not is_single_lane and not any(spread):
        return None
    wanted = [k for k, cap in enumerate(columns.cap) if cap > 0 and wants(columns, k)]
    least = sorted(max(columns.lot[k], columns.minimum[k]) for k in wanted)
    if not is_single_lane and sum(least[:2]) <= slice_qty and len(least) > 1:
        return None
    mean: F64 = np.full(len(columns.cap), math.nan)
    for k in wanted:
        qty = min(round_down(slice_qty, columns.lot[k]), columns.cap[k])
        if qty >= max(columns.minimum[k], 1):
            mean[k] = _worth_of(columns, k, qty) / slice_qty
    variance: F64 = VARIANCE_SHARE * np.array(spread, dtype=np.float64) ** 2
    chances: list[float] = choice_probabilities(mean, variance).tolist()
    return chances


def _worth_of(columns: Columns, k: int, qty: Qty) -> float:
    hazards, edges = tails_of(columns)
    p: F64 = np.array([columns.p[k]])
    c: F64 = np.array([columns.c[k]])
    return float(tail_value(p, hazards[k : k + 1], edges, c, np.array([float(qty)])))
