"""Splitters that keep one weight per lane: uniform, multiplicative, ExpGrad and Laruelle-Lehalle-Pages.

Rule of this file: a full fill is all that is learned from; what is not known is which sizes were missed.
"""

from __future__ import annotations

from math import log, sqrt

import numpy as np

from benchmarks.protocols.contest import F64


class Uniform:
    """Sends the same to each lane, for ever."""

    def __init__(self, lanes: int) -> None:
        self.name = "uniform"
        self._lanes = lanes

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return equal parts."""
        return np.full(self._lanes, total / self._lanes)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Learn nothing."""


class Multiplicative:
    """The bandit of Ganchev et al. (2010), section 6: a full fill raises a lane's weight, anything else lowers it.

    Tuned: `up` of {1.02, 1.05, 1.1, 1.2} with `down` of {.9, .95, .98}; the paper's 1.05 and .95 came to .983 of the
    oracle on the tuning seeds, 1.1 and .98 to .984.
    """

    def __init__(self, lanes: int, up: float = 1.1, down: float = 0.98) -> None:
        self.name = "multiplicative"
        self.up, self.down = up, down
        self._weights = np.ones(lanes)

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return parts by weight; weights are kept summing to 1 so that they never overflow."""
        self._weights /= self._weights.sum()
        return self._weights * total

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Raise or lower one weight."""
        self._weights[lane] *= self.up if met >= sent else self.down


class ExpGrad:
    """Exponentiated gradient on the simplex, Agarwal, Bartlett and Dama (2010), algorithm 1.

    The gradient of min(D, v) by v is 1 after a full fill and 0 after any other. Step eta = scale sqrt(ln K / T), the
    paper's with scale 1. Tuned: `scale` (named where it is not 1) and `floor_lots`, sent to each lane at least so that
    its gradient is seen; of {0, 1}.
    """

    def __init__(self, lanes: int, rounds: int, scale: float = 1.0, floor_lots: float = 0.0) -> None:
        self.name = "expgrad" if scale == 1.0 else f"expgrad x{scale:g}"
        self.floor_lots = floor_lots
        self._eta = scale * sqrt(log(lanes) / rounds)
        self._weights = np.full(lanes, 1.0 / lanes)

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return parts by weight, none under the floor."""
        self._weights /= self._weights.sum()
        return floored(self._weights * total, self.floor_lots, total)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Step along one lane's gradient."""
        if met >= sent:
            self._weights[lane] *= np.exp(self._eta)


class StochasticSplit:
    """The stochastic algorithm of Laruelle, Lehalle and Pages (2011), with its projection to the simplex.

    Each lane's share moves by gamma_n times its full-fill indicator less the mean indicator over lanes; gamma_n =
    `step` (n + `warm`) ** -`power`, n in rounds. Tuned: `step` of {.1, .3, 1, 3}, `power` of {.5, .75, 1}, `warm` of
    {1, 100} and `floor_lots` of {0, 1}.
    """

    def __init__(
        self, lanes: int, step: float = 1.0, power: float = 0.75, warm: float = 1.0, floor_lots: float = 1.0
    ) -> None:
        self.name = "laruelle-lehalle-pages"
        self.step, self.power, self.warm, self.floor_lots = step, power, warm, floor_lots
        self._shares = np.full(lanes, 1.0 / lanes)
        self._children = 0

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return parts by share, projected first."""
        self._shares = on_simplex(self._shares)
        return floored(self._shares * total, self.floor_lots, total)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Add what one lane's indicator gives to its own share and takes from the mean."""
        self._children += 1
        if met >= sent:
            lanes = len(self._shares)
            gamma = self.step * (self._children / lanes + self.warm) ** -self.power
            self._shares -= gamma / lanes
            self._shares[lane] += gamma


def floored(parts: F64, floor: float, total: float) -> F64:
    """Return parts of a total, none under the floor, the rest scaled down for it.

    >>> floored(np.array([10.0, 0.0]), 1.0, 10.0).tolist()
    [9.0, 1.0]
    """
    return floor + parts * ((total - floor * len(parts)) / total)


def on_simplex(shares: F64) -> F64:
    """Return the nearest point with no negative part and sum 1.

    >>> on_simplex(np.array([1.2, 0.2, -0.5])).round(9).tolist()
    [1.0, 0.0, 0.0]
    """
    falling = np.sort(shares)[::-1]
    over = (np.cumsum(falling) - 1.0) / np.arange(1, len(shares) + 1)
    level = over[np.flatnonzero(falling > over)[-1]]
    return np.asarray(np.maximum(shares - level, 0.0))
