"""Kill switches by level, and the pause states of venues and accounts.

Rule of this file: a kill holds at once, for everybody, until a named person takes it back, and two different people for
everything. What changed is returned as a record, to be journaled; applying the records again gives the same board.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any

import msgspec

from router.domain.errors import BadInputError, bad_value
from router.domain.units import MINUTE, Nanos
from router.risk.reasons import DenyReason

SECOND_PERSON_NS: Nanos = 5 * MINUTE
"""How long a request to re-arm everything waits for the second person; after that it is as if never made."""

TARGETS_MAX = 10_000
"""Most kills and pauses at once: beyond it one kills everything."""


class KillLevel(StrEnum):
    """What a kill stops."""

    STRATEGY = "STRATEGY"
    SYMBOL = "SYMBOL"
    VENUE = "VENUE"
    ACCOUNT = "ACCOUNT"
    MODEL = "MODEL"
    ALL = "ALL"


class TradingState(StrEnum):
    """Of an account: anything, only what makes positions smaller, or nothing."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


class VenueState(StrEnum):
    """Of a venue: orders go there, none goes, or what is there may end and nothing new goes."""

    ENABLED = "ENABLED"
    DISABLED = "DISABLED"
    DRAINING = "DRAINING"


class Act(StrEnum):
    """What a record says was done."""

    KILLED = "KILLED"
    REARM_REQUESTED = "REARM_REQUESTED"
    """Everything is still killed and waits for a second person."""
    REARMED = "REARMED"
    PAUSED = "PAUSED"
    """A venue or an account was given a state, ENABLED and ACTIVE included."""
    NOTHING = "NOTHING"
    """It was so already."""


class BoardChanged(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One change by a person: the record that is journaled before it is acknowledged."""

    act: Act
    level: KillLevel
    target: str
    who: str
    at: Nanos
    why: str = ""
    state: str = ""
    """Of PAUSED: the state given."""


class KillBoard:
    """Every switch. Its answers follow from the records applied and from nothing else."""

    def __init__(self) -> None:
        self._kills: dict[tuple[str, str], BoardChanged] = {}
        self._venues: dict[str, BoardChanged] = {}
        self._accounts: dict[str, BoardChanged] = {}
        self._request: BoardChanged | None = None

    def kill(self, level: KillLevel, target: str, who: str, why: str, at: Nanos) -> BoardChanged:
        """Stop a target at once; of ALL the target is empty. Killed twice, the first kill stays.

        Raises:
            BadInputError: no name of a person, no reason, no target, or `TARGETS_MAX` of them.
        """
        _check(level, target, who, why)
        if len(self._kills) >= TARGETS_MAX and level is not KillLevel.ALL:
            raise BadInputError(bad_value("kill", f"up to {TARGETS_MAX} kills", len(self._kills) + 1))
        is_new = (level, target) not in self._kills or (level is KillLevel.ALL and self._request is not None)
        act = Act.KILLED if is_new else Act.NOTHING
        return self._done(BoardChanged(act=act, level=level, target=target, who=who, why=why, at=at))

    def rearm(self, level: KillLevel, target: str, who: str, at: Nanos) -> BoardChanged:
        """Take a kill back: REARMED, or for ALL first REARM_REQUESTED and REARMED once another person says so too.

        Raises:
            BadInputError: no name of a person, or no target.
        """
        _check(level, target, who, "re-arm")
        act = Act.NOTHING
        if (level, target) in self._kills:
            act = Act.REARMED if level is not KillLevel.ALL or self._has_second(who, at) else Act.REARM_REQUESTED
        return self._done(BoardChanged(act=act, level=level, target=target, who=who, at=at))

    def set_venue(self, mic: str, state: VenueState, who: str, why: str, at: Nanos) -> BoardChanged:
        """Enable, disable or drain a venue."""
        return self._pause(KillLevel.VENUE, mic, state, who, why, at)

    def set_account(self, account: str, state: TradingState, who: str, why: str, at: Nanos) -> BoardChanged:
        """Give an account a trading state."""
        return self._pause(KillLevel.ACCOUNT, account, state, who, why, at)

    def venue_state(self, mic: str) -> VenueState:
        """Return a venue's state; ENABLED where nobody said otherwise."""
        paused = self._venues.get(mic)
        return VenueState(paused.state) if paused else VenueState.ENABLED

    def account_state(self, account: str) -> TradingState:
        """Return an account's state; ACTIVE where nobody said otherwise."""
        paused = self._accounts.get(account)
        return TradingState(paused.state) if paused else TradingState.ACTIVE

    def blocks(self, account: str, strategy: str, symbol: str, venue: str = "") -> DenyReason | None:
        """Return why nothing new may leave, the widest reason first; None when it may. Empty names are not asked.

        A killed model is no reason: orders are routed without it.

        >>> board = KillBoard()
        >>> _ = board.kill(KillLevel.SYMBOL, "ABC", "ann", "news", 1)
        >>> board.blocks("X", "vwap", "ABC"), board.blocks("X", "vwap", "DEF")
        (<DenyReason.KILLED_SYMBOL: 'KILLED_SYMBOL'>, None)
        """
        kills = self._kills
        if kills:
            if (KillLevel.ALL, "") in kills:
                return DenyReason.KILLED_ALL
            named = ("ACCOUNT", account), ("STRATEGY", strategy), ("SYMBOL", symbol), ("VENUE", venue)
            for level, target in named:
                if (level, target) in kills:
                    return DenyReason(f"KILLED_{level}")
        if account in self._accounts and self.account_state(account) is TradingState.HALTED:
            return DenyReason.ACCOUNT_HALTED
        if venue in self._venues:
            return DenyReason(f"VENUE_{self.venue_state(venue)}")
        return None

    def kills(self) -> tuple[BoardChanged, ...]:
        """Return the kills in force, oldest first, for people and for the mass cancel."""
        return tuple(self._kills.values())

    def apply(self, change: BoardChanged) -> None:
        """Let a record hold: what was decided now, or what a journal gives back."""
        key = change.level, change.target
        if change.level is KillLevel.ALL and change.act is not Act.NOTHING:
            self._request = change if change.act is Act.REARM_REQUESTED else None
        if change.act is Act.KILLED:
            self._kills.setdefault(key, change)
        elif change.act is Act.REARMED:
            self._kills.pop(key, None)
        elif change.act is Act.PAUSED:
            paused = self._venues if change.level is KillLevel.VENUE else self._accounts
            if change.state in (VenueState.ENABLED, TradingState.ACTIVE):
                paused.pop(change.target, None)
            else:
                paused[change.target] = change

    def snapshot(self) -> dict[str, Any]:
        """Return the board as plain data: the records that make it."""
        records = [*self._kills.values(), *self._venues.values(), *self._accounts.values()]
        return {"records": msgspec.to_builtins(records), "request": msgspec.to_builtins(self._request)}

    @classmethod
    def restore(cls, data: dict[str, Any]) -> KillBoard:
        """Return the board that `snapshot` was taken of."""
        made = cls()
        for record in msgspec.convert(data["records"], list[BoardChanged]):
            made.apply(record)
        made._request = msgspec.convert(data["request"], BoardChanged | None)
        return made

    def _pause(self, level: KillLevel, target: str, state: str, who: str, why: str, at: Nanos) -> BoardChanged:
        _check(level, target, who, why)
        paused = self._venues if level is KillLevel.VENUE else self._accounts
        if len(paused) >= TARGETS_MAX and target not in paused:
            raise BadInputError(bad_value("pause", f"up to {TARGETS_MAX} pauses", len(paused) + 1))
        return self._done(
            BoardChanged(act=Act.PAUSED, level=level, target=target, who=who, why=why, at=at, state=str(state))
        )

    def _has_second(self, who: str, at: Nanos) -> bool:
        asked = self._request
        return asked is not None and asked.who != who and 0 <= at - asked.at <= SECOND_PERSON_NS

    def _done(self, change: BoardChanged) -> BoardChanged:
        self.apply(change)
        return change


def _check(level: KillLevel, target: str, who: str, why: str) -> None:
    if not who.strip():
        raise BadInputError(bad_value("who", "the name of a person", who))
    if not why.strip():
        raise BadInputError(bad_value("why", "a reason", why))
    if bool(target) == (level is KillLevel.ALL):
        raise BadInputError(bad_value("target", "none with ALL and one with every other level", target))
