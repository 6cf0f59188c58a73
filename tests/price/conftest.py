"""Where the recorded data is, for the price model's tests on real tapes.

Rule of this file: fixtures only.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data_dir() -> Path | None:
    """Return the data directory, None where there is none."""
    place = os.environ.get("ANABRANCH_DATA")
    root = Path(place) if place else Path(__file__).parents[2].parent / "shared" / "data"
    return root if root.is_dir() else None
