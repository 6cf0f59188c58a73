"""The market's time on the wall clock.

Rule of this file: only here is a clock read for a market. Once started it goes by the monotonic clock, so that a jump
of the wall clock moves no market; how far the two have drifted apart is told.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from router.domain.errors import ConfigError, bad_value
from router.domain.units import SECOND, Nanos

SPEED_MAX = 1_000.0
"""Above it a market's second is shorter than one window takes."""


class LiveClock:
    """Market time: `open_at` when the wall clock showed `wall_at`, and `speed` seconds of it in each of the wall's.

    >>> walls, ticks = iter([10 * SECOND, 12 * SECOND]), iter([0, SECOND])
    >>> clock = LiveClock(open_at=0, wall_at=4 * SECOND, speed=2.0, wall=lambda: next(walls), tick=lambda: next(ticks))
    >>> clock.now() // SECOND, clock.drift_ns() // SECOND
    (14, 1)

    Raises:
        ConfigError: a speed outside its range.
    """

    def __init__(
        self,
        open_at: Nanos,
        wall_at: Nanos,
        speed: float,
        wall: Callable[[], Nanos] = time.time_ns,
        tick: Callable[[], Nanos] = time.monotonic_ns,
    ) -> None:
        if not 0.0 < speed <= SPEED_MAX:
            raise ConfigError(bad_value("speed", f"a number above 0 and up to {SPEED_MAX}", speed))
        self.speed = speed
        self._wall, self._tick = wall, tick
        self._wall0, self._tick0 = wall(), tick()
        self._start = open_at + round((self._wall0 - wall_at) * speed)
        self._last_tick = self._tick0

    def now(self) -> Nanos:
        """Return the market's time."""
        self._last_tick = self._tick()
        return self._start + round((self._last_tick - self._tick0) * self.speed)

    def not_before(self, at: Nanos) -> None:
        """Go on from `at` where the wall clock was set back since the market's last window."""
        self._start += max(at - self.now(), 0)

    def wall_s(self, at: Nanos) -> float:
        """Return how many seconds of the wall clock it is from the last `now` until the market's time `at`."""
        now = self._start + round((self._last_tick - self._tick0) * self.speed)
        return max(at - now, 0) / self.speed / SECOND

    def drift_ns(self) -> Nanos:
        """Return how far the wall clock has run ahead of the monotonic one since the start."""
        return (self._wall() - self._wall0) - (self._last_tick - self._tick0)
