"""Liquidity seeking: rest much of the remainder in the dark, work the rest along a patient pace, take only late.

Rule of this file: what rests in the dark does not count as worked, but it counts as routed: the two portions together
never pass the order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from router.domain.enums import Tactic, WorkingState
from router.domain.units import Qty
from router.schedule.pacing import (
    Clock,
    Pace,
    clock_of,
    elapsed_share,
    in_lots,
    opportunity_bps,
    pace_along,
    quiet,
    release_paced,
    room,
    slices_behind,
)
from router.schedule.parameters import COMMON, Range, Ranges, check_parameters
from router.schedule.schedule import Portion, Release, ScheduleView

DARK_TACTICS = (Tactic.MID_PEG, Tactic.CONDITIONAL)
PATIENT_TACTICS = (Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE)
PRESSED_TACTICS = (Tactic.TAKE, *PATIENT_TACTICS)

TOP_UP = 4
"""The dark portion is renewed when a quarter of it is missing: many small dark children would only leak."""

DARK_PATIENCE = 0.5
"""Waiting in the dark costs this share of what waiting in the paced portion costs: it keeps its place."""


class LiquiditySeeking:
    """A `Schedule` in two portions.

    `dark_fraction` is the share of the remainder that rests in the dark, as long as the pace does not need it by the
    end of the slice. TAKE is allowed in the paced portion from a pressure of 1 on (see `pressure`).
    """

    name = "liquidity_seeking"
    ranges: ClassVar[Ranges] = {**COMMON, "dark_fraction": Range(0.6, 0.0, 1.0)}

    def __init__(self, parameters: Mapping[str, float]) -> None:
        check_parameters(self.name, self.ranges, parameters)
        self._given = dict(parameters)

    def release(self, view: ScheduleView) -> Release:
        """See `Schedule.release`."""
        parameters = check_parameters(self.name, self.ranges, {**self._given, **view.parameters})
        if (nothing := quiet(view)) is not None:
            return nothing
        clock = clock_of(view, parameters)
        pace = pace_along(view, clock, elapsed_share(view, view.now), elapsed_share(view, clock.slice_end_at))
        if clock.is_completing(view.now):
            return release_paced(view, clock, pace, parameters, PRESSED_TACTICS)
        return _two_portions(view, clock, pace, parameters)


def pressure(view: ScheduleView, clock: Clock, behind: float) -> float:
    """Return how much presses to take, 1 is enough: half the urgency, half of each slice behind, and the square of the
    share of the life that is over. On pace at urgency 0.5 that is seven eighths into the life."""
    return 0.5 * view.urgency + 0.5 * behind + clock.elapsed**2


def _two_portions(view: ScheduleView, clock: Clock, pace: Pace, parameters: Mapping[str, float]) -> Release:
    behind = slices_behind(view, pace, parameters["tolerance"])
    opportunity = opportunity_bps(view, clock, behind)
    is_pressed = pressure(view, clock, behind) >= 1.0
    limit = room(view)
    worked_qty = max(0, view.routed_qty - view.resting_dark_qty)
    ahead_qty = int(parameters["ahead"] * pace.slice_qty)
    paced_qty = in_lots(view, pace.target_qty + ahead_qty - view.cum_qty - worked_qty, limit)
    dark_qty = _dark_qty(view, pace, parameters["dark_fraction"], limit - paced_qty)
    portions = (
        Portion(dark_qty, DARK_TACTICS, DARK_PATIENCE * opportunity),
        Portion(paced_qty, PRESSED_TACTICS if is_pressed else PATIENT_TACTICS, opportunity),
    )
    if is_pressed:
        state = WorkingState.SWEEPING
    elif dark_qty or view.resting_dark_qty:
        state = WorkingState.PROBING_DARK
    else:
        state = WorkingState.POSTING if paced_qty or view.routed_qty else WorkingState.IDLE
    return Release(pace.target_qty, tuple(portion for portion in portions if portion.qty), clock.wake_at, state)


def _dark_qty(view: ScheduleView, pace: Pace, dark_fraction: float, limit: Qty) -> Qty:
    """Return what to add to the dark: up to its share of the remainder, less what the pace needs in this slice."""
    remainder = view.order_qty - view.cum_qty
    wanted = min(int(dark_fraction * remainder), view.order_qty - max(pace.target_qty, view.cum_qty))
    missing = wanted - view.resting_dark_qty
    return in_lots(view, missing, limit) if missing * TOP_UP >= wanted else 0
