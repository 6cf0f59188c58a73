"""What clients are told about orders, as structs.

Rule of this file: the same keys and types as in the document that the desk serves (`/openapi.json`); a test compares
them. A key of a newer desk is passed over.

Quantities, prices and money are `Decimal`; times are `datetime` in UTC, to the microsecond.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

import msgspec


class Said(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """What every answer is."""


class RoutingSaid(Said, frozen=True, kw_only=True):
    """How the order is worked."""

    strategy: str
    strategy_parameters: dict[str, float]
    urgency: float
    max_participation: float | None
    min_qty: Decimal
    venues_allow: tuple[str, ...]
    venues_deny: tuple[str, ...]
    segments_deny: tuple[str, ...]
    dark: str
    max_child_qty: Decimal | None
    would_price: Decimal | None


class Order(Said, frozen=True, kw_only=True):
    """An order, and where it stands."""

    order_id: str
    client_order_id: str
    account: str
    symbol: str
    side: str
    type: str
    status: str
    """pending_approval, new, partially_filled, pending_cancel, pending_replace, suspended, filled, canceled, expired or
    rejected."""
    qty: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    limit_price: Decimal | None
    average_price: Decimal | None
    """Of its executions; none without any."""
    start_time: datetime
    end_time: datetime
    accepted_time: datetime
    updated_time: datetime
    version: int
    """Rises with everything that happens to the order."""
    who: str
    approval_id: str
    reason: str
    routing: RoutingSaid


class OrderPage(Said, frozen=True, kw_only=True):
    """A page of orders, newest first; `next` is the cursor of the next page, none on the last."""

    orders: tuple[Order, ...]
    next: str | None


class ErrorSaid(Said, frozen=True, kw_only=True):
    """One thing that is wrong."""

    code: str
    detail: str
    pointer: str = ""
    """Where in the request: `$.routing.urgency`."""
    check: int | None = None
    """The number of the risk check that denied it."""


class Problem(Said, frozen=True, kw_only=True):
    """A problem, after RFC 9457."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    instance: str
    correlation_id: str
    retry: str
    """never, same_id, later or after_change: whether to send it again."""
    errors: tuple[ErrorSaid, ...] = ()


class BatchResult(Said, frozen=True, kw_only=True):
    """What one order of a batch was answered: the status it would have got by itself, and the order or the problem."""

    client_order_id: str
    status: int
    order: Order | None = None
    problem: Problem | None = None


class BatchAnswer(Said, frozen=True, kw_only=True):
    """The answers to a batch, in its order."""

    results: tuple[BatchResult, ...]


class NotedAnswer(Said, frozen=True, kw_only=True):
    """The request is durable; how it ends is told on the stream."""

    count: int
    """How many orders or things it concerns."""
    waits_for: str
    """What is still needed before it takes effect; empty: nothing."""


class Child(Said, frozen=True, kw_only=True):
    """One order at one venue."""

    child_id: str
    decision_id: str
    mic: str
    tactic: str
    lane: str
    side: str
    type: str
    status: str
    qty: Decimal
    cum_qty: Decimal
    leaves_qty: Decimal
    limit_price: Decimal | None
    average_price: Decimal | None
    time_in_force: str
    venue_order_id: str
    created_time: datetime
    updated_time: datetime
    reason: str


class ChildPage(Said, frozen=True, kw_only=True):
    """A page of children, oldest first."""

    children: tuple[Child, ...]
    next: str | None


class Execution(Said, frozen=True, kw_only=True):
    """One execution of a child. A busted one has status busted and no quantity any more."""

    exec_id: str
    child_id: str
    mic: str
    tactic: str
    status: str
    """executed, corrected, busted or inferred (known from the venue's cumulated quantity alone)."""
    qty: Decimal
    price: Decimal
    fee: Decimal
    """What the venue charges, negative for a rebate."""
    liquidity: str
    time: datetime


class ExecutionPage(Said, frozen=True, kw_only=True):
    """A page of executions, oldest first."""

    executions: tuple[Execution, ...]
    next: str | None


class LaneSaid(Said, frozen=True, kw_only=True):
    """A candidate of a decision: the parts of its score, what it got, and why nothing where that was nothing."""

    lane: str
    qty: Decimal
    probability: float
    """Share of this slice before lots and probes."""
    value_bps: float
    """What a filled share is worth: opportunity + price - fee - markout - leakage."""
    p: float
    """Probability that any of it fills."""
    mu: float
    """Mean quantity met when it fills."""
    price_bps: float
    fee_bps: float
    markout_bps: float
    leakage_bps: float
    weight: float
    reason: str


class ExclusionSaid(Said, frozen=True, kw_only=True):
    """A lane that was no candidate, or a limit that changed the split."""

    lane: str
    reason: str
    detail: str


class OutcomeSaid(Said, frozen=True, kw_only=True):
    """What became later of one child of a decision."""

    child_id: str
    lane: str
    status: str
    qty: Decimal
    cum_qty: Decimal
    average_price: Decimal | None
    markouts_bps: dict[str, float]
    """By horizon in seconds, weighted by quantity; positive is good."""


class Decision(Said, frozen=True, kw_only=True):
    """Why this venue: one decision with everything that it looked at, and what became of it."""

    decision_id: str
    time: datetime
    side: str
    slice_qty: Decimal
    policy: str
    policy_version: int
    model_digest: str
    mode: str
    arm: str
    fall_back: str
    """Why the learner's policy was not used; empty when it was."""
    opportunity_bps: float
    propensity: float
    """The probability of what was drawn, under the policy and its probes."""
    draw: float
    probe_lane: str
    style: str
    lanes: tuple[LaneSaid, ...]
    exclusions: tuple[ExclusionSaid, ...]
    limits: tuple[ExclusionSaid, ...]
    outcomes: tuple[OutcomeSaid, ...]


class DecisionPage(Said, frozen=True, kw_only=True):
    """A page of decisions, oldest first."""

    decisions: tuple[Decision, ...]
    next: str | None


class Tca(Said, frozen=True, kw_only=True):
    """What the order's executions cost so far; costs are positive. None where it cannot be known yet."""

    order_id: str
    cum_qty: Decimal
    average_price: Decimal | None
    arrival_price: Decimal | None
    """The mid when it was accepted for work."""
    arrival_slippage_bps: float | None
    """Of the average price against the arrival price."""
    routing_cost_bps: float | None
    """Of each execution's price against the mid when its child was routed, and the fees."""
    fees: Decimal
    fees_bps: float | None
    markouts_bps: dict[str, float]
    """By horizon in seconds, weighted by quantity; positive is good."""
    by_venue: tuple[VenueTca, ...]


class VenueTca(Said, frozen=True, kw_only=True):
    """The same, of one venue."""

    mic: str
    children: int
    routed_qty: Decimal
    filled_qty: Decimal
    fill_rate: float
    average_price: Decimal | None
    routing_cost_bps: float | None
    fees: Decimal
    markouts_bps: dict[str, float]


class RouteChild(Said, frozen=True, kw_only=True):
    """An order that would be sent."""

    child_id: str
    mic: str
    tactic: str
    lane: str
    qty: Decimal
    type: str
    limit_price: Decimal | None
    time_in_force: str
    min_qty: Decimal
    context: tuple[float, ...]
    """To be given back with its outcomes."""


class RouteAnswer(Said, frozen=True, kw_only=True):
    """How the slice would be split now."""

    decision_id: str
    symbol: str
    time: datetime
    """The market's."""
    policy: str
    policy_version: int
    fall_back: str
    mode: str
    opportunity_bps: float
    propensity: float
    bid_price: Decimal | None
    ask_price: Decimal | None
    children: tuple[RouteChild, ...]
    lanes: tuple[LaneSaid, ...]
    exclusions: tuple[ExclusionSaid, ...]
