"""A shell that comes back by hearing its batches again.

Rule of this file: a batch is durable before it is handled. Hosts of parents do not need it: they journal what they
decided.
"""

from __future__ import annotations

from contextlib import suppress
from typing import NamedTuple

from router.domain import codec
from router.domain.errors import AnabranchError
from router.domain.messages import Message
from router.orders.journal import Draft, Journal
from scenarios.shells import Shell

STREAM = "batches"


class ShellState(NamedTuple):
    """A shell that is a function of its batches: itself, the last batch's number, and the reply to it."""

    shell: Shell
    last: int
    reply: Message | None


class RecordedShell:
    """A shell that is a function of its batches: each is durable before it is handled, and handled again to recover.

    With `start` and `before` the journal is gone through from there on.
    """

    def __init__(self, shell: Shell, journal: Journal, start: int = 0, before: ShellState | None = None) -> None:
        self._journal = journal
        self._shell, self._last, self._reply = before or ShellState(shell, -1, None)
        for record in journal.read(start):
            # A batch that was refused then is refused again, with the same effect on the shell.
            with suppress(AnabranchError):
                self._handle(codec.decode_message(record.payload))

    @property
    def state(self) -> ShellState:
        """What its batches have come to."""
        return ShellState(self._shell, self._last, self._reply)

    def handle(self, batch: Message) -> Message:
        """Journal, sync, handle; a batch seen last gets its reply again."""
        if batch.seq == self._last and self._reply is not None:
            return self._reply
        draft = Draft(type(batch).__name__, 0, str(batch.seq), codec.encode(batch))
        self._journal.append(STREAM, self._journal.next_seq(STREAM), (draft,))
        self._journal.sync()
        return self._handle(batch)

    def _handle(self, batch: Message) -> Message:
        self._reply = self._shell.handle(batch)
        self._last = batch.seq
        return self._reply
