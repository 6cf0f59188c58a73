"""A conductor whose orders come in while it goes: windows are cut where something came in, and played all the same.

Rule of this file: it knows no clock. When a window was cut and what came in is told to it, so that the same cuts give
the same session again, in one process or on any number of nodes.

What a fact of the journal makes it do is the table `_HEARD` below.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from router.domain.enums import ExecType, OrdStatus
from router.domain.events import Event, ParentDone, ParentReplaced, ParentReplaceRefused
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
    ResumeAsked,
    VenueStateSet,
)
from router.domain.market import MarketSnapshot
from router.domain.messages import Delivered, ReplaceParent, SteerLearner
from router.domain.orders import Command, NewOrderSingle, ParentOrder
from router.domain.played import Played, Reference
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.scores import ContextFrame, Outcome, PolicySnapshot
from router.domain.units import MILLISECOND, SECOND, Nanos
from router.orders.venue_gate import VenueGate, VenueGateLimits, facts_of
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
        limits: VenueGateLimits | None = None,
    ) -> None:
        self.heard_by = LiveRecorder(self._hear_events)
        self.gate = VenueGate([spec.mic for spec in plan.specs], limits)
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
        self._lifted: dict[tuple[str, str], Nanos] = {}
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
        if order.parent_id in self._parents:
            return
        host = self._hosts[len(self._parents) % len(self._hosts)]
        self._parents[order.parent_id] = self._open[order.parent_id] = order
        self.plan.host_of[order.parent_id] = host
        self.gate.open_parent(facts_of(order, order.account))
        insort(self._waiting, order, key=_start)
        if self._is_killed(order):
            self._end(order.parent_id, self._now)

    def _cancel(self, fact: CancelAsked, now: Nanos) -> None:
        if fact.parent_id in self._open:
            self._end(fact.parent_id, now)

    def _end(self, parent_id: str, now: Nanos) -> None:
        """Ask for a parent's end until it is over; one that has not started yet starts now, and ends."""
        order = self._parents[parent_id]
        if order in self._waiting:
            self._waiting.remove(order)
            order = msgspec.structs.replace(order, start_at=min(order.start_at, now))
            self._parents[parent_id] = self._open[parent_id] = order
            insort(self._waiting, order, key=_start)
        self._cancels.append((now, parent_id))

    def _is_publishing(self) -> bool:
        return self._now - self._published_at >= PUBLISH_NS

    def _learn(self, outcomes: list[Outcome], *, is_last: bool = False) -> tuple[ContextFrame, ...]:
        frames = super()._learn(outcomes, is_last=is_last)
        if frames:
            self._frames, self._published_at = frames, self._now
        if any(level == "MODEL" for level, _ in self._kills):
            # Hosts route by the fall-back policy, as without a learner.
            self._policies = ()
        return frames

    def _replace(self, fact: ReplaceAsked, now: Nanos) -> None:
        order = self._open.get(fact.parent_id)
        if order is None:
            return
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
        self._wishes.add(now, request)
        # Until the host says which terms hold, children of either may leave.
        self.gate.open_parent(facts_of(_either(order, request), order.account))

    def _resume(self, fact: ResumeAsked, now: Nanos) -> None:
        if fact.parent_id in self._open:
            self._resumes.append((fact.parent_id, fact.parent_id))
            self.gate.free_busted(fact.parent_id)

    def _kill(self, fact: KillSet, now: Nanos) -> None:
        if fact.at <= self._lifted.get((fact.level, fact.target), -1):
            # It comes late: people have lifted it already.
            return
        self._kills.add((fact.level, fact.target))
        if fact.level == "VENUE":
            self.gate.close_venue(fact.target, "killed")
            self._close_venues(fact.target)
        elif fact.level != "MODEL":
            self.gate.block(fact.level, fact.target)
        for parent_id, order in self._open.items():
            if self._is_killed(order):
                self._end(parent_id, now)

    def _rearm(self, fact: RearmAsked, now: Nanos) -> None:
        if fact.is_lifted:
            self._kills.discard((fact.level, fact.target))
            self._lifted[fact.level, fact.target] = fact.at
            self.gate.open_venue(fact.target, "killed")
            self.gate.unblock(fact.level, fact.target)
            self._close_venues()

    def _is_killed(self, order: ParentOrder) -> bool:
        levels = (("ALL", ""), ("ACCOUNT", order.account), ("STRATEGY", order.strategy), ("SYMBOL", order.symbol))
        return any(level in self._kills for level in levels)

    def _set_venue(self, fact: VenueStateSet, now: Nanos) -> None:
        if fact.mic not in self.venue_states:
            return
        self.venue_states[fact.mic] = fact.state
        (self.gate.open_venue if fact.state == "ENABLED" else self.gate.close_venue)(fact.mic, "by a person")
        self._close_venues(fact.mic if fact.state == "DISABLED" else "")

    def _close_venues(self, cleared: str = "") -> None:
        """Keep new children from venues that are not enabled, or killed, and take those of one of them back."""
        killed = {target for level, target in self._kills if level == "VENUE"}
        states = self.venue_states
        self._blocked = tuple(mic for mic in states if states[mic] != "ENABLED" or mic in killed)
        if cleared in states:
            self._cleared = (*self._cleared, cleared)

    def _steer(self, fact: ModelSteered, now: Nanos) -> None:
        self._line.steer(SteerLearner(at=now, act=fact.act, who=fact.who, why=fact.why))

    def _outcomes(self, fact: OutcomesReported, now: Nanos) -> None:
        if fact.symbol == self.plan.symbol and self._frames:
            # What does not fit would be refused by the learner, and the market with it.
            frame = self._frames[0]
            lanes, widths = set(frame.lanes), (0, len(frame.names))
            fitting = [outcome for outcome in fact.outcomes if outcome.lane in lanes and len(outcome.x) in widths]
            self._line.tell(fitting)

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
                self.network.give_back(_refusal(command, reason, self._now), self._now)
        super()._send(admitted)


def _either(order: ParentOrder, request: ReplaceParent) -> ParentOrder:
    """Return an order that allows whatever the old terms or the new ones do."""
    price = order.price
    if price is not None and request.price is not None:
        price = max(price, request.price) if order.side.sign > 0 else min(price, request.price)
    qty = max(order.order_qty, request.order_qty or 0)
    return msgspec.structs.replace(order, order_qty=qty, price=price)


def _refusal(command: Command, reason: str, now: Nanos) -> Report:
    """Return what a host hears of a command that the second gate kept from leaving."""
    if isinstance(command, NewOrderSingle):
        return ExecutionReport(
            mic=command.mic,
            cl_ord_id=command.cl_ord_id,
            order_id="",
            exec_id=f"gate:{command.cl_ord_id}",
            exec_type=ExecType.REJECTED,
            ord_status=OrdStatus.REJECTED,
            transact_time=now,
            order_qty=command.child.order_qty,
            text=reason,
        )
    return OrderCancelReject(
        mic=command.mic,
        cl_ord_id=command.cl_ord_id,
        orig_cl_ord_id=command.orig_cl_ord_id,
        ord_status=OrdStatus.NEW,
        transact_time=now,
        text=reason,
    )


def _start(order: ParentOrder) -> tuple[Nanos, str]:
    return order.start_at, order.parent_id


_HEARD: dict[type, Callable[[LiveConductor, Any, Nanos], None]] = {
    OrderAccepted: LiveConductor._accepted,
    ApprovalJudged: LiveConductor._judged,
    CancelAsked: LiveConductor._cancel,
    ReplaceAsked: LiveConductor._replace,
    ResumeAsked: LiveConductor._resume,
    KillSet: LiveConductor._kill,
    RearmAsked: LiveConductor._rearm,
    VenueStateSet: LiveConductor._set_venue,
    ModelSteered: LiveConductor._steer,
    OutcomesReported: LiveConductor._outcomes,
}
"""What each fact makes the market do; others do not concern it."""
