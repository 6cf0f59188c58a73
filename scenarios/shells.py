"""The plain shell classes: one venue, one learner, one host of parents, each a mailbox around an engine.

Rule of this file: a shell takes a batch and returns a reply, and the same batch number again returns the same reply;
it has no `if` about orders. Ray wraps these classes, the simulator calls them.
"""

from __future__ import annotations

from typing import Protocol

from learners.policies.build import NOT_LEARNING
from learners.policies.policy import Policy
from router.allocation.allocate import lane_probabilities
from router.domain.enums import Tactic
from router.domain.errors import LinkError
from router.domain.instruments import VenueSpec
from router.domain.messages import (
    HostBatch,
    HostReply,
    LearnerBatch,
    LearnerReply,
    Message,
    Publication,
    VenueBatch,
    VenueReply,
)
from router.domain.scores import ContextFrame, LaneScore, Outcome, PolicySnapshot
from router.orders.host import OrderHost
from router.route import offers_of
from venues.venue import Venue


class Shell(Protocol):
    """Anything that answers batches."""

    def handle(self, batch: Message) -> Message:
        """Return the reply to `batch`; to a batch number seen last, the same reply again."""
        ...


def _out_of_turn(shell: str, last: int, batch: Message) -> LinkError:
    return LinkError(f"expected a {shell} batch after {last}, got {type(batch).__name__} {batch.seq}")


class VenueShell:
    """One venue engine behind its mailbox."""

    def __init__(self, venue: Venue) -> None:
        self.venue = venue
        self._last = VenueReply(seq=-1, reports=(), quotes=b"", prints=b"", tiers=(), events=0, next_at=None)

    def handle(self, batch: Message) -> VenueReply:
        """Advance the venue by one batch.

        Raises:
            LinkError: not a venue's batch, or one from the past.
        """
        if batch.seq == self._last.seq:
            return self._last
        if not isinstance(batch, VenueBatch) or batch.seq < self._last.seq:
            raise _out_of_turn("venue", self._last.seq, batch)
        out = self.venue.advance(batch.until, batch.arrivals, batch.shifts, batch.sessions)
        self._last = VenueReply(
            seq=batch.seq,
            reports=tuple(out.reports),
            quotes=out.quotes.tobytes(),
            prints=out.prints.tobytes(),
            tiers=out.tiers,
            events=out.events,
            next_at=out.next_at,
        )
        return self._last


class HostShell:
    """One host of parent orders behind its mailbox."""

    def __init__(self, host: OrderHost) -> None:
        self.host = host

    def handle(self, batch: Message) -> HostReply:
        """Hear or decide one batch.

        Raises:
            LinkError: not a host's batch.
        """
        if not isinstance(batch, HostBatch):
            raise _out_of_turn("host", -1, batch)
        return self.host.handle(batch)


class LearnerShell:
    """One learner behind its mailbox: applies outcomes one by one and publishes after each."""

    def __init__(self, learner_id: str, policy: Policy, specs: tuple[VenueSpec, ...], standard_qty: int) -> None:
        self.learner_id = learner_id
        self.policy = policy
        self._specs = specs
        self._standard_qty = standard_qty
        self._is_learning = policy.name not in (*NOT_LEARNING, "oracle")
        self._version = 0
        self._applied = 0
        self._last = LearnerReply(seq=-1, publications=(), policies=())

    def handle(self, batch: Message) -> LearnerReply:
        """Apply the outcomes in order and publish the policy for every frame.

        Raises:
            LinkError: not a learner's batch, or one from the past.
            FeatureError: an outcome or frame that the policy refuses.
        """
        if batch.seq == self._last.seq:
            return self._last
        if not isinstance(batch, LearnerBatch) or batch.seq < self._last.seq:
            raise _out_of_turn("learner", self._last.seq, batch)
        # A policy that no outcome changes has one version for ever.
        publications = [self._learn(outcome, batch) for outcome in batch.outcomes] if self._is_learning else []
        policies = tuple(self._publish(frame) for frame in batch.frames)
        self._last = LearnerReply(seq=batch.seq, publications=tuple(publications), policies=policies)
        return self._last

    def _learn(self, outcome: Outcome, batch: LearnerBatch) -> Publication:
        self.policy.learn((outcome,))
        self._version += 1
        self._applied += 1
        frame = next((f for f in batch.frames if f.side is outcome.side), None)
        probabilities = () if frame is None else self._probabilities(frame, self.policy.scores(frame))
        return Publication(
            policy_version=self._version,
            at=outcome.at,
            side=outcome.side,
            routing_probabilities=probabilities,
            cause=f"{outcome.kind} {outcome.lane} {outcome.cl_ord_id}",
        )

    def _publish(self, frame: ContextFrame) -> PolicySnapshot:
        scores = self.policy.scores(frame)
        return PolicySnapshot(
            learner_id=self.learner_id,
            policy=self.policy.name,
            policy_version=self._version,
            at=frame.at,
            side=frame.side,
            mode=self.policy.mode,
            scores=scores,
            routing_probabilities=self._probabilities(frame, scores),
            outcomes_applied=self._applied,
            model_digest=self.policy.digest(),
        )

    def _probabilities(self, frame: ContextFrame, scores: tuple[LaneScore, ...]) -> tuple[float, ...]:
        offers = offers_of(frame, scores, self._specs, 0)
        return lane_probabilities(self._standard_qty, offers, self.policy.mode, standard_opportunity(frame))


def standard_opportunity(frame: ContextFrame) -> float:
    """Return the cost in bps of taking at the cheapest lane: what a share left unfilled on the pace is worth."""
    costs = [
        frame.fee_bps[i] - frame.price_bps[i]
        for i, lane in enumerate(frame.lanes)
        if lane.endswith(Tactic.TAKE) and frame.max_qty[i] > 0
    ]
    return max(min(costs, default=0.0), 0.0)
