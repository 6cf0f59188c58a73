"""The hosts of a live session's parents: over how many new ones are spread, and which of the others have nothing left.

Rule of this file: hosts are numbered from 0 and never renumbered; fewer hosts means that those beyond take nothing new,
and an order stays where it is for as long as it lives.
"""

from __future__ import annotations

from collections.abc import Iterable

HOST = "host-"


def host_names(hosts: int) -> tuple[str, ...]:
    """Return the names of the first so many hosts.

    >>> host_names(2)
    ('host-0', 'host-1')
    """
    return tuple(f"{HOST}{n}" for n in range(hosts))


class Hosts:
    """Who carries which parent.

    >>> hosts = Hosts(2)
    >>> hosts.scale(1)
    >>> hosts.carrier(5), hosts.names, hosts.beyond({"host-0"})
    ('host-0', ('host-0', 'host-1'), ('host-1',))
    """

    def __init__(self, hosts: int) -> None:
        self.names = host_names(hosts)
        """All that there have been: each may hear yet of an order that it carried."""
        self.number = hosts
        """Over how many of them new orders are spread."""

    def scale(self, hosts: int) -> None:
        """Spread over so many from now on."""
        self.number = hosts
        self.names = host_names(max(hosts, len(self.names)))

    def carrier(self, n: int) -> str:
        """Return who carries the `n`-th parent of the session, counted from 0: they take turns."""
        return self.names[n % self.number]

    def beyond(self, busy: Iterable[str]) -> tuple[str, ...]:
        """Return those that get nothing new and are not among the `busy` ones."""
        rest = self.names[self.number :]
        # Who is busy is looked at only where there is somebody beyond.
        known = frozenset(busy) if rest else frozenset()
        return tuple(name for name in rest if name not in known)
