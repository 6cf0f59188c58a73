"""VWAP: in step with the volume that the market is expected to trade.

Rule of this file: the curve is what somebody expects before the order starts; volume printed since is not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import ClassVar

from router.domain.enums import Tactic
from router.domain.errors import BadInputError, bad_value
from router.domain.units import Nanos
from router.schedule.pacing import BILLION, billionths, clock_of, elapsed_share, pace_along, quiet, release_paced
from router.schedule.parameters import COMMON, Ranges, check_parameters
from router.schedule.schedule import Release, ScheduleView

TACTICS = (Tactic.TAKE, Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE)

BINS_MAX = 100_000
"""One bin for each second of a day, and room: above it a curve is a fault of the sender."""


def u_shape(bins: int = 26) -> tuple[float, ...]:
    """Return the cumulative fractions of a U-shaped day, by the ends of `bins` equal bins: the first and the last
    trade about two and a half times as much as the middle (Admati and Pfleiderer, "A theory of intraday patterns",
    Review of Financial Studies 1 (1988), give the reason; 26 bins are the quarter hours of a US session).

    >>> [round(fraction, 3) for fraction in u_shape(4)]
    [0.314, 0.5, 0.686, 1.0]
    """
    weights = [1.0 + 1.5 * (2.0 * (n + 0.5) / bins - 1.0) ** 2 for n in range(bins)]
    total = math.fsum(weights)
    return (*(math.fsum(weights[: n + 1]) / total for n in range(bins - 1)), 1.0)


def curve_of_life(
    session_curve: Sequence[float], open_at: Nanos, close_at: Nanos, start_at: Nanos, end_at: Nanos
) -> tuple[float, ...]:
    """Return the part of a session's curve (cumulative fractions at the ends of equal bins from open to close) that
    falls into a life within it, as a curve over that life of as many bins; even where the session expects nothing.

    >>> [round(fraction, 3) for fraction in curve_of_life((0.5, 0.5, 1.0), 0, 30, 0, 15)]
    [0.5, 1.0, 1.0]
    """
    bins, span = len(session_curve), close_at - open_at
    table = check_curve(session_curve)

    def traded_by(at: Nanos) -> int:
        return along(table, (at - open_at) * BILLION // span)

    first, last = traded_by(start_at), traded_by(end_at)
    ends = [start_at + (end_at - start_at) * (n + 1) // bins for n in range(bins - 1)]
    if last <= first:
        return (*((n + 1) / bins for n in range(bins - 1)), 1.0)
    return (*((traded_by(at) - first) / (last - first) for at in ends), 1.0)


class Vwap:
    """A `Schedule` along a volume curve: cumulative fractions at the ends of equal bins over the parent's life, not
    falling, the last 1; the default is `u_shape()`.

    Raises:
        BadInputError: the curve is empty, too long, not finite, falls, or does not end in 1.
    """

    name = "vwap"
    ranges: ClassVar[Ranges] = COMMON

    def __init__(self, parameters: Mapping[str, float], volume_curve: Sequence[float] | None = None) -> None:
        check_parameters(self.name, self.ranges, parameters)
        self._given = dict(parameters)
        self._curve = check_curve(u_shape() if volume_curve is None else volume_curve)

    def release(self, view: ScheduleView) -> Release:
        """See `Schedule.release`."""
        parameters = check_parameters(self.name, self.ranges, {**self._given, **view.parameters})
        if (nothing := quiet(view)) is not None:
            return nothing
        clock = clock_of(view, parameters)
        due = along(self._curve, elapsed_share(view, view.now))
        by_slice_end = along(self._curve, elapsed_share(view, clock.slice_end_at))
        return release_paced(view, clock, pace_along(view, clock, due, by_slice_end), parameters, TACTICS)


def check_curve(curve: Sequence[float]) -> tuple[int, ...]:
    """Return the curve in billionths, with the 0 it starts from in front.

    Raises:
        BadInputError: names the bin, what was expected and what came.
    """
    if not 1 <= len(curve) <= BINS_MAX:
        raise BadInputError(bad_value("volume_curve", f"1 to {BINS_MAX} bins", len(curve)))
    for n, (before, fraction) in enumerate(pairwise((0.0, *curve))):
        if not before <= fraction <= 1.0:
            raise BadInputError(bad_value(f"volume_curve[{n}]", f"a fraction from {before:g} to 1", fraction))
    if curve[-1] != 1.0:
        raise BadInputError(bad_value(f"volume_curve[{len(curve) - 1}]", "1, as the last fraction", curve[-1]))
    return tuple(billionths(fraction) for fraction in (0.0, *curve))


def along(curve: tuple[int, ...], elapsed: int) -> int:
    """Return the fraction at `elapsed`, both in billionths, on the straight line within a bin.

    >>> along((0, 600_000_000, BILLION), BILLION // 4)
    300000000
    """
    bins = len(curve) - 1
    at, within = divmod(elapsed * bins, BILLION)
    if at >= bins:
        return curve[-1]
    return curve[at] + (curve[at + 1] - curve[at]) * within // BILLION
