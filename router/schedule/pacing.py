"""From a target to a release: the arithmetic that all schedules share.

Rule of this file: what binds every schedule is enforced here and only here: the parent's times, its quantity, its lot
and its participation cap.

Fractions of an order are whole billionths, so that a target is computed in integers from one rounded float on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from router.domain.enums import Tactic, WorkingState
from router.domain.units import MINUTE, Nanos, Qty, round_down, seconds
from router.schedule.schedule import Portion, Release, ScheduleView

BILLION = 1_000_000_000

COMPLETING_SHARE = 4
"""Completing takes at most this part (a quarter) of a parent's life: a short order is still worked."""

BASE_MIN_BPS = 0.1
"""Least cost of taking that urgency is measured in: a taker rebate must not make waiting free."""

BEHIND_MAX = 4.0
"""Slices behind the pace that count: further behind is not more urgent."""

COMPLETING_FACTOR = 5.0
"""At the end the remainder is worth this many times the cost of taking at the touch."""

COMPLETING_MIN_BPS = 50.0
"""...and at least this, so that a sweep through several levels is still worth it."""

RISK_AVERSION = 0.2
"""Weight of the volatility of one interval when behind, after the risk term of Almgren and Chriss (2000)."""

COMPLETING_TACTICS = (Tactic.TAKE, Tactic.POST, Tactic.MID_PEG, Tactic.QUOTE)


class Clock(NamedTuple):
    """A parent's times on the grid of its slices: the boundary that the current slice is released for, the span of a
    slice, when completing starts, when to ask again, and the share of the parent's life that is over (0..1)."""

    slice_end_at: Nanos
    interval_ns: Nanos
    completing_at: Nanos
    wake_at: Nanos
    elapsed: float

    def is_completing(self, now: Nanos) -> bool:
        """Whether the parent is in its last part."""
        return now >= self.completing_at


class Pace(NamedTuple):
    """Where a schedule wants the parent: `target_qty` released by now (fills and working children), `due_qty` filled
    by now, and `slice_qty`, the quantity of one slice, in which being behind is measured."""

    target_qty: Qty
    due_qty: Qty
    slice_qty: Qty


def clock_of(view: ScheduleView, parameters: Mapping[str, float]) -> Clock:
    """Return the parent's times at `view.now`, which lies in [start_at, end_at)."""
    span = view.end_at - view.start_at
    interval = max(1, seconds(parameters["interval_s"]))
    completing_at = view.end_at - min(seconds(parameters["completing_s"]), span // COMPLETING_SHARE)
    boundary = view.start_at + ((view.now - view.start_at) // interval + 1) * interval
    slice_end_at = min(boundary, view.end_at)
    wake_at = completing_at if view.now < completing_at < slice_end_at else slice_end_at
    return Clock(slice_end_at, interval, completing_at, wake_at, (view.now - view.start_at) / span)


def billionths(share: float) -> int:
    """Return a share of 0..1 in whole billionths.

    >>> billionths(0.25)
    250000000
    """
    return round(min(1.0, max(0.0, share)) * BILLION)


def share_of(qty: Qty, share: int) -> Qty:
    """Return `share` billionths of a quantity, to the nearest: a sixtieth of 60,000 is a thousand.

    >>> share_of(60_000, billionths(1 / 60))
    1000
    """
    return (qty * share + BILLION // 2) // BILLION


def quiet(view: ScheduleView, target_qty: Qty = 0) -> Release | None:
    """Return the release of nothing when there is nothing to do: before the start, from the end on, or when all is
    filled; None when the parent is alive."""
    if view.now < view.start_at:
        return Release(target_qty, (), view.start_at, WorkingState.IDLE)
    if view.now >= view.end_at:
        return Release(view.order_qty, (), view.end_at, WorkingState.IDLE)
    if view.cum_qty >= view.order_qty:
        return Release(view.order_qty, (), view.end_at, WorkingState.IDLE)
    return None


def room(view: ScheduleView) -> Qty:
    """Return how much may be released at all: what is unrouted, within the participation cap."""
    if view.max_participation is None:
        return view.unrouted_qty
    allowed = math.floor(view.max_participation * view.market_volume)
    return max(0, min(view.unrouted_qty, allowed - view.cum_qty - view.routed_qty))


def in_lots(view: ScheduleView, wanted: Qty, limit: Qty) -> Qty:
    """Return `wanted`, at least 0 and at most `limit`, in whole lots; an odd lot only when it is all that is left."""
    qty = max(0, min(wanted, limit))
    return qty if qty == view.unrouted_qty else round_down(qty, view.lot)


def slices_behind(view: ScheduleView, pace: Pace, tolerance: float) -> float:
    """Return how far the fills are behind what is due, in slices, 0..`BEHIND_MAX`.

    Where a slice is less than `tolerance` of the order, that is the measure: a day cut into hundreds of slices does not
    pay the spread because one of them did not fill yet.
    """
    measure = max(1, pace.slice_qty, int(tolerance * view.order_qty))
    return min(BEHIND_MAX, max(0.0, (pace.due_qty - view.cum_qty) / measure))


def taking_bps(view: ScheduleView) -> float:
    """Return the cost of taking at the touch: half the spread and the fee."""
    cost = view.half_spread_bps + view.taker_fee_bps
    return max(BASE_MIN_BPS, cost) if math.isfinite(cost) else BASE_MIN_BPS


def opportunity_bps(view: ScheduleView, clock: Clock, behind: float) -> float:
    """Return what leaving a share unfilled costs.

    On pace it is 0.5 to 1 times the cost of taking, more with urgency and with time, so that taking is not worth it; at
    urgency 0.5 it passes the cost of taking when a little more than half a slice behind. It never falls with urgency,
    lateness or time.
    """
    taking = taking_bps(view)
    volatility = view.volatility_bps if math.isfinite(view.volatility_bps) else 0.0
    risk = volatility * math.sqrt(clock.interval_ns / MINUTE)
    factor = 0.5 + 0.4 * view.urgency + 0.1 * clock.elapsed**4 + behind * (0.25 + 0.5 * view.urgency)
    worked = taking * factor + RISK_AVERSION * risk * view.urgency * behind
    if clock.is_completing(view.now):
        return max(worked, COMPLETING_FACTOR * taking, COMPLETING_MIN_BPS)
    return worked


def release_paced(
    view: ScheduleView, clock: Clock, pace: Pace, parameters: Mapping[str, float], tactics: tuple[Tactic, ...]
) -> Release:
    """Return the release of a schedule that keeps to a pace in one portion: what the target, with a small allowance
    ahead of it, asks for beyond what is filled and working. In completing, all that the target allows."""
    opportunity = opportunity_bps(view, clock, slices_behind(view, pace, parameters["tolerance"]))
    is_completing = clock.is_completing(view.now)
    wanted = pace.target_qty + int(parameters["ahead"] * pace.slice_qty) - view.cum_qty - view.routed_qty
    qty = in_lots(view, wanted, room(view))
    allowed = COMPLETING_TACTICS if is_completing else tactics
    portions = (Portion(qty, allowed, opportunity),) if qty else ()
    if is_completing:
        state = WorkingState.COMPLETING
    elif opportunity >= taking_bps(view) and Tactic.TAKE in tactics:
        state = WorkingState.SWEEPING
    else:
        state = WorkingState.POSTING if qty or view.routed_qty else WorkingState.IDLE
    return Release(pace.target_qty, portions, clock.wake_at, state)


def at_once(view: ScheduleView, wake_at: Nanos, state: WorkingState, tactics: tuple[Tactic, ...]) -> Release:
    """Return the release of all that may be released, in one portion that is worth taking for."""
    qty = in_lots(view, view.unrouted_qty, room(view))
    worth = max(COMPLETING_FACTOR * taking_bps(view), COMPLETING_MIN_BPS)
    return Release(view.order_qty, (Portion(qty, tactics, worth),) if qty else (), wake_at, state)


def at_will(view: ScheduleView, release: Release) -> Release:
    """Return what a schedule released, or all that is left while the market is where the client would have it done."""
    if not view.is_willing or quiet(view) is not None or not in_lots(view, view.unrouted_qty, room(view)):
        return release
    return at_once(view, release.wake_at, WorkingState.SWEEPING, COMPLETING_TACTICS)


def pace_along(view: ScheduleView, clock: Clock, due: int, by_slice_end: int) -> Pace:
    """Return the pace along a curve of fractions (in billionths): `due` by now, `by_slice_end` at the end of the
    current slice. In completing the target is the whole order."""
    due_qty, next_qty = share_of(view.order_qty, due), share_of(view.order_qty, by_slice_end)
    even_qty = view.order_qty * clock.interval_ns // (view.end_at - view.start_at)
    # Near the end of a front-loaded curve a slice is a few shares, and a few shares would look like many slices.
    slice_qty = max(next_qty - due_qty, min(even_qty, view.order_qty), view.lot)
    target_qty = view.order_qty if clock.is_completing(view.now) else next_qty
    return Pace(target_qty, due_qty, slice_qty)


def elapsed_share(view: ScheduleView, at: Nanos) -> int:
    """Return the share of the parent's life that is over at `at`, in billionths, to the nearest."""
    span = view.end_at - view.start_at
    return ((at - view.start_at) * BILLION + span // 2) // span
