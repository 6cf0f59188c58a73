"""How likely a share of a slice is to go to each lane, over everything that an allocation draws.

Rule of this file: it asks `allocate` itself, once for each outcome of the draws that matters, and adds up; what
allocation does is written nowhere twice.

This is what another policy is judged by on a log: the quantities of one decision say what was sent, the marginal
propensities what might have been.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from router.allocation.allocate import NO_EXPLORATION, NO_RULES, Allocation, Exploration, LaneOffer, Rules, allocate
from router.domain.enums import AllocationMode
from router.domain.units import Qty

_NO_PROBE = 1.0 - 2.0**-53
"""A draw that no epsilon below 1 reaches."""


class Marginals(NamedTuple):
    """Two numbers a lane, in the order of the offers."""

    propensities: tuple[float, ...]
    """The expected part of the slice that goes there: the probability that a share of it does. At most 1 in all."""
    parts: tuple[float, ...]
    """The part of the slice that a share finds itself in when it goes there; 0 where none does."""


def marginals(
    slice_qty: Qty,
    offers: Sequence[LaneOffer],
    mode: AllocationMode,
    opportunity_bps: float,
    exploration: Exploration,
    rules: Rules = NO_RULES,
) -> Marginals:
    """Return how likely a share of the slice is to go to each lane, and in what company.

    Where more is posted than the slice, a share is one of those posted.

    DRAW without a probe is exact at one allocation per lane, WATER_FILL and SPLIT at one for each lane that can be
    probed and one more; DRAW with probes multiplies the two. A slice of 0 sends nothing.

    Raises:
        BadInputError: as `allocate`.

    >>> from router.domain.scores import LaneScore
    >>> offers = [LaneOffer(LaneScore(lane=n, p=0.5, mu=300.0), 1.0, 0.0, 1, 0, 900) for n in ("A:POST", "B:POST")]
    >>> marginals(100, offers, AllocationMode.WATER_FILL, 1.0, Exploration(0.0, 0.0))
    Marginals(propensities=(0.5, 0.5), parts=(0.5, 0.5))
    """
    asked = _Asked(slice_qty, offers, mode, opportunity_bps, exploration, rules)
    expected, squares = [0.0] * len(offers), [0.0] * len(offers)
    for draw, chance in _lane_draws(asked):
        for made, probability in _probed(asked, draw, chance):
            posted = max(slice_qty, sum(made.quantities))
            for k, qty in enumerate(made.quantities):
                part = qty / posted if qty else 0.0
                expected[k] += chance * probability * part
                squares[k] += chance * probability * part * part
    parts = tuple(q / e if e > 0.0 else 0.0 for q, e in zip(squares, expected, strict=True))
    return Marginals(tuple(expected), parts)


class _Asked(NamedTuple):
    slice_qty: Qty
    offers: Sequence[LaneOffer]
    mode: AllocationMode
    opportunity_bps: float
    exploration: Exploration
    rules: Rules

    def made(self, exploration: Exploration, draws: tuple[float, float, float]) -> Allocation:
        return allocate(self.slice_qty, self.offers, self.mode, self.opportunity_bps, exploration, draws, self.rules)


def _lane_draws(asked: _Asked) -> list[tuple[float, float]]:
    """Return a draw for each lane that can be drawn, with its probability; otherwise one draw with certainty.

    The rules may put a draw in place of a split, or a split in place of a draw.
    """
    made = asked.made(NO_EXPLORATION, (0.0, 0.0, 0.0))
    if (made.acted or asked.mode) is not AllocationMode.DRAW:
        return [(0.0, 1.0)]
    draws, reached = [], 0.0
    for probability in made.routing_probabilities:
        if probability > 0.0:
            draws.append((min(reached + probability / 2.0, _NO_PROBE), probability))
            reached += probability
    return draws


def _probed(asked: _Asked, draw: float, chance: float) -> list[tuple[Allocation, float]]:
    """Return the allocations that the probe's draws can lead to, with their probabilities."""
    epsilon = asked.exploration.epsilon
    certain = Exploration(1.0 if epsilon > 0.0 else 0.0, asked.exploration.share)
    first = asked.made(certain, (draw, 0.0, 0.0))
    unprobed = asked.made(asked.exploration, (draw, _NO_PROBE, 0.0))
    if first.probe_index < 0 or first.propensity <= 0.0:
        return [(unprobed, 1.0)]
    # The propensity of a certain probe, chance / K, says how many lanes it is drawn from.
    lanes = max(round(chance / first.propensity), 1)
    probed = [(asked.made(certain, (draw, 0.0, (k + 0.5) / lanes)), epsilon / lanes) for k in range(lanes)]
    return probed if epsilon >= 1.0 else [(unprobed, 1.0 - epsilon), *probed]
