"""Our own footprint on the price, and the history of the mid.

Rule of this file: numbers are worked out by hand in the test.
"""

from __future__ import annotations

import numpy as np
import pytest

from router.domain.messages import Shift
from router.domain.units import SECOND, px
from scenarios.history import MidHistory
from scenarios.impact import STEP_PX, OwnImpact
from scenarios.scenario import ImpactPart

ADV, REFERENCE = 1_000_000, px("40")
PART = ImpactPart(coefficient_bps=10.0, permanent_share=0.4, half_life_s=60.0)
ONE_PERCENT = 10_000
MOVE = 400
"""Ten basis points of 40, in Px: what one percent of ADV moves the price at once."""
START = 5 * SECOND
LONG_AFTER = START + 6_000 * SECOND


def impact(part: ImpactPart = PART) -> OwnImpact:
    return OwnImpact(part, ADV, REFERENCE)


def after(signed_qty: int, at: int, part: ImpactPart = PART) -> int:
    one = impact(part)
    one.executed(START, signed_qty)
    return one.px(at)


def test_impact_is_linear_in_the_quantity_and_follows_our_side() -> None:
    assert [after(n * ONE_PERCENT, START) for n in (0, 1, 2, -1)] == [0, MOVE, 2 * MOVE, -MOVE]


def test_impact_decays_by_half_lives_to_its_permanent_part() -> None:
    times = [START + n * 60 * SECOND for n in range(3)]
    assert [after(ONE_PERCENT, at) for at in times] == [400, 160 + 120, 160 + 60]
    assert after(ONE_PERCENT, LONG_AFTER) == 160
    assert after(-ONE_PERCENT, LONG_AFTER) == -160


@pytest.mark.parametrize(("share", "stays"), [(0.0, 0), (1.0, MOVE)])
def test_the_permanent_share_is_what_stays(share: float, stays: int) -> None:
    part = ImpactPart(coefficient_bps=10.0, permanent_share=share, half_life_s=60.0)
    assert after(ONE_PERCENT, START, part) == MOVE
    assert after(ONE_PERCENT, LONG_AFTER, part) == stays


def test_executions_add_up_each_from_its_own_time() -> None:
    one = impact()
    one.executed(START, ONE_PERCENT)
    one.executed(START + 60 * SECOND, ONE_PERCENT)
    assert one.px(START + 120 * SECOND) == 160 + 60 + 160 + 120


def test_cutting_the_time_in_pieces_changes_nothing() -> None:
    whole, pieces = impact(), impact()
    for one in (whole, pieces):
        one.executed(START, 3 * ONE_PERCENT)
    for at in range(START, START + 90 * SECOND, 7 * SECOND):
        pieces.px(at)
    assert whole.px(START + 90 * SECOND) == pieces.px(START + 90 * SECOND)


def test_venues_hear_of_a_shift_in_steps() -> None:
    one = impact()
    one.executed(START, ONE_PERCENT * (STEP_PX - 1) // MOVE)
    assert one.shift(START) is None
    assert one.told() == 0
    one.executed(START, ONE_PERCENT // MOVE + 1)
    assert one.shift(START) == Shift(START, STEP_PX)
    assert (one.shift(START), one.told()) == (None, STEP_PX)
    assert one.shift(LONG_AFTER) is None, "12 of the 20 have gone: less than a step"


def test_without_a_coefficient_nothing_moves() -> None:
    one = impact(ImpactPart())
    one.executed(START, 10**9)
    assert (one.px(START), one.shift(LONG_AFTER)) == (0, None)


ROWS = np.array(
    [[10, 100, 5, 102, 5], [20, 0, 0, 102, 5], [30, 104, 5, 105, 5], [30, 106, 5, 108, 5]],
    dtype=np.int64,
)


def history() -> MidHistory:
    one = MidHistory()
    one.extend(ROWS[:2], 25)
    one.extend(ROWS[2:], 40)
    return one


def test_the_mid_is_that_of_the_last_change_up_to_then() -> None:
    one = history()
    times = [9, 10, 19, 20, 29, 30, 40]
    assert [one.mid2(at) for at in times] == [0, 202, 202, 0, 0, 214, 214]
    mids = one.mids(np.array(times, dtype=np.int64))
    np.testing.assert_array_equal(mids, [np.nan, 101, 101, np.nan, np.nan, 107, 107])


def test_who_arrives_before_the_first_quote_arrives_at_the_first_mid() -> None:
    one = history()
    assert [one.first_mid(at) for at in (0, 10, 15, 20, 25, 30, 99)] == [101, 101, 101, 104.5, 104.5, 107, 107]
    assert MidHistory().first_mid(0) is None


def test_beyond_the_last_window_there_is_no_mid() -> None:
    np.testing.assert_array_equal(history().mids(np.array([40, 41], dtype=np.int64)), [107, np.nan])


def test_a_history_without_a_quote_has_no_mid() -> None:
    one = MidHistory()
    one.extend(ROWS[:0], 50)
    assert one.mid2(10) == 0
    assert np.isnan(one.mids(np.array([10], dtype=np.int64))).all()
