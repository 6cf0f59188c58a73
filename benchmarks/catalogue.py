"""The benchmarks by name.

Rule of this file: a benchmark is a tuple of groups, each a function from settings to rows, run in order.
"""

from __future__ import annotations

from collections.abc import Callable

from benchmarks import book, parts, policies, replays, scaling, tape_replay
from benchmarks.rows import Row, Settings

Group = Callable[[Settings], list[Row]]

BENCHMARKS: dict[str, tuple[Group, ...]] = {
    "spine": (*replays.GROUPS, *parts.GROUPS),
    "compare": (policies.compare,),
    "book": (book.books,),
    "replay": tape_replay.GROUPS,
    "scaling": (scaling.flagship, scaling.scaling),
}


def run(name: str, settings: Settings) -> list[Row]:
    """Return the rows of one benchmark.

    Raises:
        AnabranchError: something could not be measured; says what.
    """
    rows: list[Row] = []
    groups = BENCHMARKS[name]
    for done, group in enumerate(groups):
        inner = settings._replace(progress=_part(settings, done, len(groups)))
        inner.progress(0.0, group.__name__)
        rows += group(inner)
    return rows


def _part(settings: Settings, done: int, groups: int) -> Callable[[float, str], None]:
    """Return the progress of one group as a part of the whole."""
    return lambda share, text: settings.progress((done + share) / groups, text)
