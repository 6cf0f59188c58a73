"""The policy `censored`: will any of a child fill, how much is met, and what does it cost afterwards, lane by lane.

Rule of this file: exposure counts, not outcomes. An order cancelled early says that nothing came while it was there,
a full fill says that there was at least so much; neither says more. What is learned, and how, is `learners.lanes`:
this file turns outcomes into its observations, and what it predicts into scores.

* Fill, resting tactics (POST, MID_PEG, CONDITIONAL): exposure by age of the child, and its first fill. Whether a fill
  is the child's first is read off the outcome (cum_qty = filled_qty), so no child is remembered. A rejected child
  counts as a standard life without a fill: it would not have filled had we waited.
* Fill, immediate tactics (TAKE, QUOTE): one trial a child, at its first fill or at its end without.
* Size given fill, at a child's end: what was met, censored at the child's quantity.
* Markout at 1, 10 and 60 s: adverse is positive in scores, negative in outcomes.
* Leakage of a request to a dealer, filled or not, at the horizon scored: the mid's move away from us, times the shares
  that the parent still has to trade for each one asked for, `leakage` at most; never below 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from learners.lanes.carry import carry
from learners.lanes.look import empty_sight
from learners.lanes.model import TAILS, LaneModel
from learners.lanes.pool import pool
from learners.lanes.read import B8
from learners.lanes.shape import COMPONENTS, DEFAULTS, FILL, LEAK, MARK_1, SIZE, LaneSettings, LaneShape
from learners.policies.context import ContextGate, read_parameters
from learners.policies.policy import Policy, PolicySetup
from learners.policies.score_rows import score_rows
from learners.state.checkpoint import Array, Arrays
from learners.state.seen import SeenOutcomes
from router.domain.enums import AllocationMode, OutcomeKind, Tactic
from router.domain.errors import ConfigError, FeatureError, bad_value
from router.domain.instruments import lanes_of
from router.domain.market import F64, floats
from router.domain.score_table import HAZARDS, scores_of_table
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

SIZE_FEATURE, SIZE_SHARES, SIZE_SLOPE = "size", 501.0, 1.5
"""The feature `size` is ln(shares on offer / 501) / 1.5: an immediate lane meets what is on offer, until it is learned
otherwise. Without that feature, and on other lanes, the prior is a standard slice."""

MARKOUT_HORIZONS: tuple[Nanos, ...] = (1 * SECOND, 10 * SECOND, 60 * SECOND)
"""Horizons learned; others are ignored."""

PARAMETERS = {
    "bank": (1.0, 0.0, 1.0),
    "half_life_s": (480.0, 1.0, 1e9),
    "tails": (0.0, 0.0, 2.0),
    "drift": (1.0, 0.0, 1.0),
    "censoring": (1.0, 0.0, 1.0),
    "context": (1.0, 0.0, 1.0),
    "leakage": (0.0, 0.0, 100.0),
    "optimism": (DEFAULTS.optimism, 0.0, 10.0),
    "prior_bias": (DEFAULTS.prior_bias, 1e-3, 1e6),
    "prior_slope": (DEFAULTS.prior_slope, 1e-3, 1e6),
    "lane_bias": (DEFAULTS.lane_bias, 1e-3, 1e6),
    "sharing": (DEFAULTS.sharing, 0.0, 1e6),
    "past_cap": (500.0, 1.0, 1e6),
    "markout_scale_bps": (DEFAULTS.markout_scale_bps, 1e-3, 1e4),
    "markout_horizon_s": (10.0, 1.0, 60.0),
}
"""Name -> (default, least, greatest). `bank` 1: several memories, weighed by how well they predict; 0: one, of
`half_life_s`. `tails` of the size met: 0 the better of two, 1 exponential, 2 binned. `drift` 1: breaks are looked for.
`censoring` 0: early ends and full fills count as if they were all there was. `context` 0: the bias alone is seen.
`leakage`: shares of the rest of the parent that are taken to pay, for each share asked of a dealer, the move that
follows, at most; 0: none, and it is not learned. `optimism`: standard deviations by which what is not known counts in a
lane's favour. `prior_bias`, `prior_slope`: prior precision of a tactic's bias and of its other parameters, in
observations; `lane_bias` that of a lane's bias around its tactic's, `sharing` how many times as strongly its other
parameters are held to the tactic's as those to their prior (0: no tactics). `past_cap`: observations that past days are
worth at most. `markout_scale_bps`: spread of one markout; `markout_horizon_s`: the one scored."""


class CensoredPolicy:
    """Censored, discounted, contextual model of fill, size and markout per lane (mode WATER_FILL).

    Scores are clipped: p to [1e-4, 1 - 1e-4], mu to [1 share, 1,000 standard slices], markout to ±100 bps. Size bins
    are published (`size_edges`, in shares) unless all tails are exponential.

    Parameters are those of `PARAMETERS`, by name in `setup.parameters`.

    Raises:
        ConfigError: an unknown parameter or one out of its range; no lanes; features that do not begin with "bias".
    """

    name = "censored"
    mode = AllocationMode.WATER_FILL
    information = ("a", "past_a")

    def __init__(self, setup: PolicySetup) -> None:
        values = read_parameters(setup.parameters, PARAMETERS)
        self._gate = ContextGate(setup)
        if setup.standard_qty < 1 or setup.standard_life_ns < 1:
            got = (setup.standard_qty, setup.standard_life_ns)
            raise ConfigError(bad_value("policy.standard_qty", "a standard slice and life from 1", got))
        horizon = seconds(values["markout_horizon_s"])
        if horizon not in MARKOUT_HORIZONS:
            where = "policy.parameters.markout_horizon_s"
            raise ConfigError(bad_value(where, "1, 10 or 60", values["markout_horizon_s"]))
        self._life_ns = setup.standard_life_ns
        self._scored = MARK_1 + MARKOUT_HORIZONS.index(horizon)
        self._leakage = values["leakage"]
        self._past_cap, self._is_censoring = values["past_cap"], values["censoring"] >= 0.5
        self._seen_features = len(setup.feature_names) if values["context"] >= 0.5 else 1
        tactics = tuple(lane.tactic for lane in lanes_of(setup.specs))
        self._is_asked = np.array([tactic is Tactic.QUOTE for tactic in tactics])
        self._immediate = tuple(tactic in IMMEDIATE for tactic in tactics)
        self._model = LaneModel(_shape(setup, tactics, self._seen_features), _settings(values))
        edges = self._model.size_edges.tolist()
        self.size_edges: tuple[float, ...] = () if self._model.settings.tails == "exponential" else tuple(edges)
        self._known: tuple[ContextFrame, Nanos, list[int], F64] | None = None
        # Fills, sizes and a markout are looked at for all lanes; leakage where a dealer can be asked at all.
        is_leaking = self._leakage > 0.0 and bool(self._is_asked.any())
        components = (FILL, SIZE, self._scored, *([LEAK] if is_leaking else []))
        self._all_asked: B8 = np.isin(np.arange(len(COMPONENTS)), components)
        self._with_sd: B8 = np.isin(np.arange(len(COMPONENTS)), (FILL, SIZE, self._scored))
        self._sight = empty_sight(len(tactics))
        self._seen = SeenOutcomes()

    def learn(self, outcomes: Sequence[Outcome]) -> None:
        """Apply outcomes in order; one whose key is among the last `SEEN_MAX` changes nothing.

        Raises:
            FeatureError: a lane, context or number that cannot be; that outcome is not applied, those before it are.
        """
        for outcome in outcomes:
            key = outcome.key
            if self._seen.has(key):
                continue
            row, x = self._gate.row(outcome)
            self._seen.accept(key, outcome)
            x = x[: self._seen_features]
            if outcome.kind is OutcomeKind.MARKOUT:
                self._learn_markout(outcome, row, x)
                continue
            if self._immediate[row]:
                self._learn_trial(outcome, row, x)
            else:
                self._learn_exposure(outcome, row, x)
            if outcome.is_final and outcome.cum_qty > 0:
                self._model.size(row, outcome.at, x, outcome.order_qty, min(outcome.cum_qty, outcome.order_qty))

    def scores(self, frame: ContextFrame) -> tuple[LaneScore, ...]:
        """Return (p, mu, adverse markout, hazards) of every lane at the frame's time, and how sure that is.

        Raises:
            FeatureError: the frame is not finite or has other lanes, names or lengths.
        """
        return scores_of_table(self._gate.lanes, self.table(frame))

    def table(self, frame: ContextFrame) -> F64:
        """Return what `scores` returns as one table, float64 (5 + bins, lanes), laid out as `router.domain.score_table`
        says. Read it, do not write it.

        The same array again means that nothing it shows has changed.

        Raises:
            FeatureError: as `scores`.
        """
        x = self._gate.matrix(frame)[:, : self._seen_features]
        model, known, seen = self._model, self._known, self._sight
        at, asked = max(frame.at, model.latest), self._all_asked
        if known is not None and known[0] is frame and known[1] == at:
            changes = model.changes
            # An outcome moves one component, a markout at another horizon none: what stands is not worked out again.
            asked = np.array([is_asked and a != b for is_asked, a, b in zip(asked, known[2], changes, strict=True)])
            if not asked.any():
                return known[3]
        model.look(at, x, asked, self._with_sd, seen)
        table: F64 = np.empty((HAZARDS + len(self.size_edges), len(seen.p)))
        worth_bps = floats(frame.price_bps) - floats(frame.fee_bps)
        score_rows(seen, worth_bps, self._is_asked, self._scored, bool(self._all_asked[LEAK]), table)
        self._known = (frame, at, model.changes, table)
        return table

    def digest(self) -> str:
        """Return a sha256 over what was known at the beginning, the chain of outcomes accepted since, and what each of
        them left of the sums it went into: all that is known follows from these."""
        return hashlib.sha256(f"{self._model.followed()}:{self._seen.digest()}".encode()).hexdigest()

    @property
    def half_lives_s(self) -> tuple[float, ...]:
        """Its memories, shortest first."""
        return self._model.settings.half_lives_s

    def state(self) -> Arrays:
        """Return the sums of the lane model, its trail and the outcomes remembered."""
        kept: Arrays = dict(self._model.arrays())
        kept["trail"] = self._model.trail.view(np.int64)
        return kept | {f"seen.{key}": array for key, array in self._seen.arrays().items()}

    def restore(self, arrays: Mapping[str, Array]) -> None:
        """Take over a state that `state` gave.

        Raises:
            FeatureError: it is not a state of this policy in this setup; nothing changes.
        """
        if list(arrays) != list(self.state()):
            raise FeatureError(bad_value("censored", f"the arrays {', '.join(self.state())}", ", ".join(arrays)))
        fresh, trail = SeenOutcomes(), arrays["trail"]
        if trail.shape != (2,) or trail.dtype != np.int64:
            raise FeatureError(bad_value("censored.trail", "int64 (2,)", f"{trail.dtype} {trail.shape}"))
        fresh.restore({key: arrays[f"seen.{key}"] for key in fresh.arrays()})
        self._model.restore({name: arrays[name] for name in self._model.arrays()})
        self._model.trail[:] = trail.view(np.uint64)
        self._seen, self._known = fresh, None

    def carry(self, past: Policy) -> None:
        """Begin the day with what `past`, a policy of the same setup, had come to know, worth `past_cap` observations.

        Raises:
            FeatureError: a policy of another kind or shape, or one that has learned already.
        """
        if not isinstance(past, CensoredPolicy) or self._seen.count:
            got = (type(past).__name__, self._seen.count)
            raise FeatureError(
                bad_value("censored.carry", "a policy of the same kind, before anything is learned", got)
            )
        carry(self._model, past._model, self._past_cap)
        self._model.begin_trail()
        self._known = None

    def pool(self, members: Sequence[Policy]) -> None:
        """Begin with what policies of other symbols, of this one's lanes and features, have in common; each is worth at
        most `past_cap` observations, and so are they together.

        Raises:
            FeatureError: fewer than two, policies of another kind or shape, or one that has learned already.
        """
        models = [member._model for member in members if isinstance(member, CensoredPolicy)]
        if len(models) < len(members) or self._seen.count:
            got = ([member.name for member in members], self._seen.count)
            raise FeatureError(bad_value("censored.pool", "policies of the same kind, before anything is learned", got))
        pool(self._model, models, self._past_cap)
        self._model.begin_trail()
        self._known = None

    def _learn_trial(self, outcome: Outcome, row: int, x: F64) -> None:
        has_filled_before = outcome.cum_qty > outcome.filled_qty
        if has_filled_before or (outcome.filled_qty == 0 and not outcome.is_final):
            return
        self._model.trial(row, outcome.at, x, outcome.filled_qty > 0)

    def _learn_exposure(self, outcome: Outcome, row: int, x: F64) -> None:
        is_filled = outcome.filled_qty > 0
        if outcome.cum_qty > outcome.filled_qty or not (self._is_censoring or is_filled or outcome.is_final):
            return
        begin, end = outcome.age_from_ns / self._life_ns, outcome.age_to_ns / self._life_ns
        if outcome.kind is OutcomeKind.REJECT or not self._is_censoring:
            begin, end = 0.0, 1.0
        self._model.expose(row, outcome.at, x, begin, end, is_filled)

    def _learn_markout(self, outcome: Outcome, row: int, x: F64) -> None:
        # The markout holds the price paid; what is learned is the mid's move against us since routing alone.
        adverse_bps = outcome.price_bps - outcome.markout_bps
        if outcome.horizon_ns not in MARKOUT_HORIZONS:
            return
        horizon = MARKOUT_HORIZONS.index(outcome.horizon_ns)
        if outcome.exec_id or not self._is_asked[row]:
            self._model.markout(row, outcome.at, x, horizon, adverse_bps)
        elif MARK_1 + horizon == self._scored and self._leakage:
            paying = min(max(outcome.leaves_qty, 0) / outcome.order_qty, self._leakage)
            self._model.leak(row, outcome.at, x, paying * adverse_bps)


def _settings(values: dict[str, float]) -> LaneSettings:
    names = ("optimism", "prior_bias", "prior_slope", "lane_bias", "sharing", "markout_scale_bps")
    return DEFAULTS._replace(
        half_lives_s=DEFAULTS.half_lives_s if values["bank"] >= 0.5 else (values["half_life_s"],),
        tails=TAILS[round(values["tails"])],
        drift=DEFAULTS.drift if values["drift"] >= 0.5 else 0.0,
        takeover=DEFAULTS.takeover if values["drift"] >= 0.5 else 0.0,
        censoring=values["censoring"] >= 0.5,
        **{name: values[name] for name in names},
    )


def _shape(setup: PolicySetup, tactics: tuple[Tactic, ...], features: int) -> LaneShape:
    kinds = tuple(tactic for tactic in Tactic if tactic in tactics)
    names = setup.feature_names[:features]
    is_offered = SIZE_FEATURE in names
    slopes = tuple(SIZE_SLOPE if tactic in IMMEDIATE else 0.0 for tactic in kinds)
    return LaneShape(
        groups=tuple(kinds.index(tactic) for tactic in tactics),
        immediate=tuple(tactic in IMMEDIATE for tactic in tactics),
        features=features,
        standard=float(setup.standard_qty),
        prior_p=tuple(PRIOR_P[tactic] for tactic in kinds),
        prior_mu=tuple(SIZE_SHARES / setup.standard_qty if is_offered and slope else 1.0 for slope in slopes),
        prior_markout_bps=tuple(PRIOR_MARKOUT_BPS.get(tactic, 0.0) for tactic in kinds),
        prior_leakage_bps=tuple(0.0 for _ in kinds),
        size_feature=names.index(SIZE_FEATURE) if is_offered else -1,
        size_slopes=slopes if is_offered else (),
    )
