"""The benchmark of books sends what it says, to books that end the same.

Rule of this file: small sizes; no figure is asked how large it is.
"""

from __future__ import annotations

import pytest

from benchmarks.book import BARE, LIVE_AT_MOST_NS, READY, _rows, all_ns
from benchmarks.book_engines import (
    ADD,
    CANCEL,
    TRADE,
    Package,
    as_messages,
    from_rows,
    installed,
    naive,
    ready_made,
)
from benchmarks.book_messages import messages
from venues.book.kernel_book import KernelBook
from venues.book.words import C_OP, OP_CANCEL


def test_messages_are_half_adds_and_every_cancel_finds_its_order() -> None:
    live, n = 300, 6_000
    rows = messages(n, live)
    kinds = [kind for kind, *_ in as_messages(rows[live:])]
    assert [round(kinds.count(kind) / n, 1) for kind in (ADD, CANCEL, TRADE)] == [0.5, 0.4, 0.1]
    book = KernelBook(400_000, 100)
    results, out = book.run(rows)
    assert (results[rows[:, C_OP] == OP_CANCEL] > 0).all()
    assert len(out) >= kinds.count(TRADE)
    assert abs(len(book.resting()) - live) < live // 4


def test_all_books_end_alike_and_have_a_figure() -> None:
    figures = all_ns(200, 1_000, 500)
    bare = {name + BARE for name, of in installed().items() if of.bare is not of.make}
    engines = {name + form for name in installed() for form in ("", READY)}
    assert set(figures) == {"ours", "plain twin", "empty loop", *bare, *engines}
    assert all(ns > 0 for ns in figures.values())


@pytest.mark.parametrize("live", LIVE_AT_MOST_NS)
def test_an_engine_that_is_absent_is_named(live: int) -> None:
    rows = _rows(live, LIVE_AT_MOST_NS[live], 10, {"ours": [20.0], "plain twin": [4_000.0], "empty loop": [2.0]})
    assert [row.id for row in rows] == [f"book.{live}_ns"]
    assert "not installed: liquibook, limit-order-book, cython-orderbook" in rows[0].what


def test_the_bound_is_on_engines_that_do_the_same_and_not_on_bare_or_ready_made_ones() -> None:
    figures = {
        "liquibook": [2_000.0],
        f"liquibook{BARE}": [500.0],
        f"liquibook{READY}": [300.0],
        "limit-order-book": [640.0],
        f"limit-order-book{READY}": [580.0],
    }
    rows = _rows(2_000, 25.0, 10, {"ours": [20.0], "plain twin": [4_000.0], "empty loop": [2.0], **figures})
    assert list(rows[0].references)[:5] == [
        "limit-order-book",
        "liquibook",
        "liquibook, bare",
        "liquibook, ready-made",
        "limit-order-book, ready-made",
    ]
    assert [(row.id, row.ours, row.bound, row.holds) for row in rows[1:]] == [
        ("book.2000_times", 32.0, 25.0, True),
        ("book.2000_times_bare", 25.0, None, None),
        ("book.2000_times_ready", 15.0, None, None),
    ]


@pytest.mark.parametrize("package", [pytest.param(of, id=name) for name, of in installed().items()])
def test_an_engine_ends_alike_in_every_form_and_tells_every_fill_or_none(package: Package) -> None:
    rows = messages(2_000, 200)
    ours = from_rows(naive, rows, 200)
    forms = [
        from_rows(package.make, rows, 200),
        from_rows(package.bare, rows, 200),
        ready_made(package.bare, rows, 200),
    ]
    assert {of.best for of in forms} == {ours.best}
    assert ours.fills
    assert {of.fills for of in forms} <= {ours.fills, None}


def test_the_plain_twin_ends_alike_by_ready_made_calls() -> None:
    rows = messages(2_000, 200)
    assert ready_made(naive, rows, 200).best == from_rows(naive, rows, 200).best
