"""The dry run: how a slice would be split now, by the same function as every order's, on the market last seen.

Rule of this file: nothing is asked of anybody and nothing is recorded; what is the same for every request on one
picture of the market is made once.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

from aiohttp import web

from cluster.api.answers import ExclusionSaid, LaneSaid, RouteAnswer, RouteChild
from cluster.api.backend import MarketPicture
from cluster.api.decimals import px_of, px_text, qty_of, time_text
from cluster.api.door import DOOR, Door
from cluster.api.order_details import exclusions_said, lanes_said
from cluster.api.problems import TABLE, Fault, error_of, refuse
from cluster.api.scenes import SCENES, Scene
from cluster.api.schemas import RouteBody
from cluster.api.translate import ORDER_TYPES, SIDES
from cluster.api.verdicts import missing_fault
from cluster.api.wire import body_of, reply
from router.domain import ids
from router.domain.enums import Tactic
from router.domain.errors import BadInputError
from router.domain.instruments import lanes_of
from router.domain.orders import ChildOrder, ParentOrder
from router.domain.scores import Exclusion
from router.domain.units import Px
from router.prepared import Prepared, Split
from router.risk.kill import KillLevel
from router.route import Routed, book_side, route
from router.schedule.schedule import Portion

_TACTICS: Final = tuple(Tactic)


async def route_slice(request: web.Request) -> web.Response:
    """POST /v1/route"""
    found = dry_run(request.app, await body_of(request, RouteBody))
    return refuse(request, *found) if isinstance(found, Fault) else reply(request, found)


def dry_run(app: Mapping[Any, Any], body: RouteBody) -> RouteAnswer | Fault:
    """Return how a slice would be split now, or why nobody can say. Nothing is waited for.

    Raises:
        BadInputError: see `portion_of` and `parent_of`.
    """
    door: Door = app[DOOR]
    picture = door.backend.market(body.symbol)
    if picture is None:
        if body.symbol not in door.backend.symbols():
            return missing_fault(f"symbol {body.symbol}")
        return _no_market(body.symbol)
    views = door.views
    changed = tuple([(mic, fact.state) for mic, fact in views.venue_states.items()])
    if views.kills:
        changed += tuple((target, "KILLED") for level, target in views.kills if level == KillLevel.VENUE)
    scene = app[SCENES].of(picture, book_side(SIDES[body.side]), changed)
    if scene is None:
        return _no_market(body.symbol)
    return answer_on(scene, body)


def answer_on(scene: Scene, body: RouteBody) -> RouteAnswer:
    """Return how a slice is split on a scene: by what is ready for its terms, or by `router.route.route` itself.

    Raises:
        BadInputError: see `portion_of` and `parent_of`.
    """
    portion = portion_of(body, scene.taking_bps)
    if not body.explain and body.min_qty is None:
        terms = (body.side, body.type, body.limit_price, body.venues_allow, body.venues_deny, body.dark)
        terms += (body.segments_deny, body.max_child_qty)
        ready = scene.find(terms) or scene.prepare(terms, parent_of(body, scene.picture))
        if ready is not None:
            split = ready.split(body.reference, body.decision, portion.qty, portion.opportunity_bps)
            if split is not None:
                return split_said(split, ready, scene, body, portion.opportunity_bps)
    routed = route(parent_of(body, scene.picture), portion, scene.around, body.decision, 0, portion.qty)
    return routed_said(routed, scene.picture, is_explained=body.explain)


def portion_of(body: RouteBody, taking_bps: float) -> Portion:
    """Return the slice of a body. Without a value of its own, a share left unfilled costs what it costs an order that
    is one slice behind (`router.schedule.pacing.opportunity_bps`): less than taking when patient, more when urgent.

    Raises:
        BadInputError: the quantity is none.
    """
    opportunity = body.opportunity_bps
    if opportunity is None:
        opportunity = taking_bps * (0.75 + 0.9 * body.urgency)
    return Portion(qty_of(body.qty, "$.qty", 1), _TACTICS, opportunity)


def parent_of(body: RouteBody, picture: MarketPicture) -> ParentOrder:
    """Return the order that a slice is taken to be of.

    Raises:
        BadInputError: a text is no number of the instrument's units, or price and type contradict each other.
    """
    price: Px | None = None
    if body.limit_price is not None:
        price = px_of(body.limit_price, picture.px_unit, "$.limit_price")
    if (price is not None) != (body.type == "limit"):
        raise BadInputError(
            f"expected a price with limit and none with market, got {body.limit_price!r} - at $.limit_price"
        )
    return ParentOrder(
        parent_id=body.reference,
        client_order_id=body.reference,
        symbol=body.symbol,
        side=SIDES[body.side],
        order_qty=qty_of(body.qty, "$.qty", 1),
        start_at=picture.at,
        end_at=picture.close_at,
        ord_type=ORDER_TYPES[body.type],
        price=price,
        urgency=body.urgency,
        min_qty=0 if body.min_qty is None else qty_of(body.min_qty, "$.min_qty"),
        venues_allow=body.venues_allow,
        venues_deny=body.venues_deny,
        segments_deny=body.segments_deny,
        max_child_qty=0 if body.max_child_qty is None else qty_of(body.max_child_qty, "$.max_child_qty", 1),
        dark=_DARK[body.dark],
    )


_DARK: Final = {"allowed": "ALLOWED", "only": "ONLY", "none": "NONE"}


@lru_cache(maxsize=1_024)
def _lower(text: str) -> str:
    return text.lower()


def routed_said(routed: Routed, picture: MarketPicture, *, is_explained: bool) -> RouteAnswer:
    """Return a decision and its children as the caller is told of them."""
    decision, unit, market = routed.decision, picture.px_unit, picture.market
    children = zip(routed.children, routed.contexts, strict=True)
    return RouteAnswer(
        decision_id=decision.decision_id,
        symbol=picture.symbol,
        time=time_text(picture.at),
        policy=decision.policy,
        policy_version=decision.policy_version,
        fall_back=decision.fall_back,
        mode=_lower(decision.acted or decision.mode),
        opportunity_bps=decision.opportunity_bps,
        propensity=decision.propensity,
        bid_price=px_text(market.bid_px, unit) if market.bid_px else None,
        ask_price=px_text(market.ask_px, unit) if market.ask_px else None,
        children=tuple(_child_said(child, child.cl_ord_id, child.order_qty, x, unit) for child, x in children),
        lanes=lanes_said(decision, is_explained=is_explained),
        exclusions=exclusions_said(decision.exclusions),
    )


def split_said(split: Split, ready: Prepared, scene: Scene, body: RouteBody, opportunity_bps: float) -> RouteAnswer:
    """Return what `routed_said` does for the same slice, from what is ready for its terms."""
    picture, around, columns = scene.picture, scene.around, ready.columns
    unit, market, policy = picture.px_unit, picture.market, around.policy
    children: list[RouteChild] = []
    for k, qty in enumerate(split.quantities):
        if qty > 0:
            child, child_id = ready.child(k, qty), ids.cl_ord_id(body.reference, len(children))
            # A dealer is asked for no more than he offers.
            asked = child.order_qty if child.tactic is Tactic.QUOTE else qty
            children.append(_child_said(child, child_id, asked, columns.contexts[k], unit))
    numbers = zip(*columns.lists(), split.quantities, split.routing_probabilities, split.values_bps, strict=True)
    lanes = [
        LaneSaid(
            lane=lane,
            qty=str(qty),
            probability=probability,
            value_bps=value_bps,
            p=p,
            mu=mu,
            price_bps=price_bps,
            fee_bps=fee_bps,
            markout_bps=markout_bps,
            leakage_bps=leakage_bps,
            weight=0.0,
            reason="",
        )
        for lane, p, mu, markout_bps, leakage_bps, price_bps, fee_bps, qty, probability, value_bps in numbers
    ]
    return RouteAnswer(
        decision_id=ids.decision_id(body.reference, body.decision),
        symbol=picture.symbol,
        time=time_text(picture.at),
        policy=policy.policy,
        policy_version=policy.policy_version,
        fall_back=around.fall_back,
        mode=_lower(policy.mode),
        opportunity_bps=opportunity_bps,
        propensity=split.propensity,
        bid_price=px_text(market.bid_px, unit) if market.bid_px else None,
        ask_price=px_text(market.ask_px, unit) if market.ask_px else None,
        children=tuple(children),
        lanes=tuple(lanes),
        exclusions=_excluded_said(ready.excluded),
    )


def _child_said(child: ChildOrder, child_id: str, qty: int, context: tuple[float, ...], unit: str) -> RouteChild:
    return RouteChild(
        child_id=child_id,
        mic=child.mic,
        tactic=_lower(child.tactic),
        lane=child.lane,
        qty=str(qty),
        type=_lower(child.ord_type),
        limit_price=None if child.price is None else px_text(child.price, unit),
        time_in_force=_lower(child.time_in_force),
        min_qty=str(child.min_qty),
        context=context,
    )


@lru_cache(maxsize=256)
def _excluded_said(excluded: tuple[Exclusion, ...]) -> tuple[ExclusionSaid, ...]:
    return exclusions_said(excluded)


def lanes_in(picture: MarketPicture) -> tuple[str, ...]:
    """Return the lanes of a symbol as text."""
    return tuple(str(lane) for lane in lanes_of(picture.specs))


def _no_market(symbol: str) -> Fault:
    text = f"expected a market of {symbol} with two sides, got none yet"
    return Fault("not_ready", TABLE["not_ready"].meaning, (error_of("NO_MARKET", text),))
