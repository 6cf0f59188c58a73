"""What is served is what scikit-learn says: to the bit for trees, to the last places where BLAS sums."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from price_markets import inputs
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from learners.price.model import PriceModel, Provenance, model_from_bytes, model_to_bytes, sealed
from learners.price.samples import Samples
from learners.price.serve import PriceServer, expit
from learners.price.serve_plain import plain_probability
from learners.price.signals import SIGNALS
from learners.price.train import export, fit
from router.domain.chance import generator
from router.domain.errors import FeatureError
from router.domain.market import F64

BLAS_TOLERANCE = 1e-13
"""Sums of 11 and of 16 products in another order: n 2^-53 sum |w x| with sums up to some tens."""


def provenance(kind: Any) -> Provenance:
    return Provenance(
        kind=kind, source="test", label="next move", step_ns=1, seed=1, rows=(1, 1, 1), span=(0, 1), trainer="test",
        settings={}, scores={},
    )  # fmt: skip


def samples(seed: int, n: int) -> Samples:
    x = inputs(seed, n, SIGNALS, 0.0)
    y = (x[:, 1] + generator(seed, "price-tests", "labels").normal(size=n) > 0).astype(np.int64)
    return Samples(x, y, np.arange(n), np.arange(n))


def served_again(model: PriceModel, x: F64) -> F64:
    """Serve a model that has been through its bytes."""
    return PriceServer(model_from_bytes(model_to_bytes(model), "bytes")).probabilities(x)


@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    trees=st.integers(1, 40),
    leaves=st.integers(2, 40),
    missing=st.sampled_from([0.0, 0.1, 0.6]),
    rows=st.integers(1, 200),
)
def test_trees_are_served_equal_to_the_bit(seed: int, trees: int, leaves: int, missing: float, rows: int) -> None:
    x = inputs(seed, 300, SIGNALS, missing)
    y = (np.nan_to_num(x[:, 1]) + generator(seed, "price-tests", "labels").normal(size=300) > 0).astype(np.int64)
    y[:2] = 0, 1
    estimator = HistGradientBoostingClassifier(
        max_iter=trees, max_leaf_nodes=leaves, min_samples_leaf=5, early_stopping=False, random_state=seed
    )
    with threadpool_limits(limits=1):
        estimator.fit(x, y)
    model = sealed(provenance("hgb"), export("hgb", estimator))
    # Unseen rows, values that lie exactly on thresholds, and nothing known at all.
    edges = np.repeat(model.arrays["threshold"][:50, None], SIGNALS, axis=1)
    edges = edges[np.isfinite(edges).all(axis=1)]
    asked = np.vstack((inputs(seed + 1, rows, SIGNALS, missing), edges, np.full((1, SIGNALS), np.nan)))
    assert served_again(model, asked).tobytes() == estimator.predict_proba(asked)[:, 1].tobytes()


@pytest.mark.parametrize("kind", ["mlp", "logistic"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sums_of_products_are_served_to_the_last_places(kind: Any, seed: int) -> None:
    fitted = fit(kind, samples(seed, 800), samples(seed + 10, 300), seed)
    asked = inputs(seed + 20, 500, SIGNALS, 0.2)
    served = served_again(sealed(provenance(kind), fitted.arrays), asked)
    assert np.abs(served - fitted.estimator.predict_proba(asked)[:, 1]).max() <= BLAS_TOLERANCE


@pytest.mark.parametrize("kind", ["hgb", "mlp", "logistic"])
def test_kernel_and_plain_twin_serve_the_same_bits(kind: Any) -> None:
    model = sealed(provenance(kind), fit(kind, samples(1, 800), samples(2, 300), 1).arrays)
    x = inputs(3, 50, SIGNALS, 0.2)
    served = PriceServer(model)
    assert served.probabilities(x).tolist() == [plain_probability(model, row) for row in x.tolist()]
    assert [served.probability(row) for row in x] == served.probabilities(x).tolist()


@pytest.mark.parametrize("kind", ["hgb", "mlp", "logistic"])
def test_training_twice_gives_the_same_model(kind: Any) -> None:
    digests = {sealed(provenance(kind), fit(kind, samples(1, 600), samples(2, 300), 1).arrays).provenance.sha256}
    digests.add(sealed(provenance(kind), fit(kind, samples(1, 600), samples(2, 300), 1).arrays).provenance.sha256)
    assert len(digests) == 1


def test_logistic_function_is_that_of_scipy() -> None:
    from scipy.special import expit as theirs

    values = np.concatenate((np.linspace(-40.0, 40.0, 4_001), [-800.0, -0.0, 0.0, 800.0]))
    assert np.array([expit(value) for value in values]).tobytes() == theirs(values).tobytes()


def test_infinite_signals_and_other_shapes_are_refused() -> None:
    server = PriceServer(sealed(provenance("logistic"), fit("logistic", samples(1, 600), samples(2, 300), 1).arrays))
    with pytest.raises(FeatureError, match="not infinite"):
        server.probability(np.full(SIGNALS, np.inf))
    with pytest.raises(FeatureError, match=f"{SIGNALS} signals"):
        server.probability(np.zeros(SIGNALS + 1))
    with pytest.raises(FeatureError, match=f"rows of {SIGNALS}"):
        server.probabilities(np.zeros((2, SIGNALS - 1)))
