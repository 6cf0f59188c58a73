"""The second gate lets an honest host's children pass through every fault of a run, and stops those of a liar."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from faulty_run import faulty_run

from router.domain.enums import Side
from router.domain.orders import ChildOrder, Command, NewOrderSingle
from router.orders.venue_gate import VenueGate, facts_of

Lie = Callable[[ChildOrder], ChildOrder]


@pytest.mark.parametrize("seed", [1, 2])
def test_honest_host_is_never_refused(seed: int) -> None:
    gated = faulty_run(seed).gated
    assert len(gated.commands) > 50
    assert gated.refused == []


def lied(**changes: object) -> Lie:
    return lambda child: msgspec.structs.replace(child, **changes)


LIES: dict[str, Lie] = {
    "OVER_PARENT": lambda child: msgspec.structs.replace(child, order_qty=child.order_qty + 1_500),
    "OTHER_ORDER": lambda child: msgspec.structs.replace(child, side=Side.SELL if child.side is Side.BUY else Side.BUY),
    "NO_VENUE": lied(mic="XELSE"),
    "UNKNOWN_PARENT": lied(parent_id="C"),
}


@pytest.mark.parametrize("code", list(LIES))
def test_host_that_lies_is_refused_each_time(code: str) -> None:
    said = _refusals(1, LIES[code])
    assert said
    assert {refused.partition(":")[0] for refused in said} == {code}


def test_host_that_forgets_what_it_sent_cannot_overfill() -> None:
    run = faulty_run(1)
    gate = _gate(1)
    for again in range(20):
        for now, command in run.gated.commands:
            if isinstance(command, NewOrderSingle):
                child = msgspec.structs.replace(command.child, cl_ord_id=f"{command.child.cl_ord_id}{again:02}")
                gate.admit(NewOrderSingle(child), now + again * 10**12)
    assert all(0 <= gate.room(parent.parent_id) <= 100 for parent in run.parents)


def _gate(seed: int) -> VenueGate:
    run = faulty_run(seed)
    gate = VenueGate(("XLTA", "XDKA"))
    for parent in run.parents:
        assert gate.open_parent(facts_of(parent)) is None
    return gate


def _refusals(seed: int, lie: Lie) -> list[str]:
    gate, said = _gate(seed), []
    sent: list[tuple[int, Command]] = faulty_run(seed).gated.commands
    for now, command in sent:
        if isinstance(command, NewOrderSingle):
            refused = gate.admit(NewOrderSingle(lie(command.child)), now)
            assert refused is not None, f"expected {command.child.cl_ord_id} refused"
            said.append(refused)
    return said
