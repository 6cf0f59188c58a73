"""`anabranch learner`: train, judge and release what learns.

Rule of this file: it only assembles; each command is a module of its own, `learner_*.py`.
"""

from __future__ import annotations

import typer

from cluster.cli.learner_evaluate import evaluate
from cluster.cli.learner_pool import pool
from cluster.cli.learner_state import checkpoint, rebuild, status
from cluster.cli.learner_train_price import train_price


def learner_app() -> typer.Typer:
    """Return the commands under `learner`."""
    app = typer.Typer(help="Train, judge and release what learns.", no_args_is_help=True)
    app.callback()(_group)
    app.command("evaluate")(evaluate)
    app.command("train-price")(train_price)
    for command in (checkpoint, rebuild, pool, status):
        app.command()(command)
    return app


def _group() -> None:
    # With a callback, a single command stays a sub-command.
    return
