"""The dry run: how a slice would be split now, by the same function as every order's, on the market last seen.

Rule of this file: nothing is asked of anybody and nothing is recorded; what is the same for every request on one
picture of the market is made once.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

from aiohttp import web

from cluster.api.answers import RouteAnswer, RouteChild
from cluster.api.backend import MarketPicture
from cluster.api.decimals import px_of, px_text, qty_of, time_text
from cluster.api.door import door_of
from cluster.api.order_details import exclusions_said, lanes_said
from cluster.api.problems import TABLE, error_of, refuse
from cluster.api.schemas import RouteBody
from cluster.api.translate import ORDER_TYPES, SIDES
from cluster.api.verdicts import missing
from cluster.api.wire import body_of, reply
from router.domain.enums import Side, Tactic
from router.domain.errors import BadInputError
from router.domain.instruments import lanes_of
from router.domain.orders import ParentOrder
from router.domain.scores import CHALLENGER, ContextFrame, PolicySnapshot
from router.domain.snapshot import fault_of
from router.domain.units import SECOND, Px
from router.orders.desk import HostSetup
from router.risk.kill import KillLevel
from router.route import Routed, Surroundings, book_side, fall_back_policy, route
from router.schedule.pacing import BASE_MIN_BPS
from router.schedule.schedule import Portion

_DEFAULTS: Final = HostSetup._field_defaults
_TACTICS: Final = tuple(Tactic)


VenueStates = tuple[tuple[str, str], ...]
"""ENABLED, DISABLED, DRAINING or KILLED by MIC."""


class Scene(NamedTuple):
    """One side of a picture: what every decision looks at, and what taking costs there."""

    around: Surroundings
    taking_bps: float


async def route_slice(request: web.Request) -> web.Response:
    """POST /v1/route"""
    body = await body_of(request, RouteBody)
    door = door_of(request)
    picture = door.backend.market(body.symbol)
    if picture is None:
        if body.symbol not in door.backend.symbols():
            return missing(request, f"symbol {body.symbol}")
        return _no_market(request, body.symbol)
    views = door.views
    changed = tuple((mic, fact.state) for mic, fact in views.venue_states.items())
    if views.kills:
        changed += tuple((target, "KILLED") for level, target in views.kills if level == KillLevel.VENUE)
    scene = request.app[SCENES].of(picture, book_side(SIDES[body.side]), changed)
    if scene is None:
        return _no_market(request, body.symbol)
    portion, parent = portion_of(body, scene.taking_bps), parent_of(body, picture)
    routed = route(parent, portion, scene.around, body.decision, 0, portion.qty)
    return reply(request, routed_said(routed, picture, is_explained=body.explain))


class Scenes:
    """The last scene of each symbol and side: a picture of the market lasts for many requests."""

    def __init__(self) -> None:
        self._held: dict[tuple[str, Side], tuple[MarketPicture, VenueStates, Scene | None]] = {}

    def of(self, picture: MarketPicture, side: Side, changed: VenueStates = ()) -> Scene | None:
        """Return what decisions of a side look at; None while there is no market to look at.

        `changed` are the states of venues that are recorded, and perhaps later than the picture.
        """
        held = self._held.get((picture.symbol, side))
        if held is None or held[0] is not picture or held[1] != changed:
            held = self._held[picture.symbol, side] = (picture, changed, _scene(picture, side, changed))
        return held[2]


SCENES: Final = web.AppKey("scenes", Scenes)


def _scene(picture: MarketPicture, side: Side, changed: VenueStates) -> Scene | None:
    frame = next((frame for frame in picture.frames if frame.side is side), None)
    if frame is None or not picture.market.mid:
        return None
    policy, fall_back = _policy(picture, side)
    states = {**dict(picture.venue_states), **dict(changed)}
    around = Surroundings(
        now=picture.at,
        market=picture.market,
        frame=frame,
        policy=policy,
        specs=picture.specs,
        unavailable={mic: f"VENUE_{state}" for mic, state in states.items() if state != "ENABLED"},
        exploration=_DEFAULTS["exploration"],
        seed=picture.seed,
        life_ns=_DEFAULTS["life_ns"],
        fall_back=fall_back,
    )
    return Scene(around, _taking_bps(picture, frame))


def _policy(picture: MarketPicture, side: Side) -> tuple[PolicySnapshot, str]:
    """Return the champion of a side, or the static split and why a learner's is not to be trusted."""
    mine = [policy for policy in picture.policies if policy.side is side and policy.arm != CHALLENGER]
    if not mine:
        return fall_back_policy(picture.specs, side, picture.at), "LEARNER_LOST: nothing published"
    policy = mine[0]
    age = picture.at - policy.at
    fault = f"LEARNER_STALE: {age / SECOND:.1f} s old" if age > _DEFAULTS["stale_ns"] else ""
    if not fault and (lied := fault_of(policy)):
        fault = f"LEARNER_LIED: {lied}"
    return (fall_back_policy(picture.specs, side, picture.at), fault) if fault else (policy, "")


def _taking_bps(picture: MarketPicture, frame: ContextFrame) -> float:
    """Return what taking at the touch costs: half the spread, and the highest fee of a lane that takes."""
    market = picture.market
    half_spread = max(market.ask_px - market.bid_px, 0) / 2 / market.mid * 1e4
    fees = (fee for lane, fee in zip(frame.lanes, frame.fee_bps, strict=True) if lane.endswith(":TAKE"))
    return max(BASE_MIN_BPS, half_spread + max(fees, default=0.0))


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
    children = tuple(
        RouteChild(
            child_id=child.cl_ord_id,
            mic=child.mic,
            tactic=_lower(child.tactic),
            lane=child.lane,
            qty=str(child.order_qty),
            type=_lower(child.ord_type),
            limit_price=None if child.price is None else px_text(child.price, unit),
            time_in_force=_lower(child.time_in_force),
            min_qty=str(child.min_qty),
            context=context,
        )
        for child, context in zip(routed.children, routed.contexts, strict=True)
    )
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
        children=children,
        lanes=lanes_said(decision, is_explained=is_explained),
        exclusions=exclusions_said(decision.exclusions),
    )


def lanes_in(picture: MarketPicture) -> tuple[str, ...]:
    """Return the lanes of a symbol as text."""
    return tuple(str(lane) for lane in lanes_of(picture.specs))


def _no_market(request: web.Request, symbol: str) -> web.Response:
    text = f"expected a market of {symbol} with two sides, got none yet"
    return refuse(request, "not_ready", TABLE["not_ready"].meaning, (error_of("NO_MARKET", text),))
