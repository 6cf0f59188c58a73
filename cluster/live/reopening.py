"""Brings a session up again from its folder: what the configuration may say otherwise than when it opened, and how.

Rule of this file: nothing that differs passes in silence. What a session keeps from its opening is refused with the key
and both values; a changed limit of the risk gate becomes a fact with who and why, as if somebody had asked for it; a
changed build is said.

    scenario, seed, policy, speed, hosts, windows, approvals     kept: another one needs a new folder
    every limit                                                  applied, recorded as set by the configuration file
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import msgspec

from cluster.api.decimals import time_text
from cluster.live.build import build_text
from cluster.live.clock import LiveClock
from cluster.live.settings import DESK_MARKET, LiveSettings, approval_micros
from router.domain import codec
from router.domain.errors import ConfigError
from router.domain.facts import LimitSet, SessionOpened
from router.domain.units import MILLISECOND, SECOND, Micros, Nanos
from router.intake.state import limit_value
from router.orders.journal import Record
from router.risk.limits import LISTS, RULES, RiskLimits, changed, limits_from_table

WHO = "configuration file"
"""Who is said to have changed a limit; no person's name has a space in it."""

_SCOPES = ("by_account", "by_strategy", "by_symbol")
_TABLES = (*LISTS, "principals")


def limits_text(limits: RiskLimits) -> str:
    """Return every limit as text, to be kept with the session that opens under them.

    >>> limits_of(limits_text(RiskLimits(qty_max=7))).qty_max
    7
    """
    return msgspec.json.encode(limits).decode()


def limits_of(text: str) -> RiskLimits:
    """Return the limits in such a text.

    Raises:
        ConfigError: a limit that this build does not know, or not with such a value.
    """
    return limits_from_table(msgspec.json.decode(text), "the session's limits")


def base_limits(settings: LiveSettings, opened: SessionOpened) -> RiskLimits:
    """Return the limits that a session opened under; what was changed since stands in its journal.

    A session that did not keep them yet goes by the file.
    """
    return limits_of(opened.limits) if opened.limits else settings.limits


def base_approval(settings: LiveSettings, opened: SessionOpened) -> Micros | None:
    """Return from which value on an order of the session waits for a second person; None: none does."""
    if not opened.limits:
        return settings.approval_above
    return approval_micros(opened.approval_above or None)


def ends_at(opened: SessionOpened) -> Nanos:
    """Return when a session ends, by the wall clock."""
    return opened.wall_at + round((opened.close_at - opened.open_at) / opened.speed)


def check_not_over(opened: SessionOpened, clock: LiveClock, state: Path) -> None:
    """Refuse a session that is over.

    Raises:
        ConfigError: says when it ended, and what to do.
    """
    if clock.now() >= opened.close_at:
        raise ConfigError(
            f"expected a session that is not over, got one that ended at"
            f" {time_text(ends_at(opened) // SECOND * SECOND)} - at {state}; a new one takes a new folder (live.state)"
        )


def check_kept(settings: LiveSettings, opened: SessionOpened) -> None:
    """Refuse a configuration that says otherwise what the session keeps from its opening.

    Raises:
        ConfigError: names the key, the session's value, the file's and what to do.
        ScenarioError: the configuration's scenario cannot be used.
    """
    # Only who opens a session looks at scenarios; a gateway needs this file for its limits alone.
    from scenarios.scenario import library, load_scenario

    live, scenario = settings.live, load_scenario(settings.live.scenario)
    _same(settings, "live.scenario", opened.scenario_name, scenario.name)
    is_same_text = scenario.text == opened.scenario_text
    # A new build may bring another text of the project's own scenarios: the session keeps the one it opened with.
    if not is_same_text and live.scenario not in (DESK_MARKET, *library()):
        _same(settings, "live.scenario", f"the text that {opened.scenario_name} had", f"another, in {scenario.path}")
    if is_same_text or live.seed is not None:
        _same(settings, "live.seed", opened.seed, scenario.file.seed if live.seed is None else live.seed)
    if is_same_text or live.policy is not None:
        _same(settings, "live.policy", opened.policy, live.policy or scenario.file.learning.policy)
    _same(settings, "live.speed", opened.speed, live.speed)
    _same(settings, "live.hosts", opened.hosts, live.hosts)
    for key, kept, said, speed in (
        ("live.tick_ms", opened.tick_ns, settings.tick_ns, min(opened.speed, 1.0)),
        ("live.window_ms", opened.window_ns, settings.window_ns, opened.speed),
    ):
        # They are kept by the market's time and said by the wall clock's.
        _same(settings, key, kept / MILLISECOND / speed, said / MILLISECOND / speed)
    if opened.limits:
        # A session that did not keep its limits did not keep this either.
        _same(settings, "live.approval_above", opened.approval_above or "none", settings.approval_text or "none")


def limit_changes(
    settings: LiveSettings, opened: SessionOpened, records: Iterable[Record], at: Nanos
) -> tuple[LimitSet, ...]:
    """Return what the file changes in the limits since it was last brought up, in an order in which each step holds.

    What people have set since then stays, but for the keys that the file now says otherwise.

    Raises:
        ConfigError: the file's limits do not go with what people have set.
    """
    if not opened.limits:
        return ()
    current = base_limits(settings, opened)
    filed = flat_limits(current)
    for record in records:
        if record.kind != "LimitSet":
            continue
        fact = codec.decode(record.payload, LimitSet)
        if fact.key.partition(".")[0] in RiskLimits.__struct_fields__:
            current = changed(current, fact.key, limit_value(fact.after))
        if fact.who == WHO:
            _put(filed, fact.key, fact.after)
    wanted = flat_limits(settings.limits)
    keys = [key for key in {**filed, **wanted} if filed.get(key, "") != wanted.get(key, "")]
    return tuple(_steps(current, {key: wanted.get(key, "") for key in keys}, settings.where, at))


def flat_limits(limits: RiskLimits) -> dict[str, str]:
    """Return every limit and override by the key and with the text by which it is changed at run time.

    >>> flat = flat_limits(limits_from_table({"by_account": {"A": {"qty_max": 5}}, "restricted": ["X"]}))
    >>> flat["qty_max"], flat["by_account.A.qty_max"], flat["restricted"], flat["principals"]
    ('1000000', '5', '["X"]', '{}')
    """
    flat = {key: str(getattr(limits, key)) for key in RULES}
    flat.update({key: msgspec.json.encode(getattr(limits, key)).decode() for key in _TABLES})
    for scope in _SCOPES:
        for name, override in getattr(limits, scope).items():
            flat.update({f"{scope}.{name}.{key}": str(value) for key, value in override.items()})
    return flat


def build_note(opened: SessionOpened) -> str:
    """Return what to say of the build, if it is not the one that opened the session."""
    if opened.build == build_text():
        return ""
    return f"the session was opened by another build: {opened.build}; this is {build_text()}"


def _steps(current: RiskLimits, changes: dict[str, str], where: str, at: Nanos) -> Iterable[LimitSet]:
    """Yield the changes, each once the limits before it allow it: a new floor may need the new ceiling first."""
    while changes:
        fault: ConfigError | None = None
        for key, after in changes.items():
            try:
                current, before = changed(current, key, limit_value(after), f"{where}, risk"), current
            except ConfigError as exc:
                fault = exc
                continue
            del changes[key]
            text = flat_limits(before).get(key, "")
            yield LimitSet(at=at, key=key, before=text, after=after, who=WHO, why=f"changed in {where}")
            break
        else:
            raise ConfigError(f"{fault} - with what people have set since") from fault


def _put(flat: dict[str, str], key: str, text: str) -> None:
    if text:
        flat[key] = text
    else:
        flat.pop(key, None)


def _same(settings: LiveSettings, key: str, kept: object, said: object) -> None:
    if kept != said:
        raise ConfigError(
            f"expected {key} = {kept}, with which the session in {settings.state} opened, got {said} -"
            f" at {settings.where}, {key}; another value takes a new folder (live.state)"
        )
