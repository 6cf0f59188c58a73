"""The collector of cycles in a process that lives for a day: it looks through what is new, never through all there is.

Rule of this file: it is the interpreter's own collector and stays on; what was looked through once and is still in use
is set aside, so that a pause is as long as what has come since, and not as the day.

A live process holds a quarter of a million objects before its first order, and keeps every order of the day. Python
looks through all of them whenever a quarter has been added: a tenth of a second in which nobody is answered, and longer
from hour to hour.
See https://docs.python.org/3/library/gc.html#gc.freeze.
"""

from __future__ import annotations

import gc
from collections.abc import Mapping

OLDEST = 2
"""The generation whose collection looks through everything."""


def set_aside() -> None:
    """Set aside all that there is now, and from now on whatever a collection of everything leaves. What is set aside
    ends when nobody refers to it, as before; a cycle of it stays until `take_back`."""
    gc.freeze()
    # Nothing is left to look through: the collector forgets how much there was, by which it would reckon the next time.
    gc.collect()
    gc.callbacks.append(_collected)


def take_back() -> None:
    """Undo one `set_aside`; with the last one all that was set aside is looked through again. Without any before it,
    nothing happens."""
    if _collected in gc.callbacks:
        gc.callbacks.remove(_collected)
    if _collected not in gc.callbacks:
        gc.unfreeze()


def _collected(phase: str, info: Mapping[str, int]) -> None:
    if phase == "stop" and info["generation"] == OLDEST:
        gc.freeze()
