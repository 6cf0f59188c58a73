"""How the functions of a book are compiled.

Rule of this file: numba's switches are chosen here, once.

Compiled books never allocate: their arrays are made in `venues.book.state` and handed in. So reference counting, which
numba would do for each array at each use (ten times the cost of a whole command), is switched off.

The compiled code is kept on disk beside its source and looked at again when that source changes, but not when a
function that it calls changes in another file: who changes one empties the folders `__pycache__` under `venues`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a function that allocates nothing, and keep the code on disk."""
    return cast(Function, njit(cache=True, _nrt=False)(function))


def inlined(function: Function) -> Function:
    """Compile a short function into whatever calls it."""
    return cast(Function, njit(cache=True, _nrt=False, forceinline=True)(function))
