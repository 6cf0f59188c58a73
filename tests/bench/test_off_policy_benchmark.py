"""L7 in small: ours against the published estimators on the same rounds, and the rows that the table gets.

Rule of this file: seeds are fixed, so that what is asserted is the same everywhere.
"""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.protocols.off_policy import KINDS, OURS, references, rows
from benchmarks.rows import Settings
from learners.evaluation.estimators import estimates
from learners.evaluation.worlds import draw_rounds, make_world, true_value


@pytest.mark.parametrize("kind", KINDS)
def test_ours_is_no_worse_than_the_published_doubly_robust_estimate(kind: str) -> None:
    world = make_world(kind)
    truth = true_value(world)
    ours, theirs = [], []
    for seed in range(1, 31):
        rounds = draw_rounds(world, 4_000, seed)
        ours.append(next(e.value for e in estimates(rounds) if e.name == OURS) - truth)
        theirs.append(references(rounds)["DR"] - truth)
    assert np.mean(np.square(ours)) <= np.mean(np.square(theirs))


def test_references_and_ours_agree_on_what_they_share() -> None:
    rounds = draw_rounds(make_world("fills"), 2_000, 1)
    ours = {estimate.name: estimate.value for estimate in estimates(rounds)}
    theirs = references(rounds)
    assert ours["IPS"] == pytest.approx(theirs["IPS"])
    assert ours["SNIPS"] == pytest.approx(theirs["SNIPS"])


def test_the_off_policy_benchmark_has_a_row_a_world_with_its_references() -> None:
    found = rows(Settings(1, True, 1, None, lambda share, text: None))
    worlds = [row for row in found if not row.id.endswith("covered")]
    assert [row.id for row in worlds] == ["l7.fills", "l7.linear", "l7.splits"]
    assert all(list(row.references) == ["DR", "IPS", "SNIPS"] for row in worlds)
    assert all(row.bound is not None and row.holds is not None for row in found)
