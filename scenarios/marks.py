"""Which mids a run owes its learners: some time after each of our executions, and after each request to a dealer.

Rule of this file: what is owed follows from the hosts' events and outcomes alone, which a host that comes back from
its journal says again as it said them; so each mark is owed once, wherever the hosts live and however windows fall.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from heapq import heappop, heappush

from router.domain.enums import Tactic
from router.domain.events import ChildTraded
from router.domain.instruments import VenueSpec, lanes_of
from router.domain.messages import MidObserved
from router.domain.scores import Outcome
from router.domain.units import SECOND, Nanos
from scenarios.history import MidHistory

LEARNER_HORIZONS: tuple[Nanos, ...] = (1 * SECOND, 10 * SECOND, 60 * SECOND)
"""After how long learners hear what a fill was worth, and what a request to a dealer leaked."""


class Marks:
    """The marks of a run that are not due yet; requests are owed theirs where `is_leakage_told`."""

    def __init__(self, specs: tuple[VenueSpec, ...], *, is_leakage_told: bool = True) -> None:
        asked = [str(lane) for lane in lanes_of(specs) if lane.tactic is Tactic.QUOTE]
        self._asked = frozenset(asked if is_leakage_told else ())
        self._owed: list[tuple[Nanos, str, str, str, Nanos]] = []

    def traded(self, event: ChildTraded) -> None:
        """Owe the marks of an execution, from the venue's time of it on; what is only inferred has none."""
        if not event.is_inferred:
            self._owe(event.transacted_at, event.parent_id, event.cl_ord_id, event.exec_id)

    def told(self, outcomes: Iterable[Outcome]) -> None:
        """Owe the marks of the requests that ended, filled or not, from when we heard of it on: each ends once."""
        for outcome in outcomes:
            if outcome.is_final and outcome.lane in self._asked:
                self._owe(outcome.at, outcome.parent_id, outcome.cl_ord_id, "")

    def due(self, now: Nanos, history: MidHistory) -> list[MidObserved]:
        """Take the marks due by `now`, in order of time; one without a mid then is dropped."""
        due = []
        while self._owed and self._owed[0][0] <= now:
            at, parent_id, cl_ord_id, exec_id, horizon = heappop(self._owed)
            mid2 = history.mid2(at)
            if mid2:
                due.append(
                    MidObserved(
                        parent_id=parent_id,
                        cl_ord_id=cl_ord_id,
                        exec_id=exec_id,
                        horizon_ns=horizon,
                        at=at,
                        mid2=mid2,
                    )
                )
        return due

    def parents(self) -> Iterator[str]:
        """Yield whose orders are owed a mark, once for each."""
        return (parent_id for _, parent_id, _, _, _ in self._owed)

    def _owe(self, since: Nanos, parent_id: str, cl_ord_id: str, exec_id: str) -> None:
        for horizon in LEARNER_HORIZONS:
            heappush(self._owed, (since + horizon, parent_id, cl_ord_id, exec_id, horizon))
