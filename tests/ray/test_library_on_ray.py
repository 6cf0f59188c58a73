"""Every scenario of the library at small size: it runs, every order ends, and Ray gives the digest of one process.

Rule of this file: a scenario is cut to its first minutes and its orders with it; what it trades on is left as it is.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from cluster.config import RayOptions
from cluster.replay import local_ray, replay_on_ray
from scenarios.runner import run
from scenarios.scenario import Scenario, SyntheticMarket, TapeMarket, library, load_scenario, parse_scenario

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its own behind when it shuts down.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

SPAN_S = 120.0


def data_directory() -> Path | None:
    """Return where recorded data lie, if they do."""
    path = Path(os.environ.get("ANABRANCH_DATA", Path(__file__).parents[2].parent / "shared" / "data"))
    return path if path.is_dir() else None


def cut(name: str) -> Scenario:
    """Return a scenario of the library whose session and orders are over after two minutes."""
    scenario = load_scenario(name)
    file = scenario.file
    replace = msgspec.structs.replace
    market = file.market
    whole = market.duration_s if isinstance(market, SyntheticMarket) else 23_400.0
    end = min(SPAN_S, whole)
    orders = []
    for order in file.orders:
        span = (order.end_s or whole) - order.start_s
        share = min(1.0, (end - 10.0) / span)
        qty = None if order.order_qty is None else max(1, int(order.order_qty * share))
        volume = None if order.share_of_volume is None else order.share_of_volume * share
        orders.append(
            replace(order, order_qty=qty, share_of_volume=volume, start_s=5.0, end_s=end - 5.0, cancel_s=None)
        )
    if isinstance(market, SyntheticMarket):
        market = replace(market, duration_s=end)
    breaks = tuple(b for b in file.breaks if b.from_s < end)
    regimes = tuple(r for r in file.regimes if r.from_s < end)
    holds = replace(type(file.holds)(), orders_end=True)
    small = replace(file, market=market, orders=tuple(orders), breaks=breaks, regimes=regimes, holds=holds)
    return parse_scenario(as_toml(small), f"{name}_cut", f"{name}_cut.toml")


def as_toml(file: object) -> str:
    """Return a scenario as TOML: actors on Ray read it as text."""
    lines: list[str] = []
    for key, value in msgspec.to_builtins(file).items():
        if value is not None and value != [] and value != ():
            lines.append(f"{key} = {_inline(value)}")
    return "\n".join(lines)


def _inline(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{k} = {_inline(v)}" for k, v in value.items() if v is not None) + " }"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_inline(v) for v in value) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    return repr(value)


@pytest.fixture(scope="module")
def local() -> Iterator[None]:
    with local_ray(None, RayOptions()):
        yield


@pytest.mark.parametrize("name", sorted(library()))
def test_a_scenario_cut_short_runs_and_ray_gives_the_same_digest(local: None, name: str) -> None:
    data = data_directory()
    if isinstance(load_scenario(name).file.market, TapeMarket) and data is None:
        pytest.skip("no recorded data here")
    scenario = cut(name)
    alone = run(scenario, seed=2, data=data)
    assert [check for check in alone.checks if not check[1]] == []
    assert alone.decisions > 0
    assert replay_on_ray(scenario, seed=2, data=data).digest == alone.digest
