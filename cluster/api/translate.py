"""From what clients send to what the desk is asked, and from what the desk says to what clients are told.

Rule of this file: nothing is decided here but shape: texts become whole numbers in the instrument's units or are
refused with their place, and what a client left out gets the default that the API's page names.
"""

from __future__ import annotations

import hashlib
from typing import Final, NamedTuple

import msgspec

from cluster.api import answers
from cluster.api.decimals import DEFAULT_PX_UNIT, average_text, nanos_of, px_of, px_text, qty_of, time_text
from cluster.api.order_views import OrderView
from cluster.api.schemas import OrderBody, ReplaceBody
from router.domain import codec
from router.domain.enums import OrdType, Side
from router.domain.errors import BadInputError, bad_value
from router.domain.orders import SWEEP_STRATEGY, ParentOrder, check_parent
from router.domain.requests import Principal, ReplaceOrder, SubmitOrder
from router.domain.units import SECOND, Nanos
from router.schedule.build import build_schedule

IMMEDIATE_LIFE_NS: Final[Nanos] = 2 * SECOND
"""How long an immediate_or_cancel order lives: a few sweeps of what was displayed, and then the rest is given up."""

ORDER_TYPES: Final = {"market": OrdType.MARKET, "limit": OrdType.LIMIT}
SIDES: Final = {"buy": Side.BUY, "sell": Side.SELL, "sell_short": Side.SELL_SHORT}
_NOBODY: Final = "-"
_RENAMED: Final = {
    "order_qty": "qty",
    "price": "limit_price",
    "start_at": "start_time",
    "end_at": "end_time",
    "ord_type": "type",
    **{
        name: f"routing.{name}"
        for name in ("min_qty", "urgency", "max_participation", "max_child_qty", "would_price", "dark")
    },
}
"""Where a field of a `ParentOrder` stands in a client's body."""


class Hours(NamedTuple):
    """What a body is read with: the market's time now, and the instrument's price unit."""

    now: Nanos
    px_unit: str = DEFAULT_PX_UNIT


def submit_of(
    body: OrderBody, hours: Hours, principal: Principal, correlation_id: str, where: str = "$"
) -> SubmitOrder:
    """Return the request that a body asks for. Times that it leaves out are 0: the desk fills them in.

    Raises:
        BadInputError: a text that is no number of the instrument's units, terms that contradict each other, or a
            strategy's parameter that is none; names the place in the body.
    """
    order = _order_of(body, hours.px_unit, where)
    is_manual = body.routing.approval == "manual"
    body_hash = terms_hash(order, is_manual, body.located)
    if body.time_in_force == "immediate_or_cancel" and not order.end_at:
        order = msgspec.structs.replace(order, end_at=max(hours.now, order.start_at) + IMMEDIATE_LIFE_NS)
    return SubmitOrder(
        principal=principal,
        correlation_id=correlation_id,
        order=order,
        body_hash=body_hash,
        is_manual=is_manual,
        is_located=body.located,
    )


def terms_hash(order: ParentOrder, is_manual: bool, is_located: bool) -> str:
    """Return the SHA-256 of an order's terms, as the client gave them: times that he left out are 0.

    Two bodies with one hash ask for the same order, however they were written or by which door they came.
    """
    return hashlib.sha256(codec.encode((order, is_manual, is_located))).hexdigest()


def _order_of(body: OrderBody, unit: str, where: str) -> ParentOrder:
    routing = body.routing
    strategy: str = routing.strategy
    if body.time_in_force == "immediate_or_cancel":
        if strategy not in ("liquidity_seeking", SWEEP_STRATEGY):
            raise BadInputError(
                bad_value(f"{where}.time_in_force", f"day or good_till_date with {strategy}", body.time_in_force)
            )
        strategy = SWEEP_STRATEGY
    if body.time_in_force == "good_till_date" and body.end_time is None:
        raise BadInputError(f"expected a time with good_till_date, got none - at {where}.end_time")
    order = ParentOrder(
        parent_id=_NOBODY,
        client_order_id=body.client_order_id,
        account=body.account,
        symbol=body.symbol,
        side=SIDES[body.side],
        order_qty=qty_of(body.qty, f"{where}.qty", 1),
        start_at=0 if body.start_time is None else nanos_of(body.start_time, f"{where}.start_time"),
        end_at=0 if body.end_time is None else nanos_of(body.end_time, f"{where}.end_time"),
        strategy=strategy,
        ord_type=ORDER_TYPES[body.type],
        price=None if body.limit_price is None else px_of(body.limit_price, unit, f"{where}.limit_price"),
        urgency=routing.urgency,
        max_participation=routing.max_participation,
        min_qty=0 if routing.min_qty is None else qty_of(routing.min_qty, f"{where}.routing.min_qty"),
        venues_allow=routing.venues_allow,
        venues_deny=routing.venues_deny,
        segments_deny=routing.segments_deny,
        strategy_parameters=routing.strategy_parameters,
        max_child_qty=0
        if routing.max_child_qty is None
        else qty_of(routing.max_child_qty, f"{where}.routing.max_child_qty", 1),
        would_price=None
        if routing.would_price is None
        else px_of(routing.would_price, unit, f"{where}.routing.would_price"),
        dark=routing.dark.upper(),
    )
    return _checked(order, where)


def _checked(order: ParentOrder, where: str) -> ParentOrder:
    """Return an order whose terms fit each other; errors name the client's keys."""
    try:
        # An end that is left out comes after every start.
        check_parent(msgspec.structs.replace(order, end_at=order.end_at or order.start_at + 1), where)
        build_schedule(order.strategy, order.strategy_parameters)
    except BadInputError as exc:
        raise BadInputError(in_clients_words(str(exc), where)) from None
    return order


def in_clients_words(text: str, where: str = "$") -> str:
    """Return an error about a `ParentOrder` with the place as it is in the client's body.

    >>> in_clients_words("expected a price with LIMIT and none with MARKET, got None - at $.price")
    'expected a price with LIMIT and none with MARKET, got None - at $.limit_price'
    """
    said, _, place = text.rpartition(" - at ")
    field = place.removeprefix(where).removeprefix(".")
    if field.startswith("strategy"):
        return f"{said} - at {where}.routing.{field}"
    return f"{said} - at {where}.{_RENAMED.get(field, field)}" if said else text


def replace_of(
    body: ReplaceBody, view: OrderView, px_unit: str, principal: Principal, correlation_id: str
) -> ReplaceOrder:
    """Return the request that a change asks for.

    Raises:
        BadInputError: nothing is changed, or a text is no number of the instrument's units.
    """
    if body == ReplaceBody(located=body.located):
        terms = [name for name in ReplaceBody.__struct_fields__ if name != "located"]
        raise BadInputError(f"expected one of {', '.join(terms)}, got nothing to change - at $")
    return ReplaceOrder(
        principal=principal,
        correlation_id=correlation_id,
        parent_id=view.order.parent_id,
        order_qty=None if body.qty is None else qty_of(body.qty, "$.qty", 1),
        price=None if body.limit_price is None else px_of(body.limit_price, px_unit, "$.limit_price"),
        end_at=None if body.end_time is None else nanos_of(body.end_time, "$.end_time"),
        urgency=body.urgency,
        max_participation=body.max_participation,
        is_located=body.located,
    )


def status_of(view: OrderView) -> str:
    """Return an order's status as clients read it."""
    return "pending_approval" if view.waits_for_approval and view.is_open else str(view.ord_status).lower()


def order_said(view: OrderView, px_unit: str) -> answers.Order:
    """Return an order as clients are told of it."""
    order = view.order
    average = average_text(view.value, view.cum_qty, px_unit) if view.cum_qty > 0 and view.value > 0 else None
    return answers.Order(
        order_id=order.parent_id,
        client_order_id=order.client_order_id,
        account=order.account,
        symbol=order.symbol,
        side=str(order.side).lower(),
        type=str(order.ord_type).lower(),
        status=status_of(view),
        qty=str(order.order_qty),
        cum_qty=str(view.cum_qty),
        leaves_qty=str(view.leaves_qty),
        limit_price=None if order.price is None else px_text(order.price, px_unit),
        average_price=average,
        start_time=time_text(order.start_at),
        end_time=time_text(order.end_at),
        accepted_time=time_text(view.accepted_at),
        updated_time=time_text(view.updated_at),
        version=view.version,
        who=view.who,
        approval_id=view.approval_id,
        reason=view.reason,
        routing=answers.RoutingSaid(
            strategy=order.strategy,
            strategy_parameters=order.strategy_parameters,
            urgency=order.urgency,
            max_participation=order.max_participation,
            min_qty=str(order.min_qty),
            venues_allow=order.venues_allow,
            venues_deny=order.venues_deny,
            segments_deny=order.segments_deny,
            dark=order.dark.lower(),
            max_child_qty=str(order.max_child_qty) if order.max_child_qty else None,
            would_price=None if order.would_price is None else px_text(order.would_price, px_unit),
        ),
    )
