"""Both books pass the examiner of books, and the examiner catches broken books.

Rule of this file: each broken book breaks one line of a real one.
"""

from __future__ import annotations

import pytest

from router.domain.errors import BadInputError, InvariantError
from venues.book.book import Answer, Book, Entry
from venues.book.check import check_book, random_commands
from venues.book.kernel_book import KernelBook
from venues.book.naive import Execution, NaiveBook
from venues.book.words import BAD_PRICE, CONTINUOUS, HIDDEN, ICEBERG, IMMEDIATE, ISO

BOOKS = pytest.mark.parametrize("make", [NaiveBook, KernelBook])


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


class _ShowsEverything(NaiveBook):
    def enter(self, entry: Entry) -> Answer:
        return super().enter(entry._replace(display=0, flags=entry.flags & ~(HIDDEN | ICEBERG)))


class _KnowsNoOwners(NaiveBook):
    def enter(self, entry: Entry) -> Answer:
        return super().enter(entry._replace(owner=0))


class _TradesThrough(NaiveBook):
    def enter(self, entry: Entry) -> Answer:
        return super().enter(entry._replace(flags=entry.flags | ISO))


class _NeverHalts(NaiveBook):
    def set_phase(self, phase: int) -> Answer:
        return Answer()


class _ForgetsItsPegs(NaiveBook):
    def set_reference(self, bid: int, ask: int, mid: int, *, trades: bool = True) -> Answer:
        self._reference = (bid, ask, mid)
        return Answer()


class _AuctionsAtTheReference(NaiveBook):
    def auction(self, reference: int, *, resumes: bool = True) -> Answer:
        return super().auction(0, resumes=resumes)._replace(executions=())


BROKEN = [
    _LosesShares,
    _PostsAnything,
    _PartlyFillsOrKills,
    _SendsReplacesBack,
    _ShowsEverything,
    _KnowsNoOwners,
    _TradesThrough,
    _NeverHalts,
    _ForgetsItsPegs,
    _AuctionsAtTheReference,
]


@BOOKS
def test_a_book_passes_the_examiner(make: type[NaiveBook] | type[KernelBook]) -> None:
    check_book(make)


@pytest.mark.parametrize("broken", BROKEN)
def test_a_broken_book_is_caught(broken: type[NaiveBook]) -> None:
    with pytest.raises(InvariantError, match="expected"):
        check_book(broken)


@BOOKS
def test_equal_books_have_equal_digests_and_others_do_not(make: type[NaiveBook] | type[KernelBook]) -> None:
    one: Book = make()
    two: Book = make()
    one.limit(1, 1, 100, 10)
    two.limit(1, 1, 100, 10)
    assert one.digest() == two.digest()
    two.replace(1, 9, 100)
    assert one.digest() != two.digest()
    one.replace(1, 9, 100)
    assert one.digest() == two.digest()
    one.set_away(99, 101)
    assert one.digest() != two.digest()


def test_random_stories_of_two_seeds_differ() -> None:
    assert random_commands(NaiveBook(), 1, 300) != random_commands(NaiveBook(), 2, 300)


def test_both_books_tell_the_same_story() -> None:
    assert random_commands(NaiveBook(), 3, 300) == random_commands(KernelBook(), 3, 300)


@BOOKS
def test_clear_leaves_an_empty_book_that_can_be_used_again(make: type[NaiveBook] | type[KernelBook]) -> None:
    book: Book = make()
    book.limit(1, 1, 100, 10)
    book.set_mid(99)
    book.peg_mid(2, 1, 10)
    book.clear()
    assert book.resting() == []
    assert book.leaves(1) == 0
    assert book.settings()[5] == CONTINUOUS
    assert book.limit(1, -1, 100, 10) == []
    assert book.resting() == [(1, -1, 100, 10, False)]


@BOOKS
def test_a_price_off_the_grid_is_refused(make: type[NaiveBook] | type[KernelBook]) -> None:
    book: Book = make(step=50)
    before = book.digest()
    for flags in (0, IMMEDIATE, HIDDEN):
        assert book.enter(Entry(1, 1, 1025, 10, flags)).code == BAD_PRICE
    with pytest.raises(BadInputError, match="expected a price above 0 on the book's grid"):
        book.limit(1, 1, 1025, 10)
    assert book.set_reference(1000, 1100, 1025).code == BAD_PRICE
    assert book.digest() == before
