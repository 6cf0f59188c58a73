"""The second gate, where children leave for venues: it trusts neither the host nor the first gate, and counts itself.

Rule of this file: nothing here comes from the life cycles or from the risk gate; what may leave follows from what each
parent allows, from what has left, and from what venues reported. A child counts in full until its venue says otherwise.

A refusal is a text that begins with its code:

    UNKNOWN_PARENT   nobody said that there is such a parent, or it has ended
    DUPLICATE        the id has left before; the child it names is untouched, so this is no reject of it
    UNKNOWN_CHILD    a replace of what never left, or has ended
    BELOW_CUM        a replace to less than has been filled
    OTHER_ORDER      another side or symbol than the parent's
    NO_VENUE         a venue that the parent does not allow, or that nobody knows
    VENUE_CLOSED     a venue that is down, halted, disabled or killed, with the reason
    BLOCKED          the account, strategy, symbol or everything is killed
    OVER_PARENT      with what is out and filled it could come to more than the parent
    BEYOND_LIMIT     a price worse than the parent's, or none where the parent has one
    TOO_MANY         children of the parent in all, or unanswered replaces of a child
    TOO_FAST         children of the parent, or messages to the venue, in a second
    FULL             more parents than this gate carries

Cancels and status requests always pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import msgspec

from router.domain.enums import ExecType, Side
from router.domain.orders import Command, NewOrderSingle, OrderCancelReplaceRequest, ParentOrder
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.units import SECOND, Nanos, Px, Qty
from router.orders.gate_child import GateChild

PARENTS_MAX = 100_000
"""Parents that may send children at once."""

ENDED_MAX = 10_000
"""Ended parents whose late reports are still placed; the oldest are forgotten first."""

REPLACES_MAX = 100
"""Unanswered replaces of one child."""


class VenueGateLimits(NamedTuple):
    """How many children a parent may send, and how many messages a venue may get."""

    children_per_s: int = 200
    children_max: int = 100_000
    venue_messages_per_s: int = 1_000


class ParentFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a parent allows, told by whoever accepted it and not by the host that works it."""

    parent_id: str
    symbol: str
    side: Side
    order_qty: Qty
    price: Px | None = None
    venues_allow: tuple[str, ...] = ()
    venues_deny: tuple[str, ...] = ()
    account: str = ""
    strategy: str = ""


def facts_of(parent: ParentOrder, account: str = "") -> ParentFacts:
    """Return what a parent order allows."""
    return ParentFacts(
        parent_id=parent.parent_id,
        symbol=parent.symbol,
        side=parent.side,
        order_qty=parent.order_qty,
        price=parent.price,
        venues_allow=parent.venues_allow,
        venues_deny=parent.venues_deny,
        account=account,
        strategy=parent.strategy,
    )


@dataclass(slots=True)
class _Parent:
    facts: ParentFacts
    bound_qty: Qty = 0
    """The sum over its children."""
    children: dict[str, GateChild] = field(default_factory=dict)
    is_open: bool = True


class _Rate:
    """At most so many of a thing within any second of event time."""

    def __init__(self) -> None:
        self._buckets: dict[str, tuple[int, Nanos]] = {}

    def parts(self, key: str, now: Nanos, per_s: int) -> int:
        parts, since = self._buckets.get(key, (per_s * SECOND, now))
        return min(parts + max(now - since, 0) * per_s, per_s * SECOND)

    def count(self, key: str, now: Nanos, per_s: int) -> None:
        since = self._buckets.get(key, (0, now))[1]
        self._buckets[key] = (self.parts(key, now, per_s) - SECOND, max(now, since))

    def forget(self, key: str) -> None:
        self._buckets.pop(key, None)


class VenueGate:
    """One gate before any number of venues."""

    def __init__(self, venues: Sequence[str], limits: VenueGateLimits | None = None) -> None:
        self._venues = frozenset(venues)
        self._limits = limits or VenueGateLimits()
        self._parents: dict[str, _Parent] = {}
        self._ended: dict[str, _Parent] = {}
        self._closed: dict[str, dict[str, None]] = {}
        self._blocked: dict[tuple[str, str], None] = {}
        self._children, self._messages = _Rate(), _Rate()
        self.unplaced = 0
        """Reports about children that never left here, or are forgotten."""

    def set_limits(self, limits: VenueGateLimits) -> None:
        """Let other limits hold from now on; what has left counts on."""
        self._limits = limits

    def open_parent(self, facts: ParentFacts) -> str | None:
        """Let a parent's children leave; told again with other terms, those hold from now on."""
        known = self._parents.get(facts.parent_id)
        if known is not None:
            same = (known.facts.symbol, known.facts.side) == (facts.symbol, facts.side)
            if not same:
                return _refusal(
                    "OTHER_ORDER", f"{known.facts.side} {known.facts.symbol}", facts.symbol, facts.parent_id
                )
            known.facts = facts
            return None
        if facts.parent_id in self._ended:
            return _refusal("DUPLICATE", "a new parent", facts.parent_id, "parent")
        if len(self._parents) >= PARENTS_MAX:
            return _refusal("FULL", f"up to {PARENTS_MAX} parents", len(self._parents) + 1, facts.parent_id)
        self._parents[facts.parent_id] = _Parent(facts)
        return None

    def end_parent(self, parent_id: str) -> None:
        """Let no more children of a parent leave; what is out is still heard of."""
        parent = self._parents.pop(parent_id, None)
        if parent is None:
            return
        parent.is_open = False
        self._ended[parent_id] = parent
        self._children.forget(parent_id)
        if len(self._ended) > ENDED_MAX:
            del self._ended[next(iter(self._ended))]

    def close_venue(self, mic: str, reason: str) -> None:
        """Let nothing new leave for a venue; reasons are kept apart, so that each is taken back by itself."""
        self._closed.setdefault(mic, {})[reason] = None

    def open_venue(self, mic: str, reason: str) -> None:
        """Take one reason back."""
        reasons = self._closed.get(mic, {})
        reasons.pop(reason, None)
        if not reasons:
            self._closed.pop(mic, None)

    def block(self, level: str, target: str = "") -> None:
        """Let nothing new of an ACCOUNT, STRATEGY or SYMBOL leave, or of ALL."""
        self._blocked[level, target] = None

    def unblock(self, level: str, target: str = "") -> None:
        """Take a block back."""
        self._blocked.pop((level, target), None)

    def free_busted(self, parent_id: str) -> Qty:
        """Let a parent route again what venues took back of it, and return how much; a person decides that."""
        parent = self._parents.get(parent_id)
        if parent is None:
            return 0
        before = parent.bound_qty
        for child in parent.children.values():
            child.busted_qty = 0
        parent.bound_qty = sum(child.bound_qty for child in parent.children.values())
        return before - parent.bound_qty

    def room(self, parent_id: str) -> Qty:
        """Return how much more of a parent may leave; below 0 when venues executed too much."""
        parent = self._parents.get(parent_id)
        return 0 if parent is None else parent.facts.order_qty - parent.bound_qty

    def admit(self, command: Command, now: Nanos) -> str | None:
        """Return why a command must not leave, or None and count it as gone."""
        if isinstance(command, NewOrderSingle):
            refused = self._new(command, now)
        elif isinstance(command, OrderCancelReplaceRequest):
            refused = self._replace(command, now)
        else:
            return None
        if refused is None:
            self._messages.count(command.mic, now, self._limits.venue_messages_per_s)
        return refused

    def hear(self, report: Report) -> None:
        """Take what a venue says of a child; what is said twice counts once."""
        is_refusal = isinstance(report, OrderCancelReject)
        is_request = is_refusal or (isinstance(report, ExecutionReport) and report.exec_type is ExecType.REPLACED)
        child_id = report.orig_cl_ord_id if is_request else report.cl_ord_id
        parent_id = child_id.rpartition(".")[0]
        parent = self._parents.get(parent_id) or self._ended.get(parent_id)
        child = None if parent is None else parent.children.get(child_id)
        if parent is None or child is None or child.mic != report.mic:
            self.unplaced += 1
            return
        before = child.bound_qty
        child.hear(report)
        parent.bound_qty += child.bound_qty - before

    def _new(self, command: NewOrderSingle, now: Nanos) -> str | None:
        child = command.child
        parent = self._parents.get(child.parent_id)
        if parent is None or child.cl_ord_id.rpartition(".")[0] != child.parent_id:
            return _refusal("UNKNOWN_PARENT", "an open parent", child.parent_id, child.cl_ord_id)
        facts = parent.facts
        if child.cl_ord_id in parent.children:
            return _refusal("DUPLICATE", "an id that has not left", child.cl_ord_id, child.parent_id)
        if child.side is not facts.side or child.symbol != facts.symbol:
            got = f"{child.side} {child.symbol}"
            return _refusal("OTHER_ORDER", f"{facts.side} {facts.symbol}", got, child.cl_ord_id)
        if len(parent.children) >= self._limits.children_max:
            most = f"up to {self._limits.children_max} children"
            return _refusal("TOO_MANY", most, len(parent.children) + 1, child.cl_ord_id)
        if self._children.parts(child.parent_id, now, self._limits.children_per_s) < SECOND:
            most = f"up to {self._limits.children_per_s} children a second"
            return _refusal("TOO_FAST", most, "one more", child.cl_ord_id)
        refused = self._may_leave(parent, child.cl_ord_id, child.mic, child.price, child.order_qty, now)
        if refused is None:
            parent.children[child.cl_ord_id] = GateChild(child.mic, child.order_qty)
            parent.bound_qty += child.order_qty
            self._children.count(child.parent_id, now, self._limits.children_per_s)
        return refused

    def _replace(self, command: OrderCancelReplaceRequest, now: Nanos) -> str | None:
        parent = self._parents.get(command.parent_id)
        child = None if parent is None else parent.children.get(command.orig_cl_ord_id)
        if parent is None or child is None or not child.is_open or child.mic != command.mic:
            return _refusal("UNKNOWN_CHILD", "a child that is out there", command.orig_cl_ord_id, command.cl_ord_id)
        if command.cl_ord_id in child.asked:
            return _refusal("DUPLICATE", "a request that has not left", command.cl_ord_id, command.parent_id)
        least = max(child.cum_qty, 1)
        if command.order_qty < least:
            return _refusal("BELOW_CUM", f"a quantity from {least}", command.order_qty, command.cl_ord_id)
        if len(child.asked) >= REPLACES_MAX:
            return _refusal("TOO_MANY", f"up to {REPLACES_MAX} replaces", len(child.asked) + 1, command.cl_ord_id)
        more = max(command.order_qty - child.bound_qty, 0)
        refused = self._may_leave(parent, command.cl_ord_id, command.mic, command.price, more, now, is_new=False)
        if refused is None:
            child.asked[command.cl_ord_id] = command.order_qty
            parent.bound_qty += more
        return refused

    def _may_leave(
        self, parent: _Parent, name: str, mic: str, price: Px | None, more: Qty, now: Nanos, *, is_new: bool = True
    ) -> str | None:
        facts = parent.facts
        is_allowed = mic in self._venues and (not facts.venues_allow or mic in facts.venues_allow)
        if not is_allowed or mic in facts.venues_deny:
            return _refusal("NO_VENUE", f"one of {facts.venues_allow} without {facts.venues_deny}", mic, name)
        if mic in self._closed:
            return _refusal("VENUE_CLOSED", "an open venue", f"{mic} {', '.join(self._closed[mic])}", name)
        for key in (("ALL", ""), ("ACCOUNT", facts.account), ("STRATEGY", facts.strategy), ("SYMBOL", facts.symbol)):
            if key in self._blocked:
                return _refusal("BLOCKED", "what is not killed", " ".join(key).strip(), name)
        room = facts.order_qty - parent.bound_qty
        if more > max(room, 0) or (is_new and more < 1):
            return _refusal("OVER_PARENT", f"1 to {max(room, 0)} shares", more, name)
        limit = facts.price
        if limit is not None and (price is None or (price - limit) * facts.side.sign > 0):
            return _refusal("BEYOND_LIMIT", f"a price within {limit}", price, name)
        per_s = self._limits.venue_messages_per_s
        if self._messages.parts(mic, now, per_s) < SECOND:
            return _refusal("TOO_FAST", f"up to {per_s} messages a second to {mic}", "one more", name)
        return None


def _refusal(code: str, expected: str, got: object, where: str) -> str:
    return f"{code}: expected {expected}, got {got!r} - at {where}"


def is_refusal(text: str) -> bool:
    """Whether a reject's text is a refusal of this gate, and not a venue's own.

    >>> is_refusal(_refusal("TOO_FAST", "up to 1", "one more", "P1.7")), is_refusal("no such order")
    (True, False)
    """
    code, separator, _ = text.partition(": expected ")
    return bool(separator) and code.replace("_", "").isalpha() and code.isupper()
