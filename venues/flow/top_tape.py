"""What a recording says of one venue's best prices and trades: the input of facts and calibration.

Rule of this file: whole ticks, shares and nanoseconds since the first row; rows without two sides, or locked or
crossed, are no market: spans with them are not measured.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import Nanos, Px
from venues.feeds.events import EventFlag, EventKind

TOP_COLUMNS = ("at", "bid_tick", "bid_qty", "ask_tick", "ask_qty")
TAKEN_COLUMNS = ("at", "sign", "qty")


class TopTape(NamedTuple):
    """`top` int64 (n, 5) where the best changes and `taken` (m, 3) trades with displayed orders, those of one time and
    side as one; times from 0 to `length_ns`. `name` says which recording it is; `slack_ns` how far the time stamps of
    a trade and of what it left behind may lie apart.
    """

    name: str
    tick: Px
    length_ns: Nanos
    slack_ns: Nanos
    top: I64
    taken: I64

    @property
    def is_whole(self) -> I64:
        """1 for each row of `top` with two sides and a spread of a tick at least, else 0: int64 (n,)."""
        top = self.top
        whole = (top[:, 2] > 0) & (top[:, 4] > 0) & (top[:, 3] > top[:, 1])
        return whole.astype(np.int64)


def tape_of_quotes(name: str, quotes: I64, prints: I64, tick: Px, slack_ns: Nanos, session: tuple[int, int]) -> TopTape:
    """Return the tape of quote rows (n, 5) in QUOTE_COLUMNS and prints (m, 4) in PRINT_COLUMNS within a session.

    Prints whose aggressor is not known are left out. A price between two ticks counts as the tick nearer to its side.

    Raises:
        TapeError: nothing to measure.
    """
    start, end = session
    quotes = quotes[(quotes[:, 0] >= start) & (quotes[:, 0] < end)]
    prints = prints[(prints[:, 0] >= start) & (prints[:, 0] < end) & (prints[:, 3] != 0)]
    if len(quotes) < 2 or len(prints) < 2:
        raise TapeError(bad_value(name, "quotes and trades within the session", f"{len(quotes)} and {len(prints)}"))
    columns = (quotes[:, 0] - start, quotes[:, 1] // tick, quotes[:, 2], -(-quotes[:, 3] // tick), quotes[:, 4])
    top = np.column_stack(columns).astype(np.int64)
    is_new = np.ones(len(top), dtype=bool)
    is_new[1:] = (top[1:, 1:] != top[:-1, 1:]).any(axis=1)
    return TopTape(name, tick, end - start, slack_ns, top[is_new], _merged(prints, start))


def tape_of_events(name: str, batches: Iterable[pa.RecordBatch], tick: Px, session: tuple[int, int]) -> TopTape:
    """Return the tape of an order-by-order feed: its book rebuilt level by level, EXECUTE rows its trades.

    Raises:
        TapeError: nothing to measure, or a level of less than nothing.
    """
    book = _Levels(name)
    quotes: list[tuple[int, int, int, int, int]] = []
    prints: list[tuple[int, int, int, int]] = []
    for batch in batches:
        columns = [batch.column(key).to_pylist() for key in ("at", "kind", "side", "px", "qty", "flags")]
        for at, kind, side, px, qty, flags in zip(*columns, strict=True):
            if kind == EventKind.EXECUTE:
                prints.append((at, px, qty, -side))
            book.apply(kind, side, px, qty)
            if flags & EventFlag.LAST:
                quotes.append((at, *book.top()))
    return tape_of_quotes(
        name, np.array(quotes, dtype=np.int64).reshape(-1, 5), np.array(prints, dtype=np.int64).reshape(-1, 4),
        tick, 0, session,
    )  # fmt: skip


class _Levels:
    """Quantities by price of two sides, with the best of each."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._sides: dict[int, dict[int, int]] = {1: {}, -1: {}}
        self._best = {1: 0, -1: 0}

    def apply(self, kind: int, side: int, px: int, qty: int) -> None:
        if kind == EventKind.CLEAR:
            self._sides, self._best = {1: {}, -1: {}}, {1: 0, -1: 0}
        elif kind == EventKind.ADD:
            self._change(side, px, qty)
        elif kind in (EventKind.REDUCE, EventKind.DELETE, EventKind.EXECUTE):
            self._change(side, px, -qty)

    def top(self) -> tuple[int, int, int, int]:
        """Return (bid_px, bid_qty, ask_px, ask_qty)."""
        bid, ask = self._best[1], self._best[-1]
        return bid, self._sides[1].get(bid, 0), ask, self._sides[-1].get(ask, 0)

    def _change(self, side: int, px: int, by: int) -> None:
        levels = self._sides[side]
        left = levels.get(px, 0) + by
        if left < 0:
            raise TapeError(bad_value(self._name, f"at most {left - by} shares at {px}", -by))
        if left:
            levels[px] = left
        else:
            del levels[px]
        best = self._best[side]
        if not best or px * side > best * side:
            self._best[side] = px
        elif not left and px == best:
            self._best[side] = max((of * side for of in levels), default=0) * side


def _merged(prints: I64, start: Nanos) -> I64:
    """Return one row (at, sign, qty) for all prints of one time and side that follow each other."""
    first = np.ones(len(prints), dtype=bool)
    first[1:] = (prints[1:, 0] != prints[:-1, 0]) | (prints[1:, 3] != prints[:-1, 3])
    starts = np.flatnonzero(first)
    qty = np.add.reduceat(prints[:, 2], starts)
    return np.column_stack((prints[starts, 0] - start, prints[starts, 3], qty)).astype(np.int64)
