"""Whether a budget covers a split is said in one crossing as the allocation says it part by part.

Rule of this file: lanes, weights and budgets are drawn by key, budgets also at the very edge of what is given up.
"""

from __future__ import annotations

import math

import numpy as np
import pytest
from test_weighed import DRAWS, EDGES, OPPORTUNITY_BPS, drawn

from router.allocation.afforded import is_afforded, staked
from router.allocation.allocate import Exploration, Rules, allocate_rows
from router.allocation.columns import columns_of_table, lane_terms
from router.allocation.poured import poured
from router.allocation.weighed import weighed_arrays
from router.domain.enums import AllocationMode
from router.domain.market import F64, I64

BUDGETS_BPS = (0.0, 0.01, 0.1, 0.5, 1.0, 5.0)


@pytest.mark.parametrize("is_weighed", [False, True])
def test_a_budget_covers_what_the_parts_say_it_covers(is_weighed: bool) -> None:
    found: list[bool] = []
    for seed in range(400):
        qty, rows, table, weights = drawn(seed)
        static = [1.0 / len(rows)] * len(rows)
        exploration = Exploration(0.05, 0.1) if seed % 4 else Exploration(0.0, 0.0)
        columns = columns_of_table(lane_terms(rows, 0.0), table, EDGES)
        lot: I64 = np.array(columns.lot)
        cap: I64 = np.array(columns.cap)
        public: F64 = np.column_stack(([row[0] for row in rows], [row[1] for row in rows], table[2], table[3]))
        wanted: F64 = np.where(cap > 0, weights, 0.0)
        split = poured(qty, rows, table, EDGES, OPPORTUNITY_BPS, exploration.share)
        if is_weighed:
            split = weighed_arrays(qty, public, wanted, lot, cap, OPPORTUNITY_BPS, exploration.share)
        if split is None:
            continue
        lanes = staked(columns, static, weights if is_weighed else ())
        rules = Rules(size_edges=EDGES, slowed=weights if is_weighed else (), static=tuple(static))
        rest = (AllocationMode.WATER_FILL, OPPORTUNITY_BPS, exploration, DRAWS)
        # Of a budget without end what is given up shows in full, and is a budget that is just enough for the split.
        edge = allocate_rows(qty, rows, table, *rest, rules._replace(budget=1e12)).given_up
        for budget in (*(bps * qty for bps in BUDGETS_BPS), edge, math.nextafter(edge, -1.0)):
            limits = allocate_rows(qty, rows, table, *rest, rules._replace(budget=budget)).limits
            is_bound = any(why.value != "PROBABILITY_CHANGE" for _, why in limits)
            covered = is_afforded(qty, lanes, split, exploration.share, budget)
            assert covered is not is_bound
            found.append(covered)
    assert 0.2 < sum(found) / len(found) < 0.9
