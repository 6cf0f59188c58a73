"""What a host keeps of its open parents is what a look at all its parents would say, live and after recovery.

Rule of this file: the twin of `OpenParents` is here, and looks at everything each time.
"""

from __future__ import annotations

from host_days import changing_day, journal_of

from router.domain.enums import OrdStatus, Tactic
from router.domain.messages import HostBatch, HostReply
from router.orders import desk
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal


def whole_look(host: OrderHost, now: int) -> tuple[object, ...]:
    """Return wakes, open children, listening, unsent children and the parents that are due, from every parent."""
    live = [state for state in host.parents.values() if state.is_open]
    wakes = tuple((state.parent.parent_id, desk.next_wake(state, host.setup)) for state in live)
    kids = [child for state in live for child in state.live.values()]
    return (
        wakes,
        len(kids),
        any(child.child.tactic is Tactic.CONDITIONAL for child in kids),
        [child.child.cl_ord_id for child in kids if child.status is OrdStatus.INTENDED],
        [parent_id for parent_id, at in wakes if at <= now],
    )


def said(host: OrderHost, reply: HostReply, now: int) -> tuple[object, ...]:
    kept = host._open
    unsent = [name for name, _ in kept.unsent()]
    return (reply.wakes, reply.open_children, reply.is_listening, unsent, kept.due(now))


def test_what_is_kept_is_what_a_look_at_every_parent_says() -> None:
    lived = changing_day()
    live = OrderHost(MemoryJournal(), lived.setup)
    for k, batch in enumerate(lived.batches):
        reply = live.handle(batch)
        assert said(live, reply, batch.now) == whole_look(live, batch.now)
        rebuilt = OrderHost(journal_of(lived.records[: lived.sizes[k]]), lived.setup)
        rebuilt.recover()
        assert said(rebuilt, reply, batch.now) == said(live, reply, batch.now)
    assert any(reply.is_listening for reply in lived.replies)


def test_when_all_are_over_nothing_is_kept() -> None:
    lived = changing_day()
    host = OrderHost(journal_of(lived.records), lived.setup)
    host.recover()
    reply = host.handle(HostBatch(seq=lived.batches[-1].seq + 2, now=lived.batches[-1].now))
    assert (reply.wakes, reply.open_children, reply.is_listening) == ((), 0, False)
    kept = host._open
    assert not any((kept._wakes, kept._touched, kept._live, kept._listening, kept._unsent))
