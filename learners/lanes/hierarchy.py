"""Two levels, exactly: what members of a group have in common, from each member's own sums.

Rule of this file: only sums go in, (A, b) per member, so that what is shared follows shards and decay exactly.

Member k has parameters θ_k ~ N(μ, T) with μ ~ N(μ0, S0), all precisions diagonal, and A_k, b_k say of θ_k alone that it
is about A_k⁻¹ b_k with precision A_k. Then μ has precision S0⁻¹ + Σ_k (T⁻¹ - T⁻¹ (A_k + T⁻¹)⁻¹ T⁻¹) and information
S0⁻¹ μ0 + Σ_k T⁻¹ (A_k + T⁻¹)⁻¹ b_k, and θ_k's mean is (A_k + T⁻¹)⁻¹ (b_k + T⁻¹ μ): Lindley and Smith, "Bayes estimates
for the linear model", JRSS B 1972. Lanes lean on their tactic and symbols on their group by this one formula.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from learners.lanes.settle import posterior
from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64, I64

PSEUDO = 0.002
"""Of a member at the prior's variance: see `between`."""


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def add_member(
    a: F64, b: F64, scale: float, past_a: F64, past_b: F64, held: F64, width: int, chol: F64, total: F64, pull: F64
) -> None:
    """Add to `total` (w, w), lower triangle, and `pull` (w,) what a member says of μ: its sums are `scale` (a, b) and
    those of past days.

    `held` (w,) is T⁻¹, the precision that holds members to their group; `chol` (w, w) is scratch.
    """
    mean, zero = np.empty(width), np.zeros(width)
    posterior(a, b, scale, past_a, past_b, held, zero, width, chol, mean)
    inverse = np.zeros((width, width))
    for j in range(width):
        # Column j of L⁻¹: the inverse is L⁻ᵀ L⁻¹.
        for i in range(j, width):
            value = 1.0 if i == j else 0.0
            for k in range(j, i):
                value -= chol[i, k] * inverse[k, j]
            inverse[i, j] = value / chol[i, i]
    for i in range(width):
        pull[i] += held[i] * mean[i]
        total[i, i] += held[i]
        for j in range(i + 1):
            value = 0.0
            for k in range(i, width):
                value += inverse[k, i] * inverse[k, j]
            total[i, j] -= held[i] * value * held[j]


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def add_members(mean: F64, chol: F64, memory: I64, held: F64, total: F64, pull: F64) -> None:
    """Do what `add_member` does for members abreast, in the same order of operations, so that the same bits come out.

    `mean` (w, n) and `chol` (w, w, n) are what `posteriors` made of their sums, and may be wider than `memory` (n,),
    which says to which of `total` (m, w, w) and `pull` (m, w) each is added.
    """
    (width, abreast), count = mean.shape, memory.shape[0]
    inverse, value = np.empty((width, width, abreast)), np.empty(abreast)
    for j in range(width):
        for i in range(j, width):
            for k in range(abreast):
                value[k] = 1.0 if i == j else 0.0
            for h in range(j, i):
                for k in range(abreast):
                    value[k] -= chol[i, h, k] * inverse[h, j, k]
            for k in range(abreast):
                inverse[i, j, k] = value[k] / chol[i, i, k]
    for i in range(width):
        for k in range(count):
            pull[memory[k], i] += held[i] * mean[i, k]
        for j in range(i + 1):
            for k in range(abreast):
                value[k] = inverse[i, i, k] * inverse[i, j, k]
            for h in range(i + 1, width):
                for k in range(abreast):
                    value[k] += inverse[h, i, k] * inverse[h, j, k]
            for k in range(count):
                if j == i:
                    total[memory[k], i, i] += held[i]
                total[memory[k], i, j] -= held[i] * value[k] * held[j]


def add_member_plain(a: F64, b: F64, scale: float, held: F64) -> tuple[F64, F64]:
    """The plain twin of `add_member`: return what it adds; `a` is a lower triangle."""
    whole = scale * (np.tril(a) + np.tril(a, -1).T) + np.diag(held)
    total = np.diag(held) - held[:, None] * np.linalg.inv(whole) * held
    return np.tril(total), np.asarray(held * np.linalg.solve(whole, scale * b))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def common(a: F64, b: F64, prior: F64, mean: F64, held: F64) -> F64:
    """Return μ (w,) given sums of all members, (n, w, w) and (n, w)."""
    width = b.shape[1]
    chol, total = np.zeros((width, width)), np.zeros((width, width))
    pull, out = np.zeros(width), np.empty(width)
    none, nothing = np.zeros((width, width)), np.zeros(width)
    for k in range(b.shape[0]):
        add_member(a[k], b[k], 1.0, none, nothing, held, width, chol, total, pull)
    posterior(total, pull, 1.0, none, nothing, prior, mean, width, chol, out)
    return out


def share(a: F64, b: F64, prior: F64, mean: F64, held: F64 | None = None) -> tuple[F64, F64, F64]:
    """Return what members of a group are given each other: θ (n, w), μ (w,) and τ² (w,), the variance between members.

    `a` (n, w, w), lower triangles, and `b` (n, w) are the members' sums; `prior` (w,) and `mean` (w,) the precision
    and mean of μ. Without `held` (1 / τ²) it is found by `between`: empirical Bayes.

    Raises:
        FeatureError: shapes that do not fit, numbers that are not finite, or a precision that is not positive.
    """
    if a.ndim != 3 or a.shape[:2] != b.shape or a.shape[1] != a.shape[2] or prior.shape != b.shape[1:]:
        raise FeatureError(bad_value("hierarchy.share", "sums (n, w, w), (n, w), prior (w,)", (a.shape, b.shape)))
    if not (np.isfinite(a).all() and np.isfinite(b).all() and (prior > 0.0).all()):
        raise FeatureError(bad_value("hierarchy.share", "finite sums and positive precisions", "others"))
    strength: F64 = 1.0 / between(a, b, prior, mean) if held is None else held
    centre: F64 = common(a, b, prior, mean, strength)
    members: F64 = np.empty_like(b)
    chol: F64 = np.empty_like(a[0])
    none: F64 = np.zeros_like(a[0])
    for k in range(len(b)):
        posterior(a[k], b[k], 1.0, none, none[0], strength, centre, b.shape[1], chol, members[k])
    return members, centre, 1.0 / strength


def between(a: F64, b: F64, prior: F64, mean: F64, steps: int = 50) -> F64:
    """Return τ² (w,), the variance between members that makes the sums likeliest, by empirical Bayes.

    A step sets τ² to the sum over members of (θ_k - μ)², divided by how much of that the sums determined and not the
    prior (MacKay, "Bayesian interpolation", Neural Computation 1992). It begins at 1 / prior, ends within 1e-6 and
    1e6, and a five-hundredth of a member at 1 / prior keeps a group of one from having none.
    """
    whole = np.tril(a) + np.swapaxes(np.tril(a, -1), 1, 2)
    tau: F64 = 1.0 / prior
    for _ in range(steps):
        centre = common(a, b, prior, mean, 1.0 / tau)
        inverses = np.linalg.inv(whole + np.eye(len(tau)) / tau)
        members = np.einsum("kij,kj->ki", inverses, b + centre / tau)
        determined = 1.0 - np.diagonal(inverses, axis1=1, axis2=2) / tau
        squares = ((members - centre) ** 2).sum(axis=0)
        tau = (squares + PSEUDO / prior) / (np.maximum(determined.sum(axis=0), 0.0) + PSEUDO)
        tau = np.clip(tau, 1e-6, 1e6)
    return tau


def log_evidence(a: F64, b: F64, centre: F64, tau: F64) -> float:
    """Return the log likelihood of the sums given μ and τ², up to what neither changes: a check on `between`."""
    whole = np.tril(a) + np.swapaxes(np.tril(a, -1), 1, 2)
    total = 0.0
    for each, pull in zip(whole, b, strict=True):
        precision = each + np.diag(1.0 / tau)
        right = pull + centre / tau
        _, log_det = np.linalg.slogdet(precision)
        fitted = float(right @ np.linalg.solve(precision, right))
        total += 0.5 * (fitted - float(centre @ (centre / tau)) - log_det - float(np.log(tau).sum()))
    return total if math.isfinite(total) else -math.inf
