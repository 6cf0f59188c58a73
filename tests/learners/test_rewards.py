"""A child's reward: given once, when it is whole, whatever the order in which its parts come.

Rule of this file: every case is worked out by hand.
"""

from __future__ import annotations

import itertools

import msgspec
import pytest

from learners.policies.check import START, example_outcomes, example_setup
from learners.policies.rewards import MARKOUT_HORIZON, RewardBook
from learners.state.seen import SeenOutcomes
from router.domain.enums import OutcomeKind, Side
from router.domain.scores import Outcome
from router.domain.units import SECOND

CHILD = Outcome(
    kind=OutcomeKind.FILL,
    at=START,
    parent_id="P1",
    decision_id="P1.d1",
    cl_ord_id="P1.1",
    lane="XNYS:POST",
    side=Side.BUY,
    order_qty=400,
    price_bps=1.0,
    fee_bps=-0.2,
    x=(1.0,),
)
FIRST = msgspec.structs.replace(CHILD, filled_qty=100, cum_qty=100, exec_id="E1")
SECOND_FILL = msgspec.structs.replace(CHILD, filled_qty=100, cum_qty=200, exec_id="E2", at=START + SECOND)
END = msgspec.structs.replace(CHILD, kind=OutcomeKind.EXPIRE, cum_qty=200, is_final=True, at=START + 5 * SECOND)


def _mark(exec_id: str, bps: float, horizon: int = MARKOUT_HORIZON) -> Outcome:
    return msgspec.structs.replace(
        CHILD,
        kind=OutcomeKind.MARKOUT,
        exec_id=exec_id,
        horizon_ns=horizon,
        markout_bps=bps,
        price_bps=0.0,
        fee_bps=0.0,
    )


def test_nothing_filled_is_rewarded_with_zero_at_the_end() -> None:
    book = RewardBook(opportunity_bps=5.0)
    assert book.hear(msgspec.structs.replace(CHILD, kind=OutcomeKind.HEARTBEAT)) == []
    rewards = book.hear(msgspec.structs.replace(END, cum_qty=0))
    assert [reward.bps for reward in rewards] == [0.0]


def test_a_reward_waits_for_the_end_and_for_the_last_fill_s_markout_in_any_order() -> None:
    parts = (FIRST, SECOND_FILL, END, _mark("E1", -1.0), _mark("E2", -3.0))
    for order in itertools.permutations(parts):
        if order.index(parts[3]) > max(order.index(parts[2]), order.index(parts[4]), order.index(parts[1])):
            continue
        if max(order.index(FIRST), order.index(SECOND_FILL)) > order.index(END):
            continue
        book = RewardBook(opportunity_bps=5.0)
        rewards = [reward for part in order for reward in book.hear(part)]
        assert [reward.bps for reward in rewards] == pytest.approx([0.5 * (5.0 + 0.2) + 0.5 * -2.0])
        assert rewards[0].lane == "XNYS:POST"


def test_other_horizons_settle_nothing() -> None:
    book = RewardBook(opportunity_bps=5.0)
    for part in (FIRST, SECOND_FILL, END, _mark("E2", 9.0, SECOND), _mark("E2", 9.0, 60 * SECOND)):
        assert book.hear(part) == []
    assert len(book.hear(_mark("E2", 0.0))) == 1


def test_what_waits_is_bounded_and_the_oldest_ended_child_is_settled_without_markout() -> None:
    book = RewardBook(opportunity_bps=5.0, limit=3)
    rewards = []
    for n in range(6):
        whole = msgspec.structs.replace(CHILD, cl_ord_id=f"P1.{n}", filled_qty=400, cum_qty=400, exec_id=f"E{n}")
        rewards += book.hear(msgspec.structs.replace(whole, is_final=True))
    assert [reward.cl_ord_id for reward in rewards] == ["P1.0", "P1.1", "P1.2"]
    assert [reward.bps for reward in rewards] == pytest.approx([6.2, 6.2, 6.2])


def test_an_outcome_is_remembered_until_the_limit_and_the_chain_tells_orders_apart() -> None:
    outcomes = example_outcomes(example_setup(), 3)
    memory, other = SeenOutcomes(limit=4), SeenOutcomes(limit=4)
    for outcome in outcomes[:6]:
        memory.accept(outcome.key, outcome)
    assert [memory.has(outcome.key) for outcome in outcomes[:6]] == [False, False, True, True, True, True]
    for outcome in reversed(outcomes[:6]):
        other.accept(outcome.key, outcome)
    assert memory.count == other.count == 6
    assert memory.digest() != other.digest()


def test_what_a_request_leaked_is_no_part_of_a_reward() -> None:
    book, plain = RewardBook(opportunity_bps=5.0), RewardBook(opportunity_bps=5.0)
    parts = (FIRST, SECOND_FILL, END, _mark("E1", -1.0), _mark("E2", -3.0))
    told = [reward for part in parts for reward in (*book.hear(_mark("", -9.0)), *book.hear(part))]
    assert told == [reward for part in parts for reward in plain.hear(part)]
    assert book.hear(_mark("", -9.0)) == []
    assert len(book._children) == 0
