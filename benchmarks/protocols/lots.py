"""Worlds of whole lots without context: each lane has a law of its hidden size, and the laws may change once.

Rule of this file: a law is its tail, P(D > s) for s = 0 .. total - 1; what lies beyond the total can never be seen.
"""

from __future__ import annotations

from math import erfc, log, sqrt

import numpy as np

from benchmarks.protocols.contest import F64, I64
from router.domain.chance import generator
from router.domain.errors import ConfigError, bad_value


class LotWorld:
    """A `SplitWorld` of `tails`, (laws, lanes, total), where round t follows law `law[t]`."""

    def __init__(self, name: str, tails: F64, law: I64, seed: int, *, step_s: float = 1.0) -> None:
        if tails.ndim != 3 or np.any(np.diff(tails, axis=2) > 1e-12):
            raise ConfigError(bad_value(f"$.{name}", "tails (laws, lanes, total) that never rise", tails.shape))
        self.name = name
        self.rounds = len(law)
        self.lanes, self.dims = tails.shape[1], 1
        self.total, self.step_s, self.is_whole = float(tails.shape[2]), step_s, True
        self.law, self.tails = law, tails
        draws = generator(seed, name, "hidden_size").random((self.rounds, self.lanes))
        self._hidden = _sizes(tails, law, draws)
        self._x = np.ones((self.lanes, 1))
        self._filled = np.concatenate([np.zeros((*tails.shape[:2], 1)), np.cumsum(tails, axis=2)], axis=2)
        self._each = np.arange(self.lanes)
        self.best = np.array([_greedy(lane_tails) for lane_tails in tails])[law]

    def context(self, round: int) -> F64:
        """Return a column of ones: there is no context."""
        return self._x

    def hidden(self, round: int) -> F64:
        """Return the sizes of a round, none above the total."""
        sizes: F64 = self._hidden[round]
        return sizes

    def expected(self, round: int, sent: F64) -> float:
        """Return the sum over lanes of E[min(D, sent)], exact."""
        return float(self._filled[self.law[round], self._each, sent.astype(np.int64)].sum())


def power_law(zero: float, beta: float, total: int, largest: int) -> F64:
    """Return the tail of: nothing with probability `zero`, else s with weight s ** -beta for s = 1 .. largest.

    >>> power_law(0.5, 0.0, 2, 4).tolist()
    [0.5, 0.375]
    """
    weights = np.arange(1, largest + 1, dtype=np.float64) ** -beta
    above = 1.0 - np.concatenate([[0.0], np.cumsum(weights)]) / weights.sum()
    tail = np.zeros(total)
    tail[: min(total, largest)] = above[: min(total, largest)]
    return (1.0 - zero) * np.maximum(tail, 0.0)


def log_normal_mixture(zero: float, medians: F64, sigmas: F64, shares: F64, total: int) -> F64:
    """Return the tail of: nothing with probability `zero`, else a mixture of log-normal sizes, rounded up to lots."""
    tail = np.zeros(total)
    for median, sigma, share in zip(medians, sigmas, shares, strict=True):
        # P(ceil(Y) > s) = P(Y > s), and 1 at s = 0.
        above = [1.0] + [0.5 * erfc(log(s / median) / (sigma * sqrt(2.0))) for s in range(1, total)]
        tail += share * np.array(above)
    return (1.0 - zero) * tail


def _sizes(tails: F64, law: I64, draws: F64) -> F64:
    """Return hidden sizes capped at the total, by inversion: D is the number of s with P(D > s) > u."""
    sizes = np.empty(draws.shape)
    for number, lane_tails in enumerate(tails):
        rounds = np.flatnonzero(law == number)
        for lane, tail in enumerate(lane_tails):
            sizes[rounds, lane] = len(tail) - np.searchsorted(tail[::-1], draws[rounds, lane], side="right")
    return sizes


def _greedy(tails: F64) -> float:
    """Return the best expected fill of the total: tails never rise, so taking the highest ones is exact."""
    return float(np.sort(tails, axis=None)[::-1][: tails.shape[1]].sum())
