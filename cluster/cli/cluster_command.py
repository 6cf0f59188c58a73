"""`anabranch scale` and `anabranch drain`: how many hosts orders are spread over, and which nodes a desk leaves.

Rule of this file: it asks who holds the desk, by the secret in its state folder, and needs no key; what it asks for is
recorded with the person's name and reason before it is carried out.
"""

from __future__ import annotations

import os
import pwd
import time
from typing import TYPE_CHECKING, Annotated

import typer

from cluster.cli.options import Config
from cluster.cli.up_command import POLL_S, found_desk
from router.domain.errors import ConfigError, LinkError, bad_value

if TYPE_CHECKING:
    # Importing these imports the wire, which `--help` does not need.
    from cluster.actors.node import Node
    from cluster.live.told import Steer, Told, UpStatus

HOSTS_MAX = 64
"""As `router.domain.requests` has it, which `--help` does not need to load."""

MOVE_TIMEOUT_S = 300.0

Why = Annotated[str, typer.Option("--why", help="The reason, as it is recorded.")]
Number = Annotated[int, typer.Argument(metavar="HOSTS", min=1, max=HOSTS_MAX, help="Over how many hosts.")]
NodeName = Annotated[str, typer.Argument(metavar="NODE", help="Its id as `status` shows it, or how that begins.")]
Opened = Annotated[bool, typer.Option("--open", help="Let the node be used again.")]


def scale(hosts: Number, why: Why, config: Config = None) -> None:
    """Spread new orders over so many hosts. Orders that are there stay where they are; hosts that are left rest."""
    from cluster.live.told import Steer

    _steer(found_desk(config), Steer(who=_who(), why=why, hosts=hosts))
    typer.echo(f"new orders are spread over {hosts} host{'s' if hosts > 1 else ''} from now on")


def drain(node: NodeName, why: Why, is_open: Opened = False, config: Config = None) -> None:
    """Move everything of the desk off a node, and return when nothing lives there; or let the node be used again."""
    from cluster.live.told import Steer, ask_told

    desk = found_desk(config)
    known = _node(ask_told(desk), node)
    _steer(desk, Steer(who=_who(), why=why, node=known.node, is_draining=not is_open))
    if is_open:
        typer.echo(f"{known.node} is used again")
        return
    left = set(known.actors)
    deadline = time.monotonic() + MOVE_TIMEOUT_S
    while left:
        if time.monotonic() > deadline:
            names = ", ".join(sorted(left))
            raise LinkError(f"expected {known.node} to be left within {MOVE_TIMEOUT_S:.0f} s, got {names} there still")
        time.sleep(POLL_S)
        told = ask_told(desk)
        # While the supervisor moves itself, what was known before says nothing.
        here = left if told.fault else still_there(told, known.node, left)
        for name in sorted(left - here):
            typer.echo(f"moved {name}")
        left = here
    typer.echo(f"nothing of the desk lives on {known.node} any more")


def still_there(told: Told, node: str, left: set[str]) -> set[str]:
    """Return who has not left a node: whoever is on it now, and who was `left` there and is nowhere yet. Who rests has
    left."""
    coming = {life.name for life in told.actors if not (life.is_alive or life.is_resting)}
    return {*_node(told, node).actors, *(left & coming)}


def _node(told: Told, name: str) -> Node:
    found = [node for node in told.nodes if node.node.startswith(name)]
    if len(found) != 1 or not name:
        ids = ", ".join(node.node for node in told.nodes) or "none known yet"
        raise ConfigError(bad_value("NODE", f"one of {ids}, or how one alone begins", name))
    return found[0]


def _steer(desk: UpStatus, asked: Steer) -> None:
    """Have it carried out.

    Raises:
        LinkError: the record answers otherwise than that it is noted.
    """
    from cluster.live.told import steer_told
    from router.domain.requests import Noted

    answer = steer_told(desk, asked)
    if not isinstance(answer, Noted):
        raise LinkError(f"expected it to be noted, got {answer}")


def _who() -> str:
    """Return who asks: whoever owns the state folder, by the name that this machine has for him."""
    return pwd.getpwuid(os.geteuid()).pw_name
