"""Days for the tape's tests: tiny ones written as gzip files, and the recorded one where it is present.

Rule of this file: a test says its rows in milliseconds after the open and in decimal prices, as the files do.
"""

from __future__ import annotations

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from venues.feeds.taq import FOLDER, TaqDay, load_taq

OPEN_MS = 1_514_903_400_000
QUOTE_HEADER = "ms_utc,seq,ex,bid,bid_lots,ask,ask_lots,cond,natbbo_ind"
TRADE_HEADER = "ms_utc,seq,ex,px,size,cond,corr,trf"

QuoteRow = tuple[int, str, str, int, str, int]
TradeRow = tuple[int, str, str, int, str]
WriteDay = Callable[..., Path]
MakeDay = Callable[..., TaqDay]


def quote_line(row: QuoteRow, cond: str = "R") -> str:
    ms, ex, bid, bid_lots, ask, ask_lots = row
    return f"{OPEN_MS + ms},1,{ex},{bid},{bid_lots},{ask},{ask_lots},{cond},A"


def trade_line(row: TradeRow, corr: int = 0) -> str:
    """`ex` is an exchange letter, or DT / DN for the Nasdaq and the NYSE TRF."""
    ms, ex, px, size, cond = row
    return f"{OPEN_MS + ms},1,{ex[0]},{px},{size},{cond},{corr},{ex[1:]}"


def write_gz(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))


@pytest.fixture
def write_day(tmp_path: Path) -> WriteDay:
    """Write a day from rows, or from raw lines where a test wants them malformed; return the data directory."""

    def write(
        quotes: list[QuoteRow] | None = None,
        trades: list[TradeRow] | None = None,
        *,
        quote_lines: list[str] | None = None,
        trade_lines: list[str] | None = None,
    ) -> Path:
        folder = tmp_path / FOLDER
        lines = quote_lines or [quote_line(row) for row in quotes or [(0, "N", "40.00", 5, "40.02", 5)]]
        write_gz(folder / "xxx_quotes_20180102.csv.gz", [QUOTE_HEADER, *lines])
        lines = trade_lines or [trade_line(row) for row in trades or [(23_000_000, "N", "40.01", 100, "")]]
        write_gz(folder / "xxx_trades_20180102.csv.gz", [TRADE_HEADER, *lines])
        return tmp_path

    return write


@pytest.fixture
def make_day(write_day: WriteDay) -> MakeDay:
    """Return a day read from rows."""
    return lambda quotes=None, trades=None: load_taq(write_day(quotes, trades))


@pytest.fixture(scope="session")
def recorded() -> TaqDay:
    """Return the recorded day, or skip."""
    place = os.environ.get("ANABRANCH_DATA")
    root = Path(place) if place else Path(__file__).parents[2].parent / "shared" / "data"
    if not (root / FOLDER).is_dir():
        pytest.skip(f"no recorded day: {FOLDER} is neither in ANABRANCH_DATA nor in ../shared/data")
    return load_taq(root)


def between(day: TaqDay, open_at: int, close_at: int) -> TaqDay:
    """Return the part of a day from `open_at` to `close_at`, each exchange's standing quote carried in."""

    def cut(rows, carries):  # type: ignore[no-untyped-def]
        inside = (rows[:, 0] >= open_at) & (rows[:, 0] < close_at)
        first = int((rows[:, 0] < open_at).sum())
        if carries and first:
            inside[first - 1] = True
        rows = rows[inside].copy()
        rows[:, 0] = rows[:, 0].clip(open_at)
        return rows

    return replace(
        day,
        open_at=open_at,
        close_at=close_at,
        quotes={mic: cut(rows, True) for mic, rows in day.quotes.items()},
        trades={mic: cut(rows, False) for mic, rows in day.trades.items()},
        pools={mic: cut(rows, False) for mic, rows in day.pools.items()},
        nbbo=cut(day.nbbo, True),
    )
