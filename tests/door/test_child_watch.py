"""Open children as a door knows them: how long a venue took, and of which nobody knows what became."""

from __future__ import annotations

import pytest

from cluster.api.child_watch import KINDS, ChildWatch
from router.domain import codec
from router.domain.enums import OrdStatus, OrdType, Side, Tactic
from router.domain.events import (
    ChildAcknowledged,
    ChildIntended,
    ChildLost,
    ChildOut,
    ChildReconciled,
    ChildRejected,
    ChildReplaced,
    ChildReplaceRequested,
    ChildRequestRefused,
    ChildSent,
    ChildTraded,
    Event,
    ParentDone,
)
from router.domain.orders import ChildOrder
from router.domain.units import MILLISECOND
from router.orders.journal import Draft
from router.orders.memory_journal import MemoryJournal

MIC = "XLTA"


class Watched:
    """A watch, and what it was told of times."""

    def __init__(self, *events: Event) -> None:
        self.watch = ChildWatch()
        self.decided: list[tuple[str, int]] = []
        self.trips: list[tuple[str, float]] = []
        self.watch.decided = lambda parent_id, at: self.decided.append((parent_id, at))
        self.watch.round_trip = lambda mic, seconds: self.trips.append((mic, seconds))
        self.tell(*events)

    def tell(self, *events: Event) -> None:
        journal = MemoryJournal()
        for event in events:
            name = type(event).__name__
            assert name in KINDS
            journal.append("s", journal.next_seq("s"), [Draft(name, event.at, "", codec.encode(event))])
        journal.sync()
        for record in journal.read():
            self.watch.apply(record)

    def unknown(self) -> list[str]:
        found = [one.child_id for one in self.watch.unknown()]
        assert len(found) == self.watch.unknown_count
        return found


def intended(n: int = 0, at: int = 0, parent_id: str = "P1") -> ChildIntended:
    child = ChildOrder(
        cl_ord_id=f"{parent_id}.{n}",
        parent_id=parent_id,
        decision_id=f"{parent_id}.d0",
        symbol="SMOK",
        mic=MIC,
        tactic=Tactic.TAKE,
        side=Side.BUY,
        order_qty=100,
        ord_type=OrdType.LIMIT,
        price=1_000_000,
    )
    return ChildIntended(parent_id=parent_id, at=at, cl_ord_id=child.cl_ord_id, child=child, mid_routed2=0)


def about(at: int = 9) -> dict[str, object]:
    return {"parent_id": "P1", "at": at, "cl_ord_id": "P1.0"}


def sent(at: int = 1) -> ChildSent:
    return ChildSent(**about(at))  # type: ignore[arg-type]


def lost() -> ChildLost:
    return ChildLost(**about(5), reason="silence")  # type: ignore[arg-type]


def traded(qty: int, replaces: int = 0) -> ChildTraded:
    return ChildTraded(  # type: ignore[arg-type]
        **about(), exec_id=f"e{qty}", last_qty=qty, last_px=1, replaces_inferred_qty=replaces
    )


def out(cum_qty: int) -> ChildOut:
    return ChildOut(**about(), ord_status=OrdStatus.CANCELED, cum_qty=cum_qty)  # type: ignore[arg-type]


def reconciled(status: OrdStatus, cum_qty: int) -> ChildReconciled:
    return ChildReconciled(**about(), ord_status=status, cum_qty=cum_qty)  # type: ignore[arg-type]


ACKNOWLEDGED = ChildAcknowledged(**about(4 * MILLISECOND), order_id="v1")  # type: ignore[arg-type]
REJECTED = ChildRejected(**about(4 * MILLISECOND))  # type: ignore[arg-type]
DONE = ParentDone(parent_id="P1", at=9, ord_status=OrdStatus.CANCELED)


def test_first_child_of_an_order_is_told_of_and_no_later_one() -> None:
    found = Watched(intended(0, 3), sent(), traded(100), intended(1, 8), intended(0, 9, "P2"))
    assert found.decided == [("P1", 3), ("P2", 9)]


@pytest.mark.parametrize("word", [ACKNOWLEDGED, REJECTED])
def test_round_trip_is_from_sent_to_the_venue_s_first_word(word: Event) -> None:
    found = Watched(intended(), sent(MILLISECOND), word, traded(40))
    assert found.trips == [(MIC, 0.003)]


def test_fill_that_overtakes_its_acknowledgement_is_the_first_word() -> None:
    found = Watched(intended(), sent(9), traded(40), ACKNOWLEDGED)
    assert found.trips == [(MIC, 0.0)]


@pytest.mark.parametrize(
    "known",
    [
        (ACKNOWLEDGED,),
        (REJECTED,),
        (out(0),),
        (traded(100),),
        (traded(40), traded(60)),
        (reconciled(OrdStatus.NEW, 0),),
        (reconciled(OrdStatus.CANCELED, 0),),
        (traded(40), out(40)),
        (DONE,),
    ],
)
def test_lost_child_is_unknown_until_somebody_knows(known: tuple[Event, ...]) -> None:
    found = Watched(intended(), sent(), lost())
    assert found.unknown() == ["P1.0"]
    (child,) = found.watch.unknown()
    assert (child.parent_id, child.mic, child.since) == ("P1", MIC, 5)
    found.tell(*known)
    assert found.unknown() == []


@pytest.mark.parametrize(
    "still", [(traded(40),), (traded(60, 20),), (out(50), traded(30)), (reconciled(OrdStatus.FILLED, 100),)]
)
def test_it_stays_unknown_while_fills_are_missing(still: tuple[Event, ...]) -> None:
    found = Watched(intended(), sent(), lost(), *still)
    assert found.unknown() == ["P1.0"]


def test_child_that_is_out_with_fills_that_have_not_come_is_unknown() -> None:
    found = Watched(intended(), sent(), ACKNOWLEDGED, out(50))
    assert found.unknown() == ["P1.0"]
    found.tell(traded(50))
    assert found.unknown() == []


def test_replace_that_may_have_been_made_counts_in_full() -> None:
    asked = ChildReplaceRequested(**about(), request_id="r", order_qty=150, price=None)  # type: ignore[arg-type]
    made = ChildReplaced(**about(), request_id="r", order_qty=150, price=None)  # type: ignore[arg-type]
    refused = ChildRequestRefused(  # type: ignore[arg-type]
        **about(), request_id="r", ord_status=OrdStatus.NEW
    )
    assert Watched(intended(), asked, lost(), traded(100)).unknown() == ["P1.0"]
    assert Watched(intended(), asked, lost(), traded(100), traded(50)).unknown() == []
    assert Watched(intended(), asked, lost(), made).unknown() == []
    assert Watched(intended(), asked, lost(), traded(100), refused).unknown() == []


def test_nothing_is_kept_of_an_order_that_is_over_and_what_comes_late_changes_nothing() -> None:
    found = Watched(intended(), sent(), lost(), DONE, lost(), traded(100), ACKNOWLEDGED)
    assert (found.unknown(), found.watch._open) == ([], {})
