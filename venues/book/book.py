"""What every limit order book is: its words, its contract, and the short ways to enter an order.

Rule of this file: a book is known by `Book`; what is refused comes back as a code with a reason, never half done.
"""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from typing import NamedTuple, Protocol

import numpy as np

from router.domain.errors import BadInputError, bad_value
from router.domain.market import I64
from router.domain.units import Px, Qty
from venues.book.words import (
    ALL,
    IMMEDIATE,
    PEG_MID,
    PEGS,
    POST,
    QUIET,
    R_FLAGS,
    R_ID,
    R_LIMIT,
    R_OPEN,
    R_RESERVE,
    REASONS,
    SELL,
    WHAT_AUCTION,
    WHAT_TRADE,
    WOULD_TRADE,
)


class Execution(NamedTuple):
    """A trade: the resting order's id, the entering order's id, price, quantity, and +1 when a buyer entered.

    In an auction nobody enters: `maker` is the seller, `taker` the buyer and `sign` 0.
    """

    maker: int
    taker: int
    px: Px
    qty: Qty
    sign: int


class Removal(NamedTuple):
    """An order that the book itself took out: its id, what was open, and why (WHAT_SELF_MATCH or WHAT_EXPIRED)."""

    oid: int
    qty: Qty
    what: int


class Top(NamedTuple):
    """The displayed top of the book; an empty side has price 0 and quantity 0."""

    bid_px: Px
    bid_qty: Qty
    ask_px: Px
    ask_qty: Qty


class Indication(NamedTuple):
    """What an uncross would do now: price, volume, and buys less sells at that price; zeros when nothing trades."""

    px: Px
    volume: Qty
    imbalance: Qty


class Entry(NamedTuple):
    """An order: `flags`, `display`, `min_qty`, `offset` and `owner` are those of `venues.book.words`."""

    oid: int
    sign: int
    px: Px
    qty: Qty
    flags: int = 0
    display: Qty = 0
    min_qty: Qty = 0
    offset: Px = 0
    owner: int = 0

    @property
    def all_flags(self) -> int:
        """The flags with SELL for a sell."""
        return self.flags | SELL if self.sign < 0 else self.flags


class Answer(NamedTuple):
    """What became of a command.

    `leaves` rests now, `dropped` neither traded nor rests, for the reason `why` (WHY_...). With a `code` below zero the
    command was refused and nothing has changed; `REASONS[code]` says what was expected.
    """

    leaves: Qty = 0
    code: int = 0
    dropped: Qty = 0
    why: int = 0
    executions: tuple[Execution, ...] = ()
    removals: tuple[Removal, ...] = ()


def answer_of(result: int, dropped: Qty, why: int, rows: list[tuple[int, ...]]) -> Answer:
    """Return the answer for a result (a quantity or a code) and the rows of output that came with it."""
    if result < 0:
        return Answer(code=result)
    trades = tuple(Execution(*row[:5]) for row in rows if row[5] in (WHAT_TRADE, WHAT_AUCTION))
    removals = tuple(Removal(row[0], row[3], row[5]) for row in rows if row[5] not in (WHAT_TRADE, WHAT_AUCTION))
    return Answer(result, 0, dropped, why, trades, removals)


class Book(Protocol):
    """What a limit order book can do. Order ids are the owner's, any int64, unique among the orders that rest."""

    @property
    def reference(self) -> tuple[Px, Px, Px]:
        """The consolidated best bid and ask, and the mid; 0 where unknown."""
        ...

    def enter(self, entry: Entry) -> Answer:
        """Enter an order: trade what it meets, and let the remainder rest unless its flags say otherwise."""
        ...

    def cancel(self, oid: int) -> Qty:
        """Take an order out, in any phase; return what was open, 0 when it is not in the book."""
        ...

    def amend(self, oid: int, qty: Qty, px: Px) -> Answer:
        """Change a resting order's total quantity and price (a peg's limit, 0: none).

        A smaller quantity at the same price keeps its place; anything else goes to the back, and may trade.
        """
        ...

    def set_reference(self, bid: Px, ask: Px, mid: Px, *, trades: bool = True) -> Answer:
        """Set the consolidated best and the mid (0: unknown), move the pegs, and with `trades` let them trade."""
        ...

    def trade_pegs(self) -> Answer:
        """Let every standing peg trade: oldest first, buys before sells."""
        ...

    def set_away(self, bid: Px, ask: Px) -> Answer:
        """Set the away best that entering orders, but for sweeps and pegs, do not trade through (0: none)."""
        ...

    def set_phase(self, phase: int) -> Answer:
        """Change the phase of trading: CONTINUOUS, AUCTION or HALTED."""
        ...

    def set_self_match(self, mode: int) -> Answer:
        """Choose what happens when an order meets one of its own owner."""
        ...

    def auction(self, reference: Px, *, resumes: bool = True) -> Answer:
        """Uncross; `leaves` is the volume. Then trading begins, or with `resumes` false a halt."""
        ...

    def indicative(self, reference: Px) -> Indication:
        """Return what an uncross would do now."""
        ...

    def limit(self, oid: int, sign: int, px: Px, qty: Qty) -> list[Execution]: ...
    def post(self, oid: int, sign: int, px: Px, qty: Qty) -> bool: ...
    def ioc(self, oid: int, sign: int, px: Px, qty: Qty) -> list[Execution]: ...
    def market(self, oid: int, sign: int, qty: Qty) -> list[Execution]: ...
    def fok(self, oid: int, sign: int, px: Px | None, qty: Qty) -> list[Execution]: ...
    def peg_mid(
        self, oid: int, sign: int, qty: Qty, limit: Px = 0, min_qty: Qty = 0, *, trades: bool = True, rests: bool = True
    ) -> list[Execution]: ...
    def replace(self, oid: int, qty: Qty, px: Px) -> list[Execution]: ...
    def set_mid(self, mid: Px, *, trades: bool = True) -> list[Execution]: ...
    def uncross(self) -> list[Execution]: ...

    def clear(self) -> None:
        """Take every order out; the references and the phase stay."""
        ...

    def top(self) -> Top:
        """Return the displayed top."""
        ...

    def leaves(self, oid: int) -> Qty:
        """Return what is open of an order, its reserve included; 0 when it is not in the book."""
        ...

    def depth(self, sign: int, px: Px) -> Qty:
        """Return the displayed quantity at a price of one side (+1: bids)."""
        ...

    def can_trade(self, sign: int, px: Px, qty: Qty = 1) -> bool:
        """Whether an order at `px` would trade on entry, were nothing protected."""
        ...

    def rows(self) -> I64:
        """Return every order that stands somewhere, (n, ROW_COLUMNS), ladder by ladder in priority."""
        ...

    def pegs(self) -> I64:
        """Return every peg, standing or not, (n, ROW_COLUMNS): buys, then sells, each in order of entry."""
        ...

    def settings(self) -> tuple[int, ...]:
        """Return (reference bid, ask, mid, away bid, ask, phase, whether orders have gathered, self-match mode)."""
        ...

    def resting(self) -> list[tuple[int, int, Px, Qty, bool]]:
        """Return (id, sign, limit, leaves, is_peg) of every resting order in priority: bids, asks, then pegs."""
        ...

    def digest(self) -> str:
        """Return a hex digest of everything that decides what this book does next: equal when the books are."""
        ...


class ShortWays(ABC):
    """The usual orders in one line each, by way of `enter`, `amend` and `set_reference`.

    Raises, all of them: BadInputError for what the book refuses, but for a post-only order that would trade.
    """

    @abstractmethod
    def enter(self, entry: Entry) -> Answer:
        """See `Book.enter`."""

    @abstractmethod
    def amend(self, oid: int, qty: Qty, px: Px) -> Answer:
        """See `Book.amend`."""

    @abstractmethod
    def trade_pegs(self) -> Answer:
        """See `Book.trade_pegs`."""

    @abstractmethod
    def set_reference(self, bid: Px, ask: Px, mid: Px, *, trades: bool = True) -> Answer:
        """See `Book.set_reference`."""

    @property
    @abstractmethod
    def reference(self) -> tuple[Px, Px, Px]:
        """See `Book.reference`."""

    @abstractmethod
    def rows(self) -> I64:
        """See `Book.rows`."""

    @abstractmethod
    def pegs(self) -> I64:
        """See `Book.pegs`."""

    @abstractmethod
    def settings(self) -> tuple[int, ...]:
        """See `Book.settings`."""

    def limit(self, oid: int, sign: int, px: Px, qty: Qty) -> list[Execution]:
        """Trade what crosses; the remainder rests, displayed at `px`."""
        return self._entered(Entry(oid, sign, px, qty))

    def post(self, oid: int, sign: int, px: Px, qty: Qty) -> bool:
        """Rest without trading; False, and nothing changes, when the order would trade."""
        answer = self.enter(Entry(oid, sign, px, qty, POST))
        if answer.code == WOULD_TRADE:
            return False
        raise_refusal(answer, oid, qty)
        return True

    def ioc(self, oid: int, sign: int, px: Px, qty: Qty) -> list[Execution]:
        """Trade what crosses; nothing rests."""
        return self._entered(Entry(oid, sign, px, qty, IMMEDIATE))

    def market(self, oid: int, sign: int, qty: Qty) -> list[Execution]:
        """Trade at any price; nothing rests."""
        return self._entered(Entry(oid, sign, 0, qty, IMMEDIATE))

    def fok(self, oid: int, sign: int, px: Px | None, qty: Qty) -> list[Execution]:
        """Trade all of it or nothing; without a price, at any."""
        return self._entered(Entry(oid, sign, px or 0, qty, IMMEDIATE | ALL))

    def peg_mid(
        self, oid: int, sign: int, qty: Qty, limit: Px = 0, min_qty: Qty = 0, *, trades: bool = True, rests: bool = True
    ) -> list[Execution]:
        """Enter a hidden order pegged to the mid, not beyond `limit` (0: none).

        Each of its executions is at least `min_qty`, or all that is left of it. With `trades` false it waits for
        `uncross`; with `rests` false what does not trade now is dropped.
        """
        flags = PEG_MID | (0 if trades else QUIET) | (0 if rests else IMMEDIATE)
        return self._entered(Entry(oid, sign, limit, qty, flags, 0, min_qty))

    def replace(self, oid: int, qty: Qty, px: Px) -> list[Execution]:
        """Change a resting order's total quantity and price; see `amend`."""
        answer = self.amend(oid, qty, px)
        raise_refusal(answer, oid, qty)
        return list(answer.executions)

    def uncross(self) -> list[Execution]:
        """Trade every peg that can trade at the mid as it is."""
        return list(self.trade_pegs().executions)

    @property
    def mid(self) -> Px:
        """The reference mid."""
        return self.reference[2]

    def set_mid(self, mid: Px, *, trades: bool = True) -> list[Execution]:
        """Move the reference mid alone; with `trades`, return what the pegs then trade."""
        bid, ask, _ = self.reference
        answer = self.set_reference(bid, ask, mid, trades=trades)
        raise_refusal(answer, 0, 0)
        return list(answer.executions)

    def resting(self) -> list[tuple[int, int, Px, Qty, bool]]:
        """Return (id, sign, limit, leaves, is_peg) of every resting order in priority: bids, asks, then pegs."""
        rows = self.rows()
        rows = np.concatenate([rows[rows[:, R_FLAGS] & PEGS == 0], self.pegs()])
        leaves = rows[:, R_OPEN] + rows[:, R_RESERVE]
        signs = 1 - 2 * (rows[:, R_FLAGS] & SELL)
        is_peg = rows[:, R_FLAGS] & PEGS != 0
        columns = (rows[:, R_ID], signs, rows[:, R_LIMIT], leaves, is_peg)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def digest(self) -> str:
        """Return a hex digest of everything that decides what this book does next: equal when the books are."""
        text = np.array(self.settings(), dtype=np.int64).tobytes() + self.rows().tobytes() + self.pegs().tobytes()
        return hashlib.blake2b(text, digest_size=16).hexdigest()

    def _entered(self, entry: Entry) -> list[Execution]:
        answer = self.enter(entry)
        raise_refusal(answer, entry.oid, entry.qty)
        return list(answer.executions)


def raise_refusal(answer: Answer, oid: int, qty: Qty) -> None:
    """Raise the refusal that an answer is, if it is one.

    Raises:
        BadInputError: what was expected, with the order's id and quantity.
    """
    if answer.code:
        raise BadInputError(bad_value("book", REASONS[answer.code], (oid, qty)))
