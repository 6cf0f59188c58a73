"""Learners that are told what nobody can know are told just that, and do better for it.

Rule of this file: worlds are short; a comparison is on the same draws.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.protocols import dark_pools, hidden_split, single_choice, switch
from benchmarks.protocols.contest import F64, play_all, play_choice, play_split, regret
from benchmarks.protocols.entrants import CHOOSERS, SPLITTERS, SWITCH_SPLITTERS
from benchmarks.protocols.lots import LotWorld
from benchmarks.protocols.references.told import ToldChange, ToldFamily, ToldLaws
from benchmarks.protocols.references.weights import Uniform
from router.domain.errors import ConfigError


class Counting(Uniform):
    """Splits equally and keeps when what it hears of was sent."""

    def __init__(self) -> None:
        super().__init__(2)
        self.sent_s: list[float] = []

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Keep the time."""
        self.sent_s.append(at_s)


def test_who_is_told_the_family_begins_from_the_mean_of_its_draws() -> None:
    learner = ToldFamily(4, 100.0, bonus=0.0)
    assert learner.tails[0, 0] == pytest.approx(1.0 - (0.67 + 0.96) / 2.0)
    assert (np.diff(learner.tails, axis=1) <= 0.0).all()


def test_who_is_told_the_family_loses_less_than_who_is_not() -> None:
    worlds = dark_pools.worlds(101, "power_law", 400)[::3]
    told, untold = (play_all(worlds, SPLITTERS[name], 1)[0].sum() for name in ("told the family", "binned hazard"))
    assert told > untold


def test_a_fill_in_full_says_only_that_there_was_as_much() -> None:
    full, part = ToldFamily(1, 10.0), ToldFamily(1, 10.0)
    full.learn(0.0, 0, np.ones(1), 3.0, 3.0)
    part.learn(0.0, 0, np.ones(1), 4.0, 3.0)
    assert full.tails[0, 5] > part.tails[0, 5]


def test_who_is_told_both_laws_only_has_to_notice() -> None:
    world = switch.world(101, 1_000)
    learner = SWITCH_SPLITTERS["told both laws"](world, 1)
    assert isinstance(learner, ToldLaws)
    way = switch.way_back(play_split(world, learner), world.best)
    assert way < 50
    assert isinstance(world, LotWorld)
    assert abs(learner.tails - world.tails[1]).max() < 0.01


def test_who_is_told_the_time_begins_anew_there_and_hears_nothing_older() -> None:
    made: list[Counting] = []

    def new() -> Counting:
        made.append(Counting())
        return made[-1]

    play_split(switch.world(101, 20), ToldChange(new, np.array([10.0])), delay=3)
    assert [min(each.sent_s) for each in made] == [0.0, 10.0]
    assert max(made[0].sent_s) == 6.0


def test_a_world_whose_laws_nobody_can_tell_is_refused() -> None:
    with pytest.raises(ConfigError, match="a world of lots"):
        SWITCH_SPLITTERS["told both laws"](hidden_split.world(7, "exponential", 10), 1)


def test_who_is_told_the_regime_gives_away_less_than_who_is_told_when_it_changed() -> None:
    world = single_choice.world(101, 6_000)
    lost = [
        float(regret(world, play_choice(world, CHOOSERS[f"told the {what}"](world, 1))).mean())
        for what in ("regime", "time")
    ]
    assert lost[0] < lost[1]
