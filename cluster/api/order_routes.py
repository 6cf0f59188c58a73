"""The rows of orders: hand in, change, end, look behind, dry run, feedback.

Rule of this file: rows only.
"""

from __future__ import annotations

from typing import Final

from cluster.api import answers as said
from cluster.api import feedback, order_details, orders, route_dry_run, schemas
from cluster.api.route import (
    CANCELS,
    CONTROL,
    EVERYBODY,
    OPERATOR,
    ORDERS,
    READS,
    RISK,
    ROUTES_DRY,
    TRADER,
    Answered,
    Route,
)

CHANGES: Final = ("busy", "journal_refuses", "unavailable", "unknown")
"""What whatever is recorded can come to besides."""

ENDS: Final = (TRADER, OPERATOR, RISK)
"""Who may end orders: what lowers risk is open to more than what adds to it."""

ORDER_EXAMPLE: Final = {
    "client_order_id": "rebalance-17",
    "account": "ACME-1",
    "symbol": "MIDC",
    "side": "buy",
    "type": "limit",
    "qty": "2500",
    "limit_price": "41.0000",
    "time_in_force": "day",
    "routing": {"strategy": "liquidity_seeking", "urgency": 0.4, "max_participation": 0.1},
}

NOTED: Final = Answered(202, "Recorded. How it ends is told on the stream.", said.NotedAnswer)

ORDER_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/orders",
        handler=orders.submit_order,
        roles=(TRADER,),
        rate_class=ORDERS,
        tag="orders",
        summary="Hand in an order",
        answers=(
            Answered(201, "The order is ours, and durable.", said.Order),
            Answered(200, "The same order was there already, under the same `client_order_id`.", said.Order),
        ),
        description="A time-out means that nobody knows: send the same body again, and get the same order.",
        body=schemas.OrderBody,
        problems=("client_order_id_taken", "denied", "message_rate", "not_ready", *CHANGES),
        example=ORDER_EXAMPLE,
    ),
    Route(
        method="POST",
        path="/v1/orders/batch",
        handler=orders.submit_batch,
        roles=(TRADER,),
        rate_class=ORDERS,
        tag="orders",
        summary="Hand in several orders",
        answers=(Answered(200, "Each order's own status, with the order or the problem.", said.BatchAnswer),),
        description="Each is answered by itself, in the batch's order; one that is denied changes nothing for others.",
        body=schemas.BatchBody,
        problems=("unavailable",),
        example={"orders": [ORDER_EXAMPLE, {**ORDER_EXAMPLE, "client_order_id": "rebalance-18", "side": "sell"}]},
    ),
    Route(
        method="GET",
        path="/v1/orders",
        handler=orders.list_orders,
        roles=EVERYBODY,
        rate_class=READS,
        tag="orders",
        summary="List orders, newest first",
        answers=(Answered(200, "A page of orders.", said.OrderPage),),
        description="Open orders and those that closed last. Older ones are found by their ids.",
        query=schemas.OrdersQuery,
        problems=("not_found",),
    ),
    Route(
        method="DELETE",
        path="/v1/orders",
        handler=orders.cancel_all_orders,
        roles=ENDS,
        rate_class=CANCELS,
        tag="orders",
        summary="End every open order",
        answers=(NOTED,),
        description="Of all accounts that you may act for, of one account, of one symbol.",
        query=schemas.CancelAllQuery,
        problems=("denied", "message_rate", "not_found", *CHANGES),
    ),
    Route(
        method="GET",
        path="/v1/orders/by_client_order_id/{client_order_id}",
        handler=orders.get_order_by_client_order_id,
        roles=EVERYBODY,
        rate_class=READS,
        tag="orders",
        summary="Get an order by your own id",
        answers=(Answered(200, "The order.", said.Order),),
        query=schemas.ClientIdQuery,
    ),
    Route(
        method="GET",
        path="/v1/orders/{order_id}",
        handler=orders.get_order,
        roles=EVERYBODY,
        rate_class=READS,
        tag="orders",
        summary="Get an order",
        answers=(Answered(200, "The order.", said.Order),),
    ),
    Route(
        method="PATCH",
        path="/v1/orders/{order_id}",
        handler=orders.replace_order,
        roles=(TRADER,),
        rate_class=ORDERS,
        tag="orders",
        summary="Change an order",
        answers=(NOTED,),
        description="The quantity is in all, executions included. The stream tells whether it was done.\n\n"
        "A change that makes the order worth `live.approval_above` or more waits for a second person, and the order"
        " goes on as it was: `waits_for` says so.",
        body=schemas.ReplaceBody,
        problems=("conflict", "order_closed", "denied", "message_rate", *CHANGES),
        example={"qty": "3000", "limit_price": "41.0500"},
    ),
    Route(
        method="DELETE",
        path="/v1/orders/{order_id}",
        handler=orders.cancel_order,
        roles=ENDS,
        rate_class=CANCELS,
        tag="orders",
        summary="End an order",
        answers=(NOTED,),
        description="Its children are cancelled first; what was executed by then stands.",
        problems=("order_closed", "denied", "message_rate", *CHANGES),
    ),
    Route(
        method="POST",
        path="/v1/orders/{order_id}/resume",
        handler=orders.resume_order,
        roles=(OPERATOR, RISK),
        rate_class=CONTROL,
        tag="orders",
        summary="Let a suspended order go on",
        answers=(NOTED,),
        description="An order that a venue over-filled sends nothing new until a person has looked at it.",
        body=schemas.WhyBody,
        problems=("conflict", *CHANGES),
        example={"why": "agreed with the venue"},
    ),
)

DETAIL_ROUTES: Final = tuple(
    Route(
        method="GET",
        path=f"/v1/orders/{{order_id}}/{name}",
        handler=handler,
        roles=EVERYBODY,
        rate_class=READS,
        tag="details",
        summary=summary,
        answers=(Answered(200, text, kind),),
        description=description,
        query=query,
        problems=("unavailable",),
    )
    for name, handler, summary, text, kind, query, description in (
        (
            "children",
            order_details.list_children,
            "List its children",
            "A page of children, oldest first.",
            said.ChildPage,
            schemas.PageQuery,
            "The orders at venues.",
        ),
        (
            "executions",
            order_details.list_executions,
            "List its executions",
            "A page of executions, oldest first.",
            said.ExecutionPage,
            schemas.PageQuery,
            "Busted and corrected ones included.",
        ),
        (
            "decisions",
            order_details.list_decisions,
            "List its routing decisions",
            "A page of decisions, oldest first.",
            said.DecisionPage,
            schemas.PageQuery,
            "Why this venue: every lane's score by its parts, exclusions, probabilities, the draw, the "
            "policy's version, and what became of it.",
        ),
        (
            "tca",
            order_details.get_tca,
            "Get what it cost",
            "Costs so far.",
            said.Tca,
            None,
            "Arrival slippage, routing cost, fees and markouts, in all and by venue.",
        ),
    )
)

ROUTING_ROUTES: Final = (
    Route(
        method="POST",
        path="/v1/route",
        handler=route_dry_run.route_slice,
        quick=route_dry_run.dry_run,
        roles=EVERYBODY,
        rate_class=ROUTES_DRY,
        tag="routing",
        summary="How would this slice be split now?",
        answers=(Answered(200, "The children that would be sent, and why.", said.RouteAnswer),),
        description="A dry run on the market last seen: nothing is sent and nothing is recorded. The same reference "
        "and decision on the same market give the same split.",
        body=schemas.RouteBody,
        problems=("not_found", "not_ready"),
        example={"symbol": "MIDC", "side": "buy", "qty": "1000", "urgency": 0.7},
    ),
    Route(
        method="POST",
        path="/v1/outcomes",
        handler=feedback.report_outcomes,
        roles=(TRADER,),
        rate_class=ORDERS,
        tag="routing",
        summary="Report what became of children executed elsewhere",
        answers=(NOTED,),
        description="The learners learn from it as from our own executions.",
        body=schemas.OutcomesBody,
        problems=("not_found", "denied", *CHANGES),
        example={
            "symbol": "MIDC",
            "outcomes": [
                {
                    "kind": "expire",
                    "reference": "mine-1",
                    "decision_id": "mine-1.d0",
                    "child_id": "mine-1.0",
                    "lane": "XLTA:TAKE",
                    "side": "buy",
                    "qty": "100",
                    "is_final": True,
                    "context": [1.0, 0.0, 0.0, 0.0, -0.006, 0.0, -1.73, -0.15, 1.0, 0.0, 0.0],
                }
            ],
        },
    ),
)
