"""Arms and features by the order in which they were first met, and a context as a vector.

Rule of this file: a name keeps its place for good, and a name not met before takes the next one, so that arrays only
ever grow at their ends.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping

import numpy as np

from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64
from router.domain.units import Nanos, seconds

TIME_MAX_S = 4.0e9
"""Event times are seconds since 1970, or since anything later: up to the year 2096."""


class Columns:
    """Places of names, in order of their arrival.

    >>> columns = Columns()
    >>> columns.place("spread"), columns.place("bias"), columns.place("spread"), len(columns)
    (0, 1, 0, 2)
    """

    def __init__(self) -> None:
        self._places: dict[Hashable, int] = {}

    def __len__(self) -> int:
        return len(self._places)

    def place(self, name: Hashable) -> int:
        """Return the place of a name, the next one for a name not met before."""
        return self._places.setdefault(name, len(self._places))


def vector(columns: Columns, context: Mapping[Hashable, float] | None, clock: str | None) -> F64:
    """Return a context as a vector that begins with a bias of 1, (1 + len(columns),); what is absent is 0.

    The key `clock` is the time and no feature; no context is an empty one.

    Raises:
        FeatureError: a feature that is no finite number; no name is taken in.
    """
    given = {name: value for name, value in (context or {}).items() if clock is None or name != clock}
    for name, value in given.items():
        # Booleans and numpy's numbers are numbers; strings are not, and River would have them one-hot encoded first.
        if isinstance(value, str) or not math.isfinite(value):
            raise FeatureError(bad_value(f"context.{name}", "a finite number", value))
    places = [columns.place(name) for name in given]
    x: F64 = np.zeros(1 + len(columns))
    x[0] = 1.0
    for place, value in zip(places, given.values(), strict=True):
        x[1 + place] = float(value)
    return x


def event_time(context: Mapping[Hashable, float] | None, clock: str | None, updates: int) -> Nanos:
    """Return the time of a context in ns: its key `clock` in seconds, or without a clock one second per update.

    Raises:
        FeatureError: the clock is absent or no time.
    """
    if clock is None:
        return seconds(float(updates))
    value = (context or {}).get(clock, math.nan)
    if isinstance(value, str) or not 0.0 <= value <= TIME_MAX_S:
        raise FeatureError(bad_value(f"context.{clock}", f"seconds from 0 to {TIME_MAX_S:g}", value))
    return seconds(float(value))
