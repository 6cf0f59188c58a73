"""Raw websocket recordings: every exchange's words, books from their snapshot on, exact units, and garbage."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from feed_material import rows_of, short
from hypothesis import given, settings
from hypothesis import strategies as st
from wire_material import capture, is_read_or_refused, mutations, write

from router.domain.errors import TapeError
from venues.feeds.catalogue import open_feed
from venues.feeds.events import EventFlag, EventKind
from venues.feeds.ws_json import EXCHANGES, PENDING_MAX, open_ws_json

FOLDER = "crypto_ws_raw"


def said(folder: Path, exchange: str, *messages: Any) -> list[str]:
    return short(rows_of(open_feed(capture(folder / f"{exchange}.ws.1.0.gz", messages))))


def reasons(folder: Path, exchange: str, *messages: Any) -> list[tuple[str, int]]:
    feed = open_feed(capture(folder / f"{exchange}.ws.1.0.gz", messages))
    rows_of(feed)
    return [(of.reason, of.records) for of in feed.skipped()]


def diff(first: int, last: int, bids: list[list[str]], asks: list[list[str]]) -> dict[str, Any]:
    data = {"e": "depthUpdate", "s": "ABC", "U": first, "u": last, "b": bids, "a": asks}
    return {"stream": "abc@depth", "data": data}


def depth(folder: Path, at: float, last: int) -> None:
    answer = json.dumps({"lastUpdateId": last, "bids": [["1.50", "2"]], "asks": [["1.60", "0.5"]]})
    line = f"https://x/api/v3/depth?symbol=ABC&limit=1000 -> {at}: {answer}\n\n"
    write(folder / "BINANCE.http.0.0.gz", line.encode())


def test_binance_changes_wait_for_the_snapshot_they_belong_to(tmp_path: Path) -> None:
    depth(tmp_path, 1_600_000_000.0015, 20)
    trade = {"e": "aggTrade", "s": "ABC", "a": 77, "p": "1.50", "q": "1", "m": True}
    feed = open_feed(
        capture(
            tmp_path / "BINANCE.ws.1.0.gz",
            [
                "wss://x <-> 1600000000.0",
                diff(15, 20, [["1.4", "9"]], []),
                diff(19, 22, [["1.50", "0"]], [["1.55", "0.25"]]),
                diff(23, 23, [["1.45", "3"]], []),
                {"stream": "abc@aggTrade", "data": trade},
                {"stream": "abc@kline", "data": {"e": "kline"}},
                {"stream": "abc@bookTicker", "data": {"u": 1, "s": "ABC"}},
            ],
        )
    )
    assert feed.info()[:5] == ("ws_json", "ABC", "0.01", "0.01", ("BINANCE",))
    assert short(rows_of(feed)) == [
        "CLEAR +0 0@0 SNAPSHOT",
        "LEVEL +1 200@150 SNAPSHOT",
        "LEVEL -1 50@160 SNAPSHOT|LAST",
        "LEVEL +1 0@150",
        "LEVEL -1 25@155 LAST",
        "LEVEL +1 300@145 LAST",
        "TRADE +1 100@150 #77 LAST",
    ]
    assert [of.reason for of in feed.skipped()] == [
        "candle",
        "change that the snapshot has",
        "connection opened",
        "ticker or another stream",
    ]
    assert feed.span()[0] == 1_600_000_000_001_500_000


def test_a_break_in_the_numbers_clears_the_book_until_a_snapshot(tmp_path: Path) -> None:
    depth(tmp_path, 1_600_000_000, 20)
    feed = open_feed(
        capture(tmp_path / "BINANCE.ws.1.0.gz", [diff(21, 22, [["1.4", "9"]], []), diff(24, 25, [["1.3", "9"]], [])])
    )
    # The snapshot stands in another file: of one time, the connection's own line goes first.
    assert short(rows_of(feed))[-2:] == ["LEVEL +1 90@14 LAST", "CLEAR +0 0@0 LAST"]
    assert feed.info().gaps == 1
    assert ("change without a snapshot", 1) in [(of.reason, of.records) for of in feed.skipped()]


def test_a_connection_that_is_opened_anew_forgets_the_book(tmp_path: Path) -> None:
    snapshot = {"type": "snapshot", "product_id": "A-B", "bids": [["1.5", "2"]], "asks": []}
    update = {"type": "l2update", "product_id": "A-B", "changes": [["sell", "1.6", "3"]]}
    lines = ("wss://x <-> 1600000000.0", update, snapshot, "wss://x <-> 1600000000.003", update)
    feed = open_feed(capture(tmp_path / "COINBASE.ws.1.0.gz", lines))
    assert short(rows_of(feed)) == ["CLEAR +0 0@0 SNAPSHOT", "LEVEL +1 2@15 SNAPSHOT|LAST", "CLEAR +0 0@0 LAST"]
    assert feed.info().gaps == 1
    assert [(of.reason, of.records) for of in feed.skipped()] == [
        ("change that the snapshot has", 1),
        ("change without a snapshot", 1),
        ("connection opened", 2),
    ]


def test_bitstamps_stamp_tells_what_the_snapshot_has(tmp_path: Path) -> None:
    def change(stamp: int, bids: list[list[str]]) -> dict[str, Any]:
        data = {"microtimestamp": str(stamp), "bids": bids, "asks": []}
        return {"data": data, "channel": "diff_order_book_abc", "event": "data"}

    answer = json.dumps({"microtimestamp": "50", "bids": [["1.5", "2"]], "asks": []})
    write(tmp_path / "BITSTAMP.http.0.0.gz", f"https://x/order_book/abc -> 1600000000.0005: {answer}\n".encode())
    trade = {"id": 9, "amount_str": "0.5", "price_str": "1.5", "type": 1, "amount": 0.5}
    assert said(
        tmp_path,
        "BITSTAMP",
        change(49, [["1.4", "9"]]),
        change(51, [["1.5", "0"]]),
        {"data": trade, "channel": "live_trades_abc", "event": "trade"},
        {"data": {}, "channel": "live_trades_abc", "event": "bts:subscription_succeeded"},
    ) == [
        "CLEAR +0 0@0 SNAPSHOT",
        "LEVEL +1 20@15 SNAPSHOT|LAST",
        "LEVEL +1 0@15 LAST",
        "TRADE +1 5@15 #9 LAST",
    ]


def test_coinbase_names_the_makers_side(tmp_path: Path) -> None:
    match = {"type": "match", "product_id": "A-B", "trade_id": 5, "side": "sell", "price": "1.6", "size": "2"}
    assert said(tmp_path, "COINBASE", match) == ["TRADE -1 2@16 #5 LAST"]
    others = ({"type": kind} for kind in ("last_match", "ticker", "subscriptions", "heartbeat", "error"))
    assert reasons(tmp_path, "COINBASE", match, *others) == [
        ("another message", 1),
        ("answer to a subscription", 1),
        ("heartbeat", 1),
        ("ticker or another stream", 1),
        ("trade of before the subscription", 1),
    ]


def test_geminis_first_message_is_the_book(tmp_path: Path) -> None:
    first = {"type": "l2_updates", "symbol": "AB", "changes": [["buy", "1.5", "2"]], "trades": [{"price": "1"}]}
    change = {"type": "l2_updates", "symbol": "AB", "changes": [["sell", "1.6", "0"]]}
    trade = {"type": "trade", "symbol": "AB", "event_id": 8, "price": "1.5", "quantity": "1", "side": "sell"}
    assert said(tmp_path, "GEMINI", first, change, trade, {"type": "heartbeat"}, {"type": "auction_open"}) == [
        "CLEAR +0 0@0 SNAPSHOT",
        "LEVEL +1 2@15 SNAPSHOT|LAST",
        "LEVEL -1 0@16 LAST",
        "TRADE +1 1@15 #8 LAST",
    ]


def test_krakens_both_sides_are_one_message_and_its_trades_are_numbered(tmp_path: Path) -> None:
    trade = ["1.60", "0.25", "1.0", "b", "l", ""]
    assert said(
        tmp_path,
        "KRAKEN",
        {"event": "heartbeat"},
        {"event": "systemStatus"},
        [1, {"as": [["1.60", "2.0", "1.0"]], "bs": []}, "book-10", "A/B"],
        [1, {"a": [["1.60", "1.0", "1.0"]]}, {"b": [["1.50", "1.0", "1.0", "r"]], "c": "1"}, "book-10", "A/B"],
        [2, [trade, trade], "trade", "A/B"],
        [3, {}, "ticker", "A/B"],
    ) == [
        "CLEAR +0 0@0 SNAPSHOT",
        "LEVEL -1 200@16 SNAPSHOT|LAST",
        "LEVEL -1 100@16",
        "LEVEL +1 100@15 LAST",
        "TRADE -1 25@16 #1 LAST",
        "TRADE -1 25@16 #2 LAST",
    ]


def test_bybits_numbers_are_read_exactly_with_or_without_quotes(tmp_path: Path) -> None:
    def row(px: str, side: str, **size: float) -> dict[str, Any]:
        return {"price": px, "side": side, "symbol": "AB"} | size

    delta = {"delete": [row("1.50", "Buy")], "update": [row("1.60", "Sell", size=1e-05)], "insert": []}
    trade = {"symbol": "AB", "price": 1.6, "size": 3, "side": "Buy", "trade_id": "x"}
    snapshot = {"topic": "orderBookL2_25.AB", "type": "snapshot"}
    for book in ([row("1.50", "Buy", size=2)], {"order_book": [row("1.50", "Buy", size=2)]}):
        assert said(
            tmp_path,
            "BYBIT",
            snapshot | {"data": book},
            {"topic": "orderBookL2_25.AB", "type": "delta", "data": delta},
            {"topic": "trade.AB", "data": [trade]},
            {"success": True},
            {"topic": "instrument_info.AB", "data": {}},
        ) == [
            "CLEAR +0 0@0 SNAPSHOT",
            "LEVEL +1 200000@15 SNAPSHOT|LAST",
            "LEVEL +1 0@15",
            "LEVEL -1 1@16 LAST",
            "TRADE -1 300000@16 #1 LAST",
        ]


def test_deribits_chain_is_followed(tmp_path: Path) -> None:
    def of(channel: str, data: Any) -> dict[str, Any]:
        return {"method": "subscription", "params": {"channel": channel, "data": data}}

    def book(kind: str, before: int, last: int, asks: list[list[Any]]) -> dict[str, Any]:
        numbers = {"type": kind, "instrument_name": "AB", "prev_change_id": before, "change_id": last}
        return of("book.AB.raw", numbers | {"bids": [], "asks": asks})

    trade = {"instrument_name": "AB", "direction": "buy", "price": 0.0015, "amount": 2.0, "trade_seq": 4}
    messages = (
        {"id": 0, "result": []},
        book("snapshot", 0, 5, [["new", 0.001, 2.6]]),
        book("change", 5, 7, [["delete", 0.001, 0.0], ["new", 0.0015, 1.0]]),
        of("trades.AB.raw", [trade]),
        of("ticker.AB.raw", {}),
        book("change", 8, 9, [["new", 0.002, 1.0]]),
    )
    assert said(tmp_path, "DERIBIT", *messages) == [
        "CLEAR +0 0@0 SNAPSHOT",
        "LEVEL -1 26@10 SNAPSHOT|LAST",
        "LEVEL -1 0@10",
        "LEVEL -1 10@15 LAST",
        "TRADE -1 20@15 #4 LAST",
        "CLEAR +0 0@0 LAST",
    ]


def test_one_symbol_of_several_and_all_connections_of_an_exchange(tmp_path: Path) -> None:
    book = [1, {"as": [["1.60", "2.0", "1.0"]], "bs": [["1.50", "2.0", "1.0"]]}, "book-10", "A/B"]
    capture(tmp_path / "KRAKEN.ws.1.0.gz", [book, [2, {"as": [], "bs": []}, "book-10", "C/D"]])
    capture(tmp_path / "KRAKEN.ws.2.0.gz", [[3, [["1.60", "0.5", "1.0", "b", "l", ""]], "trade", "A/B"]])
    feed = open_ws_json(tmp_path / "KRAKEN")
    assert [row["kind"] for row in rows_of(feed)] == [
        EventKind.CLEAR,
        EventKind.LEVEL,
        EventKind.LEVEL,
        EventKind.TRADE,
    ]
    assert [(of.reason, of.records) for of in feed.skipped()] == [("another symbol", 1)]
    assert len(rows_of(open_ws_json(tmp_path / "KRAKEN.ws.2.0.gz"))) == 1
    with pytest.raises(TapeError, match="records of the symbol 'X/Y'"):
        open_ws_json(tmp_path / "KRAKEN", "X/Y")


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("1600000000.5: {", "JSON"),
        ("1600000000.5: " + "[" * 5000, "JSON"),
        ("no line", "a line of a time and a message"),
        ("1599999990.5: {}", "a time at most 1000000000 ns before"),
        ("1600000000.5: {}", "a message as COINBASE documents it, got \"KeyError 'type'"),
        ("1600000000.5: 5", "a message as COINBASE documents it"),
        ('1600000000.5: {"type":"l2update","product_id":"A","changes":[["sell","1e99","1"]]}', "a number from 0"),
        ('1600000000.5: {"type":"l2update","product_id":"A","changes":[["sell","-1","1"]]}', "a number from 0"),
        ('1600000000.5: {"type":"l2update","product_id":"A","changes":[["sell","NaN","1"]]}', "a number from 0"),
        ('1600000000.5: {"type":"l2update","product_id":"A","changes":[["up","1","1"]]}', "KeyError 'up'"),
        ('1600000000.5: {"type":"l2update","product_id":"","changes":[]}', "a symbol"),
        (
            '1600000000.5: {"type":"l2update","product_id":"A","changes":[["buy","0.123456789","1"]]}',
            "8 decimals, got 9",
        ),
    ],
)
def test_impossible_lines_are_named(tmp_path: Path, line: str, expected: str) -> None:
    fine = {"type": "l2update", "product_id": "A", "changes": [["sell", "1", "1"]]}
    with pytest.raises(TapeError, match=expected) as caught:
        open_feed(capture(tmp_path / "COINBASE.ws.1.0.gz", [fine, line]))
    assert str(caught.value).endswith("at COINBASE.ws.1.0.gz record 2")


def test_a_number_beyond_the_units_range_is_refused(tmp_path: Path) -> None:
    lines = [{"type": "snapshot", "product_id": "A", "bids": [["12345678901234", "1"]], "asks": []}]
    with pytest.raises(TapeError, match="a price from 0"):
        rows_of(open_feed(capture(tmp_path / "COINBASE.ws.1.0.gz", lines)))


def test_a_snapshot_that_never_comes_is_refused(tmp_path: Path) -> None:
    update = {"type": "l2update", "product_id": "A", "changes": [["sell", "1", "1"]]}
    with pytest.raises(TapeError, match=f"a snapshot within {PENDING_MAX} changes"):
        rows_of(open_feed(capture(tmp_path / "COINBASE.ws.1.0.gz", [update] * (PENDING_MAX + 1))))


def test_foreign_and_cut_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="of BINANCE, BITSTAMP"):
        open_ws_json(write(tmp_path / "OTHER.ws.1.0.gz", b"1600000000.0: {}\n"))
    with pytest.raises(TapeError, match=r"files KRAKEN\.ws"):
        open_ws_json(tmp_path / "KRAKEN")
    update = {"type": "l2update", "product_id": "A", "changes": [["sell", "1", "1"]]}
    path = capture(tmp_path / "COINBASE.ws.1.0.gz", [update])
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(TapeError, match=r"a whole, readable file.* at COINBASE.ws.1.0.gz record"):
        open_ws_json(path)


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_only_a_tape_error_comes_out_of_garbage(
    tmp_path_factory: pytest.TempPathFactory, recorded_file: Callable[[str], Path], exchange: str
) -> None:
    connections = sorted(recorded_file(FOLDER).glob(f"{exchange}.ws.*"))
    lines = gzip.decompress(connections[-1].read_bytes()).splitlines(keepends=True)
    # Short messages of every kind: in a long one a mutation hits the same place of the format most of the time.
    whole = b"".join(sorted(lines, key=len)[:: max(len(lines) // 12, 1)][:12])
    text = b"".join(sorted(whole.splitlines(keepends=True), key=lambda line: line[:1].isdigit()))
    path = tmp_path_factory.mktemp("fuzz") / f"{exchange}.ws.1.0.gz"

    @settings(max_examples=60, deadline=None)
    @given(data=st.data())
    def fuzz(data: st.DataObject) -> None:
        write(path, data.draw(mutations(text)))
        assert is_read_or_refused(path, path.read_bytes())

    fuzz()


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_recorded_books_are_never_locked_or_crossed(recorded_file: Callable[[str], Path], exchange: str) -> None:
    feed = open_ws_json(recorded_file(FOLDER) / exchange)
    books: tuple[dict[int, int], dict[int, int]] = ({}, {})
    trades = 0
    for row in rows_of(feed):
        book = books[row["side"] < 0]
        if row["kind"] == EventKind.CLEAR:
            books[0].clear()
            books[1].clear()
        elif row["kind"] == EventKind.LEVEL and row["qty"]:
            book[row["px"]] = row["qty"]
        elif row["kind"] == EventKind.LEVEL:
            book.pop(row["px"], None)
        trades += row["kind"] == EventKind.TRADE
        if row["flags"] & EventFlag.LAST and books[0] and books[1]:
            assert max(books[0]) < min(books[1])
    assert feed.info().gaps == 0
    assert trades or exchange == "DERIBIT"


def test_krakens_checksums_hold_after_every_recorded_change(recorded_file: Callable[[str], Path]) -> None:
    path = recorded_file(f"{FOLDER}/KRAKEN.ws.50.0.gz")
    symbol = open_feed(path).info().symbol
    messages = [json.loads(text) for text in _received(path)]
    ours = [one for one in messages if isinstance(one, list) and one[-1] == symbol]
    checksums = iter([one[-3]["c"] for one in ours if "c" in one[-3]])
    some = ours[0][1]["as"][0]
    books: tuple[dict[int, int], dict[int, int]] = ({}, {})
    checked = 0
    feed = open_feed(path)
    px_scale, qty_scale = (
        10 ** (len(text.partition(".")[2]) - len(unit.partition(".")[2]))
        for text, unit in ((some[0], feed.info().px_unit), (some[1], feed.info().qty_unit))
    )
    for row in rows_of(feed):
        if row["kind"] != EventKind.LEVEL:
            continue
        book = books[row["side"] < 0]
        book[row["px"]] = row["qty"]
        if not row["qty"]:
            del book[row["px"]]
        if row["flags"] & EventFlag.LAST and not row["flags"] & EventFlag.SNAPSHOT:
            best = [*sorted(books[1].items())[:10], *sorted(books[0].items(), reverse=True)[:10]]
            text = "".join(f"{px * px_scale}{qty * qty_scale}" for px, qty in best)
            assert str(zlib.crc32(text.encode())) == next(checksums)
            checked += 1
    assert checked > 500
    assert next(checksums, None) is None


def _received(path: Path) -> list[str]:
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    return [line.partition(": ")[2] for line in lines if line[:1].isdigit()]
