"""Two dealers' quotes of a currency pair: FXCM and OANDA, one feed a file.

Rule of this file: quotes are raw. A dealer's bid may stand above its ask (about one FXCM quote in ten), and whoever
trades on them decides what such a quote is worth.

Source: QuantConnect Lean, forex tick files. A record is `ms of the day, bid, ask`, no sizes: qty is 1 in a quantity
unit that is empty, which says that some quantity is quoted and nobody knows how much. Days of FXCM are UTC-5 all
year, of OANDA UTC.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import HOUR, MILLISECOND, Nanos
from venues.feeds.blocks import only_member, place_of
from venues.feeds.csv_blocks import Column, check_order, csv_blocks
from venues.feeds.days import midnight
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.stream_feed import AT, FLAGS, KIND, PX, QTY, SIDE, Notes, StreamFeed

FOLDER = "fx_two_dealers_2014"

BEHIND_UTC: dict[str, Nanos] = {"FXCM": 5 * HOUR, "OANDA": 0}
"""By dealer, what its days are behind UTC, summer and winter."""

PRICE_PLACES = 5
"""Pairs of two-place currencies are quoted in tenths of a pip, 0.00001."""

PX_MAX = 10**10
"""A hundred thousand of one currency for another: above it, prices are in another unit."""

DAY_MS = 86_400_000

_NAME = re.compile(r"(?P<dealer>[a-z]+)_(?P<pair>[a-z]{6})_(?P<day>\d{8})_quote\.zip")

_RECORD = (
    Column("ms", high=DAY_MS - 1),
    Column("bid", places=PRICE_PLACES, low=1, high=PX_MAX),
    Column("ask", places=PRICE_PLACES, low=1, high=PX_MAX),
)


def open_fx(path: Path, symbol: str | None = None) -> StreamFeed:
    """Return the feed of `DEALER_PAIR_DAY_quote.zip`; two QUOTE rows a record, the ask's with LAST.

    Raises:
        TapeError: a name of another form, an unknown dealer, another symbol; later, a record that is no quote.
    """
    match = _NAME.fullmatch(path.name)
    if match is None or (dealer := match["dealer"].upper()) not in BEHIND_UTC:
        known = " or ".join(sorted(BEHIND_UTC)).lower()
        raise TapeError(bad_value(path.name, f"a name as DEALER_PAIR_DAY_quote.zip, dealer {known}", path.name))
    pair = match["pair"].upper()
    if symbol is not None and symbol.upper() != pair:
        raise TapeError(bad_value(path.name, f"the symbol {symbol!r}", pair))
    member = only_member(path)
    start = midnight(match["day"]) + BEHIND_UTC[dealer]
    info = FeedInfo("fx", pair, f"{10**-PRICE_PLACES:.{PRICE_PLACES}f}", "", (dealer,))
    return StreamFeed(info, place_of(path, member), _rows(path, member, start), Notes())


def _rows(path: Path, member: str, start: Nanos) -> Iterator[I64]:
    before = 0
    for block in csv_blocks(path, _RECORD, member=member):
        at = block.columns["ms"]
        check_order(place_of(path, member), block.first, at, before)
        before = int(at[-1])
        rows = np.zeros((len(at), 2, 8), dtype=np.int64)
        rows[:, :, AT] = (start + at * MILLISECOND)[:, None]
        rows[:, :, KIND] = int(EventKind.QUOTE)
        rows[:, :, SIDE] = (1, -1)
        rows[:, 0, PX], rows[:, 1, PX] = block.columns["bid"], block.columns["ask"]
        rows[:, :, QTY] = 1
        rows[:, 1, FLAGS] = int(EventFlag.LAST)
        yield rows.reshape(-1, 8)
