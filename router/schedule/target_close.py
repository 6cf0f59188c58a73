"""Target close: a part of the order evenly through the day, the rest in the closing auction.

Rule of this file: what the auction is to have is committed once, at the cut-off, and with it all that was not released
before; only what finds no auction is completed in the continuous market.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from router.domain.enums import Tactic, WorkingState
from router.domain.units import Nanos, seconds
from router.schedule.pacing import (
    BILLION,
    Clock,
    Pace,
    billionths,
    clock_of,
    in_lots,
    opportunity_bps,
    quiet,
    release_paced,
    room,
    share_of,
    slices_behind,
)
from router.schedule.parameters import COMMON, Range, Ranges, check_parameters
from router.schedule.schedule import Portion, Release, ScheduleView

TACTICS = (Tactic.TAKE, Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE)

CUT_OFF_SHARE = 2
"""The cut-off lies at most this part (a half) of a parent's life before its end."""


class TargetClose:
    """A `Schedule` for an order whose end is the close of an auction market."""

    name = "target_close"
    ranges: ClassVar[Ranges] = {
        **COMMON,
        # Share of the order that is kept for the auction.
        "auction_share": Range(0.5, 0.0, 1.0),
        # Seconds before the end at which it is sent: before the venue's own deadline for on-close orders.
        "cut_off_s": Range(600.0, 1.0, 86_400.0),
    }

    def __init__(self, parameters: Mapping[str, float]) -> None:
        check_parameters(self.name, self.ranges, parameters)
        self._given = dict(parameters)

    def release(self, view: ScheduleView) -> Release:
        """See `Schedule.release`."""
        parameters = check_parameters(self.name, self.ranges, {**self._given, **view.parameters})
        if (nothing := quiet(view)) is not None:
            return nothing
        span = view.end_at - view.start_at
        cut_off_at = view.end_at - min(seconds(parameters["cut_off_s"]), span // CUT_OFF_SHARE)
        clock = clock_of(view, parameters)
        pace = _pace(view, clock, parameters["auction_share"], cut_off_at)
        if clock.is_completing(view.now):
            return release_paced(view, clock, pace, parameters, TACTICS)
        if view.now < cut_off_at:
            release = release_paced(view, clock, pace, parameters, TACTICS)
            return release._replace(wake_at=min(release.wake_at, cut_off_at))
        return _into_the_auction(view, clock, pace, parameters["tolerance"])


def _pace(view: ScheduleView, clock: Clock, auction_share: float, cut_off_at: Nanos) -> Pace:
    """Return the straight pace of the continuous part up to the cut-off; from completing on, the whole order."""
    share = BILLION - billionths(auction_share)
    continuous, span = share_of(view.order_qty, share), max(1, cut_off_at - view.start_at)
    due = continuous * min(view.now - view.start_at, span) // span
    target = continuous * min(clock.slice_end_at - view.start_at, span) // span
    even = view.order_qty * clock.interval_ns // (view.end_at - view.start_at)
    slice_qty = max(min(even, view.order_qty), view.lot)
    if clock.is_completing(view.now) or view.now >= cut_off_at:
        target = view.order_qty
    return Pace(target, due, slice_qty)


def _into_the_auction(view: ScheduleView, clock: Clock, pace: Pace, tolerance: float) -> Release:
    qty = in_lots(view, view.unrouted_qty, room(view))
    opportunity = opportunity_bps(view, clock, slices_behind(view, pace, tolerance))
    portions = (Portion(qty, (Tactic.AUCTION,), opportunity),) if qty else ()
    state = WorkingState.POSTING if qty or view.routed_qty else WorkingState.IDLE
    return Release(pace.target_qty, portions, clock.wake_at, state)
