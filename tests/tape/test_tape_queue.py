"""Queue positions: the compiled kernel against a slow twin that lays every level out share group by share group."""

from __future__ import annotations

import numpy as np
import pytest

from venues.types.tape_queue import AHEAD, LEAVES, LEFT_ASK, UNKNOWN, ahead_at_join, meet, room

Row = tuple[int, ...]


class Held:
    """An order of the twin; `ahead` is None while unknown."""

    def __init__(self, sign: int, price: int, leaves: int, ahead: int) -> None:
        self.sign, self.price, self.leaves = sign, price, leaves
        self.ahead: int | None = None if ahead < 0 else ahead
        self.traded = 0


class Twin:
    """The rules of `tape_queue`, one row at a time, with dictionaries and lists."""

    def __init__(self, orders: list[Held], top: Row, share: float) -> None:
        self.orders, self.share = orders, share
        self.top = {1: (top[0], top[1]), -1: (top[2], top[3])}
        self.left = {1: top[1], -1: top[3]}
        self.fills: list[Row] = []
        self.shown: list[Row] = []

    def fill(self, order: Held, qty: int, at: int, is_quote: int, aggressor: int) -> None:
        order.leaves -= qty
        self.fills.append((self.orders.index(order), qty, at, is_quote, aggressor))

    def trade(self, at: int, px: int, size: int, aggressor: int) -> None:
        left = size
        for sign in (1, -1):
            mine = [o for o in self.orders if o.sign == sign and o.leaves]
            through = [o for o in mine if (o.price - px) * sign > 0]
            level = [o for o in mine if o.price == px and aggressor != sign and o.ahead is not None]
            for order in through:
                order.ahead = 0
                if qty := min(left, order.leaves):
                    self.fill(order, qty, at, 0, aggressor)
                    left -= qty
            queue: list[tuple[int, Held | None]] = []
            public = 0
            for order in level:
                queue.append((max((order.ahead or 0) - public, 0), None))
                public = max(public, order.ahead or 0)
                queue.append((order.leaves, order))
            used = 0
            for qty, order in queue:
                taken = min(left, qty)
                left -= taken
                if order is None:
                    used += taken
                else:
                    order.ahead = max((order.ahead or 0) - used, 0)
                    order.traded += size
                    if taken:
                        self.fill(order, taken, at, 0, aggressor)

    def quote(self, row: Row) -> None:
        for sign, px, qty in ((1, row[1], row[2]), (-1, row[3], row[4])):
            old_px, old_qty = self.top[sign]
            self.top[sign] = (px, qty)
            kept = self.left[sign] + max(qty - old_qty, 0)
            self.left[sign] = min(kept, qty) if px == old_px else qty
            for order in (o for o in self.orders if o.sign == sign and o.leaves):
                if px == 0 or (order.price - px) * sign > 0:
                    order.ahead = 0
                elif order.price == px:
                    if order.ahead is None:
                        order.ahead = qty
                    elif px == old_px and qty < old_qty:
                        fall = old_qty - qty
                        order.ahead = max(order.ahead - int(max(fall - order.traded, 0) * self.share), 0)
                        order.traded = max(order.traded - fall, 0)
                    order.ahead = min(order.ahead, qty)
                if px != old_px:
                    order.traded = 0
        for order in self.orders:
            touch = self.top[-order.sign][0]
            if touch and (order.price - touch) * order.sign >= 0 and (qty := min(order.leaves, self.left[-order.sign])):
                self.left[-order.sign] -= qty
                self.fill(order, qty, row[0], 1, -order.sign)
        bid, ask = self.left[1], self.left[-1]
        self.shown.append((row[0], self.top[1][0] if bid else 0, bid, self.top[-1][0] if ask else 0, ask))


def a_case(seed: int) -> tuple[np.ndarray, np.ndarray, list[Row], Row]:
    """Return random quotes, trades, orders (sign, price, leaves, ahead) and the top they begin with."""
    rng = np.random.default_rng(seed)
    n, m, k = rng.integers(1, 40, 3)
    k = k % 5
    bid, ask = 100 + rng.integers(-2, 3, n), 103 + rng.integers(-2, 3, n)
    quotes = np.column_stack((np.sort(rng.integers(0, 60, n)), bid, rng.integers(0, 6, n), ask, rng.integers(0, 6, n)))
    quotes[quotes[:, 2] == 0, 1] = 0
    quotes[quotes[:, 4] == 0, 3] = 0
    prints = np.column_stack(
        (np.sort(rng.integers(0, 60, m)), rng.integers(98, 106, m), rng.integers(1, 9, m), rng.integers(-1, 2, m))
    )
    orders = []
    for _ in range(k):
        sign = int(rng.choice((-1, 1)))
        price = int(101 - sign + rng.integers(-1, 2))
        orders.append((sign, price, int(rng.integers(1, 20)), int(rng.integers(-1, 6))))
    orders.sort(key=lambda o: (-o[0], -o[0] * o[1], o[3] if o[3] >= 0 else 99))
    return quotes, prints, orders, (100, 4, 103, 4)


@pytest.mark.parametrize("compiled", [True, False])
def test_the_kernel_agrees_with_its_twin(compiled):
    filled = 0
    for seed in range(300):
        quotes, prints, rows, top = a_case(seed)
        orders = np.array([(*row, 0) for row in rows], dtype=np.int64).reshape(-1, 5)
        book = np.array([*top, top[1], top[3]], dtype=np.int64)
        fills, shown = room(len(quotes) + len(prints), len(orders)), np.empty_like(quotes)
        run = meet if compiled else meet.py_func
        n = run(quotes, prints, book, orders, 500_000, fills, shown)
        twin = Twin([Held(*row) for row in rows], top, 0.5)
        stream = [(t[0], 0, t) for t in prints.tolist()] + [(q[0], 1, q) for q in quotes.tolist()]
        for _, is_quote, row in sorted(stream, key=lambda item: item[:2]):
            if is_quote:
                twin.quote(tuple(row))
            else:
                twin.trade(*row)
        assert fills[:n].tolist() == [list(fill) for fill in twin.fills], seed
        assert shown.tolist() == [list(row) for row in twin.shown], seed
        assert orders[:, LEAVES].tolist() == [order.leaves for order in twin.orders], seed
        live = [(k, o) for k, o in enumerate(twin.orders) if o.leaves]
        assert [orders[k, AHEAD] for k, _ in live] == [UNKNOWN if o.ahead is None else o.ahead for _, o in live], seed
        filled += n
    assert filled > 500


def test_no_recorded_share_is_met_twice():
    for seed in range(300):
        quotes, prints, rows, top = a_case(seed)
        orders = np.array([(*row, 0) for row in rows], dtype=np.int64).reshape(-1, 5)
        fills = room(len(quotes) + len(prints), len(orders))
        book = np.array([*top, 4, 4], dtype=np.int64)
        n = meet(quotes[:0], prints, book, orders, 500_000, fills, quotes[:0].copy())
        assert fills[:n, 1].sum() <= prints[:, 2].sum()
        for at in np.unique(prints[:, 0]):
            assert fills[:n][fills[:n, 2] == at, 1].sum() <= prints[prints[:, 0] == at, 2].sum()


def test_an_order_joins_behind_what_is_displayed_at_its_price():
    book = np.array([100, 400, 103, 500, 400, 500], dtype=np.int64)
    assert [ahead_at_join(1, px, book) for px in (99, 100, 101)] == [UNKNOWN, 400, 0]
    assert [ahead_at_join(-1, px, book) for px in (104, 103, 102)] == [UNKNOWN, 500, 0]
    assert ahead_at_join(1, 99, np.zeros(6, dtype=np.int64)) == 0


def test_size_taken_at_a_price_comes_back_only_as_far_as_it_is_added():
    book = np.array([100, 4, 103, 5, 4, 0], dtype=np.int64)
    none = np.empty((0, 5), dtype=np.int64)
    left = []
    for ask, qty in ((103, 5), (103, 7), (103, 1), (104, 6)):
        row = np.array([[0, 100, 4, ask, qty]], dtype=np.int64)
        meet(row, none[:, :4], book, none.copy(), 0, room(1, 0), row.copy())
        left.append(int(book[LEFT_ASK]))
    assert left == [0, 2, 1, 6]
