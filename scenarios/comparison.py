"""Policies compared on the same seeds, paired, with intervals: the only form in which we say one beats another.

Rule of this file: pure statistics over run summaries; a run without the metric is reported as missing, never
dropped in silence, and no verdict is given that its interval does not carry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from router.domain.chance import generator
from router.domain.errors import BadInputError, bad_value
from router.domain.market import F64
from scenarios.intervals import CONFIDENCE, Interval, mean_interval
from scenarios.tables import RunSummary

Verdict = Literal["beats", "does not beat", "indistinguishable", "not comparable"]

FILLED_TOLERANCE = 0.002
"""A policy that leaves more of its orders unfilled than another, by more than this share of them, has not beaten it:
costs are those of what was executed, and what was left has none."""

METRICS: dict[str, int] = {
    "routing_cost_bps": 1,
    "arrival_slippage_bps": 1,
    "vwap_slippage_bps": 1,
    "spread_bps": 1,
    "fee_bps": 1,
    "adverse_bps": 1,
    "impact_bps": 1,
    "timing_bps": 1,
    "markout_bps": -1,
}
"""What can be compared: +1 where less is better, -1 where more is better."""

RESAMPLES = 4_000
"""Bootstrap resamples for the share of the gap: its interval's ends then move by about 1 % of its width."""


class PolicyResult(msgspec.Struct, frozen=True, kw_only=True):
    """One policy over all seeds. Numbers are in the metric's unit and None when no run has the metric.

    `gap_closed` is (static - policy) / (static - oracle) of the means over the seeds that all three have: 0 for the
    static policy, 1 for the oracle. It is None when the oracle is not better than the static policy, and its
    interval is None when these seeds do not tell those two apart.
    """

    policy: str
    filled_share: float
    """Executed of ordered quantity, over all seeds."""
    values: tuple[float | None, ...]
    mean: float | None
    interval: Interval | None
    median: float | None
    quantile_05: float | None
    quantile_95: float | None
    gap_closed: float | None
    gap_interval: Interval | None


class PairResult(msgspec.Struct, frozen=True, kw_only=True):
    """`policy` against `against`, seed by seed: difference = policy - against in the metric's unit.

    `better`, `worse` and `equal` count seeds; `missing` names the seeds where either run has no value.
    `verdict` is "beats" or "does not beat" when the interval of the mean difference lies on one side of zero
    (better or worse), otherwise "indistinguishable"; so also below two pairs, where there is no interval. It is "not
    comparable" when the better one left more unfilled (`FILLED_TOLERANCE`).
    """

    policy: str
    against: str
    pairs: int
    mean_difference: float | None
    interval: Interval | None
    better: int
    worse: int
    equal: int
    missing: tuple[int, ...]
    verdict: Verdict


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """All policies, and every ordered pair of them, on one metric."""

    scenario: str
    metric: str
    less_is_better: bool
    confidence: float
    seeds: tuple[int, ...]
    static: str
    oracle: str
    policies: tuple[PolicyResult, ...]
    pairs: tuple[PairResult, ...]

    def pair(self, policy: str, against: str) -> PairResult:
        """Return one pair.

        Raises:
            BadInputError: no such pair.
        """
        for pair in self.pairs:
            if (pair.policy, pair.against) == (policy, against):
                return pair
        raise BadInputError(bad_value("Comparison.pair", "two compared policies", (policy, against)))

    def policy(self, name: str) -> PolicyResult:
        """Return one policy's result.

        Raises:
            BadInputError: no such policy.
        """
        for result in self.policies:
            if result.policy == name:
                return result
        raise BadInputError(bad_value("Comparison.policy", "a compared policy", name))

    @property
    def missing(self) -> tuple[tuple[str, int], ...]:
        """Every (policy, seed) whose run has no value: nothing was filled."""
        return tuple(
            (result.policy, seed)
            for result in self.policies
            for seed, value in zip(self.seeds, result.values, strict=True)
            if value is None
        )


def compare(
    summaries: Mapping[str, Sequence[RunSummary]], static: str, oracle: str, metric: str = "routing_cost_bps"
) -> Comparison:
    """Return the paired comparison of policies that ran the same seeds in the same order.

    Raises:
        BadInputError: an unknown metric, a missing baseline, no runs, or runs that do not pair: another scenario,
            other seeds, another policy than the key says.
    """
    if metric not in METRICS:
        raise BadInputError(bad_value("compare.metric", f"one of {', '.join(METRICS)}", metric))
    scenario, seeds = _check_paired(summaries, static, oracle)
    values = {
        policy: np.array([np.nan if (v := getattr(run, metric)) is None else v for run in runs], dtype=np.float64)
        for policy, runs in summaries.items()
    }
    sign = METRICS[metric]
    filled = {
        policy: sum(run.filled_qty for run in runs) / max(sum(run.order_qty for run in runs), 1)
        for policy, runs in summaries.items()
    }
    return Comparison(
        scenario=scenario,
        metric=metric,
        less_is_better=sign > 0,
        confidence=CONFIDENCE,
        seeds=seeds,
        static=static,
        oracle=oracle,
        policies=tuple(_policy_result(name, values, filled[name], static, oracle, sign, metric) for name in values),
        pairs=tuple(
            _pair_result(a, b, values, seeds, sign, filled[a] - filled[b]) for a in values for b in values if a != b
        ),
    )


def _check_paired(
    summaries: Mapping[str, Sequence[RunSummary]], static: str, oracle: str
) -> tuple[str, tuple[int, ...]]:
    for role, name in (("static", static), ("oracle", oracle)):
        if name not in summaries:
            raise BadInputError(bad_value(f"compare.{role}", f"one of {', '.join(summaries)}", name))
    first = summaries[static]
    if not first:
        raise BadInputError(bad_value(f"summaries[{static!r}]", "at least one run", 0))
    seeds = tuple(run.seed for run in first)
    if len(set(seeds)) != len(seeds):
        raise BadInputError(bad_value(f"summaries[{static!r}]", "each seed once", seeds))
    for policy, runs in summaries.items():
        got = tuple(run.seed for run in runs)
        if got != seeds:
            raise BadInputError(bad_value(f"summaries[{policy!r}]", f"the seeds {seeds} in this order", got))
        for run in runs:
            if (run.scenario, run.policy) != (first[0].scenario, policy):
                expected = f"a run of {policy} in {first[0].scenario}"
                got_run = f"{run.policy} in {run.scenario}"
                raise BadInputError(bad_value(f"summaries[{policy!r}], seed {run.seed}", expected, got_run))
    return first[0].scenario, seeds


def _pair_result(
    a: str, b: str, values: Mapping[str, F64], seeds: tuple[int, ...], sign: int, filled_more: float
) -> PairResult:
    differences = values[a] - values[b]
    present = ~np.isnan(differences)
    known = differences[present]
    estimate = mean_interval(known) if known.size else None
    interval = estimate.interval if estimate else None
    return PairResult(
        policy=a,
        against=b,
        pairs=int(known.size),
        mean_difference=estimate.mean if estimate else None,
        interval=interval,
        better=int((sign * known < 0).sum()),
        worse=int((sign * known > 0).sum()),
        equal=int((known == 0).sum()),
        missing=tuple(seed for seed, there in zip(seeds, present, strict=True) if not there),
        verdict=_verdict(interval, sign, filled_more),
    )


def _verdict(interval: Interval | None, sign: int, filled_more: float) -> Verdict:
    if interval is None or interval.low <= 0.0 <= interval.high:
        return "indistinguishable"
    is_better = sign * interval.high < 0.0
    if (filled_more if is_better else -filled_more) < -FILLED_TOLERANCE:
        return "not comparable"
    return "beats" if is_better else "does not beat"


def _policy_result(
    name: str, values: Mapping[str, F64], filled_share: float, static: str, oracle: str, sign: int, metric: str
) -> PolicyResult:
    x = values[name]
    known = x[~np.isnan(x)]
    estimate = mean_interval(known) if known.size else None
    quantiles = [float(q) for q in np.quantile(known, [0.05, 0.5, 0.95])] if known.size else [None] * 3
    gap, gap_interval = gap_closed(x, values[static], values[oracle], sign, f"{metric}:{name}")
    return PolicyResult(
        policy=name,
        filled_share=filled_share,
        values=tuple(None if np.isnan(v) else float(v) for v in x),
        mean=estimate.mean if estimate else None,
        interval=estimate.interval if estimate else None,
        median=quantiles[1],
        quantile_05=quantiles[0],
        quantile_95=quantiles[2],
        gap_closed=gap,
        gap_interval=gap_interval,
    )


def gap_closed(x: F64, static: F64, oracle: F64, sign: int, entity: str) -> tuple[float | None, Interval | None]:
    """Return the share of the gap from static to oracle that a policy closes, and its percentile bootstrap interval.

    The three arrays are one value per seed (NaN: missing); seeds are resampled whole, so that the pairing is kept
    (Efron and Tibshirani 1993, chapter 13). A share has no meaning where the oracle is not better: there the share
    is None. Its interval is None when the gap itself cannot be told from zero: by Student's interval, which few
    seeds do not flatter, or because more than (1 - CONFIDENCE) / 2 of the resamples have no gap.
    """
    present = ~(np.isnan(x) | np.isnan(static) | np.isnan(oracle))
    gained = sign * (static - x)[present]
    gap = sign * (static - oracle)[present]
    if gap.size == 0 or gap.mean() <= 0.0:
        return None, None
    share = float(gained.mean() / gap.mean())
    certain = mean_interval(gap).interval
    if certain is None or certain.low <= 0.0:
        return share, None
    picks = generator(0, entity, "bootstrap").integers(0, gap.size, size=(RESAMPLES, gap.size))
    gaps = gap[picks].mean(axis=1)
    usable = gaps > 0.0
    tail = (1.0 - CONFIDENCE) / 2
    if float((~usable).mean()) > tail:
        return share, None
    low, high = np.quantile(gained[picks].mean(axis=1)[usable] / gaps[usable], [tail, 1.0 - tail])
    return share, Interval(float(low), float(high))
