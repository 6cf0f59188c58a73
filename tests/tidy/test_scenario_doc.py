"""The page on scenario files has every key that a file can hold, with the default the code has.

Rule of this file: the truth is in the structs; the page is read as the tables it is written in.
"""

from __future__ import annotations

import re
from pathlib import Path

import msgspec
import pytest

from learners.policies import censored
from router.domain.errors import ScenarioError
from router.schedule.arrival import Arrival
from router.schedule.dark_only import DarkOnly
from router.schedule.liquidity_seeking import LiquiditySeeking
from router.schedule.parameters import COMMON
from router.schedule.pov import Pov
from router.schedule.sweep import Sweep
from router.schedule.twap import Twap
from router.schedule.vwap import Vwap
from scenarios import frictions, learning_part, order_part, scenario
from scenarios.runner import run
from venues.models.latency import LatencyParameters
from venues.models.reference import RegimeMultipliers
from venues.models.regimes import RegimeChain
from venues.types.dark import DarkParameters
from venues.types.dealer import DealerParameters, TierParameters
from venues.types.lit_flow import LitParameters

PAGE = Path(__file__).parents[2] / "docs" / "scenarios.md"
ROW = re.compile(r"^\| `(\w+)` \|(?:[^|]*)\| ([^|]*) \|", re.MULTILINE)

PARTS: tuple[tuple[str, type[msgspec.Struct]], ...] = (
    ("## The file", scenario.ScenarioFile),
    ('## market, kind = "synthetic"', scenario.SyntheticMarket),
    ('## market, kind = "tape"', scenario.TapeMarket),
    ("## orders\n", order_part.OrderPart),
    ("## orders.replace", order_part.ReplacePart),
    ("## venues", scenario.VenuePart),
    ('## venue parameters, kind = "lit"', LitParameters),
    ('## venue parameters, kind = "dark"', DarkParameters),
    ('## venue parameters, kind = "dealer"', DealerParameters),
    ("## latency", LatencyParameters),
    ("## fees", frictions.FeesPart),
    ("## fading", frictions.FadingPart),
    ("## regimes", scenario.RegimePart),
    ("## regime_chain", RegimeChain),
    ("## learning\n", scenario.LearningPart),
    ("## learning.release", learning_part.ReleasePart),
    ("## learning.steer", learning_part.SteerPart),
    ("## timing", scenario.TimingPart),
    ("## impact", scenario.ImpactPart),
    ('`kind = "outage"`', scenario.Outage),
    ('`kind = "halt"`', frictions.TradingHalt),
    ('`kind = "unreliable"`', scenario.Unreliable),
    ('`kind = "host_crash"`', scenario.HostCrash),
    ('`kind = "learner_down"`', learning_part.LearnerDown),
    ('`kind = "learner_lies"`', learning_part.LearnerLies),
    ("## holds", scenario.HoldsPart),
)
"""Where on the page each table of a file is, and the struct it is read into."""


def section(start: str) -> str:
    """Return the page from the line that begins with `start` to the next heading or kind."""
    text = PAGE.read_text(encoding="utf-8")
    begin = re.search(rf"^{re.escape(start)}", text, re.MULTILINE)
    assert begin, f"expected a line that begins with {start}"
    rest = text[begin.end() :]
    end = re.search(r'^(## |`kind = ")', rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def default_of(field: msgspec.structs.FieldInfo) -> str:
    """Write a default as the page does; empty for a default in words."""
    value = field.default if field.default is not msgspec.NODEFAULT else field.default_factory
    if value is msgspec.NODEFAULT:
        return "required"
    if value is None:
        return "none"
    if isinstance(value, msgspec.Struct):
        return "its defaults"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, int | float):
        return f"`{value:_}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if value == () or value is list:
        return "`[]`"
    return "`{}`" if value in ({}, dict) else ""


@pytest.mark.parametrize(("start", "struct"), PARTS, ids=[struct.__name__ for _, struct in PARTS])
def test_page_has_every_key_with_its_default_and_no_other(start: str, struct: type[msgspec.Struct]) -> None:
    rows = dict(ROW.findall(section(start)))
    fields = {field.encode_name: default_of(field) for field in msgspec.structs.fields(struct)}
    assert list(rows) == list(fields)
    assert {key: rows[key] for key, default in fields.items() if default} == {k: d for k, d in fields.items() if d}


def test_page_names_keys_of_the_inner_tables() -> None:
    inner = [*TierParameters.__struct_fields__, *RegimeMultipliers.__struct_fields__]
    inner += frictions.FeeTierPart.__struct_fields__
    text = PAGE.read_text(encoding="utf-8")
    assert [key for key in inner if not re.search(rf"\b{key}\b", section("## regimes") + text)] == []
    dealer = section('## venue parameters, kind = "dealer"')
    tiers = next(line for line in dealer.splitlines() if line.startswith("| `tiers`"))
    for tier in DealerParameters().tiers:
        assert f"{tier.max_qty:,} at {tier.half_spread_bps}" in tiers


def test_page_has_every_strategy_parameter_with_its_default() -> None:
    text = section("## orders")
    assert [name for name, of in COMMON.items() if f"`{name}` {of.default:g} " not in text] == []
    for schedule in (Arrival, DarkOnly, LiquiditySeeking, Pov, Sweep, Twap, Vwap):
        assert f"`{schedule.name}`" in text
        own = {name: of for name, of in schedule.ranges.items() if name not in COMMON}
        row = "".join(line for line in text.splitlines() if line.startswith(f"| `{schedule.name}` |"))
        assert [name for name, of in own.items() if f"`{name}` {of.default:g} " not in row] == []


def test_page_has_every_parameter_of_our_policy_with_its_default() -> None:
    text = " ".join(section("## learning").split())
    absent = [name for name, (default, _, _) in censored.PARAMETERS.items() if f"`{name}` {default:g}" not in text]
    assert absent == []


def example() -> str:
    return section("## An example").partition("```toml\n")[2].partition("```")[0]


def test_example_of_the_page_runs_and_holds() -> None:
    summary = run(scenario.parse_scenario(example(), "two"), seed=1)
    assert [check for check in summary.checks if not check[1]] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [("volume_share = 0.6", "volume_share = 1.6"), ("end_s = 600", "stop_s = 600"), ("end_s", "start_s = 700\nend_s")],
)
def test_errors_of_the_page_are_what_is_said(old: str, new: str) -> None:
    with pytest.raises(ScenarioError) as fault:
        scenario.parse_scenario(example().replace(old, new, 1), "two", "two.toml")
    assert f"error: {fault.value}" in section("## Exit codes and errors").splitlines()
