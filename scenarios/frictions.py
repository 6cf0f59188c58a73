"""The parts of a scenario file about what trading meets: fees, fading quotes, halts.

Rule of this file: each part becomes one thing of the engines (`FeeSchedule`, `FadeParameters`, `Halt`), and the
conversion stands beside it.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta

from router.domain.instruments import FeeSchedule, FeeTier
from router.domain.units import MILLISECOND, Micros, Nanos, seconds
from scenarios.keys import Count, Fee, Part, Share, Time
from venues.models.fade import FadeParameters
from venues.models.reference import Halt

Bps = Annotated[float, Meta(ge=-100.0, le=100.0)]
"""Part of the notional; one percent is beyond what any venue charges."""


class FeeTierPart(Part, frozen=True):
    """From `from_qty` shares of ours a day on, these rates are in force at the venue."""

    from_qty: Count
    maker_micros: Fee
    taker_micros: Fee


class FeesPart(Part, frozen=True):
    """What a venue's schedule has besides its two rates; absent: as the rate that would apply anyway."""

    auction_micros: Fee | None = None
    hidden_micros: Fee | None = None
    maker_bps: Bps = 0.0
    taker_bps: Bps = 0.0
    tiers: tuple[FeeTierPart, ...] = ()

    def schedule(self, maker_micros: Micros, taker_micros: Micros) -> FeeSchedule:
        """Return the whole schedule. Raises ValueError for tiers that do not rise, or bps finer than a hundredth."""
        return FeeSchedule(
            maker_micros=maker_micros,
            taker_micros=taker_micros,
            auction_micros=self.auction_micros,
            hidden_micros=self.hidden_micros,
            maker_bps=self.maker_bps,
            taker_bps=self.taker_bps,
            tiers=tuple(FeeTier(tier.from_qty, tier.maker_micros, tier.taker_micros) for tier in self.tiers),
        )


class FadingPart(Part, frozen=True):
    """Once a marketable child of ours reaches a lit venue, makers at each other lit venue pull `share` of what they
    show against it, `reaction_ms` and an exponential of mean `jitter_ms` later; with the chance `correlation`."""

    share: Share = 0.0
    reaction_ms: Annotated[float, Meta(ge=0.001, le=60_000.0)] = 0.5
    jitter_ms: Annotated[float, Meta(ge=0.0, le=60_000.0)] = 0.2
    correlation: Share = 0.6

    def parameters(self) -> FadeParameters:
        """Return the model's parameters, in ns."""
        return FadeParameters(
            share=self.share,
            reaction_ns=round(self.reaction_ms * MILLISECOND),
            jitter_ns=round(self.jitter_ms * MILLISECOND),
            correlation=self.correlation,
        )


class TradingHalt(Part, frozen=True, tag_field="kind", tag="halt"):
    """Trading stands still at one venue, or at all of them."""

    from_s: Time
    to_s: Time
    venue: str | None = None

    def halt(self, open_at: Nanos) -> Halt:
        """Return the halt as a span of time."""
        mics = () if self.venue is None else (self.venue,)
        return Halt(from_at=open_at + seconds(self.from_s), to_at=open_at + seconds(self.to_s), mics=mics)
