"""A fresh process of this interpreter for each measurement, so that its memory peak, caches and hash seed are its own.

Rule of this file: a process that fails is an error with its last words; no figure is made up for it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from router.domain.errors import LinkError

ROOT = Path(__file__).resolve().parents[1]

TIMEOUT_S = 1_800.0
"""The longest single measurement takes a minute or two: more than this means that it hangs."""


class Command(NamedTuple):
    """One `anabranch` command in a process of its own: wall time from start to end, and what it printed as JSON."""

    wall_s: float
    cpu_s: float
    peak_mb: float
    printed: dict[str, Any]


def run_command(arguments: Sequence[str], environ: Mapping[str, str] | None = None) -> Command:
    """Run `anabranch ARGUMENTS --json` and measure it.

    Raises:
        LinkError: it did not end well; says with which words.
    """
    started = time.perf_counter()
    used, printed = _run("command", {"arguments": [*arguments, "--json"]}, environ)
    wall_s = time.perf_counter() - started
    return Command(wall_s, used["cpu_s"], used["peak_mb"], json.loads(printed.strip().splitlines()[-1]))


def run_task(task: str, environ: Mapping[str, str] | None = None, **arguments: Any) -> Any:
    """Run a task of `tasks` by name and return its result.

    Raises:
        LinkError: it did not end well; says with which words.
    """
    return _run(task, arguments, environ)[0]


def _run(task: str, arguments: Mapping[str, Any], environ: Mapping[str, str] | None) -> tuple[Any, str]:
    env = {**os.environ, **(environ or {})}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(ROOT), env.get("PYTHONPATH"))))
    with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
        result = Path(folder) / "result.json"
        line = [sys.executable, "-m", "benchmarks.tasks", task, json.dumps(arguments), str(result)]
        try:
            ended = subprocess.run(line, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
        except subprocess.TimeoutExpired as exc:
            raise LinkError(f"expected task {task} to end within {TIMEOUT_S:.0f} s, got no end") from exc
        if ended.returncode or not result.exists():
            words = " ".join(ended.stderr.strip().splitlines()[-3:])
            raise LinkError(f"expected task {task} to succeed, got exit code {ended.returncode}: {words}")
        return json.loads(result.read_text(encoding="utf-8")), ended.stdout
