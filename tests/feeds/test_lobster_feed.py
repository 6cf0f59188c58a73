"""LOBSTER: rows give the recorded book after every message, ids are kept, what was out of sight is put right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from feed_material import BOOK, MESSAGES, lobster, read, short

from router.domain.errors import TapeError
from venues.feeds.csv_blocks import Column, csv_blocks
from venues.feeds.days import NEW_YORK, midnight
from venues.feeds.events import EventKind
from venues.feeds.level_view import Row, SideView
from venues.feeds.lobster import lobster_files, open_lobster


def test_opening_book_is_row_0_without_message_0(tmp_path: Path) -> None:
    rows = read(lobster(tmp_path))
    assert short(rows) == [
        "CLEAR +0 0@0 SNAPSHOT",
        "ADD -1 70@1000200 #-2 SNAPSHOT",
        "ADD +1 100@1000000 #11 LAST",
        "ADD +1 50@1000000 #12 LAST",
        "TRADE -1 10@1000100 LAST|HIDDEN",
        "EXECUTE +1 100@1000000 #11 LAST",
        "REDUCE +1 20@1000000 #12 LAST",
        "DELETE +1 30@1000000 #12",
        "ADD +1 80@999900 #-1 SNAPSHOT|LAST",
    ]
    assert rows[-1]["at"] - midnight("20120621", NEW_YORK) == 34_202_000_000_000
    assert rows[6]["at"] - midnight("20120621", NEW_YORK) == 34_201_000_000_001


def test_floats_noise_behind_nanoseconds_is_rounded_away(tmp_path: Path) -> None:
    path = lobster(tmp_path, ("43002.632812672004,1,1,5,1000000,1",), ("1000200,70,1000000,5",))
    assert read(path)[-1]["at"] - midnight("20120621", NEW_YORK) == 43_002_632_812_672


def test_halt_and_resumption_are_states(tmp_path: Path) -> None:
    halts = ("34203,7,0,0,-1,-1", "34204,7,0,0,0,-1", "34205,7,0,0,1,-1")
    rows = read(lobster(tmp_path, MESSAGES + halts, BOOK + BOOK[-1:] * 3))
    assert short(rows[-3:]) == ["STATUS +0 0@0 LAST", "STATUS +0 0@0 LAST", "STATUS +0 1@0 LAST"]


def test_order_without_a_known_id_comes_from_its_levels_block(tmp_path: Path) -> None:
    messages = ("34200.1,4,77,30,1000200,-1", "34200.2,3,78,40,1000200,-1")
    rows = read(lobster(tmp_path, messages, ("1000200,40,1000000,9", "1000300,5,1000000,9")))
    assert short(rows)[1:] == [
        "ADD +1 9@1000000 #-1 SNAPSHOT",
        "ADD -1 70@1000200 #-2 SNAPSHOT",
        "EXECUTE -1 30@1000200 #-2 LAST",
        "DELETE -1 40@1000200 #-2",
        "ADD -1 5@1000300 #-4 SNAPSHOT|LAST",
    ]


def test_what_left_out_of_sight_is_put_right_from_blocks_and_then_the_last_to_come() -> None:
    out: list[Row] = []
    view = SideView(1, out)
    view.add(1, 100, 10)
    view.add_block(100, 5)
    view.add(2, 100, 10)
    out.clear()
    view.show([100], [12])
    assert out == [
        (int(EventKind.DELETE), 1, 100, 5, -1, 1),
        (int(EventKind.REDUCE), 1, 100, 8, 2, 1),
    ]
    out.clear()
    view.show([101], [7])
    # 100 lies below the one level shown: nobody knows what is there.
    assert out == [(int(EventKind.ADD), 1, 101, 7, -3, 1)]
    out.clear()
    view.show([100, 0], [12, 0])
    assert out == [(int(EventKind.DELETE), 1, 101, 7, -3, 1)]


def test_execution_behind_others_says_that_they_are_not_before_it() -> None:
    out: list[Row] = []
    view = SideView(-1, out)
    view.add(1, 100, 10)
    view.add(2, 100, 20)
    out.clear()
    view.take(int(EventKind.EXECUTE), 2, 100, 5)
    assert out == [
        (int(EventKind.DELETE), -1, 100, 10, 1, 1),
        (int(EventKind.ADD), -1, 100, 10, -2, 1),
        (int(EventKind.EXECUTE), -1, 100, 5, 2, 0),
    ]


def _books(path: Path) -> np.ndarray:
    files = lobster_files(path)
    columns = [Column(f"{k}", low=-(10**10), high=10**10) for k in range(4 * files.levels)]
    blocks = csv_blocks(path, columns, member=files.book)
    return np.concatenate([np.column_stack([*block.columns.values()]) for block in blocks])


def test_recorded_day_gives_its_own_book_after_every_message(recorded_file: Callable[[str], Path]) -> None:
    path = recorded_file("lobster_nasdaq_20120621/LOBSTER_SampleFile_AMZN_2012-06-21_1.zip")
    books = _books(path).tolist()
    held: dict[int, int] = {}
    totals: dict[int, dict[int, int]] = {1: {}, -1: {}}
    messages = 0
    feed = open_lobster(path)
    for batch in feed.batches():
        columns = [batch.column(name).to_pylist() for name in ("kind", "side", "px", "qty", "order_id", "flags")]
        for kind, side, px, qty, order_id, flags in zip(*columns, strict=True):
            if kind in (EventKind.ADD, EventKind.REDUCE, EventKind.DELETE, EventKind.EXECUTE):
                change = qty if kind == EventKind.ADD else -qty
                held[order_id] = held.get(order_id, 0) + change
                assert held[order_id] >= 0 and (kind != EventKind.DELETE or not held[order_id])
                totals[side][px] = totals[side].get(px, 0) + change
                if not totals[side][px]:
                    del totals[side][px]
            if flags & 2:
                ask, ask_qty, bid, bid_qty = books[messages]
                assert (min(totals[-1]), totals[-1][ask]) == (ask, ask_qty)
                assert (max(totals[1]), totals[1][bid]) == (bid, bid_qty)
                messages += 1
    assert messages == len(books) == 57_515
    assert feed.info()[:4] == ("lobster", "AMZN", "0.0001", "1")


@pytest.mark.parametrize(
    ("record", "line", "said"),
    [
        (2, "34200.05,1,12,50,1000000,1", "expected a time from 34200100000000, got 34200050000000"),
        (2, "34200.2,1,12,50,1000000", "expected 6 fields, got 5"),
        (3, "34200.25,5,0,10,100.01,-1", "expected a whole number in 'price', got '100.01'"),
        (3, "34200.25,8,0,10,1000100,-1", "expected 'type' from 1 to 7, got 8"),
        (3, "34200.25,5,0,10,1000100,0", "expected a side, a size and a price, got '0, 10, 1000100'"),
        (1, "34200.1,1,11,101,1000000,1", "expected at most 100 shares, as its book shows, got 101"),
        (6, "34202,7,0,0,5,-1", "expected a halt of price -1, 0 or 1, got 5"),
    ],
)
def test_bad_record_is_named(tmp_path: Path, record: int, line: str, said: str) -> None:
    messages = [*MESSAGES[: record - 1], line, *MESSAGES[record:]]
    with pytest.raises(TapeError) as fault:
        read(lobster(tmp_path, tuple(messages)))
    assert str(fault.value).startswith(said)
    assert str(fault.value).endswith(f"message_1.csv record {record}")


def test_files_of_different_lengths_are_refused(tmp_path: Path) -> None:
    with pytest.raises(
        TapeError, match=r"a row of the book for each message, got 'none' - at .*orderbook_1.csv record 6"
    ):
        read(lobster(tmp_path, book=BOOK[:-1]))
    with pytest.raises(TapeError, match=r"no row after the last message, got 'one' - at .* record 6"):
        read(lobster(tmp_path, messages=MESSAGES[:-1]))


def test_pair_of_plain_files_reads_as_the_zip_does(tmp_path: Path) -> None:
    stem = "ABC_2012-06-21_34200000_57600000_{}_1.csv"
    (tmp_path / stem.format("orderbook")).write_text("\n".join(BOOK))
    message = tmp_path / stem.format("message")
    message.write_text("\n".join(MESSAGES))
    assert read(message) == read(lobster(tmp_path))
    (tmp_path / stem.format("orderbook")).unlink()
    with pytest.raises(TapeError, match=r"orderbook_1.csv beside it"):
        read(message)
