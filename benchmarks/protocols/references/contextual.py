"""Splitters with a model per lane: logistic chance of a fill and exponential size, with the context or without.

Rule of this file: one online Laplace step per child and coefficients solved once a round, nothing faded: the plain
form of what ours does, so that the difference is ours.
"""

from __future__ import annotations

import numpy as np

from benchmarks.protocols.contest import F64
from router.domain.chance import generator

_HALVINGS = 40


class LaplaceLanes:
    """Per lane a Bayesian logistic model of the fill and one of the log rate of a censored exponential size.

    One step per child at the coefficients of the last `solve`. Prior: mean 0 but for the intercept of the size, which
    is a quarter of the total; precision `prior`.
    """

    def __init__(self, lanes: int, dims: int, total: float, prior: float) -> None:
        self.total = total
        centre = np.zeros((2, lanes, dims))
        centre[1, :, 0] = np.log(4.0)
        self._a = np.tile(prior * np.eye(dims), (2, lanes, 1, 1))
        self._b = prior * centre
        self.means: F64 = centre
        self._is_stale = False

    def solve(self) -> None:
        """Bring the coefficients up to date."""
        if self._is_stale:
            self.means = np.asarray(np.linalg.solve(self._a, self._b[..., None])[..., 0])
            self._is_stale = False

    def observe(self, lane: int, x: F64, sent: float, met: float) -> None:
        """Add one child: whether anything was there and, if so, an exposure and whether the size ended in it."""
        self._is_stale = True
        is_there = met > 0.0
        score = float(self.means[0, lane] @ x)
        p = 1.0 / (1.0 + np.exp(-score))
        self._add(0, lane, x, max(p * (1.0 - p), 0.05), score, float(is_there) - p)
        if is_there:
            score = float(self.means[1, lane] @ x)
            ends = met / self.total * np.exp(np.clip(score, -20.0, 20.0))
            self._add(1, lane, x, float(np.clip(ends, 0.05, 5.0)), score, float(met < sent) - ends)

    def laws(self, x: F64, means: F64 | None = None) -> tuple[F64, F64]:
        """Return the chance of a fill and the mean size in shares, both (lanes,)."""
        scores = ((self.means if means is None else means) * x).sum(axis=-1)
        return 1.0 / (1.0 + np.exp(-scores[0])), self.total * np.exp(-np.clip(scores[1], -5.0, 5.0))

    def draw(self, normals: F64) -> F64:
        """Return coefficients drawn from the posterior, from standard normals of the shape of the means."""
        roots = np.linalg.cholesky(np.linalg.inv(self._a))
        return np.asarray(self.means + (roots @ normals[..., None])[..., 0])

    def _add(self, part: int, lane: int, x: F64, weight: float, score: float, residual: float) -> None:
        self._a[part, lane] += weight * np.outer(x, x)
        self._b[part, lane] += (weight * score + float(np.clip(residual, -3.0, 3.0))) * x


class WaterFilling:
    """Water-filling of the posterior mean, with the whole context or, context-free, with the intercept alone.

    Tuned: `prior` of {.3, 1, 3, 10}.
    """

    def __init__(self, lanes: int, dims: int, total: float, is_contextual: bool, prior: float = 3.0) -> None:
        self.name = "water-filling" if is_contextual else "water-filling, no context"
        self._seen = dims if is_contextual else 1
        self._model = LaplaceLanes(lanes, self._seen, total, prior)

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return the split that equalises the marginal values believed."""
        self._model.solve()
        return water_fill(*self._model.laws(x[:, : self._seen]), total)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Add one child."""
        self._model.observe(lane, x[: self._seen], sent, met)


class ProbabilityOfBest:
    """Parts by the probability that a lane is the best one for half of the total, from `draws` posterior draws.

    Tuned: `prior` of {.3, 1, 3, 10}. `draws` is 32.
    """

    def __init__(self, lanes: int, dims: int, total: float, seed: int, prior: float = 3.0, draws: int = 32) -> None:
        self.name = "P(best)"
        self._model = LaplaceLanes(lanes, dims, total, prior)
        self._normals = generator(seed, "P(best)", "posterior")
        self._shape = (draws, 2, lanes, dims)

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Return parts by how often each lane was the best of a draw."""
        self._model.solve()
        drawn = self._model.draw(self._normals.standard_normal(self._shape))
        scores = (drawn * x).sum(axis=-1)
        p, mu = 1.0 / (1.0 + np.exp(-scores[:, 0])), total * np.exp(-np.clip(scores[:, 1], -5.0, 5.0))
        values = p * mu * -np.expm1(-total / 2.0 / mu)
        best = np.bincount(values.argmax(axis=1), minlength=len(x))
        return np.asarray(best * (total / len(values)))

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Add one child."""
        self._model.observe(lane, x, sent, met)


def water_fill(p: F64, mu: F64, total: float) -> F64:
    """Return the split of a total over exponential sizes that equalises p exp(-v / mu), by bisection.

    >>> water_fill(np.array([0.5, 0.5]), np.array([10.0, 30.0]), 40.0).round(6).tolist()
    [10.0, 30.0]
    """
    low, high = -60.0, float(np.log(p.max()))
    logs = np.log(p)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2.0
        if (mu * np.maximum(logs - middle, 0.0)).sum() < total:
            high = middle
        else:
            low = middle
    split = mu * np.maximum(logs - low, 0.0)
    return np.asarray(split * (total / split.sum()))
