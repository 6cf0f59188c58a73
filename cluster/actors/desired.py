"""What should live, as a supervisor journals it: who was wanted, started, restarted or put to rest, and which nodes are
being drained.

Rule of this file: a fact is durable before anything is done about it; what the facts mean is the supervisor's.

| kind | of | payload |
|---|---|---|
| ActorDesired | an actor | its recipe |
| ActorStarted | an actor | nothing: from now on a life that finds no journal has lost it |
| ActorRestarted | an actor | its incarnation, when the last one was found dead, and why |
| ActorRested | an actor | nothing: it has no process until somebody asks for it |
| NodeDraining, NodeOpen | a node | nothing |
| SupervisorStarted | the supervisor | nothing |
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from cluster.journal.sqlite import SqliteJournal
from router.orders.journal import Draft

DRAINING, OPEN = "NodeDraining", "NodeOpen"
NODE_STATES = (DRAINING, OPEN)

_STREAM = "desired"


class Desired:
    """The journal of one supervisor, at a path."""

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)

    @property
    def is_there(self) -> bool:
        """Whether an earlier life of the supervisor has written anything."""
        return self._path.exists()

    def record(self, kind: str, payloads: Mapping[str, bytes]) -> None:
        """Make one fact of each of these durable, by name."""
        if not payloads:
            return
        journal = SqliteJournal(self._path, durability="process")
        drafts = [Draft(kind, 0, name, payload) for name, payload in payloads.items()]
        journal.append(_STREAM, journal.next_seq(_STREAM), drafts)
        journal.sync()
        journal.close()

    def read(self, *, is_reader: bool = True) -> Iterator[tuple[str, str, bytes]]:
        """Yield (kind, name, payload) of every fact. Who is no reader takes over: an earlier writer writes no more."""
        journal = SqliteJournal(self._path, durability="process", is_reader=is_reader)
        for record in journal.read():
            yield record.kind, record.causation_id, record.payload
        journal.close()
