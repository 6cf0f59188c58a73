"""Runs a scenario in one process, from its file to its summary.

Rule of this file: it puts parts together; what they do is theirs.
"""

from __future__ import annotations

import resource
import time
from pathlib import Path

import msgspec

from router.domain.errors import RunError
from scenarios.assembly import Assembly, assemble
from scenarios.checkers import check_holds
from scenarios.conductor import Conductor
from scenarios.day import HOST, LEARNER, Progress, drive, link_of
from scenarios.evaluation import costs
from scenarios.link import Link
from scenarios.policies import checkpoint_for, make_learner
from scenarios.run_output import write_run
from scenarios.scenario import Scenario
from scenarios.tables import PX_UNIT, RunSummary


def run(
    scenario: Scenario,
    *,
    seed: int,
    policy: str | None = None,
    data: Path | None = None,
    out: Path | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Run `scenario` in this process and return what it came to; write the run directory `out` when given.

    `data` is the directory of recorded data, `policy` overrides the scenario's, `progress` hears (share, text).

    Raises:
        BadInputError: the scenario, policy, data or directory cannot be used.
    """
    assembly = assemble(scenario, seed, data)
    name = policy or scenario.file.learning.policy
    link = local_link(assembly, name)
    host_of = {parent.parent_id: HOST for parent in assembly.parents}
    return conduct(assembly, link, host_of, name, runtime="inprocess", out=out, progress=progress)


def local_link(assembly: Assembly, policy: str) -> Link:
    """Return every shell of the run, in this process, with the policy of that name."""
    return link_of(assembly, make_learner(assembly, LEARNER, policy))


def conduct(
    assembly: Assembly,
    link: Link,
    host_of: dict[str, str],
    policy: str,
    *,
    runtime: str,
    out: Path | None = None,
    progress: Progress | None = None,
) -> RunSummary:
    """Drive a run over any link to its end, evaluate it and write it down."""
    started = time.perf_counter()
    conductor = drive(assembly, link, host_of, progress)
    summary = _summary(assembly, conductor, policy, runtime, time.perf_counter() - started)
    if out is not None:
        summary = msgspec.structs.replace(summary, out=str(out))
        if out == Path():
            raise RunError("expected a folder for the run, got an empty path")
        write_run(out, assembly.scenario, conductor.recorder, summary)
    return summary


def _checkpoint(assembly: Assembly, policy: str) -> str:
    found = checkpoint_for(assembly, policy)
    return "" if found is None else found.provenance.sha256


def _summary(assembly: Assembly, conductor: Conductor, policy: str, runtime: str, wall_s: float) -> RunSummary:
    recorder = conductor.recorder
    filled = sum(order["cum_qty"] for order in recorder.orders.values())
    accepted = {name: order["order_qty"] for name, order in recorder.orders.items()}
    ordered = sum(accepted.get(parent.parent_id, parent.order_qty) for parent in assembly.parents)
    summary = RunSummary(
        scenario=assembly.scenario.name,
        seed=assembly.seed,
        policy=policy,
        runtime=runtime,
        digest=recorder.digest,
        wall_s=round(wall_s, 3),
        events=conductor.events,
        windows=conductor.windows,
        decisions=len(recorder.decisions),
        fills=len(recorder.executions),
        outcomes=len(recorder.outcomes),
        order_qty=ordered,
        filled_qty=filled,
        **costs(recorder, conductor.history)._asdict(),
        policy_versions=recorder.policy_versions,
        anomalies=sum(order["anomalies"] for order in recorder.orders.values()),
        children=len(recorder.children),
        unfilled_qty=ordered - filled,
        learner_digest=recorder.learner_digest,
        checkpoint=_checkpoint(assembly, policy),
        past_days=assembly.scenario.file.learning.past_days,
        release=recorder.release,
        steered=tuple(recorder.steered),
        px_unit=assembly.day.px_unit if assembly.day is not None else PX_UNIT,
        peak_memory_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
    )
    return msgspec.structs.replace(summary, checks=check_holds(assembly.scenario.file.holds, summary, recorder))
