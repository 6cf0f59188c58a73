"""Everything that changes a parent order's state is in this file.

Rule of this file: the table lists the legal rows; `apply` alone changes a parent and passes child events on to
the child's own `apply`; the invariants I1..I8 are asserted on what it leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from router.domain.enums import OrdStatus, Tactic, WorkingState
from router.domain.errors import IllegalTransitionError, InvariantError
from router.domain.events import (
    ChildIntended,
    ChildReplaceRequested,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    ChildWatched,
    DecisionMade,
    Event,
    MarkoutObserved,
    ParentAccepted,
    ParentCancelRequested,
    ParentDone,
    ParentSuspended,
    ParentWoke,
    ReportIgnored,
)
from router.domain.orders import ParentOrder
from router.domain.units import Micros, Nanos, Px, Qty
from router.orders import child as children
from router.orders.child import ChildState

S = OrdStatus
CHILDREN_MAX = 100_000
"""Most children a parent may have: beyond it something loops."""

CLOSED = frozenset({S.FILLED, S.CANCELED, S.EXPIRED})

TABLE: dict[tuple[OrdStatus, type], OrdStatus | None] = {
    (S.NEW, ChildTraded): S.PARTIALLY_FILLED,
    (S.NEW, ParentCancelRequested): S.PENDING_CANCEL,
    (S.NEW, ParentSuspended): S.SUSPENDED,
    (S.NEW, ParentDone): None,
    (S.PARTIALLY_FILLED, ChildTraded): S.PARTIALLY_FILLED,
    (S.PARTIALLY_FILLED, ParentCancelRequested): S.PENDING_CANCEL,
    (S.PARTIALLY_FILLED, ParentSuspended): S.SUSPENDED,
    (S.PARTIALLY_FILLED, ParentDone): None,
    (S.PENDING_CANCEL, ChildTraded): S.PENDING_CANCEL,  # children fill while they are being cancelled
    (S.PENDING_CANCEL, ParentSuspended): S.SUSPENDED,
    (S.PENDING_CANCEL, ParentDone): None,
    (S.SUSPENDED, ChildTraded): S.SUSPENDED,
    (S.SUSPENDED, ParentCancelRequested): S.PENDING_CANCEL,
    (S.SUSPENDED, ParentDone): None,
    (S.FILLED, ChildTraded): S.FILLED,  # the real report of an inferred fill, or a late over-fill
    (S.CANCELED, ChildTraded): S.CANCELED,
    (S.EXPIRED, ChildTraded): S.EXPIRED,
}
"""None as a target: the state that the event names. Busts and corrections change quantities, never the status."""


class Used(NamedTuple):
    """The published policy that a decision went by."""

    arm: str
    policy: str
    version: int
    model_digest: str


@dataclass(slots=True)
class ParentState:
    """One parent's state: its own quantities, its children, and the counters its ids derive from."""

    parent: ParentOrder
    arrival_px2: Px
    accepted_at: Nanos
    status: OrdStatus = S.NEW
    cum_qty: Qty = 0
    notional: int = 0
    fee_micros: Micros = 0
    children: dict[str, ChildState] = field(default_factory=dict)
    live: dict[str, ChildState] = field(default_factory=dict)
    """The open children, in the order they were intended."""
    exec_ids: set[tuple[str, str]] = field(default_factory=set)
    """Every (mic, exec_id) that counted."""
    decisions: int = 0
    anomalies: int = 0
    wake_at: Nanos = 0
    woken_at: Nanos = 0
    """When it last acted."""
    target_qty: Qty = 0
    working_state: WorkingState = WorkingState.IDLE
    scheduled_state: WorkingState = WorkingState.IDLE
    """What it does by its schedule, while no child awaits the answer to a firm-up."""
    volume_at_start: Qty = 0
    given_up: float = 0.0
    """What its decisions gave up of the budget for exploration, in bps times shares."""
    sweeps: int = 0
    """Wakes since the schedule's last boundary, to send again what immediate children missed."""
    done_at: Nanos = 0
    arm: str = ""
    """Which arm of a release routes it, once one does."""
    used: Used | None = None
    """What the last decision by a learner went by."""
    version: int = 0

    @property
    def routed_qty(self) -> Qty:
        """What live children may still execute, unknown ones in full."""
        return sum([state.leaves_qty for state in self.live.values()])

    @property
    def resting_dark_qty(self) -> Qty:
        """The part of `routed_qty` that rests in dark pools."""
        return sum(s.leaves_qty for s in self.live.values() if s.child.tactic in (Tactic.MID_PEG, Tactic.CONDITIONAL))

    @property
    def unrouted_qty(self) -> Qty:
        """What may be routed now without any risk of over-filling."""
        return self.parent.order_qty - self.cum_qty - self.routed_qty

    @property
    def is_open(self) -> bool:
        """Whether the parent is still worked."""
        return self.status not in CLOSED

    @property
    def may_route(self) -> bool:
        """Whether new children may leave."""
        return self.status in (S.NEW, S.PARTIALLY_FILLED)

    def avg_px(self) -> float:
        """Mean execution price in Px; 0 before any fill."""
        return self.notional / self.cum_qty if self.cum_qty else 0.0


def accepted(event: ParentAccepted) -> ParentState:
    """Return the state a parent begins with."""
    return ParentState(
        parent=event.parent,
        arrival_px2=event.arrival_px2,
        accepted_at=event.at,
        wake_at=event.parent.start_at,
        volume_at_start=event.market_volume,
        version=1,
    )


def apply(state: ParentState, event: Event) -> None:
    """Change the parent, and the child it speaks of, by one event.

    Raises:
        IllegalTransitionError: no row of the tables allows it.
        InvariantError: it would break one of I1..I8.
    """
    _CHANGES.get(type(event), _child)(state, event)
    state.version += 1


def _decide(state: ParentState, event: DecisionMade) -> None:
    state.decisions += 1
    state.given_up += event.decision.given_up
    decision = event.decision
    if not decision.fall_back:
        state.arm = decision.arm
        state.used = Used(decision.arm, decision.policy, decision.policy_version, decision.model_digest)


def _wake(state: ParentState, event: ParentWoke) -> None:
    state.target_qty, state.wake_at, state.woken_at = event.target_qty, event.wake_at, event.at
    state.scheduled_state, state.sweeps = event.working_state, event.sweeps
    _note_working(state)


def _ignore(state: ParentState, event: ReportIgnored) -> None:
    state.anomalies += event.reason != "DUPLICATE"


def _watch(state: ParentState, event: ChildWatched) -> None:
    watched = state.children[event.cl_ord_id]
    watched.watched_age = max(watched.watched_age, event.at - watched.intended_at)


def _note(state: ParentState, event: MarkoutObserved) -> None:
    """A markout changes what learners know, and nothing of the parent."""


def _accept(state: ParentState, event: ParentAccepted) -> None:
    raise IllegalTransitionError(f"expected a parent to be accepted once - at parent {event.parent_id}")


def _move(state: ParentState, event: ParentCancelRequested | ParentSuspended | ParentDone | ChildTraded) -> None:
    try:
        target = TABLE[state.status, type(event)]
    except KeyError:
        raise IllegalTransitionError(
            f"expected an event legal in {state.status}, got {type(event).__name__} - at parent {event.parent_id}"
        ) from None
    if isinstance(event, ParentDone):
        if event.ord_status not in CLOSED:
            raise IllegalTransitionError(f"expected a closed state, got {event.ord_status} - at {event.parent_id}")
        if state.live:
            raise InvariantError(f"I2: expected no open child at the end of parent {event.parent_id}")
        state.status, state.done_at = event.ord_status, event.at
    elif target is not None:
        state.status = target
    if isinstance(event, _STOPS):
        # Its children are to be cancelled now, whenever the schedule meant to wake.
        state.wake_at = event.at


def _intend(state: ParentState, event: ChildIntended) -> None:
    order, parent = event.child, state.parent
    if not state.may_route:
        raise IllegalTransitionError(f"expected no new child in {state.status}, got one - at {event.cl_ord_id}")
    if order.cl_ord_id in state.children or len(state.children) >= CHILDREN_MAX:
        raise InvariantError(f"I4: expected a new child id below {CHILDREN_MAX} children, got {order.cl_ord_id}")
    if order.order_qty < 1 or order.order_qty > state.unrouted_qty:
        raise InvariantError(
            f"I2: expected a child of 1 to {state.unrouted_qty} shares, got {order.order_qty} - at {order.cl_ord_id}"
        )
    if order.side is not parent.side or order.symbol != parent.symbol:
        raise InvariantError(f"I6: expected {parent.side} {parent.symbol}, got {order.side} {order.symbol}")
    limit = parent.price
    if limit is not None and (order.price is None or (order.price - limit) * parent.side.sign > 0):
        raise InvariantError(f"I6: expected a price within the parent's limit {limit}, got {order.price}")
    child_state = children.intended(event)
    state.children[order.cl_ord_id] = state.live[order.cl_ord_id] = child_state


def _child(state: ParentState, event: children.ChildEvent) -> None:
    child_state = state.children.get(event.cl_ord_id)
    if child_state is None:
        raise IllegalTransitionError(
            f"expected a child of {event.parent_id}, got {event.cl_ord_id} - at {type(event).__name__}"
        )
    cum, notional, fee = child_state.cum_qty, child_state.notional, child_state.fee_micros
    if isinstance(event, _EXECUTIONS):
        _check_once(state, child_state, event)
        children.apply(child_state, event)
        state.exec_ids.add((child_state.child.mic, event.exec_id))
    else:
        if isinstance(event, ChildReplaceRequested):
            _check_replace(state, child_state, event)
        children.apply(child_state, event)
    state.cum_qty += child_state.cum_qty - cum
    state.notional += child_state.notional - notional
    state.fee_micros += child_state.fee_micros - fee
    if isinstance(event, ChildTraded):
        state.anomalies += event.is_late
        _move(state, event)
    if not child_state.is_open:
        state.live.pop(event.cl_ord_id, None)
    if child_state.child.tactic is Tactic.CONDITIONAL:
        _note_working(state)
    _check_child(state, child_state)


_STOPS = (ParentCancelRequested, ParentSuspended)
_EXECUTIONS = (ChildTraded, ChildTradeCanceled, ChildTradeCorrected)

_CHANGES: dict[type, Callable[[ParentState, Any], None]] = {
    DecisionMade: _decide,
    ParentWoke: _wake,
    ReportIgnored: _ignore,
    ParentCancelRequested: _move,
    ParentSuspended: _move,
    ParentDone: _move,
    ChildIntended: _intend,
    ChildWatched: _watch,
    MarkoutObserved: _note,
    ParentAccepted: _accept,
}
"""What each event changes; what is not here is the child's."""


def _note_working(state: ParentState) -> None:
    replacing = S.PENDING_REPLACE
    is_awaiting = any(s.status is replacing and s.child.tactic is Tactic.CONDITIONAL for s in state.live.values())
    state.working_state = WorkingState.AWAITING_FIRM_UP if is_awaiting else state.scheduled_state


def _check_once(
    state: ParentState, child_state: ChildState, event: ChildTraded | ChildTradeCanceled | ChildTradeCorrected
) -> None:
    key = (child_state.child.mic, event.exec_id)
    if key in state.exec_ids:
        raise InvariantError(f"I4: expected execution {key} to count once")
    if not isinstance(event, ChildTraded) and event.exec_ref_id not in child_state.executions:
        raise InvariantError(f"I5: expected a known execution, got {event.exec_ref_id} - at {event.exec_id}")


def _check_replace(state: ParentState, child_state: ChildState, event: ChildReplaceRequested) -> None:
    least, most = max(child_state.cum_qty, 1), child_state.cum_qty + child_state.leaves_qty + state.unrouted_qty
    if not least <= event.order_qty <= most:
        raise InvariantError(f"I2: expected {least} to {most} shares, got {event.order_qty} - at {event.request_id}")


def _check_child(state: ParentState, child_state: ChildState) -> None:
    if child_state.cum_qty < 0 or child_state.inferred_qty < 0:
        raise InvariantError(f"I1: expected cum_qty from 0, got {child_state.cum_qty}")
    if not child_state.is_open and child_state.leaves_qty:
        raise InvariantError(f"I1: expected no leaves when closed, got {child_state.leaves_qty}")


def check_invariants(state: ParentState) -> None:
    """Assert I1..I4, I6 and I7 on the whole state.

    Raises:
        InvariantError: names the invariant, what was expected and what came.
    """
    total = sum(s.cum_qty for s in state.children.values())
    if total != state.cum_qty:
        raise InvariantError(f"I3: expected children's cum_qty to sum to {state.cum_qty}, got {total}")
    if state.cum_qty < 0:
        raise InvariantError(f"I1: expected cum_qty from 0, got {state.cum_qty}")
    # What venues executed beyond what we asked for is booked in full, and no act of ours.
    most = state.parent.order_qty + sum(s.excess_qty for s in state.children.values())
    if state.cum_qty + state.routed_qty > most:
        raise InvariantError(f"I2: expected cum + routed up to {most}, got {state.cum_qty} + {state.routed_qty}")
    for child_state in state.children.values():
        executed = sum(e.qty for e in child_state.executions.values()) + child_state.inferred_qty
        if executed != child_state.cum_qty:
            raise InvariantError(f"I4: expected executions to sum to {child_state.cum_qty}, got {executed}")
        if child_state.is_open != (child_state.child.cl_ord_id in state.live):
            raise InvariantError(f"I7: expected {child_state.child.cl_ord_id} to be live exactly while open")
    if not state.is_open and state.live:
        raise InvariantError("I7: expected no live child of a closed parent")
    _check_money(state)


def _check_money(state: ParentState) -> None:
    """Assert the part of I3 that is money: lots add up to children, and children to the parent."""
    for child_state in state.children.values():
        executed = sum(e.qty * e.px for e in child_state.executions.values())
        inferred = sum(lot.qty * lot.px for lot in child_state.inferred)
        if executed + inferred != child_state.notional:
            raise InvariantError(
                f"I3: expected executions and inferred lots worth {child_state.notional}, got {executed} + {inferred}"
                f" - at {child_state.child.cl_ord_id}"
            )
    notional = sum(s.notional for s in state.children.values())
    if notional != state.notional:
        raise InvariantError(f"I3: expected children's notional to sum to {state.notional}, got {notional}")
    fee = sum(s.fee_micros for s in state.children.values())
    if fee != state.fee_micros:
        raise InvariantError(f"I3: expected children's fees to sum to {state.fee_micros}, got {fee}")
