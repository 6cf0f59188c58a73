"""A TAQ day as events: each exchange's own best prices and every trade, as they stand in the two files.

Rule of this file: every record of the file is here, before, in and after the session; what `venues.feeds.taq` makes of
a session (pools, aggressors, carried quotes) is not.

Source: the data set's read-me, and the CTS and CQS participant specifications for conditions. Off-exchange prints
have the market identifier of the facility they were reported to (ISO 10383: FINN of Nasdaq, FINY of NYSE).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from router.domain.errors import TapeError, bad_value
from router.domain.market import I64
from router.domain.units import MILLISECOND, PX_MAX
from venues.feeds.blocks import refuse
from venues.feeds.csv_blocks import Block, Column, check_order, csv_blocks
from venues.feeds.events import EventFlag, EventKind, FeedInfo
from venues.feeds.nbbo import Mask
from venues.feeds.stream_feed import AT, FLAGS, KIND, PX, QTY, SIDE, VENUE, Notes, StreamFeed, merged
from venues.feeds.taq import FIRM_QUOTES, KNOWN_CONDITIONS, LOT, MICS, SKIPPED_CONDITIONS, TRF_LETTER

TRF_MICS = {"T": "FINN", "N": "FINY"}
"""Letter of a trade reporting facility to its market identifier."""

VENUES = (*MICS.values(), *TRF_MICS.values())

OFFICIAL_PRICES = "QM"
"""Market centre's official open and close: messages about a price that an auction's trade has given already."""

AUCTIONS = "O56"
"""Opening, reopening and closing prints."""

ODD_CONDITIONS = "I" + "".join(marks for marks, reason in SKIPPED_CONDITIONS if reason != "auction")
"""Odd lots, and what `venues.feeds.taq` passes over because nobody could have met it."""

MS_MAX = 4_102_444_800_000
"""The year 2100."""

_PX_PLACES = 4
_NAME = re.compile(r"(?P<symbol>[a-z.\-]+)_(?P<what>quotes|trades)_(?P<day>\d{8})\.csv\.gz")
_LETTERS = tuple(MICS)

_CONDITIONS = Column("cond", letters=KNOWN_CONDITIONS)
_QUOTE = (
    Column("ms_utc", high=MS_MAX),
    Column("ex", words=_LETTERS),
    Column("bid", places=_PX_PLACES, high=PX_MAX),
    Column("bid_lots", high=10**9),
    Column("ask", places=_PX_PLACES, high=PX_MAX),
    Column("ask_lots", high=10**9),
    _CONDITIONS,
)
_TRADE = (
    Column("ms_utc", high=MS_MAX),
    Column("ex", words=(*_LETTERS, TRF_LETTER)),
    Column("px", places=_PX_PLACES, high=PX_MAX),
    Column("size", high=10**9),
    _CONDITIONS,
    Column("corr", high=99),
    Column("trf", words=("", *TRF_MICS)),
)


def open_taq(path: Path, symbol: str | None = None) -> StreamFeed:
    """Return the feed of `SYMBOL_quotes_DAY.csv.gz` with the day's trades, or of the trades' file alone.

    Px is 0.0001 dollar, Qty one share. At one millisecond trades go before quotes, which may be what they left. A
    record of quotes is two QUOTE rows, the ask's with LAST; one that is not firm empties both sides. A trade's
    resting side is unknown. Corrected trades and official prices are left out and counted.

    Raises:
        TapeError: a name of another form or of another symbol; later, a record that is not what the format says.
    """
    match = _NAME.fullmatch(path.name)
    if match is None:
        expected = "a name as SYMBOL_quotes_DAY.csv.gz or SYMBOL_trades_DAY.csv.gz"
        raise TapeError(bad_value(path.name, expected, path.name))
    if symbol is not None and symbol.lower() != match["symbol"]:
        raise TapeError(bad_value(path.name, f"the symbol {symbol!r}", match["symbol"].upper()))
    notes = Notes()
    streams = [(_quotes if "_quotes_" in part.name else _trades)(part, notes) for part in _files(path)]
    info = FeedInfo("taq", match["symbol"].upper(), "0.0001", "1", VENUES)
    return StreamFeed(info, path.name, merged(streams), notes)


def _quotes(path: Path, notes: Notes) -> Iterator[I64]:
    firm = _bits("".join(FIRM_QUOTES))
    before = 0
    for block in csv_blocks(path, _QUOTE, has_header=True):
        columns = block.columns
        at = columns["ms_utc"]
        check_order(path.name, block.first, at, before)
        before = int(at[-1])
        is_firm = (columns["cond"] & firm) != 0
        _note(path, block, ~is_firm, "quote that is not firm, taken as no quote", notes)
        rows = np.zeros((len(at), 2, 8), dtype=np.int64)
        rows[:, :, AT] = (at * MILLISECOND)[:, None]
        rows[:, :, VENUE] = columns["ex"][:, None]
        rows[:, :, KIND] = int(EventKind.QUOTE)
        rows[:, :, SIDE] = (1, -1)
        for k, side in enumerate(("bid", "ask")):
            px, qty = columns[side], columns[f"{side}_lots"] * LOT
            is_there = is_firm & (px > 0) & (qty > 0)
            rows[:, k, PX], rows[:, k, QTY] = np.where(is_there, px, 0), np.where(is_there, qty, 0)
        rows[:, 1, FLAGS] = int(EventFlag.LAST)
        yield rows.reshape(-1, 8)


def _trades(path: Path, notes: Notes) -> Iterator[I64]:
    official, auctions, odd = (_bits(marks) for marks in (OFFICIAL_PRICES, AUCTIONS, ODD_CONDITIONS))
    before = 0
    for block in csv_blocks(path, _TRADE, has_header=True):
        columns = block.columns
        at, cond = columns["ms_utc"], columns["cond"]
        check_order(path.name, block.first, at, before)
        before = int(at[-1])
        is_off = columns["ex"] == len(_LETTERS)
        _check(path, block, is_off & (columns["trf"] == 0), "a TRF letter out of T, N for a print of D", "none")
        rows = np.zeros((len(at), 8), dtype=np.int64)
        rows[:, AT] = at * MILLISECOND
        rows[:, VENUE] = np.where(is_off, len(_LETTERS) + columns["trf"] - 1, columns["ex"])
        rows[:, KIND] = np.where(cond & auctions, int(EventKind.CROSS), int(EventKind.TRADE))
        rows[:, PX], rows[:, QTY] = columns["px"], columns["size"]
        rows[:, FLAGS] = int(EventFlag.LAST) | np.where(is_off, int(EventFlag.OFF_EXCHANGE), 0)
        rows[:, FLAGS] |= np.where(cond & odd, int(EventFlag.ODD), 0)
        is_corrected, is_official = columns["corr"] != 0, (cond & official) != 0
        _note(path, block, is_corrected, "corrected trade", notes)
        _note(path, block, ~is_corrected & is_official, "official price, no trade", notes)
        keep = ~is_corrected & ~is_official
        is_nothing = (columns["px"] == 0) | (columns["size"] == 0)
        _check(path, block, keep & is_nothing, "a price and a size above 0", 0)
        yield rows[keep]


def _bits(letters: str) -> int:
    return sum(1 << KNOWN_CONDITIONS.index(letter) for letter in letters)


def _note(path: Path, block: Block, is_out: Mask, reason: str, notes: Notes) -> None:
    if is_out.any():
        notes.skip(reason, int(is_out.sum()), f"{path.name} record {block.record(int(is_out.argmax()))}")


def _check(path: Path, block: Block, is_wrong: Mask, expected: str, got: object) -> None:
    if is_wrong.any():
        raise refuse(path.name, block.record(int(is_wrong.argmax())), expected, got)


def _files(path: Path) -> tuple[Path, ...]:
    """Return trades and then quotes, those of them that are there."""
    trades = path.with_name(path.name.replace("_quotes_", "_trades_"))
    return tuple(dict.fromkeys(of for of in (trades, path) if of == path or of.is_file()))
