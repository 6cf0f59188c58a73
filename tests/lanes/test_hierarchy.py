"""Two levels: exact where the precision is known, and never worse than pooling all or nothing where it is not.

Rule of this file: groups are drawn from keyed generators, some alike, some not, some members thin.
"""

from __future__ import annotations

import numpy as np
import pytest

from learners.lanes.hierarchy import between, log_evidence, share
from router.domain.chance import generator
from router.domain.errors import FeatureError
from router.domain.market import F64

WIDTH, MEMBERS = 3, 12
PRIOR, MEAN = np.full(WIDTH, 0.5), np.zeros(WIDTH)


def _group(seed: int, deviation: float, counts: list[int]) -> tuple[F64, F64, F64]:
    """Return true parameters (n, w) and sums of linear observations of unit noise: so many per member."""
    draws = generator(seed, "hierarchy", "group")
    truth = draws.normal(size=WIDTH) + deviation * draws.normal(size=(len(counts), WIDTH))
    a, b = np.zeros((len(counts), WIDTH, WIDTH)), np.zeros((len(counts), WIDTH))
    for k, count in enumerate(counts):
        x = draws.normal(size=(count, WIDTH))
        a[k], b[k] = np.tril(x.T @ x), x.T @ (x @ truth[k] + draws.normal(size=count))
    return truth, a, b


def _whole(a: F64) -> F64:
    return np.tril(a) + np.swapaxes(np.tril(a, -1), 1, 2)


def test_the_formula_is_the_joint_posterior() -> None:
    _, a, b = _group(1, 1.0, [2, 5, 9, 0])
    held = np.array([2.0, 0.5, 1.0])
    members, centre, _ = share(a, b, PRIOR, MEAN, held)
    size = WIDTH * 5
    joint, right = np.zeros((size, size)), np.zeros(size)
    joint[:WIDTH, :WIDTH] = np.diag(PRIOR) + 4 * np.diag(held)
    for k in range(4):
        own = slice(WIDTH * (k + 1), WIDTH * (k + 2))
        joint[own, own] = _whole(a)[k] + np.diag(held)
        joint[:WIDTH, own] = joint[own, :WIDTH] = -np.diag(held)
        right[own] = b[k]
    solved = np.linalg.solve(joint, right)
    np.testing.assert_allclose(centre, solved[:WIDTH], atol=1e-12)
    np.testing.assert_allclose(members.ravel(), solved[WIDTH:], atol=1e-12)


@pytest.mark.parametrize("deviation", [0.1, 0.2, 0.5, 1.0, 3.0])
def test_sharing_is_never_worse_than_pooling_all_or_nothing(deviation: float) -> None:
    """Mean squared errors over groups in which some members have two observations and some two hundred."""
    shared, alone, pooled = 0.0, 0.0, 0.0
    for seed in range(40):
        truth, a, b = _group(seed, deviation, [2, 5, 10, 20, 50, 200] * 2)
        members, _, _ = share(a, b, PRIOR, MEAN)
        shared += float(((members - truth) ** 2).sum())
        own = np.linalg.solve(_whole(a) + np.diag(PRIOR), b[..., None])[..., 0]
        alone += float(((own - truth) ** 2).sum())
        one = np.linalg.solve(_whole(a).sum(axis=0) + np.diag(PRIOR), b.sum(axis=0))
        pooled += float(((one - truth) ** 2).sum())
    assert shared <= min(alone, pooled)


@pytest.mark.parametrize("deviation", [0.3, 0.5])
def test_thin_members_have_a_third_to_two_thirds_less_error(deviation: float) -> None:
    shared, alone = 0.0, 0.0
    for seed in range(60):
        truth, a, b = _group(seed, deviation, [4] * 4 + [100] * 8)
        members, _, _ = share(a, b, PRIOR, MEAN)
        own = np.linalg.solve(_whole(a) + np.diag(PRIOR), b[..., None])[..., 0]
        shared += float(np.abs(members - truth)[:4].mean())
        alone += float(np.abs(own - truth)[:4].mean())
    assert 0.3 <= 1.0 - shared / alone <= 0.7


def test_the_variance_between_members_is_found_and_is_likelier_than_others() -> None:
    _, a, b = _group(5, 0.6, [60] * 40)
    tau = between(a, b, PRIOR, MEAN, steps=80)
    assert tau == pytest.approx(np.full(WIDTH, 0.36), rel=0.5)
    _, centre, _ = share(a, b, PRIOR, MEAN, 1.0 / tau)
    best = log_evidence(a, b, centre, tau)
    assert best > log_evidence(a, b, centre, 4.0 * tau)
    assert best > log_evidence(a, b, centre, tau / 4.0)


def test_what_does_not_fit_is_refused() -> None:
    _, a, b = _group(1, 1.0, [2, 5])
    for bad in ((a[0], b, PRIOR), (a, b[:1], PRIOR), (a, b, PRIOR[:2]), (a, b * np.nan, PRIOR), (a, b, -PRIOR)):
        with pytest.raises(FeatureError):
            share(bad[0], bad[1], bad[2], MEAN)
