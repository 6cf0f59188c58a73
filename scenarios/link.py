"""The one seam through which a run's conductor talks to venues, hosts and learners.

Rule of this file: whoever drives a run sees only `Link`; where a shell lives is the link's business alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol, TypeVar

from router.domain.errors import LinkError
from router.domain.messages import HostReply, LearnerReply, Message, VenueReply
from scenarios.shells import Shell

Reply = TypeVar("Reply", VenueReply, HostReply, LearnerReply)


class Link(Protocol):
    """Carries batches to shells by name and brings their replies."""

    def send(self, to: str, batch: Message) -> None:
        """Hand a batch to a shell; its reply comes with `receive`.

        Raises:
            LinkError: no such shell, or it cannot be reached and cannot be brought back.
        """
        ...

    def receive(self) -> dict[str, Message]:
        """Return the replies to everything sent since the last call, by shell, in the order of sending.

        Raises:
            LinkError: a reply is lost and its shell cannot be brought back.
        """
        ...

    def close(self) -> None:
        """Let go of everything the link holds."""
        ...


class LocalLink:
    """The link of one process: a call. `more` makes shells that come only once they are needed, None of other names."""

    def __init__(self, shells: dict[str, Shell], more: Callable[[str], Shell | None] | None = None) -> None:
        self._shells, self._more = shells, more
        self._replies: dict[str, Message] = {}

    @property
    def shells(self) -> dict[str, Shell]:
        """The shells by name; another may be put in the place of one before the first batch."""
        return self._shells

    def send(self, to: str, batch: Message) -> None:
        """Hand a batch to a shell of this process."""
        shell = self._shells.get(to)
        if shell is None and self._more is not None:
            shell = self._more(to)
            if shell is not None:
                self._shells[to] = shell
        if shell is None:
            raise LinkError(f"expected a shell named one of {', '.join(self._shells)}, got {to!r}")
        self._replies[to] = shell.handle(batch)

    def receive(self) -> dict[str, Message]:
        """Return the replies since the last call."""
        replies, self._replies = self._replies, {}
        return replies

    def close(self) -> None:
        """Nothing to let go of."""


def of_type(replies: Mapping[str, object], kind: type[Reply]) -> dict[str, Reply]:
    """Return those replies that are of a kind.

    >>> of_type({"learner": LearnerReply(seq=1, publications=(), policies=()), "other": 7}, LearnerReply).keys()
    dict_keys(['learner'])
    """
    return {name: reply for name, reply in replies.items() if isinstance(reply, kind)}
