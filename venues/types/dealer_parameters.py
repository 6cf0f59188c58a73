"""A dealer's hidden parameters: how he quotes, looks at orders, remembers clients and gets rid of positions.

Rule of this file: every parameter has a range, and says what it is for.
"""

from __future__ import annotations

from typing import Literal

import msgspec

from router.domain.errors import bad_value
from router.domain.units import MILLISECOND, MINUTE, SECOND, Nanos, Px, Qty
from venues.models.ranges import check_ranges


class TierParameters(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One size tier: up to `max_qty` shares at `half_spread_bps` from the reference."""

    max_qty: Qty
    half_spread_bps: float


class DealerParameters(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag="dealer", tag_field="kind"
):
    """A dealer's hidden parameters.

    Quotes follow the reference on a grid of `refresh_ns`, in prices of `px_step`; a quote that was replaced stays
    good for `grace_ns`. An order is held `hold_ns` (last look; and an exponential of mean `hold_jitter_ns`), then
    rejected with probability `base_reject` + `move_slope` for each bp that the reference moved in our favour meanwhile
    (either way when `look` is symmetric) + `toxic_slope` for each bp of our recent markouts, at most `reject_max`.
    Markouts of our fills at `markout_ns` enter a moving average with weight `memory`; each bp of it, when above 0,
    widens the half-spread by `widen` bp, at most `widen_max_bps`.

    What he sold us leaves him short: quotes rise by `skew_bps` for each 1,000 shares, at most `skew_max_bps`, and
    fall when he is long. He is flat again after `hedge_ns`, in equal steps; `hedge_share` of that he takes from the
    lit venues, the rest from other clients.

    `mode` says whether he streams quotes, answers requests for quote (RFQ), or both. A request up to `rfq_max_qty` is
    declined with probability `rfq_decline` + `toxic_slope` for each bp of our markouts; else answered after `rfq_ns`,
    with the half-spread of the size interpolated between the tiers, times `rfq_tighter` while our markouts are not
    above 0.
    """

    tiers: tuple[TierParameters, ...] = (
        TierParameters(max_qty=200, half_spread_bps=1.5),
        TierParameters(max_qty=500, half_spread_bps=2.0),
        TierParameters(max_qty=2_000, half_spread_bps=3.0),
    )
    refresh_ns: Nanos = 250 * MILLISECOND
    px_step: Px = 10
    grace_ns: Nanos = 20 * MILLISECOND
    hold_ns: Nanos = 30 * MILLISECOND
    base_reject: float = 0.03
    move_slope: float = 0.25
    toxic_slope: float = 0.05
    reject_max: float = 0.95
    markout_ns: Nanos = 10 * SECOND
    memory: float = 0.1
    widen: float = 0.5
    widen_max_bps: float = 5.0
    hold_jitter_ns: Nanos = 0
    look: Literal["asymmetric", "symmetric"] = "asymmetric"
    skew_bps: float = 0.2
    skew_max_bps: float = 2.0
    hedge_share: float = 0.5
    hedge_ns: Nanos = 5 * SECOND
    mode: Literal["stream", "rfq", "both"] = "stream"
    rfq_ns: Nanos = 100 * MILLISECOND
    rfq_max_qty: Qty = 5_000
    rfq_decline: float = 0.05
    rfq_tighter: float = 0.8

    def __post_init__(self) -> None:
        ranges: tuple[tuple[str, float, float], ...] = (
            ("refresh_ns", MILLISECOND, MINUTE),
            ("px_step", 1, 10_000),
            ("grace_ns", 0, 10 * SECOND),
            ("hold_ns", 0, 10 * SECOND),
            ("base_reject", 0.0, 1.0),
            ("move_slope", 0.0, 10.0),
            ("toxic_slope", 0.0, 10.0),
            ("reject_max", 0.0, 1.0),
            ("markout_ns", MILLISECOND, 60 * MINUTE),
            ("memory", 0.0, 1.0),
            ("widen", 0.0, 10.0),
            ("widen_max_bps", 0.0, 100.0),
            ("hold_jitter_ns", 0, 10 * SECOND),
            ("skew_bps", 0.0, 100.0),
            ("skew_max_bps", 0.0, 100.0),
            ("hedge_share", 0.0, 1.0),
            ("hedge_ns", MILLISECOND, 60 * MINUTE),
            ("rfq_ns", 0, 60 * SECOND),
            ("rfq_max_qty", 1, 1_000_000),
            ("rfq_decline", 0.0, 1.0),
            ("rfq_tighter", 0.0, 1.0),
        )
        check_ranges(self, ranges)
        sizes = [tier.max_qty for tier in self.tiers]
        if not sizes or sizes != sorted(set(sizes)) or sizes[0] < 1:
            raise ValueError(bad_value("tiers", "one tier or more, of rising max_qty", sizes))
        if any(not 0.0 <= tier.half_spread_bps <= 500.0 for tier in self.tiers):
            raise ValueError(bad_value("tiers", "half_spread_bps from 0 to 500", self.tiers))

    @property
    def streams(self) -> bool:
        """Whether quotes are streamed."""
        return self.mode != "rfq"

    @property
    def rfq_qty(self) -> Qty:
        """The largest size for which a request is answered; 0: none is."""
        return 0 if self.mode == "stream" else self.rfq_max_qty
