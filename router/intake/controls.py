"""What people ask of the desk itself: to stop and go on, to open and close venues and accounts, to steer, to limit.

Rule of this file: everything that a person changes is a fact with who and why; a handler changes nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from router.domain import facts
from router.domain.enums import NodeState
from router.domain.errors import BadInputError, bad_value
from router.domain.orders import ParentOrder
from router.domain.requests import (
    HOSTS_MAX,
    NODE_MAX,
    Answer,
    Kill,
    Noted,
    NotFound,
    Rearm,
    ReenableStrategy,
    ScaleHosts,
    SetAccountState,
    SetLimit,
    SetNodeState,
    SetVenueState,
    SteerModel,
)
from router.domain.units import Nanos
from router.intake.state import DeskState, limit_value
from router.risk.kill import Act, KillLevel, TradingState, VenueState
from router.risk.limits import RiskLimits, changed
from router.schedule.build import STRATEGIES


def _kill(desk: DeskState, request: Kill, now: Nanos) -> Answer:
    level = _member(KillLevel, request.level, "level")
    if bool(request.target) == (level is KillLevel.ALL):
        raise BadInputError(bad_value("target", "none with ALL and one with every other level", request.target))
    _why(request.why)
    known = _targets(desk, level)
    if known and request.target not in known:
        raise BadInputError(bad_value("target", f"one of {', '.join(known)}", request.target))
    fact = facts.KillSet(at=now, level=level, target=request.target, who=request.principal.name, why=request.why)
    desk.decide(fact, request.correlation_id)
    return Noted(count=sum(_is_meant(entry.order, level, request.target) for _, entry in desk.book.open()))


def _targets(desk: DeskState, level: KillLevel) -> tuple[str, ...]:
    """Return what a kill of a level may name; nothing where any name may be one: an account need not have traded."""
    if level is KillLevel.MODEL:
        # A session that was opened before sessions said so takes every name.
        return tuple(dict.fromkeys(name for names in desk.learners.values() for name in names))
    of = {KillLevel.SYMBOL: tuple(desk.symbols), KillLevel.VENUE: desk.venues(), KillLevel.STRATEGY: STRATEGIES}
    return of.get(level, ())


def _is_meant(order: ParentOrder, level: KillLevel, target: str) -> bool:
    """Whether a kill ends an order; one of a venue or of a model ends none."""
    of = {KillLevel.SYMBOL: order.symbol, KillLevel.ACCOUNT: order.account, KillLevel.STRATEGY: order.strategy}
    return level is KillLevel.ALL or of.get(level) == target


def _rearm(desk: DeskState, request: Rearm, now: Nanos) -> Answer:
    level, who = _member(KillLevel, request.level, "level"), request.principal.name
    if (level, request.target) not in {(kill.level, kill.target) for kill in desk.gate.board.kills()}:
        return NotFound(what=f"kill of {level} {request.target}".strip())
    is_lifted = desk.gate.board.rearm(level, request.target, who, now).act is Act.REARMED
    fact = facts.RearmAsked(at=now, level=level, target=request.target, who=who, why=request.why, is_lifted=is_lifted)
    desk.decide(fact, request.correlation_id)
    return Noted(waits_for="" if is_lifted else "a second person")


def _set_venue(desk: DeskState, request: SetVenueState, now: Nanos) -> Answer:
    state = _member(VenueState, request.state, "state")
    if not any(request.mic in known.tradable.venues for known in desk.symbols.values()):
        return NotFound(what=f"venue {request.mic}")
    who = request.principal.name
    desk.decide(
        facts.VenueStateSet(at=now, mic=request.mic, state=state, who=who, why=_why(request.why)),
        request.correlation_id,
    )
    return Noted()


def _scale(desk: DeskState, request: ScaleHosts, now: Nanos) -> Answer:
    if not 1 <= request.hosts <= HOSTS_MAX:
        raise BadInputError(bad_value("hosts", f"1 to {HOSTS_MAX}", request.hosts))
    desk.decide(
        facts.HostsSet(at=now, hosts=request.hosts, who=request.principal.name, why=_why(request.why)),
        request.correlation_id,
    )
    return Noted()


def _set_node(desk: DeskState, request: SetNodeState, now: Nanos) -> Answer:
    """Which nodes there are the cluster alone knows: whoever asks has looked."""
    state, who = _member(NodeState, request.state, "state"), request.principal.name
    if not 1 <= len(request.node) <= NODE_MAX:
        raise BadInputError(bad_value("node", f"an id of 1 to {NODE_MAX} characters", request.node))
    desk.decide(
        facts.NodeStateSet(at=now, node=request.node, state=state, who=who, why=_why(request.why)),
        request.correlation_id,
    )
    return Noted()


def _set_account(desk: DeskState, request: SetAccountState, now: Nanos) -> Answer:
    state, who = _member(TradingState, request.state, "state"), request.principal.name
    desk.decide(
        facts.AccountStateSet(at=now, account=request.account, state=state, who=who, why=_why(request.why)),
        request.correlation_id,
    )
    return Noted()


def _steer(desk: DeskState, request: SteerModel, now: Nanos) -> Answer:
    desk.decide(
        facts.ModelSteered(
            at=now,
            learner_id=request.learner_id,
            act=request.act,
            who=request.principal.name,
            why=_why(request.why),
        ),
        request.correlation_id,
    )
    return Noted()


def _set_limit(desk: DeskState, request: SetLimit, now: Nanos) -> Answer:
    before = _limit_text(desk.limits, request.key)
    changed(desk.limits, request.key, limit_value(request.value))
    desk.decide(
        facts.LimitSet(
            at=now,
            key=request.key,
            before=before,
            after=request.value,
            who=request.principal.name,
            why=_why(request.why),
        ),
        request.correlation_id,
    )
    return Noted()


def _reenable(desk: DeskState, request: ReenableStrategy, now: Nanos) -> Answer:
    is_stopped = (request.account, request.strategy) in desk.gate.state.executions.stopped
    if not is_stopped or not request.principal.may_act_for(request.account):
        return NotFound(what=f"stopped strategy {request.strategy} of {request.account}")
    desk.decide(
        facts.StrategyReenabled(
            at=now,
            account=request.account,
            strategy=request.strategy,
            who=request.principal.name,
            why=_why(request.why),
        ),
        request.correlation_id,
    )
    return Noted()


def _member(kind: Any, text: str, where: str) -> Any:
    """Return the member of an enumeration that `text` names."""
    try:
        return kind(text.upper())
    except ValueError:
        raise BadInputError(bad_value(where, f"one of {', '.join(kind)}", text)) from None


def _why(why: str) -> str:
    if not why.strip():
        raise BadInputError(bad_value("why", "a reason", why))
    return why


def _limit_text(limits: RiskLimits, key: str) -> str:
    value = msgspec.to_builtins(limits)
    for part in key.split("."):
        value = value.get(part, "") if isinstance(value, dict) else ""
    return str(value)


CONTROL_HANDLERS: dict[type, Callable[[DeskState, Any, Nanos], Answer]] = {
    Kill: _kill,
    Rearm: _rearm,
    SetVenueState: _set_venue,
    ScaleHosts: _scale,
    SetNodeState: _set_node,
    SetAccountState: _set_account,
    SteerModel: _steer,
    SetLimit: _set_limit,
    ReenableStrategy: _reenable,
}
