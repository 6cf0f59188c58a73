"""Recorded files for the feeds' tests, where they are present.

Rule of this file: fixtures only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def recorded_file() -> Callable[[str], Path]:
    """Return a file of the data directory by its relative path, or skip."""
    place = os.environ.get("ANABRANCH_DATA")
    root = Path(place) if place else Path(__file__).parents[2].parent / "shared" / "data"

    def find(name: str) -> Path:
        if not (root / name).exists():
            pytest.skip(f"no recorded data: {name} is neither in ANABRANCH_DATA nor in ../shared/data")
        return root / name

    return find
