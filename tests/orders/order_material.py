"""What tests of orders are built from: one parent, its children in every status, every event, reports from a venue.

Rule of this file: a status is reached by legal events only, as in life; nothing here sets a state by hand.
"""

from __future__ import annotations

from typing import Any

import msgspec

from router.domain.enums import AllocationMode, ExecType, OrdStatus, OrdType, Side, Tactic, TimeInForce, WorkingState
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
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.reports import ExecutionReport, OrderCancelReject
from router.domain.scores import RoutingDecision
from router.domain.units import SECOND
from router.orders import parent as parents
from router.orders.parent import ParentState

S = OrdStatus
PARENT, CHILD, MIC = "P1", "P1.0", "XLTA"
PX = 400_000
QTY = 100

PARENT_ORDER = ParentOrder(
    parent_id=PARENT,
    client_order_id="C1",
    symbol="ABR",
    side=Side.BUY,
    order_qty=1_000,
    start_at=0,
    end_at=900 * SECOND,
)

NEW_TERMS = msgspec.structs.replace(PARENT_ORDER, order_qty=600, urgency=0.9)
"""What the parent is to become in tests of its life cycle."""


def child_order(n: int = 0, qty: int = QTY, **changes: Any) -> ChildOrder:
    """Return the n-th child of the parent, a resting order."""
    fields: dict[str, Any] = {
        "cl_ord_id": f"{PARENT}.{n}",
        "parent_id": PARENT,
        "decision_id": f"{PARENT}.d{n}",
        "symbol": "ABR",
        "mic": MIC,
        "tactic": Tactic.POST,
        "side": Side.BUY,
        "order_qty": qty,
        "ord_type": OrdType.LIMIT,
        "price": PX,
        "time_in_force": TimeInForce.DAY,
    }
    return ChildOrder(**{**fields, **changes})


def new_parent(qty: int = 1_000) -> ParentState:
    """Return a parent that was just accepted."""
    order = PARENT_ORDER if qty == 1_000 else ParentOrder(**{**_fields(PARENT_ORDER), "order_qty": qty})
    return parents.accepted(ParentAccepted(parent_id=PARENT, at=0, parent=order, arrival_px2=2 * PX))


def _fields(order: ParentOrder) -> dict[str, Any]:
    return {name: getattr(order, name) for name in order.__struct_fields__}


def ids(at: int = 1, child: str = CHILD) -> dict[str, Any]:
    """Return what every event of a child carries."""
    return {"parent_id": PARENT, "at": at, "cl_ord_id": child}


def intended(n: int = 0, qty: int = QTY, at: int = 1, **changes: Any) -> ChildIntended:
    order = child_order(n, qty, **changes)
    return ChildIntended(**ids(at, order.cl_ord_id), child=order, mid_routed2=2 * PX)


def traded(exec_id: str, qty: int, at: int = 1, px: int = PX, child: str = CHILD, **changes: Any) -> ChildTraded:
    return ChildTraded(**ids(at, child), exec_id=exec_id, last_qty=qty, last_px=px, **changes)


def child_events(at: int = 1) -> dict[type, Event]:
    """Return one event of each kind that a child's life cycle knows. Those about executions speak of `x1`."""
    events: tuple[Event, ...] = (
        ChildSent(**ids(at)),
        ChildAcknowledged(**ids(at), order_id="V9"),
        ChildRejected(**ids(at), text="no"),
        traded("x2", 20, at),
        ChildTradeCanceled(**ids(at), exec_id="b2", exec_ref_id="x1"),
        ChildTradeCorrected(**ids(at), exec_id="c2", exec_ref_id="x1", last_qty=30, last_px=PX + 100),
        ChildAmendedEarly(**ids(at), exec_id="a2", exec_ref_id="x9"),
        ChildOut(**ids(at), ord_status=S.CANCELED, cum_qty=0),
        ChildInvited(**ids(at), exec_id="i2", invited_qty=50),
        ChildCancelRequested(**ids(at), request_id="P1.0/9"),
        ChildReplaceRequested(**ids(at), request_id="P1.0/9", order_qty=80, price=PX - 100),
        ChildReplaced(**ids(at), request_id="P1.0/9", order_qty=80, price=PX - 100),
        ChildRequestRefused(**ids(at), request_id="P1.0/9", ord_status=S.NEW),
        ChildLost(**ids(at), reason="no answer"),
        ChildQueried(**ids(at), request_id="P1.0/9"),
        ChildReconciled(**ids(at), ord_status=S.NEW, cum_qty=0, order_id="V9"),
    )
    return {type(event): event for event in events}


def parent_events(at: int = 1) -> dict[type, Event]:
    """Return one event of each kind that speaks of the parent or only records."""
    decision = RoutingDecision(
        decision_id="P1.d0",
        parent_id=PARENT,
        at=at,
        side=Side.BUY,
        slice_qty=100,
        policy="uniform",
        policy_version=0,
        mode=AllocationMode.SPLIT,
        context_names=(),
        context=b"",
        candidates=(),
        exclusions=(),
        scored=(),
        values_bps=(),
        routing_probabilities=(),
        quantities=(),
        propensity=1.0,
        draw=0.5,
    )
    events: tuple[Event, ...] = (
        ParentAccepted(parent_id=PARENT, at=at, parent=PARENT_ORDER, arrival_px2=2 * PX),
        ParentCancelRequested(parent_id=PARENT, at=at, reason="client"),
        ParentSuspended(parent_id=PARENT, at=at, reason="over-filled"),
        ParentResumed(parent_id=PARENT, at=at),
        ParentReplaceRequested(parent_id=PARENT, at=at, request_id="R2", parent=NEW_TERMS),
        ParentReplaced(parent_id=PARENT, at=at, request_id="R1", parent=NEW_TERMS),
        ParentReplaceRefused(parent_id=PARENT, at=at, request_id="R1", reason="BAD_TERMS: no"),
        ParentDone(parent_id=PARENT, at=at, ord_status=S.EXPIRED),
        ParentWoke(
            parent_id=PARENT, at=at, target_qty=50, wake_at=at + 7, working_state=WorkingState.POSTING, sweeps=2
        ),
        DecisionMade(parent_id=PARENT, at=at, decision=decision),
        intended(1, at=at),
        ChildWatched(**ids(at)),
        MarkoutObserved(**ids(at), exec_id="x1", horizon_ns=SECOND, mid2=2 * PX),
        ReportIgnored(parent_id=PARENT, at=at, mic=MIC, exec_id="x7", reason="UNKNOWN_ORDER"),
    )
    return {type(event): event for event in events}


_ACKED: tuple[Event, ...] = (ChildSent(**ids()), ChildAcknowledged(**ids(), order_id="V1"))
_PARTIAL: tuple[Event, ...] = (*_ACKED, traded("x1", 40))

WAYS: dict[OrdStatus, tuple[Event, ...]] = {
    S.INTENDED: (),
    S.PENDING_NEW: (ChildSent(**ids()),),
    # New again: its one execution was busted while we did not know what had become of it.
    S.NEW: (
        *_PARTIAL,
        ChildTradeCanceled(**ids(), exec_id="b1", exec_ref_id="x1"),
        ChildLost(**ids(), reason="no answer"),
        ChildReconciled(**ids(), ord_status=S.NEW, cum_qty=0, order_id="V1"),
    ),
    S.PARTIALLY_FILLED: _PARTIAL,
    S.FILLED: (*_PARTIAL, traded("x3", 60)),
    S.PENDING_CANCEL: (*_PARTIAL, ChildCancelRequested(**ids(), request_id="P1.0/4")),
    S.CANCELED: (*_PARTIAL, ChildOut(**ids(), ord_status=S.CANCELED, cum_qty=40)),
    S.PENDING_REPLACE: (
        *_PARTIAL,
        ChildReplaceRequested(**ids(), request_id="P1.0/4", order_qty=90, price=PX - 200),
    ),
    # The venue executed what it had refused.
    S.REJECTED: (ChildSent(**ids()), ChildRejected(**ids()), traded("x1", 40, is_late=True)),
    S.EXPIRED: (*_PARTIAL, ChildOut(**ids(), ord_status=S.EXPIRED, cum_qty=40)),
    S.UNKNOWN: (*_PARTIAL, ChildLost(**ids(), reason="no answer")),
}
"""How a child of 100 shares comes into each status it can have. Execution `x1` is known from NEW on."""


def parent_with(status: OrdStatus, parent_qty: int = 1_000, **changes: Any) -> ParentState:
    """Return a parent whose one child is in `status`."""
    state = new_parent(parent_qty)
    for event in (intended(**changes), *WAYS[status]):
        parents.apply(state, event)
    assert state.children[CHILD].status is status
    return state


def report(exec_type: ExecType, **changes: Any) -> ExecutionReport:
    """Return a venue's report about the child."""
    fields: dict[str, Any] = {
        "mic": MIC,
        "cl_ord_id": CHILD,
        "order_id": "V1",
        "exec_id": "e1",
        "exec_type": exec_type,
        "ord_status": S.NEW,
        "transact_time": 5,
    }
    return ExecutionReport(**{**fields, **changes})


def reject(request: str, ord_status: OrdStatus, **changes: Any) -> OrderCancelReject:
    """Return a venue's refusal of a request about the child."""
    fields = {"mic": MIC, "cl_ord_id": request, "orig_cl_ord_id": CHILD, "ord_status": ord_status, "transact_time": 5}
    return OrderCancelReject(**{**fields, **changes})
