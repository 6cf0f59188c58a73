"""`anabranch demo`: a small replay on a local Ray, with its report.

Rule of this file: it is `replay` with everything chosen for a first look.
"""

from __future__ import annotations

from typing import Annotated

import typer

from cluster.cli import options
from cluster.cli.options import Runtime

DEMO_SCENARIO = "smoke"


def demo(
    scenario: Annotated[str, typer.Option(metavar="SCENARIO", help="What to show.")] = DEMO_SCENARIO,
    seed: options.Seed = None,
    policy: options.Policy = None,
    data: options.Data = None,
    out: options.Out = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Show a small scenario on local Ray actors and write its report."""
    from cluster.cli.runs import Request, perform

    request = Request(scenario, Runtime.RAY, None, seed, policy, data, out, config, is_report=True, is_strict=False)
    code = perform(request, is_json=json)
    if not json and not code:
        typer.echo("next: .venv/bin/anabranch up     # a live desk on this machine: orders over HTTP, docs at /docs")
    return code
