"""The naive book passes the examiner of books, and the examiner catches broken books.

Rule of this file: each broken book breaks one line of the real one.
"""

from __future__ import annotations

import pytest

from router.domain.errors import InvariantError
from venues.book.check import check_book, random_commands
from venues.book.naive import Execution, NaiveBook


class _LosesShares(NaiveBook):
    def ioc(self, oid: int, sign: int, px: int, qty: int) -> list[Execution]:
        return [e._replace(qty=e.qty + 1) for e in super().ioc(oid, sign, px, qty)]


class _PostsAnything(NaiveBook):
    def post(self, oid: int, sign: int, px: int, qty: int) -> bool:
        self.limit(oid, sign, px, qty)
        return True


class _PartlyFillsOrKills(NaiveBook):
    def fok(self, oid: int, sign: int, px: int | None, qty: int) -> list[Execution]:
        return self.market(oid, sign, qty) if px is None else self.ioc(oid, sign, px, qty)


class _SendsReplacesBack(NaiveBook):
    def replace(self, oid: int, qty: int, px: int) -> list[Execution]:
        super().replace(oid, qty + 1, px)
        return super().replace(oid, qty, px)


def test_the_naive_book_passes_the_examiner() -> None:
    check_book(NaiveBook)


@pytest.mark.parametrize("broken", [_LosesShares, _PostsAnything, _PartlyFillsOrKills, _SendsReplacesBack])
def test_a_broken_book_is_caught(broken: type[NaiveBook]) -> None:
    with pytest.raises(InvariantError, match="expected"):
        check_book(broken)


def test_equal_books_have_equal_digests_and_others_do_not() -> None:
    one, two = NaiveBook(), NaiveBook()
    one.limit(1, 1, 100, 10)
    two.limit(1, 1, 100, 10)
    assert one.digest() == two.digest()
    two.replace(1, 9, 100)
    assert one.digest() != two.digest()


def test_random_stories_of_two_seeds_differ() -> None:
    assert random_commands(NaiveBook(), 1, 300) != random_commands(NaiveBook(), 2, 300)


def test_clear_leaves_an_empty_book_that_can_be_used_again() -> None:
    book = NaiveBook()
    book.limit(1, 1, 100, 10)
    book.clear()
    assert book.resting() == []
    assert book.limit(1, -1, 100, 10) == []
