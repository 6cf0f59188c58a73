"""A stream that does not end with its connection: every event of every account once and in order.

Rule of this file: where it is, is what it has given out; after a break it asks for what follows that, drops what it
has given out already, and takes a hole for a break.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Final

import aiohttp
import msgspec
from aiohttp import WSMsgType
from yarl import URL

from anabranch.answers import Order
from anabranch.errors import (
    ConflictError,
    ProblemError,
    ServerError,
    StreamGapError,
    TooManyError,
    UnavailableError,
    UnreachableError,
    UsageError,
)
from anabranch.events import Event, Frame, Snapshot, event_of, frame_of
from anabranch.options import STREAM_MESSAGE_MAX
from anabranch.server_sent import ServerSent
from anabranch.transport import Transport, refusal_of
from anabranch.words import StreamQuery, query_of

CLOSE_S: Final = 1.0
"""How long a goodbye waits for the other side's."""

GAPS_MAX: Final = 3
"""Holes in a row, without an event between, after which it is no break that coming back heals."""

NOBODY: Final = "-:-1"
"""The place of whoever has heard of no account yet: from the beginning of each."""


class AsyncStream:
    """An asynchronous iterator over a `Snapshot` and then `Event`s. Close it, or use it in `async with`."""

    def __init__(
        self, transport: Transport, query: StreamQuery, after: Mapping[str, int] | str | None, *, is_sse: bool
    ) -> None:
        self.seqs: dict[str, int] = {}
        """The last seq given out of each account."""
        self._transport = transport
        self._options = transport.options
        self._query = query
        self._is_json = is_sse or self._options.encoding == "json"
        self._is_sse = is_sse
        self._has_begun = after is not None
        if after is not None:
            self.seqs.update(seqs_of(after, query.accounts) if isinstance(after, str) else after)
        self._parts: list[Order] = []
        self._gaps = 0
        self._was_in = False
        """Whether it was ever let in: then its place was right, and is."""
        self._frames: AsyncGenerator[Frame, None] | None = None
        self._pending: asyncio.Task[Snapshot | Event] | None = None

    @property
    def place(self) -> str:
        """Where this stream is, as text: what `after` takes, here or in another process."""
        return ",".join(f"{account}:{seq}" for account, seq in self.seqs.items()) or NOBODY

    def __aiter__(self) -> AsyncStream:
        return self

    async def __aenter__(self) -> AsyncStream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Leave; leaving twice changes nothing."""
        if self._pending is not None:
            self._pending.cancel()
            await asyncio.gather(self._pending, return_exceptions=True)
            self._pending = None
        await self._hang_up()

    async def __anext__(self) -> Snapshot | Event:
        found = await self.next()
        assert found is not None
        return found

    async def next(self, timeout_s: float | None = None) -> Snapshot | Event | None:
        """Return the next thing; None: nothing came within `timeout_s`, and nothing of it is lost.

        Raises:
            ProblemError: the desk does not let this stream in.
            UnreachableError: it did not come back within `reconnect_within_s`.
            StreamGapError, AnswerError: it says what it must not.
        """
        if self._pending is None:
            self._pending = asyncio.create_task(self._heard())
        # Whoever is cancelled while it waits here leaves the task, and what that hears, to the next who asks.
        done, _ = await asyncio.wait((self._pending,), timeout=timeout_s)
        if not done:
            return None
        task, self._pending = self._pending, None
        found = task.result()
        if isinstance(found, Event):
            self.seqs[found.account] = found.seq
        else:
            self.seqs.update(found.seqs)
            self._has_begun = True
        return found

    async def _heard(self) -> Snapshot | Event:
        """Return the next thing, after as many returns of the connection as it takes."""
        loop = asyncio.get_running_loop()
        attempt, silent_since = 0, loop.time()
        while True:
            if self._frames is None:
                self._parts = []
                self._frames = self._server_sent() if self._is_sse else self._websocket()
            retry_after_s = 0.0
            try:
                found, is_whole = self._taken(await anext(self._frames))
            except StopAsyncIteration:
                fault = "a connection that ended"
            except (UnreachableError, UnavailableError, TooManyError, ServerError, ConflictError) as exc:
                if isinstance(exc, ConflictError) and not self._was_in:
                    raise
                # A door that has just begun may not have read as far as we have: it will.
                retry_after_s = exc.retry_after_s if isinstance(exc, ProblemError) else 0.0
                fault = str(exc)
            else:
                if found is not None:
                    return found
                if is_whole:
                    attempt, silent_since = 0, loop.time()
                    continue
                fault = "a stream with a hole"
            await self._hang_up()
            pause_s = self._options.pause_s(attempt, retry_after_s)
            attempt += 1
            if loop.time() + pause_s > silent_since + self._options.reconnect_within_s:
                raise UnreachableError(f"expected the stream to come back, got {fault} - at {self.place}")
            await asyncio.sleep(pause_s)

    def _taken(self, frame: Frame) -> tuple[Snapshot | Event | None, bool]:
        """Return what a frame gives out, and whether nothing is missing before it."""
        self._was_in = True
        if frame.type == "snapshot" and not self._has_begun:
            self._parts.extend(frame.orders)
            return (Snapshot(orders=tuple(self._parts), seqs=frame.seqs) if frame.is_last else None), True
        if frame.type != "event":
            return None, True
        last = self.seqs.get(frame.account, -1)
        if frame.seq <= last:
            return None, True
        if frame.seq > last + 1:
            self._gaps += 1
            if self._gaps >= GAPS_MAX:
                raise StreamGapError(f"expected seq {last + 1} of {frame.account}, got {frame.seq} - at the stream")
            return None, False
        self._gaps = 0
        return event_of(frame, is_json=self._is_json), True

    async def _hang_up(self) -> None:
        if self._frames is not None:
            await self._frames.aclose()
            self._frames = None

    def _asked(self) -> dict[str, str]:
        query = msgspec.structs.replace(self._query, encoding="json" if self._is_json else "msgpack")
        return query_of(msgspec.structs.replace(query, after=self.place) if self._has_begun else query)

    async def _websocket(self) -> AsyncGenerator[Frame, None]:
        session, options = self._transport.session, self._options
        try:
            async with asyncio.timeout(options.timeout_s):
                socket = await session.ws_connect(
                    URL("/v1/stream", encoded=True),
                    params=self._asked(),
                    timeout=aiohttp.ClientWSTimeout(ws_close=CLOSE_S),
                    max_msg_size=STREAM_MESSAGE_MAX,
                )
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as exc:
            raise UnreachableError(f"expected a stream of {self._transport.base}, got {exc!r}") from exc
        try:
            while True:
                message = await socket.receive(timeout=options.silence_s)
                if message.type not in (WSMsgType.TEXT, WSMsgType.BINARY):
                    return
                yield frame_of(message.data, is_json=self._is_json)
        except (TimeoutError, aiohttp.ClientError, ConnectionError):
            return
        finally:
            await socket.close()

    async def _server_sent(self) -> AsyncGenerator[Frame, None]:
        session, options = self._transport.session, self._options
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=options.timeout_s, sock_read=options.silence_s)
        try:
            response = await session.get(
                URL("/v1/stream/sse", encoded=True), params=self._asked(), timeout=timeout, allow_redirects=False
            )
        except (TimeoutError, aiohttp.ClientError, ConnectionError) as exc:
            raise UnreachableError(f"expected a stream of {self._transport.base}, got {exc!r}") from exc
        cutter = ServerSent()
        async with response:
            if response.status != 200:
                raise refusal_of(response.status, response.headers, await response.read())
            try:
                async for data in response.content.iter_any():
                    for message in cutter.feed(data):
                        yield frame_of(message, is_json=True)
            except (TimeoutError, aiohttp.ClientError, ConnectionError):
                return


def seqs_of(place: str, accounts: str = "") -> dict[str, int]:
    """Return the last seq had of each account; a bare seq is of the one account of `accounts`.

    Raises:
        UsageError: no place, or one seq where it could be of several accounts.

    >>> seqs_of("A:17,B:-1"), seqs_of("17", "A")
    ({'A': 17, 'B': -1}, {'A': 17})
    """
    seqs = {}
    for part in place.split(","):
        account, _, seq = part.rpartition(":")
        account = account or (accounts if "," not in accounts else "")
        if not account or not seq.removeprefix("-").isdecimal():
            raise UsageError(
                f"expected ACCOUNT:SEQ,ACCOUNT:SEQ, or a seq of one account, got {place[:80]!r} - at after"
            )
        seqs[account] = int(seq)
    return seqs
