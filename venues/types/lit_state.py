"""The arrays that one lit venue's compiled loop works on, besides its book.

Rule of this file: names of places in arrays, and arrays made empty; nothing here trades.

* `head`: the scalars that change, at S_...
* `terms`: the whole-number parameters, at T_...
* `rows`: what is known before the day begins, (n, 5) by time; see `lit_flow`.
* `sizes`: the makers' sizes, read in a circle.
* `quoted`: each maker's order by side (buys, sells) and level: id, price; (makers, 2, levels, 2).
* `pulled`: until when each maker shows less on a side, and how many thousandths less; (makers, 2, 2).
* `looks`: times at which each maker looks again because of us, a ring: (makers, LOOKS).
* `ring`: where each maker's looks begin, and how many: (makers, 2).
* `noise`: ids of the noise orders that were entered on each side and not yet cancelled: (2, n).
* `kept`: room to sort one maker's quotes in: (levels, 2).
* `quotes`, `prints`: the window's market data; `ours`: executions and ends of our orders, OURS_COLUMNS a row.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.domain.market import F64, I64, PRINT_COLUMNS, QUOTE_COLUMNS
from venues.flow.parameters import FlowArrays

(
    S_ROW,  # next row
    S_DRAW_AT,  # when the next noise candidate comes
    S_DRAW,  # its number in the stream
    S_PATH_PX,
    S_SHIFT_PX,
    S_PUSH_PX,
    S_PHASE,
    S_QUOTES,
    S_PRINTS,
    S_OURS,
    S_EVENTS,
    S_ID,  # last id given to a background order
    S_BID_PX,
    S_BID_QTY,
    S_ASK_PX,
    S_ASK_QTY,
    S_BIDS,  # noise orders noted on each side
    S_ASKS,
    S_LOOK_AT,  # the earliest of `looks`
    S_UNSETTLED,  # 1 + the time of an event whose top is still to be noted, 0 for none
) = range(20)

(
    T_TICK,
    T_OPEN_AT,
    T_CLOSE_AT,
    T_MAKERS,
    T_LEVELS,
    T_HALF_SPREAD_PX,
    T_COLLAR_PX,
    T_SWEEP_QTY,
    T_FADE_NS,
    T_HIDDEN,  # of 2^16 noise orders, so many are hidden
    T_ICEBERG,  # and so many more show a part
    T_SPAN_PX,  # how far from the reference the background can reach
    T_CELL_NS,
    T_NOISE_MAX,  # noise orders of a side at which they leave as fast as they may
) = range(14)
TERMS = 14

CONTINUOUS, CALL, HALT, CLOSED = range(4)
"""Phases of a session. In CALL and HALT orders gather; an auction ends them."""

LOOKS = 16
O_AT, O_MAKER, O_TAKER, O_PX, O_QTY, O_WHAT = range(6)
OURS_COLUMNS = 6
NEVER = 1 << 62

GROW_QUOTES, GROW_PRINTS, GROW_OURS, GROW_NOISE = -101, -102, -103, -104
"""The loop stopped before an event for want of room in one of its own arrays."""


class LitState(NamedTuple):
    """One venue's arrays; see the top of the file. `flow` and `memory` are `venues.flow`'s; `ceilings` (9,) bound each
    column's rate, in events a second, the last is their sum; `pace` and `lean` are per cell of `T_CELL_NS`."""

    head: I64
    terms: I64
    rows: I64
    sizes: I64
    quoted: I64
    pulled: I64
    looks: I64
    ring: I64
    noise: I64
    kept: I64
    quotes: I64
    prints: I64
    ours: I64
    flow: FlowArrays
    memory: F64
    ceilings: F64
    pace: F64
    lean: F64
    key: np.uint64


def new_lit_state(
    terms: I64,
    rows: I64,
    sizes: I64,
    flow: tuple[FlowArrays, F64, F64, F64, F64],
    key: np.uint64,
) -> LitState:
    """Return a venue's arrays at the opening; `flow` is (arrays, memory, ceilings, pace, lean)."""
    makers, levels = int(terms[T_MAKERS]), int(terms[T_LEVELS])
    head = np.zeros(S_UNSETTLED + 1, dtype=np.int64)
    head[S_LOOK_AT] = NEVER
    head[S_DRAW_AT] = NEVER
    return LitState(
        head,
        terms,
        rows,
        sizes,
        np.zeros((makers, 2, levels, 2), dtype=np.int64),
        np.zeros((makers, 2, 2), dtype=np.int64),
        np.full((makers, LOOKS), NEVER, dtype=np.int64),
        np.zeros((makers, 2), dtype=np.int64),
        np.zeros((2, 256), dtype=np.int64),
        np.zeros((levels, 2), dtype=np.int64),
        np.zeros((1_024, len(QUOTE_COLUMNS)), dtype=np.int64),
        np.zeros((4_096, len(PRINT_COLUMNS)), dtype=np.int64),
        np.zeros((4_096, OURS_COLUMNS), dtype=np.int64),
        *flow,
        key,
    )


def grown_lit(state: LitState, code: int) -> LitState:
    """Return the same venue with twice the room in the array that `code` names."""
    if code == GROW_NOISE:
        return state._replace(noise=np.concatenate([state.noise, np.zeros_like(state.noise)], axis=1))
    if code == GROW_OURS:
        return state._replace(ours=np.concatenate([state.ours, np.zeros_like(state.ours)]))
    if code == GROW_PRINTS:
        return state._replace(prints=np.concatenate([state.prints, np.zeros_like(state.prints)]))
    return state._replace(quotes=np.concatenate([state.quotes, np.zeros_like(state.quotes)]))
