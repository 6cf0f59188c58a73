"""The auditor: reads a journal of parents, event by event, and says which invariant does not hold, and where.

It is used on the journal after kill tests and on the tail of a live one. What a journal cannot know (what was
acknowledged to clients, what was killed, which link was down) is told to it as facts.

Rule of this file: it counts by itself. The life cycles' tables are asked for one thing only, whether a transition is
legal (I7); every sum is made here from the events.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from router.domain.enums import OrdStatus
from router.domain.errors import DefectError
from router.domain.events import (
    ChildAcknowledged,
    ChildCancelRequested,
    ChildIntended,
    ChildLost,
    ChildOut,
    ChildReconciled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildRequestRefused,
    ChildSent,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    DecisionMade,
    Event,
    ParentAccepted,
    ParentDone,
    ParentReplaced,
    ParentResumed,
    ParentSuspended,
    ReportIgnored,
)
from router.domain.units import SECOND, Nanos
from router.orders import child as child_life_cycle
from router.orders import parent as life_cycle
from router.risk.audited import AuditedChild, AuditedParent
from router.risk.facts import Accepted, AuditLimits, Cut, Killed, Violation


class Auditor:
    """Follows a journal. `take` returns what one event breaks; `finish` what is broken by what never came."""

    def __init__(
        self,
        accepts: Sequence[Accepted] = (),
        kills: Sequence[Killed] = (),
        cuts: Sequence[Cut] = (),
        limits: AuditLimits | None = None,
    ) -> None:
        self.parents: dict[str, AuditedParent] = {}
        self._accepts, self._kills, self._cuts = accepts, kills, cuts
        self._accounts = {fact.parent_id: fact.account for fact in accepts}
        self._limits = limits or AuditLimits()
        self._ids: dict[tuple[str, str], str] = {}
        self._books: dict[tuple[str, str], int] = {}
        self._leaves: dict[tuple[str, str, int], int] = {}
        self._offset = -1
        self._found: list[Violation] = []

    def take(self, offset: int, event: Event) -> list[Violation]:
        """Follow one event and return the violations it brings."""
        self._offset, self._found = offset, []
        if isinstance(event, ParentAccepted):
            self._accept(event)
            return self._found
        parent = self.parents.get(event.parent_id)
        if parent is None:
            self._say("I10", f"expected an accepted parent, got {event.parent_id} - at {type(event).__name__}")
            return self._found
        self._ask_tables(parent, event)
        step = _STEPS.get(type(event))
        if step is not None:
            name = getattr(event, "cl_ord_id", "")
            before = parent.totals(name)
            step(self, parent, event)
            parent.move(before, parent.totals(name))
            self._check_sums(parent, event, name)
        return self._found

    def finish(self) -> list[Violation]:
        """Return what is broken at the end: acknowledged orders that are not there, children a kill passed over."""
        self._offset, self._found = -1, []
        for fact in self._accepts:
            if fact.parent_id not in self.parents:
                self._say("I11", f"expected an acknowledged order in the journal - at {fact.parent_id}")
        for kill in self._kills:
            for parent, child in self._children():
                if kill.covers(self._facts(parent), child.child.mic) and child.is_passed_over(kill.at):
                    self._say("I19", f"expected a cancel after the kill of {kill.level} - at {child.child.cl_ord_id}")
        for parent in self.parents.values():
            is_over = any(child.cum_qty > child.whole_qty for child in parent.children.values())
            if is_over and parent.suspended_at is None and parent.done is None:
                self._say("I3", f"expected an over-filled parent to stop - at {parent.order.parent_id}")
        return self._found

    def _say(self, invariant: str, text: str) -> None:
        self._found.append(Violation(invariant, self._offset, text))

    def _children(self) -> Iterable[tuple[AuditedParent, AuditedChild]]:
        return ((parent, child) for parent in self.parents.values() for child in parent.children.values())

    def _facts(self, parent: AuditedParent) -> tuple[str, str, str]:
        return self._accounts.get(parent.order.parent_id, ""), parent.order.strategy, parent.order.symbol

    def _ask_tables(self, parent: AuditedParent, event: Event) -> None:
        """I7, by the tables themselves; a parent they refused once is not asked about again."""
        if parent.state is None:
            return
        try:
            life_cycle.apply(parent.state, event)
        except (DefectError, KeyError) as refused:
            self._say("I7", f"{refused} - at {type(event).__name__}")
            parent.state = None

    def _accept(self, event: ParentAccepted) -> None:
        order, account = event.parent, self._accounts.get(event.parent_id, "")
        if event.parent_id in self.parents:
            self._say("I12", f"expected a parent to be accepted once - at {event.parent_id}")
            return
        self._own_id(account, order.client_order_id, event.parent_id)
        self.parents[event.parent_id] = AuditedParent(order, life_cycle.accepted(event))
        self._expose(self.parents[event.parent_id], order.order_qty)

    def _own_id(self, account: str, client_order_id: str, parent_id: str) -> None:
        owner = self._ids.setdefault((account, client_order_id), parent_id)
        if owner != parent_id:
            self._say("I12", f"expected one order of {client_order_id}, got {owner} and {parent_id}")

    def _expose(self, parent: AuditedParent, qty: int) -> None:
        """I20: count so many more leaves of the account, and hold what they could come to against the limit."""
        order = parent.order
        account, sign, most = self._accounts.get(order.parent_id, ""), order.side.sign, self._limits.position_max
        leaves = self._leaves.get((account, order.symbol, sign), 0) + qty
        self._leaves[account, order.symbol, sign] = leaves
        worst = self._books.get((account, order.symbol), 0) * sign + leaves
        if most is not None and qty > 0 and worst > most:
            self._say("I20", f"expected a position up to {most} after all leaves, got {worst} - at {order.parent_id}")

    def _change_terms(self, parent: AuditedParent, event: ParentReplaced) -> None:
        terms, least = event.parent, parent.held_qty - parent.excess_qty
        if terms.order_qty < least:
            self._say("I9", f"expected a quantity from {least}, got {terms.order_qty} - at {event.request_id}")
        if (terms.side, terms.symbol) != (parent.order.side, parent.order.symbol):
            self._say("I9", f"expected the same side and symbol - at {event.request_id}")
        self._own_id(self._accounts.get(event.parent_id, ""), terms.client_order_id, event.parent_id)
        more, parent.order = terms.order_qty - parent.order.order_qty, terms
        for name, child in parent.children.items():
            if child.leaves_qty:
                self._check_price(parent, child.price, name)
        self._expose(parent, more)

    def _resume(self, parent: AuditedParent, event: ParentResumed) -> None:
        parent.suspended_at = None

    def _decide(self, parent: AuditedParent, event: DecisionMade) -> None:
        decision = event.decision
        parent.decision_id, parent.excluded = decision.decision_id, {e.lane: e.reason for e in decision.exclusions}

    def _intend(self, parent: AuditedParent, event: ChildIntended) -> None:
        order, child = parent.order, event.child
        name = child.cl_ord_id
        if name in parent.children:
            self._say("I4", f"expected a new child id, got {name}")
            return
        if child.decision_id != parent.decision_id:
            self._say(
                "I10", f"expected the decision {parent.decision_id} before it, got {child.decision_id} - at {name}"
            )
        if child.side is not order.side or child.symbol != order.symbol:
            self._say("I6", f"expected {order.side} {order.symbol}, got {child.side} {child.symbol} - at {name}")
        self._check_price(parent, child.price, name)
        if parent.suspended_at is not None or parent.done is not None:
            self._say("I3", f"expected no child of a stopped parent, got {name}")
        if child.lane in parent.excluded:
            self._say("I23", f"expected no child on a lane excluded as {parent.excluded[child.lane]}, got {name}")
        for cut in self._cuts:
            if cut.mic == child.mic and cut.from_at <= event.at < cut.until:
                self._say("I23", f"expected nothing for {child.mic} while {cut.reason}, got {name}")
        for kill in self._kills:
            if kill.covers(self._facts(parent), child.mic) and kill.at < event.at < kill.until:
                self._say("I19", f"expected no child after the kill of {kill.level} {kill.target}, got {name}")
        parent.children[name] = AuditedChild(child, event.at)
        self._check_rate(parent, event.at)

    def _check_price(self, parent: AuditedParent, price: int | None, name: str) -> None:
        limit, sign = parent.order.price, parent.order.side.sign
        if limit is not None and (price is None or (price - limit) * sign > 0):
            self._say("I6", f"expected a price within the parent's {limit}, got {price} - at {name}")

    def _check_rate(self, parent: AuditedParent, at: Nanos) -> None:
        limits, times = self._limits, parent.intended
        times.append(at)
        while times[0] <= at - SECOND:
            times.popleft()
        if len(times) > limits.children_per_s:
            self._say("I21", f"expected up to {limits.children_per_s} children in a second, got {len(times)}")
        if len(parent.children) > limits.children_max:
            self._say("I21", f"expected up to {limits.children_max} children, got {len(parent.children)}")

    def _of(self, parent: AuditedParent, event: Any) -> AuditedChild | None:
        child = parent.children.get(event.cl_ord_id)
        if child is None:
            self._say("I10", f"expected an intent before it - at {type(event).__name__} {event.cl_ord_id}")
        return child

    def _send(self, parent: AuditedParent, event: ChildSent | ChildLost | ChildAcknowledged) -> None:
        child = self._of(parent, event)
        if child is not None and isinstance(event, ChildLost):
            child.is_unknown = True
        elif child is not None and isinstance(event, ChildAcknowledged):
            child.is_unknown = False

    def _trade(self, parent: AuditedParent, event: ChildTraded) -> None:
        child = self._of(parent, event)
        if child is None:
            return
        key = child.child.mic, event.exec_id
        if key in parent.executions:
            self._say("I4", f"expected execution {key} to count once")
            return
        if event.last_qty < 1 or event.replaces_inferred_qty > min(child.inferred_qty, event.last_qty):
            self._say("I1", f"expected an execution of at least 1 share, got {event.last_qty} - at {event.exec_id}")
        # An inferred fill carries the time of the query, not of an execution.
        is_after_out = 0 < child.out_at < event.transacted_at and not event.is_inferred
        if is_after_out and parent.flagged != event.exec_id:
            self._say("I8", f"expected no fill after {child.out_at}, got {event.transacted_at} - at {event.exec_id}")
        parent.executions[key] = event.last_qty
        child.executions[event.exec_id] = event.last_qty
        child.inferred_qty += event.last_qty if event.is_inferred else -event.replaces_inferred_qty
        child.replaced_qty += event.replaces_inferred_qty
        self._fill(parent, child, event.last_qty - event.replaces_inferred_qty)

    def _fill(self, parent: AuditedParent, child: AuditedChild, qty: int) -> None:
        child.cum_qty += qty
        parent.cum_qty += qty
        order, account = parent.order, self._accounts.get(parent.order.parent_id, "")
        symbol, sign = order.symbol, order.side.sign
        self._books[account, symbol] = self._books.get((account, symbol), 0) + qty * sign
        if parent.done is None:
            self._leaves[account, symbol, sign] -= qty
        child.settle()

    def _amend(self, parent: AuditedParent, event: ChildTradeCanceled | ChildTradeCorrected) -> None:
        child = self._of(parent, event)
        if child is None:
            return
        key = child.child.mic, event.exec_id
        if event.exec_ref_id not in child.executions:
            self._say("I5", f"expected a known execution, got {event.exec_ref_id} - at {event.exec_id}")
            return
        if key in parent.executions:
            self._say("I5", f"expected {key} to be applied once")
            return
        qty, replaced = 0, 0
        if isinstance(event, ChildTradeCorrected):
            qty, replaced = event.last_qty, event.replaces_inferred_qty
        if not 0 <= replaced <= child.inferred_qty:
            self._say("I1", f"expected to replace up to {child.inferred_qty}, got {replaced} - at {event.exec_id}")
        parent.executions[key] = 0
        taken = child.executions[event.exec_ref_id] - qty
        child.executions[event.exec_ref_id] = qty
        child.inferred_qty -= replaced
        child.replaced_qty += replaced
        self._fill(parent, child, -taken - replaced)
        if taken > 0 and not child.is_open:
            # What it took back of a closed child it does not owe again: given after all, that is its own act.
            child.final_qty = child.cum_qty if child.final_qty is None else min(child.final_qty, child.cum_qty)

    def _end(self, parent: AuditedParent, event: ChildOut | ChildRejected | ChildReconciled) -> None:
        child = self._of(parent, event)
        if child is None:
            return
        child.is_unknown = False
        if isinstance(event, ChildOut):
            child.out_at = event.transacted_at
            child.close(event.cum_qty)
        elif isinstance(event, ChildRejected):
            child.close(child.cum_qty)
        else:
            if event.order_qty and event.order_qty == child.asked_qty:
                child.order_qty, child.asked_qty, child.request_id = event.order_qty, 0, ""
            if event.ord_status in child_life_cycle.CLOSED:
                child.close(event.cum_qty)

    def _ask_replace(self, parent: AuditedParent, event: ChildReplaceRequested) -> None:
        child = self._of(parent, event)
        if child is None:
            return
        if event.order_qty < max(child.cum_qty, 1):
            self._say(
                "I9", f"expected a replace to {child.cum_qty} or more, got {event.order_qty} - at {event.request_id}"
            )
        if child.request_id:
            self._say("I9", f"expected no fork of {child.request_id}, got {event.request_id}")
        self._check_price(parent, event.price, event.request_id)
        child.request_id, child.asked_qty = event.request_id, event.order_qty

    def _replaced(self, parent: AuditedParent, event: ChildReplaced) -> None:
        child = self._of(parent, event)
        if child is None:
            return
        if event.request_id != child.request_id:
            self._say("I9", f"expected the replace {child.request_id or 'none'}, got {event.request_id}")
        child.order_qty, child.asked_qty, child.request_id = event.order_qty, 0, ""
        child.price, child.is_unknown = event.price, False
        child.settle()

    def _refused(self, parent: AuditedParent, event: ChildRequestRefused) -> None:
        child = self._of(parent, event)
        if child is not None and event.request_id == child.request_id:
            child.request_id, child.asked_qty = "", 0

    def _ask_cancel(self, parent: AuditedParent, event: ChildCancelRequested) -> None:
        child = self._of(parent, event)
        if child is not None:
            child.cancel_asked_at = event.at

    def _stop(self, parent: AuditedParent, event: ParentSuspended | ParentDone) -> None:
        if isinstance(event, ParentSuspended):
            parent.suspended_at = event.at
            return
        if parent.done is None:
            self._expose(parent, parent.cum_qty - parent.order.order_qty)
        parent.done = event.ord_status
        left = [name for name, child in parent.children.items() if child.leaves_qty]
        if left:
            self._say("I1", f"expected no leaves of a closed parent, got {', '.join(left)}")
        if (event.ord_status is OrdStatus.FILLED) != (parent.cum_qty >= parent.order.order_qty):
            self._say("I3", f"expected FILLED exactly with {parent.order.order_qty} filled, got {parent.cum_qty}")

    def _ignore(self, parent: AuditedParent, event: ReportIgnored) -> None:
        parent.flagged = event.exec_id if event.reason == "EXECUTED_AFTER_OUT" else parent.flagged

    def _check_sums(self, parent: AuditedParent, event: Event, name: str) -> None:
        """I1 and I2 after each event that may move quantity, I3 over all children once the parent ends."""
        child = parent.children.get(name)
        if child is not None and child.cum_qty < 0:
            self._say("I1", f"expected a cum_qty from 0, got {child.cum_qty} - at {name}")
        # What venues executed beyond what they were asked for is no act of ours.
        most = parent.order.order_qty + parent.excess_qty
        if parent.held_qty > most:
            self._say("I2", f"expected cum, leaves and unknown up to {most}, got {parent.held_qty} - at {name}")
        if isinstance(event, ParentDone):
            total = sum(sum(child.executions.values()) for child in parent.children.values())
            missing = sum(child.replaced_qty for child in parent.children.values())
            if total - missing != parent.cum_qty:
                self._say("I3", f"expected executions to sum to {parent.cum_qty}, got {total - missing}")


_STEPS: dict[type, Callable[[Auditor, AuditedParent, Any], None]] = {
    DecisionMade: Auditor._decide,
    ChildIntended: Auditor._intend,
    ChildSent: Auditor._send,
    ChildLost: Auditor._send,
    ChildAcknowledged: Auditor._send,
    ChildTraded: Auditor._trade,
    ChildTradeCanceled: Auditor._amend,
    ChildTradeCorrected: Auditor._amend,
    ChildOut: Auditor._end,
    ChildRejected: Auditor._end,
    ChildReconciled: Auditor._end,
    ChildReplaceRequested: Auditor._ask_replace,
    ChildReplaced: Auditor._replaced,
    ChildRequestRefused: Auditor._refused,
    ChildCancelRequested: Auditor._ask_cancel,
    ParentSuspended: Auditor._stop,
    ParentDone: Auditor._stop,
    ParentResumed: Auditor._resume,
    ParentReplaced: Auditor._change_terms,
    ReportIgnored: Auditor._ignore,
}
"""What each event changes in the auditor's own books; what is not here moves no quantity."""


def audit(
    events: Iterable[tuple[int, Event]],
    accepts: Sequence[Accepted] = (),
    kills: Sequence[Killed] = (),
    cuts: Sequence[Cut] = (),
    limits: AuditLimits | None = None,
) -> list[Violation]:
    """Return every violation of I1..I12, I19..I21 and I23 in a journal's (offset, event), in its order.

    >>> audit([])
    []
    >>> [found.invariant for found in audit([], accepts=[Accepted("P1", "A1")])]
    ['I11']
    """
    auditor = Auditor(accepts, kills, cuts, limits)
    found = [violation for offset, event in events for violation in auditor.take(offset, event)]
    return [*found, *auditor.finish()]
