"""Made-up consolidated markets for the tests of the price model.

Rule of this file: everything follows from the seed, and the truth of each market is said where it is made.
"""

from __future__ import annotations

import numpy as np

from learners.price.samples import Market
from router.domain.chance import generator
from router.domain.market import F64, I64
from router.domain.units import SECOND

START = 1_000 * SECOND


def noise(seed: int, n: int = 400, span_ns: int = 60 * SECOND) -> tuple[I64, I64]:
    """Return n changes, some of them one-sided, and n prints, some without aggressor: no sense in any of it."""
    draw = generator(seed, "price-tests", "noise")
    at = np.sort(draw.integers(START, START + span_ns, n))
    mid = 1_000_000 + 100 * np.cumsum(draw.integers(-1, 2, n))
    half = 50 * draw.integers(1, 4, n)
    rows = np.column_stack((at, mid - half, draw.integers(1, 900, n), mid + half, draw.integers(1, 900, n)))
    rows[draw.random(n) < 0.05, 1:3] = 0
    rows[draw.random(n) < 0.05, 3:5] = 0
    prints = np.column_stack(
        (
            np.sort(draw.integers(START, START + span_ns, n)),
            draw.integers(0, 3, n),
            mid + draw.integers(-2, 3, n) * 50,
            draw.integers(0, 500, n),
            draw.integers(-1, 2, n),
        )
    )
    return rows.astype(np.int64), prints.astype(np.int64)


def market(seed: int, *, tells_before: bool, seconds: int = 6_000) -> Market:
    """Return a market whose mid moves a tick up or down every two seconds, by a fair coin.

    With `tells_before` the sizes lean to the coming move's side from the moment of the last one on; without it they
    lean to a move's side only from that move on, when it is no news.
    """
    draw = generator(seed, "price-tests", "market")
    n = seconds // 2
    move = draw.integers(0, 2, n) * 2 - 1
    mid = 1_000_000 + 100 * np.cumsum(move)
    at = START + 2 * SECOND * np.arange(n) + draw.integers(0, SECOND, n)
    lean = np.append(move[1:], 1) if tells_before else move
    bid_qty, ask_qty = np.where(lean > 0, 400, 100), np.where(lean > 0, 100, 400)
    rows = np.column_stack((at, mid - 100, bid_qty, mid + 100, ask_qty)).astype(np.int64)
    return Market("made up", START, START + seconds * SECOND, rows, np.empty((0, 5), dtype=np.int64))


def inputs(seed: int, n: int, d: int, missing: float) -> F64:
    """Return float64 (n, d) of normal, repeated and missing values."""
    draw = generator(seed, "price-tests", "inputs")
    x: F64 = draw.normal(size=(n, d)) * draw.choice([0.1, 1.0, 30.0], size=d)
    x[:, 0] = np.round(x[:, 0])
    x[draw.random((n, d)) < missing] = np.nan
    return x
