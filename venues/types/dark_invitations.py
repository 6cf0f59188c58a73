"""The invitations of a pool to firm up conditional orders, and the reputation that keeping or failing them makes.

Rule of this file: it counts and dates; what an invitation leads to in the book is the pool's own affair.

An order has at most one invitation at a time. Reputation starts at 1 and is the exponentially weighted share of
invitations that were firmed up; below `reputation_min` nobody is invited for `ban_ns`, and then again until the next
failure.
"""

from __future__ import annotations

from router.domain.units import Nanos
from venues.types.dark_flow import DarkParameters


class Invitations:
    """The pending invitations, by the number of our order, each with the time by which it must be firmed up.

    >>> params = DarkParameters(reputation_memory=0.5, reputation_min=0.6, ban_ns=100, firm_up_ns=10**6)
    >>> invitations = Invitations(params)
    >>> due = invitations.invite(1, at=0)
    >>> invitations.lapse(1, due), invitations.reputation, invitations.may_invite(1, due + 99)
    (True, 0.5, False)
    >>> invitations.may_invite(1, due + 100)
    True
    """

    def __init__(self, params: DarkParameters) -> None:
        self.reputation = 1.0
        self._params = params
        self._due: dict[int, Nanos] = {}
        self._banned_until: Nanos = 0

    def may_invite(self, n: int, at: Nanos) -> bool:
        """Whether order `n` may be invited now."""
        return n not in self._due and at >= self._banned_until

    def invite(self, n: int, at: Nanos) -> Nanos:
        """Note an invitation and return by when it must be answered; an answer at that very time is too late."""
        due = self._due[n] = at + self._params.firm_up_ns
        return due

    def is_invited(self, n: int) -> bool:
        """Whether an invitation stands."""
        return n in self._due

    def keep(self, n: int) -> None:
        """The invitation was firmed up."""
        if self._due.pop(n, None) is not None:
            memory = self._params.reputation_memory
            self.reputation = memory * self.reputation + 1.0 - memory

    def fail(self, n: int, at: Nanos) -> None:
        """The invitation was answered with too little, or not at all."""
        if self._due.pop(n, None) is None:
            return
        self.reputation *= self._params.reputation_memory
        if self.reputation < self._params.reputation_min:
            self._banned_until = at + self._params.ban_ns

    def lapse(self, n: int, at: Nanos) -> bool:
        """Return whether an invitation that is due now stood still; if so it has failed."""
        if self._due.get(n) != at:
            return False
        self.fail(n, at)
        return True

    def forget(self, n: int) -> None:
        """The order is gone: its invitation counts for nothing."""
        self._due.pop(n, None)

    def withdraw_all(self) -> tuple[int, ...]:
        """Take every invitation back, and return whose they were."""
        numbers = tuple(self._due)
        self._due.clear()
        return numbers
