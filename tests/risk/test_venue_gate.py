"""The second gate never lets a parent come to more than it is, whatever a host sends and a link does; liars are caught.

Rule of this file: the venue of the machine keeps its protocol and the truth; the host of the machine keeps nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from router.domain.enums import ExecType, OrdStatus, OrdType, Side, Tactic
from router.domain.orders import (
    ChildOrder,
    Command,
    NewOrderSingle,
    OrderCancelReplaceRequest,
    OrderCancelRequest,
    OrderStatusRequest,
    ParentOrder,
)
from router.domain.reports import ExecutionReport, OrderCancelReject, Report
from router.domain.units import SECOND
from router.orders import venue_gate
from router.orders.venue_gate import ParentFacts, VenueGate, VenueGateLimits, facts_of

MICS = ("XAAA", "XBBB")
QTY, LIMIT = 500, 1_000


def new_gate(limits: VenueGateLimits | None = None, **changes: Any) -> VenueGate:
    values: dict[str, Any] = {"parent_id": "P1", "symbol": "ABC", "side": Side.BUY, "order_qty": QTY, "price": LIMIT}
    gate = VenueGate(MICS, limits)
    assert gate.open_parent(ParentFacts(**{**values, **changes})) is None
    return gate


def send(n: int = 0, qty: int = 100, **changes: Any) -> NewOrderSingle:
    values: dict[str, Any] = {
        "cl_ord_id": f"P1.{n}",
        "parent_id": "P1",
        "decision_id": "P1.d0",
        "symbol": "ABC",
        "mic": "XAAA",
        "tactic": Tactic.POST,
        "side": Side.BUY,
        "order_qty": qty,
        "ord_type": OrdType.LIMIT,
        "price": LIMIT,
    }
    return NewOrderSingle(ChildOrder(**{**values, **changes}))


def replace(n: int, qty: int, request: int = 1, **changes: Any) -> OrderCancelReplaceRequest:
    values: dict[str, Any] = {
        "mic": "XAAA",
        "cl_ord_id": f"P1.{n}/{request}",
        "orig_cl_ord_id": f"P1.{n}",
        "parent_id": "P1",
        "order_qty": qty,
        "price": LIMIT,
    }
    return OrderCancelReplaceRequest(**{**values, **changes})


def report(n: int, exec_type: ExecType, exec_id: str = "E1", **changes: Any) -> ExecutionReport:
    values: dict[str, Any] = {
        "mic": "XAAA",
        "cl_ord_id": f"P1.{n}",
        "order_id": "V1",
        "exec_id": exec_id,
        "exec_type": exec_type,
        "ord_status": OrdStatus.NEW,
        "transact_time": 1,
    }
    return ExecutionReport(**{**values, **changes})


def code(refused: str | None) -> str:
    return (refused or "").partition(":")[0]


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (send(), ""),
        (send(qty=QTY + 1), "OVER_PARENT"),
        (send(qty=0), "OVER_PARENT"),
        (send(qty=-5), "OVER_PARENT"),
        (send(side=Side.SELL), "OTHER_ORDER"),
        (send(symbol="DEF"), "OTHER_ORDER"),
        (send(price=LIMIT + 1), "BEYOND_LIMIT"),
        (send(price=None, ord_type=OrdType.MARKET), "BEYOND_LIMIT"),
        (send(mic="XZZZ"), "NO_VENUE"),
        (send(parent_id="P2", cl_ord_id="P2.0"), "UNKNOWN_PARENT"),
        (send(cl_ord_id="P2.0"), "UNKNOWN_PARENT"),
        (replace(0, 50), "UNKNOWN_CHILD"),
    ],
)
def test_child_must_be_within_its_parent(command: Command, expected: str) -> None:
    assert code(new_gate().admit(command, 0)) == expected


def test_sell_is_never_below_its_limit() -> None:
    gate = new_gate(side=Side.SELL)
    assert code(gate.admit(send(side=Side.SELL, price=LIMIT - 1), 0)) == "BEYOND_LIMIT"
    assert gate.admit(send(side=Side.SELL, price=LIMIT + 1), 0) is None


@pytest.mark.parametrize("facts", [{"venues_allow": ("XBBB",)}, {"venues_deny": ("XAAA",)}])
def test_venue_must_be_allowed_by_the_parent(facts: dict[str, Any]) -> None:
    gate = new_gate(**facts)
    assert code(gate.admit(send(), 0)) == "NO_VENUE"
    assert gate.admit(send(mic="XBBB"), 0) is None


def test_facts_are_those_of_the_parent_order() -> None:
    order = ParentOrder(
        parent_id="P1",
        client_order_id="C1",
        symbol="ABC",
        side=Side.BUY,
        order_qty=QTY,
        start_at=0,
        end_at=1,
        ord_type=OrdType.LIMIT,
        price=LIMIT,
        venues_deny=("XAAA",),
    )
    facts = facts_of(order, "A1")
    assert (facts.order_qty, facts.price, facts.venues_deny, facts.account) == (QTY, LIMIT, ("XAAA",), "A1")


def test_children_together_are_within_the_parent_until_venues_say_they_are_out() -> None:
    gate = new_gate()
    assert [code(gate.admit(send(n, 200), 0)) for n in range(3)] == ["", "", "OVER_PARENT"]
    gate.hear(report(0, ExecType.TRADE, last_qty=50, last_px=LIMIT))
    assert gate.room("P1") == 100
    gate.hear(report(0, ExecType.CANCELED, "E2", cum_qty=50))
    assert gate.room("P1") == 250
    gate.hear(report(0, ExecType.CANCELED, "E2", cum_qty=50))
    assert gate.room("P1") == 250


def test_fills_that_an_out_report_counts_are_bound_before_they_come() -> None:
    gate = new_gate()
    gate.admit(send(0, 200), 0)
    gate.hear(report(0, ExecType.EXPIRED, cum_qty=120))
    assert gate.room("P1") == 380
    gate.hear(report(0, ExecType.TRADE, "E2", last_qty=120, last_px=LIMIT))
    assert gate.room("P1") == 380


def test_id_leaves_once() -> None:
    gate = new_gate()
    assert [code(gate.admit(send(), 0)) for _ in range(2)] == ["", "DUPLICATE"]
    gate.hear(report(0, ExecType.REJECTED))
    assert code(gate.admit(send(), 0)) == "DUPLICATE"


def test_reject_frees_only_what_the_venue_never_had() -> None:
    gate = new_gate()
    gate.admit(send(0), 0)
    gate.admit(send(1), 0)
    gate.hear(report(0, ExecType.REJECTED))
    assert gate.room("P1") == 400
    gate.hear(report(1, ExecType.NEW))
    gate.hear(report(1, ExecType.REJECTED))
    assert gate.room("P1") == 400


def test_executions_count_once_and_only_for_the_childs_venue() -> None:
    gate = new_gate()
    gate.admit(send(0, 100), 0)
    for _ in range(3):
        gate.hear(report(0, ExecType.TRADE, last_qty=100, last_px=LIMIT))
    gate.hear(report(0, ExecType.TRADE, "E2", mic="XBBB", last_qty=100, last_px=LIMIT))
    gate.hear(report(7, ExecType.TRADE, "E3", last_qty=100, last_px=LIMIT))
    assert (gate.room("P1"), gate.unplaced) == (400, 2)


def test_overfill_of_a_venue_leaves_less_room_and_below_nothing_none() -> None:
    gate = new_gate()
    gate.admit(send(0, 300), 0)
    gate.hear(report(0, ExecType.TRADE, last_qty=510, last_px=LIMIT))
    assert gate.room("P1") == -10
    assert code(gate.admit(send(1, 1), 0)) == "OVER_PARENT"


def test_busted_quantity_stays_bound_until_a_person_frees_it() -> None:
    gate = new_gate()
    gate.admit(send(0, 300), 0)
    gate.hear(report(0, ExecType.TRADE, last_qty=300, last_px=LIMIT))
    for _ in range(2):
        gate.hear(report(0, ExecType.TRADE_CANCEL, "E2", exec_ref_id="E1"))
    assert gate.room("P1") == 200
    assert (gate.free_busted("P1"), gate.free_busted("P1")) == (300, 0)
    assert gate.room("P1") == 500


def test_bust_frees_nothing_of_the_fills_that_are_still_on_their_way() -> None:
    gate = new_gate()
    gate.admit(send(0, 200), 0)
    gate.hear(report(0, ExecType.TRADE, last_qty=40, last_px=LIMIT))
    gate.hear(report(0, ExecType.CANCELED, "E2", cum_qty=120))
    gate.hear(report(0, ExecType.TRADE_CANCEL, "E3", exec_ref_id="E1"))
    assert gate.room("P1") == 380
    gate.free_busted("P1")
    assert gate.room("P1") == 420


def test_correction_counts_what_it_says() -> None:
    gate = new_gate()
    gate.admit(send(0, 300), 0)
    gate.hear(report(0, ExecType.TRADE, last_qty=300, last_px=LIMIT))
    gate.hear(report(0, ExecType.TRADE_CORRECT, "E2", exec_ref_id="E1", last_qty=320, last_px=LIMIT))
    assert gate.room("P1") == 180
    gate.hear(report(0, ExecType.TRADE_CORRECT, "E3", exec_ref_id="E1", last_qty=250, last_px=LIMIT))
    assert gate.room("P1") == 200
    gate.free_busted("P1")
    assert gate.room("P1") == 250


def test_replace_binds_the_larger_quantity_until_the_venue_answers() -> None:
    gate = new_gate()
    gate.admit(send(0, 200), 0)
    assert code(gate.admit(replace(0, QTY + 1), 0)) == "OVER_PARENT"
    assert gate.admit(replace(0, 300), 0) is None
    assert gate.room("P1") == 200
    gate.hear(report(0, ExecType.REPLACED, cl_ord_id="P1.0/1", orig_cl_ord_id="P1.0", order_qty=300))
    assert gate.admit(replace(0, 50, 2), 0) is None
    assert gate.room("P1") == 200
    ids = {"cl_ord_id": "P1.0/2", "orig_cl_ord_id": "P1.0"}
    gate.hear(report(0, ExecType.REPLACED, order_qty=50, transact_time=2, **ids))
    assert gate.room("P1") == 450


def test_report_of_an_earlier_replace_that_was_overtaken_frees_nothing() -> None:
    gate = new_gate()
    gate.admit(send(0, 100), 0)
    for request, qty in ((1, 50), (2, 300)):
        assert gate.admit(replace(0, qty, request), 0) is None
    for request, qty in ((2, 300), (1, 50)):
        ids = {"cl_ord_id": f"P1.0/{request}", "orig_cl_ord_id": "P1.0"}
        gate.hear(report(0, ExecType.REPLACED, order_qty=qty, transact_time=request, **ids))
    assert gate.room("P1") == 200


def test_refused_replace_frees_what_it_asked_for() -> None:
    gate = new_gate()
    gate.admit(send(0, 200), 0)
    gate.admit(replace(0, 400), 0)
    refusal = OrderCancelReject(
        mic="XAAA", cl_ord_id="P1.0/1", orig_cl_ord_id="P1.0", ord_status=OrdStatus.NEW, transact_time=1
    )
    gate.hear(refusal)
    assert gate.room("P1") == 300


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (replace(0, 39), "BELOW_CUM"),
        (replace(0, 90, price=LIMIT + 1), "BEYOND_LIMIT"),
        (replace(0, 90, mic="XBBB"), "UNKNOWN_CHILD"),
        (replace(0, 90), ""),
    ],
)
def test_replace_is_held_to_the_parent_too(command: Command, expected: str) -> None:
    gate = new_gate()
    gate.admit(send(0, 100), 0)
    gate.hear(report(0, ExecType.TRADE, last_qty=40, last_px=LIMIT))
    assert code(gate.admit(command, 0)) == expected


def test_replace_to_less_leaves_even_when_a_venue_overfilled() -> None:
    gate = new_gate()
    gate.admit(send(0, 100), 0)
    gate.admit(send(1, 300), 0)
    gate.hear(report(0, ExecType.TRADE, last_qty=300, last_px=LIMIT))
    assert gate.room("P1") == -100
    assert gate.admit(replace(1, 50), 0) is None


def test_closed_venue_gets_nothing_new_until_each_reason_is_taken_back() -> None:
    gate = new_gate()
    gate.admit(send(0), 0)
    gate.close_venue("XAAA", "SESSION_DOWN")
    gate.close_venue("XAAA", "DISABLED")
    refused = gate.admit(send(1), 0)
    assert refused is not None
    assert "XAAA SESSION_DOWN, DISABLED" in refused
    assert code(gate.admit(replace(0, 150), 0)) == "VENUE_CLOSED"
    gate.open_venue("XAAA", "SESSION_DOWN")
    assert code(gate.admit(send(1), 0)) == "VENUE_CLOSED"
    gate.open_venue("XAAA", "DISABLED")
    assert gate.admit(send(1), 0) is None


@pytest.mark.parametrize(("level", "target"), [("ALL", ""), ("ACCOUNT", "A1"), ("STRATEGY", "vwap"), ("SYMBOL", "ABC")])
def test_after_a_kill_no_child_leaves_and_cancels_do(level: str, target: str) -> None:
    gate = new_gate(account="A1", strategy="vwap")
    gate.admit(send(0), 0)
    gate.block(level, target)
    gate.close_venue("XAAA", "SESSION_DOWN")
    assert code(gate.admit(send(1, mic="XBBB"), 0)) == "BLOCKED"
    ids = {"mic": "XAAA", "cl_ord_id": "P1.0/1", "orig_cl_ord_id": "P1.0", "parent_id": "P1"}
    assert gate.admit(OrderCancelRequest(**ids), 0) is None
    assert gate.admit(OrderStatusRequest(**ids), 0) is None
    gate.unblock(level, target)
    assert gate.admit(send(1, mic="XBBB"), 0) is None


def test_children_are_bounded_in_a_second_and_in_all() -> None:
    gate = new_gate(VenueGateLimits(children_per_s=2, children_max=3))
    said = [code(gate.admit(send(n, 1), at)) for n, at in enumerate((0, 0, 0, SECOND, SECOND))]
    assert said == ["", "", "TOO_FAST", "", "TOO_MANY"]


def test_venue_is_bounded_in_messages_of_all_parents() -> None:
    gate = new_gate(VenueGateLimits(venue_messages_per_s=2))
    said = [code(gate.admit(send(n, 1), 0)) for n in range(3)]
    assert said == ["", "", "TOO_FAST"]
    assert gate.admit(send(3, 1, mic="XBBB"), 0) is None


def test_ended_parent_sends_nothing_and_is_not_opened_again() -> None:
    gate = new_gate()
    gate.admit(send(0), 0)
    gate.end_parent("P1")
    gate.end_parent("P1")
    assert code(gate.admit(send(1), 0)) == "UNKNOWN_PARENT"
    gate.hear(report(0, ExecType.TRADE, last_qty=10, last_px=LIMIT))
    assert gate.unplaced == 0
    facts = ParentFacts(parent_id="P1", symbol="ABC", side=Side.BUY, order_qty=QTY)
    assert code(gate.open_parent(facts)) == "DUPLICATE"


def test_parents_are_bounded_and_the_ended_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venue_gate, "PARENTS_MAX", 2)
    monkeypatch.setattr(venue_gate, "ENDED_MAX", 1)
    gate = new_gate()
    facts = [ParentFacts(parent_id=f"Q{n}", symbol="ABC", side=Side.BUY, order_qty=1) for n in range(3)]
    assert [code(gate.open_parent(fact)) for fact in facts[:2]] == ["", "FULL"]
    gate.end_parent("P1")
    gate.end_parent("Q0")
    assert gate.open_parent(facts[1]) is None


def test_parent_may_be_amended_and_not_become_another() -> None:
    gate = new_gate()
    facts = ParentFacts(parent_id="P1", symbol="ABC", side=Side.BUY, order_qty=50)
    assert gate.open_parent(facts) is None
    assert gate.room("P1") == 50
    other = ParentFacts(parent_id="P1", symbol="ABC", side=Side.SELL, order_qty=50)
    assert code(gate.open_parent(other)) == "OTHER_ORDER"


@dataclass
class Held:
    """An order as its venue has it."""

    mic: str
    order_qty: int
    cum_qty: int = 0
    status: OrdStatus = OrdStatus.NEW
    executions: dict[str, int] = field(default_factory=dict)

    @property
    def may_fill(self) -> int:
        return self.order_qty - self.cum_qty if self.status is OrdStatus.NEW else 0


class LyingHost(RuleBasedStateMachine):
    """A host that sends anything, over a link that loses, repeats and reorders reports; commands may be lost too."""

    @initialize()
    def begin(self) -> None:
        self.gate = new_gate(VenueGateLimits(1_000_000, 100_000, 1_000_000))
        self.venue: dict[str, Held] = {}
        self.wire: list[Command] = []
        self.reports: list[Report] = []
        self.heard: list[Report] = []
        self.n = 0

    def say(self, name: str, exec_type: ExecType, **changes: Any) -> None:
        self.n += 1
        held = self.venue[name]
        values = {"cl_ord_id": name, "mic": held.mic, "cum_qty": held.cum_qty, "ord_status": held.status, **changes}
        said = report(0, exec_type, f"E{self.n}", order_qty=held.order_qty, transact_time=self.n, **values)
        self.reports.append(said)

    @rule(
        n=st.integers(0, 8),
        qty=st.integers(-1, 600),
        mic=st.sampled_from([*MICS, "XZZZ"]),
        side=st.sampled_from([Side.BUY, Side.BUY, Side.BUY, Side.SELL]),
        price=st.sampled_from([LIMIT, LIMIT, LIMIT - 1, LIMIT + 1, None]),
    )
    def host_sends(self, n: int, qty: int, mic: str, side: Side, price: int | None) -> None:
        command = send(n, qty, mic=mic, side=side, price=price)
        if self.gate.admit(command, 0) is None:
            assert side is Side.BUY
            assert price is not None
            assert price <= LIMIT
            assert mic in MICS
            self.wire.append(command)

    @rule(n=st.integers(0, 3), qty=st.integers(-1, 600), request=st.integers(0, 5), mic=st.sampled_from(MICS))
    def host_replaces(self, n: int, qty: int, request: int, mic: str) -> None:
        command = replace(n, qty, request, mic=mic)
        if self.gate.admit(command, 0) is None:
            self.wire.append(command)

    @rule(index=st.integers(0, 99), is_lost=st.booleans())
    def arrive(self, index: int, is_lost: bool) -> None:
        if not self.wire:
            return
        command = self.wire.pop(index % len(self.wire))
        if is_lost:
            return
        if isinstance(command, NewOrderSingle):
            name = command.child.cl_ord_id
            assert name not in self.venue
            self.venue[name] = Held(command.child.mic, command.child.order_qty)
            self.say(name, ExecType.NEW)
        elif isinstance(command, OrderCancelReplaceRequest):
            self._arrive_replace(command)

    def _arrive_replace(self, command: OrderCancelReplaceRequest) -> None:
        name = command.orig_cl_ord_id
        held = self.venue.get(name)
        if held is not None and held.may_fill and command.order_qty >= max(held.cum_qty, 1):
            held.order_qty = command.order_qty
            held.status = OrdStatus.FILLED if held.cum_qty == held.order_qty else OrdStatus.NEW
            self.say(name, ExecType.REPLACED, cl_ord_id=command.cl_ord_id, orig_cl_ord_id=name)
            return
        status = OrdStatus.REJECTED if held is None else held.status
        self.reports.append(
            OrderCancelReject(
                mic=command.mic,
                cl_ord_id=command.cl_ord_id,
                orig_cl_ord_id=name,
                ord_status=status,
                transact_time=1,
                cum_qty=0 if held is None else held.cum_qty,
            )
        )

    @rule(index=st.integers(0, 99), qty=st.integers(1, 300))
    def trade(self, index: int, qty: int) -> None:
        names = [name for name, held in self.venue.items() if held.may_fill]
        if names:
            name = names[index % len(names)]
            held = self.venue[name]
            qty = min(qty, held.may_fill)
            held.cum_qty += qty
            held.executions[f"E{self.n + 1}"] = qty
            if not held.may_fill:
                held.status = OrdStatus.FILLED
            self.say(name, ExecType.TRADE, last_qty=qty, last_px=LIMIT)

    @rule(index=st.integers(0, 99), exec_type=st.sampled_from([ExecType.CANCELED, ExecType.EXPIRED]))
    def out(self, index: int, exec_type: ExecType) -> None:
        names = [name for name, held in self.venue.items() if held.may_fill]
        if names:
            name = names[index % len(names)]
            self.venue[name].status = OrdStatus(exec_type)
            self.say(name, exec_type)

    @rule(index=st.integers(0, 99))
    def status(self, index: int) -> None:
        names = list(self.venue)
        if names:
            self.say(names[index % len(names)], ExecType.ORDER_STATUS)

    @rule(index=st.integers(0, 99), fate=st.sampled_from(["hear", "hear", "hear", "twice", "again", "lose"]))
    def hear(self, index: int, fate: str) -> None:
        if fate == "again" and self.heard:
            self.gate.hear(self.heard[index % len(self.heard)])
        elif self.reports:
            said = self.reports.pop(index % len(self.reports))
            if fate != "lose":
                self.heard.append(said)
                for _ in range(2 if fate == "twice" else 1):
                    self.gate.hear(said)

    @invariant()
    def what_venues_have_and_what_is_on_its_way_never_pass_the_parent(self) -> None:
        most: dict[str, int] = {name: held.cum_qty + held.may_fill for name, held in self.venue.items()}
        for command in self.wire:
            if isinstance(command, NewOrderSingle):
                most[command.child.cl_ord_id] = command.child.order_qty
        for command in self.wire:
            if isinstance(command, OrderCancelReplaceRequest):
                name = command.orig_cl_ord_id
                held = self.venue.get(name)
                if name in most and (held is None or held.may_fill):
                    most[name] = max(most[name], command.order_qty)
        assert sum(most.values()) <= QTY
        assert self.gate.room("P1") >= 0


TestLyingHost = LyingHost.TestCase
TestLyingHost.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
