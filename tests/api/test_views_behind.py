"""A door whose views are still behind the journal says so, and does not show an earlier moment as now."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from api_desk import Asked, ServedDesk, ask, order_body, until

from cluster.live.embedded import EmbeddedDesk
from router.orders.journal import Record


class HeldDesk:
    """The desk, whose journal cannot be followed until it is let go."""

    def __init__(self, desk: EmbeddedDesk) -> None:
        self._desk = desk
        self.is_free = threading.Event()
        for name in ("ask", "read", "market", "now", "symbols", "status", "kill_now", "start_hosts"):
            setattr(self, name, getattr(desk, name))

    async def follow(self, start: int) -> AsyncIterator[list[Record]]:
        await asyncio.to_thread(self.is_free.wait)
        async for records in self._desk.follow(start):
            yield records


@pytest.fixture
def held(tmp_path: Path) -> Iterator[tuple[ServedDesk, HeldDesk]]:
    made: list[HeldDesk] = []

    def wrap(desk: EmbeddedDesk) -> HeldDesk:
        made.append(HeldDesk(desk))
        return made[0]

    with ServedDesk(tmp_path, wrap=wrap) as served:  # type: ignore[arg-type]
        yield served, made[0]
        made[0].is_free.set()


async def test_reads_wait_for_the_views_and_orders_do_not(held: tuple[ServedDesk, HeldDesk]) -> None:
    served, desk = held
    ready = await ask(served.url, "GET", "/readyz")
    assert ready.status == 503
    assert any(waited.startswith("views: expected views of ") for waited in ready.json()["waits_for"])
    for path in ("/v1/orders", "/v1/orders/P1", "/v1/risk/limits", "/v1/kill"):
        refused = await ask(served.url, "GET", path)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert refused.json()["code"] == "not_ready"
        assert [error["code"] for error in refused.json()["errors"]] == ["VIEWS_BEHIND"]
    assert (await ask(served.url, "POST", "/v1/orders", order_body("early"))).status == 201
    assert (await ask(served.url, "DELETE", "/v1/orders/P1")).status == 202
    assert (await ask(served.url, "GET", "/v1/clock")).status == 200
    assert (await ask(served.url, "GET", "/healthz")).status == 200
    assert (await ask(served.url, "POST", "/v1/cluster/scale", {"hosts": 3, "why": "busy"})).status == 202
    shown = (await ask(served.url, "GET", "/v1/cluster")).json()
    assert (shown["hosts_since"], shown["hosts_who"], shown["hosts_why"]) == (None, "", "")

    desk.is_free.set()

    async def is_shown() -> bool:
        return (await ask(served.url, "GET", "/v1/orders")).status == 200

    assert await until(is_shown)
    assert (await ask(served.url, "GET", "/v1/orders/P1")).json()["client_order_id"] == "early"

    async def is_said() -> bool:
        return bool((await ask(served.url, "GET", "/v1/cluster")).json()["hosts_why"] == "busy")

    assert await until(is_said)


@pytest.mark.parametrize("media", ["application/json", "application/json; charset=utf-8"])
async def test_dry_run_waits_for_the_views_in_both_lanes(held: tuple[ServedDesk, HeldDesk], media: str) -> None:
    served, desk = held
    body = b'{"symbol": "SMOK", "side": "buy", "qty": "1000"}'

    async def split() -> Asked:
        return await ask(served.url, "POST", "/v1/route", data=body, headers={"Content-Type": media})

    refused = await split()
    assert (refused.status, refused.headers["Retry-After"], refused.json()["code"]) == (503, "1", "not_ready")
    assert [error["code"] for error in refused.json()["errors"]] == ["VIEWS_BEHIND"]
    desk.is_free.set()

    async def is_split() -> bool:
        return (await split()).status == 200

    assert await until(is_split)


async def test_kill_never_waits_for_the_views(held: tuple[ServedDesk, HeldDesk]) -> None:
    served, _ = held
    body = {"level": "all", "target": "", "why": "drill"}
    assert (await ask(served.url, "POST", "/v1/kill", body)).status in (200, 202)


async def test_metrics_of_a_door_that_is_behind_tell_how_far_and_that_it_is_not_ready(
    held: tuple[ServedDesk, HeldDesk],
) -> None:
    served, desk = held

    async def metrics() -> dict[str, float]:
        lines = (await ask(served.url, "GET", "/metrics")).body.decode().splitlines()
        return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name[0] != "#"}

    found = await metrics()
    assert (found["anabranch_ready"], found["anabranch_journal_records_seen_total"]) == (0, 0)
    assert found["anabranch_journal_lag_records"] == found["anabranch_journal_records"] > 0
    shown = (await ask(served.url, "GET", "/v1/cluster")).json()
    assert shown["is_ready"] is False
    assert shown["journal_lag"] == shown["journal_size"] > 0
    desk.is_free.set()

    async def is_abreast() -> bool:
        found = await metrics()
        # More may have come between the two looks.
        return found["anabranch_ready"] == 1 and found["anabranch_journal_lag_records"] < 50

    assert await until(is_abreast)
