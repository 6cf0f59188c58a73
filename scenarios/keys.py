"""The kinds of values that keys of a scenario file hold, with the range of each.

Rule of this file: a range has its reason beside it; a part of a file refuses keys that nothing reads.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Share = Annotated[float, Meta(ge=0.0, le=1.0)]
Time = Annotated[float, Meta(ge=0.0, le=1e9)]
"""Seconds since the open; thirty years is for ever."""
Span = Annotated[float, Meta(ge=1e-6, le=1e9)]
"""A length of time, a microsecond at least: what rounds to no time at all would never pass."""
Pause = Annotated[float, Meta(ge=0.1, le=1e9)]
"""A span after which we act again: shorter than 100 ms, a run would do little but act again."""
Count = Annotated[int, Meta(ge=1)]
Fee = Annotated[int, Meta(ge=-1_000_000, le=1_000_000)]
"""Micros a share; one unit of the currency a share is beyond what any venue charges."""
Day = Annotated[str, Meta(pattern="^[0-9]{8}$")]
"""A date as YYYYMMDD."""


class Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of a scenario file."""
