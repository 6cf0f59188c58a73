"""Event time in half-lives: with what weight an event enters discounted sums, and how far they have decayed.

Rule of this file: a weight is a function of the event's time and the epoch alone, so that updates commute. An event at
half-life q + r (q whole, 0 <= r < 1) enters with 2^(q + r - epoch); moving the epoch multiplies by a power of two,
which floats do exactly: when it moved leaves no trace.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit

from router.domain.market import F64, I64
from router.domain.units import Nanos

EPOCH_SPAN = 64
"""Epochs are multiples of so many half-lives: sums stay under 2^64 times their size, far from overflow."""

SHIFT_MAX = 1_000
"""Half-lives beyond which a float holds nothing of the older side: 2^-1000 of anything is 0 for us."""

TICKS = 64
"""Sums are read as of a grid of so many ticks a half-life: what was read holds until the next tick, 1.1 % at most."""


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def enter(at: Nanos, half_lives: I64, epochs: I64, out: F64) -> None:
    """Write the weights with which an event at `at` enters sums of each half-life."""
    for m in range(half_lives.shape[0]):
        whole = at // half_lives[m]
        rest = (at - whole * half_lives[m]) / half_lives[m]
        out[m] = math.ldexp(2.0**rest, max(whole - epochs[m], -SHIFT_MAX))


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def decay(at: Nanos, half_life: int, epoch: int) -> float:
    """Return the factor that takes sums from their epoch to the tick that `at` lies in."""
    length = max(half_life // TICKS, 1)
    at = at // length * length
    whole = at // half_life
    rest = (at - whole * half_life) / half_life
    return math.ldexp(2.0**-rest, min(max(epoch - whole, -SHIFT_MAX), EPOCH_SPAN))


@njit(cache=True, error_model="numpy", forceinline=True)  # type: ignore[untyped-decorator,unused-ignore]
def tick(at: Nanos, half_life: int) -> int:
    """Return the number of the tick that `at` lies in."""
    return int(at // max(half_life // TICKS, 1))


def epochs_at(at: Nanos, half_lives: I64) -> I64:
    """Return the epochs that sums should have when the latest event is at `at`.

    >>> epochs_at(1_000, np.array([10, 1_000])).tolist()
    [64, 0]
    """
    whole = at // half_lives
    return np.asarray(whole - whole % EPOCH_SPAN, dtype=np.int64)


def enter_plain(at: Nanos, half_life: int, epoch: int) -> float:
    """The plain twin of `enter`, for one half-life.

    >>> enter_plain(20, half_life=10, epoch=0)
    4.0
    """
    whole, rest = divmod(at, half_life)
    return math.ldexp(2.0 ** (rest / half_life), max(whole - epoch, -SHIFT_MAX))


def decay_plain(at: Nanos, half_life: int, epoch: int) -> float:
    """The plain twin of `decay`.

    >>> decay_plain(20, half_life=10, epoch=0)
    0.25
    """
    length = max(half_life // TICKS, 1)
    whole, rest = divmod(at - at % length, half_life)
    return math.ldexp(2.0 ** -(rest / half_life), min(max(epoch - whole, -SHIFT_MAX), EPOCH_SPAN))
