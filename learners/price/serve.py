"""Serves a trained price model from its flat arrays: `PriceServer.probability`, microseconds a row.

Rule of this file: it computes what scikit-learn's `predict_proba` computes, in the same order of operations wherever
that order is scikit-learn's own. The kernels allocate nothing but one hidden layer.

* Trees (`hgb`): the same comparisons and the same sum, tree by tree: equal to the bit, NaN included.
* `logistic` and `mlp`: scikit-learn hands sums of products to a BLAS library, whose order of summation depends on the
  machine, the library and the number of rows. Here the sum runs over the inputs in order. Both are within
  n 2^-53 sum |w x| of the exact sum, so that probabilities differ by a few units in the last place.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
from numba import njit

from learners.price.model import PriceModel
from learners.price.signals import SIGNALS
from router.domain.errors import FeatureError, bad_value
from router.domain.market import F64, I64

HGB, MLP, LOGISTIC = range(3)
_KINDS: Final = {"hgb": HGB, "mlp": MLP, "logistic": LOGISTIC}


@njit(cache=True)  # type: ignore[untyped-decorator]
def expit(value: float) -> float:
    """Return 1 / (1 + exp(-value)), as scipy's does."""
    return 1.0 / (1.0 + math.exp(-value))


@njit(cache=True)  # type: ignore[untyped-decorator]
def hgb_raw(
    x: F64, baseline: float, roots: I64, feature: I64, threshold: F64, left: I64, right: I64, missing_left: I64,
    value: F64,
) -> float:  # fmt: skip
    """Return the sum of the trees' leaves for one row, before the logistic function."""
    raw = baseline
    for t in range(roots.shape[0]):
        node = roots[t]
        while left[node] >= 0:
            of = x[feature[node]]
            if math.isnan(of):
                node = left[node] if missing_left[node] != 0 else right[node]
            else:
                node = left[node] if of <= threshold[node] else right[node]
        raw += value[node]
    return raw


@njit(cache=True)  # type: ignore[untyped-decorator]
def _scaled(of: float, mean: float, scale: float) -> float:
    # What is missing counts as the mean.
    return 0.0 if math.isnan(of) else (of - mean) / scale


@njit(cache=True)  # type: ignore[untyped-decorator]
def mlp_raw(x: F64, mean: F64, scale: F64, w0: F64, b0: F64, w1: F64, b1: F64) -> float:
    """Return the output of one hidden layer of rectified units for one row, before the logistic function."""
    hidden = np.zeros(b0.shape[0])
    for i in range(x.shape[0]):
        of = _scaled(x[i], mean[i], scale[i])
        for k in range(hidden.shape[0]):
            hidden[k] += of * w0[i, k]
    raw = 0.0
    for k in range(hidden.shape[0]):
        raw += max(hidden[k] + b0[k], 0.0) * w1[k]
    out: float = raw + b1[0]
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def logistic_raw(x: F64, mean: F64, scale: F64, w: F64, b: F64) -> float:
    """Return the linear score of one row, before the logistic function."""
    raw = 0.0
    for i in range(x.shape[0]):
        raw += _scaled(x[i], mean[i], scale[i]) * w[i]
    out: float = raw + b[0]
    return out


@njit(cache=True)  # type: ignore[untyped-decorator]
def hgb_rows(
    x: F64, baseline: float, roots: I64, feature: I64, threshold: F64, left: I64, right: I64, missing_left: I64,
    value: F64, out: F64,
) -> None:  # fmt: skip
    """Write the probability of each row of `x` (n, SIGNALS) to `out` (n,)."""
    for r in range(x.shape[0]):
        out[r] = expit(hgb_raw(x[r], baseline, roots, feature, threshold, left, right, missing_left, value))


@njit(cache=True)  # type: ignore[untyped-decorator]
def mlp_rows(x: F64, mean: F64, scale: F64, w0: F64, b0: F64, w1: F64, b1: F64, out: F64) -> None:
    """Write the probability of each row, as `hgb_rows`."""
    for r in range(x.shape[0]):
        out[r] = expit(mlp_raw(x[r], mean, scale, w0, b0, w1, b1))


@njit(cache=True)  # type: ignore[untyped-decorator]
def logistic_rows(x: F64, mean: F64, scale: F64, w: F64, b: F64, out: F64) -> None:
    """Write the probability of each row, as `hgb_rows`."""
    for r in range(x.shape[0]):
        out[r] = expit(logistic_raw(x[r], mean, scale, w, b))


class PriceServer:
    """A model ready to be asked. A server holds no state: the same row has the same answer."""

    def __init__(self, model: PriceModel) -> None:
        self.model = model
        a = model.arrays
        self._rows, names = {
            HGB: (hgb_rows, ("roots", "feature", "threshold", "left", "right", "missing_left", "value")),
            MLP: (mlp_rows, ("mean", "scale", "w0", "b0", "w1", "b1")),
            LOGISTIC: (logistic_rows, ("mean", "scale", "w", "b")),
        }[_KINDS[model.kind]]
        first = (float(a["baseline"][0]),) if model.kind == "hgb" else ()
        self._arguments = (*first, *(a[name] for name in names))
        self._x: F64 = np.empty((1, SIGNALS))
        self._out: F64 = np.empty(1)

    def probability(self, x: F64) -> float:
        """Return the probability that the mid's next move is up, for signals float64 (SIGNALS,); NaN is missing.

        Raises:
            FeatureError: another shape, or an infinite signal.
        """
        if x.shape != (SIGNALS,) or np.isinf(x).any():
            raise FeatureError(
                bad_value("PriceServer.probability", f"{SIGNALS} signals that are not infinite", x.shape)
            )
        self._x[0] = x
        self._rows(self._x, *self._arguments, self._out)
        return float(self._out[0])

    def probabilities(self, x: F64) -> F64:
        """Return the probability of each row of `x` float64 (n, SIGNALS). Raises as `probability`."""
        if x.ndim != 2 or x.shape[1] != SIGNALS or np.isinf(x).any():
            raise FeatureError(bad_value("PriceServer.probabilities", f"finite rows of {SIGNALS} signals", x.shape))
        out: F64 = np.empty(len(x))
        self._rows(np.ascontiguousarray(x, dtype=np.float64), *self._arguments, out)
        return out
