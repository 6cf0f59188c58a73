"""What a market that is driven live tells the desk of a window, and the log by which it finds itself again.

Rule of this file: messages between the two processes of one desk; clients see facts, not these.
"""

from __future__ import annotations

import msgspec

from router.domain.events import Event
from router.domain.facts import Fact, KillSet, OrderReplaced
from router.domain.messages import HostReply, LearnerReply, VenueReply
from router.domain.units import Nanos, Px, Qty

Reply = VenueReply | HostReply | LearnerReply


class Played(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A window in which something was heard, done or learned: see `router.domain.facts.WindowPlayed`.

    `events` are those of all parents, each parent's in their order. `refused` are children that the second gate kept
    from leaving: (child, reason).
    """

    symbol: str
    n: int
    at: Nanos
    is_cut: bool
    heard: int
    events: tuple[Event, ...]
    digest: str
    policy_version: int
    model_digest: str
    routing_probabilities: tuple[tuple[str, tuple[float, ...]], ...] = ()
    refused: tuple[tuple[str, str], ...] = ()
    aside: tuple[KillSet, ...] = ()
    """Kills that came without the journal: they hold at the desk from now on."""
    changed: tuple[OrderReplaced, ...] = ()
    """What became of wishes about orders that no host knows of yet."""
    is_over: bool = False
    """The session is closed with this window."""


class Reference(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the risk gate knows of a symbol's market. Prices are 0 where there is none."""

    symbol: str
    at: Nanos
    bid_px: Px
    ask_px: Px
    volume: Qty
    is_open: bool
    is_halted: bool = False
    last_px: Px = 0
    """Of the last trade that we have seen."""


class Cut(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="cut"):
    """In a market's log: window `n` ended at `until` because of what came in, `facts`, with their offsets.

    `heard` is the offset up to which (exclusive) the journal was heard by then.
    """

    n: int
    until: Nanos
    heard: int
    facts: tuple[tuple[int, Fact], ...]


class Replies(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="replies"):
    """In a market's log: what one phase of a window was answered, in the order of asking."""

    answers: tuple[tuple[str, Reply], ...]


LogEntry = Cut | Replies
