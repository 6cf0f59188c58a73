"""`KernelBook`: the compiled book as a Python object, with the methods of `NaiveBook`.

Rule of this file: it owns the arrays, doubles them when a command asks for room, and repeats that command.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from router.domain.errors import BadInputError, bad_value
from router.domain.market import I64
from router.domain.units import Px, Qty
from venues.book.auction import auction, indicative
from venues.book.batch import run_commands
from venues.book.book import Answer, Entry, Indication, ShortWays, Top, answer_of
from venues.book.kernel import cancel, enter, replace
from venues.book.layout import (
    H_AWAY_ASK,
    H_AWAY_BID,
    H_DROPPED,
    H_GATHERED,
    H_LIVE,
    H_MID,
    H_OUT,
    H_PHASE,
    H_REF_ASK,
    H_REF_BID,
    H_SELF_MATCH,
    H_WHY,
    BookState,
)
from venues.book.look import can_trade, depth, leaves, top, write_pegs, write_rows
from venues.book.phases import clear, set_away, set_phase, set_reference, set_self_match, trade_pegs
from venues.book.state import grown, new_state
from venues.book.words import COMMAND_COLUMNS, GROW_EXECUTIONS, OUT_COLUMNS, ROW_COLUMNS

_SETTINGS = (H_REF_BID, H_REF_ASK, H_MID, H_AWAY_BID, H_AWAY_ASK, H_PHASE, H_GATHERED, H_SELF_MATCH)


class KernelBook(ShortWays):
    """The book; `Book` has the contract. Prices are multiples of `step`; `px` is where the first range of them lies.

    Raises:
        BadInputError: `px` or `step` outside its range.

    >>> book = KernelBook()
    >>> book.limit(1, -1, 100, 50), book.limit(2, -1, 100, 50)
    ([], [])
    >>> book.ioc(3, +1, 100, 60)
    [Execution(maker=1, taker=3, px=100, qty=50, sign=1), Execution(maker=2, taker=3, px=100, qty=10, sign=1)]
    >>> book.top()
    Top(bid_px=0, bid_qty=0, ask_px=100, ask_qty=40)
    """

    def __init__(self, px: Px = 1, step: Px = 1, *, orders: int = 64, levels: int = 64) -> None:
        self.state: BookState = new_state(px, step, orders=orders, levels=levels, executions=64)

    # Commands.

    def enter(self, entry: Entry) -> Answer:
        """See `Book.enter`."""
        oid, _, px, qty, _, display, min_qty, offset, owner = entry
        flags = entry.all_flags
        return self._performed(lambda book: enter(book, oid, flags, px, qty, display, min_qty, offset, owner))

    def cancel(self, oid: int) -> Qty:
        """See `Book.cancel`."""
        return int(cancel(self.state, oid))

    def amend(self, oid: int, qty: Qty, px: Px) -> Answer:
        """See `Book.amend`."""
        return self._performed(lambda book: replace(book, oid, qty, px))

    def set_reference(self, bid: Px, ask: Px, mid: Px, *, trades: bool = True) -> Answer:
        """See `Book.set_reference`."""
        return self._performed(lambda book: set_reference(book, bid, ask, mid, trades), has_entry=False)

    def trade_pegs(self) -> Answer:
        """See `Book.trade_pegs`."""
        return self._performed(trade_pegs, has_entry=False)

    def set_away(self, bid: Px, ask: Px) -> Answer:
        """See `Book.set_away`."""
        return self._performed(lambda book: set_away(book, bid, ask), has_entry=False)

    def set_phase(self, phase: int) -> Answer:
        """See `Book.set_phase`."""
        return self._performed(lambda book: set_phase(book, phase), has_entry=False)

    def set_self_match(self, mode: int) -> Answer:
        """See `Book.set_self_match`."""
        return self._performed(lambda book: set_self_match(book, mode), has_entry=False)

    def auction(self, reference: Px, *, resumes: bool = True) -> Answer:
        """See `Book.auction`."""
        return self._performed(lambda book: auction(book, reference, resumes), has_entry=False)

    def clear(self) -> None:
        """See `Book.clear`."""
        clear(self.state)

    def run(self, commands: I64) -> tuple[I64, I64]:
        """Perform rows of commands (n, COMMAND_COLUMNS); return each one's answer (n,) and what came out.

        What came out is (m, OUT_COLUMNS), in order of time.

        Raises:
            BadInputError: not rows of commands.
        """
        if commands.ndim != 2 or commands.shape[1] != COMMAND_COLUMNS or commands.dtype != np.int64:
            expected = f"int64 rows of {COMMAND_COLUMNS} columns"
            raise BadInputError(bad_value("commands", expected, (commands.dtype.name, commands.shape)))
        commands = np.ascontiguousarray(commands)
        results = np.zeros(len(commands), dtype=np.int64)
        rows: list[I64] = []
        done = 0
        while True:
            done = run_commands(self.state, commands, results, done)
            rows.append(self._taken())
            if done == len(commands):
                return results, np.concatenate(rows)
            self._make_room(int(results[done]))

    # Asking.

    @property
    def reference(self) -> tuple[Px, Px, Px]:
        """See `Book.reference`."""
        head = self.state.head
        return int(head[H_REF_BID]), int(head[H_REF_ASK]), int(head[H_MID])

    def indicative(self, reference: Px) -> Indication:
        """See `Book.indicative`."""
        return Indication(*indicative(self.state, reference))

    def top(self) -> Top:
        """See `Book.top`."""
        return Top(*top(self.state))

    def leaves(self, oid: int) -> Qty:
        """See `Book.leaves`."""
        return int(leaves(self.state, oid))

    def depth(self, sign: int, px: Px) -> Qty:
        """See `Book.depth`."""
        return int(depth(self.state, sign, px))

    def can_trade(self, sign: int, px: Px, qty: Qty = 1) -> bool:
        """See `Book.can_trade`."""
        return bool(can_trade(self.state, sign, px, qty))

    def rows(self) -> I64:
        """See `Book.rows`."""
        return self._written(write_rows)

    def pegs(self) -> I64:
        """See `Book.pegs`."""
        return self._written(write_pegs)

    def settings(self) -> tuple[int, ...]:
        """See `ShortWays.settings`."""
        return tuple(int(self.state.head[place]) for place in _SETTINGS)

    # Inside.

    def _performed(self, command: Callable[[BookState], int], *, has_entry: bool = True) -> Answer:
        """Perform a command, as often as it asks for room."""
        while True:
            result = int(command(self.state))
            if not GROW_EXECUTIONS <= result < 0:
                break
            self._make_room(result)
        head = self.state.head
        dropped, why = (int(head[H_DROPPED]), int(head[H_WHY])) if has_entry else (0, 0)
        return answer_of(result, dropped, why, [tuple(row) for row in self._taken().tolist()])

    def _make_room(self, code: int) -> None:
        self.state = grown(self.state, code)

    def _taken(self) -> I64:
        """Return what has come out since last time, (n, OUT_COLUMNS)."""
        n = int(self.state.head[H_OUT])
        self.state.head[H_OUT] = 0
        return self.state.out[: n * OUT_COLUMNS].reshape(n, OUT_COLUMNS).copy()

    def _written(self, write: Callable[[BookState, I64], int]) -> I64:
        rows = np.zeros((int(self.state.head[H_LIVE]), ROW_COLUMNS), dtype=np.int64)
        return rows[: write(self.state, rows)]
