"""The consolidated best bid and offer of a recorded day, and what it says about prints reported off exchange.

Rule of this file: a print is judged by the quote of strictly before its time, since a quote of the same
millisecond may be what the trade left behind.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from router.domain.market import I64
from router.domain.units import Px

Mask: TypeAlias = NDArray[np.bool_]

_NO_ASK = np.int64(1) << 62

CENT: Px = 100
"""One cent in Px: the smallest step of a displayed quote above one dollar."""


def consolidate(at: I64, venue: I64, top: I64, venues: int) -> I64:
    """Return the national best bid and offer, int64 (m, 5) in QUOTE_COLUMNS, one row where it changes.

    `at` (n,) and `venue` (n,) name the time and the venue index of each quote row, `top` (n, 4) its bid_px,
    bid_qty, ask_px, ask_qty. A row replaces that venue's whole top. Quantities add up over the venues at the best
    price. Vectorised: each venue's rows are repeated over the stream, then the best over venues is taken.
    """
    n = len(at)
    best = np.zeros((4, n), dtype=np.int64)
    best[2] = _NO_ASK
    for v in range(venues):
        rows = np.flatnonzero(venue == v)
        if not len(rows):
            continue
        start = int(rows[0])
        bid_px, bid_qty, ask_px, ask_qty = np.repeat(top[rows], np.diff(np.append(rows, n)), axis=0).T
        ask_px = np.where(ask_qty > 0, ask_px, _NO_ASK)
        _join(best[0][start:], best[1][start:], bid_px, bid_qty, bid_px > best[0][start:])
        _join(best[2][start:], best[3][start:], ask_px, ask_qty, ask_px < best[2][start:])
    best[2][best[2] == _NO_ASK] = 0
    is_new = np.ones(n, dtype=np.bool_)
    is_new[1:] = (best[:, 1:] != best[:, :-1]).any(axis=0)
    return np.column_stack((at, *best))[is_new]


def _join(best_px: I64, best_qty: I64, px: I64, qty: I64, is_better: Mask) -> None:
    is_equal = px == best_px
    best_qty[is_equal] += qty[is_equal]
    best_px[is_better] = px[is_better]
    best_qty[is_better] = qty[is_better]


def before(at: I64, quotes: I64) -> I64:
    """Return for each time the row of `quotes` (m, 5) in force strictly before it, int64 (n, 5); zeros when none."""
    rows = np.searchsorted(quotes[:, 0], at, side="left") - 1
    found = quotes[np.maximum(rows, 0)] if len(quotes) else np.zeros((len(at), 5), dtype=np.int64)
    return np.where((rows >= 0)[:, None], found, 0)


def aggressors(px: I64, quotes_before: I64) -> I64:
    """Return +1 for trades at or above the ask, -1 at or below the bid, 0 between or without a two-sided quote.

    >>> aggressors(np.array([400200, 400100]), np.array([[0, 400000, 1, 400200, 1]] * 2)).tolist()
    [1, 0]
    """
    _, bid, _, ask, _ = quotes_before.T
    is_two_sided = (bid > 0) & (ask > bid)
    buys: I64 = (is_two_sided & (px >= ask)).astype(np.int64)
    sells: I64 = (is_two_sided & (px <= bid)).astype(np.int64)
    return buys - sells


def is_midpoint(px: I64, quotes_before: I64) -> Mask:
    """Return which prints are at the midpoint, or within 0.0001 of it, of a quote that is not locked or crossed."""
    _, bid, _, ask, _ = quotes_before.T
    mask: Mask = (bid > 0) & (ask > bid) & (np.abs(2 * px - bid - ask) <= 2)
    return mask


def retail_aggressors(px: I64, quotes_before: I64) -> I64:
    """Return +1 (-1) for prints that look like a retail buy (sell) served by a dealer, else 0.

    Such a print is not at the mid, has a price off the cent grid, and lies less than one cent inside the near quote:
    below the ask for a buy, above the bid for a sell. The side is taken by the midpoint, not by the fraction
    of the cent (Boehmer, Jones, Zhang, Zhang, "Tracking retail investor activity", 2021, as amended by Barber et
    al., "A (sub)penny for your thoughts", 2024).

    >>> quotes = np.array([[0, 400000, 1, 400300, 1]] * 4)
    >>> retail_aggressors(np.array([400299, 400001, 400300, 400150]), quotes).tolist()
    [1, -1, 0, 0]
    """
    _, bid, _, ask, _ = quotes_before.T
    fits = (bid > 0) & (ask > bid) & (px % CENT != 0) & ~is_midpoint(px, quotes_before)
    is_buy = fits & (2 * px > bid + ask) & (px <= ask) & (ask - px < CENT)
    is_sell = fits & (2 * px < bid + ask) & (px >= bid) & (px - bid < CENT)
    sides: I64 = is_buy.astype(np.int64) - is_sell.astype(np.int64)
    return sides
