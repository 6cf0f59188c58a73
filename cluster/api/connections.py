"""Connections: how many there may be, how long each may keep us waiting, and the quick lane before aiohttp's own.

Rule of this file: all that is known of the inside of aiohttp's handler is in `Connection`. A connection that only holds
on, sends a header a minute or never reads its answer is cut.
"""

from __future__ import annotations

import asyncio
from typing import Final, cast

from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from cluster.api.gate import Gate
from cluster.api.quick import QuickLane

_BUSY: Final = (
    b'{"type":"/docs#problem-unavailable","title":"Too many connections","status":503,"code":"unavailable",'
    b'"detail":"come again","retry":"later"}'
)
_TURNED_AWAY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)
"""To a connection too many: it is not worth a handler."""


class Connections:
    """Every open connection of a door, and since when each has kept it waiting."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self._open: dict[int, Connection] = {}
        self._addresses: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> bool:
        """Take a connection in, unless there are too many, in all or from its address."""
        options, address = self.gate.options, connection.address
        if len(self._open) >= options.connections_max:
            return self._turn_away("too_many")
        if self._addresses.get(address, 0) >= options.connections_per_address:
            return self._turn_away("too_many_of_one_address")
        self._open[id(connection)] = connection
        self._addresses[address] = self._addresses.get(address, 0) + 1
        self.gate.metrics.connections.set(len(self._open))
        return True

    def discard(self, connection: Connection) -> None:
        """Forget a connection that is over; one that was turned away was never here."""
        if self._open.pop(id(connection), None) is not None:
            left = self._addresses[connection.address] - 1
            self._addresses[connection.address] = left
            if not left:
                del self._addresses[connection.address]
            self.gate.metrics.connections.set(len(self._open))

    def sweep(self, now: float) -> None:
        """Cut the connections that keep us waiting for too long."""
        options = self.gate.options
        for connection in list(self._open.values()):
            if connection.unread_since and now - connection.unread_since > options.write_timeout_s:
                self._cut(connection, "unread")
            elif connection.silent_since and now - connection.silent_since > options.header_timeout_s:
                self._cut(connection, "slow_header")

    def _turn_away(self, why: str) -> bool:
        self.gate.metrics.cut_connections.labels(why).inc()
        return False

    def _cut(self, connection: Connection, why: str) -> None:
        self.gate.metrics.cut_connections.labels(why).inc()
        connection.abort()


class Connection(asyncio.Protocol):
    """One connection: aiohttp's own handler, watched. Times are the loop's; 0 is not waiting."""

    def __init__(
        self, inner: RequestHandler, connections: Connections, quick: QuickLane, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._inner = inner
        self._connections = connections
        self._quick = quick
        self._waiter: asyncio.Future[None] | None = None
        """What aiohttp waits on for a next request, while it has not been told of one that came."""
        self._held: tuple[str, asyncio.TimerHandle] | None = None
        """The refusal that is held back, by whom it counts for; nothing more is read meanwhile."""
        self._loop = loop
        self._is_in = False
        self._transport: asyncio.Transport | None = None
        self.address = ""
        self.silent_since = loop.time()
        """Since when no first request has come whole; 0 once one has."""
        self.unread_since = 0.0
        """Since when it does not read what we wrote."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or turn the connection away with a few bytes."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self.address = str(peer[0]) if peer else ""
        self._is_in = self._connections.add(self)
        if self._is_in:
            self._inner.connection_made(transport)
        else:
            self._transport.write(_TURNED_AWAY)
            self._transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        if self._held is not None:
            who, timer = self._held
            timer.cancel()
            self._connections.gate.tarpit.let_go(who)
        if self._is_in:
            self._connections.discard(self)
            self._inner._waiter = self._waiter or self._inner._waiter
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what came, and see whether it made a request whole."""
        if not self._is_in:
            return
        inner = self._inner
        if self._waiter is None:
            # While a request is at work aiohttp waits for none, and keeps what comes for later.
            self._waiter, inner._waiter = inner._waiter, None
        inner.data_received(data)
        # aiohttp counts requests whose headers are whole; there is no other place to ask.
        if self.silent_since and inner._request_count:
            self.silent_since = 0.0
        if self._waiter is not None and self._held is None:
            self._go_on()

    def _go_on(self) -> None:
        """Answer what can be answered at once; of the first request that cannot, aiohttp is told."""
        inner, waiter, transport = self._inner, self._waiter, self._transport
        messages = inner._messages
        assert waiter is not None
        assert transport is not None
        while messages and not self.unread_since and not transport.is_closing():
            message, payload = messages[0]
            if not isinstance(message, RawRequestMessage) or not payload.is_eof():
                break
            answer = self._quick.answer(message, payload, self.address)
            if answer is None:
                break
            messages.popleft()
            self._taken()
            if answer.held_for is not None:
                self._hold(answer.held_for, answer.data)
                return
            transport.write(answer.data)
        self._waiter, inner._waiter = None, waiter
        if messages and not waiter.done():
            waiter.set_result(None)

    def _taken(self) -> None:
        """Do for one request what aiohttp does when it takes it: make room for another, and note that it is used."""
        inner = self._inner
        if inner._parser is not None:
            inner._parser.message_consumed()
        if inner._buffer_paused and len(inner._messages) <= inner._msg_queue_resume_size:
            inner._resume_reading_if_drained()
        inner._next_keepalive_close_time = self._loop.time() + inner._keepalive_timeout

    def _hold(self, who: str, data: bytes) -> None:
        """Hold a refusal back: a flooder's connection is slow, is not read, and costs nothing meanwhile."""
        assert self._transport is not None
        self._transport.pause_reading()
        wait = self._connections.gate.tarpit.hold(who, self._loop.time())
        self._held = who, self._loop.call_later(wait, self._release, data)

    def _release(self, data: bytes) -> None:
        assert self._held is not None
        assert self._transport is not None
        self._connections.gate.tarpit.let_go(self._held[0])
        self._held = None
        self._transport.write(data)
        if not (self._inner._buffer_paused or self._inner._reading_paused):
            self._transport.resume_reading()
        self._go_on()

    def eof_received(self) -> bool | None:
        """Hand on the end of what comes."""
        self._inner.eof_received()
        return None

    def pause_writing(self) -> None:
        """The client has stopped reading."""
        self.unread_since = self._loop.time()
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self.unread_since = 0.0
        self._inner.resume_writing()

    def abort(self) -> None:
        """Cut it off."""
        if self._transport is not None:
            self._transport.abort()
