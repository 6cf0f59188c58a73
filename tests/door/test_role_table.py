"""Every role on every resource: what the table allows, read here a second time, by hand."""

from __future__ import annotations

import msgspec
import pytest

from cluster.api.options import RATES
from cluster.api.roles import PUBLIC, check_table, may
from cluster.api.route import CONTROL, EVERYBODY, OPEN, ROLES, UNLIMITED, Answered, Route
from cluster.api.routes import ROUTES
from router.domain.errors import DefectError

EVERYONE = {"trader", "operator", "risk", "read_only", "auditor"}
WORKERS = {"trader", "operator", "risk"}
DESK = {"operator", "risk"}

CHANGES: dict[tuple[str, str], set[str]] = {
    ("POST", "/v1/orders"): {"trader"},
    ("POST", "/v1/orders/batch"): {"trader"},
    ("PATCH", "/v1/orders/{order_id}"): {"trader"},
    ("DELETE", "/v1/orders/{order_id}"): WORKERS,
    ("DELETE", "/v1/orders"): WORKERS,
    ("POST", "/v1/kill"): DESK,
    ("POST", "/v1/rearm"): DESK,
    ("POST", "/v1/cluster/scale"): {"operator"},
    ("POST", "/v1/cluster/drain"): {"operator"},
    ("DELETE", "/v1/session"): EVERYONE,
}
"""Those whose wrong row would hurt most, in full; of the others who may is looked at by kind below."""

BY_NAME = {f"{route.method} {route.path}": route for route in ROUTES}


def test_table_is_sound_and_denies_by_default() -> None:
    table = check_table(ROUTES)
    assert len(table) == len(ROUTES)
    assert {place for place, route in table.items() if route.roles == OPEN} <= set(PUBLIC)


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", BY_NAME)
def test_role_may_only_what_its_row_says(name: str, role: str) -> None:
    route = BY_NAME[name]
    allowed = may(role, route)
    if route.roles == OPEN:
        assert (route.method, route.path) in PUBLIC
    elif (route.method, route.path) in CHANGES:
        assert allowed == (role in CHANGES[route.method, route.path])
    elif route.method != "GET" and role in ("read_only", "auditor"):
        assert not allowed or route.path == "/v1/route"
    else:
        assert allowed == (role in route.roles)


def test_places_that_hurt_most_are_all_there() -> None:
    assert [place for place in CHANGES if f"{place[0]} {place[1]}" not in BY_NAME] == []


def test_every_class_of_the_table_has_a_rate() -> None:
    assert {route.rate_class for route in ROUTES} - {UNLIMITED} <= set(RATES)


def row(**changes: object) -> Route:
    async def handler(request: object) -> object:
        return request

    made = Route("POST", "/v1/x", handler, EVERYBODY[:1], CONTROL, "t", "s", (Answered(200, "a"),))  # type: ignore[arg-type]
    return made._replace(**changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ((row(), row()), "one row for each method and path"),
        ((row(roles=("king",)),), "known roles"),
        ((row(rate_class="fast"),), "known roles and a known rate class"),
        ((row(roles=OPEN),), "among those open to everybody"),
        ((row(rate_class=UNLIMITED),), "a bounded rate"),
        ((row(roles=EVERYBODY),), "no reader who may change anything"),
    ],
)
def test_unsound_table_is_refused(rows: tuple[Route, ...], said: str) -> None:
    with pytest.raises(DefectError, match=said):
        check_table(rows)


def test_answers_of_the_table_are_structs() -> None:
    kinds = [answer.kind for route in ROUTES for answer in route.answers if answer.kind is not None]
    assert all(issubclass(kind, msgspec.Struct) for kind in kinds)
