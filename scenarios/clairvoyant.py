"""The clairvoyant: routing by what is going to happen, hidden interest and later prices included.

Rule of this file: only the evaluation builds a clairvoyant. It knows what the venues' others would do without us, to
the share and to the nanosecond, and routes through the same allocation as everybody; what our own trading changes it
does not know, so that it is a limit for skill at reading the market, not a bound of the arithmetic.

How a lane is scored, for an order of `side` sent at `at` that rests for a standard life:

    TAKE        what is displayed at the far touch now; certain
    POST        what is going to trade at our price or through it, beyond what stands before us in the queue
    MID_PEG     the contra interest that is there or arrives (at a periodic pool: that is there at an uncross)
    CONDITIONAL as MID_PEG
    QUOTE       the largest tier, with the chance that the last look rejects given the move it will see
    AUCTION     all of it

Each fill's adverse move is that of the reference from now to ten seconds after the fill.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from learners.policies.policy import PolicySetup
from router.domain.enums import Side, Tactic
from router.domain.instruments import Lane, VenueSpec, lanes_of
from router.domain.market import I64
from router.domain.scores import LaneScore
from router.domain.units import SECOND, Nanos, Px, Qty
from scenarios.oracle import Truth
from venues.build import VenueParameters
from venues.foresight import Foresight, foresee
from venues.models.reference import MarketSetup, ReferencePath, reference_path
from venues.types.dealer_parameters import DealerParameters

CLAIRVOYANT = "clairvoyant"

HORIZON_NS: Nanos = 10 * SECOND
_BID_PX, _BID_QTY, _ASK_PX, _ASK_QTY = 1, 2, 3, 4


class _Meeting(NamedTuple):
    """What an order would meet: a quantity, and when, on the average over shares, it fills."""

    qty: Qty
    at: Nanos


class _Day:
    """Everything that is going to happen, and the questions about it."""

    def __init__(
        self,
        specs: tuple[VenueSpec, ...],
        market: MarketSetup,
        parameters: Mapping[str, VenueParameters],
        seed: int,
        setup: PolicySetup,
    ) -> None:
        self._path: ReferencePath = reference_path(seed, market)
        self._venues = {s.mic: foresee(s, market, parameters[s.mic], seed, self._path) for s in specs}
        self._parameters = parameters
        self._lanes = lanes_of(specs)
        self._lit = [s.mic for s in specs if Tactic.TAKE in s.tactics]
        self._life_ns, self._standard_qty = setup.standard_life_ns, setup.standard_qty

    def scores(self, at: Nanos, side: Side) -> tuple[LaneScore, ...]:
        """Return the score of every lane for an order of `side` sent at `at`."""
        tops = {mic: self._top(mic, at) for mic in self._lit}
        near = self._near(tops, side)
        return tuple(self._score(lane, at, side.sign, tops.get(lane.mic), near) for lane in self._lanes)

    def _score(self, lane: Lane, at: Nanos, sign: int, top: list[int] | None, near: Px) -> LaneScore:
        name, venue = str(lane), self._venues[lane.mic]
        if lane.tactic is Tactic.QUOTE:
            return self._quote(lane, at, sign)
        if lane.tactic is Tactic.TAKE:
            qty = 0 if top is None else top[_ASK_QTY if sign > 0 else _BID_QTY]
            met = _Meeting(qty, at)
        elif lane.tactic is Tactic.POST:
            met = self._post(venue, at, sign, top, near)
        elif lane.tactic is Tactic.AUCTION:
            met = _Meeting(self._standard_qty, at)
        else:
            met = self._dark(venue, at, sign)
        if met.qty < 1:
            return LaneScore(lane=name)
        return LaneScore(lane=name, p=1.0, mu=float(met.qty), markout_bps=self._adverse(at, met.at, sign))

    def _top(self, mic: str, at: Nanos) -> list[int] | None:
        quotes = self._venues[mic].quotes
        k = int(np.searchsorted(quotes[:, 0], at, side="right")) - 1
        top: list[int] | None = quotes[k].tolist() if k >= 0 else None
        return top

    def _near(self, tops: Mapping[str, list[int] | None], side: Side) -> Px:
        """Return the best near price over the lit venues; 0 when there is none."""
        if side is Side.BUY:
            return max((top[_BID_PX] for top in tops.values() if top and top[_BID_QTY]), default=0)
        return min((top[_ASK_PX] for top in tops.values() if top and top[_ASK_QTY]), default=0)

    def _post(self, venue: Foresight, at: Nanos, sign: int, top: list[int] | None, near: Px) -> _Meeting:
        if top is None or not near:
            return _Meeting(0, at)
        px, qty = (top[_BID_PX], top[_BID_QTY]) if sign > 0 else (top[_ASK_PX], top[_ASK_QTY])
        ahead = qty if px == near else 0
        first, last = np.searchsorted(venue.prints[:, 0], [at, at + self._life_ns])
        rows = venue.prints[first:last]
        rows = rows[(rows[:, 3] == -sign) & (sign * (rows[:, 1] - near) <= 0)]
        return _after_queue(rows[:, 0], rows[:, 2], ahead, self._standard_qty, at)

    def _dark(self, venue: Foresight, at: Nanos, sign: int) -> _Meeting:
        end = at + self._life_ns
        rows = venue.interest
        rows = rows[: int(np.searchsorted(rows[:, 0], end))]
        rows = rows[(rows[:, 1] > at) & (rows[:, 2] == -sign)]
        when = np.maximum(rows[:, 0], at)
        if venue.uncrosses.shape[0]:
            k = np.searchsorted(venue.uncrosses, when)
            when = np.append(venue.uncrosses, end)[k]
            is_met = (when < end) & (when < rows[:, 1])
            rows, when = rows[is_met], when[is_met]
        order = np.argsort(when, kind="stable")
        return _after_queue(when[order], rows[order, 3], 0, self._standard_qty, at)

    def _quote(self, lane: Lane, at: Nanos, sign: int) -> LaneScore:
        params = self._parameters[lane.mic]
        assert isinstance(params, DealerParameters)
        now, then = self._path.px_at(at), self._path.px_at(at + params.hold_ns)
        move = max(0.0, sign * (then - now) / now * 1e4)
        p = 1.0 - min(params.reject_max, params.base_reject + params.move_slope * move)
        largest = max(params.tiers[-1].max_qty, params.rfq_max_qty if params.mode != "stream" else 0)
        adverse = self._adverse(at, at + params.hold_ns, sign)
        return LaneScore(lane=str(lane), p=p, mu=float(largest), markout_bps=adverse)

    def _adverse(self, routed_at: Nanos, filled_at: Nanos, sign: int) -> float:
        routed = self._path.px_at(routed_at)
        return -sign * (self._path.px_at(filled_at + HORIZON_NS) - routed) / routed * 1e4


def _after_queue(at: I64, qty: I64, ahead: Qty, wanted: Qty, otherwise: Nanos) -> _Meeting:
    """Return what reaches an order of `wanted` shares behind `ahead` others, and the mean time of its fills."""
    reached = np.minimum(np.maximum(np.cumsum(qty) - ahead, 0), wanted)
    mine = np.diff(reached, prepend=0)
    total = int(mine.sum())
    if not total:
        return _Meeting(0, otherwise)
    return _Meeting(total, int(at[0]) + int(((at - at[0]) * mine).sum()) // total)


def clairvoyant_truth(
    specs: tuple[VenueSpec, ...],
    market: MarketSetup,
    parameters: Mapping[str, VenueParameters],
    seed: int,
    setup: PolicySetup,
) -> Truth:
    """Return what is going to be true of all lanes, as a function of time and side."""
    return _Day(specs, market, parameters, seed, setup).scores
