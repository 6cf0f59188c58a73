"""What we recorded about a parent order and its children, past tense: the journal's content.

Rule of this file: state changes by these events and by nothing else; replaying them rebuilds the state exactly.
"""

from __future__ import annotations

import msgspec

from router.domain.enums import LastLiquidityInd, OrdStatus, WorkingState
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.scores import RoutingDecision
from router.domain.units import Micros, Nanos, Px, Qty


class _Event(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    parent_id: str
    at: Nanos


class _ChildEvent(_Event, frozen=True, kw_only=True):
    cl_ord_id: str


class ParentAccepted(_Event, frozen=True, tag=True):
    """The parent is ours to work; `arrival_px` is twice the consolidated mid, so that it is whole."""

    parent: ParentOrder
    arrival_px2: Px
    market_volume: Qty = 0


class ParentCancelRequested(_Event, frozen=True, tag=True):
    """The client, a person or a limit wants the parent ended; children are cancelled first."""

    reason: str


class ParentSuspended(_Event, frozen=True, tag=True):
    """No new child for this parent until a person resumes it (a venue over-filled it)."""

    reason: str


class ParentResumed(_Event, frozen=True, tag=True):
    """A person has looked at a suspended parent and lets it go on."""


class ParentReplaceRequested(_Event, frozen=True, tag=True):
    """The parent is to have the terms of `parent`, and children stand in the way: they are taken back first."""

    request_id: str
    parent: ParentOrder


class ParentReplaced(_Event, frozen=True, tag=True):
    """The parent has the terms of `parent` from now on."""

    request_id: str
    parent: ParentOrder


class ParentReplaceRefused(_Event, frozen=True, tag=True):
    """The parent keeps the terms that it has; `reason` begins with a code of `router.orders.replacing`."""

    request_id: str
    reason: str


class ParentDone(_Event, frozen=True, tag=True):
    """The parent is closed: FILLED, CANCELED, EXPIRED or REJECTED."""

    ord_status: OrdStatus
    reason: str = ""


class ParentWoke(_Event, frozen=True, tag=True):
    """The schedule was asked: where it wants the parent to be, and when it wants to be asked again."""

    target_qty: Qty
    wake_at: Nanos
    working_state: WorkingState
    sweeps: int = 0


class DecisionMade(_Event, frozen=True, tag=True):
    """A routing decision was drawn; its children follow."""

    decision: RoutingDecision


class ChildIntended(_ChildEvent, frozen=True, tag=True):
    """The intent to send a child, durable before anything leaves."""

    child: ChildOrder
    mid_routed2: Px
    """Twice the consolidated mid when routed."""
    x: tuple[float, ...] = ()
    arm: str = ""


class ChildSent(_ChildEvent, frozen=True, tag=True):
    """The child was handed to the link."""


class ChildAcknowledged(_ChildEvent, frozen=True, tag=True):
    """The venue has it."""

    order_id: str


class ChildRejected(_ChildEvent, frozen=True, tag=True):
    """The venue refused it, or says on a query that it never had it."""

    text: str = ""


class ChildTraded(_ChildEvent, frozen=True, tag=True):
    """An execution. `transacted_at` is the venue's time; `is_inferred` when known only from a cum_qty."""

    exec_id: str
    last_qty: Qty
    last_px: Px
    fee_micros: Micros = 0
    last_liquidity_ind: LastLiquidityInd | None = None
    transacted_at: Nanos = 0
    replaces_inferred_qty: Qty = 0
    """How much of the inferred quantity this real execution replaces."""
    is_inferred: bool = False
    is_late: bool = False
    """It arrived after we took the child for closed."""


class ChildTradeCanceled(_ChildEvent, frozen=True, tag=True):
    """The venue busted an execution."""

    exec_id: str
    exec_ref_id: str
    transacted_at: Nanos = 0
    """The venue's time of it."""


class ChildTradeCorrected(_ChildEvent, frozen=True, tag=True):
    """The venue corrected an execution's quantity or price."""

    exec_id: str
    exec_ref_id: str
    last_qty: Qty
    last_px: Px
    replaces_inferred_qty: Qty = 0
    """How much of what was inferred is what it gives: the venue had counted it when it was asked."""
    transacted_at: Nanos = 0
    """The venue's time of it."""


class ChildAmendedEarly(_ChildEvent, frozen=True, tag=True):
    """The venue busted (zero quantity) or corrected an execution that has not reached us, and that it will amend."""

    exec_id: str
    exec_ref_id: str
    last_qty: Qty = 0
    last_px: Px = 0
    transacted_at: Nanos = 0
    """The venue's time of it."""


class ChildOut(_ChildEvent, frozen=True, tag=True):
    """The venue says the child is out (CANCELED or EXPIRED) with its own cum_qty."""

    ord_status: OrdStatus
    cum_qty: Qty
    text: str = ""
    transacted_at: Nanos = 0
    """The venue's time of it: executions after that are a fault of the venue."""


class ChildInvited(_ChildEvent, frozen=True, tag=True):
    """The venue invites a conditional child to firm up against `invited_qty`; 0: the invitation is over."""

    exec_id: str
    invited_qty: Qty
    text: str = ""


class ChildCancelRequested(_ChildEvent, frozen=True, tag=True):
    """We asked to cancel."""

    request_id: str


class ChildReplaceRequested(_ChildEvent, frozen=True, tag=True):
    """We asked to change quantity or price."""

    request_id: str
    order_qty: Qty
    price: Px | None


class ChildReplaced(_ChildEvent, frozen=True, tag=True):
    """The venue changed it."""

    request_id: str
    order_qty: Qty
    price: Px | None


class ChildRequestRefused(_ChildEvent, frozen=True, tag=True):
    """A cancel or replace was refused; the child is in `ord_status`."""

    request_id: str
    ord_status: OrdStatus
    text: str = ""


class ChildLost(_ChildEvent, frozen=True, tag=True):
    """No answer in time, the link went down, or we restarted between intent and send: UNKNOWN."""

    reason: str


class ChildQueried(_ChildEvent, frozen=True, tag=True):
    """We asked what became of it."""

    request_id: str


class ChildReconciled(_ChildEvent, frozen=True, tag=True):
    """A query's answer: the venue's true state."""

    ord_status: OrdStatus
    cum_qty: Qty
    order_id: str = ""
    order_qty: Qty = 0
    """The quantity that the venue has it at; 0 when it did not say."""


class ChildWatched(_ChildEvent, frozen=True, tag=True):
    """The child was still open at this time: exposure without a fill, which learners need to hear of."""


class MarkoutObserved(_ChildEvent, frozen=True, tag=True):
    """The consolidated mid (twice) at a horizon after one of the child's executions, or without `exec_id` its end."""

    exec_id: str
    horizon_ns: Nanos
    mid2: Px


class ReportIgnored(_Event, frozen=True, tag=True):
    """A report that changes nothing: a duplicate, or one we cannot place."""

    mic: str
    exec_id: str
    reason: str


class LearnerSteered(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag=True):
    """A release changed its phase, or a person asked for a change that was refused. Of a learner, not of a parent.

    `act` and the phases are words of `learners.deployment.release`, `parents` counts the champion's and the
    challenger's, `difference_bps` bounds how much better the challenger's parents did.
    """

    learner_id: str
    at: Nanos
    challenger: str
    act: str
    who: str
    why: str
    before: str
    after: str
    share: float
    parents: tuple[int, int]
    difference_bps: tuple[float, float]


Event = (
    ParentAccepted
    | ParentCancelRequested
    | ParentSuspended
    | ParentResumed
    | ParentReplaceRequested
    | ParentReplaced
    | ParentReplaceRefused
    | ParentDone
    | ParentWoke
    | DecisionMade
    | ChildIntended
    | ChildSent
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
    | ChildWatched
    | MarkoutObserved
    | ReportIgnored
)
