"""A market's own log: what every actor answered, and where what came in cut its windows. By it a market that was
killed finds itself again without asking anybody twice.

Rule of this file: what was answered in one phase is in the log before the next is asked for, and a cut before its
window is begun. An actor gives the last answer again, so that at most one phase may be missing and is asked anew.
"""

from __future__ import annotations

from collections.abc import Iterator

from cluster.live.snapshots import head_at
from router.domain import codec
from router.domain.errors import JournalCorruptError
from router.domain.messages import Message
from router.domain.played import Cut, LogEntry, Replies
from router.orders.journal import Draft, Journal
from scenarios.link import Link

STREAM = "market"


class MarketLog:
    """A link that writes down every answer, and gives those it has again first, from the record `start` on."""

    def __init__(self, link: Link, journal: Journal, start: int = 0) -> None:
        self._link = link
        self._journal = journal
        self._asked: list[tuple[str, Message]] = []
        self._is_unsynced = False
        self._past: Iterator[LogEntry] = (_entry(record.payload) for record in journal.read(start))
        self._next: LogEntry | None = next(self._past, None)

    @property
    def has_past(self) -> bool:
        """Whether something in the log has not been gone through yet."""
        return self._next is not None

    @property
    def size(self) -> int:
        """How many entries are durable."""
        return self._journal.health().durable_size

    def head(self) -> bytes:
        """Return the digest of the last durable entry."""
        return head_at(self._journal, self.size)

    def take_cut(self, n: int) -> Cut | None:
        """Return the cut of window `n`, where the log says that it was cut.

        Raises:
            JournalCorruptError: the log goes on with another window.
        """
        entry = self._next
        # A window in which nobody was asked anything, and nothing came in, left no trace.
        if not isinstance(entry, Cut) or entry.n > n:
            return None
        if entry.n < n:
            raise JournalCorruptError(f"expected a cut of window {n}, got one of {entry.n} - at the market's log")
        self._next = next(self._past, None)
        return entry

    def cut(self, cut: Cut) -> None:
        """Write down that a window is cut; durable before anything is asked in it."""
        self._append(cut)

    def send(self, to: str, batch: Message) -> None:
        """Ask an actor, unless its answer is in the log."""
        if self._next is not None:
            self._asked.append((to, batch))
            return
        self.settle()
        self._link.send(to, batch)

    def receive(self) -> dict[str, Message]:
        """Return the answers of a phase.

        Raises:
            JournalCorruptError: the log holds answers of others than were asked.
        """
        asked, self._asked = self._asked, []
        if asked:
            entry = self._next
            if isinstance(entry, Replies):
                self._next = next(self._past, None)
                if [name for name, _ in entry.answers] != [name for name, _ in asked]:
                    names = [name for name, _ in entry.answers]
                    raise JournalCorruptError(f"expected answers of {asked}, got {names} - at the market's log")
                return dict(entry.answers)
            for to, batch in asked:
                self._link.send(to, batch)
        answers = self._link.receive()
        if answers:
            self._append(Replies(answers=tuple(answers.items())))  # type: ignore[arg-type]
        return answers

    def settle(self) -> None:
        """Make everything that was written down durable: what is told to others must not be lost here."""
        if self._is_unsynced:
            self._journal.sync()
            self._is_unsynced = False

    def close(self) -> None:
        """Write down what was answered last, and let go."""
        self.settle()
        self._link.close()
        self._journal.close()

    def _append(self, entry: LogEntry) -> None:
        draft = Draft(type(entry).__name__, 0, "", codec.encode(entry))
        self._journal.append(STREAM, self._journal.next_seq(STREAM), (draft,))
        self._is_unsynced = True


def _entry(payload: bytes) -> LogEntry:
    return codec.decode(payload, LogEntry)  # type: ignore[arg-type]
