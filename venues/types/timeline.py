"""The one loop that every synthetic venue runs: background events, what they lead to, expiries, and our inputs.

Rule of this file: time only goes forward, and ties have one order: background flow, then what is due later, then
expiries, then sessions, ripples and arrivals. Nothing depends on where a window ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from heapq import heappop, heappush
from typing import Protocol

import numpy as np

from router.domain.market import I64
from router.domain.messages import Arrival, Ripple, SessionChange
from router.domain.units import Nanos
from venues.types.desk import Desk, in_order

FLOW_COLUMNS = ("at", "kind", "a", "b", "c")
"""Columns of background flow; what kind, a, b and c mean is each venue's own affair."""

_NEVER: Nanos = 2**62


class Machine(Protocol):
    """What a venue does at each event. `settle` follows every event: the place to note that the top moved."""

    def on_flow(self, at: Nanos, kind: int, a: int, b: int, c: int) -> None:
        """Process one row of background flow."""
        ...

    def on_later(self, at: Nanos, kind: int, key: int) -> None:
        """Process what the machine asked for with `Timeline.later`."""
        ...

    def on_ripple(self, at: Nanos, ripple: Ripple) -> None:
        """Note what our own trades have added to the reference, in all, or what others do because of us."""
        ...

    def settle(self, at: Nanos) -> None:
        """Finish one event."""
        ...


def flow_rows(*groups: tuple[I64, int, I64 | int, I64 | int, I64 | int]) -> I64:
    """Return groups of (at, kind, a, b, c) as one int64 (n, 5), sorted by time; ties keep the order given."""
    parts = []
    for at, kind, a, b, c in groups:
        rows = np.empty((at.shape[0], len(FLOW_COLUMNS)), dtype=np.int64)
        for k, column in enumerate((at, kind, a, b, c)):
            rows[:, k] = column
        parts.append(rows)
    rows = np.concatenate(parts)
    return rows[np.argsort(rows[:, 0], kind="stable")]


class Timeline:
    """A venue's events in order. `at` is the time up to which (exclusive) everything has happened."""

    def __init__(self, flow: I64, machine: Machine, desk: Desk) -> None:
        self.at: Nanos = 0
        self.events = 0
        self._machine, self._desk = machine, desk
        self._flow: list[tuple[int, int, int, int, int]] = [tuple(row) for row in flow.tolist()]
        self._flow.append((_NEVER, 0, 0, 0, 0))
        self._k = 0
        self._later: list[tuple[Nanos, int, int, int]] = []
        self._n_later = 0

    def later(self, at: Nanos, kind: int, key: int = 0) -> None:
        """Ask for `on_later(at, kind, key)`; at the same time, first asked comes first."""
        self._n_later += 1
        heappush(self._later, (at, self._n_later, kind, key))

    def next_at(self) -> Nanos | None:
        """Return when something next happens by itself."""
        at = min(self._flow[self._k][0], self._next_due())
        return None if at >= _NEVER else at

    def advance(
        self, until: Nanos, arrivals: Sequence[Arrival], ripples: Sequence[Ripple], sessions: Sequence[SessionChange]
    ) -> int:
        """Process everything before `until`; return the number of events.

        Raises:
            BadInputError: `until` lies in the past, or an input outside the window.
        """
        before = self.events
        for item in in_order(self.at, until, arrivals, ripples, sessions):
            self._run(item.at)
            self.events += 1
            if isinstance(item, Arrival):
                self._desk.receive(item.at, item.command)
            elif isinstance(item, SessionChange):
                self._desk.session(item.at, item.is_up)
            else:
                self._machine.on_ripple(item.at, item)
            self._machine.settle(item.at)
        self._run(until - 1)
        self.at = until
        return self.events - before

    def _next_due(self) -> Nanos:
        later = self._later[0][0] if self._later else _NEVER
        expiry = self._desk.next_expiry()
        return later if expiry is None else min(later, expiry)

    def _run(self, last: Nanos) -> None:
        """Process the venue's own events up to and including `last`."""
        machine, flow = self._machine, self._flow
        while True:
            due = self._next_due()
            row = flow[self._k]
            # At equal times flow comes first, so it runs up to and including the next other event. What it brings
            # about by itself (through `later`) lies after it, and is seen because `due` is read anew.
            while row[0] <= due and row[0] <= last:
                self._k += 1
                self.events += 1
                machine.on_flow(*row)
                machine.settle(row[0])
                row = flow[self._k]
                if self._later and self._later[0][0] < due:
                    due = self._later[0][0]
            if due > last:
                return
            if self._later and self._later[0][0] == due:
                _, _, kind, key = heappop(self._later)
                machine.on_later(due, kind, key)
                self.events += 1
            else:
                self.events += self._desk.expire_due(due)
            machine.settle(due)
