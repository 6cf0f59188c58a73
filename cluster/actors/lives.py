"""What the supervisor knows of its actors' lives: where each one lives, since when, and what ended the one before.

Rule of this file: each life is one value that is replaced as a whole, so that whoever looks waits for nobody, also not
for a restart that is under way.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from router.domain.errors import LinkError
from router.domain.units import Nanos

RESTARTS_MAX, RESTARTS_WITHIN_S = 20, 600.0

WHY_MAX = 300
"""Characters of a reason: Ray's own run over many lines."""


_CUT_OFF = "Worker unexpectedly exits with a connection error"
"""How Ray says that a process was there and then was not; it goes on to guess."""


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """One actor. Times are the wall clock's, in nanoseconds since 1970; 0: not yet, or never."""

    name: str
    role: str
    incarnation: int = 0
    """How often it was started again."""
    is_alive: bool = False
    pid: int = 0
    node: str = ""
    """The address of its node."""
    since: Nanos = 0
    """When this life of it began."""
    died_at: Nanos = 0
    """When the life before was found dead."""
    why: str = ""
    """What ended the life before; of an actor that is not alive, what keeps it from living."""
    node_id: str = ""
    """The id of its node, as Ray has it."""
    is_resting: bool = False
    """It has no process until somebody asks for it."""


class Lives:
    """The lives of every actor, by name, in the order they were wanted."""

    def __init__(self, now: Callable[[], Nanos] = time.time_ns) -> None:
        self._now = now
        self._lives: dict[str, Life] = {}

    def all(self) -> tuple[Life, ...]:
        """Return every actor's life; may be called from any thread."""
        return tuple(self._lives.values())

    def wanted(self, name: str, role: str) -> None:
        """Note that an actor should live."""
        self._lives[name] = Life(name=name, role=role)

    def started(self, name: str, pid: int, node: str, node_id: str = "", since: Nanos | None = None) -> None:
        """Note that an actor answers, where it is, and since when; now where that is not known."""
        began = self._now() if since is None else since
        self._change(name, is_alive=True, is_resting=False, pid=pid, node=node, node_id=node_id, since=began)

    def rests(self, name: str) -> None:
        """Note that an actor has no process because it has nothing to do."""
        self._change(name, is_alive=False, is_resting=True, pid=0)

    def died(self, name: str, incarnation: int, why: str, at: Nanos | None = None) -> Nanos:
        """Note that an actor was found dead, and that `incarnation` is its next life; return when."""
        found = self._now() if at is None else at
        self._change(name, is_alive=False, pid=0, incarnation=incarnation, died_at=found, why=short(why))
        return found

    def failed(self, name: str, why: str) -> None:
        """Note what keeps an actor from living."""
        if name in self._lives:
            self._change(name, is_alive=False, pid=0, why=short(why))

    def _change(self, name: str, **changes: object) -> None:
        self._lives[name] = msgspec.structs.replace(self._lives[name], **changes)


class Deaths:
    """How often each actor has died of late: too often means that something in it fails each time."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._at: dict[str, list[float]] = {}

    def count(self, name: str) -> None:
        """Count one more.

        Raises:
            LinkError: there have been too many.
        """
        now = self._now()
        at = [one for one in self._at.get(name, ()) if now - one < RESTARTS_WITHIN_S]
        if len(at) >= RESTARTS_MAX:
            raise LinkError(f"expected actor {name} to live, got {RESTARTS_MAX} deaths in {RESTARTS_WITHIN_S:.0f} s")
        self._at[name] = [*at, now]


def short(why: str) -> str:
    """Return a reason as one line: what Ray says of a worker's end where it says it, else what comes first.

    >>> short("The actor died.\\n\\tWorker exit type: SYSTEM_ERROR Worker exit detail: it was killed by 9.\\n\\n")
    'it was killed by 9.'
    """
    text = " ".join(why.split())
    _, _, detail = text.partition("Worker exit detail: ")
    if detail.startswith(_CUT_OFF):
        return "its process was killed, or ended without a word"
    return (detail or text)[:WHY_MAX]


def last_line(exc: BaseException) -> str:
    """Return the last line of an error that says anything; what Ray raises has a whole traceback for its text.

    >>> last_line(ValueError("Traceback:\\n  at x\\nno such file\\n"))
    'no such file'
    """
    lines = [line for line in str(exc).splitlines() if line.strip()]
    return lines[-1] if lines else type(exc).__name__
