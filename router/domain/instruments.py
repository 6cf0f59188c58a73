"""What is traded and where: instruments, their listings on venues, and lanes.

Rule of this file: an instrument never names a venue; a listing ties the two together.
"""

from __future__ import annotations

import msgspec

from router.domain.enums import Tactic, VenueType
from router.domain.units import Micros, Px, Qty


class Instrument(msgspec.Struct, frozen=True, kw_only=True):
    """A venue-independent instrument. `px_unit` and `qty_unit` are decimals, for people and reports."""

    symbol: str
    currency: str = "USD"
    px_unit: str = "0.0001"
    qty_unit: str = "1"


class Listing(msgspec.Struct, frozen=True, kw_only=True):
    """An instrument on a venue: prices step by `tick` (in Px), quantities by `lot` (in Qty)."""

    symbol: str
    mic: str
    tick: Px = 100
    lot: Qty = 1


class FeeSchedule(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue charges, in micros of the currency per share; a rebate is negative."""

    maker_micros: Micros = 0
    taker_micros: Micros = 0


class VenueSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What the router may know of a venue before it trades there: never its hidden parameters."""

    mic: str
    venue_type: VenueType
    listing: Listing
    fees: FeeSchedule
    tactics: tuple[Tactic, ...]
    is_primary: bool = False
    volume_share: float = 0.0
    """The venue's public share of the day's volume, as last month's statistics would give it (0..1)."""


class Lane(msgspec.Struct, frozen=True):
    """One way to trade: a venue and a tactic. Written `XNYS:TAKE`."""

    mic: str
    tactic: Tactic

    def __str__(self) -> str:
        return f"{self.mic}:{self.tactic}"


def lanes_of(specs: tuple[VenueSpec, ...]) -> tuple[Lane, ...]:
    """Return every lane of the venues, in the order of the venues and of their tactics: the order all arrays
    over lanes follow."""
    return tuple(Lane(spec.mic, tactic) for spec in specs for tactic in spec.tactics)
