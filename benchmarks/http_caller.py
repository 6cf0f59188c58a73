"""A lean HTTP client for measuring: so many connections, each sends its next request when the last is answered.

Rule of this file: requests are made before the clock starts, and an answer is read no further than its length, so that
what is measured is the server. Answers carry a Content-Length; a server that says none is not measured here.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from statistics import quantiles
from typing import NamedTuple

from router.domain.errors import LinkError

REFUSED = 300
LOST_S = 60.0
"""An answer that takes so long is none."""


class Measured(NamedTuple):
    """What a closed loop came to: answers by status, each answer's seconds, the seconds of the whole."""

    statuses: dict[int, int]
    waits: list[float]
    seconds: float
    body_bytes: int
    """Of the last answer."""
    refusal: str = ""
    """The last answer that was none of the 200s."""

    @property
    def per_s(self) -> float:
        """Answers a second."""
        return len(self.waits) / self.seconds

    def ms(self, percent: int) -> float:
        """Return a percentile of the waits in milliseconds."""
        return quantiles([*self.waits, self.waits[-1]], n=100, method="inclusive")[percent - 1] * 1e3


def request(method: str, path: str, body: bytes = b"", media: str = "application/json", more: str = "") -> bytes:
    """Return the bytes of a request; `more` are further header lines.

    >>> request("GET", "/x", more="A: 1\\r\\n")
    b'GET /x HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\nA: 1\\r\\n\\r\\n'
    """
    head = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n{more}"
    if body:
        head += f"Content-Type: {media}\r\nAccept: {media}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


class _Caller(asyncio.Protocol):
    """One connection. Its requests come from an iterator, which may be endless where `is_over` says when to stop."""

    def __init__(self, requests: Iterator[bytes], is_over: Callable[[], bool], kept: list[tuple[int, float]]) -> None:
        self._requests, self._is_over, self._kept = requests, is_over, kept
        self._buffer = bytearray()
        self._began = 0.0
        self._need = 0
        self.body_bytes = 0
        self.refusal = ""
        self.ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._send()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._need:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            at = self._buffer.lower().find(b"content-length:", 0, end)
            line_end = self._buffer.find(b"\r\n", at)
            self.body_bytes = int(self._buffer[at + 15 : line_end]) if at >= 0 else 0
            self._need = end + 4 + self.body_bytes
        if len(self._buffer) >= self._need:
            status = int(self._buffer[9:12])
            self._kept.append((status, time.perf_counter() - self._began))
            if status >= REFUSED:
                self.refusal = self._buffer.partition(b"\r\n\r\n")[2].decode(errors="replace")
            self._buffer.clear()
            self._need = 0
            self._send()

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_exception(LinkError(f"expected a server that stays, got its end ({exc})"))

    def _send(self) -> None:
        request = None if self._is_over() else next(self._requests, None)
        if request is None:
            if not self.ended.done():
                self.ended.set_result(None)
            self._transport.close()
            return
        self._began = time.perf_counter()
        self._transport.write(request)


async def call(port: int, requests: Sequence[Iterator[bytes]], seconds: float | None = None) -> Measured:
    """Let one connection for each iterator call until it is through its requests, or for so many seconds.

    Raises:
        LinkError: the server went away.
        TimeoutError: an answer did not come.
    """
    loop = asyncio.get_running_loop()
    kept: list[tuple[int, float]] = []
    began = time.perf_counter()
    end = began + seconds if seconds is not None else float("inf")
    callers = []
    for each in requests:
        _, caller = await loop.create_connection(
            lambda each=each: _Caller(each, lambda: time.perf_counter() >= end, kept),  # type: ignore[misc]
            "127.0.0.1",
            port,
        )
        callers.append(caller)
    async with asyncio.timeout(LOST_S + (seconds or 0.0)):
        await asyncio.gather(*(caller.ended for caller in callers))
    total = time.perf_counter() - began
    refusal = next((caller.refusal for caller in callers if caller.refusal), "")
    counts = Counter(status for status, _ in kept)
    return Measured(dict(counts), [wait for _, wait in kept], total, callers[0].body_bytes, refusal)
