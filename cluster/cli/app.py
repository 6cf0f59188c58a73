"""The application: every command by name.

Rule of this file: it only assembles.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.cli.bench_command import bench
from cluster.cli.calibrate_command import calibrate
from cluster.cli.cluster_command import drain, scale
from cluster.cli.compare_command import compare
from cluster.cli.config_command import config
from cluster.cli.data_command import data_app
from cluster.cli.demo_command import demo
from cluster.cli.explain_command import explain
from cluster.cli.journal_command import journal_app
from cluster.cli.learner_command import learner_app
from cluster.cli.replay_command import replay
from cluster.cli.report_command import report
from cluster.cli.scenarios_command import scenarios
from cluster.cli.simcheck_command import simcheck
from cluster.cli.up_command import down, status, up
from cluster.cli.verify_command import verify_replay


def build_app() -> typer.Typer:
    """Return the application."""
    app = typer.Typer(
        help="Anabranch: a smart order router that learns from every fill, expiry, cancel and late markout.",
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback(invoke_without_command=True)(_root)
    for command in (demo, replay, compare, report, explain, scenarios, bench, config, calibrate, simcheck):
        app.command()(command)
    for live in (up, status, scale, drain, down, verify_replay):
        app.command()(live)
    app.add_typer(data_app(), name="data")
    app.add_typer(learner_app(), name="learner")
    app.add_typer(journal_app(), name="journal")
    return app


def _root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and leave.")] = False,
) -> None:
    if version:
        from importlib.metadata import version as installed

        typer.echo(installed("anabranch"))
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
