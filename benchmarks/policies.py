"""Rows of the flagship comparison: policies on the same seeds, each pair's mean difference with its interval.

Rule of this file: the statistics are those of `scenarios.comparison`; here they only become rows.
"""

from __future__ import annotations

from benchmarks.rows import Row, Settings
from cluster.compare import run_comparison
from scenarios.clairvoyant import CLAIRVOYANT
from scenarios.comparison import Comparison, PairResult, PolicyResult
from scenarios.intervals import Interval
from scenarios.oracle import ORACLE
from scenarios.policies import SEASONED
from scenarios.scenario import load_scenario

FLAGSHIP, SMALL = "midcap_500k", "smoke"
OURS = SEASONED
POLICIES = (
    OURS,
    "censored",
    "volume_proportional",
    "uniform",
    "primary",
    "best_static",
    "quarterly",
    "daily_reranked",
    "cont_kukanov",
    "dp_split",
    "river:LinUCBDisjoint",
    ORACLE,
    CLAIRVOYANT,
)
SEEDS_QUICK = 2

GAP_CLOSED = 0.70
"""The share of the way from the static split to the oracle that the learner is to close."""


def compare(settings: Settings) -> list[Row]:
    """Compare the policies on the flagship, or where it is quick on the smoke scenario."""
    name, seeds = (SMALL, SEEDS_QUICK) if settings.is_quick else (FLAGSHIP, settings.seeds)
    comparison = run_comparison(load_scenario(name), POLICIES, range(1, seeds + 1), settings.data, settings.progress)
    return rows_of(comparison)


def rows_of(comparison: Comparison) -> list[Row]:
    """Return a row per policy, a row per policy with its share of the gap, and a row per pair."""
    rows = [_mean(comparison, result) for result in comparison.policies]
    rows += [_gap(comparison, result) for result in comparison.policies if result.policy not in _ends(comparison)]
    names = [result.policy for result in comparison.policies]
    pairs = [(a, b) for n, a in enumerate(names) for b in names[n + 1 :]]
    return rows + [_pair(comparison, comparison.pair(a, b)) for a, b in pairs]


def _ends(comparison: Comparison) -> tuple[str, str]:
    return comparison.static, comparison.oracle


def _mean(comparison: Comparison, result: PolicyResult) -> Row:
    return Row(
        id=f"mean.{result.policy}",
        what=f"{_where(comparison)}: mean {comparison.metric}",
        ours=_short(result.mean),
        unit="bps",
        references={},
        ratio=None,
        bound=None,
        holds=None,
        interval=_ends_of(result.interval),
    )


def _gap(comparison: Comparison, result: PolicyResult) -> Row:
    bound = GAP_CLOSED if result.policy == OURS and comparison.scenario == FLAGSHIP else None
    return Row(
        id=f"gap.{result.policy}",
        what=f"{_where(comparison)}: gap from {comparison.static} to {comparison.oracle} closed"
        f"{', at least' if bound else ''}",
        ours=_short(result.gap_closed),
        unit="share",
        references={},
        ratio=None,
        bound=bound,
        holds=None if bound is None or result.gap_closed is None else result.gap_closed >= bound,
        interval=_ends_of(result.gap_interval),
    )


def _pair(comparison: Comparison, pair: PairResult) -> Row:
    is_ours = pair.policy == OURS and pair.against != ORACLE
    means = {name: comparison.policy(name).mean for name in (pair.policy, pair.against)}
    return Row(
        id=f"pair.{pair.policy}.{pair.against}",
        what=f"{_where(comparison)}: first minus second {comparison.metric}: {pair.verdict}",
        ours=_short(pair.mean_difference),
        unit="bps",
        references={name: round(mean, 4) for name, mean in means.items() if mean is not None},
        ratio=None,
        bound=0.0 if is_ours else None,
        holds=pair.verdict == "beats" if is_ours else None,
        interval=_ends_of(pair.interval),
    )


def _where(comparison: Comparison) -> str:
    return f"{comparison.scenario}, {len(comparison.seeds)} seeds"


def _ends_of(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (round(interval.low, 4), round(interval.high, 4))


def _short(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
