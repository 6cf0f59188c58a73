"""How a desk is, for people and for programs: `anabranch status`.

Rule of this file: text from values; it asks nobody.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from cluster.actors.lives import Life
from cluster.actors.node import Node
from cluster.api.decimals import time_text
from cluster.live.told import Told, UpStatus
from router.domain.units import SECOND, Nanos

_HEADER = ("actor", "role", "state", "pid", "node", "up for", "restarts", "last death", "why")
_NODE_HEADER = ("node", "address", "state", "actors")
_TIMES = ("since", "died_at")


def desk_lines(found: UpStatus, ready: Mapping[str, Any], told: Told, now: Nanos) -> Iterator[str]:
    """Yield the lines of `anabranch status`."""
    waits_for = ", ".join(ready.get("waits_for", ())) or "nothing that it tells"
    yield f"{found.url}: {'ready' if ready.get('is_ready') else f'waits for {waits_for}'}"
    yield (
        f"{found.symbol}, a session from {_time(found.opened_at)} to {_time(found.closes_at)};"
        f" held by process {found.pid} since {_time(found.up_since)}"
    )
    yield found.build if found.build == found.opened_build else f"{found.build}; opened by {found.opened_build}"
    if told.fault:
        known = f"as it was at {_time(told.at)}" if told.at else "nothing is known"
        yield f"the supervisor does not answer ({told.fault}): {known}"
    if told.actors:
        yield from _table([_HEADER, *(_row(life, now) for life in told.actors)])
    if len(told.nodes) > 1:
        yield from _table([_NODE_HEADER, *map(_node_row, told.nodes)])


def desk_report(found: UpStatus, ready: Mapping[str, Any], told: Told) -> dict[str, Any]:
    """Return what `anabranch status --json` prints."""
    desk = {key: value for key, value in msgspec.structs.asdict(found).items() if key not in ("secret", "port")}
    desk |= {key: time_text(desk[key]) for key in ("opened_at", "closes_at", "up_since")}
    actors = []
    for life in told.actors:
        actor = msgspec.structs.asdict(life)
        actors.append(actor | {key: time_text(actor[key]) if actor[key] else None for key in _TIMES})
    cluster = {"as_of": time_text(told.at) if told.at else None, "fault": told.fault, "actors": actors}
    cluster["nodes"] = [msgspec.structs.asdict(node) for node in told.nodes]
    return {"url": found.url, "ready": dict(ready), "desk": desk, "cluster": cluster}


def _row(life: Life, now: Nanos) -> tuple[str, ...]:
    return (
        life.name,
        life.role,
        "up" if life.is_alive else "rests" if life.is_resting else "down",
        str(life.pid or "-"),
        life.node or "-",
        _span(now - life.since) if life.is_alive else "-",
        str(life.incarnation),
        f"{_span(now - life.died_at)} ago" if life.died_at else "-",
        life.why or "-",
    )


def _node_row(node: Node) -> tuple[str, ...]:
    return node.node, node.address, "drained" if node.is_draining else "open", ", ".join(node.actors) or "-"


def _table(rows: list[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        yield "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _span(ns: int) -> str:
    """Write how long something lasted.

    >>> _span(59 * SECOND), _span(3_700 * SECOND), _span(100_000 * SECOND)
    ('59s', '1h01m', '1d03h')
    """
    minutes, seconds = divmod(max(ns, 0) // SECOND, 60)
    hours, minutes = divmod(minutes, 60)
    if hours >= 24:
        return f"{hours // 24}d{hours % 24:02}h"
    return f"{hours}h{minutes:02}m" if hours else f"{minutes}m{seconds:02}s" if minutes else f"{seconds}s"


def _time(at: Nanos) -> str:
    return time_text(at // SECOND * SECOND)
