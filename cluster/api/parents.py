"""One parent's children, executions, decisions and costs, read from its own stream of the journal when asked for.

Rule of this file: a parent's events are applied as its host applied them (`router.orders.parent.apply`), so that
what is shown of a child is what the host knew. What was read of the parents asked for last is kept, and only what came
since is read.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final

import msgspec

from cluster.api.backend import Backend
from router.domain import codec, facts
from router.domain.events import (
    ChildTradeCanceled,
    ChildTradeCorrected,
    ChildTraded,
    DecisionMade,
    Event,
    MarkoutObserved,
    ParentAccepted,
)
from router.domain.scores import RoutingDecision
from router.domain.units import Micros, Nanos, Px, Qty
from router.orders.child import ChildState
from router.orders.journal import Record
from router.orders.parent import ParentState, accepted, apply

FOLDS_MAX: Final = 256
"""Parents kept at once: what people look at, and what a page's next page is of."""

READ_MAX: Final = 1_000
"""Records read at once: a parent's stream is gone through in steps between which others are served."""

_SKIPPED: Final = ("ParentWoke", "ChildWatched", "ReportIgnored")
"""Events that nothing shown is made of."""


class Fill(msgspec.Struct, kw_only=True):
    """One execution as it counts now."""

    exec_id: str
    cl_ord_id: str
    at: Nanos
    qty: Qty
    px: Px
    fee_micros: Micros
    liquidity: str
    status: str


class ParentFold:
    """What a parent's events came to so far."""

    def __init__(self) -> None:
        self.next_offset = 0
        self.state: ParentState | None = None
        self.fills: list[Fill] = []
        self.updated: dict[str, Nanos] = {}
        """By child, when something last happened to it."""
        self.reasons: dict[str, str] = {}
        self.decisions: list[int] = []
        """Offsets of the records of decisions."""
        self.markouts: dict[str, list[MarkoutObserved]] = {}
        """By child."""
        self._fill_of: dict[tuple[str, str], Fill] = {}

    def take(self, records: Sequence[Record]) -> None:
        """Apply records of the parent's stream; those that were applied change nothing."""
        for record in records:
            if record.offset < self.next_offset:
                continue
            self.next_offset = record.offset + 1
            if record.kind == DecisionMade.__name__:
                self.decisions.append(record.offset)
            elif record.kind not in _SKIPPED:
                self._apply(codec.decode_event(record.payload))

    def _apply(self, event: Event) -> None:
        if isinstance(event, ParentAccepted):
            self.state = accepted(event)
            return
        if self.state is None:
            return
        apply(self.state, event)
        child_id = getattr(event, "cl_ord_id", "")
        if not child_id:
            return
        self.updated[child_id] = event.at
        self.reasons[child_id] = getattr(event, "text", "") or getattr(event, "reason", "")
        match event:
            case ChildTraded():
                self._traded(event)
            case ChildTradeCanceled():
                self._amend(child_id, event.exec_ref_id, 0, 0, "busted")
            case ChildTradeCorrected():
                self._replace_inferred(child_id, event.replaces_inferred_qty)
                self._amend(child_id, event.exec_ref_id, event.last_qty, event.last_px, "corrected")
            case MarkoutObserved():
                self.markouts.setdefault(child_id, []).append(event)
            case _:
                pass

    def _traded(self, event: ChildTraded) -> None:
        fill = Fill(
            exec_id=event.exec_id,
            cl_ord_id=event.cl_ord_id,
            at=event.transacted_at or event.at,
            qty=event.last_qty,
            px=event.last_px,
            fee_micros=event.fee_micros,
            liquidity="" if event.last_liquidity_ind is None else str(event.last_liquidity_ind).lower(),
            status="inferred" if event.is_inferred else "executed",
        )
        self._replace_inferred(event.cl_ord_id, event.replaces_inferred_qty)
        self.fills.append(fill)
        self._fill_of[event.cl_ord_id, event.exec_id] = fill

    def _replace_inferred(self, child_id: str, qty: Qty) -> None:
        """Take what is known by now out of what was inferred of a child, oldest first."""
        for one in self.fills if qty else ():
            if one.status == "inferred" and one.cl_ord_id == child_id:
                taken = min(qty, one.qty)
                one.qty -= taken
                qty -= taken
                if not qty:
                    break

    def _amend(self, child_id: str, exec_ref_id: str, qty: Qty, px: Px, status: str) -> None:
        fill = self._fill_of.get((child_id, exec_ref_id))
        if fill is not None:
            fill.qty, fill.px, fill.status = qty, px, status
            if status == "busted":
                fill.fee_micros = 0

    def children(self) -> list[ChildState]:
        """Return the parent's children, oldest first."""
        return [] if self.state is None else list(self.state.children.values())

    def by_decision(self) -> dict[str, list[ChildState]]:
        """Return the parent's children by the decision that made them."""
        found: dict[str, list[ChildState]] = {}
        for state in self.children():
            found.setdefault(state.child.decision_id, []).append(state)
        return found

    def child(self, child_id: str) -> ChildState:
        """Return one of the parent's children."""
        assert self.state is not None
        return self.state.children[child_id]

    def markouts_of(self, child_ids: Sequence[str]) -> dict[str, float]:
        """Return the markouts of children's executions by horizon in seconds, weighted by quantity, in bps."""
        if self.state is None:
            return {}
        sign = self.state.parent.side.sign
        sums: dict[Nanos, tuple[float, Qty]] = {}
        for child_id in child_ids:
            for seen in self.markouts.get(child_id, ()):
                fill = self._fill_of.get((child_id, seen.exec_id))
                if fill is not None and fill.qty and fill.px and seen.mid2:
                    bps = sign * (seen.mid2 / 2 - fill.px) / fill.px * 1e4
                    total, qty = sums.get(seen.horizon_ns, (0.0, 0))
                    sums[seen.horizon_ns] = total + bps * fill.qty, qty + fill.qty
        return {f"{horizon / 1e9:g}": total / qty for horizon, (total, qty) in sorted(sums.items())}


class Parents:
    """The folds of the parents asked for last, over one desk."""

    def __init__(self, backend: Backend, folds_max: int = FOLDS_MAX) -> None:
        self._backend = backend
        self._folds: OrderedDict[str, ParentFold] = OrderedDict()
        self._folds_max = folds_max

    async def fold(self, parent_id: str, first: int = 0) -> ParentFold:
        """Return what a parent's events came to by now; its stream begins at offset `first` or later."""
        fold = self._folds.get(parent_id)
        if fold is None:
            fold = ParentFold()
            fold.next_offset = first
        stream = facts.parent_stream(parent_id)
        while True:
            records = await self._backend.read(fold.next_offset, stream, READ_MAX)
            fold.take(records)
            if len(records) < READ_MAX:
                break
        if fold.state is not None:
            self._folds[parent_id] = fold
            self._folds.move_to_end(parent_id)
            if len(self._folds) > self._folds_max:
                self._folds.popitem(last=False)
        return fold

    async def decisions(self, parent_id: str, offsets: Sequence[int]) -> list[RoutingDecision]:
        """Return the decisions that are recorded at offsets, which rise."""
        found: list[RoutingDecision] = []
        wanted, stream = deque(offsets), facts.parent_stream(parent_id)
        while wanted:
            records = await self._backend.read(wanted[0], stream, READ_MAX)
            for record in records:
                if wanted and record.offset == wanted[0]:
                    wanted.popleft()
                    event = codec.decode_event(record.payload)
                    if isinstance(event, DecisionMade):
                        found.append(event.decision)
            if len(records) < READ_MAX:
                break
        return found
