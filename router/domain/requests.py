"""What people and programs ask of the desk, and what they are answered.

Rule of this file: a request names who asks and for which account, and a request sent twice asks for the same thing;
nothing here says how it reached us.
"""

from __future__ import annotations

import msgspec

from router.domain.orders import ParentOrder
from router.domain.scores import Outcome
from router.domain.units import Nanos, Px, Qty


class Principal(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """Who asks: a person or a program that has shown who it is. `accounts` are those it may act for; "*" is all."""

    name: str
    role: str
    """trader, operator, risk, read_only or auditor."""
    accounts: tuple[str, ...] = ()
    session: str = ""
    """The connection or key it came by: what message rates are counted by."""

    def may_act_for(self, account: str) -> bool:
        """Whether it may act for an account."""
        return "*" in self.accounts or account in self.accounts


class _Request(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    principal: Principal
    correlation_id: str = ""
    """Given by whoever asked, or made at the door: it stands in every record that follows."""


class SubmitOrder(_Request, frozen=True, tag="submit"):
    """Work this order. `order.parent_id` is given by the desk: it comes as "-".

    `body_hash` tells whether a second order under the same (account, client_order_id) is the same order.
    """

    order: ParentOrder
    body_hash: str
    is_manual: bool = False
    """A person must approve it before it is worked."""
    is_located: bool = False
    """For a short sale: the shares to borrow have been located."""


class CancelOrder(_Request, frozen=True, tag="cancel_order"):
    """End this order: its children are cancelled first."""

    parent_id: str
    reason: str = "client"


class CancelAll(_Request, frozen=True, tag="cancel_all"):
    """End every open order of an account (of all the principal's accounts when empty), of one symbol or of all."""

    account: str = ""
    symbol: str = ""
    reason: str = "client"


class ReplaceOrder(_Request, frozen=True, tag="replace_order"):
    """Change an order: None leaves a term as it is. The new quantity is in all, executions included.

    One that makes the order worth so much that a new one would wait for a person waits for one too.
    """

    parent_id: str
    order_qty: Qty | None = None
    price: Px | None = None
    end_at: Nanos | None = None
    urgency: float | None = None
    max_participation: float | None = None
    is_located: bool = False
    """For a short sale that grows: the shares to borrow for the difference have been located."""


class Kill(_Request, frozen=True, tag="kill"):
    """Stop trading at one level: strategy, symbol, venue, account, model or all (whose target is empty)."""

    level: str
    target: str
    why: str


class Rearm(_Request, frozen=True, tag="rearm"):
    """Lift a kill. "all" is lifted when a second person asks too."""

    level: str
    target: str
    why: str


class SetVenueState(_Request, frozen=True, tag="set_venue_state"):
    """ENABLED, DISABLED (its children are cancelled) or DRAINING (what rests there stays, nothing new goes)."""

    mic: str
    state: str
    why: str


HOSTS_MAX = 64
"""The most hosts of a desk: beyond some tens of actor processes a machine does nothing else."""

NODE_MAX = 128
"""The longest id of a node, in characters: those of Ray have 56."""


class ScaleHosts(_Request, frozen=True, tag="scale_hosts"):
    """Spread new orders over so many hosts from now on; orders that are there stay where they are."""

    hosts: int
    why: str


class SetNodeState(_Request, frozen=True, tag="set_node_state"):
    """OPEN, or DRAINING: what lives on the node moves to others, and nothing is placed on it."""

    node: str
    state: str
    why: str


class SetAccountState(_Request, frozen=True, tag="set_account_state"):
    """ACTIVE, REDUCING (only what lowers a position) or HALTED (nothing new)."""

    account: str
    state: str
    why: str


class SteerModel(_Request, frozen=True, tag="steer_model"):
    """promote, roll_back, freeze, unfreeze, pin or unpin a learner's release."""

    learner_id: str
    act: str
    why: str


class SetLimit(_Request, frozen=True, tag="set_limit"):
    """Change one risk limit or parameter from now on. `key` as in the configuration, `value` as its text."""

    key: str
    value: str
    why: str


class ReenableStrategy(_Request, frozen=True, tag="reenable_strategy"):
    """Let a strategy trade again that the repeated-execution throttle has stopped."""

    account: str
    strategy: str
    why: str


class ResumeOrder(_Request, frozen=True, tag="resume_order"):
    """Let a suspended order go on: a person has looked at it."""

    parent_id: str
    why: str


class JudgeApproval(_Request, frozen=True, tag="judge_approval"):
    """Approve an order or a change that waits for a person, or reject it. Nobody judges what he asked for himself."""

    approval_id: str
    is_approved: bool
    why: str = ""


class ReportOutcomes(_Request, frozen=True, tag="report_outcomes"):
    """What became of children that the caller executed elsewhere: the learners learn from it."""

    symbol: str
    outcomes: tuple[Outcome, ...]


Request = (
    SubmitOrder
    | CancelOrder
    | CancelAll
    | ReplaceOrder
    | Kill
    | Rearm
    | SetVenueState
    | ScaleHosts
    | SetNodeState
    | SetAccountState
    | SteerModel
    | SetLimit
    | ReenableStrategy
    | ResumeOrder
    | JudgeApproval
    | ReportOutcomes
)


class Denial(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """One reason why the risk gate refuses: `check` is the number of the check, `code` its coded reason."""

    check: int
    code: str
    text: str
    """Expected what, got what."""
    field: str = ""


class Accepted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="accepted"):
    """The order is durable. `is_new` is false when it was there already under the same id and with the same body."""

    parent_id: str
    is_new: bool
    approval_id: str = ""
    """Under which it waits for a person; empty: it is being worked."""


class Denied(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="denied"):
    """Refused by our own risk gate; nothing was sent anywhere."""

    denials: tuple[Denial, ...]


class Conflicting(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="conflicting"):
    """It cannot be as things stand: the client's id is taken by another order, or the order is over already."""

    code: str
    text: str
    parent_id: str = ""


class NotFound(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="not_found"):
    """There is no such thing, or none that this principal may see."""

    what: str


class NotReady(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="not_ready"):
    """Nothing was decided and nothing recorded: what it needs is not there now, and will be. Ask again as it is."""

    code: str
    text: str
    """Expected what, got what."""


class Noted(msgspec.Struct, frozen=True, gc=False, kw_only=True, tag="noted"):
    """The request is durable and will be carried out; how it ends is told on the account's stream."""

    count: int = 1
    """How many orders it concerns."""
    waits_for: str = ""
    """What is still needed before it takes effect: a second person."""


Answer = Accepted | Denied | Conflicting | NotFound | NotReady | Noted
