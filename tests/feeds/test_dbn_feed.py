"""Market by order in DBN: every change of the book is told once, whatever number of records tells of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from feed_material import rows_of, short
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_material import (
    BAD_RECEIPT,
    LAST,
    MAYBE_BAD,
    SNAPSHOT,
    dbn_bytes,
    is_read_or_refused,
    mbo,
    mutations,
    write,
    zst,
)

from router.domain.errors import TapeError
from venues.feeds.catalogue import open_feed
from venues.feeds.dbn import open_dbn
from venues.feeds.dbn_records import MBO, Records, read_dbn
from venues.feeds.events import EventFlag, EventKind

DAY = "cme_es_mbo_dbn/esh4-glbx-mdp3-20231225.mbo.dbn.zst"
BID, ASK = mbo("A", "B", "100.25", 5, 11), mbo("A", "A", "100.5", 3, 12, at=1)


def told(folder: Path, *records: bytes) -> list[str]:
    """Return the rows behind the two orders that stand before them."""
    path = write(folder / "x.mbo.dbn", dbn_bytes([BID, ASK, *records]))
    return short(rows_of(open_feed(path)))[2:]


def test_orders_enter_with_their_ids_in_exact_units(tmp_path: Path) -> None:
    feed = open_feed(write(tmp_path / "x.mbo.dbn", dbn_bytes([BID, ASK])))
    assert feed.info()[:5] == ("dbn", "ESH4", "0.0001", "1", ("GLBX",))
    assert short(rows_of(feed)) == ["ADD +1 5@1002500 #11 LAST", "ADD -1 3@1005000 #12 LAST"]


def test_a_packed_file_says_the_same(tmp_path: Path) -> None:
    data = dbn_bytes([BID, ASK])
    plain, packed = write(tmp_path / "x.mbo.dbn", data), write(tmp_path / "x.mbo.dbn.zst", zst(data))
    assert rows_of(open_feed(plain)) == rows_of(open_feed(packed))


@pytest.mark.parametrize("after", [("C", 5), ("M", 2)])
def test_fill_and_what_it_does_to_the_book_are_one_row(tmp_path: Path, after: tuple[str, int]) -> None:
    action, qty = after
    filled = 5 if action == "C" else 3
    assert told(
        tmp_path,
        mbo("T", "A", "100.25", filled, 90, 0, at=2),
        mbo("F", "B", "100.25", filled, 11, 0, at=2),
        mbo(action, "B", "100.25", qty, 11, at=2),
    ) == [f"EXECUTE +1 {filled}@1002500 #11 LAST"]


def test_cancel_of_more_than_was_filled_takes_the_rest_away(tmp_path: Path) -> None:
    assert told(
        tmp_path,
        mbo("T", "A", "100.25", 2, 90, 0, at=2),
        mbo("F", "B", "100.25", 2, 11, 0, at=2),
        mbo("C", "B", "100.25", 5, 11, at=2),
    ) == ["EXECUTE +1 2@1002500 #11", "DELETE +1 3@1002500 #11 LAST"]


def test_an_icebergs_next_part_is_last_in_its_queue(tmp_path: Path) -> None:
    assert told(
        tmp_path,
        mbo("T", "A", "100.25", 8, 90, 0, at=2),
        mbo("F", "B", "100.25", 8, 11, 0, at=2),
        mbo("M", "B", "100.25", 4, 11, at=2),
        mbo("T", "A", "100.25", 1, 91, 0, at=3),
        mbo("F", "B", "100.25", 1, 11, 0, at=3),
        mbo("M", "B", "100.25", 5, 11, at=3),
    ) == [
        "EXECUTE +1 5@1002500 #11",
        "TRADE +1 3@1002500 #11 HIDDEN",
        "ADD +1 4@1002500 #11 LAST",
        "EXECUTE +1 1@1002500 #11",
        "MODIFY +1 5@1002500 #11 LAST",
    ]


def test_only_less_at_the_same_price_keeps_the_place(tmp_path: Path) -> None:
    assert told(
        tmp_path,
        mbo("M", "B", "100.25", 4, 11, at=2),
        mbo("M", "B", "100.25", 6, 11, at=3),
        mbo("M", "B", "100.00", 1, 11, at=4),
        mbo("C", "A", "100.5", 1, 12, at=5),
        mbo("C", "A", "100.5", 2, 12, at=6),
    ) == [
        "REDUCE +1 1@1002500 #11 LAST",
        "MODIFY +1 6@1002500 #11 LAST",
        "MODIFY +1 1@1000000 #11 LAST",
        "REDUCE -1 1@1005000 #12 LAST",
        "DELETE -1 2@1005000 #12 LAST",
    ]


def test_a_takers_own_fill_is_no_trade_of_the_book(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.mbo.dbn",
        dbn_bytes(
            [
                BID,
                ASK,
                mbo("T", "B", "100.5", 3, 11, 0, at=2),
                mbo("F", "B", "100.5", 3, 11, 0, at=2),
                mbo("F", "A", "100.5", 3, 12, 0, at=2),
                mbo("M", "B", "100.25", 2, 11, 0, at=2),
                mbo("C", "A", "100.5", 3, 12, at=2),
            ]
        ),
    )
    feed = open_feed(path)
    assert short(rows_of(feed))[2:] == ["EXECUTE -1 3@1005000 #12", "REDUCE +1 3@1002500 #11 LAST"]
    assert [(of.reason, of.records) for of in feed.skipped()] == [("the taker's own fill", 1), ("told by its fills", 2)]


def test_an_auction_is_one_cross_and_its_orders_leave(tmp_path: Path) -> None:
    assert told(
        tmp_path,
        mbo("T", "N", "100.5", 3, 0, 0, at=2),
        mbo("F", "N", "100.5", 3, 11, 0, at=2),
        mbo("F", "N", "100.5", 3, 12, 0, at=2),
        mbo("M", "B", "100.25", 2, 11, 0, at=2),
        mbo("C", "A", "100.5", 3, 12, at=2),
    ) == ["CROSS +0 3@1005000", "REDUCE +1 3@1002500 #11", "DELETE -1 3@1005000 #12 LAST"]


def test_a_trade_with_nobody_in_the_book_is_hidden(tmp_path: Path) -> None:
    assert told(tmp_path, mbo("T", "B", "100.25", 3, 0, at=2), mbo("T", "N", "100.25", 1, 0, at=3)) == [
        "TRADE -1 3@1002500 LAST|HIDDEN",
        "TRADE +0 1@1002500 LAST|HIDDEN",
    ]


def test_a_clear_and_its_snapshot_stand_at_the_time_they_were_taken(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.mbo.dbn",
        dbn_bytes(
            [
                mbo("R", "N", "", 0, 0, SNAPSHOT | BAD_RECEIPT, at=-(10**12), received=5),
                mbo("A", "B", "100.25", 5, 11, SNAPSHOT | BAD_RECEIPT | LAST, at=-(10**12), received=5),
                mbo("A", "A", "100.5", 5, 12, LAST | MAYBE_BAD, at=3, received=9),
            ]
        ),
    )
    feed = open_feed(path)
    rows = rows_of(feed)
    assert short(rows) == ["CLEAR +0 0@0 SNAPSHOT", "ADD +1 5@1002500 #11 SNAPSHOT|LAST", "ADD -1 5@1005000 #12 LAST"]
    # The exchange's stamp of the last one is before the snapshot: it is raised. Its flag says that packets were lost.
    assert len({row["at"] for row in rows}) == 1
    assert feed.info().gaps == 1


def test_unknown_orders_are_counted_and_a_modify_brings_one_in(tmp_path: Path) -> None:
    path = write(
        tmp_path / "x.mbo.dbn",
        dbn_bytes([mbo("C", "B", "1", 1, 77), mbo("M", "B", "1", 2, 78), mbo("N", "N", "1", 0, 0)]),
    )
    feed = open_feed(path)
    assert short(rows_of(feed)) == ["ADD +1 2@10000 #78 LAST"]
    assert [of.reason for of in feed.skipped()] == ["no action", "unknown order"]


def test_one_symbol_of_several(tmp_path: Path) -> None:
    other = mbo("A", "B", "50", 1, 21, instrument=8)
    path = write(tmp_path / "x.mbo.dbn", dbn_bytes([other, BID, ASK], (("NQH4", 8), ("ESH4", 7))))
    assert open_feed(path).info().symbol == "ESH4"
    feed = open_feed(path, "NQH4")
    assert short(rows_of(feed)) == ["ADD +1 1@500000 #21 LAST"]
    assert [(of.reason, of.records) for of in feed.skipped()] == [("another symbol", 2)]
    with pytest.raises(TapeError, match="records of the symbol 'CLH4'"):
        open_feed(path, "CLH4")


def test_a_price_is_exact_or_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "x.mbo.dbn", dbn_bytes([BID, mbo("A", "A", "100.125", 3, 12)]))
    assert short(rows_of(open_dbn(path, px_unit="0.005")))[1] == "ADD -1 3@20025 #12 LAST"
    with pytest.raises(TapeError, match=r"steps of 10000000 / 10\^9, got 100125000000 - at x.mbo.dbn record 2"):
        rows_of(open_dbn(path, px_unit="0.01"))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (mbo("A", "B", "100.25", 1, 11, at=2), "an order that is not in the book, got 11"),
        (mbo("A", "N", "100.25", 1, 13, at=2), "a side B or A"),
        (mbo("C", "B", "100.25", 6, 11, at=2), "at most 5 to cancel, got 6"),
        (mbo("M", "A", "100.25", 6, 11, at=2), "the side 1 of the order, got -1"),
        (mbo("A", "B", "100.25", 0, 13, at=2), "a size from 1"),
        (mbo("A", "B", "100.25", 1, 1 << 63, at=2), "an order's id"),
        (mbo("A", "B", "100.25", 1, 13, at=0), "a time of receipt from"),
        (mbo("A", "B", "100.25", 1, 13, at=-(10**10), received=9), "a time at most 1000000000 ns before"),
    ],
)
def test_impossible_records_are_named(tmp_path: Path, record: bytes, expected: str) -> None:
    with pytest.raises(TapeError, match=expected) as caught:
        told(tmp_path, record)
    assert str(caught.value).endswith("at x.mbo.dbn record 3")


def test_cut_and_foreign_files_are_refused(tmp_path: Path) -> None:
    data = dbn_bytes([BID, ASK])
    for name, content, expected in (
        ("x.mbo.dbn", data[:-10], "a record of 56 bytes, got 46 - at x.mbo.dbn record 2"),
        ("x.mbo.dbn", b"not a recording at all", "a header of DBN"),
        ("x.mbo.dbn", data[:150], "a whole header"),
        ("x.mbo.dbn", data[:3] + b"\x09" + data[4:], "DBN 1 to 3"),
        (
            "x.mbo.dbn",
            dbn_bytes([BID, mbo("A", "B", "1", 1, 5, rtype=1)]),
            "56 bytes of type 0xa0, got '56 bytes of type 0x1'",
        ),
        ("x.mbo.dbn", b"", "a header of DBN"),
        ("x.mbo.dbn", dbn_bytes([]), "a record of 56 bytes, got 0"),
        ("x.mbo.dbn", dbn_bytes([BID], schema=4), "the schema mbo"),
        ("x.mbo.dbn.zst", zst(data)[:-3], "a whole, readable file"),
        ("x.mbo.dbn.zst", data, "a whole, readable file"),
    ):
        with pytest.raises(TapeError, match=expected):
            rows_of(open_feed(write(tmp_path / name, content)))
    with pytest.raises(TapeError, match="absent"):
        open_feed(tmp_path / "absent.mbo.dbn")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_only_a_tape_error_comes_out_of_garbage(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    fill = [mbo("T", "A", "100.25", 2, 90, 0, at=2), mbo("F", "B", "100.25", 2, 11, 0, at=2), mbo("C", "B", "1", 2, 11)]
    whole = dbn_bytes([BID, ASK, *fill])
    is_packed = data.draw(st.booleans())
    path = tmp_path_factory.getbasetemp() / ("fuzz.mbo.dbn.zst" if is_packed else "fuzz.mbo.dbn")
    assert is_read_or_refused(path, data.draw(mutations(zst(whole) if is_packed else whole)))


def test_the_recorded_night_agrees_with_its_own_book_after_every_event(
    recorded_file: Callable[[str], Path],
) -> None:
    path = recorded_file(DAY)
    feed = open_feed(path)
    rows = rows_of(feed)
    traded = _check(rows, _books(path))
    skipped = {of.reason: of.records for of in feed.skipped()}
    assert skipped == {"the taker's own fill": 107, "told by its cross": 35, "told by its fills": 9062}
    assert len(rows) == 59_615
    assert traded == sum(qty for code, qty in _columns(path, "action", "size") if code == ord("T"))
    assert feed.span() == (1_703_462_400_000_000_000, 1_703_548_799_446_724_905)


@pytest.mark.parametrize("version", [1, 2, 3])
def test_headers_and_records_are_read_as_databento_reads_them(tmp_path: Path, version: int) -> None:
    data = dbn_bytes([BID, ASK, mbo("R", "N", "", 0, 0, 40)], (("ESH4", 7), ("NQH4", 8)), version=version)
    header, records = read_dbn(write(tmp_path / "x.mbo.dbn", data))
    metadata, *messages = _decoded(data)
    assert header == (metadata.dataset, {7: "ESH4", 8: "NQH4"})
    assert {name: spans[0]["symbol"] for name, spans in metadata.mappings.items()} == {"ESH4": "7", "NQH4": "8"}
    _check_fields(np.concatenate(list(records)), messages)


def test_the_recorded_night_is_read_as_databento_reads_it(recorded_file: Callable[[str], Path]) -> None:
    path = recorded_file(DAY)
    _, *messages = _decoded(pa.input_stream(str(path), compression="zstd").read())
    records = np.concatenate(list(read_dbn(path)[1]))
    assert len(records) == len(messages) == 68_792
    _check_fields(records, messages)


def _decoded(data: bytes) -> list[Any]:
    dbn = pytest.importorskip("databento_dbn", reason="Databento's decoder is not installed")
    decoder = dbn.DBNDecoder()
    decoder.write(data)
    return list(decoder.decode())


def _check_fields(records: Records, messages: list[Any]) -> None:
    names = [name for name in MBO.names or () if name not in ("words", "rtype", "action", "side")]
    for name in names:
        assert records[name].tolist() == [getattr(one, name) for one in messages]
    for name in ("action", "side"):
        assert [chr(value) for value in records[name].tolist()] == [str(getattr(one, name)) for one in messages]


def _books(path: Path) -> list[dict[int, tuple[int, int] | None]]:
    """Return what each event leaves of the orders it touches, from A, C and M alone, as the format says."""
    book: dict[int, tuple[int, int]] = {}
    events: list[dict[int, tuple[int, int] | None]] = []
    touched: set[int] = set()
    fields = ("action", "order_id", "price", "size", "flags")
    for code, order_id, price, qty, flags in _columns(path, *fields):
        action, px = chr(code), price // 100_000
        if action in "AM":
            book[order_id] = (px, qty)
        elif action == "C":
            left = book[order_id][1] - qty
            book[order_id] = (px, left)
            if not left:
                del book[order_id]
        if action in "AMC":
            touched.add(order_id)
        if flags & LAST:
            events.append({of: book.get(of) for of in sorted(touched)})
            touched.clear()
    return events


def _columns(path: Path, *names: str) -> Iterator[tuple[int, ...]]:
    for part in read_dbn(path)[1]:
        yield from zip(*(part[name].tolist() for name in names), strict=True)


def _check(rows: list[dict[str, int]], books: list[dict[int, tuple[int, int] | None]]) -> int:
    """Replay the rows into a book, compare it at each LAST, and return the quantity that they say has traded."""
    book: dict[int, tuple[int, int]] = {}
    traded, events = 0, iter(books)
    for row in rows:
        kind, order_id, px, qty = EventKind(row["kind"]), row["order_id"], row["px"], row["qty"]
        if kind in (EventKind.EXECUTE, EventKind.TRADE, EventKind.CROSS):
            traded += qty
        if kind is EventKind.ADD:
            assert order_id not in book
            book[order_id] = (px, qty)
        elif kind is EventKind.MODIFY:
            assert order_id in book
            book[order_id] = (px, qty)
        elif kind in (EventKind.EXECUTE, EventKind.REDUCE, EventKind.DELETE):
            own_px, left = book[order_id][0], book[order_id][1] - qty
            assert left >= 0
            book[order_id] = (own_px, left)
            if not left:
                del book[order_id]
                assert kind is not EventKind.REDUCE
        if row["flags"] & EventFlag.LAST:
            expected = next(events)
            assert {of: book.get(of) for of in expected} == expected
    assert next(events, None) is None
    return traded
