"""Scenarios on tape: the library's run and hold under every kind of policy, and what a file may say of a tape."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from router.domain.errors import ScenarioError, TapeError
from scenarios.assembly import assemble
from scenarios.runner import run
from scenarios.scenario import Scenario, load_scenario, parse_scenario
from scenarios.tapes import FORMATS

LIBRARY = ("lobster_queue", "crypto_two_books", "dealer_only_fx")


def data_for(scenario: Scenario) -> Path:
    place = os.environ.get("ANABRANCH_DATA")
    root = Path(place) if place else Path(__file__).parents[2].parent / "shared" / "data"
    folder = scenario.file.market.folder  # type: ignore[union-attr]
    if not (root / folder).is_dir():
        pytest.skip(f"no recording: {folder} is neither in ANABRANCH_DATA nor in ../shared/data")
    return root


@pytest.mark.parametrize(("name", "unit"), [("crypto_two_books", "0.01"), ("dealer_only_fx", "0.00001")])
def test_a_summary_says_what_a_price_of_its_recording_is_worth(name: str, unit: str) -> None:
    scenario = load_scenario(name)
    assert run(scenario, seed=1, data=data_for(scenario)).px_unit == unit


@pytest.mark.parametrize("policy", ["censored", "volume_proportional", "oracle"])
@pytest.mark.parametrize("name", LIBRARY)
def test_a_tape_of_the_library_holds_under_every_kind_of_policy(name: str, policy: str) -> None:
    scenario = load_scenario(name)
    summary = run(scenario, seed=1, policy=policy, data=data_for(scenario))
    assert [check for check in summary.checks if not check[1]] == []
    assert summary.events > 1_000


@pytest.mark.parametrize("name", LIBRARY)
def test_the_same_seed_gives_the_same_run_on_tape(name: str) -> None:
    scenario = load_scenario(name)
    assert len({run(scenario, seed=2, data=data_for(scenario)).digest for _ in range(2)}) == 1


MBO = """
title = "Futures by order"
description = "Ten minutes of a futures market on a quiet evening, order by order."
symbol = "ESH4"
[market]
kind = "tape"
format = "mbo"
folder = "cme_es_mbo_dbn"
files = ["esh4-glbx-mdp3-20231225.mbo.dbn.zst"]
open_s = 84_600
duration_s = 660
[[orders]]
id = "ES-1"
order_qty = 40
end_s = 600
strategy = "twap"
[learning]
standard_qty = 5
"""


def test_futures_by_order_are_played_with_their_own_tick_and_fee() -> None:
    pytest.importorskip("databento_dbn")
    scenario = parse_scenario(MBO, "mbo")
    data = data_for(scenario)
    assembly = assemble(scenario, 1, data)
    assert assembly.specs[0].listing.tick == 2_500
    summary = run(scenario, seed=1, data=data)
    assert summary.filled_qty == 40
    assert summary.fee_bps == pytest.approx(0.05, abs=0.01), "0.025 points of some 4,800"


def test_own_impact_moves_a_recorded_queue() -> None:
    scenario = load_scenario("lobster_queue")
    data = data_for(scenario)
    still = parse_scenario(scenario.text.replace("coefficient_bps = 7.5", "coefficient_bps = 0.0"), "still")
    moved, unmoved = run(scenario, seed=1, data=data), run(still, seed=1, data=data)
    assert unmoved.impact_bps == 0.0
    assert moved.impact_bps is not None
    assert moved.impact_bps > 0.0
    assert moved.digest != unmoved.digest


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('format = "lobster"', 'format = "taq"', r"no impact with the format taq"),
        ('format = "lobster"', 'format = "tape"', r"expected one of taq, lobster, .*got 'tape'"),
        ("open_s = 5_400", "open_s = 5_400\ndark_participation = 0.5", r"none with the format lobster, got 0\.5"),
        ("open_s = 5_400", 'open_s = 5_400\npast_day = "20120620"', r"market\.past_day"),
        ('files = ["', 'files = ["other.zip", "', r"1 to 1 files with the format lobster, got 2"),
        ('files = ["LOBSTER', 'files = ["../LOBSTER', r"the name of a file in the folder"),
        ('format = "lobster"', 'format = "fx"', r"no impact with the format fx"),
    ],
)
def test_what_a_format_does_not_read_is_refused(old: str, new: str, fault: str) -> None:
    text = load_scenario("lobster_queue").text
    assert old in text
    with pytest.raises(ScenarioError, match=fault):
        parse_scenario(text.replace(old, new), "bad", "bad.toml")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ("open_s = 5_400", "open_s = 90_000", r"a time before the recording's end"),
        ("duration_s = 1_260", "duration_s = 80_000", r"up to \d+\.\d+ s"),
        ('symbol = "AMZN"', 'symbol = "MSFT"', r"'AMZN', the tape's"),
        ("_5.zip", "_9.zip", r"a file in lobster_nasdaq_20120621"),
    ],
)
def test_a_session_that_the_recording_does_not_hold_is_refused(old: str, new: str, fault: str) -> None:
    scenario = load_scenario("lobster_queue")
    data = data_for(scenario)
    with pytest.raises(ScenarioError, match=fault):
        assemble(parse_scenario(scenario.text.replace(old, new), "bad", "bad.toml"), 1, data)


def test_recorded_days_of_us_stocks_name_a_day_and_no_files() -> None:
    text = load_scenario("crypto_two_books").text.replace('"binance"', '"taq"')
    with pytest.raises(ScenarioError, match=r"none with the format taq, got .* at `\$\.market\.files`"):
        parse_scenario(text, "bad", "bad.toml")


def test_a_coin_margined_book_is_refused_since_its_unit_is_a_contract() -> None:
    scenario = load_scenario("crypto_two_books")
    data = data_for(scenario)
    text = scenario.text.replace(
        '"spot_btcusdt_20240808.gz", "usdm_btcusdt_20240808.gz"', '"cm_btcusd_perp_20240808.gz"'
    )
    with pytest.raises(ScenarioError, match="whose units are coins, got 'BINANCE_COINM'"):
        assemble(parse_scenario(text, "bad"), 1, data)


def test_a_recording_that_is_not_there_is_refused(tmp_path: Path) -> None:
    for name in LIBRARY:
        with pytest.raises(TapeError, match="the tape's folder"):
            assemble(load_scenario(name), 1, tmp_path)
    assert set(FORMATS) == {"taq", "lobster", "mbo", "binance", "fx"}
