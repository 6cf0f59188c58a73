"""Hidden Markov regimes: which one is in force when, drawn from mean stays and chances of what comes next.

Rule of this file: the path depends on (seed, symbol) and the chain alone, and is drawn before the day begins; the
evaluation may read it, the router never does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import msgspec

from router.domain.chance import uniforms
from router.domain.errors import bad_value
from router.domain.units import Nanos, seconds
from venues.models.reference import REGIMES, Regime

STAYS_MAX = 10_000
"""More turns in a session than that are noise within a regime, not regimes."""

STAY_MIN_S, STAY_MAX_S = 1.0, 1e9

_SUM_ERROR = 1e-9


class RegimeChain(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A continuous-time Markov chain over regimes by name.

    Attributes:
        start: the regime at the open.
        mean_stay_s: mean stay in each regime, seconds; stays are exponential.
        transitions: for each regime, the chance of each other one to come next, summing to 1. A regime without a row
            is never left.
    """

    start: str = "calm"
    mean_stay_s: Mapping[str, float]
    transitions: Mapping[str, Mapping[str, float]]

    def __post_init__(self) -> None:
        known = ", ".join(REGIMES)
        if self.start not in REGIMES:
            raise ValueError(bad_value("start", f"one of {known}", self.start))
        for name, stay in self.mean_stay_s.items():
            if name not in REGIMES or not STAY_MIN_S <= stay <= STAY_MAX_S:
                raise ValueError(bad_value(f"mean_stay_s.{name}", f"seconds from {STAY_MIN_S:g} for {known}", stay))
        for name, row in self.transitions.items():
            if name not in self.mean_stay_s:
                raise ValueError(bad_value(f"transitions.{name}", "a regime with a mean stay", name))
            if any(other not in REGIMES or other == name or share < 0.0 for other, share in row.items()):
                raise ValueError(bad_value(f"transitions.{name}", f"chances of others of {known}", dict(row)))
            if abs(math.fsum(row.values()) - 1.0) > _SUM_ERROR:
                raise ValueError(bad_value(f"transitions.{name}", "chances that sum to 1", math.fsum(row.values())))

    def path(self, seed: int, symbol: str, open_at: Nanos, close_at: Nanos) -> tuple[Regime, ...]:
        """Return the regimes of a session in order, the first at `open_at`.

        Raises:
            ValueError: more than `STAYS_MAX` of them.

        >>> chain = RegimeChain(mean_stay_s={"calm": 60.0}, transitions={"calm": {"toxic": 1.0}})
        >>> [regime.name for regime in chain.path(1, "ABCD", 0, 10**15)]
        ['calm', 'toxic']
        """
        name, at = self.start, open_at
        regimes: list[Regime] = []
        while at < close_at:
            if len(regimes) == STAYS_MAX:
                raise ValueError(bad_value("mean_stay_s", f"stays of which {STAYS_MAX:,} fill the session", at))
            regimes.append(Regime(from_at=at, name=name, multipliers=REGIMES[name]))
            row = self.transitions.get(name)
            if not row:
                break
            stay_u, next_u, _, _ = uniforms(seed, symbol, "regimes", len(regimes) - 1)
            at += max(1, seconds(-math.log(1.0 - stay_u) * self.mean_stay_s[name]))
            name = _pick(row, next_u)
        return tuple(regimes)


def _pick(row: Mapping[str, float], u: float) -> str:
    """Return the entry of `row` that u falls on; the order is that of `REGIMES`, whatever the file's."""
    names = [name for name in REGIMES if row.get(name, 0.0) > 0.0]
    total = 0.0
    for name in names[:-1]:
        total += row[name]
        if u < total:
            return name
    return names[-1]
