"""The examiner's rules for every kind of order beyond limit and market, and for the phases of trading.

Rule of this file: one small story a rule, with the numbers that must come out.
"""

from __future__ import annotations

from collections.abc import Callable

from router.domain.errors import InvariantError, bad_value
from router.domain.units import Px, Qty
from venues.book.book import Answer, Book, Entry, Indication, Removal, Top
from venues.book.words import (
    ALL,
    AUCTION,
    AUCTION_ONLY,
    BAD_DISPLAY,
    BAD_FLAGS,
    BAD_MIN_QTY,
    CANCEL_AGGRESSIVE,
    CANCEL_BOTH,
    CANCEL_PASSIVE,
    CONTINUOUS,
    HALTED,
    HIDDEN,
    IMMEDIATE,
    ISO,
    MIN_TOTAL,
    NOT_IN_PHASE,
    PEG_MARKET,
    PEG_MID,
    PEG_PRIMARY,
    POST,
    WHAT_EXPIRED,
    WHAT_SELF_MATCH,
    WHY_NOT_ALL,
    WHY_PROTECTED,
    WHY_SELF_MATCH,
    WOULD_TRADE,
)


def expect(holds: bool, where: str, expected: str, got: object) -> None:
    """Say what was expected and what came.

    Raises:
        InvariantError: it does not hold.
    """
    if not holds:
        raise InvariantError(bad_value(where, expected, got))


def _traded(answer: Answer) -> list[tuple[int, Px, Qty]]:
    return [(e.maker, e.px, e.qty) for e in answer.executions]


def _buy(book: Book, oid: int, px: Px, qty: Qty, flags: int = 0, owner: int = 0) -> Answer:
    return book.enter(Entry(oid, 1, px, qty, flags, owner=owner))


def _icebergs(book: Book) -> None:
    book.enter(Entry(1, -1, 100, 50, display=10))
    book.limit(2, -1, 100, 10)
    expect(book.top() == Top(0, 0, 100, 20) and book.leaves(1) == 50, "iceberg", "20 displayed, 50 open", book.top())
    got = _traded(_buy(book, 3, 100, 15, IMMEDIATE))
    expect(got == [(1, 100, 10), (2, 100, 5)], "iceberg", "its slice, then who was behind", got)
    got = _traded(_buy(book, 4, 100, 20, IMMEDIATE))
    expect(got == [(2, 100, 5), (1, 100, 10), (1, 100, 5)], "iceberg", "a fresh slice at the back", got)
    expect(book.depth(-1, 100) == 5 and book.leaves(1) == 25, "iceberg", "5 displayed of 25", book.rows().tolist())
    book.amend(1, 28, 100)
    expect(book.depth(-1, 100) == 3 and book.leaves(1) == 3, "iceberg", "the reserve cut first", book.rows().tolist())
    book.enter(Entry(5, -1, 100, 20, display=4))
    expect(_traded(_buy(book, 6, 100, 23, IMMEDIATE | ALL))[-1] == (5, 100, 4), "iceberg", "reserves for ALL", 0)


def _hidden(book: Book) -> None:
    book.enter(Entry(1, -1, 100, 10, HIDDEN))
    book.limit(2, -1, 100, 10)
    book.enter(Entry(3, -1, 99, 10, HIDDEN, min_qty=8))
    expect(book.top() == Top(0, 0, 100, 10), "hidden", "only what is displayed", book.top())
    got = _traded(_buy(book, 4, 100, 5, IMMEDIATE))
    expect(got == [(2, 100, 5)], "hidden", "3 passed over for its minimum, displayed before 1", got)
    got = _traded(_buy(book, 5, 100, 18, IMMEDIATE))
    expect(got == [(3, 99, 10), (2, 100, 5), (1, 100, 3)], "hidden", "price, then displayed, then hidden", got)
    code = _buy(book, 6, 100, 5, POST).code
    expect(code == WOULD_TRADE, "hidden", "post only refused by what is hidden", code)


def _peg_kinds(book: Book) -> None:
    book.set_reference(100, 104, 102)
    book.enter(Entry(1, 1, 0, 10, PEG_PRIMARY))
    book.enter(Entry(2, 1, 0, 10, PEG_PRIMARY, offset=1))
    book.enter(Entry(3, -1, 103, 10, PEG_MARKET))
    book.enter(Entry(4, 1, 101, 10, PEG_MID))
    prices = {row[0]: row[2] for row in book.pegs().tolist()}
    expect(prices == {1: 100, 2: 101, 3: 103, 4: 0}, "peg", "near side, far side no further than the limit", prices)
    book.set_reference(101, 105, 101, trades=False)
    prices = {row[0]: row[2] for row in book.pegs().tolist()}
    expect(prices == {1: 101, 2: 102, 3: 103, 4: 101}, "peg", "all of them moved", prices)
    got = _traded(book.enter(Entry(5, -1, 101, 15, IMMEDIATE)))
    expect(got == [(2, 102, 10), (1, 101, 5)], "peg", "who moved together trades in order of entry", got)


def _minimum_in_total(book: Book) -> None:
    book.limit(1, -1, 100, 10)
    book.limit(2, -1, 101, 10)
    before = book.digest()
    answer = book.enter(Entry(3, 1, 100, 30, IMMEDIATE | MIN_TOTAL, min_qty=15))
    expect(answer.why == WHY_NOT_ALL and book.digest() == before, "MIN_TOTAL", "nothing", answer)
    answer = book.enter(Entry(4, 1, 101, 30, MIN_TOTAL, min_qty=15))
    expect(len(answer.executions) == 2 and answer.leaves == 10, "MIN_TOTAL", "20 traded and 10 resting", answer)


def _self_match(book: Book) -> None:
    for mode in (CANCEL_AGGRESSIVE, CANCEL_PASSIVE, CANCEL_BOTH):
        book.clear()
        book.set_self_match(mode)
        book.enter(Entry(1, -1, 100, 10, owner=7))
        book.enter(Entry(2, -1, 100, 10, owner=8))
        answer = _buy(book, 3, 100, 15, owner=7)
        removed = [] if mode == CANCEL_AGGRESSIVE else [Removal(1, 10, WHAT_SELF_MATCH)]
        expect(list(answer.removals) == removed, "self-match", f"{removed} out", answer)
        traded = [(2, 100, 10)] if mode == CANCEL_PASSIVE else []
        expect(_traded(answer) == traded, "self-match", f"{traded} traded", answer)
        why = 0 if mode == CANCEL_PASSIVE else WHY_SELF_MATCH
        expect(
            (answer.leaves, answer.why) == (5 if not why else 0, why), "self-match", "the rest as the mode says", answer
        )
        expect(book.leaves(1) == (10 if mode == CANCEL_AGGRESSIVE else 0), "self-match", "1 as the mode says", mode)


def _protection(book: Book) -> None:
    book.limit(1, -1, 100, 10)
    book.limit(2, -1, 102, 10)
    book.set_away(98, 101)
    answer = _buy(book, 3, 102, 15, IMMEDIATE)
    expect(_traded(answer) == [(1, 100, 10)] and answer.why == WHY_PROTECTED, "away", "nothing beyond 101", answer)
    answer = _buy(book, 4, 103, 15)
    expect(answer.dropped == 15 and answer.why == WHY_PROTECTED, "away", "nothing left to cross 102", answer)
    answer = _buy(book, 5, 102, 4, IMMEDIATE | ISO)
    expect(_traded(answer) == [(2, 102, 4)], "away", "a sweep that looks after itself", answer)


def _auction(book: Book) -> None:
    book.set_phase(AUCTION)
    for oid, sign, px, qty in ((1, 1, 102, 10), (2, 1, 101, 20), (3, -1, 99, 10), (4, -1, 101, 15), (5, -1, 103, 9)):
        expect(not book.limit(oid, sign, px, qty), "auction", "no trade while orders gather", oid)
    book.enter(Entry(6, 1, 0, 5, AUCTION_ONLY))
    book.enter(Entry(7, -1, 103, 5, AUCTION_ONLY))
    got = book.indicative(100)
    expect(got == Indication(101, 25, 10), "auction", "25 at 101, 10 more to buy", got)
    answer = book.auction(100)
    pairs = [(e.maker, e.taker, e.px, e.qty) for e in answer.executions]
    wanted = [(3, 6, 101, 5), (3, 1, 101, 5), (4, 1, 101, 5), (4, 2, 101, 10)]
    expect(answer.leaves == 25 and pairs == wanted, "auction", f"{wanted}", pairs)
    expect(list(answer.removals) == [Removal(7, 5, WHAT_EXPIRED)], "auction", "7 out", answer.removals)
    expect(book.top() == Top(101, 10, 103, 9), "auction", "the remainders resting", book.top())
    expect(_traded(_buy(book, 8, 103, 1)) == [(5, 103, 1)], "auction", "trading again", book.rows().tolist())


def _auction_ties(book: Book) -> None:
    book.set_phase(AUCTION)
    book.limit(1, 1, 105, 10)
    book.limit(2, -1, 95, 10)
    for reference, px in ((101, 101), (200, 105), (3, 95), (0, 95)):
        got = book.indicative(reference)
        expect(got == Indication(px, 10, 0), "auction", f"{px} by the reference {reference}", got)
    book.limit(3, 1, 95, 4)
    got = book.indicative(95)
    expect(got == Indication(105, 10, 0), "auction", "the least imbalance before the reference", got)


def _phases(book: Book) -> None:
    book.limit(1, -1, 100, 10)
    book.set_phase(HALTED)
    for oid, flags in ((2, 0), (3, IMMEDIATE), (4, POST)):
        code = _buy(book, oid, 100, 5, flags).code
        expect(code == NOT_IN_PHASE, "halt", "no orders", code)
    expect(book.amend(1, 20, 100).code == NOT_IN_PHASE, "halt", "no changes", book.rows().tolist())
    expect(book.cancel(1) == 10, "halt", "cancels", book.rows().tolist())
    book.set_phase(AUCTION)
    expect(_buy(book, 5, 100, 5, IMMEDIATE).code == NOT_IN_PHASE, "auction", "nothing immediate", 5)
    _buy(book, 6, 100, 5)
    book.set_phase(HALTED)
    expect(book.set_phase(CONTINUOUS).code == NOT_IN_PHASE, "halt", "an uncross before trading resumes", 0)
    book.set_phase(AUCTION)
    book.auction(0, resumes=False)
    expect(book.set_phase(CONTINUOUS).code == 0 and book.leaves(6) == 5, "halt", "trading resumed", book.top())


def _nonsense(book: Book) -> None:
    tries = (
        (Entry(1, 1, 100, 10, PEG_MID | PEG_PRIMARY), BAD_FLAGS),
        (Entry(1, 1, 100, 10, POST | IMMEDIATE), BAD_FLAGS),
        (Entry(1, 1, 100, 10, AUCTION_ONLY | HIDDEN), BAD_FLAGS),
        (Entry(1, 1, 100, 10, offset=1), BAD_FLAGS),
        (Entry(1, 1, 100, 10, display=11), BAD_DISPLAY),
        (Entry(1, 1, 100, 5_000, display=1), BAD_DISPLAY),
        (Entry(1, 1, 100, 10, HIDDEN, display=5), BAD_DISPLAY),
        (Entry(1, 1, 100, 10, min_qty=5), BAD_MIN_QTY),
        (Entry(1, 1, 100, 10, HIDDEN, min_qty=11), BAD_MIN_QTY),
    )
    before = book.digest()
    for entry, code in tries:
        answer = book.enter(entry)
        expect(answer == Answer(code=code) and book.digest() == before, str(entry), f"code {code}", answer)


RULES: tuple[Callable[[Book], None], ...] = (
    _icebergs,
    _hidden,
    _peg_kinds,
    _minimum_in_total,
    _self_match,
    _protection,
    _auction,
    _auction_ties,
    _phases,
    _nonsense,
)
