"""Decimals in text to whole numbers of a unit that is found in the recording itself.

Rule of this file: a decimal becomes a whole number exactly or not at all.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa

from router.domain.market import I64
from venues.feeds.blocks import refuse
from venues.feeds.stream_feed import COLUMNS, PX, QTY

PLACES_MAX = 8
"""Decimals that are read: one satoshi."""

_DIGITS = 18


def places_of(texts: Iterable[str]) -> int:
    """Return the decimals that the finest of some numbers needs.

    >>> places_of(["61773.60", "61773", "0.00500000"])
    3
    """
    return max((len(text.partition(".")[2].rstrip("0")) for text in texts), default=0)


def unit(places: int) -> str:
    """Write the unit of some decimals.

    >>> unit(2), unit(0)
    ('0.01', '1')
    """
    return f"{10**-places:.{places}f}"


class DecimalRows:
    """Rows under way whose prices and quantities are still text."""

    def __init__(self, place: str, px_places: int, qty_places: int) -> None:
        self._place, self._places = place, (px_places, qty_places)
        self._rows: list[tuple[int, int, int, int, int]] = []
        self._px: list[str] = []
        self._qty: list[str] = []
        self._records: list[int] = []

    def __len__(self) -> int:
        return len(self._rows)

    def add(self, record: int, at: int, kind: int, side: int, px: str, qty: str, flags: int, order_id: int = 0) -> None:
        """Add a row of venue 0; `record` is where it stood."""
        self._rows.append((at, kind, side, order_id, flags))
        self._px.append(px)
        self._qty.append(qty)
        self._records.append(record)

    def take(self) -> I64:
        """Return the rows so far, (n, 8), and begin anew.

        Raises:
            TapeError: a text that is no decimal from 0, or no whole number of the unit; names its record.
        """
        rows = np.zeros((len(self._rows), len(COLUMNS)), dtype=np.int64)
        if self._rows:
            rows[:, (0, 2, 3, 6, 7)] = self._rows
            rows[:, PX] = self._whole(self._px, self._places[0], "price")
            rows[:, QTY] = self._whole(self._qty, self._places[1], "quantity")
        for column in (self._rows, self._px, self._qty, self._records):
            column.clear()
        return rows

    def _whole(self, texts: list[str], places: int, what: str) -> I64:
        expected = f"a {what} from 0 in steps of {unit(places)}"
        try:
            values = _fixed(texts)
        except pa.ArrowException as exc:
            row = next(k for k, text in enumerate(texts) if not _is_decimal(text))
            raise refuse(self._place, self._records[row], expected, texts[row][:80]) from exc
        step = 10 ** (PLACES_MAX - places)
        bad = (values < 0) | (values % step != 0)
        if bad.any():
            row = int(bad.argmax())
            raise refuse(self._place, self._records[row], expected, texts[row][:80])
        whole: I64 = values // step
        return whole


def _fixed(texts: list[str]) -> I64:
    """Return numbers in units of 1e-8, int64 (n,)."""
    decimals = pa.array(texts, pa.string()).cast(pa.decimal128(_DIGITS, PLACES_MAX))
    # 18 digits are the low half of a little-endian int128.
    return np.frombuffer(decimals.buffers()[1], dtype=np.int64)[: 2 * len(texts) : 2]


def _is_decimal(text: str) -> bool:
    try:
        _fixed([text])
    except pa.ArrowException:
        return False
    return True
