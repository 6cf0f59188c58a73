"""`[market] kind = "tape"`: which recording is played, as a scenario file says it.

Rule of this file: a key that a format does not read is a fault with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Annotated, Literal

from msgspec import Meta

from scenarios.keys import Day, Part, Share, Span, Time

TAQ = "taq"
NOTHING_MOVES = (TAQ, "fx")
"""Formats without impact: the US day is played as it was, and a dealer's quotes tell no volume to scale impact by."""


class TapeMarket(Part, frozen=True, tag_field="kind", tag="tape"):
    """A recorded market; `folder` is looked for in the data directory."""

    format: Literal["taq", "lobster", "mbo", "binance", "fx"] = "taq"
    folder: Annotated[str, Meta(min_length=1)] = "us_taq_venue_bbo_2018"
    day: Day = "20180102"
    dark_participation: Annotated[float, Meta(gt=0.0, le=1.0)] = 0.25
    """Share of each recorded midpoint print that can be ours: others stood in those pools too."""
    past_day: Day | None = None
    """A recorded day before it, whose volume curve VWAP orders expect; without one a U-shape."""
    files: tuple[str, ...] = ()
    """The recorded files in the folder, one venue each."""
    open_s: Time = 0.0
    """When the session opens, in seconds from where all the files have begun."""
    duration_s: Span | None = None
    """How long it is; without it, to where the first file ends."""
    hidden_share: Share = 0.5
    """What of a hidden execution at the very price of a midpoint peg of ours is the peg's."""


_READ_BY: dict[str, tuple[str, ...]] = {
    "day": (TAQ,),
    "dark_participation": (TAQ,),
    "past_day": (TAQ,),
    "files": ("lobster", "mbo", "binance", "fx"),
    "open_s": ("lobster", "mbo", "binance", "fx"),
    "duration_s": ("lobster", "mbo", "binance", "fx"),
    "hidden_share": ("lobster", "mbo"),
}
"""Which formats read a key; the others read all."""


def faults(market: TapeMarket) -> Iterator[tuple[str, str, object]]:
    """Yield what is wrong with a tape's keys: the key, what was expected, what came."""
    folder = PurePosixPath(market.folder)
    if folder.is_absolute() or ".." in folder.parts:
        yield "folder", "a folder inside the data directory", market.folder
    if market.past_day is not None and market.past_day >= market.day:
        yield "past_day", f"a day before {market.day}", market.past_day
    defaults = TapeMarket()
    for key, formats in _READ_BY.items():
        if market.format not in formats and getattr(market, key) != getattr(defaults, key):
            yield key, f"none with the format {market.format}", getattr(market, key)
    wanted = {TAQ: (0, 0), "lobster": (1, 1), "mbo": (1, 1)}.get(market.format, (1, 8))
    if not wanted[0] <= len(market.files) <= wanted[1]:
        yield "files", f"{wanted[0]} to {wanted[1]} files with the format {market.format}", len(market.files)
    for i, name in enumerate(market.files):
        if PurePosixPath(name).name != name or name in market.files[:i]:
            yield f"files[{i}]", "the name of a file in the folder, once", name
