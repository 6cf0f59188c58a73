"""Trains price models in scikit-learn and exports them as flat arrays.

Rule of this file: it alone knows scikit-learn. Settings are chosen on the validation part, and the test part is
looked at once, by `learners.price.judge`, after everything is chosen.

Every sample is learned together with its mirror image (bids for asks, up for down): a rising day must not teach that
prices rise.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec
import numpy as np
import sklearn
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits

from learners.price.judge import Judgement, judge, log_loss
from learners.price.model import Arrays, Kind, PriceModel, Provenance, sealed
from learners.price.samples import Samples, Split
from learners.price.serve import PriceServer
from learners.price.signals import PRICE_SIGNALS, SIDED, SIGNALS
from router.domain.chance import key_of
from router.domain.errors import InvariantError, bad_value
from router.domain.market import F64, I64

HGB_TREES_MAX: Final = 200
HGB_LEAVES: Final = 15
HGB_RATE: Final = 0.05
HGB_LEAF_SAMPLES: Final = 200
MLP_UNITS: Final = 16
MLP_PASSES: Final = 15
MLP_ALPHAS: Final = (1e-3, 1.0)
LOGISTIC_CS: Final = (1.0, 0.01, 0.001)
DIFFERENCE_MAX: Final[dict[str, float]] = {"hgb": 0.0, "mlp": 1e-12, "logistic": 1e-12}
"""How far what is served may be from what scikit-learn says; see `learners.price.serve` for why it is not always 0."""

_SIDED = np.array([name in SIDED for name in PRICE_SIGNALS])


class Fitted(NamedTuple):
    """A fitted scikit-learn model, its flat arrays and the settings that the validation part chose."""

    estimator: Any
    arrays: Arrays
    settings: dict[str, float]


class Trained(NamedTuple):
    """A model ready to be served, and how it did on the test part. `difference` is the largest between what is served
    and what scikit-learn's `predict_proba` says there: 0 for trees, some 1e-16 where BLAS sums in another order."""

    model: PriceModel
    judgement: Judgement
    difference: float


def train(split: Split, kind: Kind, *, seed: int, source: str, label: str, step_ns: int) -> Trained:
    """Return a model of `kind` and its judgement against microprice alone, imbalance alone and knowing nothing.

    The baselines are logistic regressions on that one signal, learned from the same part.

    Raises:
        InvariantError: what is served is not what scikit-learn says.
    """
    fitted = fit(kind, split.train, split.validate, seed)
    draft = Provenance(
        kind=kind,
        source=source,
        label=label,
        step_ns=step_ns,
        seed=seed,
        rows=(len(split.train), len(split.validate), len(split.test)),
        span=(int(split.train.at[0]), int(split.test.at[-1])),
        trainer=f"scikit-learn {sklearn.__version__}",
        settings=fitted.settings,
        scores={},
    )
    served = PriceServer(sealed(draft, fitted.arrays)).probabilities(split.test.x)
    said = fitted.estimator.predict_proba(split.test.x)[:, 1]
    difference = float(np.abs(served - said).max())
    if difference > DIFFERENCE_MAX[kind]:
        raise InvariantError(bad_value(f"served {kind}", f"scikit-learn's to {DIFFERENCE_MAX[kind]}", difference))
    forecasts = {kind: served} | baselines(split)
    judgement = judge(split.test, forecasts, seed)
    scores = {f"{of.name}.{key}": float(getattr(of, key)) for of in judgement.scores for key in ("log_loss", "mcc")}
    return Trained(sealed(msgspec.structs.replace(draft, scores=scores), fitted.arrays), judgement, difference)


def baselines(split: Split) -> dict[str, F64]:
    """Return the forecasts for the test part of microprice alone, imbalance alone, and of knowing nothing."""
    found: dict[str, F64] = {}
    x, y = mirrored(split.train)
    for name in ("microprice", "imbalance"):
        k = PRICE_SIGNALS.index(name)
        line = _linear(1.0).fit(x[:, [k]], y)
        found[name] = line.predict_proba(split.test.x[:, [k]])[:, 1]
    found["nothing"] = np.full(len(split.test), 0.5)
    return found


def mirrored(samples: Samples) -> tuple[F64, I64]:
    """Return (x, y) of the samples and, after them, of their mirror images."""
    image = np.where(_SIDED, -samples.x, samples.x)
    return np.concatenate((samples.x, image)), np.concatenate((samples.y, 1 - samples.y))


def fit(kind: Kind, train: Samples, validate: Samples, seed: int) -> Fitted:
    """Return the model of `kind` with the settings that lose least on `validate`."""
    state = key_of(seed, "price", kind)[0] >> 33
    # On one thread: sums in another order for each number of cores would be another model.
    with threadpool_limits(limits=1):
        return _FITS[kind](train, validate, state)


def export(kind: Kind, estimator: Any) -> Arrays:
    """Return a fitted model's flat arrays, in the layout of `learners.price.model.ARRAYS`."""
    return _EXPORTS[kind](estimator)


def _fit_hgb(train: Samples, validate: Samples, state: int) -> Fitted:
    x, y = mirrored(train)
    leaf = min(HGB_LEAF_SAMPLES, max(len(y) // 50, 1))

    def trees(n: int) -> HistGradientBoostingClassifier:
        model = HistGradientBoostingClassifier(
            max_iter=n,
            learning_rate=HGB_RATE,
            max_leaf_nodes=HGB_LEAVES,
            min_samples_leaf=leaf,
            l2_regularization=1.0,
            early_stopping=False,
            random_state=state,
        )
        return model.fit(x, y)

    staged = trees(HGB_TREES_MAX).staged_predict_proba(validate.x)
    losses = [log_loss(p[:, 1], validate.y) for p in staged]
    n = int(np.argmin(losses)) + 1
    model = trees(n)
    settings = {"trees": float(n), "leaves": float(HGB_LEAVES), "rate": HGB_RATE, "leaf_samples": float(leaf)}
    return Fitted(model, _export_hgb(model), settings)


def _fit_mlp(train: Samples, validate: Samples, state: int) -> Fitted:
    x, y = mirrored(train)
    scaling = _scaling().fit(x)
    inputs, seen = scaling.transform(x), scaling.transform(validate.x)
    tried: list[tuple[float, float, int]] = []
    for alpha in MLP_ALPHAS:
        model = _network(alpha, state)
        for passes in range(1, MLP_PASSES + 1):
            model.partial_fit(inputs, y, classes=(0, 1))
            tried.append((log_loss(model.predict_proba(seen)[:, 1], validate.y), alpha, passes))
    _, alpha, passes = min(tried)
    model = _network(alpha, state)
    for _ in range(passes):
        model.partial_fit(inputs, y, classes=(0, 1))
    pipeline = Pipeline([*scaling.steps, ("mlp", model)])
    settings = {"units": float(MLP_UNITS), "alpha": alpha, "passes": float(passes)}
    return Fitted(pipeline, _export_mlp(pipeline), settings)


def _fit_logistic(train: Samples, validate: Samples, state: int) -> Fitted:
    x, y = mirrored(train)
    models = [_linear(c).fit(x, y) for c in LOGISTIC_CS]
    losses = [log_loss(model.predict_proba(validate.x)[:, 1], validate.y) for model in models]
    best = int(np.argmin(losses))
    return Fitted(models[best], _export_logistic(models[best]), {"c": LOGISTIC_CS[best]})


def _scaling() -> Pipeline:
    # Standardised first, so that what is missing can be taken as the mean, 0.
    return make_pipeline(StandardScaler(), SimpleImputer(strategy="constant", fill_value=0.0))


def _linear(c: float) -> Pipeline:
    return Pipeline([*_scaling().steps, ("line", LogisticRegression(C=c))])


def _network(alpha: float, state: int) -> MLPClassifier:
    return MLPClassifier((MLP_UNITS,), alpha=alpha, batch_size=256, learning_rate_init=2e-3, random_state=state)


def _export_hgb(model: HistGradientBoostingClassifier) -> Arrays:
    trees = [tree.nodes for (tree,) in model._predictors]
    sizes = [len(nodes) for nodes in trees]
    roots = np.concatenate(([0], np.cumsum(sizes)[:-1])).astype(np.int64)
    nodes = np.concatenate(trees)
    shift = np.repeat(roots, sizes)
    is_leaf = nodes["is_leaf"].astype(bool)
    return {
        "baseline": np.asarray(model._baseline_prediction, dtype=np.float64).reshape(1),
        "roots": roots,
        "feature": np.where(is_leaf, 0, nodes["feature_idx"]).astype(np.int64),
        "threshold": np.where(is_leaf, 0.0, nodes["num_threshold"]).astype(np.float64),
        "left": np.where(is_leaf, -1, nodes["left"].astype(np.int64) + shift),
        "right": np.where(is_leaf, -1, nodes["right"].astype(np.int64) + shift),
        "missing_left": nodes["missing_go_to_left"].astype(np.int64),
        "value": nodes["value"].astype(np.float64),
    }


def _scales(pipeline: Pipeline) -> Arrays:
    scaler = pipeline.steps[0][1]
    return {"mean": scaler.mean_.reshape(SIGNALS), "scale": scaler.scale_.reshape(SIGNALS)}


def _export_mlp(pipeline: Pipeline) -> Arrays:
    model = pipeline.steps[-1][1]
    (w0, w1), (b0, b1) = model.coefs_, model.intercepts_
    return _scales(pipeline) | {"w0": w0, "b0": b0, "w1": w1.reshape(-1), "b1": b1}


def _export_logistic(pipeline: Pipeline) -> Arrays:
    line = pipeline.steps[-1][1]
    return _scales(pipeline) | {"w": line.coef_.reshape(-1), "b": line.intercept_}


_FITS: dict[str, Callable[[Samples, Samples, int], Fitted]] = {
    "hgb": _fit_hgb,
    "mlp": _fit_mlp,
    "logistic": _fit_logistic,
}
_EXPORTS: dict[str, Callable[[Any], Arrays]] = {
    "hgb": _export_hgb,
    "mlp": _export_mlp,
    "logistic": _export_logistic,
}
