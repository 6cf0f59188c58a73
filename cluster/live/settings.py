"""What a live desk is set up with: the `[live]`, `[journal]`, `[risk]` and `[api]` tables of the configuration.

Rule of this file: one TOML file, checked once and whole before anything starts; a bad value is a ConfigError that names
the file and the key.

    [live]
    scenario = "midcap_500k"   # whose market is traded: a library scenario or a file; default: cluster/live/desk.toml
    seed = 1
    policy = "censored"        # default: the scenario's own
    speed = 1.0                # seconds of the market in one of the wall clock
    hosts = 2                  # actors that orders are spread over
    tick_ms = 5                # the shortest window: what comes in closer together is heard together
    window_ms = 250            # the longest one, by the wall clock: how old quotes may be
    state = "live"             # the folder of the journals; relative paths are relative to the file
    approval_above = "25000000"   # in the instrument's currency: orders worth as much wait for a second person

    [journal]
    url = "postgresql://..."   # default: SQLite in the state folder

    [risk]                     # see docs/risk.md
    [api]                      # see docs/security.md
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from cluster.api.options import ApiOptions, api_options
from cluster.config import LIVE_TABLES
from cluster.journal.urls import check_url
from cluster.live.clock import SPEED_MAX
from router.domain.errors import ConfigError, bad_value
from router.domain.requests import HOSTS_MAX
from router.domain.units import MILLISECOND, Micros, Nanos
from router.risk.limits import ANY, Permission, RiskLimits, limits_from_table
from scenarios.keys import Part, with_known_keys

MICROS = 1_000_000

DESK_MARKET = str(Path(__file__).with_name("desk.toml"))
"""The market of a desk that is not told another: a day and a night on five venues."""

Money = Annotated[str, Meta(pattern=r"^[0-9]{1,15}(\.[0-9]{1,6})?$")]


class LivePart(Part, frozen=True):
    """The `[live]` table."""

    scenario: str = DESK_MARKET
    seed: Annotated[int, Meta(ge=0, le=2**63 - 1)] | None = None
    policy: str | None = None
    speed: Annotated[float, Meta(gt=0.0, le=SPEED_MAX)] = 1.0
    hosts: Annotated[int, Meta(ge=1, le=HOSTS_MAX)] = 2
    tick_ms: Annotated[float, Meta(ge=0.1, le=1_000)] = 5.0
    window_ms: Annotated[float, Meta(ge=1, le=60_000)] = 250.0
    state: str = "live"
    approval_above: Money | Annotated[int, Meta(ge=0, le=10**15)] | None = None


class JournalPart(Part, frozen=True):
    """The `[journal]` table."""

    url: str = ""


class _File(Part, frozen=True):
    live: LivePart = LivePart()
    journal: JournalPart = JournalPart()
    risk: dict[str, Any] = msgspec.field(default_factory=dict)
    api: dict[str, Any] = msgspec.field(default_factory=dict)


class LiveSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The set-up of one desk. `where` names the file it came from."""

    live: LivePart
    journal_url: str
    limits: RiskLimits
    api: ApiOptions
    state: Path
    where: str

    @property
    def tick_ns(self) -> Nanos:
        """The shortest window, by the market's time."""
        return max(round(self.live.tick_ms * MILLISECOND * min(self.live.speed, 1.0)), 1)

    @property
    def window_ns(self) -> Nanos:
        """The longest window, by the market's time."""
        return max(round(self.live.window_ms * MILLISECOND * self.live.speed), self.tick_ns)

    @property
    def approval_above(self) -> Micros | None:
        """From which value on an order waits for a second person."""
        return approval_micros(self.approval_text)

    @property
    def approval_text(self) -> str | None:
        """The same as text, in the instrument's currency."""
        return None if self.live.approval_above is None else str(self.live.approval_above)


def approval_micros(text: str | None) -> Micros | None:
    """Return an amount of money in the desk's own unit.

    >>> approval_micros("12.5"), approval_micros(None)
    (12500000, None)
    """
    return None if text is None else int(Decimal(text) * MICROS)


def live_settings(file: Path | None, changes: Mapping[str, Any] | None = None, text: str | None = None) -> LiveSettings:
    """Return the set-up in a configuration file, or the defaults: open on loopback, everybody may trade.

    `changes` are values of `[api]` that a command line gives; `text` is what the file held when the desk came up.

    Raises:
        ConfigError: names the file and the key.
    """
    where = "the defaults" if file is None else str(file)
    table = {} if file is None else _read(file, text)
    part = _parsed({key: value for key, value in table.items() if key in LIVE_TABLES}, where)
    api = {**part.api, **(changes or {})}
    if file is None:
        api.setdefault("is_open", True)
    if part.live.tick_ms > part.live.window_ms:
        expected = f"at most live.window_ms, {part.live.window_ms:g}"
        raise ConfigError(bad_value(f"{where}, live.tick_ms", expected, part.live.tick_ms))
    if part.journal.url:
        check_url(part.journal.url, f"{where}, journal.url")
    limits = limits_from_table(part.risk, f"{where}, risk")
    if not limits.principals:
        # Whom a key may act for is said with the key; without a word here every key may trade for its accounts.
        limits = msgspec.structs.replace(limits, principals={ANY: Permission(accounts=(ANY,))})
    base = Path.cwd() if file is None else file.parent
    state = base / part.live.state
    return LiveSettings(
        live=part.live,
        journal_url=part.journal.url or f"sqlite:{state / 'record.sqlite'}",
        limits=limits,
        api=msgspec.structs.replace(api_options(api, where), limits=limits),
        state=state,
        where=where,
    )


def _read(file: Path, text: str | None) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8") if text is None else text)
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ConfigError(f"expected a TOML file, got {reason} - at {file}") from exc


def _parsed(table: dict[str, Any], where: str) -> _File:
    try:
        return msgspec.convert(table, _File)
    except msgspec.ValidationError as exc:
        raise ConfigError(f"{with_known_keys(str(exc), table, _File)} - in {where}") from exc
