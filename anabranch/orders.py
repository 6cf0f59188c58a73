"""Orders: hand in, look at, change, end, and look behind.

Rule of this file: one method a resource. What is handed in is sent again under the same id until an answer says what
became of it; cancels are sent again as they are; a replace is sent once.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, TypeVar
from urllib.parse import quote

import msgspec

from anabranch.answers import (
    BatchAnswer,
    BatchResult,
    Child,
    ChildPage,
    Decision,
    DecisionPage,
    Execution,
    ExecutionPage,
    NotedAnswer,
    Order,
    OrderPage,
    Said,
    Tca,
)
from anabranch.errors import ClientError, NotFoundError, UnknownOutcome, UsageError
from anabranch.transport import REFUSED, UNSURE, Call, Transport
from anabranch.words import (
    BatchBody,
    CancelAllQuery,
    ClientIdQuery,
    OrderBody,
    OrdersQuery,
    PageQuery,
    ReplaceBody,
    Status,
    WhyBody,
)

BATCH_MAX = 100
"""Orders in one batch, as the desk takes them."""


P = TypeVar("P", bound=Said)


class AsyncOrders:
    """The orders of one client."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    async def submit(self, order: OrderBody, *, deadline_s: float | None = None, correlation_id: str = "") -> Order:
        """Hand in an order; what is returned is durable. It is sent again until an answer says what became of it.

        Raises:
            DeniedError, ConflictError, BadRequestError: it was not accepted.
            UnknownOutcome: nobody said by the deadline; `resolve`, or hand the same order in again.
            UnreachableError, UnavailableError, TooManyError: nothing was handed in by the deadline.
        """
        call = Call(
            method="POST",
            path="/v1/orders",
            kind=Order,
            body=order,
            is_repeatable=True,
            client_order_id=order.client_order_id,
            deadline_s=deadline_s,
            correlation_id=correlation_id,
        )
        return await self._transport.send(call)

    async def submit_batch(
        self, orders: Sequence[OrderBody], *, deadline_s: float | None = None
    ) -> tuple[BatchResult, ...]:
        """Hand in up to `BATCH_MAX` orders and return each one's own answer, in their order.

        Those that could not be taken, or of which nobody knows, are sent again until the deadline; what has no answer
        by then keeps its status 429, 503 (not accepted), 500 or 504 (unknown).
        """
        if not 1 <= len(orders) <= BATCH_MAX:
            raise UsageError(f"expected 1 to {BATCH_MAX} orders, got {len(orders)} - at submit_batch")
        loop, options = asyncio.get_running_loop(), self._transport.options
        until = loop.time() + (options.deadline_s if deadline_s is None else deadline_s)
        results: list[BatchResult | None] = [None] * len(orders)
        waiting, attempt = list(range(len(orders))), 0
        while True:
            body = BatchBody(orders=tuple(orders[i] for i in waiting))
            call = Call(
                method="POST",
                path="/v1/orders/batch",
                kind=BatchAnswer,
                body=body,
                is_repeatable=True,
                deadline_s=max(until - loop.time(), 0.001),
            )
            try:
                answer = await self._transport.send(call)
            except ClientError as exc:
                if not attempt:
                    raise
                # Some of the batch are answered for, and that must not be lost with the rest.
                return tuple(_given_up(result, exc) if _is_open(result) else result for result in results if result)
            for i, result in zip(waiting, answer.results, strict=True):
                results[i] = _later(results[i], result)
            waiting = [i for i in waiting if _is_open(results[i])]
            pause_s, attempt = options.pause_s(attempt), attempt + 1
            if not waiting or loop.time() + pause_s >= until:
                return tuple(result for result in results if result)
            await asyncio.sleep(pause_s)

    async def resolve(self, client_order_id: str, account: str | None = None) -> Order | None:
        """Return what became of an order whose outcome is unknown; None: the desk has none of this id now.

        None is no promise: a request may still be on its way. Handing the same order in again is always safe, and
        settles it.
        """
        try:
            return await self.by_client_order_id(client_order_id, account)
        except NotFoundError:
            return None

    async def get(self, order_id: str) -> Order:
        """Return an order."""
        return await self._transport.send(Call(method="GET", path=_path(order_id), kind=Order))

    async def by_client_order_id(self, client_order_id: str, account: str | None = None) -> Order:
        """Return an order by your own id; `account` where you may act for more than one."""
        path = f"/v1/orders/by_client_order_id/{quote(client_order_id, safe='')}"
        query = ClientIdQuery(account=account)
        return await self._transport.send(Call(method="GET", path=path, kind=Order, query=query))

    async def list(
        self, *, account: str | None = None, symbol: str | None = None, status: Status | None = None
    ) -> AsyncIterator[Order]:
        """Yield orders, newest first, page after page."""
        query = OrdersQuery(account=account, symbol=symbol, status=status, limit=self._transport.options.page)
        async for page in self._pages("/v1/orders", OrderPage, query):
            for order in page.orders:
                yield order

    async def replace(self, order_id: str, change: ReplaceBody, *, correlation_id: str = "") -> NotedAnswer:
        """Ask for a change; whether it was done is told on the stream. It is sent once.

        Raises:
            UnknownOutcome: no answer came; the order itself says whether it was changed.
        """
        call = Call(method="PATCH", path=_path(order_id), kind=NotedAnswer, body=change, correlation_id=correlation_id)
        return await self._transport.send(call)

    async def cancel(self, order_id: str, *, deadline_s: float | None = None, correlation_id: str = "") -> NotedAnswer:
        """Ask for an order's end; how it ends is told on the stream. It is sent again until it is answered."""
        call = Call(
            method="DELETE",
            path=_path(order_id),
            kind=NotedAnswer,
            is_repeatable=True,
            deadline_s=deadline_s,
            correlation_id=correlation_id,
        )
        return await self._transport.send(call)

    async def cancel_all(
        self, *, account: str | None = None, symbol: str | None = None, deadline_s: float | None = None
    ) -> NotedAnswer:
        """Ask for the end of every open order that you may act for, of one account, of one symbol."""
        call = Call(
            method="DELETE",
            path="/v1/orders",
            kind=NotedAnswer,
            query=CancelAllQuery(account=account, symbol=symbol),
            is_repeatable=True,
            deadline_s=deadline_s,
        )
        return await self._transport.send(call)

    async def resume(self, order_id: str, why: str) -> NotedAnswer:
        """Let a suspended order go on: a person has looked at it. It is sent once."""
        call = Call(method="POST", path=f"{_path(order_id)}/resume", kind=NotedAnswer, body=WhyBody(why=why))
        return await self._transport.send(call)

    async def children(self, order_id: str) -> AsyncIterator[Child]:
        """Yield an order's children at venues, oldest first."""
        async for page in self._pages(f"{_path(order_id)}/children", ChildPage, self._page()):
            for child in page.children:
                yield child

    async def executions(self, order_id: str) -> AsyncIterator[Execution]:
        """Yield an order's executions, oldest first."""
        async for page in self._pages(f"{_path(order_id)}/executions", ExecutionPage, self._page()):
            for execution in page.executions:
                yield execution

    async def decisions(self, order_id: str) -> AsyncIterator[Decision]:
        """Yield why each of an order's slices went where it went, oldest first."""
        async for page in self._pages(f"{_path(order_id)}/decisions", DecisionPage, self._page()):
            for decision in page.decisions:
                yield decision

    async def tca(self, order_id: str) -> Tca:
        """Return what an order's executions cost so far."""
        return await self._transport.send(Call(method="GET", path=f"{_path(order_id)}/tca", kind=Tca))

    def _page(self) -> PageQuery:
        return PageQuery(limit=self._transport.options.page)

    async def _pages(self, path: str, kind: type[P], query: Any) -> AsyncIterator[P]:
        while True:
            page: Any = await self._transport.send(Call(method="GET", path=path, kind=kind, query=query))
            yield page
            if page.next is None:
                return
            query = msgspec.structs.replace(query, after=page.next)


def _path(order_id: str) -> str:
    return f"/v1/orders/{quote(order_id, safe='')}"


def _is_open(result: BatchResult | None) -> bool:
    return result is None or result.status in REFUSED or result.status in UNSURE


def _later(before: BatchResult | None, now: BatchResult) -> BatchResult:
    """Return what is known after one more answer: a refusal does not undo that nobody knows."""
    if before is not None and before.status in UNSURE and now.status in REFUSED:
        return before
    return now


def _given_up(result: BatchResult, exc: ClientError) -> BatchResult:
    """Return what is known of an order that was sent again in vain."""
    return msgspec.structs.replace(result, status=504) if isinstance(exc, UnknownOutcome) else result
