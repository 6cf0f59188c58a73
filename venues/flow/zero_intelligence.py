"""The model of Cont, Stoikov and Talreja: unit orders that come and go at rates by distance from the opposite best.

Rule of this file: it is simulated whole (five prices a side, both sides), with nothing of its solution put in, so that
its published probabilities examine the simulation.

Source: Cont, Stoikov and Talreja, "A stochastic model for order book dynamics", Operations Research 58 (2010).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.market import F64, I64
from venues.flow.chance import stream_key, uniforms4

LIMITS = (1.85, 1.51, 1.09, 0.88, 0.77)
"""Limit orders a second at 1 to 5 ticks from the opposite best, each side."""

CANCELS = (0.71, 0.81, 0.68, 0.56, 0.47)
"""Cancels a second of each order standing there."""

MARKETS = 0.94
"""Market orders a second, each side."""

_DEPTH = 5
_BEHIND = 3
"""Orders at each price behind the best when a trial begins: nothing there can matter before the mid moves."""

_EVENTS_MAX = 100_000
"""A trial that has not ended by then never does; at these rates none comes near."""

UP, DOWN, FILLED = 1, 2, 3


class Rates(NamedTuple):
    """Limit orders and cancels by distance, float64 (5,), and market orders, a second."""

    limits: F64
    cancels: F64
    markets: float


PUBLISHED = Rates(np.array(LIMITS), np.array(CANCELS), MARKETS)


def mid_up_chance(bid: int, ask: int, trials: int, seed: int, rates: Rates = PUBLISHED) -> float:
    """Return how often the mid's next move is up, from a spread of one tick with `bid` and `ask` orders at the best."""
    outcomes = _trials(bid, ask, -1, trials, stream_key(seed, f"{bid}/{ask}", "mid-up"), *rates)
    return float((outcomes == UP).mean())


def fill_chance(position: int, ask: int, trials: int, seed: int, rates: Rates = PUBLISHED) -> float:
    """Return how often the order at `position` (1: the first) of the best bid trades before the mid moves.

    The bid has `position` orders and the ask `ask`, at a spread of one tick; our order is never cancelled.
    """
    outcomes = _trials(position, ask, position - 1, trials, stream_key(seed, f"{position}/{ask}", "fill"), *rates)
    return float((outcomes == FILLED).mean())


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _trials(
    bid: int, ask: int, ahead: int, trials: int, key: np.uint64, limits: F64, cancels: F64, markets: float
) -> I64:
    """Return the outcome of each trial, int64 (trials,); `ahead` orders stand before ours, -1: there is no ours."""
    outcomes = np.zeros(trials, dtype=np.int64)
    # books[0] are bids and books[1] asks, by distance from the opposite best less one.
    books = np.zeros((2, _DEPTH), dtype=np.int64)
    counter = 0
    for trial in range(trials):
        books[:] = _BEHIND
        books[0, 0] = bid
        books[1, 0] = ask
        before = ahead
        for _ in range(_EVENTS_MAX):
            u, v, _w, _x = uniforms4(key, counter)
            counter += 1
            side, place, is_limit, is_market = _pick(books, limits, cancels, markets, u)
            if is_limit:
                books[side, place] += 1
                continue
            if side == 0 and place == 0 and ahead >= 0:
                # Of a bid that is cancelled each other order is as likely as any; ours is never.
                if is_market and before == 0:
                    outcomes[trial] = FILLED
                    break
                others = books[0, 0] - 1
                if not is_market and others == 0:
                    continue
                if is_market or v * others < before:
                    before -= 1
            books[side, place] -= 1
            if books[0, 0] == 0 or books[1, 0] == 0:
                outcomes[trial] = DOWN if books[0, 0] == 0 else UP
                break
    return outcomes


@njit(cache=True)  # type: ignore[untyped-decorator,unused-ignore]
def _pick(books: I64, limits: F64, cancels: F64, markets: float, u: float) -> tuple[int, int, bool, bool]:
    """Return (side, place, is_limit, is_market) of the next event: the jump chain, for time does not matter here."""
    total = 2.0 * markets
    for side in range(2):
        for i in range(_DEPTH):
            total += limits[i] + cancels[i] * books[side, i]
    left = u * total
    for side in range(2):
        left -= markets
        if left < 0.0:
            return side, 0, False, True
        for i in range(_DEPTH):
            left -= limits[i]
            if left < 0.0:
                return side, i, True, False
            left -= cancels[i] * books[side, i]
            if left < 0.0:
                return side, i, False, False
    return 1, _DEPTH - 1, True, False
