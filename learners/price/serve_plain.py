"""The plain twin of `serve`: the same probability of one row, in plain Python.

Rule of this file: the same operations in the same order; it checks the kernels, and says what they do.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from learners.price.model import PriceModel


def plain_probability(model: PriceModel, x: Sequence[float]) -> float:
    """Return the probability that the next move is up, as `learners.price.serve.PriceServer.probability`."""
    raw = {"hgb": _trees, "mlp": _network, "logistic": _line}[model.kind](model, x)
    return 1.0 / (1.0 + math.exp(-raw))


def _trees(model: PriceModel, x: Sequence[float]) -> float:
    a = {name: array.tolist() for name, array in model.arrays.items()}
    raw: float = a["baseline"][0]
    for node in a["roots"]:
        while a["left"][node] >= 0:
            of = x[a["feature"][node]]
            goes_left = a["missing_left"][node] != 0 if math.isnan(of) else of <= a["threshold"][node]
            node = a["left"][node] if goes_left else a["right"][node]
        raw += a["value"][node]
    return raw


def _scaled(model: PriceModel, x: Sequence[float]) -> list[float]:
    means, scales = model.arrays["mean"].tolist(), model.arrays["scale"].tolist()
    rows = zip(x, means, scales, strict=True)
    return [0.0 if math.isnan(of) else (of - mean) / scale for of, mean, scale in rows]


def _network(model: PriceModel, x: Sequence[float]) -> float:
    a = {name: array.tolist() for name, array in model.arrays.items()}
    inputs = _scaled(model, x)
    raw = 0.0
    for k, bias in enumerate(a["b0"]):
        unit = 0.0
        for i, of in enumerate(inputs):
            unit += of * a["w0"][i][k]
        raw += max(unit + bias, 0.0) * a["w1"][k]
    return float(raw + a["b1"][0])


def _line(model: PriceModel, x: Sequence[float]) -> float:
    raw = 0.0
    for of, weight in zip(_scaled(model, x), model.arrays["w"].tolist(), strict=True):
        raw += of * weight
    return float(raw + model.arrays["b"][0])
