"""The policy `censored`: will any of a child fill, how much is met, and what does it cost afterwards, lane by lane.

Rule of this file: exposure counts, not outcomes. An order cancelled early says that nothing came while it was there,
a full fill says that there was at least so much; neither says more. Everything is learned by additive sums
(`learners.state.accumulator`), so what is believed at a time is a function of what was learned and of that time.

Three models a lane, each linear in the context x:
* fill, resting tactics (POST, MID_PEG, CONDITIONAL): hazard exp(θ·[x, 1_g]) per standard life in age bin g, an
  observation being (exposure in the bin, first fill or not); p = 1 - exp(-Σ_g hazard_g len_g) over a standard life.
  Whether a fill is the child's first is read off the outcome (cum_qty = filled_qty), so no child is remembered. A
  rejected child counts as a standard life without a fill: it would not have filled had we waited.
* fill, immediate tactics (TAKE, QUOTE): logistic, one observation a child, at its first fill or at its end without.
* size given fill: exponential with rate exp(θ·x) per standard slice, right-censored at the child's quantity.
* markout at 1, 10 and 60 s: linear, Student-t weights; adverse is positive in scores, negative in outcomes.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from learners.policies.censored_kernels import (
    LINEAR,
    LOGISTIC,
    POISSON,
    bounded,
    fill_chances,
)
from learners.policies.context import ContextGate, read_parameters
from learners.policies.lane_model import LaneModel
from learners.policies.policy import PolicySetup
from learners.state.accumulator import take_over
from learners.state.checkpoint import Array, Arrays
from learners.state.seen import SeenOutcomes
from router.domain.enums import AllocationMode, OutcomeKind, Tactic
from router.domain.errors import ConfigError, FeatureError, bad_value
from router.domain.instruments import lanes_of
from router.domain.market import F64
from router.domain.scores import ContextFrame, LaneScore, Outcome
from router.domain.units import SECOND, Nanos, seconds

IMMEDIATE = (Tactic.TAKE, Tactic.QUOTE)
"""Tactics whose child is answered at once: age says nothing there, one child is one trial."""

PRIOR_P = {
    Tactic.TAKE: 0.95,
    Tactic.POST: 0.20,
    Tactic.MID_PEG: 0.10,
    Tactic.CONDITIONAL: 0.05,
    Tactic.QUOTE: 0.90,
    Tactic.AUCTION: 0.90,
}
"""Fill probability within a standard life, before anything is learned."""

PRIOR_MARKOUT_BPS = {Tactic.POST: 1.5}
"""Adverse move after a fill, before anything is learned; 0 where absent. Resting orders are picked off."""

BIN_EDGES = (0.0, 1 / 16, 1 / 4)
"""Where the age bins begin, in standard lives; the last has no end."""

BIN_LENGTHS = (1 / 16, 3 / 16, 3 / 4)
"""How much of a standard life falls into each bin."""
_LENGTHS = np.array(BIN_LENGTHS)
_ONE = np.ones(1)
"""The exposure of one trial, and the weight of one markout."""

MARKOUT_HORIZONS: tuple[Nanos, ...] = (1 * SECOND, 10 * SECOND, 60 * SECOND)
"""Horizons learned; others are ignored."""

MU_LIVES_MAX = 1_000.0
"""`mu` is kept within one share and a thousand standard slices."""
MARKOUT_ABS_MAX_BPS = 100.0

PARAMETERS = {
    "half_life_s": (480.0, 1.0, 1e9),
    "prior_bias": (1.0, 1e-3, 1e6),
    "prior_slope": (10.0, 1e-3, 1e6),
    "sharing": (3.0, 1e-3, 1e6),
    "markout_scale_bps": (5.0, 1e-3, 1e4),
    "markout_horizon_s": (10.0, 1.0, 60.0),
}
"""Name -> (default, least, greatest). `half_life_s`: memory. `prior_bias`, `prior_slope`: prior precision of a
tactic's bias and of its other parameters, in observations. `sharing`: how many times as strongly a lane is held to its
tactic as a tactic to its prior. `markout_scale_bps`: spread of one markout. `markout_horizon_s`: the one scored."""


class CensoredPolicy:
    """Censored, discounted, contextual model of fill, size and markout per lane (mode WATER_FILL).

    Scores are clipped: p to [1e-4, 1 - 1e-4], mu to [1 share, 1,000 standard slices], markout to ±100 bps.

    Parameters are those of `PARAMETERS`, by name in `setup.parameters`.

    Raises:
        ConfigError: an unknown parameter or one out of its range; no lanes; features that do not begin with "bias".
    """

    name = "censored"
    mode = AllocationMode.WATER_FILL

    def __init__(self, setup: PolicySetup) -> None:
        values = read_parameters(setup.parameters, PARAMETERS)
        self._gate = ContextGate(setup)
        if setup.standard_qty < 1 or setup.standard_life_ns < 1:
            got = (setup.standard_qty, setup.standard_life_ns)
            raise ConfigError(bad_value("policy.standard_qty", "a standard slice and life from 1", got))
        self._standard_qty = float(setup.standard_qty)
        self._life_ns = setup.standard_life_ns
        self._scale_bps = values["markout_scale_bps"]
        horizon = seconds(values["markout_horizon_s"])
        if horizon not in MARKOUT_HORIZONS:
            where = "policy.parameters.markout_horizon_s"
            raise ConfigError(bad_value(where, "1, 10 or 60", values["markout_horizon_s"]))
        self._scored = MARKOUT_HORIZONS.index(horizon)
        lanes = lanes_of(setup.specs)
        self._tactics = tuple(lane.tactic for lane in lanes)
        self._immediate = np.array([tactic in IMMEDIATE for tactic in self._tactics])
        kinds = tuple(tactic for tactic in Tactic if tactic in self._tactics)
        pools = np.array([len(lanes) + kinds.index(tactic) for tactic in self._tactics], dtype=np.int64)
        d, half_life = self._gate.width, seconds(values["half_life_s"])
        fill_priors = _priors(kinds, d + len(BIN_EDGES), values, _prior_fill)
        size_priors = _priors(kinds, d, values, lambda tactic: 0.0)
        markout_priors = _priors(kinds, d, values, lambda tactic: PRIOR_MARKOUT_BPS.get(tactic, 0.0) / self._scale_bps)
        self._fill = LaneModel(pools, fill_priors, half_life, len(BIN_EDGES))
        self._size = LaneModel(pools, size_priors, half_life)
        self._markouts = tuple(LaneModel(pools, markout_priors, half_life) for _ in MARKOUT_HORIZONS)
        self._still = np.zeros(len(self._tactics))
        self._offers = self._still
        """Of the frame last asked for: see `_offered`."""
        self._known: tuple[ContextFrame, Nanos, F64] | None = None
        self._seen = SeenOutcomes()
        self._latest: Nanos = 0

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Apply outcomes in order; one whose key is among the last `SEEN_MAX` changes nothing.

        Raises:
            FeatureError: a lane, context or number that cannot be; that outcome is not applied, those before it are.
        """
        for outcome in outcomes:
            if self._seen.has(outcome):
                continue
            row, x = self._gate.row(outcome)
            self._seen.accept(outcome)
            self._latest = max(self._latest, outcome.at)
            if outcome.kind is OutcomeKind.MARKOUT:
                self._learn_markout(outcome, row, x)
                continue
            if self._immediate[row]:
                self._learn_trial(outcome, row, x)
            else:
                self._learn_exposure(outcome, row, x)
            if outcome.is_final and outcome.cum_qty > 0:
                self._learn_size(outcome, row, x)

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return (p, mu, adverse markout) of every lane at the frame's time, under the posterior mean.

        Raises:
            FeatureError: the frame is not finite or has other lanes, names or lengths.
        """
        p, mu, cost = self.table(frame).tolist()
        return tuple(
            LaneScore(lane=lane, p=p[k], mu=mu[k], markout_bps=cost[k]) for k, lane in enumerate(self._gate.lanes)
        )

    def table(self, frame: ContextFrame) -> F64:
        """Return `scores` as an array, float64 (3, lanes): p, mu and adverse markout in bps. Read it, do not write it.

        The same array again means that nothing it shows has changed.

        Raises:
            FeatureError: as `scores`.
        """
        x = self._gate.matrix(frame)
        at = max(frame.at, self._latest)
        # An outcome moves one model of three, a markout at another horizon none: what stands is not worked out again.
        models = fill, size, markout = self._fill, self._size, self._markouts[self._scored]
        known = self._known
        if known is not None and known[0] is frame and known[1] == at:
            if fill.is_current and size.is_current and markout.is_current:
                return known[2]
            table: F64 = known[2].copy()
        else:
            for model in models:
                model.turn()
            table = np.empty((3, len(self._tactics)))
            self._offers = self._offered(frame)
        if not fill.is_current:
            fill_chances(fill.predict(self._still, x, at), self._immediate, _LENGTHS, table[0])
        if not size.is_current:
            mu = table[1]
            bounded(size.predict(self._offers, x, at), -1.0, -20.0, 20.0, mu)
            bounded(np.exp(mu), self._standard_qty, 1.0, MU_LIVES_MAX * self._standard_qty, mu)
        if not markout.is_current:
            etas = markout.predict(self._still, x, at)
            bounded(etas, self._scale_bps, -MARKOUT_ABS_MAX_BPS, MARKOUT_ABS_MAX_BPS, table[2])
        self._known = (frame, at, table)
        return table

    @property
    def half_lives_s(self) -> tuple[float, ...]:
        """Its one memory."""
        return (self._fill.sums.half_life_ns / SECOND,)

    @property
    def information(self) -> tuple[str, ...]:
        """The sums of w x xᵀ of every model."""
        return tuple(f"{name}.a" for name in self._models())

    def state(self) -> Arrays:
        """Return the sums of every model, the outcomes remembered and the time of the latest."""
        kept: Arrays = {f"{name}.{key}": a for name, m in self._models().items() for key, a in m.sums.arrays().items()}
        kept |= {f"seen.{key}": array for key, array in self._seen.arrays().items()}
        return kept | {"latest": np.array([self._latest], dtype=np.int64)}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take over a state that `state` gave.

        Raises:
            FeatureError: it is not a state of this policy in this setup; nothing changes.
        """
        mine = self.state()
        sums = {name: array for name, array in mine.items() if not name.startswith("seen.")}
        if list(arrays) != list(mine):
            raise FeatureError(bad_value("censored", f"the arrays {', '.join(mine)}", ", ".join(arrays)))
        given = {name: array for name, array in arrays.items() if name in sums}
        fresh = SeenOutcomes()
        fresh.restore({name.removeprefix("seen."): arrays[name] for name in mine if name not in sums})
        take_over(sums, given, "censored")
        for name, model in self._models().items():
            model.sums.restore({key: given[f"{name}.{key}"] for key in model.sums.arrays()}, name)
            model.turn()
        self._seen, self._latest, self._known = fresh, int(arrays["latest"][0]), None

    def _models(self) -> dict[str, LaneModel]:
        markouts = {f"markout_{h // SECOND}s": m for h, m in zip(MARKOUT_HORIZONS, self._markouts, strict=True)}
        return {"fill": self._fill, "size": self._size, **markouts}

    def digest(self) -> str:
        """Return a sha256 over all sums and the chain of outcomes accepted."""
        parts = [model.sums.digest() for model in (self._fill, self._size, *self._markouts)]
        return hashlib.sha256(":".join((*parts, self._seen.digest())).encode()).hexdigest()

    def _learn_trial(self, outcome: Outcome, row: int, x: F64) -> None:
        has_filled_before = outcome.cum_qty > outcome.filled_qty
        if has_filled_before or (outcome.filled_qty == 0 and not outcome.is_final):
            return
        y = 1.0 if outcome.filled_qty > 0 else 0.0
        phi = np.concatenate((x, (1.0, 0.0, 0.0)))[None, :]
        self._fill.observe(row, outcome.at, self._latest, phi, LOGISTIC, np.array([y]), _ONE)

    def _learn_exposure(self, outcome: Outcome, row: int, x: F64) -> None:
        if outcome.cum_qty > outcome.filled_qty:
            return
        begin, end = outcome.age_from_ns / self._life_ns, outcome.age_to_ns / self._life_ns
        if outcome.kind is OutcomeKind.REJECT:
            begin, end = 0.0, 1.0
        exposures, last = _exposures(begin, end)
        hit = last if outcome.filled_qty > 0 else -1
        used = [g for g, exposure in enumerate(exposures) if exposure > 0.0 or g == hit]
        if not used:
            return
        width = self._gate.width
        phi = np.zeros((len(used), width + len(BIN_EDGES)))
        phi[:, :width] = x
        for i, g in enumerate(used):
            phi[i, width + g] = 1.0
        ys = np.array([1.0 if g == hit else 0.0 for g in used])
        self._fill.observe(row, outcome.at, self._latest, phi, POISSON, ys, np.array([exposures[g] for g in used]))

    def _learn_size(self, outcome: Outcome, row: int, x: F64) -> None:
        met = outcome.cum_qty / self._standard_qty
        y = 1.0 if outcome.cum_qty < outcome.order_qty else 0.0
        self._size.observe(row, outcome.at, self._latest, x[None, :], POISSON, np.array([y]), np.array([met]))

    def _learn_markout(self, outcome: Outcome, row: int, x: F64) -> None:
        if outcome.horizon_ns not in MARKOUT_HORIZONS:
            return
        model = self._markouts[MARKOUT_HORIZONS.index(outcome.horizon_ns)]
        # The markout holds the price paid; what is learned is the mid's move against us since routing alone.
        y = np.array([(outcome.price_bps - outcome.markout_bps) / self._scale_bps])
        model.observe(row, outcome.at, self._latest, x[None, :], LINEAR, y, _ONE)

    def _offered(self, frame: ContextFrame) -> F64:
        """Prior mean of an immediate lane's log rate: what is met is what is on offer, until learned otherwise."""
        shifts = np.zeros(len(self._tactics))
        for k, offered in enumerate(frame.max_qty):
            if self._immediate[k] and offered > 0:
                shifts[k] = math.log(self._standard_qty / offered)
        return shifts


def _exposures(begin: float, end: float) -> tuple[list[float], int]:
    """Return the exposure in each age bin between two ages in standard lives, and the bin of the later age.

    >>> exposures, last = _exposures(0.0, 1.0)
    >>> exposures, last
    ([0.0625, 0.1875, 0.75], 2)
    """
    ends = (*BIN_EDGES[1:], math.inf)
    parts = [max(0.0, min(end, high) - max(begin, low)) for low, high in zip(BIN_EDGES, ends, strict=True)]
    return parts, sum(1 for edge in BIN_EDGES[1:] if end > edge)


def _prior_fill(tactic: Tactic) -> float:
    p = PRIOR_P[tactic]
    return math.log(p / (1.0 - p)) if tactic in IMMEDIATE else math.log(-math.log1p(-p))


def _priors(kinds: tuple[Tactic, ...], width: int, values: dict[str, float], bias: Callable[[Tactic], float]) -> F64:
    """Return (tactics, 3, width): tactic precision, tactic mean, precision of a lane around its tactic."""
    priors: F64 = np.zeros((len(kinds), 3, width))
    priors[:, 0, :] = values["prior_slope"]
    priors[:, 0, 0] = values["prior_bias"]
    priors[:, 2, :] = values["sharing"] * priors[:, 0, :]
    for t, tactic in enumerate(kinds):
        priors[t, 1, 0] = bias(tactic)
    return priors
