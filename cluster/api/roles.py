"""Who may do what: the table of resources read as a table of roles.

Rule of this file: what no row allows is forbidden, and a row that allows nobody in particular stands in `PUBLIC`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from cluster.api.route import OPEN, RATE_CLASSES, READ_ONLY, ROLES, UNLIMITED, Route
from router.domain.errors import DefectError, bad_value

PUBLIC: Final = (
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("GET", "/docs"),
    ("GET", "/static/{name}"),
    ("POST", "/v1/session"),
)
"""The resources that ask for no principal; signing in looks at who comes by itself."""

SAFE: Final = ("GET", "HEAD")

READERS: Final = (READ_ONLY, "auditor")
"""Roles that change nothing but their own session, and try what a route would be."""

READERS_MAY: Final = (("DELETE", "/v1/session"), ("POST", "/v1/route"))


def may(role: str, route: Route) -> bool:
    """Whether a role may use a resource."""
    return route.roles == OPEN or role in route.roles


def check_table(routes: Iterable[Route], public: Iterable[tuple[str, str]] = PUBLIC) -> dict[tuple[str, str], Route]:
    """Return the resources by (method, path).

    Raises:
        DefectError: two rows for one place, an unknown role or rate class, a resource open to everybody that is not in
            `public`, one without a bound on its rate that asks for a principal, or a reader who may change something.
    """
    table: dict[tuple[str, str], Route] = {}
    open_places = tuple(public)
    for route in routes:
        place = (route.method, route.path)
        where = f"{route.method} {route.path}"
        if place in table:
            raise DefectError(bad_value(where, "one row for each method and path", "two"))
        unknown = [role for role in route.roles if role not in ROLES]
        if unknown or route.rate_class not in RATE_CLASSES:
            raise DefectError(bad_value(where, "known roles and a known rate class", (unknown, route.rate_class)))
        if route.roles == OPEN and place not in open_places:
            raise DefectError(bad_value(where, "roles, or a place among those open to everybody", route.roles))
        if route.roles != OPEN and route.rate_class == UNLIMITED:
            raise DefectError(bad_value(where, "a bounded rate", route.rate_class))
        readers = [role for role in route.roles if role in READERS]
        if readers and route.method not in SAFE and place not in READERS_MAY:
            raise DefectError(bad_value(where, "no reader who may change anything", readers))
        table[place] = route
    return table
