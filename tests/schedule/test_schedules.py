"""Schedules release what their strategy says, and keep what every schedule promises.

Rule of this file: quantities are worked out by hand and compared exactly.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from router.domain.enums import Tactic, WorkingState
from router.domain.errors import BadInputError
from router.domain.units import MILLISECOND, SECOND
from router.schedule.build import STRATEGIES, build_schedule
from router.schedule.check import CHECKS, START_AT, Make, a_view, check_release
from router.schedule.pacing import at_will, taking_bps
from router.schedule.schedule import Release, Schedule, ScheduleView

EXACT = {"ahead": 0.0, "interval_s": 10.0}


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_schedule_keeps_its_promise(check: Callable[[Make], None], strategy: str) -> None:
    assert check(lambda: build_schedule(strategy, {})) is None


def test_every_check_is_in_the_suite() -> None:
    import router.schedule.check as module

    checks = {name for name in vars(module) if name.startswith("check_")} - {"check_schedule", "check_release"}
    assert {check.__name__ for check in CHECKS} == checks


@st.composite
def views(draw: st.DrawFn) -> ScheduleView:
    order_qty = draw(st.integers(1, 10**9))
    cum_qty = draw(st.integers(0, order_qty + 5))
    routed_qty = draw(st.integers(0, order_qty))
    span = draw(st.integers(1, 10**14))
    return ScheduleView(
        now=START_AT + draw(st.integers(-span, 2 * span)),
        start_at=START_AT,
        end_at=START_AT + span,
        order_qty=order_qty,
        cum_qty=cum_qty,
        routed_qty=routed_qty,
        resting_dark_qty=draw(st.integers(0, routed_qty)),
        market_volume=draw(st.integers(0, 10**12)),
        urgency=draw(st.floats(0, 1)),
        max_participation=draw(st.none() | st.floats(0.001, 1)),
        half_spread_bps=draw(st.floats(0, 1e4) | st.just(math.nan)),
        taker_fee_bps=draw(st.floats(-10, 100)),
        volatility_bps=draw(st.floats(0, 1e4) | st.just(math.inf)),
        lot=draw(st.sampled_from([1, 100, 1_000])),
        parameters={"interval_s": draw(st.floats(0.1, 86_400)), "completing_s": draw(st.floats(0, 86_400))},
    )


@settings(max_examples=150, deadline=None)
@given(strategy=st.sampled_from(STRATEGIES), view=views())
def test_any_release_is_within_the_order_its_times_and_its_caps(strategy: str, view: ScheduleView) -> None:
    assert check_release(build_schedule(strategy, {}), view).target_qty <= view.order_qty


def test_twap_releases_the_same_quantity_in_every_slice() -> None:
    released = [qty for _, qty in _filled_at_once(build_schedule("twap", EXACT), a_view(order_qty=60_000, lot=1))]
    assert released[:57] == [1_000] * 57
    # Completing starts 30 s before the end and releases the three slices that are left.
    assert released[57:] == [3_000, 0]


def test_twap_waits_until_a_lot_is_due_and_sends_the_odd_rest_at_the_end() -> None:
    steps = _filled_at_once(build_schedule("twap", EXACT), a_view(order_qty=250, lot=100))
    assert [(at // SECOND, qty) for at, qty in steps if qty] == [(230, 100), (470, 100), (570, 50)]


def test_lateness_within_the_tolerance_is_not_worth_taking_for() -> None:
    # A thousand slices of 1,000 shares; five of them late is half a percent of the order.
    view = a_view(order_qty=1_000_000, lot=100)._replace(now=START_AT + 300 * SECOND, cum_qty=495_000)
    for tolerance, may_take in ((0.0, True), (0.001, True), (0.01, False)):
        schedule = build_schedule("twap", {"interval_s": 0.6, "tolerance": tolerance})
        assert (_worth(schedule.release(view)) > taking_bps(view)) is may_take
    assert _worth(schedule.release(view._replace(cum_qty=485_000))) > taking_bps(view)


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "sweep"])
def test_tolerance_never_presses_and_changes_nothing_below_a_slice(strategy: str) -> None:
    for cum_qty in range(30_000, -1, -3_000):
        view = a_view(order_qty=100_000, lot=100)._replace(
            now=START_AT + 200 * SECOND, cum_qty=cum_qty, market_volume=2_000_000
        )
        schedules = [build_schedule(strategy, {"tolerance": share}) for share in (0.0, 0.001, 0.05, 0.2)]
        worth = [_worth(schedule.release(view)) for schedule in schedules]
        assert worth == sorted(worth, reverse=True)
        assert worth[0] == worth[1], "a slice is a sixtieth of the order"


def test_allowance_ahead_is_a_share_of_one_slice() -> None:
    view = a_view(order_qty=60_000, lot=1)
    assert _qty(build_schedule("twap", {"ahead": 0.5}).release(view)) == 1_500


def test_what_is_working_is_not_released_again() -> None:
    schedule = build_schedule("twap", EXACT)
    view = a_view(order_qty=60_000, lot=100)._replace(now=START_AT + 5 * SECOND)
    assert _qty(schedule.release(view._replace(routed_qty=1_000))) == 0
    assert _qty(schedule.release(view._replace(routed_qty=400))) == 600
    assert _qty(schedule.release(view._replace(routed_qty=400, cum_qty=550))) == 0


def test_arrival_does_half_in_a_half_life_and_is_ahead_of_twap() -> None:
    schedule = build_schedule("arrival", {**EXACT, "half_life": 0.1})
    steps = _filled_at_once(schedule, a_view(order_qty=100_000, lot=1))
    done = sum(qty for at, qty in steps if at < 60 * SECOND)
    assert 50_000 <= done <= 50_100
    assert [qty for _, qty in steps[:57]] == sorted((qty for _, qty in steps[:57]), reverse=True)


def test_arrival_with_a_long_half_life_is_a_twap() -> None:
    view = a_view(order_qty=60_000, lot=1)._replace(now=START_AT + 300 * SECOND)
    assert build_schedule("arrival", {"half_life": 10.0}).release(view).target_qty == pytest.approx(31_000, abs=40)


def test_arrival_is_more_front_loaded_with_urgency() -> None:
    schedule = build_schedule("arrival", EXACT)
    firsts = [_qty(schedule.release(a_view(lot=1)._replace(urgency=urgency))) for urgency in (0.0, 0.5, 1.0)]
    assert firsts == sorted(firsts)
    assert firsts[0] < firsts[2]


def test_vwap_follows_the_curve_it_is_given() -> None:
    schedule = build_schedule("vwap", EXACT, volume_curve=(0.5, 0.6, 1.0))
    view = a_view(order_qty=100_000, lot=1)
    targets = [schedule.release(view._replace(now=START_AT + at * SECOND)).target_qty for at in (0, 190, 390, 560)]
    assert targets == [2_500, 50_000, 60_000, 94_000]


@pytest.mark.parametrize(
    ("curve", "where"),
    [
        ((), "volume_curve"),
        ((0.5, 0.4, 1.0), r"volume_curve\[1\]"),
        ((0.5, math.nan, 1.0), r"volume_curve\[1\]"),
        ((-0.1, 1.0), r"volume_curve\[0\]"),
        ((0.5, 0.9), r"volume_curve\[1\]"),
        ((0.5, 1.5), r"volume_curve\[1\]"),
    ],
)
def test_volume_curve_that_is_none_is_refused(curve: tuple[float, ...], where: str) -> None:
    with pytest.raises(BadInputError, match=f"expected .* at {where}$"):
        build_schedule("vwap", {}, volume_curve=curve)


def test_pov_follows_volume_and_stays_below_it_to_the_end() -> None:
    schedule = build_schedule("pov", {"participation": 0.2})
    view = a_view(order_qty=10_000, lot=100)
    assert _qty(schedule.release(view)) == 0
    assert _qty(schedule.release(view._replace(market_volume=5_999))) == 1_100
    last = schedule.release(view._replace(now=view.end_at - SECOND, market_volume=10_000, cum_qty=1_000))
    assert (_qty(last), last.working_state) == (1_000, WorkingState.COMPLETING)


def test_pov_one_slice_short_is_on_pace_and_two_are_not() -> None:
    schedule = build_schedule("pov", {"participation": 0.1})
    # 30 slices of 100 shares are due.
    view = a_view(order_qty=10_000, lot=100)._replace(now=START_AT + 300 * SECOND, market_volume=30_000)
    (on_pace,) = schedule.release(view._replace(cum_qty=2_900)).portions
    (behind,) = schedule.release(view._replace(cum_qty=2_800)).portions
    assert on_pace.opportunity_bps < taking_bps(view) < behind.opportunity_bps


def test_liquidity_seeking_rests_most_in_the_dark_and_works_the_rest_patiently() -> None:
    schedule = build_schedule("liquidity_seeking", {**EXACT, "dark_fraction": 0.6})
    dark, paced = schedule.release(a_view(order_qty=60_000, lot=100)).portions
    assert (dark.qty, dark.tactics) == (36_000, (Tactic.MID_PEG, Tactic.CONDITIONAL))
    assert (paced.qty, paced.tactics) == (1_000, (Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE))
    assert dark.opportunity_bps < paced.opportunity_bps


def test_dark_portion_is_renewed_when_a_quarter_is_missing_and_not_before() -> None:
    schedule = build_schedule("liquidity_seeking", {**EXACT, "dark_fraction": 0.6})
    view = a_view(order_qty=60_000, lot=100)._replace(now=START_AT + SECOND)
    for resting, added in ((36_000, 0), (27_100, 0), (27_000, 9_000), (0, 36_000)):
        release = schedule.release(view._replace(resting_dark_qty=resting, routed_qty=resting + 1_000))
        assert _qty(release) == added
        assert release.working_state is WorkingState.PROBING_DARK


def test_what_rests_in_the_dark_does_not_count_as_worked() -> None:
    schedule = build_schedule("liquidity_seeking", {**EXACT, "dark_fraction": 0.6})
    view = a_view(order_qty=60_000, lot=100)._replace(resting_dark_qty=36_000, routed_qty=36_000)
    (paced,) = schedule.release(view).portions
    assert paced.qty == 1_000


def test_two_portions_together_never_pass_the_order() -> None:
    schedule = build_schedule("liquidity_seeking", {**EXACT, "dark_fraction": 1.0})
    view = a_view(order_qty=60_000, lot=100)
    for at in range(0, 570, 10):
        release = schedule.release(view._replace(now=START_AT + at * SECOND))
        assert _qty(release) <= 60_000
        assert release.portions[-1].qty == (at + 10) * 100


@pytest.mark.parametrize(
    ("at_s", "cum_qty", "urgency", "may_take"),
    [
        (300, 30_000, 0.5, False),
        (300, 29_000, 0.5, True),
        (300, 29_000, 0.0, False),
        (300, 28_000, 0.0, True),
        (540, 54_000, 0.5, True),
        (400, 40_000, 1.0, False),
        (430, 43_000, 1.0, True),
    ],
)
def test_liquidity_seeking_takes_only_under_pressure(at_s: int, cum_qty: int, urgency: float, may_take: bool) -> None:
    schedule = build_schedule("liquidity_seeking", EXACT)
    view = a_view(order_qty=60_000, lot=100)._replace(now=START_AT + at_s * SECOND, cum_qty=cum_qty, urgency=urgency)
    release = schedule.release(view)
    assert (Tactic.TAKE in release.portions[-1].tactics) is may_take
    assert (release.working_state is WorkingState.SWEEPING) is may_take


@pytest.mark.parametrize("urgency", [0.0, 0.5, 1.0])
def test_taking_is_not_worth_it_on_pace_and_is_when_behind(urgency: float) -> None:
    schedule = build_schedule("twap", EXACT)
    view = a_view(order_qty=60_000, lot=100)._replace(now=START_AT + 300 * SECOND, urgency=urgency)
    (on_pace,) = schedule.release(view._replace(cum_qty=30_000)).portions
    (behind,) = schedule.release(view._replace(cum_qty=28_000)).portions
    assert on_pace.opportunity_bps < taking_bps(view) <= behind.opportunity_bps


def test_wakes_lie_on_the_grid_and_on_the_start_of_completing() -> None:
    view = a_view()._replace(end_at=START_AT + 65 * SECOND)
    steps = _filled_at_once(build_schedule("twap", {"interval_s": 20.0}), view)
    # A quarter of the life: completing never takes more.
    assert [at // MILLISECOND for at, _ in steps] == [0, 20_000, 40_000, 48_750, 60_000]


def test_a_sweep_releases_everything_at_once_and_again_what_is_left() -> None:
    schedule, view = build_schedule("sweep", {}), a_view(order_qty=12_345, lot=100)
    release = schedule.release(view)
    assert (_qty(release), release.target_qty, release.wake_at) == (12_345, 12_345, START_AT + SECOND // 2)
    assert Tactic.POST not in release.portions[0].tactics
    assert _qty(schedule.release(view._replace(cum_qty=2_345, routed_qty=4_000))) == 6_000
    assert _qty(schedule.release(view._replace(max_participation=0.1, market_volume=15_000))) == 1_500


def test_dark_only_rests_more_in_the_dark_than_liquidity_seeking() -> None:
    view = a_view(order_qty=60_000)
    first = [build_schedule(name, {}).release(view).portions[0] for name in ("dark_only", "liquidity_seeking")]
    assert [portion.qty for portion in first] == [58_900, 36_000]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_at_the_clients_price_all_that_is_left_is_released_whatever_the_schedule(strategy: str) -> None:
    view = a_view(order_qty=10_000)._replace(now=START_AT + 5 * SECOND, market_volume=50_000, cum_qty=1_000)
    release = build_schedule(strategy, {}).release(view)
    assert at_will(view, release) is release
    willing = at_will(view._replace(is_willing=True), release)
    assert (_qty(willing), willing.wake_at, willing.working_state) == (9_000, release.wake_at, WorkingState.SWEEPING)
    assert Tactic.TAKE in willing.portions[0].tactics
    assert willing.portions[0].opportunity_bps > view.half_spread_bps + view.taker_fee_bps


def test_at_the_clients_price_the_cap_and_the_orders_life_hold_all_the_same() -> None:
    schedule, willing = build_schedule("twap", {}), a_view(order_qty=10_000)._replace(is_willing=True)
    capped = willing._replace(max_participation=0.1, market_volume=20_000)
    assert _qty(at_will(capped, schedule.release(capped))) == 2_000
    for view in (willing._replace(now=START_AT - 1), willing._replace(now=willing.end_at)):
        assert _qty(at_will(view, schedule.release(view))) == 0
    worked = willing._replace(cum_qty=4_000, routed_qty=6_000)
    assert at_will(worked, schedule.release(worked)).portions == ()


def test_parameters_of_the_parent_go_before_those_of_the_schedule() -> None:
    schedule = build_schedule("twap", {"interval_s": 60.0, "ahead": 0.0})
    view = a_view(order_qty=60_000)
    assert _qty(schedule.release(view)) == 6_000
    assert _qty(schedule.release(view._replace(parameters={"interval_s": 30.0}))) == 3_000


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("intervals", 5.0),
        ("interval_s", math.nan),
        ("interval_s", 0.0),
        ("interval_s", -math.inf),
        ("completing_s", -1.0),
        ("interval_s", "5"),
        ("interval_s", True),
    ],
)
def test_parameter_that_cannot_be_used_is_refused_by_name(strategy: str, name: str, value: Any) -> None:
    with pytest.raises(BadInputError, match=f"expected .*, got .* - at strategy_parameters.{name}$"):
        build_schedule(strategy, {name: value})
    with pytest.raises(BadInputError, match=f"strategy_parameters.{name}$"):
        build_schedule(strategy, {}).release(a_view()._replace(parameters={name: value}))


def test_unknown_strategy_is_refused_with_the_known_ones() -> None:
    with pytest.raises(BadInputError, match=r"expected one of arrival, .* vwap, got 'iceberg' - at strategy"):
        build_schedule("iceberg", {})


def _filled_at_once(schedule: Schedule, view: ScheduleView) -> list[tuple[int, int]]:
    """Return (time since the start, released quantity) at each wake, all of it filled at once."""
    steps = []
    while view.now < view.end_at:
        release = schedule.release(view)
        steps.append((view.now - view.start_at, _qty(release)))
        view = view._replace(now=release.wake_at, cum_qty=view.cum_qty + _qty(release))
    return steps


def _worth(release: Release) -> float:
    return max(portion.opportunity_bps for portion in release.portions)


def _qty(release: Release) -> int:
    return sum(portion.qty for portion in release.portions)
