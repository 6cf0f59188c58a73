"""Real splits and whole ones, within what groups of lanes may get together.

Rule of this file: bounds of groups are kept by lowering the caps of their lanes to what the group's own best split of
its bound would give them, and splitting again. A group that is over its bound stays so when other groups are cut, for
each cut leaves more to share; so every group is cut once at most and the order does not matter.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from router.allocation.columns import Columns, tails_of, wants
from router.allocation.lots import to_lots
from router.allocation.overbook import overbook
from router.allocation.split import proportional, shares
from router.allocation.tails import pour_tails
from router.allocation.water_fill import water_fill
from router.domain.enums import AllocationMode
from router.domain.market import F64, I64
from router.domain.units import Qty, round_down


class Group(NamedTuple):
    """Lanes, by their place, that may get `most` shares together."""

    lanes: tuple[int, ...]
    most: Qty


class Splitting(NamedTuple):
    """How a slice is split: see `Rules` in `allocate` for all but the mode."""

    mode: AllocationMode
    most_qty: Qty = 0
    overfill_bps: float = 0.0
    may_overbook: tuple[bool, ...] = ()
    groups: tuple[Group, ...] = ()

    def without(self, lane: int, qty: Qty) -> Splitting:
        """Return how the rest is split once `lane` has been given `qty`."""
        if not self.groups and not self.most_qty:
            return self
        groups = tuple(Group(g.lanes, max(g.most - qty, 0)) if lane in g.lanes else g for g in self.groups)
        return self._replace(most_qty=max(self.most_qty - qty, 0), groups=groups)

    def is_overbooking(self, slice_qty: Qty) -> bool:
        """Whether more than the slice may be posted."""
        return self.mode is AllocationMode.WATER_FILL and self.most_qty > slice_qty and self.overfill_bps > 0.0


def lowered(columns: Columns, groups: Sequence[Group]) -> Columns:
    """Return the columns with no lane's cap above what its groups may get."""
    cap = list(columns.cap)
    for group in groups:
        for k in group.lanes:
            cap[k] = _cap(columns, k, min(cap[k], group.most))
    return columns._replace(cap=cap)


def _cap(columns: Columns, k: int, most: Qty) -> Qty:
    cap = round_down(most, columns.lot[k])
    return cap if cap >= columns.minimum[k] else 0


def real_split(columns: Columns, slice_qty: Qty, how: Splitting) -> list[float]:
    """Return real quantities (WATER_FILL, SPLIT) or, for DRAW, the lanes' probabilities; all 0: nothing to send.

    Groups are not asked here: `bounded` asks them of whole quantities.
    """
    if how.mode is AllocationMode.WATER_FILL:
        return _filled(columns, slice_qty, how)
    if how.mode is AllocationMode.SPLIT:
        return proportional(columns.weight, columns.minimum, columns.cap, slice_qty)
    rows = zip(columns.weight, columns.minimum, columns.cap, strict=True)
    return shares([w if cap > 0 and minimum <= slice_qty else 0.0 for w, minimum, cap in rows])


def _filled(columns: Columns, slice_qty: Qty, how: Splitting) -> list[float]:
    table: F64 = np.array((columns.p, columns.mu, columns.c, columns.minimum, columns.cap), dtype=np.float64)
    p, mu, c, minimum, cap = table
    total = float(slice_qty)
    if how.is_overbooking(slice_qty):
        hazards, edges = tails_of(columns)
        may: F64 = np.array(how.may_overbook, dtype=np.float64)
        v = overbook(p, hazards, edges, c, minimum, cap, may, total, float(how.most_qty), how.overfill_bps)
    elif columns.tails is not None:
        v = pour_tails(p, *columns.tails, c, minimum, cap, total)
    else:
        v = water_fill(p, mu, c, minimum, cap, total)
    poured: list[float] = v.tolist()
    return poured


def _whole(columns: Columns, real: Sequence[float], total: Qty, mode: AllocationMode, lane: int) -> list[Qty]:
    """Return whole quantities; only lanes that the mode wants are open to what rounding leaves over."""
    lanes = range(len(columns.cap))
    if mode is AllocationMode.DRAW:
        real = [float(total) if k == lane else 0.0 for k in lanes]
        cap = [columns.cap[k] if k == lane else 0 for k in lanes]
    elif mode is AllocationMode.SPLIT:
        cap = [columns.cap[k] if columns.weight[k] > 0 else 0 for k in lanes]
    else:
        cap = [columns.cap[k] if wants(columns, k) else 0 for k in lanes]
    bounds: I64 = np.array((columns.lot, columns.minimum, cap), dtype=np.int64)
    whole: list[Qty] = to_lots(np.array(real, dtype=np.float64), bounds[0], bounds[1], bounds[2], total).tolist()
    return whole


def bounded(
    columns: Columns, real: list[float], slice_qty: Qty, how: Splitting, lane: int
) -> tuple[list[Qty], list[float]]:
    """Return whole quantities and the real split they are of.

    `real` is the `real_split` of the slice, `lane` the one that DRAW picked.
    """
    quantities = _whole(columns, real, _posted(real, slice_qty, how), how.mode, lane)
    groups = list(how.groups)
    if how.is_overbooking(slice_qty):
        groups.append(Group(tuple(k for k, may in enumerate(how.may_overbook) if not may), slice_qty))
    while True:
        over = next((g for g in groups if sum(quantities[k] for k in g.lanes) > g.most), None)
        if over is None:
            return quantities, real
        columns = _cut(columns, over, how, lane)
        real = real_split(columns, slice_qty, how) if how.mode is not AllocationMode.DRAW else real
        quantities = _whole(columns, real, _posted(real, slice_qty, how), how.mode, lane)


def _posted(real: Sequence[float], slice_qty: Qty, how: Splitting) -> Qty:
    """Return what whole quantities may add up to."""
    if not how.is_overbooking(slice_qty):
        return slice_qty
    return min(max(round(sum(real)), slice_qty), how.most_qty)


def _cut(columns: Columns, group: Group, how: Splitting, lane: int) -> Columns:
    """Return the columns with the group's lanes held to the best split of what the group may get."""
    plain = how._replace(most_qty=0)
    inside = columns._replace(cap=[cap if k in group.lanes else 0 for k, cap in enumerate(columns.cap)])
    quantities = _whole(inside, real_split(inside, group.most, plain), group.most, how.mode, lane)
    cap = [quantities[k] if k in group.lanes else bound for k, bound in enumerate(columns.cap)]
    return columns._replace(cap=cap)
