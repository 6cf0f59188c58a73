"""The desk answers from facts, records what it decides, and stands again where its journal says it stood."""

from __future__ import annotations

import msgspec
import pytest
from live_material import OPEN_AT, OPERATOR, OTHER_TRADER, RISK_OFFICER, TRADER, desk, reference, session, submit

from cluster.live.freezing import frozen, thawed
from router.domain import codec, facts
from router.domain.enums import OrdStatus, OrdType, Side, Tactic
from router.domain.errors import BadInputError
from router.domain.events import (
    ChildIntended,
    ChildTradeCanceled,
    ChildTraded,
    ParentDone,
    ParentResumed,
    ParentSuspended,
)
from router.domain.orders import ChildOrder
from router.domain.played import Played
from router.domain.requests import (
    Accepted,
    CancelAll,
    CancelOrder,
    Conflicting,
    Denied,
    JudgeApproval,
    Kill,
    Noted,
    NotFound,
    Principal,
    Rearm,
    ReplaceOrder,
    Request,
    ResumeOrder,
    SetLimit,
    SetVenueState,
    SteerModel,
)
from router.domain.units import MILLISECOND, px
from router.intake.intake import Intake
from router.orders.memory_journal import MemoryJournal

NOW = OPEN_AT + 10 * MILLISECOND


class Recorded:
    """A desk with a journal: what it decides is appended, as the record's process does."""

    def __init__(self, **limits: object) -> None:
        self.opened = session()
        self.intake = desk(self.opened, **limits)
        self.journal = MemoryJournal()
        self.limits = limits

    def ask(self, request: Request) -> object:
        answered = self.intake.answer(request, NOW)
        self._append(answered.entries)
        return answered.answer

    def play(self, *events: object, n: int = 0, aside: tuple[facts.KillSet, ...] = ()) -> None:
        played = Played(
            symbol=self.opened.symbol,
            n=n,
            at=NOW,
            is_cut=False,
            heard=0,
            events=events,  # type: ignore[arg-type]
            digest="d",
            policy_version=1,
            model_digest="m",
            aside=aside,
        )
        self._append(self.intake.play(played))

    def rebuilt(self) -> Intake:
        again = desk(self.opened, **self.limits)
        for record in self.journal.read():
            again.apply(record)
        return again

    def kinds(self) -> list[str]:
        return [record.kind for record in self.journal.read()]

    def told(self, account: str = "A") -> list[facts.Fact]:
        stream = facts.account_stream(account)
        return [codec.decode(record.payload, facts.Fact) for record in self.journal.read(0, stream)]

    def _append(self, entries: object) -> None:
        for stream, draft in entries:  # type: ignore[attr-defined]
            self.journal.append(stream, self.journal.next_seq(stream), [draft])
        self.journal.sync()


def stood_again(desk_: Recorded) -> Intake:
    """Return the desk as it comes back from a snapshot."""
    again: Intake = thawed(frozen(desk_.intake, {}, {}), {}, {})
    again.forget_unrecorded()
    return again


def child(parent_id: str, n: int, mic: str = "XLTA") -> ChildIntended:
    placed = ChildOrder(
        cl_ord_id=f"{parent_id}.{n}",
        parent_id=parent_id,
        decision_id=f"{parent_id}.d0",
        symbol="SMOK",
        mic=mic,
        tactic=Tactic.TAKE,
        side=Side.BUY,
        order_qty=400,
        ord_type=OrdType.LIMIT,
        price=px("100.01"),
    )
    return ChildIntended(parent_id=parent_id, at=NOW, cl_ord_id=placed.cl_ord_id, child=placed, mid_routed2=0)


def fill(n: int, qty: int, **more: object) -> ChildTraded:
    return ChildTraded(
        parent_id="P1", at=NOW, cl_ord_id="P1.0", exec_id=f"e{n}", last_qty=qty, last_px=px("100"), **more
    )


def test_one_client_order_id_is_one_order_and_another_body_under_it_conflicts() -> None:
    desk_ = Recorded()
    first = desk_.ask(submit(1, desk_.opened))
    assert first == Accepted(parent_id="P1", is_new=True)
    assert desk_.ask(submit(1, desk_.opened)) == Accepted(parent_id="P1", is_new=False)
    again = desk_.ask(submit(1, desk_.opened, qty=500))
    assert isinstance(again, Conflicting)
    assert again.code == "DUPLICATE_CLIENT_ORDER_ID"
    assert desk_.kinds() == ["OrderAccepted"]
    assert desk_.rebuilt().answer(submit(1, desk_.opened), NOW).answer == Accepted(parent_id="P1", is_new=False)


def test_a_denied_order_is_recorded_with_its_reasons_and_takes_no_exposure() -> None:
    desk_ = Recorded(qty_max=300)
    denied = desk_.ask(submit(1, desk_.opened))
    assert isinstance(denied, Denied)
    assert [(denial.check, denial.code) for denial in denied.denials] == [(7, "QTY_MAX")]
    assert desk_.kinds() == ["OrderDenied"]
    assert isinstance(desk_.ask(submit(2, desk_.opened, qty=300)), Accepted)
    assert len(desk_.intake.gate.exposure.orders) == 1


def test_nobody_acts_for_an_account_that_is_not_his_or_sees_its_orders() -> None:
    desk_ = Recorded()
    assert isinstance(desk_.ask(submit(1, desk_.opened, who=OTHER_TRADER)), Denied)
    desk_.ask(submit(2, desk_.opened))
    assert isinstance(desk_.ask(CancelOrder(principal=OTHER_TRADER, parent_id="P1")), NotFound)
    assert isinstance(desk_.ask(CancelOrder(principal=OPERATOR, parent_id="P1")), Noted)


def test_whatever_the_role_orders_of_other_accounts_do_not_exist() -> None:
    desk_ = Recorded()
    desk_.ask(submit(1, desk_.opened))
    for role in ("trader", "operator", "risk"):
        who = Principal(name="max", role=role, accounts=("C",), session="s9")
        for asked in (
            CancelOrder(principal=who, parent_id="P1"),
            ResumeOrder(principal=who, parent_id="P1", why="looked"),
            ReplaceOrder(principal=who, parent_id="P1", order_qty=300),
            JudgeApproval(principal=who, approval_id="A-P1", is_approved=False),
        ):
            assert isinstance(desk_.ask(asked), NotFound), (role, asked)
        assert desk_.ask(CancelAll(principal=who)) == Noted(count=0)
    desk_.play(ParentDone(parent_id="P1", at=NOW, ord_status=OrdStatus.CANCELED))
    who = Principal(name="max", role="risk", accounts=("C",))
    assert desk_.ask(CancelOrder(principal=who, parent_id="P1")) == NotFound(what="order P1")


def test_two_orders_cannot_both_take_the_last_unit_of_a_limit() -> None:
    desk_ = Recorded(position_max=700)
    assert isinstance(desk_.ask(submit(1, desk_.opened)), Accepted)
    assert isinstance(desk_.ask(submit(2, desk_.opened)), Denied)
    assert isinstance(desk_.ask(submit(3, desk_.opened, qty=300)), Accepted)


def test_a_cancel_is_asked_once_and_an_order_that_is_over_conflicts() -> None:
    desk_ = Recorded()
    desk_.ask(submit(1, desk_.opened))
    assert desk_.ask(CancelOrder(principal=TRADER, parent_id="P1")) == Noted()
    assert desk_.ask(CancelOrder(principal=TRADER, parent_id="P1")) == Noted()
    assert desk_.kinds().count("CancelAsked") == 1
    desk_.play(ParentDone(parent_id="P1", at=NOW, ord_status=OrdStatus.CANCELED))
    over = desk_.ask(CancelOrder(principal=TRADER, parent_id="P1"))
    assert isinstance(over, Conflicting)
    assert over.code == "ORDER_IS_OVER"
    assert desk_.ask(CancelAll(principal=TRADER)) == Noted(count=0)


def test_clients_who_add_up_executions_have_our_cum_quantity_through_inferred_fills_and_busts() -> None:
    desk_ = Recorded()
    desk_.ask(submit(1, desk_.opened))
    desk_.play(child("P1", 0), n=0)
    desk_.play(fill(1, 100), n=1)
    desk_.play(fill(2, 50, is_inferred=True), n=2)
    desk_.play(fill(3, 60, replaces_inferred_qty=50), n=3)
    busted = ChildTradeCanceled(parent_id="P1", at=NOW, cl_ord_id="P1.0", exec_id="b1", exec_ref_id="e1")
    desk_.play(busted, n=4)
    sums: dict[str, int] = {}
    for fact in desk_.told():
        if isinstance(fact, facts.OrderExecuted):
            sums[fact.exec_id] = fact.last_qty
        elif isinstance(fact, facts.ExecutionBusted):
            sums[fact.exec_ref_id] = fact.last_qty
        else:
            continue
        assert sum(sums.values()) == fact.cum_qty
    assert desk_.intake.book.orders["P1"].cum_qty == 60
    assert desk_.rebuilt().book.orders["P1"].cum_qty == 60


def test_a_window_told_twice_is_recorded_once() -> None:
    desk_ = Recorded()
    desk_.ask(submit(1, desk_.opened))
    desk_.play(child("P1", 0), n=3)
    before = desk_.kinds()
    desk_.play(child("P1", 0), n=3)
    desk_.play(child("P1", 0), n=2)
    assert desk_.kinds() == before
    assert desk_.rebuilt().played(desk_.opened.symbol) == 3


def test_everything_killed_is_rearmed_by_two_people_and_a_rebuilt_desk_knows() -> None:
    desk_ = Recorded()
    desk_.ask(Kill(principal=OPERATOR, level="all", target="", why="drill"))
    assert isinstance(desk_.ask(submit(1, desk_.opened)), Denied)
    assert isinstance(desk_.rebuilt().answer(submit(1, desk_.opened), NOW).answer, Denied)
    assert desk_.ask(Rearm(principal=OPERATOR, level="all", target="", why="ok")) == Noted(waits_for="a second person")
    assert desk_.ask(Rearm(principal=OPERATOR, level="all", target="", why="ok")) == Noted(waits_for="a second person")
    assert isinstance(desk_.ask(submit(1, desk_.opened)), Denied)
    assert desk_.ask(Rearm(principal=RISK_OFFICER, level="all", target="", why="ok")) == Noted()
    assert isinstance(desk_.ask(submit(1, desk_.opened)), Accepted)
    assert isinstance(desk_.rebuilt().answer(submit(2, desk_.opened), NOW).answer, Accepted)


def test_an_order_that_waits_for_approval_is_judged_by_somebody_else() -> None:
    desk_ = Recorded()
    waiting = desk_.ask(msgspec.structs.replace(submit(1, desk_.opened), is_manual=True))
    assert waiting == Accepted(parent_id="P1", is_new=True, approval_id="A-P1")
    own = desk_.ask(JudgeApproval(principal=TRADER, approval_id="A-P1", is_approved=True))
    assert isinstance(own, Conflicting)
    assert desk_.ask(JudgeApproval(principal=OPERATOR, approval_id="A-P1", is_approved=False, why="no")) == Noted()
    assert desk_.intake.book.orders["P1"].ended is OrdStatus.REJECTED
    assert not desk_.intake.gate.exposure.orders
    gone = desk_.ask(JudgeApproval(principal=OPERATOR, approval_id="A-P1", is_approved=True))
    assert isinstance(gone, NotFound)


def test_a_limit_changed_at_run_time_holds_at_once_and_after_a_restart() -> None:
    desk_ = Recorded()
    assert desk_.ask(SetLimit(principal=OPERATOR, key="qty_max", value="100", why="test")) == Noted()
    assert isinstance(desk_.ask(submit(1, desk_.opened)), Denied)
    assert isinstance(desk_.rebuilt().answer(submit(2, desk_.opened), NOW).answer, Denied)
    changed = [fact for fact in map(_fact, desk_.journal.read()) if isinstance(fact, facts.LimitSet)]
    assert [(fact.before, fact.after, fact.who) for fact in changed] == [("1000000", "100", "ann")]


@pytest.mark.parametrize(
    "request_",
    [
        Kill(principal=OPERATOR, level="galaxy", target="", why="x"),
        Kill(principal=OPERATOR, level="symbol", target="", why="x"),
        Kill(principal=OPERATOR, level="all", target="", why=" "),
        SetVenueState(principal=OPERATOR, mic="XLTA", state="open", why="x"),
        SetLimit(principal=OPERATOR, key="qty_maxx", value="1", why="x"),
        SetLimit(principal=OPERATOR, key="qty_max", value="many", why="x"),
        SetLimit(principal=OPERATOR, key="venue_share_max", value="1.5", why="x"),
        SteerModel(principal=OPERATOR, learner_id="learner", act="freeze", why=""),
    ],
)
def test_what_cannot_be_is_refused_and_leaves_nothing_behind(request_: Request) -> None:
    desk_ = Recorded()
    before = desk_.intake.digest()
    with pytest.raises(BadInputError, match="expected"):
        desk_.ask(request_)
    assert desk_.kinds() == []
    assert desk_.intake.digest() == before
    assert isinstance(desk_.ask(submit(1, desk_.opened)), Accepted)


@pytest.mark.parametrize("terms", [{"max_participation": 7.0}, {"strategy_parameters": {"nope": 1.0}}])
def test_an_order_that_cannot_be_keeps_no_other_from_its_id_also_after_a_snapshot(terms: dict[str, object]) -> None:
    desk_ = Recorded()
    before = desk_.intake.digest()
    with pytest.raises(BadInputError, match="expected"):
        desk_.ask(submit(1, desk_.opened, **terms))
    assert desk_.intake.digest() == before
    again = stood_again(desk_)
    again.see(reference(desk_.opened, NOW))
    other = submit(2, desk_.opened, who=OTHER_TRADER, account="C")
    assert again.answer(other, NOW).answer == Accepted(parent_id="P1", is_new=True)
    assert desk_.ask(submit(1, desk_.opened)) == Accepted(parent_id="P1", is_new=True)


def test_an_order_that_cannot_be_counts_as_a_message_and_is_denied_first_what_all_are_denied() -> None:
    desk_ = Recorded(messages_per_s=1, messages_burst=1)
    with pytest.raises(BadInputError, match="expected"):
        desk_.ask(submit(1, desk_.opened, max_participation=7.0))
    denied = desk_.ask(submit(2, desk_.opened, max_participation=7.0))
    assert isinstance(denied, Denied)
    assert [denial.code for denial in denied.denials] == ["MESSAGE_RATE_SESSION"]


def test_a_desk_back_from_a_snapshot_values_as_one_rebuilt_from_the_journal() -> None:
    desk_ = Recorded()
    desk_.ask(submit(1, desk_.opened))
    desk_.play(child("P1", 0), fill(1, 100), n=0)
    seen = msgspec.structs.replace(reference(desk_.opened, NOW), bid_px=px("109.99"), ask_px=px("110.01"))
    desk_.intake.see(seen)
    assert desk_.intake.gate.exposure.account("A").value == 100 * px("110")
    assert stood_again(desk_).digest() == desk_.rebuilt().digest()
    assert stood_again(desk_).gate.exposure.account("A").value == 100 * px("100")


def test_a_desk_rebuilt_from_any_part_of_its_journal_stands_where_it_stood_then() -> None:
    desk_ = Recorded()
    digests = [desk_.intake.digest()]
    steps = (
        lambda: desk_.ask(submit(1, desk_.opened)),
        lambda: desk_.ask(submit(2, desk_.opened)),
        lambda: desk_.play(child("P1", 0), fill(1, 100), n=1),
        lambda: desk_.ask(ReplaceOrder(principal=TRADER, parent_id="P2", order_qty=300)),
        lambda: desk_.ask(CancelOrder(principal=TRADER, parent_id="P2")),
        lambda: desk_.play(ParentDone(parent_id="P2", at=NOW, ord_status=OrdStatus.CANCELED), n=2),
        lambda: desk_.ask(Kill(principal=OPERATOR, level="venue", target="XLTA", why="slow")),
    )
    lengths = [0]
    for step in steps:
        step()
        digests.append(desk_.intake.digest())
        lengths.append(len(desk_.kinds()))
    records = list(desk_.journal.read())
    for length, digest in zip(lengths, digests, strict=True):
        again = desk(desk_.opened)
        for record in records[:length]:
            again.apply(record)
        assert again.digest() == digest


def _fact(record: object) -> facts.Fact:
    return codec.decode(record.payload, facts.Fact)  # type: ignore[attr-defined,arg-type]


def test_a_suspended_order_goes_on_when_a_person_says_why_and_no_other_does() -> None:
    desk_ = Recorded()
    desk_.ask(submit(1, desk_.opened))
    asked = ResumeOrder(principal=OPERATOR, parent_id="P1", why="agreed with the venue")
    refused = desk_.ask(asked)
    assert isinstance(refused, Conflicting)
    assert refused.code == "ORDER_IS_NOT_SUSPENDED"
    desk_.play(ParentSuspended(parent_id="P1", at=NOW, reason="over-filled by P1.0"), n=0)
    assert desk_.ask(asked) == Noted()
    desk_.play(ParentResumed(parent_id="P1", at=NOW), n=1)
    assert not desk_.rebuilt().book.orders["P1"].is_suspended
    assert [type(fact).__name__ for fact in desk_.told()][1:] == ["OrderSuspended", "ResumeAsked", "OrderResumed"]


def test_a_kill_that_comes_aside_after_people_have_lifted_it_kills_nothing_again() -> None:
    desk_ = Recorded()
    desk_.ask(Kill(principal=OPERATOR, level="symbol", target=desk_.opened.symbol, why="drill"))
    aside = facts.KillSet(at=NOW, level="SYMBOL", target=desk_.opened.symbol, who="ann", why="drill")
    desk_.ask(Rearm(principal=OPERATOR, level="symbol", target=desk_.opened.symbol, why="ok"))
    desk_.play(n=0, aside=(aside,))
    assert isinstance(desk_.ask(submit(1, desk_.opened)), Accepted)
    later = msgspec.structs.replace(aside, at=NOW + 1)
    desk_.play(n=1, aside=(later,))
    assert isinstance(desk_.ask(submit(2, desk_.opened)), Denied)


def test_a_pending_replace_binds_as_much_in_a_rebuilt_desk() -> None:
    desk_ = Recorded()
    desk_.ask(submit(1, desk_.opened))
    assert desk_.ask(ReplaceOrder(principal=TRADER, parent_id="P1", order_qty=1_200)) == Noted()
    assert desk_.rebuilt().digest() == desk_.intake.digest()
    assert desk_.rebuilt().gate.exposure.orders["P1"].order_qty == 1_200


def test_an_order_that_nobody_approves_in_time_expires() -> None:
    desk_ = Recorded()
    waiting = submit(1, desk_.opened)
    soon = msgspec.structs.replace(waiting.order, end_at=NOW + 5)
    desk_.ask(msgspec.structs.replace(waiting, order=soon, is_manual=True))
    desk_.play(n=0)
    assert desk_.intake.book.orders["P1"].ended is None
    late = Played(
        symbol=desk_.opened.symbol,
        n=1,
        at=NOW + 5,
        is_cut=False,
        heard=0,
        events=(),
        digest="d",
        policy_version=1,
        model_digest="m",
    )
    desk_.intake.play(late)
    assert desk_.intake.book.orders["P1"].ended is OrdStatus.EXPIRED
    assert not desk_.intake.gate.exposure.orders


@pytest.mark.parametrize(("level", "target"), [("symbol", "midc"), ("venue", "XXXX")])
def test_a_kill_of_what_is_not_there_is_refused_by_name(level: str, target: str) -> None:
    with pytest.raises(BadInputError, match=f"expected one of .*, got '{target}' - at target"):
        Recorded().ask(Kill(principal=OPERATOR, level=level, target=target, why="x"))
