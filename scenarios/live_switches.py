"""What people have stopped or limited in a live market: kills, venues, and how far learners and children may go.

Rule of this file: changed by facts alone; the second gate hears of each change at once, hosts and learners with the
next batch they get.
"""

from __future__ import annotations

from typing import NamedTuple, TypeVar

from router.allocation.limits import Limits
from router.domain.facts import KillSet, LimitSet, RearmAsked, VenueStateSet
from router.domain.orders import ParentOrder
from router.domain.units import Nanos
from router.orders.venue_gate import VenueGate, VenueGateLimits

_T = TypeVar("_T", Limits, VenueGateLimits)


class Bounds(NamedTuple):
    """The limits that a market keeps: on learning, and of the second gate."""

    learning: Limits
    gate: VenueGateLimits


class Switches:
    """What stands between a market's orders and its venues. `blocked` are venues to which nothing new goes."""

    def __init__(self, gate: VenueGate, mics: tuple[str, ...], bounds: Bounds) -> None:
        self.venue_states: dict[str, str] = dict.fromkeys(mics, "ENABLED")
        self.bounds = bounds
        self.learning: Limits | None = None
        """The limits on learning, once they are others than hosts and learners were made with."""
        self.learners: tuple[str, ...] = ()
        """What a kill calls the learner that hosts go by; none: every kill of a model is one of it, as it once was."""
        self.blocked: tuple[str, ...] = ()
        self._gate = gate
        self._kills: dict[tuple[str, str], bool] = {}
        self._lifted: dict[tuple[str, str], Nanos] = {}

    @property
    def is_model_killed(self) -> bool:
        """Whether hosts must do without their learner: they route on by the fall-back policy."""
        return any(level == "MODEL" and target in (self.learners or (target,)) for level, target in self._kills)

    def is_killed(self, order: ParentOrder) -> bool:
        """Whether an order is to end."""
        levels = (("ALL", ""), ("ACCOUNT", order.account), ("STRATEGY", order.strategy), ("SYMBOL", order.symbol))
        return any(level in self._kills for level in levels)

    def kill(self, fact: KillSet) -> bool:
        """Take a kill; False when it comes late, because people have lifted it already."""
        if fact.at <= self._lifted.get((fact.level, fact.target), -1):
            return False
        self._kills[fact.level, fact.target] = True
        if fact.level == "VENUE":
            self._gate.close_venue(fact.target, "killed")
            self._block()
        elif fact.level != "MODEL":
            self._gate.block(fact.level, fact.target)
        return True

    def rearm(self, fact: RearmAsked) -> None:
        """Lift a kill, where the fact does."""
        if fact.is_lifted:
            self._kills.pop((fact.level, fact.target), None)
            self._lifted[fact.level, fact.target] = fact.at
            self._gate.open_venue(fact.target, "killed")
            self._gate.unblock(fact.level, fact.target)
            self._block()

    def set_venue(self, fact: VenueStateSet) -> None:
        """Open or close a venue that is known."""
        if fact.mic in self.venue_states:
            self.venue_states[fact.mic] = fact.state
            (self._gate.open_venue if fact.state == "ENABLED" else self._gate.close_venue)(fact.mic, "by a person")
            self._block()

    def limit(self, fact: LimitSet) -> None:
        """Let another limit hold from now on; those that concern no market change nothing here."""
        learning, gate = _changed(self.bounds.learning, fact), _changed(self.bounds.gate, fact)
        if learning != self.bounds.learning:
            self.learning = learning
        if gate != self.bounds.gate:
            self._gate.set_limits(gate)
        self.bounds = Bounds(learning, gate)

    def _block(self) -> None:
        """Keep new children from venues that are not enabled, or killed."""
        states = self.venue_states
        self.blocked = tuple(mic for mic in states if states[mic] != "ENABLED" or ("VENUE", mic) in self._kills)


def _changed(limits: _T, fact: LimitSet) -> _T:
    """Return the limits with the one that a fact changes, if it is one of them."""
    if fact.key not in limits._fields:
        return limits
    kind = type(getattr(limits, fact.key))
    return limits._replace(**{fact.key: kind(fact.after)})
