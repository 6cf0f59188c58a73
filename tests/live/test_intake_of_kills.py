"""Kills name what is there and mean one thing; the repeated-execution throttle stops one account's strategy."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from desk_and_market import Live, live, of_kind
from live_material import OPERATOR, RISK_OFFICER, TRADER, desk, order, session

from cluster.live.session import assembly_of, fresh_link
from cluster.live.verifying import verify_session
from router.domain.enums import OrdType, Side, Tactic
from router.domain.errors import BadInputError
from router.domain.events import ChildIntended, ChildTraded, DecisionMade
from router.domain.facts import CancelAsked, KillSet, SessionOpened, StrategyReenabled, StrategyStopped
from router.domain.orders import ChildOrder
from router.domain.played import Played
from router.domain.requests import (
    Accepted,
    Denied,
    Kill,
    Noted,
    NotFound,
    Principal,
    Rearm,
    ReenableStrategy,
    SubmitOrder,
)
from router.domain.units import SECOND, px
from router.intake.intake import Intake
from router.route import FALL_BACK

ONLY_B = Principal(name="rita", role="risk", accounts=("B",))


def named() -> SessionOpened:
    """A session that says what its learner is called, as every new one does."""
    return msgspec.structs.replace(session(), learners=("learner",))


def running(opened: SessionOpened | None = None, **limits: object) -> Live:
    opened = opened or named()
    made = live(opened, **limits)
    made.write(made.desk.record(opened))
    made.desk.see(made.market.reference())
    return made


def go_on(made: Live, seconds: int = 3) -> None:
    made.go_on(made.market.now + seconds * SECOND)
    made.desk.see(made.market.reference())


def submit(made: Live, n: int, **terms: Any) -> object:
    now = made.market.now
    given = {"parent_id": "-", "side": Side.BUY, "end_at": now + 60 * SECOND, **terms}
    return made.ask(SubmitOrder(principal=TRADER, order=order(n, made.opened, now, **given), body_hash=f"h{n}"))


def kill(made: Live, level: str, target: str) -> object:
    return made.ask(Kill(principal=OPERATOR, level=level, target=target, why="drill"))


def policies(made: Live) -> set[str]:
    """What decisions went by."""
    return {event.decision.policy for event in of_kind(made, DecisionMade)}


@pytest.mark.parametrize(("level", "target"), [("strategy", "nosuch"), ("model", "nosuch")])
def test_a_kill_of_a_strategy_or_model_that_is_not_there_is_refused(level: str, target: str) -> None:
    made = running()
    with pytest.raises(BadInputError, match=f"expected one of .*(learner|twap).*, got '{target}' - at target"):
        kill(made, level, target)
    assert not of_kind(made, KillSet)
    assert isinstance(submit(made, 1), Accepted)


def test_orders_go_on_without_a_killed_model_and_with_it_once_it_is_armed_again() -> None:
    made = running()
    assert kill(made, "model", "learner") == Noted(count=0)
    go_on(made, 1)
    assert isinstance(submit(made, 1), Accepted)
    go_on(made)
    assert policies(made) == {FALL_BACK}
    made.ask(Rearm(principal=OPERATOR, level="model", target="learner", why="ok"))
    go_on(made, 1)
    assert isinstance(submit(made, 2), Accepted)
    go_on(made)
    assert policies(made) == {FALL_BACK, made.opened.policy}


def test_a_kill_of_another_model_that_came_aside_leaves_the_learner_on() -> None:
    made = running()
    aside = KillSet(at=made.market.now, level="MODEL", target="another", who="ann", why="drill")
    assert made.market.switches.kill(aside)
    assert not made.market.switches.is_model_killed
    assert made.market.switches.kill(msgspec.structs.replace(aside, target="learner"))
    assert made.market.switches.is_model_killed


def test_a_session_from_before_models_had_names_plays_as_it_did() -> None:
    made = running(session())
    assert kill(made, "model", "whatever") == Noted(count=0)
    assert made.market.switches.is_model_killed
    submit(made, 1)
    go_on(made)
    assert policies(made) == {FALL_BACK}
    link = fresh_link(made.opened, assembly_of(made.opened, None))
    assert verify_session(made.record, made.opened, link, None).difference == ""


def executed(made: Live, parent_id: str, *qtys: int) -> None:
    """Let a child of an order execute as often."""
    now, symbol = made.market.now, made.opened.symbol
    child = ChildOrder(
        cl_ord_id=f"{parent_id}.0",
        parent_id=parent_id,
        decision_id=f"{parent_id}.d0",
        symbol=symbol,
        mic="XLTA",
        tactic=Tactic.TAKE,
        side=Side.BUY,
        order_qty=sum(qtys),
        ord_type=OrdType.LIMIT,
        price=px("100.01"),
    )
    fills = [
        ChildTraded(parent_id=parent_id, at=now, cl_ord_id=child.cl_ord_id, exec_id=f"e{k}", last_qty=qty, last_px=1)
        for k, qty in enumerate(qtys)
    ]
    played = Played(
        symbol=symbol,
        n=made.desk.played(symbol) + 1,
        at=now,
        is_cut=False,
        heard=0,
        events=(
            ChildIntended(parent_id=parent_id, at=now, cl_ord_id=child.cl_ord_id, child=child, mid_routed2=0),
            *fills,
        ),
        digest="d",
        policy_version=1,
        model_digest="m",
    )
    made.write(made.desk.play(played))


def stopped() -> Live:
    """A desk whose twap of account A has executed too often, while B has an order of it open."""
    made = running(repeated_executions_max=1)
    for n, account in enumerate("AAB", start=1):
        # An order of its own shape and side each time: they start later, so that no market works them.
        late = {"start_at": made.market.now + 30 * SECOND, "strategy": "twap"}
        assert isinstance(submit(made, n, account=account, qty=400 + n, **late), Accepted)
    executed(made, "P1", 100, 100)
    return made


def reenable(made: Live, account: str, who: Principal = RISK_OFFICER) -> object:
    return made.ask(ReenableStrategy(principal=who, account=account, strategy="twap", why="looked"))


def test_the_throttle_stops_one_account_s_strategy_and_ends_its_orders_alone() -> None:
    made = stopped()
    assert [(fact.account, fact.strategy) for fact in of_kind(made, StrategyStopped)] == [("A", "twap")]
    assert [fact.parent_id for fact in of_kind(made, CancelAsked)] == ["P1", "P2"]
    denied = submit(made, 4, account="A", strategy="twap")
    assert isinstance(denied, Denied) and [one.code for one in denied.denials] == ["REPEATED_EXECUTIONS"]
    assert isinstance(submit(made, 5, account="B", strategy="twap", qty=505), Accepted)
    assert isinstance(submit(made, 6, account="A", strategy="vwap", qty=506), Accepted)


def test_only_who_may_act_for_the_account_lets_it_go_on() -> None:
    made = stopped()
    assert isinstance(reenable(made, "A", ONLY_B), NotFound)
    assert isinstance(reenable(made, "B"), NotFound)
    assert not of_kind(made, StrategyReenabled)
    assert reenable(made, "A") == Noted()
    assert isinstance(submit(made, 4, account="A", strategy="twap", qty=504), Accepted)
    assert isinstance(reenable(made, "A"), NotFound)


def again(made: Live) -> Intake:
    """The desk as its journal makes it."""
    rebuilt = desk(made.opened, repeated_executions_max=1)
    for record in made.record.read():
        rebuilt.apply(record)
    return rebuilt


def test_a_rebuilt_desk_has_the_same_strategies_stopped() -> None:
    made = stopped()
    assert list(again(made).gate.state.executions.stopped) == [("A", "twap")]
    reenable(made, "A")
    assert again(made).gate.state.executions.stopped == {}


def test_a_journal_in_which_another_account_lifted_the_stop_has_it_lifted() -> None:
    made = stopped()
    lifted = StrategyReenabled(at=made.market.now, account="B", strategy="twap", who="joe", why="looked")
    made.write(made.desk.record(lifted))
    assert again(made).gate.state.executions.stopped == {}
