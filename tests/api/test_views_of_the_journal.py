"""The read side: what facts come to, whichever way they are handed over, within bounded memory.

Rule of this file: records come out of a real journal in memory.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cluster.api.order_views import OrderView
from cluster.api.translate import order_said, status_of
from cluster.api.views import Views
from router.domain import codec, facts
from router.domain.enums import OrdStatus, OrdType, Side
from router.domain.facts import Fact
from router.domain.orders import ParentOrder
from router.orders.journal import Draft, Record
from router.orders.memory_journal import MemoryJournal
from router.risk.limits import RiskLimits

UNIT = "0.0001"


def order(number: int, account: str = "A") -> ParentOrder:
    return ParentOrder(
        parent_id=f"P{number}",
        client_order_id=f"c{number}",
        symbol="SMOK",
        side=Side.BUY,
        order_qty=100,
        start_at=0,
        end_at=10**12,
        ord_type=OrdType.LIMIT,
        price=400_000,
        account=account,
    )


def accepted(number: int, account: str = "A", approval_id: str = "") -> facts.OrderAccepted:
    return facts.OrderAccepted(
        at=number,
        account=account,
        parent_id=f"P{number}",
        order=order(number, account),
        body_hash="",
        who="ada",
        approval_id=approval_id,
    )


def ended(number: int, account: str = "A", status: OrdStatus = OrdStatus.CANCELED) -> facts.OrderEnded:
    return facts.OrderEnded(at=number, account=account, parent_id=f"P{number}", ord_status=status, cum_qty=0)


def executed(number: int, qty: int, px: int, cum: int, exec_id: str) -> facts.OrderExecuted:
    return facts.OrderExecuted(
        at=50,
        account="A",
        parent_id=f"P{number}",
        cl_ord_id=f"P{number}.0",
        exec_id=exec_id,
        mic="XLTA",
        last_qty=qty,
        last_px=px,
        cum_qty=cum,
        leaves_qty=100 - cum,
    )


def busted(number: int, exec_ref_id: str, cum: int) -> facts.ExecutionBusted:
    return facts.ExecutionBusted(
        at=60,
        account="A",
        parent_id=f"P{number}",
        cl_ord_id=f"P{number}.0",
        exec_id="bust",
        exec_ref_id=exec_ref_id,
        last_qty=0,
        last_px=0,
        cum_qty=cum,
        leaves_qty=100 - cum,
    )


def session() -> facts.SessionOpened:
    return facts.SessionOpened(
        at=6,
        symbol="SMOK",
        open_at=6,
        close_at=10**12,
        wall_at=6,
        speed=1.0,
        scenario_name="smoke",
        scenario_text="",
        scenario_path="",
        seed=1,
        policy="censored",
        hosts=2,
        build="test",
        tick_ns=1,
        window_ns=1,
        exploration_budget_bps=1.0,
        probability_change_max=0.5,
        venue_share_max=1.0,
    )


def records_of(said: Sequence[Fact]) -> list[Record]:
    journal = MemoryJournal()
    seqs: dict[str, int] = {}
    for fact in said:
        account = getattr(fact, "account", "")
        stream = facts.account_stream(account) if account else facts.DESK
        seq = seqs.get(stream, 0)
        journal.append(stream, seq, [Draft(type(fact).__name__, fact.at, "", codec.encode(fact))])
        seqs[stream] = seq + 1
    journal.sync()
    return list(journal.read())


def views_of(said: Sequence[Fact], closed_max: int = 100, archive_max: int = 100) -> Views:
    views = Views(closed_max, archive_max)
    views.apply(records_of(said))
    return views


def found(views: Views, parent_id: str) -> OrderView:
    view = views.orders.get(parent_id)
    assert view is not None
    return view


STORY: tuple[Fact, ...] = (
    accepted(1),
    accepted(2, "B"),
    executed(1, 40, 399_900, 40, "e1"),
    accepted(3, approval_id="A-P3"),
    facts.KillSet(at=3, level="SYMBOL", target="SMOK", who="rex", why="odd"),
    facts.LimitSet(at=3, key="qty_max", before="1000000", after="500", who="rex", why="quiet"),
    facts.CancelAsked(at=4, account="A", parent_id="P1", who="ada", reason="client"),
    ended(1),
    facts.RearmAsked(at=5, level="SYMBOL", target="SMOK", who="rex", why="fine", is_lifted=True),
    ended(2, "B", OrdStatus.EXPIRED),
    facts.ModelSteered(at=6, learner_id="learner", act="freeze", who="rex", why="feed"),
)


@settings(max_examples=50)
@given(st.lists(st.integers(min_value=1, max_value=4), min_size=len(STORY), max_size=len(STORY)))
def test_views_do_not_depend_on_how_records_are_grouped(sizes: list[int]) -> None:
    records, whole, parts = records_of(STORY), Views(100, 100), Views(100, 100)
    whole.apply(records)
    at = 0
    for size in sizes:
        parts.apply(records[at : at + size])
        at += size
    for parent_id in ("P1", "P2", "P3"):
        assert found(whole, parent_id) == found(parts, parent_id)
    assert (whole.kills, whole.frozen, whole.limits) == (parts.kills, parts.frozen, parts.limits)
    assert whole.account_seqs == parts.account_seqs == {"A": 5, "B": 2}


def test_hosts_and_nodes_are_what_was_last_said_and_a_new_session_has_its_own_hosts() -> None:
    said: tuple[Fact, ...] = (
        facts.HostsSet(at=1, hosts=4, who="olga", why="busy"),
        facts.NodeStateSet(at=2, node="n1", state="DRAINING", who="olga", why="disk"),
        facts.HostsSet(at=3, hosts=3, who="rex", why="less busy"),
        facts.NodeStateSet(at=4, node="n1", state="OPEN", who="rex", why="new disk"),
        facts.NodeStateSet(at=5, node="n2", state="DRAINING", who="rex", why="its turn"),
    )
    views = views_of(said)
    assert views.hosts == said[2]
    assert views.node_states == {"n1": said[3], "n2": said[4]}
    views.apply([msgspec.structs.replace(record, offset=9) for record in records_of([session()])])
    assert (views.hosts, len(views.node_states)) == (None, 2)


def test_records_that_come_twice_change_nothing() -> None:
    records, views = records_of(STORY), Views(100, 100)
    views.apply(records)
    before = msgspec.structs.asdict(found(views, "P1"))
    views.apply(records)
    assert msgspec.structs.asdict(found(views, "P1")) == before
    assert before["version"] == 4


def test_average_price_follows_executions_and_busts() -> None:
    views = views_of([accepted(1), executed(1, 40, 400_000, 40, "e1"), executed(1, 60, 399_000, 100, "e2")])
    assert order_said(found(views, "P1"), UNIT).average_price == "39.940000"
    views = views_of(
        [accepted(1), executed(1, 40, 400_000, 40, "e1"), executed(1, 60, 399_000, 100, "e2"), busted(1, "e2", 40)]
    )
    assert (found(views, "P1").cum_qty, order_said(found(views, "P1"), UNIT).average_price) == (40, "40.000000")


def test_bust_after_the_end_leaves_the_average_unknown_and_not_wrong() -> None:
    said = [
        accepted(1),
        executed(1, 40, 400_000, 40, "e1"),
        executed(1, 60, 399_000, 100, "e2"),
        ended(1),
        busted(1, "e2", 40),
    ]
    view = found(views_of(said), "P1")
    assert (view.cum_qty, order_said(view, UNIT).average_price) == (40, None)


@pytest.mark.parametrize(
    ("facts_after", "status"),
    [
        ((), "new"),
        ((executed(1, 40, 400_000, 40, "e1"),), "partially_filled"),
        ((facts.CancelAsked(at=2, account="A", parent_id="P1", who="ada", reason=""),), "pending_cancel"),
        ((facts.OrderSuspended(at=2, account="A", parent_id="P1", reason="over-filled"),), "suspended"),
        ((ended(1, status=OrdStatus.FILLED),), "filled"),
        ((facts.ReplaceAsked(at=2, account="A", parent_id="P1", who="ada", order_qty=70),), "pending_replace"),
    ],
)
def test_status_is_what_happened_last(facts_after: tuple[Fact, ...], status: str) -> None:
    assert status_of(found(views_of([accepted(1), *facts_after]), "P1")) == status


@pytest.mark.parametrize(
    ("before", "after", "status"),
    [
        ((), (), "new"),
        ((executed(1, 40, 400_000, 40, "e1"),), (), "partially_filled"),
        ((), (executed(1, 40, 400_000, 40, "e1"),), "partially_filled"),
        ((facts.CancelAsked(at=2, account="A", parent_id="P1", who="ada", reason=""),), (), "pending_cancel"),
    ],
)
def test_resumed_order_is_what_it_would_have_been(
    before: tuple[Fact, ...], after: tuple[Fact, ...], status: str
) -> None:
    halt = facts.OrderSuspended(at=3, account="A", parent_id="P1", reason="over-filled")
    go = facts.OrderResumed(at=4, account="A", parent_id="P1")
    is_canceling = status == "pending_cancel"
    said = [accepted(1), halt, *before, go, *after] if is_canceling else [accepted(1), *before, halt, go, *after]
    view = found(views_of(said), "P1")
    assert (status_of(view), view.reason, view.version, view.updated_at) == (status, "", len(said), said[-1].at)


def test_suspended_order_stays_so_through_fills_and_a_replace() -> None:
    halt = facts.OrderSuspended(at=3, account="A", parent_id="P1", reason="over-filled")
    asked = facts.ReplaceAsked(at=2, account="A", parent_id="P1", who="ada", order_qty=70)
    done = facts.OrderReplaced(at=3, account="A", parent_id="P1", order_qty=70, price=410_000, end_at=10**12)
    view = found(views_of([accepted(1), halt, executed(1, 40, 400_000, 40, "e1"), asked, done]), "P1")
    assert status_of(view) == "suspended"


def test_replace_gives_the_new_terms_and_a_refused_one_the_old() -> None:
    asked = facts.ReplaceAsked(at=2, account="A", parent_id="P1", who="ada", order_qty=70, urgency=0.9)
    done = facts.OrderReplaced(at=3, account="A", parent_id="P1", order_qty=70, price=410_000, end_at=10**12)
    view = found(views_of([accepted(1), asked, done]), "P1")
    assert (view.order.order_qty, view.order.price, view.order.urgency, view.ord_status) == (
        70,
        410_000,
        0.9,
        OrdStatus.NEW,
    )
    refused = msgspec.structs.replace(done, order_qty=100, price=400_000, refused="BELOW_CUM")
    view = found(views_of([accepted(1), asked, refused]), "P1")
    assert (view.order.order_qty, view.order.urgency, view.reason) == (100, 0.5, "BELOW_CUM")


def test_approval_is_waited_for_until_it_is_judged() -> None:
    views = views_of([accepted(1, approval_id="A-P1"), accepted(2)])
    assert [view.order.parent_id for view in views.approvals()] == ["P1"]
    judged = facts.ApprovalJudged(at=3, account="A", parent_id="P1", approval_id="A-P1", is_approved=True, who="bea")
    views = views_of([accepted(1, approval_id="A-P1"), judged])
    assert list(views.approvals()) == []
    assert status_of(found(views, "P1")) == "new"


def test_closed_orders_leave_memory_oldest_first_and_their_place_stays() -> None:
    said: list[Fact] = [accepted(n) for n in range(10)]
    said += [ended(n) for n in range(8)]
    views = views_of(said, closed_max=3, archive_max=2)
    assert [view.order.parent_id for view in views.orders.newest(None, None)] == ["P9", "P8", "P7", "P6", "P5"]
    assert len(views.orders) == 5
    assert views.orders.archived("P2") is None
    places = [views.orders.archived(f"P{n}") for n in (3, 4)]
    assert [place.offset for place in places if place is not None] == [3, 4]
    assert views.orders.id_of("A", "c3") is None
    assert [view.order.parent_id for view in views.orders.open_orders(["A"])] == ["P8", "P9"]


def test_newest_first_goes_on_where_a_page_ended_over_accounts() -> None:
    views = views_of([accepted(n, "AB"[n % 2]) for n in range(6)])
    first = [view.offset for view in views.orders.newest(["A", "B", "NONE"], None)]
    rest = [view.offset for view in views.orders.newest(["A", "B"], 3)]
    assert (first, rest) == ([5, 4, 3, 2, 1, 0], [2, 1, 0])
    assert [view.offset for view in views.orders.newest(["B"], None, is_open=True)] == [5, 3, 1]


def test_order_answered_for_is_shown_before_its_record_comes_and_once() -> None:
    views = Views(10, 10)
    told = OrderView(order=order(1), offset=-1, accepted_at=1, updated_at=1, who="ada")
    views.orders.tell(told)
    assert found(views, "P1").offset == -1
    assert views.orders.id_of("A", "c1") == "P1"
    views.apply(records_of([accepted(1)]))
    assert found(views, "P1").offset == 0
    views.orders.tell(told)
    assert found(views, "P1").offset == 0


def test_who_waits_for_an_order_is_called_once() -> None:
    views, called = Views(10, 10), list[str]()
    views.call_when_seen("P1", lambda: called.append("first"))

    def forgotten() -> None:
        called.append("forgotten")

    views.call_when_seen("P1", forgotten)
    views.forget("P1", forgotten)
    views.apply(records_of([accepted(1), ended(1)]))
    assert called == ["first"]


def test_limits_in_force_are_the_changed_ones() -> None:
    views = Views(10, 10, RiskLimits(collar_bps=70))
    change = facts.LimitSet(at=3, key="by_account.A.qty_max", before="", after="500", who="rex", why="quiet")
    views.apply(records_of([*STORY, change]))
    assert (views.risk.collar_bps, views.risk.qty_max, views.risk.of("A", "", "").qty_max) == (70, 500, 500)


def test_lifted_kill_is_gone_and_one_that_waits_shows_who_asked() -> None:
    kill = facts.KillSet(at=1, level="ALL", target="", who="rex", why="odd")
    asked = facts.RearmAsked(at=2, level="ALL", target="", who="rex", why="fine", is_lifted=False)
    views = views_of([kill, asked])
    assert (list(views.kills), views.rearms["ALL", ""].who) == ([("ALL", "")], "rex")
    views = views_of([kill, asked, msgspec.structs.replace(asked, who="bea", is_lifted=True)])
    assert (views.kills, views.rearms) == ({}, {})


@pytest.mark.parametrize(("account", "left"), [("A", ["B"]), ("B", ["A"]), ("C", [])])
def test_a_lifted_stop_is_gone_for_its_account_and_in_an_old_journal_for_all(account: str, left: list[str]) -> None:
    views = Views(10, 10)
    stops = [facts.StrategyStopped(at=1, account=one, strategy="twap", why="often") for one in ("A", "B")]
    lifted = facts.StrategyReenabled(at=2, account=account, strategy="twap", who="rex", why="looked")
    views.apply(records_of([*stops, lifted]))
    assert [stopped for stopped, _ in views.stopped] == left
