"""`anabranch compare`: policies on the same seeds, paired, with intervals.

Rule of this file: no number is shown without its interval or the reason why it has none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli import options
from cluster.cli.console import print_json, progress_bar, stdout, stdout_for_result
from router.domain.errors import BadInputError, bad_value

if TYPE_CHECKING:
    from pathlib import Path

    from scenarios.comparison import Comparison
    from scenarios.scenario import Scenario

SEEDS_MAX = 10_000
"""Seeds of one comparison: above it a day would not do."""


def compare(
    scenario: options.Scenario,
    policies: Annotated[str, typer.Option(metavar="A,B,C", help="Policies; the baselines are added.")],
    seeds: Annotated[int, typer.Option(min=1, max=SEEDS_MAX, metavar="N", help="Seeds 1 to N.")] = 10,
    data: options.Data = None,
    out: options.Out = None,
    config: options.Config = None,
    json: options.Json = False,
) -> int:
    """Compare policies on the same seeds, with the static baseline and the oracle, and write the report."""
    from cluster.cli.places import chosen_data, name_part, writable_dir
    from cluster.config import load_config
    from scenarios.scenario import load_scenario

    settings = load_config(config)
    folder = chosen_data(data, settings)
    loaded = load_scenario(scenario)
    names = _names(policies)
    default = settings.runs / f"{name_part(loaded.name, 'scenario name')}-compare-{seeds}"
    place = writable_dir(out if out is not None else default, "--out")
    with stdout_for_result():
        result = _compare(loaded, names, seeds, folder, place)
    if json:
        print_json(result)
    else:
        from cluster.cli.comparison_table import print_comparison

        print_comparison(stdout(), result, place / "comparison.html")
    return 0


def _names(text: str) -> tuple[str, ...]:
    from cluster.cli.policies import check_policy

    names = tuple(check_policy(name.strip(), "--policies") for name in text.split(","))
    for n, name in enumerate(names):
        if name in names[:n]:
            raise BadInputError(bad_value("--policies", "each policy once", name))
    return names


def _compare(scenario: Scenario, policies: tuple[str, ...], seeds: int, data: Path | None, place: Path) -> Comparison:
    import msgspec

    from cluster.compare import run_policies
    from scenarios.comparison import compare as compare_runs
    from scenarios.report import write_comparison_report

    with progress_bar(scenario.name) as progress:
        runs = run_policies(scenario, policies, range(1, seeds + 1), data, progress)
    result = compare_runs(runs.summaries, runs.static, runs.oracle)
    (place / "summaries.json").write_bytes(msgspec.json.encode(runs.summaries))
    (place / "comparison.json").write_bytes(msgspec.json.encode(result))
    write_comparison_report(result, place / "comparison.html")
    return result
