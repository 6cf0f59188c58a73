"""What each part of our learner is worth: the protocols L2 to L6 again, with one part taken out at a time.

Rule of this file: an ablation is the one configuration with a field changed, or the same learner with its context
hidden; the whole learner stands first and is the reference of the others.
"""

from __future__ import annotations

import numpy as np

from benchmarks.protocols import dark_pools, hidden_split, single_choice, switch
from benchmarks.protocols.contest import (
    F64,
    ChoiceLearner,
    ChoiceWorld,
    NewChoice,
    NewSplit,
    SplitLearner,
    SplitWorld,
)
from benchmarks.protocols.entrants import OURS, our_choice, our_split
from benchmarks.rows import Row, Settings, measured

WHOLE = "whole"
ABLATIONS = {
    WHOLE: OURS,
    "no censoring": OURS._replace(censoring=False),
    "no discount": OURS._replace(half_lives_s=(1e9,), drift=0.0, takeover=0.0),
    "no bank": OURS._replace(half_lives_s=(480.0,)),
    "no drift detector": OURS._replace(drift=0.0, takeover=0.0),
    "no probes": OURS._replace(optimism=0.0),
    "no hierarchy": OURS._replace(sharing=0.0),
    "no binned tail": OURS._replace(tails="exponential"),
    "no exponential tail": OURS._replace(tails="binned"),
}
"""The configurations by what they lack. `no probes` takes what is not known for what is expected, without a bonus."""

NO_CONTEXT = "no context"

UNITS = {switch.WAY_BACK: "rounds", single_choice.REGRET: "bps"}


class Blind:
    """A learner behind a curtain: of every context it sees the leading 1 alone, so that it plays without one."""

    name = NO_CONTEXT

    def __init__(self, learner: SplitLearner) -> None:
        self._learner = learner

    def split(self, at_s: float, x: F64, total: float) -> F64:
        """Split without a context."""
        return self._learner.split(at_s, only_bias(x), total)

    def learn(self, at_s: float, lane: int, x: F64, sent: float, met: float) -> None:
        """Learn without a context."""
        self._learner.learn(at_s, lane, only_bias(x), sent, met)


class BlindChoice:
    """The same for choices."""

    name = NO_CONTEXT

    def __init__(self, learner: ChoiceLearner) -> None:
        self._learner = learner

    def choose(self, at_s: float, x: F64) -> int:
        """Choose without a context."""
        return self._learner.choose(at_s, only_bias(x))

    def hear(self, at_s: float, lane: int, x: F64, filled: bool, after_s: float, price_bps: float) -> None:
        """Hear without a context."""
        self._learner.hear(at_s, lane, only_bias(x), filled, after_s, price_bps)

    def mark(self, at_s: float, lane: int, x: F64, markout_bps: float) -> None:
        """Hear of a markout without a context."""
        self._learner.mark(at_s, lane, only_bias(x), markout_bps)


def only_bias(x: F64) -> F64:
    """Return a context with everything but its leading 1 at zero.

    >>> only_bias(np.array([[1.0, 3.0], [1.0, -2.0]])).tolist()
    [[1.0, 0.0], [1.0, 0.0]]
    """
    bare = np.zeros_like(x)
    bare[..., 0] = x[..., 0]
    return bare


def rows(settings: Settings) -> list[Row]:
    """Return a row per figure and ablation, beside the whole learner's figure."""
    entrants: dict[str, tuple[NewSplit, NewChoice]] = {
        name: (our_split(fields), our_choice(fields)) for name, fields in ABLATIONS.items()
    }
    entrants[NO_CONTEXT] = (_blind_split, _blind_choice)
    found = {}
    for done, (name, (split, choice)) in enumerate(entrants.items()):
        settings.progress(done / len(entrants), name)
        found[name] = _figures(split, choice, settings)
    whole = found.pop(WHOLE)
    return [
        measured(
            f"ablation.{id}.{name.removeprefix('no ').replace(' ', '_')}",
            f"{id} with {name}",
            values,
            UNITS.get(id, "share"),
            references={WHOLE: whole[id]},
        )
        for name, each in found.items()
        for id, values in each.items()
    ]


def _figures(split: NewSplit, choice: NewChoice, settings: Settings) -> dict[str, list[float]]:
    """Return all figures of one entrant, of fewer seeds than the protocols report."""
    return {
        **dark_pools.figures(split, settings, is_short=True),
        **switch.figures(split, settings, is_short=True),
        **hidden_split.figures(split, settings),
        **single_choice.figures(choice, settings, is_short=True),
    }


def _blind_split(world: SplitWorld, seed: int) -> SplitLearner:
    return Blind(our_split()(world, seed))


def _blind_choice(world: ChoiceWorld, seed: int) -> ChoiceLearner:
    return BlindChoice(our_choice()(world, seed))
