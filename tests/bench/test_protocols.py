"""The learning protocols: their worlds, their loops, and the order in which the references stand.

Rule of this file: small sizes and fixed seeds; an order asserted here is one that holds by a clear margin.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.protocols import ablations, dark_pools, hidden_split, single_choice, switch
from benchmarks.protocols.contest import (
    F64,
    ChoiceWorld,
    NewSplit,
    SplitWorld,
    play_all,
    play_choice,
    play_split,
    regret,
    within,
)
from benchmarks.protocols.entrants import CHOOSERS, CONTEXT_SPLITTERS, PACKAGED, SPLITTERS, SWITCH_SPLITTERS
from benchmarks.protocols.lots import LotWorld, log_normal_mixture, power_law
from benchmarks.protocols.references.contextual import water_fill
from benchmarks.protocols.references.packages import is_installed
from benchmarks.protocols.references.tails import KaplanMeier
from benchmarks.protocols.references.weights import Uniform, on_simplex
from benchmarks.rows import Settings
from router.domain.errors import ConfigError

SMALL = 300
QUICK = Settings(1, True, 1, None, lambda share, text: None)

WORLDS: dict[str, SplitWorld] = {
    "power_law": dark_pools.worlds(7, "power_law", SMALL)[0],
    "log_normal": dark_pools.worlds(7, "log_normal", SMALL)[8],
    "switch": switch.world(7, SMALL),
    "exponential": hidden_split.world(7, "exponential", SMALL),
    "lognormal": hidden_split.world(7, "lognormal", SMALL),
}


class Recorder(Uniform):
    """Splits equally and keeps what it hears."""

    def __init__(self, lanes: int) -> None:
        super().__init__(lanes)
        self.now_s = -1.0
        self.heard: list[tuple[float, float, int, float, float]] = []

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Keep the time."""
        self.now_s = at_s
        return super().split(at_s, x, total)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Keep the news with the time of hearing."""
        self.heard.append((self.now_s, at_s, lane, sent, met))


class Steady:
    """Chooses one lane always and keeps what it hears."""

    name = "steady"

    def __init__(self, lane: int) -> None:
        self.lane, self.now_s = lane, -1.0
        self.heard: list[tuple[float, bool, float, float]] = []
        self.marked: list[tuple[float, float]] = []

    def choose(self, at_s: float, x: F64) -> int:
        """Keep the time."""
        self.now_s = at_s
        return self.lane

    def hear(self, at_s: float, lane: int, x: F64, filled: bool, after_s: float, price_bps: float) -> None:
        """Keep the outcome."""
        assert lane == self.lane
        self.heard.append((at_s, filled, after_s, price_bps))

    def mark(self, at_s: float, lane: int, x: F64, markout_bps: float) -> None:
        """Keep the markout."""
        self.marked.append((at_s, markout_bps))


@pytest.mark.parametrize("name", WORLDS)
def test_no_split_beats_the_oracle_in_any_round(name: str) -> None:
    world = WORLDS[name]
    draws = np.random.default_rng(1)
    for t in range(0, SMALL, 7):
        for shares in draws.dirichlet(np.ones(world.lanes), 20):
            sent = within(shares * world.total, world.total, world.is_whole)
            assert world.expected(t, sent) <= world.best[t] * (1 + 1e-9)


@pytest.mark.parametrize("name", WORLDS)
def test_expected_fills_are_the_mean_of_the_fills_drawn(name: str) -> None:
    world = WORLDS[name]
    even = within(np.full(world.lanes, world.total / world.lanes), world.total, world.is_whole)
    expected = sum(world.expected(t, even) for t in range(SMALL))
    drawn = [float(np.minimum(world.hidden(t), even).sum()) for t in range(SMALL)]
    assert abs(sum(drawn) - expected) < 4.0 * np.std(drawn) * SMALL**0.5


@pytest.mark.parametrize("name", WORLDS)
def test_a_world_is_the_same_for_the_same_seed_and_another_for_another(name: str) -> None:
    made = {seed: _again(name, seed) for seed in (7, 8)}
    assert all(np.array_equal(made[7].hidden(t), WORLDS[name].hidden(t)) for t in range(SMALL))
    assert any(not np.array_equal(made[8].hidden(t), WORLDS[name].hidden(t)) for t in range(SMALL))


def test_the_greedy_split_of_known_tails_reaches_the_oracle() -> None:
    tails = np.array([power_law(0.7, 0.3, 20, 20), power_law(0.9, -0.5, 20, 20)])
    world = LotWorld("two", tails[None], np.zeros(1, dtype=np.int64), 1)
    knowing = KaplanMeier(2, 20.0, is_optimistic=True)
    knowing.tails = tails
    split = knowing.split(0.0, world.context(0), 20.0)
    assert split.sum() == 20.0
    assert world.expected(0, split) == pytest.approx(world.best[0], rel=1e-12)


def test_a_tail_that_rises_is_refused() -> None:
    with pytest.raises(ConfigError, match="never rise"):
        LotWorld("bad", np.array([[[0.1, 0.2]]]), np.zeros(1, dtype=np.int64), 1)


def test_a_law_of_sizes_starts_at_its_chance_of_anything() -> None:
    mixture = log_normal_mixture(0.8, np.array([5.0, 50.0]), np.array([0.5, 1.0]), np.array([0.4, 0.6]), 100)
    assert mixture[0] == pytest.approx(0.2)
    assert power_law(0.8, 1.1, 100, 100)[0] == pytest.approx(0.2)
    assert np.all(np.diff(mixture) <= 0.0)


def test_the_clairvoyant_equalises_what_the_last_share_is_worth() -> None:
    law = hidden_split.Law(np.array([[0.5, 0.2, 0.01]]), np.array([[100.0, 300.0, 50.0]]), is_log_normal=False)
    split = law.clairvoyant(400.0)[0]
    worth = law.p[0] * np.exp(-split / law.mu[0])
    assert split.sum() == pytest.approx(400.0)
    assert worth[0] == pytest.approx(worth[1], rel=1e-9)
    assert split[2] == 0.0 and worth[2] < worth[0]
    assert water_fill(law.p[0], law.mu[0], 400.0) == pytest.approx(split, abs=1e-3)


@pytest.mark.parametrize("delay", [0, 5])
def test_a_report_comes_as_many_rounds_late_as_was_asked(delay: int) -> None:
    world = WORLDS["power_law"]
    learner = Recorder(world.lanes)
    play_split(world, learner, delay)
    assert len(learner.heard) == (SMALL - delay) * world.lanes
    assert {now - sent for now, sent, *_ in learner.heard} == {float(delay)}


def test_a_learner_hears_the_lesser_of_what_was_sent_and_what_was_there() -> None:
    world = WORLDS["power_law"]
    learner = Recorder(world.lanes)
    play_split(world, learner)
    for _, sent_s, lane, sent, met in learner.heard:
        assert met == min(sent, world.hidden(int(sent_s))[lane])


def test_a_split_above_the_total_is_scaled_down_to_it() -> None:
    assert within(np.array([30.0, 10.0]), 20.0, False).tolist() == [15.0, 5.0]
    assert within(np.array([-3.0, 10.4]), 20.0, True).tolist() == [0.0, 10.0]
    assert within(np.array([6.5, 6.5, 7.0]), 20.0, True).tolist() == [7.0, 6.0, 7.0]


def test_fills_misses_and_markouts_are_heard_at_their_times() -> None:
    world = single_choice.world(7, SMALL)
    learner = Steady(5)
    chosen = play_choice(world, learner)
    assert set(chosen.tolist()) == {5}
    assert [at for at, *_ in learner.heard] == sorted(at for at, *_ in learner.heard)
    assert {after for _, filled, after, _ in learner.heard if not filled} == {single_choice.MISS_S}
    assert {price for _, filled, _, price in learner.heard if not filled} == {0.0}
    fills = [at for at, filled, *_ in learner.heard if filled]
    marked = [at for at, _ in learner.marked]
    assert marked == pytest.approx([at + single_choice.MARKOUT_S for at in fills][: len(marked)])
    assert max(marked) <= learner.now_s


def test_values_of_choices_are_the_mean_of_their_outcomes() -> None:
    world = single_choice.world(7, 4_000)
    worth = np.where(world.filled, world.price_bps + world.markout_bps, 0.0)
    assert np.abs((worth - world.value).mean(axis=0)).max() < 0.08


def test_regret_is_never_negative_and_random_choices_give_away_about_what_is_published() -> None:
    means = []
    for seed in range(101, 107):
        world = single_choice.world(seed, 4_000)
        lost = regret(world, play_choice(world, CHOOSERS["random"](world, seed)))
        assert lost.min() >= 0.0
        means.append(lost.mean())
    assert np.mean(means) == pytest.approx(1.18, abs=0.25)


def test_references_of_dark_pools_stand_in_their_published_order() -> None:
    worlds = dark_pools.worlds(101, "power_law", 1_000)[::3]
    shares = {name: _share(worlds, SPLITTERS[name]) for name in SPLITTERS}
    rising = ("uniform", "kaplan-meier", "optimistic kaplan-meier", "laruelle-lehalle-pages", "binned hazard")
    assert [shares[name] for name in rising] == sorted(shares[name] for name in rising)
    assert shares["optimistic kaplan-meier"] < shares["expgrad"] < shares["binned hazard"]
    assert shares["binned hazard"] < 1.0


def test_what_forgets_comes_back_sooner_after_the_swap() -> None:
    world = switch.world(101, 2_000)
    ways = {name: _way(world, new) for name, new in SWITCH_SPLITTERS.items()}
    assert ways["expgrad x10"] < 0.5 * ways["expgrad"]
    assert ways["binned hazard, gamma .99"] < 200
    assert ways["binned hazard"] == 1_000, "without forgetting it is not back at all"


def test_context_is_worth_more_than_water_filling_which_is_worth_more_than_equal_parts() -> None:
    world = hidden_split.world(101, "exponential")
    losses = [1.0 - _share([world], new) for new in CONTEXT_SPLITTERS.values()]
    assert list(CONTEXT_SPLITTERS)[:4] == ["equal", "P(best)", "water-filling, no context", "water-filling"]
    assert losses[3] < losses[1] < losses[2] < losses[0]


def test_every_chooser_beats_chance() -> None:
    world = single_choice.world(101, 3_000)
    entrants = CHOOSERS | {name: new for name, (package, new) in PACKAGED.items() if is_installed(package)}
    lost = {name: float(regret(world, play_choice(world, new(world, 1))).mean()) for name, new in entrants.items()}
    assert all(lost[name] < 0.8 * lost["random"] for name in entrants if name != "random")


@pytest.mark.parametrize("name", SPLITTERS)
def test_a_splitter_does_the_same_again(name: str) -> None:
    worlds: list[SplitWorld] = [dark_pools.worlds(7, "power_law", 100)[0]]
    first, again = (play_all(worlds, SPLITTERS[name], 1, delay=3)[0] for _ in range(2))
    assert np.array_equal(first, again)


@pytest.mark.parametrize("name", ["random", "river LinUCB", "half-life bank"])
def test_a_chooser_does_the_same_again(name: str) -> None:
    world: ChoiceWorld = single_choice.world(7, SMALL)
    first, again = (play_choice(world, CHOOSERS[name](world, 1)) for _ in range(2))
    assert np.array_equal(first, again)


def test_the_projection_to_the_simplex_is_on_it() -> None:
    for shares in np.random.default_rng(1).normal(0.0, 1.0, (50, 5)):
        projected = on_simplex(shares)
        assert projected.min() >= 0.0
        assert projected.sum() == pytest.approx(1.0)


def test_a_blind_learner_sees_the_leading_one_alone() -> None:
    assert ablations.only_bias(np.array([1.0, 2.0, 3.0])).tolist() == [1.0, 0.0, 0.0]


def test_the_rows_of_the_swap_carry_ours_beside_the_references() -> None:
    rows = switch.rows(QUICK)
    assert [row.id for row in rows] == [switch.SHARE, switch.WAY_BACK]
    assert all(row.ours is not None and set(row.references) == set(SWITCH_SPLITTERS) for row in rows)
    assert all(row.bound is None for row in rows), "a quick run promises nothing"


def _again(name: str, seed: int) -> SplitWorld:
    if name == "switch":
        return switch.world(seed, SMALL)
    if name in hidden_split.SIZES:
        return hidden_split.world(seed, name, SMALL)
    return dark_pools.worlds(seed, name, SMALL)[0 if name == "power_law" else 8]


def _share(worlds: list[SplitWorld], new: NewSplit) -> float:
    got, best = play_all(worlds, new, 1)
    return float(got.sum() / best.sum())


def _way(world: SplitWorld, new: NewSplit) -> int:
    return switch.way_back(play_split(world, new(world, 1)), world.best)
