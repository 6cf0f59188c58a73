"""Our own impact with sign feedback: concave, partly taken back, without a profit in going round.

Rule of this file: the mean-field model is examined by itself; tests of the flow it is the mean of are beside it.
"""

from __future__ import annotations

import math

import pytest

from router.domain.units import SECOND, px
from scenarios.impact import CELL_NS, OwnImpact
from scenarios.scenario import ImpactPart

ADV, REFERENCE = 2_000_000, px("40")
PART = ImpactPart(kind="sign_feedback", coefficient_bps=60.0)
OPEN = 1_514_903_400 * SECOND


def impact(**changes: float) -> OwnImpact:
    part = {"coefficient_bps": 60.0, **changes}
    return OwnImpact(ImpactPart(kind="sign_feedback", **part), ADV, REFERENCE)


def trade(one: OwnImpact, qty_a_second: int, from_s: int, to_s: int) -> float:
    """Trade evenly; return what it cost against the reference, in shares x Px."""
    paid = 0.0
    for s in range(from_s, to_s):
        before = one.px(OPEN + s * SECOND)
        one.executed(OPEN + s * SECOND, qty_a_second)
        paid += qty_a_second * 0.5 * (before + one.px(OPEN + s * SECOND))
    return paid


def peak_and_left(qty_a_second: int, duration_s: int) -> tuple[int, int]:
    one = impact()
    trade(one, qty_a_second, 0, duration_s)
    return one.px(OPEN + duration_s * SECOND), one.px(OPEN + 6 * duration_s * SECOND)


def test_impact_grows_more_slowly_than_size_and_is_partly_taken_back() -> None:
    sizes = (30, 60, 120, 240, 480)
    found = [peak_and_left(100, of) for of in sizes]
    slope = math.log(found[-1][0] / found[0][0]) / math.log(sizes[-1] / sizes[0])
    assert 0.5 < slope < 0.8
    assert all(0.2 < left / peak < 0.8 for peak, left in found)


def test_without_feedback_impact_is_linear_and_stays() -> None:
    one = impact(m=0.0)
    one.executed(OPEN, 20_000)
    assert [one.px(OPEN + s * SECOND) for s in (0, 1, 3_600)] == [2_400] * 3


def test_buys_and_sells_are_alike() -> None:
    up, down = impact(), impact()
    for one, sign in ((up, 1), (down, -1)):
        trade(one, 70 * sign, 0, 90)
    assert up.px(OPEN + 100 * SECOND) == -down.px(OPEN + 100 * SECOND) != 0


def test_cutting_a_quantity_into_fills_changes_nothing() -> None:
    whole, pieces = impact(), impact()
    whole.executed(OPEN, 500)
    for _ in range(500):
        pieces.executed(OPEN, 1)
    at = OPEN + 30 * SECOND
    assert abs(whole.px(at) - pieces.px(at)) <= 1


def test_when_somebody_looks_changes_nothing() -> None:
    seldom, often = impact(), impact()
    for s in range(0, 60, 3):
        seldom.executed(OPEN + s * SECOND, 300)
        for part in range(7):
            often.px(OPEN + (s - 3) * SECOND + part * SECOND // 3)
        often.executed(OPEN + s * SECOND, 300)
    at = OPEN + 100 * SECOND + CELL_NS // 2
    assert seldom.px(at) == often.px(at)


@pytest.mark.parametrize("buying", [10, 60, 400])
@pytest.mark.parametrize("selling", [10, 60, 400])
@pytest.mark.parametrize("pause_s", [0, 60, 600])
def test_going_round_earns_nothing(buying: int, selling: int, pause_s: int) -> None:
    one, qty = impact(), 12_000
    cost = trade(one, buying, 0, qty // buying)
    start = qty // buying + pause_s
    cost += trade(one, -selling, start, start + qty // selling)
    assert cost >= 0.0
