"""From recorded books and trades to one venue's best bid and offer and its prints, as level-2 tape venues walk them.

Rule of this file: one row a time at most, the last of it; a locked or crossed touch is no quote.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import Nanos, Px, Qty
from venues.feeds.events import EventFlag, EventKind
from venues.tape.compact import compact
from venues.tape.merge import lay_out, merge_levels

_KIND, _SIDE, _PX, _QTY, _FLAGS = 1, 2, 3, 4, 6


class TouchTape(NamedTuple):
    """A session of several venues: `quotes[mic]` (n, 5), `trades[mic]` (n, 4); as `venues.types.tape_lit.TouchDay`."""

    open_at: Nanos
    close_at: Nanos
    quotes: Mapping[str, I64]
    trades: Mapping[str, I64]


class Grid(NamedTuple):
    """A venue's price step and lot: the largest that every recorded price and quantity is a multiple of."""

    tick: Px
    lot: Qty


def touch_of(raw: I64) -> I64:
    """Return the best bid and offer (n, 5) of raw rows: by the venue's own QUOTE rows where it sent any (they are
    ahead of its book), else by its LEVEL rows.

    Raises:
        TapeError: neither.
    """
    is_quote = raw[:, _KIND] == EventKind.QUOTE
    if is_quote.any():
        return _settled(_joined(raw[is_quote]))
    is_level = np.isin(raw[:, _KIND], (EventKind.LEVEL, EventKind.CLEAR))
    if not is_level.any():
        raise TapeError(bad_value("rows", "QUOTE or LEVEL rows", "none"))
    return _settled(merge_levels(lay_out([compact(raw[is_level])])).quotes)


def raw_touch(raw: I64) -> I64:
    """Return the best bid and offer (n, 5) of QUOTE rows as they were sent, the last of each time, locked or not."""
    return _last_of_time(_joined(raw[raw[:, _KIND] == EventKind.QUOTE]))


def prints_of(raw: I64) -> I64:
    """Return the venue's own trades (n, 4): the aggressor is on the other side than what rested."""
    rows = raw[(raw[:, _KIND] == EventKind.TRADE) & (raw[:, _FLAGS] & int(EventFlag.OFF_EXCHANGE) == 0)]
    rows = rows[(rows[:, _PX] > 0) & (rows[:, _QTY] > 0)]
    return np.column_stack((rows[:, 0], rows[:, _PX], rows[:, _QTY], -rows[:, _SIDE]))


def grid_of(raw: I64) -> Grid:
    """Return the venue's price step and lot, as the rows have them."""
    px, qty = raw[raw[:, _PX] > 0, _PX], raw[raw[:, _QTY] > 0, _QTY]
    return Grid(int(np.gcd.reduce(px)) if len(px) else 1, int(np.gcd.reduce(qty)) if len(qty) else 1)


def cut(rows: I64, open_at: Nanos, close_at: Nanos, *, carries: bool) -> I64:
    """Return the rows of a session, read-only; with `carries` the one in force at the open comes first, at the open."""
    first, last = np.searchsorted(rows[:, 0], [open_at, close_at])
    if carries and first:
        first -= 1
    rows = rows[first:last].copy()
    rows[:, 0] = np.maximum(rows[:, 0], open_at)
    if carries:
        rows = _last_of_time(rows)
    rows.setflags(write=False)
    return rows


def _joined(rows: I64) -> I64:
    """Return both sides after each one-sided QUOTE row."""
    out: I64 = np.zeros((len(rows), 5), dtype=np.int64)
    out[:, 0] = rows[:, 0]
    for side, column in ((1, 1), (-1, 3)):
        last = np.maximum.accumulate(np.where(rows[:, _SIDE] == side, np.arange(len(rows)), -1))
        known = last >= 0
        out[known, column : column + 2] = rows[last[known], _PX : _QTY + 1]
    return out


def _last_of_time(rows: I64) -> I64:
    return rows[np.append(rows[1:, 0] != rows[:-1, 0], True)] if len(rows) else rows


def _settled(rows: I64) -> I64:
    rows = _last_of_time(rows).copy()
    for px, qty in ((1, 2), (3, 4)):
        rows[(rows[:, px] == 0) | (rows[:, qty] == 0), px : qty + 1] = 0
    rows[(rows[:, 1] >= rows[:, 3]) & (rows[:, 1] > 0) & (rows[:, 3] > 0), 1:] = 0
    return rows
