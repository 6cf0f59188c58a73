"""Deterministic simulation: one seed draws the faults, nothing is lost or doubled, and after healing every order ends.

Rule of this file: a failing seed fails again by its number alone, `run_seed(n)`; one that showed a bug is kept under
`found`, as the scenario that it was.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from router.orders import child as child_table
from router.orders import parent as parent_table
from scenarios.fault_markets import fault_scenario
from scenarios.fault_rows import FAULT_KINDS, RARE, UNREACHED_CHILD, UNREACHED_PARENT, unused
from scenarios.fault_sweep import SweepReport, run_faults, run_seed, sweep
from scenarios.scenario import parse_scenario

SEEDS, SEEDS_SLOW = 60, 2_000
FOUND = sorted((Path(__file__).parent / "found").glob("*.toml"))
SEED = re.compile(r"^# seed = (\d+)$", re.MULTILINE)


@pytest.fixture(scope="module")
def report(request: pytest.FixtureRequest) -> SweepReport:
    return sweep(range(SEEDS_SLOW if request.config.getoption("--slow") else SEEDS))


def test_no_seed_breaks_an_invariant_a_replay_or_a_venues_book(report: SweepReport) -> None:
    assert report.violations == {}


def test_every_kind_of_fault_happened(report: SweepReport) -> None:
    assert report.never_fault == ()
    assert set(report.faults) - {*FAULT_KINDS, "unreliable", "host_crash"} == set()


def test_most_rows_of_the_tables_were_used(report: SweepReport) -> None:
    assert len(report.child_rows) >= 52
    assert len(report.parent_rows) >= 20
    assert len(report.child_rows) + len(report.never_child) == len(child_table.TABLE)
    assert len(report.parent_rows) + len(report.never_parent) == len(parent_table.TABLE)


@pytest.mark.slow
def test_rows_that_the_whole_sweep_never_hits_are_rare_or_cannot_be(report: SweepReport) -> None:
    assert [row for row in report.never_child if row not in {*UNREACHED_CHILD, *RARE}] == []
    assert [row for row in report.never_parent if row not in UNREACHED_PARENT] == []


def test_rows_that_cannot_be_reached_are_rows_of_the_tables_and_have_a_reason(report: SweepReport) -> None:
    children = {**UNREACHED_CHILD, **RARE}
    for table, unreached in ((child_table.TABLE, children), (parent_table.TABLE, UNREACHED_PARENT)):
        assert set(unreached) <= set(unused(table, ()))
        assert all(len(reason.split()) > 5 for reason in unreached.values())
    used = {*report.child_rows, *report.parent_rows}
    assert used & {*UNREACHED_CHILD, *UNREACHED_PARENT} == set()


def test_seed_runs_again_the_same() -> None:
    assert run_seed(7) == run_seed(7)


def test_execution_that_reached_nobody_is_found() -> None:
    scenario = fault_scenario(4)
    text = scenario.text.replace("[[breaks]]", f"{LOST_FOR_EVER}[[breaks]]", 1)
    broken = run_faults(parse_scenario(text, "lost"), 4).broken
    assert any("the venue's" in said or "expected it to end" in said for said in broken)


LOST_FOR_EVER = """
[[breaks]]
kind = "unreliable"
lose_report = 1.0
"""


@pytest.mark.parametrize("path", FOUND, ids=[path.stem for path in FOUND])
def test_bug_that_was_found_stays_mended(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    seed = SEED.search(text)
    assert seed, f"expected a line '# seed = N' - at {path.name}"
    assert run_faults(parse_scenario(text, path.stem), int(seed[1])).broken == ()
