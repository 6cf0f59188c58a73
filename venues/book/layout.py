"""Where everything lies in the arrays of a compiled book.

Rule of this file: offsets only. Zeros are an empty book. Every array is int64 (bitmaps uint64) and one-dimensional.

* `head`: the scalars, at H_...
* `orders`: 8 fields an order, one cache line. An order is named by the offset of its fields; offset 0 is no order.
* `extras`: 8 more at the same offset, only for orders that are not plain.
* `levels`: 4 fields a level, 6 ladders of H_LEVELS levels: bids and asks displayed, unseen, and for the auction only.
  A level is named by the offset of its fields; offset 0 is nowhere. The lowest and highest level of a ladder stand for
  "any price".
* `bits`: for each ladder a bitmap of occupied levels, then a bitmap of those words of it that are not zero.
* `ids`: an open hash table from id to order, see `venues.book.ids`.
* `out`: executions, OUT_COLUMNS a row, H_OUT of them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from router.domain.market import I64

U64 = npt.NDArray[np.uint64]

H_BASE, H_STEP, H_MAGIC, H_LEVELS = range(4)
"""Price of level 0, price between two levels, ceil(2**32 / step) to divide by it, levels of a ladder."""

H_BEST = 4
"""Six: the best occupied level of each ladder, NO_BID or NO_ASK when it is empty."""

H_FREE, H_USED, H_LIVE, H_SLICES = range(10, 14)
"""First freed order (linked by NEXT), first never used, orders that rest, refreshes their icebergs may still make."""

H_PEG_FIRST, H_PEG_LAST = 14, 16
"""Two each: the pegs of buyers and of sellers, oldest first, linked in `extras`."""

H_REF_BID, H_REF_ASK, H_MID, H_AWAY_BID, H_AWAY_ASK, H_PHASE, H_GATHERED, H_SELF_MATCH = range(18, 26)
"""H_GATHERED is 1 from the begin of an auction phase until its uncross."""

H_OUT, H_DROPPED, H_WHY, H_STOPPED, H_SHIFT, H_WANTED_PX = range(26, 32)
"""H_STOPPED is 1 when the last walk met an order of its own owner and stopped; H_SHIFT belongs to `ids`."""

HEAD = 32

NEXT, PREV, ID, ROW, OPEN, FLAGS, CUM, OWNER = range(8)
"""Fields of an order. OPEN is what stands in the queue: what an iceberg shows, else all of its leaves."""

RESERVE, DISPLAY, MIN_QTY, LIMIT, OFFSET, PEG_NEXT, PEG_PREV = range(7)
ORDER = 8

FIRST, LAST, LEVEL_QTY, COUNT = range(4)
LEVEL = 4

DISPLAYED, UNSEEN, CALL = 0, 2, 4
"""Ladders of bids; those of asks are one above."""

LADDERS = 6

NO_BID, NO_ASK = -1, 1 << 40


class BookState(NamedTuple):
    """The arrays of one book; see the top of the file."""

    head: I64
    orders: I64
    extras: I64
    levels: I64
    bits: U64
    ids: I64
    out: I64
