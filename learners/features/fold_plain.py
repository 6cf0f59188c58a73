"""The plain twin of `fold`: the same contract in ordinary Python, written to be read rather than to be fast.

Rule of this file: it shares the layout of the state with `fold` and not one line of its logic.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import numpy as np

from learners.features import fold as layout
from router.domain.market import F64, I64


def best_of(book: I64, is_counted: Iterable[bool | np.bool_]) -> tuple[int, int, int, int]:
    """Return (bid_px, bid_qty, ask_px, ask_qty) over the counted venues.

    >>> import numpy as np
    >>> book = np.array([[0, 100, 5, 102, 7], [0, 100, 1, 101, 2]])
    >>> best_of(book, [True, True])
    (100, 6, 101, 2)
    """
    rows = [row.tolist() for row, counted in zip(book, is_counted, strict=True) if counted]
    bids = [(px, qty) for _, px, qty, _, _ in rows if px > 0 and qty > 0]
    asks = [(px, qty) for _, _, _, px, qty in rows if px > 0 and qty > 0]
    bid = max((px for px, _ in bids), default=0)
    ask = min((px for px, _ in asks), default=0)
    return bid, sum(q for px, q in bids if px == bid), ask, sum(q for px, q in asks if px == ask)


def fold_plain(
    quotes: I64, prints: I64, book: I64, is_counted: layout.Flags, best: I64, whole: I64, sums: F64, out: I64
) -> int:
    """Do what `fold.fold` does."""
    events = [(row[0], 0, row) for row in prints.tolist()] + [(row[0], 1, row) for row in quotes.tolist()]
    rows = 0
    for (at, kind), group in itertools.groupby(sorted(events, key=lambda e: e[:2]), key=lambda e: e[:2]):
        if kind == 0:
            for _, _, (_, _, px, qty, aggressor) in group:
                if px > 0 and qty > 0:
                    _trade(at, px, qty, aggressor, best.tolist(), whole, sums)
            continue
        for _, _, (_, venue, *top) in group:
            book[venue] = [at, *top]
        fresh = best_of(book, is_counted)
        if fresh == tuple(best.tolist()):
            continue
        best[:] = fresh
        out[rows] = (at, *fresh)
        rows += 1
        if fresh[0] and fresh[2]:
            _move(at, fresh[0] + fresh[2], whole, sums)
    return rows


def _trade(at: int, px: int, qty: int, aggressor: int, best: list[int], whole: I64, sums: F64) -> None:
    last = int(whole[layout.LAST_PX])
    if last > 0 and px != last:
        whole[layout.TICK_SIGN] = 1 if px > last else -1
    has_mid = best[0] > 0 and best[2] > 0
    by_quote = 2 * px - best[0] - best[2] if has_mid else 0
    direction = aggressor or by_quote or int(whole[layout.TICK_SIGN])
    keep = 0.5 ** ((at - int(whole[layout.FLOW_AT])) / layout.FLOW_HALF_LIFE_NS)
    sums[layout.BOUGHT] = sums[layout.BOUGHT] * keep + (qty if direction > 0 else 0)
    sums[layout.SOLD] = sums[layout.SOLD] * keep + (qty if direction < 0 else 0)
    whole[layout.FLOW_AT] = at
    whole[layout.LAST_PX] = px
    whole[layout.VOLUME] += qty


def _move(at: int, mid2: int, whole: I64, sums: F64) -> None:
    before = int(whole[layout.MID2])
    whole[layout.MID2] = mid2
    if whole[layout.FIRST_MID_AT] < 0:
        whole[layout.FIRST_MID_AT] = whole[layout.VARIANCE_AT] = at
        return
    if before == 0 or mid2 == before:
        return
    bps = max(-layout.RETURN_BPS_MAX, min(layout.RETURN_BPS_MAX, (mid2 - before) / before * 1e4))
    keep = 0.5 ** ((at - int(whole[layout.VARIANCE_AT])) / layout.VOLATILITY_HALF_LIFE_NS)
    sums[layout.VARIANCE] = sums[layout.VARIANCE] * keep + bps**2
    whole[layout.VARIANCE_AT] = at
