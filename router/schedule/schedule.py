"""What a schedule is, to everyone who asks one: `Schedule`; its examiner is `check_schedule` in `check.py`.

Rule of this file: `ScheduleView` is all that a schedule may look at, and `Release` is all that it may say. Where and at
what price the released quantity trades is the allocation's business.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple, Protocol

from router.domain.enums import Tactic, WorkingState
from router.domain.units import Nanos, Qty


class ScheduleView(NamedTuple):
    """A parent and its market at `now`.

    `routed_qty` is what live and unknown children may still fill; `resting_dark_qty` the part of it that rests in
    MID_PEG lanes. `market_volume` counts the shares printed in the market since the parent's start. The half spread,
    the taker fee and the volatility (per square root of a minute) are in basis points. `parameters` are the parent's
    own, by name; they go before those the schedule was built with.
    """

    now: Nanos
    start_at: Nanos
    end_at: Nanos
    order_qty: Qty
    cum_qty: Qty
    routed_qty: Qty
    resting_dark_qty: Qty
    market_volume: Qty
    urgency: float
    max_participation: float | None
    half_spread_bps: float
    taker_fee_bps: float
    volatility_bps: float
    lot: Qty
    parameters: Mapping[str, float]
    is_willing: bool = False
    """The market is at the price, or better, at which the client would have all of it done (`would_price`)."""

    @property
    def unrouted_qty(self) -> Qty:
        """What is neither filled nor working; 0 when a venue over-filled us."""
        return max(0, self.order_qty - self.cum_qty - self.routed_qty)


class Portion(NamedTuple):
    """`qty` shares newly released now, to be allocated over the lanes of `tactics`.

    `opportunity_bps` is what leaving a share of it unfilled is expected to cost, positive: a lane that costs more
    than this is not worth using.
    """

    qty: Qty
    tactics: tuple[Tactic, ...]
    opportunity_bps: float


class Release(NamedTuple):
    """What the schedule says at one time: where the parent should be (`target_qty`, fills and working children
    together), what is newly released, when to ask again, and what the parent is doing.

    `wake_at` is later than now and not after the parent's end; from the end on it is `end_at`: nothing follows.
    """

    target_qty: Qty
    portions: tuple[Portion, ...]
    wake_at: Nanos
    working_state: WorkingState


class Schedule(Protocol):
    """How much now. Nothing is released before `start_at` or from `end_at` on, and never more than is unrouted."""

    name: str

    def release(self, view: ScheduleView) -> Release:
        """Return what to release now.

        Raises:
            BadInputError: a parameter of the view is unknown, not finite or out of its range.
        """
        ...
