"""Binance: a book is known from its snapshot on, by an unbroken chain, in whole units that the file itself needs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from feed_material import SNAPSHOT, binance, difference, read, rows_of, short, ticker, trade, write_gz

from router.domain.errors import TapeError
from venues.feeds.catalogue import open_feed
from venues.feeds.inspection import inspect

OLD = difference(5, 9, 4, [["98.0", "1"]], [])
FIRST = difference(8, 12, 9, [["100.0", "6.5"]], [["100.1", "0"]])
SECOND = difference(13, 15, 12, [], [["100.25", "2"]])
BROKEN = difference(20, 22, 19, [["97.0", "1"]], [])


def test_differences_count_from_the_snapshot_on(tmp_path: Path) -> None:
    feed = open_feed(
        binance(tmp_path, (OLD, FIRST, SNAPSHOT, SECOND, ticker("100.00", "100.25"), trade("100.25", "1", False)))
    )
    assert feed.info()[:5] == ("binance", "BTCUSDT", "0.01", "0.1", ("BINANCE_USDM",))
    assert short(rows_of(feed)) == [
        "CLEAR +0 0@0 SNAPSHOT",
        "LEVEL +1 50@10000 SNAPSHOT",
        "LEVEL +1 10@9990 SNAPSHOT",
        "LEVEL -1 30@10010 SNAPSHOT|LAST",
        "LEVEL +1 65@10000",
        "LEVEL -1 0@10010 LAST",
        "LEVEL -1 20@10025 LAST",
        "QUOTE +1 10@10000",
        "QUOTE -1 20@10025 LAST",
        "TRADE -1 10@10025 LAST",
    ]
    assert [(of.reason, of.records) for of in feed.skipped()] == [("difference older than the book", 1)]
    assert feed.info().gaps == 0


def test_break_in_the_chain_clears_the_book_until_the_next_snapshot(tmp_path: Path) -> None:
    later = SNAPSHOT.replace("10", "20", 1)
    feed = open_feed(
        binance(tmp_path, (SNAPSHOT, FIRST, BROKEN, difference(23, 24, 22, [], []), trade("97", "1", True), later))
    )
    texts = short(rows_of(feed))
    assert texts[6:9] == ["CLEAR +0 0@0 LAST", "TRADE +1 10@970 LAST", "CLEAR +0 0@0 SNAPSHOT"]
    # What broke the chain is applied to the new snapshot, which is older.
    assert texts[-1] == "LEVEL +1 10@970 LAST"
    assert feed.info().gaps == 1


def test_spot_chains_by_first_ids(tmp_path: Path) -> None:
    lines = (SNAPSHOT, difference(9, 12, None, [["100.0", "1"]], []), difference(13, 14, None, [], []))
    assert inspect(open_feed(binance(tmp_path, lines, "spot_btcusdt_20240808.gz"))).info.gaps == 0
    broken = (*lines[:2], difference(14, 15, None, [], []))
    assert inspect(open_feed(binance(tmp_path, broken, "spot_btcusdt_20240808.gz"))).info.gaps == 1


def test_differences_without_a_snapshot_are_counted(tmp_path: Path) -> None:
    feed = open_feed(binance(tmp_path, (FIRST, SECOND, ticker("1", "2"))))
    assert len(rows_of(feed)) == 2
    assert [(of.reason, of.records) for of in feed.skipped()] == [("difference without a snapshot", 2)]


def test_trades_that_are_not_of_the_market_are_counted(tmp_path: Path) -> None:
    feed = open_feed(binance(tmp_path, (trade("1", "1", True, "INSURANCE_FUND"), trade("1", "1", True))))
    assert len(rows_of(feed)) == 1
    assert [of.reason for of in feed.skipped()] == ["trade of type INSURANCE_FUND"]


def test_old_recordings_stamp_microseconds(tmp_path: Path) -> None:
    path = write_gz(tmp_path / "usdm_btcusdt_20230404.gz", f"1680652800000001 {trade('1.5', '1', True)}\n")
    assert read(path)[0]["at"] == 1_680_652_800_000_001_000


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            '1723161256000000009 {"stream":"x@trade","data":{"p":1,"q":"1","m":true}}',
            "a message of Binance, got .* record 2",
        ),
        ("1723161256000000009 {", "a message of Binance, got .* record 2"),
        ("172316125600000000 {}", r"a receive time in us \(16 digits\) or ns \(19 digits\), got .* record 2"),
        ("1723161256000000000 {}", "a time from 1723161256000000001, got 1723161256000000000 - at .* record 2"),
        (
            '1723161256000000009 {"stream":"x@trade","data":{"p":"-1","q":"1","m":true}}',
            "a price from 0 .* got '-1' - .* 2",
        ),
        ('1723161256000000009 {"stream":"x@trade","data":{"p":"1","q":"x","m":true}}', "a quantity .* got 'x' - .* 2"),
    ],
)
def test_bad_line_is_named(tmp_path: Path, line: str, said: str) -> None:
    good = f"1723161256000000001 {trade('1.5', '1', True)}"
    with pytest.raises(TapeError, match=said):
        read(write_gz(tmp_path / "usdm_btcusdt_20240808.gz", f"{good}\n{line}\n"))


@pytest.mark.parametrize(
    ("name", "rows", "units"),
    [
        ("cm_btcusd_perp", 338_306, ("BTCUSD_PERP", "0.1", "1")),
        ("spot_ethusdt", 163_063, ("ETHUSDT", "0.01", "0.00001")),
    ],
)
def test_recorded_books_have_no_gap_and_never_cross(
    recorded_file: Callable[[str], Path], name: str, rows: int, units: tuple[str, str, str]
) -> None:
    found = inspect(open_feed(recorded_file(f"crypto_binance_3markets/{name}_20240808.gz")))
    assert (found.rows, found.info.gaps, found.info[1:4]) == (rows, 0, units)
    assert [(state.of, state.locked, state.crossed) for state in found.states] == [("book", 0, 0), ("quotes", 0, 0)]
