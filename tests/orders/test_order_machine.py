"""A parent against honest venues over a bad link: whatever is lost, repeated or overtaken, nothing is over-filled, and
once the link heals every child ends with exactly what its venue executed.

Rule of this file: the model venue keeps the truth; ours must come to it through reports, silence and queries alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from order_material import MIC, PX, S, ids, intended, new_parent

from router.domain.enums import ExecType, OrdStatus, TimeInForce
from router.domain.events import ChildSent, Event
from router.domain.orders import Command, NewOrderSingle, OrderCancelRequest
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.units import SECOND
from router.orders import hearing, saying
from router.orders import parent as parents
from router.orders.parent import ParentState, check_invariants

QTY = 500
TIMEOUT = 2 * SECOND
LIFE = 30 * SECOND


@dataclass
class Held:
    """An order as its venue has it."""

    order_qty: int
    expire_time: int
    cum_qty: int = 0
    status: OrdStatus = S.NEW


class ModelVenue:
    """A venue that keeps its protocol: it answers every message once, and a resent one with a status."""

    def __init__(self) -> None:
        self.orders: dict[str, Held] = {}
        self.reports: list[Report] = []
        self._n = 0

    def take(self, command: Command, now: int) -> None:
        if isinstance(command, NewOrderSingle):
            child = command.child
            if child.cl_ord_id in self.orders:
                self._say(child.cl_ord_id, ExecType.ORDER_STATUS, now)
                return
            assert child.expire_time is not None
            self.orders[child.cl_ord_id] = Held(child.order_qty, child.expire_time)
            self._say(child.cl_ord_id, ExecType.NEW, now)
            return
        name = command.orig_cl_ord_id
        held = self.orders.get(name)
        if isinstance(command, OrderCancelRequest):
            if held is not None and held.status in (S.NEW, S.PARTIALLY_FILLED):
                held.status = S.CANCELED
                self._say(name, ExecType.CANCELED, now)
            else:
                status = held.status if held is not None else S.REJECTED
                self.reports.append(
                    OrderCancelReject(
                        mic=MIC,
                        cl_ord_id=command.cl_ord_id,
                        orig_cl_ord_id=name,
                        ord_status=status,
                        transact_time=now,
                    )
                )
        else:
            self._say(name, ExecType.ORDER_STATUS, now)

    def fill(self, name: str, qty: int, now: int) -> None:
        held = self.orders[name]
        held.cum_qty += qty
        held.status = S.FILLED if held.cum_qty == held.order_qty else S.PARTIALLY_FILLED
        self._say(name, ExecType.TRADE, now, last_qty=qty, last_px=PX)

    def expire(self, now: int) -> None:
        for name, held in self.orders.items():
            if held.status in (S.NEW, S.PARTIALLY_FILLED) and held.expire_time <= now:
                held.status = S.EXPIRED
                self._say(name, ExecType.EXPIRED, now)

    def _say(self, name: str, exec_type: ExecType, now: int, **changes: Any) -> None:
        self._n += 1
        held = self.orders.get(name)
        self.reports.append(
            ExecutionReport(
                mic=MIC,
                cl_ord_id=name,
                order_id=f"V-{name}",
                exec_id=f"{MIC}-{self._n}",
                exec_type=exec_type,
                ord_status=S.REJECTED if held is None else held.status,
                transact_time=now,
                cum_qty=0 if held is None else held.cum_qty,
                avg_px=PX,
                **changes,
            )
        )


class OrderMachine(RuleBasedStateMachine):
    """One parent, one venue, a link in order towards the venue and in any order back."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1
        self.state: ParentState = new_parent(QTY)
        self.venue = ModelVenue()
        self.wire: list[Command] = []
        self.finals: dict[str, int] = {}
        self.told: dict[str, int] = {}

    def do(self, events: list[Event]) -> None:
        for event in events:
            child = self.state.children.get(getattr(event, "cl_ord_id", ""))
            was_open, watched = (child.is_open, child.watched_age) if child else (True, 0)
            parents.apply(self.state, event)
            command = saying.command_of(self.state, event)
            if command is not None:
                self.wire.append(command)
            outcome = saying.outcome_of(self.state, event, was_open, watched)
            if outcome is not None:
                name = outcome.cl_ord_id
                self.finals[name] = self.finals.get(name, 0) + outcome.is_final
                self.told[name] = self.told.get(name, 0) + outcome.filled_qty

    def silence(self) -> None:
        self.do(hearing.overdue(self.state, self.now, TIMEOUT, {}))

    def hear(self, said: Report) -> None:
        self.do(hearing.hear(self.state, said, self.now))

    @initialize(qty=st.integers(1, 200))
    def begin(self, qty: int) -> None:
        self.route(qty)

    @precondition(lambda self: self.state.unrouted_qty > 0 and len(self.state.children) < 12)
    @rule(qty=st.integers(1, 200))
    def route(self, qty: int) -> None:
        n = len(self.state.children)
        order = intended(
            n,
            min(qty, self.state.unrouted_qty),
            at=self.now,
            time_in_force=TimeInForce.GOOD_TILL_DATE,
            expire_time=self.now + LIFE,
        )
        self.do([order, ChildSent(**ids(self.now, order.cl_ord_id))])

    @precondition(lambda self: self.wire)
    @rule(fate=st.sampled_from(["arrives", "arrives", "arrives", "twice", "lost"]))
    def command(self, fate: str) -> None:
        command = self.wire.pop(0)
        for _ in range({"arrives": 1, "twice": 2, "lost": 0}[fate]):
            self.venue.take(command, self.now)

    @precondition(lambda self: self.venue.reports)
    @rule(i=st.integers(0, 10**6), fate=st.sampled_from(["arrives", "arrives", "arrives", "again later", "lost"]))
    def report(self, i: int, fate: str) -> None:
        said = self.venue.reports.pop(i % len(self.venue.reports))
        if fate != "lost":
            self.hear(said)
        if fate == "again later":
            self.venue.reports.append(said)

    @precondition(lambda self: self._fillable())
    @rule(i=st.integers(0, 10**6), qty=st.integers(1, 200))
    def fill(self, i: int, qty: int) -> None:
        names = self._fillable()
        name = names[i % len(names)]
        held = self.venue.orders[name]
        self.venue.fill(name, min(qty, held.order_qty - held.cum_qty), self.now)

    def _fillable(self) -> list[str]:
        return [name for name, held in self.venue.orders.items() if held.status in (S.NEW, S.PARTIALLY_FILLED)]

    @rule(span=st.integers(1, 20 * SECOND))
    def pass_time(self, span: int) -> None:
        self.now += span
        self.venue.expire(self.now)
        self.silence()

    @rule()
    def cancel(self) -> None:
        self.do(hearing.cancels(self.state, self.now, {}))

    @invariant()
    def nothing_is_broken(self) -> None:
        check_invariants(self.state)

    @invariant()
    def the_venue_never_executes_more_than_the_parent_wants(self) -> None:
        assert sum(held.cum_qty for held in self.venue.orders.values()) <= QTY
        assert self.state.cum_qty <= QTY

    @invariant()
    def what_may_still_execute_is_bound(self) -> None:
        for name, held in self.venue.orders.items():
            may_execute = held.order_qty if held.status in (S.NEW, S.PARTIALLY_FILLED) else held.cum_qty
            child = self.state.children[name]
            assert may_execute <= child.cum_qty + child.leaves_qty

    def teardown(self) -> None:
        """Heal the link: from here on everything arrives, and time passes until nothing is open."""
        for _ in range(60):
            for command in self.wire:
                self.venue.take(command, self.now)
            self.wire.clear()
            reports, self.venue.reports = self.venue.reports, []
            for said in reports:
                self.hear(said)
            self.now += TIMEOUT
            self.venue.expire(self.now)
            self.silence()
        check_invariants(self.state)
        assert self.state.live == {}
        for name, child in self.state.children.items():
            held = self.venue.orders.get(name)
            assert child.cum_qty == (0 if held is None else held.cum_qty)
            assert self.finals[name] == 1, "learners hear of each end exactly once"
            assert self.told[name] == child.cum_qty, "learners hear of each share exactly once"


TestOrderMachine = OrderMachine.TestCase
TestOrderMachine.settings = settings(
    max_examples=200, stateful_step_count=40, deadline=None, derandomize=True, database=None
)
