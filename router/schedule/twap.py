"""TWAP: the same quantity in every slice.

Rule of this file: the target grows evenly with time, whatever the market does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from router.domain.enums import Tactic
from router.schedule.pacing import clock_of, elapsed_share, pace_along, quiet, release_paced
from router.schedule.parameters import COMMON, Ranges, check_parameters
from router.schedule.schedule import Release, ScheduleView

TACTICS = (Tactic.TAKE, Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE)


class Twap:
    """A `Schedule` with a straight target."""

    name = "twap"
    ranges: ClassVar[Ranges] = COMMON

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
        return release_paced(view, clock, pace, parameters, TACTICS)
