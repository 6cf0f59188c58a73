"""Five estimates of what a policy would have brought, from rounds that another one logged.

Rule of this file: every estimator is one line of the literature, and intervals come from one linearised variance,
summed over clusters.

* IPS, inverse propensity scores (Horvitz and Thompson, 1952): unbiased, noisy.
* SNIPS, self-normalised (Swaminathan and Joachims, NeurIPS 2015): the weights' sum divides what it should have been.
* DM, direct method: the reward model alone. It is as wrong as the model, which its own spread does not show: it has
  no interval.
* DR, doubly robust (Dudík, Langford and Li, ICML 2011): the model, corrected by weighted residuals.
* DRS, doubly robust with shrunk weights (Su, Dimakopoulou, Krishnamurthy and Dudík, ICML 2020): λw / (w² + λ) in place
  of w, with the λ whose estimated squared bias and variance are least together: near DM where the model is right, near
  DR where it is wrong. Its interval is as wide as DR's, since its own does not show its bias. The one to read.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from learners.evaluation.reward_model import Predicted, predict
from learners.evaluation.rounds import Rounds
from router.domain.market import F64, I64

Z_95 = 1.959963984540054
"""Standard normal quantile at .975: every interval covers 95 %."""

SHRINKAGES = (0.0, 0.1, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3)
"""λ: 0 is DM; infinity, DR itself, is tried besides."""


class Estimate(NamedTuple):
    """A value in bps per share of the slice, with its interval and standard error."""

    name: str
    value: float
    low: float
    high: float
    error: float


class _Parts(NamedTuple):
    direct: F64
    """(n,): what the model says of the judged policy."""
    residual: F64
    """(n, K): what was taken, times what the model missed."""
    robust: F64
    """(n,): the doubly robust terms."""


def estimates(rounds: Rounds, predicted: Predicted | None = None) -> tuple[Estimate, ...]:
    """Return IPS, SNIPS, DM, DR and DRS of checked rounds, in this order.

    `predicted` are the reward model's predictions; made here where they are not given.

    >>> from learners.evaluation.worlds import plain_rounds
    >>> [estimate.name for estimate in estimates(plain_rounds(500, seed=1))]
    ['IPS', 'SNIPS', 'DM', 'DR', 'DRS']
    """
    parts = _parts(rounds, predict(rounds) if predicted is None else predicted)
    sent = rounds.taken * rounds.importance
    weighed = (sent * rounds.reward).sum(axis=1)
    return (
        _mean("IPS", weighed, rounds),
        _self_normalised(weighed, sent.sum(axis=1), rounds),
        Estimate("DM", _average(parts.direct, rounds.weight), -math.inf, math.inf, math.inf),
        _mean("DR", parts.robust, rounds),
        _shrunk(parts, rounds),
    )


def gain(rounds: Rounds, predicted: Predicted) -> Estimate:
    """Return DRS less what the policy that acted really brought.

    The noise that both share is not in its interval; how far DRS was drawn from DR is, as a bias that it may have.
    """
    parts = _parts(rounds, predicted)
    brought = (rounds.taken * rounds.reward).sum(axis=1)
    shrunk, logged = _shrunk(parts, rounds).value, _average(brought, rounds.weight)
    drawn = shrunk - _average(parts.robust, rounds.weight)
    error = math.hypot(_error(parts.robust - brought, rounds), drawn)
    return _interval("gain", shrunk - logged, error, rounds.cluster)


def effective_share(rounds: Rounds) -> float:
    """Return the effective sample size as a share of what was sent: (Σ m w)² / (Σ m Σ m w²), m shares, w importance.

    1 where both policies are the same, 0 where they share no lane (Kish, "Survey sampling", 1965).
    """
    mass = rounds.taken * rounds.weight[:, None]
    importance = rounds.importance
    squares = float((mass * importance**2).sum()) * float(mass.sum())
    return float((mass * importance).sum()) ** 2 / squares if squares > 0.0 else 0.0


def unsupported_share(rounds: Rounds) -> float:
    """Return the share of what the judged policy would send that goes where the logged one never does."""
    wanted = rounds.target * rounds.weight[:, None]
    total = float(wanted.sum())
    return float(wanted[rounds.logged <= 0.0].sum()) / total if total > 0.0 else 0.0


def logged_value(rounds: Rounds) -> Estimate:
    """Return what the policy that acted really brought."""
    return _mean("logged", (rounds.taken * rounds.reward).sum(axis=1), rounds)


def _self_normalised(weighed: F64, mass: F64, rounds: Rounds) -> Estimate:
    supported = np.where(rounds.logged > 0.0, rounds.target, 0.0).sum(axis=1)
    wanted = _average(supported, rounds.weight)
    found = _average(mass, rounds.weight)
    if found <= 0.0:
        return Estimate("SNIPS", 0.0, -math.inf, math.inf, math.inf)
    value = _average(weighed, rounds.weight) / found
    error = _error((weighed - value * (mass - supported)) - value * supported + value * wanted, rounds) / found
    return _interval("SNIPS", value * wanted, error * wanted, rounds.cluster)


def _parts(rounds: Rounds, model: Predicted) -> _Parts:
    direct = (rounds.target * model.at_target).sum(axis=1)
    residual = rounds.taken * (rounds.reward - model.at_logged)
    return _Parts(direct, residual, direct + (rounds.importance * residual).sum(axis=1))


def _shrunk(parts: _Parts, rounds: Rounds) -> Estimate:
    """Return DR, or the shrunk form of it with the least estimated mean squared error.

    The squared bias is that of the difference to DR, its noise included: what cannot be told from bias is not used.
    """
    direct, residual, robust = parts
    whole = _error(robust, rounds)
    best, best_error = _average(robust, rounds.weight), whole
    importance = rounds.importance
    for shrinkage in SHRINKAGES:
        out = np.zeros_like(importance)
        weights = np.divide(shrinkage * importance, importance**2 + shrinkage, out=out, where=importance > 0.0)
        terms = direct + (weights * residual).sum(axis=1)
        value = _average(terms, rounds.weight)
        error = math.hypot(value - _average(robust, rounds.weight), _error(terms, rounds))
        if error < best_error:
            best, best_error = value, error
    return _interval("DRS", best, whole, rounds.cluster)


def _mean(name: str, terms: F64, rounds: Rounds) -> Estimate:
    return _interval(name, _average(terms, rounds.weight), _error(terms, rounds), rounds.cluster)


def _average(terms: F64, weight: F64) -> float:
    return float(weight @ terms) / float(weight.sum())


def _error(terms: F64, rounds: Rounds) -> float:
    """Return the standard error of a weighted mean whose observations are the clusters (Cochran, 1977, 6.3)."""
    _, place = np.unique(rounds.cluster, return_inverse=True)
    residual = np.bincount(place, weights=rounds.weight * (terms - _average(terms, rounds.weight)))
    m = len(residual)
    if m < 2:
        return math.inf
    return math.sqrt(m / (m - 1) * float((residual**2).sum())) / float(rounds.weight.sum())


def _interval(name: str, value: float, error: float, cluster: I64) -> Estimate:
    if not math.isfinite(error):
        return Estimate(name, value, -math.inf, math.inf, math.inf)
    half = student_95(len(np.unique(cluster)) - 1) * error
    return Estimate(name, value, value - half, value + half, error)


def student_95(freedom: int) -> float:
    """Return Student's t quantile at .975 (Cornish and Fisher's expansion; within 1 % from 4 degrees of freedom on).

    >>> round(student_95(10), 2), round(student_95(10_000), 2)
    (2.23, 1.96)
    """
    z, v = Z_95, float(max(freedom, 1))
    return (
        z
        + (z**3 + z) / (4 * v)
        + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * v**2)
        + (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / (384 * v**3)
    )
