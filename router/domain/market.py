"""Market data: quotes, trade prints and dealer tiers, and the snapshot a decision is made on.

Rule of this file: batches travel as int64 arrays in bytes, columns named here and nowhere else; an empty side of
a book has price 0 and quantity 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from struct import pack
from typing import TypeAlias

import msgspec
import numpy as np
from numpy.typing import NDArray

from router.domain.enums import SessionState
from router.domain.errors import CodecError
from router.domain.units import Nanos, Px, Qty

I64: TypeAlias = NDArray[np.int64]
F64: TypeAlias = NDArray[np.float64]

QUOTE_COLUMNS = ("at", "bid_px", "bid_qty", "ask_px", "ask_qty")
"""One row replaces a venue's whole top of book."""

PRINT_COLUMNS = ("at", "px", "qty", "aggressor")
"""One trade; `aggressor` is +1 when a buyer took, -1 when a seller took, 0 when unknown or at the mid."""


class Quote(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A venue's best bid and offer as we know it, with the state of the link to that venue."""

    mic: str
    at: Nanos
    bid_px: Px = 0
    bid_qty: Qty = 0
    ask_px: Px = 0
    ask_qty: Qty = 0
    session: SessionState = SessionState.UP


class DealerTier(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One size tier of a dealer's streaming quote: good for up to `max_qty` shares."""

    mic: str
    quote_id: str
    at: Nanos
    max_qty: Qty
    bid_px: Px
    ask_px: Px


class MarketSnapshot(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a parent knows of the market when it decides. Venues are in the order of the specs."""

    at: Nanos
    quotes: tuple[Quote, ...]
    tiers: tuple[DealerTier, ...]
    bid_px: Px
    """Consolidated best bid over the lit venues that are up; 0 when no side."""
    bid_qty: Qty
    ask_px: Px
    ask_qty: Qty
    volume: Qty
    """Shares printed in the whole market since the scenario began."""
    volatility_bps: float = 0.0
    """Estimated volatility of the mid, in basis points per square root of a minute."""

    @property
    def mid(self) -> float:
        """Consolidated midpoint in Px; 0 when a side is empty."""
        return (self.bid_px + self.ask_px) / 2 if self.bid_px and self.ask_px else 0.0


def floats(values: Sequence[float]) -> F64:
    """Return numbers as a float64 array, read-only: in half the time that NumPy takes to find out what they are.

    >>> floats((0.5, -1.0)).tolist()
    [0.5, -1.0]
    """
    return np.frombuffer(pack(f"{len(values)}d", *values))


def rows_from_bytes(data: bytes, columns: tuple[str, ...]) -> I64:
    """Return the (n, len(columns)) int64 view of a batch of market data.

    Raises:
        CodecError: the length is not a whole number of rows.
    """
    width = 8 * len(columns)
    if len(data) % width:
        raise CodecError(f"expected rows of {width} bytes ({', '.join(columns)}), got {len(data)} bytes")
    return np.frombuffer(data, dtype=np.int64).reshape(-1, len(columns))


def no_rows(columns: tuple[str, ...]) -> I64:
    """Return an empty batch."""
    return np.empty((0, len(columns)), dtype=np.int64)
