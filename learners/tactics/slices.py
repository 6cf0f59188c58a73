"""One number for what became of a slice: its value per share, given once, when everything about it is known.

Rule of this file: a slice is held until it is whole, and what is held is bounded. Whole is a slice whose children have
all ended, whose fills have their markouts, and of which it is known what the rest then cost to complete.

Value per share of the slice in bps = [Σ over fills quantity x (markout - fee) - unfilled x completion] / slice, where
the markout is from the price paid to the mid ten seconds later (it holds the price improvement) and the completion is
half the spread and the taker's fee when the order next decided. Filled and unfilled shares are thus measured against
the mid of about the same time: what the mid did meanwhile is in the markout of a share that was bought before, and
not in that of one still to be bought. Charging the unfilled for the move as well would count it twice.
"""

from __future__ import annotations

from typing import NamedTuple

from router.domain.enums import OutcomeKind
from router.domain.scores import Outcome
from router.domain.tactics import SliceRouted
from router.domain.units import SECOND, Nanos, Qty

MARKOUT_HORIZON: Nanos = 10 * SECOND
"""The markout that a slice waits for."""

SLICES_MAX = 4_096
"""Slices held. Above it the oldest is settled by what is known if its children have ended, else dropped."""

VALUE_MAX_BPS = 50.0
"""A value is clipped to plus and minus this: one print through an empty book must not own a model."""


class SliceValue(NamedTuple):
    """What a slice brought a share, in bps."""

    slice: SliceRouted
    bps: float


class _Held:
    """A slice so far. `fills` is exec_id -> (quantity, fee in bps, price improvement in bps)."""

    __slots__ = ("completion", "ended", "ended_at", "fills", "markouts", "routed")

    def __init__(self, routed: SliceRouted) -> None:
        self.routed = routed
        self.fills: dict[str, tuple[Qty, float, float]] = {}
        self.markouts: dict[str, float] = {}
        self.ended: dict[str, Nanos] = {}
        self.ended_at: Nanos | None = routed.at if not routed.children else None
        self.completion: float | None = None

    @property
    def unfilled_qty(self) -> Qty:
        """Over-booked children may fill more than the slice: then nothing is left of it."""
        return max(self.routed.qty - sum(qty for qty, _, _ in self.fills.values()), 0)

    def is_whole(self) -> bool:
        is_marked = all(exec_id in self.markouts for exec_id in self.fills)
        return self.ended_at is not None and is_marked and (self.completion is not None or not self.unfilled_qty)

    def settled(self) -> SliceValue:
        gained = sum(
            qty * (self.markouts.get(exec_id, price_bps) - fee_bps)
            for exec_id, (qty, fee_bps, price_bps) in self.fills.items()
        )
        completion = self.routed.take_bps if self.completion is None else self.completion
        whole = max(self.routed.qty, 1)
        value = (gained - self.unfilled_qty * completion) / whole
        return SliceValue(self.routed, min(max(value, -VALUE_MAX_BPS), VALUE_MAX_BPS))


class SliceBook:
    """Slices whose value is not known yet.

    A slice of 100 shares that filled 40 at a fee of 1 bp with a markout of 3, when completing cost 5:

    >>> from router.domain.enums import Side
    >>> book = SliceBook()
    >>> one = dict(parent_id="P1", qty=100, style="all", x=(1.0,))
    >>> book.routed(SliceRouted(decision_id="P1.d0", at=0, children=1, take_bps=4.0, **one))
    []
    >>> same = dict(parent_id="P1", decision_id="P1.d0", cl_ord_id="P1.0", lane="X:POST", side=Side.BUY, order_qty=100)
    >>> fill = dict(filled_qty=40, exec_id="E1", fee_bps=1.0, price_bps=2.0)
    >>> book.hear(Outcome(kind=OutcomeKind.FILL, at=1, **same, **fill))
    []
    >>> book.hear(Outcome(kind=OutcomeKind.EXPIRE, at=2, is_final=True, **same))
    []
    >>> markout = dict(exec_id="E1", horizon_ns=MARKOUT_HORIZON, markout_bps=3.0)
    >>> book.hear(Outcome(kind=OutcomeKind.MARKOUT, at=3, **same, **markout))
    []
    >>> (made,) = book.routed(SliceRouted(decision_id="P1.d1", at=9, children=1, take_bps=5.0, **one))
    >>> round(made.bps, 9)
    -2.2
    """

    def __init__(self, limit: int = SLICES_MAX) -> None:
        self.limit = limit
        self._held: dict[str, _Held] = {}

    def __len__(self) -> int:
        return len(self._held)

    def routed(self, routed: SliceRouted) -> list[SliceValue]:
        """Take a slice that was routed: from now on its children's outcomes count. It says what completing costs now,
        to the slices of the same order that are over."""
        made = []
        for held in list(self._held.values()):
            is_over = held.ended_at is not None and held.ended_at < routed.at
            if is_over and held.completion is None and held.routed.parent_id == routed.parent_id:
                held.completion = routed.take_bps
                made += self._settle(held)
        if routed.qty > 0 and routed.decision_id not in self._held:
            self._held[routed.decision_id] = _Held(routed)
        if len(self._held) > self.limit:
            oldest = self._held.pop(next(iter(self._held)))
            if oldest.ended_at is not None:
                made.append(oldest.settled())
        return made

    def hear(self, outcome: Outcome) -> list[SliceValue]:
        """Take one outcome; twice is once. Outcomes of slices that are not held are passed over."""
        held = self._held.get(outcome.decision_id)
        if held is None:
            return []
        if outcome.kind is OutcomeKind.MARKOUT:
            if outcome.exec_id and outcome.horizon_ns == MARKOUT_HORIZON:
                held.markouts[outcome.exec_id] = outcome.markout_bps
        elif outcome.filled_qty > 0:
            held.fills[outcome.exec_id] = (outcome.filled_qty, outcome.fee_bps, outcome.price_bps)
        if outcome.is_final:
            held.ended[outcome.cl_ord_id] = outcome.at
            if len(held.ended) >= held.routed.children:
                held.ended_at = max(held.ended.values())
        return self._settle(held)

    def ended(self, parent_id: str) -> list[SliceValue]:
        """The order is over: what it left unfilled would have cost what it cost when each slice was routed."""
        made = []
        for held in list(self._held.values()):
            if held.routed.parent_id == parent_id and held.completion is None:
                held.completion = held.routed.take_bps
                made += self._settle(held)
        return made

    def _settle(self, held: _Held) -> list[SliceValue]:
        if not held.is_whole():
            return []
        del self._held[held.routed.decision_id]
        return [held.settled()]
