"""What the live processes say to one another, the words of the record and of a market; and the market behind its own.

Rule of this file: a service is an answerer for the wire. It may be asked twice, by whoever lost an answer: windows are
told apart by their number, orders by their client's id, and everything else only reads.

| service | word | body | answer |
|---|---|---|---|
| record | ask | Request | Answer |
| record | play | Played | nothing, once it is durable |
| record | see | Reference | nothing |
| record | read | (start, stream or nil, limit) | records |
| record | follow, hear | start | the size; then news: "records", or (upto, facts) of "facts" |
| record | played | symbol | the last window that it has |
| record | status | nothing | figures |
| market | watch | nothing | nothing; then news: "picture" |
| market | kill | KillSet | nothing, once the market has it |
| market | status | nothing | figures |
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable

import msgspec

from cluster.api.backend import MarketPicture
from cluster.live.logs import end_process
from cluster.live.market import Market
from cluster.live.record_service import ASK_TIMEOUT_S, FAULT_EXIT, RETRY_S
from cluster.live.wire import Asking, Push
from router.domain import codec
from router.domain.errors import AnabranchError, LinkError
from router.domain.facts import Fact, KillSet
from router.domain.played import Played, Reference

STOP_TIMEOUT_S = 30.0

_log = logging.getLogger("anabranch.live")

News = Callable[[str, bytes], None]
"""Takes what is pushed: its topic and its body."""


class HeardOf(msgspec.Struct, frozen=True, array_like=True):
    """What a market hears: the journal up to an offset (exclusive), and what of it concerns it."""

    upto: int
    facts: tuple[tuple[int, Fact], ...]


class MarketService:
    """A market on the wire: its thread, what it hears of the record, and what it tells it."""

    def __init__(self, make: Callable[[MarketService], Market], record: Callable[[News], Asking], symbol: str) -> None:
        self._symbol = symbol
        self._known = -1
        self._loop = asyncio.get_running_loop()
        self._untold: deque[Played] = deque()
        self._told = asyncio.Event()
        self._pushes: list[Push] = []
        self._picture: MarketPicture | None = None
        self._record = record(self._news)
        self._market = make(self)
        self._thread = threading.Thread(target=self._run, name="market", daemon=True)
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Begin to bring the market back to where it was, and let it go on then.

        It is not waited for: whom it asks on the way may be found only once this process counts as started.
        """
        self._tasks = [asyncio.create_task(self._begin())]

    async def answer(self, word: str, body: bytes, push: Push) -> bytes:
        """Answer one question."""
        if word == "watch":
            self._pushes.append(push)
            if self._picture is not None:
                push("picture", codec.encode(self._picture))
        elif word == "kill":
            self._market.stop_trading(codec.decode(body, KillSet))
        elif word == "status":
            return codec.encode(
                {
                    "is_alive": self._thread.is_alive(),
                    "lag_s": self._market.lag_ns / 1e9,
                    "untold": len(self._untold),
                    "drift_s": self._market.drift_s,
                }
            )
        else:
            raise LinkError(f"expected a word that a market knows, got {word!r}")
        return b""

    async def close(self) -> None:
        """End after the window it is in, and let the record have every window."""
        self._market.stop()
        if self._thread.is_alive():
            await asyncio.to_thread(self._thread.join, STOP_TIMEOUT_S)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self._untold and time.monotonic() < deadline:
            await asyncio.sleep(RETRY_S)
        for task in self._tasks:
            task.cancel()
        await self._record.close()

    def tell(self, played: Played) -> None:
        """Take a window for the record; called on the market's thread. What it has already is not told again."""
        if played.n <= self._known:
            self._market.known(played.n)
            return
        self._loop.call_soon_threadsafe(self._queue, played)

    def see(self, picture: MarketPicture, reference: Reference) -> None:
        """Take a picture for who watches, and a reference for the record; called on the market's thread."""
        self._loop.call_soon_threadsafe(self._show, picture, reference)

    def _run(self) -> None:
        try:
            self._market.run()
        except Exception as exc:
            self._end(exc)

    def _end(self, exc: Exception) -> None:
        """A market that stands is no market: this process ends, and its next life stands where the log says."""
        _log.error("the market cannot go on: %s: %s", type(exc).__name__, exc)
        end_process(FAULT_EXIT)

    def _queue(self, played: Played) -> None:
        self._untold.append(played)
        self._told.set()

    def _show(self, picture: MarketPicture, reference: Reference) -> None:
        self._picture = picture
        data = codec.encode(picture)
        for push in tuple(self._pushes):
            try:
                push("picture", data)
            except LinkError:
                self._pushes.remove(push)
        task = self._loop.create_task(self._say("see", codec.encode(reference)))
        task.add_done_callback(lambda done: done.exception())

    async def _say(self, word: str, body: bytes) -> None:
        await self._record.ask(word, body, ASK_TIMEOUT_S)

    async def _begin(self) -> None:
        try:
            self._known = await self._played()
            await asyncio.to_thread(self._market.recover)
        except Exception as exc:
            self._end(exc)
        self._tasks += [asyncio.create_task(self._tell_all()), asyncio.create_task(self._listen())]
        self._thread.start()

    async def _played(self) -> int:
        """Return the last window that the record has; it may have to be waited for."""
        while True:
            try:
                said = await self._record.ask("played", codec.encode(self._symbol), ASK_TIMEOUT_S)
                return codec.decode(said, int)
            except AnabranchError:
                await asyncio.sleep(RETRY_S)

    async def _tell_all(self) -> None:
        """Hand windows to the record, in order, each until it is known to be there."""
        while True:
            while not self._untold:
                self._told.clear()
                await self._told.wait()
            played = self._untold[0]
            try:
                await self._say("play", codec.encode(played))
            except AnabranchError:
                # Told twice it is there once.
                await asyncio.sleep(RETRY_S)
                continue
            self._untold.popleft()
            self._market.known(played.n)

    async def _listen(self) -> None:
        """Hear the record from where the market stands, and again whenever the stream breaks."""
        while True:
            try:
                await self._say("hear", codec.encode(self._market.upto))
                await self._record.lost.wait()
            except AnabranchError:
                await asyncio.sleep(RETRY_S)

    def _news(self, topic: str, body: bytes) -> None:
        heard = codec.decode(body, HeardOf)
        self._market.hear(heard.upto, heard.facts)
