"""The parameters of the schedules: names, defaults and ranges, and the one check of them.

Rule of this file: a parameter that no schedule knows is refused, never ignored: a misspelt one would change nothing and
nobody would hear of it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from router.domain.errors import BadInputError, bad_value


class Range(NamedTuple):
    """A parameter's default and its closed range."""

    default: float
    low: float
    high: float


Ranges = Mapping[str, Range]

COMMON: Ranges = {
    # Seconds between two slices; below 100 ms a parent would do little but wake.
    "interval_s": Range(10.0, 0.1, 86_400.0),
    # Seconds before the end in which the parent completes; never more than a quarter of its life.
    "completing_s": Range(30.0, 0.0, 86_400.0),
    # How far ahead of the target quantity may be released, as a share of one slice.
    "ahead": Range(0.1, 0.0, 1.0),
    # Lateness is measured in slices, or in this share of the order where a slice is less.
    "tolerance": Range(0.0, 0.0, 1.0),
}


def check_parameters(strategy: str, ranges: Ranges, given: Mapping[str, float]) -> dict[str, float]:
    """Return a value for every name of `ranges`: the given one, else its default.

    Raises:
        BadInputError: an unknown name, or a value that is not a finite number in its range; names the key.

    >>> check_parameters("twap", {"interval_s": Range(10.0, 0.1, 86_400.0)}, {"interval_s": 5})
    {'interval_s': 5.0}
    """
    for name, value in given.items():
        where = f"strategy_parameters.{name}"
        known = ranges.get(name)
        if known is None:
            raise BadInputError(bad_value(where, f"a parameter of {strategy}: {', '.join(ranges)}", name))
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not math.isfinite(value) or not known.low <= value <= known.high:
            raise BadInputError(bad_value(where, f"a number from {known.low:g} to {known.high:g}", value))
    return {name: float(given.get(name, known.default)) for name, known in ranges.items()}
