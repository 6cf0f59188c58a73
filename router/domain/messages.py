"""The batches that travel between the conductor of a run and its actors, one request and one reply a window.

Rule of this file: a batch carries a sequence number that its receiver counts; a batch sent again gets the same
reply and changes nothing.
"""

from __future__ import annotations

import msgspec

from router.domain.events import Event, LearnerSteered
from router.domain.market import DealerTier, MarketSnapshot
from router.domain.orders import Command, ParentOrder
from router.domain.reports import Report
from router.domain.scores import ContextFrame, Outcome, PolicySnapshot
from router.domain.tactics import SliceRouted, TacticSnapshot
from router.domain.units import Nanos, Px, Qty


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """A command, with the time at which it reaches the venue."""

    at: Nanos
    command: Command


class Shift(msgspec.Struct, frozen=True, gc=False, tag="shift"):
    """From `at` on, our own past trades move the market's reference price by `px` in all (may be negative)."""

    at: Nanos
    px: Px


class Fade(msgspec.Struct, frozen=True, gc=False, tag="fade"):
    """At `at`, makers who saw us take elsewhere pull `share` (0..1) of what they show against orders of `sign`."""

    at: Nanos
    sign: int
    share: float


class Hedge(msgspec.Struct, frozen=True, gc=False, tag="hedge"):
    """At `at`, somebody who traded with us elsewhere takes `qty` here: a buy with `sign` +1, a sell with -1."""

    at: Nanos
    sign: int
    qty: Qty


Ripple = Shift | Fade | Hedge
"""What our trading makes others do at a venue, apart from trading with us there."""


class SessionChange(msgspec.Struct, frozen=True, gc=False):
    """The link between us and the venue went down (`is_up` false) or came back."""

    at: Nanos
    is_up: bool


class VenueBatch(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="venue_batch"):
    """Advance a venue to `until` (exclusive of events at `until`), with what arrives on the way."""

    seq: int
    until: Nanos
    arrivals: tuple[Arrival, ...] = ()
    ripples: tuple[Ripple, ...] = ()
    sessions: tuple[SessionChange, ...] = ()


class VenueReply(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="venue_reply"):
    """What a venue did in a window. `quotes` and `prints` are int64 rows (see `market`), in order of time."""

    seq: int
    reports: tuple[Report, ...]
    quotes: bytes
    prints: bytes
    tiers: tuple[DealerTier, ...]
    events: int
    """How many market events the engine processed, ours and its own."""
    next_at: Nanos | None
    """When something next happens by itself; None when nothing ever will."""
    is_halted: bool = False
    """Whether trading stands still there."""


class MidObserved(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """The consolidated mid (twice, to be whole) at `horizon_ns` after an execution, or without `exec_id` after the end
    of a child: what a markout is made of."""

    parent_id: str
    cl_ord_id: str
    exec_id: str
    horizon_ns: Nanos
    at: Nanos
    mid2: Px


class Delivered(msgspec.Struct, frozen=True, gc=False):
    """A report, with the time at which it reached us."""

    at: Nanos
    report: Report


class ReplaceParent(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A client wants other terms for a parent; None leaves one as it is. `order_qty` is in all, executions included.

    The same `request_id` again changes nothing; each is answered by one ParentReplaced or ParentReplaceRefused.
    """

    parent_id: str
    request_id: str
    order_qty: Qty | None = None
    price: Px | None = None
    end_at: Nanos | None = None
    urgency: float | None = None
    max_participation: float | None = None


class HostBatch(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="host_batch"):
    """First phase for a parent host: what it hears. `accepts` are parents that start now, `cancels` the ids of parents
    whose client wants them ended.

    In the second phase (`is_deciding`) it decides, with `policies` and `frames` by learner and side.
    """

    seq: int
    now: Nanos
    accepts: tuple[ParentOrder, ...] = ()
    cancels: tuple[str, ...] = ()
    cancel_reasons: tuple[str, ...] = ()
    """Why, in the order of `cancels`; empty: the client."""
    replaces: tuple[ReplaceParent, ...] = ()
    resumes: tuple[str, ...] = ()
    """Suspended parents that a person lets go on."""
    cleared_venues: tuple[str, ...] = ()
    """Venues at which every child is to be cancelled now, where it can be."""
    reports: tuple[Delivered, ...] = ()
    mids: tuple[MidObserved, ...] = ()
    is_deciding: bool = False
    is_restart: bool = False
    """The link cannot vouch that earlier replies were performed: what was intended and not sent is UNKNOWN."""
    market: MarketSnapshot | None = None
    policies: tuple[PolicySnapshot, ...] = ()
    frames: tuple[ContextFrame, ...] = ()
    tactics: TacticSnapshot | None = None
    blocked_venues: tuple[str, ...] = ()
    """In the second phase: venues to which a person lets no new child go."""
    learning: tuple[float, float, float] | None = None
    """In the second phase: limits on learning, as `router.allocation.limits.Limits` has them; none: the host's."""


class HostReply(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="host_reply"):
    """What a host wants done and recorded: a pure function of the events it journaled for this batch."""

    seq: int
    commands: tuple[Command, ...]
    outcomes: tuple[Outcome, ...]
    events: tuple[Event, ...]
    wakes: tuple[tuple[str, Nanos], ...]
    """For each live parent the time at which it next wants to decide."""
    open_children: int
    is_listening: bool = False
    """Whether a venue may invite a child of its to firm up, so that what it says must be heard soon."""
    is_looking: bool = False
    """After the first phase: whether a parent that is due may route, and so look at the policy as it is now."""


class SteerLearner(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What a person asks of a release: promote, roll_back, freeze, unfreeze, pin or unpin, with who and why."""

    at: Nanos
    act: str
    who: str
    why: str


class ParentEnded(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """A parent is closed: what a release counts."""

    parent_id: str
    at: Nanos
    order_qty: Qty


class ReleaseStatus(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Where a release stands. Pairs are of champion and challenger, or a lower and an upper bound; values in bps."""

    challenger: str
    phase: str
    share: float
    since: Nanos
    outcomes: int
    """Heard in this phase."""
    parents: tuple[int, int]
    means_bps: tuple[float, float]
    difference_bps: tuple[float, float]
    """Bounds of the challenger's mean value less the champion's."""
    detector: float
    """The e-CUSUM's statistic."""
    lost_bps: float
    waits_for: str
    """What the gate still waits for; empty in a phase without one."""


class LearnerBatch(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="learner_batch"):
    """Outcomes to apply in order, and the contexts to publish for."""

    seq: int
    now: Nanos
    outcomes: tuple[Outcome, ...]
    frames: tuple[ContextFrame, ...]
    ended: tuple[ParentEnded, ...] = ()
    steering: tuple[SteerLearner, ...] = ()
    slices: tuple[SliceRouted, ...] = ()
    """With a learner of styles: what was routed since it last heard, before `outcomes`."""
    probability_change_max: float | None = None
    """How far a published probability may move in a minute from now on; none: as far as it might."""


class Publication(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One version as it was published after one outcome: the probabilities that moved."""

    policy_version: int
    at: Nanos
    side: str
    routing_probabilities: tuple[float, ...]
    cause: str
    """What moved it: `FILL XNYS:POST P1.7`."""


class LearnerReply(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="learner_reply"):
    """Every version published in this window, and the last one whole, per side."""

    seq: int
    publications: tuple[Publication, ...]
    policies: tuple[PolicySnapshot, ...]
    """While a challenger is being released, those of the champion first."""
    steered: tuple[LearnerSteered, ...] = ()
    release: ReleaseStatus | None = None
    tactics: TacticSnapshot | None = None
    """What styles are worth, where they are learned."""


Message = VenueBatch | VenueReply | HostBatch | HostReply | LearnerBatch | LearnerReply
