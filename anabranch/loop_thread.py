"""An asyncio loop on a thread of its own, for programs that have none.

Rule of this file: whoever waits here is woken by an answer, by an exception, or by his own interrupt, which ends the
work too.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, TypeVar

from anabranch.errors import UsageError

T = TypeVar("T")

STOP_S = 5.0
"""How long a closing client waits for its thread."""


class LoopThread:
    """A loop, from the first use until `close`.

    >>> import asyncio
    >>> runner = LoopThread()
    >>> runner.run(asyncio.sleep(0, "done"))
    'done'
    >>> runner.close()
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._is_closed = False

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the work comes to.

        Raises:
            UsageError: the client was closed, or this is its own thread, which would wait for itself.
        """
        try:
            loop = self._started()
        except UsageError:
            work.close()
            raise
        future = asyncio.run_coroutine_threadsafe(work, loop)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise

    def each(self, items: AsyncIterator[T]) -> Iterator[T]:
        """Yield what an asynchronous iterator does."""
        while True:
            try:
                yield self.run(_next(items))
            except StopAsyncIteration:
                return

    def close(self) -> None:
        """Stop; stopping twice changes nothing."""
        with self._lock:
            self._is_closed = True
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(STOP_S)

    @property
    def is_closed(self) -> bool:
        """Whether it was closed."""
        return self._is_closed

    def _started(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._is_closed:
                raise UsageError("expected a client that is open, got one that was closed - at anabranch.Client")
            if self._thread is threading.current_thread():
                raise UsageError("expected a call from another thread, got one from the client's own - at Client")
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(target=_run, args=(self._loop,), name="anabranch", daemon=True)
                self._thread.start()
            return self._loop


async def _next(items: AsyncIterator[T]) -> T:
    return await anext(items)


def _run(loop: asyncio.AbstractEventLoop) -> None:
    asyncio.set_event_loop(loop)
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
