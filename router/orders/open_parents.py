"""What a host must look at in every batch: its open parents alone, and of those only what has changed.

Rule of this file: it is made of the events a host applies and can be made again from them; what it says is what a look
at every parent, the closed ones too, would say, in the order in which parents were accepted.
"""

from __future__ import annotations

from router.domain.enums import Tactic
from router.domain.events import ChildIntended, ChildLost, ChildSent, Event
from router.domain.units import Nanos
from router.orders import desk
from router.orders.desk import HostSetup
from router.orders.parent import ParentState


class OpenParents:
    """The open parents of a host: when each wants to wake, and how many children are open."""

    def __init__(self, setup: HostSetup) -> None:
        self._setup = setup
        self._may_listen = any(Tactic.CONDITIONAL in spec.tactics for spec in setup.specs)
        self._wakes: dict[str, tuple[str, Nanos]] = {}
        self._touched: dict[str, ParentState] = {}
        self._live: dict[str, int] = {}
        self._listening: dict[str, bool] = {}
        self._unsent: dict[str, ParentState] = {}
        self.children = 0
        """How many children are open, as it was settled last."""

    @property
    def is_listening(self) -> bool:
        """Whether a venue may invite a child to firm up, as it was settled last."""
        return bool(self._listening)

    def note(self, state: ParentState, event: Event) -> None:
        """Hear that an event is about to change a parent."""
        self._touched[event.parent_id] = state
        if type(event) is ChildIntended:
            self._unsent[event.cl_ord_id] = state
        elif type(event) is ChildSent or type(event) is ChildLost:
            self._unsent.pop(event.cl_ord_id, None)

    def settle(self) -> None:
        """Look at the parents that have changed since this was last done."""
        for parent_id, state in self._touched.items():
            self.children += len(state.live) - self._live.get(parent_id, 0)
            if not state.is_open:
                for known in (self._wakes, self._live, self._listening):
                    known.pop(parent_id, None)
                continue
            self._wakes[parent_id] = (parent_id, desk.next_wake(state, self._setup))
            self._live[parent_id] = len(state.live)
            if self._may_listen and any(child.child.tactic is Tactic.CONDITIONAL for child in state.live.values()):
                self._listening[parent_id] = True
            else:
                self._listening.pop(parent_id, None)
        self._touched.clear()

    def names(self) -> tuple[str, ...]:
        """Return the ids of the open parents."""
        self.settle()
        return tuple(self._wakes)

    def wakes(self) -> tuple[tuple[str, Nanos], ...]:
        """Return for each open parent when it next wants to decide, as it was settled last."""
        return tuple(self._wakes.values())

    def due(self, now: Nanos) -> list[str]:
        """Return the ids of the parents that want to decide by `now`."""
        self.settle()
        return [parent_id for parent_id, at in self._wakes.values() if at <= now]

    def unsent(self) -> list[tuple[str, ParentState]]:
        """Return the children that are intended and nobody has vouched for, each with its parent."""
        return list(self._unsent.items())
