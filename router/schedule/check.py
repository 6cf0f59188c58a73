"""The examiner of schedules: `check_schedule(make)`, and `check_release` for a single view.

Rule of this file: a check says what every schedule promises, whatever its strategy. The views come from keyed chance,
so that an examination is the same each time.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

from router.domain.chance import uniforms
from router.domain.enums import Tactic, WorkingState
from router.domain.units import SECOND, Nanos, Qty
from router.schedule.schedule import Release, Schedule, ScheduleView

Make = Callable[[], Schedule]

VIEWS = 300
START_AT: Nanos = 1_000 * SECOND


def check_schedule(make: Make) -> None:
    """Run every check on schedules from `make`.

    Raises:
        AssertionError: a promise of `Schedule` that this one does not keep.

    >>> from router.schedule.twap import Twap
    >>> check_schedule(lambda: Twap({}))
    """
    for check in CHECKS:
        check(make)


def check_release(schedule: Schedule, view: ScheduleView) -> Release:
    """Return the release for `view` after checking all that must hold for any view."""
    release = schedule.release(view)
    assert release == schedule.release(view), "the same view gives the same release"
    released = sum(portion.qty for portion in release.portions)
    assert released <= view.unrouted_qty, "never more than is unrouted"
    if released and view.max_participation is not None:
        cap = view.max_participation * view.market_volume
        assert view.cum_qty + view.routed_qty + released <= cap, "never above the participation cap"
    for portion in release.portions:
        assert portion.qty >= 1, "a portion has a quantity"
        is_whole = portion.qty % view.lot == 0 or portion.qty == view.unrouted_qty
        assert is_whole, "whole lots, or all that is left"
        assert portion.tactics, "a portion has tactics"
        assert len(dict.fromkeys(portion.tactics)) == len(portion.tactics), "a tactic is named once"
        assert math.isfinite(portion.opportunity_bps), "opportunity is a number"
        assert portion.opportunity_bps > 0.0, "opportunity is positive"
    assert 0 <= release.target_qty <= view.order_qty, "the target lies within the order"
    if view.now < view.end_at:
        assert view.now < release.wake_at <= view.end_at, "wakes later, and not after the end"
    else:
        assert release.wake_at == view.end_at, "nothing follows the end"
    if not view.start_at <= view.now < view.end_at:
        assert released == 0, "nothing outside the parent's life"
        assert release.working_state is WorkingState.IDLE, "idle outside the parent's life"
    return release


def check_any_view(make: Make) -> None:
    """What must hold for any view holds for a few hundred drawn ones, also of a schedule asked before."""
    schedule = make()
    for n in range(VIEWS):
        view = drawn_view(n)
        assert check_release(schedule, view) == make().release(view), "a schedule remembers nothing"


def check_completes_when_filled_at_once(make: Make) -> None:
    """When all that is released is filled at once, the order is complete at its end, and the target never falls."""
    for order_qty, lot in ((100, 1), (12_345, 100), (1_000_000, 100), (3, 100)):
        view = a_view(order_qty=order_qty, lot=lot)
        targets = [0]
        for now, volume in _walk(make(), view):
            view = view._replace(now=now, market_volume=volume)
            release = check_release(make(), view)
            targets.append(release.target_qty)
            view = view._replace(cum_qty=view.cum_qty + sum(portion.qty for portion in release.portions))
        assert view.cum_qty == order_qty, "complete"
        assert targets == sorted(targets), "the target never falls"


def check_completes_after_nothing_filled(make: Make) -> None:
    """When nothing fills before completing, all that is due is then released with TAKE allowed, at a price that pays
    for taking."""
    view = a_view(order_qty=10_000, lot=100)
    seen = []
    for now, volume in _walk(make(), view):
        view = view._replace(now=now, market_volume=volume)
        release = check_release(make(), view)
        if release.working_state is WorkingState.COMPLETING:
            seen.append(release)
    assert seen, "completes near the end"
    for release in seen:
        (portion,) = release.portions
        assert portion.qty == 10_000, "all that is left"
        assert Tactic.TAKE in portion.tactics, "may take"
        assert portion.opportunity_bps > view.half_spread_bps + view.taker_fee_bps, "taking is worth it"


def check_opportunity_rises(make: Make) -> None:
    """Opportunity never falls with urgency, with being further behind, or with time at the same distance from the
    end of being filled."""
    base = a_view(order_qty=100_000, lot=100)._replace(now=START_AT + 200 * SECOND, market_volume=2_000_000)
    by_urgency = [_dearest(make().release(base._replace(urgency=step / 10))) for step in range(11)]
    assert by_urgency == sorted(by_urgency), "urgency"
    by_cum = [_dearest(make().release(base._replace(cum_qty=cum))) for cum in range(30_000, -1, -5_000)]
    assert by_cum == sorted(by_cum), "being behind"
    by_time = [_dearest(make().release(base._replace(now=START_AT + at * SECOND))) for at in range(5, 600, 35)]
    assert by_time == sorted(by_time), "time"


def check_participation_is_kept_along_the_way(make: Make) -> None:
    """With a thin market the cap binds at every step, in completing too, and more is never routed than it allows."""
    view = a_view(order_qty=100_000, lot=100)._replace(max_participation=0.1)
    for step, (now, _) in enumerate(_walk(make(), view)):
        view = view._replace(now=now, market_volume=step * 3_000)
        release = check_release(make(), view)
        released = sum(portion.qty for portion in release.portions)
        filled = released // 2
        view = view._replace(cum_qty=view.cum_qty + filled, routed_qty=view.routed_qty + released - filled)
    assert view.cum_qty + view.routed_qty <= 0.1 * view.market_volume, "within the cap"


def check_odd_quantities_of_the_past(make: Make) -> None:
    """An over-filled or over-routed parent gets nothing more, and nothing breaks."""
    view = a_view(order_qty=1_000, lot=100)._replace(now=START_AT + SECOND, market_volume=10**9)
    for cum_qty, routed_qty in ((1_000, 0), (1_500, 0), (600, 500), (0, 1_000), (1_000, 300)):
        release = check_release(make(), view._replace(cum_qty=cum_qty, routed_qty=routed_qty))
        assert release.portions == (), "nothing is left to release"


CHECKS: tuple[Callable[[Make], None], ...] = (
    check_any_view,
    check_completes_when_filled_at_once,
    check_completes_after_nothing_filled,
    check_opportunity_rises,
    check_participation_is_kept_along_the_way,
    check_odd_quantities_of_the_past,
)


def a_view(*, order_qty: Qty = 10_000, lot: Qty = 100) -> ScheduleView:
    """Return a fresh parent of ten minutes at its start, with nothing filled, in an ordinary market."""
    return ScheduleView(
        now=START_AT,
        start_at=START_AT,
        end_at=START_AT + 600 * SECOND,
        order_qty=order_qty,
        cum_qty=0,
        routed_qty=0,
        resting_dark_qty=0,
        market_volume=0,
        urgency=0.5,
        max_participation=None,
        half_spread_bps=1.0,
        taker_fee_bps=0.3,
        volatility_bps=4.0,
        lot=lot,
        parameters={},
    )


def drawn_view(n: int) -> ScheduleView:
    """Return the n-th drawn view: any time from before the start to after the end, any part filled and routed."""
    a, b, c, d = uniforms(1, "schedule", "view", 4 * n)
    e, f, g, h = uniforms(1, "schedule", "view", 4 * n + 1)
    order_qty = 1 + int(10 ** (6 * a))
    span = 1 + int(10 ** (13 * b))
    cum_qty = int(order_qty * c)
    routed_qty = int((order_qty - cum_qty) * d)
    return a_view(order_qty=order_qty, lot=(1, 10, 100)[n % 3])._replace(
        now=START_AT - span // 5 + int(1.4 * span * e),
        end_at=START_AT + span,
        cum_qty=cum_qty,
        routed_qty=routed_qty,
        resting_dark_qty=int(routed_qty * f),
        market_volume=int(10 ** (8 * g)),
        urgency=h,
        max_participation=(None, 0.05, 0.3, 1.0)[n % 4],
        half_spread_bps=(1.0, 0.0, math.nan, 40.0)[(n // 4) % 4],
        taker_fee_bps=(0.3, -0.5, 3.0)[n % 3],
    )


def _walk(schedule: Schedule, view: ScheduleView) -> Iterator[tuple[Nanos, Qty]]:
    """Yield the times at which a schedule wants to be asked, with the volume of a busy market."""
    now = view.start_at
    while now < view.end_at:
        volume = view.order_qty * (100 + 10_000 * (now - view.start_at) // (view.end_at - view.start_at))
        yield now, volume
        now = schedule.release(view._replace(now=now, market_volume=volume)).wake_at


def _dearest(release: Release) -> float:
    return max((portion.opportunity_bps for portion in release.portions), default=0.0)
