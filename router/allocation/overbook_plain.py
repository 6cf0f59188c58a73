"""The plain twin of `overbook`: the same objective on the chances of whole parts of a slice, and a climb to its top.

Rule of this file: it shares the problem with `overbook` and not its method; it is slow and for tests and questions.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

from router.allocation.tails_plain import met

Rows = Sequence[Sequence[float]]


def overfill(
    p: Sequence[float], hazards: Rows, edges: Sequence[float], v: Sequence[float], total: float, cells: int = 60
) -> float:
    """Return E[(sum of fills - total)+] in shares, each fill rounded to `cells` parts of the total.

    >>> round(overfill([0.5, 0.5], [[0.0], [0.0]], [0.0], [100.0, 100.0], 100.0), 9)
    25.0
    """
    cell = total / cells
    chances = {0: 1.0}
    for pk, row, vk in zip(p, hazards, v, strict=True):
        parts = _fill_chances(pk, row, edges, vk, cell)
        summed: dict[int, float] = {}
        for (i, a), (j, b) in itertools.product(chances.items(), parts.items()):
            summed[i + j] = summed.get(i + j, 0.0) + a * b
        chances = summed
    return sum(chance * max(i - cells, 0) * cell for i, chance in chances.items())


def _fill_chances(p: float, row: Sequence[float], edges: Sequence[float], v: float, cell: float) -> dict[int, float]:
    """Round what fills in part; a fill of all of v counts for the two parts beside it, so that its mean is kept."""
    last = math.floor(v / cell)
    beyond = [1.0] + [p * _survival(row, edges, min((i - 0.5) * cell, v)) for i in range(1, last + 2)]
    full, near = p * _survival(row, edges, v), v / cell - last
    out = {i: beyond[i] - max(beyond[i + 1], full) for i in range(last + 1) if beyond[i] > full}
    out[last] = out.get(last, 0.0) + full * (1.0 - near)
    out[last + 1] = max(beyond[last + 1] - full, 0.0) + full * near
    return out


def _survival(row: Sequence[float], edges: Sequence[float], v: float) -> float:
    ends = (*edges[1:], math.inf)
    return math.exp(-sum(h * max(min(end, v) - at, 0.0) for h, at, end in zip(row, edges, ends, strict=True) if h > 0))


def overbook_value(
    p: Sequence[float],
    hazards: Rows,
    edges: Sequence[float],
    c: Sequence[float],
    v: Sequence[float],
    total: float,
    penalty_bps: float,
) -> float:
    """Return what a split is worth, its over-fill priced, in bps times shares; `c` and the rest as in `overbook`."""
    rows = zip(p, hazards, c, v, strict=True)
    value = sum(pk * ck * met(row, edges, vk) for pk, row, ck, vk in rows if vk > 0)
    if sum(v) <= total * (1 + 1e-12):
        return value
    return value - penalty_bps * overfill(p, hazards, edges, v, total)


def overbook_plain(
    p: Sequence[float],
    hazards: Rows,
    edges: Sequence[float],
    c: Sequence[float],
    cap: Sequence[float],
    may: Sequence[bool],
    total: float,
    most: float,
    penalty_bps: float,
    parts: int = 20,
) -> list[float]:
    """Do what `overbook` does without minima, in whole `parts` of the total.

    One part at a time is added, taken away or moved, whichever is worth the most, until nothing is worth more.
    """
    part, lanes = total / parts, range(len(p))
    v = [0.0] * len(p)
    reached = 0.0
    while True:
        best, better = reached, None
        for k, j in itertools.product([*lanes, -1], [*lanes, -1]):
            made = [x + part * ((i == k) - (i == j)) for i, x in enumerate(v)]
            firm = sum(x for x, is_free in zip(made, may, strict=True) if not is_free)
            is_within = all(-1e-9 <= x <= bound for x, bound in zip(made, cap, strict=True))
            if k == j or not is_within or sum(made) > most * (1 + 1e-9) or firm > total * (1 + 1e-9):
                continue
            value = overbook_value(p, hazards, edges, c, made, total, penalty_bps)
            if value > best + 1e-9:
                best, better = value, made
        if better is None:
            return v
        reached, v = best, better
