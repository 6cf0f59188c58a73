"""The plain twin of `water_fill`: the same split, found exactly by walking the breakpoints of its level.

Rule of this file: it shares the problem with `water_fill` and not its method.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from router.allocation.water_fill import MU_MIN


class _Lane(NamedTuple):
    k: int
    gain: float
    mu: float
    minimum: float
    lower: float
    cap: float

    def at(self, level: float) -> float:
        return min(max(self.mu * (math.log(self.gain) - level), self.lower), self.cap)


def split_value(p: Sequence[float], mu: Sequence[float], c: Sequence[float], v: Sequence[float]) -> float:
    """Return the objective: sum of p mu (1 - exp(-v / mu)) c over the lanes with v above 0, in bps times shares.

    >>> round(split_value([0.5], [100.0], [2.0], [100.0]), 3)
    63.212
    """
    rows = zip(p, mu, c, v, strict=True)
    return sum(pk * mk * -math.expm1(-vk / mk) * ck for pk, mk, ck, vk in rows if vk > 0)


def _pour(lanes: list[_Lane], total: float) -> list[float]:
    """Walk the level down from the dearest lane; between two breakpoints the volume is a straight line in it."""
    if sum(lane.cap for lane in lanes) <= total:
        return [lane.cap for lane in lanes]
    points = sorted({math.log(x.gain) - bound / x.mu for x in lanes for bound in (x.lower, x.cap)}, reverse=True)
    above = points[0]
    for level in points:
        volume = sum(lane.at(level) for lane in lanes)
        if volume >= total:
            before = sum(lane.at(above) for lane in lanes)
            part = (total - before) / (volume - before) if volume > before else 0.0
            return [lane.at(above) + part * (lane.at(level) - lane.at(above)) for lane in lanes]
        above = level
    return [lane.at(above) for lane in lanes]


def _worth(lanes: list[_Lane], v: list[float]) -> float:
    return split_value([x.gain for x in lanes], [x.mu for x in lanes], [1.0] * len(lanes), v)


def water_fill_plain(
    p: Sequence[float],
    mu: Sequence[float],
    c: Sequence[float],
    minimum: Sequence[float],
    cap: Sequence[float],
    total: float,
) -> list[float]:
    """Do what `water_fill.water_fill` does.

    >>> [round(v) for v in water_fill_plain([0.5, 0.5], [100, 100], [2, 2], [0, 0], [1000, 50], 200)]
    [150, 50]
    """
    lanes = []
    for k, (pk, mk, ck) in enumerate(zip(p, mu, c, strict=True)):
        is_sound = math.isfinite(pk * ck) and math.isfinite(mk) and mk >= MU_MIN
        if is_sound and pk > 0 and ck > 0 and pk * ck > 0 and cap[k] > 0:
            lanes.append(_Lane(k, pk * ck, mk, minimum[k], 0.0, cap[k]))
    v = _pour(lanes, total)
    while short := [
        (vk / x.minimum, i)
        for i, (x, vk) in enumerate(zip(lanes, v, strict=True))
        if not x.lower and 0 < vk < x.minimum
    ]:
        i = min(short)[1]
        without = lanes[:i] + lanes[i + 1 :]
        dropped = _pour(without, total)
        if sum(x.lower for x in lanes) + lanes[i].minimum <= total:
            with_it = [*lanes[:i], lanes[i]._replace(lower=lanes[i].minimum), *lanes[i + 1 :]]
            lifted = _pour(with_it, total)
            if _worth(with_it, lifted) > _worth(without, dropped):
                lanes, v = with_it, lifted
                continue
        lanes, v = without, dropped
    out = [0.0] * len(p)
    for lane, vk in zip(lanes, v, strict=True):
        out[lane.k] = vk
    return out
