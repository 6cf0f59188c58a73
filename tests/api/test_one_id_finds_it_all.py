"""One search for a correlation id finds the request, the order, its children at their venues, its fills and its end."""

from __future__ import annotations

import json
from pathlib import Path

from api_desk import JSON, ServedDesk, ask, order_body, until

from cluster.live.logs import setup_logs

FOUND = "find-me-17"


async def test_one_id_goes_from_the_request_to_the_venue_and_back(tmp_path: Path) -> None:
    path = tmp_path / "desk.jsonl"
    logs = setup_logs("desk", path=path)
    try:
        with ServedDesk(tmp_path) as served:
            body = order_body("logged-1", routing={"strategy": "sweep"})
            answer = await ask(served.url, "POST", "/v1/orders", body, headers={"X-Correlation-ID": FOUND})
            order_id = answer.json()["order_id"]

            async def is_over() -> bool:
                found: JSON = (await ask(served.url, "GET", f"/v1/orders/{order_id}")).json()
                return found["status"] in ("filled", "expired", "canceled")

            assert await until(is_over)
            children = (await ask(served.url, "GET", f"/v1/orders/{order_id}/children")).json()["children"]
            end = (await ask(served.url, "GET", f"/v1/orders/{order_id}")).json()["status"]
    finally:
        logs.close()
    lines = [json.loads(line) for line in path.read_text().splitlines() if FOUND in line]
    assert {line["correlation_id"] for line in lines} == {FOUND}
    assert [(line["message"], line.get("path")) for line in lines if line["message"] == "request"] == [
        ("request", "/v1/orders")
    ]
    taken = next(line for line in lines if line["message"] == "SubmitOrder")
    assert (taken["answer"], taken["parent_id"]) == ("Accepted", order_id)
    said = [word for line in lines if line["message"] == "children" for word in line["said"]]
    assert children
    for child in children:
        assert f"{child['child_id']} sent to {child['mic']}" in said
        if child["cum_qty"] != "0":
            assert any(word.startswith(f"{child['child_id']} filled ") for word in said)
    assert said[-1].partition(":")[0] == end
