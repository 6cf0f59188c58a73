"""Makes the folder `benchmarks` importable, which is part of the repository and of no package.

Rule of this file: it changes the search path at its end, so that nothing of ours is hidden by it.
"""

from __future__ import annotations

import sys
from pathlib import Path

ROOT = str(Path(__file__).parents[2])

if ROOT not in sys.path:
    sys.path.append(ROOT)
