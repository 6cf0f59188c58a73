"""`anabranch learner evaluate`: what another policy would have brought, judged from a run's log or a host's journal.

Rule of this file: it estimates nothing; `scenarios.judging` and `learners.evaluation` do.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, stdout, stdout_for_result
from router.domain.errors import BadInputError, bad_value

if TYPE_CHECKING:
    from rich.console import Console

    from learners.evaluation.estimators import Estimate
    from learners.evaluation.verdict import Judgement
    from scenarios.decision_log import DecisionLog


def evaluate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, or a host's journal (a file).")],
    policy: Annotated[str, typer.Option(metavar="NAME", help="The policy to judge.")],
    scenario: Annotated[
        str | None, typer.Option(metavar="SCENARIO", help="With a journal: the scenario it was written in.")
    ] = None,
    seed: Annotated[int | None, typer.Option(min=0, max=options.SEED_MAX, help="With a journal: its seed.")] = None,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Judge a policy from what another one logged: IPS, SNIPS, DM, DR and DRS, with overlap and a verdict."""
    from cluster.cli.places import chosen_data
    from cluster.config import load_config
    from scenarios.judging import judge_policy

    with stdout_for_result():
        log = read_log(run, scenario, seed, chosen_data(data, load_config(config)))
        found = judge_policy(log, policy)
    if json:
        print_json(_as_json(policy, log.policy, found))
    else:
        _print(stdout(), policy, log.policy, found)
    return 0


def read_log(run: Path, scenario: str | None, seed: int | None, data: Path | None) -> DecisionLog:
    """Return the log of a run directory, or with its scenario that of a host's journal.

    Raises:
        BadInputError: neither, or a scenario without a journal.
    """
    from cluster.journal.sqlite import SqliteJournal
    from scenarios.assembly import assemble
    from scenarios.decision_log import log_of_journal, log_of_run
    from scenarios.scenario import load_scenario

    if not run.is_file():
        if scenario is not None or seed is not None:
            raise BadInputError(bad_value("RUN", "a journal with --scenario and --seed", str(run)))
        return log_of_run(run, data)
    if scenario is None:
        raise BadInputError(bad_value("--scenario", "the scenario that a journal was written in", scenario))
    found = load_scenario(scenario)
    assembly = assemble(found, found.file.seed if seed is None else seed, data)
    journal = SqliteJournal(run, is_reader=True)
    try:
        return log_of_journal(journal, assembly)
    finally:
        journal.close()


def _print(console: Console, policy: str, acting: str, found: Judgement) -> None:
    from rich.table import Table
    from rich.text import Text

    title = f"{policy}, judged by {found.decisions:,} decisions of {acting} in {found.clusters:,} minutes"
    console.print(Text(title, style="bold"))
    table = Table(box=None, pad_edge=False)
    for head in ("estimator", "bps a share", "std error", "95 % interval"):
        table.add_column(head, justify="left" if head == "estimator" else "right")
    for estimate in (found.logged, *found.estimates, found.gain):
        error = f"{estimate.error:.3f}" if math.isfinite(estimate.error) else "–"
        table.add_row(Text(_NAMES[estimate.name]), f"{estimate.value:+.3f}", error, _interval(estimate))
    console.print(table)
    console.print(
        Text(
            f"effective sample size {found.effective_share:.1%} of what was sent · "
            f"{found.unsupported_share:.1%} of what it would send went nowhere in the log"
        ),
        soft_wrap=True,
    )
    console.print(Text(f"{found.verdict}: {found.reason}", style="bold"), soft_wrap=True)


_NAMES = {
    "logged": "logged (what was brought)",
    "IPS": "IPS",
    "SNIPS": "SNIPS",
    "DM": "DM (no interval: as wrong as its model)",
    "DR": "DR",
    "DRS": "DRS (the one to read)",
    "gain": "DRS less logged",
}


def _interval(estimate: Estimate) -> str:
    return f"{estimate.low:+.3f} to {estimate.high:+.3f}" if math.isfinite(estimate.error) else "–"


def _as_json(policy: str, acting: str, found: Judgement) -> dict[str, object]:
    def one(estimate: Estimate) -> dict[str, object]:
        bounds = [estimate.low, estimate.high] if math.isfinite(estimate.error) else None
        return {"name": estimate.name, "value_bps": estimate.value, "interval_bps": bounds}

    return {
        "policy": policy,
        "logged_policy": acting,
        "verdict": found.verdict,
        "reason": found.reason,
        "logged": one(found.logged),
        "estimates": [one(estimate) for estimate in found.estimates],
        "gain": one(found.gain),
        "decisions": found.decisions,
        "clusters": found.clusters,
        "effective_share": found.effective_share,
        "unsupported_share": found.unsupported_share,
    }
