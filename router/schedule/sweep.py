"""Sweep: all of it at once, by taking what every venue displays.

Rule of this file: nothing is held back for later; only a cap on participation is stronger. What the displayed market
cannot fill is released again at the next slice, half a second later.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from router.domain.enums import Tactic, WorkingState
from router.domain.orders import SWEEP_STRATEGY
from router.schedule.pacing import COMPLETING_TACTICS, at_once, clock_of, quiet
from router.schedule.parameters import COMMON, Range, Ranges, check_parameters
from router.schedule.schedule import Release, ScheduleView

TACTICS = (Tactic.TAKE, Tactic.QUOTE)


class Sweep:
    """A `Schedule` without a pace: an arrival at full urgency whose half-life is no time at all.

    Its children that take are intermarket sweep orders (17 CFR 242.600(b)(47)): each decision goes to every venue that
    displays the best price, at once, and the next one to the price behind it.
    """

    name = SWEEP_STRATEGY
    ranges: ClassVar[Ranges] = {
        **{name: known for name, known in COMMON.items() if name not in ("ahead", "tolerance")},
        "interval_s": Range(0.5, 0.1, 86_400.0),
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
        if clock.is_completing(view.now):
            return at_once(view, clock.wake_at, WorkingState.COMPLETING, COMPLETING_TACTICS)
        return at_once(view, clock.wake_at, WorkingState.SWEEPING, TACTICS)
