"""The pool's book: who meets whom, at which price and in which order.

Rule of this file: the mid is 40.00 and the half spread one cent; orders are named by numbers.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.domain.errors import BadInputError
from venues.types.dark_book import DarkBook, Interest, Trade

MID, HALF = 400_000, 100


def book(*resting: Interest) -> DarkBook:
    made = DarkBook(HALF)
    for order in resting:
        assert made.enter(order, MID) == []
    return made


def test_pegs_trade_at_the_mid_in_the_order_they_came() -> None:
    pool = book(Interest(1, 1, 300), Interest(2, 1, 300))
    assert pool.enter(Interest(3, -1, 400), MID) == [Trade(1, 3, MID, 300), Trade(2, 3, MID, 100)]
    left = pool.find(2)
    assert pool.find(1) is None
    assert left is not None
    assert left.leaves == 200


def test_a_near_side_peg_waits_for_somebody_who_pays_the_spread() -> None:
    pool = book(Interest(1, 1, 300, is_near=True))
    assert pool.enter(Interest(2, -1, 100), MID, rests=False) == []
    assert pool.enter(Interest(3, -1, 100, is_far=True), MID) == [Trade(1, 3, MID - HALF, 100)]


def test_who_would_pay_the_spread_meets_the_mid_first() -> None:
    pool = book(Interest(1, -1, 100, is_near=True), Interest(2, -1, 100))
    taker = Interest(3, 1, 200, is_far=True)
    assert pool.enter(taker, MID) == [Trade(2, 3, MID, 100), Trade(1, 3, MID + HALF, 100)]


def test_two_near_side_pegs_never_meet() -> None:
    pool = book(Interest(1, -1, 100, is_near=True))
    assert pool.enter(Interest(2, 1, 100, is_near=True, is_far=True), MID) == []


@pytest.mark.parametrize(("limit", "px"), [(MID, MID), (MID - 1, 0), (0, MID)])
def test_a_limit_holds_against_the_mid(limit: int, px: int) -> None:
    done = book(Interest(1, 1, 100, limit=limit)).enter(Interest(2, -1, 100), MID)
    assert [trade.px for trade in done] == ([px] if px else [])


def test_a_limit_of_a_near_side_peg_holds_against_the_near_side() -> None:
    pool = book(Interest(1, 1, 100, limit=MID - HALF, is_near=True))
    resting = pool.find(1)
    assert resting is not None
    assert pool.stands(resting, MID)
    assert not pool.stands(resting, MID + 1)
    assert pool.enter(Interest(2, -1, 100, is_far=True), MID) == [Trade(1, 2, MID - HALF, 100)]


def test_min_qty_binds_both_and_all_that_is_left_is_enough() -> None:
    pool = book(Interest(1, 1, 500, min_qty=300))
    assert pool.enter(Interest(2, -1, 200), MID, rests=False) == []
    assert pool.enter(Interest(3, -1, 300, min_qty=300), MID) == [Trade(1, 3, MID, 300)]
    assert pool.enter(Interest(4, -1, 200), MID) == [Trade(1, 4, MID, 200)]


@pytest.mark.parametrize("is_ours_first", [True, False])
def test_a_denied_segment_is_not_met_whoever_comes_first(is_ours_first: bool) -> None:
    ours, theirs = Interest(-1, 1, 100, denies=(2,)), Interest(9, -1, 100, segment=2)
    first, second = (ours, theirs) if is_ours_first else (theirs, ours)
    pool = book(first)
    assert pool.enter(second, MID) == []
    assert pool.enter(Interest(10, -1, 100, segment=1), MID) == [Trade(-1, 10, MID, 100)]


def test_uncommitted_interest_trades_with_nobody_until_it_is_firmed_up() -> None:
    pool = book(Interest(-1, 1, 500, is_firm=False))
    assert pool.enter(Interest(1, -1, 200, segment=0), MID) == []
    assert pool.enter(Interest(2, -1, 100, segment=0, is_firm=False), MID) == []
    assert pool.uncross(MID) == []
    assert pool.met(-1, MID) == 300
    assert pool.firm_up(-1, MID) == [Trade(1, -1, MID, 200), Trade(2, -1, MID, 100)]
    left = pool.find(-1)
    assert left is not None
    assert (left.leaves, left.is_firm) == (200, False)


def test_a_counterparty_that_fails_to_firm_up_leaves_and_the_next_one_is_met() -> None:
    pool = book(
        Interest(-1, 1, 100, is_firm=False),
        Interest(1, -1, 100, segment=0, is_firm=False, fails=True),
        Interest(2, -1, 100, segment=0, is_firm=False, fails=True),
        Interest(3, -1, 100, segment=0, is_firm=False),
    )
    assert pool.firm_up(-1, MID) == [Trade(3, -1, MID, 100)]
    assert pool.find(1) is None
    assert pool.find(2) is None


def test_our_own_uncommitted_orders_do_not_invite_each_other() -> None:
    pool = book(
        Interest(-1, 1, 100, is_firm=False), Interest(-2, -1, 100, is_firm=False), Interest(-3, -1, 100, limit=MID)
    )
    assert pool.met(-1, MID) == 0


def test_an_uncross_prefers_the_better_price_to_the_earlier_time() -> None:
    pool = DarkBook(HALF)
    for order in (Interest(1, 1, 100, is_near=True), Interest(2, 1, 100), Interest(3, -1, 100, is_far=True)):
        assert pool.enter(order, MID, trades=False) == []
    assert pool.uncross(MID) == [Trade(3, 2, MID, 100)]


def test_what_cannot_be_is_refused() -> None:
    pool = book(Interest(1, 1, 100))
    with pytest.raises(BadInputError, match="an id that does not rest"):
        pool.enter(Interest(1, 1, 100), MID)
    with pytest.raises(BadInputError, match="an order that rests"):
        pool.firm_up(7, MID)
    with pytest.raises(BadInputError, match="a quantity from 1"):
        Interest(2, 1, 0)


ORDERS = st.lists(
    st.builds(
        dict,
        sign=st.sampled_from((1, -1)),
        leaves=st.integers(1, 9),
        limit=st.sampled_from((0, MID - HALF, MID, MID + HALF)),
        min_qty=st.integers(0, 5),
        segment=st.integers(-1, 2),
        denies=st.sampled_from(((), (1,), (2,), (-1, 2))),
        is_near=st.booleans(),
        is_far=st.booleans(),
        is_firm=st.booleans(),
        fails=st.booleans(),
    ),
    max_size=12,
)


@given(ORDERS, st.integers(0, 12))
def test_whatever_comes_nothing_trades_twice_or_beyond_its_terms(orders: list[dict], firmed: int) -> None:  # type: ignore[type-arg]
    pool = DarkBook(HALF)
    made: dict[int, Interest] = {}
    done: list[Trade] = []
    for oid, fields in enumerate(orders):
        made[oid] = Interest(oid, **fields)
        done += pool.enter(made[oid], MID)
    done += pool.uncross(MID)
    if pool.find(firmed) is not None:
        done += pool.firm_up(firmed, MID)
    for oid, fields in enumerate(orders):
        mine = [trade for trade in done if oid in (trade.maker, trade.taker)]
        assert sum(trade.qty for trade in mine) + made[oid].leaves == fields["leaves"]
        assert all(fields["limit"] == 0 or fields["sign"] * (fields["limit"] - t.px) >= 0 for t in mine)
    for trade in done:
        one, two = made[trade.maker], made[trade.taker]
        assert one.sign != two.sign
        assert one.segment not in two.denies
        assert two.segment not in one.denies
        near = next((order for order in (one, two) if order.is_near), None)
        assert trade.px == (MID if near is None else MID - near.sign * HALF)
