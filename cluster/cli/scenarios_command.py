"""`anabranch scenarios`: what the library holds.

Rule of this file: one line a scenario, from the scenario itself.
"""

from __future__ import annotations

from cluster.cli import options
from cluster.cli.console import print_json, stdout


def scenarios(json: options.Json = False) -> int:
    """List the scenarios of the library."""
    from scenarios.scenario import library, load_scenario

    loaded = [load_scenario(name) for name in library()]
    if json:
        print_json([{"name": s.name, "title": s.file.title, "description": s.file.description} for s in loaded])
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for scenario in loaded:
        table.add_row(Text(scenario.name), Text(" ".join(scenario.file.description.split())))
    stdout().print(table)
    return 0
