"""One row of a benchmark's table.

Rule of this file: a figure that was not measured is None and never 0, and `holds` is None where nothing was promised.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec


class Row(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """`ours` in `unit` beside the same of others. `ratio` is ours by the first reference, `bound` the figure to reach
    and `holds` whether it was reached; None where there is none. `interval` is at 95 %, in rows of comparisons only.
    """

    id: str
    what: str
    ours: float | None
    unit: str
    references: dict[str, float]
    ratio: float | None
    bound: float | None
    holds: bool | None
    interval: tuple[float, float] | None = None


class Settings(NamedTuple):
    """How to measure: medians of `repeat`, or once with small sizes where `is_quick`. `seeds` is for comparisons."""

    repeat: int
    is_quick: bool
    seeds: int
    data: Path | None
    progress: Callable[[float, str], None]
    drill_rounds: int = 0
    """Rounds of the kill drill; 0: as many as it has by itself."""

    only: tuple[str, ...] = ()
    """Ids of rows, or how they begin, where not every row is wanted."""

    @property
    def rounds(self) -> int:
        """How often each figure is measured."""
        return 1 if self.is_quick else self.repeat

    def wants(self, id: str) -> bool:
        """Whether a row is wanted whose id is this, or begins so.

        >>> some = Settings(1, True, 1, None, print, only=("load.route.json", "load.flood.times"))
        >>> [some.wants(id) for id in ("load.route", "load.route.json.64", "load.flood", "load.orders")]
        [True, True, True, False]
        """
        return not self.only or any(f"{id}.".startswith(f"{one}.") or one.startswith(f"{id}.") for one in self.only)


def measured(
    id: str,
    what: str,
    ours: Sequence[float],
    unit: str,
    *,
    references: Mapping[str, Sequence[float]] | None = None,
    at_most: float | None = None,
    at_least: float | None = None,
) -> Row:
    """Return the row of the medians of some measurements, with a bound above or below.

    >>> row = measured("x", "a thing", [2.0, 4.0, 3.0], "s", references={"another": [6.0]}, at_most=5.0)
    >>> row.ours, row.references, row.ratio, row.bound, row.holds
    (3.0, {'another': 6.0}, 0.5, 5.0, True)
    """
    value = median(ours)
    others = {name: _short(median(values)) for name, values in (references or {}).items()}
    first = median(next(iter(references.values()))) if references else 0.0
    holds = None if at_most is None else value <= at_most
    if at_least is not None:
        holds = value >= at_least
    return Row(
        id=id,
        what=what,
        ours=_short(value),
        unit=unit,
        references=others,
        ratio=_short(value / first) if first else None,
        bound=at_most if at_least is None else at_least,
        holds=holds,
    )


def skipped(id: str, what: str, unit: str, why: str, bound: float | None = None) -> Row:
    """Return the row of something that could not be measured here."""
    return Row(
        id=id,
        what=f"{what} (skipped: {why})",
        ours=None,
        unit=unit,
        references={},
        ratio=None,
        bound=bound,
        holds=None,
    )


def _short(value: float) -> float:
    """Return a number with the digits that a measurement deserves; whole numbers stay as they are."""
    return value if float(value).is_integer() else float(f"{value:.4g}")
