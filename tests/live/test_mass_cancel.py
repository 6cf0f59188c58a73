"""A kill of everything ends each order once, whatever else has asked for its end."""

from __future__ import annotations

from collections import Counter

from live_material import OPEN_AT, accepted, conductor, order, session

from cluster.live.session import assembly_of, fresh_link
from router.domain.events import ParentCancelRequested, ParentDone
from router.domain.facts import CancelAsked, KillSet
from router.domain.messages import HostBatch, Message
from router.domain.units import MILLISECOND, SECOND
from scenarios.link import Link

ORDERS = 40


class Heard:
    """A link that notes in which order hosts are asked for parents' ends."""

    def __init__(self, inner: Link) -> None:
        self._inner = inner
        self.cancels: list[str] = []

    def send(self, to: str, batch: Message) -> None:
        if isinstance(batch, HostBatch):
            self.cancels += batch.cancels
        self._inner.send(to, batch)

    def receive(self) -> dict[str, Message]:
        return self._inner.receive()

    def close(self) -> None:
        self._inner.close()


def test_every_host_is_asked_once_for_the_end_of_each_of_its_parents_in_the_order_of_asking() -> None:
    opened = session()
    assembly = assembly_of(opened, None)
    link = Heard(fresh_link(opened, assembly))
    market = conductor(opened, assembly, link)
    market.step()
    placed = tuple(accepted(order(n, opened, OPEN_AT + SECOND), OPEN_AT + SECOND) for n in range(1, ORDERS + 1))
    market.step(market.now + 7 * MILLISECOND, 100, tuple(enumerate(placed)))
    while market.now < OPEN_AT + 2 * SECOND:
        market.step()
    early = [CancelAsked(at=market.now, account="A", parent_id=f"P{n}", who="bob", reason="x") for n in (9, 4, 9)]
    kill = KillSet(at=market.now, level="SYMBOL", target=opened.symbol, who="ann", why="test")
    first = market.step(market.now + 7 * MILLISECOND, 200, tuple(enumerate((*early, kill), start=100)))
    told = [first, *(market.step() for _ in range(40))]
    events = [event for played in told if played is not None for event in played.events]
    open_then = {event.parent_id for event in events if isinstance(event, ParentDone)}
    asked = Counter(link.cancels)
    assert len(open_then) > ORDERS // 2
    assert {"P4", "P9"} <= open_then
    assert set(asked.values()) == {1}, "whoever was asked and has recorded it is not asked again"
    assert open_then <= set(asked)
    by_host = [name for name in link.cancels if market.plan.host_of[name] == market.plan.host_of["P9"]]
    assert by_host[0] == "P9"
    requested = [event.parent_id for event in events if isinstance(event, ParentCancelRequested)]
    assert sorted(requested) == sorted(set(requested))
    link.close()
