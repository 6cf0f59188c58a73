"""What a run decided and what came of it, read back: from a run directory, or from the journal of a host of parents.

Rule of this file: a log is the router's own words again, `RoutingDecision` and `Outcome`, each in the order in which it
was said; whoever reads one cannot tell where it came from.
"""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

import numpy as np

from router.allocation.exclude import ExclusionReason
from router.domain import codec
from router.domain.errors import RunError, bad_value
from router.domain.events import DecisionMade, ParentAccepted
from router.domain.market import F64
from router.domain.scores import ContextFrame, Outcome, RoutingDecision
from router.orders import parent, saying
from router.orders.journal import Journal
from router.orders.parent import ParentState
from router.route import FALL_BACK, book_side
from scenarios.assembly import Assembly, assemble
from scenarios.report.reading import RunData, read_run
from scenarios.scenario import parse_scenario

UNUSABLE = tuple(
    reason.value
    for reason in (
        ExclusionReason.SESSION_DOWN,
        ExclusionReason.VENUE_DISABLED,
        ExclusionReason.VENUE_UNAVAILABLE,
        ExclusionReason.NO_QUOTE,
    )
)
"""Why a lane could not be used by anybody, as against by this order now."""


class DecisionLog(NamedTuple):
    """Decisions and outcomes of one run, in the order in which they were made and heard, and the run's parts made
    again from its scenario and seed. `versions` has by outcome the version that it made, 0 where the learner was frozen
    and learned nothing; without it, as of a journal, everything that was heard was learned."""

    assembly: Assembly
    policy: str
    decisions: tuple[RoutingDecision, ...]
    outcomes: tuple[Outcome, ...]
    versions: tuple[int, ...] = ()

    @property
    def learned(self) -> tuple[Outcome, ...]:
        """The outcomes that the policy learned from, in order: the n-th one made its version n."""
        if not self.versions:
            return self.outcomes
        return tuple(outcome for outcome, made in zip(self.outcomes, self.versions, strict=True) if made)

    def known(self) -> list[int]:
        """Return for each decision how many of `learned` the acting policy knew: never one of the future.

        A version is one outcome; a decision of the fall-back policy goes by time alone. An outcome heard late may be
        older than the one before it, so that time counts up to the first one that is too young.
        """
        latest = list(accumulate((outcome.at for outcome in self.learned), max))
        counts = []
        for decision in self.decisions:
            by_time = bisect_right(latest, decision.at)
            counts.append(by_time if decision.policy == FALL_BACK else min(by_time, decision.policy_version))
        return counts


def log_of_run(directory: Path, data: Path | None = None) -> DecisionLog:
    """Return the log of a run directory; `data` is the directory of recorded data, for runs on a tape.

    Raises:
        RunError: no run, or one of another format.
        BadInputError: the scenario of the run cannot be made again here.
    """
    run = read_run(directory)
    path = directory / "scenario.toml"
    scenario = parse_scenario(path.read_text(encoding="utf-8"), run.summary.scenario, str(path))
    return log_of(run, assemble(scenario, run.summary.seed, data))


def log_of(run: RunData, assembly: Assembly) -> DecisionLog:
    """Return the log of a run that was read already."""
    tables = run.tables
    decisions = tuple(codec.decode(record, RoutingDecision) for record in tables["decisions"]["record"].to_list())
    outcomes = tuple(codec.decode(record, Outcome) for record in tables["outcomes"]["record"].to_list())
    versions = tuple(tables["outcomes"]["policy_version"].to_list())
    return DecisionLog(assembly, run.summary.policy, decisions, outcomes, versions)


def log_of_journal(journal: Journal, assembly: Assembly) -> DecisionLog:
    """Return the log of a host's journal: its events are applied again, and say what they said.

    Raises:
        RunError: it holds no decision.
        CodecError, JournalCorruptError: a record that is not what was written.
    """
    states: dict[str, ParentState] = {}
    decisions: list[RoutingDecision] = []
    outcomes: list[tuple[int, Outcome]] = []
    for record in journal.read():
        event = codec.decode_event(record.payload)
        if isinstance(event, ParentAccepted):
            states[event.parent_id] = parent.accepted(event)
            continue
        if isinstance(event, DecisionMade):
            decisions.append(event.decision)
        state = states[event.parent_id]
        child = state.children.get(getattr(event, "cl_ord_id", ""))
        was_open, watched = (child.is_open, child.watched_age) if child else (True, 0)
        parent.apply(state, event)
        outcome = saying.outcome_of(state, event, was_open, watched)
        if outcome is not None:
            outcomes.append((int(record.causation_id), outcome))
    if not decisions:
        raise RunError(bad_value("journal", "the journal of a host that decided something", "no decision"))
    # Batch by batch, and in each as learners take them.
    ordered = sorted(outcomes, key=lambda told: (told[0], told[1].key))
    learned = tuple(outcome for _, outcome in ordered)
    return DecisionLog(assembly, decisions[-1].policy, tuple(decisions), learned)


def frame_of(decision: RoutingDecision, lanes: tuple[str, ...], symbol: str) -> ContextFrame:
    """Return the frame that a decision was made on, as far as it was logged.

    Of a lane that was no candidate it is known why. Where it could not be used its size is 0; else it is 1 here, so
    that a policy gives it what it would have given it, in vain. Its context is the candidates' mean: what is of the
    whole market in it is right, what is its own was not logged.
    """
    x = context_of(decision)
    row = {lane: k for k, lane in enumerate(decision.candidates)}
    mean = x.mean(axis=0) if len(x) else np.eye(1, len(decision.context_names))[0]
    whole = np.array([x[row[lane]] if lane in row else mean for lane in lanes])
    absent = {e.lane: 0 if e.reason in UNUSABLE else 1 for e in decision.exclusions}

    def spread(values: tuple[float, ...]) -> tuple[float, ...]:
        return tuple(values[row[lane]] if lane in row else 0.0 for lane in lanes)

    return ContextFrame(
        at=decision.at,
        symbol=symbol,
        side=book_side(decision.side),
        names=decision.context_names,
        lanes=lanes,
        x=whole.tobytes(),
        price_bps=spread(decision.price_bps),
        fee_bps=spread(decision.fee_bps),
        max_qty=tuple(decision.max_qty[row[lane]] if lane in row else absent.get(lane, 0) for lane in lanes),
    )


def context_of(decision: RoutingDecision) -> F64:
    """Return the context of the candidates, (candidates, features)."""
    width = len(decision.context_names)
    x: F64 = np.frombuffer(decision.context, dtype=np.float64).reshape(len(decision.candidates), width)
    return x
