"""Plays a live session again from its journal, and holds every word of it against what was recorded.

Rule of this file: nothing is taken from the journal but what came in and when the windows were cut; everything else is
worked out anew, by new shells that know nothing, and must come out the same: each decision, probability, id, fill and
model digest.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from cluster.live.session import assembly_of, conductor_of
from router.domain import codec, facts
from router.domain.errors import JournalError
from router.domain.facts import Fact, SessionOpened, WindowPlayed
from router.domain.played import Played
from router.orders.journal import Journal, Record
from scenarios.link import Link
from scenarios.live_conductor import LiveConductor

Progress = Callable[[float, str], None]

_HEARD = frozenset(kind.__name__ for kind in facts.HEARD)


class Verified(NamedTuple):
    """What was compared, and where it first differed; empty: nowhere."""

    windows: int
    windows_recorded: int
    events: int
    decisions: int
    fills: int
    probabilities: int
    digest: str
    difference: str = ""


class Recorded(NamedTuple):
    """A window as the journal has it: its fact, and the payloads of its events."""

    window: WindowPlayed
    events: tuple[tuple[str, bytes], ...]


def session_in(journal: Journal) -> SessionOpened:
    """Return the journal's last session.

    Raises:
        JournalError: there is none.
    """
    found = None
    for record in journal.read():
        if record.kind == "SessionOpened":
            found = codec.decode(record.payload, SessionOpened)
    if found is None:
        raise JournalError("expected a journal with a session in it, got one without")
    return found


def verify_session(
    journal: Journal, opened: SessionOpened, link: Link, data: Path | None, progress: Progress | None = None
) -> Verified:
    """Play the session over `link`, whose shells are new, up to the last window that the journal has.

    Raises:
        JournalCorruptError: a record fails its checksum.
        BadInputError: the scenario or its data cannot be used.
    """
    conductor = conductor_of(opened, assembly_of(opened, data), link)
    news = {record.offset: _fact(record) for record in journal.read() if record.kind in _HEARD}
    count = Verified(0, 0, 0, 0, 0, 0, "")
    span = max(opened.close_at - opened.open_at, 1)
    for recorded in _windows(journal, opened.symbol):
        window = recorded.window
        played = _play_to(conductor, window, news)
        if played is None:
            return count._replace(windows=conductor.windows, difference=f"window {window.n}: nothing happened in it")
        difference = _difference(recorded, played)
        kinds = [kind for kind, _ in recorded.events]
        count = Verified(
            windows=conductor.windows,
            windows_recorded=count.windows_recorded + 1,
            events=count.events + len(kinds),
            decisions=count.decisions + kinds.count("DecisionMade"),
            fills=count.fills + kinds.count("ChildTraded"),
            probabilities=count.probabilities + sum(len(lanes) for _, lanes in window.routing_probabilities),
            digest=played.digest,
            difference=difference,
        )
        if difference:
            return count
        if progress is not None:
            progress(min((window.at - opened.open_at) / span, 1.0), f"{conductor.windows} windows")
    return count


def _play_to(conductor: LiveConductor, window: WindowPlayed, news: dict[int, Fact]) -> Played | None:
    """Play up to a recorded window and return what it came to; a window before it in which something happened, too."""
    while conductor.windows < window.n:
        early = conductor.step()
        if early is not None:
            return early
    if not window.is_cut:
        return conductor.step()
    heard = range(conductor.heard, window.heard)
    came_in = [(offset, news[offset]) for offset in heard if offset in news]
    came_in += [(-1, kill) for kill in window.aside]
    return conductor.step(window.at, window.heard, came_in)


def _windows(journal: Journal, symbol: str) -> Iterator[Recorded]:
    """Yield the session's windows: the events of parents stand before the fact of their window."""
    events: list[tuple[str, bytes]] = []
    for record in journal.read():
        if record.kind == "SessionOpened":
            events = []
        elif record.stream.startswith("parent:"):
            events.append((record.kind, record.payload))
        elif record.kind == "WindowPlayed":
            window = codec.decode(record.payload, WindowPlayed)
            if window.symbol == symbol:
                yield Recorded(window, tuple(events))
                events = []


def _difference(recorded: Recorded, played: Played) -> str:
    """Return the first thing in which a window came out differently; empty: nothing."""
    window = recorded.window
    where = f"window {window.n} at {window.at}"
    if (played.n, played.at) != (window.n, window.at):
        return f"{where}: expected it to end there, got window {played.n} at {played.at}"
    for n, (kind, payload) in enumerate(recorded.events):
        if n >= len(played.events):
            return f"{where}: expected event {n} {kind} of {len(recorded.events)}, got {len(played.events)} events"
        event = played.events[n]
        if codec.encode(event) != payload:
            return f"{where}: expected event {n} {codec.decode_event(payload)}, got {event}"
    for name, expected, got in (
        ("events", len(recorded.events), len(played.events)),
        ("policy_version", window.policy_version, played.policy_version),
        ("model_digest", window.model_digest, played.model_digest),
        ("routing_probabilities", window.routing_probabilities, played.routing_probabilities),
        ("digest", window.digest, played.digest),
    ):
        if expected != got:
            return f"{where}: expected {name} {expected}, got {got}"
    return ""


def _fact(record: Record) -> Fact:
    return codec.decode(record.payload, facts.Fact)  # type: ignore[arg-type]
