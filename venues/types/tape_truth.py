"""What a clairvoyant would know of a recorded day: for evaluations and oracles only.

Rule of this file: nothing that routes, schedules or learns may import it.
"""

from __future__ import annotations

from typing import NamedTuple

from router.domain.enums import Side
from router.domain.errors import BadInputError, bad_value
from router.domain.units import Nanos, Qty
from venues.feeds.taq import TaqDay


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
