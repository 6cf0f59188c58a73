"""Tests of the client talk to the served desk of the tests of the API, and run the examples of the repository.

Rule of this file: it only says where those are.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]

for folder in (str(ROOT / "tests" / "api"), str(ROOT)):
    if folder not in sys.path:
        sys.path.append(folder)
