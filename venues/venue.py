"""What a venue is, to everyone who drives one: `Venue`, and its examiner `check_venue` beside it in `check.py`.

Rule of this file: a venue only ever moves forward in time, and everything it does follows from its construction
and from what arrived, never from who asks or how often.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from router.domain.instruments import VenueSpec
from router.domain.market import I64, DealerTier
from router.domain.messages import Arrival, Ripple, SessionChange
from router.domain.reports import Report
from router.domain.units import Nanos


class VenueOutput(NamedTuple):
    """What happened in [last until, until): reports in the order they were made, quotes (n, 5) and prints (n, 4)
    as int64 rows in the order of time (columns in `router.domain.market`), a dealer's tiers as they stand at
    `until`, the number of market events processed, when something next happens by itself (None: never), and whether
    trading stands still at the end of it, which a venue tells everybody."""

    reports: list[Report]
    quotes: I64
    prints: I64
    tiers: tuple[DealerTier, ...]
    events: int
    next_at: Nanos | None
    is_halted: bool = False


class Venue(Protocol):
    """A venue engine. `advance` must give the same reports and market data for any split of a span of time into
    windows, as long as the same arrivals fall at the same times."""

    spec: VenueSpec

    def advance(
        self,
        until: Nanos,
        arrivals: Sequence[Arrival] = (),
        ripples: Sequence[Ripple] = (),
        sessions: Sequence[SessionChange] = (),
    ) -> VenueOutput:
        """Process everything before `until`, in order of time; at equal times the venue's own events come first,
        then session changes, ripples and arrivals in the order given. Arrivals lie in [last until, until).

        A command arrives once or many times (a resend after a crash): a `cl_ord_id` the venue has seen is answered
        with that order's current state (exec_type ORDER_STATUS) and changes nothing. OrderStatusRequest for an
        unknown order answers exec_type ORDER_STATUS with ord_status REJECTED and text "unknown order".
        `exec_id`s are unique in the venue and derived from a counter: `f"{mic}-{n}"`.
        """
        ...
