"""Orders over HTTP: handed in, looked at, changed, ended; each status is the one that is promised."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from api_desk import JSON, Asked, ServedDesk, ask, order_body, until

MSGPACK = "application/msgpack"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(Path(tmp_path_factory.mktemp("desk"))) as desk:
        yield desk


async def submit(served: ServedDesk, client_order_id: str, **changes: Any) -> Asked:
    return await ask(served.url, "POST", "/v1/orders", order_body(client_order_id, **changes))


async def order_of(served: ServedDesk, order_id: str) -> JSON:
    return (await ask(served.url, "GET", f"/v1/orders/{order_id}")).json()


async def test_new_order_is_201_and_the_same_again_200(served: ServedDesk) -> None:
    first = await submit(served, "same-1")
    again = await submit(served, "same-1")
    assert (first.status, again.status) == (201, 200)
    assert first.json()["order_id"] == again.json()["order_id"]
    assert first.headers["Location"] == f"/v1/orders/{first.json()['order_id']}"
    assert first.json()["limit_price"] == "41.0000"


async def test_same_id_with_another_body_is_409(served: ServedDesk) -> None:
    await submit(served, "other-1")
    other = await submit(served, "other-1", qty="600")
    assert (other.status, other.json()["code"]) == (409, "client_order_id_taken")
    assert other.headers["Content-Type"] == "application/problem+json"


async def test_equal_quantities_in_other_digits_are_the_same_order(served: ServedDesk) -> None:
    assert (await submit(served, "digits-1", qty="500")).status == 201
    assert (await submit(served, "digits-1", qty="500.0", limit_price="41.0000")).status == 200


async def test_one_id_in_two_accounts_is_two_orders(served: ServedDesk) -> None:
    one, two = await submit(served, "two-1"), await submit(served, "two-1", account="ACME-2", symbol="SMOK")
    assert (one.status, two.status) == (201, 201)
    path = "/v1/orders/by_client_order_id/two-1"
    found = await ask(served.url, "GET", f"{path}?account=ACME-2")
    assert found.json()["order_id"] == two.json()["order_id"]
    assert (await ask(served.url, "GET", path)).status == 422
    assert (await ask(served.url, "GET", f"{path}?account=NOBODY")).status == 404


async def test_a_hundred_posts_of_one_id_at_once_make_one_order(served: ServedDesk) -> None:
    answers = await asyncio.gather(*(submit(served, "race-1", qty="100") for _ in range(40)))
    assert sorted(answer.status for answer in answers) == [200] * 39 + [201]
    assert len({answer.json()["order_id"] for answer in answers}) == 1


async def test_denial_is_422_with_coded_reasons(served: ServedDesk) -> None:
    denied = await submit(served, "large-1", qty="5000000")
    assert (denied.status, denied.json()["code"]) == (422, "denied")
    codes = [(error["code"], error["check"], error["pointer"]) for error in denied.json()["errors"]]
    assert ("QTY_MAX", 7, "$.qty") in codes


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"qty": "0"}, "$.qty"),
        ({"qty": "1.5"}, "$.qty"),
        ({"qty": "99999999999999"}, "$.qty"),
        ({"limit_price": "41.00001"}, "$.limit_price"),
        ({"limit_price": ...}, "$.limit_price"),
        ({"type": "market"}, "$.limit_price"),
        ({"type": "stop"}, "$.type"),
        ({"side": "BUY"}, "$.side"),
        ({"client_order_id": "x" * 49}, "$.client_order_id"),
        ({"client_order_id": "with space"}, "$.client_order_id"),
        ({"start_time": "2026-01-05 09:30"}, "$.start_time"),
        ({"start_time": "2026-01-05T09:30:00"}, "$.start_time"),
        ({"time_in_force": "good_till_date"}, "$.end_time"),
        ({"routing": {"urgency": 1.5}}, "$.routing.urgency"),
        ({"routing": {"min_qty": "600"}}, "$.routing.min_qty"),
        ({"routing": {"strategy": "magic"}}, "$.routing.strategy"),
        ({"routing": {"strategy_parameters": {"nonsense": 1.0}}}, "$.routing.strategy_parameters.nonsense"),
        ({"routing": {"strategy": "twap"}, "time_in_force": "immediate_or_cancel"}, "$.time_in_force"),
        ({"qty": 500}, "$.qty"),
    ],
)
async def test_wrong_shape_is_422_and_names_the_place(served: ServedDesk, changes: JSON, pointer: str) -> None:
    refused = await ask(served.url, "POST", "/v1/orders", order_body(**{"client_order_id": "shape-1"} | changes))
    assert (refused.status, refused.json()["code"]) == (422, "invalid"), refused.body
    assert [error["pointer"] for error in refused.json()["errors"]] == [pointer]
    assert refused.json()["detail"].startswith("expected")


async def test_unknown_key_is_refused_with_the_nearest_known_one(served: ServedDesk) -> None:
    refused = await submit(served, "key-1", routing={"urgensy": 0.5})
    assert refused.json()["detail"] == "expected a known key (did you mean urgency?), got 'urgensy' - at $.routing"


async def test_unknown_symbol_is_denied_by_the_desk(served: ServedDesk) -> None:
    denied = await submit(served, "symbol-1", symbol="NONE")
    assert denied.status == 422
    assert denied.json()["errors"][0]["code"] == "UNKNOWN_INSTRUMENT"


async def test_message_pack_and_json_say_the_same(served: ServedDesk) -> None:
    body = msgspec.msgpack.encode(order_body("packed-1"))
    headers = {"Content-Type": MSGPACK, "Accept": MSGPACK}
    packed = await ask(served.url, "POST", "/v1/orders", data=body, headers=headers)
    assert (packed.status, packed.headers["Content-Type"]) == (201, MSGPACK)
    plain = await submit(served, "packed-1")
    assert plain.status == 200
    said = msgspec.msgpack.decode(packed.body)
    assert {key: said[key] for key in ("order_id", "qty", "limit_price", "routing")} == {
        key: plain.json()[key] for key in ("order_id", "qty", "limit_price", "routing")
    }


async def test_an_order_is_not_taken_where_its_answer_would_not_be(served: ServedDesk) -> None:
    refused = await ask(served.url, "POST", "/v1/orders", order_body("accept-1"), headers={"Accept": "text/html"})
    assert (refused.status, refused.json()["code"]) == (406, "not_acceptable")
    assert (await ask(served.url, "GET", "/v1/orders/by_client_order_id/accept-1")).status == 404


@pytest.mark.parametrize(
    ("headers", "data", "status", "code"),
    [
        ({"Content-Type": "text/plain"}, b"{}", 415, "unsupported_media_type"),
        ({"Content-Type": "application/json"}, b"{", 400, "malformed"),
        ({"Content-Type": "application/json"}, b"\xff\xfe", 400, "malformed"),
        ({"Content-Type": "application/json"}, b"", 400, "malformed"),
        ({"Content-Type": "application/json"}, b"[]", 422, "invalid"),
        ({"Content-Type": MSGPACK}, b"\xc1", 400, "malformed"),
        ({"Content-Type": MSGPACK}, b"\xd9", 400, "malformed"),
        ({"Content-Type": "application/json"}, b'{"a":' * 5_000, 400, "malformed"),
        ({"Content-Type": "application/json"}, b'"' + b"x" * (2 << 20) + b'"', 413, "too_large"),
    ],
)
async def test_bodies_that_cannot_be_read(
    served: ServedDesk, headers: dict[str, str], data: bytes, status: int, code: str
) -> None:
    refused = await ask(served.url, "POST", "/v1/orders", data=io.BytesIO(data), headers=headers)
    assert (refused.status, refused.json()["code"]) == (status, code)


async def test_batch_answers_each_order_by_itself(served: ServedDesk) -> None:
    orders = [order_body("batch-1"), order_body("batch-2", qty="5000000"), order_body("batch-3", limit_price="1.00001")]
    answer = await ask(served.url, "POST", "/v1/orders/batch", {"orders": [*orders, orders[0]]})
    results = answer.json()["results"]
    assert (answer.status, [result["status"] for result in results]) == (200, [201, 422, 422, 200])
    assert results[0]["order"]["order_id"] == results[3]["order"]["order_id"]
    assert results[1]["problem"]["errors"][0]["pointer"] == "$.orders[1].qty"
    assert results[2]["problem"]["errors"][0]["pointer"] == "$.orders[2].limit_price"


async def test_batch_of_too_many_is_refused_whole(served: ServedDesk) -> None:
    refused = await ask(served.url, "POST", "/v1/orders/batch", {"orders": [order_body(f"b{i}") for i in range(101)]})
    assert (refused.status, refused.json()["code"]) == (422, "invalid")


async def test_pages_follow_each_other_without_gap_or_repeat(served: ServedDesk) -> None:
    for i in range(5):
        assert (await submit(served, f"page-{i}", account="PAGES")).status == 201
    seen: list[str] = []
    query = "account=PAGES&limit=2"
    while True:
        page = (await ask(served.url, "GET", f"/v1/orders?{query}")).json()
        seen += [order["client_order_id"] for order in page["orders"]]
        if page["next"] is None:
            break
        query = f"account=PAGES&limit=2&after={page['next']}"
    assert seen == [f"page-{i}" for i in (4, 3, 2, 1, 0)]


async def test_long_look_ends_a_page_early_and_goes_on(served: ServedDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(5):
        assert (await submit(served, f"look-{i}", account="LOOKS")).status == 201
    monkeypatch.setattr("cluster.api.orders.LOOKED_AT_MAX", 2)
    pages, query = 0, "account=LOOKS&status=rejected"
    while True:
        page = (await ask(served.url, "GET", f"/v1/orders?{query}")).json()
        pages += 1
        assert page["orders"] == []
        if page["next"] is None:
            break
        query = f"account=LOOKS&status=rejected&after={page['next']}"
    assert pages == 3


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=1001", "limit=x", "status=odd", "after=zzz", "colour=red", "limit=1&limit=2"]
)
async def test_wrong_queries_are_422(served: ServedDesk, query: str) -> None:
    refused = await ask(served.url, "GET", f"/v1/orders?{query}")
    assert (refused.status, refused.json()["code"]) == (422, "invalid")


async def test_cancelled_order_ends_and_cannot_be_ended_again(served: ServedDesk) -> None:
    order_id = (await submit(served, "cancel-1", limit_price="38.00")).json()["order_id"]
    assert (await ask(served.url, "DELETE", f"/v1/orders/{order_id}")).status == 202

    async def is_over() -> bool:
        return (await order_of(served, order_id))["status"] == "canceled"

    assert await until(is_over)
    again = await ask(served.url, "DELETE", f"/v1/orders/{order_id}")
    assert (again.status, again.json()["code"]) == (409, "order_closed")
    closed = (await ask(served.url, "GET", "/v1/orders?status=canceled")).json()["orders"]
    assert order_id in [order["order_id"] for order in closed]
    opened = (await ask(served.url, "GET", "/v1/orders?status=open")).json()["orders"]
    assert order_id not in [order["order_id"] for order in opened]


async def test_cancel_all_of_one_account_leaves_the_others(served: ServedDesk) -> None:
    mine = (await submit(served, "all-1", account="ALL-1", limit_price="38.00")).json()["order_id"]
    other = (await submit(served, "all-2", account="ALL-2", limit_price="38.00")).json()["order_id"]
    answer = await ask(served.url, "DELETE", "/v1/orders?account=ALL-1")
    assert (answer.status, answer.json()["count"]) == (202, 1)

    async def is_over() -> bool:
        return (await order_of(served, mine))["status"] == "canceled"

    assert await until(is_over)
    assert (await order_of(served, other))["status"] not in ("canceled", "pending_cancel")


async def test_replace_is_noted_and_empty_replace_refused(served: ServedDesk) -> None:
    order_id = (await submit(served, "replace-1", limit_price="38.00")).json()["order_id"]
    empty = await ask(served.url, "PATCH", f"/v1/orders/{order_id}", {})
    assert (empty.status, empty.json()["code"]) == (422, "invalid")
    wrong = await ask(served.url, "PATCH", f"/v1/orders/{order_id}", {"limit_price": "38.00001"})
    assert wrong.json()["errors"][0]["pointer"] == "$.limit_price"
    assert (await ask(served.url, "PATCH", f"/v1/orders/{order_id}", {"qty": "700"})).status == 202


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_what_is_not_there_is_404(served: ServedDesk, method: str) -> None:
    refused = await ask(served.url, method, "/v1/orders/P999999", {"qty": "700"} if method == "PATCH" else None)
    assert (refused.status, refused.json()["code"]) == (404, "not_found")


async def test_methods_that_are_not_there_are_405_with_allow(served: ServedDesk) -> None:
    refused = await ask(served.url, "PUT", "/v1/orders")
    assert (refused.status, refused.json()["code"]) == (405, "method_not_allowed")
    assert set(refused.headers["Allow"].split(",")) == {"DELETE", "GET", "HEAD", "OPTIONS", "POST"}
    told = await ask(served.url, "OPTIONS", "/v1/orders")
    assert (told.status, told.headers["Allow"]) == (204, "POST, GET, HEAD, DELETE, OPTIONS")


async def test_head_is_get_without_a_body(served: ServedDesk) -> None:
    head, get = await ask(served.url, "HEAD", "/v1/kill"), await ask(served.url, "GET", "/v1/kill")
    assert (head.status, head.body) == (200, b"")
    assert head.headers["Content-Length"] == get.headers["Content-Length"]


async def test_manual_order_waits_for_another_person(served: ServedDesk) -> None:
    order = (await submit(served, "manual-1", routing={"approval": "manual"})).json()
    assert order["status"] == "pending_approval"
    waiting = (await ask(served.url, "GET", "/v1/approvals")).json()["approvals"]
    assert order["approval_id"] in [one["approval_id"] for one in waiting]
    path = f"/v1/approvals/{order['approval_id']}/approve"
    own = await ask(served.url, "POST", path, {"why": "mine"})
    assert (own.status, own.json()["code"]) == (409, "conflict")
    other = await ask(served.url, "POST", path, {}, headers={"X-Anabranch-Name": "bea"})
    assert other.status == 202

    async def is_worked() -> bool:
        return (await order_of(served, order["order_id"]))["status"] != "pending_approval"

    assert await until(is_worked)


async def test_rejected_approval_ends_the_order(served: ServedDesk) -> None:
    order = (await submit(served, "manual-2", routing={"approval": "manual"})).json()
    path = f"/v1/approvals/{order['approval_id']}/reject"
    assert (
        await ask(served.url, "POST", path, {"why": "too large"}, headers={"X-Anabranch-Name": "bea"})
    ).status == 202

    async def is_over() -> bool:
        return (await order_of(served, order["order_id"]))["status"] == "rejected"

    assert await until(is_over)
