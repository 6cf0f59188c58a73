"""POV: a share of the volume that the market really trades.

Rule of this file: the share is a promise. The order ends unfinished rather than above it, in completing too.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from router.domain.enums import Tactic
from router.schedule.pacing import Pace, clock_of, quiet, release_paced
from router.schedule.parameters import COMMON, Range, Ranges, check_parameters
from router.schedule.schedule import Release, ScheduleView

TACTICS = (Tactic.TAKE, Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE)


class Pov:
    """A `Schedule` whose target is `participation` times the market's volume since the start. Our own fills are part
    of that volume. The target is never exceeded, so there is no allowance ahead of it."""

    name = "pov"
    ranges: ClassVar[Ranges] = {
        **{name: known for name, known in COMMON.items() if name != "ahead"},
        "participation": Range(0.1, 0.0001, 1.0),
    }

    def __init__(self, parameters: Mapping[str, float]) -> None:
        check_parameters(self.name, self.ranges, parameters)
        self._given = dict(parameters)

    def release(self, view: ScheduleView) -> Release:
        """See `Schedule.release`."""
        parameters = check_parameters(self.name, self.ranges, {**self._given, **view.parameters})
        if (nothing := quiet(view)) is not None:
            return nothing
        clock = clock_of(view, parameters)
        target_qty = min(view.order_qty, math.floor(parameters["participation"] * view.market_volume))
        elapsed_ns = max(clock.interval_ns, view.now - view.start_at)
        slice_qty = max(view.lot, target_qty * clock.interval_ns // elapsed_ns)
        # Volume is followed after it printed, so being one slice short is being on pace.
        pace = Pace(target_qty, target_qty - slice_qty, slice_qty)
        return release_paced(view, clock, pace, {**parameters, "ahead": 0.0}, TACTICS)
