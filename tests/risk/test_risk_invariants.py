"""The auditor finds nothing in what the simulator does under faults, and names each invariant that a journal breaks.

Rule of this file: a broken journal is a sound one with one thing changed, and the auditor says that and its place.
"""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from faulty_run import faulty_run

from router.domain.enums import AllocationMode, OrdStatus, OrdType, Side, Tactic
from router.domain.events import (
    ChildAcknowledged,
    ChildCancelRequested,
    ChildIntended,
    ChildOut,
    ChildReplaced,
    ChildReplaceRequested,
    ChildSent,
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    DecisionMade,
    Event,
    ParentAccepted,
    ParentDone,
    ParentReplaced,
    ParentResumed,
    ParentSuspended,
    ReportIgnored,
)
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.scores import Exclusion, RoutingDecision
from router.risk.facts import Accepted, AuditLimits, Cut, Killed
from router.risk.invariants import Auditor, audit

LIMIT = 1_000


@pytest.mark.parametrize("seed", [1, 2])
def test_nothing_is_found_in_a_run_with_faults(seed: int) -> None:
    events, _, _, crashes = faulty_run(seed)
    assert crashes
    kinds = {type(event).__name__ for _, event in events}
    assert {"ChildTraded", "ChildLost", "ChildReconciled", "ParentReplaced", "ParentDone"} <= kinds
    facts = [Accepted(event.parent_id, "A1") for _, event in events if isinstance(event, ParentAccepted)]
    assert audit(events, facts, limits=AuditLimits(position_max=1_800)) == []


@pytest.mark.parametrize("seed", [1, 2])
def test_lost_repeated_and_changed_records_of_a_run_are_found(seed: int) -> None:
    events = faulty_run(seed).events
    traded = next(i for i, (_, event) in enumerate(events) if isinstance(event, ChildTraded))
    intended = next(i for i, (_, event) in enumerate(events) if isinstance(event, ChildIntended))
    offset, trade = events[traded]
    twice = audit([*events[: traded + 1], (offset + 1, trade)])
    assert "I4" in {found.invariant for found in twice}
    lost = audit(events[:intended] + events[intended + 1 :])
    assert "I10" in {found.invariant for found in lost}
    assert lost[0].offset > events[intended][0]
    never = audit(events[: traded + 1], [Accepted("NEVER", "A1")])
    assert [found.invariant for found in never] == ["I11"]


def at(n: int, **changes: Any) -> dict[str, Any]:
    return {"parent_id": "P1", "at": n, **changes}


def accepted(name: str = "P1", n: int = 1, **changes: Any) -> ParentAccepted:
    values: dict[str, Any] = {
        "parent_id": name,
        "client_order_id": f"C-{name}",
        "symbol": "ABC",
        "side": Side.BUY,
        "order_qty": 500,
        "start_at": 0,
        "end_at": 10**12,
        "ord_type": OrdType.LIMIT,
        "price": LIMIT,
    }
    return ParentAccepted(parent_id=name, at=n, parent=ParentOrder(**{**values, **changes}), arrival_px2=2 * LIMIT)


def decided(n: int = 2, excluded: str = "") -> DecisionMade:
    decision = RoutingDecision(
        decision_id="P1.d0",
        parent_id="P1",
        at=n,
        side=Side.BUY,
        slice_qty=100,
        policy="test",
        policy_version=0,
        mode=AllocationMode.SPLIT,
        context_names=(),
        context=b"",
        candidates=(),
        exclusions=(Exclusion(excluded, "SESSION_DOWN"),) if excluded else (),
        scored=(),
        values_bps=(),
        routing_probabilities=(),
        quantities=(),
        propensity=1.0,
        draw=0.0,
    )
    return DecisionMade(**at(n, decision=decision))


def intended(n: int = 3, child_n: int = 0, qty: int = 100, **changes: Any) -> ChildIntended:
    name = f"P1.{child_n}"
    values: dict[str, Any] = {
        "cl_ord_id": name,
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
    child = ChildOrder(**{**values, **changes})
    return ChildIntended(**at(n, cl_ord_id=name, child=child, mid_routed2=2 * LIMIT))


def of_child(kind: type, n: int, **changes: Any) -> Any:
    return kind(**at(n, cl_ord_id="P1.0", **changes))


def traded(n: int, qty: int = 40, exec_id: str = "E1", **changes: Any) -> ChildTraded:
    made: ChildTraded = of_child(ChildTraded, n, exec_id=exec_id, last_qty=qty, last_px=LIMIT, **changes)
    return made


OUT = of_child(ChildOut, 8, ord_status=OrdStatus.CANCELED, cum_qty=40, transacted_at=8)
SOUND: list[Event] = [
    accepted(),
    decided(),
    intended(),
    of_child(ChildSent, 4),
    of_child(ChildAcknowledged, 5, order_id="V1"),
    traded(6),
    of_child(ChildCancelRequested, 7, request_id="P1.0/1"),
    OUT,
    ParentDone(**at(9, ord_status=OrdStatus.EXPIRED)),
]
WORKING = SOUND[:6]


def found(events: list[Event], **facts: Any) -> list[str]:
    return sorted({violation.invariant for violation in audit(list(enumerate(events)), **facts)})


def without(index: int) -> list[Event]:
    return SOUND[:index] + SOUND[index + 1 :]


def changed(index: int, **changes: Any) -> list[Event]:
    return [*SOUND[:index], msgspec.structs.replace(SOUND[index], **changes), *SOUND[index + 1 :]]


def asked_to_replace(qty: int, request: int = 1, n: int = 7) -> ChildReplaceRequested:
    made: ChildReplaceRequested = of_child(
        ChildReplaceRequested, n, request_id=f"P1.0/{request}", order_qty=qty, price=LIMIT
    )
    return made


def done_replacing(qty: int, request: int = 1, n: int = 8) -> ChildReplaced:
    made: ChildReplaced = of_child(ChildReplaced, n, request_id=f"P1.0/{request}", order_qty=qty, price=LIMIT)
    return made


BUST = of_child(ChildTradeCanceled, 10, exec_id="E2", exec_ref_id="E1")


def other_terms(n: int, **changes: Any) -> ParentReplaced:
    return ParentReplaced(**at(n, request_id="P1.r0", parent=accepted(**changes).parent))


BROKEN: dict[str, tuple[list[Event], list[str]]] = {
    "fill of nothing": ([*WORKING, traded(7, 0, "E2")], ["I1"]),
    "closed with a child out": ([*WORKING, SOUND[8]], ["I1", "I7"]),
    "two children for more than there is": ([*WORKING, intended(7, 1, 401)], ["I2", "I7"]),
    "filled and not": (changed(8, ord_status=OrdStatus.FILLED), ["I3"]),
    "child of a suspended parent": ([*WORKING, ParentSuspended(**at(7, reason="x")), intended(8, 1)], ["I3", "I7"]),
    "over-filled and not stopped": ([*WORKING, traded(7, 70, "E2")], ["I3"]),
    "execution counted twice": ([*WORKING, traded(7)], ["I4", "I7"]),
    "bust of the unknown": ([*SOUND, of_child(ChildTradeCanceled, 10, exec_id="E2", exec_ref_id="E9")], ["I5", "I7"]),
    "bust applied twice": ([*SOUND, BUST, BUST], ["I5", "I7"]),
    "price beyond the limit": ([*SOUND[:2], intended(price=LIMIT + 1)], ["I6", "I7"]),
    "no price with a limit": ([*SOUND[:2], intended(price=None, ord_type=OrdType.MARKET)], ["I6", "I7"]),
    "other side": ([*SOUND[:2], intended(side=Side.SELL, price=LIMIT + 5)], ["I6", "I7"]),
    "acknowledged twice": ([*WORKING[:5], WORKING[4]], ["I7"]),
    "fill after the end": ([*SOUND[:8], traded(9, 10, "E2", transacted_at=9, is_late=True)], ["I8"]),
    "replace below what is filled": ([*WORKING, asked_to_replace(39)], ["I7", "I9"]),
    "fork of a replace": ([*WORKING, asked_to_replace(90), asked_to_replace(80, 2, 8)], ["I7", "I9"]),
    "replaced and not asked": ([*WORKING, done_replacing(90)], ["I9"]),
    "sent before its intent": (without(2), ["I10", "I7"]),
    "child of no decision": (without(1), ["I10"]),
    "parent that nobody accepted": (without(0), ["I10"]),
    "client's id used twice": ([accepted(), accepted("P2", client_order_id="C-P1")], ["I12"]),
    "accepted twice": ([accepted(), accepted()], ["I12"]),
    "terms below what is out": ([*WORKING, other_terms(7, order_qty=99)], ["I2", "I7", "I9"]),
    "terms of another side": ([*WORKING, other_terms(7, side=Side.SELL)], ["I7", "I9"]),
    "terms that a child is beyond": ([*WORKING, other_terms(7, price=LIMIT - 1)], ["I6", "I7"]),
    "child beyond its new terms": ([*SOUND[:2], other_terms(2, order_qty=99), intended()], ["I2", "I7"]),
    "child on an excluded lane": ([SOUND[0], decided(excluded="XAAA:POST"), *SOUND[2:]], ["I23"]),
}


def test_sound_journal_has_nothing() -> None:
    assert found(SOUND) == []
    assert found([*SOUND, BUST]) == []


@pytest.mark.parametrize("name", list(BROKEN))
def test_each_broken_journal_breaks_its_invariant(name: str) -> None:
    events, invariants = BROKEN[name]
    assert found(events) == invariants


def test_late_fill_that_was_flagged_is_no_fault_of_ours() -> None:
    flag = ReportIgnored(**at(9, mic="XAAA", exec_id="E2", reason="EXECUTED_AFTER_OUT"))
    assert found([*SOUND[:8], flag, traded(9, 10, "E2", transacted_at=9, is_late=True)]) == []


def test_overfill_that_stopped_its_parent_is_the_venues_fault() -> None:
    assert found([*WORKING, traded(7, 70, "E2"), ParentSuspended(**at(7, reason="over-filled"))]) == []


def test_new_terms_hold_from_then_on_and_a_resumed_parent_goes_on() -> None:
    assert found([*WORKING, other_terms(7, order_qty=800), decided(8), intended(9, 1, 700)]) == []
    stopped = [ParentSuspended(**at(7, reason="x")), ParentResumed(**at(8))]
    assert found([*WORKING, *stopped, intended(9, 1)]) == []
    accepts = [Accepted("P1", "A1")]
    more = [*WORKING, other_terms(7, order_qty=800)]
    assert found(more, accepts=accepts, limits=AuditLimits(position_max=799)) == ["I20"]
    assert found(more, accepts=accepts, limits=AuditLimits(position_max=800)) == []


def test_acknowledged_order_must_be_there() -> None:
    assert found(SOUND, accepts=[Accepted("P1", "A1"), Accepted("P2", "A1")]) == ["I11"]


@pytest.mark.parametrize(
    "kill",
    [
        Killed("ALL", "", 2),
        Killed("SYMBOL", "ABC", 2),
        Killed("STRATEGY", "liquidity_seeking", 2),
        Killed("ACCOUNT", "A1", 2),
        Killed("VENUE", "XAAA", 2),
    ],
)
def test_child_after_a_kill_is_found(kill: Killed) -> None:
    accepts = [Accepted("P1", "A1")]
    assert found(SOUND, accepts=accepts, kills=[kill]) == ["I19"]
    assert found(SOUND, accepts=accepts, kills=[kill._replace(target="other", level="SYMBOL")]) == []
    assert found(SOUND, accepts=accepts, kills=[kill._replace(until=3)]) == []


def test_child_that_a_kill_passed_over_is_found() -> None:
    kill = Killed("SYMBOL", "ABC", 6)
    assert found(WORKING, kills=[kill]) == ["I19"]
    assert found(SOUND[:7], kills=[kill]) == []
    assert found(SOUND, kills=[kill]) == []


def test_exposure_beyond_the_limit_is_found_with_leaves_of_all_parents() -> None:
    two: list[Event] = [*SOUND[:6], accepted("P2", 10, order_qty=100)]
    accepts = [Accepted("P1", "A1"), Accepted("P2", "A1")]
    assert found(two, accepts=accepts, limits=AuditLimits(position_max=600)) == []
    assert found(two, accepts=accepts, limits=AuditLimits(position_max=599)) == ["I20"]
    after: list[Event] = [*SOUND, accepted("P2", 10, order_qty=100)]
    assert found(after, accepts=accepts, limits=AuditLimits(position_max=500)) == []
    apart = [Accepted("P1", "A1"), Accepted("P2", "A2")]
    assert found(two, accepts=apart, limits=AuditLimits(position_max=500)) == []


def test_children_in_a_second_and_in_all_are_bounded() -> None:
    events: list[Event] = [*SOUND[:2], *(intended(3 + n, n, 1) for n in range(3))]
    assert found(events) == []
    assert found(events, limits=AuditLimits(children_per_s=2)) == ["I21"]
    assert found(events, limits=AuditLimits(children_max=2)) == ["I21"]


def test_child_for_a_venue_that_was_cut_off_is_found() -> None:
    assert found(SOUND, cuts=[Cut("XAAA", 3, 4)]) == ["I23"]
    assert found(SOUND, cuts=[Cut("XAAA", 4, 9), Cut("XBBB", 0)]) == []


def test_replace_that_keeps_the_rules_is_no_fault() -> None:
    assert found([*WORKING, asked_to_replace(90), done_replacing(90)]) == []
    correction = of_child(ChildTradeCorrected, 7, exec_id="E2", exec_ref_id="E1", last_qty=30, last_px=LIMIT)
    assert found([*WORKING, correction]) == []


def test_what_a_venue_took_back_and_gave_again_is_no_act_of_ours() -> None:
    given_again = of_child(ChildTradeCorrected, 12, exec_id="E3", exec_ref_id="E1", last_qty=40, last_px=LIMIT)
    routed_again = intended(11, 1, 500)
    assert found([*SOUND[:8], BUST, routed_again, given_again]) == []
    assert "I2" in found([*SOUND[:8], routed_again])


def test_live_auditor_says_each_violation_once_with_its_offset() -> None:
    auditor = Auditor()
    said = [auditor.take(offset, event) for offset, event in enumerate([*WORKING, traded(7)])]
    assert [len(violations) > 0 for violations in said] == [False] * 6 + [True]
    assert {violation.offset for violation in said[-1]} == {6}
    assert auditor.finish() == []


def test_material_covers_every_invariant_the_auditor_knows() -> None:
    named = {name for _, names in BROKEN.values() for name in names} | {"I11", "I19", "I20", "I21"}
    assert named == {*(f"I{n}" for n in range(1, 13)), "I19", "I20", "I21", "I23"}
