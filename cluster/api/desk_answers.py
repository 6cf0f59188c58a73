"""What operators are told: the body of every answer about the desk, as structs.

Rule of this file: the same as `cluster.api.answers`, beside which it stands.
"""

from __future__ import annotations

from cluster.api.answers import Decimal, Order, Said, Timestamp


class Venue(Said, frozen=True, kw_only=True):
    """A venue as the routers of one symbol see it."""

    mic: str
    symbol: str
    venue_type: str
    state: str
    """enabled, disabled or draining."""
    session: str
    """up or down: the link to it."""
    tactics: tuple[str, ...]
    tick: Decimal
    lot: Decimal
    volume_share: float
    bid_price: Decimal | None
    bid_qty: Decimal
    ask_price: Decimal | None
    ask_qty: Decimal
    state_since: Timestamp | None
    state_who: str
    state_why: str


class VenueList(Said, frozen=True, kw_only=True):
    """Every venue of every symbol."""

    venues: tuple[Venue, ...]


class LearnerSide(Said, frozen=True, kw_only=True):
    """What a learner publishes for one side of the book."""

    side: str
    policy_version: int
    model_digest: str
    published_time: Timestamp
    outcomes_applied: int
    routing_probabilities: dict[str, float]
    """By lane, summing to 1."""


class Learner(Said, frozen=True, kw_only=True):
    """A learner, by what it published last."""

    learner_id: str
    symbol: str
    policy: str
    arm: str
    arm_share: float
    is_frozen: bool
    outcomes_waiting: int
    last_act: str
    last_who: str
    last_why: str
    sides: tuple[LearnerSide, ...]


class LearnerList(Said, frozen=True, kw_only=True):
    """Every learner."""

    learners: tuple[Learner, ...]


class Parameter(Said, frozen=True, kw_only=True):
    """A value that may be changed at run time, and who changed it last."""

    key: str
    value: str
    unit: str
    check: str
    """The risk check that it belongs to."""
    text: str
    changed_time: Timestamp | None
    changed_who: str
    changed_why: str


class ParameterList(Said, frozen=True, kw_only=True):
    """Every limit and parameter in force."""

    parameters: tuple[Parameter, ...]


class KillSaid(Said, frozen=True, kw_only=True):
    """A kill in force. `rearm_who` has asked to lift it, where a second person is waited for."""

    level: str
    target: str
    time: Timestamp
    who: str
    why: str
    rearm_who: str


class StoppedSaid(Said, frozen=True, kw_only=True):
    """A strategy of an account that the repeated-execution throttle stopped."""

    account: str
    strategy: str
    time: Timestamp
    why: str


class UnknownChild(Said, frozen=True, kw_only=True):
    """A child that may be out there: its venue has not said what became of it. It counts in full until it does."""

    child_id: str
    order_id: str
    mic: str
    since: Timestamp


class KillList(Said, frozen=True, kw_only=True):
    """What is stopped, and what of your accounts nobody can say to be stopped yet."""

    kills: tuple[KillSaid, ...]
    stopped_strategies: tuple[StoppedSaid, ...]
    children_unknown: int
    unknown_children: tuple[UnknownChild, ...]
    """Those that have been so for longest, up to a hundred."""


class ChangeSaid(Said, frozen=True, kw_only=True):
    """What somebody wants an order to become; null leaves a term as it is."""

    who: str
    time: Timestamp
    qty: Decimal | None
    limit_price: Decimal | None
    end_time: Timestamp | None
    urgency: float | None
    max_participation: float | None


class Approval(Said, frozen=True, kw_only=True):
    """An order that waits for a person; with `change` it is worked as it is, and the change waits."""

    approval_id: str
    order: Order
    change: ChangeSaid | None


class ApprovalList(Said, frozen=True, kw_only=True):
    """Every order and change that waits for a person."""

    approvals: tuple[Approval, ...]


class Actor(Said, frozen=True, kw_only=True):
    """One actor: its role, which life of it this is, its process and its node."""

    name: str
    role: str
    incarnation: int
    is_alive: bool
    pid: int
    node: str
    """The address of its node."""
    since: Timestamp | None
    """When this life of it first answered."""
    died_at: Timestamp | None
    """When the life before it was found dead."""
    why: str
    """What ended that life; of an actor that is not alive, what keeps it from living."""
    node_id: str
    is_resting: bool
    """A host without an order, beyond those that new ones are spread over: it has no process until somebody asks."""


class Node(Said, frozen=True, kw_only=True):
    """One machine of the cluster, or one process where that is all there is."""

    node: str
    """Its id."""
    address: str
    is_alive: bool
    is_draining: bool
    """Nothing of the desk is placed on it any more, and what lived there moves."""
    actors: tuple[str, ...]
    """Who lives there, by name."""
    state_since: Timestamp | None
    """When it was last drained or opened; null also while a door that has just come up reads what there was."""
    state_who: str
    state_why: str


class Cluster(Said, frozen=True, kw_only=True):
    """How the desk is. It is ready when `waits_for` is empty."""

    is_ready: bool
    waits_for: tuple[str, ...]
    symbols: tuple[str, ...]
    build: str
    market_time: Timestamp
    wall_time: Timestamp
    speed: float
    journal_size: int
    journal_lag: int
    hosts: int
    """Over how many hosts new orders are spread."""
    hosts_since: Timestamp | None
    """Since when, where somebody changed it; null also while a door that has just come up reads what there was."""
    hosts_who: str
    hosts_why: str
    actors: tuple[Actor, ...]
    nodes: tuple[Node, ...]
    metrics: dict[str, float]


class Clock(Said, frozen=True, kw_only=True):
    """The market's time, the wall clock's, and how many seconds of the market pass in one of the wall clock."""

    market_time: Timestamp
    wall_time: Timestamp
    speed: float


class Health(Said, frozen=True, kw_only=True):
    """This process answers."""

    status: str


class Readiness(Said, frozen=True, kw_only=True):
    """Whether an order would be accepted, and what keeps it from being."""

    is_ready: bool
    waits_for: tuple[str, ...]
