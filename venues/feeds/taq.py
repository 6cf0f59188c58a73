"""One recorded day of one US stock: every exchange's own best bid and offer, every trade, and hidden evidence.

Rule of this file: what a row means is decided here, once; a row that is left out is counted with its reason.

Prints reported to a trade reporting facility (TRF) are evidence of liquidity nobody displayed: at the midpoint,
of dark pools; a fraction of a cent inside the quote, of a dealer serving retail orders. Each print belongs to
exactly one of `POOLS` or to none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

import numpy as np
import polars as pl
from numpy.typing import NDArray

from router.domain.errors import TapeError, bad_value
from router.domain.market import F64, I64
from router.domain.units import HOUR, MILLISECOND, MINUTE, Nanos, Qty
from venues.feeds.gz_csv import check_order, prices, read_columns, refuse, whole_numbers
from venues.feeds.nbbo import Mask, aggressors, before, consolidate, is_midpoint, retail_aggressors

Texts: TypeAlias = NDArray[np.object_]

FOLDER = "us_taq_venue_bbo_2018"
"""The folder of the set, inside the data directory that the caller names."""

MICS = {
    "A": "XASE",
    "B": "XBOS",
    "J": "EDGA",
    "K": "EDGX",
    "M": "XCHI",
    "N": "XNYS",
    "P": "ARCX",
    "T": "XNAS",
    "V": "IEXG",
    "X": "XPSX",
    "Y": "BATY",
    "Z": "BATS",
}
"""Exchange letter of the consolidated tape, to market identifier code (ISO 10383)."""

TRF_LETTER = "D"
TRFS = ("T", "N")
"""The facilities of Nasdaq and of the New York Stock Exchange."""

POOLS = ("XDKA", "XDKB", "XSDP")
"""Dark pool A (Nasdaq TRF midpoints), dark pool B (NYSE TRF midpoints), the dealer (sub-penny prints, any TRF)."""

LOT: Qty = 100
"""Quotes of 2018 come in round lots of one hundred shares."""

QUOTE_FIELDS = ("ms_utc", "ex", "bid", "bid_lots", "ask", "ask_lots", "cond")
TRADE_FIELDS = ("ms_utc", "ex", "px", "size", "cond", "corr", "trf")

FIRM_QUOTES = ("R", "O")
"""Quote conditions under which a quote can be traded: regular and opening."""

SKIPPED_CONDITIONS = (
    ("OQM56", "auction"),
    ("4", "derivatively_priced"),
    ("7V", "contingent"),
    ("BW", "average_price"),
    ("ZUGL", "out_of_sequence"),
    ("T", "extended_hours"),
    ("P", "prior_reference_price"),
    ("CNR", "special_settlement"),
    ("9", "corrected_close"),
)
"""Sale conditions (CTS participant specification) of trades nobody could have met, in the order of reasons."""

KNOWN_CONDITIONS = "@ABCDEFGHIKLMNOPQRSTUVWXYZ12345679 "

CACHED_DAYS_MAX = 4

SILENCE_MAX: Nanos = 5 * MINUTE
"""How long before the close a file may end. Of a listed stock some exchange quotes every few seconds, and its closing
auction prints after the close: a file that ends earlier was cut, also where the cut fell between two lines."""

EARLY_CLOSE: Nanos = 3 * HOUR + 30 * MINUTE
"""From the open to 13:00, when half-days end (the day after Thanksgiving, the eves of some holidays)."""


@dataclass(frozen=True, slots=True, eq=False)
class TaqDay:
    """A day, read. All arrays are int64 and read-only; times in ns UTC, prices in Px, sizes in shares.

    `quotes[mic]` is (n, 5) in QUOTE_COLUMNS, its first row at `open_at` when a quote was carried in; `trades[mic]`
    (n, 4) in PRINT_COLUMNS, the aggressor judged by that exchange's own quote; `off_exchange` (n, 4) all TRF prints;
    `pools[mic]` (n, 4) those that belong to a pool; `nbbo` (n, 5). `total_qty` counts every print kept.
    """

    symbol: str
    day: str
    open_at: Nanos
    close_at: Nanos
    quotes: Mapping[str, I64]
    trades: Mapping[str, I64]
    off_exchange: I64
    pools: Mapping[str, I64]
    nbbo: I64
    total_qty: Qty
    skipped: Mapping[str, int]

    def volume_curve(self, bins: int) -> F64:
        """Return the share of the day's volume in each of `bins` equal spans of the session, float64, sum 1."""
        prints = np.concatenate((*self.trades.values(), self.off_exchange))
        shares: F64 = np.zeros(bins)
        np.add.at(shares, (prints[:, 0] - self.open_at) * bins // (self.close_at - self.open_at), prints[:, 2])
        shares /= shares.sum()
        return shares


def taq_files(
    data_dir: str | Path, day: str = "20180102", symbol: str = "XXX", folder: str = FOLDER
) -> tuple[Path, Path]:
    """Return the paths of a day's quotes and trades in a folder below `data_dir`."""
    place = Path(data_dir) / folder
    return place / f"{symbol.lower()}_quotes_{day}.csv.gz", place / f"{symbol.lower()}_trades_{day}.csv.gz"


def load_taq(data_dir: str | Path, day: str = "20180102", symbol: str = "XXX", folder: str = FOLDER) -> TaqDay:
    """Return a day, read once per process as long as its two files do not change.

    On a half-day, whose files both end at 13:00, that is the close.

    Raises:
        TapeError: names the file and the record, with what was expected and what came.
    """
    quotes, trades = taq_files(data_dir, day, symbol, folder)
    return _load(quotes, trades, _stamp(quotes), _stamp(trades), day, symbol)


def session(day: str) -> tuple[Nanos, Nanos]:
    """Return the regular session of a New York day, 09:30 to 16:00, in ns UTC.

    Raises:
        TapeError: `day` is not a date.

    >>> session("20180102") == (1514903400 * 10**9, 1514926800 * 10**9)
    True
    """
    try:
        midnight = datetime.strptime(day, "%Y%m%d")
    except ValueError as exc:
        raise TapeError(bad_value("day", "a date as YYYYMMDD", day)) from exc
    # polars carries its own time zone table, so this does not depend on the machine's.
    local = pl.Series([midnight], dtype=pl.Datetime("ns")).dt.replace_time_zone("America/New_York")
    start = int(local.dt.epoch("ns")[0])
    return start + 9 * HOUR + 30 * MINUTE, start + 16 * HOUR


def summarise(day: TaqDay) -> dict[str, int]:
    """Return what a day holds as counts: rows per exchange, prints and shares per pool, what was skipped and why."""
    counts = {f"quotes.{mic}": len(rows) for mic, rows in day.quotes.items()}
    counts |= {f"trades.{mic}": len(rows) for mic, rows in day.trades.items()}
    counts["trades.off_exchange"] = len(day.off_exchange)
    for mic, rows in day.pools.items():
        counts |= {f"pool_prints.{mic}": len(rows), f"pool_qty.{mic}": int(rows[:, 2].sum())}
    counts |= {"nbbo": len(day.nbbo), "total_qty": day.total_qty}
    return counts | {f"skipped.{reason}": n for reason, n in day.skipped.items()}


def _stamp(path: Path) -> tuple[int, int]:
    try:
        stat = path.stat()
    except OSError as exc:
        raise TapeError(bad_value(path.name, "a readable file", exc.strerror or "an error")) from exc
    return stat.st_mtime_ns, stat.st_size


@lru_cache(maxsize=CACHED_DAYS_MAX)
def _load(
    quotes: Path, trades: Path, _quotes_stamp: tuple[int, int], _trades_stamp: tuple[int, int], day: str, symbol: str
) -> TaqDay:
    quote_table, quote_at = _read_times(quotes, QUOTE_FIELDS)
    trade_table, trade_at = _read_times(trades, TRADE_FIELDS)
    open_at, close_at = session(day)
    close_at = _close_of(quotes.name, quote_at, trades.name, trade_at, open_at, close_at)
    skipped: dict[str, int] = {}
    stream, venue = _read_quotes(quotes, quote_table, quote_at, open_at, close_at, skipped)
    by_mic = {mic: stream[venue == v] for v, mic in enumerate(MICS.values())}
    nbbo = consolidate(stream[:, 0], venue, stream[:, 1:], len(MICS))
    prints, letter, trf = _read_trades(trades, trade_table, trade_at, open_at, close_at, skipped)
    on_exchange = {}
    for letter_of, mic in MICS.items():
        rows = prints[letter == letter_of]
        rows[:, 3] = aggressors(rows[:, 1], before(rows[:, 0], by_mic[mic]))
        on_exchange[mic] = rows
    off_exchange, pools = _pools(prints[letter == TRF_LETTER], trf[letter == TRF_LETTER], nbbo)
    for rows in (*by_mic.values(), *on_exchange.values(), off_exchange, *pools.values(), nbbo):
        rows.setflags(write=False)
    total = int(prints[:, 2].sum())
    return TaqDay(
        symbol=symbol,
        day=day,
        open_at=open_at,
        close_at=close_at,
        quotes=by_mic,
        trades=on_exchange,
        off_exchange=off_exchange,
        pools=pools,
        nbbo=nbbo,
        total_qty=total,
        skipped=dict(sorted(skipped.items())),
    )


def _read_times(path: Path, fields: tuple[str, ...]) -> tuple[pl.DataFrame, I64]:
    """Return a file's columns and each record's time (n,), which never goes back."""
    table = read_columns(path, fields)
    at = whole_numbers(path, table, "ms_utc") * MILLISECOND
    check_order(path, at)
    return table, at


def _close_of(quotes: str, quote_at: I64, trades: str, trade_at: I64, open_at: Nanos, close_at: Nanos) -> Nanos:
    """Return the day's close: the regular one, or the early one when both files end there.

    Any record counts, also one that is left out later: what stands after the close shows that the file was not cut.

    Raises:
        TapeError: a file ends before the close; names its last time and the other file's.
    """
    ends = ((quotes, int(quote_at[-1])), (trades, int(trade_at[-1])))
    early = open_at + EARLY_CLOSE
    if all(abs(end - early) <= SILENCE_MAX for _, end in ends):
        return early
    (name, end), (other, other_end) = sorted(ends, key=lambda of: of[1])
    if end < close_at - SILENCE_MAX:
        expected = f"records up to the close at {close_at}, or five minutes before it"
        raise TapeError(bad_value(name, expected, f"the last at {end}, of {other} at {other_end}"))
    return close_at


def _read_quotes(
    path: Path, table: pl.DataFrame, at: I64, open_at: Nanos, close_at: Nanos, skipped: dict[str, int]
) -> tuple[I64, I64]:
    """Return the session's quote rows of all exchanges (n, 5) and the index of each row's exchange (n,).

    The last row of an exchange before the open is carried in at `open_at` when it was firm. A row that is not firm
    empties its exchange's top, since what it replaced is gone; it is counted as `quotes.not_firm`.
    """
    letters = list(MICS)
    venue = np.full(len(at), -1, dtype=np.int64)
    letter = table["ex"].to_numpy()
    for v, name in enumerate(letters):
        venue[letter == name] = v
    _check_letters(path, f"a quote's exchange letter out of {''.join(MICS)}", letter, venue < 0)
    top = np.column_stack(
        (
            prices(path, table, "bid"),
            whole_numbers(path, table, "bid_lots") * LOT,
            prices(path, table, "ask"),
            whole_numbers(path, table, "ask_lots") * LOT,
        )
    )
    # A side without a price or without a size is empty: both are 0.
    for px, qty in ((0, 1), (2, 3)):
        top[(top[:, px] == 0) | (top[:, qty] == 0), px : qty + 1] = 0
    is_firm = table["cond"].is_in(FIRM_QUOTES).to_numpy()
    top[~is_firm] = 0
    is_before = at < open_at
    last = (np.flatnonzero(is_before & (venue == v))[-1:] for v in range(len(letters)))
    carried = np.sort(np.concatenate([rows[is_firm[rows]] for rows in last])).astype(np.int64)
    in_session = np.flatnonzero(~is_before & (at < close_at))
    if not len(in_session):
        raise TapeError(bad_value(path.name, f"quotes from {open_at} to {close_at}", "none"))
    keep = np.concatenate((carried, in_session))
    _count(skipped, "quotes.out_of_hours", len(at) - len(keep))
    _count(skipped, "quotes.not_firm", int((~is_firm[in_session]).sum()))
    return np.column_stack((np.maximum(at[keep], open_at), top[keep])), venue[keep]


def _read_trades(
    path: Path, table: pl.DataFrame, at: I64, open_at: Nanos, close_at: Nanos, skipped: dict[str, int]
) -> tuple[I64, Texts, Texts]:
    """Return the session's usable prints (n, 4), aggressor 0, with each one's exchange letter and TRF letter."""
    letter, trf = table["ex"].to_numpy(), table["trf"].to_numpy()
    letters = [*MICS, TRF_LETTER]
    _check_letters(path, f"an exchange letter out of {''.join(letters)}", letter, ~np.isin(letter, letters))
    is_strange = (letter == TRF_LETTER) & ~np.isin(trf, TRFS)
    _check_letters(path, f"a TRF letter out of {', '.join(TRFS)}", trf, is_strange)
    px, qty = prices(path, table, "px"), whole_numbers(path, table, "size")
    reason = _reasons(path, table, (at < open_at) | (at >= close_at))
    empty = np.flatnonzero((reason == "") & ((px == 0) | (qty == 0)))
    if len(empty):
        k = int(empty[0])
        raise refuse(path, k + 1, "a price and a size above 0", f"{int(qty[k])} at {int(px[k])}")
    names, counts = np.unique(reason[reason != ""].astype(np.str_), return_counts=True)
    for name, n in zip(names, counts, strict=True):
        _count(skipped, f"trades.{name}", int(n))
    keep = reason == ""
    if not keep.any():
        raise TapeError(bad_value(path.name, f"usable trades from {open_at} to {close_at}", "none"))
    prints = np.column_stack((at, px, qty, np.zeros_like(at)))
    return prints[keep], letter[keep], trf[keep]


def _reasons(path: Path, table: pl.DataFrame, is_out_of_hours: Mask) -> Texts:
    """Return why each trade is left out ("" when it is kept), as an object array (n,)."""
    by_cond: dict[str, str] = {}
    cond = table["cond"]
    for text in cond.unique().sort().to_list():
        if strange := "".join(c for c in text if c not in KNOWN_CONDITIONS):
            record = int((cond == text).arg_max() or 0)
            raise refuse(path, record + 1, f"sale conditions out of {KNOWN_CONDITIONS!r}", strange)
        by_cond[text] = next((why for marks, why in SKIPPED_CONDITIONS if any(m in text for m in marks)), "")
    reason = cond.replace_strict(by_cond, return_dtype=pl.String).to_numpy().astype(object)
    reason[whole_numbers(path, table, "corr") != 0] = "corrected"
    reason[is_out_of_hours] = "out_of_hours"
    return reason


def _pools(prints: I64, trf: Texts, nbbo: I64) -> tuple[I64, dict[str, I64]]:
    """Return the TRF prints with the retail side as aggressor, and the prints of each pool."""
    quotes = before(prints[:, 0], nbbo)
    is_mid = is_midpoint(prints[:, 1], quotes)
    prints[:, 3] = retail_aggressors(prints[:, 1], quotes)
    is_nyse = trf == "N"
    masks = (is_mid & ~is_nyse, is_mid & is_nyse, prints[:, 3] != 0)
    pools = {mic: prints[mask] for mic, mask in zip(POOLS, masks, strict=True)}
    return prints, pools


def _check_letters(path: Path, expected: str, letter: Texts, is_strange: Mask) -> None:
    if is_strange.any():
        record = int(is_strange.argmax())
        raise refuse(path, record + 1, expected, str(letter[record]))


def _count(skipped: dict[str, int], reason: str, n: int) -> None:
    if n:
        skipped[reason] = skipped.get(reason, 0) + n
