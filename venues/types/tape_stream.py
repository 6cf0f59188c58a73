"""A venue's recorded quotes and prints, walked in time: what every tape venue shares.

Rule of this file: moving over rows that no order of ours can meet costs a bisection and two slices, never work
per row; a slice handed out is a view of the read-only day.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right

import numpy as np

from router.domain.enums import TimeInForce
from router.domain.errors import BadInputError, bad_value
from router.domain.market import I64, PRINT_COLUMNS, QUOTE_COLUMNS, no_rows
from router.domain.units import PX_MAX, Nanos, Px
from venues.venue import VenueOutput

NEVER: Nanos = 1 << 62
"""Later than any time: stands for "no more rows" in comparisons."""

IMMEDIATE = (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
CONTINUOUS = (TimeInForce.DAY, TimeInForce.GOOD_TILL_DATE, *IMMEDIATE)
"""The times in force a tape venue knows: there is no auction on the tape to take part in."""

_NEAR = 32
"""Rows within which the next place in time is looked for first."""

NO_QUOTES = no_rows(QUOTE_COLUMNS)
NO_PRINTS = no_rows(PRINT_COLUMNS)
NO_QUOTES.setflags(write=False)
NO_PRINTS.setflags(write=False)


class TapeStream:
    """Quotes (n, 5) and prints (m, 4) of one venue with a place in time; `q` and `p` rows have been passed.

    `shift` is what our own past trades have moved prices by: recorded rows are kept as they are, everything handed
    out is moved by it (an empty side stays empty, a price never falls below `tick`).
    """

    __slots__ = ("_print_at", "_quote_at", "at", "next", "p", "prints", "q", "quotes", "shift", "tick")

    def __init__(self, quotes: I64, prints: I64, tick: Px) -> None:
        self.quotes, self.prints, self.tick = quotes, prints, tick
        # Lists, not arrays: a bisection over Python integers is ten times faster than `searchsorted` of a scalar.
        self._quote_at: list[int] = [*quotes[:, 0].tolist(), NEVER]
        self._print_at: list[int] = [*prints[:, 0].tolist(), NEVER]
        self.q = self.p = 0
        self.shift: Px = 0
        self.at: Nanos = 0
        self.next: Nanos = min(self._quote_at[0], self._print_at[0])

    def seek(self, until: Nanos) -> tuple[int, int]:
        """Pass every row before `until`; return the (quotes, prints) passed before, where the slice begins."""
        q, p = self.q, self.p
        if until > self.next:
            quote_at, print_at = self._quote_at[q], self._print_at[p]
            if quote_at < until:
                self.q = _first_from(self._quote_at, until, q)
                quote_at = self._quote_at[self.q]
            if print_at < until:
                self.p = _first_from(self._print_at, until, p)
                print_at = self._print_at[self.p]
            self.next = quote_at if quote_at < print_at else print_at
        return q, p

    def skim(self, until: Nanos, own: Nanos = NEVER) -> VenueOutput:
        """Move to `until` with nothing of ours to meet before it and return what was seen; `own` is when the venue
        next does something of its own.

        Raises:
            BadInputError: `until` is before the present.
        """
        if until < self.at:
            raise BadInputError(bad_value("until", f"a time from {self.at}", until))
        self.at = until
        if until <= self.next:
            at = min(self.next, own)
            return VenueOutput([], NO_QUOTES, NO_PRINTS, (), 0, at if at != NEVER else None)
        q, p = self.seek(until)
        at = self.next if self.next < own else own
        quotes = self.shown(self.quotes[q : self.q]) if self.q > q else NO_QUOTES
        prints = self.shown_prints(self.prints[p : self.p]) if self.p > p else NO_PRINTS
        return VenueOutput([], quotes, prints, (), self.q - q + self.p - p, at if at != NEVER else None)

    def move(self, px: Px) -> None:
        """Note that our own past trades have moved prices by `px` in all.

        Raises:
            BadInputError: beyond any price.
        """
        if abs(px) > PX_MAX:
            raise BadInputError(bad_value("Shift.px", f"a move up to {PX_MAX}", px))
        self.shift = px

    def replaced_at(self, row: int) -> Nanos:
        """Return when the quote in `row` was (will be) replaced by the next one."""
        return self._quote_at[row + 1]

    def printed_after(self, at: Nanos) -> int:
        """Return the row of the first print after `at`."""
        return bisect_right(self._print_at, at)

    def shown(self, rows: I64) -> I64:
        """Return quote rows as the market shows them: moved by the shift."""
        if not self.shift:
            return rows
        rows = rows.copy()
        for column in (1, 3):
            px = rows[:, column]
            rows[:, column] = np.where(px > 0, np.maximum(px + self.shift, self.tick), 0)
        return rows

    def shown_prints(self, rows: I64) -> I64:
        """Return prints as the market shows them: moved by the shift."""
        if not self.shift:
            return rows
        rows = rows.copy()
        rows[:, 1] = np.maximum(rows[:, 1] + self.shift, self.tick)
        return rows

    def shown_px(self, px: Px) -> Px:
        """Return one recorded price, above 0, as the market shows it."""
        return max(px + self.shift, self.tick)


def _first_from(times: list[int], until: Nanos, start: int) -> int:
    """Return the first of `times`, which end with `NEVER`, at or after `until`, from `start` on: mostly it is near."""
    end = start + _NEAR
    if end >= len(times):
        return bisect_left(times, until, start)
    return bisect_left(times, until, end) if times[end] < until else bisect_left(times, until, start, end)


class Shown:
    """What one window has shown so far, in pieces; `rows` puts each kind in the order of time."""

    __slots__ = ("events", "prints", "quotes")

    def __init__(self) -> None:
        self.quotes: list[I64] = []
        self.prints: list[I64] = []
        self.events = 0

    def quote(self, at: Nanos, top: tuple[int, int, int, int]) -> None:
        """Add one quote row."""
        self.quotes.append(np.array([(at, *top)], dtype=np.int64))

    def trade(self, at: Nanos, px: int, qty: int, aggressor: int) -> None:
        """Add a trade of ours that the tape does not hold."""
        self.prints.append(np.array([(at, px, qty, aggressor)], dtype=np.int64))

    def rows(self) -> tuple[I64, I64]:
        """Return quotes and prints of the window; pieces of equal time stay in the order they were added."""
        return _by_time(self.quotes, NO_QUOTES), _by_time(self.prints, NO_PRINTS)


def _by_time(pieces: list[I64], none: I64) -> I64:
    if len(pieces) < 2:
        return pieces[0] if pieces else none
    rows = np.concatenate(pieces)
    return rows[np.argsort(rows[:, 0], kind="stable")]
