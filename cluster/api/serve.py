"""Listening: sockets, TLS, how many connections and how slow they may be, and how a door closes.

Rule of this file: a connection that only holds on, sends a header a minute or never reads its answer is cut; nothing
that was asked for in time is left unanswered when the door closes.
"""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar, cast

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from cluster.api.gate import GATE, Gate
from cluster.api.hub import HUB
from cluster.api.options import ApiOptions
from router.domain.errors import ConfigError, bad_value

T = TypeVar("T")

SWEEP_S: Final = 0.25
"""How often connections are looked at."""

LINGER_S: Final = 1.0
"""How long the rest of a refused body is read and thrown away, so that its sender gets to see the refusal."""

BACKLOG: Final = 1_024

_BUSY: Final = (
    b'{"type":"/docs#problem-unavailable","title":"Too many connections","status":503,"code":"unavailable",'
    b'"detail":"come again","retry":"later"}'
)
_TURNED_AWAY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\nRetry-After: 1\r\n"
    b"Connection: close\r\nContent-Length: %d\r\n\r\n%s" % (len(_BUSY), _BUSY)
)
"""To a connection too many: it is not worth a handler."""

_log: Final = logging.getLogger("anabranch.api")


class Connections:
    """Every open connection of a door, and since when each has kept it waiting."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self._open: dict[int, Connection] = {}
        self._addresses: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: Connection) -> bool:
        """Take a connection in, unless there are too many, in all or from its address."""
        options, address = self._gate.options, connection.address
        if len(self._open) >= options.connections_max:
            return self._turn_away("too_many")
        if self._addresses.get(address, 0) >= options.connections_per_address:
            return self._turn_away("too_many_of_one_address")
        self._open[id(connection)] = connection
        self._addresses[address] = self._addresses.get(address, 0) + 1
        self._gate.metrics.connections.set(len(self._open))
        return True

    def discard(self, connection: Connection) -> None:
        """Forget a connection that is over; one that was turned away was never here."""
        if self._open.pop(id(connection), None) is not None:
            left = self._addresses[connection.address] - 1
            self._addresses[connection.address] = left
            if not left:
                del self._addresses[connection.address]
            self._gate.metrics.connections.set(len(self._open))

    def sweep(self, now: float) -> None:
        """Cut the connections that keep us waiting for too long."""
        options = self._gate.options
        for connection in list(self._open.values()):
            if connection.unread_since and now - connection.unread_since > options.write_timeout_s:
                self._cut(connection, "unread")
            elif connection.silent_since and now - connection.silent_since > options.header_timeout_s:
                self._cut(connection, "slow_header")

    def _turn_away(self, why: str) -> bool:
        self._gate.metrics.cut_connections.labels(why).inc()
        return False

    def _cut(self, connection: Connection, why: str) -> None:
        self._gate.metrics.cut_connections.labels(why).inc()
        connection.abort()


class Connection(asyncio.Protocol):
    """One connection: aiohttp's own handler, watched. Times are the loop's; 0 is not waiting."""

    def __init__(self, inner: RequestHandler, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        self._inner = inner
        self._connections = connections
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
        if self._is_in:
            self._connections.discard(self)
            self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Hand on what came, and see whether it made a request whole."""
        if self._is_in:
            self._inner.data_received(data)
            # aiohttp counts requests whose headers are whole; there is no other place to ask.
            if self.silent_since and self._inner._request_count:
                self.silent_since = 0.0

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


class Server:
    """A door that listens. `port` is the real one, where any was asked for."""

    def __init__(self, app: web.Application, options: ApiOptions) -> None:
        self._app = app
        self._options = options
        self._gate = app[GATE]
        self.connections = Connections(self._gate)
        self.port = options.port
        self._listener: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._runner = web.AppRunner(
            app,
            access_log=None,
            keepalive_timeout=options.idle_timeout_s,
            lingering_time=LINGER_S,
            # A body is signed and bounded as it was sent.
            auto_decompress=False,
            handler_cancellation=False,
            shutdown_timeout=0.1,
        )

    async def start(self) -> None:
        """Listen.

        Raises:
            ConfigError: the address cannot be listened on, or the certificate cannot be used.
        """
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        inner = self._runner.server
        assert inner is not None
        try:
            self._listener = await loop.create_server(
                lambda: Connection(inner(), self.connections, loop),
                self._options.host,
                self._options.port,
                ssl=_tls(self._options),
                backlog=BACKLOG,
                ssl_handshake_timeout=self._options.header_timeout_s if self._options.has_tls else None,
            )
        except OSError as exc:
            await self._runner.cleanup()
            place = f"{self._options.host}:{self._options.port}"
            raise ConfigError(bad_value("api.port", "an address to listen on", f"{place}, {exc.strerror}")) from exc
        self.port = self._listener.sockets[0].getsockname()[1]
        for one in self._listener.sockets:
            if one.family in (socket.AF_INET, socket.AF_INET6):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sweeper = asyncio.create_task(self._sweep(), name="sweeper")

    @property
    def url(self) -> str:
        """Where it listens."""
        host = f"[{self._options.host}]" if ":" in self._options.host else self._options.host
        return f"{'https' if self._options.has_tls else 'http'}://{host}:{self.port}"

    def reload_keys(self) -> None:
        """Read the file of keys again."""
        self._gate.reload_keys()

    async def stop(self, drain_s: float | None = None) -> bool:
        """Stop accepting, answer what was asked for, send streams away, close. Return whether all was answered."""
        self._gate.is_closing = True
        if self._listener is not None:
            self._listener.close()
        self._app[HUB].go_away()
        is_drained = True
        try:
            async with asyncio.timeout(self._options.drain_s if drain_s is None else drain_s):
                await self._gate.is_idle.wait()
                await self._streams_gone()
        except TimeoutError:
            is_drained = False
            _log.warning("closed with %d requests unanswered", self._gate.at_work)
        if self._sweeper is not None:
            self._sweeper.cancel()
        await self._runner.cleanup()
        return is_drained

    async def _streams_gone(self) -> None:
        while self._gate.streams:
            await asyncio.sleep(0.01)

    async def _sweep(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(SWEEP_S)
            self.connections.sweep(loop.time())


async def serve(app: web.Application, options: ApiOptions) -> Server:
    """Return a server that listens; whoever starts it stops it.

    Raises:
        ConfigError: see `Server.start`.
    """
    server = Server(app, options)
    await server.start()
    return server


async def until_told(server: Server) -> None:
    """Serve until SIGTERM or SIGINT, and then stop; SIGHUP reads the keys again."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(signal.SIGHUP, server.reload_keys)
    await told.wait()
    await server.stop()


def run(main: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run a coroutine to its end on uvloop, where that is installed, or on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main())
    return uvloop.run(main())


def _tls(options: ApiOptions) -> ssl.SSLContext | None:
    if options.tls_certificate is None or options.tls_key is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_cert_chain(options.tls_certificate, options.tls_key)
    except (OSError, ssl.SSLError) as exc:
        raise ConfigError(
            bad_value("api.tls_certificate", "a certificate and its key in PEM", str(options.tls_certificate))
        ) from exc
    return context
