"""What we answer when a pool invites a conditional child to firm up.

Rule of this file: it reads state and returns events; it changes nothing. An invitation is answered at once or never: a
firm-up is a replace of the child to the whole quantity that we then stand behind, and never less than the child has.
"""

from __future__ import annotations

from router.domain.enums import OrdStatus
from router.domain.events import ChildInvited, ChildReplaceRequested, Event
from router.domain.ids import request_id
from router.domain.units import Nanos, Qty
from router.orders.parent import ParentState


def answer(state: ParentState, invited: ChildInvited, now: Nanos, lot: Qty) -> list[Event]:
    """Return the firm-up that answers an invitation, which the state has heard of; nothing when it must not be.

    We stand behind what the child has left and, where more stands against it and the order has no limit on its
    participation, behind more, up to what is unrouted and to the order's `max_child_qty`, in lots of `lot`.
    """
    child = state.children[invited.cl_ord_id]
    is_ready = child.status in (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED) and not child.asked_qty
    if not invited.invited_qty or not is_ready or not state.may_route or now >= state.parent.end_at:
        return []
    more = 0
    if state.parent.max_participation is None:
        most = state.parent.max_child_qty or state.parent.order_qty
        more = max(0, min(invited.invited_qty - child.leaves_qty, state.unrouted_qty, most - child.order_qty))
    return [
        ChildReplaceRequested(
            parent_id=invited.parent_id,
            at=now,
            cl_ord_id=invited.cl_ord_id,
            request_id=request_id(invited.cl_ord_id, child.version),
            order_qty=child.order_qty + more - more % lot,
            price=child.price,
        )
    ]
