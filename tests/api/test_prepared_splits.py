"""A slice that is split by what is ready on a picture gets what the router itself would give it, word for word.

Rule of this file: bodies are drawn by key over everything that a client may say; the pictures are a real desk's.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from api_desk import ServedDesk

from cluster.api.backend import MarketPicture
from cluster.api.decimals import px_text
from cluster.api.ready import Ready
from cluster.api.route_dry_run import answer_on, parent_of, portion_of, routed_said
from cluster.api.scenes import TERMS_MAX, Scene, Scenes
from cluster.api.schemas import RouteBody
from cluster.api.translate import SIDES
from cluster.api.wire import JSON, MSGPACK, encode
from router.allocation.limits import UNLIMITED, Limits
from router.domain.chance import generator
from router.risk.limits import RiskLimits
from router.route import book_side, route

LIMITS = (
    RiskLimits().learning(),
    Limits(exploration_budget_bps=0.0),
    Limits(exploration_budget_bps=0.02),
    Limits(exploration_budget_bps=0.2),
    Limits(venue_share_max=0.5),
    UNLIMITED,
    Limits(0.1, 0.5, 0.4),
)
"""Those of a desk by default, and such as bind."""

SIZES = (1, 3, 57, 100, 700, 1_000, 4_999, 20_000, 1_000_000)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[MarketPicture]]:
    """Twelve moments of a market whose learner has published."""
    with ServedDesk(Path(tmp_path_factory.mktemp("desk"))) as desk:
        found: list[MarketPicture] = []
        end = time.monotonic() + 60.0
        while len(found) < 12 and time.monotonic() < end:
            picture = desk.call(lambda: desk.door.backend.market("SMOK"))
            if picture is not None and picture.policies and (not found or picture is not found[-1]):
                found.append(picture)
        yield found


def scene_of(picture: MarketPicture, side: str) -> Scene:
    scene = Scenes().of(picture, book_side(SIDES[side]))
    assert scene is not None
    return scene


def drawn_body(n: int, picture: MarketPicture) -> RouteBody:
    """Return the n-th body; every third has a limit about the market, and some leave venues or dark pools out."""
    rng = generator(1, "bodies", str(n))
    given: dict[str, Any] = {
        "symbol": "SMOK",
        "side": ("buy", "sell", "sell_short")[n % 3],
        "qty": str(SIZES[int(rng.integers(len(SIZES)))]),
        "urgency": float(rng.random()),
        "reference": f"R{n}",
        "decision": int(rng.integers(0, 200)),
    }
    if rng.random() < 0.3:
        px = picture.market.bid_px + int(rng.integers(-300, 600))
        given |= {"type": "limit", "limit_price": px_text(px - px % 100, picture.px_unit)}
    if rng.random() < 0.2:
        given["opportunity_bps"] = float(rng.choice([0.0, 0.05, 3.0, 50.0]))
    if rng.random() < 0.2:
        given["venues_deny"] = (picture.specs[int(rng.integers(len(picture.specs)))].mic,)
    if rng.random() < 0.1:
        given["venues_allow"] = (picture.specs[int(rng.integers(len(picture.specs)))].mic,)
    if rng.random() < 0.2:
        given["dark"] = ("only", "none")[n % 2]
    if rng.random() < 0.2:
        given["max_child_qty"] = str(int(rng.integers(1, 900)))
    if rng.random() < 0.1:
        given["min_qty"] = str(int(rng.integers(1, 900)))
    return msgspec.convert(given, RouteBody)


def limited(n: int, picture: MarketPicture) -> MarketPicture:
    """Return a picture under the n-th limits, and every other time with a learner that was slowed down."""
    policies = tuple(msgspec.structs.replace(policy, is_slowed=n % 2 == 1) for policy in picture.policies)
    return msgspec.structs.replace(picture, limits=LIMITS[n % len(LIMITS)], policies=policies)


def test_splits_are_the_routers_own(pictures: list[MarketPicture]) -> None:
    assert len(pictures) == 12
    was_ready = 0
    for n in range(1_200):
        picture = limited(n // 3, pictures[n % len(pictures)])
        body = drawn_body(n, picture)
        scene = scene_of(picture, body.side)
        portion = portion_of(body, scene.taking_bps)
        routed = route(parent_of(body, picture), portion, scene.around, body.decision, 0, portion.qty)
        expected = routed_said(routed, picture, is_explained=False)
        for media in (JSON, MSGPACK, JSON):
            # The third time from what the first has made ready.
            assert answer_on(scene, body, media) == encode(expected, media)
        was_ready += any(isinstance(ready, Ready) for ready in scene._ready.values())
    assert was_ready > 600


def test_budget_of_a_desk_by_default_leaves_most_slices_to_what_is_ready(pictures: list[MarketPicture]) -> None:
    found: list[bool] = []
    for n in range(200):
        picture = pictures[n % len(pictures)]
        assert picture.limits == RiskLimits().learning()
        body = drawn_body(n, picture)
        scene = scene_of(picture, body.side)
        answer_on(scene, body, JSON)
        portion = portion_of(body, scene.taking_bps)
        for ready in scene._ready.values():
            said = ready and ready.answer(body.reference, body.decision, portion.qty, portion.opportunity_bps, JSON)
            found.append(said is not None)
    assert sum(found) > 0.7 * len(found) > 0.0


def test_no_venue_gets_more_of_a_dry_run_than_it_may_have(pictures: list[MarketPicture]) -> None:
    picture = msgspec.structs.replace(pictures[0], limits=Limits(venue_share_max=0.5))
    body = RouteBody(symbol="SMOK", side="buy", qty="1000", urgency=1.0)
    said = msgspec.json.decode(answer_on(scene_of(picture, "buy"), body, JSON))
    by_venue: dict[str, int] = {}
    for child in said["children"]:
        by_venue[child["mic"]] = by_venue.get(child["mic"], 0) + int(child["qty"])
    assert 0 < max(by_venue.values()) <= 500


def test_terms_of_one_scene_are_bounded(pictures: list[MarketPicture]) -> None:
    scene = scene_of(pictures[0], "buy")
    for n in range(TERMS_MAX + 10):
        body = RouteBody(symbol="SMOK", side="buy", qty="100", max_child_qty=str(n + 1))
        answer_on(scene, body, JSON)
    assert len(scene._ready) == TERMS_MAX


def test_another_slice_leaves_nothing_behind(pictures: list[MarketPicture]) -> None:
    scene = scene_of(pictures[0], "buy")
    first = RouteBody(symbol="SMOK", side="buy", qty="700", reference="one")
    other = RouteBody(symbol="SMOK", side="buy", qty="20000", reference="two", urgency=1.0)
    before = answer_on(scene, first, JSON)
    answer_on(scene, other, JSON)
    assert answer_on(scene, first, JSON) == before


def test_what_nobody_offers_any_more_is_left_out(pictures: list[MarketPicture]) -> None:
    picture = pictures[0]
    quotes = tuple(msgspec.structs.replace(quote, ask_px=0, ask_qty=0) for quote in picture.market.quotes)
    gone = msgspec.structs.replace(picture, market=msgspec.structs.replace(picture.market, quotes=quotes, tiers=()))
    scene = scene_of(gone, "buy")
    body = RouteBody(symbol="SMOK", side="buy", qty="20000", urgency=1.0)
    said = msgspec.json.decode(answer_on(scene, body, JSON))
    left_out = {one["lane"]: one["reason"] for one in said["exclusions"]}
    taking = [lane for lane in scene.around.frame.lanes if lane.endswith((":TAKE", ":QUOTE"))]
    assert taking
    assert all(left_out[lane] == "NO_QUOTE" for lane in taking)
