"""An order whose answer is lost is handed in again under its id, and there is one order; all else is sent once."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from api_desk import ServedDesk
from client_desk import ACCOUNT, QUICK, SYMBOL, order, said
from fault_proxy import CUT_AFTER, CUT_BEFORE, HOLD, REPLY, SWALLOW, Fault, FaultProxy

from anabranch import (
    AnswerError,
    AsyncClient,
    Client,
    ClientOptions,
    ConflictError,
    DeniedError,
    NotAllowedError,
    OutcomeBody,
    ReplaceBody,
    ServerError,
    TooManyError,
    UnavailableError,
    UnknownOutcome,
    UnreachableError,
)
from cluster.live.embedded import EmbeddedDesk
from router.domain.errors import JournalBusyError, UnknownOutcomeError
from router.domain.requests import Answer, Request, SubmitOrder

SUBMIT = "POST /v1/orders"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    with ServedDesk(tmp_path_factory.mktemp("desk")) as served:
        yield served


async def number_of(client: AsyncClient, client_order_id: str) -> int:
    return len([one async for one in client.orders.list(symbol=SYMBOL) if one.client_order_id == client_order_id])


@pytest.mark.parametrize("fault", [CUT_BEFORE, CUT_AFTER, HOLD, SWALLOW])
@pytest.mark.parametrize("encoding", ["json", "msgpack"])
async def test_order_whose_answer_is_lost_is_one_order(desk: ServedDesk, fault: str, encoding: Any) -> None:
    options = ClientOptions(encoding=encoding, timeout_s=1.0, deadline_s=10.0, backoff_first_s=0.01)
    async with (
        FaultProxy(desk.url, Fault(fault), on=SUBMIT) as proxy,
        AsyncClient(proxy.url, options=options) as client,
    ):
        wanted = order()
        found = await client.orders.submit(wanted)
        assert found.client_order_id == wanted.client_order_id
        sent = proxy.requests(SUBMIT)
        assert len(sent) >= 2
        assert len({one.body for one in sent}) == 1, "the same id and the same body"
        assert len({one.headers["x-correlation-id"] for one in sent}) == 1
        assert await number_of(client, wanted.client_order_id) == 1


async def test_order_that_keeps_being_lost_after_it_was_taken_is_unknown_and_is_resolved(desk: ServedDesk) -> None:
    options = ClientOptions(timeout_s=0.3, deadline_s=0.8, backoff_first_s=0.01)
    faults = [Fault(CUT_AFTER)] * 1_000
    async with FaultProxy(desk.url, *faults, on=SUBMIT) as proxy, AsyncClient(proxy.url, options=options) as client:
        wanted = order()
        with pytest.raises(UnknownOutcome) as caught:
            await client.orders.submit(wanted)
        assert caught.value.client_order_id == wanted.client_order_id
        assert len(proxy.requests(SUBMIT)) > 2
        found = await client.orders.resolve(wanted.client_order_id, ACCOUNT)
        assert found is not None
        proxy.faults.clear()
        assert (await client.orders.submit(wanted)).order_id == found.order_id
        assert await number_of(client, wanted.client_order_id) == 1


async def test_order_that_never_arrived_resolves_to_none(desk: ServedDesk) -> None:
    options = ClientOptions(timeout_s=0.2, deadline_s=0.5)
    faults = [Fault(SWALLOW)] * 1_000
    async with FaultProxy(desk.url, *faults, on=SUBMIT) as proxy, AsyncClient(proxy.url, options=options) as client:
        wanted = order()
        with pytest.raises(UnknownOutcome):
            await client.orders.submit(wanted)
        assert await client.orders.resolve(wanted.client_order_id, ACCOUNT) is None


async def test_order_refused_for_now_is_sent_again_after_retry_after(desk: ServedDesk) -> None:
    faults = said(503, "unavailable", Retry_After="1"), said(429, "busy")
    async with FaultProxy(desk.url, *faults, on=SUBMIT) as proxy, AsyncClient(proxy.url, options=QUICK) as client:
        await client.orders.submit(order())
        first, second, third = (one.at for one in proxy.requests(SUBMIT))
        assert second - first >= 0.99
        assert third - second < 0.5


async def test_order_refused_to_the_end_is_known_not_to_be_there(desk: ServedDesk) -> None:
    faults = [said(503, "not_ready")] * 1_000
    async with (
        FaultProxy(desk.url, *faults, on=SUBMIT) as proxy,
        AsyncClient(proxy.url, options=QUICK) as client,
    ):
        with pytest.raises(UnavailableError) as caught:
            await client.orders.submit(order(), deadline_s=0.3)
        assert caught.value.problem.code == "not_ready"


async def test_retry_after_beyond_the_deadline_is_not_waited_for(desk: ServedDesk) -> None:
    fault = said(429, "rate_limited", Retry_After="600")
    async with FaultProxy(desk.url, fault, on=SUBMIT) as proxy, AsyncClient(proxy.url, options=QUICK) as client:
        async with asyncio.timeout(1.0):
            with pytest.raises(TooManyError) as caught:
                await client.orders.submit(order())
        assert caught.value.retry_after_s == 600.0
        assert len(proxy.requests(SUBMIT)) == 1


@pytest.mark.parametrize("status", [500, 502, 504])
async def test_order_of_which_the_door_does_not_know_is_sent_again(desk: ServedDesk, status: int) -> None:
    fault = Fault(REPLY, status, (("Content-Type", "text/html"),), b"<h1>gateway</h1>")
    async with FaultProxy(desk.url, fault, on=SUBMIT) as proxy, AsyncClient(proxy.url, options=QUICK) as client:
        wanted = order()
        await client.orders.submit(wanted)
        assert await number_of(client, wanted.client_order_id) == 1


async def test_refusal_at_the_door_does_not_answer_for_an_attempt_before(desk: ServedDesk) -> None:
    faults = Fault(CUT_AFTER), said(401, "unauthenticated")
    async with FaultProxy(desk.url, *faults, on=SUBMIT) as proxy, AsyncClient(proxy.url, options=QUICK) as client:
        wanted = order()
        with pytest.raises(UnknownOutcome) as caught:
            await client.orders.submit(wanted)
        assert isinstance(caught.value.__cause__, NotAllowedError)
        assert await number_of(client, wanted.client_order_id) == 1


async def test_denial_after_a_lost_attempt_settles_it(desk: ServedDesk) -> None:
    async with (
        FaultProxy(desk.url, Fault(CUT_AFTER), on=SUBMIT) as proxy,
        AsyncClient(proxy.url, options=QUICK) as client,
    ):
        with pytest.raises(DeniedError) as caught:
            await client.orders.submit(order(symbol="NOPE"))
        assert [one.code for one in caught.value.problem.errors] == ["UNKNOWN_INSTRUMENT"]


async def test_what_is_wrong_is_not_sent_again(desk: ServedDesk) -> None:
    async with FaultProxy(desk.url) as proxy, AsyncClient(proxy.url, options=QUICK) as client:
        wanted = order()
        await client.orders.submit(wanted)
        with pytest.raises(ConflictError) as caught:
            await client.orders.submit(order(wanted.client_order_id, qty=200))
        assert caught.value.problem.code == "client_order_id_taken"
        with pytest.raises(DeniedError):
            await client.orders.submit(order(symbol="NOPE"))
        assert len(proxy.requests(SUBMIT)) == 3


@pytest.mark.parametrize("fault", [CUT_AFTER, HOLD])
async def test_cancel_is_sent_again(desk: ServedDesk, fault: str) -> None:
    async with (
        FaultProxy(desk.url, Fault(fault), on="DELETE") as proxy,
        AsyncClient(proxy.url, options=QUICK) as client,
    ):
        found = await client.orders.submit(order())
        await client.orders.cancel_all(account=ACCOUNT, symbol=SYMBOL)
        assert len(proxy.requests("DELETE")) == 2
        assert (await client.orders.get(found.order_id)).status in ("pending_cancel", "canceled", "new")


@pytest.mark.parametrize("fault", [CUT_AFTER, HOLD, CUT_BEFORE])
async def test_replace_and_outcomes_are_sent_once_and_their_loss_is_said(desk: ServedDesk, fault: str) -> None:
    async with FaultProxy(desk.url) as proxy, AsyncClient(proxy.url, options=QUICK) as client:
        found = await client.orders.submit(order())
        proxy.faults.append(Fault(fault))
        with pytest.raises(UnknownOutcome) as caught:
            await client.orders.replace(found.order_id, ReplaceBody(qty=150))
        assert caught.value.client_order_id is None
        assert len(proxy.requests("PATCH")) == 1
        proxy.faults.append(Fault(fault))
        outcome = OutcomeBody(
            kind="expire",
            reference="mine",
            decision_id="mine.d0",
            child_id="mine.0",
            lane="XLTA:TAKE",
            side="buy",
            qty=100,
            is_final=True,
            context=(0.0,) * 11,
        )
        with pytest.raises(UnknownOutcome):
            await client.report_outcomes(SYMBOL, [outcome])
        assert len(proxy.requests("POST /v1/outcomes")) == 1


async def test_replace_that_was_refused_for_now_is_sent_again(desk: ServedDesk) -> None:
    async with (
        FaultProxy(desk.url, said(429, "busy"), on="PATCH") as proxy,
        AsyncClient(proxy.url, options=QUICK) as client,
    ):
        found = await client.orders.submit(order())
        assert (await client.orders.replace(found.order_id, ReplaceBody(qty=150))).count == 1
        assert len(proxy.requests("PATCH")) == 2


async def test_lost_read_changes_nothing_and_says_so(desk: ServedDesk) -> None:
    faults = [Fault(HOLD), said(500, "internal"), Fault(REPLY, 200, (("Content-Type", "text/html"),), b"<p>hello</p>")]
    async with FaultProxy(desk.url, *faults) as proxy, AsyncClient(proxy.url, options=QUICK) as client:
        with pytest.raises(UnreachableError):
            await client.venues()
        with pytest.raises(ServerError):
            await client.venues()
        with pytest.raises(AnswerError):
            await client.venues()
        assert len(await client.venues()) == 4


async def test_nobody_there_is_waited_for_until_the_deadline(desk: ServedDesk) -> None:
    async with FaultProxy(desk.url) as proxy:
        address = proxy.url
    async with AsyncClient(address, options=QUICK) as client:
        with pytest.raises(UnreachableError):
            await client.orders.submit(order(), deadline_s=0.2)


async def test_batch_sends_only_those_again_that_have_no_answer(desk: ServedDesk) -> None:
    async with (
        FaultProxy(desk.url, Fault(CUT_AFTER), on="POST /v1/orders/batch") as proxy,
        AsyncClient(proxy.url, options=QUICK) as client,
    ):
        orders = [order(), order(symbol="NOPE"), order()]
        results = await client.orders.submit_batch(orders)
        assert [one.status for one in results] == [200, 422, 200]
        assert [one.client_order_id for one in results] == [one.client_order_id for one in orders]
        assert await number_of(client, orders[0].client_order_id) == 1
        assert len(proxy.requests("POST /v1/orders/batch")) == 2


class BusyOnce:
    """A desk that is too busy for the second order of a batch, and loses the answer to the third; once each."""

    def __init__(self, desk: EmbeddedDesk) -> None:
        self._desk = desk
        self._orders = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._desk, name)

    async def ask(self, request: Request) -> Answer:
        if isinstance(request, SubmitOrder):
            self._orders += 1
            number = self._orders
            if number == 2:
                raise JournalBusyError("expected room, got none")
            answer = await self._desk.ask(request)
            if number == 3:
                raise UnknownOutcomeError("expected an answer, got none")
            return answer
        return await self._desk.ask(request)


async def test_batch_settles_each_order_by_itself(tmp_path: Path) -> None:
    with ServedDesk(tmp_path, wrap=BusyOnce) as busy:
        async with FaultProxy(busy.url) as proxy, AsyncClient(proxy.url, options=QUICK) as client:
            orders = [order(), order(), order()]
            results = await client.orders.submit_batch(orders)
            assert [one.status for one in results] == [201, 201, 200]
            first, second = (msgspec.json.decode(one.body)["orders"] for one in proxy.requests("POST"))
            assert [one["client_order_id"] for one in first] == [one.client_order_id for one in orders]
            assert [one["client_order_id"] for one in second] == [one.client_order_id for one in orders[1:]]


async def test_client_without_asyncio_does_the_same(desk: ServedDesk) -> None:
    async with FaultProxy(desk.url, Fault(CUT_AFTER), said(503, "unavailable"), on=SUBMIT) as proxy:

        def submit() -> list[str]:
            with Client(proxy.url, options=QUICK) as client:
                wanted = order()
                first = client.orders.submit(wanted)
                assert client.orders.submit(wanted).order_id == first.order_id
                found = client.orders.list(symbol=SYMBOL)
                return [one.order_id for one in found if one.client_order_id == wanted.client_order_id]

        assert len(await asyncio.to_thread(submit)) == 1
        assert len(proxy.requests(SUBMIT)) == 4
