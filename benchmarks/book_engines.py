"""Other books that live through the same messages: order book engines from the package index, and our plain twin.

Rule of this file: an engine is fed what ours is fed, an array of messages, and the clock is on while its calls, their
arguments and its orders are made of it, in the shortest loop that its interface allows; none of them takes more than
one message a call. It tells its fills, as ours does, if it can (limit-order-book cannot). Beside that stand its bare
form, to whose fills nobody listens, and `ready_made` calls of that form, made before the clock starts. Each book gives
the best bid and ask it ended with, and its fills, so that a fast engine that does something else is found out.

Looked at and left out: nanobook 0.19.2, whose trades do not return once enough resting orders of a level have been
cancelled; obook 0.1.0, which takes microseconds a call. Engines in pure Python were not tried.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any, NamedTuple, TypeAlias

from router.domain.market import I64
from venues.book.naive import NaiveBook
from venues.book.words import C_OID, C_OP, C_PX, C_QTY, FLAGS_SHIFT, OP_CANCEL, SELL

ADD, CANCEL, TRADE = range(3)

Message: TypeAlias = tuple[int, int, bool, int, int]
"""Kind, id of the order, whether it sells, price, quantity; of a cancel only the first two say something."""

Call: TypeAlias = tuple[Callable[..., object], tuple[Any, ...]]


class Engine(NamedTuple):
    """A new book. `feed` makes every call of some messages, `ready` returns those calls without making one, and `best`
    is the best bid and ask. `fills` is how many it has told; None where it tells none."""

    feed: Callable[[Iterable[Message]], None]
    ready: Callable[[Iterable[Message]], list[Call]]
    best: Callable[[], tuple[int, int]]
    fills: Callable[[], int | None] = lambda: None


class Timed(NamedTuple):
    """CPU nanoseconds a message; the best bid and ask, and the fills told, at the end."""

    ns: float
    best: tuple[int, int]
    fills: int | None


def as_messages(rows: I64) -> Iterable[Message]:
    """Return the rows of a batch one by one, column by column where numpy is quick."""
    ops = rows[:, C_OP]
    flags = ops >> FLAGS_SHIFT
    kinds = ((flags & ~SELL) != 0) * TRADE
    kinds[ops & 0xFF == OP_CANCEL] = CANCEL
    columns = (kinds, rows[:, C_OID], flags & SELL != 0, rows[:, C_PX], rows[:, C_QTY])
    return zip(*(column.tolist() for column in columns), strict=True)


def from_rows(make: Callable[[], Engine], rows: I64, live: int) -> Timed:
    """Time everything after the first `live` rows, from the array on."""
    book = make()
    book.feed(as_messages(rows[:live]))
    ns = _timed(lambda: book.feed(as_messages(rows[live:])), len(rows) - live)
    return Timed(ns, book.best(), book.fills())


def ready_made(make: Callable[[], Engine], rows: I64, live: int) -> Timed:
    """Time the bare calls after the first `live` rows: their arguments and orders were made before."""
    book = make()
    book.feed(as_messages(rows[:live]))
    calls = book.ready(as_messages(rows[live:]))

    def run() -> None:
        for call, arguments in calls:
            call(*arguments)

    return Timed(_timed(run, len(calls)), book.best(), book.fills())


def naive() -> Engine:
    """Our plain twin."""
    book = NaiveBook()
    told = 0

    def ready(messages: Iterable[Message]) -> list[Call]:
        made: list[Call] = []
        for kind, oid, is_sell, px, qty in messages:
            if kind == CANCEL:
                made.append((book.cancel, (oid,)))
            else:
                made.append((book.limit if kind == ADD else book.ioc, (oid, -1 if is_sell else 1, px, qty)))
        return made

    def feed(messages: Iterable[Message]) -> None:
        nonlocal told
        for call, arguments in ready(messages):
            fills = call(*arguments)
            told += len(fills) if isinstance(fills, list) else 0

    def best() -> tuple[int, int]:
        top = book.top()
        return top.bid_px, top.ask_px

    return Engine(feed, ready, best, lambda: told)


def limit_order_book() -> Engine:
    """limit-order-book: C++ over ctypes, which takes numbers."""
    from limit_order_book import LimitOrderBook

    book = LimitOrderBook()
    buy, sell, cancel, take, hit = book.limit_buy, book.limit_sell, book.cancel, book.market_buy, book.market_sell

    def feed(messages: Iterable[Message]) -> None:
        for kind, oid, is_sell, px, qty in messages:
            if kind == ADD:
                (sell if is_sell else buy)(oid, qty, px)
            elif kind == CANCEL:
                cancel(oid)
            else:
                (hit if is_sell else take)(oid, qty)

    def ready(messages: Iterable[Message]) -> list[Call]:
        made: list[Call] = []
        for kind, oid, is_sell, px, qty in messages:
            if kind == ADD:
                made.append((sell if is_sell else buy, (oid, qty, px)))
            else:
                made.append((cancel, (oid,)) if kind == CANCEL else (hit if is_sell else take, (oid, qty)))
        return made

    return Engine(feed, ready, lambda: (int(book.best_buy()), int(book.best_sell())))


def liquibook() -> Engine:
    """liquibook: C++ over SWIG, which takes orders as objects and tells its fills to a listener."""
    from liquibook import OrderListener

    class Fills(OrderListener):  # type: ignore[misc]
        """Keeps every fill; the other two are called too, and have no default."""

        def __init__(self) -> None:
            super().__init__()
            self.fills: list[tuple[int, int, int, int]] = []

        def on_fill(self, order: Any, matched: Any, qty: int, cost: int) -> None:
            self.fills.append((order.order_id_, matched.order_id_, qty, cost))

        def on_accept(self, order: Any) -> None:
            pass

        def on_cancel(self, order: Any) -> None:
            pass

    listener = Fills()
    return liquibook_bare(listener)._replace(fills=lambda: len(listener.fills))


def liquibook_bare(listener: Any = None) -> Engine:
    """liquibook, its fills told to the listener, or to nobody: then they cannot be had from it."""
    from liquibook import DepthOrderBook, SimpleOrder, oc_immediate_or_cancel

    book = DepthOrderBook()
    if listener is not None:
        book.set_order_listener(listener)
    add, cancel = book.add, book.cancel
    orders: dict[int, Any] = {}

    def feed(messages: Iterable[Message]) -> None:
        for kind, oid, is_sell, px, qty in messages:
            if kind == CANCEL:
                cancel(orders.pop(oid))
                continue
            orders[oid] = order = SimpleOrder(not is_sell, px, qty)
            if kind == ADD:
                add(order)
            else:
                add(order, oc_immediate_or_cancel)

    def ready(messages: Iterable[Message]) -> list[Call]:
        made: list[Call] = []
        for kind, oid, is_sell, px, qty in messages:
            if kind == CANCEL:
                made.append((cancel, (orders[oid],)))
                continue
            orders[oid] = order = SimpleOrder(not is_sell, px, qty)
            made.append((add, (order,) if kind == ADD else (order, oc_immediate_or_cancel)))
        return made

    def best() -> tuple[int, int]:
        depth = book.depth()
        return depth.bids().price(), depth.asks().price()

    return Engine(feed, ready, best)


def cython_orderbook() -> Engine:
    """cython-orderbook: Cython, which takes orders as objects with decimal prices."""
    from decimal import Decimal

    from cython_orderbook import Order, OrderBook, OrderSide

    book = OrderBook()
    add, cancel, trade = book.add_limit_order, book.cancel_order, book.add_market_order
    sides = (OrderSide.BID, OrderSide.ASK)
    ids: dict[int, Any] = {}

    def feed(messages: Iterable[Message]) -> None:
        for kind, oid, is_sell, px, qty in messages:
            if kind == ADD:
                order = Order(side=sides[is_sell], price=Decimal(px), original_quantity=qty)
                ids[oid] = order.order_id
                add(order)
            elif kind == CANCEL:
                cancel(ids.pop(oid))
            else:
                trade(Order(side=sides[is_sell], original_quantity=qty))

    def ready(messages: Iterable[Message]) -> list[Call]:
        made: list[Call] = []
        for kind, oid, is_sell, px, qty in messages:
            if kind == ADD:
                order = Order(side=sides[is_sell], price=Decimal(px), original_quantity=qty)
                ids[oid] = order.order_id
                made.append((add, (order,)))
            elif kind == CANCEL:
                made.append((cancel, (ids[oid],)))
            else:
                made.append((trade, (Order(side=sides[is_sell], original_quantity=qty),)))
        return made

    return Engine(feed, ready, lambda: (int(book.best_bid()), int(book.best_ask())), lambda: len(book.trade_log))


class Package(NamedTuple):
    """The module of a distribution; how it is driven as ours is, and how with nobody listening."""

    module: str
    make: Callable[[], Engine]
    bare: Callable[[], Engine]


ENGINES = {
    "liquibook": Package("liquibook", liquibook, liquibook_bare),
    "limit-order-book": Package("limit_order_book", limit_order_book, limit_order_book),
    "cython-orderbook": Package("cython_orderbook", cython_orderbook, cython_orderbook),
}
"""By the name of the distribution. They come with the extra `bench`."""


def installed() -> dict[str, Package]:
    """Return the engines that are installed here."""
    return {name: package for name, package in ENGINES.items() if find_spec(package.module)}


def _timed(run: Callable[[], None], n: int) -> float:
    """Return the CPU nanoseconds of one of `n` messages."""
    # The garbage collector then looks at what the run itself makes, and at nothing that was there before.
    gc.collect()
    gc.freeze()
    try:
        began = time.process_time_ns()
        run()
        return (time.process_time_ns() - began) / n
    finally:
        gc.unfreeze()
