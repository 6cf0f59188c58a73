"""What a share on a lane brings in a context, predicted for each decision by a model that has not seen it.

Rule of this file: cross-fitting. The decisions are cut into consecutive folds (neighbours in time share the market's
path, so that a fold drawn at random would know its own answers), and each is predicted from the others.

The model is ridge regression per lane, drawn towards one regression over all lanes: a lane with few observations
predicts what lanes like it brought. Its basis (the mean alone, linear, or with squares and products) and the strength
of the drawing are those with the least out-of-fold loss, each loss weighted as it enters the variance of a doubly
robust estimate (Farajtabar, Chow and Ghavamzadeh, "More robust doubly robust off-policy evaluation", ICML 2018).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from learners.evaluation.rounds import Rounds
from router.domain.market import F64

FOLDS = 10
"""Each prediction comes from nine tenths of the log."""

PULLS = (3.0, 30.0, 300.0, 3_000.0)
"""How many observations the regression over all lanes is worth against a lane's own."""

POOLED_RIDGE = 1.0
"""Precision at which the regression over all lanes is held to 0, in observations."""

SPREAD_MAX = 3.0
"""Columns are centred and scaled by what was logged, and cut there and here: beyond its log a model knows nothing."""

ROWS_PER_COLUMN = 20
"""A basis is tried where the log has so many children for each of its columns; the mean alone always is."""


class Predicted(NamedTuple):
    """Out-of-fold predictions in bps per share, (n, K) each, and which model made them."""

    at_logged: F64
    """At the quantities that were sent."""
    at_target: F64
    """At the quantities that the judged policy would send."""
    basis: str
    pull: float


def predict(rounds: Rounds) -> Predicted:
    """Return what each lane would have brought at each decision, predicted from the other folds.

    >>> from learners.evaluation.worlds import plain_rounds
    >>> predicted = predict(plain_rounds(2_000, seed=1))
    >>> predicted.at_logged.shape
    (2000, 4)
    """
    used = rounds.taken > 0.0
    # A residual enters the doubly robust estimate times its importance, hence the variance times its square.
    loss_weight = np.where(used, rounds.taken * (rounds.importance**2 + 1e-3), 0.0)
    context, target_context = _scaled(rounds)
    n = len(rounds.weight)
    folds = tuple(slice(f * n // FOLDS, (f + 1) * n // FOLDS) for f in range(FOLDS))
    best: tuple[float, F64, F64, str, float] | None = None
    for basis in _bases(rounds.context.shape[2], int(used.sum())):
        x = _expanded(context, basis)
        sums = _sums(x, rounds, folds)
        for pull in PULLS:
            theta = _solved(sums, pull)
            at_logged = _read(x, theta, folds)
            loss = float((loss_weight * (rounds.reward - at_logged) ** 2).sum())
            if best is None or loss < best[0]:
                best = loss, at_logged, theta, basis, pull
    assert best is not None, "there is a basis and a pull"
    _, at_logged, theta, basis, pull = best
    is_same = target_context is context
    at_target = at_logged if is_same else _read(_expanded(target_context, basis), theta, folds)
    return Predicted(at_logged, at_target, basis, pull)


def _scaled(rounds: Rounds) -> tuple[F64, F64]:
    """Return both contexts with every column but the first in standard deviations from the logged mean.

    A column that did not move in the log is 0 in both: what it does cannot be known from there.
    """
    used = rounds.context[rounds.taken > 0.0]
    if not len(used):
        return rounds.context, rounds.target_context
    mean, spread = used.mean(axis=0), used.std(axis=0)
    scale = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 1e-9)
    least, most = used.min(axis=0), used.max(axis=0)

    def scaled(x: F64) -> F64:
        out: F64 = np.clip((np.clip(x, least, most) - mean) * scale, -SPREAD_MAX, SPREAD_MAX)
        out[:, :, 0] = 1.0
        return out

    context = scaled(rounds.context)
    is_same = rounds.target_context is rounds.context
    return context, context if is_same else scaled(rounds.target_context)


def _bases(width: int, children: int) -> list[str]:
    columns = {"mean": 0, "linear": width, "products": width * (width + 1) // 2}
    return [basis for basis, count in columns.items() if ROWS_PER_COLUMN * count <= children]


def _expanded(x: F64, basis: str) -> F64:
    """Return the columns of a basis; the first column of `x` is 1, so that products hold the columns themselves."""
    if basis == "mean":
        return x[:, :, :1]
    if basis == "linear":
        return x
    first, second = np.triu_indices(x.shape[2])
    return np.ascontiguousarray(x[:, :, first] * x[:, :, second])


def _sums(x: F64, rounds: Rounds, folds: tuple[slice, ...]) -> tuple[F64, F64]:
    """Return the information (folds, lanes, D, D) and (folds, lanes, D) of each fold's complement."""
    lanes, width = x.shape[1], x.shape[2]
    a, b = np.zeros((FOLDS, lanes, width, width)), np.zeros((FOLDS, lanes, width))
    for f, own in enumerate(folds):
        for k in range(lanes):
            used = rounds.taken[own, k] > 0.0
            rows = x[own, k][used]
            a[f, k] = rows.T @ rows
            b[f, k] = rows.T @ rounds.reward[own, k][used]
    others: tuple[F64, F64] = a.sum(axis=0) - a, b.sum(axis=0) - b
    return others


def _solved(sums: tuple[F64, F64], pull: float) -> F64:
    """Return the coefficients (folds, lanes, D)."""
    a, b = sums
    eye = np.eye(a.shape[2])
    pooled: F64 = np.linalg.solve(a.sum(axis=1) + POOLED_RIDGE * eye, b.sum(axis=1)[:, :, None])
    theta: F64 = np.empty(b.shape)
    theta[:] = np.linalg.solve(a + pull * eye, b[..., None] + pull * pooled[:, None])[..., 0]
    return theta


def _read(x: F64, theta: F64, folds: tuple[slice, ...]) -> F64:
    out: F64 = np.empty(x.shape[:2])
    for f, own in enumerate(folds):
        np.einsum("nkd,kd->nk", x[own], theta[f], out=out[own])
    return out
