"""An order that a venue over-fills stops, says so wherever it is shown, and goes on once a person lets it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from api_desk import JSON, ServedDesk, ask, order_body, until

import cluster.live.embedded as embedded
from anabranch import AsyncClient
from router.domain.enums import ExecType
from router.domain.messages import Message, VenueReply

EXCESS = 7


class OverFilling:
    """A venue that once executes more than it was asked for."""

    done = False

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def __getattr__(self, name: str) -> Any:
        return getattr(self._shell, name)

    def handle(self, batch: Message) -> Message:
        reply = self._shell.handle(batch)
        if not isinstance(reply, VenueReply):
            return reply
        reports = list(reply.reports)
        for at, report in enumerate(reports):
            if not OverFilling.done and report.exec_type is ExecType.TRADE and not report.leaves_qty:
                OverFilling.done = True
                more = {"last_qty": report.last_qty + EXCESS, "cum_qty": report.cum_qty + EXCESS}
                reports[at] = msgspec.structs.replace(report, **more)
        return msgspec.structs.replace(reply, reports=tuple(reports))


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ServedDesk]:
    made = embedded.link_of
    OverFilling.done = False

    def link_of(*given: Any) -> Any:
        link = made(*given)
        for name in [name for name in link.shells if name.startswith("X")]:
            link.shells[name] = OverFilling(link.shells[name])
        return link

    monkeypatch.setattr(embedded, "link_of", link_of)
    with ServedDesk(tmp_path, live='scenario = "smoke"\nspeed = 10.0') as desk:
        yield desk


async def snapshot(served: ServedDesk) -> JSON:
    """Return the orders of a stream's snapshot, by id."""
    timeout = aiohttp.ClientTimeout(total=20)
    async with aiohttp.ClientSession(served.url, timeout=timeout) as session, session.get("/v1/stream/sse") as answer:
        async for line in answer.content:
            if line.startswith(b"data: "):
                return {order["order_id"]: order for order in json.loads(line[6:])["orders"]}
    raise AssertionError("the stream ended without a snapshot")


async def shown(served: ServedDesk, order_id: str) -> set[tuple[str, str, int]]:
    """Return (status, reason, version) as one order shows it, the list, the stream's snapshot and the client."""
    one = (await ask(served.url, "GET", f"/v1/orders/{order_id}")).json()
    listed = (await ask(served.url, "GET", "/v1/orders?limit=50")).json()["orders"]
    async with AsyncClient(served.url) as client:
        seen = await client.orders.get(order_id)
    streamed = (await snapshot(served))[order_id]
    orders = (one, *(order for order in listed if order["order_id"] == order_id), streamed)
    return {(order["status"], order["reason"], order["version"]) for order in orders} | {
        (seen.status, seen.reason, seen.version)
    }


async def test_suspended_order_goes_on_as_what_it_was_wherever_it_is_shown(served: ServedDesk) -> None:
    body = order_body("over-1", qty="4000", routing={"strategy": "twap", "urgency": 0.9})
    order_id = (await ask(served.url, "POST", "/v1/orders", body)).json()["order_id"]
    path = f"/v1/orders/{order_id}"

    async def is_suspended() -> bool:
        return bool((await ask(served.url, "GET", path)).json()["status"] == "suspended")

    assert await until(is_suspended, 60.0)
    await asyncio.wait_for(quiet(served, path), 30.0)
    ((status, reason, version),) = await shown(served, order_id)
    assert (status, reason.partition(" by ")[0]) == ("suspended", "over-filled")
    listed = (await ask(served.url, "GET", "/v1/orders?status=suspended")).json()["orders"]
    assert [order["order_id"] for order in listed] == [order_id]
    assert (await ask(served.url, "POST", f"{path}/resume", {"why": "agreed with the venue"})).status == 202

    async def is_resumed() -> JSON:
        found: JSON = (await ask(served.url, "GET", path)).json()
        return found if found["status"] != "suspended" else {}

    resumed = await until(is_resumed)
    assert (resumed["status"], resumed["reason"]) == ("partially_filled", "")
    assert resumed["version"] > version
    assert (await ask(served.url, "GET", "/v1/orders?status=suspended")).json()["orders"] == []
    assert {status for status, _, _ in await shown(served, order_id)} == {"partially_filled"}
    had = int(resumed["cum_qty"])

    async def has_filled() -> bool:
        return int((await ask(served.url, "GET", path)).json()["cum_qty"]) > had

    assert await until(has_filled, 60.0)


async def quiet(served: ServedDesk, path: str) -> None:
    """Return once nothing happens to an order any more: its children are out."""
    version = -1
    while True:
        found = (await ask(served.url, "GET", path)).json()["version"]
        children = (await ask(served.url, "GET", f"{path}/children?limit=100")).json()["children"]
        if found == version and all(child["leaves_qty"] == "0" for child in children):
            return
        version = found
