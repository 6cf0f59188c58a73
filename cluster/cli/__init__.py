"""The command line, `anabranch`.

Rule of this package: one command, one small module; heavy imports happen inside commands, so that `--help` is
quick. Results go to stdout, everything else to stderr.
"""

from __future__ import annotations

from collections.abc import Sequence


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line (the process's own by default) and return its exit code; see `cluster.cli.exits`."""
    from cluster.cli.app import build_app
    from cluster.cli.exits import run_app

    return run_app(build_app(), arguments)
