"""The host loop: what is said is durable, said again when asked again, and rebuilt from the journal alone.

Rule of this file: hosts are fed the batches of a real run over a bad link (`host_days`).
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import msgspec
import pytest
from host_days import day, journal_of
from order_material import PARENT_ORDER

from router.domain import codec
from router.domain.enums import ExecType, OrdStatus, OrdType
from router.domain.errors import BadInputError, JournalError
from router.domain.events import (
    ChildIntended,
    ChildInvited,
    ChildLost,
    ChildQueried,
    ChildReplaceRequested,
    ChildSent,
    ParentDone,
    ParentSuspended,
)
from router.domain.messages import Delivered, HostBatch, HostReply
from router.domain.orders import NewOrderSingle, OrderStatusRequest
from router.domain.reports import ExecutionReport
from router.orders.child import ChildState
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from router.orders.parent import check_invariants


class Dead(Exception):
    """The host's process is gone."""


def host_until(k: int, probe: Any = None) -> tuple[OrderHost, MemoryJournal]:
    """Return a host that was rebuilt from what the day's host had made durable before batch `k`."""
    records = day().records[: day().sizes[k - 1] if k else 0]
    journal = journal_of(records)
    host = OrderHost(journal, day().setup, probe)
    host.recover()
    return host, journal


def size(journal: MemoryJournal) -> int:
    return sum(1 for _ in journal.read())


def same(one: HostReply, two: HostReply) -> bool:
    return codec.encode(one) == codec.encode(two)


def children(host: OrderHost) -> list[ChildState]:
    return [child for state in host.parents.values() for child in state.children.values()]


def with_intents() -> int:
    """Return the number of the first batch in which children were sent."""
    return next(k for k, reply in enumerate(day().replies) if any(isinstance(e, ChildIntended) for e in reply.events))


EVERY = range(len(day().batches))


def test_the_day_is_one_worth_testing_on() -> None:
    kinds = {type(event) for reply in day().replies for event in reply.events}
    assert {ChildLost, ChildQueried, ChildInvited, ChildReplaceRequested, ParentDone} <= kinds
    assert len(day().batches) > 100


def test_a_live_host_and_one_rebuilt_before_every_batch_say_the_same() -> None:
    journal = MemoryJournal()
    live = OrderHost(journal, day().setup)
    for k in EVERY:
        reply = live.handle(day().batches[k])
        assert same(reply, day().replies[k])
        rebuilt, _ = host_until(k)
        assert same(rebuilt.handle(day().batches[k]), reply)
        assert rebuilt.parents == live.parents
        for state in live.parents.values():
            check_invariants(state)


def test_a_batch_that_comes_again_gets_the_same_reply_and_changes_nothing() -> None:
    journal = MemoryJournal()
    host = OrderHost(journal, day().setup)
    for batch in day().batches:
        reply = host.handle(batch)
        versions = {name: state.version for name, state in host.parents.items()}
        written = size(journal)
        assert host.handle(batch) is reply
        assert size(journal) == written
        assert {name: state.version for name, state in host.parents.items()} == versions


def test_what_was_said_is_durable_and_is_said_again_after_a_crash() -> None:
    journal = MemoryJournal()
    host = OrderHost(journal, day().setup)
    for batch in day().batches:
        reply = host.handle(batch)
        journal.crash()
        after = OrderHost(journal, day().setup)
        after.recover()
        assert after.parents == host.parents
        assert same(after.handle(batch), reply)
        host = after


def _killer(step: str, name: str) -> None:
    if name == step:
        raise Dead


@pytest.mark.parametrize("step", ["decided", "appended", "synced", "performing"])
def test_a_host_that_dies_at_any_step_comes_back_to_the_same_reply(step: str) -> None:
    deaths = 0
    for k in EVERY:
        batch, reply = day().batches[k], day().replies[k]
        host, journal = host_until(k, partial(_killer, step))
        before = size(journal)
        try:
            host.handle(batch)
        except Dead:
            deaths += 1
        journal.crash()
        is_durable = step in ("synced", "performing")
        assert size(journal) == (day().sizes[k] if is_durable or not reply.events else before)
        back = OrderHost(journal, day().setup)
        back.recover()
        assert same(back.handle(batch), reply)
        assert size(journal) == day().sizes[k]
    assert deaths >= sum(bool(reply.events) for reply in day().replies)


def test_a_write_that_reached_the_disk_although_the_host_died_on_it_counts() -> None:
    for k in EVERY:
        host, journal = host_until(k, partial(_killer, "appended"))
        if len({event.parent_id for event in day().replies[k].events}) != 1:
            continue
        with pytest.raises(Dead):
            host.handle(day().batches[k])
        journal.crash(keep=10_000)
        back = OrderHost(journal, day().setup)
        back.recover()
        assert same(back.handle(day().batches[k]), day().replies[k])
        assert size(journal) == day().sizes[k]


def test_a_host_whose_journal_fails_says_nothing_more() -> None:
    k = with_intents()
    host, journal = host_until(k)
    journal.fail()
    with pytest.raises(JournalError):
        host.handle(day().batches[k])
    for batch in (day().batches[k], day().batches[k + 1], day().batches[k - 1]):
        with pytest.raises(JournalError, match="fenced"):
            host.handle(batch)
    journal.crash()
    back = OrderHost(journal, day().setup)
    back.recover()
    assert same(back.handle(day().batches[k]), day().replies[k])


def test_a_host_that_died_between_steps_does_not_go_on() -> None:
    k = with_intents()
    host, _ = host_until(k, partial(_killer, "appended"))
    with pytest.raises(Dead):
        host.handle(day().batches[k])
    with pytest.raises(JournalError, match="fenced"):
        host.handle(day().batches[k + 1])


def test_a_higher_number_vouches_that_children_were_sent() -> None:
    k = with_intents()
    host, _ = host_until(k)
    reply = host.handle(day().batches[k])
    sent = [event for event in reply.events if isinstance(event, ChildIntended)]
    assert [c.child for c in reply.commands if isinstance(c, NewOrderSingle)] == [event.child for event in sent]
    assert {child.status for child in children(host)} == {OrdStatus.INTENDED}
    following = HostBatch(seq=day().batches[k].seq + 2, now=day().batches[k].now + 1)
    assert host.handle(following).events == tuple(
        ChildSent(parent_id=event.parent_id, at=event.at, cl_ord_id=event.cl_ord_id) for event in sent
    )
    assert {child.status for child in children(host)} == {OrdStatus.PENDING_NEW}


def test_after_a_restart_what_was_intended_is_unknown_and_is_asked_for() -> None:
    k = with_intents()
    batch = day().batches[k]
    host, _ = host_until(k)
    names = [event.cl_ord_id for event in host.handle(batch).events if isinstance(event, ChildIntended)]
    reply = host.handle(HostBatch(seq=batch.seq + 1, now=batch.now, is_restart=True))
    assert [(type(event), event.cl_ord_id) for event in reply.events] == [(ChildLost, name) for name in names]
    assert reply.commands == (), "never a blind resend"
    assert {child.status for child in children(host)} == {OrdStatus.UNKNOWN}
    due = batch.now + day().setup.answer_timeout_ns
    assert min(wake for _, wake in reply.wakes) <= due
    later = host.handle(msgspec.structs.replace(batch, seq=batch.seq + 2, now=due))
    queried = [c.orig_cl_ord_id for c in later.commands if isinstance(c, OrderStatusRequest)]
    assert queried == names


BAD_ORDERS: dict[str, dict[str, Any]] = {
    "order_qty": {"order_qty": -5},
    "end_at": {"end_at": 0},
    "urgency": {"urgency": math.nan},
    "max_participation": {"max_participation": math.nan},
    "min_qty": {"min_qty": -1},
    "price": {"ord_type": OrdType.LIMIT},
    "parent_id": {"parent_id": "a b"},
    "strategy_parameters.interval_s": {"strategy": "twap", "strategy_parameters": {"interval_s": math.nan}},
    "strategy": {"strategy": "hope"},
    "account": {"account": "a b"},
    "dark": {"dark": "SOMETIMES"},
    "max_child_qty": {"max_child_qty": 5, "min_qty": 10},
    "would_price": {"ord_type": OrdType.LIMIT, "price": 400_000, "would_price": 400_001},
}


@pytest.mark.parametrize("place", BAD_ORDERS)
def test_an_order_that_cannot_be_is_refused_with_its_place_and_the_host_goes_on(place: str) -> None:
    host = OrderHost(journal := MemoryJournal(), day().setup)
    bad = msgspec.structs.replace(PARENT_ORDER, **BAD_ORDERS[place])
    with pytest.raises(BadInputError, match=rf"{place}$"):
        host.handle(HostBatch(seq=2, now=0, accepts=(PARENT_ORDER, bad)))
    assert (host.parents, size(journal)) == ({}, 0)
    host.handle(HostBatch(seq=2, now=0, accepts=(PARENT_ORDER,)))
    assert list(host.parents) == ["P1"]


def test_an_order_is_accepted_once() -> None:
    host = OrderHost(MemoryJournal(), day().setup)
    first = host.handle(HostBatch(seq=2, now=0, accepts=(PARENT_ORDER, PARENT_ORDER)))
    assert len(first.events) == 1
    assert host.handle(HostBatch(seq=4, now=1, accepts=(PARENT_ORDER,))).events == ()


def _live_day() -> tuple[OrderHost, HostBatch]:
    """Return a host some way into its day, with a child that rests, and its last batch."""
    for k in EVERY:
        host, _ = host_until(k)
        if k and any(child.status is OrdStatus.NEW for child in children(host)):
            return host, day().batches[k - 1]
    raise AssertionError("expected a day with a resting child")


def _fill(child: ChildState, qty: int, at: int) -> Delivered:
    return Delivered(
        at,
        ExecutionReport(
            mic=child.child.mic,
            cl_ord_id=child.child.cl_ord_id,
            order_id="V",
            exec_id="EXTRA-1",
            exec_type=ExecType.TRADE,
            ord_status=OrdStatus.FILLED,
            transact_time=at,
            last_qty=qty,
            last_px=200_000,
        ),
    )


def test_an_over_fill_stops_the_parent_and_cancels_what_is_left_of_it() -> None:
    host, last = _live_day()
    child = next(child for child in children(host) if child.status is OrdStatus.NEW)
    state = host.parents[child.child.parent_id]
    batch = HostBatch(seq=last.seq + 2, now=last.now, reports=(_fill(child, child.leaves_qty + 50, last.now),))
    reply = host.handle(batch)
    assert [type(event) for event in reply.events if event.parent_id == state.parent.parent_id][-1] is ParentSuspended
    assert (state.status, state.may_route) == (OrdStatus.SUSPENDED, False)
    check_invariants(state)
    deciding = next(b for b in day().batches if b.is_deciding)
    commands = host.handle(msgspec.structs.replace(deciding, seq=last.seq + 4, now=last.now)).commands
    assert not any(isinstance(c, NewOrderSingle) and c.child.parent_id == state.parent.parent_id for c in commands)


def _routed_again() -> tuple[OrderHost, HostBatch, ChildState, int]:
    """Return a host that has routed again what a closed child left, its last batch, that child, and how many of its
    shares would be one too many."""
    for k in EVERY[1:]:
        host, _ = host_until(k)
        for child in children(host):
            state = host.parents[child.child.parent_id]
            left = child.order_qty - child.cum_qty
            if not child.is_open and state.may_route and 0 <= state.unrouted_qty < left and state.live:
                return host, day().batches[k - 1], child, state.unrouted_qty + 1
    raise AssertionError("expected a day on which something is routed again")


def test_a_late_fill_of_what_was_routed_again_stops_the_parent() -> None:
    host, last, child, qty = _routed_again()
    state = host.parents[child.child.parent_id]
    host.handle(HostBatch(seq=last.seq + 2, now=last.now, reports=(_fill(child, qty, last.now),)))
    assert child.cum_qty <= child.order_qty
    assert (state.status, state.unrouted_qty) == (OrdStatus.SUSPENDED, -1)
    check_invariants(state)


def test_a_report_for_nobody_changes_nothing() -> None:
    host, last = _live_day()
    child = children(host)[0]
    stranger = _fill(child, 5, last.now)
    report = msgspec.structs.replace(stranger.report, cl_ord_id="NOBODY.7")
    before = {name: state.version for name, state in host.parents.items()}
    host.handle(HostBatch(seq=last.seq + 2, now=last.now, reports=(Delivered(last.now, report),)))
    assert {name: state.version for name, state in host.parents.items()} == before


def test_every_wake_lies_ahead_unless_the_order_waits_to_start() -> None:
    for batch, reply in zip(day().batches, day().replies, strict=True):
        if batch.is_deciding:
            assert all(wake > batch.now for _, wake in reply.wakes)


def test_open_children_are_counted() -> None:
    host = OrderHost(MemoryJournal(), day().setup)
    for batch in day().batches:
        reply = host.handle(batch)
        assert reply.open_children == sum(child.is_open for child in children(host))


def test_a_parent_ends_as_its_client_or_its_clock_wants() -> None:
    done = {
        event.parent_id: event for reply in day().replies for event in reply.events if isinstance(event, ParentDone)
    }
    assert {name: str(event.ord_status) for name, event in done.items()} == {"A": "EXPIRED", "B": "CANCELED"}
