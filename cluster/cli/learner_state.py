"""`anabranch learner checkpoint`, `rebuild` and `status`: what a run's learner knew, whether that follows from what it
was told, and where the release of its challenger stands.

Rule of this file: a state is written only after it was made again from the run's outcomes and found to be the same.
"""

from __future__ import annotations

import getpass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, stdout, stdout_for_result
from router.domain.errors import BadInputError, bad_value
from router.domain.units import SECOND, Nanos

if TYPE_CHECKING:
    from learners.state.checkpoint import Checkpoint
    from scenarios.decision_log import DecisionLog
    from scenarios.rebuild import Rebuilt
    from scenarios.tables import RunSummary

Run = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.")]
RunOrJournal = Annotated[Path, typer.Argument(metavar="RUN", help="A run directory, or a host's journal (a file).")]
ScenarioOfJournal = Annotated[
    str | None, typer.Option("--scenario", metavar="SCENARIO", help="With a journal: the scenario it was written in.")
]
SeedOfJournal = Annotated[
    int | None, typer.Option("--seed", min=0, max=options.SEED_MAX, help="With a journal: its seed.")
]
Began = Annotated[
    Path | None, typer.Option("--checkpoint", metavar="FILE", help="What the run began from, if from a checkpoint.")
]


def checkpoint(
    run: Run,
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write what the learner knew at the end.")],
    began: Began = None,
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who makes it. Default: the user.")] = None,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Write what the learner of a run knew at its end, after making it again from the run's outcomes."""
    from scenarios.checkpoints import write_checkpoint

    check_out(out)
    with stdout_for_result():
        log, rebuilt = _rebuilt(run, None, None, began, data, config)
        made = _checkpoint(log, rebuilt, began, by)
        write_checkpoint(out, made)
    about = made.provenance
    if json:
        print_json({"out": out, "provenance": about})
    else:
        stdout().print(f"{about.policy}: {about.applied:,} outcomes of {about.source}", markup=False, soft_wrap=True)
        stdout().print(f"sha256 {about.sha256}", markup=False, soft_wrap=True)
        stdout().print(f"checkpoint written to {out}", markup=False, soft_wrap=True)
    return 0


def rebuild(
    run: RunOrJournal,
    out: Annotated[Path | None, typer.Option(metavar="FILE", help="Also write it as a checkpoint.")] = None,
    began: Began = None,
    scenario: ScenarioOfJournal = None,
    seed: SeedOfJournal = None,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Make a learner's state again from what it learned, and compare it with what was published, to the bit."""
    from scenarios.checkpoints import write_checkpoint

    if out is not None:
        check_out(out)
    with stdout_for_result():
        log, rebuilt = _rebuilt(run, scenario, seed, began, data, config)
        digest = rebuilt.policy.digest()
        if out is not None:
            write_checkpoint(out, _checkpoint(log, rebuilt, began, None))
    if json:
        print_json({"policy": log.policy, "applied": rebuilt.applied, "checked": rebuilt.checked, "digest": digest})
    else:
        said = f"{log.policy}: {rebuilt.applied:,} outcomes applied, {rebuilt.checked:,} published states found again"
        stdout().print(said, markup=False, soft_wrap=True)
        stdout().print(f"digest {digest}", markup=False, soft_wrap=True)
    return 0


def status(run: Run, json: options.Json = False) -> int:
    """Show where the release of a run's challenger stands, its gate, and who changed what and why."""
    from scenarios.report.reading import read_run

    summary = read_run(run).summary
    if json:
        print_json({"policy": summary.policy, "release": summary.release, "steered": summary.steered})
    else:
        _print_status(summary)
    return 0


def _rebuilt(
    run: Path, scenario: str | None, seed: int | None, began: Path | None, data: Path | None, config: Path | None
) -> tuple[DecisionLog, Rebuilt]:
    from cluster.cli.learner_evaluate import read_log
    from cluster.cli.places import chosen_data
    from cluster.config import load_config
    from scenarios.checkpoints import read_checkpoint
    from scenarios.rebuild import rebuild as made_again
    from scenarios.report.reading import read_run

    found = None if began is None else read_checkpoint(began)
    log = read_log(run, scenario, seed, chosen_data(data, load_config(config)))
    return log, made_again(log, read_run(run) if run.is_dir() else None, found)


def _checkpoint(log: DecisionLog, rebuilt: Rebuilt, began: Path | None, by: str | None) -> Checkpoint:
    from scenarios.checkpoints import read_checkpoint
    from scenarios.rebuild import checkpoint_of_log

    parent = "" if began is None else read_checkpoint(began).provenance.sha256
    return checkpoint_of_log(log, rebuilt, by or getpass.getuser(), parent)


def check_out(out: Path) -> None:
    """Refuse a place where no checkpoint can be written, before anything is worked out.

    Raises:
        BadInputError: a folder, or one that cannot be written to.
    """
    from cluster.cli.places import writable_dir

    if out == Path() or out.is_dir():
        raise BadInputError(bad_value("--out", "a file for the checkpoint", str(out)))
    writable_dir(out.parent, "--out")


def _print_status(summary: RunSummary) -> None:
    from rich.table import Table
    from rich.text import Text

    console, release = stdout(), summary.release
    if release is None:
        console.print(f"{summary.policy} routes alone: nothing is being released", markup=False, soft_wrap=True)
        return
    title = f"{release.challenger} against {summary.policy}: {release.phase}, {release.share:.0%} of new orders"
    console.print(Text(title, style="bold"), soft_wrap=True)
    (theirs, ours), (low, high) = release.parents, release.difference_bps
    console.print(
        f"{theirs} orders by the champion ({release.means_bps[0]:+.2f} bps), {ours} by the challenger "
        f"({release.means_bps[1]:+.2f} bps); difference within {low:+.2f} to {high:+.2f} bps",
        markup=False,
        soft_wrap=True,
    )
    console.print(
        f"lost {release.lost_bps:.1f} bps, detector {release.detector:.2f}; "
        f"gate: {release.waits_for or 'waits for nothing'}",
        markup=False,
        soft_wrap=True,
    )
    table = Table(box=None, pad_edge=False)
    for head in ("at", "before", "act", "after", "share", "orders", "who", "why"):
        table.add_column(head)
    for event in summary.steered:
        orders = f"{event.parents[0]}/{event.parents[1]}"
        cells = (_time(event.at), event.before, event.act, event.after, f"{event.share:.0%}", orders, event.who)
        table.add_row(*(Text(cell) for cell in (*cells, event.why)))
    console.print(table)


def _time(at: Nanos) -> str:
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d %H:%M:%S")
