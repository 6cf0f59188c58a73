"""Rows and files of tiny days, and parts of a day, for the tape's tests.

Rule of this file: a test says its rows in milliseconds after the open and in decimal prices, as the files do.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from venues.feeds.taq import TaqDay

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


LAST_QUOTE = quote_line((23_400_000, "A", "0", 0, "0", 0))
LAST_TRADE = trade_line((23_400_000, "N", "40", 1, ""))


def write_gz(path: Path, lines: list[str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(("\n".join(lines) + "\n").encode(), mtime=0))


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
