"""An alarm for a mean that has fallen: e-CUSUM, whose average run length to a false alarm is guaranteed.

Rule of this file: no model of the observations but their bounds. Under "the mean is at least the baseline" every
increment is a bet with an expected return of at most 1; the best that a bettor who began at some time can have is the
statistic (Shin, Ramdas, Rinaldo, "E-detectors: a nonparametric framework for sequential change detection", NEJSDS
2024; arXiv 2203.03532). With threshold c the mean number of observations to a false alarm is at least c.
"""

from __future__ import annotations

import math

from router.domain.errors import ConfigError, FeatureError, bad_value

BETS = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Sizes of the bets, as parts of the largest that cannot go below 0; each has the same part of the statistic. Small
ones find small falls late, large ones large falls soon."""


class FallDetector:
    """Watches observations in [baseline - clip, baseline + clip] for a mean below `baseline`.

    `run_length` is the guaranteed mean number of observations to a false alarm. What lies outside is clipped.

    >>> watch = FallDetector(clip=5.0, run_length=10_000.0)
    >>> for _ in range(200):
    ...     watch.add(-2.0)
    >>> watch.is_alarmed
    True
    """

    def __init__(self, clip: float, run_length: float) -> None:
        if not 0.0 < clip < math.inf:
            raise ConfigError(bad_value("ecusum.clip", "a positive bound", clip))
        if not 1.0 < run_length < math.inf:
            raise ConfigError(bad_value("ecusum.run_length", "a mean run length above 1", run_length))
        self.clip, self.run_length = clip, run_length
        self.n = 0
        self.is_alarmed = False
        self._wealth = [1.0] * len(BETS)

    @property
    def statistic(self) -> float:
        """What the bettors have, on average; the alarm comes when it reaches `run_length`."""
        return math.fsum(self._wealth) / len(self._wealth) if self.n else 0.0

    def add(self, excess: float) -> None:
        """Take one observation less the baseline; positive is good.

        Raises:
            FeatureError: it is not finite; nothing changes.
        """
        if not math.isfinite(excess):
            raise FeatureError(bad_value("ecusum.excess", "a finite number", excess))
        share = min(max(excess / self.clip, -1.0), 1.0)
        self.n += 1
        # 1 - bet * share has a mean of at most 1 when the mean of share is at least 0, and is never below 0.
        self._wealth = [max(wealth, 1.0) * (1.0 - bet * share) for wealth, bet in zip(self._wealth, BETS, strict=True)]
        if self.statistic >= self.run_length:
            self.is_alarmed = True
