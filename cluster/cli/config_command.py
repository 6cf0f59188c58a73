"""`anabranch config`: the effective configuration, and where each value came from.

Rule of this file: it shows what `cluster.config` made of file, environment and defaults, and decides nothing.
"""

from __future__ import annotations

from cluster.cli import options
from cluster.cli.console import print_json, stdout


def config(
    file: options.Config = None,
    json: options.Json = False,
) -> int:
    """Print the effective configuration and where each value came from."""
    from cluster.config import load_config

    rows = load_config(file).rows()
    if json:
        print_json({key: {"value": value, "origin": origin} for key, value, origin in rows})
        return 0
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False)
    for head in ("key", "value", "from"):
        table.add_column(head, overflow="fold")
    for key, value, origin in rows:
        table.add_row(Text(key), Text("unset" if value is None else str(value)), Text(origin))
    stdout().print(table)
    return 0
