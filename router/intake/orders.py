"""What is asked about orders: to work one, to end or change it, to learn of others' outcomes.

Rule of this file: a handler looks at the desk and decides facts; it changes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from router.domain import facts
from router.domain.enums import OrdStatus
from router.domain.errors import BadInputError, bad_value
from router.domain.orders import ParentOrder, check_parent
from router.domain.requests import (
    Accepted,
    Answer,
    CancelAll,
    CancelOrder,
    Conflicting,
    Denial,
    Denied,
    Noted,
    NotFound,
    NotReady,
    Principal,
    ReplaceOrder,
    ReportOutcomes,
    ResumeOrder,
    SubmitOrder,
)
from router.domain.units import Nanos, Px
from router.intake.book import Entry
from router.intake.readiness import is_market_away
from router.intake.state import DeskState
from router.risk.request import CancelParent, NewParent
from router.risk.request import Denial as GateDenial
from router.schedule.build import build_schedule


def _submit(desk: DeskState, request: SubmitOrder, now: Nanos) -> Answer:
    who, order = request.principal, request.order
    if not who.may_act_for(order.account):
        text = bad_value("account", f"an account of {who.name}", order.account)
        return Denied(denials=(Denial(check=1, code="ACCOUNT_NOT_PERMITTED", text=text, field="account"),))
    known = desk.book.id_of(order.account, order.client_order_id)
    if known is not None:
        return _again(desk, request, known)
    parent_id = f"P{len(desk.book.orders) + 1}"
    session = desk.symbols.get(order.symbol)
    order = msgspec.structs.replace(
        order,
        parent_id=parent_id,
        start_at=max(order.start_at, now),
        end_at=order.end_at or (session.close_at if session else now + 1),
    )
    wish = _wish(order, who, now, is_located=request.is_located)
    fault = _fault_of(order)
    # What cannot be never enters the books: no record would tell that its id was used there.
    judged = desk.gate.admit_new if fault is None else desk.gate.heed_new
    denials = judged(wish, desk.context(order.symbol, now))
    if is_market_away(desk, order.symbol, denials, now):
        return _no_market(order.symbol)
    if denials:
        return _deny(desk, request, denials, now)
    if fault is not None:
        raise fault
    held = desk.gate.exposure.find(parent_id)
    risk_px: Px = held.risk_px if held else 0
    approval_id = f"A-{parent_id}" if request.is_manual or _is_large(desk, order.order_qty, risk_px) else ""
    desk.decide(
        facts.OrderAccepted(
            at=now,
            account=order.account,
            parent_id=parent_id,
            order=order,
            body_hash=request.body_hash,
            who=who.name,
            approval_id=approval_id,
            risk_px=risk_px,
        ),
        request.correlation_id,
    )
    return Accepted(parent_id=parent_id, is_new=True, approval_id=approval_id)


def _fault_of(order: ParentOrder) -> BadInputError | None:
    try:
        check_parent(order, "$")
        build_schedule(order.strategy, order.strategy_parameters)
    except BadInputError as exc:
        return exc
    return None


def _again(desk: DeskState, request: SubmitOrder, parent_id: str) -> Answer:
    """Answer a client's id that is there already: the same order, or another one under its id."""
    entry = desk.book.orders[parent_id]
    if entry.body_hash == request.body_hash:
        return Accepted(parent_id=parent_id, is_new=False, approval_id=entry.approval_id)
    text = bad_value("client_order_id", "an id of no other order", request.order.client_order_id)
    return Conflicting(code="DUPLICATE_CLIENT_ORDER_ID", text=text, parent_id=parent_id)


def _is_large(desk: DeskState, qty: int, risk_px: Px) -> bool:
    return desk.approval_above is not None and qty * risk_px * 100 >= desk.approval_above


def _is_large_change(desk: DeskState, order: ParentOrder, wish: NewParent, now: Nanos) -> bool:
    """Whether a change makes an order worth more than it is, and so much that a new one of that worth would wait."""
    context = desk.context(order.symbol, now)
    risk_px = desk.gate.worst_px(wish, context)
    was = msgspec.structs.replace(wish, qty=order.order_qty, price=order.price, ord_type=order.ord_type)
    is_more = wish.qty * risk_px > was.qty * desk.gate.worst_px(was, context)
    return is_more and _is_large(desk, wish.qty, risk_px)


def _deny(desk: DeskState, request: SubmitOrder, denials: Sequence[GateDenial], now: Nanos) -> Denied:
    said = tuple(_said(denial) for denial in denials)
    order = request.order
    desk.decide(
        facts.OrderDenied(
            at=now,
            account=order.account,
            client_order_id=order.client_order_id,
            who=request.principal.name,
            denials=said,
        ),
        request.correlation_id,
    )
    return Denied(denials=said)


def _no_market(symbol: str) -> NotReady:
    return NotReady(code="NO_MARKET", text=f"expected the market of {symbol} to run, got none now")


def found(desk: DeskState, who: Principal, parent_id: str) -> Entry | None:
    """Return an order that somebody may act on; whatever his role, one of another account does not exist for him."""
    entry = desk.book.orders.get(parent_id)
    return entry if entry is not None and who.may_act_for(entry.order.account) else None


def _cancel(desk: DeskState, request: CancelOrder, now: Nanos) -> Answer:
    entry = found(desk, request.principal, request.parent_id)
    if entry is None:
        return NotFound(what=f"order {request.parent_id}")
    denials = desk.gate.admit_cancel(_cancel_of(request.principal, entry.order.account, now))
    if denials:
        return Denied(denials=tuple(_said(denial) for denial in denials))
    if entry.ended is not None:
        text = f"expected an open order, got one that is {entry.ended} - at {request.parent_id}"
        return Conflicting(code="ORDER_IS_OVER", text=text, parent_id=request.parent_id)
    ask_cancel(desk, request.parent_id, entry, now, request.principal.name, request.reason)
    return Noted()


def ask_cancel(desk: DeskState, parent_id: str, entry: Entry, now: Nanos, who: str, reason: str) -> None:
    """Record that an order is to end; one that waits for approval was never worked and ends here."""
    account, correlation_id = entry.order.account, entry.correlation_id
    if entry.approval_id:
        ended = facts.OrderEnded(
            at=now, account=account, parent_id=parent_id, ord_status=OrdStatus.CANCELED, cum_qty=0, reason=reason
        )
        desk.decide(ended, correlation_id)
    elif not entry.is_canceling:
        desk.decide(
            facts.CancelAsked(at=now, account=account, parent_id=parent_id, who=who, reason=reason),
            correlation_id,
        )


def _cancel_all(desk: DeskState, request: CancelAll, now: Nanos) -> Answer:
    who, count = request.principal, 0
    for parent_id, entry in desk.book.open(request.account, request.symbol):
        if found(desk, who, parent_id) is not None:
            ask_cancel(desk, parent_id, entry, now, who.name, request.reason)
            count += 1
    return Noted(count=count)


def _replace(desk: DeskState, request: ReplaceOrder, now: Nanos) -> Answer:
    entry = found(desk, request.principal, request.parent_id)
    if entry is None:
        return NotFound(what=f"order {request.parent_id}")
    if entry.ended is not None or entry.is_canceling or entry.is_replacing or entry.judged_as:
        state = entry.ended or ("waiting for approval" if entry.judged_as else "being changed")
        text = f"expected an order that can be replaced, got one that is {state} - at {request.parent_id}"
        return Conflicting(code="ORDER_IS_OVER" if entry.ended else "ORDER_IS_BUSY", text=text)
    terms = {
        name: value
        for name in ("order_qty", "price", "end_at", "urgency", "max_participation")
        if (value := getattr(request, name)) is not None
    }
    order = check_parent(msgspec.structs.replace(entry.order, **terms), "$")
    name = f"{order.client_order_id[:40]}/r{now}"[:48]
    wish = _wish(order, request.principal, now, is_located=request.is_located, client_order_id=name)
    denials = desk.gate.admit_replace(request.parent_id, wish, desk.context(order.symbol, now))
    if is_market_away(desk, order.symbol, denials, now):
        return _no_market(order.symbol)
    if denials:
        return Denied(denials=tuple(_said(denial) for denial in denials))
    held = desk.gate.exposure.find(request.parent_id)
    # The original terms stay in force until somebody has judged it; the books carry the larger of both meanwhile.
    is_large = _is_large_change(desk, entry.order, wish, now)
    fact = facts.ReplaceAsked(
        at=now,
        account=order.account,
        parent_id=request.parent_id,
        who=request.principal.name,
        held_qty=held.order_qty if held else order.order_qty,
        held_price=held.price if held else order.price,
        held_risk_px=held.risk_px if held else 0,
        approval_id=f"A-{request.parent_id}-{entry.changes + 1}" if is_large else "",
        **terms,
    )
    desk.decide(fact, entry.correlation_id)
    return Noted(waits_for="a second person" if is_large else "")


def _resume(desk: DeskState, request: ResumeOrder, now: Nanos) -> Answer:
    entry = found(desk, request.principal, request.parent_id)
    if entry is None:
        return NotFound(what=f"order {request.parent_id}")
    if not entry.is_suspended or entry.ended is not None:
        text = f"expected a suspended order, got one that is not - at {request.parent_id}"
        return Conflicting(code="ORDER_IS_NOT_SUSPENDED", text=text, parent_id=request.parent_id)
    if not request.why.strip():
        raise BadInputError(bad_value("why", "a reason", request.why))
    fact = facts.ResumeAsked(
        at=now,
        account=entry.order.account,
        parent_id=request.parent_id,
        who=request.principal.name,
        why=request.why,
    )
    desk.decide(fact, entry.correlation_id)
    return Noted()


def _outcomes(desk: DeskState, request: ReportOutcomes, now: Nanos) -> Answer:
    if request.symbol not in desk.symbols:
        return NotFound(what=f"symbol {request.symbol}")
    desk.decide(
        facts.OutcomesReported(at=now, symbol=request.symbol, who=request.principal.name, outcomes=request.outcomes),
        request.correlation_id,
    )
    return Noted(count=len(request.outcomes))


def _wish(
    order: ParentOrder, who: Principal, now: Nanos, *, is_located: bool, client_order_id: str | None = None
) -> NewParent:
    return NewParent(
        principal=who.name,
        role=who.role,
        account=order.account,
        client_order_id=client_order_id or order.client_order_id,
        symbol=order.symbol,
        side=order.side,
        qty=order.order_qty,
        start_at=order.start_at,
        end_at=order.end_at,
        now=now,
        session_id=who.session or who.name,
        ord_type=order.ord_type,
        price=order.price,
        strategy=order.strategy,
        is_located=is_located,
        venues_allow=order.venues_allow,
        venues_deny=order.venues_deny,
        parent_id=order.parent_id,
    )


def _cancel_of(who: Principal, account: str, now: Nanos) -> CancelParent:
    return CancelParent(principal=who.name, role=who.role, account=account, session_id=who.session or who.name, now=now)


def _said(denial: GateDenial) -> Denial:
    return Denial(check=denial.check, code=denial.reason, text=denial.message, field=denial.field)


ORDER_HANDLERS: dict[type, Callable[[DeskState, Any, Nanos], Answer]] = {
    SubmitOrder: _submit,
    CancelOrder: _cancel,
    CancelAll: _cancel_all,
    ReplaceOrder: _replace,
    ResumeOrder: _resume,
    ReportOutcomes: _outcomes,
}
