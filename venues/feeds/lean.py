"""Lean's US equity ticks of 2013: the national best bid and offer, and every trade with its exchange.

Rule of this file: a quote row is the nation's, never the exchange's that set it; its venue is `NBBO`.

Source: QuantConnect Lean, equity/usa/tick, with what the data set's read-me adds: quote rows come in pairs, one with
the bid and one with the ask, and read as single exchanges' books they are crossed nearly always. Conditions are
Lean's TradeConditionFlags.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import MILLISECOND, Nanos
from venues.feeds.blocks import only_member, place_of, refuse
from venues.feeds.csv_blocks import Block, Column, check_order, csv_blocks
from venues.feeds.days import NEW_YORK, midnight
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.nbbo import Mask
from venues.feeds.stream_feed import AT, FLAGS, KIND, PX, QTY, SIDE, VENUE, Notes, StreamFeed, merged

FOLDER = "us_nbbo_trades_2013"

MICS = {
    "B": "XBOS",
    "C": "XCIS",
    "D": "FINR",
    "J": "EDGA",
    "K": "EDGX",
    "M": "XCHI",
    "N": "XNYS",
    "P": "ARCX",
    "Q": "XNAS",
    "W": "CBSX",
    "X": "XPSX",
    "Y": "BATY",
    "Z": "BATS",
}
"""Exchange letter to market identifier code (ISO 10383); D is FINRA's trade reporting facilities."""

NBBO = "NBBO"
VENUES = (NBBO, *MICS.values())

DAY_MS = 86_400_000

AUCTIONS = 0x40 | 0x80 | 0x100 | 0x200000
"""Opening, closing and reopening prints, and crosses."""

OFFICIAL_PRICES = 0x1000000 | 0x4000000
"""Official close and open: messages about a price that an auction's row has given already."""

ODD_CONDITIONS = 0x2 | 0x4 | 0x8 | 0x200 | 0x400 | 0x800 | 0x2000 | 0x4000 | 0x100000 | 0x2000000 | 0x80000000
"""Special settlement (cash, next day, seller), derivatively priced, form T, sold, extended hours, out of sequence,
average price, prior reference price, odd lot: not the last sale."""

_NAME = re.compile(r"(?P<symbol>[a-z.\-]+)_(?P<day>\d{8})_(?P<what>quote|trade)\.zip")

_EXCHANGE = Column("exchange", words=tuple(MICS))
_QUOTE = (
    Column("ms", high=DAY_MS - 1),
    Column("bid", high=10**12),
    Column("bid_size", high=10**12),
    Column("ask", high=10**12),
    Column("ask_size", high=10**12),
    _EXCHANGE,
    "condition",
    Column("suspicious", high=1),
)
_TRADE = (
    Column("ms", high=DAY_MS - 1),
    Column("price", high=10**12),
    Column("size", high=10**12),
    _EXCHANGE,
    Column("condition", is_hex=True, high=2**32 - 1),
    Column("suspicious", high=1),
)


def open_lean(path: Path, symbol: str | None = None) -> StreamFeed:
    """Return the feed of `SYMBOL_DAY_quote.zip` with the day's trades, or of `SYMBOL_DAY_trade.zip` alone.

    Px is 0.0001 dollar, Qty one share. At one millisecond trades go before quotes, which may be what they left.
    A quote is its bid row and then its ask row, with LAST; a trade's resting side is unknown. Suspicious rows
    and official prices are left out and counted.

    Raises:
        TapeError: a name of another form or of another symbol; later, a record that is not what the format says.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        raise TapeError(bad_value(path.name, "a name as SYMBOL_DAY_quote.zip or SYMBOL_DAY_trade.zip", path.name))
    if symbol is not None and symbol.lower() != match["symbol"]:
        raise TapeError(bad_value(path.name, f"the symbol {symbol!r}", match["symbol"].upper()))
    start, notes = midnight(match["day"], NEW_YORK), Notes()
    streams = []
    for part in _files(path):
        read = _quotes if part.name.endswith("_quote.zip") else _trades
        streams.append(read(part, only_member(part), start, notes))
    info = FeedInfo("lean", match["symbol"].upper(), "0.0001", "1", VENUES)
    return StreamFeed(info, path.name, merged(streams), notes)


def _quotes(path: Path, member: str, start: Nanos, notes: Notes) -> Iterator[I64]:
    place = place_of(path, member)
    before, side_before = 0, 0
    for block in csv_blocks(path, _QUOTE, member=member):
        columns = block.columns
        at, is_bid = columns["ms"], columns["bid"] > 0
        check_order(place, block.first, at, before)
        side = np.where(is_bid, 1, -1)
        if (bad := is_bid == (columns["ask"] > 0)).any():
            row = int(bad.argmax())
            prices = f"{columns['bid'][row]} and {columns['ask'][row]}"
            raise refuse(place, block.record(row), "a bid and no ask, or an ask and no bid", prices)
        if (bad := np.diff(side, prepend=side_before) == 0).any():
            raise refuse(place, block.record(int(bad.argmax())), "bid and ask rows in turn", "two of one side")
        before, side_before = int(at[-1]), int(side[-1])
        rows = _frame(block, start, len(at), int(EventKind.QUOTE))
        rows[:, SIDE] = side
        rows[:, PX] = np.where(is_bid, columns["bid"], columns["ask"])
        rows[:, QTY] = np.where(is_bid, columns["bid_size"], columns["ask_size"])
        rows[side < 0, FLAGS] = int(EventFlag.LAST)
        yield rows[_kept(place, block, columns["suspicious"] == 1, "suspicious quote", notes)]


def _trades(path: Path, member: str, start: Nanos, notes: Notes) -> Iterator[I64]:
    place = place_of(path, member)
    before = 0
    letters = list(MICS)
    for block in csv_blocks(path, _TRADE, member=member):
        columns = block.columns
        at, condition = columns["ms"], columns["condition"]
        check_order(place, block.first, at, before)
        before = int(at[-1])
        rows = _frame(block, start, len(at), int(EventKind.TRADE))
        rows[:, VENUE] = 1 + columns["exchange"]
        rows[:, PX], rows[:, QTY] = columns["price"], columns["size"]
        rows[(condition & AUCTIONS) != 0, KIND] = int(EventKind.CROSS)
        rows[:, FLAGS] = int(EventFlag.LAST)
        rows[columns["exchange"] == letters.index("D"), FLAGS] |= int(EventFlag.OFF_EXCHANGE)
        rows[(condition & ODD_CONDITIONS) != 0, FLAGS] |= int(EventFlag.ODD)
        keep = np.ones(len(at), dtype=np.bool_)
        for reason, is_out in (
            ("suspicious trade", columns["suspicious"] == 1),
            ("official price, no trade", (condition & OFFICIAL_PRICES) != 0),
            ("trade of no shares", columns["size"] == 0),
        ):
            keep &= _kept(place, block, keep & is_out, reason, notes)
        if (bad := keep & (columns["price"] == 0)).any():
            raise refuse(place, block.record(int(bad.argmax())), "a price above 0", 0)
        yield rows[keep]


def _frame(block: Block, start: Nanos, n: int, kind: int) -> I64:
    rows = np.zeros((n, 8), dtype=np.int64)
    rows[:, AT] = start + block.columns["ms"] * MILLISECOND
    rows[:, KIND] = kind
    return rows


def _kept(place: str, block: Block, is_out: Mask, reason: str, notes: Notes) -> Mask:
    """Count the rows that are left out for a reason, and return the others."""
    if is_out.any():
        notes.skip(reason, int(is_out.sum()), f"{place} record {block.record(int(is_out.argmax()))}")
    return ~is_out


def _files(path: Path) -> tuple[Path, ...]:
    """Return trades and then quotes, those of them that are there."""
    trades = path.with_name(path.name.replace("_quote.zip", "_trade.zip"))
    return tuple(dict.fromkeys(of for of in (trades, path) if of == path or of.is_file()))
