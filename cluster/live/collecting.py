"""The collector of cycles in a process that lives for a day: it looks through what is new, never through all there is.

Rule of this file: it is the interpreter's own collector and stays on; what was looked through once and is still in use
is set aside, so that a pause is as long as what has come since, and not as the day. What was in use when it was set
aside and is a cycle that nobody needs since, as connections become, is found when there is twice as much as there was.

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

GROWTH = 2
"""When so many times as much is set aside as a look through all of it last left, all of it is looked through again:
what is kept for nothing stays within this, and such looks become as rare as there is much."""


class _Aside:
    """What is set aside, and for how many."""

    users = 0
    left = 0
    """How many objects the last look through all there is has left."""


def set_aside() -> None:
    """Set aside all that there is now, and from now on whatever a collection of everything leaves. What is set aside
    ends when nobody refers to it, as before; a cycle of it when it is looked through again (`GROWTH`), or after
    `take_back`. It is for a process that is a live desk's: whatever else the process holds is set aside, too."""
    gc.freeze()
    # Nothing is left to look through: the collector forgets how much there was, by which it would reckon the next time.
    gc.collect()
    _Aside.left = gc.get_freeze_count()
    _Aside.users += 1
    if _Aside.users == 1:
        gc.callbacks.append(_collected)


def take_back() -> None:
    """Undo one `set_aside`; with the last one all that was set aside is looked through again. Without any before it,
    nothing happens."""
    if _Aside.users == 0:
        return
    _Aside.users -= 1
    if _Aside.users == 0:
        gc.callbacks.remove(_collected)
        gc.unfreeze()


def _collected(phase: str, info: Mapping[str, int]) -> None:
    if phase != "stop" or info["generation"] != OLDEST:
        return
    was_whole = gc.get_freeze_count() == 0
    gc.freeze()
    found = gc.get_freeze_count()
    if was_whole:
        _Aside.left = found
    elif found > GROWTH * _Aside.left:
        # The next one looks through everything, and sets aside what that leaves.
        gc.unfreeze()
