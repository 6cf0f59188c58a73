"""Observations that wait to be taken in, so that many of them cost one crossing from Python into compiled code.

Rule of this file: what waits is taken in one by one, in the order it came, before anything is read of the model: that
it waited shows nowhere.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from learners.lanes.drift import Windows
from learners.lanes.families import POISSON
from learners.lanes.read import B8
from learners.lanes.shape import FILL, SIZE
from learners.lanes.state_hash import U64, add_words
from learners.lanes.sums import Sums
from learners.lanes.take import exposures_of, take
from router.domain.market import F64, I64

QUEUE_MAX = 64
"""Observations that wait at most."""

LEFT_BY = 7
"""Numbers that `left_by` writes before those of each half-life."""


class Queue(NamedTuple):
    """Observations: `what` (n, 4), whole: component, lane, time and family of each; `xs` (n, features), their contexts;
    `numbers` (n, 3): what was seen, and its exposure, or the ages from which and to which it was exposed."""

    what: I64
    xs: F64
    numbers: F64


def empty_queue(features: int) -> Queue:
    """Return a queue for contexts of so many features."""
    return Queue(np.zeros((QUEUE_MAX, 4), dtype=np.int64), np.zeros((QUEUE_MAX, features)), np.zeros((QUEUE_MAX, 3)))


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def spell(x: F64, numbers: F64, ages: F64, xs: F64, ys: F64, exposures: F64) -> int:
    """Write an exposure as one row for each age bin that it was in, with the bin's indicator after the features, and
    return their number. `numbers` are whether it was filled at the end (1 or 0), and the ages at its begin and end."""
    last = exposures_of(numbers[1], numbers[2], ages, exposures)
    count, features = 0, x.shape[0]
    for g in range(ages.shape[0]):
        is_event = numbers[0] > 0.0 and g == last
        if exposures[g] <= 0.0 and not is_event:
            continue
        xs[count, :features], xs[count, features:] = x, 0.0
        xs[count, features + g] = 1.0
        ys[count], exposures[count] = 1.0 if is_event else 0.0, exposures[g]
        count += 1
    return count


@njit(cache=True, error_model="numpy")  # type: ignore[untyped-decorator,unused-ignore]
def take_all(
    sums: Sums,
    windows: Windows,
    queue: Queue,
    count: int,
    latest: int,
    groups: I64,
    half_lives: I64,
    priors: F64,
    ages: F64,
    edges: F64,
    numbers: F64,
    changes: I64,
    written: I64,
    is_stale: B8,
    trail: U64,
    is_held: bool,
) -> None:
    """Take in the first `count` observations of the queue, one by one; `latest` is the latest event's time before them.

    `priors` is (components, groups, 3, parameters), `ages` where the age bins start. `written` (components,) counts
    what was written to each component, `is_stale` (components, rows) notes the rows; `trail` (2,) takes in what each
    left (see `left_by`). The rest is as in `take`.
    """
    lanes, bins, features = groups.shape[0], ages.shape[0], queue.xs.shape[1]
    gamma, ys, exposures = np.empty(half_lives.shape[0]), np.empty(bins), np.empty(bins)
    wide, bare = np.zeros((bins, features + bins)), np.zeros((1, features))
    left = np.empty(LEFT_BY + 2 * sums.b.shape[2])
    for n in range(count):
        (c, lane, at, family), rows = (queue.what[n, 0], queue.what[n, 1], queue.what[n, 2], queue.what[n, 3]), 1
        latest, xs = max(latest, at), wide if c == FILL else bare
        if c == FILL and family == POISSON:
            rows = spell(queue.xs[n], queue.numbers[n], ages, xs, ys, exposures)
        else:
            xs[0, :features], xs[0, features:] = queue.xs[n], 0.0
            ys[0], exposures[0] = queue.numbers[n, 0], queue.numbers[n, 1]
        terms = (half_lives, gamma, priors[c], edges, numbers, changes, family)
        is_alarm = take(sums, windows, c, lane, groups, at, latest, *terms, rows, xs, ys, exposures, is_held)
        _note(c, lane, lanes + groups[lane], is_alarm, written, is_stale)
        left_by(sums, c, lane, at, left)
        add_words(left.view(np.uint64), trail)


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def left_by(sums: Sums, c: int, lane: int, at: int, out: F64) -> None:
    """Write what an observation of a lane's component has left into `out`: which it was, its time, residuals, variance
    and leads, and for each half-life the log score and the pull on the bias.

    Every one of these follows from all that its row knew before it, so that states that differ leave something else.
    """
    out[0], out[1], out[2], out[3:6], out[6] = c, lane, at, sums.fresh[c, lane], sums.lead[c, lane]
    for m in range(sums.b.shape[2]):
        out[LEFT_BY + 2 * m], out[LEFT_BY + 2 * m + 1] = sums.score[c, lane, m], sums.b[c, lane, m, 0]


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def _note(c: int, lane: int, group: int, is_alarm: bool, written: I64, is_stale: B8) -> None:
    """Note what taking in one observation has written to."""
    # An alarm for one of fill and size writes to both, and to other lanes.
    is_both = is_alarm and c <= SIZE
    for each in range(FILL if is_both else c, (SIZE if is_both else c) + 1):
        written[each] += 1
        is_stale[each, lane] = True
        is_stale[each, group] = True
        if is_alarm:
            is_stale[each, :] = True
    if c == SIZE:
        # What sizes say of a break is kept with the fills.
        is_stale[FILL, lane] = True
