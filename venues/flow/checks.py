"""One check of the simulator as a row: what was measured, what it must lie within, and whether it does.

Rule of this file: the verdict follows from value and bound alone; a bound is what was published or stated before, never
what came out.
"""

from __future__ import annotations

import math

import msgspec

PASS, FAIL = "pass", "fail"


class CheckRow(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One row. `bound` is (least, largest), None where that side is open; `error` the value's standard error.

    The error is None where a value is no estimate. It does not widen a bound.
    """

    id: str
    value: float
    bound: tuple[float | None, float | None]
    verdict: str
    error: float | None = None


def check(id_: str, value: float, low: float | None, high: float | None, error: float | None = None) -> CheckRow:
    """Return the row of a measured value; what is not a number fails.

    >>> check("a", 0.5, 0.4, 0.6).verdict, check("a", 0.5, None, 0.4).verdict, check("a", float("nan"), 0, 1).verdict
    ('pass', 'fail', 'fail')
    """
    holds = math.isfinite(value) and (low is None or value >= low) and (high is None or value <= high)
    shown = round(value, 4) if math.isfinite(value) else 0.0
    rounded = None if error is None or not math.isfinite(error) else round(error, 4)
    bound = (None if low is None else round(low, 4), None if high is None else round(high, 4))
    return CheckRow(id=id_, value=shown, bound=bound, verdict=PASS if holds else FAIL, error=rounded)
