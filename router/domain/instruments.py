"""What is traded and where: instruments, their listings on venues, and lanes.

Rule of this file: an instrument never names a venue; a listing ties the two together.
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from router.domain.enums import Tactic, VenueType
from router.domain.errors import bad_value
from router.domain.units import Micros, Px, Qty


class Instrument(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A venue-independent instrument. `px_unit` and `qty_unit` are decimals, for people and reports."""

    symbol: str
    currency: str = "USD"
    px_unit: str = "0.0001"
    qty_unit: str = "1"


class Listing(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """An instrument on a venue: prices step by `tick` (in Px), quantities by `lot` (in Qty)."""

    symbol: str
    mic: str
    tick: Px = 100
    lot: Qty = 1


class FeeTier(msgspec.Struct, frozen=True, gc=False):
    """The rates from `from_qty` shares of ours at the venue in a day on, in micros per share."""

    from_qty: Qty
    maker_micros: Micros
    taker_micros: Micros


class FeeSchedule(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a venue charges, in micros of the currency per share; a rebate is negative. `router.domain.fees` reads it.

    Raises:
        ValueError: tiers whose `from_qty` do not rise from 1, or bps finer than a hundredth.
    """

    maker_micros: Micros = 0
    taker_micros: Micros = 0
    auction_micros: Micros | None = None
    """For executions in an auction or an uncross; None: as the taker."""
    hidden_micros: Micros | None = None
    """For liquidity added by an order that was not displayed; None: as the maker."""
    maker_bps: float = 0.0
    """On top, for liquidity added: basis points of the notional, in hundredths."""
    taker_bps: float = 0.0
    """On top, for everything else."""
    tiers: tuple[FeeTier, ...] = ()
    """In place of the maker's and taker's micros, by what we have traded there that day."""

    def __post_init__(self) -> None:
        starts = [tier.from_qty for tier in self.tiers]
        if starts != sorted(set(starts)) or (starts and starts[0] < 1):
            raise ValueError(bad_value("tiers", "rising from_qty, from 1", starts))
        for name in ("maker_bps", "taker_bps"):
            hundredths = getattr(self, name) * 100.0
            if abs(hundredths - round(hundredths)) > 1e-6:
                raise ValueError(bad_value(name, "hundredths of a basis point", getattr(self, name)))


class VenueSpec(msgspec.Struct, frozen=True, gc=False, cache_hash=True, kw_only=True):
    """What the router may know of a venue before it trades there: never its hidden parameters."""

    mic: str
    venue_type: VenueType
    listing: Listing
    fees: FeeSchedule
    tactics: tuple[Tactic, ...]
    is_primary: bool = False
    volume_share: float = 0.0
    """The venue's public share of the day's volume, as last month's statistics would give it (0..1)."""
    rfq_max_qty: Qty = 0
    """The largest size for which a dealer answers a request for quote; 0: he answers none."""
    segments: tuple[str, ...] = ()
    """The kinds of counterparties that a dark pool lets its clients opt out of, by name."""
    has_near_peg: bool = False
    """Whether a dark pool takes orders pegged to the near side, besides those pegged to the middle."""


class Lane(msgspec.Struct, frozen=True, gc=False, cache_hash=True):
    """One way to trade: a venue and a tactic. Written `XNYS:TAKE`."""

    mic: str
    tactic: Tactic

    def __str__(self) -> str:
        return f"{self.mic}:{self.tactic}"


@lru_cache(maxsize=64)
def as_known(specs: tuple[VenueSpec, ...]) -> tuple[VenueSpec, ...]:
    """Return the first specs seen that equal these: what is remembered of specs, as their lanes are, is then found by
    identity, where two tuples that are merely equal would be compared field by field each time it is asked for."""
    return specs


@lru_cache(maxsize=64)
def lanes_of(specs: tuple[VenueSpec, ...]) -> tuple[Lane, ...]:
    """Return every lane of the venues, in the order of the venues and of their tactics: the order all arrays
    over lanes follow."""
    return tuple(Lane(spec.mic, tactic) for spec in specs for tactic in spec.tactics)


@lru_cache(maxsize=64)
def lane_names_of(specs: tuple[VenueSpec, ...]) -> tuple[str, ...]:
    """Return `lanes_of` as text."""
    return tuple(str(lane) for lane in lanes_of(specs))
