"""Builds a venue from its parameters: the one place that knows every kind.

Rule of this file: a kind is one parameter struct (tagged by `kind`) and one venue type; nothing else is decided here.
"""

from __future__ import annotations

from typing import TypeAlias

from router.domain.instruments import VenueSpec
from venues.models.reference import MarketSetup, ReferencePath
from venues.types.dark import DarkParameters, DarkVenue
from venues.types.dealer import DealerParameters, DealerVenue
from venues.types.lit import LitVenue
from venues.types.lit_flow import LitParameters
from venues.venue import Venue

VenueParameters: TypeAlias = LitParameters | DarkParameters | DealerParameters
"""The tagged union `kind = "lit" | "dark" | "dealer"`, for `msgspec.convert` of a scenario file."""


def build_venue(
    spec: VenueSpec,
    setup: MarketSetup,
    params: VenueParameters,
    seed: int,
    reference: ReferencePath | None = None,
) -> Venue:
    """Return the venue at its opening. Without `reference` the path of (seed, setup) is computed, or found, here."""
    if isinstance(params, LitParameters):
        return LitVenue(spec, setup, params, seed, reference)
    if isinstance(params, DarkParameters):
        return DarkVenue(spec, setup, params, seed, reference)
    return DealerVenue(spec, setup, params, seed, reference)
