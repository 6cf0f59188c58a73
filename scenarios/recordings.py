"""The recordings that background flow is fitted to and compared with, as one venue's best prices and trades.

Rule of this file: a recording is named here once; what is not in the data directory is absent, never replaced.
"""

from __future__ import annotations

from pathlib import Path

from router.domain.errors import TapeError, bad_value
from router.domain.units import MILLISECOND, Nanos
from venues.feeds import lobster, taq
from venues.flow.top_tape import TopTape, tape_of_events, tape_of_quotes

CENT = 100
_AMZN = "LOBSTER_SampleFile_AMZN_2012-06-21_1.zip"
_TAQ_DAY, _TAQ_MIC = "20180102", "XNYS"
_TAQ_SLACK: Nanos = 20 * MILLISECOND
"""Quotes and trades of the consolidated tape come by two processors: their times lie up to so far apart."""

RECORDINGS = ("lobster", "taq")


def recorded(name: str, data: Path | None) -> TopTape:
    """Return a recording by name: `lobster` (AMZN on Nasdaq, 2012-06-21) or `taq` (XXX on NYSE, 2018-01-02).

    Raises:
        TapeError: an unknown name, no data directory, or a file that is not there or unreadable.
    """
    if name not in RECORDINGS:
        raise TapeError(bad_value("recording", f"one of {', '.join(RECORDINGS)}", name))
    if data is None:
        raise TapeError("expected a data directory (--data or ANABRANCH_DATA), got none")
    if name == "taq":
        day = taq.load_taq(data, _TAQ_DAY)
        session = (day.open_at, day.close_at)
        return tape_of_quotes(name, day.quotes[_TAQ_MIC], day.trades[_TAQ_MIC], CENT, _TAQ_SLACK, session)
    path = data / lobster.FOLDER / _AMZN
    if not path.is_file():
        raise TapeError(bad_value(lobster.FOLDER, "the recording in the data directory", "nothing there"))
    return tape_of_events(name, lobster.open_lobster(path).batches(), CENT, taq.session("20120621"))


def present(data: Path | None) -> tuple[str, ...]:
    """Return the names of the recordings that the data directory holds."""
    if data is None:
        return ()
    there = {"lobster": (data / lobster.FOLDER / _AMZN).is_file(), "taq": taq.taq_files(data, _TAQ_DAY)[0].is_file()}
    return tuple(name for name in RECORDINGS if there[name])
