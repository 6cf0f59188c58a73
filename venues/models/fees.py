"""What a venue charges for our executions, by the liquidity they added or removed and what we traded there before.

Rule of this file: a fee is in micros of the currency, positive when we pay and negative when the venue pays us. The
arithmetic is `router.domain.fees`, the same that the router expects by.
"""

from __future__ import annotations

from router.domain.enums import LastLiquidityInd
from router.domain.fees import fee_of, rates_of
from router.domain.instruments import FeeSchedule
from router.domain.orders import ChildOrder
from router.domain.units import Micros, Px, Qty


def charge(
    schedule: FeeSchedule,
    qty: Qty,
    liquidity: LastLiquidityInd,
    px: Px = 0,
    *,
    day_qty: Qty = 0,
    is_hidden: bool = False,
) -> Micros:
    """Return the fee of `qty` shares: the maker's rate when they added liquidity, else the taker's.

    A cross in an auction or a periodic uncross has no passive side, so both pay the auction's rate, or the taker's
    where the schedule has none. `day_qty` is what we had traded there that day before.

    >>> charge(FeeSchedule(maker_micros=-2_000, taker_micros=3_000), 100, LastLiquidityInd.ADDED)
    -200000
    """
    return fee_of(rates_of(schedule, liquidity, day_qty, is_hidden=is_hidden), qty, px)


class Fees:
    """A venue's schedule with what we have traded there today, for its volume tiers.

    >>> from router.domain.instruments import FeeTier
    >>> schedule = FeeSchedule(taker_micros=3_000, tiers=(FeeTier(100, 0, 2_000),))
    >>> fees = Fees(schedule)
    >>> [fees.charge(None, 100, 400_000, LastLiquidityInd.REMOVED) for _ in range(2)]
    [300000, 200000]
    """

    def __init__(self, schedule: FeeSchedule) -> None:
        self.schedule = schedule
        self.day_qty: Qty = 0

    def charge(self, child: ChildOrder | None, qty: Qty, px: Px, liquidity: LastLiquidityInd) -> Micros:
        """Return the fee of an execution of `child`, and count it. An order with nothing displayed is hidden."""
        is_hidden = child is not None and child.display_qty == 0
        fee = charge(self.schedule, qty, liquidity, px, day_qty=self.day_qty, is_hidden=is_hidden)
        self.day_qty += qty
        return fee
