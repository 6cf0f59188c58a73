"""The compiled book and the naive book are the same book, after every command.

Rule of this file: nothing is compared at the end only.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from venues.book.book import Entry
from venues.book.kernel_book import KernelBook
from venues.book.naive import NaiveBook
from venues.book.stories import perform, story
from venues.book.words import (
    ALL,
    AUCTION_ONLY,
    C_PX,
    HIDDEN,
    IMMEDIATE,
    ISO,
    MIN_TOTAL,
    PEG_MARKET,
    PEG_MID,
    PEG_PRIMARY,
    POST,
    QUIET,
    WHAT_SELF_MATCH,
)

STORIES, COMMANDS = 50, 2_000
"""One hundred thousand commands, in books that stay small enough to compare whole."""


def two_books(seed: int) -> tuple[NaiveBook, KernelBook]:
    naive, kernel = NaiveBook(), KernelBook()
    naive.set_self_match(seed % 4)
    kernel.set_self_match(seed % 4)
    return naive, kernel


@pytest.mark.parametrize("first", range(0, STORIES, 10))
def test_both_books_are_equal_after_each_command(first: int) -> None:
    for seed in range(first, first + 10):
        naive, kernel = two_books(seed)
        for n, row in enumerate(story(seed, COMMANDS)):
            answer = perform(naive, row)
            assert perform(kernel, row) == answer, (seed, n)
            assert kernel.digest() == naive.digest(), (seed, n)


def test_both_books_are_equal_on_a_coarse_grid_and_a_wide_range() -> None:
    naive, kernel = NaiveBook(step=50), KernelBook(400_000, 50)
    for n, row in enumerate(story(7, 2_000, px=400_000, step=50, width=300)):
        assert perform(kernel, row) == perform(naive, row), n
        assert kernel.digest() == naive.digest(), n
        assert kernel.top() == naive.top()


def test_a_batch_is_its_commands_one_by_one() -> None:
    rows = story(11, 5_000)
    together, single = KernelBook(), NaiveBook()
    results, out = together.run(rows)
    answers = [perform(single, row) for row in rows]
    assert results.tolist() == [answer.code or answer.leaves for answer in answers]
    assert together.digest() == single.digest()
    trades = [tuple(e) for answer in answers for e in answer.executions]
    # Within a command, trades and removals keep their order among themselves.
    assert [tuple(row[:5]) for row in out.tolist() if row[5] < WHAT_SELF_MATCH] == trades
    assert sum(len(answer.removals) for answer in answers) == int((out[:, 5] >= WHAT_SELF_MATCH).sum())


def test_a_story_is_no_quiet_one() -> None:
    naive, _ = two_books(1)
    answers = [perform(naive, row) for row in story(1, COMMANDS)]
    assert len({answer.code for answer in answers}) >= 7
    assert {answer.why for answer in answers} >= {0, 1, 2, 3}
    assert sum(len(answer.executions) for answer in answers) > 300
    assert np.unique(story(1, COMMANDS)[:, C_PX]).size > 15


FLAGS = [0, 0, POST, IMMEDIATE, ISO, IMMEDIATE | ALL, MIN_TOTAL, HIDDEN, PEG_MID, PEG_PRIMARY, PEG_MARKET]
FLAGS += [AUCTION_ONLY, PEG_MID | QUIET, HIDDEN | POST, IMMEDIATE | PEG_MID]
PRICES = st.integers(0, 12)


class TwoBooks(RuleBasedStateMachine):
    """Whatever is done to both, they answer the same and are the same."""

    def __init__(self) -> None:
        super().__init__()
        self.naive, self.kernel = NaiveBook(), KernelBook()

    @rule(
        oid=st.integers(-3, 12),
        sign=st.sampled_from([1, -1]),
        px=PRICES,
        qty=st.integers(0, 9),
        flags=st.sampled_from(FLAGS),
        display=st.sampled_from([0, 0, 1, 3, 20]),
        min_qty=st.sampled_from([0, 0, 2, 5]),
        offset=st.sampled_from([0, 0, -1, 2]),
        owner=st.integers(0, 2),
    )
    def enter(
        self, oid: int, sign: int, px: int, qty: int, flags: int, display: int, min_qty: int, offset: int, owner: int
    ) -> None:
        entry = Entry(oid, sign, px, qty, flags, display, min_qty, offset, owner)
        assert self.kernel.enter(entry) == self.naive.enter(entry)

    @rule(oid=st.integers(-3, 12))
    def cancel(self, oid: int) -> None:
        assert self.kernel.cancel(oid) == self.naive.cancel(oid)

    @rule(oid=st.integers(-3, 12), qty=st.integers(0, 9), px=PRICES)
    def amend(self, oid: int, qty: int, px: int) -> None:
        assert self.kernel.amend(oid, qty, px) == self.naive.amend(oid, qty, px)

    @rule(bid=PRICES, ask=PRICES, mid=PRICES, trades=st.booleans())
    def refer(self, bid: int, ask: int, mid: int, trades: bool) -> None:
        naive = self.naive.set_reference(bid, ask, mid, trades=trades)
        assert self.kernel.set_reference(bid, ask, mid, trades=trades) == naive

    @rule(bid=PRICES, ask=PRICES)
    def protect(self, bid: int, ask: int) -> None:
        assert self.kernel.set_away(bid, ask) == self.naive.set_away(bid, ask)

    @rule(mode=st.integers(-1, 4))
    def match_own(self, mode: int) -> None:
        assert self.kernel.set_self_match(mode) == self.naive.set_self_match(mode)

    @rule(phase=st.integers(-1, 3))
    def change_phase(self, phase: int) -> None:
        assert self.kernel.set_phase(phase) == self.naive.set_phase(phase)

    @rule(reference=PRICES, resumes=st.booleans())
    def uncross(self, reference: int, resumes: bool) -> None:
        assert self.kernel.indicative(reference) == self.naive.indicative(reference)
        assert self.kernel.auction(reference, resumes=resumes) == self.naive.auction(reference, resumes=resumes)

    @rule()
    def pegs_trade(self) -> None:
        assert self.kernel.trade_pegs() == self.naive.trade_pegs()

    @invariant()
    def equal(self) -> None:
        assert self.kernel.digest() == self.naive.digest()
        assert self.kernel.resting() == self.naive.resting()


TwoBooks.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
test_any_commands_leave_both_books_equal = TwoBooks.TestCase
