"""What a venue charges for an execution, by the liquidity it added or removed.

Rule of this file: a fee is in micros of the currency, positive when we pay and negative when the venue pays us.
"""

from __future__ import annotations

from router.domain.enums import LastLiquidityInd
from router.domain.instruments import FeeSchedule
from router.domain.units import Micros, Qty


def charge(schedule: FeeSchedule, qty: Qty, liquidity: LastLiquidityInd) -> Micros:
    """Return the fee of `qty` shares: the maker's rate when they added liquidity, else the taker's.

    A cross in an auction or a periodic uncross has no passive side, so both pay the taker's rate.

    >>> charge(FeeSchedule(maker_micros=-2_000, taker_micros=3_000), 100, LastLiquidityInd.ADDED)
    -200000
    """
    is_maker = liquidity is LastLiquidityInd.ADDED
    return qty * (schedule.maker_micros if is_maker else schedule.taker_micros)
