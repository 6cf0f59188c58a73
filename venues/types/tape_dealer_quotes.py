"""What the recorded dealer of a US day streams: the consolidated touch, improved as its past prints were.

Rule of this file: the row at a time uses prints of strictly before that time and nothing later.

* The dealer quotes around the consolidated best bid and offer, improved on each side by an exponentially weighted
  mean of the improvement that past prints of that side gave; it stops short of the midpoint. No quote while the
  consolidated market is one-sided, locked or crossed.
* Two tiers: the mean size of past prints at the improved price, and the largest of the last few at the touch itself.
"""

from __future__ import annotations

import msgspec
import numpy as np

from router.domain.market import I64
from router.domain.units import MILLISECOND, MINUTE, SECOND, Nanos, Px
from venues.feeds.nbbo import before
from venues.feeds.taq import LOT


class TapeDealerParams(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the dealer quotes and decides.

    `wait_ns` is the hold of the last look, `memory_ns` how long a print's shares can still be met, `quote_life_ns` how
    long a replaced quote is honoured, `tolerance_px` the move against the dealer it bears. `half_life` counts prints
    in the means, `recent` prints in the largest size, `start_px` is the improvement before the first print.
    """

    wait_ns: Nanos = 250 * MILLISECOND
    memory_ns: Nanos = MINUTE
    quote_life_ns: Nanos = 500 * MILLISECOND
    tolerance_px: Px = 100
    half_life: float = 20.0
    recent: int = 20
    start_px: Px = 1

    def __post_init__(self) -> None:
        rules = (
            (1 <= self.wait_ns <= 10 * SECOND, "wait_ns from 1 to 10 s", self.wait_ns),
            (1 <= self.memory_ns <= 60 * MINUTE, "memory_ns from 1 to 1 h", self.memory_ns),
            (0 <= self.quote_life_ns <= MINUTE, "quote_life_ns from 0 to 1 min", self.quote_life_ns),
            (0 <= self.tolerance_px <= 10_000, "tolerance_px from 0 to 10000", self.tolerance_px),
            (0.1 <= self.half_life <= 10_000.0, "half_life from 0.1 to 10000", self.half_life),
            (1 <= self.recent <= 10_000, "recent from 1 to 10000", self.recent),
            (0 <= self.start_px <= 100, "start_px from 0 to 100", self.start_px),
        )
        for holds, expected, got in rules:
            if not holds:
                raise ValueError(f"expected {expected}, got {got!r}")


def dealer_quotes(nbbo: I64, prints: I64, params: TapeDealerParams) -> tuple[I64, I64]:
    """Return the dealer's top tier (n, 5) in QUOTE_COLUMNS and, row by row, (n, 3): touch bid, touch ask, largest
    size; a row where any of it changes.

    `nbbo` is (m, 5), `prints` (k, 4) with the retail side as aggressor. A row without a quote is 0 all over.
    """
    at, bid, _, ask, _ = nbbo.T
    seen = np.searchsorted(prints[:, 0], at, side="left")
    quotes_before = before(prints[:, 0], nbbo)
    is_buy = prints[:, 3] > 0
    improvement = np.where(is_buy, quotes_before[:, 3] - prints[:, 1], prints[:, 1] - quotes_before[:, 1])
    buy = _means(improvement, is_buy, params.start_px, params.half_life)[seen].astype(np.int64)
    sell = _means(improvement, ~is_buy, params.start_px, params.half_life)[seen].astype(np.int64)
    is_any = np.ones(len(prints), dtype=np.bool_)
    size = _lots(_means(prints[:, 2], is_any, LOT, params.half_life))[seen]
    largest = _lots(_largest(prints[:, 2], params.recent))[seen]
    room = np.maximum((ask - bid - 1) // 2, 0)
    is_quoted = (bid > 0) & (ask > bid)
    top = np.column_stack((bid + np.minimum(sell, room), size, ask - np.minimum(buy, room), size, bid, ask, largest))
    top[~is_quoted] = 0
    # Only the last row of a millisecond is streamed: the dealer does not quote faster than it can see.
    rows = np.column_stack((at, top))[np.append(at[1:] != at[:-1], True)]
    rows = rows[np.append(True, (rows[1:, 1:] != rows[:-1, 1:]).any(axis=1))]
    quotes, touch = np.ascontiguousarray(rows[:, :5]), np.ascontiguousarray(rows[:, 5:])
    quotes.setflags(write=False)
    touch.setflags(write=False)
    return quotes, touch


def ladder_of(quotes: I64, touch: I64) -> I64:
    """Return the tiers (n, 2, 3) of `dealer_quotes`: size, bid and ask; the second only where it is the larger."""
    ladder: I64 = np.empty((len(quotes), 2, 3), dtype=np.int64)
    ladder[:, 0] = quotes[:, [2, 1, 3]]
    ladder[:, 1] = touch[:, [2, 0, 1]]
    ladder[:, 1, 0] = np.where(touch[:, 2] > quotes[:, 2], touch[:, 2], 0)
    ladder.setflags(write=False)
    return ladder


def _means(values: I64, mask: np.ndarray, start: float, half_life: float) -> np.ndarray:
    """Return the weighted mean of the masked values after each print, float64 (k + 1,), `start` before the first."""
    keep = 0.5 ** (1.0 / half_life)
    mean, means = start, [float(start)]
    for value, counts in zip(values.tolist(), mask.tolist(), strict=True):
        if counts:
            mean = keep * mean + (1.0 - keep) * value
        means.append(mean)
    return np.array(means)


def _largest(sizes: I64, recent: int) -> I64:
    """Return the largest of the last `recent` sizes after each print, int64 (k + 1,), 0 before the first."""
    if not len(sizes):
        return np.zeros(1, dtype=np.int64)
    padded = np.concatenate((np.zeros(recent, dtype=np.int64), sizes))
    largest: I64 = np.lib.stride_tricks.sliding_window_view(padded, recent).max(axis=1)
    return largest


def _lots(sizes: np.ndarray) -> I64:
    """Return sizes rounded down to whole round lots, at least one.

    >>> _lots(np.array([0.0, 99.0, 250.0])).tolist()
    [100, 100, 200]
    """
    lots: I64 = np.maximum(sizes.astype(np.int64) // LOT, 1)
    return lots * LOT
