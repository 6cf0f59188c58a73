"""The table of resources: every method on every path, who may, what it takes and what it answers.

Rule of this file: the whole table and nothing else. The server, the roles, the rates and the OpenAPI document are made
of it; a path with more fixed parts stands before one with fewer that could be read as it.
"""

from __future__ import annotations

from typing import Final

from cluster.api.desk_routes import MARKET_ROUTES, RISK_ROUTES, SERVICE_ROUTES
from cluster.api.door_routes import door_routes
from cluster.api.order_routes import DETAIL_ROUTES, ORDER_ROUTES, ROUTING_ROUTES
from cluster.api.route import Route

ROUTES: Final[tuple[Route, ...]] = (
    *ORDER_ROUTES,
    *DETAIL_ROUTES,
    *ROUTING_ROUTES,
    *MARKET_ROUTES,
    *RISK_ROUTES,
    *SERVICE_ROUTES,
    *door_routes(),
)
