"""What the desk records besides the events of parents: who asked for what, and what clients are told.

Rule of this file: past tense, one fact a record. The desk's state is what these facts and the events of
`router.domain.events` make of it; replaying them rebuilds it exactly.
"""

from __future__ import annotations

import msgspec

from router.domain.enums import LastLiquidityInd, OrdStatus
from router.domain.orders import ParentOrder
from router.domain.requests import Denial
from router.domain.scores import Outcome
from router.domain.units import Nanos, Px, Qty


class _Fact(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    at: Nanos
    """The market's time."""


class _OrderFact(_Fact, frozen=True, kw_only=True):
    account: str
    parent_id: str


class OrderAccepted(_OrderFact, frozen=True, tag=True):
    """The order is ours. With `approval_id` it is worked only once a person has approved it."""

    order: ParentOrder
    body_hash: str
    who: str
    approval_id: str = ""
    risk_px: Px = 0
    """The worst price it is valued at in the books of the risk gate."""


class OrderDenied(_Fact, frozen=True, tag=True):
    """The risk gate refused an order; kept for audit, and so that a message rate counts it."""

    account: str
    client_order_id: str
    who: str
    denials: tuple[Denial, ...]


class ApprovalJudged(_OrderFact, frozen=True, tag=True):
    """A person approved an order or a change to one, or rejected it: a rejected order is over, one whose change was
    rejected goes on as it was."""

    approval_id: str
    is_approved: bool
    who: str
    why: str = ""


class CancelAsked(_OrderFact, frozen=True, tag=True):
    """Somebody wants the order ended."""

    who: str
    reason: str


class ReplaceAsked(_OrderFact, frozen=True, tag=True):
    """Somebody wants the order changed; None leaves a term as it is. Until it is answered the books of the risk gate
    carry whichever of old and new is the more.

    With `approval_id` the order goes on as it was until a person has judged the change. One that is approved is asked
    for again, without that id; one that is not is answered by `OrderReplaced`.
    """

    who: str
    held_qty: Qty = 0
    held_price: Px | None = None
    held_risk_px: Px = 0
    order_qty: Qty | None = None
    price: Px | None = None
    end_at: Nanos | None = None
    urgency: float | None = None
    max_participation: float | None = None
    approval_id: str = ""


class OrderReplaced(_OrderFact, frozen=True, tag=True):
    """The order's terms are now these; `refused` says why they are not, and they are the old ones."""

    order_qty: Qty
    price: Px | None
    end_at: Nanos
    refused: str = ""


class OrderExecuted(_OrderFact, frozen=True, tag=True):
    """A child's execution, and where the order stands after it."""

    cl_ord_id: str
    exec_id: str
    mic: str
    last_qty: Qty
    last_px: Px
    cum_qty: Qty
    leaves_qty: Qty
    last_liquidity_ind: LastLiquidityInd | None = None


class ExecutionBusted(_OrderFact, frozen=True, tag=True):
    """A venue canceled an execution, or corrected it to other figures (zero quantity: canceled)."""

    cl_ord_id: str
    exec_id: str
    exec_ref_id: str
    last_qty: Qty
    last_px: Px
    cum_qty: Qty
    leaves_qty: Qty


class OrderSuspended(_OrderFact, frozen=True, tag=True):
    """Nothing new is sent for the order until a person has looked."""

    reason: str


class ResumeAsked(_OrderFact, frozen=True, tag=True):
    """A person has looked at a suspended order and lets it go on."""

    who: str
    why: str


class OrderResumed(_OrderFact, frozen=True, tag=True):
    """It goes on."""


class OrderEnded(_OrderFact, frozen=True, tag=True):
    """The order is over."""

    ord_status: OrdStatus
    cum_qty: Qty
    reason: str = ""


class KillSet(_Fact, frozen=True, tag=True):
    """Trading was stopped at a level."""

    level: str
    target: str
    who: str
    why: str


class RearmAsked(_Fact, frozen=True, tag=True):
    """Somebody wants a kill lifted; with `is_lifted` it is."""

    level: str
    target: str
    who: str
    why: str
    is_lifted: bool


class VenueStateSet(_Fact, frozen=True, tag=True):
    """A venue was enabled, disabled or is being drained."""

    mic: str
    state: str
    who: str
    why: str


class HostsSet(_Fact, frozen=True, tag=True):
    """From now on new orders are spread over so many hosts."""

    hosts: int
    who: str
    why: str


class NodeStateSet(_Fact, frozen=True, tag=True):
    """A node of the cluster is OPEN, or DRAINING: nothing of the desk is to live on it."""

    node: str
    state: str
    who: str
    why: str


class AccountStateSet(_Fact, frozen=True, tag=True):
    """An account is ACTIVE, REDUCING or HALTED."""

    account: str
    state: str
    who: str
    why: str


class ModelSteered(_Fact, frozen=True, tag=True):
    """A person steered a learner's release."""

    learner_id: str
    act: str
    who: str
    why: str


class LimitSet(_Fact, frozen=True, tag=True):
    """A limit was changed."""

    key: str
    before: str
    after: str
    who: str
    why: str


class StrategyStopped(_Fact, frozen=True, tag=True):
    """The repeated-execution throttle stopped a strategy of an account; nobody but a person lets it go on."""

    account: str
    strategy: str
    why: str


class StrategyReenabled(_Fact, frozen=True, tag=True):
    """A named person let a stopped strategy go on."""

    account: str
    strategy: str
    who: str
    why: str


class OutcomesReported(_Fact, frozen=True, tag=True):
    """What became of children executed elsewhere."""

    symbol: str
    who: str
    outcomes: tuple[Outcome, ...]


class SessionOpened(_Fact, frozen=True, tag=True):
    """A trading session of one symbol began: everything that its replay needs besides what is recorded after it."""

    symbol: str
    open_at: Nanos
    close_at: Nanos
    wall_at: Nanos
    """The wall clock at `open_at`."""
    speed: float
    """Seconds of the market in one of the wall clock."""
    scenario_name: str
    scenario_text: str
    scenario_path: str
    seed: int
    policy: str
    hosts: int
    build: str
    tick_ns: Nanos
    """The shortest window."""
    window_ns: Nanos
    """The longest one."""
    exploration_budget_bps: float
    """The limits on learning that hold in it, as in `router.allocation.limits`."""
    probability_change_max: float
    venue_share_max: float
    children_per_s: int = 200
    """What the second gate lets a parent and a venue have."""
    children_max: int = 100_000
    venue_messages_per_s: int = 1_000
    limits: str = ""
    """Every limit of the risk gate at the opening, as JSON; none: it was not kept."""
    approval_above: str = ""
    """From which value on orders wait for a second person; none: none does."""
    learners: tuple[str, ...] = ()
    """What its learners are called, for kills of a model; none: the session did not say it yet."""


class WindowPlayed(_Fact, frozen=True, tag=True):
    """A window in which something was heard, done or learned. `n` counts every window of the session from 0.

    `is_cut`: it ended because of what came in, at `at`; otherwise where the market's own next event was due. `heard`
    is the offset up to which (exclusive) records were heard by its end. `digest` is the SHA-256 of everything said
    in the session up to and with this window.
    """

    symbol: str
    n: int
    is_cut: bool
    heard: int
    digest: str
    policy_version: int
    model_digest: str
    routing_probabilities: tuple[tuple[str, tuple[float, ...]], ...] = ()
    """By side, where they changed in this window."""
    aside: tuple[KillSet, ...] = ()
    """Kills that it heard without the journal."""


class SessionClosed(_Fact, frozen=True, tag=True):
    """The session is over: its last digest."""

    symbol: str
    windows: int
    digest: str


Fact = (
    OrderAccepted
    | OrderDenied
    | ApprovalJudged
    | CancelAsked
    | ReplaceAsked
    | OrderReplaced
    | OrderExecuted
    | ExecutionBusted
    | OrderSuspended
    | ResumeAsked
    | OrderResumed
    | OrderEnded
    | KillSet
    | RearmAsked
    | VenueStateSet
    | HostsSet
    | NodeStateSet
    | AccountStateSet
    | ModelSteered
    | LimitSet
    | StrategyStopped
    | StrategyReenabled
    | OutcomesReported
    | SessionOpened
    | WindowPlayed
    | SessionClosed
)

HEARD = (
    OrderAccepted,
    ApprovalJudged,
    CancelAsked,
    ReplaceAsked,
    ResumeAsked,
    KillSet,
    RearmAsked,
    VenueStateSet,
    HostsSet,
    AccountStateSet,
    ModelSteered,
    LimitSet,
    OutcomesReported,
)
"""What the market of a symbol must hear: its inputs, in the order of their offsets."""


def account_stream(account: str) -> str:
    """Return the stream of what is told to an account's owner.

    >>> account_stream("ACME-1")
    'account:ACME-1'
    """
    return f"account:{account}"


DESK = "desk"
"""The stream of what concerns every account: kills, venues, limits, models."""


def parent_stream(parent_id: str) -> str:
    """Return the stream of a parent's own events."""
    return f"parent:{parent_id}"


def market_stream(symbol: str) -> str:
    """Return the stream of a symbol's session."""
    return f"market:{symbol}"
