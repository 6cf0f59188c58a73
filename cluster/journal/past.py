"""The past of a journal, read in a thread of its own while the journal's writer writes in another.

Rule of this file: it reads what its caller says is durable and nothing after it, and where its own way to the medium
fails it says so and nothing else: only the writer's word ends a writer.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from router.domain.errors import JournalCorruptError, JournalError
from router.orders.journal import Beside, Journal, Record


class Past:
    """The reader beside `journal`, opened when it is first asked for something."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="past")
        self._beside: Beside | None = None
        self._is_there = True
        """Whether the journal can have a reader in another thread."""

    async def read(self, start: int, end: int, limit: int, stream: str | None) -> list[Record] | None:
        """Return up to `limit` records with offsets from `start` to before `end`; None: the journal has to be asked.

        Raises:
            JournalCorruptError: a record fails its checksum.
        """
        if not self._is_there:
            return None
        return await asyncio.get_running_loop().run_in_executor(self._thread, self._read, start, end, limit, stream)

    def close(self) -> None:
        """Wait for who reads, and let go. Closing twice changes nothing."""
        self._thread.shutdown()
        self._let_go()

    def _read(self, start: int, end: int, limit: int, stream: str | None) -> list[Record] | None:
        try:
            if self._beside is None:
                self._beside = self._journal.beside()
                if self._beside is None:
                    self._is_there = False
                    return None
            return self._beside.read(start, end, limit, stream)
        except JournalCorruptError:
            raise
        except JournalError:
            # A connection that was lost is opened anew the next time.
            self._let_go()
            return None

    def _let_go(self) -> None:
        if self._beside is not None:
            self._beside.close()
            self._beside = None
