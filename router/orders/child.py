"""Everything that changes a child order's state is in this file.

Rule of this file: the table below lists the legal rows; an event without a row is our bug and raises. `apply`
alone changes a child. Quantities always add up: 0 <= cum_qty, and leaves_qty is what may still execute.

Rows that look odd say when they happen. CLOSED children accept only executions that were in flight and busts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from router.domain.enums import OrdStatus
from router.domain.errors import IllegalTransitionError
from router.domain.events import (
    ChildAcknowledged,
    ChildAmendedEarly,
    ChildCancelRequested,
    ChildIntended,
    ChildInvited,
    ChildLost,
    ChildOut,
    ChildQueried,
    ChildReconciled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildRequestRefused,
    ChildSent,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
)
from router.domain.orders import ChildOrder
from router.domain.units import Micros, Nanos, Px, Qty
from router.orders.executions import Early, Execution, InferredLot, take_inferred

S = OrdStatus
CLOSED = frozenset({S.FILLED, S.CANCELED, S.EXPIRED, S.REJECTED})
AWAITING = frozenset({S.PENDING_NEW, S.PENDING_CANCEL, S.PENDING_REPLACE})
"""States in which the venue owes us an answer."""

ChildEvent = (
    ChildSent
    | ChildAcknowledged
    | ChildRejected
    | ChildTraded
    | ChildTradeCanceled
    | ChildTradeCorrected
    | ChildAmendedEarly
    | ChildOut
    | ChildInvited
    | ChildCancelRequested
    | ChildReplaceRequested
    | ChildReplaced
    | ChildRequestRefused
    | ChildLost
    | ChildQueried
    | ChildReconciled
)

OPEN = None
"""As a target: NEW or PARTIALLY_FILLED, whichever the child's own fills say."""

OUT = "OUT"
"""As a target: the closed state that the event names."""

Target = OrdStatus | str | None

TABLE: dict[tuple[OrdStatus, type], Target] = {
    (S.INTENDED, ChildSent): S.PENDING_NEW,
    (S.INTENDED, ChildLost): S.UNKNOWN,  # we restarted between the intent and the send
    (S.PENDING_NEW, ChildAcknowledged): OPEN,
    (S.PENDING_NEW, ChildRejected): S.REJECTED,
    (S.PENDING_NEW, ChildTraded): S.PARTIALLY_FILLED,  # the fill overtook the acknowledgement
    (S.PENDING_NEW, ChildOut): OUT,  # an IOC came back before its acknowledgement
    (S.PENDING_NEW, ChildLost): S.UNKNOWN,
    (S.NEW, ChildTraded): S.PARTIALLY_FILLED,
    (S.NEW, ChildOut): OUT,
    (S.NEW, ChildCancelRequested): S.PENDING_CANCEL,
    (S.NEW, ChildReplaceRequested): S.PENDING_REPLACE,
    (S.NEW, ChildReplaced): OPEN,  # a query was answered before the replace arrived
    (S.NEW, ChildLost): S.UNKNOWN,
    (S.PARTIALLY_FILLED, ChildAcknowledged): S.PARTIALLY_FILLED,  # the fill overtook it
    (S.PARTIALLY_FILLED, ChildTraded): S.PARTIALLY_FILLED,
    (S.PARTIALLY_FILLED, ChildOut): OUT,
    (S.PARTIALLY_FILLED, ChildCancelRequested): S.PENDING_CANCEL,
    (S.PARTIALLY_FILLED, ChildReplaceRequested): S.PENDING_REPLACE,
    (S.PARTIALLY_FILLED, ChildReplaced): OPEN,  # as above
    (S.PARTIALLY_FILLED, ChildLost): S.UNKNOWN,
    (S.PENDING_CANCEL, ChildAcknowledged): S.PENDING_CANCEL,  # partly filled, cancelled, and only then acknowledged
    (S.PENDING_CANCEL, ChildTraded): S.PENDING_CANCEL,  # it executed while the cancel was on its way
    (S.PENDING_CANCEL, ChildOut): OUT,
    (S.PENDING_CANCEL, ChildRequestRefused): OPEN,
    (S.PENDING_CANCEL, ChildLost): S.UNKNOWN,
    (S.PENDING_REPLACE, ChildTraded): S.PENDING_REPLACE,
    (S.PENDING_REPLACE, ChildOut): OUT,
    (S.PENDING_REPLACE, ChildReplaced): OPEN,
    (S.PENDING_REPLACE, ChildRequestRefused): OPEN,
    (S.PENDING_REPLACE, ChildLost): S.UNKNOWN,
    (S.UNKNOWN, ChildAcknowledged): OPEN,  # the answer came after we had given it up
    (S.UNKNOWN, ChildRejected): S.REJECTED,  # or a query says it never arrived
    (S.UNKNOWN, ChildTraded): S.UNKNOWN,
    (S.UNKNOWN, ChildOut): OUT,
    (S.UNKNOWN, ChildQueried): S.UNKNOWN,
    (S.UNKNOWN, ChildReconciled): OPEN,
    (S.UNKNOWN, ChildReplaced): OPEN,  # a late answer: the venue has it, at the new terms
    (S.FILLED, ChildTraded): S.FILLED,  # the real report of an inferred fill, or a venue's over-fill
    (S.CANCELED, ChildTraded): S.CANCELED,  # in flight when the venue cancelled
    (S.EXPIRED, ChildTraded): S.EXPIRED,
    (S.REJECTED, ChildTraded): S.REJECTED,  # a venue that executes what it refused: booked and flagged
    (S.FILLED, ChildTradeCanceled): S.CANCELED,  # busted quantity is not routed again by itself
}
for _state in (S.PENDING_NEW, S.NEW, S.PARTIALLY_FILLED, S.PENDING_CANCEL, S.PENDING_REPLACE, S.UNKNOWN):
    TABLE[_state, ChildInvited] = _state  # whether it can be answered is another matter
_BUSTABLE = (
    S.NEW,
    S.PARTIALLY_FILLED,
    S.PENDING_CANCEL,
    S.PENDING_REPLACE,
    S.UNKNOWN,
    S.CANCELED,
    S.EXPIRED,
    S.REJECTED,
)
for _state in _BUSTABLE:
    TABLE[_state, ChildTradeCanceled] = _state
    TABLE[_state, ChildTradeCorrected] = _state
TABLE[S.FILLED, ChildTradeCorrected] = S.FILLED
for _state in (S.PENDING_NEW, S.FILLED, *_BUSTABLE):
    TABLE[_state, ChildAmendedEarly] = _state  # it overtook its execution, which is amended as soon as it comes


@dataclass(slots=True)
class ChildState:
    """One child's state. `cum_qty` and `notional` include the inferred lots, which real executions replace."""

    child: ChildOrder
    intended_at: Nanos
    mid_routed2: Px
    x: tuple[float, ...]
    arm: str = ""
    """Which arm of a release routed it."""
    status: OrdStatus = S.INTENDED
    order_qty: Qty = 0
    price: Px | None = None
    cum_qty: Qty = 0
    inferred: list[InferredLot] = field(default_factory=list)
    """What is inferred and not yet replaced, oldest first."""
    notional: int = 0
    """The executions' and the inferred lots' quantity times price, in share-Px."""
    fee_micros: Micros = 0
    order_id: str = ""
    closing: OrdStatus | None = None
    """The closed state that the venue reported, while fills that it counts have not reached us."""
    closing_qty: Qty = 0
    out_at: Nanos = 0
    """The venue's time of its out report."""
    request: ChildReplaceRequested | ChildCancelRequested | None = None
    asked_qty: Qty = 0
    """The quantity of a replace that the venue may have, and we do not know; 0 without one."""
    invitations: set[str] = field(default_factory=set)
    """Execution ids of the invitations that we have heard."""
    asked_at: Nanos = 0
    """When we last sent something that wants an answer."""
    queries: int = 0
    watched_age: Nanos = 0
    """Up to which age learners have heard of this child's exposure."""
    executions: dict[str, Execution] = field(default_factory=dict)
    early: list[Early] = field(default_factory=list)
    """Busts and corrections that wait for their executions, as they came."""
    amended_at: Nanos = 0
    """The venue's time of the latest bust or correction that counts here."""
    bound_qty: Qty = 0
    """The most that it can come to, by what we asked for and by what the venue has said since."""
    version: int = 0
    closed_at: Nanos = 0
    is_open: bool = True
    """Whether it may still execute; like `leaves_qty` it is worked out once an event has changed the child."""
    leaves_qty: Qty = 0
    """What may still execute: an UNKNOWN child counts in full until it is reconciled."""

    @property
    def inferred_qty(self) -> Qty:
        """The part of `cum_qty` whose reports have not reached us."""
        return sum([lot.qty for lot in self.inferred]) if self.inferred else 0

    @property
    def whole_qty(self) -> Qty:
        """Its quantity, or the larger one that we asked for and do not know of."""
        return self.order_qty if self.order_qty >= self.asked_qty else self.asked_qty

    @property
    def excess_qty(self) -> Qty:
        """What the venue executed, or says it did, beyond what we asked for or after it said that this was all."""
        return self.cum_qty + self.leaves_qty - self.bound_qty


def intended(event: ChildIntended) -> ChildState:
    """Return the state a child begins with."""
    return ChildState(
        child=event.child,
        intended_at=event.at,
        mid_routed2=event.mid_routed2,
        x=event.x,
        arm=event.arm,
        order_qty=event.child.order_qty,
        bound_qty=event.child.order_qty,
        leaves_qty=event.child.order_qty,
        price=event.child.price,
        asked_at=event.at,
        version=1,
    )


def apply(state: ChildState, event: ChildEvent) -> OrdStatus:
    """Change the child by one event and return the status it had before.

    Raises:
        IllegalTransitionError: the table has no row for (status, event).
    """
    before = state.status
    try:
        target = TABLE[before, type(event)]
    except KeyError:
        raise IllegalTransitionError(
            f"expected an event legal in {before}, got {type(event).__name__} - at child {event.cl_ord_id}"
        ) from None
    state.version += 1
    _CHANGES[type(event)](state, event)
    _settle(state, event, target, before)
    was_open, state.is_open = state.is_open, state.status not in CLOSED
    state.leaves_qty = _leaves(state) if state.is_open else 0
    if isinstance(event, ChildReplaceRequested):
        state.bound_qty = max(state.bound_qty, event.order_qty)
    most = state.cum_qty + state.leaves_qty
    if most < state.bound_qty:
        state.bound_qty = most
    if was_open and not state.is_open:
        state.closed_at = event.at
    return before


def _leaves(state: ChildState) -> Qty:
    left = (state.whole_qty if state.closing is None else state.closing_qty) - state.cum_qty
    return left if left > 0 else 0


def _out(state: ChildState, event: ChildOut) -> None:
    state.closing, state.closing_qty = event.ord_status, event.cum_qty
    state.out_at = event.transacted_at


def _reconcile(state: ChildState, event: ChildReconciled) -> None:
    state.order_id = event.order_id or state.order_id
    state.queries = 0
    if event.ord_status in CLOSED:
        state.closing, state.closing_qty = event.ord_status, event.cum_qty
    if event.order_qty and event.order_qty == state.asked_qty:
        state.order_qty, state.asked_qty, state.request = event.order_qty, 0, None


def _invite(state: ChildState, event: ChildInvited) -> None:
    state.invitations.add(event.exec_id)


def _request(state: ChildState, event: ChildCancelRequested | ChildReplaceRequested) -> None:
    state.request, state.asked_at = event, event.at
    if isinstance(event, ChildReplaceRequested):
        state.asked_qty = event.order_qty


def _replace(state: ChildState, event: ChildReplaced) -> None:
    state.order_qty, state.price, state.request = event.order_qty, event.price, None
    state.asked_qty = 0


def _refuse(state: ChildState, event: ChildRequestRefused) -> None:
    if isinstance(state.request, ChildReplaceRequested):
        state.asked_qty = 0
    state.request = None


def _acknowledge(state: ChildState, event: ChildAcknowledged) -> None:
    state.order_id = event.order_id


def _send(state: ChildState, event: ChildSent | ChildLost) -> None:
    state.asked_at = event.at


def _query(state: ChildState, event: ChildQueried) -> None:
    state.asked_at = event.at
    state.queries += 1


def _reject(state: ChildState, event: ChildRejected) -> None:
    state.closing, state.closing_qty = S.REJECTED, state.cum_qty


def _settle(state: ChildState, event: ChildEvent, target: Target, before: OrdStatus) -> None:
    """Set the status: the table's target, refined by the child's own quantities."""
    if before in CLOSED:
        state.status = S(target) if target is not None else before
    elif state.closing is None and state.cum_qty < state.whole_qty and type(target) is S:
        state.status = target
    elif state.closing is not None and state.cum_qty < state.closing_qty:
        # The venue counts fills that have not reached us: the child stays open until they add up.
        state.status = S.UNKNOWN
    elif state.closing is not None:
        state.status = S.FILLED if state.cum_qty >= state.order_qty else state.closing
    elif state.cum_qty >= state.whole_qty:
        state.status = S.FILLED
    elif target is OPEN:
        state.status = S.PARTIALLY_FILLED if state.cum_qty else S.NEW
    else:
        state.status = S(target)


def _trade(state: ChildState, event: ChildTraded) -> None:
    replaced, estimated = take_inferred(state.inferred, event.replaces_inferred_qty)
    state.notional += event.last_px * event.last_qty - estimated
    state.cum_qty += event.last_qty - replaced
    state.fee_micros += event.fee_micros
    age = (event.transacted_at or event.at) - state.intended_at
    state.watched_age = max(state.watched_age, age)
    if event.is_inferred:
        state.inferred.append(InferredLot(event.last_qty, event.last_px, event.transacted_at))
    else:
        state.executions[event.exec_id] = Execution(event.last_qty, event.last_px, event.fee_micros)


def _amend_early(state: ChildState, event: ChildAmendedEarly) -> None:
    early = Early(event.exec_id, event.exec_ref_id, event.last_qty, event.last_px, event.transacted_at)
    state.early.append(early)


def _bust(state: ChildState, exec_id: str, exec_ref_id: str, qty: Qty, px: Px, replaces: Qty = 0) -> None:
    if state.early:
        state.early = [early for early in state.early if early.exec_id != exec_id]
    execution = state.executions[exec_ref_id]
    replaced, estimated = take_inferred(state.inferred, replaces)
    state.cum_qty += qty - execution.qty - replaced
    state.notional += qty * px - execution.qty * execution.px - estimated
    if qty == 0:
        state.fee_micros -= execution.fee_micros
        execution.fee_micros = 0
    execution.qty, execution.px = qty, px


def _cancel_trade(state: ChildState, event: ChildTradeCanceled) -> None:
    _bust(state, event.exec_id, event.exec_ref_id, 0, 0)
    state.amended_at = max(state.amended_at, event.transacted_at)


def _correct_trade(state: ChildState, event: ChildTradeCorrected) -> None:
    _bust(state, event.exec_id, event.exec_ref_id, event.last_qty, event.last_px, event.replaces_inferred_qty)
    state.amended_at = max(state.amended_at, event.transacted_at)


_CHANGES: dict[type, Callable[[ChildState, Any], None]] = {
    ChildTraded: _trade,
    ChildTradeCanceled: _cancel_trade,
    ChildTradeCorrected: _correct_trade,
    ChildAmendedEarly: _amend_early,
    ChildOut: _out,
    ChildReconciled: _reconcile,
    ChildInvited: _invite,
    ChildCancelRequested: _request,
    ChildReplaceRequested: _request,
    ChildReplaced: _replace,
    ChildRequestRefused: _refuse,
    ChildAcknowledged: _acknowledge,
    ChildSent: _send,
    ChildLost: _send,
    ChildQueried: _query,
    ChildRejected: _reject,
}
"""What of each event a child takes over, the status aside."""
