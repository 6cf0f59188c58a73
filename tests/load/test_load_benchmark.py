"""The load benchmark measures what it says: real processes, answers counted by status, refusals no figure.

Rule of this file: small sizes; nothing is asserted about speed.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from multiprocessing import get_context

import pytest

from benchmarks.flooder import flood_from
from benchmarks.http_caller import call, request
from benchmarks.live_flood import SECRETS, signed
from benchmarks.live_load import BARE, MEDIA, RATES, answered, desk_alone, order_body, ready, route_body
from benchmarks.live_server import Running, server
from cluster.cli import main
from router.domain.errors import LinkError, RunError


@pytest.fixture(scope="module")
def desk() -> Iterator[Running]:
    with desk_alone() as running:
        asyncio.run(ready(running))
        yield running


@pytest.mark.parametrize("kind", BARE)
def test_bare_server_answers_as_many_bytes_as_it_is_told(kind: str) -> None:
    with server(kind, "700") as bare:
        data = request("POST", "/v1/route", b"{}")
        found = asyncio.run(call(bare.port, [repeat(data, 20), repeat(data, 20)]))
    assert (found.statuses, found.body_bytes, len(found.waits)) == ({200: 40}, 700, 40)


def test_server_that_does_not_start_is_an_error() -> None:
    with pytest.raises(LinkError, match="expected the server to run"), server("raw", "no number"):
        pass


@pytest.mark.parametrize("media", MEDIA)
def test_orders_of_either_media_type_are_accepted_and_durable(desk: Running, media: str) -> None:
    before = desk.figures()["flushes"]
    bodies = [request("POST", "/v1/orders", order_body(media), MEDIA[media]) for _ in range(6)]
    found = answered(asyncio.run(call(desk.port, [iter(bodies[:3]), iter(bodies[3:])])), 201)
    assert len(found.waits) == 6
    assert desk.figures()["flushes"] > before


@pytest.mark.parametrize("media", MEDIA)
def test_dry_run_of_either_media_type_is_answered(desk: Running, media: str) -> None:
    found = asyncio.run(call(desk.port, [repeat(request("POST", "/v1/route", route_body(media), MEDIA[media]), 3)]))
    assert answered(found, 200).body_bytes > 100


def test_answers_that_were_not_wanted_are_no_figure(desk: Running) -> None:
    found = asyncio.run(call(desk.port, [iter([request("GET", "/v1/orders/none")])]))
    with pytest.raises(RunError, match="404"):
        answered(found, 200)


def test_orders_for_now_are_worked_and_counted_as_open(desk: Running) -> None:
    before = desk.figures()["open"]
    body = order_body("json", is_later=False, qty=20_000)
    answered(asyncio.run(call(desk.port, [iter([request("POST", "/v1/orders", body)])])), 201)
    assert desk.figures()["open"] == before + 1


def test_key_that_sends_more_than_it_may_is_refused_and_another_is_not() -> None:
    rates = RATES.replace("orders = { per_s = 1_000_000, burst = 1_000_000 }", "orders = { per_s = 0.1, burst = 2 }")
    with desk_alone(rates, SECRETS) as desk:
        asyncio.run(ready(desk))
        orders = [signed("flooder", "POST", "/v1/orders", order_body("json")) for _ in range(5)]
        assert asyncio.run(call(desk.port, [iter(orders)])).statuses == {201: 2, 429: 3}
        other = [signed("other", "POST", "/v1/orders", order_body("json")), signed("other", "GET", "/v1/orders/P1")]
        assert asyncio.run(call(desk.port, [iter(other)])).statuses == {201: 1, 200: 1}


def test_flood_sends_what_is_due_whatever_is_answered() -> None:
    rates = RATES.replace("orders = { per_s = 1_000_000, burst = 1_000_000 }", "orders = { per_s = 0.1, burst = 2 }")
    with (
        desk_alone(rates, SECRETS) as desk,
        ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool,
    ):
        asyncio.run(ready(desk))
        start = time.time() + 3.0
        flood = pool.submit(flood_from, desk.port, "flooder", SECRETS["flooder"], 600, 600.0, 4, 0, start).result()
        # The door reads no more of it than it refuses, and is there for others.
        other = [signed("other", "POST", "/v1/orders", order_body("json"))]
        assert asyncio.run(call(desk.port, [iter(other)])).statuses == {201: 1}
    assert (flood.due, flood.sent) == (600, 600)
    assert flood.statuses[201] == 2
    assert 0 < flood.statuses[429] < 100


def test_only_rows_that_are_asked_for_are_measured(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "load", "--id", "load.route.msgpack.1", "--quick", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert [row["id"].removeprefix("load.route.msgpack.1.") for row in rows] == ["per_s", "cpu_us", "p50_ms", "p99_ms"]


def test_id_that_no_row_of_load_begins_with_is_refused(capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["bench", "load", "--id", "load.nothing", "--quick"]) == 2
    assert "load.flood, got 'load.nothing' - at --id" in capfd.readouterr().err
