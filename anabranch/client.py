"""The client of a desk over HTTP, for asyncio: a method for each resource, and a stream that comes back by itself.

Rule of this file: a method is a call written out; what is sent again and when is in `anabranch.transport`.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

from anabranch.answers import NotedAnswer, RouteAnswer, Said
from anabranch.desk_answers import (
    Approval,
    ApprovalList,
    Clock,
    Cluster,
    Health,
    KillList,
    Learner,
    LearnerList,
    Parameter,
    ParameterList,
    Readiness,
    SessionSaid,
    Venue,
    VenueList,
)
from anabranch.errors import AnswerError, ServerError, TooManyError, UnavailableError, UnreachableError
from anabranch.options import ClientOptions
from anabranch.orders import AsyncOrders
from anabranch.signing import Key
from anabranch.stream import AsyncStream
from anabranch.transport import Call, Transport
from anabranch.words import (
    AccountStanding,
    AccountStateBody,
    DrainBody,
    JudgeBody,
    KillBody,
    KillLevel,
    LearnerAct,
    OutcomeBody,
    OutcomesBody,
    ParameterBody,
    RouteBody,
    ScaleBody,
    StreamQuery,
    VenueAct,
    VenueStateBody,
    WhyBody,
    Word,
)

T = TypeVar("T", bound=Said)

READY_POLL_S = 0.1
"""Between two looks at whether a desk is ready."""

STARTING_S = 60.0
"""How long the desk may take until new hosts answer: each is a process that loads compiled code."""


class AsyncClient:
    """One desk, as one key sees it.

    Without a key it asks as `name`, which a desk in its development mode alone lets in. Close it, or use it in
    `async with`. It belongs to the loop that it is first used on. `tls` is for a certificate that this machine does not
    trust by itself.

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
        self.options = options or ClientOptions()
        self._transport = Transport(url, key, name, self.options, tls)
        self.orders = AsyncOrders(self._transport)
        """Everything about orders."""

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; closing twice changes nothing."""
        await self._transport.close()

    async def route(self, slice: RouteBody) -> RouteAnswer:
        """Return how a slice would be split now; nothing is sent anywhere and nothing is recorded."""
        call = Call(method="POST", path="/v1/route", kind=RouteAnswer, body=slice, expects=(200,))
        return await self._transport.send(call)

    async def report_outcomes(self, symbol: str, outcomes: Sequence[OutcomeBody]) -> NotedAnswer:
        """Report what became of children executed elsewhere, so that the learners learn. It is sent once.

        Raises:
            UnknownOutcome: no answer came; reporting it again may teach it twice.
        """
        return await self._post("/v1/outcomes", OutcomesBody(symbol=symbol, outcomes=tuple(outcomes)))

    def stream(
        self,
        after: Mapping[str, int] | str | None = None,
        *,
        accounts: Sequence[str] = (),
        cancel_on_disconnect: bool = False,
        grace_s: float = 5.0,
        is_sse: bool = False,
    ) -> AsyncStream:
        """Return a stream: a `Snapshot`, then each `Event` of the accounts once and in order, over broken connections.

        With `after` (a stream's `place` or `seqs`) there is no snapshot: it goes on behind that. `is_sse` takes
        server-sent events, where a proxy lets no WebSocket through. With `cancel_on_disconnect` the open orders of the
        named accounts are cancelled `grace_s` after this stream is gone.
        """
        query = StreamQuery(accounts=",".join(accounts), cancel_on_disconnect=cancel_on_disconnect, grace_s=grace_s)
        return AsyncStream(self._transport, query, after, is_sse=is_sse)

    async def venues(self) -> tuple[Venue, ...]:
        """Return every venue of every symbol, with its quote."""
        return (await self._get("/v1/venues", VenueList)).venues

    async def set_venue_state(self, mic: str, state: VenueAct, why: str) -> NotedAnswer:
        """Enable, disable (what rests there is cancelled) or drain a venue."""
        return await self._post(f"/v1/venues/{_part(mic)}/state", VenueStateBody(state=state, why=why))

    async def learners(self) -> tuple[Learner, ...]:
        """Return every learner, by what it published last."""
        return (await self._get("/v1/learners", LearnerList)).learners

    async def learner(self, learner_id: str) -> Learner:
        """Return a learner."""
        return await self._get(f"/v1/learners/{_part(learner_id)}", Learner)

    async def steer_learner(self, learner_id: str, act: LearnerAct, why: str) -> NotedAnswer:
        """Freeze or unfreeze a learner; promote or roll back its challenger; pin or unpin its champion."""
        return await self._post(f"/v1/learners/{_part(learner_id)}/{_part(act)}", WhyBody(why=why))

    async def parameters(self) -> tuple[Parameter, ...]:
        """Return every limit and parameter that may be changed at run time."""
        return (await self._get("/v1/parameters", ParameterList)).parameters

    async def set_parameter(self, key: str, value: str, why: str) -> NotedAnswer:
        """Change a limit or a parameter from now on; recorded with who, what before, what after and why."""
        body = ParameterBody(key=key, value=value, why=why)
        return await self._transport.send(Call(method="PATCH", path="/v1/parameters", kind=NotedAnswer, body=body))

    async def limits(self) -> tuple[Parameter, ...]:
        """Return the limits in force, each with its check."""
        return (await self._get("/v1/risk/limits", ParameterList)).parameters

    async def kills(self) -> KillList:
        """Return what is stopped."""
        return await self._get("/v1/kill", KillList)

    async def kill(self, level: KillLevel, why: str, target: str = "") -> NotedAnswer:
        """Stop trading at a level; the target of "all" is empty.

        Raises:
            UnknownOutcome: no answer came. Killing twice kills once: ask again.
        """
        return await self._post("/v1/kill", KillBody(level=level, target=target, why=why))

    async def rearm(self, level: KillLevel, why: str, target: str = "") -> NotedAnswer:
        """Lift a kill. That of "all" is lifted when a second person asks too: until then `waits_for` says so."""
        return await self._post("/v1/rearm", KillBody(level=level, target=target, why=why))

    async def approvals(self) -> tuple[Approval, ...]:
        """Return the orders that wait for a person, oldest first."""
        return (await self._get("/v1/approvals", ApprovalList)).approvals

    async def approve(self, approval_id: str, why: str = "") -> NotedAnswer:
        """Let an order that waits be worked; nobody judges his own."""
        return await self._post(f"/v1/approvals/{_part(approval_id)}/approve", JudgeBody(why=why))

    async def reject(self, approval_id: str, why: str = "") -> NotedAnswer:
        """End an order that waits."""
        return await self._post(f"/v1/approvals/{_part(approval_id)}/reject", JudgeBody(why=why))

    async def set_account_state(self, account: str, state: AccountStanding, why: str) -> NotedAnswer:
        """Halt an account, let it only reduce, or let it trade."""
        return await self._post(f"/v1/accounts/{_part(account)}/state", AccountStateBody(state=state, why=why))

    async def reenable_strategy(self, account: str, strategy: str, why: str) -> NotedAnswer:
        """Let a strategy go on that the repeated-execution throttle stopped."""
        path = f"/v1/accounts/{_part(account)}/strategies/{_part(strategy)}/reenable"
        return await self._post(path, WhyBody(why=why))

    async def cluster(self) -> Cluster:
        """Return how the desk and its actors are."""
        return await self._get("/v1/cluster", Cluster)

    async def scale_hosts(self, hosts: int, why: str) -> NotedAnswer:
        """Spread new orders over so many hosts from now on; returns once those answer, within `STARTING_S`."""
        within_s = max(STARTING_S, self.options.deadline_s)
        body = ScaleBody(hosts=hosts, why=why)
        call = Call(
            method="POST",
            path="/v1/cluster/scale",
            kind=NotedAnswer,
            body=body,
            timeout_s=within_s,
            deadline_s=within_s,
        )
        return await self._transport.send(call)

    async def drain_node(self, node: str, why: str) -> NotedAnswer:
        """Begin to move everything away from a node of the cluster; `cluster().nodes` shows who still lives there.

        Raises:
            ConflictError: no other node would be left.
        """
        return await self._post("/v1/cluster/drain", DrainBody(node=node, why=why))

    async def open_node(self, node: str, why: str) -> NotedAnswer:
        """Let a node be used again that was drained."""
        return await self._post("/v1/cluster/drain", DrainBody(node=node, state="open", why=why))

    async def clock(self) -> Clock:
        """Return the market's time and the wall clock's."""
        return await self._get("/v1/clock", Clock)

    async def health(self) -> Health:
        """Return whether the door's process is alive."""
        return await self._get("/healthz", Health)

    async def ready(self) -> Readiness:
        """Return whether an order would be accepted, and what keeps it from being."""
        call = Call(method="GET", path="/readyz", kind=Readiness, expects=(200, 503))
        return await self._transport.send(call)

    async def wait_until_ready(self, within_s: float = 60.0) -> Readiness:
        """Return once an order would be accepted.

        Raises:
            UnreachableError: it was not within that time; says what was waited for.
        """
        loop, last = asyncio.get_running_loop(), "nobody"
        until = loop.time() + within_s
        while (left_s := until - loop.time()) > 0:
            deadline_s = min(self.options.timeout_s, left_s)
            call = Call(method="GET", path="/readyz", kind=Readiness, expects=(200, 503), deadline_s=deadline_s)
            try:
                found = await self._transport.send(call)
                if found.is_ready:
                    return found
                last = ", ".join(found.waits_for)
            except (AnswerError, ServerError, TooManyError, UnavailableError, UnreachableError) as exc:
                last = str(exc)
            await asyncio.sleep(READY_POLL_S)
        raise UnreachableError(f"expected a desk that is ready within {within_s:g} s, got one that waits for: {last}")

    async def whoami(self) -> SessionSaid:
        """Return who the desk takes this client for."""
        return await self._get("/v1/session", SessionSaid)

    async def _get(self, path: str, kind: type[T]) -> T:
        return await self._transport.send(Call(method="GET", path=path, kind=kind))

    async def _post(self, path: str, body: Word) -> NotedAnswer:
        return await self._transport.send(Call(method="POST", path=path, kind=NotedAnswer, body=body))


def _part(text: str) -> str:
    """Return a text as one part of a path."""
    return quote(text, safe="")
