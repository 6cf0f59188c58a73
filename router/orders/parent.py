"""Everything that changes a parent order's state is in this file.

Rule of this file: the table lists the legal rows; `apply` alone changes a parent and passes child events on to
the child's own `apply`; the invariants (`router.orders.invariants`) are asserted on what it leaves behind.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from router.domain.enums import OrdStatus, Tactic, WorkingState
from router.domain.errors import IllegalTransitionError, InvariantError
from router.domain.events import (
    ChildAcknowledged,
    ChildAmendedEarly,
    ChildCancelRequested,
    ChildIntended,
    ChildReplaceRequested,
    ChildSent,
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
    ParentReplaced,
    ParentReplaceRefused,
    ParentReplaceRequested,
    ParentResumed,
    ParentSuspended,
    ParentWoke,
    ReportIgnored,
)
from router.domain.orders import ParentOrder
from router.domain.units import Micros, Nanos, Px, Qty
from router.orders import child as children
from router.orders.child import ChildState
from router.orders.invariants import check_child, check_new_terms, check_once, check_replace, check_terms
from router.orders.invariants import check_invariants as check_invariants

S = OrdStatus
CHILDREN_MAX = 100_000
"""Most children a parent may have: beyond it something loops."""

CLOSED = frozenset({S.FILLED, S.CANCELED, S.EXPIRED})

OPEN = "OPEN"
"""As a target: NEW or PARTIALLY_FILLED, whichever its executions say."""

TABLE: dict[tuple[OrdStatus, type], OrdStatus | str | None] = {
    (S.NEW, ChildTraded): S.PARTIALLY_FILLED,
    (S.NEW, ParentCancelRequested): S.PENDING_CANCEL,
    (S.NEW, ParentSuspended): S.SUSPENDED,
    (S.NEW, ParentDone): None,
    (S.NEW, ParentReplaced): S.NEW,  # nothing stood in the way
    (S.NEW, ParentReplaceRequested): S.PENDING_REPLACE,
    (S.PARTIALLY_FILLED, ChildTraded): S.PARTIALLY_FILLED,
    (S.PARTIALLY_FILLED, ParentCancelRequested): S.PENDING_CANCEL,
    (S.PARTIALLY_FILLED, ParentSuspended): S.SUSPENDED,
    (S.PARTIALLY_FILLED, ParentDone): None,
    (S.PARTIALLY_FILLED, ParentReplaced): S.PARTIALLY_FILLED,
    (S.PARTIALLY_FILLED, ParentReplaceRequested): S.PENDING_REPLACE,
    # A request that is pending is answered before anything else happens to its parent.
    (S.PENDING_REPLACE, ChildTraded): S.PENDING_REPLACE,  # children fill while they are being taken back
    (S.PENDING_REPLACE, ParentReplaced): OPEN,
    (S.PENDING_REPLACE, ParentReplaceRefused): OPEN,
    (S.PENDING_CANCEL, ChildTraded): S.PENDING_CANCEL,  # children fill while they are being cancelled
    (S.PENDING_CANCEL, ParentSuspended): S.SUSPENDED,
    (S.PENDING_CANCEL, ParentDone): None,
    (S.SUSPENDED, ChildTraded): S.SUSPENDED,
    (S.SUSPENDED, ParentCancelRequested): S.PENDING_CANCEL,
    (S.SUSPENDED, ParentResumed): OPEN,
    (S.SUSPENDED, ParentDone): None,
    (S.FILLED, ChildTraded): S.FILLED,  # the real report of an inferred fill, or a late over-fill
    (S.CANCELED, ChildTraded): S.CANCELED,
    (S.EXPIRED, ChildTraded): S.EXPIRED,
}
"""None as a target: the state that the event names. Busts and corrections change quantities, never the status. A
request for other terms that is refused at once changes nothing, so that it has no row but where one is pending."""


_DARK = frozenset({Tactic.MID_PEG, Tactic.CONDITIONAL})


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
    replacing: ParentReplaceRequested | None = None
    """The terms that it is to have once the children in the way are out."""
    taking_back: set[str] = field(default_factory=set)
    """The children that were asked to cancel since `replacing`."""
    replace_ids: set[str] = field(default_factory=set)
    """Every request for other terms that was heard."""
    version: int = 0

    @property
    def routed_qty(self) -> Qty:
        """What live children may still execute, unknown ones in full."""
        return sum([state.leaves_qty for state in self.live.values()])

    @property
    def resting_dark_qty(self) -> Qty:
        """The part of `routed_qty` that rests in dark pools."""
        return sum([s.leaves_qty for s in self.live.values() if s.child.tactic in _DARK])

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
        InvariantError: it would break one of I1..I9.
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


_Move = (
    ParentCancelRequested
    | ParentSuspended
    | ParentResumed
    | ParentReplaceRequested
    | ParentReplaced
    | ParentReplaceRefused
    | ParentDone
    | ChildTraded
)


def _move(state: ParentState, event: _Move) -> None:
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
    elif target is OPEN:
        state.status = S.PARTIALLY_FILLED if state.cum_qty else S.NEW
    elif target is not None:
        state.status = S(target)
    if isinstance(event, _TURNS):
        # Whenever the schedule meant to wake: its children are to be cancelled, or it goes on by other terms.
        state.wake_at = event.at


def _request_replace(state: ParentState, event: ParentReplaceRequested) -> None:
    check_terms(state, event)
    _move(state, event)
    state.replacing = event
    state.replace_ids.add(event.request_id)


def _replace(state: ParentState, event: ParentReplaced) -> None:
    pending, terms = state.replacing, event.parent
    check_terms(state, event)
    if pending is not None and (pending.request_id, pending.parent) != (event.request_id, terms):
        raise IllegalTransitionError(f"expected the answer to {pending.request_id}, got {event.request_id}")
    check_new_terms(state, event)
    _move(state, event)
    state.parent = terms
    _answered(state, event.request_id)


def _refuse_replace(state: ParentState, event: ParentReplaceRefused) -> None:
    if state.replacing is None or state.replacing.request_id != event.request_id:
        state.replace_ids.add(event.request_id)
        return
    _move(state, event)
    _answered(state, event.request_id)


def _answered(state: ParentState, request_id: str) -> None:
    state.replacing = None
    state.taking_back.clear()
    state.replace_ids.add(request_id)


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
    if parent.is_beyond_limit(order.price):
        raise InvariantError(f"I6: expected a price within the parent's limit {parent.price}, got {order.price}")
    if parent.max_child_qty and order.order_qty > parent.max_child_qty:
        raise InvariantError(f"I6: expected a child of up to {parent.max_child_qty} shares, got {order.order_qty}")
    child_state = children.intended(event)
    state.children[order.cl_ord_id] = state.live[order.cl_ord_id] = child_state


def _child(state: ParentState, event: children.ChildEvent) -> None:
    child_state = state.children.get(event.cl_ord_id)
    if child_state is None:
        raise IllegalTransitionError(
            f"expected a child of {event.parent_id}, got {event.cl_ord_id} - at {type(event).__name__}"
        )
    if type(event) in _UNCOUNTED:
        children.apply(child_state, event)
    else:
        _count(state, child_state, event)
    if not child_state.is_open:
        state.live.pop(event.cl_ord_id, None)
    if child_state.child.tactic is Tactic.CONDITIONAL:
        _note_working(state)
    check_child(state, child_state)


def _count(state: ParentState, child_state: ChildState, event: children.ChildEvent) -> None:
    """Pass an event on to its child, and add to the parent what it executed."""
    cum, notional, fee = child_state.cum_qty, child_state.notional, child_state.fee_micros
    if isinstance(event, _EXECUTIONS):
        check_once(state, child_state, event)
        children.apply(child_state, event)
        state.exec_ids.add((child_state.child.mic, event.exec_id))
    else:
        if isinstance(event, ChildReplaceRequested):
            check_replace(state, child_state, event)
        children.apply(child_state, event)
        if isinstance(event, ChildCancelRequested) and state.replacing is not None:
            state.taking_back.add(event.cl_ord_id)
    state.cum_qty += child_state.cum_qty - cum
    state.notional += child_state.notional - notional
    state.fee_micros += child_state.fee_micros - fee
    if isinstance(event, ChildTraded):
        state.anomalies += event.is_late
        _move(state, event)


_TURNS = (
    ParentCancelRequested,
    ParentSuspended,
    ParentResumed,
    ParentReplaceRequested,
    ParentReplaced,
    ParentReplaceRefused,
)
_UNCOUNTED = frozenset({ChildSent, ChildAcknowledged, ChildAmendedEarly})
"""Events of a child that execute nothing and ask for nothing."""

_EXECUTIONS = (ChildTraded, ChildTradeCanceled, ChildTradeCorrected)

_CHANGES: dict[type, Callable[[ParentState, Any], None]] = {
    DecisionMade: _decide,
    ParentWoke: _wake,
    ReportIgnored: _ignore,
    ParentCancelRequested: _move,
    ParentSuspended: _move,
    ParentResumed: _move,
    ParentReplaceRequested: _request_replace,
    ParentReplaced: _replace,
    ParentReplaceRefused: _refuse_replace,
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
