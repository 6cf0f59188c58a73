"""Confidence sequences: intervals for a mean that hold at all times at once, however often somebody looks.

Rule of this file: a bound holds for bounded observations without any model of them; what leaves the bounds is clipped,
and the mean spoken of is that of the clipped observations.

The interval is the predictable plug-in empirical-Bernstein sequence (Waudby-Smith and Ramdas, "Estimating means of
bounded random variables by betting", JRSS B 2024, theorem 2), of the family of Howard, Ramdas, McAuliffe and Sekhon,
"Time-uniform, nonparametric, nonasymptotic confidence sequences", Annals of Statistics 2021.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from router.domain.errors import ConfigError, FeatureError, bad_value

BET_MAX = 0.5
"""The largest bet of one observation: above 1 the bound would be void, at 1/2 it costs little and never is."""


class Interval(NamedTuple):
    """Bounds of a mean, in the units of the observations."""

    low: float
    high: float


class MeanSequence:
    """A two-sided confidence sequence for the mean of observations in [low, high], at level 1 - alpha.

    Each interval is within the one before it: all hold together, so what was excluded once stays excluded.

    >>> sequence = MeanSequence(-1.0, 1.0, alpha=0.05)
    >>> for n in range(2_000):
    ...     sequence.add(0.5 if n % 2 else 0.3)
    >>> bounds = sequence.interval
    >>> bounds.low < 0.4 < bounds.high, bounds.high - bounds.low < 0.1
    (True, True)
    """

    def __init__(self, low: float, high: float, alpha: float) -> None:
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise ConfigError(bad_value("confidence.bounds", "finite bounds, the lower one first", (low, high)))
        if not 0.0 < alpha < 1.0:
            raise ConfigError(bad_value("confidence.alpha", "a level within 0 and 1", alpha))
        self.low, self.high = low, high
        self.n = 0
        self.interval = Interval(low, high)
        self._level = math.log(2.0 / alpha)
        # A guess of 1/2 and of a variance of 1/4, worth one observation: what is bet never depends on what it meets.
        self._sum, self._squares = 0.5, 0.25
        self._bets, self._pull, self._spent = 0.0, 0.0, 0.0

    @property
    def mean(self) -> float:
        """The mean of the clipped observations; the middle of the bounds before the first."""
        share = (self._sum - 0.5) / self.n if self.n else 0.5
        return self.low + (self.high - self.low) * share

    def add(self, value: float) -> None:
        """Take one observation, clipped to the bounds.

        Raises:
            FeatureError: it is not finite; nothing changes.
        """
        if not math.isfinite(value):
            raise FeatureError(bad_value("confidence.value", "a finite number", value))
        x = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        t = self.n + 1
        guess, variance = self._sum / t, self._squares / t
        bet = min(math.sqrt(2.0 * self._level / (variance * t * math.log1p(t))), BET_MAX)
        self._bets += bet
        self._pull += bet * x
        self._spent += 4.0 * (x - guess) ** 2 * (-math.log1p(-bet) - bet) / 4.0
        self.n = t
        self._sum += x
        self._squares += (x - self._sum / (t + 1)) ** 2
        centre, width = self._pull / self._bets, (self._level + self._spent) / self._bets
        self._narrow(centre - width, centre + width)

    def _narrow(self, low: float, high: float) -> None:
        span = self.high - self.low
        least = max(self.interval.low, self.low + span * low)
        most = min(self.interval.high, self.low + span * high)
        # With probability alpha a bound is wrong, and bounds may then cross: the interval stays the last whole one.
        if least <= most:
            self.interval = Interval(least, most)


class DifferenceSequence:
    """A confidence sequence for the mean of a challenger less that of the champion, from parents of both.

    Each arm has half of alpha; the arms' observations may come in any order and number.

    >>> arms = DifferenceSequence(clip=10.0, alpha=0.05)
    >>> for n in range(3_000):
    ...     arms.add(is_challenger=n % 2 == 1, value=2.0 if n % 2 else 1.0)
    >>> 0.5 < arms.interval.low < 1.0 < arms.interval.high < 1.5
    True
    """

    def __init__(self, clip: float, alpha: float) -> None:
        self.champion = MeanSequence(-clip, clip, alpha / 2.0)
        self.challenger = MeanSequence(-clip, clip, alpha / 2.0)

    def add(self, *, is_challenger: bool, value: float) -> None:
        """Take what one parent was worth.

        Raises:
            FeatureError: it is not finite; nothing changes.
        """
        (self.challenger if is_challenger else self.champion).add(value)

    @property
    def interval(self) -> Interval:
        """Bounds of the difference; the whole range before anything is known."""
        theirs, ours = self.challenger.interval, self.champion.interval
        return Interval(theirs.low - ours.high, theirs.high - ours.low)
