"""What a style is worth a share, by context: one Bayesian linear model per style, all leaning on what they share.

Rule of this file: its state is discounted sums alone (see `learners.state.accumulator`), so that shards merge exactly
and a journal rebuilds it; noise and prior enter when the sums are read.

Style k has parameters θ_k ~ N(μ, T), μ ~ N(0, S0), and sums A_k, b_k of unit-weight observations with noise variance
s². The posterior is that of Lindley and Smith (JRSS B, 1972), here with covariances besides the means, since a host
deviates from the safe style only as far as they allow. s² is estimated from the same sums.
"""

from __future__ import annotations

import hashlib
from typing import NamedTuple

import numpy as np

from learners.state.accumulator import Accumulator
from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64
from router.domain.units import MINUTE, Nanos

NOISE_BPS = 4.0
"""Deviation of a slice's value before any was seen, and for how many slices that counts."""
NOISE_SLICES = 20.0
NOISE_MIN_BPS = 0.1


class TacticPrior(NamedTuple):
    """Standard deviations in bps: of what styles share and of a style from it, for the intercept and for the rest."""

    half_life_ns: Nanos = 720 * MINUTE
    shared_bias: float = 5.0
    shared: float = 1.0
    own_bias: float = 2.0
    own: float = 0.7


PRIOR = TacticPrior()


class Beliefs(NamedTuple):
    """Means (styles, features) and covariances (styles, features, features) of the parameters, and the noise in bps."""

    mean: F64
    cov: F64
    noise_bps: float


def two_level(a: F64, b: F64, shared: F64, own: F64) -> tuple[F64, F64]:
    """Return the posterior means (n, w) and covariances (n, w, w) of members' parameters.

    Args:
        a: float64 (n, w, w), each member's precision from its own observations.
        b: float64 (n, w), that precision times what they say.
        shared: float64 (w,), prior precision of what members share, about 0.
        own: float64 (w,), precision of a member about it.
    """
    held = np.diag(own)
    inverse = np.linalg.inv(a + held)
    total = np.diag(shared) + len(a) * held - np.einsum("i,kij,j->ij", own, inverse, own)
    centre_cov = np.linalg.inv(total)
    centre = centre_cov @ (own * np.einsum("kij,kj->i", inverse, b))
    lean = inverse * own
    mean = np.einsum("kij,kj->ki", inverse, b + own * centre)
    cov = inverse + lean @ centre_cov @ np.swapaxes(lean, 1, 2)
    return mean, 0.5 * (cov + np.swapaxes(cov, 1, 2))


class TacticModel:
    """Values per share of `styles` styles over `width` features, the first of which is the intercept.

    >>> model = TacticModel(styles=2, width=1)
    >>> for n in range(400):
    ...     model.add(n % 2, at=n, x=np.ones(1), bps=float(n % 2))
    >>> model.read(at=400).mean.round(1).ravel().tolist()
    [0.0, 1.0]
    """

    def __init__(self, styles: int, width: int, prior: TacticPrior = PRIOR) -> None:
        if styles < 1 or width < 1:
            raise FeatureError(bad_value("tactic_model", "at least one style and one feature", (styles, width)))
        self.prior = prior
        self.sums = Accumulator(styles, width, prior.half_life_ns)
        self.squares = Accumulator(1, 1, prior.half_life_ns)
        """The discounted number of observations, and the sum of their squares."""
        self._shared: F64 = np.full(width, prior.shared**-2)
        self._own: F64 = np.full(width, prior.own**-2)
        self._shared[0], self._own[0] = prior.shared_bias**-2, prior.own_bias**-2

    def add(self, style: int, at: Nanos, x: F64, bps: float) -> None:
        """Take one slice's value.

        Raises:
            FeatureError: another shape, or numbers that are not finite; nothing is added.
        """
        self.sums.add(style, at, x, 1.0, bps)
        self.squares.add(0, at, np.ones(1), 1.0, bps * bps)

    def read(self, at: Nanos) -> Beliefs:
        """Return what is believed at `at`: the noise from the residuals of a first reading, then all of it."""
        scale = self.sums.decay(at)
        a, b = scale * self.sums.a, scale * self.sums.b
        count, squared = (self.squares.decay(at) * part.item() for part in (self.squares.a, self.squares.b))
        first, _ = two_level(a / NOISE_BPS**2, b / NOISE_BPS**2, self._shared, self._own)
        fitted = np.einsum("ki,kij,kj->", first, a, first) - 2.0 * float((first * b).sum())
        missed = max(squared + float(fitted), 0.0) + NOISE_SLICES * NOISE_BPS**2
        noise = max(missed / (count + NOISE_SLICES), NOISE_MIN_BPS**2)
        mean, cov = two_level(a / noise, b / noise, self._shared, self._own)
        return Beliefs(mean, cov, float(np.sqrt(noise)))

    def carry(self, past: TacticModel, until: Nanos, at: Nanos) -> None:
        """Begin at `at` with what another model knew at `until`, as if no time lay between. Only a model that has
        learned nothing can."""
        for mine, theirs in ((self.sums, past.sums), (self.squares, past.squares)):
            mine.event_weight(at)
            factor = theirs.decay(until) / mine.decay(at)
            rows, width = theirs.b.shape
            grown = Accumulator(rows, width, theirs.half_life_ns)
            grown.a, grown.b, grown.epoch = factor * theirs.a, factor * theirs.b, mine.epoch
            mine.merge(grown)

    def merge(self, other: TacticModel) -> None:
        """Add another shard's sums to these."""
        self.sums.merge(other.sums)
        self.squares.merge(other.squares)

    def digest(self) -> str:
        """Return a sha256 of the state."""
        return hashlib.sha256((self.sums.digest() + self.squares.digest()).encode()).hexdigest()
