"""Lets the tests of this folder import the folder `benchmarks`, which no package holds.

Rule of this file: nothing else is shared.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[2])

if ROOT not in sys.path:
    sys.path.append(ROOT)
