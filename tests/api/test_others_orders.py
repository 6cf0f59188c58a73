"""What belongs to other accounts does not exist: looked at through every resource, with real keys and signatures."""

from __future__ import annotations

import json as text
import secrets
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from api_desk import Asked, ServedDesk, ask, order_body, until

from cluster.api.routes import ROUTES
from cluster.api.security import KEY, NONCE, SIGNATURE, TIMESTAMP, sign

SECRET = "0123456789abcdef" * 4
KEYS = """
[[keys]]
id = "{name}"
name = "{name}"
role = "{role}"
accounts = {accounts}
secret = "{secret}"
"""
PEOPLE = (
    ("ada", "trader", '["ADA-1"]'),
    ("bea", "trader", '["BEA-1"]'),
    ("rex", "risk", '["*"]'),
    ("olga", "operator", '["BEA-1"]'),
    ("rita", "risk", '["BEA-1"]'),
    ("rob", "read_only", '["BEA-1"]'),
)
ROLE_OF = {name: role for name, role, _ in PEOPLE}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    folder = Path(tmp_path_factory.mktemp("desk"))
    keys = folder / "keys.toml"
    keys.write_text("".join(KEYS.format(name=n, role=r, accounts=a, secret=SECRET) for n, r, a in PEOPLE))
    keys.chmod(0o600)
    with ServedDesk(folder, api=f'keys = "{keys}"') as desk:
        yield desk


async def by(served: ServedDesk, who: str, method: str, path: str, body: Any = None) -> Asked:
    """Send a signed request."""
    data = b"" if body is None else text.dumps(body).encode()
    stamp, nonce = f"{time.time():.3f}", secrets.token_hex(8)
    headers = {
        KEY: who,
        TIMESTAMP: stamp,
        NONCE: nonce,
        SIGNATURE: sign(SECRET.encode(), stamp, nonce, method, path, data),
        "Content-Type": "application/json",
    }
    return await ask(served.url, method, path, data=data, headers=headers)


async def order_of_ada(served: ServedDesk, client_order_id: str, **changes: Any) -> str:
    answer = await by(served, "ada", "POST", "/v1/orders", order_body(client_order_id, account="ADA-1", **changes))
    assert answer.status == 201, answer.body
    return str(answer.json()["order_id"])


async def test_orders_of_others_are_404_everywhere(served: ServedDesk) -> None:
    order_id = await order_of_ada(served, "mine-1")
    for route in ROUTES:
        if "{order_id}" not in route.path:
            continue
        path = route.path.replace("{order_id}", order_id)
        body = {"PATCH": {"qty": "600"}, "POST": {"why": "looked at"}}.get(route.method)
        for who in ("bea", "olga", "rob"):
            answer = await by(served, who, route.method, path, body)
            # Roles that may not at all are in the table of roles; of every other one it is asked whose order it is.
            expected = 404 if ROLE_OF[who] in route.roles else 403
            assert answer.status == expected, (who, route.method, path, answer.status)
    assert (await by(served, "ada", "GET", f"/v1/orders/{order_id}")).status == 200


async def test_lists_hold_own_orders_only(served: ServedDesk) -> None:
    await order_of_ada(served, "mine-2")
    listed = (await by(served, "bea", "GET", "/v1/orders")).json()["orders"]
    assert [order for order in listed if order["account"] != "BEA-1"] == []
    assert (await by(served, "bea", "GET", "/v1/orders?account=ADA-1")).status == 404
    assert (await by(served, "bea", "GET", "/v1/orders/by_client_order_id/mine-2")).status == 404
    assert (await by(served, "bea", "GET", "/v1/orders/by_client_order_id/mine-2?account=ADA-1")).status == 404
    seen = (await by(served, "rex", "GET", "/v1/orders?account=ADA-1")).json()["orders"]
    assert "mine-2" in [order["client_order_id"] for order in seen]


async def test_cancel_all_ends_own_orders_only(served: ServedDesk) -> None:
    order_id = await order_of_ada(served, "mine-3", limit_price="38.00")
    assert (await by(served, "bea", "DELETE", "/v1/orders")).json()["count"] == 0
    assert (await by(served, "bea", "DELETE", "/v1/orders?account=ADA-1")).status == 404
    assert (await by(served, "ada", "GET", f"/v1/orders/{order_id}")).json()["leaves_qty"] == "500"


async def test_order_for_an_account_of_others_is_denied(served: ServedDesk) -> None:
    denied = await by(served, "bea", "POST", "/v1/orders", order_body("theirs-1", account="ADA-1"))
    assert denied.status == 422
    assert [error["code"] for error in denied.json()["errors"]] == ["ACCOUNT_NOT_PERMITTED"]


async def test_ids_of_one_account_say_nothing_about_another(served: ServedDesk) -> None:
    await order_of_ada(served, "shared-id")
    answer = await by(served, "bea", "POST", "/v1/orders", order_body("shared-id", account="BEA-1", qty="7"))
    assert answer.status == 201


async def test_approvals_of_others_are_not_shown(served: ServedDesk) -> None:
    order_id = await order_of_ada(served, "manual-9", routing={"approval": "manual"})

    async def is_waiting() -> bool:
        found = (await by(served, "rex", "GET", "/v1/approvals")).json()["approvals"]
        return order_id in [one["order"]["order_id"] for one in found]

    assert await until(is_waiting)
    assert (await by(served, "bea", "GET", "/v1/approvals")).json()["approvals"] == []
    assert (await by(served, "rex", "POST", f"/v1/approvals/A-{order_id}/approve", {})).status == 202


async def test_desk_wide_resources_are_for_operators(served: ServedDesk) -> None:
    kill = {"level": "symbol", "target": "NONE", "why": "x"}
    assert (await by(served, "ada", "POST", "/v1/kill", kill)).status == 403
    assert (await by(served, "rob", "POST", "/v1/orders", order_body("r1", account="BEA-1"))).status == 403
    assert (
        await by(served, "olga", "PATCH", "/v1/parameters", {"key": "qty_max", "value": "5", "why": "x"})
    ).status == 403
    for path, body in (("scale", {"hosts": 2}), ("drain", {"node": "node-b"}), ("drain", {"node": "nowhere"})):
        for who in ("ada", "rex", "rob"):
            assert (await by(served, who, "POST", f"/v1/cluster/{path}", body | {"why": "x"})).status == 403
    assert (await by(served, "olga", "POST", "/v1/cluster/scale", {"hosts": 2, "why": "x"})).status == 202
    assert (await by(served, "olga", "POST", "/v1/accounts/ADA-1/state", {"state": "halted", "why": "x"})).status == 404


async def test_kills_and_limits_of_other_accounts_are_for_those_who_may_act_for_them(served: ServedDesk) -> None:
    await order_of_ada(served, "mine-4", limit_price="38.00")
    kill = {"level": "account", "target": "ADA-1", "why": "x"}
    for path in ("/v1/kill", "/v1/rearm"):
        assert (await by(served, "olga", "POST", path, kill)).status == 404
    for key, status in (("by_account.ADA-1.collar_bps", 404), ("by_account.BEA-1.collar_bps", 202)):
        change = {"key": key, "value": "400", "why": "x"}
        assert (await by(served, "rita", "PATCH", "/v1/parameters", change)).status == status


async def test_ended_orders_of_others_tell_nothing_to_any_role(served: ServedDesk) -> None:
    order_id = await order_of_ada(served, "mine-5", limit_price="38.00")
    assert (await by(served, "ada", "DELETE", f"/v1/orders/{order_id}")).status == 202

    async def is_over() -> bool:
        found = (await by(served, "ada", "GET", f"/v1/orders/{order_id}")).json()
        return bool(found["status"] == "canceled")

    assert await until(is_over)
    for who in ("bea", "olga", "rita"):
        assert (await by(served, who, "DELETE", f"/v1/orders/{order_id}")).status == 404
    assert (await by(served, "rex", "DELETE", f"/v1/orders/{order_id}")).status == 409


async def test_how_much_others_were_told_is_not_told(served: ServedDesk) -> None:
    await order_of_ada(served, "mine-6", limit_price="38.00")
    for place in ("ADA-1:0", "ADA-1:999", "NOBODY:999", "BEA-1:-1,ADA-1:999"):
        for path in ("/v1/stream/sse?accounts=BEA-1", "/v1/stream/sse"):
            answer = await by(served, "bea", "GET", f"{path}{'&' if '?' in path else '?'}after={place}")
            assert answer.status == 404, (path, place, answer.body)
            assert b"up to" not in answer.body


async def test_limits_and_kills_of_other_accounts_are_not_shown(served: ServedDesk) -> None:
    change = {"key": "by_account.ADA-1.collar_bps", "value": "400", "why": "x"}
    assert (await by(served, "rex", "PATCH", "/v1/parameters", change)).status == 202
    kill = {"level": "account", "target": "ADA-1", "why": "x"}
    assert (await by(served, "rex", "POST", "/v1/kill", kill)).status == 202

    async def are_shown_to_whom_they_concern() -> bool:
        limits = (await by(served, "ada", "GET", "/v1/parameters")).json()["parameters"]
        kills = (await by(served, "ada", "GET", "/v1/kill")).json()["kills"]
        return change["key"] in [row["key"] for row in limits] and [one["target"] for one in kills] == ["ADA-1"]

    assert await until(are_shown_to_whom_they_concern)
    limits = (await by(served, "bea", "GET", "/v1/parameters")).json()["parameters"]
    assert [row["key"] for row in limits if "ADA-1" in row["key"]] == []
    assert (await by(served, "bea", "GET", "/v1/kill")).json()["kills"] == []
    assert (await by(served, "rex", "POST", "/v1/rearm", kill)).status == 202
