"""Exposure is taken at acceptance and given back at the end, an execution counts once, and sums are those of a twin."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from router.domain.enums import Side
from router.risk.exposure import REMEMBERED_MAX, Exposure, OpenOrder, value_micros

ACCOUNTS, SYMBOLS = ("A1", "A2"), ("ABC", "DEF")


def order(name: str, side: Side = Side.BUY, qty: int = 100, px: int = 10, **changes: object) -> OpenOrder:
    values = {"account": "A1", "symbol": "ABC", "strategy": "vwap", "price": px, **changes}
    return OpenOrder(order_id=name, side=side, order_qty=qty, risk_px=px, **values)  # type: ignore[arg-type]


def test_fill_moves_leaves_to_the_position_and_the_end_gives_back_the_rest() -> None:
    books = Exposure()
    assert books.order_accepted(order("O1"))
    assert books.filled("O1", "XAAA", "E1", 30, 11)
    book = books.book("A1", "ABC")
    assert (book.position, book.leaves, book.leaves_value, book.value) == (30, [70, 0], [700, 0], 330)
    assert books.ended("O1")
    assert (book.position, book.leaves, books.account("A1").open_orders) == (30, [0, 0], 0)


def test_everything_twice_changes_nothing() -> None:
    books = Exposure()
    for n in range(2):
        assert books.order_accepted(order("O1")) is (n == 0)
        assert books.filled("O1", "XAAA", "E1", 30, 11) is (n == 0)
    before = books.digest()
    assert books.corrected("XAAA", "E1", 30, 11)
    assert books.digest() == before
    assert books.ended("O1")
    assert not books.ended("O1")
    assert not books.order_accepted(order("O1"))


def test_late_fill_and_bust_of_an_ended_order_move_the_position_alone() -> None:
    books = Exposure()
    books.order_accepted(order("O1"))
    books.ended("O1")
    assert books.filled("O1", "XAAA", "E1", 40, 10)
    assert books.corrected("XAAA", "E1", 25, 10)
    assert (books.book("A1", "ABC").position, books.book("A1", "ABC").leaves) == (25, [0, 0])
    assert books.busted("XAAA", "E1")
    assert books.book("A1", "ABC").position == 0


def test_reports_about_what_is_not_known_are_counted_and_change_nothing() -> None:
    books = Exposure()
    assert not books.filled("O9", "XAAA", "E1", 1, 1)
    assert not books.busted("XAAA", "E9")
    assert not books.replaced("O9", 1, None, 1)
    assert books.unplaced == 3


def test_real_fill_takes_the_place_of_the_inferred_one() -> None:
    books = Exposure()
    books.order_accepted(order("O1"))
    books.filled("O1", "O1.0", "inferred:O1.0/3", 40, 10)
    books.filled("O1", "O1.0", "E1", 25, 10, replaces_qty=25)
    assert books.book("A1", "ABC").position == 40
    assert books.book("A1", "ABC").leaves == [60, 0]


def test_overfilled_order_has_no_leaves_below_nothing() -> None:
    books = Exposure()
    books.order_accepted(order("O1", qty=10))
    books.filled("O1", "XAAA", "E1", 15, 10)
    assert (books.book("A1", "ABC").position, books.book("A1", "ABC").leaves) == (15, [0, 0])


def test_mark_values_every_position_in_the_symbol() -> None:
    books = Exposure()
    for name, account in (("O1", "A1"), ("O2", "A2")):
        books.order_accepted(order(name, account=account))
        books.filled(name, "XAAA", name, 100, 10)
    books.mark("ABC", 20)
    assert [books.account(name).value for name in ACCOUNTS] == [2_000, 2_000]
    assert value_micros(books.account("A1").gross) == 200_000


def test_most_aggressive_price_forgets_what_ended_and_what_was_replaced() -> None:
    books = Exposure()
    for n, px in enumerate((10, 12, 11)):
        books.order_accepted(order(f"O{n}", px=px))
    assert books.most_aggressive("A1", "ABC", Side.BUY) == 12
    books.replaced("O1", 100, 9, 9)
    assert books.most_aggressive("A1", "ABC", Side.BUY) == 11
    books.ended("O2")
    assert books.most_aggressive("A1", "ABC", Side.BUY) == 10
    assert books.most_aggressive("A1", "ABC", Side.SELL) is None


def test_heap_of_prices_stays_small_over_many_replaces() -> None:
    books = Exposure()
    books.order_accepted(order("O1"))
    for px in range(1, 500):
        books.replaced("O1", 100, px, px)
    assert len(books.book("A1", "ABC").touch[0]) <= 20
    assert books.most_aggressive("A1", "ABC", Side.BUY) == 499


def test_memory_of_ended_orders_is_bounded() -> None:
    books = Exposure()
    for n in range(REMEMBERED_MAX + 10):
        books.order_accepted(order(f"O{n}", qty=1))
        books.ended(f"O{n}")
    assert books.find("O9") is None
    assert books.find("O10") is not None


class Books(RuleBasedStateMachine):
    """Any history of orders against sums made anew each time."""

    @initialize()
    def begin(self) -> None:
        self.books = Exposure()
        self.n = 0
        self.positions: dict[tuple[str, str], int] = {}
        self.marks: dict[tuple[str, str], int] = {}
        self.executions: list[tuple[str, OpenOrder, int]] = []

    def _one(self, index: int) -> OpenOrder | None:
        names = list(self.books.orders)
        return self.books.orders[names[index % len(names)]] if names else None

    @rule(
        account=st.sampled_from(ACCOUNTS),
        symbol=st.sampled_from(SYMBOLS),
        side=st.sampled_from(list(Side)),
        qty=st.integers(1, 500),
        px=st.integers(1, 50),
        is_market=st.booleans(),
    )
    def accept(self, account: str, symbol: str, side: Side, qty: int, px: int, is_market: bool) -> None:
        self.n += 1
        limit = None if is_market else px
        made = OpenOrder(
            order_id=f"O{self.n}",
            account=account,
            symbol=symbol,
            strategy="s",
            side=side,
            order_qty=qty,
            risk_px=px,
            price=limit,
        )
        assert self.books.order_accepted(made)

    @rule(index=st.integers(0, 99), qty=st.integers(1, 300), px=st.integers(1, 50))
    def fill(self, index: int, qty: int, px: int) -> None:
        found = self._one(index)
        if found is not None:
            self.n += 1
            assert self.books.filled(found.order_id, "X", f"E{self.n}", qty, px)
            self.executions.append((f"E{self.n}", found, qty))
            self._hold(found, qty, px)

    def _hold(self, found: OpenOrder, qty: int, px: int) -> None:
        key = found.account, found.symbol
        self.positions[key] = self.positions.get(key, 0) + qty * found.side.sign
        self.marks[key] = px or self.marks[key]

    @rule(index=st.integers(0, 99), qty=st.integers(0, 300), px=st.integers(1, 50))
    def correct(self, index: int, qty: int, px: int) -> None:
        if self.executions:
            at = index % len(self.executions)
            name, found, before = self.executions[at]
            assert self.books.corrected("X", name, qty, px)
            self.executions[at] = (name, found, qty)
            self._hold(found, qty - before, px)

    @rule(index=st.integers(0, 99), qty=st.integers(1, 500), px=st.integers(1, 50))
    def replace(self, index: int, qty: int, px: int) -> None:
        found = self._one(index)
        if found is not None:
            assert self.books.replaced(found.order_id, qty, px, px)

    @rule(index=st.integers(0, 99))
    def end(self, index: int) -> None:
        found = self._one(index)
        if found is not None:
            assert self.books.ended(found.order_id)

    @rule(symbol=st.sampled_from(SYMBOLS), px=st.integers(1, 50))
    def mark(self, symbol: str, px: int) -> None:
        self.books.mark(symbol, px)
        for account in ACCOUNTS:
            if self.books.book(account, symbol).mark_px:
                self.marks[account, symbol] = px

    @rule()
    def restart(self) -> None:
        again = Exposure.restore(self.books.snapshot())
        assert again.digest() == self.books.digest()
        self.books = again

    @invariant()
    def sums_are_those_of_the_orders(self) -> None:
        for account in ACCOUNTS:
            values, gross, leaves = 0, 0, [0, 0]
            for symbol in SYMBOLS:
                mine = [o for o in self.books.orders.values() if (o.account, o.symbol) == (account, symbol)]
                buys = sum(o.leaves_qty * o.risk_px for o in mine if o.side is Side.BUY)
                sells = sum(o.leaves_qty * o.risk_px for o in mine if o.side is not Side.BUY)
                key = account, symbol
                value = self.positions.get(key, 0) * self.marks.get(key, 0)
                values, leaves = values + value, [leaves[0] + buys, leaves[1] + sells]
                gross += max(abs(value + buys), abs(value - sells))
                book = self.books.book(account, symbol)
                assert book.position == self.positions.get(key, 0)
                assert book.open_orders == len(mine)
                self._touch(account, symbol, mine)
            held = self.books.account(account)
            assert (held.value, held.leaves_value, held.gross) == (values, leaves, gross)

    def _touch(self, account: str, symbol: str, mine: list[OpenOrder]) -> None:
        buys = [10**12 if o.price is None else o.price for o in mine if o.side is Side.BUY]
        sells = [o.price or 0 for o in mine if o.side is not Side.BUY]
        assert self.books.most_aggressive(account, symbol, Side.BUY) == max(buys, default=None)
        assert self.books.most_aggressive(account, symbol, Side.SELL) == min(sells, default=None)


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
