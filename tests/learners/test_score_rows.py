"""A look written as rows of a table, in one kernel and in plain arrays.

Rule of this file: both write the same bits, with leakage and without it.
"""

from __future__ import annotations

import numpy as np
import pytest

from learners.lanes.look import empty_sight
from learners.lanes.shape import LEAK, MARK_1, SIZE_EDGES
from learners.policies.score_rows import score_rows, score_rows_plain
from router.domain.chance import generator
from router.domain.score_table import HAZARDS, LEAKAGE, MU

LANES = 27


@pytest.mark.parametrize("is_leaking", [False, True])
@pytest.mark.parametrize("bins", [0, len(SIZE_EDGES)])
def test_the_kernel_writes_what_its_plain_twin_does(is_leaking: bool, bins: int) -> None:
    draws = generator(4, "score_rows", "sight")
    for _ in range(50):
        seen = empty_sight(LANES)
        for array in seen:
            array[...] = draws.normal(size=array.shape)
        seen.p[:], seen.sd[:] = draws.uniform(size=LANES), np.abs(seen.sd)
        worth, is_asked = draws.normal(size=LANES), draws.uniform(size=LANES) < 0.3
        ours, plain = np.empty((HAZARDS + bins, LANES)), np.empty((HAZARDS + bins, LANES))
        score_rows(seen, worth, is_asked, MARK_1, is_leaking, ours)
        score_rows_plain(seen, worth, is_asked, MARK_1, is_leaking, plain)
        assert ours.tobytes() == plain.tobytes()
        assert (ours[MU] >= 1.0).all()
        assert bool(ours[LEAKAGE].any()) == (is_leaking and bool((is_asked & (seen.costs[LEAK] > 0.0)).any()))
