"""When a lit venue trades, gathers and stands still, and who comes to its auctions.

Rule of this file: phases follow from the setup and the parameters alone, auction interest from a keyed stream; both
are known before the day begins.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from router.domain.chance import generator
from router.domain.instruments import VenueSpec
from router.domain.market import I64
from router.domain.units import Nanos
from venues.models.factor import factor_path
from venues.models.flow import geometric_sizes, signs
from venues.models.reference import MarketSetup
from venues.types.lit_state import CALL, CLOSED, CONTINUOUS, HALT

if TYPE_CHECKING:
    from venues.types.lit_flow import LitParameters

_AUCTION_SIZE = 3.0
"""How much larger an order for the auction is than a trade."""

_AUCTION_TICKS = 6
"""How many ticks beyond the reference the most eager of them goes."""


def phases(mic: str, setup: MarketSetup, params: LitParameters) -> tuple[tuple[Nanos, int], ...]:
    """Return (from, phase) over the session in order, the close last; a halt goes before a call.

    >>> from venues.types.lit_flow import LitParameters
    >>> setup = MarketSetup(symbol="A", open_at=0, close_at=100, start_px=400_000)
    >>> phases("XONE", setup, LitParameters(opening_auction_ns=10))
    ((0, 1), (10, 0), (100, 3))
    """
    open_at, close_at = setup.open_at, setup.close_at
    opens = min(open_at + params.opening_auction_ns, close_at)
    closes = max(opens, close_at - params.closing_auction_ns)
    halts = setup.halts_of(mic)
    cuts = sorted({open_at, opens, closes, *(at for halt in halts for at in halt)} - {close_at})
    found: list[tuple[Nanos, int]] = []
    for at in cuts:
        phase = CALL if at < opens or at >= closes else CONTINUOUS
        if any(start <= at < end for start, end in halts):
            phase = HALT
        if not found or found[-1][1] != phase:
            found.append((at, phase))
    return (*found, (close_at, CLOSED))


def phase_rows(spec: VenueSpec, setup: MarketSetup, params: LitParameters) -> list[tuple[I64, int]]:
    """Return (time as int64 (1,), phase) of each change."""
    return [(np.array([at], dtype=np.int64), phase) for at, phase in phases(spec.mic, setup, params)]


def auction_interest(
    spec: VenueSpec, setup: MarketSetup, params: LitParameters, seed: int
) -> list[tuple[I64, I64, I64, I64]]:
    """Return (at, sign, qty, ticks beyond the reference) of the orders for each auction the venue holds.

    They come through the call, more and more towards its end, for `auction_share` of the day's volume in the mean
    at each auction; the side that the market leans to then has `auction_imbalance` more than the other.
    """
    volume = spec.volume_share * setup.adv * setup.day_share * params.auction_share
    # A call longer than the session is the session.
    whole = setup.close_at - setup.open_at
    opening, closing = min(params.opening_auction_ns, whole), min(params.closing_auction_ns, whole)
    spans = (("opening", setup.open_at, opening), ("closing", setup.close_at - closing, closing))
    found = []
    for name, begin, span in spans:
        if not span:
            continue
        rng = generator(seed, spec.mic, f"auction/{name}")
        mean_qty = params.trade_qty * _AUCTION_SIZE
        # Both sides come, so twice the volume that is to match.
        n = int(rng.poisson(2.0 * volume / mean_qty))
        at = begin + 1 + (np.sqrt(rng.random(n)) * (span - 2)).astype(np.int64)
        factor = factor_path(seed, setup)
        heavy = 1 if factor.lean[(begin - setup.open_at) // factor.cell_ns] >= 0.0 else -1
        leaning = rng.random(n) < params.auction_imbalance
        sign = np.where(leaning, heavy, signs(rng, n))
        qty = geometric_sizes(rng, n, mean_qty, 50_000)
        ticks = rng.integers(-2, _AUCTION_TICKS + 1, n)
        order = np.argsort(at, kind="stable")
        found.append((at[order], sign[order].astype(np.int64), qty[order], ticks[order].astype(np.int64)))
    return found
