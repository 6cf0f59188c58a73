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
from typing import Any, Final, TypeVar

from aiohttp import web

from cluster.api.connections import Connection, Connections
from cluster.api.gate import GATE
from cluster.api.hub import HUB
from cluster.api.options import ApiOptions
from cluster.api.quick import QuickLane
from router.domain.errors import ConfigError, bad_value

T = TypeVar("T")

SWEEP_S: Final = 0.25
"""How often connections are looked at."""

LINGER_S: Final = 1.0
"""How long the rest of a refused body is read and thrown away, so that its sender gets to see the refusal."""

BACKLOG: Final = 1_024

_log: Final = logging.getLogger("anabranch.api")


class Server:
    """A door that listens. `port` is the real one, where any was asked for."""

    def __init__(self, app: web.Application, options: ApiOptions) -> None:
        self._app = app
        self._options = options
        self._gate = app[GATE]
        self.connections = Connections(self._gate)
        self.quick = QuickLane(app)
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
                lambda: Connection(inner(), self.connections, self.quick, loop),
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
