"""Paired comparisons with known numbers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec
import numpy as np
import pytest
from synthetic_run import summary

from router.domain.errors import BadInputError
from scenarios.comparison import METRICS, Comparison, compare, gap_closed
from scenarios.report import write_comparison_report
from scenarios.tables import RunSummary

stats = pytest.importorskip("scipy.stats")

STATIC = [3.0, 4.0, 3.5, 3.2, 4.1]
ORACLE = [0.5, 1.4, 1.1, 0.6, 1.5]
GOOD = [1.0, 2.1, 1.4, 1.2, 2.0]


def runs(policy: str, values: Sequence[float | None], metric: str = "routing_cost_bps") -> list[RunSummary]:
    return [summary(policy=policy, seed=n, **{metric: value}) for n, value in enumerate(values, start=1)]


def compared(**values: Sequence[float | None]) -> Comparison:
    everyone = {"static": STATIC, "oracle": ORACLE, **values}
    return compare({name: runs(name, x) for name, x in everyone.items()}, "static", "oracle")


def test_paired_difference_agrees_with_scipy() -> None:
    pair = compared(good=GOOD).pair("good", "static")
    expected = stats.ttest_rel(GOOD, STATIC).confidence_interval(0.95)
    assert pair.interval == pytest.approx((expected.low, expected.high))
    assert pair.mean_difference == pytest.approx(np.mean(GOOD) - np.mean(STATIC))
    assert (pair.better, pair.worse, pair.equal, pair.pairs) == (5, 0, 0, 5)


def test_verdicts_follow_the_interval() -> None:
    comparison = compared(good=GOOD, noise=[6.0, 1.0, 5.0, 1.5, 4.0])
    assert comparison.pair("good", "static").verdict == "beats"
    assert comparison.pair("static", "good").verdict == "does not beat"
    assert comparison.pair("good", "oracle").verdict == "does not beat"
    assert comparison.pair("noise", "static").verdict == "indistinguishable"


def test_a_pair_is_the_mirror_of_its_reverse() -> None:
    comparison = compared(good=GOOD)
    there, back = comparison.pair("good", "static"), comparison.pair("static", "good")
    assert there.mean_difference is not None
    assert there.interval is not None
    assert back.mean_difference == pytest.approx(-there.mean_difference)
    assert back.interval == pytest.approx((-there.interval.high, -there.interval.low))
    assert (back.better, back.worse) == (there.worse, there.better)


def test_more_markout_is_better() -> None:
    low, high = runs("low", [-3.0, -2.9, -3.1], "markout_bps"), runs("high", [-1.0, -1.1, -0.8], "markout_bps")
    comparison = compare({"low": low, "high": high}, "low", "high", "markout_bps")
    assert comparison.pair("high", "low").verdict == "beats"
    assert comparison.pair("high", "low").better == 3
    assert comparison.policy("high").gap_closed == pytest.approx(1.0)


def test_identical_runs_are_indistinguishable() -> None:
    pair = compared(same=STATIC).pair("same", "static")
    assert pair.verdict == "indistinguishable"
    assert (pair.interval, pair.equal) == ((0.0, 0.0), 5)


def test_one_pair_carries_no_verdict() -> None:
    comparison = compare({"a": runs("a", [9.0]), "b": runs("b", [1.0])}, "a", "b")
    assert comparison.pair("b", "a").interval is None
    assert comparison.pair("b", "a").verdict == "indistinguishable"


def test_a_run_without_fills_is_a_missing_pair_and_is_named() -> None:
    comparison = compared(good=[1.0, None, 1.4, 1.2, 2.0])
    pair = comparison.pair("good", "static")
    assert (pair.pairs, pair.missing) == (4, (2,))
    assert comparison.missing == (("good", 2),)
    expected = stats.ttest_rel(np.delete(GOOD, 1), np.delete(STATIC, 1)).confidence_interval(0.95)
    assert pair.interval == pytest.approx((expected.low, expected.high))


def test_a_policy_that_never_fills_has_no_numbers() -> None:
    comparison = compared(idle=[None] * 5)
    result = comparison.policy("idle")
    assert (result.mean, result.interval, result.median, result.gap_closed) == (None, None, None, None)
    assert comparison.pair("idle", "static").verdict == "indistinguishable"
    assert comparison.pair("idle", "static").missing == (1, 2, 3, 4, 5)


def test_policy_quantiles_are_those_of_its_own_runs() -> None:
    result = compared(good=GOOD).policy("good")
    assert result.mean == pytest.approx(np.mean(GOOD))
    assert result.median == pytest.approx(1.4)
    assert (result.quantile_05, result.quantile_95) == pytest.approx(tuple(np.quantile(GOOD, [0.05, 0.95])))


def test_gap_closed_is_zero_for_static_and_one_for_the_oracle() -> None:
    comparison = compared(good=GOOD)
    assert comparison.policy("static").gap_closed == 0.0
    assert comparison.policy("oracle").gap_closed == pytest.approx(1.0)
    good = comparison.policy("good")
    expected = (np.mean(STATIC) - np.mean(GOOD)) / (np.mean(STATIC) - np.mean(ORACLE))
    assert good.gap_closed == pytest.approx(expected)
    assert good.gap_interval is not None
    assert good.gap_interval.low < expected < good.gap_interval.high
    assert good.gap_interval == compared(good=GOOD).policy("good").gap_interval


def test_gap_interval_covers_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(5)
    covered = 0
    for n in range(60):
        market = rng.normal(0, 2, 40)
        static, x, oracle = (market + rng.normal(mean, 0.8, 40) for mean in (3.0, 1.5, 1.0))
        _, interval = gap_closed(x, static, oracle, 1, f"trial {n}")
        assert interval is not None
        covered += interval.low <= 0.75 <= interval.high
    assert 51 <= covered <= 60


def test_no_share_of_a_gap_that_is_not_there() -> None:
    everyone = {"static": runs("static", [1.0, 1.2]), "oracle": runs("oracle", [1.5, 1.3])}
    assert compare(everyone, "static", "oracle").policy("static").gap_closed is None
    unclear = {"static": runs("static", [1.0, 3.0, 1.0]), "oracle": runs("oracle", [2.0, 1.0, 1.5])}
    result = compare(unclear, "static", "oracle").policy("oracle")
    assert result.gap_closed is not None
    assert result.gap_interval is None


def test_runs_that_do_not_pair_are_refused() -> None:
    a, b = runs("a", STATIC), runs("b", ORACLE)
    other = [summary(policy="b", seed=n, scenario="other") for n in range(1, 6)]
    for wrong in (b[::-1], b[:-1], runs("c", ORACLE), other, [b[0]] * 5):
        with pytest.raises(BadInputError, match="expected"):
            compare({"a": a, "b": wrong}, "a", "b")


def test_missing_baselines_and_unknown_metrics_are_refused() -> None:
    a = runs("a", STATIC)
    with pytest.raises(BadInputError, match=r"compare\.oracle"):
        compare({"a": a}, "a", "oracle")
    with pytest.raises(BadInputError, match=r"compare\.metric"):
        compare({"a": a, "b": runs("b", ORACLE)}, "a", "b", "speed")
    with pytest.raises(BadInputError, match="at least one run"):
        compare({"a": [], "b": []}, "a", "b")
    with pytest.raises(BadInputError, match="two compared policies"):
        compared().pair("static", "nobody")
    with pytest.raises(BadInputError, match="a compared policy"):
        compared().policy("nobody")


def test_every_metric_is_a_field_of_the_summary() -> None:
    assert set(METRICS) <= set(RunSummary.__struct_fields__)


def test_comparison_report_says_what_is_not_beaten(tmp_path: Path) -> None:
    comparison = compared(good=GOOD, idle=[None] * 5, noise=[6.0, 1.0, 5.0, 1.5, 4.0])
    page = write_comparison_report(comparison, tmp_path / "sub" / "comparison.html").read_text(encoding="utf-8")
    assert "What each policy does not beat" in page
    assert '<td class="t">noise</td><td class="t w">–</td><td class="t w">static, oracle, good, idle</td>' in page
    assert "Runs without a value: nothing was filled." in page
    assert page.count('<td class="t">idle</td><td class="">') >= 5


def test_comparison_report_of_one_seed_is_drawn(tmp_path: Path) -> None:
    comparison = compare({"a": runs("a", [9.0]), "b": runs("b", [1.0])}, "a", "b")
    page = write_comparison_report(comparison, tmp_path / "comparison.html").read_text(encoding="utf-8")
    assert "no interval" in page


def test_who_leaves_orders_unfilled_has_not_beaten_who_fills_them() -> None:
    all_runs = {name: runs(name, values) for name, values in (("static", STATIC), ("oracle", ORACLE), ("idle", GOOD))}
    all_runs["idle"] = [msgspec.structs.replace(r, filled_qty=r.order_qty // 2) for r in all_runs["idle"]]
    all_runs = {
        n: [msgspec.structs.replace(r, filled_qty=r.order_qty) if n != "idle" else r for r in rs]
        for n, rs in all_runs.items()
    }
    comparison = compare(all_runs, "static", "oracle")
    assert comparison.pair("idle", "static").verdict == "not comparable"
    assert comparison.pair("static", "idle").verdict == "not comparable"
    assert comparison.pair("idle", "oracle").verdict == "does not beat"
    assert comparison.policy("idle").filled_share == pytest.approx(0.5)
