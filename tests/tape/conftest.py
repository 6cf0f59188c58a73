"""The days the tape's tests run on: tiny ones written as gzip files, and the recorded one where it is present.

Rule of this file: fixtures only.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tape_days import (
    LAST_QUOTE,
    LAST_TRADE,
    QUOTE_HEADER,
    TRADE_HEADER,
    MakeDay,
    QuoteRow,
    TradeRow,
    WriteDay,
    quote_line,
    trade_line,
    write_gz,
)

from venues.feeds.taq import FOLDER, TaqDay, load_taq


@pytest.fixture
def write_day(tmp_path: Path) -> WriteDay:
    """Write a day from rows, or from raw lines where a test wants them malformed; return the data directory.

    Unless it `is_cut`, the day ends as whole ones do: with a quote and a trade at the close, both out of hours.
    """

    def write(
        quotes: list[QuoteRow] | None = None,
        trades: list[TradeRow] | None = None,
        *,
        quote_lines: list[str] | None = None,
        trade_lines: list[str] | None = None,
        is_cut: bool = False,
    ) -> Path:
        folder = tmp_path / FOLDER
        lines = quote_lines or [quote_line(row) for row in quotes or [(0, "N", "40.00", 5, "40.02", 5)]]
        write_gz(folder / "xxx_quotes_20180102.csv.gz", [QUOTE_HEADER, *lines, *([] if is_cut else [LAST_QUOTE])])
        lines = trade_lines or [trade_line(row) for row in trades or [(23_000_000, "N", "40.01", 100, "")]]
        write_gz(folder / "xxx_trades_20180102.csv.gz", [TRADE_HEADER, *lines, *([] if is_cut else [LAST_TRADE])])
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
