"""A proxy in front of a real desk that cuts, holds and refuses as it is told: what networks and gateways do.

Rule of this file: what it forwards is forwarded byte by byte, and the desk behind it is a real one; it never makes up
an answer to something that it has handed on.
"""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import NamedTuple

CUT_BEFORE = "cut before"
"""The request never arrives; the connection breaks."""

CUT_AFTER = "cut after"
"""The request arrives and is answered; the connection breaks before the answer is through."""

HOLD = "hold"
"""The request arrives and is answered; the answer is never passed on."""

SWALLOW = "swallow"
"""The request never arrives, and nobody says so."""

REPLY = "reply"
"""The proxy answers by itself; the request never arrives."""

PASS = "pass"
"""Nothing happens to it."""

HEAD_MAX = 65_536


class Fault(NamedTuple):
    """What happens to one request. `status`, `headers` and `body` are of a REPLY."""

    kind: str
    status: int = 503
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""


class Seen(NamedTuple):
    """One request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes
    at: float
    """By the loop's clock, in seconds."""


class FaultProxy:
    """Listens while the block lasts. `faults` are used up in order, one a request whose start of line fits `on`."""

    def __init__(self, upstream: str, *faults: Fault, on: str = "") -> None:
        host, _, port = upstream.removeprefix("http://").rpartition(":")
        self._upstream = host, int(port)
        self.faults = deque(faults)
        self.on = on
        self.seen: list[Seen] = []
        self.tunnels = 0
        """Streams that were opened through it."""
        self.is_down = False
        """No connection is taken while it is."""
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> FaultProxy:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=HEAD_MAX)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.cut_everything()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut_everything(self) -> None:
        """Break every connection there is, as a gateway does that dies."""
        for writer in tuple(self._open):
            writer.transport.abort()

    def requests(self, line: str) -> list[Seen]:
        """Return the requests whose `METHOD path` begins with a text."""
        return [one for one in self.seen if f"{one.method} {one.path}".startswith(line)]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self._open.add(writer)
        try:
            if not self.is_down:
                while await self._one(reader, writer):
                    pass
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._open.discard(writer)
            self._tasks.discard(task)
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Take one request; return whether another may follow on this connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        line, headers = _parsed(head)
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        method, path, _ = line.split(" ", 2)
        self.seen.append(Seen(method, path, headers, body, asyncio.get_running_loop().time()))
        is_meant = f"{method} {path}".startswith(self.on)
        fault = self.faults.popleft() if is_meant and self.faults else Fault(PASS)
        if fault.kind == REPLY:
            writer.write(_written(fault))
            await writer.drain()
            return True
        if fault.kind == SWALLOW:
            await reader.read()
            return False
        if fault.kind == CUT_BEFORE:
            writer.transport.abort()
            return False
        back, forth = await asyncio.open_connection(*self._upstream)
        self._open.add(forth)
        try:
            forth.write(head + body)
            await forth.drain()
            if headers.get("upgrade") or path.startswith("/v1/stream"):
                await self._tunnel(reader, writer, back, forth)
                return False
            answer = await _answer(back)
        finally:
            self._open.discard(forth)
            forth.close()
        if fault.kind == CUT_AFTER:
            writer.transport.abort()
            return False
        if fault.kind == HOLD:
            await reader.read()
            return False
        writer.write(answer)
        await writer.drain()
        return True

    async def _tunnel(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        back: asyncio.StreamReader,
        forth: asyncio.StreamWriter,
    ) -> None:
        self.tunnels += 1
        pipes = [asyncio.create_task(_pipe(reader, forth)), asyncio.create_task(_pipe(back, writer))]
        await asyncio.wait(pipes, return_when=asyncio.FIRST_COMPLETED)
        for pipe in pipes:
            pipe.cancel()
        await asyncio.gather(*pipes, return_exceptions=True)
        writer.transport.abort()


async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(HEAD_MAX):
            writer.write(data)
            await writer.drain()


async def _answer(reader: asyncio.StreamReader) -> bytes:
    head = await reader.readuntil(b"\r\n\r\n")
    _, headers = _parsed(head)
    return head + await reader.readexactly(int(headers.get("content-length", "0")))


def _parsed(head: bytes) -> tuple[str, dict[str, str]]:
    line, *rest = head.decode("latin-1").split("\r\n")
    pairs = (one.partition(":") for one in rest if one)
    return line, {name.strip().lower(): value.strip() for name, _, value in pairs}


def _written(fault: Fault) -> bytes:
    lines = [f"HTTP/1.1 {fault.status} Said", f"Content-Length: {len(fault.body)}"]
    lines += [f"{name}: {value}" for name, value in fault.headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + fault.body
