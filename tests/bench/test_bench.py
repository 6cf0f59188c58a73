"""The benchmarks give rows of one form; what they say about time is asserted nowhere.

Rule of this file: small sizes, real processes; a figure is only ever asked whether it is there.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks import made_up, parts, policies, replays
from benchmarks.catalogue import BENCHMARKS
from benchmarks.clean import run_command, run_task
from benchmarks.rows import Row, Settings, measured, skipped
from benchmarks.stopwatch import each_us
from cluster.cli import bench_command, main
from learners.policies.build import build_policy
from router.domain.errors import LinkError
from router.domain.instruments import lanes_of
from scenarios.comparison import compare
from scenarios.tables import RunSummary

Captured = pytest.CaptureFixture[str]

KEYS = ("id", "what", "ours", "unit", "references", "ratio", "bound", "holds")
QUICK = Settings(repeat=3, is_quick=True, seeds=20, data=None, progress=lambda share, text: None)


def check_form(rows: list[dict[str, Any]]) -> None:
    assert rows
    for row in rows:
        assert tuple(row)[:8] == KEYS, row
        assert set(row) <= {*KEYS, "interval"}, row
        for key in ("id", "what", "unit"):
            assert row[key] and isinstance(row[key], str), row
        assert isinstance(row["references"], dict), row
        assert row["holds"] in (True, False, None), row
        assert row["bound"] is not None or row["holds"] is None, row
        assert row["ratio"] is None or (row["references"] and row["ours"] is not None), row
    ids = [row["id"] for row in rows]
    assert len(set(ids)) == len(ids)


def as_json(rows: list[Row]) -> list[dict[str, Any]]:
    import msgspec

    made: list[dict[str, Any]] = json.loads(msgspec.json.encode(rows))
    return made


def test_row_has_eight_keys_and_an_interval_only_in_comparisons() -> None:
    plain = as_json([measured("a", "a thing", [1.0], "s"), skipped("b", "another", "s", "no data", 20.0)])
    check_form(plain)
    assert [tuple(row) for row in plain] == [KEYS, KEYS]
    assert plain[1]["ours"] is None
    assert plain[1]["holds"] is None
    assert plain[1]["what"] == "another (skipped: no data)"


@pytest.mark.parametrize(("ours", "holds"), [(1.0, True), (2.0, True), (3.0, False)])
def test_bound_above_holds_up_to_itself(ours: float, holds: bool) -> None:
    assert measured("a", "a thing", [ours], "s", at_most=2.0).holds is holds


@pytest.mark.parametrize(("ours", "holds"), [(1.0, False), (2.0, True), (3.0, True)])
def test_bound_below_holds_from_itself(ours: float, holds: bool) -> None:
    assert measured("a", "a thing", [ours], "s", at_least=2.0).holds is holds


def test_ratio_is_ours_by_the_first_reference() -> None:
    row = measured("a", "a thing", [5.0, 1.0, 4.0], "s", references={"first": [8.0], "second": [1.0]})
    assert (row.ours, row.ratio, row.references) == (4.0, 0.5, {"first": 8.0, "second": 1.0})


def test_stopwatch_calls_with_every_item_of_its_blocks_once() -> None:
    seen: list[int] = []
    assert each_us(seen.append, range(33)) >= 0.0
    assert seen == list(range(33))
    assert each_us(seen.append, [7]) >= 0.0


def test_made_up_market_can_be_traded_on_every_lane() -> None:
    lanes = lanes_of(made_up.specs())
    frame, later = made_up.frames(2)
    assert len(lanes) == len(frame.lanes) == 27
    assert all(qty > 0 for qty in frame.max_qty)
    assert frame is not later
    outcomes = made_up.outcomes(60, frame)
    policy = build_policy("censored", made_up.setup())
    before = policy.digest()
    policy.learn(outcomes)
    assert policy.digest() != before
    assert made_up.outcomes(60, frame) == outcomes


@pytest.mark.parametrize("group", [parts.learner, parts.codec, parts.journal, replays.small])
def test_group_measures_everything_it_lists(group: Any) -> None:
    rows = as_json(group(QUICK))
    check_form(rows)
    assert [row["id"] for row in rows if row["ours"] is None] == []


def test_tape_rows_without_data_are_skipped_and_promise_nothing() -> None:
    rows = as_json(replays.tape(QUICK._replace(is_quick=False)))
    check_form(rows)
    assert {row["ours"] for row in rows} == {row["holds"] for row in rows} == {None}
    assert all("(skipped: no recorded data)" in row["what"] for row in rows)
    assert {row["id"]: row["bound"] for row in rows if row["bound"] is not None} == {
        "tape.wall_s": 20.0,
        "tape.decisions": 2_000.0,
        "tape.peak_mb": 1_536.0,
        "tape.ray_stream_s": 120.0,
        "tape.digests": 1.0,
    }


def test_command_in_a_clean_process_is_the_command(tmp_path: Path) -> None:
    ran = run_command(["replay", "smoke", "--no-report", "--out", str(tmp_path / "run")])
    assert (tmp_path / "run" / "summary.json").is_file()
    assert ran.printed["scenario"] == "smoke"
    assert ran.printed["digest"] == run_task("digest", {"PYTHONHASHSEED": "1"}, scenario="smoke", where="one process")
    assert min(ran.wall_s, ran.cpu_s, ran.peak_mb) > 0.0


def test_failed_process_is_an_error_with_its_last_words() -> None:
    with pytest.raises(
        LinkError, match=r"expected task command to succeed, got exit code 2: error: .*no-such-scenario"
    ):
        run_command(["replay", "no-such-scenario"])


def summaries(policy: str, costs: list[float]) -> tuple[RunSummary, ...]:
    counts = dict.fromkeys(
        ("events", "windows", "decisions", "fills", "outcomes", "order_qty", "filled_qty", "policy_versions"), 1
    )
    costs_bps = ("arrival_slippage", "markout", "spread", "fee", "adverse", "impact", "timing", "vwap_slippage")
    return tuple(
        RunSummary(
            scenario=policies.FLAGSHIP,
            seed=seed,
            policy=policy,
            runtime="inprocess",
            digest="",
            wall_s=0.0,
            routing_cost_bps=cost,
            anomalies=0,
            children=1,
            unfilled_qty=0,
            peak_memory_mb=1.0,
            **counts,
            **{f"{name}_bps": 0.0 for name in costs_bps},
        )
        for seed, cost in enumerate(costs, start=1)
    )


def test_comparison_becomes_means_gaps_and_every_pair_once() -> None:
    static, oracle = "volume_proportional", policies.ORACLE
    runs = {
        policies.OURS: summaries(policies.OURS, [1.2, 1.1, 1.3, 1.2]),
        static: summaries(static, [3.0, 3.1, 3.2, 2.9]),
        oracle: summaries(oracle, [1.0, 1.1, 1.0, 0.9]),
    }
    rows = as_json(policies.rows_of(compare(runs, static, oracle)))
    check_form(rows)
    found = {row["id"]: row for row in rows}
    assert list(found) == [
        "mean.seasoned",
        "mean.volume_proportional",
        "mean.oracle",
        "gap.seasoned",
        "pair.seasoned.volume_proportional",
        "pair.seasoned.oracle",
        "pair.volume_proportional.oracle",
    ]
    won = found["pair.seasoned.volume_proportional"]
    assert won["ours"] == -1.85
    assert won["interval"][0] < -1.85 < won["interval"][1] < 0.0
    assert (won["bound"], won["holds"], won["ratio"]) == (0.0, True, None)
    assert won["references"] == {"seasoned": 1.2, "volume_proportional": 3.05}
    assert (found["gap.seasoned"]["bound"], found["gap.seasoned"]["holds"]) == (0.7, True)
    assert found["pair.seasoned.oracle"]["bound"] is None


def test_bench_prints_rows_as_json_and_nothing_else(capfd: Captured) -> None:
    assert main(["bench", "compare", "--quick", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    check_form(rows)
    assert sum(row["id"].startswith("pair.") for row in rows) == 78
    assert all(row["interval"] for row in rows if row["id"].startswith("pair."))


def test_end_to_end_gives_both_limits_for_the_learner_cold_and_seasoned(capfd: Captured) -> None:
    assert main(["bench", "end_to_end", "--quick", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    check_form(rows)
    ids = {row["id"] for row in rows}
    for limit in ("gap", "gap_clairvoyant"):
        assert {f"smoke.{limit}.seasoned", f"smoke.{limit}.censored"} <= ids


def test_table_shows_what_holds_and_what_does_not(capfd: Captured) -> None:
    bench_command._print_table(
        [
            measured("a", "a thing", [1_234.5], "s", references={"other": [2.0]}, at_most=2.0),
            measured("b", "a thing", [1.0], "s", at_most=2.0),
            skipped("c", "a thing", "s", "no data"),
        ]
    )
    head, *lines = [line.split() for line in capfd.readouterr().out.splitlines()]
    assert head == list(KEYS)
    assert [line[-1] for line in lines] == ["NO", "yes", "–"]
    assert "1,234" in lines[0]


def test_unknown_benchmark_is_refused_with_those_there_are(capfd: Captured) -> None:
    assert main(["bench", "nothing"]) == 2
    printed = capfd.readouterr()
    assert printed.out == ""
    assert printed.err == f"error: expected one of {', '.join(BENCHMARKS)}, got 'nothing' - at NAME\n"


def test_package_without_the_folder_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Captured) -> None:
    monkeypatch.setattr(bench_command, "_ROOT", tmp_path)
    assert main(["bench", "spine"]) == 2
    assert capfd.readouterr().err == (
        "error: expected the folder benchmarks of the repository, got an installed package without it\n"
    )


@pytest.mark.ray
@pytest.mark.slow
def test_spine_measures_everything_it_lists(capfd: Captured) -> None:
    assert main(["bench", "spine", "--quick", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    check_form(rows)
    assert [row["id"] for row in rows if row["ours"] is None] == []
    assert {row["id"]: row["ours"] for row in rows if row["unit"] == "digests"} == {
        "tape.digests": 1,
        "smoke.digests": 1,
    }
