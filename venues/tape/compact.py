"""One venue's recorded events as whole-number rows that kernels walk: prices as ranks, order ids as slots.

Rule of this file: what can be found out once, when a tape is read, is found out here, so that no kernel looks up an
id or a price. An id that no row has added so far has no slot.

Columns of a compact row (n, 7), int64: at, kind (`EventKind`), side (0 bid, 1 ask, -1 unknown), rank of the price
(-1 without a price), quantity, slot (-1 none), flags.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from venues.feeds.events import EventFlag, EventKind

AT, KIND, SIDE, RANK, QTY, SLOT, FLAGS = range(7)
BID, ASK = 0, 1

RAW_COLUMNS = ("at", "kind", "side", "px", "qty", "order_id", "flags")
"""Columns of a raw row: those of the event table but the venue, as int64; side is +1 bid, -1 ask, 0 unknown."""

_ADD, _MODIFY = int(EventKind.ADD), int(EventKind.MODIFY)
_GOLDEN = np.int64(0x9E3779B97F4A7C15 - 2**64)
"""Two to the 64 over the golden ratio, as a signed word: multiplying by it spreads ids that follow each other."""


class Compact(NamedTuple):
    """A venue's rows with what their ranks and slots stand for: `px` (ranks,) rising, `slots` how many slots."""

    rows: I64
    px: I64
    slots: int


def compact(raw: I64) -> Compact:
    """Return raw rows (n, 7), times never falling, as compact rows.

    Raises:
        TapeError: not (n, 7), or a time, price or quantity that cannot be.

    >>> raw = np.array([[5, 1, 1, 990, 10, 77, 0], [6, 1, -1, 1000, 20, 78, 0], [7, 3, 0, 0, 0, 77, 0]])
    >>> compact(raw).rows[:, 1:6].tolist()
    [[1, 0, 0, 10, 0], [1, 1, 1, 20, 1], [3, -1, -1, 0, 0]]
    """
    if raw.ndim != 2 or raw.shape[1] != len(RAW_COLUMNS):
        raise TapeError(bad_value("rows", f"a table of {len(RAW_COLUMNS)} columns", raw.shape))
    fault = int(np.argmax(np.append((np.diff(raw[:, 0]) < 0), True)))
    if fault < len(raw) - 1:
        raise TapeError(bad_value(f"rows[{fault + 1}].at", f"a time from {raw[fault, 0]}", int(raw[fault + 1, 0])))
    below = np.flatnonzero((raw[:, 3] < 0) | (raw[:, 4] < 0))
    if len(below):
        k = int(below[0])
        raise TapeError(bad_value(f"rows[{k}]", "a price and a quantity from 0", raw[k, 3:5].tolist()))
    px, rank = _ranks(raw[:, 3])
    rows: I64 = np.empty_like(raw)
    rows[:, AT], rows[:, KIND], rows[:, FLAGS] = raw[:, 0], raw[:, 1], raw[:, 6]
    rows[:, SIDE] = np.where(raw[:, 2] > 0, BID, np.where(raw[:, 2] < 0, ASK, -1))
    rows[:, RANK], rows[:, QTY] = rank, raw[:, 4]
    if not (rows[:, FLAGS] & EventFlag.LAST).any():
        # A feed that does not say where a message ends sends whole messages.
        rows[:, FLAGS] |= EventFlag.LAST
    ids = np.zeros((_table_size(len(raw)), 2), dtype=np.int64)
    return Compact(rows, px, int(_number_slots(raw[:, 5], rows, ids)))


def _ranks(px: I64) -> tuple[I64, I64]:
    """Return the distinct prices above 0, rising, and each row's rank among them (-1 without a price)."""
    table = np.zeros((_table_size(len(px)), 2), dtype=np.int64)
    found: I64 = np.empty(len(px), dtype=np.int64)
    first, n = _distinct(px, table, found)
    known = found[:n]
    order = np.argsort(known)
    rank_of: I64 = np.full(n + 1, -1, dtype=np.int64)
    rank_of[order] = np.arange(n)
    return known[order], rank_of[first]


def _table_size(n: int) -> int:
    """Return a power of two of at least twice `n`: an open-addressed table is never more than half full."""
    return 1 << max(4, int(2 * n).bit_length())


@njit(cache=True)  # type: ignore[untyped-decorator]
def _place(table: I64, key: int) -> int:
    """Return where `key`, not 0, stands or belongs in an open-addressed table of (key, value), keys 0 being free."""
    mask = len(table) - 1
    k = (key * _GOLDEN >> 30) & mask
    while table[k, 0] != 0 and table[k, 0] != key:
        k = (k + 1) & mask
    return int(k)


@njit(cache=True)  # type: ignore[untyped-decorator]
def _distinct(values: I64, table: I64, found: I64) -> tuple[I64, int]:
    """Number the values above 0 in the order they first come; -1 for the others."""
    numbers = np.empty(len(values), dtype=np.int64)
    n = 0
    for i in range(len(values)):
        if values[i] <= 0:
            numbers[i] = -1
            continue
        k = _place(table, values[i])
        if table[k, 0] == 0:
            table[k, 0], table[k, 1] = values[i], n
            found[n] = values[i]
            n += 1
        numbers[i] = table[k, 1]
    return numbers, n


@njit(cache=True)  # type: ignore[untyped-decorator]
def _number_slots(order_id: I64, rows: I64, ids: I64) -> int:
    """Write each row's slot; return how many there are. `ids` is a table of id to slot."""
    n = 0
    for i in range(len(rows)):
        rows[i, SLOT] = -1
        if order_id[i] == 0:
            continue
        k = _place(ids, order_id[i])
        if ids[k, 0] == 0:
            if rows[i, KIND] != _ADD and rows[i, KIND] != _MODIFY:
                continue
            ids[k, 0], ids[k, 1] = order_id[i], n
            n += 1
        rows[i, SLOT] = ids[k, 1]
    return n
