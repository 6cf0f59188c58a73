"""What somebody at the desk's own machine wants of its cluster, carried out at the gateway as if it had come over HTTP.

Rule of this file: it is the same request to the record, with the person's name and reason; hosts answer before
anything is spread over them, and a node is left only once that is recorded.
"""

from __future__ import annotations

from cluster.api.backend import Backend
from cluster.live.told import Steer
from router.domain.enums import NodeState
from router.domain.errors import BadInputError, bad_value
from router.domain.requests import HOSTS_MAX, Answer, Noted, Principal, ScaleHosts, SetNodeState

WAY = "(command line)"


async def steer(backend: Backend, asked: Steer) -> Answer:
    """Set the number of hosts, or drain or open a node; return what the record answers.

    Raises:
        BadInputError: a number of hosts that cannot be, no reason, no such node, or no other one would be left.
        LinkError: a host cannot be started, or nobody can be reached who moves what lives on the node.
    """
    for where, text in (("who", asked.who), ("why", asked.why)):
        if not text.strip():
            raise BadInputError(bad_value(where, "a name" if where == "who" else "a reason", text))
    # No key's name has a space in it: whoever came by the folder is told from whoever came by a key.
    who = Principal(name=f"{asked.who} {WAY}", role="operator", accounts=("*",))
    if not asked.node:
        if not 1 <= asked.hosts <= HOSTS_MAX:
            raise BadInputError(bad_value("hosts", f"1 to {HOSTS_MAX}", asked.hosts))
        await backend.start_hosts(asked.hosts)
        return await backend.ask(ScaleHosts(principal=who, hosts=asked.hosts, why=asked.why))
    nodes = await backend.nodes()
    if all(node.node != asked.node for node in nodes):
        raise BadInputError(bad_value("node", f"one of {', '.join(node.node for node in nodes)}", asked.node))
    if asked.is_draining and all(node.is_draining for node in nodes if node.node != asked.node):
        raise BadInputError(f"expected another node to move to, got {asked.node} as the last one that is open")
    state = NodeState.DRAINING if asked.is_draining else NodeState.OPEN
    answer = await backend.ask(SetNodeState(principal=who, node=asked.node, state=state, why=asked.why))
    if isinstance(answer, Noted):
        await backend.set_node(asked.node, is_draining=asked.is_draining)
    return answer
