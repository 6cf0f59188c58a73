"""The resources of kills: what is stopped, stop, go on; and of which children nobody knows whether they are.

Rule of this file: a kill that the journal does not take at once is told to the markets directly; what is of an account
that a principal may not act for does not exist for him.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from aiohttp import web

from cluster.api.decimals import time_text
from cluster.api.desk_answers import KillList, KillSaid, StoppedSaid, UnknownChild
from cluster.api.door import correlation_of, door_of, principal_of
from cluster.api.problems import refuse
from cluster.api.schemas import KillBody
from cluster.api.verdicts import missing, respond
from cluster.api.views import Views
from cluster.api.wire import body_of, reply
from router.domain.errors import BadInputError, JournalError, LinkError, bad_value
from router.domain.requests import Kill, Principal, Rearm
from router.risk.kill import KillLevel

KILL_WITHIN_S: Final = 0.1
"""A kill that is not recorded by then is told to the markets directly: they hear of a recorded one by the journal, and
of one that is told twice they would hear again after it was lifted."""

UNKNOWN_TOLD_MAX: Final = 100
"""Children that are told of by name."""


async def list_kills(request: web.Request) -> web.Response:
    """GET /v1/kill"""
    views, principal = door_of(request).views, principal_of(request)
    kills = []
    for (level, target), fact in views.kills.items():
        if level == KillLevel.ACCOUNT and not principal.may_act_for(target):
            continue
        asked = views.rearms.get((level, target))
        kills.append(
            KillSaid(
                level=level.lower(),
                target=target,
                time=time_text(fact.at),
                who=fact.who,
                why=fact.why,
                rearm_who=asked.who if asked else "",
            )
        )
    stopped = [
        StoppedSaid(account=account, strategy=strategy, time=time_text(fact.at), why=fact.why)
        for (account, strategy), fact in views.stopped.items()
        if principal.may_act_for(account)
    ]
    unknown = _unknown(views, principal)
    said = KillList(
        kills=tuple(kills),
        stopped_strategies=tuple(stopped),
        children_unknown=len(unknown),
        unknown_children=tuple(unknown[:UNKNOWN_TOLD_MAX]),
    )
    return reply(request, said)


def _unknown(views: Views, principal: Principal) -> list[UnknownChild]:
    """Return the children of a principal's accounts of which nobody knows what became of them, longest first."""
    return [
        UnknownChild(child_id=one.child_id, order_id=one.parent_id, mic=one.mic, since=time_text(one.since))
        for one in views.children.unknown()
        if (order := views.orders.get(one.parent_id)) is not None and principal.may_act_for(order.order.account)
    ]


async def kill_trading(request: web.Request) -> web.Response:
    """POST /v1/kill"""
    body = await body_of(request, KillBody)
    _check_target(body)
    backend, principal, level = door_of(request).backend, principal_of(request), body.level.upper()
    if _is_of_others(principal, body):
        return missing(request, f"account {body.target}")
    asked = Kill(
        principal=principal,
        correlation_id=correlation_of(request),
        level=level,
        target=body.target,
        why=body.why,
    )
    recorded = asyncio.ensure_future(backend.ask(asked))
    await asyncio.wait((recorded,), timeout=KILL_WITHIN_S)
    is_told = False
    if not recorded.done() or isinstance(recorded.exception(), JournalError | LinkError):
        with suppress(LinkError):
            await backend.kill_now(level, body.target, principal.name, body.why)
            is_told = True
    try:
        return respond(request, await recorded)
    except (JournalError, LinkError) as exc:
        if not is_told:
            raise
        return refuse(request, "kill_not_recorded", f"The markets were told to stop; not recorded: {exc}")


async def rearm_trading(request: web.Request) -> web.Response:
    """POST /v1/rearm"""
    body = await body_of(request, KillBody)
    _check_target(body)
    if _is_of_others(principal_of(request), body):
        return missing(request, f"account {body.target}")
    asked = Rearm(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        level=body.level.upper(),
        target=body.target,
        why=body.why,
    )
    return respond(request, await door_of(request).backend.ask(asked))


def _is_of_others(principal: Principal, body: KillBody) -> bool:
    return body.level == "account" and not principal.may_act_for(body.target)


def _check_target(body: KillBody) -> None:
    if bool(body.target) == (body.level == "all"):
        raise BadInputError(bad_value("$.target", "none with all and one with every other level", body.target))
