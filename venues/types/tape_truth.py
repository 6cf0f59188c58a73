"""What a clairvoyant would know of a recorded day: for evaluations and oracles only.

Rule of this file: nothing that routes, schedules or learns may import it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.domain.enums import Side
from router.domain.errors import BadInputError, bad_value
from router.domain.market import I64
from router.domain.units import Nanos, Qty
from venues.feeds.taq import TaqDay
from venues.types.tape_dealer import DealerTape
from venues.types.tape_dealer_quotes import TapeDealerParams


class HiddenLiquidity(NamedTuple):
    """Shares that an order could have met, their mean price in Px (0.0 when none) and the number of prints."""

    qty: Qty
    mean_px: float
    prints: int


def hidden_liquidity(day: TaqDay, mic: str, side: Side, from_at: Nanos, to_at: Nanos) -> HiddenLiquidity:
    """Return what an order of `side` could have met at a pool in [from_at, to_at), every print used whole.

    At a dark pool a print serves either side; at the dealer those of our own side count, since they are what the
    dealer filled.

    Raises:
        BadInputError: no such pool, or `to_at` is before `from_at`.
    """
    if mic not in day.pools:
        raise BadInputError(bad_value("mic", f"a pool ({', '.join(day.pools)})", mic))
    if to_at < from_at:
        raise BadInputError(bad_value("to_at", f"a time from {from_at}", to_at))
    rows = day.pools[mic]
    rows = rows[(rows[:, 0] >= from_at) & (rows[:, 0] < to_at) & ((rows[:, 3] == 0) | (rows[:, 3] == side.sign))]
    qty = int(rows[:, 2].sum())
    paid = sum(px * size for _, px, size, _ in rows.tolist())
    return HiddenLiquidity(qty, paid / qty if qty else 0.0, len(rows))


def met_resting(trades: I64, side: Side, from_at: Nanos, to_at: Nanos) -> Qty:
    """Return what takers of the other side are going to trade in [from_at, to_at), of prints (n, 4)."""
    first, last = np.searchsorted(trades[:, 0], [from_at, to_at])
    mine = trades[first:last]
    return int(mine[mine[:, 3] == -side.sign, 2].sum())


def met_on_looks(tape: DealerTape, params: TapeDealerParams, side: Side, at: Nanos) -> Qty:
    """Return the largest tier that a dealer would trade at `at`: 0 when his last look will find the price moved."""
    now, then = np.searchsorted(tape.quotes[:, 0], [at, at + params.wait_ns], side="right") - 1
    if now < 0 or not tape.quotes[now, 1] or not tape.quotes[then, 1]:
        return 0
    column = 3 if side.sign > 0 else 1
    moved = int(tape.quotes[then, column] - tape.quotes[now, column]) * side.sign
    return 0 if moved > params.tolerance_px else int(tape.ladder[now, :, 0].max())
