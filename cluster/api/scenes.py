"""What dry runs look at: one side of a market's last picture, and the terms asked about on it, made ready once.

Rule of this file: nothing is kept of an answer. What is the same for every slice on one picture is kept with the
picture, and is gone with it.
"""

from __future__ import annotations

from typing import Final

import msgspec
from aiohttp import web

from cluster.api.backend import MarketPicture
from cluster.api.ready import Ready, ready
from router.allocation.allocate import Exploration
from router.allocation.pricing import asks_for_quote, far_touch, tiers_within
from router.domain.enums import Side, Tactic
from router.domain.instruments import lanes_of
from router.domain.orders import ParentOrder
from router.domain.scores import CHALLENGER, ContextFrame, PolicySnapshot
from router.domain.snapshot import fault_of
from router.domain.units import SECOND
from router.route import Surroundings, fall_back_policy
from router.schedule.pacing import BASE_MIN_BPS

TERMS_MAX: Final = 64
"""Terms that one scene keeps ready: a limit price, venues left out. The oldest goes for another."""

VenueStates = tuple[tuple[str, str], ...]
"""ENABLED, DISABLED, DRAINING or KILLED by MIC."""

Terms = tuple[object, ...]
"""What of an order decides which lanes are its candidates, and at which prices."""


class Scene:
    """One side of a picture: what every decision looks at, and what taking costs there."""

    __slots__ = ("_ready", "around", "picture", "taking_bps")

    def __init__(self, picture: MarketPicture, around: Surroundings, taking_bps: float) -> None:
        self.picture = picture
        self.around = around
        self.taking_bps = taking_bps
        self._ready: dict[Terms, Ready | None] = {}

    def find(self, terms: Terms) -> Ready | None:
        """Return what is ready for orders of these terms; None: nothing yet, or each is routed by itself."""
        return self._ready.get(terms)

    def prepare(self, terms: Terms, parent: ParentOrder) -> Ready | None:
        """Make ready and keep what orders of the terms of `parent` have in common; None as `ready`."""
        if terms in self._ready:
            return self._ready[terms]
        if len(self._ready) >= TERMS_MAX:
            del self._ready[next(iter(self._ready))]
        found = self._ready[terms] = ready(parent, self.around, self.picture)
        return found


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
    shown = next((frame for frame in picture.frames if frame.side is side), None)
    if shown is None or not picture.market.mid:
        return None
    frame = _offered(shown, picture, side)
    policy, fall_back = _policy(picture, side)
    states = {**dict(picture.venue_states), **dict(changed)}
    around = Surroundings(
        now=picture.at,
        market=picture.market,
        frame=frame,
        policy=policy,
        specs=picture.specs,
        unavailable={mic: f"VENUE_{state}" for mic, state in states.items() if state != "ENABLED"},
        exploration=Exploration(*picture.exploration),
        seed=picture.seed,
        life_ns=picture.life_ns,
        limits=picture.limits,
        fall_back=fall_back,
    )
    return Scene(picture, around, _taking_bps(picture, frame))


def _offered(frame: ContextFrame, picture: MarketPicture, side: Side) -> ContextFrame:
    """Return a frame with nothing on offer where there is nothing to take any more: it may be older than the market."""
    market, sizes = picture.market, []
    spec_of, quotes = {spec.mic: spec for spec in picture.specs}, {quote.mic: quote for quote in market.quotes}
    for lane, qty in zip(lanes_of(picture.specs), frame.max_qty, strict=True):
        is_there = True
        if lane.tactic is Tactic.TAKE:
            is_there = far_touch(quotes.get(lane.mic), side) > 0
        elif lane.tactic is Tactic.QUOTE:
            is_asked = asks_for_quote(market, spec_of[lane.mic])
            is_there = is_asked or bool(tiers_within(market, lane.mic, side, None))
        sizes.append(qty if is_there else 0)
    return frame if tuple(sizes) == frame.max_qty else msgspec.structs.replace(frame, max_qty=tuple(sizes))


def _policy(picture: MarketPicture, side: Side) -> tuple[PolicySnapshot, str]:
    """Return the champion of a side, or the static split and why a learner's is not to be trusted."""
    mine = [policy for policy in picture.policies if policy.side is side and policy.arm != CHALLENGER]
    if not mine:
        return fall_back_policy(picture.specs, side, picture.at), "LEARNER_LOST: nothing published"
    policy = mine[0]
    age = picture.at - policy.at
    fault = f"LEARNER_STALE: {age / SECOND:.1f} s old" if age > picture.stale_ns else ""
    if not fault and (lied := fault_of(policy)):
        fault = f"LEARNER_LIED: {lied}"
    return (fall_back_policy(picture.specs, side, picture.at), fault) if fault else (policy, "")


def _taking_bps(picture: MarketPicture, frame: ContextFrame) -> float:
    """Return what taking at the touch costs: half the spread, and the highest fee of a lane that takes."""
    market = picture.market
    half_spread = max(market.ask_px - market.bid_px, 0) / 2 / market.mid * 1e4
    fees = (fee for lane, fee in zip(frame.lanes, frame.fee_bps, strict=True) if lane.endswith(":TAKE"))
    return max(BASE_MIN_BPS, half_spread + max(fees, default=0.0))
