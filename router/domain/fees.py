"""What an execution costs by a venue's fee schedule: one arithmetic for the venue that charges and for us who expect.

Rule of this file: money is whole micros, positive when we pay and negative when the venue pays us. Rates per share are
whole already; a rate in bps of the notional is rounded to the nearest micro, halves up, once for each execution.
"""

from __future__ import annotations

from typing import NamedTuple

from router.domain.enums import LastLiquidityInd, Tactic
from router.domain.instruments import FeeSchedule
from router.domain.units import MICROS_PER_PX, Micros, Px, Qty, notional_micros

MAKER_TACTICS = (Tactic.POST,)
"""Tactics that expect the maker's rate; all others expect the taker's."""

_HUNDREDTHS_IN_ALL = 1_000_000
"""How many hundredths of a basis point make the whole notional."""


class Rates(NamedTuple):
    """What is charged: micros a share, and basis points of the notional on top."""

    micros: Micros
    bps: float


def rates_of(schedule: FeeSchedule, liquidity: LastLiquidityInd, day_qty: Qty = 0, *, is_hidden: bool = False) -> Rates:
    """Return the rates of an execution, of an order that was not displayed when `is_hidden`.

    `day_qty` is what we had traded at the venue that day before: it names the tier, and one execution is never split
    over two. An auction or an uncross has no passive side: both pay `auction_micros`, or the taker's rate.

    >>> from router.domain.instruments import FeeTier
    >>> schedule = FeeSchedule(maker_micros=-2_000, taker_micros=3_000, tiers=(FeeTier(10_000, -2_500, 2_800),))
    >>> rates_of(schedule, LastLiquidityInd.ADDED).micros, rates_of(schedule, LastLiquidityInd.ADDED, 10_000).micros
    (-2000, -2500)
    """
    maker, taker = schedule.maker_micros, schedule.taker_micros
    for tier in schedule.tiers:
        if tier.from_qty <= day_qty:
            maker, taker = tier.maker_micros, tier.taker_micros
    if liquidity is LastLiquidityInd.ADDED:
        hidden = schedule.hidden_micros
        return Rates(maker if hidden is None or not is_hidden else hidden, schedule.maker_bps)
    auction = schedule.auction_micros
    is_auction = liquidity is LastLiquidityInd.AUCTION and auction is not None
    return Rates((auction or 0) if is_auction else taker, schedule.taker_bps)


def fee_of(rates: Rates, qty: Qty, px: Px) -> Micros:
    """Return the fee of one execution of `qty` shares at `px`.

    >>> fee_of(Rates(3_000, 0.05), 100, 400_000)
    320000
    """
    if not rates.bps:
        return qty * rates.micros
    part = notional_micros(px, qty) * round(rates.bps * 100.0)
    return qty * rates.micros + (part + _HUNDREDTHS_IN_ALL // 2) // _HUNDREDTHS_IN_ALL


def expected_rates(schedule: FeeSchedule, tactic: Tactic, day_qty: Qty = 0) -> Rates:
    """Return the rates that a lane of `tactic` expects to pay: the maker's where it posts, else the taker's."""
    liquidity = LastLiquidityInd.ADDED if tactic in MAKER_TACTICS else LastLiquidityInd.REMOVED
    return rates_of(schedule, liquidity, day_qty)


def rates_bps(rates: Rates, mid2: int) -> float:
    """Return rates in bps of the notional, `mid2` being twice the price: a midpoint is whole then.

    >>> rates_bps(Rates(3_000, 0.05), 800_000)
    0.8
    """
    return rates.micros * 2e4 / (MICROS_PER_PX * mid2) + rates.bps
