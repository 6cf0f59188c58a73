"""What is open, what is held and what both could come to: the books that limits on exposure are checked against.

Rule of this file: an order's exposure is taken whole when it is accepted and given back only by its fills and its end,
so that two orders can never both take the last unit. Whole numbers only; an execution counts once.

Quantities are shares, prices Px, values share-Px (shares times Px) until they leave the file as micros. A position is
valued at the last price it was marked at.
"""

from __future__ import annotations

import hashlib
from heapq import heappop, heappush
from typing import Any

import msgspec

from router.domain.codec import encode
from router.domain.enums import Side
from router.domain.errors import ConfigError, bad_value
from router.domain.events import (
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    Event,
    ParentDone,
    ParentReplaced,
)
from router.domain.orders import ParentOrder
from router.domain.units import MICROS_PER_PX, PX_MAX, Micros, Px, Qty

ORDERS_MAX = 200_000
"""Open orders in all: beyond it the gate denies rather than grow."""

REMEMBERED_MAX = 200_000
"""Executions and ended orders that a bust or a late fill may still speak of; the oldest are forgotten first."""

BUY, SELL = 0, 1


class OpenOrder(msgspec.Struct, kw_only=True):
    """An accepted order as the books carry it: `risk_px` is the worst price that it is valued at."""

    order_id: str
    account: str
    symbol: str
    strategy: str
    side: Side
    order_qty: Qty
    risk_px: Px
    price: Px | None = None
    """The limit price; None: MARKET."""
    cum_qty: Qty = 0
    is_open: bool = True

    @property
    def leaves_qty(self) -> Qty:
        """What may still fill."""
        return max(self.order_qty - self.cum_qty, 0) if self.is_open else 0


class Execution(msgspec.Struct, frozen=True):
    """An execution as it counts now."""

    order_id: str
    qty: Qty


class Book(msgspec.Struct):
    """One account in one symbol. Pairs are of buys and sells."""

    position: Qty = 0
    mark_px: Px = 0
    fill_px: Px = 0
    """What the last fill marked it at: that is journaled, as what a market said is not."""
    open_orders: int = 0
    leaves: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    leaves_value: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    touch: list[list[tuple[int, str]]] = msgspec.field(default_factory=lambda: [[], []])
    """Heaps of (price, id), the most aggressive first; ended orders are dropped when they come to the top."""

    @property
    def value(self) -> int:
        """The position's value in share-Px, short is negative."""
        return self.position * self.mark_px

    def gross_with(self, buys: int = 0, sells: int = 0) -> int:
        """Return the larger value to which either side's fills could bring the position, with so much more value."""
        value = self.value
        return max(abs(value + self.leaves_value[BUY] + buys), abs(value - self.leaves_value[SELL] - sells))


class AccountBook(msgspec.Struct):
    """The sums over an account's symbols, in share-Px."""

    open_orders: int = 0
    leaves_value: list[int] = msgspec.field(default_factory=lambda: [0, 0])
    value: int = 0
    gross: int = 0

    def net_with(self, buys: int = 0, sells: int = 0) -> int:
        """Return the larger net value to which either side's fills could bring the account."""
        return max(abs(self.value + self.leaves_value[BUY] + buys), abs(self.value - self.leaves_value[SELL] - sells))


_NO_BOOK, _NO_ACCOUNT = Book(), AccountBook()


class Exposure:
    """The books of every account. `unplaced` counts reports about what is not known, or no more."""

    def __init__(self) -> None:
        self.orders: dict[str, OpenOrder] = {}
        self.unplaced = 0
        self._ended: dict[str, OpenOrder] = {}
        self._executions: dict[tuple[str, str], Execution] = {}
        self._books: dict[tuple[str, str], Book] = {}
        self._accounts: dict[str, AccountBook] = {}
        self._holders: dict[str, dict[str, None]] = {}

    def book(self, account: str, symbol: str) -> Book:
        """Return one account's book in a symbol; an empty one where it never traded."""
        return self._books.get((account, symbol), _NO_BOOK)

    def account(self, account: str) -> AccountBook:
        """Return an account's sums."""
        return self._accounts.get(account, _NO_ACCOUNT)

    def find(self, order_id: str) -> OpenOrder | None:
        """Return an order that is open, or ended and remembered."""
        return self.orders.get(order_id) or self._ended.get(order_id)

    def most_aggressive(self, account: str, symbol: str, side: Side) -> Px | None:
        """Return the highest price of the account's open buys, or the lowest of its sells; None without any."""
        heap = self.book(account, symbol).touch[_of(side)]
        while heap and not self._is_current(heap[0], side):
            heappop(heap)
        if not heap:
            return None
        return -heap[0][0] if side is Side.BUY else heap[0][0]

    def order_accepted(self, order: OpenOrder) -> bool:
        """Take an order's exposure; False when the id is known already, and nothing changed.

        Raises:
            ConfigError: there are `ORDERS_MAX` open orders; the gate denies before it comes to that.
        """
        if order.order_id in self.orders or order.order_id in self._ended:
            return False
        if len(self.orders) >= ORDERS_MAX:
            raise ConfigError(bad_value("risk.exposure", f"up to {ORDERS_MAX} open orders", len(self.orders) + 1))
        self.orders[order.order_id] = order
        self._count(order, 1)
        self._take(order, order.leaves_qty)
        self._show(order)
        return True

    def filled(self, order_id: str, source: str, exec_id: str, qty: Qty, px: Px, replaces_qty: Qty = 0) -> bool:
        """Count an execution once by (source, exec_id): the venue, or the child it happened to.

        `replaces_qty` of it was counted before as inferred. A late fill of an ended order moves the position alone.
        """
        order = self.find(order_id)
        if order is None or qty < 1:
            self.unplaced += 1
            return False
        if (source, exec_id) in self._executions:
            return False
        _remember(self._executions, (source, exec_id), Execution(order_id, qty))
        self._move(order, qty - replaces_qty, px)
        return True

    def busted(self, source: str, exec_ref_id: str) -> bool:
        """Take an execution back; what an open order had left grows by it."""
        return self.corrected(source, exec_ref_id, 0, 0)

    def corrected(self, source: str, exec_ref_id: str, qty: Qty, px: Px, replaces_qty: Qty = 0) -> bool:
        """Give an execution another quantity and price; `replaces_qty` of it was counted before as inferred."""
        execution = self._executions.get((source, exec_ref_id))
        order = (
            None if execution is None else self.orders.get(execution.order_id) or self._ended.get(execution.order_id)
        )
        if execution is None or order is None or qty < 0:
            self.unplaced += 1
            return False
        self._executions[source, exec_ref_id] = Execution(execution.order_id, qty)
        self._move(order, qty - execution.qty - replaces_qty, px)
        return True

    def replaced(self, order_id: str, order_qty: Qty, price: Px | None, risk_px: Px) -> bool:
        """Give an open order another quantity and price."""
        order = self.orders.get(order_id)
        if order is None:
            self.unplaced += 1
            return False
        self._take(order, -order.leaves_qty)
        order.order_qty, order.price, order.risk_px = order_qty, price, risk_px
        self._take(order, order.leaves_qty)
        self._show(order)
        return True

    def ended(self, order_id: str) -> bool:
        """Give back what an order has left: it is filled, cancelled, expired or rejected. Twice changes nothing."""
        order = self.orders.pop(order_id, None)
        if order is None:
            return False
        self._take(order, -order.leaves_qty)
        self._count(order, -1)
        order.is_open = False
        _remember(self._ended, order_id, order)
        return True

    def mark(self, symbol: str, px: Px) -> None:
        """Value every position in a symbol at `px`."""
        for account in self._holders.get(symbol, ()):
            book = self._books[account, symbol]
            if book.mark_px != px:
                self._revalue(account, book, book.position, px)

    def forget_marks(self) -> None:
        """Value every position at its last fill again, as books do that followed the events alone."""
        for (account, _), book in self._books.items():
            self._revalue(account, book, book.position, book.fill_px)

    def follow(self, event: Event) -> bool:
        """Take what a parent's journaled event means for the books; orders are known by their `parent_id`."""
        match event:
            case ChildTraded():
                replaced = event.replaces_inferred_qty
                child, qty, px = event.cl_ord_id, event.last_qty, event.last_px
                return self.filled(event.parent_id, child, event.exec_id, qty, px, replaced)
            case ChildTradeCanceled():
                return self.busted(event.cl_ord_id, event.exec_ref_id)
            case ChildTradeCorrected():
                name, ref, replaced = event.cl_ord_id, event.exec_ref_id, event.replaces_inferred_qty
                return self.corrected(name, ref, event.last_qty, event.last_px, replaced)
            case ParentReplaced():
                held, terms = self.orders.get(event.parent_id), event.parent
                known_px = held.risk_px if held is not None else 0
                return self.replaced(event.parent_id, terms.order_qty, terms.price, terms_px(terms, known_px))
            case ParentDone():
                return self.ended(event.parent_id)
            case _:
                return False

    def snapshot(self) -> dict[str, Any]:
        """Return everything as plain data, in an order that is the same for the same history."""
        books = [[*key, book.position, book.mark_px, book.fill_px] for key, book in self._books.items()]
        executions = [[*key, execution.order_id, execution.qty] for key, execution in self._executions.items()]
        return {
            "orders": msgspec.to_builtins([*self.orders.values(), *self._ended.values()]),
            "books": books,
            "executions": executions,
            "unplaced": self.unplaced,
        }

    @classmethod
    def restore(cls, data: dict[str, Any]) -> Exposure:
        """Return the books that `snapshot` was taken of."""
        made = cls()
        for account, symbol, position, mark_px, fill_px in data["books"]:
            book = made._own(account, symbol)
            book.fill_px = fill_px
            made._revalue(account, book, position, mark_px)
        for order in msgspec.convert(data["orders"], list[OpenOrder]):
            if order.is_open:
                made.order_accepted(order)
            else:
                made._ended[order.order_id] = order
        for source, exec_id, order_id, qty in data["executions"]:
            made._executions[source, exec_id] = Execution(order_id, qty)
        made.unplaced = data["unplaced"]
        return made

    def digest(self) -> str:
        """Return the SHA-256 of the snapshot: equal digests, equal books."""
        return hashlib.sha256(encode(self.snapshot())).hexdigest()

    def _own(self, account: str, symbol: str) -> Book:
        book = self._books.get((account, symbol))
        if book is None:
            book = self._books[account, symbol] = Book()
            self._accounts.setdefault(account, AccountBook())
            self._holders.setdefault(symbol, {})[account] = None
        return book

    def _count(self, order: OpenOrder, by: int) -> None:
        self._own(order.account, order.symbol).open_orders += by
        self._accounts[order.account].open_orders += by

    def _take(self, order: OpenOrder, qty: Qty) -> None:
        """Add leaves of so many shares (negative: give them back) at the order's own price."""
        book, account, side = self._own(order.account, order.symbol), self._accounts[order.account], _of(order.side)
        before, value = book.gross_with(), qty * order.risk_px
        book.leaves[side] += qty
        book.leaves_value[side] += value
        account.leaves_value[side] += value
        account.gross += book.gross_with() - before

    def _move(self, order: OpenOrder, qty: Qty, px: Px) -> None:
        """Let an order execute so many more shares (negative: fewer); the position is marked at `px` if it has one."""
        self._take(order, -order.leaves_qty)
        order.cum_qty += qty
        self._take(order, order.leaves_qty)
        book = self._own(order.account, order.symbol)
        book.fill_px = px or book.fill_px
        self._revalue(order.account, book, book.position + qty * order.side.sign, px or book.mark_px)

    def _revalue(self, account_id: str, book: Book, position: Qty, px: Px) -> None:
        account, gross, value = self._accounts[account_id], book.gross_with(), book.value
        book.position, book.mark_px = position, px
        account.value += book.value - value
        account.gross += book.gross_with() - gross

    def _show(self, order: OpenOrder) -> None:
        """Put an order's price where `most_aggressive` looks; the heap is built anew when most of it is history."""
        book, side = self._own(order.account, order.symbol), _of(order.side)
        heap = book.touch[side]
        heappush(heap, _entry(order))
        if len(heap) > 2 * book.open_orders + 16:
            current = {entry[1]: entry for entry in heap if self._is_current(entry, order.side)}
            heap[:] = sorted(current.values())

    def _is_current(self, entry: tuple[int, str], side: Side) -> bool:
        order = self.orders.get(entry[1])
        return order is not None and entry == _entry(order) and (order.side is Side.BUY) == (side is Side.BUY)


def value_micros(share_px: int) -> Micros:
    """Return a value in share-Px as money."""
    return share_px * MICROS_PER_PX


def _of(side: Side) -> int:
    return BUY if side is Side.BUY else SELL


def terms_px(terms: ParentOrder, known_px: Px) -> Px:
    """Return what new terms are valued at: a buy's limit; else no less than before, since no reference is at hand."""
    if terms.price is None:
        return known_px
    return terms.price if terms.side is Side.BUY else max(terms.price, known_px)


def _entry(order: OpenOrder) -> tuple[int, str]:
    """Return where an order stands: a MARKET order before every price."""
    if order.side is Side.BUY:
        return -(PX_MAX if order.price is None else order.price), order.order_id
    return (0 if order.price is None else order.price), order.order_id


def _remember(kept: dict[Any, Any], key: Any, value: Any) -> None:
    kept[key] = value
    if len(kept) > REMEMBERED_MAX:
        del kept[next(iter(kept))]
