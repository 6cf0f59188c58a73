"""The orders of one side of a book of which a recording shows only the best levels.

Rule of this file: the levels that are shown are the truth. What entered or left while a level was out of sight is
put right when the level is seen again, and each such row says that it is not a change of its time.

Orders whose ids the recording never gave stand as blocks with negative ids, where they joined their level's queue. An
execution is at the front of its queue (price and time priority), and what is thought to stand before it is not there.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import TypeAlias

from router.domain.units import Px, Qty
from venues.feeds.events import EventFlag, EventKind

Row: TypeAlias = tuple[int, int, int, int, int, int]
"""kind, side, px, qty, order_id, flags."""

# Plain numbers: these are written millions of times.
_ADD, _REDUCE, _DELETE = int(EventKind.ADD), int(EventKind.REDUCE), int(EventKind.DELETE)
_EXECUTE, _PUT_RIGHT = int(EventKind.EXECUTE), int(EventFlag.SNAPSHOT)


class SideView:
    """One side, +1 bids or -1 asks. Every method appends the rows it causes to `out`."""

    def __init__(self, side: int, out: list[Row]) -> None:
        self._side, self._out = side, out
        # Odd for bids and even for asks, so that no two blocks share an id.
        self._next_block = -1 if side > 0 else -2
        self._levels: dict[Px, dict[int, Qty]] = {}
        self._totals: dict[Px, Qty] = {}
        # Prices times side: the best is the last on both sides.
        self._ranks: list[int] = []

    def add(self, order_id: int, px: Px, qty: Qty, flags: int = 0) -> None:
        """Put an order at the end of its level's queue; one that stands there already grows."""
        level = self._levels.get(px)
        if level is None:
            level = self._levels[px] = {}
            self._totals[px] = 0
            insort(self._ranks, px * self._side)
        level[order_id] = level.get(order_id, 0) + qty
        self._totals[px] += qty
        self._out.append((_ADD, self._side, px, qty, order_id, flags))

    def add_block(self, px: Px, qty: Qty) -> None:
        """Put quantity without a known order at the end of a level's queue."""
        self.add(self._next_block, px, qty, _PUT_RIGHT)
        self._next_block -= 2

    def delete(self, order_id: int, px: Px, qty: Qty) -> None:
        """Take an order away, whatever is left of it; `qty` from blocks when the id is not known."""
        held = self._levels.get(px, {}).get(order_id, 0)
        if held:
            self._drop(_DELETE, order_id, px, held)
        else:
            self._take_blocks(_REDUCE, px, qty)

    def take(self, kind: int, order_id: int, px: Px, qty: Qty) -> None:
        """Take `qty` from an order by `kind`, REDUCE or EXECUTE; from blocks what it does not have."""
        known = min(self._levels.get(px, {}).get(order_id, 0), qty)
        if known:
            if kind == _EXECUTE:
                self._clear_ahead(order_id, px)
            self._drop(kind, order_id, px, known)
        if known < qty:
            self._take_blocks(kind, px, qty - known)

    def show(self, prices: Sequence[Px], quantities: Sequence[Qty]) -> None:
        """Make the book what is shown, best level first; a level of quantity 0 says that there are no more."""
        levels = len(prices) if quantities[-1] else quantities.index(0)
        start = bisect_left(self._ranks, prices[-1] * self._side) if levels == len(prices) else 0
        if len(self._ranks) - start > levels or any(px not in self._totals for px in prices[:levels]):
            shown = set(prices[:levels])
            for rank in self._ranks[start:]:
                if (px := rank * self._side) not in shown:
                    self._set(px, 0)
        totals = self._totals
        for px, qty in zip(prices[:levels], quantities, strict=False):
            if totals.get(px, 0) != qty:
                self._set(px, qty)

    def _clear_ahead(self, order_id: int, px: Px) -> None:
        """Take away what stands before an order that trades: by time priority it left unseen, or stands behind."""
        level = self._levels[px]
        ahead = list(takewhile(lambda of: of != order_id, level))
        if ahead:
            total = sum(level[of] for of in ahead)
            for of in ahead:
                self._drop(_REDUCE, of, px, level[of], _PUT_RIGHT)
            self.add_block(px, total)

    def _take_blocks(self, kind: int, px: Px, qty: Qty) -> None:
        while qty:
            block = next((of for of in self._levels.get(px, {}) if of < 0), None)
            if block is None:
                block = self._next_block
                self.add_block(px, qty)
            part = min(qty, self._levels[px][block])
            self._drop(kind, block, px, part)
            qty -= part

    def _set(self, px: Px, qty: Qty) -> None:
        """Make the level's quantity `qty`."""
        change = qty - self._totals.get(px, 0)
        if change > 0:
            self.add_block(px, change)
            return
        orders = self._levels[px]
        for order_id in leaving(orders):
            part = min(orders[order_id], -change)
            self._drop(_REDUCE, order_id, px, part, _PUT_RIGHT)
            change += part
            if not change:
                return

    def _drop(self, kind: int, order_id: int, px: Px, qty: Qty, flags: int = 0) -> None:
        level = self._levels[px]
        left = level[order_id] - qty
        if left:
            level[order_id] = left
            self._totals[px] -= qty
        else:
            del level[order_id]
            self._totals[px] -= qty
            if not level:
                del self._levels[px], self._totals[px]
                del self._ranks[bisect_left(self._ranks, px * self._side)]
            # An order of which everything is cancelled is deleted.
            kind = _EXECUTE if kind == _EXECUTE else _DELETE
        self._out.append((kind, self._side, px, qty, order_id, flags))


def leaving(orders: Mapping[int, Qty]) -> list[int]:
    """Return a level's orders as unseen cancellations are taken to have hit them: blocks, then the last to come.

    >>> leaving({-1: 10, 7: 10, -3: 10, 8: 10})
    [-3, -1, 8, 7]
    """
    last_first = list(reversed(orders))
    return [of for of in last_first if of < 0] + [of for of in last_first if of >= 0]
