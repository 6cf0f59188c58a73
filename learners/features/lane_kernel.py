"""Every lane's features and public price, fee and size at one moment, as a numba kernel: the plain twin is `lanes`.

Rule of this file: every number goes through the operations of the twin in their order, so that both give the same
bits.

What goes in, all int64 but `own` and `rates`:
* `lanes` (lanes, 2): the lane's venue and its way to trade, one of the constants below;
* `book` (venues, 5): at, bid_px, bid_qty, ask_px, ask_qty as last quoted; `is_up` bool (venues,);
* `terms` (venues, 4): tick, price and size of the dealer's best tier on our far side (0: none), `rfq_max_qty`;
* `touch` (4,): the side's sign, twice the mid (0: none), the consolidated best price near us and far from us;
* `own` float64 (venues,): our own recent fill share; `rates` float64 (lanes, 2): micros a share, bps on top;
* `common` float64 (features - 3,): the features that all lanes have in common, in their order, the price model's last.

What comes out: `x` float64 (lanes, features), `bps` float64 (2, lanes) with price and fee, `sizes` int64 (lanes,).
"""

from __future__ import annotations

import math

from numba import njit

from learners.features.fold import Flags
from learners.features.names import FEATURE_MAX, SIZE_LOG_SCALE, SIZE_REFERENCE
from router.domain.market import F64, I64
from router.domain.units import MICROS_PER_PX

TAKES, RESTS, PEGS, ASKS = range(4)
"""Ways to trade: take the far touch, rest at the near touch, rest at the mid, ask a dealer."""

TICK, TIER_PX, TIER_QTY, RFQ_QTY = range(4)
SIGN, MID2, NEAR, FAR = range(4)
SIZE, AT_TOUCH, OWN_FILLS = -4, -3, -2
"""Columns of a lane's own, counted from the last, which is the price model's."""

RESTING_QTY_MAX = 1_000_000
"""Bound of a resting lane, where nothing public limits the size: far above any sensible child, far below a typing
error."""


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _of_size(shares: int) -> float:
    value = math.log((1.0 + max(shares, 0)) / (1.0 + SIZE_REFERENCE)) / SIZE_LOG_SCALE
    return min(max(value, -FEATURE_MAX), FEATURE_MAX)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _usable(px: int, qty: int) -> tuple[int, int]:
    return (px, qty) if px > 0 and qty > 0 else (0, 0)


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def _seen(way: int, quote: I64, terms: I64, touch: I64) -> tuple[int, int, int, int]:
    """Return twice the price, the size, the shares that `size` is of (-1: no meaning), and 1, -1 or 0 for `at_touch`;
    size 0: the lane cannot be used now."""
    s, best_near, best_far = touch[SIGN], touch[NEAR], touch[FAR]
    near_px, near_qty = _usable(quote[1], quote[2])
    far_px, far_qty = _usable(quote[3], quote[4])
    if s < 0:
        near_px, near_qty, far_px, far_qty = far_px, far_qty, near_px, near_qty
    if way == TAKES and far_px > 0:
        return 2 * far_px, far_qty, far_qty, 1 if s * (best_far - far_px) >= 0 else -1
    if way == RESTS:
        tick = terms[TICK]
        px = min(best_near, best_far - tick) // tick * tick
        if s < 0:
            px = -(-max(best_near, best_far + tick) // tick) * tick
        if px > 0 and (near_px > 0 or far_px > 0):
            is_at_touch = near_px > 0 and s * (near_px - px) >= 0
            return 2 * px, RESTING_QTY_MAX, near_qty if is_at_touch else 0, 1 if is_at_touch else -1
    if way == PEGS:
        return best_near + best_far, RESTING_QTY_MAX, -1, 0
    if way == ASKS and terms[TIER_QTY] > 0:
        px = terms[TIER_PX]
        return 2 * px, terms[TIER_QTY], terms[TIER_QTY], 1 if s * (best_far - px) >= 0 else -1
    if way == ASKS and terms[RFQ_QTY] > 0 and best_far > 0:
        return 2 * best_far, terms[RFQ_QTY], terms[RFQ_QTY], 1
    return 0, 0, -1, 0


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator]
def lane_rows(
    lanes: I64,
    book: I64,
    is_up: Flags,
    terms: I64,
    touch: I64,
    own: F64,
    rates: F64,
    common: F64,
    x: F64,
    bps: F64,
    sizes: I64,
) -> None:
    """Write what is public of every lane; see the head of this file."""
    s, mid2 = touch[SIGN], touch[MID2]
    for k in range(lanes.shape[0]):
        venue = lanes[k, 0]
        x[k, :SIZE], x[k, OWN_FILLS + 1] = common[:-1], common[-1]
        x[k, OWN_FILLS] = min(max(4.0 * (own[venue] - 0.5), -FEATURE_MAX), FEATURE_MAX)
        px2, size, shares, at_touch = 0, 0, -1, 0
        if mid2 > 0 and is_up[venue]:
            px2, size, shares, at_touch = _seen(lanes[k, 1], book[venue], terms[venue], touch)
        x[k, SIZE] = _of_size(shares) if shares >= 0 else 0.0
        x[k, AT_TOUCH] = at_touch
        bps[0, k] = s * (mid2 - px2) / mid2 * 1e4 if size > 0 else 0.0
        bps[1, k] = rates[k, 0] * 2e4 / (MICROS_PER_PX * mid2) + rates[k, 1] if mid2 > 0 else 0.0
        sizes[k] = size
