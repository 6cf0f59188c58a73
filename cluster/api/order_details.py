"""What lies behind an order: its children, its executions, why each went where it went, and what they cost.

Rule of this file: everything is read from the order's own stream of the journal; what cannot be known yet is null and
never a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeVar

from aiohttp import web

from cluster.api.answers import (
    Child,
    ChildPage,
    Decision,
    DecisionPage,
    ExclusionSaid,
    Execution,
    ExecutionPage,
    LaneSaid,
    OutcomeSaid,
    Tca,
    VenueTca,
)
from cluster.api.decimals import average_text, money_text, px_text, time_text
from cluster.api.door import door_of, principal_of
from cluster.api.order_views import OrderView
from cluster.api.orders import cursor_of, find_order, place_of, px_unit_of
from cluster.api.parents import Fill, ParentFold
from cluster.api.schemas import PageQuery
from cluster.api.verdicts import missing
from cluster.api.wire import query_of, reply
from router.domain.scores import Exclusion, RoutingDecision
from router.domain.units import Micros, Qty
from router.orders.child import ChildState
from scenarios.lane_reasons import reason_of

T = TypeVar("T")
_MICROS: Final = 1_000_000


async def list_children(request: web.Request) -> web.Response:
    """GET /v1/orders/{order_id}/children"""
    found = await _behind(request)
    if isinstance(found, web.Response):
        return found
    _, fold, unit = found
    query = query_of(request, PageQuery)
    page, more = _page(fold.children(), query)
    said = tuple(child_said(state, fold, unit) for state in page)
    return reply(request, ChildPage(children=said, next=more))


async def list_executions(request: web.Request) -> web.Response:
    """GET /v1/orders/{order_id}/executions"""
    found = await _behind(request)
    if isinstance(found, web.Response):
        return found
    _, fold, unit = found
    query = query_of(request, PageQuery)
    page, more = _page(fold.fills, query)
    said = tuple(_execution_said(fill, fold, unit) for fill in page)
    return reply(request, ExecutionPage(executions=said, next=more))


async def list_decisions(request: web.Request) -> web.Response:
    """GET /v1/orders/{order_id}/decisions"""
    found = await _behind(request)
    if isinstance(found, web.Response):
        return found
    view, fold, unit = found
    query = query_of(request, PageQuery)
    page, more = _page(fold.decisions, query)
    made = await door_of(request).parents.decisions(view.order.parent_id, page)
    children = fold.by_decision()
    said = tuple(decision_said(decision, children.get(decision.decision_id, ()), fold, unit) for decision in made)
    return reply(request, DecisionPage(decisions=said, next=more))


async def get_tca(request: web.Request) -> web.Response:
    """GET /v1/orders/{order_id}/tca"""
    found = await _behind(request)
    if isinstance(found, web.Response):
        return found
    view, fold, unit = found
    return reply(request, tca_said(view, fold, unit))


async def _behind(request: web.Request) -> tuple[OrderView, ParentFold, str] | web.Response:
    """Return an order, what its parent's events came to by now, and its price unit; or a 404."""
    door, parent_id = door_of(request), request.match_info["order_id"]
    view = await find_order(door, principal_of(request), parent_id)
    if view is None:
        return missing(request, f"order {parent_id}")
    fold = await door.parents.fold(parent_id, max(view.offset, 0))
    return view, fold, px_unit_of(door, view.order.symbol)


def _page(things: Sequence[T], query: PageQuery) -> tuple[Sequence[T], str | None]:
    first = 0 if query.after is None else place_of(query.after)
    end = first + query.limit
    return things[first:end], cursor_of(end) if len(things) > end else None


def child_said(state: ChildState, fold: ParentFold, unit: str) -> Child:
    """Return a child as clients are told of it."""
    child = state.child
    return Child(
        child_id=child.cl_ord_id,
        decision_id=child.decision_id,
        mic=child.mic,
        tactic=str(child.tactic).lower(),
        lane=child.lane,
        side=str(child.side).lower(),
        type=str(child.ord_type).lower(),
        status=str(state.status).lower(),
        qty=str(state.order_qty),
        cum_qty=str(state.cum_qty),
        leaves_qty=str(state.leaves_qty),
        limit_price=None if state.price is None else px_text(state.price, unit),
        average_price=average_text(state.notional, state.cum_qty, unit) if state.cum_qty else None,
        time_in_force=str(child.time_in_force).lower(),
        venue_order_id=state.order_id,
        created_time=time_text(state.intended_at),
        updated_time=time_text(fold.updated.get(child.cl_ord_id, state.intended_at)),
        reason=fold.reasons.get(child.cl_ord_id, ""),
    )


def _execution_said(fill: Fill, fold: ParentFold, unit: str) -> Execution:
    child = fold.child(fill.cl_ord_id).child
    return Execution(
        exec_id=fill.exec_id,
        child_id=fill.cl_ord_id,
        mic=child.mic,
        tactic=str(child.tactic).lower(),
        status=fill.status,
        qty=str(fill.qty),
        price=px_text(fill.px, unit),
        fee=money_text(fill.fee_micros),
        liquidity=fill.liquidity,
        time=time_text(fill.at),
    )


def decision_said(decision: RoutingDecision, children: Sequence[ChildState], fold: ParentFold, unit: str) -> Decision:
    """Return a decision with everything that it looked at, and what became of its children since."""
    style = decision.style
    return Decision(
        decision_id=decision.decision_id,
        time=time_text(decision.at),
        side=str(decision.side).lower(),
        slice_qty=str(decision.slice_qty),
        policy=decision.policy,
        policy_version=decision.policy_version,
        model_digest=decision.model_digest,
        mode=str(decision.acted or decision.mode).lower(),
        arm=decision.arm,
        fall_back=decision.fall_back,
        opportunity_bps=decision.opportunity_bps,
        propensity=decision.propensity,
        draw=decision.draw,
        probe_lane=decision.probe_lane,
        style="" if style is None else style.style,
        lanes=lanes_said(decision),
        exclusions=exclusions_said(decision.exclusions),
        limits=exclusions_said(decision.limits),
        outcomes=tuple(_outcome_said(state, fold, unit) for state in children),
    )


def lanes_said(decision: RoutingDecision, *, is_explained: bool = True) -> tuple[LaneSaid, ...]:
    """Return the candidates of a decision: what was predicted of each, what it got, and why nothing (which takes longer
    to find than the decision itself)."""
    return tuple(
        LaneSaid(
            lane=lane,
            qty=str(decision.quantities[k]),
            probability=decision.routing_probabilities[k],
            value_bps=decision.values_bps[k],
            p=score.p,
            mu=score.mu,
            price_bps=decision.price_bps[k],
            fee_bps=decision.fee_bps[k],
            markout_bps=score.markout_bps,
            leakage_bps=score.leakage_bps,
            weight=score.weight,
            reason=reason_of(decision, k) if is_explained else "",
        )
        for k, (lane, score) in enumerate(zip(decision.candidates, decision.scores, strict=True))
    )


def exclusions_said(exclusions: Sequence[Exclusion]) -> tuple[ExclusionSaid, ...]:
    """Return lanes that were no candidates, or limits, as clients are told of them."""
    return tuple(ExclusionSaid(lane=one.lane, reason=one.reason, detail=one.detail) for one in exclusions)


def _outcome_said(state: ChildState, fold: ParentFold, unit: str) -> OutcomeSaid:
    child = state.child
    return OutcomeSaid(
        child_id=child.cl_ord_id,
        lane=child.lane,
        status=str(state.status).lower(),
        qty=str(state.order_qty),
        cum_qty=str(state.cum_qty),
        average_price=average_text(state.notional, state.cum_qty, unit) if state.cum_qty else None,
        markouts_bps=fold.markouts_of((child.cl_ord_id,)),
    )


def tca_said(view: OrderView, fold: ParentFold, unit: str) -> Tca:
    """Return what an order's executions cost so far.

    Slippage is `sign x (average - arrival) / arrival`, routing cost `sign x (price - mid when routed) / mid`, weighted
    by quantity, plus the fees; both in basis points, positive is a cost (Perold, "The implementation shortfall", 1988).
    """
    state = fold.state
    children = fold.children()
    cum_qty = 0 if state is None else state.cum_qty
    arrival2 = 0 if state is None else state.arrival_px2
    slippage = None
    if state is not None and cum_qty and arrival2:
        slippage = state.parent.side.sign * (2 * state.notional / cum_qty / arrival2 - 1.0) * 1e4
    fees = sum(child.fee_micros for child in children)
    mics = dict.fromkeys(child.child.mic for child in children)
    return Tca(
        order_id=view.order.parent_id,
        cum_qty=str(cum_qty),
        average_price=None if state is None else _average(state.notional, cum_qty, unit),
        arrival_price=average_text(arrival2, 2, unit) if arrival2 else None,
        arrival_slippage_bps=slippage,
        routing_cost_bps=_routing_cost(children, unit),
        fees=money_text(fees),
        fees_bps=_fees_bps(fees, 0 if state is None else state.notional, unit),
        markouts_bps=fold.markouts_of([child.child.cl_ord_id for child in children]),
        by_venue=tuple(_venue_tca(mic, [c for c in children if c.child.mic == mic], fold, unit) for mic in mics),
    )


def _venue_tca(mic: str, children: Sequence[ChildState], fold: ParentFold, unit: str) -> VenueTca:
    routed = sum(child.order_qty for child in children)
    filled = sum(child.cum_qty for child in children)
    return VenueTca(
        mic=mic,
        children=len(children),
        routed_qty=str(routed),
        filled_qty=str(filled),
        fill_rate=filled / routed if routed else 0.0,
        average_price=_average(sum(child.notional for child in children), filled, unit),
        routing_cost_bps=_routing_cost(children, unit),
        fees=money_text(sum(child.fee_micros for child in children)),
        markouts_bps=fold.markouts_of([child.child.cl_ord_id for child in children]),
    )


def _average(notional: int, qty: Qty, unit: str) -> str | None:
    return average_text(notional, qty, unit) if qty > 0 else None


def _fees_bps(fees: Micros, notional: int, unit: str) -> float | None:
    return fees / (notional * float(unit) * _MICROS) * 1e4 if notional else None


def _routing_cost(children: Sequence[ChildState], unit: str) -> float | None:
    """Return what executions cost against the mids at which their children were routed, fees included, in bps."""
    filled = [child for child in children if child.cum_qty > 0 and child.mid_routed2 > 0]
    at_mid = sum(child.cum_qty * child.mid_routed2 for child in filled) / 2
    if not at_mid:
        return None
    paid = sum(child.child.side.sign * (child.notional - child.cum_qty * child.mid_routed2 / 2) for child in filled)
    fees = sum(child.fee_micros for child in filled) / _MICROS / float(unit)
    return (paid + fees) / at_mid * 1e4
