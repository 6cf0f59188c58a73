"""`anabranch learner pool`: a checkpoint for a symbol of which little is known, from those of its group.

Rule of this file: it only assembles; what symbols have in common is worked out in `learners.lanes.pool`.
"""

from __future__ import annotations

import getpass
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, stdout, stdout_for_result
from cluster.cli.learner_state import check_out
from router.domain.errors import BadInputError, bad_value


def pool(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Checkpoints of two symbols or more.")],
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="SCENARIO", help="The new symbol's: its lanes are to be the same.")
    ],
    out: Annotated[Path, typer.Option(metavar="FILE", help="Where to write what they have in common.")],
    by: Annotated[str | None, typer.Option(metavar="NAME", help="Who makes it. Default: the user.")] = None,
    data: options.Data = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Write what several symbols' learners have in common, for a new symbol to begin from."""
    from cluster.cli.places import chosen_data
    from cluster.config import load_config
    from learners.policies.build import build_policy
    from scenarios.assembly import assemble
    from scenarios.checkpoints import pooled, read_checkpoint, write_checkpoint
    from scenarios.policies import policy_setup
    from scenarios.scenario import load_scenario

    check_out(out)
    with stdout_for_result():
        found = {str(file): read_checkpoint(file) for file in files}
        if len(found) < len(files):
            raise BadInputError(bad_value("FILE", "each checkpoint once", ", ".join(map(str, files))))
        loaded = load_scenario(scenario)
        assembly = assemble(loaded, loaded.file.seed, chosen_data(data, load_config(config)))
        name = next(iter(found.values())).provenance.policy
        setup, build = policy_setup(assembly, name), partial(build_policy, name)
        made = pooled(found, setup, build, created_by=by or getpass.getuser(), symbol=loaded.file.symbol)
        write_checkpoint(out, made)
    about = made.provenance
    if json:
        print_json({"out": out, "provenance": about})
    else:
        said = f"{about.policy}: {len(found)} symbols, {about.applied:,} outcomes in all, for {loaded.file.symbol}"
        stdout().print(said, markup=False, soft_wrap=True)
        stdout().print(f"sha256 {about.sha256}", markup=False, soft_wrap=True)
        stdout().print(f"checkpoint written to {out}", markup=False, soft_wrap=True)
    return 0
