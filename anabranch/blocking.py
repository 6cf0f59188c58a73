"""The same client for programs without asyncio: each method waits for its answer.

Rule of this file: no behaviour of its own. Every method runs its namesake of `anabranch.client` on the client's own
thread; a test compares them. It may be used from many threads.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType

from anabranch.answers import BatchResult, Child, Decision, Execution, NotedAnswer, Order, RouteAnswer, Tca
from anabranch.client import AsyncClient
from anabranch.desk_answers import (
    Approval,
    Clock,
    Cluster,
    Health,
    KillList,
    Learner,
    Parameter,
    Readiness,
    SessionSaid,
    Venue,
)
from anabranch.events import Event, Snapshot
from anabranch.loop_thread import LoopThread
from anabranch.options import ClientOptions
from anabranch.orders import AsyncOrders
from anabranch.signing import Key
from anabranch.stream import AsyncStream
from anabranch.words import (
    AccountStanding,
    KillLevel,
    LearnerAct,
    OrderBody,
    OutcomeBody,
    ReplaceBody,
    RouteBody,
    Status,
    VenueAct,
)


class Orders:
    """The orders of one client."""

    def __init__(self, orders: AsyncOrders, runner: LoopThread) -> None:
        self._orders = orders
        self._runner = runner

    def submit(self, order: OrderBody, *, deadline_s: float | None = None, correlation_id: str = "") -> Order:
        """See `AsyncOrders.submit`."""
        return self._runner.run(self._orders.submit(order, deadline_s=deadline_s, correlation_id=correlation_id))

    def submit_batch(self, orders: Sequence[OrderBody], *, deadline_s: float | None = None) -> tuple[BatchResult, ...]:
        """See `AsyncOrders.submit_batch`."""
        return self._runner.run(self._orders.submit_batch(orders, deadline_s=deadline_s))

    def resolve(self, client_order_id: str, account: str | None = None) -> Order | None:
        """See `AsyncOrders.resolve`."""
        return self._runner.run(self._orders.resolve(client_order_id, account))

    def get(self, order_id: str) -> Order:
        """See `AsyncOrders.get`."""
        return self._runner.run(self._orders.get(order_id))

    def by_client_order_id(self, client_order_id: str, account: str | None = None) -> Order:
        """See `AsyncOrders.by_client_order_id`."""
        return self._runner.run(self._orders.by_client_order_id(client_order_id, account))

    def list(
        self, *, account: str | None = None, symbol: str | None = None, status: Status | None = None
    ) -> Iterator[Order]:
        """See `AsyncOrders.list`."""
        return self._runner.each(self._orders.list(account=account, symbol=symbol, status=status))

    def replace(self, order_id: str, change: ReplaceBody, *, correlation_id: str = "") -> NotedAnswer:
        """See `AsyncOrders.replace`."""
        return self._runner.run(self._orders.replace(order_id, change, correlation_id=correlation_id))

    def cancel(self, order_id: str, *, deadline_s: float | None = None, correlation_id: str = "") -> NotedAnswer:
        """See `AsyncOrders.cancel`."""
        return self._runner.run(self._orders.cancel(order_id, deadline_s=deadline_s, correlation_id=correlation_id))

    def cancel_all(
        self, *, account: str | None = None, symbol: str | None = None, deadline_s: float | None = None
    ) -> NotedAnswer:
        """See `AsyncOrders.cancel_all`."""
        return self._runner.run(self._orders.cancel_all(account=account, symbol=symbol, deadline_s=deadline_s))

    def resume(self, order_id: str, why: str) -> NotedAnswer:
        """See `AsyncOrders.resume`."""
        return self._runner.run(self._orders.resume(order_id, why))

    def children(self, order_id: str) -> Iterator[Child]:
        """See `AsyncOrders.children`."""
        return self._runner.each(self._orders.children(order_id))

    def executions(self, order_id: str) -> Iterator[Execution]:
        """See `AsyncOrders.executions`."""
        return self._runner.each(self._orders.executions(order_id))

    def decisions(self, order_id: str) -> Iterator[Decision]:
        """See `AsyncOrders.decisions`."""
        return self._runner.each(self._orders.decisions(order_id))

    def tca(self, order_id: str) -> Tca:
        """See `AsyncOrders.tca`."""
        return self._runner.run(self._orders.tca(order_id))


class Stream:
    """An iterator over a `Snapshot` and then `Event`s. Close it, or use it in `with`."""

    def __init__(self, stream: AsyncStream, runner: LoopThread) -> None:
        self._stream = stream
        self._runner = runner

    @property
    def seqs(self) -> dict[str, int]:
        """The last seq given out of each account."""
        return dict(self._stream.seqs)

    @property
    def place(self) -> str:
        """See `AsyncStream.place`."""
        return self._stream.place

    def __iter__(self) -> Stream:
        return self

    def __next__(self) -> Snapshot | Event:
        found = self.next()
        assert found is not None
        return found

    def next(self, timeout_s: float | None = None) -> Snapshot | Event | None:
        """See `AsyncStream.next`."""
        return self._runner.run(self._stream.next(timeout_s))

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Leave; leaving twice changes nothing."""
        if not self._runner.is_closed:
            self._runner.run(self._stream.aclose())


class Client:
    """One desk, as one key sees it; see `AsyncClient`. Close it, or use it in `with`.

    Raises:
        UsageError: a URL or an option that cannot be used.
    """

    def __init__(
        self,
        url: str,
        key: Key | None = None,
        *,
        name: str = "",
        options: ClientOptions | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._client = AsyncClient(url, key, name=name, options=options, tls=tls)
        self._runner = LoopThread()
        self.options = self._client.options
        self.orders = Orders(self._client.orders, self._runner)
        """Everything about orders."""

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; closing twice changes nothing."""
        if not self._runner.is_closed:
            self._runner.run(self._client.aclose())
            self._runner.close()

    def stream(
        self,
        after: Mapping[str, int] | str | None = None,
        *,
        accounts: Sequence[str] = (),
        cancel_on_disconnect: bool = False,
        grace_s: float = 5.0,
        is_sse: bool = False,
    ) -> Stream:
        """See `AsyncClient.stream`."""
        stream = self._client.stream(
            after, accounts=accounts, cancel_on_disconnect=cancel_on_disconnect, grace_s=grace_s, is_sse=is_sse
        )
        return Stream(stream, self._runner)

    def route(self, slice: RouteBody) -> RouteAnswer:
        """See `AsyncClient.route`."""
        return self._runner.run(self._client.route(slice))

    def report_outcomes(self, symbol: str, outcomes: Sequence[OutcomeBody]) -> NotedAnswer:
        """See `AsyncClient.report_outcomes`."""
        return self._runner.run(self._client.report_outcomes(symbol, outcomes))

    def venues(self) -> tuple[Venue, ...]:
        """See `AsyncClient.venues`."""
        return self._runner.run(self._client.venues())

    def set_venue_state(self, mic: str, state: VenueAct, why: str) -> NotedAnswer:
        """See `AsyncClient.set_venue_state`."""
        return self._runner.run(self._client.set_venue_state(mic, state, why))

    def learners(self) -> tuple[Learner, ...]:
        """See `AsyncClient.learners`."""
        return self._runner.run(self._client.learners())

    def learner(self, learner_id: str) -> Learner:
        """See `AsyncClient.learner`."""
        return self._runner.run(self._client.learner(learner_id))

    def steer_learner(self, learner_id: str, act: LearnerAct, why: str) -> NotedAnswer:
        """See `AsyncClient.steer_learner`."""
        return self._runner.run(self._client.steer_learner(learner_id, act, why))

    def parameters(self) -> tuple[Parameter, ...]:
        """See `AsyncClient.parameters`."""
        return self._runner.run(self._client.parameters())

    def set_parameter(self, key: str, value: str, why: str) -> NotedAnswer:
        """See `AsyncClient.set_parameter`."""
        return self._runner.run(self._client.set_parameter(key, value, why))

    def limits(self) -> tuple[Parameter, ...]:
        """See `AsyncClient.limits`."""
        return self._runner.run(self._client.limits())

    def kills(self) -> KillList:
        """See `AsyncClient.kills`."""
        return self._runner.run(self._client.kills())

    def kill(self, level: KillLevel, why: str, target: str = "") -> NotedAnswer:
        """See `AsyncClient.kill`."""
        return self._runner.run(self._client.kill(level, why, target))

    def rearm(self, level: KillLevel, why: str, target: str = "") -> NotedAnswer:
        """See `AsyncClient.rearm`."""
        return self._runner.run(self._client.rearm(level, why, target))

    def approvals(self) -> tuple[Approval, ...]:
        """See `AsyncClient.approvals`."""
        return self._runner.run(self._client.approvals())

    def approve(self, approval_id: str, why: str = "") -> NotedAnswer:
        """See `AsyncClient.approve`."""
        return self._runner.run(self._client.approve(approval_id, why))

    def reject(self, approval_id: str, why: str = "") -> NotedAnswer:
        """See `AsyncClient.reject`."""
        return self._runner.run(self._client.reject(approval_id, why))

    def set_account_state(self, account: str, state: AccountStanding, why: str) -> NotedAnswer:
        """See `AsyncClient.set_account_state`."""
        return self._runner.run(self._client.set_account_state(account, state, why))

    def reenable_strategy(self, account: str, strategy: str, why: str) -> NotedAnswer:
        """See `AsyncClient.reenable_strategy`."""
        return self._runner.run(self._client.reenable_strategy(account, strategy, why))

    def cluster(self) -> Cluster:
        """See `AsyncClient.cluster`."""
        return self._runner.run(self._client.cluster())

    def scale_hosts(self, hosts: int, why: str) -> NotedAnswer:
        """See `AsyncClient.scale_hosts`."""
        return self._runner.run(self._client.scale_hosts(hosts, why))

    def drain_node(self, node: str, why: str) -> NotedAnswer:
        """See `AsyncClient.drain_node`."""
        return self._runner.run(self._client.drain_node(node, why))

    def open_node(self, node: str, why: str) -> NotedAnswer:
        """See `AsyncClient.open_node`."""
        return self._runner.run(self._client.open_node(node, why))

    def clock(self) -> Clock:
        """See `AsyncClient.clock`."""
        return self._runner.run(self._client.clock())

    def health(self) -> Health:
        """See `AsyncClient.health`."""
        return self._runner.run(self._client.health())

    def ready(self) -> Readiness:
        """See `AsyncClient.ready`."""
        return self._runner.run(self._client.ready())

    def wait_until_ready(self, within_s: float = 60.0) -> Readiness:
        """See `AsyncClient.wait_until_ready`."""
        return self._runner.run(self._client.wait_until_ready(within_s))

    def whoami(self) -> SessionSaid:
        """See `AsyncClient.whoami`."""
        return self._runner.run(self._client.whoami())
