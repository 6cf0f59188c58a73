"""The ranges that a model's parameters must lie in.

Rule of this file: a fault names the key, the range and what came; whoever reads the file adds the place.
"""

from __future__ import annotations

import msgspec

from router.domain.errors import bad_value

Ranges = tuple[tuple[str, float, float], ...]
"""Name, least and greatest value of each parameter."""


def check_ranges(owner: msgspec.Struct, ranges: Ranges) -> None:
    """Refuse a parameter outside its closed range.

    Raises:
        ValueError: names the first one, as a struct's own validation has to.
    """
    for name, low, high in ranges:
        if not low <= getattr(owner, name) <= high:
            raise ValueError(bad_value(name, f"a value from {low} to {high}", getattr(owner, name)))
