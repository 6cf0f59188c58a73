"""What becomes of a client's wish to change a parent: at once, after children in the way are out, or not at all.

Rule of this file: it reads state and returns events; it changes nothing. Every request gets one answer, ParentReplaced
or ParentReplaceRefused, and until then the parent keeps its terms. Children are in the way that the new quantity has no
room for, or that are priced beyond the new limit; while they are taken back no new child leaves, so that in no order of
events more can execute than the larger of the two quantities.

A refusal's reason begins with a code:

    NOT_OPEN     the parent is over, or is being ended or held
    ENDED        its end came first
    STOPPED      it was cancelled or suspended first
    PENDING      another request is not answered yet
    TOO_MANY     it was asked for more often than `REPLACES_MAX`
    BAD_TERMS    no order could have these terms
    BELOW_CUM    more is executed already
    CHILD_KEPT   a venue does not give back a child in the way
    NO_ANSWER    nobody could be asked, or nobody answered
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from router.domain.enums import OrdStatus, OrdType
from router.domain.errors import BadInputError, bad_value
from router.domain.events import (
    ChildRequestRefused,
    Event,
    ParentReplaced,
    ParentReplaceRefused,
    ParentReplaceRequested,
)
from router.domain.messages import ReplaceParent
from router.domain.orders import ParentOrder, check_parent
from router.domain.units import Nanos
from router.orders import hearing
from router.orders.child import ChildState
from router.orders.parent import ParentState

S = OrdStatus

REPLACES_MAX = 1_000
"""Requests for other terms that one parent hears: beyond it a client's program loops."""

PATIENCE = 5
"""Silences of a venue, each of `HostSetup.answer_timeout_ns`, before a request is given up."""

_CHANGEABLE = ("order_qty", "price", "end_at", "urgency", "max_participation")
_RETURNABLE = frozenset({S.NEW, S.PARTIALLY_FILLED})
"""States of a child in which its venue can be asked to give it back."""


def asked(state: ParentState, request: ReplaceParent, now: Nanos) -> list[Event]:
    """Return what a request makes of the parent at `now`; nothing when it was heard before."""
    if request.request_id in state.replace_ids:
        return []
    parent_id, request_id = state.parent.parent_id, request.request_id
    reason = _obstacle(state, now)
    terms = terms_of(state.parent, request)
    reason = reason or fault_of(terms, now) or _below(state, terms)
    if reason:
        return [_refused(state, request_id, now, reason)]
    if in_the_way(state, terms):
        return [ParentReplaceRequested(parent_id=parent_id, at=now, request_id=request_id, parent=terms)]
    return [ParentReplaced(parent_id=parent_id, at=now, request_id=request_id, parent=terms)]


def terms_of(order: ParentOrder, request: ReplaceParent) -> ParentOrder:
    """Return the order as the request wants it; a price makes a LIMIT order of a MARKET one."""
    changes: dict[str, Any] = {name: value for name in _CHANGEABLE if (value := getattr(request, name)) is not None}
    if request.price is not None:
        changes["ord_type"] = OrdType.LIMIT
    return msgspec.structs.replace(order, **changes)


def _obstacle(state: ParentState, now: Nanos) -> str:
    """Say why the parent hears of no other terms now; empty when it does."""
    if state.status is S.PENDING_REPLACE and state.replacing is not None:
        return f"PENDING: {state.replacing.request_id} comes first"
    if not state.may_route:
        return f"NOT_OPEN: the order is {state.status}"
    if now >= state.parent.end_at:
        return "ENDED: the order's end has come"
    return f"TOO_MANY: more than {REPLACES_MAX} requests" if len(state.replace_ids) >= REPLACES_MAX else ""


def fault_of(terms: ParentOrder, now: Nanos) -> str:
    """Say why no order could have `terms` at `now`; empty when one could."""
    try:
        check_parent(terms)
    except BadInputError as exc:
        return f"BAD_TERMS: {exc}"
    if terms.end_at <= now:
        return f"BAD_TERMS: {bad_value('$.end_at', f'a time after {now}', terms.end_at)}"
    return ""


def _below(state: ParentState, terms: ParentOrder) -> str:
    is_below = terms.order_qty < state.cum_qty
    return f"BELOW_CUM: {state.cum_qty} executed, {terms.order_qty} wanted" if is_below else ""


def in_the_way(state: ParentState, terms: ParentOrder) -> list[ChildState]:
    """Return the children that must be out before the parent can have `terms`.

    Those that nobody can ask for now are kept where they fit, then the oldest: they stand first in their queues.
    """
    left, way = terms.order_qty - state.cum_qty, []
    for child in sorted(state.live.values(), key=lambda child: child.status in _RETURNABLE):
        is_leaving = child.status is S.PENDING_CANCEL
        if is_leaving or child.leaves_qty > left or terms.is_beyond_limit(child.price):
            way.append(child)
        else:
            left -= child.leaves_qty
    return way


def answered(state: ParentState, event: Event, now: Nanos) -> list[Event]:
    """Return the answer to the pending request, if `event`, applied to `state` already, gives it one."""
    pending = state.replacing
    if pending is None:
        return []
    below = _below(state, pending.parent)
    if below:
        return [_refused(state, pending.request_id, now, below)]
    way = in_the_way(state, pending.parent)
    if not way:
        request_id, terms = pending.request_id, pending.parent
        return [ParentReplaced(parent_id=state.parent.parent_id, at=now, request_id=request_id, parent=terms)]
    if isinstance(event, ChildRequestRefused) and event.cl_ord_id in state.taking_back:
        kept = next((child for child in way if child.child.cl_ord_id == event.cl_ord_id), None)
        if kept is not None and kept.status in _RETURNABLE:
            why = f"CHILD_KEPT: {kept.child.mic} keeps {event.cl_ord_id}, {kept.leaves_qty} shares"
            return [_refused(state, pending.request_id, now, why)]
    return []


def given_up(state: ParentState, now: Nanos, answer_timeout_ns: Nanos) -> list[Event]:
    """Return the refusal of a pending request that has taken too long, or that the order's end overtook."""
    pending = state.replacing
    if pending is None:
        return []
    if now >= state.parent.end_at:
        return [_refused(state, pending.request_id, now, "ENDED: the order's end has come")]
    if now - pending.at >= PATIENCE * answer_timeout_ns:
        names = ", ".join(child.child.cl_ord_id for child in in_the_way(state, pending.parent))
        return [_refused(state, pending.request_id, now, f"NO_ANSWER: still in the way: {names}")]
    return []


def stopped(state: ParentState, now: Nanos, why: str) -> list[Event]:
    """Return the refusal that comes before the parent is cancelled or suspended; nothing without a request."""
    pending = state.replacing
    return [] if pending is None else [_refused(state, pending.request_id, now, f"STOPPED: {why}")]


def take_back(state: ParentState, now: Nanos, down: Mapping[str, bool]) -> list[Event]:
    """Return a cancel request for each child in the way whose venue can be asked now."""
    if state.replacing is None:
        return []
    way = [child.child.cl_ord_id for child in in_the_way(state, state.replacing.parent)]
    return [event for event in hearing.cancels(state, now, down) if event.cl_ord_id in way]


def _refused(state: ParentState, request_id: str, now: Nanos, reason: str) -> ParentReplaceRefused:
    return ParentReplaceRefused(parent_id=state.parent.parent_id, at=now, request_id=request_id, reason=reason)
