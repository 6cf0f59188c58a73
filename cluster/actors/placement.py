"""Which host carries which parent order: one each while hosts last, then several.

Rule of this file: a pure function of the ids and the limits; where a parent lives shows in no result.
"""

from __future__ import annotations

from collections.abc import Sequence

from router.domain.errors import ConfigError, bad_value

HOSTS_MAX = 64
"""Beyond twenty to forty actor processes two cores do nothing else: more hosts than this is a mistake."""


def place(parent_ids: Sequence[str], pool_size: int, orders_per_actor: int) -> dict[str, str]:
    """Return the host of each parent.

    The warm pool of `pool_size` hosts takes one parent each, then up to `orders_per_actor` each; more parents than
    that get more hosts.

    >>> place(["A", "B", "C"], 2, 16)
    {'A': 'host-0', 'B': 'host-1', 'C': 'host-0'}

    Raises:
        ConfigError: more parents than `HOSTS_MAX` hosts may carry.
    """
    needed = -(-len(parent_ids) // orders_per_actor)
    hosts = max(min(pool_size, len(parent_ids), HOSTS_MAX), needed)
    if hosts > HOSTS_MAX:
        expected = f"at most {HOSTS_MAX * orders_per_actor} parents at {orders_per_actor} a host"
        raise ConfigError(bad_value("ray.orders_per_actor", expected, len(parent_ids)))
    return {parent_id: f"host-{i % hosts}" for i, parent_id in enumerate(parent_ids)}
