"""Perform one replay for a command: load, check, run, report.

Rule of this file: what can be refused is refused before the run starts.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cluster.cli.console import print_json, progress_bar, stdout, stdout_for_result
from cluster.cli.exits import CHECK_FAILED
from cluster.cli.options import Runtime
from cluster.cli.places import chosen_data, name_part, run_dir
from cluster.cli.policies import check_policy
from cluster.config import load_config
from router.domain.errors import BadInputError, bad_value

if TYPE_CHECKING:
    from scenarios.tables import RunSummary


class Request(NamedTuple):
    """One replay as the command line asks for it; None means the scenario's or the configuration's own."""

    scenario: str
    runtime: Runtime
    address: str | None
    seed: int | None
    policy: str | None
    data: Path | None
    out: Path | None
    config: Path | None
    is_report: bool
    is_strict: bool


def perform(request: Request, *, is_json: bool) -> int:
    """Run, report and print; return the exit code.

    Raises:
        BadInputError: a scenario, policy, directory or address that cannot be used.
    """
    if request.address is not None and request.runtime is not Runtime.RAY:
        raise BadInputError(bad_value("--address", "--runtime ray with an address", request.runtime.value))
    with stdout_for_result():
        summary, page = _run(request)
    if is_json:
        print_json(summary)
    else:
        from cluster.cli.summary import print_summary

        print_summary(stdout(), summary, page)
    has_failed = any(not holds for _, holds, _ in summary.checks)
    return CHECK_FAILED if request.is_strict and has_failed else 0


def _run(request: Request) -> tuple[RunSummary, Path | None]:
    from cluster.replay import replay
    from scenarios.report import write_report
    from scenarios.scenario import load_scenario

    config = load_config(request.config)
    data = chosen_data(request.data, config)
    scenario = load_scenario(request.scenario)
    policy = check_policy(scenario.file.learning.policy if request.policy is None else request.policy, "--policy")
    seed = request.seed if request.seed is not None else scenario.file.seed
    folder = f"{name_part(scenario.name, 'scenario name')}-{policy.replace(':', '-')}-{seed}"
    out = run_dir(request.out if request.out is not None else config.runs / folder, "--out")
    with progress_bar(scenario.name) as progress:
        summary = replay(
            scenario,
            runtime=request.runtime.value,
            address=request.address,
            seed=seed,
            policy=policy,
            data=data,
            out=out,
            progress=progress,
            options=config.ray,
        )
    return summary, write_report(out) if request.is_report else None
