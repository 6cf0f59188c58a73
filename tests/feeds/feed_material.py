"""Tiny recordings of every text format, written as their real files are, and ways to read a feed whole.

Rule of this file: a test says its records as the files have them.
"""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from venues.feeds.catalogue import open_feed
from venues.feeds.events import EVENT_SCHEMA, EventFlag, EventKind, Feed

QUOTE_HEADER = "ms_utc,seq,ex,bid,bid_lots,ask,ask_lots,cond,natbbo_ind"
TRADE_HEADER = "ms_utc,seq,ex,px,size,cond,corr,trf"

MESSAGES = (
    "34200.1,1,11,100,1000000,1",
    "34200.2,1,12,50,1000000,1",
    "34200.25,5,0,10,1000100,-1",
    "34200.3,4,11,100,1000000,1",
    "34201.000000001,2,12,20,1000000,1",
    "34202,3,12,30,1000000,1",
)
BOOK = (
    "1000200,70,1000000,100",
    "1000200,70,1000000,150",
    "1000200,70,1000000,150",
    "1000200,70,1000000,50",
    "1000200,70,1000000,30",
    "1000200,70,999900,80",
)

SNAPSHOT = '{"lastUpdateId":10,"bids":[["100.0","5"],["99.9","1"]],"asks":[["100.1","3"]]}'


def write_zip(path: Path, texts: Mapping[str, str]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in texts.items():
            archive.writestr(name, text)
    return path


def write_gz(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))
    return path


def lobster(folder: Path, messages: tuple[str, ...] = MESSAGES, book: tuple[str, ...] = BOOK) -> Path:
    stem = "ABC_2012-06-21_34200000_57600000_{}_1.csv"
    texts = {stem.format("message"): "\n".join(messages), stem.format("orderbook"): "\n".join(book)}
    return write_zip(folder / "LOBSTER_SampleFile_ABC_2012-06-21_1.zip", texts)


def lean(folder: Path, quotes: tuple[str, ...], trades: tuple[str, ...] = ()) -> Path:
    if trades:
        write_zip(folder / "abc_20131008_trade.zip", {"t.csv": "\n".join(trades) + "\n"})
    return write_zip(folder / "abc_20131008_quote.zip", {"q.csv": "\n".join(quotes) + "\n"})


def taq(folder: Path, quotes: tuple[str, ...], trades: tuple[str, ...] = ()) -> Path:
    if trades:
        write_gz(folder / "abc_trades_20180102.csv.gz", "\n".join((TRADE_HEADER, *trades)) + "\n")
    return write_gz(folder / "abc_quotes_20180102.csv.gz", "\n".join((QUOTE_HEADER, *quotes)) + "\n")


def fx(folder: Path, lines: tuple[str, ...], dealer: str = "fxcm") -> Path:
    return write_zip(folder / f"{dealer}_eurusd_20140506_quote.zip", {"q.csv": "\r\n".join(lines)})


def binance(folder: Path, lines: tuple[str, ...], name: str = "usdm_btcusdt_20240808.gz") -> Path:
    stamped = (f"{1_723_161_256_000_000_000 + k * 1_000_000} {line}" for k, line in enumerate(lines))
    return write_gz(folder / name, "\n".join(stamped) + "\n")


def difference(first: int, last: int, before: int | None, bids: list[list[str]], asks: list[list[str]]) -> str:
    data: dict[str, Any] = {"U": first, "u": last, "b": bids, "a": asks}
    return json.dumps({"stream": "btcusdt@depth@0ms", "data": data | ({} if before is None else {"pu": before})})


def ticker(bid: str, ask: str) -> str:
    return json.dumps({"stream": "btcusdt@bookTicker", "data": {"b": bid, "B": "1", "a": ask, "A": "2"}})


def trade(px: str, qty: str, is_buyer_maker: bool, order_type: str = "MARKET") -> str:
    data = {"p": px, "q": qty, "m": is_buyer_maker, "X": order_type}
    return json.dumps({"stream": "btcusdt@trade", "data": data})


def rows_of(feed: Feed) -> list[dict[str, Any]]:
    """Read a feed whole, as dictionaries by column."""
    batches = list(feed.batches())
    assert all(batch.schema.equals(EVENT_SCHEMA) and 0 < len(batch) <= 65_536 for batch in batches)
    rows: list[dict[str, Any]] = pa.Table.from_batches(batches, EVENT_SCHEMA).to_pylist()
    return rows


def read(path: Path) -> list[dict[str, Any]]:
    return rows_of(open_feed(path))


def short(rows: list[dict[str, Any]]) -> list[str]:
    """Write rows as `KIND side qty@px #id FLAGS`, leaving out what is nothing."""
    texts = []
    for row in rows:
        of = f" #{row['order_id']}" if row["order_id"] else ""
        flags = [str(flag.name) for flag in EventFlag if flag and row["flags"] & flag]
        texts.append(
            f"{EventKind(row['kind']).name} {row['side']:+} {row['qty']}@{row['px']}{of} {'|'.join(flags)}".rstrip()
        )
    return texts
