"""The oracle: routing by the hidden parameters of the venues, as a limit for those who must learn them.

Rule of this file: only the evaluation builds an oracle. It sees the truth about lanes (synthetic: the parameters of
the regime in force; tape: what was going to print), never more than that, and routes through the same allocation.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence

from learners.policies.policy import PolicySetup
from router.domain.enums import AllocationMode, Side, Tactic
from router.domain.instruments import Lane, VenueSpec, lanes_of
from router.domain.scores import ContextFrame, LaneScore, Outcome
from router.domain.units import Nanos
from scenarios.tapes import Foresight, RecordedMarket
from venues.build import VenueParameters
from venues.models.reference import MarketSetup
from venues.truth import lane_truth

ORACLE = "oracle"

Truth = Callable[[Nanos, Side], tuple[LaneScore, ...]]


class OraclePolicy:
    """A policy that is told instead of learning."""

    mode = AllocationMode.WATER_FILL

    def __init__(self, setup: PolicySetup, truth: Truth, name: str = ORACLE) -> None:
        self.name = name
        self._setup = setup
        self._truth = truth

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """There is nothing to learn."""

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return the truth about every lane at the frame's time."""
        return self._truth(frame.at, frame.side)

    def digest(self) -> str:
        """The oracle has one state."""
        return hashlib.sha256(self.name.encode()).hexdigest()


def truth_of(
    specs: tuple[VenueSpec, ...],
    market: MarketSetup,
    parameters: Mapping[str, VenueParameters],
    tape: RecordedMarket | None,
    setup: PolicySetup,
) -> Truth:
    """Return the truth about all lanes as a function of time and side."""
    if tape is not None:
        return tape_truth(specs, tape.foresight, setup)

    known: dict[Nanos, tuple[LaneScore, ...]] = {}

    def truth(at: Nanos, side: Side) -> tuple[LaneScore, ...]:
        # The parameters are the same on both sides and throughout a regime.
        since = market.regime_at(at).from_at
        if since not in known:
            known[since] = tuple(
                score
                for spec in specs
                for score in lane_truth(
                    spec, market, parameters[spec.mic], at, setup.standard_qty, setup.standard_life_ns
                )
            )
        return known[since]

    return truth


def tape_truth(specs: tuple[VenueSpec, ...], foresight: Foresight, setup: PolicySetup) -> Truth:
    """Return what a clairvoyant would say of a tape's lanes: what is going to print there within a standard life.

    Taking is certain; a resting order fills when somebody is going to trade on our side, a dealer when his last look
    will let the price pass; hidden liquidity is known.
    """
    lanes = lanes_of(specs)

    def score(lane: Lane, at: Nanos, side: Side) -> LaneScore:
        if lane.tactic is Tactic.TAKE:
            return LaneScore(lane=str(lane), p=1.0, mu=float(setup.standard_qty))
        qty = foresight(lane, at, side, setup.standard_life_ns)
        return LaneScore(lane=str(lane), p=1.0 if qty else 0.0, mu=float(max(qty, 1)))

    return lambda at, side: tuple(score(lane, at, side) for lane in lanes)
