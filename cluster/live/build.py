"""Which build of this project runs: its version, and a fingerprint of its source.

Rule of this file: two processes say the same only if they run the same code.
"""

from __future__ import annotations

import functools
import hashlib
from importlib import metadata
from pathlib import Path

PACKAGES = ("cluster", "learners", "router", "scenarios", "venues")
"""What a desk runs; the client is not part of it."""

FINGERPRINT_CHARACTERS = 12

_PROJECT = Path(__file__).resolve().parents[2]


@functools.cache
def build_text() -> str:
    """Return which build this is: all live processes of a desk must be of one.

    >>> build_text().startswith("anabranch ")
    True
    """
    return f"anabranch {metadata.version('anabranch')} ({fingerprint(_PROJECT)})"


def fingerprint(project: Path) -> str:
    """Return the first digits of a SHA-256 over the path and the text of every source file, in the order of paths."""
    digest = hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((project / package).rglob("*.py")):
            text = path.read_bytes()
            digest.update(f"{path.relative_to(project).as_posix()} {len(text)}\n".encode() + text)
    return digest.hexdigest()[:FINGERPRINT_CHARACTERS]
