"""The resources of operators: venues, learners, limits and parameters, approvals, accounts.

Rule of this file: what a person changes carries his reason and is answered once it is recorded. Kills are in
`cluster.api.kills`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from aiohttp import web

from cluster.api.backend import MarketPicture
from cluster.api.decimals import px_text, time_text
from cluster.api.desk_answers import (
    Approval,
    ApprovalList,
    ChangeSaid,
    Learner,
    LearnerList,
    LearnerSide,
    Parameter,
    ParameterList,
    Venue,
    VenueList,
)
from cluster.api.door import Door, correlation_of, door_of, principal_of
from cluster.api.order_views import OrderView
from cluster.api.orders import px_unit_of
from cluster.api.schemas import (
    AccountStateBody,
    JudgeBody,
    ParameterBody,
    VenueStateBody,
    WhyBody,
)
from cluster.api.translate import order_said
from cluster.api.verdicts import missing, respond
from cluster.api.wire import body_of, reply
from router.domain.facts import LimitSet, ModelSteered
from router.domain.instruments import VenueSpec
from router.domain.requests import (
    JudgeApproval,
    Principal,
    ReenableStrategy,
    SetAccountState,
    SetLimit,
    SetVenueState,
    SteerModel,
)
from router.domain.score_table import names_of
from router.domain.scores import PolicySnapshot
from router.risk.limits import LISTS, RULES, RiskLimits

_STATES: Final = {"enable": "ENABLED", "disable": "DISABLED", "drain": "DRAINING"}
ACTS: Final = {
    "freeze": "freeze",
    "unfreeze": "unfreeze",
    "promote": "promote",
    "rollback": "roll_back",
    "pin": "pin",
    "unpin": "unpin",
}
"""What the path calls an act, and what the desk does."""


def pictures_of(door: Door) -> list[MarketPicture]:
    """Return the last picture of every symbol's market that was seen."""
    return [found for symbol in door.backend.symbols() if (found := door.backend.market(symbol)) is not None]


async def list_venues(request: web.Request) -> web.Response:
    """GET /v1/venues"""
    door = door_of(request)
    venues = [_venue(door, picture, spec) for picture in pictures_of(door) for spec in picture.specs]
    return reply(request, VenueList(venues=tuple(venues)))


def _venue(door: Door, picture: MarketPicture, spec: VenueSpec) -> Venue:
    quote = next((quote for quote in picture.market.quotes if quote.mic == spec.mic), None)
    changed = door.views.venue_states.get(spec.mic)
    state = changed.state if changed else dict(picture.venue_states).get(spec.mic, "ENABLED")
    unit = picture.px_unit
    return Venue(
        mic=spec.mic,
        symbol=picture.symbol,
        venue_type=str(spec.venue_type).lower(),
        state=state.lower(),
        session="up" if quote is None else str(quote.session).lower(),
        tactics=tuple(str(tactic).lower() for tactic in spec.tactics),
        tick=px_text(spec.listing.tick, unit),
        lot=str(spec.listing.lot),
        volume_share=spec.volume_share,
        bid_price=px_text(quote.bid_px, unit) if quote and quote.bid_px else None,
        bid_qty=str(quote.bid_qty if quote else 0),
        ask_price=px_text(quote.ask_px, unit) if quote and quote.ask_px else None,
        ask_qty=str(quote.ask_qty if quote else 0),
        state_since=time_text(changed.at) if changed else None,
        state_who=changed.who if changed else "",
        state_why=changed.why if changed else "",
    )


async def set_venue_state(request: web.Request) -> web.Response:
    """POST /v1/venues/{mic}/state"""
    body = await body_of(request, VenueStateBody)
    asked = SetVenueState(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        mic=request.match_info["mic"],
        state=_STATES[body.state],
        why=body.why,
    )
    return respond(request, await door_of(request).backend.ask(asked))


async def list_learners(request: web.Request) -> web.Response:
    """GET /v1/learners"""
    return reply(request, LearnerList(learners=tuple(_learners(door_of(request)))))


async def get_learner(request: web.Request) -> web.Response:
    """GET /v1/learners/{learner_id}"""
    learner_id = request.match_info["learner_id"]
    found = next((one for one in _learners(door_of(request)) if one.learner_id == learner_id), None)
    return missing(request, f"learner {learner_id}") if found is None else reply(request, found)


async def steer_learner(request: web.Request) -> web.Response:
    """POST /v1/learners/{learner_id}/{act}"""
    body = await body_of(request, WhyBody)
    door, learner_id = door_of(request), request.match_info["learner_id"]
    act = ACTS[request.match_info["act"]]
    if all(one.learner_id != learner_id for one in _learners(door)):
        return missing(request, f"learner {learner_id}")
    asked = SteerModel(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        learner_id=learner_id,
        act=act,
        why=body.why,
    )
    return respond(request, await door.backend.ask(asked))


def _learners(door: Door) -> Iterable[Learner]:
    for picture in pictures_of(door):
        by_id: dict[tuple[str, str], list[PolicySnapshot]] = {}
        for policy in picture.policies:
            by_id.setdefault((policy.learner_id, policy.arm), []).append(policy)
        for (learner_id, _), policies in by_id.items():
            yield _learner(door, picture, learner_id, policies)


def _learner(door: Door, picture: MarketPicture, learner_id: str, policies: list[PolicySnapshot]) -> Learner:
    steered: ModelSteered | None = door.views.steered.get(learner_id)
    return Learner(
        learner_id=learner_id,
        symbol=picture.symbol,
        policy=policies[0].policy,
        arm=policies[0].arm,
        arm_share=policies[0].arm_share,
        is_frozen=door.views.frozen.get(learner_id, False),
        outcomes_waiting=picture.outcomes_waiting,
        last_act=steered.act if steered else "",
        last_who=steered.who if steered else "",
        last_why=steered.why if steered else "",
        sides=tuple(
            LearnerSide(
                side=str(policy.side).lower(),
                policy_version=policy.policy_version,
                model_digest=policy.model_digest,
                published_time=time_text(policy.at),
                outcomes_applied=policy.outcomes_applied,
                routing_probabilities=dict(zip(names_of(policy), policy.routing_probabilities, strict=True)),
            )
            for policy in policies
        ),
    )


async def list_limits(request: web.Request) -> web.Response:
    """GET /v1/risk/limits"""
    return reply(request, ParameterList(parameters=tuple(_limits(door_of(request), principal_of(request)))))


async def list_parameters(request: web.Request) -> web.Response:
    """GET /v1/parameters"""
    door = door_of(request)
    others = [
        _parameter(key, changed.after if changed else value, "", "", "", changed)
        for key, value in door.options.parameters.items()
        for changed in (door.views.limits.get(key),)
    ]
    return reply(request, ParameterList(parameters=(*_limits(door, principal_of(request)), *others)))


async def set_parameter(request: web.Request) -> web.Response:
    """PATCH /v1/parameters"""
    body = await body_of(request, ParameterBody)
    scope, _, rest = body.key.partition(".")
    account = rest.partition(".")[0]
    if scope == "by_account" and not principal_of(request).may_act_for(account):
        return missing(request, f"account {account}")
    asked = SetLimit(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        key=body.key,
        value=body.value,
        why=body.why,
    )
    return respond(request, await door_of(request).backend.ask(asked))


def _limits(door: Door, principal: Principal) -> Iterable[Parameter]:
    risk: RiskLimits = door.views.risk
    changes = door.views.limits
    for key, rule in RULES.items():
        yield _parameter(key, str(getattr(risk, key)), rule.unit, rule.checks, rule.sentence, changes.get(key))
    for key, (check, sentence) in LISTS.items():
        yield _parameter(key, ",".join(getattr(risk, key)), "symbols", check, sentence, changes.get(key))
    for scope in ("by_account", "by_strategy", "by_symbol"):
        for name, override in sorted(getattr(risk, scope).items()):
            if scope == "by_account" and not principal.may_act_for(name):
                continue
            for inner, value in sorted(override.items()):
                rule, key = RULES[inner], f"{scope}.{name}.{inner}"
                yield _parameter(key, str(value), rule.unit, rule.checks, rule.sentence, changes.get(key))


def _parameter(key: str, value: str, unit: str, check: str, text: str, changed: LimitSet | None) -> Parameter:
    return Parameter(
        key=key,
        value=value,
        unit=unit,
        check=check,
        text=text,
        changed_time=time_text(changed.at) if changed else None,
        changed_who=changed.who if changed else "",
        changed_why=changed.why if changed else "",
    )


async def list_approvals(request: web.Request) -> web.Response:
    """GET /v1/approvals"""
    door, principal = door_of(request), principal_of(request)
    waiting = [
        _approval(view, px_unit_of(door, view.order.symbol))
        for view in door.views.approvals()
        if principal.may_act_for(view.order.account)
    ]
    return reply(request, ApprovalList(approvals=tuple(waiting)))


def _approval(view: OrderView, unit: str) -> Approval:
    change = view.change
    if change is None:
        return Approval(approval_id=view.approval_id, order=order_said(view, unit), change=None)
    said = ChangeSaid(
        who=change.who,
        time=time_text(change.at),
        qty=None if change.order_qty is None else str(change.order_qty),
        limit_price=None if change.price is None else px_text(change.price, unit),
        end_time=None if change.end_at is None else time_text(change.end_at),
        urgency=change.urgency,
        max_participation=change.max_participation,
    )
    return Approval(approval_id=view.approval_id, order=order_said(view, unit), change=said)


async def approve_order(request: web.Request) -> web.Response:
    """POST /v1/approvals/{approval_id}/approve"""
    return await _judge(request, is_approved=True)


async def reject_order(request: web.Request) -> web.Response:
    """POST /v1/approvals/{approval_id}/reject"""
    return await _judge(request, is_approved=False)


async def _judge(request: web.Request, *, is_approved: bool) -> web.Response:
    body = await body_of(request, JudgeBody)
    asked = JudgeApproval(
        principal=principal_of(request),
        correlation_id=correlation_of(request),
        approval_id=request.match_info["approval_id"],
        is_approved=is_approved,
        why=body.why,
    )
    return respond(request, await door_of(request).backend.ask(asked))


async def set_account_state(request: web.Request) -> web.Response:
    """POST /v1/accounts/{account}/state"""
    body = await body_of(request, AccountStateBody)
    principal, account = principal_of(request), request.match_info["account"]
    if not principal.may_act_for(account):
        return missing(request, f"account {account}")
    asked = SetAccountState(
        principal=principal,
        correlation_id=correlation_of(request),
        account=account,
        state=body.state.upper(),
        why=body.why,
    )
    return respond(request, await door_of(request).backend.ask(asked))


async def reenable_strategy(request: web.Request) -> web.Response:
    """POST /v1/accounts/{account}/strategies/{strategy}/reenable"""
    body = await body_of(request, WhyBody)
    principal, account = principal_of(request), request.match_info["account"]
    if not principal.may_act_for(account):
        return missing(request, f"account {account}")
    asked = ReenableStrategy(
        principal=principal,
        correlation_id=correlation_of(request),
        account=account,
        strategy=request.match_info["strategy"],
        why=body.why,
    )
    return respond(request, await door_of(request).backend.ask(asked))
