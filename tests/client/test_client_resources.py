"""Every resource of the document has its method, and each method's answer is read, in JSON and in MessagePack."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import pytest
from aiohttp import web
from api_desk import ServedDesk
from client_desk import ACCOUNT, QUICK, SYMBOL, order
from fault_proxy import FaultProxy

from anabranch import (
    AsyncClient,
    BadRequestError,
    Client,
    ClientOptions,
    ConflictError,
    Event,
    NotFoundError,
    OutcomeBody,
    ReplaceBody,
    RouteBody,
    RoutingBlock,
    Snapshot,
    UnknownOutcome,
    UnreachableError,
    UsageError,
)
from anabranch.events import OrderEnded, OrderReplaced
from cluster.api.routes import ROUTES

NOT_FOR_PROGRAMS = {
    "GET /docs",
    "GET /metrics",
    "GET /openapi.json",
    "GET /static/{name}",
    "POST /v1/session",
    "DELETE /v1/session",
}
"""Pages, what other programs read, and people at a browser."""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(tmp_path_factory.mktemp("desk")) as served:
        yield served


async def follow_until_executed(client: AsyncClient, client_order_id: str) -> tuple[str, list[Event]]:
    """Hand in an order that is worked at once and return its id and its events up to its first execution."""
    urgent = RoutingBlock(strategy="arrival", urgency=1.0)
    async with client.stream(accounts=[ACCOUNT]) as stream:
        assert isinstance(await stream.next(10), Snapshot)
        wanted = order(client_order_id, qty=2_000, limit_price="42", routing=urgent)
        order_id = (await client.orders.submit(wanted, correlation_id="cor-7")).order_id
        events: list[Event] = []
        async for event in stream:
            if isinstance(event, Event) and getattr(event.data, "order_id", "") == order_id:
                events.append(event)
                if event.event == "order_executed":
                    return order_id, events
        raise AssertionError("a stream does not end")


async def check_that_an_order_is_looked_behind(url: str, encoding: Any = "json") -> None:
    async with AsyncClient(url, options=ClientOptions(encoding=encoding, page=2)) as client, asyncio.timeout(20):
        order_id, events = await follow_until_executed(client, order().client_order_id)
        assert [events[0].event, events[0].correlation_id] == ["order_accepted", "cor-7"]
        children = [one async for one in client.orders.children(order_id)]
        executions = [one async for one in client.orders.executions(order_id)]
        decisions = [one async for one in client.orders.decisions(order_id)]
        assert {one.child_id for one in executions} <= {one.child_id for one in children}
        assert {one.decision_id for one in children} <= {one.decision_id for one in decisions}
        assert all(one.price <= 42 and one.qty > 0 for one in executions)
        tca = await client.orders.tca(order_id)
        assert tca.cum_qty == sum(one.qty for one in executions)
        assert tca.arrival_price is not None
        found = await client.orders.get(order_id)
        assert found.leaves_qty == found.qty - found.cum_qty
        assert (await client.orders.cancel(order_id)).count == 1


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_order_is_followed_and_looked_behind(desk: ServedDesk, encoding: Any) -> None:
    await check_that_an_order_is_looked_behind(desk.url, encoding)


@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_pages_are_one_list(desk: ServedDesk, encoding: Any) -> None:
    await check_that_pages_are_one_list(desk.url, f"PAGES-{encoding}", encoding)


async def check_that_pages_are_one_list(url: str, account: str, encoding: Any = "json") -> None:
    async with AsyncClient(url, options=ClientOptions(encoding=encoding, page=3)) as client:
        sent = [order(account=account) for _ in range(8)]
        await client.orders.submit_batch(sent)
        listed = [one.client_order_id async for one in client.orders.list(account=account)]
        assert listed == [one.client_order_id for one in reversed(sent)]


async def check_that_a_change_is_told(url: str) -> None:
    async with AsyncClient(url, options=QUICK) as client, client.stream(accounts=["CHANGE-1"]) as stream:
        assert isinstance(await stream.next(10), Snapshot)
        found = await client.orders.submit(order(account="CHANGE-1"))
        await client.orders.replace(found.order_id, ReplaceBody(qty=150, limit_price="38.50"))
        names = []
        while "order_replaced" not in names:
            event = await stream.next(10)
            assert isinstance(event, Event)
            names.append(event.event)
        assert isinstance(event.data, OrderReplaced)
        assert (event.data.qty, event.data.limit_price, event.data.refused) == (150, Decimal("38.5"), "")
        await client.orders.cancel_all(account="CHANGE-1")
        while names[-1] != "order_ended":
            event = await stream.next(10)
            assert isinstance(event, Event)
            names.append(event.event)
        assert isinstance(event.data, OrderEnded)
        assert event.data.status == "canceled"
        with pytest.raises(ConflictError) as caught:
            await client.orders.cancel(found.order_id)
        assert caught.value.problem.code == "order_closed"


async def test_change_is_told_on_the_stream(desk: ServedDesk) -> None:
    await check_that_a_change_is_told(desk.url)


async def check_that_outcomes_are_taken(url: str) -> None:
    async with AsyncClient(url, options=QUICK) as client:
        asked = RouteBody(symbol=SYMBOL, side="sell", qty=1_000, urgency=0.9, reference="mine-1", explain=True)
        routed = await client.route(asked)
        assert sum(one.qty for one in routed.children) <= 1_000
        assert routed.propensity > 0
        child = routed.children[0]
        outcome = OutcomeBody(
            kind="fill",
            reference="mine-1",
            decision_id=routed.decision_id,
            child_id=child.child_id,
            lane=child.lane,
            side="sell",
            qty=child.qty,
            leaves_qty=child.qty,
            filled_qty=child.qty,
            cum_qty=child.qty,
            exec_id="mine-1.0.1",
            is_final=True,
            context=child.context,
        )
        assert (await client.report_outcomes(SYMBOL, [outcome])).count == 1
        with pytest.raises(NotFoundError):
            await client.report_outcomes("NOPE", [outcome])


async def test_decide_here_execute_elsewhere(desk: ServedDesk) -> None:
    await check_that_outcomes_are_taken(desk.url)


def call_every_other(ada: Client, rita: Client) -> None:
    """Call what no other test of this file does; each answer is read."""
    assert ada.wait_until_ready(10).is_ready
    assert (ada.ready().is_ready, ada.health().status, ada.clock().speed) == (True, "ok", 1.0)
    assert ada.cluster().symbols == (SYMBOL,)
    assert ada.whoami().name == "ada"
    venues = ada.venues()
    assert {one.state for one in venues} == {"enabled"}
    assert all(one.tick > 0 for one in venues)
    rita.set_venue_state(venues[0].mic, "drain", "a test")
    rita.set_venue_state(venues[0].mic, "enable", "it is over")
    (learner,) = ada.learners()
    assert ada.learner(learner.learner_id).policy == learner.policy
    assert sum(learner.sides[0].routing_probabilities.values()) == pytest.approx(1.0)
    assert rita.scale_hosts(3, "a test").waits_for == ""
    assert any(ada.cluster().hosts == 3 for _ in range(1_000))
    here, there = ada.cluster().nodes
    rita.drain_node(there.node, "a test")
    assert [one.is_draining for one in ada.cluster().nodes] == [False, True]
    with pytest.raises(ConflictError):
        rita.drain_node(here.node, "no other would be left")
    rita.open_node(there.node, "it is over")
    with pytest.raises(NotFoundError):
        rita.drain_node("nowhere", "a test")
    rita.steer_learner(learner.learner_id, "freeze", "a test")
    rita.steer_learner(learner.learner_id, "unfreeze", "it is over")
    before = {one.key: one.value for one in ada.limits()}
    assert before.items() <= {one.key: one.value for one in ada.parameters()}.items()
    rita.set_parameter("qty_max", before["qty_max"], "as it was")
    rita.kill("account", "a test", "NOBODY")
    assert [one.target for one in ada.kills().kills] == ["NOBODY"]
    rita.rearm("account", "it is over", "NOBODY")
    rita.set_account_state("NOBODY", "reducing", "a test")
    rita.set_account_state("NOBODY", "active", "it is over")
    with pytest.raises((NotFoundError, ConflictError)):
        rita.reenable_strategy("NOBODY", "arrival", "nothing was stopped")
    waiting = [ada.orders.submit(order(routing=RoutingBlock(approval="manual"))) for _ in range(2)]
    assert [one.approval_id for one in ada.approvals()] == [one.approval_id for one in waiting]
    with pytest.raises(ConflictError):
        rita.orders.resume(waiting[0].order_id, "it is not suspended")
    rita.approve(waiting[0].approval_id, "agreed")
    rita.reject(waiting[1].approval_id, "not today")
    assert ada.approvals() == ()
    own = ada.orders.by_client_order_id(waiting[0].client_order_id, ACCOUNT)
    assert own.order_id == waiting[0].order_id
    with ada.stream(accounts=[ACCOUNT], is_sse=True) as stream:
        assert isinstance(next(stream), Snapshot)


def patterns() -> Iterator[tuple[str, re.Pattern[str]]]:
    for route in ROUTES:
        yield f"{route.method} {route.path}", re.compile(re.sub(r"\{\w+\}", "[^/]+", f"{route.method} {route.path}"))


async def test_every_resource_of_the_table_has_its_method(desk: ServedDesk) -> None:
    async with FaultProxy(desk.url) as proxy:

        def work() -> None:
            with Client(proxy.url, name="ada") as ada, Client(proxy.url, name="rita") as rita:
                call_every_other(ada, rita)

        await asyncio.to_thread(work)
        await check_that_an_order_is_looked_behind(proxy.url)
        await check_that_pages_are_one_list(proxy.url, "PAGES")
        await check_that_a_change_is_told(proxy.url)
        await check_that_outcomes_are_taken(proxy.url)
        sent = {f"{one.method} {one.path.partition('?')[0]}" for one in proxy.seen}
    called = {name for name, pattern in patterns() if any(pattern.fullmatch(one) for one in sent)}
    assert {name for name, _ in patterns()} - called == NOT_FOR_PROGRAMS


def refused(work: Callable[[], Any]) -> str:
    with pytest.raises(UsageError) as caught:
        work()
    return str(caught.value)


def test_what_cannot_be_sent_is_refused_here() -> None:
    for url in ("ftp://desk", "desk:8080", "http://desk/v1", "http://"):
        assert "at url" in refused(lambda url=url: Client(url))  # type: ignore[misc]
    with Client("http://127.0.0.1:1") as client:
        assert "1 to 100 orders" in refused(lambda: client.orders.submit_batch([]))
    assert "was closed" in refused(client.clock)
    client.close()
    for given in ({"page": 0}, {"backoff_max_s": -1}, {"encoding": "xml"}):
        assert "at ClientOptions" in refused(lambda given=given: ClientOptions(**given))  # type: ignore[misc]


def test_bad_shape_names_its_place(desk: ServedDesk) -> None:
    with Client(desk.url) as client, pytest.raises(BadRequestError) as caught:
        client.orders.submit(order(qty="1.5"))
    assert [one.pointer for one in caught.value.problem.errors] == ["$.qty"]


def test_desk_that_is_not_ready_is_waited_for_and_its_reasons_are_said() -> None:
    with Client("http://127.0.0.1:1") as client, pytest.raises(UnreachableError, match=r"ready within 0\.3 s"):
        client.wait_until_ready(0.3)


async def test_hosts_that_start_slowly_are_waited_for_and_nothing_else_is() -> None:
    done = asyncio.Event()

    async def started(request: web.Request) -> web.Response:
        with suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 0.5)
        return web.json_response({"count": 0, "waits_for": ""}, status=202)

    app = web.Application()
    app.router.add_post("/{path:.*}", started)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        options = ClientOptions(timeout_s=0.1, deadline_s=0.2)
        async with AsyncClient(f"http://127.0.0.1:{runner.addresses[0][1]}", options=options) as client:
            assert (await client.scale_hosts(4, "a test")).waits_for == ""
            with pytest.raises(UnknownOutcome):
                await client.drain_node("n1", "a test")
    finally:
        done.set()
        await runner.cleanup()


async def test_answer_that_is_none_of_ours_is_not_taken_for_one() -> None:
    async def page(request: web.Request) -> web.Response:
        return web.Response(text="<h1>welcome</h1>", content_type="text/html")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", page)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        async with AsyncClient(f"http://127.0.0.1:{runner.addresses[0][1]}", options=QUICK) as client:
            for work in (client.clock, client.ready, lambda: client.orders.submit(order())):
                with pytest.raises(Exception, match="expected an answer of this API, got status 200 with text/html"):
                    await work()
    finally:
        await runner.cleanup()
