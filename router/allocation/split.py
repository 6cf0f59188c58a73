"""Splits by weight: in proportion, within the lanes' bounds; and the drawing of one lane by weight.

Rule of this file: only the ratios of weights matter; a weight that is not a finite number above 0 counts as 0.
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def sound_weights(weights: Sequence[float]) -> list[float]:
    """Return the weights scaled to a largest of 1, with 0 for all that are not finite numbers above 0.

    >>> sound_weights([2.0, float("nan"), 1.0, -3.0])
    [1.0, 0.0, 0.5, 0.0]
    """
    clean = [w if 0.0 < w < math.inf else 0.0 for w in weights]
    largest = max(clean, default=0.0)
    return [w / largest for w in clean] if largest else clean


def shares(weights: Sequence[float]) -> list[float]:
    """Return the weights as shares of 1; all 0 when no weight counts.

    >>> shares([1.0, 3.0]), shares([0.0])
    ([0.25, 0.75], [0.0])
    """
    clean = sound_weights(weights)
    total = sum(clean)
    return [w / total for w in clean] if total else clean


def proportional(weights: Sequence[float], minimum: Sequence[float], cap: Sequence[float], total: float) -> list[float]:
    """Return real quantities in proportion to the weights: sum `total`, or all caps where these do not reach it.

    Lanes at their cap pass the rest on in proportion. Of the lanes that fall short of their minimum, the one that
    falls shortest (equal: the earlier) is dropped and the rest split again, until none does.

    >>> proportional([1.0, 1.0, 2.0], [0, 0, 0], [10, 100, 100], 100)
    [10.0, 30.0, 60.0]
    """
    live = sound_weights([w if bound > 0 else 0.0 for w, bound in zip(weights, cap, strict=True)])
    while True:
        v = _within_caps(live, cap, total)
        short = [(vk / minimum[k], k) for k, vk in enumerate(v) if 0 < vk < minimum[k]]
        if not short:
            return v
        live[min(short)[1]] = 0.0


def _within_caps(weights: list[float], cap: Sequence[float], total: float) -> list[float]:
    v = [0.0] * len(weights)
    free = [k for k, w in enumerate(weights) if w > 0]
    left = float(total)
    while free:
        whole = sum(weights[k] for k in free)
        full = [k for k in free if left * (weights[k] / whole) >= cap[k]]
        if not full:
            for k in free:
                v[k] = left * (weights[k] / whole)
            return v
        for k in full:
            v[k] = float(cap[k])
        left = max(left - sum(cap[k] for k in full), 0.0)
        free = [k for k in free if v[k] < cap[k]]
    return v


def draw_lane(probabilities: Sequence[float], draw: float) -> int:
    """Return the lane that `draw` in [0, 1) picks by its probability; -1 when no probability is above 0.

    >>> draw_lane([0.25, 0.0, 0.75], 0.2), draw_lane([0.25, 0.0, 0.75], 0.25), draw_lane([0.0], 0.5)
    (0, 2, -1)
    """
    reached, last = 0.0, -1
    for k, probability in enumerate(probabilities):
        if probability <= 0:
            continue
        reached, last = reached + probability, k
        if draw < reached:
            return k
    return last
