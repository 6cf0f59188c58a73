"""People hold orders and venues back and let them go on; why an order was ended stands in its journal.

Rule of this file: hosts are those of the day in `host_days`, some way into it.
"""

from __future__ import annotations

import pytest
from host_days import day
from msgspec.structs import replace
from test_order_host import _fill, _live_day, children

from router.domain.enums import ExecType, OrdStatus
from router.domain.errors import BadInputError
from router.domain.events import (
    ChildCancelRequested,
    ChildIntended,
    DecisionMade,
    ParentCancelRequested,
    ParentReplaceRefused,
    ParentReplaceRequested,
    ParentResumed,
    ParentSuspended,
    ParentWoke,
)
from router.domain.messages import Delivered, HostBatch, HostReply, ReplaceParent
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from router.orders.parent import ParentState, check_invariants

S = OrdStatus


class Held:
    """A host with a parent that a venue over-filled, and the batches that follow."""

    def __init__(self) -> None:
        self.host, last = _live_day()
        self.seq, self.now = last.seq, last.now
        child = next(child for child in children(self.host) if child.status is S.NEW)
        self.state: ParentState = self.host.parents[child.child.parent_id]
        self.name = self.state.parent.parent_id
        self.tell(reports=(_fill(child, child.leaves_qty + 1, self.now),))
        assert self.state.status is S.SUSPENDED

    def tell(self, **said: object) -> HostReply:
        self.seq += 2
        reply = self.host.handle(HostBatch(seq=self.seq, now=self.now, **said))  # type: ignore[arg-type]
        check_invariants(self.state)
        return reply

    def decide(self, now: int | None = None) -> HostReply:
        self.seq += 2
        self.now = self.now if now is None else now
        deciding = next(batch for batch in day().batches if batch.is_deciding)
        return self.host.handle(replace(deciding, seq=self.seq, now=self.now))

    def out(self) -> None:
        """Let every open child of the parent go out as it is."""
        for child in tuple(self.state.live.values()):
            report = replace(
                _fill(child, 0, self.now).report, exec_type=ExecType.CANCELED, last_px=0, cum_qty=child.cum_qty
            )
            self.tell(reports=(Delivered(self.now, report),))
        assert not self.state.live


def test_a_suspended_parent_waits_for_a_person_or_its_end() -> None:
    held = Held()
    held.out()
    reply = held.decide()
    assert [type(event) for event in reply.events if mine(held, event)] == [ParentWoke]
    assert dict(reply.wakes)[held.name] == held.state.parent.end_at
    held.decide(held.state.parent.end_at)
    assert held.state.status is S.EXPIRED


def mine(held: Held, event: object) -> bool:
    return getattr(event, "parent_id", "") == held.name


def test_a_person_lets_a_suspended_parent_go_on_once() -> None:
    held = Held()
    events = held.tell(resumes=(held.name, held.name, "nobody")).events
    assert [type(event) for event in events if mine(held, event)] == [ParentResumed]
    assert (held.state.status, held.state.may_route, held.state.wake_at) == (S.PARTIALLY_FILLED, True, held.now)


def test_a_suspended_parent_can_be_cancelled_with_a_reason() -> None:
    held = Held()
    events = held.tell(cancels=(held.name,), cancel_reasons=("kill all: drill",)).events
    (cancel,) = [event for event in events if isinstance(event, ParentCancelRequested)]
    assert (cancel.parent_id, cancel.reason) == (held.name, "kill all: drill")
    assert held.state.status is S.PENDING_CANCEL
    assert held.tell(cancels=(held.name,)).events == ()


def test_reasons_that_are_not_one_for_each_cancel_are_refused_and_nothing_is_done() -> None:
    held = Held()
    with pytest.raises(BadInputError, match=r"expected 1 or none, got 2 - at \$\.cancel_reasons"):
        held.tell(cancels=(held.name,), cancel_reasons=("a", "b"))
    assert held.state.status is S.SUSPENDED
    assert held.tell(cancels=(held.name,)).events != ()


def test_without_a_reason_it_is_the_client_that_cancels() -> None:
    held = Held()
    events = held.tell(cancels=(held.name,)).events
    assert [event.reason for event in events if isinstance(event, ParentCancelRequested)] == ["client"]


def pending() -> tuple[OrderHost, HostBatch, ParentState]:
    """Return a host whose parent waits for children to come back before it may be smaller, and the last batch."""
    host, last = _live_day()
    child = next(child for child in children(host) if child.status is S.NEW)
    state = host.parents[child.child.parent_id]
    wish = ReplaceParent(parent_id=child.child.parent_id, request_id="R1", order_qty=max(state.cum_qty, 1))
    batch = HostBatch(seq=last.seq + 2, now=last.now, replaces=(wish,))
    (asked,) = [event for event in host.handle(batch).events if isinstance(event, ParentReplaceRequested)]
    assert (asked.parent.order_qty, state.status) == (wish.order_qty, S.PENDING_REPLACE)
    return host, batch, state


def test_an_over_fill_refuses_the_pending_terms_and_then_holds_the_parent() -> None:
    host, last, state = pending()
    child = next(iter(state.live.values()))
    fill = _fill(child, child.leaves_qty + 1, last.now)
    events = host.handle(HostBatch(seq=last.seq + 2, now=last.now, reports=(fill,))).events
    answers = [type(event) for event in events if isinstance(event, ParentReplaceRefused | ParentSuspended)]
    assert answers == [ParentReplaceRefused, ParentSuspended]
    check_invariants(state)


def test_a_cancel_refuses_the_pending_terms_first() -> None:
    host, last, state = pending()
    name = state.parent.parent_id
    events = host.handle(HostBatch(seq=last.seq + 2, now=last.now, cancels=(name,))).events
    assert [type(event) for event in events] == [ParentReplaceRefused, ParentCancelRequested]
    assert isinstance(events[0], ParentReplaceRefused)
    assert events[0].reason == "STOPPED: cancelled by client"


def test_children_in_the_way_are_taken_back_at_the_next_decision() -> None:
    host, last, state = pending()
    deciding = next(batch for batch in day().batches if batch.is_deciding)
    reply = host.handle(replace(deciding, seq=last.seq + 2, now=last.now))
    asked = {event.cl_ord_id for event in reply.events if isinstance(event, ChildCancelRequested)}
    assert asked == {name for name, child in state.live.items() if child.status is S.PENDING_CANCEL} != set()
    assert not any(
        isinstance(event, ChildIntended) and event.parent_id == state.parent.parent_id for event in reply.events
    )


def test_children_at_a_cleared_venue_are_cancelled_and_others_are_not() -> None:
    host, last = _live_day()
    child = next(child for child in children(host) if child.status is S.NEW)
    mic = child.child.mic
    others = tuple(spec.mic for spec in host.setup.specs if spec.mic != mic)
    nothing = host.handle(HostBatch(seq=last.seq + 2, now=last.now, cleared_venues=others)).events
    assert not any(
        isinstance(event, ChildCancelRequested) and event.cl_ord_id == child.child.cl_ord_id for event in nothing
    )
    events = host.handle(HostBatch(seq=last.seq + 4, now=last.now, cleared_venues=(mic,))).events
    asked = [event.cl_ord_id for event in events if isinstance(event, ChildCancelRequested)]
    assert child.child.cl_ord_id in asked
    assert {host.parents[name.rpartition(".")[0]].children[name].child.mic for name in asked} == {mic}


@pytest.mark.parametrize("mic", ["XLTA", "XDKA"])
def test_nothing_new_goes_to_a_blocked_venue_and_the_decision_says_so(mic: str) -> None:
    host = OrderHost(MemoryJournal(), day().setup)
    decided: list[DecisionMade] = []
    for batch in day().batches[:60]:
        blocked = replace(batch, blocked_venues=(mic,)) if batch.is_deciding else replace(batch, reports=(), mids=())
        events = host.handle(blocked).events
        decided += [event for event in events if isinstance(event, DecisionMade)]
        assert not any(isinstance(event, ChildIntended) and event.child.mic == mic for event in events)
    reasons = {x.reason for event in decided for x in event.decision.exclusions if x.lane.startswith(mic)}
    assert decided
    assert "VENUE_DISABLED" in reasons
    assert reasons <= {"VENUE_DISABLED", "SESSION_DOWN"}
