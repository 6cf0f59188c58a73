"""The benchmark of books sends what it says, to books that end the same.

Rule of this file: small sizes; no figure is asked how large it is.
"""

from __future__ import annotations

import pytest

from benchmarks.book import LIVE_AT_MOST_NS, _rows, all_ns
from benchmarks.book_engines import as_messages, installed
from benchmarks.book_messages import messages
from venues.book.kernel_book import KernelBook
from venues.book.words import C_OP, OP_CANCEL


def test_messages_are_half_adds_and_every_cancel_finds_its_order() -> None:
    live, n = 300, 6_000
    rows = messages(n, live)
    kinds = [m.kind for m in as_messages(rows[live:])]
    assert [round(kinds.count(kind) / n, 1) for kind in (0, 1, 2)] == [0.5, 0.4, 0.1]
    book = KernelBook(400_000, 100)
    results, out = book.run(rows)
    assert (results[rows[:, C_OP] == OP_CANCEL] > 0).all()
    assert len(out) >= kinds.count(2)
    assert abs(len(book.resting()) - live) < live // 4


def test_all_books_end_alike_and_have_a_figure() -> None:
    figures = all_ns(200, 1_000, 500)
    assert set(figures) == {"ours", "plain twin", "empty loop", *installed()}
    assert all(ns > 0 for ns in figures.values())


@pytest.mark.parametrize("live", LIVE_AT_MOST_NS)
def test_an_engine_that_is_absent_is_named(live: int) -> None:
    rows = _rows(live, LIVE_AT_MOST_NS[live], 10, {"ours": [20.0], "plain twin": [4_000.0], "empty loop": [2.0]})
    assert [row.id for row in rows] == [f"book.{live}_ns"]
    assert "not installed: liquibook, limit-order-book, cython-orderbook" in rows[0].what
    rows = _rows(live, 25.0, 10, {"ours": [20.0], "liquibook": [600.0], "plain twin": [4_000.0], "empty loop": [2.0]})
    assert [(row.id, row.ours, row.holds) for row in rows][1] == (f"book.{live}_times", 30.0, True)
