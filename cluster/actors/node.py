"""One node of a cluster, as it is told.

Rule of this file: a value; who asks how a desk is loads no Ray.
"""

from __future__ import annotations

import msgspec


class Node(msgspec.Struct, frozen=True, kw_only=True):
    """One node: its id as Ray has it, its address, and the names of the actors that live on it."""

    node: str
    address: str
    is_alive: bool = True
    is_draining: bool = False
    actors: tuple[str, ...] = ()
