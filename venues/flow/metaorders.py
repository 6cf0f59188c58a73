"""What a large order does to the price in the flow: impact while it executes, and what is left long after.

Rule of this file: every metaorder is run as a buy and as a sell of the same flow, and impact is half their difference:
what the price would have done anyway cancels but for noise.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.market import F64, I64
from router.domain.units import SECOND, Nanos, Qty
from venues.flow.chance import stream_key
from venues.flow.levels import HEAD, Program, run_levels
from venues.flow.parameters import FlowArrays
from venues.flow.queue_reactive import new_memory
from venues.flow.splitting import new_slots

WARM_UP_NS: Nanos = 60 * SECOND
"""Before the first child: the book is then as it usually is."""

RELAXED_AFTER = 5
"""Impact is measured again so many durations after the last child."""


class Metaorder(NamedTuple):
    """Children of `child_qty` shares, taken every `every_ns`, `children` of them."""

    child_qty: Qty
    children: int
    every_ns: Nanos

    @property
    def duration_ns(self) -> Nanos:
        """From the first child to the end of the last one's interval."""
        return self.children * self.every_ns


class Impact(NamedTuple):
    """Mean impact in ticks at the end (peak), `RELAXED_AFTER` durations later, and their standard errors."""

    peak: float
    left: float
    peak_error: float
    left_error: float

    @property
    def kept(self) -> float:
        """What is left of the peak."""
        return self.left / self.peak


def impact_of(flow: FlowArrays, order: Metaorder, runs: int, seed: int, name: str) -> Impact:
    """Return the impact of `order` over `runs` pairs of a buy and a sell."""
    # One symmetric pair a run: the streams of the two are the same until the first child.
    moves = np.zeros((runs, 2))
    for run in range(runs):
        key = stream_key(seed, f"{name}/{run}", "metaorder")
        for sign in (1, -1):
            moves[run] += 0.5 * sign * _moves(flow, key, new_memory(), new_slots(), sign * order.child_qty, *order[1:])
    errors = moves.std(axis=0) / np.sqrt(runs)
    peak, left = moves.mean(axis=0)
    return Impact(float(peak), float(left), float(errors[0]), float(errors[1]))


def slope(sizes: list[float], impacts: list[float]) -> float:
    """Return the slope of log impact against log size, by least squares.

    >>> slope([1.0, 4.0, 16.0], [1.0, 2.0, 4.0])
    0.5
    """
    x, y = np.log(np.array(sizes)), np.log(np.array(impacts))
    x -= x.mean()
    return round(float((x * y).sum() / (x * x).sum()), 12)


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _moves(
    flow: FlowArrays, key: np.uint64, memory: F64, slots: I64, signed_qty: int, children: int, every_ns: int
) -> F64:
    """Return the move of the mid in ticks from before the first child to the end and to long after, float64 (2,)."""
    duration = children * every_ns
    length = WARM_UP_NS + (1 + RELAXED_AFTER) * duration + 1
    # Samples stand every `every_ns`; the warm-up is a whole number of them, whatever is left over.
    first = WARM_UP_NS // every_ns
    begin = first * every_ns
    samples = np.zeros((length // every_ns + 1, 4), dtype=np.int64)
    head = np.zeros(HEAD, dtype=np.int64)
    trades = np.zeros((1, 4), dtype=np.int64)
    end = begin + duration
    stop = begin + (1 + RELAXED_AFTER) * duration + 1
    run_levels(
        flow, key, memory, slots, stop, every_ns, Program(signed_qty, every_ns, begin, end), 0.0, samples, trades, head
    )
    mid = 0.5 * (samples[:, 0] + samples[:, 1])
    out = np.zeros(2)
    out[0] = mid[first + children] - mid[first]
    out[1] = mid[first + (1 + RELAXED_AFTER) * children] - mid[first]
    return out
