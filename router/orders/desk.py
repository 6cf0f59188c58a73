"""What a parent does when it wakes: mind its children, ask its schedule, route, or finish.

Rule of this file: it decides by recording events through `record`, which applies each at once; it sends nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import NamedTuple

import msgspec

from router.allocation.allocate import Exploration
from router.allocation.exclude import DISABLED
from router.allocation.limits import UNLIMITED, Limits
from router.allocation.styles import StyleRule
from router.domain.enums import OrdStatus, OrdType, SessionState, Side, Tactic, TimeInForce, WorkingState
from router.domain.events import ChildIntended, ChildWatched, DecisionMade, Event, ParentDone, ParentWoke
from router.domain.fees import Rates, expected_rates, rates_bps
from router.domain.instruments import VenueSpec
from router.domain.market import MarketSnapshot
from router.domain.messages import HostBatch
from router.domain.orders import ParentOrder
from router.domain.scores import ContextFrame
from router.domain.units import MILLISECOND, SECOND, Nanos, Qty
from router.orders import hearing, replacing
from router.orders.parent import ParentState
from router.orders.styling import styled
from router.orders.trust import choose
from router.route import NOTHING_BEHIND, Standing, Surroundings, book_side, route
from router.schedule.build import build_schedule
from router.schedule.pacing import at_will, room, taking_bps
from router.schedule.schedule import Portion, Release, Schedule, ScheduleView
from router.schedule.vwap import Vwap, curve_of_life

IMMEDIATE = (TimeInForce.IMMEDIATE_OR_CANCEL, TimeInForce.FILL_OR_KILL)
_WORKING = (OrdStatus.NEW, OrdStatus.PARTIALLY_FILLED)

WOULD_LOOK_NS = SECOND
"""How often an order with a `would_price` looks whether the market is there, between the slices of its schedule."""

Record = Callable[[Event], None]


class Glance(NamedTuple):
    """What the schedule of a parent releases at a moment, asked before the parent decides."""

    version: int
    """The parent's, of which it holds: the next event may change it."""
    view: ScheduleView
    release: Release
    market: MarketSnapshot

    @property
    def may_route(self) -> bool:
        """Whether any of it can be routed, for which the policy as it is then is looked at."""
        return any(1 <= portion.qty <= self.view.unrouted_qty for portion in self.release.portions)


class HostSetup(NamedTuple):
    """What a host is built from; the same for every host of a run."""

    specs: tuple[VenueSpec, ...]
    seed: int
    life_ns: Nanos = 10 * SECOND
    """How long a resting child lives."""
    reaction_ns: Nanos = 20 * MILLISECOND
    """How soon after immediate children the parent looks again."""
    answer_timeout_ns: Nanos = 2 * SECOND
    """Silence after which a child is UNKNOWN."""
    heartbeat_ns: Nanos = 30 * SECOND
    """How often learners hear of a child that is still open."""
    sweeps_max: int = 3
    """How often, between two boundaries of the schedule, missed immediate quantity is sent again."""
    exploration: Exploration = Exploration(0.05, 0.1)
    limits: Limits = UNLIMITED
    session: tuple[Nanos, Nanos] = (0, 0)
    """The session's open and close, over which `volume_curve` is given."""
    volume_curve: tuple[float, ...] = ()
    """Cumulative share of a past day's volume by equal bins of the session, for VWAP; without it a U-shape."""
    stale_ns: Nanos = 60 * SECOND
    """Age of a published policy beyond which it is not used."""
    styles: StyleRule | None = None
    """How boldly styles are chosen; none: every slice is left to the lane policy."""


def glance(state: ParentState, now: Nanos, market: MarketSnapshot, setup: HostSetup) -> Glance | None:
    """Return what the schedule of a parent that is due at `now` releases; None where it is not that which decides.

    What a wake does before it asks the schedule says what silence means and changes no quantity: so this is what it
    will be told, as long as nothing else is heard.
    """
    order = state.parent
    if state.replacing is not None or not state.may_route or not state.wake_at <= now < order.end_at:
        return None
    view = _view(state, now, market, setup)
    return Glance(state.version, view, at_will(view, _schedule(order, setup).release(view)), market)


def wake(
    state: ParentState,
    batch: HostBatch,
    market: MarketSnapshot,
    setup: HostSetup,
    record: Record,
    known: Glance | None = None,
) -> None:
    """Let one parent act at `batch.now`; what is `known` of its schedule is not asked again while it holds."""
    now = batch.now
    is_down = SessionState.DOWN
    down = {quote.mic: True for quote in market.quotes if quote.session is is_down}
    for event in hearing.overdue(state, now, setup.answer_timeout_ns, down):
        record(event)
    _watch(state, now, setup, record)
    for event in replacing.given_up(state, now, setup.answer_timeout_ns):
        record(event)
    if state.replacing is not None:
        _take_back(state, now, setup, down, record)
    elif not state.may_route or now >= state.parent.end_at:
        _finish(state, now, setup, down, record)
    elif now >= state.wake_at or (_is_willing(state.parent, market) and state.unrouted_qty > 0):
        if known is None or known.version != state.version or known.market is not market:
            view = _view(state, now, market, setup)
            known = Glance(state.version, view, at_will(view, _schedule(state.parent, setup).release(view)), market)
        _work(state, batch, known, setup, down, record)
    else:
        record(_looked(state, now, state.wake_at, state.scheduled_state))


def _looked(state: ParentState, now: Nanos, wake_at: Nanos, working_state: WorkingState) -> ParentWoke:
    """The parent minded its children; its schedule was not asked."""
    return ParentWoke(
        parent_id=state.parent.parent_id,
        at=now,
        target_qty=state.target_qty,
        wake_at=wake_at,
        working_state=working_state,
        sweeps=state.sweeps,
    )


def _watch(state: ParentState, now: Nanos, setup: HostSetup, record: Record) -> None:
    """Tell learners of children that have been open for a while."""
    for child in tuple(state.live.values()):
        age = now - child.intended_at
        if age - child.watched_age >= setup.heartbeat_ns and child.status in _WORKING:
            record(ChildWatched(parent_id=child.child.parent_id, at=now, cl_ord_id=child.child.cl_ord_id))


def next_wake(state: ParentState, setup: HostSetup) -> Nanos:
    """Return when a parent next wants to decide: at its schedule's wake, or when silence means something."""
    due = hearing.next_deadline(state, setup.answer_timeout_ns)
    wake_at = state.wake_at
    if state.parent.would_price is not None and state.may_route and state.unrouted_qty > 0:
        wake_at = min(wake_at, max(state.woken_at + WOULD_LOOK_NS, state.parent.start_at))
    if due is None:
        return wake_at
    # Nothing is to be done about a silence that the last wake saw, until the next one.
    return min(wake_at, due if due > state.woken_at else state.woken_at + setup.answer_timeout_ns)


def _take_back(state: ParentState, now: Nanos, setup: HostSetup, down: Mapping[str, bool], record: Record) -> None:
    """Ask for the children that stand in the way of the parent's new terms; nothing else is done meanwhile."""
    for event in replacing.take_back(state, now, down):
        record(event)
    record(_looked(state, now, now + setup.answer_timeout_ns, state.scheduled_state))


def _finish(state: ParentState, now: Nanos, setup: HostSetup, down: Mapping[str, bool], record: Record) -> None:
    """Cancel what is open, and end the parent once nothing is; a suspended one waits for a person, or its end."""
    for event in hearing.cancels(state, now, down):
        record(event)
    parent_id = state.parent.parent_id
    if state.live:
        record(_looked(state, now, now + setup.answer_timeout_ns, WorkingState.COMPLETING))
        return
    is_full = state.cum_qty >= state.parent.order_qty
    if state.status is OrdStatus.SUSPENDED and now < state.parent.end_at and not is_full:
        record(_looked(state, now, state.parent.end_at, WorkingState.IDLE))
        return
    is_canceled = state.status is OrdStatus.PENDING_CANCEL
    status = OrdStatus.CANCELED if is_canceled else OrdStatus.EXPIRED
    if is_full:
        status = OrdStatus.FILLED
    record(ParentDone(parent_id=parent_id, at=now, ord_status=status))


def _work(
    state: ParentState,
    batch: HostBatch,
    asked: Glance,
    setup: HostSetup,
    down: Mapping[str, bool],
    record: Record,
) -> None:
    """Route each portion of what the schedule releases, and note when to look again."""
    order, now, view, release, market = state.parent, batch.now, asked.view, asked.release, asked.market
    has_immediate = False
    around = _surroundings(state, batch, market, setup, down) if release.portions else None
    for i, portion in enumerate(release.portions if around is not None else ()):
        if around is None or portion.qty < 1 or portion.qty > state.unrouted_qty:
            continue
        standing = _standing(state, release.portions[i:], now, market, setup)
        told = styled(state, portion, around, taking_bps(view), setup.styles, batch.tactics, setup.stale_ns)
        n, children, left = state.decisions, len(state.children), state.unrouted_qty
        parent = _bounded(told.parent) if view.is_willing else told.parent
        routed = route(parent, told.portion, around, n, children, left, standing, told.choice)
        record(DecisionMade(parent_id=order.parent_id, at=now, decision=routed.decision))
        mid2 = market.bid_px + market.ask_px
        for child, x in zip(routed.children, routed.contexts, strict=True):
            has_immediate |= child.time_in_force in IMMEDIATE
            record(
                ChildIntended(
                    parent_id=order.parent_id,
                    at=now,
                    cl_ord_id=child.cl_ord_id,
                    child=child,
                    mid_routed2=mid2,
                    x=x,
                    arm=routed.decision.arm,
                )
            )
    record(_woke(state, release, now, has_immediate, setup))


def _is_willing(order: ParentOrder, market: MarketSnapshot) -> bool:
    """Whether the far side stands at the price, or better, at which the client would have all of it done."""
    would = order.would_price
    touch = market.ask_px if order.side is Side.BUY else market.bid_px
    return would is not None and touch > 0 and (touch - would) * order.side.sign <= 0


def _bounded(order: ParentOrder) -> ParentOrder:
    """Return the order with its `would_price` as its limit: what is released for that price pays no worse."""
    return msgspec.structs.replace(order, ord_type=OrdType.LIMIT, price=order.would_price)


def _standing(
    state: ParentState, ahead: tuple[Portion, ...], now: Nanos, market: MarketSnapshot, setup: HostSetup
) -> Standing:
    """Return what is behind the first of the portions `ahead`, as far as anything in force asks for it.

    Over-booking takes nothing from the portions after it, nor from the cap on participation: what is posted in all,
    were all of it to fill, stays within what the order may still trade.
    """
    order, limits = state.parent, setup.limits
    if not order.overbook_max and limits == UNLIMITED:
        return NOTHING_BEHIND
    extra: Qty = 0
    if order.overbook_max:
        free = room(_view(state, now, market, setup)) - sum(portion.qty for portion in ahead)
        extra = max(min(int(order.overbook_max * ahead[0].qty), free), 0)
    committed: dict[str, Qty] = {}
    if limits.venue_share_max < 1.0:
        for child in state.children.values():
            mic = child.child.mic
            committed[mic] = committed.get(mic, 0) + child.cum_qty + child.leaves_qty
    return Standing(extra, state.given_up, committed)


def _schedule(order: ParentOrder, setup: HostSetup) -> Schedule:
    is_along = bool(setup.volume_curve) and order.strategy == Vwap.name
    life = (setup.volume_curve, setup.session, order.start_at, order.end_at) if is_along else None
    return _built(order.strategy, tuple(order.strategy_parameters.items()), life)


@lru_cache(maxsize=256)
def _built(
    strategy: str,
    parameters: tuple[tuple[str, float], ...],
    life: tuple[tuple[float, ...], tuple[Nanos, Nanos], Nanos, Nanos] | None,
) -> Schedule:
    """Return a schedule, which keeps nothing from one wake to the next: an order asks the same one all its life."""
    curve = None if life is None else curve_of_life(life[0], *life[1], *life[2:])
    return build_schedule(strategy, dict(parameters), curve)


def _woke(state: ParentState, release: Release, now: Nanos, has_immediate: bool, setup: HostSetup) -> ParentWoke:
    """Look again soon after immediate children, a few times; else at the schedule's next boundary."""
    is_sweeping = has_immediate and state.sweeps < setup.sweeps_max and now + setup.reaction_ns < release.wake_at
    return ParentWoke(
        parent_id=state.parent.parent_id,
        at=now,
        target_qty=release.target_qty,
        wake_at=now + setup.reaction_ns if is_sweeping else release.wake_at,
        working_state=WorkingState.SWEEPING if is_sweeping else release.working_state,
        sweeps=state.sweeps + 1 if is_sweeping else 0,
    )


@lru_cache(maxsize=64)
def _taker_rates(specs: tuple[VenueSpec, ...]) -> tuple[Rates, ...]:
    """Return the rates at which one may expect to take, each once."""
    return tuple(dict.fromkeys(expected_rates(spec.fees, Tactic.TAKE) for spec in specs))


@lru_cache(maxsize=64)
def _lot(specs: tuple[VenueSpec, ...]) -> Qty:
    """Return the largest lot of the venues: what a schedule releases in."""
    return max((spec.listing.lot for spec in specs), default=1)


def _view(state: ParentState, now: Nanos, market: MarketSnapshot, setup: HostSetup) -> ScheduleView:
    order, mid = state.parent, market.mid
    mid2 = market.bid_px + market.ask_px
    taker_bps = [rates_bps(rates, mid2) for rates in _taker_rates(setup.specs)] if mid else []
    return ScheduleView(
        now=now,
        start_at=order.start_at,
        end_at=order.end_at,
        order_qty=order.order_qty,
        cum_qty=state.cum_qty,
        routed_qty=state.routed_qty,
        resting_dark_qty=state.resting_dark_qty,
        market_volume=max(market.volume - state.volume_at_start, 0),
        urgency=order.urgency,
        max_participation=order.max_participation,
        half_spread_bps=max(market.ask_px - market.bid_px, 0) / 2 / mid * 1e4 if mid else 0.0,
        taker_fee_bps=max(taker_bps, default=0.0),
        volatility_bps=market.volatility_bps,
        lot=_lot(setup.specs),
        parameters=order.strategy_parameters,
        is_willing=_is_willing(order, market),
    )


def _surroundings(
    state: ParentState,
    batch: HostBatch,
    market: MarketSnapshot,
    setup: HostSetup,
    down: Mapping[str, bool],
) -> Surroundings | None:
    """Return what decisions of this parent look at now; None when there is no market to look at."""
    side = book_side(state.parent.side)
    frame = _of_side(batch.frames, side)
    if frame is None or not market.mid:
        return None
    policy, fall_back = choose(state, batch.policies, side, setup.specs, batch.now, setup.stale_ns, setup.seed)
    return Surroundings(
        now=batch.now,
        market=market,
        frame=frame,
        policy=policy,
        specs=setup.specs,
        unavailable={**dict.fromkeys(down, "SESSION_DOWN"), **dict.fromkeys(batch.blocked_venues, DISABLED)},
        exploration=setup.exploration,
        seed=setup.seed,
        life_ns=setup.life_ns,
        limits=setup.limits,
        fall_back=fall_back,
    )


def _of_side(frames: tuple[ContextFrame, ...], side: Side) -> ContextFrame | None:
    return next((frame for frame in frames if frame.side is side), None)
