"""The order-level kernel against its twin: fills, quotes, prints and takes, event by event."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from queue_twin import QueueTwin, Resting, Row, merged

from router.domain.errors import BadInputError, TapeError
from venues.feeds.events import EventFlag, EventKind
from venues.tape import queue
from venues.tape.book import empty_book
from venues.tape.compact import ASK, BID, compact
from venues.tape.merge import lay_out, merge_levels, merge_orders
from venues.tape.touch import touch_of

LAST, SNAPSHOT = int(EventFlag.LAST), int(EventFlag.SNAPSHOT)


def a_tape(seed: int, n: int = 120) -> list[Row]:
    """Return random events around 100 that keep the recorded book uncrossed most of the time."""
    rng = np.random.default_rng(seed)
    live: dict[int, list[int]] = {}
    rows: list[Row] = []
    for k in range(n):
        u = rng.random()
        side = int(rng.choice((1, -1)))
        px = 100 - side * int(rng.integers(1, 5)) + (int(rng.integers(-1, 2)) if u < 0.1 else 0)
        flags = LAST if rng.random() < 0.8 else 0
        if u < 0.45 or len(live) < 4:
            live[k + 1] = [side, px, int(rng.integers(1, 30))]
            rows.append((k, 1, side, px, live[k + 1][2], k + 1, flags | (SNAPSHOT if rng.random() < 0.1 else 0)))
        elif u < 0.9:
            of = int(rng.choice(list(live)))
            s, p, q = live[of]
            if u < 0.55:
                live[of] = [side, px, q]
                rows.append((k, 4, side, px, q, of, flags))
                continue
            kind = 2 if u < 0.62 else 5 if u < 0.8 else 3
            part = q if kind == 3 else int(rng.integers(1, q + 1))
            rows.append((k, kind, s, p, part, of, flags))
            live[of][2] -= part
            if not live[of][2]:
                del live[of]
        elif u < 0.97:
            rows.append(
                (k, 6, int(rng.integers(-1, 2)), 100 + int(rng.integers(-4, 5)), 7, 0, flags | EventFlag.HIDDEN)
            )
        else:
            rows.append((k, 10, 0, 0, int(rng.integers(0, 2)), 0, flags))
    return rows


def some_orders(seed: int) -> list[Row]:
    """Return orders of ours: side, price (a peg's limit), quantity, least, is peg, event before which it comes."""
    rng = np.random.default_rng(1_000 + seed)
    orders = []
    for _ in range(int(rng.integers(0, 6))):
        side, is_peg = int(rng.choice((1, -1))), int(rng.random() < 0.3)
        px = 0 if is_peg and rng.random() < 0.5 else 100 - side * int(rng.integers(1, 5))
        least = int(rng.integers(0, 9)) if is_peg else 0
        orders.append((side, px, int(rng.integers(10, 60)), least, is_peg, 30))
    return sorted(orders, key=lambda o: (-o[0], -o[0] * o[1], o[4]))


@pytest.mark.parametrize("step", [1, 7, 1_000])
def test_the_kernel_agrees_with_its_twin_however_the_tape_is_cut(step: int) -> None:
    filled = taken = 0
    for seed in range(150):
        rows, ours = a_tape(seed), some_orders(seed)
        tape = compact(np.array(rows, dtype=np.int64))
        book, shown = empty_book(tape), np.zeros(5, dtype=np.int64)
        own = np.empty((0, queue.OWN_WIDTH), dtype=np.int64)
        twin = QueueTwin(400_000)
        got: tuple[list[Row], list[Row], list[Row]] = ([], [], [])
        cuts = sorted({*range(0, len(rows), step), 30, 60, len(rows)})
        for first, last in pairwise(cuts):
            if first == 30:
                own = np.array([(0 if s > 0 else 1, px, qty, 30, least, peg) for s, px, qty, least, peg, _ in ours])
                own = own.reshape(-1, queue.OWN_WIDTH).astype(np.int64)
                twin.names = [str(k) for k in range(len(ours))]
                for k, (s, px, qty, least, peg, _) in enumerate(ours):
                    twin.join(Resting(s, px, qty, 0, str(k), least, bool(peg)))
            if first == 60:
                out = np.empty((len(tape.px), 2), dtype=np.int64)
                n = queue.take(tape.px, book.levels, book.best, book.orders, ASK, 102, 25, out)
                assert out[:n].tolist() == [list(of) for of in twin.take(-1, 102, 25)]
                taken += n
            fills, quotes, prints = queue.room(last - first, len(own))
            counts = queue.walk(tape.rows, first, last, tape.px, *book, own, shown, 400_000, fills, quotes, prints)
            for into, of, n in zip(got, (fills, quotes, prints), counts, strict=True):
                into.extend(tuple(row) for row in of[:n].tolist())
            for row in rows[first:last]:
                twin.on_row(row)
            assert got == (twin.fills, twin.quotes, twin.prints), seed
            for side, sign in ((BID, 1), (ASK, -1)):
                kept = [(int(tape.px[r]), int(q)) for r, q in enumerate(book.levels[side]) if q]
                assert sorted(kept) == sorted(twin.levels(sign))
        filled += len(twin.fills)
    assert filled > 150
    assert taken > 50


def level_rows(seed: int, n: int) -> list[Row]:
    rng = np.random.default_rng(seed)
    at = np.sort(rng.integers(0, n // 2, n))
    rows: list[Row] = []
    for k in range(n):
        side = int(rng.choice((1, -1)))
        kind = 9 if rng.random() < 0.02 else 8
        px = 0 if kind == 9 else 100 - side * int(rng.integers(1, 9))
        rows.append((int(at[k]), kind, 0 if kind == 9 else side, px, int(rng.integers(0, 4)), 0, LAST))
    return rows


@pytest.mark.parametrize("venues", [1, 2, 5, 16])
def test_the_merge_agrees_with_its_twin(venues: int) -> None:
    tapes = [level_rows(seed, 150) for seed in range(venues)]
    whole = merge_levels(lay_out([compact(np.array(rows, dtype=np.int64)) for rows in tapes]))
    assert [tuple(row) for row in whole.quotes.tolist()] == merged(tapes)
    assert whole.events == 150 * venues


def test_merging_orders_and_their_levels_gives_the_same_market() -> None:
    tapes, levels = [], []
    for seed in range(4):
        rows = [row for row in a_tape(seed) if row[1] <= EventKind.EXECUTE]
        twin, flat = QueueTwin(0), []
        before: dict[tuple[int, int], int] = {}
        for row in rows:
            twin.on_row(row)
            now = {(side, px): qty for side in (1, -1) for px, qty in twin.levels(side)}
            for side, px in sorted({*now, *before}):
                if now.get((side, px)) != before.get((side, px)):
                    flat.append((row[0], 8, side, px, now.get((side, px), 0), 0, LAST))
            before = now
        tapes.append(compact(np.array(rows, dtype=np.int64)))
        levels.append(compact(np.array(flat, dtype=np.int64)))
    by_orders, by_levels = merge_orders(lay_out(tapes)), merge_levels(lay_out(levels))
    assert by_orders.tops.tolist() == by_levels.tops.tolist()
    assert by_orders.quotes[-1].tolist()[1:] == by_levels.quotes[-1].tolist()[1:]


def test_an_order_that_was_never_added_has_no_slot() -> None:
    rows = compact(np.array([(1, 3, 1, 99, 5, 7, 0), (2, 1, 1, 99, 5, 7, 0), (3, 5, 0, 0, 2, 7, 0)], dtype=np.int64))
    assert rows.rows[:, 5].tolist() == [-1, 0, 0]
    assert rows.slots == 1


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        ([(2, 1, 1, 9, 1, 1, 0), (1, 1, 1, 9, 1, 2, 0)], r"a time from 2, got 1 - at rows\[1\].at"),
        ([(2, 1, 1, -9, 1, 1, 0)], r"a price and a quantity from 0, got \[-9, 1\] - at rows\[0\]"),
        ([(2, 1)], r"a table of 7 columns"),
    ],
)
def test_rows_that_cannot_be_are_refused(rows: list[Row], fault: str) -> None:
    with pytest.raises(TapeError, match=fault):
        compact(np.array(rows, dtype=np.int64))


def test_a_merge_of_nothing_and_a_touch_of_nothing_are_refused() -> None:
    with pytest.raises(BadInputError, match="1 to 256, got 0"):
        lay_out([])
    with pytest.raises(TapeError, match="QUOTE or LEVEL rows"):
        touch_of(np.array([(1, 1, 1, 9, 1, 1, 0)], dtype=np.int64))


def test_the_touch_is_the_venues_own_quotes_where_it_sends_them() -> None:
    rows = [(1, 7, 1, 99, 5, 0, 0), (1, 7, -1, 101, 4, 0, LAST), (2, 8, 1, 98, 9, 0, 0), (3, 7, 1, 102, 1, 0, LAST)]
    assert touch_of(np.array(rows, dtype=np.int64)).tolist() == [[1, 99, 5, 101, 4], [3, 0, 0, 0, 0]]
    assert touch_of(np.array(rows[2:3], dtype=np.int64)).tolist() == [[2, 98, 9, 0, 0]]
