"""An order that is over is kept small, and answers and books what comes late as if it were kept whole.

Rule of this file: two desks get the same, one of which packs whatever is over at once.
"""

from __future__ import annotations

import pytest
from live_material import OPEN_AT, TRADER, desk, session, submit

from cluster.live.freezing import frozen, thawed
from router.domain.enums import OrdStatus, OrdType, Side, Tactic
from router.domain.events import (
    ChildAcknowledged,
    ChildIntended,
    ChildRejected,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    Event,
    MarkoutObserved,
    ParentAccepted,
    ParentDone,
)
from router.domain.orders import ChildOrder
from router.domain.played import Played
from router.domain.requests import Accepted, CancelOrder, Conflicting, Request
from router.domain.units import MILLISECOND, px
from router.intake.intake import Intake
from router.intake.kept import SETTLING_MAX, Kept
from router.orders.journal import Draft
from router.orders.memory_journal import MemoryJournal

NOW = OPEN_AT + 10 * MILLISECOND
ORDERS = 3


class Packing:
    """A desk, its journal, and how many of its ended orders stay as they are."""

    def __init__(self, settling_max: int) -> None:
        self.opened = session()
        self.intake = desk(self.opened)
        self.journal = MemoryJournal()
        self._most = settling_max
        self._windows = 0

    def ask(self, request: Request) -> object:
        answered = self.intake.answer(request, NOW)
        self._append(answered.entries)
        return answered.answer

    def play(self, *events: Event) -> tuple[tuple[str, Draft], ...]:
        played = Played(
            symbol=self.opened.symbol,
            n=self._windows,
            at=NOW,
            is_cut=False,
            heard=0,
            events=events,
            digest="",
            policy_version=0,
            model_digest="",
        )
        self._windows += 1
        entries = self.intake.play(played)
        self._append(entries)
        return entries

    def _append(self, entries: tuple[tuple[str, Draft], ...]) -> None:
        self.journal.append_all([(stream, (draft,)) for stream, draft in entries])
        self.journal.sync()
        for kept in (self.intake.book.orders, self.intake._state.tellers):
            kept.pack_settled(self._most)


def life(parent_id: str, n: int) -> tuple[Event, ...]:
    """An order's events up to its end: two children, one fill that was only inferred."""
    of = {"parent_id": parent_id, "at": NOW}
    order = submit(n, session()).order
    children = [f"{parent_id}.d0.c{k}" for k in range(2)]
    intended = [
        ChildIntended(
            **of,
            cl_ord_id=name,
            mid_routed2=0,
            child=ChildOrder(
                cl_ord_id=name,
                parent_id=parent_id,
                decision_id=f"{parent_id}.d0",
                symbol=order.symbol,
                mic=mic,
                tactic=Tactic.TAKE,
                side=Side.BUY,
                order_qty=200,
                ord_type=OrdType.LIMIT,
                price=px("100.01"),
            ),
        )
        for name, mic in zip(children, ("XLTA", "XLTB"), strict=True)
    ]
    return (
        ParentAccepted(**of, parent=order, arrival_px2=0),
        *intended,
        ChildTraded(**of, cl_ord_id=children[0], exec_id="e1", last_qty=150, last_px=px("100")),
        ChildTraded(**of, cl_ord_id=children[1], exec_id="i1", last_qty=40, last_px=px("100"), is_inferred=True),
        ParentDone(**of, ord_status=OrdStatus.CANCELED, reason="client"),
    )


def late(parent_id: str) -> tuple[Event, ...]:
    """What may still come: the fill that was inferred, one more, a bust, a correction, and what is told nobody."""
    of = {"parent_id": parent_id, "at": NOW}
    first, second = f"{parent_id}.d0.c0", f"{parent_id}.d0.c1"
    return (
        MarkoutObserved(**of, cl_ord_id=first, exec_id="e1", horizon_ns=1, mid2=0),
        ChildAcknowledged(**of, cl_ord_id=second, order_id="o"),
        ChildTraded(
            **of, cl_ord_id=second, exec_id="e2", last_qty=60, last_px=px("100"), replaces_inferred_qty=40, is_late=True
        ),
        ChildTraded(**of, cl_ord_id=first, exec_id="e3", last_qty=50, last_px=px("99.99"), is_late=True),
        ChildTradeCanceled(**of, cl_ord_id=first, exec_id="b1", exec_ref_id="e1"),
        ChildTradeCorrected(**of, cl_ord_id=second, exec_id="k1", exec_ref_id="e2", last_qty=55, last_px=px("100")),
        ChildRejected(**of, cl_ord_id=second, text="unknown"),
    )


def lived(settling_max: int) -> Packing:
    made = Packing(settling_max)
    for n in range(1, ORDERS + 1):
        assert made.ask(submit(n, made.opened)) == Accepted(parent_id=f"P{n}", is_new=True)
        made.play(*life(f"P{n}", n))
    return made


def test_what_comes_late_is_booked_and_told_as_if_the_order_were_kept_whole() -> None:
    whole, packed = lived(SETTLING_MAX), lived(0)
    assert (whole.intake.book.orders.packed, packed.intake.book.orders.packed) == (0, ORDERS)
    for parent_id in ("P2", "P1", "P2"):
        for event in late(parent_id):
            told = whole.play(event)
            assert packed.play(event) == told
            if isinstance(event, MarkoutObserved):
                assert packed.intake._state.tellers.packed == ORDERS
    assert packed.intake.book.orders["P1"].cum_qty == whole.intake.book.orders["P1"].cum_qty == 50 + 55
    assert packed.intake.digest() == whole.intake.digest()
    assert packed.intake.book.orders.packed == packed.intake._state.tellers.packed == ORDERS


@pytest.mark.parametrize("how", ["as it is", "rebuilt", "from a snapshot"])
def test_the_clients_id_of_a_packed_order_is_never_taken_twice(how: str) -> None:
    made = lived(0)
    opened, intake = made.opened, made.intake
    if how == "rebuilt":
        intake = desk(opened)
        for record in made.journal.read():
            intake.apply(record)
        for kept in (intake.book.orders, intake._state.tellers):
            kept.pack_settled(0)
    elif how == "from a snapshot":
        thawed_intake: Intake = thawed(frozen(intake, {}, {}), {}, {})
        intake = thawed_intake
        intake.forget_unrecorded()
        intake.see(made.intake._state.references[opened.symbol])
    assert intake.digest() == made.intake.digest()
    assert intake.book.orders.packed == ORDERS
    assert intake.answer(submit(2, opened), NOW).answer == Accepted(parent_id="P2", is_new=False)
    other = intake.answer(submit(2, opened, qty=500), NOW).answer
    assert isinstance(other, Conflicting)
    assert (other.code, other.parent_id) == ("DUPLICATE_CLIENT_ORDER_ID", "P2")
    over = intake.answer(CancelOrder(principal=TRADER, parent_id="P2"), NOW).answer
    assert isinstance(over, Conflicting)
    assert over.code == "ORDER_IS_OVER"
    assert intake.book.orders.packed == ORDERS, "whoever looks changes nothing"


def test_the_last_that_ended_stay_as_they_are_and_one_that_is_changed_again_is_among_them() -> None:
    kept: Kept[list[int]] = Kept(lambda value: bytes(value), lambda data: list(data))
    for n in range(SETTLING_MAX + 2):
        kept[f"P{n}"] = [n % 256]
        kept.settle(f"P{n}")
    assert (kept.packed, len(kept)) == (2, SETTLING_MAX + 2)
    assert kept.get("P1") == [1]
    assert kept.get("none") is kept.to_change("none") is None
    changed = kept.to_change("P0")
    assert changed == [0]
    changed.append(9)
    assert (kept["P0"], kept.packed) == ([0, 9], 2)
    kept.pack_settled(0)
    assert (kept["P0"], kept.packed) == ([0, 9], SETTLING_MAX + 2)
    assert [name for name, _ in kept.items()] == [f"P{n}" for n in range(SETTLING_MAX + 2)]
