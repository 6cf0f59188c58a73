"""The promise to stay, as a process keeps it: a call that is open for as long as the process lives.

Rule of this file: one such call is open at a time. Each life of the supervisor asks anew and nobody ends what its
former life asked; left open, these calls would take every slot that health is answered in.
"""

from __future__ import annotations

import threading


class Staying:
    """The promise of one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._last = threading.Event()

    def stay(self) -> None:
        """Return when the next one asks: whoever asked last hears at once when this process is gone."""
        own = threading.Event()
        with self._lock:
            former, self._last = self._last, own
        former.set()
        own.wait()
