"""`check_book`: the examiner of limit order books. A kernel is done when it passes, and agrees with its naive twin.

Rule of this file: it knows a book by the methods of `Book` alone, and says what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from router.domain.errors import BadInputError, InvariantError, bad_value
from router.domain.market import I64
from router.domain.units import Px, Qty
from venues.book.book import Answer, Book, Execution, Top
from venues.book.check_orders import RULES, expect
from venues.book.stories import perform, story
from venues.book.words import (
    C_OID,
    C_OP,
    C_PX,
    C_QTY,
    CONTINUOUS,
    FLAGS_SHIFT,
    OP_ENTER,
    OP_REPLACE,
    PEGS,
    R_CUM,
    R_FLAGS,
    R_ID,
    R_LADDER,
    R_OPEN,
    R_PX,
    R_RESERVE,
    SELL,
)

MakeBook = Callable[[], Book]


def check_book(make: MakeBook, *, seeds: int = 4, commands: int = 500) -> None:
    """Examine a book; `make` returns an empty one each time.

    Raises:
        InvariantError: the first rule broken, with what was expected and what came.
    """
    for rule in (*_RULES, *RULES):
        rule(make())
    for seed in range(seeds):
        digest = random_commands(make(), seed, commands)
        expect(digest == random_commands(make(), seed, commands), f"seed {seed}", "the same digest twice", digest)


def _traded(executions: list[Execution]) -> list[tuple[int, Px, Qty]]:
    return [(e.maker, e.px, e.qty) for e in executions]


def _priority(book: Book) -> None:
    for oid, px in ((1, 101), (2, 100), (3, 100)):
        book.limit(oid, -1, px, 10)
    got = _traded(book.limit(4, 1, 101, 25))
    expect(got == [(2, 100, 10), (3, 100, 10), (1, 101, 5)], "priority", "price, then time", got)
    expect(book.top() == Top(0, 0, 101, 5), "priority", "5 left at 101", book.top())
    book.limit(5, 1, 101, 8)
    expect(book.top() == Top(101, 3, 0, 0), "priority", "the remainder resting", book.top())


def _immediate(book: Book) -> None:
    book.limit(1, -1, 100, 10)
    book.limit(2, -1, 102, 10)
    before = book.digest()
    expect(book.fok(3, 1, 101, 11) == [] and book.digest() == before, "fok", "nothing", book.resting())
    expect(_traded(book.fok(4, 1, 102, 11)) == [(1, 100, 10), (2, 102, 1)], "fok", "all of it", book.resting())
    expect(_traded(book.ioc(5, 1, 102, 50)) == [(2, 102, 9)], "ioc", "what is there", book.resting())
    expect(book.resting() == [], "ioc", "nothing resting", book.resting())
    expect(book.market(6, 1, 5) == [], "market", "nothing in an empty book", book.resting())
    book.limit(7, 1, 90, 5)
    expect(_traded(book.market(8, -1, 9)) == [(7, 90, 5)], "market", "any price", book.resting())


def _post_only(book: Book) -> None:
    book.limit(1, -1, 100, 10)
    before = book.digest()
    expect(not book.post(2, 1, 100, 5) and book.digest() == before, "post", "a refusal at 100", book.resting())
    expect(book.post(3, 1, 99, 5) and book.depth(1, 99) == 5, "post", "5 resting at 99", book.resting())
    expect(book.can_trade(1, 100) and not book.can_trade(1, 99), "can_trade", "only from 100 on", book.resting())


def _cancels(book: Book) -> None:
    book.limit(1, 1, 100, 10)
    book.ioc(2, -1, 100, 4)
    expect(book.cancel(1) == 6, "cancel", "6 open", book.resting())
    expect(book.cancel(1) == 0 and book.top() == Top(0, 0, 0, 0), "cancel", "nothing twice", book.resting())


def _replaces(book: Book) -> None:
    book.limit(1, 1, 100, 10)
    book.limit(2, 1, 100, 10)
    book.ioc(3, -1, 100, 4)
    book.replace(1, 8, 100)
    expect([r[0] for r in book.resting()] == [1, 2], "replace", "a smaller order keeps its place", book.resting())
    expect(book.leaves(1) == 4 and book.depth(1, 100) == 14, "replace", "4 open of 8", book.resting())
    book.replace(1, 9, 100)
    expect([r[0] for r in book.resting()] == [2, 1], "replace", "a larger order goes back", book.resting())
    book.limit(4, -1, 102, 3)
    got = _traded(book.replace(2, 10, 102))
    expect(got == [(4, 102, 3)] and book.leaves(2) == 7, "replace", "a trade at the new price", got)
    book.replace(2, 3, 102)
    expect(book.leaves(2) == 0, "replace", "an order replaced down to its fills to be gone", book.resting())


def _pegs(book: Book) -> None:
    book.limit(1, 1, 98, 10)
    book.limit(2, -1, 102, 10)
    book.set_mid(100)
    book.peg_mid(3, -1, 10)
    expect(book.top() == Top(98, 10, 102, 10), "peg", "hidden", book.top())
    expect(_traded(book.ioc(4, 1, 102, 15)) == [(3, 100, 10), (2, 102, 5)], "peg", "the mid first", book.resting())
    book.peg_mid(5, 1, 10, 99)
    expect(book.peg_mid(6, -1, 10, rests=False) == [], "peg", "no trade beyond the limit", book.resting())
    got = _traded(book.set_mid(99)) + _traded(book.peg_mid(7, -1, 4))
    expect(got == [(5, 99, 4)], "peg", "a trade once the mid is within the limit", got)
    book.peg_mid(8, -1, 5, trades=False)
    got = _traded(book.uncross())
    expect([(px, qty) for _, px, qty in got] == [(99, 5)], "uncross", "5 at 99", got)


def _displayed_first(book: Book) -> None:
    book.set_mid(100)
    book.peg_mid(1, -1, 10)
    book.limit(2, -1, 100, 10)
    got = _traded(book.ioc(3, 1, 100, 15))
    expect(got == [(2, 100, 10), (1, 100, 5)], "peg", "displayed before hidden at one price", got)


def _min_qty(book: Book) -> None:
    book.set_mid(100)
    book.peg_mid(1, -1, 50, 0, 20)
    book.peg_mid(2, -1, 50)
    expect(_traded(book.peg_mid(3, 1, 10, rests=False)) == [(2, 100, 10)], "min_qty", "1 passed over", book.resting())
    got = _traded(book.peg_mid(4, 1, 70, 0, 45, rests=False))
    expect(got == [(1, 100, 50), (2, 100, 20)], "min_qty", "45 or all that is left", got)


def _refusals(book: Book) -> None:
    book.limit(1, 1, 100, 10)
    book.ioc(2, -1, 100, 5)
    tries: tuple[tuple[str, Callable[[], object]], ...] = (
        ("a second order 1", lambda: book.limit(1, 1, 99, 10)),
        ("a quantity of 0", lambda: book.limit(3, 1, 99, 0)),
        ("a replace of an unknown order", lambda: book.replace(9, 10, 100)),
        ("a replace below what traded", lambda: book.replace(1, 4, 100)),
    )
    before = book.digest()
    for name, attempt in tries:
        try:
            attempt()
        except BadInputError:
            expect(book.digest() == before, name, "nothing changed", book.resting())
        else:
            raise InvariantError(bad_value(name, "a BadInputError", "none"))


_RULES: tuple[Callable[[Book], None], ...] = (
    _priority,
    _immediate,
    _post_only,
    _cancels,
    _replaces,
    _pegs,
    _displayed_first,
    _min_qty,
    _refusals,
)


def random_commands(book: Book, seed: int, commands: int) -> str:
    """Let a book live through a seeded story, check the invariants after each command, and return a digest of it all.

    Raises:
        InvariantError: an invariant does not hold.
    """
    book.set_self_match(seed % 4)
    total: dict[int, Qty] = {}
    told: list[str] = []
    for n, row in enumerate(story(seed, commands)):
        before = book.digest()
        answer = perform(book, row)
        if answer.code:
            expect(book.digest() == before, f"command {n}", "nothing changed by a refusal", answer)
        op, oid, qty = int(row[C_OP]) & ((1 << FLAGS_SHIFT) - 1), int(row[C_OID]), int(row[C_QTY])
        if op in (OP_ENTER, OP_REPLACE) and not answer.code:
            total[oid] = qty
        _answered(answer, f"command {n}", op, row)
        _invariants(book, f"after command {n}", total)
        told.append(f"{answer}{book.top()}")
    return book.digest() + str(np.frombuffer("".join(told).encode(), dtype=np.uint8).sum())


def _answered(answer: Answer, where: str, op: int, row: I64) -> None:
    """What an answer says of itself: quantities above 0, no price beyond the limit, nothing lost."""
    for qty in [e.qty for e in answer.executions] + [r.qty for r in answer.removals]:
        expect(qty > 0, where, "a quantity above 0", answer)
    if op != OP_ENTER or answer.code:
        return
    flags, px, qty = int(row[C_OP]) >> FLAGS_SHIFT, int(row[C_PX]), int(row[C_QTY])
    sign = -1 if flags & SELL else 1
    for e in answer.executions:
        expect(px == 0 or sign * (px - e.px) >= 0, where, f"a price within the limit {px}", e)
        expect(e.sign == sign and e.taker == int(row[C_OID]), where, "executions of the one who entered", e)
    traded = sum(e.qty for e in answer.executions)
    expect(traded + answer.leaves + answer.dropped == qty, where, f"{qty} traded, resting or dropped", answer)


def _invariants(book: Book, where: str, total: dict[int, Qty]) -> None:
    rows = book.rows()
    seen = rows[rows[:, R_LADDER] < 2]
    prices = {sign: [int(px) for px in seen[seen[:, R_LADDER] == (sign < 0), R_PX]] for sign in (1, -1)}
    top = book.top()
    best = (max(prices[1], default=0), min(prices[-1], default=0))
    expect((top.bid_px, top.ask_px) == best, where, f"best prices {best}", top)
    if book.settings()[5] == CONTINUOUS:
        expect(not (all(best) and best[0] >= best[1]), where, "a book that is not crossed", top)
    for sign in (1, -1):
        for px in dict.fromkeys(prices[sign]):
            at = (seen[:, R_LADDER] == (sign < 0)) & (seen[:, R_PX] == px)
            shown = int(seen[at, R_OPEN].sum())
            expect(book.depth(sign, px) == shown, where, f"depth {shown} at {px}", book.depth(sign, px))
    standing_pegs = rows[rows[:, R_FLAGS] & PEGS != 0, R_ID].tolist()
    pegs = book.pegs()
    expect(set(standing_pegs) <= set(pegs[:, R_ID].tolist()), where, "every standing peg among the pegs", standing_pegs)
    for row in np.concatenate([rows[rows[:, R_FLAGS] & PEGS == 0], pegs]):
        oid, open_qty = int(row[R_ID]), int(row[R_OPEN] + row[R_RESERVE])
        expect(open_qty > 0 and row[R_OPEN] > 0, where, f"open quantity of {oid}", open_qty)
        expect(open_qty + int(row[R_CUM]) == total[oid], where, f"{total[oid]} of {oid} open or traded", row.tolist())
        expect(book.leaves(oid) == open_qty, where, f"leaves {open_qty} of {oid}", book.leaves(oid))
