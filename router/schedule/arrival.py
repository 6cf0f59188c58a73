"""Arrival price: front-loaded, to trade near the price at which the order came in.

Rule of this file: what is left decays by half in every half-life, less of it the more urgent the order is.

The curve is the optimal trajectory of Almgren and Chriss, "Optimal execution of portfolio transactions", Journal of
Risk 3 (2000), eq. 20: what is left at x of the life is sinh(k (1 - x)) / sinh(k). For large k it is an exponential
decay with half-life ln 2 / k, for small k a straight line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import ClassVar

from router.domain.enums import Tactic
from router.schedule.pacing import BILLION, billionths, clock_of, elapsed_share, pace_along, quiet, release_paced
from router.schedule.parameters import COMMON, Range, Ranges, check_parameters
from router.schedule.schedule import Release, ScheduleView

TACTICS = (Tactic.TAKE, Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE)


class Arrival:
    """A `Schedule` that front-loads.

    `half_life` is the share of the parent's life in which half of what is left is done, at urgency 0.5; it is
    multiplied by 1.5 - urgency.
    """

    name = "arrival"
    ranges: ClassVar[Ranges] = {**COMMON, "half_life": Range(0.2, 0.01, 10.0)}

    def __init__(self, parameters: Mapping[str, float]) -> None:
        check_parameters(self.name, self.ranges, parameters)
        self._given = dict(parameters)

    def release(self, view: ScheduleView) -> Release:
        """See `Schedule.release`."""
        parameters = check_parameters(self.name, self.ranges, {**self._given, **view.parameters})
        if (nothing := quiet(view)) is not None:
            return nothing
        clock = clock_of(view, parameters)
        half_life = parameters["half_life"] * (1.5 - view.urgency)
        due = decayed(elapsed_share(view, view.now), half_life)
        by_slice_end = decayed(elapsed_share(view, clock.slice_end_at), half_life)
        return release_paced(view, clock, pace_along(view, clock, due, by_slice_end), parameters, TACTICS)


def decayed(elapsed: int, half_life: float) -> int:
    """Return the share done, in billionths, when `elapsed` billionths of the life are over.

    >>> decayed(0, 0.1), 0.49 < decayed(100_000_000, 0.1) / BILLION < 0.51, decayed(BILLION, 0.1) == BILLION
    (0, True, True)
    """
    k = math.log(2.0) / half_life
    left = 1.0 - elapsed / BILLION
    # sinh(k left) / sinh(k), written so that a short half-life does not overflow.
    remaining = math.exp(k * (left - 1.0)) * -math.expm1(-2.0 * k * left) / -math.expm1(-2.0 * k)
    return billionths(1.0 - remaining)
