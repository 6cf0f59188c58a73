"""The resources of orders: hand in, look at, change, end.

Rule of this file: what is answered 201, 200 or 202 is durable; an order of an account that the principal may not act
for does not exist for him.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Iterable
from contextlib import suppress
from typing import Final

import msgspec
from aiohttp import web

from cluster.api.answers import BatchAnswer, BatchResult, ErrorSaid, OrderPage
from cluster.api.decimals import DEFAULT_PX_UNIT
from cluster.api.door import Door, correlation_of, door_of, principal_of
from cluster.api.gate import GATE
from cluster.api.order_views import OrderView
from cluster.api.problems import TABLE, fault_of, problem_of, refuse
from cluster.api.route import ORDERS
from cluster.api.schemas import (
    BatchBody,
    CancelAllQuery,
    ClientIdQuery,
    OrderBody,
    OrdersQuery,
    ReplaceBody,
    WhyBody,
)
from cluster.api.translate import Hours, in_clients_words, order_said, replace_of, status_of, submit_of
from cluster.api.verdicts import Refused, missing, respond
from cluster.api.wire import body_of, query_of, reply
from router.domain import codec, facts
from router.domain.errors import BadInputError, bad_value
from router.domain.requests import Accepted, CancelAll, CancelOrder, Principal, ResumeOrder, SubmitOrder
from router.orders.journal import Record
from router.orders.parent import ParentState

LOOKED_AT_MAX: Final = 5_000
"""Orders looked at for one page: a page may hold fewer than asked for, and none, and still have a next."""

SEEN_WITHIN_S: Final = 0.25
"""How long an answer waits for the order's own record to come by: it is on its way when the desk answers."""


async def submit_order(request: web.Request) -> web.Response:
    """POST /v1/orders"""
    body = await body_of(request, OrderBody)
    door, principal = door_of(request), principal_of(request)
    hours = hours_of(door, body.symbol)
    if hours is None:
        return _not_seen(request, body.symbol)
    asked = submit_of(body, hours, principal, correlation_of(request))
    answer = await door.backend.ask(asked)
    if not isinstance(answer, Accepted):
        return respond(request, answer)
    view = await _accepted(door, asked, answer)
    headers = {"Location": f"/v1/orders/{answer.parent_id}"}
    return reply(request, order_said(view, hours.px_unit), 201 if answer.is_new else 200, headers)


async def submit_batch(request: web.Request) -> web.Response:
    """POST /v1/orders/batch"""
    batch = await body_of(request, BatchBody)
    request.app[GATE].charge(principal_of(request), ORDERS, len(batch.orders) - 1)
    # Handed in side by side, in their order: the desk takes them in turn and makes them durable together.
    results = await asyncio.gather(
        *(_one_of_batch(request, body, f"$.orders[{i}]") for i, body in enumerate(batch.orders))
    )
    return reply(request, BatchAnswer(results=tuple(results)))


async def list_orders(request: web.Request) -> web.Response:
    """GET /v1/orders"""
    query = query_of(request, OrdersQuery)
    door, principal = door_of(request), principal_of(request)
    accounts: Iterable[str] | None = None if "*" in principal.accounts else principal.accounts
    if query.account is not None:
        if not principal.may_act_for(query.account):
            return missing(request, f"account {query.account}")
        accounts = (query.account,)
    before = None if query.after is None else place_of(query.after)
    is_open = query.status == "open" or (query.status or "") in _OPEN
    found = door.views.orders.newest(accounts, before, is_open)
    page: list[OrderView] = []
    last: int | None = None
    for looked, view in enumerate(found):
        if len(page) == query.limit or looked == LOOKED_AT_MAX:
            break
        last = view.offset
        if (query.symbol is None or view.order.symbol == query.symbol) and _has_status(view, query.status):
            page.append(view)
    else:
        last = None
    said = tuple(order_said(view, px_unit_of(door, view.order.symbol)) for view in page)
    return reply(request, OrderPage(orders=said, next=None if last is None else cursor_of(last)))


async def get_order(request: web.Request) -> web.Response:
    """GET /v1/orders/{order_id}"""
    parent_id = request.match_info["order_id"]
    view = await find_order(door_of(request), principal_of(request), parent_id)
    if view is None:
        return missing(request, f"order {parent_id}")
    return reply(request, order_said(view, px_unit_of(door_of(request), view.order.symbol)))


async def get_order_by_client_order_id(request: web.Request) -> web.Response:
    """GET /v1/orders/by_client_order_id/{client_order_id}"""
    query = query_of(request, ClientIdQuery)
    door, principal = door_of(request), principal_of(request)
    client_order_id = request.match_info["client_order_id"]
    accounts: Iterable[str] = principal.accounts
    if query.account is not None:
        accounts = (query.account,) if principal.may_act_for(query.account) else ()
    elif "*" in accounts:
        accounts = tuple(door.views.account_seqs)
    ids = [parent_id for a in accounts if (parent_id := door.views.orders.id_of(a, client_order_id)) is not None]
    if len(ids) > 1:
        raise BadInputError(bad_value("$.account", "the account, as several have an order of this id", None))
    view = await find_order(door, principal, ids[0]) if ids else None
    if view is None:
        return missing(request, f"order {client_order_id}")
    return reply(request, order_said(view, px_unit_of(door, view.order.symbol)))


async def replace_order(request: web.Request) -> web.Response:
    """PATCH /v1/orders/{order_id}"""
    body = await body_of(request, ReplaceBody)
    door, principal, parent_id = door_of(request), principal_of(request), request.match_info["order_id"]
    view = await find_order(door, principal, parent_id)
    if view is None:
        return missing(request, f"order {parent_id}")
    asked = replace_of(body, view, px_unit_of(door, view.order.symbol), principal, correlation_of(request))
    try:
        return respond(request, await door.backend.ask(asked))
    except BadInputError as exc:
        raise BadInputError(in_clients_words(str(exc)).replace("$.routing.", "$.")) from None


async def cancel_order(request: web.Request) -> web.Response:
    """DELETE /v1/orders/{order_id}"""
    asked = CancelOrder(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        parent_id=request.match_info["order_id"],
    )
    return respond(request, await door_of(request).backend.ask(asked))


async def resume_order(request: web.Request) -> web.Response:
    """POST /v1/orders/{order_id}/resume"""
    body = await body_of(request, WhyBody)
    asked = ResumeOrder(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        parent_id=request.match_info["order_id"],
        why=body.why,
    )
    return respond(request, await door_of(request).backend.ask(asked))


async def cancel_all_orders(request: web.Request) -> web.Response:
    """DELETE /v1/orders"""
    query = query_of(request, CancelAllQuery)
    principal = principal_of(request)
    if query.account is not None and not principal.may_act_for(query.account):
        return missing(request, f"account {query.account}")
    asked = CancelAll(
        principal=principal,
        correlation_id=correlation_of(request),
        account=query.account or "",
        symbol=query.symbol or "",
    )
    return respond(request, await door_of(request).backend.ask(asked))


async def find_order(door: Door, principal: Principal, parent_id: str) -> OrderView | None:
    """Return an order that a principal may see: from memory, or from the journal where it has left memory."""
    view = door.views.orders.get(parent_id)
    if view is None:
        view = await _from_journal(door, parent_id)
    return view if view is not None and principal.may_act_for(view.order.account) else None


def hours_of(door: Door, symbol: str) -> Hours | None:
    """Return what a body about a symbol is read with; None while a symbol that is traded was not seen yet.

    An order in a symbol that is not traded is read all the same: the desk denies it with its reason.
    """
    picture = door.backend.market(symbol)
    if picture is not None:
        return Hours(max(picture.at, door.backend.now()), picture.px_unit)
    return None if symbol in door.backend.symbols() else Hours(0)


def px_unit_of(door: Door, symbol: str) -> str:
    """Return a symbol's price unit; the usual one for a symbol whose market was not seen."""
    picture = door.backend.market(symbol)
    return DEFAULT_PX_UNIT if picture is None else picture.px_unit


def cursor_of(place: int) -> str:
    """Return the opaque text of a place in a list.

    >>> place_of(cursor_of(1234))
    1234
    """
    return base64.urlsafe_b64encode(f"c{place}".encode()).decode().rstrip("=")


def place_of(cursor: str) -> int:
    """Return the place that a cursor stands for.

    Raises:
        BadInputError: it is none of ours.
    """
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode("ascii")
        if not text.startswith("c"):
            raise ValueError(text)
        return int(text[1:])
    except ValueError:
        raise BadInputError(bad_value("$.after", "the `next` of a page", cursor)) from None


_OPEN: Final = ("pending_approval", "new", "partially_filled", "pending_cancel", "pending_replace", "suspended")


def _has_status(view: OrderView, status: str | None) -> bool:
    if status is None:
        return True
    if status in ("open", "closed"):
        return view.is_open is (status == "open")
    return status_of(view) == status


def _not_seen(request: web.Request, symbol: str) -> web.Response:
    text = f"expected the market of {symbol} to have opened, got none yet"
    return refuse(request, "not_ready", TABLE["not_ready"].meaning, (ErrorSaid(code="NO_MARKET", detail=text),))


async def _one_of_batch(request: web.Request, body: OrderBody, where: str) -> BatchResult:
    """Answer one order as it would be answered by itself; nothing of it ends the others."""
    door, found, code, detail = door_of(request), tuple[ErrorSaid, ...](), "", ""
    try:
        hours = hours_of(door, body.symbol)
        if hours is not None:
            asked = submit_of(body, hours, principal_of(request), correlation_of(request), where)
            answer = await door.backend.ask(asked)
            if isinstance(answer, Accepted):
                view = await _accepted(door, asked, answer)
                status = 201 if answer.is_new else 200
                return BatchResult(
                    client_order_id=body.client_order_id, status=status, order=order_said(view, hours.px_unit)
                )
            refused = Refused(answer, where)  # type: ignore[arg-type]
            code, detail, found = refused.code, refused.text, refused.errors
        else:
            code, detail = "not_ready", f"expected the market of {body.symbol} to have opened, got none yet"
    except Exception as exc:
        # Whatever happened to one, the others are answered for.
        code, detail, found = fault_of(exc, correlation_of(request))
    problem = problem_of(code, detail, instance=request.path, correlation_id=correlation_of(request), found=found)
    return BatchResult(client_order_id=body.client_order_id, status=problem.status, problem=problem)


async def _accepted(door: Door, asked: SubmitOrder, answer: Accepted) -> OrderView:
    """Return the order as its record has it; where that does not come in time, as it was asked for."""
    views, parent_id = door.views, answer.parent_id
    view = views.orders.get(parent_id)
    if view is None and views.orders.archived(parent_id) is None:
        seen = asyncio.Event()
        call = seen.set
        views.call_when_seen(parent_id, call)
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(SEEN_WITHIN_S):
                    await seen.wait()
        finally:
            views.forget(parent_id, call)
        view = views.orders.get(parent_id)
    if view is None:
        view = await _from_journal(door, parent_id)
    if view is None:
        order = msgspec.structs.replace(asked.order, parent_id=parent_id)
        view = OrderView(
            order=order,
            offset=-1,
            accepted_at=order.start_at,
            updated_at=order.start_at,
            who=asked.principal.name,
            approval_id=answer.approval_id,
            waits_for_approval=bool(answer.approval_id),
        )
        views.orders.tell(view)
    return view


async def _from_journal(door: Door, parent_id: str) -> OrderView | None:
    """Return an order that is no longer in memory: by its place, or for one older still by its parent's own stream."""
    archived = door.views.orders.archived(parent_id)
    if archived is None:
        fold = await door.parents.fold(parent_id)
        return None if fold.state is None else _view_of(fold.state, fold.next_offset)
    records: list[Record] = await door.backend.read(archived.offset, None, 1)
    fact = codec.decode(records[0].payload, facts.Fact) if records else None  # type: ignore[arg-type]
    if not isinstance(fact, facts.OrderAccepted):
        return None
    return OrderView(
        order=fact.order,
        offset=archived.offset,
        accepted_at=fact.at,
        updated_at=archived.updated_at,
        who=fact.who,
        approval_id=fact.approval_id,
        ord_status=archived.ord_status,
        cum_qty=archived.cum_qty,
        value=archived.value,
        reason=archived.reason,
        version=archived.version,
    )


def _view_of(state: ParentState, offset: int) -> OrderView:
    return OrderView(
        order=state.parent,
        offset=offset,
        accepted_at=state.accepted_at,
        updated_at=state.done_at or state.woken_at or state.accepted_at,
        who="",
        ord_status=state.status,
        cum_qty=state.cum_qty,
        value=state.notional,
        version=state.version,
    )
