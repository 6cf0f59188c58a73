"""What lies behind an order: children, executions, decisions and costs agree with each other and with the order."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from api_desk import JSON, ServedDesk, ask, order_body, until

from cluster.api.translate import order_said
from cluster.api.views import Views


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(Path(tmp_path_factory.mktemp("desk")), live='scenario = "smoke"\nspeed = 4.0') as desk:
        yield desk


_number = itertools.count(1)


async def filled_order(served: ServedDesk) -> JSON:
    """Return an order that is over and was executed, wholly or in part."""
    routing = {"strategy": "sweep", "urgency": 1.0}
    body = order_body(f"filled-{next(_number)}", qty="900", time_in_force="immediate_or_cancel", routing=routing)
    answer = await ask(served.url, "POST", "/v1/orders", body)
    assert answer.status == 201, answer.body
    order_id = answer.json()["order_id"]

    async def is_over() -> JSON | None:
        order = (await ask(served.url, "GET", f"/v1/orders/{order_id}")).json()
        return order if order["leaves_qty"] == "0" else None

    order: JSON = await until(is_over)
    assert order and order["cum_qty"] != "0", order
    return order


async def listed(served: ServedDesk, path: str, name: str, limit: int = 100) -> list[JSON]:
    """Return a whole list, page by page."""
    found: list[JSON] = []
    after = ""
    while True:
        page = (await ask(served.url, "GET", f"{path}?limit={limit}{after}")).json()
        assert len(page[name]) <= limit
        found += page[name]
        if page["next"] is None:
            return found
        after = f"&after={page['next']}"


async def test_children_executions_and_costs_add_up_to_the_order(served: ServedDesk) -> None:
    order = await filled_order(served)
    path = f"/v1/orders/{order['order_id']}"
    children = await listed(served, f"{path}/children", "children")
    executions = await listed(served, f"{path}/executions", "executions", limit=1)
    tca = (await ask(served.url, "GET", f"{path}/tca")).json()
    cum_qty = int(order["cum_qty"])
    assert sum(int(child["cum_qty"]) for child in children) == cum_qty <= 900
    assert sum(int(one["qty"]) for one in executions) == cum_qty
    paid = sum(int(one["qty"]) * Decimal(one["price"]) for one in executions)
    assert abs(paid / cum_qty - Decimal(order["average_price"])) < Decimal("0.000001")
    assert tca["average_price"] == order["average_price"]
    assert sum(Decimal(one["fee"]) for one in executions) == Decimal(tca["fees"])
    assert sum(int(venue["filled_qty"]) for venue in tca["by_venue"]) == cum_qty
    slippage = (Decimal(order["average_price"]) / Decimal(tca["arrival_price"]) - 1) * 10_000
    assert abs(float(slippage) - tca["arrival_slippage_bps"]) < 0.01


async def test_decisions_say_everything_and_what_became_of_it(served: ServedDesk) -> None:
    order = await filled_order(served)
    path = f"/v1/orders/{order['order_id']}"
    decisions = await listed(served, f"{path}/decisions", "decisions", limit=2)
    children = await listed(served, f"{path}/children", "children")
    assert [one["decision_id"] for one in decisions] == [f"{order['order_id']}.d{n}" for n in range(len(decisions))]
    for decision in decisions:
        own = [child for child in children if child["decision_id"] == decision["decision_id"]]
        sent = {lane["lane"]: lane["qty"] for lane in decision["lanes"] if lane["qty"] != "0"}
        assert sent == {child["lane"]: child["qty"] for child in own}
        assert [outcome["child_id"] for outcome in decision["outcomes"]] == [child["child_id"] for child in own]
        assert all(lane["reason"] for lane in decision["lanes"] if lane["qty"] == "0")
        assert abs(sum(lane["probability"] for lane in decision["lanes"]) - 1.0) < 1e-6 or not decision["lanes"]
        assert all(one["reason"] for one in decision["exclusions"])
        assert 0.0 < decision["propensity"] <= 1.0


@pytest.mark.parametrize("name", ["children", "executions", "decisions", "tca"])
async def test_details_of_what_is_not_there_are_404(served: ServedDesk, name: str) -> None:
    assert (await ask(served.url, "GET", f"/v1/orders/P99999/{name}")).status == 404


async def test_details_of_an_order_that_waits_are_empty(served: ServedDesk) -> None:
    body = order_body("waiting-1", routing={"approval": "manual"})
    path = f"/v1/orders/{(await ask(served.url, 'POST', '/v1/orders', body)).json()['order_id']}"
    for name in ("children", "executions", "decisions"):
        answer = (await ask(served.url, "GET", f"{path}/{name}")).json()
        assert answer == {name: [], "next": None}
    assert (await ask(served.url, "GET", f"{path}/tca")).json()["arrival_price"] is None


async def test_closed_order_that_left_memory_is_read_from_the_journal(tmp_path: Path) -> None:
    api = "is_open = true\nclosed_orders_max = 0"
    with ServedDesk(tmp_path, api=api, live='scenario = "smoke"\nspeed = 4.0') as small:
        order = await filled_order(small)
        assert order["average_price"] is not None
        views = small.door.views
        assert small.call(lambda: views.orders.get(order["order_id"])) is None
        small.call(lambda: views.orders._archive.clear())
        from_stream: dict[str, Any] = (await ask(small.url, "GET", f"/v1/orders/{order['order_id']}")).json()
        same = ("status", "cum_qty", "average_price", "qty", "client_order_id", "start_time", "routing")
        assert {key: from_stream[key] for key in same} == {key: order[key] for key in same}


async def test_another_door_that_reads_the_journal_shows_the_same(served: ServedDesk) -> None:
    await filled_order(served)
    door = served.door

    async def read_whole() -> Views:
        views = Views(100, 100)
        while views.next_offset < door.views.next_offset:
            views.apply(await door.backend.read(views.next_offset, None, 7))
        return views

    def shown(views: Views) -> list[Any]:
        # The orders here are over, or wait for a person: nothing happens to them meanwhile.
        return [order_said(view, "0.0001") for view in views.orders.newest(None, None)]

    assert shown(served.wait_for(read_whole())) == shown(door.views) != []
