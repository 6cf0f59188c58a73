"""`check_book`: the examiner of limit order books. A kernel is done when it passes, and agrees with its naive twin.

Rule of this file: it knows a book by the methods of `Book` alone, and says what was expected and what came.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np

from router.domain.chance import generator
from router.domain.errors import BadInputError, InvariantError, bad_value
from router.domain.units import Px, Qty
from venues.book.naive import Execution, Top


class Book(Protocol):
    """What a limit order book can do; the contract of each method is `NaiveBook`'s."""

    def limit(self, oid: int, sign: int, px: Px, qty: Qty) -> list[Execution]: ...
    def post(self, oid: int, sign: int, px: Px, qty: Qty) -> bool: ...
    def ioc(self, oid: int, sign: int, px: Px, qty: Qty) -> list[Execution]: ...
    def market(self, oid: int, sign: int, qty: Qty) -> list[Execution]: ...
    def fok(self, oid: int, sign: int, px: Px | None, qty: Qty) -> list[Execution]: ...
    def peg_mid(
        self, oid: int, sign: int, qty: Qty, limit: Px = 0, min_qty: Qty = 0, *, trades: bool = True, rests: bool = True
    ) -> list[Execution]: ...
    def cancel(self, oid: int) -> Qty: ...
    def replace(self, oid: int, qty: Qty, px: Px) -> list[Execution]: ...
    def set_mid(self, mid: Px, *, trades: bool = True) -> list[Execution]: ...
    def uncross(self) -> list[Execution]: ...
    def clear(self) -> None: ...
    def top(self) -> Top: ...
    def leaves(self, oid: int) -> Qty: ...
    def depth(self, sign: int, px: Px) -> Qty: ...
    def can_trade(self, sign: int, px: Px) -> bool: ...
    def resting(self) -> list[tuple[int, int, Px, Qty, bool]]: ...
    def digest(self) -> str: ...


MakeBook = Callable[[], Book]


def check_book(make: MakeBook, *, seeds: int = 4, commands: int = 1_500) -> None:
    """Examine a book; `make` returns an empty one each time.

    Raises:
        InvariantError: the first rule broken, with what was expected and what came.
    """
    for rule in (_priority, _immediate, _post_only, _cancels, _replaces, _pegs, _displayed_first, _min_qty, _refusals):
        rule(make())
    for seed in range(seeds):
        digest = random_commands(make(), seed, commands)
        _expect(digest == random_commands(make(), seed, commands), f"seed {seed}", "the same digest twice", digest)


def _expect(holds: bool, where: str, expected: str, got: object) -> None:
    if not holds:
        raise InvariantError(bad_value(where, expected, got))


def _traded(executions: list[Execution]) -> list[tuple[int, Px, Qty]]:
    return [(e.maker, e.px, e.qty) for e in executions]


def _priority(book: Book) -> None:
    for oid, px in ((1, 101), (2, 100), (3, 100)):
        book.limit(oid, -1, px, 10)
    got = _traded(book.limit(4, 1, 101, 25))
    _expect(got == [(2, 100, 10), (3, 100, 10), (1, 101, 5)], "priority", "price, then time", got)
    _expect(book.top() == Top(0, 0, 101, 5), "priority", "5 left at 101", book.top())
    book.limit(5, 1, 101, 8)
    _expect(book.top() == Top(101, 3, 0, 0), "priority", "the remainder resting", book.top())


def _immediate(book: Book) -> None:
    book.limit(1, -1, 100, 10)
    book.limit(2, -1, 102, 10)
    before = book.digest()
    _expect(book.fok(3, 1, 101, 11) == [] and book.digest() == before, "fok", "nothing", book.resting())
    _expect(_traded(book.fok(4, 1, 102, 11)) == [(1, 100, 10), (2, 102, 1)], "fok", "all of it", book.resting())
    _expect(_traded(book.ioc(5, 1, 102, 50)) == [(2, 102, 9)], "ioc", "what is there", book.resting())
    _expect(book.resting() == [], "ioc", "nothing resting", book.resting())
    _expect(book.market(6, 1, 5) == [], "market", "nothing in an empty book", book.resting())
    book.limit(7, 1, 90, 5)
    _expect(_traded(book.market(8, -1, 9)) == [(7, 90, 5)], "market", "any price", book.resting())


def _post_only(book: Book) -> None:
    book.limit(1, -1, 100, 10)
    before = book.digest()
    _expect(not book.post(2, 1, 100, 5) and book.digest() == before, "post", "a refusal at 100", book.resting())
    _expect(book.post(3, 1, 99, 5) and book.depth(1, 99) == 5, "post", "5 resting at 99", book.resting())
    _expect(book.can_trade(1, 100) and not book.can_trade(1, 99), "can_trade", "only from 100 on", book.resting())


def _cancels(book: Book) -> None:
    book.limit(1, 1, 100, 10)
    book.ioc(2, -1, 100, 4)
    _expect(book.cancel(1) == 6, "cancel", "6 open", book.resting())
    _expect(book.cancel(1) == 0 and book.top() == Top(0, 0, 0, 0), "cancel", "nothing twice", book.resting())


def _replaces(book: Book) -> None:
    book.limit(1, 1, 100, 10)
    book.limit(2, 1, 100, 10)
    book.ioc(3, -1, 100, 4)
    book.replace(1, 8, 100)
    _expect([r[0] for r in book.resting()] == [1, 2], "replace", "a smaller order keeps its place", book.resting())
    _expect(book.leaves(1) == 4 and book.depth(1, 100) == 14, "replace", "4 open of 8", book.resting())
    book.replace(1, 9, 100)
    _expect([r[0] for r in book.resting()] == [2, 1], "replace", "a larger order goes back", book.resting())
    book.limit(4, -1, 102, 3)
    got = _traded(book.replace(2, 10, 102))
    _expect(got == [(4, 102, 3)] and book.leaves(2) == 7, "replace", "a trade at the new price", got)
    book.replace(2, 3, 102)
    _expect(book.leaves(2) == 0, "replace", "an order replaced down to its fills to be gone", book.resting())


def _pegs(book: Book) -> None:
    book.limit(1, 1, 98, 10)
    book.limit(2, -1, 102, 10)
    book.set_mid(100)
    book.peg_mid(3, -1, 10)
    _expect(book.top() == Top(98, 10, 102, 10), "peg", "hidden", book.top())
    _expect(_traded(book.ioc(4, 1, 102, 15)) == [(3, 100, 10), (2, 102, 5)], "peg", "the mid first", book.resting())
    book.peg_mid(5, 1, 10, 99)
    _expect(book.peg_mid(6, -1, 10, rests=False) == [], "peg", "no trade beyond the limit", book.resting())
    got = _traded(book.set_mid(99)) + _traded(book.peg_mid(7, -1, 4))
    _expect(got == [(5, 99, 4)], "peg", "a trade once the mid is within the limit", got)
    book.peg_mid(8, -1, 5, trades=False)
    got = _traded(book.uncross())
    _expect([(px, qty) for _, px, qty in got] == [(99, 5)], "uncross", "5 at 99", got)


def _displayed_first(book: Book) -> None:
    book.set_mid(100)
    book.peg_mid(1, -1, 10)
    book.limit(2, -1, 100, 10)
    got = _traded(book.ioc(3, 1, 100, 15))
    _expect(got == [(2, 100, 10), (1, 100, 5)], "peg", "displayed before hidden at one price", got)


def _min_qty(book: Book) -> None:
    book.set_mid(100)
    book.peg_mid(1, -1, 50, 0, 20)
    book.peg_mid(2, -1, 50)
    _expect(_traded(book.peg_mid(3, 1, 10, rests=False)) == [(2, 100, 10)], "min_qty", "1 passed over", book.resting())
    got = _traded(book.peg_mid(4, 1, 70, 0, 45, rests=False))
    _expect(got == [(1, 100, 50), (2, 100, 20)], "min_qty", "45 or all that is left", got)


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
            _expect(book.digest() == before, name, "nothing changed", book.resting())
        else:
            raise InvariantError(bad_value(name, "a BadInputError", "none"))


def random_commands(book: Book, seed: int, commands: int) -> str:
    """Send seeded random commands, check the invariants after each, and return a digest of the whole story.

    Raises:
        InvariantError: an invariant does not hold.
    """
    rng = generator(seed, "book", "check")
    total: dict[int, Qty] = {}
    done: dict[int, Qty] = {}
    story: list[str] = []
    for oid in range(1, commands + 1):
        kind, sign = int(rng.integers(0, 9)), int(rng.integers(0, 2)) * 2 - 1
        px, qty = int(rng.integers(90, 111)), int(rng.integers(1, 60))
        known = [row[0] for row in book.resting()]
        which = known[int(rng.integers(0, len(known)))] if known else 0
        total[oid] = qty
        executions = _random_command(book, kind, oid, sign, px, qty, which, total, done)
        for e in executions:
            _expect(e.qty > 0, f"command {oid}", "a quantity above 0", e)
            for side in (e.maker, e.taker):
                done[side] = done.get(side, 0) + e.qty
                _expect(
                    done[side] <= total[side], f"command {oid}", f"up to {total[side]} filled of {side}", done[side]
                )
        _invariants(book, oid, total, done)
        story.append(f"{executions}{book.top()}")
    return book.digest() + str(np.frombuffer("".join(story).encode(), dtype=np.uint8).sum())


def _random_command(
    book: Book,
    kind: int,
    oid: int,
    sign: int,
    px: Px,
    qty: Qty,
    which: int,
    total: dict[int, Qty],
    done: dict[int, Qty],
) -> list[Execution]:
    if kind <= 1:
        return book.limit(oid, sign, px, qty)
    if kind == 2:
        crosses = book.can_trade(sign, px)
        _expect(book.post(oid, sign, px, qty) is not crosses, f"command {oid}", "post to refuse what trades", crosses)
        return []
    if kind == 3:
        return book.ioc(oid, sign, px, qty)
    if kind == 4:
        executions = book.fok(oid, sign, px, qty)
        _expect(sum(e.qty for e in executions) in (0, qty), f"command {oid}", "all or nothing", executions)
        return executions
    if kind == 5:
        return book.peg_mid(oid, sign, qty, px if px % 2 else 0, qty // 2 if px % 3 == 0 else 0)
    if kind == 6:
        return book.set_mid(px)
    if kind == 7 and which:
        _expect(book.cancel(which) == total[which] - done.get(which, 0), f"command {oid}", "what was open", which)
    elif kind == 8 and which:
        total[which] = max(1, done.get(which, 0), total[which] + qty - 30)
        return book.replace(which, total[which], px if px % 2 else dict(_limits(book))[which])
    return []


def _limits(book: Book) -> list[tuple[int, Px]]:
    return [(row[0], row[2]) for row in book.resting()]


def _invariants(book: Book, n: int, total: dict[int, Qty], done: dict[int, Qty]) -> None:
    where = f"after command {n}"
    top = book.top()
    _expect(not (top.bid_px and top.ask_px and top.bid_px >= top.ask_px), where, "a book that is not crossed", top)
    depth: dict[tuple[int, Px], Qty] = {}
    for oid, sign, limit, leaves, is_peg in book.resting():
        _expect(leaves == total[oid] - done.get(oid, 0) > 0, where, f"open quantity of {oid}", leaves)
        _expect(book.leaves(oid) == leaves, where, f"leaves {leaves} of {oid}", book.leaves(oid))
        if not is_peg:
            depth[sign, limit] = depth.get((sign, limit), 0) + leaves
    for (sign, px), qty in depth.items():
        _expect(book.depth(sign, px) == qty, where, f"depth {qty} at {px}", book.depth(sign, px))
    bids = [px for sign, px in depth if sign > 0]
    asks = [px for sign, px in depth if sign < 0]
    _expect(top.bid_px == max(bids, default=0), where, f"best bid {max(bids, default=0)}", top)
    _expect(top.ask_px == min(asks, default=0), where, f"best ask {min(asks, default=0)}", top)
