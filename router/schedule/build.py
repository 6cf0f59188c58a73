"""Schedules by name.

Rule of this file: a strategy is known here or it is refused; a new one is one line here and passes `check_schedule`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from router.domain.errors import BadInputError, bad_value
from router.schedule.arrival import Arrival
from router.schedule.dark_only import DarkOnly
from router.schedule.liquidity_seeking import LiquiditySeeking
from router.schedule.pov import Pov
from router.schedule.schedule import Schedule
from router.schedule.sweep import Sweep
from router.schedule.target_close import TargetClose
from router.schedule.twap import Twap
from router.schedule.vwap import Vwap

_BUILDERS: dict[str, Callable[[Mapping[str, float]], Schedule]] = {
    "arrival": Arrival,
    "dark_only": DarkOnly,
    "liquidity_seeking": LiquiditySeeking,
    "pov": Pov,
    "sweep": Sweep,
    "target_close": TargetClose,
    "twap": Twap,
    "vwap": Vwap,
}

STRATEGIES = tuple(_BUILDERS)


def build_schedule(
    strategy: str, parameters: Mapping[str, float], volume_curve: Sequence[float] | None = None
) -> Schedule:
    """Return the schedule `strategy`. `volume_curve` is for vwap (see `Vwap`); the others do not look at it.

    Raises:
        BadInputError: an unknown strategy, parameter or value; says which and what is known.

    >>> build_schedule("twap", {"interval_s": 5.0}).name
    'twap'
    """
    builder = _BUILDERS.get(strategy)
    if builder is None:
        raise BadInputError(bad_value("strategy", f"one of {', '.join(STRATEGIES)}", strategy))
    if strategy == Vwap.name:
        return Vwap(parameters, volume_curve)
    return builder(parameters)
