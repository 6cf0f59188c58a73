"""Who plays: ours and the references by name, for splits and for choices.

Rule of this file: one entrant has one configuration for all protocols; ours is made by `benchmarks.protocols.ours`. Who
is called told knows of the world what the others do not: a bound to read beside them, not a rival.
"""

from __future__ import annotations

import numpy as np

from benchmarks.protocols.contest import (
    F64,
    I64,
    ChoiceLearner,
    ChoiceWorld,
    NewChoice,
    NewSplit,
    SplitLearner,
    SplitWorld,
)
from benchmarks.protocols.lots import LotWorld
from benchmarks.protocols.references.choosers import Random, RidgeBank, RiverLinUcb
from benchmarks.protocols.references.contextual import ProbabilityOfBest, WaterFilling
from benchmarks.protocols.references.packages import MabWiser, VowpalWabbit
from benchmarks.protocols.references.tails import BinnedHazard, KaplanMeier, ZeroBinPowerLaw
from benchmarks.protocols.references.told import ToldChange, ToldFamily, ToldLaws, ToldRegime, stays
from benchmarks.protocols.references.weights import ExpGrad, Multiplicative, StochasticSplit, Uniform
from learners.lanes.regimes import REGIMES
from learners.lanes.shape import LaneSettings
from router.domain.errors import ConfigError, bad_value

OURS = LaneSettings()
"""The one configuration of ours, for every protocol."""


def our_split(settings: LaneSettings = OURS) -> NewSplit:
    """Return what makes our splitter, in the one configuration or, for an ablation, a changed one."""

    def new(world: SplitWorld, seed: int) -> SplitLearner:
        from benchmarks.protocols.ours import OurSplit

        learner: SplitLearner = OurSplit(world.lanes, world.dims, world.total, seed, settings)
        return learner

    return new


def our_choice(settings: LaneSettings = OURS) -> NewChoice:
    """Return what makes our chooser, in the one configuration or, for an ablation, a changed one."""

    def new(world: ChoiceWorld, seed: int) -> ChoiceLearner:
        from benchmarks.protocols.ours import OurChoice

        _, lanes, dims = world.x.shape
        learner: ChoiceLearner = OurChoice(lanes, dims, seed, settings)
        return learner

    return new


def regime_split(world: SplitWorld, seed: int) -> SplitLearner:
    """Return our splitter with a memory of past regimes: what the router could have, not what it has."""
    from benchmarks.protocols.ours import OurSplit

    learner: SplitLearner = OurSplit(world.lanes, world.dims, world.total, seed, regimes=REGIMES)
    return learner


def regime_choice(world: ChoiceWorld, seed: int) -> ChoiceLearner:
    """Return our chooser with a memory of past regimes."""
    from benchmarks.protocols.ours import OurChoice

    _, lanes, dims = world.x.shape
    learner: ChoiceLearner = OurChoice(lanes, dims, seed, regimes=REGIMES)
    return learner


def _changes_s(world: SplitWorld) -> F64:
    """Return when the laws of a world of lots change."""
    return np.asarray((np.flatnonzero(np.diff(_lots(world).law)) + 1) * world.step_s)


def _laws(world: SplitWorld) -> F64:
    return _lots(world).tails


def _lots(world: SplitWorld) -> LotWorld:
    if not isinstance(world, LotWorld):
        raise ConfigError(bad_value(f"$.{world.name}", "a world of lots", type(world).__name__))
    return world


def _told(world: ChoiceWorld, seed: int, name: str, memory: I64) -> ChoiceLearner:
    _, lanes, dims = world.x.shape
    return ToldRegime(name, lanes, dims, seed, memory, world.step_s)


PAST_REGIMES = "anabranch, past regimes"

SPLITTERS: dict[str, NewSplit] = {
    "uniform": lambda world, seed: Uniform(world.lanes),
    "multiplicative": lambda world, seed: Multiplicative(world.lanes),
    "kaplan-meier": lambda world, seed: KaplanMeier(world.lanes, world.total, is_optimistic=False),
    "optimistic kaplan-meier": lambda world, seed: KaplanMeier(world.lanes, world.total, is_optimistic=True),
    "maximum likelihood": lambda world, seed: ZeroBinPowerLaw(world.lanes, world.total),
    "expgrad": lambda world, seed: ExpGrad(world.lanes, world.rounds),
    "expgrad x10": lambda world, seed: ExpGrad(world.lanes, world.rounds, scale=10.0),
    "laruelle-lehalle-pages": lambda world, seed: StochasticSplit(world.lanes),
    "binned hazard": lambda world, seed: BinnedHazard(world.lanes, world.total),
    PAST_REGIMES: regime_split,
    "told the family": lambda world, seed: ToldFamily(world.lanes, world.total),
}
SWITCH_SPLITTERS: dict[str, NewSplit] = {
    "uniform": SPLITTERS["uniform"],
    "expgrad": SPLITTERS["expgrad"],
    "expgrad x10": SPLITTERS["expgrad x10"],
    "optimistic kaplan-meier": SPLITTERS["optimistic kaplan-meier"],
    "binned hazard": SPLITTERS["binned hazard"],
    "binned hazard, gamma .99": lambda world, seed: BinnedHazard(world.lanes, world.total, gamma=0.99),
    PAST_REGIMES: regime_split,
    "told the time": lambda world, seed: ToldChange(lambda: our_split()(world, seed), _changes_s(world)),
    "told both laws": lambda world, seed: ToldLaws(_laws(world), 1.0 / world.rounds),
}
CONTEXT_SPLITTERS: dict[str, NewSplit] = {
    "equal": SPLITTERS["uniform"],
    "P(best)": lambda world, seed: ProbabilityOfBest(world.lanes, world.dims, world.total, seed),
    "water-filling, no context": lambda world, seed: WaterFilling(world.lanes, world.dims, world.total, False),
    "water-filling": lambda world, seed: WaterFilling(world.lanes, world.dims, world.total, True),
    PAST_REGIMES: regime_split,
}
CHOOSERS: dict[str, NewChoice] = {
    "random": lambda world, seed: Random(world.x.shape[1], seed),
    "river LinUCB": lambda world, seed: RiverLinUcb(world.x.shape[1], world.x.shape[2], seed),
    "half-life bank": lambda world, seed: RidgeBank(world.x.shape[1], world.x.shape[2], seed),
    PAST_REGIMES: regime_choice,
    "told the time": lambda world, seed: _told(world, seed, "told the time", stays(world.regime)),
    "told the regime": lambda world, seed: _told(world, seed, "told the regime", world.regime),
}
PACKAGED: dict[str, tuple[str, NewChoice]] = {
    "vowpal wabbit": ("vowpalwabbit", lambda world, seed: VowpalWabbit(world.x.shape[1], seed)),
    "mabwiser LinUCB": ("mabwiser", lambda world, seed: MabWiser(world.x.shape[1], world.x.shape[2], seed)),
}
"""Choosers of optional packages, with the package each needs."""
