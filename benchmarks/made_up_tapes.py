"""Made-up event streams of sixteen venues: level-2 differences and order-level messages around one price.

Rule of this file: every draw comes from one seed, so that each measurement sees the same rows.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from router.domain.market import I64

VENUES = 16
START: int = 1_500_000_000 * 10**9
MID, TICK = 1_000_000, 100
LIVE_MAX = 4_000


def streams(events: int, *, has_orders: bool) -> list[I64]:
    """Return each venue's raw rows (events, 7), in the columns of `venues.tape.compact.RAW_COLUMNS`."""
    make = _orders if has_orders else _levels
    tapes = []
    for venue in range(VENUES):
        rows: I64 = np.empty((events, 7), dtype=np.int64)
        make(venue + 1, START + venue, rows)
        tapes.append(rows)
    return tapes


@njit(cache=True)
def _levels(seed: int, at: int, out: I64) -> None:
    """A level gets a new quantity, two in five times none; nearer levels change more often."""
    np.random.seed(seed)
    for i in range(len(out)):
        at += 1 + np.int64(np.random.exponential(1_000_000.0))
        side = 1 - 2 * np.random.randint(2)
        px = MID - side * TICK * min(np.random.geometric(0.2), 40)
        qty = np.random.randint(1, 20) * 100 if np.random.random() < 0.6 else 0
        out[i] = (at, 8, side, px, qty, 0, 2)


@njit(cache=True)
def _orders(seed: int, at: int, out: I64) -> None:
    """Half adds; of the others four in five leave whole, the rest in part; one in eight leaves by trading."""
    np.random.seed(seed)
    live: I64 = np.zeros((LIVE_MAX, 4), dtype=np.int64)
    n, last = 0, 0
    for i in range(len(out)):
        at += 1 + np.int64(np.random.exponential(1_000_000.0))
        if n < 200 or (np.random.random() < 0.5 and n < LIVE_MAX):
            side = 1 - 2 * np.random.randint(2)
            last += 1
            live[n] = (
                last,
                side,
                MID - side * TICK * min(np.random.geometric(0.2), 40),
                np.random.randint(2, 10) * 100,
            )
            out[i] = (at, 1, live[n, 1], live[n, 2], live[n, 3], last, 2)
            n += 1
            continue
        k = np.random.randint(n)
        kind = 5 if np.random.random() < 0.12 else 3
        qty = live[k, 3]
        if np.random.random() < 0.2 and qty > 100:
            kind, qty = 2 if kind == 3 else 5, 100
        out[i] = (at, kind, live[k, 1], live[k, 2], qty, live[k, 0], 2)
        live[k, 3] -= qty
        if live[k, 3] == 0:
            n -= 1
            live[k] = live[n]
