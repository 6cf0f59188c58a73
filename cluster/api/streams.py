"""The stream: what happens to the orders of an account, as it happens, over WebSocket and as server-sent events.

Rule of this file: a client hears every seq of its accounts once and in order, from a snapshot or from where it was; one
that cannot keep up is closed and told how far it got, and nothing of it stays in memory.

Sources: RFC 6455 (WebSocket), and server-sent events in the HTML standard.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import WSMsgType, web

from cluster.api.asked import SESSION
from cluster.api.decimals import time_text
from cluster.api.disconnects import DISCONNECTS
from cluster.api.door import correlation_of, principal_of
from cluster.api.gate import GATE, Gate
from cluster.api.hub import HUB, Hub, accounts_of
from cluster.api.metrics import DoorMetrics
from cluster.api.options import ApiOptions
from cluster.api.problems import refuse
from cluster.api.route import EVERYBODY, STREAMS, Answered, Route
from cluster.api.security import Refusal
from cluster.api.stream_query import StreamQuery, after_of, id_of
from cluster.api.told import Told
from cluster.api.translate import order_said
from cluster.api.wire import query_of
from router.domain.errors import JournalError, LinkError

SNAPSHOT_CHUNK: Final = 200
"""Orders in one frame of a snapshot: some 200 kB."""

PLACES_MAX: Final = 64
"""Accounts of one stream up to which every server-sent event says where all of them stand."""

CODES: Final = {"too_slow": 4008, "going_away": 1001, "signed_out": 4001}
"""With which code a WebSocket is closed after the last frame of a kind."""

CLOSE_TIMEOUT_S: Final = 2.0
MESSAGE_MAX: Final = 1_024
MESSAGES_MAX: Final = 100
"""Bytes and number of messages that a client may send: none is needed, and a page's keep-alive is borne."""

_json: Final = msgspec.json.Encoder()
_msgpack: Final = msgspec.msgpack.Encoder()


class Frame(NamedTuple):
    """One thing to be sent. `event` is an event's own bytes, made once for all; otherwise `body` is encoded here."""

    kind: str
    seqs: dict[str, int]
    event: Told | None = None
    body: dict[str, Any] | None = None

    def encode(self, *, is_json: bool) -> bytes:
        """Return the frame in JSON or MessagePack."""
        if self.event is not None:
            return self.event.json if is_json else self.event.msgpack
        return _json.encode(self.body) if is_json else _msgpack.encode(self.body)


class Listening(NamedTuple):
    """What a client asked for, checked. `accounts` None is all; `after` None is from a snapshot."""

    accounts: tuple[str, ...] | None
    after: dict[str, int] | None
    query: StreamQuery
    is_in: Callable[[], bool]
    """Whether the client still may listen: its key is there, and its session is not over."""


async def stream(request: web.Request) -> web.StreamResponse:
    """Serve a WebSocket."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        return refuse(request, "malformed", "expected a WebSocket's handshake, got none - at header Upgrade")
    return await _serve(request, "websocket", _websocket)


async def stream_sse(request: web.Request) -> web.StreamResponse:
    """Serve server-sent events."""
    if request.method == "HEAD":
        return web.Response(content_type="text/event-stream")
    return await _serve(request, "sse", _server_sent)


async def _serve(
    request: web.Request, kind: str, send: Callable[[web.Request, Listening], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    gate, hub, principal = request.app[GATE], request.app[HUB], principal_of(request)
    listening = _listening(request, gate, hub)
    if isinstance(listening, Refusal):
        headers = {"Retry-After": "1"} if listening.retry_after_s else None
        return refuse(request, listening.code, listening.text, headers=headers)
    clients = hub.metrics.streams.labels(kind)
    clients.inc()
    gate.streams[principal.session] = gate.streams.get(principal.session, 0) + 1
    try:
        return await send(request, listening)
    finally:
        clients.dec()
        gate.streams[principal.session] -= 1
        if not gate.streams[principal.session]:
            del gate.streams[principal.session]


@contextmanager
def _present(request: web.Request, listening: Listening) -> Iterator[None]:
    """Be here, for cancel on disconnect: from the open stream on, so that a vain attempt to come back is none."""
    principal, query, disconnects = principal_of(request), listening.query, request.app[DISCONNECTS]
    guarded = (listening.accounts or ()) if query.cancel_on_disconnect else ()
    disconnects.arrive(principal, guarded)
    try:
        yield
    finally:
        if request.app[HUB].is_closing:
            disconnects.stay(principal, guarded)
        else:
            grace_s = min(query.grace_s, request.app[GATE].options.grace_max_s)
            disconnects.leave(principal, guarded, grace_s, correlation_of(request))


def _listening(request: web.Request, gate: Gate, hub: Hub) -> Listening | Refusal:
    principal, options = principal_of(request), gate.options
    query = query_of(request, StreamQuery)
    named = tuple(one for one in query.accounts.split(",") if one)
    for account in named:
        if not principal.may_act_for(account):
            return Refusal("not_found", f"expected accounts that you may see, got {account!r} - at $.accounts")
    accounts = accounts_of(named, principal.accounts)
    if accounts == ():
        return Refusal("forbidden", "expected a principal with accounts, got one with none")
    if query.cancel_on_disconnect and (accounts is None or not _may_cancel(gate, principal.role)):
        return Refusal("forbidden", "expected named accounts and a role that may cancel - at $.cancel_on_disconnect")
    last_id = request.headers.get("Last-Event-ID", "") or query.after
    after = after_of(last_id, accounts) if last_id else None
    for account, seq in (after or {}).items():
        # Whose it is comes first: how much an account was told is for those who may see it.
        if accounts is not None and account not in accounts:
            return Refusal("not_found", f"expected seqs of the stream's accounts, got one of {account!r} - at $.after")
        if seq > hub.last_seq(account):
            last = hub.last_seq(account)
            return Refusal("conflict", f"expected a seq up to {last} of {account}, got {seq} - at $.after")
    if hub.is_closing or hub.fault:
        return Refusal("unavailable", "this door does not follow the journal now", 1.0)
    if hub.clients >= options.streams_max:
        return Refusal("unavailable", f"expected up to {options.streams_max} clients of streams, got more", 1.0)
    if gate.streams.get(principal.session, 0) >= options.streams_per_key:
        return Refusal("rate_limited", f"expected up to {options.streams_per_key} streams of one key, got more", 1.0)
    session = request.get(SESSION)
    return Listening(accounts, after, query, lambda: gate.is_in(principal, session))


def _may_cancel(gate: Gate, role: str) -> bool:
    route = gate.table.get(("DELETE", "/v1/orders"))
    return route is not None and role in route.roles


async def frames(hub: Hub, listening: Listening, options: ApiOptions) -> AsyncGenerator[list[Frame], None]:
    """Yield what a client is to be sent, until it is too slow or the door closes.

    Raises:
        LinkError, JournalError: the past cannot be read now.
    """
    seqs: dict[str, int] = {}
    if listening.after is None:
        number, subscription = hub.subscribe(listening.accounts, options.stream_queue)
        first = _snapshot(hub, listening.accounts, seqs)
    else:
        seqs.update(dict.fromkeys(listening.accounts or (), -1) | listening.after)
        async for page in _catch_up(hub, listening.accounts, seqs):
            yield page
        # Nothing was awaited since the last look: what comes from now on is the very next.
        number, subscription = hub.subscribe(listening.accounts, options.stream_queue)
        first = [Frame("resumed", dict(seqs), body={"type": "resumed", "seqs": dict(seqs)})]
    try:
        yield first
        while True:
            await subscription.wait(options.heartbeat_s)
            if not listening.is_in():
                yield [Frame("signed_out", dict(seqs), body=_notice("signed_out", seqs))]
                return
            fresh = []
            for event in subscription.take():
                if event.seq > seqs.get(event.account, -1):
                    seqs[event.account] = event.seq
                    fresh.append(Frame("event", _place(seqs, event), event))
            if fresh:
                yield fresh
            elif not hub.is_closing and not subscription.is_overflowed:
                yield [Frame("heartbeat", dict(seqs), body=_notice("heartbeat", seqs))]
            if subscription.is_overflowed or hub.is_closing:
                kind = "going_away" if hub.is_closing else "too_slow"
                yield [Frame(kind, dict(seqs), body=_notice(kind, seqs))]
                return
    finally:
        hub.unsubscribe(number)


def _place(seqs: dict[str, int], event: Told) -> dict[str, int]:
    """Return where a client is after an event: a copy, where it listens to few enough accounts for that."""
    return dict(seqs) if len(seqs) <= PLACES_MAX else {event.account: event.seq}


async def _catch_up(
    hub: Hub, accounts: tuple[str, ...] | None, seqs: dict[str, int]
) -> AsyncGenerator[list[Frame], None]:
    while True:
        known = tuple(hub.views.account_seqs) if accounts is None else accounts
        behind = [account for account in known if seqs.get(account, -1) < hub.last_seq(account)]
        if not behind or hub.is_closing:
            return
        for account in behind:
            async for page in hub.past(account, seqs.get(account, -1), hub.last_seq(account)):
                told = []
                for event in page:
                    seqs[account] = event.seq
                    told.append(Frame("event", _place(seqs, event), event))
                yield told


def _snapshot(hub: Hub, accounts: tuple[str, ...] | None, seqs: dict[str, int]) -> list[Frame]:
    known = tuple(hub.views.account_seqs) if accounts is None else accounts
    seqs.update({account: hub.last_seq(account) for account in known})
    orders = [
        order_said(view, hub.unit_of_symbol(view.order.symbol)) for view in hub.views.orders.open_orders(accounts)
    ]
    chunks = [orders[at : at + SNAPSHOT_CHUNK] for at in range(0, len(orders), SNAPSHOT_CHUNK)] or [[]]
    return [
        Frame(
            "snapshot",
            dict(seqs),
            body={**_notice("snapshot", seqs), "orders": chunk, "is_last": n == len(chunks) - 1},
        )
        for n, chunk in enumerate(chunks)
    ]


def _notice(kind: str, seqs: dict[str, int]) -> dict[str, Any]:
    return {"type": kind, "time": time_text(time.time_ns()), "seqs": dict(seqs)}


async def _websocket(request: web.Request, listening: Listening) -> web.StreamResponse:
    options, hub = request.app[GATE].options, request.app[HUB]
    socket = web.WebSocketResponse(
        timeout=CLOSE_TIMEOUT_S, heartbeat=max(options.heartbeat_s * 2, 1.0), max_msg_size=MESSAGE_MAX, compress=False
    )
    await socket.prepare(request)
    is_json = listening.query.encoding == "json"
    opcode = WSMsgType.TEXT if is_json else WSMsgType.BINARY

    async def send() -> None:
        async with aclosing(frames(hub, listening, options)) as batches:
            async for batch in batches:
                for frame in batch:
                    async with asyncio.timeout(options.write_timeout_s):
                        await socket.send_frame(frame.encode(is_json=is_json), opcode)
                last = batch[-1]
                if last.kind in CODES:
                    _count_slow(hub.metrics, last.kind)
                    await socket.close(code=CODES[last.kind], message=id_of(last.seqs).encode()[:123])

    with _present(request, listening):
        sending, hearing = asyncio.create_task(send()), asyncio.create_task(_hear(socket))
        try:
            await asyncio.wait((sending, hearing), return_when=asyncio.FIRST_COMPLETED)
            if sending.done() and sending.exception() is not None:
                _cut_off(request, hub, sending.exception())
        finally:
            for task in (sending, hearing):
                task.cancel()
            await asyncio.gather(sending, hearing, return_exceptions=True)
    return socket


async def _hear(socket: web.WebSocketResponse) -> None:
    """Read what a client sends, so that its pings and its goodbye are heard; nothing of it is used."""
    heard = 0
    async for _ in socket:
        heard += 1
        if heard > MESSAGES_MAX:
            await socket.close(code=1008, message=b"expected no messages")
            return


async def _server_sent(request: web.Request, listening: Listening) -> web.StreamResponse:
    options, hub = request.app[GATE].options, request.app[HUB]
    response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "X-Accel-Buffering": "no"})
    # A stream has no length: it ends with its connection.
    response.force_close()
    await response.prepare(request)
    is_single = listening.accounts is not None and len(listening.accounts) == 1
    try:
        with _present(request, listening):
            async with aclosing(frames(hub, listening, options)) as batches:
                async for batch in batches:
                    text = b"".join(_sse(frame, is_single) for frame in batch)
                    async with asyncio.timeout(options.write_timeout_s):
                        await response.write(text)
                    _count_slow(hub.metrics, batch[-1].kind)
    except (TimeoutError, LinkError, JournalError) as exc:
        _cut_off(request, hub, exc)
    except ConnectionError:
        # The client has left: that is how such a stream ends.
        pass
    return response


def _sse(frame: Frame, is_single: bool) -> bytes:
    place = str(next(iter(frame.seqs.values()))) if is_single else id_of(frame.seqs)
    name = frame.kind if frame.event is None else frame.event.body["event"]
    return b"event: %s\nid: %s\ndata: %s\n\n" % (name.encode(), place.encode(), frame.encode(is_json=True))


def _count_slow(metrics: DoorMetrics, kind: str) -> None:
    if kind == "too_slow":
        metrics.slow_clients.inc()


def _cut_off(request: web.Request, hub: Hub, exc: BaseException | None) -> None:
    """End a connection at once: its client does not read, or its past cannot be read."""
    if isinstance(exc, TimeoutError):
        hub.metrics.slow_clients.inc()
        hub.metrics.cut_connections.labels("unread_stream").inc()
    if request.transport is not None:
        request.transport.abort()


_STREAM_TEXT: Final = (
    "A snapshot of open orders with the seq that each account stands at, then every event with the account's gapless "
    "`seq`. `after` or `Last-Event-ID` resumes behind a seq instead. A client that leaves more events waiting than the "
    "door's bound is sent `too_slow` and closed (code 4008) with its last seqs."
)


def stream_routes() -> tuple[Route, ...]:
    """Return the rows of the streams in the table of resources."""
    return (
        Route(
            method="GET",
            path="/v1/stream",
            handler=stream,
            roles=EVERYBODY,
            rate_class=STREAMS,
            tag="stream",
            summary="Follow orders over a WebSocket",
            answers=(Answered(101, "The WebSocket is open."),),
            description=_STREAM_TEXT,
            query=StreamQuery,
            problems=("malformed", "invalid", "not_found", "conflict"),
        ),
        Route(
            method="GET",
            path="/v1/stream/sse",
            handler=stream_sse,
            roles=EVERYBODY,
            rate_class=STREAMS,
            tag="stream",
            summary="Follow orders as server-sent events",
            answers=(Answered(200, "Events without end.", None, "text/event-stream"),),
            description=_STREAM_TEXT,
            query=StreamQuery,
            problems=("invalid", "not_found", "conflict"),
        ),
    )
