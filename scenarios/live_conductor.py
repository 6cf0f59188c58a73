"""A conductor whose orders come in while it goes: windows are cut where something came in, and played all the same.

Rule of this file: it knows no clock. When a window was cut and what came in is told to it, so that the same cuts give
the same session again, in one process or on any number of nodes.

What a fact of the journal makes it do is the table `_HEARD` below.
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from operator import attrgetter
from typing import Any

import msgspec

from router.domain.enums import VenueType
from router.domain.events import Event, ParentDone, ParentReplaced, ParentReplaceRefused
from router.domain.facts import (
    ApprovalJudged,
    CancelAsked,
    Fact,
    HostsSet,
    KillSet,
    LimitSet,
    ModelSteered,
    OrderAccepted,
    OrderReplaced,
    OutcomesReported,
    RearmAsked,
    ReplaceAsked,
    ResumeAsked,
    VenueStateSet,
)
from router.domain.market import MarketSnapshot
from router.domain.messages import Delivered, ReplaceParent, SteerLearner, VenueReply
from router.domain.orders import Command, ParentOrder
from router.domain.played import Played, Reference
from router.domain.scores import ContextFrame, Outcome, PolicySnapshot
from router.domain.units import MILLISECOND, SECOND, Nanos
from router.orders.desk import HostSetup
from router.orders.venue_gate import VenueGate, VenueGateLimits, facts_of
from scenarios.conductor import Conductor
from scenarios.feed_rows import SeenPrints
from scenarios.hosts import Hosts
from scenarios.impact import OwnImpact
from scenarios.link import Link
from scenarios.live_recorder import LiveRecorder
from scenarios.live_switches import Bounds, Switches
from scenarios.network import Network
from scenarios.plan import Plan
from scenarios.reactions import Reactions
from scenarios.refusals import refusal
from scenarios.wishes import before_start, either

TICK_NS: Nanos = 5 * MILLISECOND
"""The shortest window of a live market: what comes in closer together is heard together."""

PUBLISH_NS: Nanos = SECOND
"""How old what the policy shows may be while nobody decides: a dry run and a person look at it."""

_start = attrgetter("start_at", "parent_id")


class LiveConductor(Conductor):
    """Drives one symbol's session. Parents are spread over so many `hosts`, in turn, made of `setup`."""

    def __init__(
        self,
        plan: Plan,
        link: Link,
        network: Network,
        impact: OwnImpact,
        reactions: Reactions,
        hosts: int,
        setup: HostSetup,
        tick_ns: Nanos = TICK_NS,
        limits: VenueGateLimits | None = None,
    ) -> None:
        self.heard_by = LiveRecorder(self._hear_events)
        self.gate = VenueGate([spec.mic for spec in plan.specs], limits)
        super().__init__(plan, link, network, impact, self.heard_by, None, reactions)  # type: ignore[arg-type]
        self.hosts = Hosts(hosts)
        self._hosts = self.hosts.names
        self.tick_ns = tick_ns
        self._held: dict[str, ParentOrder] = {}
        """Orders that wait for a person's approval."""
        self._open: dict[str, ParentOrder] = {}
        self._heard = 0
        self._refused: list[tuple[str, str]] = []
        self._changed: list[OrderReplaced] = []
        books = tuple(spec.mic for spec in plan.specs if spec.venue_type is VenueType.CENTRAL_LIMIT_ORDER_BOOK)
        self._public = books or tuple(spec.mic for spec in plan.specs)
        self._halted: dict[str, bool] = {}
        self._frames: tuple[ContextFrame, ...] = ()
        self._published_at: Nanos = -PUBLISH_NS
        self._prints = self._trades = SeenPrints([plan.feed_ns[spec.mic] for spec in plan.specs])
        self.switches = Switches(self.gate, tuple(self._place), Bounds(setup.limits, limits or VenueGateLimits()))
        self.setup = setup
        self._replaces = 0

    @property
    def now(self) -> Nanos:
        """The last boundary."""
        return self._now

    @property
    def heard(self) -> int:
        """The offset up to which (exclusive) the journal has been heard."""
        return self._heard

    @property
    def outcomes_waiting(self) -> int:
        """How many outcomes the learner has not heard of."""
        return self._line.waiting

    @property
    def market(self) -> MarketSnapshot:
        """The consolidated market at the last boundary."""
        return self._snapshot()

    @property
    def open_orders(self) -> int:
        """How many parents are not over."""
        return len(self._open)

    @property
    def idle_hosts(self) -> tuple[str, ...]:
        """Hosts that get no new orders, have none that is open, and are owed nothing of those that were."""
        return self.hosts.beyond(self.plan.host_of[p] for one in (self._open, self._marks.parents()) for p in one)

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
        refused, self._refused = tuple(self._refused), []
        changed, self._changed = tuple(self._changed), []
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
            aside=tuple(fact for offset, fact in facts if offset < 0 and isinstance(fact, KillSet)),
            is_over=self.is_over,
            changed=changed,
        )

    def reference(self) -> Reference:
        """Return what the risk gate may know of the market now."""
        market = self._snapshot()
        return Reference(
            symbol=self.plan.symbol,
            at=self._now,
            bid_px=market.bid_px,
            ask_px=market.ask_px,
            last_px=self._trades.last_px,
            volume=market.volume,
            is_open=self.plan.open_at <= self._now < self.plan.close_at,
            # Where no public book trades, the instrument does not: pools and dealers go by its prices.
            is_halted=all(self._halted.get(mic, False) for mic in self._public),
        )

    def _take_venue(self, k: int, mic: str, reply: VenueReply) -> None:
        super()._take_venue(k, mic, reply)
        self._halted[mic] = reply.is_halted

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
        if order.parent_id in self._parents:
            return
        self.plan.host_of[order.parent_id] = self.hosts.carrier(len(self._parents))
        self._parents[order.parent_id] = self._open[order.parent_id] = order
        self.gate.open_parent(facts_of(order, order.account))
        insort(self._waiting, order, key=_start)
        if self.switches.is_killed(order):
            self._end(order.parent_id, self._now)

    def _cancel(self, fact: CancelAsked, now: Nanos) -> None:
        if fact.parent_id in self._open:
            self._end(fact.parent_id, now)

    def _end(self, parent_id: str, now: Nanos) -> None:
        """Ask for a parent's end until it is over; one that has not started yet starts now, and ends."""
        order = self._parents[parent_id]
        if self._is_waiting(order):
            self._wait_as(msgspec.structs.replace(order, start_at=min(order.start_at, now)))
        self._cancels.setdefault(parent_id, now)

    def _is_waiting(self, order: ParentOrder) -> bool:
        """Whether no host has been told of an order."""
        k = bisect_left(self._waiting, _start(order), key=_start)
        return k < len(self._waiting) and self._waiting[k] == order

    def _wait_as(self, order: ParentOrder) -> None:
        """Let an order that no host knows of wait with other terms."""
        del self._waiting[bisect_left(self._waiting, _start(self._parents[order.parent_id]), key=_start)]
        self._parents[order.parent_id] = self._open[order.parent_id] = order
        insort(self._waiting, order, key=_start)

    def _is_publishing(self) -> bool:
        return self._now - self._published_at >= PUBLISH_NS

    def _learn(self, outcomes: list[Outcome], *, is_last: bool = False) -> tuple[ContextFrame, ...]:
        frames = super()._learn(outcomes, is_last=is_last)
        if frames:
            self._frames, self._published_at = frames, self._now
        if self.switches.is_model_killed:
            self._policies = ()  # hosts route by the fall-back policy, as without a learner
        return frames

    def _replace(self, fact: ReplaceAsked, now: Nanos) -> None:
        order = self._open.get(fact.parent_id)
        if order is None or fact.approval_id:
            return  # with an approval's id it comes again once somebody has approved it
        self._replaces += 1
        request = ReplaceParent(
            parent_id=fact.parent_id,
            request_id=f"R{self._replaces}",
            order_qty=fact.order_qty,
            price=fact.price,
            end_at=fact.end_at,
            urgency=fact.urgency,
            max_participation=fact.max_participation,
        )
        if self._is_waiting(order):
            self._change_waiting(order, request, now)
            return
        self._wishes.add(now, request)
        # Until the host says which terms hold, children of either may leave.
        self.gate.open_parent(facts_of(either(order, request), order.account))

    def _change_waiting(self, order: ParentOrder, request: ReplaceParent, now: Nanos) -> None:
        terms, refused = before_start(order, request, now)
        self._wait_as(terms)
        self.gate.open_parent(facts_of(terms, terms.account))
        self._changed.append(
            OrderReplaced(
                at=now,
                account=terms.account,
                parent_id=terms.parent_id,
                order_qty=terms.order_qty,
                price=terms.price,
                end_at=terms.end_at,
                refused=refused,
            )
        )

    def _resume(self, fact: ResumeAsked, now: Nanos) -> None:
        if fact.parent_id in self._open:
            self._resumes.append((fact.parent_id, fact.parent_id))
            self.gate.free_busted(fact.parent_id)

    def _kill(self, fact: KillSet, now: Nanos) -> None:
        if not self.switches.kill(fact):
            return
        self._close_venues(fact.target if fact.level == "VENUE" else "")
        for parent_id, order in self._open.items():
            if self.switches.is_killed(order):
                self._end(parent_id, now)

    def _rearm(self, fact: RearmAsked, now: Nanos) -> None:
        self.switches.rearm(fact)
        self._close_venues()

    def _set_venue(self, fact: VenueStateSet, now: Nanos) -> None:
        self.switches.set_venue(fact)
        self._close_venues(fact.mic if fact.state == "DISABLED" else "")

    def _scale(self, fact: HostsSet, now: Nanos) -> None:
        self.hosts.scale(fact.hosts)
        self._hosts = self.hosts.names

    def _limit(self, fact: LimitSet, now: Nanos) -> None:
        self.switches.limit(fact)
        self._line.learning = self.switches.learning

    def _close_venues(self, cleared: str = "") -> None:
        """Keep new children from venues that are not open, and take those of one of them back."""
        self._blocked, self._idle = self.switches.blocked, frozenset(self.idle_hosts)
        if cleared in self.switches.venue_states:
            self._cleared = (*self._cleared, cleared)

    def _steer(self, fact: ModelSteered, now: Nanos) -> None:
        self._line.steer(SteerLearner(at=now, act=fact.act, who=fact.who, why=fact.why))

    def _outcomes(self, fact: OutcomesReported, now: Nanos) -> None:
        if fact.symbol == self.plan.symbol and self._frames:
            # What does not fit would be refused by the learner, and the market with it.
            frame = self._frames[0]
            lanes, widths = set(frame.lanes), (0, len(frame.names))
            self._line.tell([one for one in fact.outcomes if one.lane in lanes and len(one.x) in widths])

    # what happened, and what leaves

    def _hear_events(self, events: Sequence[Event]) -> None:
        """Keep the second gate's books: a host says what it did, and only what it accepted gives it room."""
        for event in events:
            if isinstance(event, ParentDone):
                self._open.pop(event.parent_id, None)
                self.gate.end_parent(event.parent_id)
            elif isinstance(event, ParentReplaced):
                self._open[event.parent_id] = event.parent
                self.gate.open_parent(facts_of(event.parent, event.parent.account))
            elif isinstance(event, ParentReplaceRefused) and event.parent_id in self._open:
                order = self._open[event.parent_id]
                self.gate.open_parent(facts_of(order, order.account))

    def _count_fill(self, delivered: Delivered) -> None:
        super()._count_fill(delivered)
        self.gate.hear(delivered.report)

    def _send(self, commands: list[Command]) -> None:
        """Let what the second gate admits leave; of the rest the host hears, and people too."""
        for mic, is_up in self._is_up.items():
            (self.gate.open_venue if is_up else self.gate.close_venue)(mic, "down")
        admitted = []
        for command in commands:
            reason = self.gate.admit(command, self._now)
            if reason is None:
                admitted.append(command)
                continue
            self._refused.append((command.cl_ord_id, reason))
            # Of an id that has left already the venue's own reports are the truth.
            if not reason.startswith("DUPLICATE"):
                self.network.give_back(refusal(command, reason, self._now), self._now)
        super()._send(admitted)


_HEARD: dict[type, Callable[[LiveConductor, Any, Nanos], None]] = {
    OrderAccepted: LiveConductor._accepted,
    ApprovalJudged: LiveConductor._judged,
    CancelAsked: LiveConductor._cancel,
    ReplaceAsked: LiveConductor._replace,
    ResumeAsked: LiveConductor._resume,
    KillSet: LiveConductor._kill,
    RearmAsked: LiveConductor._rearm,
    VenueStateSet: LiveConductor._set_venue,
    HostsSet: LiveConductor._scale,
    LimitSet: LiveConductor._limit,
    ModelSteered: LiveConductor._steer,
    OutcomesReported: LiveConductor._outcomes,
}
"""What each fact makes the market do; others do not concern it."""
