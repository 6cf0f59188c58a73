"""A parent whose client keeps changing his mind, over a bad link: the invariants hold with a replace at any moment.

Rule of this file: the machine is that of `test_order_machine`, with a client added; a second state, made from the
journal's bytes alone, must be the first one's twin after every step.
"""

from __future__ import annotations

from typing import Any, ClassVar

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule, run_state_machine_as_test
from msgspec.structs import replace
from order_material import PARENT, PARENT_ORDER, PX, S, ids, intended
from test_order_machine import LIFE, TIMEOUT, OrderMachine

from router.domain import codec
from router.domain.enums import OrdType, TimeInForce
from router.domain.events import (
    ChildSent,
    Event,
    ParentAccepted,
    ParentReplaced,
    ParentReplaceRefused,
)
from router.domain.messages import ReplaceParent
from router.orders import parent as parents
from router.orders import replacing

QTY = 500


class ReplaceMachine(OrderMachine):
    """The client asks for other quantities and limits; the host's part is played as `host` and `desk` play it."""

    reached: ClassVar[dict[str, bool]] = {}
    """The kinds of answers that were given in all the runs."""

    def __init__(self) -> None:
        self.answers: dict[str, int] = {}
        self.asked: list[str] = []
        super().__init__()
        order = replace(PARENT_ORDER, order_qty=QTY, ord_type=OrdType.LIMIT, price=PX)
        accepted = ParentAccepted(parent_id=PARENT, at=0, parent=order, arrival_px2=2 * PX)
        self.state, self.twin = parents.accepted(accepted), parents.accepted(accepted)

    def do(self, events: list[Event]) -> None:
        for event in events:
            self.record(event)
            for answer in replacing.answered(self.state, event, self.now):
                self.record(answer)

    def record(self, event: Event) -> None:
        if isinstance(event, ParentReplaced):
            self.reached["at once" if self.state.replacing is None else "after children were out"] = True
        elif isinstance(event, ParentReplaceRefused):
            self.reached[event.reason.partition(":")[0]] = True
        super().do([event])
        parents.apply(self.twin, codec.decode_event(codec.encode(event)))
        if isinstance(event, (ParentReplaced, ParentReplaceRefused)):
            self.answers[event.request_id] = self.answers.get(event.request_id, 0) + 1

    def silence(self) -> None:
        super().silence()
        self.do(replacing.given_up(self.state, self.now, TIMEOUT))
        self.do(replacing.take_back(self.state, self.now, {}))

    @initialize(qty=st.integers(1, 200))
    def begin(self, qty: int) -> None:
        self.route(qty)

    @precondition(lambda self: self.state.may_route and self.state.unrouted_qty > 0 and len(self.state.children) < 12)
    @rule(qty=st.integers(1, 200))
    def route(self, qty: int) -> None:
        order = intended(
            len(self.state.children),
            min(qty, self.state.unrouted_qty),
            at=self.now,
            price=self.state.parent.price,
            time_in_force=TimeInForce.GOOD_TILL_DATE,
            expire_time=self.now + LIFE,
        )
        self.do([order, ChildSent(**ids(self.now, order.cl_ord_id))])

    @rule(
        qty=st.none() | st.integers(1, 2 * QTY),
        ticks=st.sampled_from([None, None, -1, 0, 1]),
        again=st.booleans(),
    )
    def change(self, qty: int | None, ticks: int | None, again: bool) -> None:
        name = f"R{len(self.asked)}"
        self.asked.append(name)
        terms: dict[str, Any] = {"order_qty": qty, "price": None if ticks is None else PX + 100 * ticks}
        request = ReplaceParent(parent_id=PARENT, request_id=name, **terms)
        for _ in range(1 + again):
            self.do(replacing.asked(self.state, request, self.now))

    @rule()
    def take_back(self) -> None:
        self.do(replacing.take_back(self.state, self.now, {}))

    @invariant()
    def the_venue_never_executes_more_than_the_parent_wants(self) -> None:
        assert sum(held.cum_qty for held in self.venue.orders.values()) <= self.state.parent.order_qty
        assert self.state.cum_qty <= self.state.parent.order_qty

    @invariant()
    def what_may_be_routed_is_never_negative(self) -> None:
        assert self.state.unrouted_qty >= 0

    @invariant()
    def every_open_child_is_within_the_limit_in_force(self) -> None:
        assert not any(self.state.parent.is_beyond_limit(child.price) for child in self.state.live.values())

    @invariant()
    def the_journal_alone_makes_the_same_state(self) -> None:
        assert self.twin == self.state

    @invariant()
    def a_request_is_pending_exactly_in_pending_replace(self) -> None:
        assert (self.state.status is S.PENDING_REPLACE) == (self.state.replacing is not None)
        assert all(count == 1 for count in self.answers.values())

    def teardown(self) -> None:
        super().teardown()
        assert self.state.replacing is None
        assert sorted(self.answers) == sorted(self.asked), "each request has exactly one answer"
        assert self.twin == self.state


def test_with_replaces_at_any_moment_nothing_is_over_filled_and_each_is_answered_once() -> None:
    ReplaceMachine.reached = {}
    rules = settings(max_examples=150, stateful_step_count=40, deadline=None, derandomize=True, database=None)
    run_state_machine_as_test(ReplaceMachine, settings=rules)
    assert {"at once", "after children were out", "PENDING", "NO_ANSWER"} <= set(ReplaceMachine.reached)
