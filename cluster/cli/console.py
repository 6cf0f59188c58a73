"""What people see: tables on stdout, progress on stderr where that is a terminal.

Rule of this file: nothing but results reaches stdout, whatever libraries print.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from rich.console import Console

Progress = Callable[[float, str], None]


def stdout() -> Console:
    """Return the console for results; a pipe gets plain text, wide enough not to be cut."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else 160, highlight=False)


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[Progress | None]:
    """Give a function (fraction 0..1, text) that moves a bar on stderr; None where stderr is no terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.fields[title]}"), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.description}"), console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=1.0, title=title)

        def moved(fraction: float, text: str) -> None:
            bar.update(task, completed=fraction, description=text)

        yield moved


@contextlib.contextmanager
def stdout_for_result() -> Iterator[None]:
    """Send everything written to stdout, by this process or its children, to stderr until the block ends."""
    sys.stdout.flush()
    saved = os.dup(1)
    try:
        os.dup2(2, 1)
        with contextlib.redirect_stdout(sys.stderr):
            yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


def print_json(value: object) -> None:
    """Print one JSON object on one line."""
    print(msgspec.json.encode(value, enc_hook=str).decode())
