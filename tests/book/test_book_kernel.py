"""The arrays of the compiled book: room, ladders, ids, and use from other compiled code.

Rule of this file: what is small enough is compared with all there is.
"""

from __future__ import annotations

import numpy as np
import pytest

from router.domain.chance import generator
from router.domain.errors import BadInputError
from venues.book.batch import run_commands
from venues.book.book import Entry
from venues.book.compiled import compiled
from venues.book.ids import erase, find, insert
from venues.book.kernel import cancel, enter
from venues.book.kernel_book import KernelBook
from venues.book.ladder import bitmap_words, mark, next_level, unmark
from venues.book.layout import H_BEST, H_LEVELS, H_LIVE, H_OUT, H_SLICES, HEAD, ID, NO_ASK, NO_BID, ORDER, BookState
from venues.book.look import best_px, top
from venues.book.state import grown, new_state
from venues.book.stories import perform, story
from venues.book.words import (
    AUCTION_ONLY,
    BAD_OP,
    C_OID,
    C_OP,
    C_PX,
    C_QTY,
    COMMAND_COLUMNS,
    GROW_EXECUTIONS,
    GROW_LEVELS,
    GROW_ORDERS,
    HIDDEN,
    OP_CANCEL,
    OUT_OF_RANGE,
    R_DISPLAY,
    R_RESERVE,
    SELL,
)


def entered(oid: int, px: int, qty: int, flags: int = 0) -> list[int]:
    row = [0] * COMMAND_COLUMNS
    row[C_OP], row[C_OID], row[C_PX], row[C_QTY] = flags << 8, oid, px, qty
    return row


def test_a_book_grows_in_every_way_and_forgets_nothing() -> None:
    book = KernelBook(orders=1, levels=64)
    sizes = [len(array) for array in book.state]
    for oid in range(1, 2_001):
        sign, flags = 1 if oid % 2 else -1, HIDDEN if oid % 5 == 0 else 0
        px = 500_000 - sign * (1 + 137 * oid % 40_009)
        assert book.enter(Entry(oid, sign, px, oid, flags)).leaves == oid
    assert [book.leaves(oid) for oid in range(1, 2_001)] == list(range(1, 2_001))
    sells = sorted((500_000 + 1 + 137 * oid % 40_009, oid % 5 == 0, oid) for oid in range(2, 2_001, 2))
    got = book.market(0, 1, sum(range(2, 2_001, 2)))
    assert [(e.maker, e.px, e.qty) for e in got] == [(oid, px, oid) for px, _, oid in sells]
    assert all(len(array) > size for array, size in zip(book.state[1:], sizes[1:], strict=True))
    assert int(book.state.head[H_LIVE]) == 1_000


def test_growth_keeps_orders_at_any_price_at_any_price() -> None:
    book = KernelBook(levels=64)
    book.enter(Entry(1, 1, 0, 10, AUCTION_ONLY))
    book.enter(Entry(2, -1, 0, 5, AUCTION_ONLY))
    book.limit(3, -1, 1_000_000, 10)
    book.set_phase(1)
    answer = book.auction(7)
    assert [(e.maker, e.taker, e.px, e.qty) for e in answer.executions] == [(2, 1, 1_000_000, 5), (3, 1, 1_000_000, 5)]


def test_an_empty_book_moves_to_whatever_price_comes() -> None:
    book = KernelBook(1, levels=64)
    for px in (10**9, 5, 10**11):
        assert book.limit(1, 1, px, 10) == []
        assert book.top().bid_px == px
        assert book.cancel(1) == 10


def test_prices_too_far_apart_are_refused_with_a_reason() -> None:
    book = KernelBook()
    book.limit(1, 1, 10, 10)
    before = book.digest()
    assert book.enter(Entry(2, -1, 10**9, 10)).code == OUT_OF_RANGE
    with pytest.raises(BadInputError, match="expected a price within LEVELS_MAX levels of the others"):
        book.limit(2, -1, 10**9, 10)
    assert book.digest() == before
    assert book.ioc(2, -1, 10**9, 10) == []


def test_a_full_array_changes_nothing_and_says_which() -> None:
    state = new_state(100, orders=2, levels=64, executions=1)
    assert [enter(state, oid, 0, 100, 1, 0, 0, 0, 0) for oid in (1, 2)] == [1, 1]
    before = [array.tobytes() for array in state]
    assert enter(state, 3, 0, 100, 1, 0, 0, 0, 0) == GROW_ORDERS
    assert [array.tobytes() for array in state] == before
    assert enter(state, 3, 0, 900, 1, 0, 0, 0, 0) == GROW_LEVELS
    state.head[H_OUT] = len(state.out) // 6 - 3
    assert enter(state, 3, SELL, 100, 1, 0, 0, 0, 0) == GROW_ORDERS
    state = grown(state, GROW_ORDERS)
    assert enter(state, 3, SELL, 100, 1, 0, 0, 0, 0) == GROW_EXECUTIONS
    state = grown(state, GROW_EXECUTIONS)
    assert enter(state, 3, SELL, 100, 1, 0, 0, 0, 0) == 0
    with pytest.raises(BadInputError, match="expected GROW_ORDERS"):
        grown(state, OUT_OF_RANGE)


def test_a_batch_stops_for_room_and_goes_on_where_it_stopped() -> None:
    rows = np.array([entered(oid, 100 + oid, 1) for oid in range(1, 11)], dtype=np.int64)
    results = np.zeros(10, dtype=np.int64)
    state = new_state(100, orders=4, levels=64)
    assert run_commands(state, rows, results, 0) == 4
    assert results[4] == GROW_ORDERS
    state = grown(grown(state, GROW_ORDERS), GROW_ORDERS)
    assert run_commands(state, rows, results, 4) == 10
    assert results.tolist() == [1] * 10
    assert top(state) == (110, 1, 0, 0)


def test_a_batch_refuses_what_is_no_command() -> None:
    book = KernelBook()
    rows = np.array([entered(1, 100, 10), [99, 1, 0, 0, 0, 0, 0, 0], [OP_CANCEL, 1, 0, 0, 0, 0, 0, 0]], dtype=np.int64)
    results, out = book.run(rows)
    assert results.tolist() == [10, BAD_OP, 10]
    assert out.shape == (0, 6)
    with pytest.raises(BadInputError, match="expected int64 rows of 8 columns"):
        book.run(rows[:, :5])


@pytest.mark.parametrize("bad", [{"px": 0}, {"step": 0}, {"orders": 0}, {"levels": 1}])
def test_a_book_of_no_size_is_refused(bad: dict[str, int]) -> None:
    with pytest.raises(BadInputError, match="expected a step from 1"):
        KernelBook(**bad)


@pytest.mark.parametrize("levels", [64, 8_192])
@pytest.mark.parametrize("ladder", [2, 3])
def test_a_ladder_knows_its_best_level_and_the_next(levels: int, ladder: int) -> None:
    rng = generator(1, "ladder", f"{levels}")
    head = np.zeros(HEAD, dtype=np.int64)
    head[H_LEVELS] = levels
    empty = NO_ASK if ladder & 1 else NO_BID
    head[H_BEST + ladder] = empty
    bits = np.zeros(6 * bitmap_words(levels), dtype=np.uint64)
    occupied: set[int] = set()
    for _ in range(1_500):
        level = int(rng.integers(0, levels))
        if len(occupied) > 40:
            level = sorted(occupied)[int(rng.integers(0, len(occupied)))]
        (unmark if level in occupied else mark)(head, bits, ladder, level)
        occupied ^= {level}
        best = (min if ladder & 1 else max)(occupied, default=empty)
        assert head[H_BEST + ladder] == best
        behind = [at for at in occupied if (at > level if ladder & 1 else at < level)]
        wanted = (min if ladder & 1 else max)(behind, default=empty)
        assert next_level(head, bits, ladder, level) == wanted


def test_ids_are_found_whatever_came_and_went() -> None:
    rng = generator(1, "book", "ids")
    ids, orders = np.zeros(64, dtype=np.int64), np.zeros(33 * ORDER, dtype=np.int64)
    free, known = [ORDER * n for n in range(1, 33)], dict[int, int]()
    for _ in range(5_000):
        oid = int(rng.integers(-40, 40)) * (1 << 40)
        place = find(ids, orders, 58, oid)
        assert place == known.get(oid, 0)
        if place:
            erase(ids, 58, oid, place)
            free.append(known.pop(oid))
        elif free:
            known[oid] = place = free.pop()
            orders[place + ID] = oid
            insert(ids, 58, oid, place)
    assert np.count_nonzero(ids) == len(known)


@compiled
def swap(book: BookState, oid: int, px: int) -> int:
    """Cancel an order and enter it again somewhere else, from compiled code."""
    open_qty = cancel(book, oid)
    enter(book, oid, SELL, px, open_qty, 0, 0, 0, 0)
    return int(best_px(book, -1))


def test_other_compiled_code_calls_the_book() -> None:
    state = new_state(100)
    assert enter(state, 5, 0, 100, 7, 0, 0, 0, 0) == 7
    assert swap(state, 5, 103) == 103
    assert top(state) == (0, 0, 103, 7)


@pytest.mark.parametrize("seed", range(4))
def test_the_room_that_executions_need_is_counted_exactly(seed: int) -> None:
    book = KernelBook()
    for row in story(seed, 800):
        perform(book, row)
        rows = book.rows()
        icebergs = rows[rows[:, R_DISPLAY] > 0]
        left = int((-(-icebergs[:, R_RESERVE] // icebergs[:, R_DISPLAY])).sum())
        assert int(book.state.head[H_SLICES]) == left
        assert int(book.state.head[H_LIVE]) == len(book.resting())
