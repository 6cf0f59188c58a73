"""Other books that live through the same messages: order book engines from the package index, and our plain twin.

Rule of this file: an engine gets its messages as the Python values it likes best, made before the clock starts; each
returns the best bid and ask it ended with, so that a fast engine that does something else is found out.

Looked at and left out: nanobook 0.19.2, whose trades do not return once enough resting orders of a level have been
cancelled; obook 0.1.0, which takes microseconds a call. Engines in pure Python were not tried.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, NamedTuple

from venues.book.naive import NaiveBook
from venues.book.words import C_OID, C_OP, C_PX, C_QTY, FLAGS_SHIFT, OP_CANCEL, SELL


class Message(NamedTuple):
    """`kind` is 0 to add, 1 to cancel, 2 to trade."""

    kind: int
    oid: int
    is_sell: bool
    px: int
    qty: int


class Timed(NamedTuple):
    """CPU nanoseconds a message, and the best bid and ask at the end."""

    ns: float
    best: tuple[int, int]


def as_messages(rows: Any) -> list[Message]:
    """Return the rows of a batch one by one."""
    made = []
    for row in rows.tolist():
        flags = row[C_OP] >> FLAGS_SHIFT
        kind = 1 if row[C_OP] & 0xFF == OP_CANCEL else 2 if flags & ~SELL else 0
        made.append(Message(kind, row[C_OID], bool(flags & SELL), row[C_PX], row[C_QTY]))
    return made


def naive(warm: list[Message], timed: list[Message]) -> Timed:
    """Our plain twin."""
    book = NaiveBook()
    calls = (
        lambda m: (book.limit, (m.oid, -1 if m.is_sell else 1, m.px, m.qty)),
        lambda m: (book.cancel, (m.oid,)),
        lambda m: (book.ioc, (m.oid, -1 if m.is_sell else 1, m.px, m.qty)),
    )
    ns = _timed(calls, warm, timed)
    top = book.top()
    return Timed(ns, (top.bid_px, top.ask_px))


def limit_order_book(warm: list[Message], timed: list[Message]) -> Timed:
    """limit-order-book: C++ over ctypes."""
    from limit_order_book import LimitOrderBook

    book = LimitOrderBook()
    calls = (
        lambda m: (book.limit_sell if m.is_sell else book.limit_buy, (m.oid, m.qty, m.px)),
        lambda m: (book.cancel, (m.oid,)),
        lambda m: (book.market_sell if m.is_sell else book.market_buy, (m.oid, m.qty)),
    )
    ns = _timed(calls, warm, timed)
    return Timed(ns, (int(book.best_buy()), int(book.best_sell())))


def liquibook(warm: list[Message], timed: list[Message]) -> Timed:
    """liquibook: C++ over SWIG, orders as objects made before the clock starts, nobody listening to its fills."""
    from liquibook import DepthOrderBook, SimpleOrder, oc_immediate_or_cancel

    book = DepthOrderBook()
    orders = {m.oid: SimpleOrder(not m.is_sell, m.px, m.qty) for m in (*warm, *timed) if m.kind != 1}
    calls = (
        lambda m: (book.add, (orders[m.oid],)),
        lambda m: (book.cancel, (orders[m.oid],)),
        lambda m: (book.add, (orders[m.oid], oc_immediate_or_cancel)),
    )
    ns = _timed(calls, warm, timed)
    depth = book.depth()
    return Timed(ns, (depth.bids().price(), depth.asks().price()))


def cython_orderbook(warm: list[Message], timed: list[Message]) -> Timed:
    """cython-orderbook: Cython, orders as objects made before the clock starts."""
    from decimal import Decimal

    from cython_orderbook import Order, OrderBook, OrderSide

    book = OrderBook()
    prices = {m.px: Decimal(m.px) for m in (*warm, *timed)}
    sides = (OrderSide.BID, OrderSide.ASK)
    orders = {
        m.oid: Order(side=sides[m.is_sell], price=prices[m.px], original_quantity=m.qty)
        if m.kind == 0
        else Order(side=sides[m.is_sell], original_quantity=m.qty)
        for m in (*warm, *timed)
        if m.kind != 1
    }
    calls = (
        lambda m: (book.add_limit_order, (orders[m.oid],)),
        lambda m: (book.cancel_order, (orders[m.oid].order_id,)),
        lambda m: (book.add_market_order, (orders[m.oid],)),
    )
    ns = _timed(calls, warm, timed)
    return Timed(ns, (int(book.best_bid()), int(book.best_ask())))


Engine = Callable[[list[Message], list[Message]], Timed]

ENGINES: dict[str, tuple[str, Engine]] = {
    "liquibook": ("liquibook", liquibook),
    "limit-order-book": ("limit_order_book", limit_order_book),
    "cython-orderbook": ("cython_orderbook", cython_orderbook),
}
"""By the name of the distribution: the module, and how it is driven. They come with the extra `bench`."""


def installed() -> dict[str, Engine]:
    """Return the engines that are installed here."""
    return {name: engine for name, (module, engine) in ENGINES.items() if find_spec(module)}


_Call = tuple[Callable[..., object], tuple[Any, ...]]


def _timed(calls: tuple[Callable[[Message], _Call], ...], warm: list[Message], timed: list[Message]) -> float:
    """Make every call of `warm`, then time those of `timed`; return CPU nanoseconds a message."""
    for m in warm:
        call, arguments = calls[m.kind](m)
        call(*arguments)
    ready = [calls[m.kind](m) for m in timed]
    began = time.process_time_ns()
    for call, arguments in ready:
        call(*arguments)
    return (time.process_time_ns() - began) / len(ready)
