"""What the HTTP door stands on: the desk, its journal, and the market as the routers see it.

Rule of this file: a port and its words; who answers may be in this process or in another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

from router.allocation.limits import UNLIMITED, Limits
from router.domain.instruments import VenueSpec
from router.domain.market import MarketSnapshot
from router.domain.requests import Answer, Request
from router.domain.scores import ContextFrame, PolicySnapshot
from router.domain.units import SECOND, Nanos
from router.orders.journal import Record


class MarketPicture(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What the routers of a symbol saw last: everything that a decision looks at besides its order."""

    symbol: str
    at: Nanos
    """The market's time."""
    open_at: Nanos
    close_at: Nanos
    px_unit: str
    """What one unit of a `Px` is worth in the instrument's currency, as decimal text."""
    adv: int
    seed: int
    specs: tuple[VenueSpec, ...]
    market: MarketSnapshot
    frames: tuple[ContextFrame, ...]
    """One for each side of the book."""
    policies: tuple[PolicySnapshot, ...]
    venue_states: tuple[tuple[str, str], ...]
    """ENABLED, DISABLED or DRAINING, by MIC."""
    windows: int = 0
    outcomes_waiting: int = 0
    """Outcomes that the learner has not applied yet."""
    exploration: tuple[float, float] = (0.05, 0.1)
    """How often hosts probe, and with which share of a slice."""
    limits: Limits = UNLIMITED
    """How far their learner may go now."""
    life_ns: Nanos = 10 * SECOND
    """How long a resting child of theirs lives."""
    stale_ns: Nanos = 60 * SECOND
    """Age of a published policy beyond which they do without it."""
    hosts: int = 0
    """Over how many hosts new orders are spread."""


class ActorStatus(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One actor: its role, which life of it this is, its process and its node."""

    name: str
    role: str
    incarnation: int
    is_alive: bool
    pid: int = 0
    node: str = ""
    since: Nanos = 0
    """When this life of it first answered, by the wall clock; 0: it has not yet."""
    died_at: Nanos = 0
    """When the life before it was found dead; 0: there was none."""
    why: str = ""
    """What ended that life; of an actor that is not alive, what keeps it from living."""
    node_id: str = ""
    """The id of its node, as Ray has it."""
    is_resting: bool = False
    """A host without an order, beyond those that new ones are spread over: it has no process until somebody asks."""


class NodeStatus(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One machine of the cluster, or one process where that is all there is."""

    node: str
    """Its id, as Ray has it."""
    address: str
    is_alive: bool = True
    is_draining: bool = False
    """Nothing of the desk is placed on it any more, and what lived there moves."""
    actors: tuple[str, ...] = ()
    """Who lives there, by name."""


class DeskStatus(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """How the desk is. It is ready when `waits_for` is empty: then an order would be accepted."""

    waits_for: tuple[str, ...]
    """What keeps an order from being accepted: "journal", "market ACME", "killed symbol ACME" ..."""
    market_at: Nanos
    wall_at: Nanos
    speed: float
    journal_size: int
    actors: tuple[ActorStatus, ...] = ()
    build: str = ""
    hosts: int = 0
    """Over how many hosts new orders are spread."""
    nodes: tuple[NodeStatus, ...] = ()
    flushes: tuple[tuple[float, int], ...] = ()
    """Of the journal's flushes, how many took up to so many seconds; their sum is among `metrics`."""
    metrics: dict[str, float] = {}
    """Figures of the processes behind: `flush_seconds_sum`, `queue_depth` ... by name."""


class Backend(Protocol):
    """The desk, to a door. Everything may raise LinkError while it cannot be reached: the door answers 503."""

    async def ask(self, request: Request) -> Answer:
        """Hand in one request; its answer is durable when it comes.

        Raises:
            JournalBusyError: too much waits already; nothing was recorded (429).
            JournalError: the journal refuses; nothing was acknowledged (503).
            LinkError: it certainly was not handed in (503).
            UnknownOutcomeError: it was handed in and no answer came: only asking again under the same id tells (504).
        """
        ...

    async def read(self, start: int, stream: str | None = None, limit: int = 1_000) -> list[Record]:
        """Return durable records from offset `start` on, of one stream or of all, in the order of offsets."""
        ...

    def follow(self, start: int) -> AsyncIterator[list[Record]]:
        """Yield every durable record from offset `start` on, group by group, for ever; it mends its own connection."""
        ...

    def market(self, symbol: str) -> MarketPicture | None:
        """Return the last picture of a symbol's market; None: unknown symbol, or nothing seen yet."""
        ...

    def now(self) -> Nanos:
        """Return the market's time by its clock; a picture is always a little older."""
        ...

    def symbols(self) -> tuple[str, ...]:
        """Return the symbols that are traded here."""
        ...

    async def status(self) -> DeskStatus:
        """Return how the desk is; it never waits longer than a second."""
        ...

    async def kill_now(self, level: str, target: str, who: str, why: str) -> None:
        """Tell the markets directly to stop, without the journal: a kill works when the journal is dead."""
        ...

    async def start_hosts(self, hosts: int) -> None:
        """Return once the first so many hosts of the desk answer; those that are there already stay as they are.

        Nothing is spread over them yet: that is the record's to say (`ScaleHosts`).

        Raises:
            LinkError: one of them cannot be started (503).
        """
        ...

    async def nodes(self) -> tuple[NodeStatus, ...]:
        """Return the nodes of the cluster as they are now."""
        ...

    async def set_node(self, node: str, *, is_draining: bool) -> None:
        """Begin to move everything away from a node, or let it be used again; that it has begun is durable.

        Raises:
            BadInputError: no such node, or no other one would be left.
            LinkError: nobody can be reached who moves it (503).
        """
        ...
