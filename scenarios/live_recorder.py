"""What is kept of a market that is driven live: a digest of everything said, and what the desk has not been told yet.

Rule of this file: nothing grows with the length of the session; the tables of a replay are made from the journal.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from router.domain import codec
from router.domain.events import Event
from router.domain.messages import LearnerReply, VenueReply
from router.domain.scores import Outcome
from router.domain.units import Nanos, Px, Qty

Probabilities = tuple[tuple[str, tuple[float, ...]], ...]


class Told(NamedTuple):
    """What happened since it was last asked."""

    events: tuple[Event, ...]
    routing_probabilities: Probabilities


class LiveRecorder:
    """Listens to a conductor as `scenarios.recorder.Recorder` does. `listener` hears events before commands leave."""

    def __init__(self, listener: Callable[[Sequence[Event]], None]) -> None:
        self._listener = listener
        self._chain = b""
        self._events: list[Event] = []
        self._shown: dict[str, tuple[float, ...]] = {}
        self._fresh: dict[str, tuple[float, ...]] = {}
        self.policy_version = 0
        self.model_digest = ""

    @property
    def digest(self) -> str:
        """A chain of SHA-256 over everything said so far."""
        return self._chain.hex()

    def venues(self, replies: Mapping[str, VenueReply]) -> None:
        """The window of every venue that was asked, in their order."""
        for mic, reply in replies.items():
            self._said(codec.encode((mic, reply.reports, reply.quotes, reply.prints)))

    def window(self, at: Nanos, bid_px: Px, ask_px: Px, volume: Qty, shift_px: int) -> None:
        """The consolidated market at a boundary: it follows from what venues said."""

    def learner(self, outcomes: Sequence[Outcome], reply: LearnerReply) -> None:
        """A learner's window."""
        self._said(codec.encode((tuple(outcomes), reply.publications, reply.policies, reply.tactics)))
        self._said(codec.encode((reply.steered, reply.release)))
        for policy in reply.policies:
            side = str(policy.side)
            self.policy_version, self.model_digest = policy.policy_version, policy.model_digest
            if self._shown.get(side) != policy.routing_probabilities:
                self._shown[side] = self._fresh[side] = policy.routing_probabilities

    def host(self, now: Nanos, events: Sequence[Event]) -> None:
        """The events of all parents of a phase, parent by parent."""
        if events:
            self._said(codec.encode((now, tuple(events))))
            self._events.extend(events)
            self._listener(events)

    def _said(self, data: bytes) -> None:
        # A chain has a state that can be kept and gone on from; a hash under way has none that we may see.
        self._chain = hashlib.sha256(self._chain + data).digest()

    def take(self) -> Told:
        """Return what happened since the last call."""
        told = Told(tuple(self._events), tuple(sorted(self._fresh.items())))
        self._events, self._fresh = [], {}
        return told
