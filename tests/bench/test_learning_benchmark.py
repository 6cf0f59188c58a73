"""The benchmarks of learning: found by id, rows of one form, and the world of L1 judged by its own mathematics.

Rule of this file: small sizes; of a time it is only asked whether it is there.
"""

from __future__ import annotations

import importlib
import json

import numpy as np
import pytest

from benchmarks.catalogue import BENCHMARKS, LEARNING, groups_of, learning
from benchmarks.protocols import cont_kukanov, speed
from benchmarks.protocols.ablations import ABLATIONS, WHOLE
from benchmarks.rows import Settings
from cluster.cli import main
from router.domain.errors import BadInputError

Captured = pytest.CaptureFixture[str]

QUICK = Settings(repeat=1, is_quick=True, seeds=1, data=None, progress=lambda share, text: None)


def test_every_id_has_a_module_with_rows() -> None:
    assert list(LEARNING) == [f"L{n}" for n in range(1, 9)]
    for module in LEARNING.values():
        assert callable(importlib.import_module(f"benchmarks.protocols.{module}").rows), module


def test_modules_with_two_ids_run_once_and_give_what_was_asked() -> None:
    assert [group.__name__ for group in BENCHMARKS["learning"]] == ["L1", "L2 L4", "L3", "L5", "L6", "L7", "L8"]
    assert [group.__name__ for group in learning(("L8", "L4", "L8"))] == ["L8", "L4"]


@pytest.mark.parametrize(("name", "ids"), [("learning", ("L9",)), ("learning", ("l1",)), ("spine", ("L1",))])
def test_an_id_that_is_not_there_is_refused(name: str, ids: tuple[str, ...]) -> None:
    with pytest.raises(BadInputError, match=r"expected one of L1, .*, L8, with learning"):
        groups_of(name, ids)


def test_bench_runs_one_id_and_prints_its_rows_alone(capfd: Captured) -> None:
    assert main(["bench", "learning", "--id", "L1", "--quick", "--json"]) == 0
    rows = json.loads(capfd.readouterr().out)
    assert len(rows) == 31
    assert {row["id"].partition(".")[0] for row in rows} == {"l1"}
    assert all(row["ours"] is not None and row["unit"] in ("c/share", "rows") for row in rows)
    assert main(["bench", "learning", "--id", "L0"]) == 2
    assert "at --id" in capfd.readouterr().err


@pytest.mark.parametrize("total", cont_kukanov.PUBLISHED)
def test_the_table_is_that_of_the_paper_up_to_what_its_samples_err(total: int) -> None:
    for lanes, published in enumerate(cont_kukanov.PUBLISHED[total], start=1):
        judged = cont_kukanov.even_draws(lanes, 20_000, seed=2)
        best = cont_kukanov.cents_of(cont_kukanov.optimum(total, judged), judged, total)
        assert best == pytest.approx(published, abs=0.0085), lanes


@pytest.mark.parametrize(("total", "lanes"), [(500, 2), (1_000, 4), (5_000, 3)])
def test_no_placement_nearby_is_better_than_the_optimum(total: int, lanes: int) -> None:
    hidden = cont_kukanov.even_draws(lanes, 20_000, seed=1)
    best = cont_kukanov.optimum(total, hidden)
    least = cont_kukanov.cents_of(best, hidden, total)
    rng = np.random.default_rng(total)
    for _ in range(150):
        other = best + rng.normal(0.0, rng.choice([1.0, 10.0, 60.0]), lanes + 1)
        other = np.clip(other, 0.0, total)
        if other.sum() >= total:
            assert cont_kukanov.cents_of(other, hidden, total) >= least - 0.002


def test_even_draws_have_the_mean_of_the_law_and_are_drawn_alike_twice() -> None:
    hidden = cont_kukanov.even_draws(3, 10_000, seed=4)
    np.testing.assert_allclose(hidden.mean(axis=0), cont_kukanov.FLOW - cont_kukanov.QUEUE, rtol=0.002)
    np.testing.assert_array_equal(hidden, cont_kukanov.even_draws(3, 10_000, seed=4))
    apart = np.corrcoef(cont_kukanov.draws(2, 10_000, seed=4).T)[0, 1]
    assert apart == pytest.approx(0.36 / 0.52, abs=0.03)


def test_one_row_of_the_table_holds_its_bounds() -> None:
    world = cont_kukanov._world(1_000, 3, 50_000)
    hidden = cont_kukanov.draws(3, 20_000, seed=9)
    early, late = cont_kukanov.our_answers(1_000, hidden, (1_000, 20_000))
    theirs = cont_kukanov.paper_gradient(1_000, hidden[:1_000])
    assert world.cents(early) <= max(world.optimum, -0.079) + cont_kukanov.NOISE_CENTS
    assert world.cents(late) <= world.optimum + 0.002
    assert world.cents(early) < world.cents(theirs) < world.optimum + 0.05


def test_speed_has_a_figure_for_everyone_and_bounds_only_at_full_size() -> None:
    rows = {row.id: row for row in speed.rows(QUICK)}
    assert list(rows) == [
        "l8.pull",
        "l8.pull_python",
        "l8.update",
        "l8.update_python",
        "l8.cycle",
        "l8.cycle_python",
        "l8.apply",
        "l8.allocate",
        "l8.publish",
    ]
    for row in rows.values():
        assert row.ours is not None and row.ours > 0.0 and min(row.references.values()) > 0.0
        assert row.bound is None and row.holds is None
    assert {speed.RIVER, speed.BARE} <= set(rows["l8.pull"].references)


def test_speed_says_who_is_absent_and_what_is_promised() -> None:
    us = {f"{who}.{job}": [2.0] for who in ("kernel", "python", speed.RIVER, speed.BARE) for job in speed.JOBS}
    us |= {f"lanes.{key}{end}": [9.0] for key in ("apply", "allocate", "publish") for end in ("", "_python")}
    rows = {row.id: row for row in speed.rows_of(us, is_quick=False)}
    assert "not installed: Vowpal Wabbit, MABWiser LinUCB" in rows["l8.pull"].what
    assert (rows["l8.pull"].bound, rows["l8.pull"].holds) == (0.02, False)
    assert (rows["l8.cycle"].bound, rows["l8.cycle"].holds) == (3.0, True)
    assert rows["l8.update"].bound is None
    assert [(rows[id].bound, rows[id].holds) for id in ("l8.apply", "l8.allocate", "l8.publish")] == [
        (5.0, False),
        (20.0, True),
        (100.0, True),
    ]


def test_ablations_give_every_figure_without_each_part() -> None:
    assert [group.__name__ for group in BENCHMARKS["ablations"]] == ["ablations"]
    assert ABLATIONS["no drift detector"].takeover == ABLATIONS["no discount"].takeover == 0.0
    assert all(fields != ABLATIONS[WHOLE] for name, fields in ABLATIONS.items() if name != WHOLE)
