"""Refusals that are held back: when each is sent, so that a flood is slow, and comes in no bursts.

Rule of this file: time is handed in, and what is remembered ends with the connections that wait.
"""

from __future__ import annotations

from typing import Final

import msgspec

HELD_S: Final = 0.2
"""How long a refusal for its rate is held back: a flooder's connection is slow, and costs nothing meanwhile."""

APART_S: Final = 0.005
"""How far apart the refusals of one address are sent. A flood over many connections comes to two hundred refusals a
second, one by one: sent together, the orders that its key may send by then would be decided together, before whoever
else asks."""

HELD_MAX_S: Final = 2.0
"""No refusal is held back for longer, however many there are: clients give up after a few seconds, and a refusal that
comes then tells nobody anything."""


class _Held(msgspec.Struct):
    number: int
    """At most one for each connection."""
    last: float
    """When the last of them is sent."""


class Tarpit:
    """Refusals that wait to be sent, by the address that asked. Times are seconds of any steady clock.

    >>> tarpit = Tarpit()
    >>> [round(tarpit.hold(who, now), 3) for who, now in (("ada", 0.0), ("ada", 0.0), ("ada", 0.1), ("bob", 0.1))]
    [0.2, 0.205, 0.2, 0.2]
    """

    def __init__(self) -> None:
        self._held: dict[str, _Held] = {}

    def __len__(self) -> int:
        """How many addresses have refusals that are being held back."""
        return len(self._held)

    def hold(self, who: str, now: float) -> float:
        """Return after how many seconds a refusal is sent; until it is let go it counts as held back."""
        held = self._held.get(who)
        if held is None:
            held = self._held[who] = _Held(0, now)
        # Connections that were given up leave room: nobody waits longer than those that are held back now make him.
        latest = now + min(HELD_S + held.number * APART_S, HELD_MAX_S)
        held.number += 1
        held.last = min(max(now + HELD_S, held.last + APART_S), latest)
        return held.last - now

    def let_go(self, who: str) -> None:
        """Note that a refusal that was held back is sent, or that nobody waits for it any more."""
        held = self._held[who]
        held.number -= 1
        if not held.number:
            del self._held[who]
