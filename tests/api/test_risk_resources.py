"""What the risk gate does, as clients see it: changes that wait, kills, throttles, locates, collars and bands."""

from __future__ import annotations

import json as text
import secrets
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from api_desk import JSON, RISK, Asked, ServedDesk, ask, order_body, until

from cluster.api.security import KEY, NONCE, SIGNATURE, TIMESTAMP, sign

SECRET = "0123456789abcdef" * 4
PEOPLE = (
    ("ada", "trader", '["ADA-1"]'),
    ("bea", "trader", '["BEA-1"]'),
    ("rex", "risk", '["*"]'),
    ("rita", "risk", '["BEA-1"]'),
    ("sam", "risk", '["*"]'),
)
KEYS = "".join(
    f'[[keys]]\nid = "{name}"\nname = "{name}"\nrole = "{role}"\naccounts = {accounts}\nsecret = "{SECRET}"\n'
    for name, role, accounts in PEOPLE
)
PATIENT = {"account": "ADA-1", "limit_price": "39.00"}
LARGE = "60000"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    folder = Path(tmp_path_factory.mktemp("desk"))
    keys = folder / "keys.toml"
    keys.write_text(KEYS)
    keys.chmod(0o600)
    live = 'scenario = "smoke"\napproval_above = "1000000"'
    risk = RISK + "repeated_executions_max = 1\nadv_share_max = 100.0"
    with ServedDesk(folder, api=f'keys = "{keys}"', live=live, risk=risk) as desk:
        yield desk


async def by(served: ServedDesk, who: str, method: str, path: str, body: Any = None) -> Asked:
    """Send a signed request."""
    data = b"" if body is None else text.dumps(body).encode()
    stamp, nonce = f"{time.time():.3f}", secrets.token_hex(8)
    signature = sign(SECRET.encode(), stamp, nonce, method, path, data)
    headers = {KEY: who, TIMESTAMP: stamp, NONCE: nonce, SIGNATURE: signature, "Content-Type": "application/json"}
    return await ask(served.url, method, path, data=data, headers=headers)


async def sent(served: ServedDesk, client_order_id: str, who: str = "ada", **changes: Any) -> JSON:
    """Hand in an order and return it; at 39.00 nobody sells."""
    answer = await by(served, who, "POST", "/v1/orders", order_body(client_order_id, **{**PATIENT, **changes}))
    assert answer.status == 201, answer.body
    return answer.json()


def codes(answer: Asked) -> list[str]:
    assert answer.status == 422, answer.body
    return [error["code"] for error in answer.json()["errors"]]


async def order_is(served: ServedDesk, order_id: str, who: str = "ada", **said: str) -> JSON:
    """Wait until an order says so, and return it."""

    async def look() -> JSON | None:
        order = (await by(served, who, "GET", f"/v1/orders/{order_id}")).json()
        return order if said.items() <= order.items() else None

    found: JSON = await until(look)
    return found


async def waiting(served: ServedDesk, order_id: str) -> list[JSON]:
    found = (await by(served, "rex", "GET", "/v1/approvals")).json()["approvals"]
    return [one for one in found if one["order"]["order_id"] == order_id]


async def stopped(served: ServedDesk, who: str) -> list[tuple[str, str]]:
    found = (await by(served, who, "GET", "/v1/kill")).json()["stopped_strategies"]
    return [(one["account"], one["strategy"]) for one in found]


async def test_change_to_a_large_order_waits_for_a_second_person_as_a_new_one_does(served: ServedDesk) -> None:
    assert (await sent(served, "large-1", qty=LARGE))["status"] == "pending_approval"
    order_id = (await sent(served, "small-1", qty="10"))["order_id"]
    path = f"/v1/orders/{order_id}"
    asked = await by(served, "ada", "PATCH", path, {"qty": LARGE})
    assert (asked.status, asked.json()["waits_for"]) == (202, "a second person")
    order = await order_is(served, order_id, status="pending_replace")
    assert (order["qty"], order["approval_id"]) == ("10", f"A-{order_id}-1")
    (approval,) = await waiting(served, order_id)
    assert (approval["approval_id"], approval["order"]["qty"]) == (f"A-{order_id}-1", "10")
    assert (approval["change"]["qty"], approval["change"]["who"], approval["change"]["limit_price"]) == (
        LARGE,
        "ada",
        None,
    )
    assert (await by(served, "ada", "PATCH", path, {"qty": "20"})).status == 409
    done = await by(served, "rex", "POST", f"/v1/approvals/A-{order_id}-1/approve", {"why": "agreed"})
    assert done.status == 202
    await order_is(served, order_id, status="new", qty=LARGE)
    assert await waiting(served, order_id) == []


async def test_rejected_change_leaves_the_order_as_it_was(served: ServedDesk) -> None:
    order_id = (await sent(served, "small-2", qty="10"))["order_id"]
    await by(served, "ada", "PATCH", f"/v1/orders/{order_id}", {"qty": LARGE})
    assert (await by(served, "sam", "POST", f"/v1/approvals/A-{order_id}-1/reject", {"why": "no"})).status == 202
    order = await order_is(served, order_id, status="new", qty="10")
    assert order["reason"] == "not approved by sam"
    assert await waiting(served, order_id) == []
    assert (await by(served, "ada", "DELETE", f"/v1/orders/{order_id}")).status == 202


async def test_cancelled_order_has_no_change_to_judge(served: ServedDesk) -> None:
    order_id = (await sent(served, "small-3", qty="10"))["order_id"]
    await by(served, "ada", "PATCH", f"/v1/orders/{order_id}", {"qty": LARGE})
    await by(served, "ada", "DELETE", f"/v1/orders/{order_id}")
    await order_is(served, order_id, status="canceled")
    assert await waiting(served, order_id) == []
    assert (await by(served, "rex", "POST", f"/v1/approvals/A-{order_id}-1/approve", {"why": "x"})).status == 404


async def test_short_sale_grows_with_a_locate_only(served: ServedDesk) -> None:
    short = {"side": "sell_short", "limit_price": "43.00", "account": "BEA-1", "qty": "100"}
    order_id = (await sent(served, "short-1", "bea", located=True, **short))["order_id"]
    path = f"/v1/orders/{order_id}"
    refused = await by(served, "bea", "PATCH", path, {"qty": "5000"})
    assert codes(refused) == ["NO_LOCATE"]
    assert refused.json()["errors"][0]["pointer"] == "$.located"
    assert (await by(served, "bea", "PATCH", path, {"located": True})).status == 422
    assert (await by(served, "bea", "PATCH", path, {"qty": "5000", "located": True})).status == 202
    await order_is(served, order_id, "bea", status="new", qty="5000")
    await by(served, "bea", "DELETE", path)
    await order_is(served, order_id, "bea", status="canceled")


async def test_throttle_is_listed_lifted_and_gone_by_account(served: ServedDesk) -> None:
    sweep = {"type": "market", "limit_price": ..., "time_in_force": "immediate_or_cancel", "qty": "5000"}
    await sent(served, "sweep-1", **sweep)

    async def is_stopped() -> bool:
        return await stopped(served, "rex") == [("ADA-1", "sweep")]

    assert await until(is_stopped)
    assert codes(await by(served, "ada", "POST", "/v1/orders", order_body("sweep-2", **{**PATIENT, **sweep}))) == [
        "REPEATED_EXECUTIONS"
    ]
    await sent(served, "sweep-3", "bea", **{**sweep, "account": "BEA-1", "qty": "1"})
    assert await stopped(served, "rita") == []
    path = "/v1/accounts/{}/strategies/sweep/reenable"
    for account in ("ADA-1", "BEA-1"):
        assert (await by(served, "rita", "POST", path.format(account), {"why": "mine"})).status == 404
    assert (await by(served, "rex", "POST", path.format("ADA-1"), {"why": "looked"})).status == 202

    async def is_lifted() -> bool:
        return await stopped(served, "rex") == []

    assert await until(is_lifted)
    await sent(served, "sweep-4", **{**sweep, "qty": "1"})


@pytest.mark.parametrize(("level", "target", "known"), [("strategy", "nosuch", "twap"), ("model", "nosuch", "learner")])
async def test_kill_of_what_is_not_there_is_refused(served: ServedDesk, level: str, target: str, known: str) -> None:
    refused = await by(served, "rex", "POST", "/v1/kill", {"level": level, "target": target, "why": "x"})
    assert refused.status == 422
    assert known in refused.json()["detail"]


async def test_orders_are_taken_while_the_learner_is_off(served: ServedDesk) -> None:
    kill = {"level": "model", "target": "learner", "why": "drill"}
    assert (await by(served, "rex", "POST", "/v1/kill", kill)).status == 202
    order_id = (await sent(served, "without-1", qty="10"))["order_id"]
    assert (await by(served, "rex", "POST", "/v1/rearm", kill)).status == 202
    await by(served, "ada", "DELETE", f"/v1/orders/{order_id}")


@pytest.mark.parametrize(
    ("key", "value", "changes", "code"),
    [
        ("collar_bps", "1", {"type": "market", "limit_price": ..., "side": "buy"}, "OUTSIDE_COLLAR"),
        ("price_band_bps", "10", {"limit_price": "37.00"}, "OUTSIDE_BAND"),
        (
            "short_restricted",
            '["SMOK"]',
            {"side": "sell_short", "type": "market", "limit_price": ..., "located": True},
            "SHORT_SALE_RESTRICTED",
        ),
    ],
)
async def test_limit_changed_while_it_runs_denies_and_is_shown(
    served: ServedDesk, key: str, value: str, changes: JSON, code: str
) -> None:
    rows = (await by(served, "rex", "GET", "/v1/risk/limits")).json()["parameters"]
    before = next(row["value"] for row in rows if row["key"] == key) or "[]"
    change = {"key": key, "value": value, "why": "a drill"}
    assert (await by(served, "rex", "PATCH", "/v1/parameters", change)).status == 202
    later = datetime.now(UTC) + timedelta(seconds=120)
    patient = {**PATIENT, "qty": "1", "start_time": later.isoformat(), **changes}
    numbers = count()

    async def is_denied() -> bool:
        # How far the offer is from the last trade is the market's to say.
        body = order_body(f"limit-{key}-{next(numbers)}", **patient)
        answer = await by(served, "ada", "POST", "/v1/orders", body)
        return answer.status == 422 and codes(answer) == [code]

    assert await until(is_denied)
    assert (await by(served, "rex", "PATCH", "/v1/parameters", {**change, "value": before})).status == 202

    async def is_shown() -> bool:
        rows = (await by(served, "ada", "GET", "/v1/parameters")).json()["parameters"]
        return any((row["key"], row["changed_who"], row["changed_why"]) == (key, "rex", "a drill") for row in rows)

    assert await until(is_shown)
