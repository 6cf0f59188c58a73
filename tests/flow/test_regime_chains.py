"""Regimes drawn by a hidden chain: keyed by the seed, with the stays and turns that the chain says.

Rule of this file: the law is examined over many seeds of one fixed list.
"""

from __future__ import annotations

from itertools import pairwise

import pytest

from router.domain.errors import ScenarioError
from router.domain.units import SECOND
from scenarios.assembly import assemble
from scenarios.scenario import parse_scenario
from venues.models.reference import REGIMES
from venues.models.regimes import RegimeChain

CHAIN = RegimeChain(
    mean_stay_s={"calm": 100.0, "volatile": 50.0},
    transitions={"calm": {"volatile": 0.75, "toxic": 0.25}, "volatile": {"calm": 1.0}},
)

FILE = """
title = "Chain"
description = "Two regimes in turn."
symbol = "CHNA"
[market]
kind = "synthetic"
start_px = "25.00"
duration_s = 900
[[venues]]
mic = "XLTA"
is_primary = true
volume_share = 1.0
parameters = { kind = "lit" }
[[orders]]
id = "C-1"
order_qty = 100
[regime_chain]
mean_stay_s = { calm = 100, volatile = 50 }
transitions = { calm = { volatile = 1.0 }, volatile = { calm = 1.0 } }
"""


def test_a_seed_has_one_path_and_another_seed_another() -> None:
    one = CHAIN.path(1, "ABCD", 0, 10**12)
    assert CHAIN.path(1, "ABCD", 0, 10**12) == one
    assert CHAIN.path(2, "ABCD", 0, 10**12) != one
    assert CHAIN.path(1, "ABCE", 0, 10**12) != one


def test_a_longer_session_begins_as_the_shorter_one() -> None:
    long, short = (CHAIN.path(3, "ABCD", 0, end * SECOND) for end in (2_000, 1_000))
    assert long[: len(short)] == short


def test_stays_and_turns_are_those_of_the_chain() -> None:
    stays: list[float] = []
    nexts: list[str] = []
    for seed in range(400):
        path = CHAIN.path(seed, "ABCD", 0, 10**15)
        stays += [(b.from_at - a.from_at) / SECOND for a, b in pairwise(path) if a.name == "calm"]
        nexts += [b.name for a, b in pairwise(path) if a.name == "calm"]
        assert path[-1].name == "toxic", "it has no row, so it is never left"
    assert 90 < sum(stays) / len(stays) < 110
    assert 0.70 < nexts.count("volatile") / len(nexts) < 0.80


def test_regimes_of_a_chain_have_their_names_multipliers() -> None:
    assert all(regime.multipliers == REGIMES[regime.name] for regime in CHAIN.path(1, "ABCD", 0, 10**12))


@pytest.mark.parametrize(
    ("start", "stays", "row", "key"),
    [
        ("bull", {"calm": 9.0}, {"toxic": 1.0}, "start"),
        ("calm", {"calm": 0.1}, {"toxic": 1.0}, "mean_stay_s.calm"),
        ("calm", {"calm": 9.0}, {"toxic": 0.9}, "transitions.calm"),
        ("calm", {"calm": 9.0}, {"calm": 1.0}, "transitions.calm"),
        ("calm", {"toxic": 9.0}, {"toxic": 1.0}, "transitions.calm"),
    ],
)
def test_a_chain_that_is_none_is_refused(start: str, stays: dict[str, float], row: dict[str, float], key: str) -> None:
    with pytest.raises(ValueError, match=f"at {key}"):
        RegimeChain(start=start, mean_stay_s=stays, transitions={"calm": row})


def test_a_scenario_takes_a_chain_in_place_of_regimes() -> None:
    scenario = parse_scenario(FILE, "chain")
    setups = [assemble(scenario, seed, None).setup for seed in (1, 1, 2)]
    assert setups[0] == setups[1] != setups[2]
    assert [regime.name for regime in setups[0].regimes[:3]] == ["calm", "volatile", "calm"]
    with pytest.raises(ScenarioError, match=r"either regimes or a chain"):
        parse_scenario(FILE + '[[regimes]]\nfrom_s = 0\nname = "calm"\n', "chain")


def test_a_chain_that_turns_too_often_is_refused_with_its_key() -> None:
    text = FILE.replace("calm = 100, volatile = 50", "calm = 1, volatile = 1").replace("= 900", "= 86_400")
    with pytest.raises(ScenarioError, match=r"\$\.regime_chain\.mean_stay_s"):
        assemble(parse_scenario(text, "chain"), 1, None)
