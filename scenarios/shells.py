"""The plain shell classes: one venue, one learner, one host of parents, each a mailbox around an engine.

Rule of this file: a shell takes a batch and returns a reply, and the same batch number again returns the same reply;
it has no `if` about orders. Ray wraps these classes, the simulator calls them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple, Protocol

import numpy as np

from learners.policies.build import NOT_LEARNING
from learners.policies.policy import Policy, TablePolicy
from learners.tactics.learner import TacticLearner
from router.allocation.allocate import LaneTerms, lane_terms, probabilities_on
from router.allocation.limits import UNLIMITED, Limits, Pace
from router.allocation.published import TermArrays, standard_terms, table_probabilities
from router.domain.enums import Side, Tactic
from router.domain.errors import FeatureError, LinkError
from router.domain.instruments import VenueSpec
from router.domain.market import F64, I64, floats
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
from router.domain.tactics import TacticSnapshot
from router.orders.host import OrderHost
from router.route import book_side, public_rows
from scenarios.clairvoyant import CLAIRVOYANT
from scenarios.oracle import ORACLE
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
        out = self.venue.advance(batch.until, batch.arrivals, batch.ripples, batch.sessions)
        self._last = VenueReply(
            seq=batch.seq,
            reports=tuple(out.reports),
            quotes=out.quotes.tobytes() if len(out.quotes) else b"",
            prints=out.prints.tobytes() if len(out.prints) else b"",
            tiers=out.tiers,
            events=out.events,
            next_at=out.next_at,
            is_halted=out.is_halted,
        )
        return self._last


class HostShell:
    """One host of parent orders behind its mailbox."""

    def __init__(self, host: OrderHost) -> None:
        self.host = host

    def handle(self, batch: Message) -> HostReply:
        """Hear or decide one batch.

        Raises:
            LinkError: not a host's batch, or one from the past.
        """
        if not isinstance(batch, HostBatch):
            raise _out_of_turn("host", -1, batch)
        return self.host.handle(batch)


class _Sight(NamedTuple):
    """One frame of a batch and what no outcome changes of it."""

    frame: ContextFrame
    terms: LaneTerms | TermArrays
    """As arrays for a policy that gives a table."""


class _View(NamedTuple):
    """What the policy makes of one sight in one version."""

    version: int
    sight: _Sight
    table: F64 | None
    scores: tuple[LaneScore, ...]
    """Empty where only a table was asked for."""
    probabilities: tuple[float, ...]
    is_slowed: bool = False


class LearnerShell:
    """One learner behind its mailbox: applies outcomes one by one, each a new version.

    A batch's last version shows its probabilities, where the batch asks for them: its policies every host then uses.
    """

    def __init__(
        self,
        learner_id: str,
        policy: Policy,
        specs: tuple[VenueSpec, ...],
        standard_qty: int,
        limits: Limits = UNLIMITED,
        tactics: TacticLearner | None = None,
    ) -> None:
        self.learner_id = learner_id
        self._tactics = tactics
        self.policy = policy
        self._specs = specs
        self._standard_qty = standard_qty
        self._lots: I64 = np.array([spec.listing.lot for spec in specs for _ in spec.tactics], dtype=np.int64)
        self._tables = policy if isinstance(policy, TablePolicy) else None
        self._size_edges: tuple[float, ...] = tuple(getattr(policy, "size_edges", ()))
        self._edges: F64 = np.array(self._size_edges, dtype=np.float64)
        self._change_max = limits.probability_change_max
        self._paces: dict[Side, Pace] = {}
        self._is_learning = policy.name not in (*NOT_LEARNING, ORACLE, CLAIRVOYANT)
        self._version = 0
        self._applied = 0
        self._view: _View | None = None
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
        if batch.probability_change_max is not None:
            self._let_change(batch.probability_change_max)
        sights = [self._sight(frame) for frame in batch.frames]
        first = self._version + 1
        for outcome in batch.outcomes:
            self.policy.learn((outcome,))
            self._version += 1
            self._applied += 1
        policies = tuple(self._publish(sight) for sight in sights)
        tactics = None if self._tactics is None else _styled(self._tactics, batch)
        publications = _publications(first, batch.outcomes, policies)
        self._last = LearnerReply(seq=batch.seq, publications=publications, policies=policies, tactics=tactics)
        return self._last

    def _let_change(self, change_max: float) -> None:
        """Let published probabilities move so far in a minute from now on."""
        self._change_max = change_max
        for pace in self._paces.values():
            pace.per_minute = change_max

    def _publish(self, sight: _Sight) -> PolicySnapshot:
        view = self._look(sight)
        return PolicySnapshot(
            learner_id=self.learner_id,
            policy=self.policy.name,
            policy_version=self._version,
            at=sight.frame.at,
            side=sight.frame.side,
            mode=self.policy.mode,
            scores=view.scores,
            routing_probabilities=view.probabilities,
            outcomes_applied=self._applied,
            model_digest=self.policy.digest(),
            size_edges=self._size_edges,
            is_slowed=view.is_slowed,
            lanes=() if view.table is None else sight.frame.lanes,
            table=b"" if view.table is None else view.table.tobytes(),
        )

    def _look(self, sight: _Sight) -> _View:
        """Return what the policy makes of a sight now; asked twice in one version, the same answer again."""
        view = self._view
        # What no outcome changes is looked at once a sight: its versions differ in nothing but their number.
        is_old = view is not None and view.version != self._version and self._is_learning
        if view is None or view.sight is not sight or is_old:
            self._view = view = self._view_of(sight, view)
        return view

    def _view_of(self, sight: _Sight, last: _View | None) -> _View:
        terms = sight.terms
        if self._tables is not None and isinstance(terms, TermArrays):
            table = self._tables.table(sight.frame)
            if last is not None and last.sight is sight and last.table is table:
                return _View(self._version, sight, table, (), last.probabilities, last.is_slowed)
            probabilities = table_probabilities(self._standard_qty, terms, table, self._edges)
            return self._slowed(_View(self._version, sight, table, (), probabilities))
        assert not isinstance(terms, TermArrays), "only a policy with a table has arrays made for it"
        scores = self.policy.scores(sight.frame)
        probabilities = probabilities_on(self._standard_qty, terms, scores, self.policy.mode, self._size_edges)
        return self._slowed(_View(self._version, sight, None, scores, probabilities))

    def _slowed(self, view: _View) -> _View:
        """Return the view with its probabilities held to what the limit lets them be by now."""
        if self._change_max == UNLIMITED.probability_change_max:
            return view
        frame, wanted = view.sight.frame, view.probabilities
        made = self._paces.setdefault(frame.side, Pace(self._change_max)).limit(frame.at, wanted)
        return view._replace(probabilities=made, is_slowed=made != wanted)

    def _sight(self, frame: ContextFrame) -> _Sight:
        lengths, lanes = (len(frame.price_bps), len(frame.fee_bps), len(frame.max_qty)), len(self._lots)
        if lengths != (lanes, lanes, lanes):
            raise FeatureError(f"expected a price, fee and size for each of {lanes} lanes, got {lengths} - at frame")
        opportunity_bps = standard_opportunity(frame)
        if self._tables is None:
            return _Sight(frame, lane_terms(public_rows(frame, self._specs, 0), opportunity_bps))
        prices, fees, sizes = floats(frame.price_bps), floats(frame.fee_bps), np.array(frame.max_qty)
        return _Sight(frame, standard_terms(prices, fees, sizes, self._lots, opportunity_bps))


def _publications(
    first: int, outcomes: tuple[Outcome, ...], policies: tuple[PolicySnapshot, ...]
) -> tuple[Publication, ...]:
    """Return one publication an outcome, versions from `first` on; the last one of a side shows the batch's end."""
    # Within a batch nobody could use a probability: it is worked out where hosts are shown it.
    shown = {policy.side: policy.routing_probabilities for policy in policies}
    made = [
        Publication(
            policy_version=first + n,
            at=outcome.at,
            side=outcome.side,
            routing_probabilities=shown.pop(book_side(outcome.side), ()) if shown else (),
            cause=f"{outcome.kind} {outcome.lane} {outcome.cl_ord_id}",
        )
        for n, outcome in reversed(tuple(enumerate(outcomes)))
    ]
    return tuple(made[::-1])


def _styled(tactics: TacticLearner, batch: LearnerBatch) -> TacticSnapshot:
    """Let the learner of styles hear a batch, and return what it publishes."""
    tactics.routed(batch.slices)
    for outcome in batch.outcomes:
        tactics.hear(outcome)
    for ended in batch.ended:
        tactics.ended(ended.parent_id)
    return tactics.publish(batch.now)


def standard_opportunity(frame: ContextFrame) -> float:
    """Return the cost in bps of taking at the cheapest lane: what a share left unfilled on the pace is worth."""
    fees, prices, sizes = frame.fee_bps, frame.price_bps, frame.max_qty
    return max(min([fees[i] - prices[i] for i in _takes(frame.lanes) if sizes[i] > 0], default=0.0), 0.0)


@lru_cache(maxsize=64)
def _takes(lanes: tuple[str, ...]) -> tuple[int, ...]:
    return tuple(i for i, lane in enumerate(lanes) if lane.endswith(Tactic.TAKE))
