"""The invariants of a parent and its children: asserted on each event, and on a whole state when somebody asks.

Rule of this file: it reads and raises; it changes nothing. The numbers are those of the design's reliability page:
I1 quantities are possible, I2 nothing is over-filled by our own act, I3 children add up to their parent, I4 an
execution counts once, I5 busts speak of known executions, I6 no child is worse than its parent allows, I7 states are
those of the tables, I9 a parent is never replaced to less than what it cannot take back.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from router.domain.errors import IllegalTransitionError, InvariantError
from router.domain.events import (
    ChildReplaceRequested,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    ParentReplaced,
    ParentReplaceRequested,
)
from router.domain.orders import ParentOrder
from router.orders.child import ChildState

if TYPE_CHECKING:
    from router.orders.parent import ParentState

KEPT_TERMS = ("parent_id", "client_order_id", "account", "symbol", "side", "start_at", "strategy")
"""What no request for other terms changes."""


def check_once(
    state: ParentState, child_state: ChildState, event: ChildTraded | ChildTradeCanceled | ChildTradeCorrected
) -> None:
    """Assert I4 of an execution, and I5 of a bust or a correction."""
    key = (child_state.child.mic, event.exec_id)
    if key in state.exec_ids:
        raise InvariantError(f"I4: expected execution {key} to count once")
    if not isinstance(event, ChildTraded) and event.exec_ref_id not in child_state.executions:
        raise InvariantError(f"I5: expected a known execution, got {event.exec_ref_id} - at {event.exec_id}")


def check_replace(state: ParentState, child_state: ChildState, event: ChildReplaceRequested) -> None:
    """Assert I2 of a request to change a child."""
    least, most = max(child_state.cum_qty, 1), child_state.cum_qty + child_state.leaves_qty + state.unrouted_qty
    if not least <= event.order_qty <= most:
        raise InvariantError(f"I2: expected {least} to {most} shares, got {event.order_qty} - at {event.request_id}")
    largest = state.parent.max_child_qty
    if largest and event.order_qty > largest:
        raise InvariantError(f"I6: expected a child of up to {largest} shares, got {event.order_qty}")


def check_terms(state: ParentState, event: ParentReplaceRequested | ParentReplaced) -> None:
    """Assert that the terms are those of this order, but for what a client may change."""
    terms, order = event.parent, state.parent
    other = [name for name in KEPT_TERMS if getattr(terms, name) != getattr(order, name)]
    if other:
        raise IllegalTransitionError(f"expected the same {', '.join(other)} - at {event.request_id}")


def check_new_terms(state: ParentState, event: ParentReplaced) -> None:
    """Assert I9, and I6 of the children that are still open."""
    terms, least = event.parent, state.cum_qty + state.routed_qty
    if terms.order_qty < least:
        raise InvariantError(f"I9: expected a quantity from {least}, got {terms.order_qty} - at {event.request_id}")
    _check_live_prices(state, terms)


def _check_live_prices(state: ParentState, terms: ParentOrder) -> None:
    for child_state in state.live.values():
        if terms.is_beyond_limit(child_state.price):
            raise InvariantError(
                f"I6: expected a price within the parent's limit {terms.price}, got {child_state.price}"
                f" - at {child_state.child.cl_ord_id}"
            )


def check_child(state: ParentState, child_state: ChildState) -> None:
    """Assert I1 of a child."""
    if child_state.cum_qty < 0 or (child_state.inferred and child_state.inferred_qty < 0):
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
    _check_live_prices(state, state.parent)
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
