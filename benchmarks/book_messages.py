"""Messages for books: half add, four in ten cancel, one in ten trades, about a price that stays.

Rule of this file: every cancel is of an order that rests, so that no engine is timed at finding nothing; the number of
live orders stays close to what was asked.
"""

from __future__ import annotations

import numpy as np

from router.domain.chance import generator
from router.domain.market import I64
from venues.book.compiled import compiled
from venues.book.kernel import cancel, enter
from venues.book.layout import H_LIVE, H_OUT, BookState
from venues.book.look import leaves
from venues.book.state import new_state
from venues.book.words import C_OID, C_OP, C_PX, C_QTY, COMMAND_COLUMNS, FLAGS_SHIFT, IMMEDIATE, OP_CANCEL, SELL

PX, TICK = 400_000, 100
DEPTH_TICKS = 20.0
"""Orders stand so many ticks from the middle on average, exponentially."""

REACH = 100 * TICK
"""A trading order's limit lies so far beyond the middle: it takes what it needs."""

ADDS, CANCELS = 0.5, 0.9
"""Below the first number a draw adds, below the second it cancels, above it trades."""


def messages(n: int, live: int, seed: int = 1) -> I64:
    """Return `live` adds and then `n` messages, as rows (live + n, COMMAND_COLUMNS) of a batch."""
    rng = generator(seed, "benchmark", f"book-{live}")
    total = live + n
    kinds = np.concatenate([np.zeros(live), rng.random(n)])
    sells, sizes = rng.integers(0, 2, total), rng.integers(1, 6, total)
    ticks = 1 + rng.exponential(DEPTH_TICKS, total).astype(np.int64)
    picks = rng.integers(0, 1 << 62, 2 * total)
    rows = np.zeros((total, COMMAND_COLUMNS), dtype=np.int64)
    book = new_state(PX, TICK, orders=4 * live, executions=16 * live)
    _fill(book, rows, live, kinds, sells, sizes, ticks, picks, np.zeros(total, dtype=np.int64))
    return rows


@compiled
def _fill(
    book: BookState,
    rows: I64,
    live: int,
    kinds: np.ndarray,
    sells: I64,
    sizes: I64,
    ticks: I64,
    picks: I64,
    alive: I64,
) -> None:
    """Write the rows while a book lives through them; `alive` holds the ids that were added and not cancelled."""
    head = book.head
    n_alive = drawn = 0
    for k in range(len(rows)):
        row = rows[k]
        if ADDS <= kinds[k] < CANCELS:
            oid = 0
            while oid == 0 or leaves(book, oid) == 0:
                place = picks[drawn % len(picks)] % n_alive
                drawn += 1
                oid = alive[place]
                n_alive -= 1
                alive[place] = alive[n_alive]
            row[C_OP], row[C_OID] = OP_CANCEL, oid
            cancel(book, oid)
            continue
        sell = sells[k]
        row[C_OID], row[C_QTY] = k + 1, 100 * sizes[k]
        if kinds[k] < ADDS:
            row[C_OP], row[C_PX] = sell << FLAGS_SHIFT, PX - (1 - 2 * sell) * TICK * ticks[k]
            alive[n_alive] = k + 1
            n_alive += 1
        else:
            # Large when many are live and small when few are: the book neither drains nor fills.
            row[C_QTY] = 100 if head[H_LIVE] < live else 700
            row[C_OP] = (IMMEDIATE | (SELL if sell else 0)) << FLAGS_SHIFT
            row[C_PX] = PX + (1 - 2 * sell) * REACH
        enter(book, k + 1, row[C_OP] >> FLAGS_SHIFT, row[C_PX], row[C_QTY], 0, 0, 0, 0)
        head[H_OUT] = 0
