"""Our own footprint: what our executions do to the reference price of a synthetic market.

Rule of this file: impact depends on what was executed and when, never on where: dark and dealer fills move the
price as lit ones do, or a router would learn an arbitrage. A linear propagator with a permanent part and an
exponentially decaying one (after Bouchaud, Gefen, Potters and Wyart 2004, with one exponential for the power law).
"""

from __future__ import annotations

import math

from router.domain.messages import Shift
from router.domain.units import Nanos, Px, Qty, seconds
from scenarios.scenario import ImpactPart

STEP_PX = 20
"""Venues hear of a shift in steps of this many Px (half a basis point at 40): smaller ones change no quote."""


class OwnImpact:
    """The shift of the reference price by our executions so far."""

    def __init__(self, part: ImpactPart, adv: Qty, reference_px: Px) -> None:
        self._part = part
        self._px_per_share = part.coefficient_bps * 1e-4 * reference_px / (adv / 100)
        self._half_life = seconds(part.half_life_s)
        self._permanent = 0.0
        self._transient = 0.0
        self._at: Nanos = 0
        self._told: Px = 0

    def executed(self, at: Nanos, signed_qty: int) -> None:
        """Count an execution: positive for a buy."""
        self._decay(at)
        move = signed_qty * self._px_per_share
        self._permanent += move * self._part.permanent_share
        self._transient += move * (1.0 - self._part.permanent_share)

    def px(self, at: Nanos) -> Px:
        """Return the whole shift at a time."""
        self._decay(at)
        return round(self._permanent + self._transient)

    def told(self) -> Px:
        """Return the shift that venues know of."""
        return self._told

    def shift(self, at: Nanos) -> Shift | None:
        """Return the news for venues at `at`; None when the shift has not moved by a step."""
        px = self.px(at)
        if abs(px - self._told) < STEP_PX:
            return None
        self._told = px
        return Shift(at, px)

    def _decay(self, at: Nanos) -> None:
        if at > self._at:
            self._transient *= math.exp2(-(at - self._at) / self._half_life)
            self._at = at
