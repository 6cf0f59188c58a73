"""The dry run: how a slice would be split now, by the same function as every order's, on the market last seen.

Rule of this file: nothing is asked of anybody and nothing is recorded; what is the same for every request on one
picture of the market is made once.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from cluster.api.answers import RouteAnswer
from cluster.api.backend import MarketPicture
from cluster.api.decimals import px_of, qty_of
from cluster.api.door import DOOR, Door
from cluster.api.hub import HUB, VIEWS_BEHIND
from cluster.api.order_details import exclusions_said, lanes_said
from cluster.api.problems import TABLE, error_of, refuse
from cluster.api.ready import child_said, lower, market_said
from cluster.api.route import Fault
from cluster.api.scenes import SCENES, Scene
from cluster.api.schemas import RouteBody
from cluster.api.translate import ORDER_TYPES, SIDES
from cluster.api.verdicts import missing_fault
from cluster.api.wire import body_of, encode, media_of
from router.domain.enums import Tactic
from router.domain.errors import BadInputError
from router.domain.instruments import lanes_of
from router.domain.orders import ParentOrder
from router.domain.units import Px
from router.risk.kill import KillLevel
from router.route import Routed, book_side, route
from router.schedule.schedule import Portion

_TACTICS: Final = tuple(Tactic)


async def route_slice(request: web.Request) -> web.Response:
    """POST /v1/route"""
    body, media = await body_of(request, RouteBody), media_of(request)
    found = dry_run(request.app, body, media)
    return refuse(request, *found) if isinstance(found, Fault) else web.Response(body=found, content_type=media)


def dry_run(app: web.Application, body: RouteBody, media: str) -> bytes | Fault:
    """Return how a slice would be split now, in a media type, or why nobody can say. Nothing is waited for.

    Raises:
        BadInputError: see `portion_of` and `parent_of`.
    """
    if behind := app[HUB].behind:
        # Kills of venues are known from the views alone: an earlier moment would offer what is stopped now.
        return Fault("not_ready", TABLE["not_ready"].meaning, (error_of(VIEWS_BEHIND, behind),))
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
    return answer_on(scene, body, media)


def answer_on(scene: Scene, body: RouteBody, media: str) -> bytes:
    """Return how a slice is split on a scene: by what is ready for its terms, or by `router.route.route` itself.

    Raises:
        BadInputError: see `portion_of` and `parent_of`.
    """
    portion = portion_of(body, scene.taking_bps)
    if not body.explain and body.min_qty is None:
        price, venues = (body.type, body.limit_price), (body.venues_allow, body.venues_deny, body.segments_deny)
        terms = (body.side, price, venues, body.dark, body.max_child_qty)
        ready = scene.find(terms) or scene.prepare(terms, parent_of(body, scene.picture))
        if ready is not None:
            said = ready.answer(body.reference, body.decision, portion.qty, portion.opportunity_bps, media)
            if said is not None:
                return said
    routed = route(parent_of(body, scene.picture), portion, scene.around, body.decision, 0, portion.qty)
    return encode(routed_said(routed, scene.picture, is_explained=body.explain), media)


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


def routed_said(routed: Routed, picture: MarketPicture, *, is_explained: bool) -> RouteAnswer:
    """Return a decision and its children as the caller is told of them."""
    decision, market = routed.decision, market_said(picture)
    children = zip(routed.children, routed.contexts, strict=True)
    return RouteAnswer(
        decision_id=decision.decision_id,
        symbol=picture.symbol,
        time=market.time,
        policy=decision.policy,
        policy_version=decision.policy_version,
        fall_back=decision.fall_back,
        mode=lower(decision.acted or decision.mode),
        opportunity_bps=decision.opportunity_bps,
        propensity=decision.propensity,
        bid_price=market.bid_price,
        ask_price=market.ask_price,
        children=tuple(child_said(child, x, picture.px_unit) for child, x in children),
        lanes=lanes_said(decision, is_explained=is_explained),
        exclusions=exclusions_said(decision.exclusions),
    )


def lanes_in(picture: MarketPicture) -> tuple[str, ...]:
    """Return the lanes of a symbol as text."""
    return tuple(str(lane) for lane in lanes_of(picture.specs))


def _no_market(symbol: str) -> Fault:
    text = f"expected a market of {symbol} with two sides, got none yet"
    return Fault("not_ready", TABLE["not_ready"].meaning, (error_of("NO_MARKET", text),))
