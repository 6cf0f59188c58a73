"""Which feed reads which file: one registry, and the way from a path to an open feed.

Rule of this file: a format is one entry of `FEEDS`; its folder and file patterns decide, and a name given by hand goes
before them.
"""

from __future__ import annotations

from collections.abc import Callable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple, TypeAlias

from router.domain.errors import TapeError, bad_value
from venues.feeds.events import Feed

FeedFactory: TypeAlias = Callable[[Path, str | None], Feed]
"""Opens one recorded file, with what belongs to it, for a symbol; None where the file has one alone, or the busiest.

A factory imports its handler when it is called, so that a missing extra stops nobody else.
"""


class FeedFormat(NamedTuple):
    """One recorded format. `files` are patterns of what `open_feed` takes, one feed a file.

    `joins` says what one file takes along: (part of its name, what stands there in the other's). A feed of quotes
    reads the trades beside it; the trades' file can be opened alone too.
    """

    title: str
    folder: str
    files: tuple[str, ...]
    open: FeedFactory
    joins: tuple[str, str] | None = None


def _lobster(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.lobster import open_lobster

    return open_lobster(path, symbol)


def _lean(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.lean import open_lean

    return open_lean(path, symbol)


def _fx(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.fx import open_fx

    return open_fx(path, symbol)


def _binance(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.binance import open_binance

    return open_binance(path, symbol)


def _table(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.table import open_table

    return open_table(path, symbol)


def _taq(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.taq_events import open_taq

    return open_taq(path, symbol)


def _dbn(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.dbn import open_dbn

    return open_dbn(path, symbol)


def _pitch(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.pitch import open_pitch

    return open_pitch(path, symbol)


def _iex(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.iex_deep import open_iex_deep

    return open_iex_deep(path, symbol)


def _ws_json(path: Path, symbol: str | None) -> Feed:
    from venues.feeds.ws_json import open_ws_json

    return open_ws_json(path, symbol)


FEEDS: dict[str, FeedFormat] = {
    "lobster": FeedFormat(
        "LOBSTER: orders of one Nasdaq stock, with the best levels",
        "lobster_nasdaq_20120621",
        ("LOBSTER_*.zip", "*_message_*.csv", "*_message_*.csv.gz"),
        _lobster,
        ("_message_", "_orderbook_"),
    ),
    "taq": FeedFormat(
        "TAQ: each exchange's best prices, and every trade of a US stock",
        "us_taq_venue_bbo_2018",
        ("*_quotes_*.csv.gz", "*_trades_*.csv.gz"),
        _taq,
        ("_quotes_", "_trades_"),
    ),
    "fx": FeedFormat(
        "Quotes of one currency dealer, FXCM or OANDA",
        "fx_two_dealers_2014",
        ("fxcm_*_quote.zip", "oanda_*_quote.zip"),
        _fx,
    ),
    # After fx, whose names would fit here too.
    "lean": FeedFormat(
        "Lean: national best bid and offer, and every trade of a US stock",
        "us_nbbo_trades_2013",
        ("[a-z]*_[0-9]*_quote.zip", "[a-z]*_[0-9]*_trade.zip"),
        _lean,
        ("_quote.zip", "_trade.zip"),
    ),
    "binance": FeedFormat(
        "Binance: book differences, best prices and trades of one symbol",
        "crypto_binance_3markets",
        ("spot_*.gz", "usdm_*.gz", "cm_*.gz"),
        _binance,
    ),
    "dbn": FeedFormat(
        "Databento: market by order of one symbol, every order with its id",
        "cme_es_mbo_dbn",
        ("*.mbo.dbn.zst", "*.mbo.dbn"),
        _dbn,
    ),
    "pitch": FeedFormat(
        "Cboe PITCH (ASCII): orders and trades of one symbol", "cboe_pitch_ascii", ("*pitch*.gz",), _pitch
    ),
    "iex": FeedFormat(
        "IEX DEEP 1.0 (pcap): price levels and trades of one symbol",
        "iex_wire_samples",
        ("*DEEP*.pcap.gz", "*DEEP*.pcap"),
        _iex,
    ),
    "ws_json": FeedFormat(
        "Crypto exchanges' raw websockets: books and trades of one symbol",
        "crypto_ws_raw",
        ("[A-Z]*.ws.*.gz",),
        _ws_json,
    ),
    "table": FeedFormat(
        "An event table of ours, written by `anabranch data import`", "", ("*.parquet", "*.arrow"), _table
    ),
}
"""Every format by name."""


class Unread(NamedTuple):
    """Files of a folder of recordings that no feed opens, and why."""

    folder: str
    files: tuple[str, ...]
    reason: str


UNREAD: tuple[Unread, ...] = (
    Unread("us_nbbo_trades_2013", ("*_quote_1s.zip",), "bars of one second, not quotes: what moved within is lost"),
    Unread("us_nbbo_trades_2013", ("*_derived.csv",), "shares of volume worked out of the trades, no events"),
    Unread("crypto_ws_raw", ("[A-Z]*.http.*.gz",), "snapshots that were asked for: read with their connection"),
    Unread("crypto_ws_raw", ("[A-Z]*.0.gz",), "lists of an exchange's symbols, no events"),
    Unread("finra_otc_weekly", ("*.csv.gz",), "totals of a week, no events"),
    Unread("fix_vectors", ("*.zip",), "order messages of a protocol, no market data"),
)
"""What lies beside the recordings and is left unread on purpose; of several that fit, the first says why."""


def unread_in(folder: Path) -> tuple[tuple[Path, str], ...]:
    """Return the files in a folder that are left unread on purpose, by name, each with the reason."""
    home = folder.resolve().name
    found: list[tuple[Path, str]] = []
    for path in sorted(folder.iterdir()):
        fits = (of for of in UNREAD if of.folder == home and any(fnmatchcase(path.name, name) for name in of.files))
        if path.is_file() and feed_of(path) is None and (first := next(fits, None)) is not None:
            found.append((path, first.reason))
    return tuple(found)


def feeds() -> tuple[str, ...]:
    """Return the names of all formats, in the order of the registry."""
    return tuple(FEEDS)


def feed_of(path: Path) -> str | None:
    """Return the name of the format that reads a file: its folder's format first, then any; None when none does."""
    fits = [name for name, of in FEEDS.items() if any(fnmatchcase(path.name, pattern) for pattern in of.files)]
    at_home = [name for name in fits if FEEDS[name].folder == path.resolve().parent.name]
    return next(iter((*at_home, *fits)), None)


def parts(path: Path, feed: str | None = None) -> tuple[Path, ...]:
    """Return every file that the feed of `path` reads, `path` first."""
    joins = FEEDS[name].joins if (name := feed or feed_of(path)) in FEEDS else None
    if joins is None or joins[0] not in path.name:
        return (path,)
    other = path.with_name(path.name.replace(*joins))
    return (path, other) if other.is_file() else (path,)


def files_in(folder: Path) -> tuple[Path, ...]:
    """Return the files in a folder that can be opened, by name, without those that another one takes along."""
    found = [path for path in sorted(folder.iterdir()) if path.is_file() and feed_of(path) is not None]
    joined = [other for path in found for other in parts(path)[1:]]
    return tuple(path for path in found if path not in joined)


def open_feed(path: Path, symbol: str | None = None, feed: str | None = None) -> Feed:
    """Return the feed of a recorded file, not yet read.

    Raises:
        TapeError: an unknown feed name, a file that no format reads, or what the format itself refuses on opening.
    """
    name = feed if feed is not None else feed_of(path)
    if name is None:
        raise TapeError(bad_value("feed", f"a file of one of {', '.join(FEEDS)}", path.name))
    if name not in FEEDS:
        raise TapeError(bad_value("feed", f"one of {', '.join(FEEDS)}", name))
    return FEEDS[name].open(path, symbol)
