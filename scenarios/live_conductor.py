"""A conductor whose orders come in while it goes: windows are cut where something came in, and played all the same.

Rule of this file: it knows no clock. When a window was cut and what came in is told to it, so that the same cuts give
the same session again, in one process or on any number of nodes.

What a fact of the journal makes it do is the table `_HEARD` below.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Any

from router.domain.events import ParentDone
from router.domain.facts import (
    ApprovalJudged,
    CancelAsked,
    Fact,
    KillSet,
    ModelSteered,
    OrderAccepted,
    OutcomesReported,
    RearmAsked,
    ReplaceAsked,
    VenueStateSet,
)
from router.domain.market import MarketSnapshot
from router.domain.messages import SteerLearner
from router.domain.orders import ParentOrder
from router.domain.played import Played, Reference
from router.domain.scores import ContextFrame, Outcome, PolicySnapshot
from router.domain.units import MILLISECOND, SECOND, Nanos
from scenarios.conductor import Conductor
from scenarios.impact import OwnImpact
from scenarios.link import Link
from scenarios.live_recorder import LiveRecorder
from scenarios.network import Network
from scenarios.plan import Plan
from scenarios.reactions import Reactions

TICK_NS: Nanos = 5 * MILLISECOND
"""The shortest window of a live market: what comes in closer together is heard together."""

PUBLISH_NS: Nanos = SECOND
"""How old what the policy shows may be while nobody decides: a dry run and a person look at it."""


class LiveConductor(Conductor):
    """Drives one symbol's session. `hosts` are the shells that parents are spread over, in turn."""

    def __init__(
        self,
        plan: Plan,
        link: Link,
        network: Network,
        impact: OwnImpact,
        reactions: Reactions,
        hosts: tuple[str, ...],
        tick_ns: Nanos = TICK_NS,
    ) -> None:
        self.heard_by = LiveRecorder()
        super().__init__(plan, link, network, impact, self.heard_by, None, reactions)  # type: ignore[arg-type]
        self._hosts = hosts
        self.tick_ns = tick_ns
        self._held: dict[str, ParentOrder] = {}
        """Orders that wait for a person's approval."""
        self._open: dict[str, ParentOrder] = {}
        self._heard = 0
        self._refused: list[tuple[str, str]] = []
        self._frames: tuple[ContextFrame, ...] = ()
        self._published_at: Nanos = -PUBLISH_NS
        self.venue_states: dict[str, str] = {spec.mic: "ENABLED" for spec in plan.specs}
        self._kills: set[tuple[str, str]] = set()

    @property
    def now(self) -> Nanos:
        """The last boundary."""
        return self._now

    @property
    def heard(self) -> int:
        """The offset up to which (exclusive) the journal has been heard."""
        return self._heard

    @property
    def market(self) -> MarketSnapshot:
        """The consolidated market at the last boundary."""
        return self._snapshot()

    @property
    def open_orders(self) -> int:
        """How many parents are not over."""
        return len(self._open)

    @property
    def frames(self) -> tuple[ContextFrame, ...]:
        """The contexts last shown to learners, by side."""
        return self._frames

    @property
    def policies(self) -> tuple[PolicySnapshot, ...]:
        """What hosts decide by now."""
        return self._policies

    @property
    def is_over(self) -> bool:
        """Whether the session is closed and everything in it has ended."""
        return self._now >= self.plan.close_at + self.plan.grace_ns or (
            self._now >= self.plan.close_at and not self._open
        )

    def next_at(self) -> Nanos:
        """Return where the next window ends if nothing comes in before."""
        return max(self._boundary(), self._now + self.tick_ns)

    def step(self, until: Nanos | None = None, heard: int = 0, facts: Sequence[tuple[int, Fact]] = ()) -> Played | None:
        """Play one window, cut at `until` by what came in; without it, the window that comes by itself.

        Returns what the desk must be told; None when nothing happened in it.
        """
        is_cut = until is not None
        end = self.next_at() if until is None else max(until, self._now + 1)
        n = self.windows
        if is_cut:
            self._heard = heard
            for _, fact in facts:
                take = _HEARD.get(type(fact))
                if take is not None:
                    take(self, fact, end)
        self.play(end)
        told = self.heard_by.take()
        for event in told.events:
            if isinstance(event, ParentDone):
                self._open.pop(event.parent_id, None)
        refused, self._refused = tuple(self._refused), []
        if not (is_cut or told.events or told.routing_probabilities or refused or self.is_over):
            return None
        return Played(
            symbol=self.plan.symbol,
            n=n,
            at=end,
            is_cut=is_cut,
            heard=self._heard,
            events=told.events,
            digest=self.heard_by.digest,
            policy_version=self.heard_by.policy_version,
            model_digest=self.heard_by.model_digest,
            routing_probabilities=told.routing_probabilities,
            refused=refused,
            is_over=self.is_over,
        )

    def reference(self) -> Reference:
        """Return what the risk gate may know of the market now."""
        market = self._snapshot()
        return Reference(
            symbol=self.plan.symbol,
            at=self._now,
            bid_px=market.bid_px,
            ask_px=market.ask_px,
            volume=market.volume,
            is_open=self.plan.open_at <= self._now < self.plan.close_at,
        )

    # what came in

    def _accepted(self, fact: OrderAccepted, now: Nanos) -> None:
        if fact.order.symbol != self.plan.symbol:
            return
        if fact.approval_id:
            self._held[fact.parent_id] = fact.order
        else:
            self._add(fact.order)

    def _judged(self, fact: ApprovalJudged, now: Nanos) -> None:
        order = self._held.pop(fact.parent_id, None)
        if order is not None and fact.is_approved:
            self._add(order)

    def _add(self, order: ParentOrder) -> None:
        host = self._hosts[len(self._parents) % len(self._hosts)]
        self._parents[order.parent_id] = self._open[order.parent_id] = order
        self.plan.host_of[order.parent_id] = host
        insort(self._waiting, order, key=_start)

    def _cancel(self, fact: CancelAsked, now: Nanos) -> None:
        if fact.parent_id in self._open:
            self._end(fact.parent_id, now)

    def _end(self, parent_id: str, now: Nanos) -> None:
        """Ask for a parent's end until it is over; one that has not started yet starts now, and ends."""
        self._cancels.append((now, parent_id))

    def _is_publishing(self) -> bool:
        return self._now - self._published_at >= PUBLISH_NS

    def _learn(self, outcomes: list[Outcome], *, is_last: bool = False) -> tuple[ContextFrame, ...]:
        frames = super()._learn(outcomes, is_last=is_last)
        if frames:
            self._frames, self._published_at = frames, self._now
        return frames

    def _replace(self, fact: ReplaceAsked, now: Nanos) -> None:
        pass

    def _kill(self, fact: KillSet, now: Nanos) -> None:
        self._kills.add((fact.level, fact.target))
        for parent_id, order in self._open.items():
            if self._is_killed(order):
                self._end(parent_id, now)

    def _rearm(self, fact: RearmAsked, now: Nanos) -> None:
        if fact.is_lifted:
            self._kills.discard((fact.level, fact.target))

    def _is_killed(self, order: ParentOrder) -> bool:
        levels = (("all", ""), ("account", order.account), ("strategy", order.strategy), ("symbol", order.symbol))
        return any(level in self._kills for level in levels)

    def _set_venue(self, fact: VenueStateSet, now: Nanos) -> None:
        if fact.mic in self.venue_states:
            self.venue_states[fact.mic] = fact.state

    def _steer(self, fact: ModelSteered, now: Nanos) -> None:
        self._line.steer(SteerLearner(at=now, act=fact.act, who=fact.who, why=fact.why))

    def _outcomes(self, fact: OutcomesReported, now: Nanos) -> None:
        if fact.symbol == self.plan.symbol:
            self._line.tell(fact.outcomes)


def _start(order: ParentOrder) -> tuple[Nanos, str]:
    return order.start_at, order.parent_id


_HEARD: dict[type, Callable[[LiveConductor, Any, Nanos], None]] = {
    OrderAccepted: LiveConductor._accepted,
    ApprovalJudged: LiveConductor._judged,
    CancelAsked: LiveConductor._cancel,
    ReplaceAsked: LiveConductor._replace,
    KillSet: LiveConductor._kill,
    RearmAsked: LiveConductor._rearm,
    VenueStateSet: LiveConductor._set_venue,
    ModelSteered: LiveConductor._steer,
    OutcomesReported: LiveConductor._outcomes,
}
"""What each fact makes the market do; others do not concern it."""
