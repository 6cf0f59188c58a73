"""A dry run probes, expires and distrusts as the desk's hosts do, and not as hosts do by default."""

from __future__ import annotations

import msgspec
import pytest
from desk_and_market import live
from live_material import OPEN_AT, OPERATOR, session

from cluster.api.backend import MarketPicture
from cluster.api.scenes import Scenes
from cluster.live.clock import LiveClock
from cluster.live.market import Market, MarketState
from router.allocation.limits import Limits
from router.domain import codec
from router.domain.enums import Side
from router.domain.played import Reference
from router.domain.requests import SetLimit
from router.domain.units import SECOND
from router.orders.desk import HostSetup

OWN = "epsilon = 0.4\nprobe_share = 0.3\nstale_s = 7.0\n"


def picture(*limits: SetLimit) -> MarketPicture:
    """Return what the market of a scenario with settings of its own shows, once limits were set."""
    opened = session()
    text = opened.scenario_text.replace("[learning]\n", f"[learning]\n{OWN}", 1)
    made = live(msgspec.structs.replace(opened, scenario_text=text))
    for limit in limits:
        made.ask(limit)
    made.go_on(OPEN_AT + 3 * SECOND)
    seen: list[MarketPicture] = []

    def see(shown: MarketPicture, _: Reference) -> None:
        seen.append(shown)

    clock = LiveClock(OPEN_AT, OPEN_AT, 1.0, lambda: OPEN_AT + 3 * SECOND)
    Market(MarketState(made.market), made.log, clock, lambda played: None, see, "0.0001", 1, 1).recover()
    return seen[0]


@pytest.mark.parametrize("side", [Side.BUY, Side.SELL])
def test_scene_of_a_dry_run_has_the_desks_own_exploration(side: Side) -> None:
    shown = picture()
    assert (shown.exploration, shown.stale_ns) == ((0.4, 0.3), 7 * SECOND)
    scene = Scenes().of(shown, side)
    assert scene is not None
    assert tuple(scene.around.exploration) == (0.4, 0.3)
    assert scene.around.life_ns == shown.life_ns
    assert not scene.around.fall_back


def test_scene_of_a_dry_run_has_the_limits_that_hold_on_the_desk() -> None:
    opened = session()
    assert picture().limits == Limits(opened.exploration_budget_bps, opened.probability_change_max, 1.0)
    share = SetLimit(principal=OPERATOR, key="venue_share_max", value="0.5", why="a drill")
    scene = Scenes().of(picture(share), Side.BUY)
    assert scene is not None
    assert scene.around.limits == Limits(opened.exploration_budget_bps, opened.probability_change_max, 0.5)


def test_limits_of_a_picture_survive_its_way_to_the_gateway() -> None:
    for limits in (Limits(), Limits(0.5, 0.1, 0.3)):
        shown = msgspec.structs.replace(picture(), limits=limits)
        assert codec.decode(codec.encode(shown), MarketPicture).limits == limits


def test_policy_that_is_too_old_for_the_desk_is_too_old_for_a_dry_run() -> None:
    shown = picture()
    late = msgspec.structs.replace(shown, at=shown.at + 8 * SECOND)
    scene = Scenes().of(late, Side.BUY)
    assert scene is not None
    assert scene.around.fall_back.startswith("LEARNER_STALE: ")


def test_defaults_of_a_picture_are_those_of_hosts() -> None:
    defaults = HostSetup._field_defaults
    made = {field.name: field.default for field in msgspec.structs.fields(MarketPicture)}
    assert made["exploration"] == tuple(defaults["exploration"])
    assert made["limits"] == defaults["limits"]
    assert (made["life_ns"], made["stale_ns"]) == (defaults["life_ns"], defaults["stale_ns"])
