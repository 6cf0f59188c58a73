"""When background events happen and how large they are, as whole arrays made before the day begins.

Rule of this file: arrays depend on their keyed generator and the setup alone, so that background flow is the same
whatever we do (common random numbers).
"""

from __future__ import annotations

import numpy as np

from router.domain.market import F64, I64
from router.domain.units import Nanos, Qty
from venues.models.reference import MarketSetup

U_SHAPE = 1.2
"""How much busier the open and the close are than the middle of the day: intensity 1 + U_SHAPE (2u - 1)^2."""

LOT: Qty = 100
_MEAN_OF_U = 1.0 + U_SHAPE / 3.0


def u_shaped_times(rng: np.random.Generator, setup: MarketSetup, per_day: float, multiplier: str | None) -> I64:
    """Return the sorted times of a Poisson process over the session, busier at both ends.

    Args:
        rng: the stream.
        setup: the session and its regimes.
        per_day: expected number in a full trading day in a regime that multiplies by 1.
        multiplier: the regime multiplier that scales the rate; None for none.

    Source: thinning, Lewis and Shedler, Naval Research Logistics Quarterly 26 (1979).
    """
    ceiling = (1.0 + U_SHAPE) / _MEAN_OF_U
    tops = [getattr(r.multipliers, multiplier) for _, _, r in setup.segments()] if multiplier else [1.0]
    most = ceiling * max(tops)
    n = int(rng.poisson(per_day * setup.day_share * most))
    at = np.sort(rng.integers(setup.open_at + 1, setup.close_at, n))
    u = (at - setup.open_at) / (setup.close_at - setup.open_at)
    rate: F64 = (1.0 + U_SHAPE * (2.0 * u - 1.0) ** 2) / _MEAN_OF_U
    if multiplier:
        rate = rate * setup.multipliers(at, multiplier)
    kept: I64 = at[rng.random(n) * most < rate]
    return kept


def geometric_sizes(rng: np.random.Generator, n: int, mean: float, largest: Qty) -> I64:
    """Return n sizes in round lots with (before the cap) the given mean: int64 (n,)."""
    chance = min(1.0, LOT / max(mean, LOT))
    return np.minimum(rng.geometric(chance, n) * LOT, largest).astype(np.int64)


def pareto_sizes(rng: np.random.Generator, n: int, beta: float, largest: Qty) -> I64:
    """Return n sizes in round lots with the tail P(size >= k lots) = k^-beta, capped: int64 (n,).

    Source: the power-law part of the dark-pool model of Ganchev, Kearns, Nevmyvaka and Vaughan, "Censored
    exploration and the dark pool problem", UAI 2009.
    """
    lots = np.floor(np.minimum((1.0 - rng.random(n)) ** (-1.0 / beta), largest / LOT)).astype(np.int64)
    return np.maximum(lots, 1) * LOT


def signs(rng: np.random.Generator, n: int) -> I64:
    """Return n fair signs: int64 (n,)."""
    return (rng.integers(0, 2, n) * 2 - 1).astype(np.int64)


def after(rng: np.random.Generator, at: I64, base_ns: Nanos, jitter_ns: Nanos) -> I64:
    """Return each time delayed by `base_ns` plus an exponential of mean `jitter_ns`, at least 1 ns: int64 (n,)."""
    extra: F64 = np.asarray(rng.exponential(1.0, at.shape[0]), dtype=np.float64) * jitter_ns
    delayed: I64 = at + np.maximum(1, base_ns + extra.astype(np.int64))
    return delayed
