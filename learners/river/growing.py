"""A lane model with more lanes or features than before, and what was learned where it was.

Rule of this file: sums in information form grow by zeros, exactly; nothing that was learned is worked out again. Lanes
and features grow one after the other, so that an axis that differs is known for what it is by its length alone, and a
new array of the model's needs no line here.
"""

from __future__ import annotations

import numpy as np

from learners.lanes.model import LaneModel
from learners.lanes.shape import AGE_EDGES, COMPONENTS, LaneShape
from router.domain.market import F64, I64

PAIR = 2
"""Detectors lie in pairs, by component and row."""


def grown(model: LaneModel, lanes: int, features: int) -> LaneModel:
    """Return a model of one group with so many lanes and features that knows what `model` does; `model` is left."""
    wider = model if lanes == model.lanes else _with_lanes(model, lanes)
    return wider if features == wider.shape.features else _with_features(wider, features)


def _with_lanes(model: LaneModel, lanes: int) -> LaneModel:
    shape = model.shape._replace(groups=(0,) * lanes, immediate=(True,) * lanes)
    kept = np.append(np.arange(model.lanes), lanes)
    places = {model.shape.rows: kept, model.lanes: kept[:-1]}
    detectors = np.arange(PAIR * len(COMPONENTS) * shape.rows).reshape(len(COMPONENTS), shape.rows, PAIR)
    places[PAIR * len(COMPONENTS) * model.shape.rows] = detectors[:, kept].ravel()
    return _filled(model, shape, places)


def _with_features(model: LaneModel, features: int) -> LaneModel:
    shape = model.shape._replace(features=features)
    kept = np.arange(model.shape.features)
    ages = features + np.arange(len(AGE_EDGES))
    return _filled(model, shape, {model.shape.features: kept, model.shape.width: np.append(kept, ages)})


def _filled(model: LaneModel, shape: LaneShape, places: dict[int, I64]) -> LaneModel:
    """Return a model of another shape that holds the old values; an axis that differs maps by its old length."""
    larger = LaneModel(shape, model.settings)
    arrays: dict[str, F64 | I64] = {}
    for name, old in model.arrays().items():
        new = larger.arrays()[name].copy()
        pairs = zip(old.shape, new.shape, strict=True)
        new[np.ix_(*(np.arange(was) if was == now else places[was] for was, now in pairs))] = old
        arrays[name] = new
    larger.restore(arrays)
    return larger
