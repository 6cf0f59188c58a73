"""What people do in the kill drill while processes die: stop an account, a venue or a strategy, and let it go on.

Rule of this file: a kill counts from the window in which its market has heard it; what the auditor is told of it is
read from the journal, and not from who asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from benchmarks.kill_drill import LIMITED
from benchmarks.kill_load import Drill, Refused
from router.domain import codec
from router.domain.facts import KillSet, RearmAsked, WindowPlayed
from router.orders.journal import Record
from router.risk.facts import FOREVER, Killed

STOPS = (("account", LIMITED), ("venue", "XDKA"), ("strategy", "pov"))
"""What is stopped, in turn: never what the probes of the drill need."""

EVERY = 2
"""In every so many rounds something is stopped before the process dies, and let go on once that is back."""


def stop_of(n: int) -> tuple[str, str] | None:
    """Return (level, target) of what is stopped in a round; None: nothing.

    >>> [stop_of(n) for n in (0, 1, 3)]
    [None, ('account', 'SMALL'), ('venue', 'XDKA')]
    """
    return STOPS[(n // EVERY) % len(STOPS)] if n % EVERY else None


async def stop(drill: Drill, level: str, target: str) -> None:
    """Kill until the desk has recorded it."""
    drill.stops += 1
    await drill.ask("POST", "/v1/kill", {"level": level, "target": target, "why": "kill drill"})


async def let_go_on(drill: Drill, level: str, target: str) -> None:
    """Lift a kill; asked again after an answer that was lost, there is none any more."""
    with suppress(Refused):
        await drill.ask("POST", "/v1/rearm", {"level": level, "target": target, "why": "kill drill"})


def kills_in(records: Sequence[Record]) -> list[Killed]:
    """Return each kill of a journal from the window that heard it to the one that heard it lifted."""
    windows = [
        (window.heard, window.at)
        for window in (codec.decode(r.payload, WindowPlayed) for r in records if r.kind == "WindowPlayed")
        if window.is_cut
    ]

    def heard_at(offset: int) -> int:
        return next((at for heard, at in windows if heard > offset), FOREVER)

    found: list[Killed] = []
    standing: dict[tuple[str, str], int] = {}
    for record in records:
        if record.kind == "KillSet":
            kill = codec.decode(record.payload, KillSet)
            standing.setdefault((kill.level, kill.target), record.offset)
        elif record.kind == "RearmAsked":
            lifted = codec.decode(record.payload, RearmAsked)
            key = lifted.level, lifted.target
            if lifted.is_lifted and key in standing:
                found.append(Killed(*key, heard_at(standing.pop(key)), heard_at(record.offset)))
    return [*found, *(Killed(*key, heard_at(offset)) for key, offset in standing.items())]
