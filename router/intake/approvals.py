"""What becomes of what waits for a person: an order that was not begun, or a change to one that is being worked.

Rule of this file: nobody judges what he asked for himself; until somebody else has, an order is not begun and a change
does not hold.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from router.domain import facts
from router.domain.enums import OrdStatus
from router.domain.requests import Answer, Conflicting, Denial, Denied, JudgeApproval, Noted, NotFound
from router.domain.units import Nanos
from router.intake.book import Entry
from router.intake.orders import found
from router.intake.state import DeskState


def _judge(desk: DeskState, request: JudgeApproval, now: Nanos) -> Answer:
    parent_id, _, _ = request.approval_id.removeprefix("A-").partition("-")
    entry = found(desk, request.principal, parent_id)
    if entry is None or entry.judged_as != request.approval_id or not entry.judged_as:
        return NotFound(what=f"approval {request.approval_id}")
    who, order, change = request.principal.name, entry.order, entry.change
    if now >= order.end_at:
        return Conflicting(code="ORDER_IS_OVER", text=f"expected an order before its end - at {parent_id}")
    if who == (entry.who if change is None else change.who):
        asked = "sent the order" if change is None else "asked for the change"
        return Conflicting(
            code="OWN_ORDER", text=f"expected another person than who {asked}, got {who}", parent_id=parent_id
        )
    reason = desk.gate.board.blocks(order.account, order.strategy, order.symbol)
    if request.is_approved and reason is not None:
        return Denied(denials=(Denial(check=2, code=reason, text="expected nothing killed or halted"),))
    judged = facts.ApprovalJudged(
        at=now,
        account=order.account,
        parent_id=parent_id,
        approval_id=request.approval_id,
        is_approved=request.is_approved,
        who=who,
        why=request.why,
    )
    desk.decide(judged, entry.correlation_id)
    if change is not None:
        desk.decide(_change_judged(entry, change, judged), entry.correlation_id)
    elif not request.is_approved:
        desk.decide(_rejected(judged), entry.correlation_id)
    return Noted()


def _rejected(judged: facts.ApprovalJudged) -> facts.OrderEnded:
    return facts.OrderEnded(
        at=judged.at,
        account=judged.account,
        parent_id=judged.parent_id,
        ord_status=OrdStatus.REJECTED,
        cum_qty=0,
        reason=f"not approved by {judged.who}",
    )


def _change_judged(
    entry: Entry, change: facts.ReplaceAsked, judged: facts.ApprovalJudged
) -> facts.ReplaceAsked | facts.OrderReplaced:
    """Return what the market is asked for now, or that the order keeps its terms."""
    if judged.is_approved:
        return msgspec.structs.replace(change, at=judged.at, approval_id="")
    return facts.OrderReplaced(
        at=judged.at,
        account=judged.account,
        parent_id=judged.parent_id,
        order_qty=entry.order.order_qty,
        price=entry.order.price,
        end_at=entry.order.end_at,
        refused=f"not approved by {judged.who}",
    )


APPROVAL_HANDLERS: dict[type, Callable[[DeskState, Any, Nanos], Answer]] = {JudgeApproval: _judge}
