"""Dark only: liquidity seeking that rests in dark pools and trades nowhere else.

Rule of this file: it releases as liquidity seeking does; that no lane outside dark pools gets any of it is the
allocation's business (`ParentOrder.dark_in_force`), so that an order may end unfinished.
"""

from __future__ import annotations

from typing import ClassVar

from router.domain.orders import DARK_STRATEGY
from router.schedule.liquidity_seeking import LiquiditySeeking
from router.schedule.parameters import Range, Ranges


class DarkOnly(LiquiditySeeking):
    """A `Schedule` in two portions, both for dark pools; what the pace can do without rests at first."""

    name = DARK_STRATEGY
    ranges: ClassVar[Ranges] = {**LiquiditySeeking.ranges, "dark_fraction": Range(1.0, 0.0, 1.0)}
