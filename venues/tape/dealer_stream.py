"""What a currency dealer streams: his recorded quotes, made two-sided prices with size tiers.

Rule of this file: a recorded quote is never improved. Raw streams hold quotes whose bid stands at or above their ask
(two sides updated one after the other): such a quote is widened about its middle to the least spread, for nobody
sells below where he buys.

The recordings have no sizes. The tiers are a model: the quote as it stands for the first size, wider for more.
"""

from __future__ import annotations

import msgspec
import numpy as np

from router.domain.market import I64
from router.domain.units import MILLISECOND, SECOND, Nanos, Px, Qty
from venues.tape.touch import cut, raw_touch
from venues.types.tape_dealer import DealerTape
from venues.types.tape_dealer_quotes import TapeDealerParams

LOOK = TapeDealerParams(
    wait_ns=100 * MILLISECOND, memory_ns=10 * SECOND, quote_life_ns=500 * MILLISECOND, tolerance_px=3
)
"""A last look of 100 ms that bears three tenths of a pip, the middle of what dealers of currencies disclose."""


class StreamTier(msgspec.Struct, frozen=True):
    """Up to `max_qty` each side is `wider_px` from the recorded quote."""

    max_qty: Qty
    wider_px: Px


TIERS = (StreamTier(1_000, 0), StreamTier(3_000, 2), StreamTier(5_000, 5))
"""One, three and five millions, in thousands of the base currency."""

SPREAD_MIN: Px = 2
"""The least spread in Px: two tenths of a pip, what the tightest streams of a major pair show."""


def stream_of(raw: I64, open_at: Nanos, close_at: Nanos) -> DealerTape:
    """Return what a dealer's raw QUOTE rows come to in a session."""
    rows = raw_touch(raw)
    rows = rows[(rows[:, 1] > 0) & (rows[:, 3] > 0)].copy()
    total = rows[:, 1] + rows[:, 3]
    is_narrow = rows[:, 3] - rows[:, 1] < SPREAD_MIN
    rows[:, 1] = np.where(is_narrow, (total - SPREAD_MIN) // 2, rows[:, 1])
    rows[:, 3] = np.where(is_narrow, -((-total - SPREAD_MIN) // 2), rows[:, 3])
    rows[:, [2, 4]] = TIERS[0].max_qty
    rows = rows[np.append(True, (rows[1:, 1:] != rows[:-1, 1:]).any(axis=1))] if len(rows) else rows
    quotes = cut(rows, open_at, close_at, carries=True)
    ladder: I64 = np.empty((len(quotes), len(TIERS), 3), dtype=np.int64)
    for k, tier in enumerate(TIERS):
        ladder[:, k, 0] = tier.max_qty
        ladder[:, k, 1] = np.maximum(quotes[:, 1] - tier.wider_px, 1)
        ladder[:, k, 2] = quotes[:, 3] + tier.wider_px
    ladder.setflags(write=False)
    return DealerTape(quotes, ladder, None, open_at, close_at)
