"""The plain twin of `pour_tails`: the same split, found exactly by walking the breakpoints of its level.

Rule of this file: it shares the problem with `tails` and not its method. A lane is a list of pieces, one per bin, on
each of which log(p c S) falls along a straight line; the walk goes down the levels at which some piece begins or ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from router.allocation.tails import HAZARD_MAX


class _Piece(NamedTuple):
    """From level `top` at quantity `start` down to level `bottom` at quantity `end`; equal levels: a flat tail."""

    top: float
    bottom: float
    start: float
    end: float


class _Lane(NamedTuple):
    k: int
    worth: float
    hazards: tuple[float, ...]
    edges: tuple[float, ...]
    minimum: float
    lower: float
    cap: float

    def pieces(self) -> list[_Piece]:
        made, top = [], self.worth
        for hazard, start, end in zip(self.hazards, self.edges, (*self.edges[1:], math.inf), strict=True):
            if start >= self.cap:
                break
            to = min(end, self.cap)
            made.append(_Piece(top, top - hazard * (to - start), start, to))
            top = made[-1].bottom
        return made

    def at(self, level: float, is_flat_in: bool) -> float:
        """Return the quantity worth more than `level` a share at its margin; worth as much, with `is_flat_in`."""
        v = 0.0
        for piece in self.pieces():
            if piece.bottom > level or (is_flat_in and piece.bottom == level):
                v = piece.end
            elif piece.top > level:
                v = piece.start + (piece.end - piece.start) * (piece.top - level) / (piece.top - piece.bottom)
        return max(v, self.lower)


def met(hazards: Sequence[float], edges: Sequence[float], v: float) -> float:
    """Return E[min(D, v)] in shares of a lane's tail given that it meets anything, bin by bin.

    >>> round(met([0.01, 0.01], [0.0, 50.0], 100.0), 3), met([0.0], [0.0], 7.0)
    (63.212, 7.0)
    """
    total, survival = 0.0, 1.0
    for hazard, start, end in zip(hazards, edges, (*edges[1:], math.inf), strict=True):
        length = min(end, v) - start
        if length <= 0:
            break
        total += survival * (-math.expm1(-hazard * length) / hazard if hazard > 0 else length)
        survival *= math.exp(-hazard * length)
    return total


def _pour(lanes: list[_Lane], total: float) -> list[float]:
    """Walk the level down from the dearest piece: volume jumps at flat pieces and is a straight line in between."""
    if sum(lane.cap for lane in lanes) <= total:
        return [lane.cap for lane in lanes]
    levels = sorted({level for lane in lanes for piece in lane.pieces() for level in piece[:2]}, reverse=True)
    above = [lane.lower for lane in lanes]
    for level in levels:
        for is_flat_in in (False, True):
            here = [lane.at(level, is_flat_in) for lane in lanes]
            volume, before = sum(here), sum(above)
            if volume >= total:
                part = min(max(total - before, 0.0) / (volume - before), 1.0) if volume > before else 0.0
                return _between(lanes, above, here, level, part, is_flat_in)
            above = here
    return above


def _between(
    lanes: list[_Lane], above: list[float], here: list[float], level: float, part: float, is_jump: bool
) -> list[float]:
    """Return what lies between two neighbouring breakpoints.

    A lane held at its lower bound may leave it in between: then the line bends, and halving finds the level.
    """
    mixed = [a + part * (b - a) for a, b in zip(above, here, strict=True)]
    if is_jump or not any(x.lower for x in lanes):
        return mixed
    total = sum(above) + part * (sum(here) - sum(above))
    low, high = level, max(x.worth for x in lanes) + 1.0
    for _ in range(200):
        middle = (low + high) / 2.0
        low, high = (middle, high) if sum(x.at(middle, False) for x in lanes) > total else (low, middle)
    return [x.at(high, False) for x in lanes]


def _worth(lanes: list[_Lane], v: list[float]) -> float:
    return sum(math.exp(x.worth) * met(x.hazards, x.edges, vk) for x, vk in zip(lanes, v, strict=True))


def pour_tails_plain(
    p: Sequence[float],
    hazards: Sequence[Sequence[float]],
    edges: Sequence[float],
    c: Sequence[float],
    minimum: Sequence[float],
    cap: Sequence[float],
    total: float,
) -> list[float]:
    """Do what `tails.pour_tails` does.

    >>> [round(v) for v in pour_tails_plain([0.5, 0.5], [[0.01], [0.01]], [0.0], [2, 2], [0, 0], [1000, 50], 200)]
    [150, 50]
    """
    lanes = []
    for k, (pk, row, ck) in enumerate(zip(p, hazards, c, strict=True)):
        is_sound = math.isfinite(pk * ck) and all(0 <= h < math.inf for h in row) and row[0] <= HAZARD_MAX
        if is_sound and pk > 0 and ck > 0 and pk * ck > 0 and cap[k] > 0:
            safe = tuple(min(h, HAZARD_MAX) for h in row)
            lanes.append(_Lane(k, math.log(pk * ck), safe, tuple(edges), minimum[k], 0.0, cap[k]))
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
