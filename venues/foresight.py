"""What a venue's others are going to do in a session, without us: for the evaluation only.

Rule of this file: nothing that routes, schedules or learns may import it. The venue's own engine is run alone to the
close, so that what is foreseen cannot drift away from the model; our own footprint is not in it.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from router.domain.instruments import VenueSpec
from router.domain.market import I64
from venues.build import VenueParameters, build_venue
from venues.models.reference import MarketSetup, ReferencePath
from venues.types.dark_flow import CONTRA, LEAVE, UNCROSS, DarkParameters, dark_flow


class Foresight(NamedTuple):
    """A venue's day. `quotes` (n, 5) and `prints` (n, 4) as in `VenueOutput`; `interest` is int64 (n, 4) by time: a
    dark pool's contra interest as from, to, sign and quantity; `uncrosses` are the times of a periodic pool's, empty
    at a continuous one."""

    quotes: I64
    prints: I64
    interest: I64
    uncrosses: I64


def foresee(
    spec: VenueSpec, setup: MarketSetup, params: VenueParameters, seed: int, reference: ReferencePath
) -> Foresight:
    """Return the venue's day of (seed, setup, params)."""
    out = build_venue(spec, setup, params, seed, reference).advance(setup.close_at + 1)
    interest, uncrosses = np.empty((0, 4), dtype=np.int64), np.empty(0, dtype=np.int64)
    if isinstance(params, DarkParameters):
        rows = dark_flow(spec, setup, params, seed, reference).rows
        interest, uncrosses = _interest(rows), rows[rows[:, 1] == UNCROSS, 0]
    return Foresight(out.quotes, out.prints, interest, uncrosses)


def _interest(rows: I64) -> I64:
    """Return each contra's stay, by the time of its arrival."""
    comes, goes = rows[rows[:, 1] == CONTRA], rows[rows[:, 1] == LEAVE]
    comes, goes = comes[np.argsort(comes[:, 4])], goes[np.argsort(goes[:, 4])]
    stays = np.stack([comes[:, 0], goes[:, 0], comes[:, 2], comes[:, 3]], axis=1)
    by_time: I64 = stays[np.argsort(stays[:, 0], kind="stable")]
    return by_time
