"""Scenario files: what is wrong with one is said with file, key, expected and got; the library's are all right.

Rule of this file: each fault is made by one change in a file that is otherwise good.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from small_market import SMOKE, scenario, text, with_part

from router.domain.enums import OrdType, Side
from router.domain.errors import ConfigError, ScenarioError, TapeError
from router.domain.units import SECOND, px
from scenarios.assembly import assemble, make_host_setup, make_impact, make_network, make_plan, make_venue
from scenarios.policies import make_policy
from scenarios.scenario import (
    DAY_OPEN,
    HostCrash,
    Outage,
    Scenario,
    TapeMarket,
    Unreliable,
    library,
    load_scenario,
    parse_scenario,
)

QTY = "order_qty = 3_000"
LIT = 'parameters = { kind = "lit" }'
DAYS_S = "duration_s = 360"
START = 'start_px = "40.00"'


def order(line: str) -> str:
    return text((QTY, f"order_qty = 3_000\n{line}"))


def broken(lines: str) -> str:
    return with_part(f"[[breaks]]\n{lines}")


OUTAGE = 'kind = "outage"\nvenue = "XLTA"\n'

FAULTS: dict[str, tuple[str, str, str, str]] = {
    # name: (file, key, expected, got)
    "a negative quantity": (text((QTY, "order_qty = -5")), "$.orders[0].order_qty", ">= 1", "-5"),
    "no quantity": (text((QTY, "")), "$.orders[0]", "either order_qty or share_of_volume", "(None, None)"),
    "two quantities": (order("share_of_volume = 0.1"), "$.orders[0]", "either order_qty", "(3000, 0.1)"),
    "a quantity as text": (text((QTY, 'order_qty = "5"')), "$.orders[0].order_qty", "int", "str"),
    "half a share": (text((QTY, "order_qty = 0.5")), "$.orders[0].order_qty", "int", "float"),
    "a quantity beyond all": (text((QTY, f"order_qty = {2**70}")), "$.orders[0].order_qty", "a number", f"{2**70}"),
    "too large a quantity": (text((QTY, f"order_qty = {10**13}")), "$.orders[0].order_qty", "1 to", f"{10**13}"),
    "an unknown side": (text(('"BUY"', '"BYE"')), "$.orders[0].side", "BUY, SELL, SELL_SHORT", "'BYE'"),
    "an unknown strategy": (order('strategy = "hope"'), "$.orders[0]", "twap", "'hope'"),
    "an unknown parameter": (order("strategy_parameters = { luck = 1 }"), "$.orders[0]", "interval_s", "'luck'"),
    "a parameter as text": (order('strategy_parameters = { ahead = "x" }'), "strategy_parameters", "float", "str"),
    "an order twice": (
        with_part('[[orders]]\nid = "SMOKE-1"\norder_qty = 5'),
        "$.orders[1].id",
        "an order named once",
        "'SMOKE-1'",
    ),
    "an id with a blank": (text(('"SMOKE-1"', '"A B"')), "$.orders[0]", "an id of", "'A B'"),
    "an end before the start": (text(("end_s = 300", "start_s = 9\nend_s = 8")), ".end_s", "after start_s", "8.0"),
    "an end after the close": (text(("end_s = 300", "end_s = 361")), "$.orders[0].end_s", "up to the close", "361.0"),
    "an end that never comes": (text(("end_s = 300", "end_s = inf")), "$.orders[0].end_s", "a number", "inf"),
    "a cancel before the start": (order("start_s = 9\ncancel_s = 8"), ".cancel_s", "after start_s", "8.0"),
    "an urgency that is no number": (order("urgency = nan"), "$.orders[0].urgency", "a number", "nan"),
    "an urgency above all": (order("urgency = 1.5"), "$.orders[0].urgency", "<= 1.0", "1.5"),
    "a limit that is no price": (order('limit_price = "cheap"'), "$.orders[0].limit_price", "price", "'cheap'"),
    "a limit of nothing": (order('limit_price = "0"'), "$.orders[0].price", "a price from 1", "0"),
    "more least quantity than order": (order("min_qty = 3_001"), "$.orders[0].min_qty", "up to order_qty", "3001"),
    "a venue nobody knows, allowed": (order('venues_allow = ["XX"]'), ".venues_allow", "XLTA, XINA", "'XX'"),
    "a venue nobody knows, denied": (order('venues_deny = ["XX"]'), ".venues_deny", "XLTA, XINA", "'XX'"),
    "a venue nobody knows, down": (
        broken('kind = "outage"\nvenue = "XX"\nfrom_s = 1'),
        "$.breaks[0].venue",
        "XLTA, XINA",
        "'XX'",
    ),
    "a venue nobody knows, holding": (
        text(("[holds]", '[holds]\nfills_at = ["XX"]')),
        "holds.fills_at",
        "XLTA",
        "'XX'",
    ),
    "an outage that ends before it begins": (
        broken(f"{OUTAGE}from_s = 9\nto_s = 9"),
        "$.breaks[0].to_s",
        "after from_s",
        "9",
    ),
    "an outage without a start": (broken(f"{OUTAGE}from_s = nan"), "$.breaks[0].from_s", "a number", "nan"),
    "a bad link that ends before it begins": (
        broken('kind = "unreliable"\nfrom_s = 5\nto_s = 4'),
        "$.breaks[0].to_s",
        "after from_s",
        "4",
    ),
    "a probability above one": (
        broken('kind = "unreliable"\nlose_report = 1.5'),
        "$.breaks[0].lose_report",
        "<= 1.0",
        "1.5",
    ),
    "an unknown kind of fault": (broken('kind = "flood"'), "$.breaks[0].kind", "outage, unreliable", "'flood'"),
    "an unknown key": (
        text((QTY, f"{QTY}\ncolour = 1")),
        "$.orders[0]",
        "one of the keys id, side, order_qty",
        "'colour'",
    ),
    "a key misspelt": (order('limitprice = "1"'), "$.orders[0]", "did you mean limit_price?", "'limitprice'"),
    "a key misspelt above all": (text(("seed = 1", "sed = 1")), "at `$`", "did you mean seed?", "'sed'"),
    "a parameter misspelt": (
        text((LIT, 'parameters = { kind = "lit", speed_bump = 1 }')),
        "$.venues[0].parameters",
        "did you mean speed_bump_ns?",
        "'speed_bump'",
    ),
    "a segment's key misspelt": (
        text((LIT, 'parameters = { kind = "dark", segments = [{ name = "a", min = 1 }] }')),
        "$.venues[0].parameters.segments[0]",
        "did you mean min_qty?",
        "'min'",
    ),
    "a fault's key misspelt": (broken(f"{OUTAGE}form_s = 1"), "$.breaks[0]", "did you mean from_s", "'form_s'"),
    "a multiplier misspelt": (
        with_part('[[regimes]]\nfrom_s = 0\nname = "calm"\nmultipliers = { volum = 1 }'),
        "$.regimes[0].multipliers",
        "did you mean volume?",
        "'volum'",
    ),
    "a missing key": (text(('title = "Smoke"\n', "")), "`title`", "missing required field", "`title`"),
    "an unknown market": (text(('"synthetic"', '"dream"')), "$.market.kind", "synthetic, tape", "'dream'"),
    "an unknown kind of venue": (
        text((LIT, 'parameters = { kind = "dim" }')),
        "$.venues[0].parameters.kind",
        "lit, dark, dealer",
        "'dim'",
    ),
    "a venue twice": (text(('"XINA"', '"XLTA"')), "$.venues[1].mic", "a venue named once", "'XLTA'"),
    "a venue in small letters": (text(('"XINA"', '"xina"')), "$.venues[1].mic", "matching regex", "'xina'"),
    "a parameter out of range": (
        text((LIT, 'parameters = { kind = "lit", touch_qty = -1 }')),
        "$.venues[0].parameters",
        "a value from",
        "-1",
    ),
    "a latency that runs backwards": (
        text((LIT, f"{LIT}\nlatency = {{ feed_ns = -1 }}")),
        "$.venues[0].latency",
        "0 to 60 s",
        "-1",
    ),
    "a price that is none": (text((START, 'start_px = "free"')), "$.market.start_px", "price", "'free'"),
    "a price of nothing": (text((START, 'start_px = "0"')), "$.market", "20 ticks", "0"),
    "a tick of nothing": (text((START, f'{START}\ntick = "0"')), "$.market", "a tick from 1", "0"),
    "a day without end": (text((DAYS_S, "duration_s = nan")), "$.market.duration_s", "a number", "nan"),
    "a window of no time": (text(("window_max_s = 5.0", "window_max_s = 0")), ".window_max_s", ">= 0.001", "0"),
    "impact beyond all": (
        text(("coefficient_bps = 7.5", "coefficient_bps = inf")),
        "$.impact.coefficient_bps",
        "a number",
        "inf",
    ),
    "an unknown regime": (
        with_part('[[regimes]]\nfrom_s = 0\nname = "fog"'),
        "$.regimes[0].name",
        "calm, volatile",
        "'fog'",
    ),
    "regimes out of order": (
        with_part('[[regimes]]\nfrom_s = 5\nname = "calm"\n[[regimes]]\nfrom_s = 5\nname = "toxic"'),
        "$.regimes[1].from_s",
        "after the regime before",
        "5.0",
    ),
    "a negative seed": (text(("seed = 1", "seed = -1")), "$.seed", ">= 0", "-1"),
}


def made_concrete(file: str) -> Scenario:
    """Do with a file all that a run does before its first window."""
    checked = parse_scenario(file, "bad", "bad.toml")
    assembly = assemble(checked, 1, None)
    make_network(assembly)
    make_impact(assembly)
    make_host_setup(assembly)
    make_plan(assembly, {})
    return checked


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_said_with_file_key_expected_and_got(name: str) -> None:
    file, key, expected, got = FAULTS[name]
    with pytest.raises(ScenarioError) as caught:
        made_concrete(file)
    message = str(caught.value)
    assert message.startswith("bad.toml: ")
    assert all(part in message for part in (key, expected, got)), message


@pytest.mark.parametrize("mark", ["title = ", "[[venues", "a = 1\na = 2", "\x00", "title = 'a'\ntitle = 'b'", "= 5"])
def test_what_is_not_toml_is_said_to_be_none(mark: str) -> None:
    with pytest.raises(ScenarioError, match=r"^bad\.toml: expected TOML, got a fault: "):
        parse_scenario(f"{mark}\n{SMOKE}", "bad", "bad.toml")


def test_an_empty_file_lacks_its_first_key() -> None:
    with pytest.raises(ScenarioError, match="missing required field `title`"):
        parse_scenario("", "bad", "bad.toml")


def test_no_venues_and_no_orders_are_refused() -> None:
    head = SMOKE.split("[[venues]]")[0]
    with pytest.raises(ScenarioError, match=r"expected at least one venue, got 0 - at `\$\.venues`"):
        parse_scenario(head + '[[orders]]\nid = "A"\norder_qty = 1\n', "bad", "bad.toml")
    with pytest.raises(ScenarioError, match=r"missing required field `orders`"):
        parse_scenario(head, "bad", "bad.toml")
    with pytest.raises(ScenarioError, match=r"length >= 1, got \[\] - at `\$\.orders`"):
        parse_scenario(f"orders = []\n{head}", "bad", "bad.toml")


def test_a_tape_brings_its_own_venues() -> None:
    file = text(('kind = "synthetic"\nstart_px = "40.00"\nadv = 2_000_000\nduration_s = 360', 'kind = "tape"'))
    with pytest.raises(ScenarioError, match=r"no venues with a tape, which brings its own, got 4"):
        parse_scenario(file, "bad", "bad.toml")


def test_a_file_that_is_not_there_names_those_that_are() -> None:
    with pytest.raises(ScenarioError, match=r"one of .*midcap_500k, one_share, .*got 'nowhere'"):
        load_scenario("nowhere")
    with pytest.raises(ScenarioError, match="expected a scenario file"):
        load_scenario(os.devnull)


def test_a_file_that_is_not_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "latin.toml"
    path.write_bytes(b'title = "caf\xe9"\n')
    with pytest.raises(ScenarioError, match=r"latin\.toml: expected a readable text file"):
        load_scenario(str(path))


def test_a_file_is_loaded_by_its_path_and_named_by_its_stem(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(SMOKE, encoding="utf-8")
    loaded = load_scenario(str(path))
    assert (loaded.name, loaded.path, loaded.text) == ("mine", str(path), SMOKE)
    assert loaded.file == load_scenario("smoke").file


@pytest.mark.parametrize("name", library())
def test_every_scenario_of_the_library_loads(name: str) -> None:
    loaded = load_scenario(name)
    assert loaded.name == name
    assert loaded.file.title
    assert loaded.file.description
    if isinstance(loaded.file.market, TapeMarket):
        with pytest.raises(TapeError, match="expected a data directory"):
            assemble(loaded, 1, None)
    else:
        assembly = assemble(loaded, 1, None)
        assert len(assembly.parents) == len(loaded.file.orders)
        assert [make_venue(assembly, spec.mic).spec for spec in assembly.specs] == list(assembly.specs)


def test_a_tapes_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TapeError, match="us_taq_venue_bbo_2018, got nothing there"):
        assemble(load_scenario("tape_day"), 1, tmp_path)


def test_every_kind_of_fault_can_be_asked_for() -> None:
    loaded = parse_scenario(
        with_part(
            f"[[breaks]]\n{OUTAGE}from_s = 5\n"
            '[[breaks]]\nkind = "unreliable"\nlose_report = 0.5\n'
            '[[breaks]]\nkind = "host_crash"\nprobability = 0.5\n'
        ),
        "faults",
    )
    assert [type(part) for part in loaded.file.breaks] == [Outage, Unreliable, HostCrash]


def test_an_order_becomes_what_its_file_says() -> None:
    change = f'{QTY}\nlimit_price = "39.5"\nstart_s = 5\nurgency = 0.25\nmin_qty = 10\nvenues_deny = ["XINA"]'
    (parent,) = assemble(scenario(('"BUY"', '"SELL_SHORT"'), (QTY, change)), 1, None).parents
    assert (parent.side, parent.ord_type, parent.price) == (Side.SELL_SHORT, OrdType.LIMIT, px("39.5"))
    assert (parent.start_at, parent.end_at) == (DAY_OPEN + 5 * SECOND, DAY_OPEN + 300 * SECOND)
    assert (parent.urgency, parent.min_qty, parent.venues_deny) == (0.25, 10, ("XINA",))


def test_a_share_of_the_volume_is_of_what_the_day_is_expected_to_trade() -> None:
    assembly = assemble(scenario((QTY, "share_of_volume = 0.10")), 1, None)
    assert assembly.parents[0].order_qty == round(0.10 * 2_000_000 * assembly.setup.day_share)
    tiny = assemble(scenario((QTY, "share_of_volume = 1e-9")), 1, None)
    assert tiny.parents[0].order_qty == 1


def test_an_order_without_an_end_works_until_the_close() -> None:
    assembly = assemble(scenario(("end_s = 300", "")), 1, None)
    assert assembly.parents[0].end_at == assembly.setup.close_at


def test_a_policy_that_does_not_exist_is_refused_by_name() -> None:
    assembly = assemble(scenario(), 1, None)
    with pytest.raises(ConfigError, match=r"censored, .*oracle, clairvoyant, got 'guess'"):
        make_policy(assembly, "guess")
