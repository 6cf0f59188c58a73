"""Shapes, contexts and streams of observations for the tests of the lane model.

Rule of this file: everything is drawn from keyed generators.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from learners.lanes.model import LaneModel
from learners.lanes.shape import LaneShape
from router.domain.chance import generator
from router.domain.market import F64
from router.domain.units import SECOND

LANES, FEATURES, STANDARD = 5, 3, 100.0


class Seen(NamedTuple):
    """One observation: its kind, lane, time in ns, context and three numbers whose meaning goes by the kind."""

    kind: str
    lane: int
    at: int
    x: F64
    first: float
    second: float
    flag: bool


def shape(lanes: int = LANES, features: int = FEATURES) -> LaneShape:
    """Return lanes of two groups in turn, the first immediate, the second resting."""
    groups = tuple(k % 2 for k in range(lanes))
    immediate = tuple(g == 0 for g in groups)
    return LaneShape(groups, immediate, features, STANDARD, (0.4, 0.2), (1.0, 0.5), (0.0, 1.0), (0.0, 0.0))


def contexts(count: int, seed: int = 1, features: int = FEATURES) -> F64:
    """Return contexts (count, features) whose first column is 1."""
    x: F64 = generator(seed, "lanes", "contexts").normal(size=(count, features))
    x[:, 0] = 1.0
    return x


def stream(count: int, seed: int = 1) -> list[Seen]:
    """Return observations of all kinds in order of time, half a second apart."""
    draws, xs = generator(seed, "lanes", "stream"), contexts(count, seed)
    seen = []
    for n in range(count):
        lane, at = int(draws.integers(LANES)), 1_000 * SECOND + n * SECOND // 2
        kind = ("fill", "size", "markout", "leak")[int(draws.integers(4))]
        first, second = sorted(draws.uniform(0.01, 1.0, 2).tolist())
        flag = bool(draws.random() < 0.5)
        seen.append(Seen(kind, lane, at, xs[n], first, second, flag))
    return seen


def teach(model: LaneModel, seen: Sequence[Seen]) -> LaneModel:
    """Let the model learn observations in the order given, and return it."""
    for each in seen:
        if each.kind == "fill" and model.shape.immediate[each.lane]:
            model.trial(each.lane, each.at, each.x, each.flag)
        elif each.kind == "fill":
            model.expose(each.lane, each.at, each.x, each.first, each.second, each.flag)
        elif each.kind == "size":
            met = each.second if each.flag else each.first
            model.size(each.lane, each.at, each.x, STANDARD * each.second, STANDARD * met)
        elif each.kind == "markout":
            model.markout(each.lane, each.at, each.x, each.lane % 3, 8.0 * (each.first - each.second))
        else:
            model.leak(each.lane, each.at, each.x, each.first)
    return model
