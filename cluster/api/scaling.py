"""The resources of those who run the cluster: over how many hosts orders are spread, and which node is to be left.

Rule of this file: what a person changes carries his reason and is answered once it is recorded; hosts answer before
anything is spread over them, and a node is left only where there is another one.
"""

from __future__ import annotations

from typing import Final

from aiohttp import web

from cluster.api.backend import NodeStatus
from cluster.api.door import correlation_of, door_of, principal_of
from cluster.api.problems import refuse
from cluster.api.schemas import DrainBody, ScaleBody
from cluster.api.verdicts import missing, respond
from cluster.api.wire import body_of
from router.domain.enums import NodeState
from router.domain.errors import BadInputError, JournalError, LinkError, bad_value
from router.domain.requests import Noted, ScaleHosts, SetNodeState

_STATES: Final = {"drain": NodeState.DRAINING, "open": NodeState.OPEN}


async def scale_hosts(request: web.Request) -> web.Response:
    """POST /v1/cluster/scale"""
    body = await body_of(request, ScaleBody)
    if not body.why.strip():
        # The desk would say so too, with hosts started for nothing.
        raise BadInputError(bad_value("$.why", "a reason", body.why))
    backend = door_of(request).backend
    asked = ScaleHosts(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        hosts=body.hosts,
        why=body.why,
    )
    await backend.start_hosts(body.hosts)
    return respond(request, await backend.ask(asked))


async def drain_node(request: web.Request) -> web.Response:
    """POST /v1/cluster/drain"""
    body = await body_of(request, DrainBody)
    backend, state = door_of(request).backend, _STATES[body.state]
    is_draining = state is NodeState.DRAINING
    nodes = await backend.nodes()
    if all(one.node != body.node for one in nodes):
        return missing(request, f"node {body.node}")
    if is_draining and not any(_is_open(one) for one in nodes if one.node != body.node):
        return refuse(request, "conflict", f"No other node is alive and open: nothing can move away from {body.node}.")
    asked = SetNodeState(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        node=body.node,
        state=state,
        why=body.why,
    )
    answer = await backend.ask(asked)
    if isinstance(answer, Noted):
        try:
            await backend.set_node(body.node, is_draining=is_draining)
        except BadInputError as exc:
            # It went, or the last other one did, since we looked.
            return refuse(request, "conflict", f"Recorded, and not begun: {exc}")
        except (JournalError, LinkError) as exc:
            return refuse(request, "node_not_told", f"Recorded, and not begun: {exc}")
    return respond(request, answer)


def _is_open(node: NodeStatus) -> bool:
    """Whether a node may take what lives on another."""
    return node.is_alive and not node.is_draining
