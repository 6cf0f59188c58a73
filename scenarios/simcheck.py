"""The simulator's examination, whole: published probabilities, impact, no free lunch, stylised facts.

Rule of this file: it gathers rows; what is measured, and within what bounds, is said where it is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from scenarios.free_lunch import DAYS_ENOUGH, free_lunch
from scenarios.recordings import present, recorded
from venues.flow.checks import CheckRow
from venues.flow.examination import FULL, QUICK, beside, metaorder_impact, published_chances, stylised_facts

DAYS_QUICK = 4
"""Days of each free lunch that is tried: a large one shows. The whole examination takes enough for a small one."""

Progress = Callable[[float, str], None]


def simcheck(data: Path | None, *, is_quick: bool = False, progress: Progress | None = None) -> list[CheckRow]:
    """Return every row; recordings that the data directory does not hold have none."""
    size = QUICK if is_quick else FULL
    names = present(data)
    parts: list[tuple[str, Callable[[], list[CheckRow]]]] = [
        ("published probabilities", lambda: published_chances(size)),
        ("impact of metaorders", lambda: metaorder_impact(size)),
        ("no free lunch", lambda: free_lunch(DAYS_QUICK if is_quick else DAYS_ENOUGH)),
        *((f"stylised facts of {name}", lambda name=name: _facts(name, data)) for name in names),
    ]
    rows: list[CheckRow] = []
    for done, (title, part) in enumerate(parts):
        if progress is not None:
            progress(done / len(parts), title)
        rows += part()
    return rows


def _facts(name: str, data: Path | None) -> list[CheckRow]:
    tape = recorded(name, data)
    return stylised_facts(tape, beside(tape))
