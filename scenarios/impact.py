"""Our own footprint: what our executions do to the reference price of a synthetic market.

Rule of this file: impact depends on what was executed and when, never on where: dark and dealer fills move the
price as lit ones do, or a router would learn an arbitrage. Nor does it depend on how a time is cut into windows, nor
on how a quantity is cut into fills.

Two models. `linear`: a propagator with a permanent part and an exponentially decaying one (after Bouchaud, Gefen,
Potters and Wyart 2004, with one exponential for the power law). `sign_feedback`: the mean of the law that background
flow follows in `venues.flow`: our volume pushes the price for good and leans the feedback b, opposite trading becomes
e^|b| as frequent, and what it trades in excess pushes back (Noble, Rosenbaum and Souilmi 2026).
"""

from __future__ import annotations

import math
from typing import Protocol

from router.domain.messages import Shift
from router.domain.units import SECOND, Nanos, Px, Qty, seconds
from scenarios.scenario import ImpactPart
from venues.flow.parameters import FEEDBACK_MAX, exponentials
from venues.models.reference import DAY_NS

STEP_PX = 20
"""Venues hear of a shift in steps of this many Px (half a basis point at 40): smaller ones change no quote."""

CELL_NS: Nanos = SECOND // 4
"""Grid of time on which the feedback acts: two hundred cells in its default time scale."""

_STILL = 1e-9
"""A feedback below it changes no price that anybody could see."""


class ImpactModel(Protocol):
    """How far our executions have moved the reference, in Px (not yet rounded)."""

    def executed(self, at: Nanos, signed_qty: int) -> None:
        """Count an execution: positive for a buy."""
        ...

    def moved(self, at: Nanos) -> float:
        """Return the move at a time, never earlier than the last one asked about."""
        ...


class OwnImpact:
    """The shift of the reference price by our executions so far, by the model that the scenario names."""

    def __init__(self, part: ImpactPart, adv: Qty, reference_px: Px) -> None:
        model = SignFeedbackImpact if part.kind == "sign_feedback" else LinearImpact
        self._model: ImpactModel = model(part, adv, reference_px)
        self._told: Px = 0

    def executed(self, at: Nanos, signed_qty: int) -> None:
        """Count an execution: positive for a buy."""
        self._model.executed(at, signed_qty)

    def px(self, at: Nanos) -> Px:
        """Return the whole shift at a time."""
        return round(self._model.moved(at))

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


class LinearImpact:
    """Each fill moves the price by its share of ADV; a part stays, the rest decays exponentially."""

    def __init__(self, part: ImpactPart, adv: Qty, reference_px: Px) -> None:
        self._part = part
        self._px_per_share = _px_per_share(part, adv, reference_px)
        self._half_life = seconds(part.half_life_s)
        self._permanent = 0.0
        self._transient = 0.0
        self._at: Nanos = 0

    def executed(self, at: Nanos, signed_qty: int) -> None:
        """Count an execution: positive for a buy."""
        self._decay(at)
        move = signed_qty * self._px_per_share
        self._permanent += move * self._part.permanent_share
        self._transient += move * (1.0 - self._part.permanent_share)

    def moved(self, at: Nanos) -> float:
        """Return the move at a time."""
        self._decay(at)
        return self._permanent + self._transient

    def _decay(self, at: Nanos) -> None:
        if at > self._at:
            self._transient *= math.exp2(-(at - self._at) / self._half_life)
            self._at = at


class SignFeedbackImpact:
    """Each fill moves the price for good, and brings out trading against it.

    The background trades ADV in orders of `trade_qty`, half of them on either side. b is fed by our volume as if it
    came in orders of that size: were it fed by the root of each fill, an order cut into single shares would be
    answered by more than it pushed, and buying would lower the price.
    """

    def __init__(self, part: ImpactPart, adv: Qty, reference_px: Px) -> None:
        self._px_per_share = _px_per_share(part, adv, reference_px)
        self._push_per_share = part.m / math.sqrt(part.trade_qty * part.volume_unit * adv)
        self._excess_per_cell = 0.5 * adv * CELL_NS / DAY_NS
        weights, speeds = exponentials(part.beta)
        self._weights: list[float] = weights.tolist()
        self._decays = [math.exp(-speed * CELL_NS / SECOND / part.tau_s) for speed in speeds.tolist()]
        self._memory = [0.0] * len(self._weights)
        self._moved = 0.0
        self._cell = 0

    def executed(self, at: Nanos, signed_qty: int) -> None:
        """Count an execution: positive for a buy."""
        self._advance(at)
        self._trade(signed_qty)

    def moved(self, at: Nanos) -> float:
        """Return the move at a time."""
        self._advance(at)
        return self._moved

    def _trade(self, signed_qty: float) -> None:
        self._moved += signed_qty * self._px_per_share
        push = signed_qty * self._push_per_share
        self._memory = [of + push * weight for of, weight in zip(self._memory, self._weights, strict=True)]

    def _advance(self, at: Nanos) -> None:
        """Let the time pass cell by cell: in each, what trades against us in excess, then the decay."""
        cell = at // CELL_NS
        while self._cell < cell:
            b = math.fsum(self._memory)
            if max(map(abs, self._memory)) < _STILL:
                self._cell = cell
                return
            if self._push_per_share:
                excess = self._excess_per_cell * math.expm1(min(abs(b), FEEDBACK_MAX))
                # What answers us never turns the feedback round within a cell.
                self._trade(-math.copysign(min(excess, abs(b) / self._push_per_share), b))
            self._memory = [of * decay for of, decay in zip(self._memory, self._decays, strict=True)]
            self._cell += 1


def _px_per_share(part: ImpactPart, adv: Qty, reference_px: Px) -> float:
    return part.coefficient_bps * 1e-4 * reference_px / (adv / 100)
