"""From a recorded market to labelled samples in the order of time, and their split with a purge.

Rule of this file: a sample's signals are of facts before its time, its label of facts from its time on; nothing
whose label was still open when the next part began stays in a part.

The label is the direction of the mid's next move: 1 up, 0 down. It exists at nearly every time, it has no dead rows,
and it is what a resting order runs into: the next move trades through it or leaves it behind. At a fixed horizon
(1 or 10 s) most samples of a quiet stock do not move at all; such labels can be had (`horizon_ns`), and samples whose
mid is where it was are then left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from learners.price.signals import SIGNALS, new_state, signals_at
from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64, I64
from router.domain.units import MINUTE, SECOND, Nanos

Mask: TypeAlias = NDArray[np.bool_]

NEXT_MAX_NS: Final[Nanos] = MINUTE
"""A move that takes longer to come is no answer to what is seen now; such samples are left out."""

STEP_NS: Final[Nanos] = SECOND
EMBARGO_NS: Final[Nanos] = MINUTE
"""Left out after each part besides the purge: as long as the slowest signal remembers half, but of a short recording
at most a twentieth, or nothing would be left."""

EMBARGO_SHARE: Final = 20

WARM_UP_NS: Final[Nanos] = MINUTE
"""Before it the decayed sums have seen too little."""

SAMPLES_MIN: Final = 500
"""Fewer labelled samples than this tell nothing out of sample."""


class Market(NamedTuple):
    """A recorded session of one symbol: changes of the consolidated market int64 (n, 5) (at, bid_px, bid_qty, ask_px,
    ask_qty) and prints (m, 5) (at, venue_index, px, qty, aggressor), each in order of time, in [open_at, close_at)."""

    name: str
    open_at: Nanos
    close_at: Nanos
    rows: I64
    prints: I64


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """`x` float64 (n, SIGNALS), `y` int64 (n,) 0 or 1, `at` and `known_at` int64 (n,): when seen, when the label was
    known. In the order of `at`."""

    x: F64
    y: I64
    at: I64
    known_at: I64

    def __len__(self) -> int:
        return len(self.y)

    def where(self, keep: I64) -> Samples:
        """Return the samples at the positions `keep`."""
        return Samples(self.x[keep], self.y[keep], self.at[keep], self.known_at[keep])


class Split(NamedTuple):
    """The parts in the order of time."""

    train: Samples
    validate: Samples
    test: Samples


def samples_of(market: Market, *, horizon_ns: Nanos | None = None, step_ns: Nanos = STEP_NS) -> Samples:
    """Return the labelled samples of a session, one every `step_ns`; `horizon_ns` None labels by the next move.

    Raises:
        BadInputError: a step or horizon below 1 ns, or rows out of order.
    """
    if step_ns < 1 or (horizon_ns is not None and horizon_ns < 1):
        raise BadInputError(bad_value("samples_of", "spans from 1 ns", (step_ns, horizon_ns)))
    for name, table in (("rows", market.rows), ("prints", market.prints)):
        if (np.diff(table[:, 0]) < 0).any():
            raise BadInputError(bad_value(f"{market.name}.{name}", "rows in order of time", "a time that falls"))
    times = np.arange(market.open_at + WARM_UP_NS, market.close_at, step_ns, dtype=np.int64)
    mids = _mids(market.rows)
    y, known_at, is_labelled = _labels(mids, times, horizon_ns, market.close_at)
    is_seen = _is_two_sided(market.rows, times)
    x: F64 = np.empty((len(times), SIGNALS))
    signals_at(market.rows, market.prints, times, *new_state(), x)
    keep = np.flatnonzero(is_labelled & is_seen)
    return Samples(x[keep], y[keep], times[keep], known_at[keep])


def joined(parts: list[Samples]) -> Samples:
    """Return several sessions' samples as one table.

    Raises:
        BadInputError: sessions that overlap in time, or none.
    """
    if not parts:
        raise BadInputError(bad_value("joined", "at least one session", 0))
    for before, after in pairwise(parts):
        if len(before) and len(after) and before.known_at.max() >= after.at[0]:
            raise BadInputError(bad_value("joined", "sessions in order of time", int(after.at[0])))
    return Samples(
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.at for part in parts]),
        np.concatenate([part.known_at for part in parts]),
    )


def split(samples: Samples, shares: tuple[float, float] = (0.6, 0.2), embargo_ns: Nanos = EMBARGO_NS) -> Split:
    """Return train, validate and test parts, in order of time; `shares` are of the first two.

    From each part but the last go the samples whose label was not known `embargo_ns` before the next part begins.

    Raises:
        BadInputError: too few samples, or a part in which the mid only ever moved one way.
    """
    n = len(samples)
    first, second = int(n * shares[0]), int(n * (shares[0] + shares[1]))
    if n < SAMPLES_MIN:
        raise BadInputError(bad_value("price samples", f"at least {SAMPLES_MIN} labelled samples", n))
    embargo_ns = min(embargo_ns, int(samples.at[-1] - samples.at[0]) // EMBARGO_SHARE)
    parts = []
    for start, stop in ((0, first), (first, second), (second, n)):
        keep = np.arange(start, stop)
        if stop < n:
            keep = keep[samples.known_at[keep] + embargo_ns <= samples.at[stop]]
        parts.append(samples.where(keep))
    for name, part in zip(Split._fields, parts, strict=True):
        if len(part) < SAMPLES_MIN // 10 or part.y.min() == part.y.max():
            raise BadInputError(bad_value(f"price samples, {name}", "moves both up and down", len(part)))
    return Split(*parts)


def _mids(rows: I64) -> I64:
    """Return int64 (k, 2) (at, twice the mid) whenever the mid became another one."""
    whole = rows[(rows[:, 1] > 0) & (rows[:, 3] > 0)]
    mids = np.column_stack((whole[:, 0], whole[:, 1] + whole[:, 3]))
    is_last = np.append(mids[1:, 0] != mids[:-1, 0], True) if len(mids) else np.zeros(0, dtype=bool)
    mids = mids[is_last]
    is_new = np.append(True, mids[1:, 1] != mids[:-1, 1]) if len(mids) else np.zeros(0, dtype=bool)
    changed: I64 = mids[is_new]
    return changed


def _labels(mids: I64, times: I64, horizon_ns: Nanos | None, close_at: Nanos) -> tuple[I64, I64, Mask]:
    """Return (label, when it was known, whether there is one) for each time."""
    if not len(mids):
        nothing = np.zeros(len(times), dtype=np.int64)
        return nothing, times, nothing.astype(bool)
    following = np.searchsorted(mids[:, 0], times, "left")
    now = mids[np.maximum(following - 1, 0), 1]
    if horizon_ns is None:
        then = np.minimum(following, len(mids) - 1)
        known_at = mids[then, 0]
        is_there = (following < len(mids)) & (known_at - times <= NEXT_MAX_NS)
    else:
        known_at = times + horizon_ns
        then = np.searchsorted(mids[:, 0], known_at, "right") - 1
        is_there = (known_at < close_at) & (then >= 0)
    move = mids[then, 1] - now
    return (move > 0).astype(np.int64), known_at, is_there & (move != 0) & (following > 0)


def _is_two_sided(rows: I64, times: I64) -> Mask:
    if not len(rows):
        return np.zeros(len(times), dtype=np.bool_)
    last = np.searchsorted(rows[:, 0], times, "left") - 1
    is_whole: Mask = (last >= 0) & (rows[last, 1] > 0) & (rows[last, 3] > 0)
    return is_whole
