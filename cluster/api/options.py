"""What a door is set up with: the `[api]` table of the configuration, and every bound that the door keeps.

Rule of this file: a value is checked here, once, and a bad one is a ConfigError that names its key; every bound has its
reason beside it; nothing here is secret.

    [api]
    host = "127.0.0.1"             # where it listens
    port = 8080
    keys = "keys.toml"             # who may come in; relative paths are relative to the configuration
    tls_certificate = "door.pem"   # with tls_key: HTTPS, and WSS
    tls_key = "door.key"
    is_open = false                # no keys: everybody is `development`; on a loopback address only

    [api.rates]                    # by class, for each key: as many a second, so many at once
    orders = { per_s = 500, burst = 1000 }
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from router.domain.errors import ConfigError, bad_value
from router.risk.limits import RiskLimits
from scenarios.keys import expected_key

BODY_BYTES_MAX = 1 << 20
"""A batch of a hundred orders has some 60 kB; a body beyond a megabyte is no order."""

ORDERS_IN_BATCH_MAX = 100
"""A batch is answered whole: what is larger would hold up its neighbours in the desk's group commits."""

OUTCOMES_MAX = 1_000
"""Outcomes in one body, for the same reason."""

PAGE_MAX = 1_000
"""Things on one page of a list."""

CLOSED_ORDERS_MAX = 100_000
"""Closed orders kept in memory (some 1.5 kB each); older ones are read from the journal."""

ARCHIVE_MAX = 1_000_000
"""Closed orders of which the place in the journal is kept (some 400 bytes each)."""

RATE_MAX = 1_000_000
"""More than this a second is no bound."""

CONNECTIONS_CEILING = 100_000
"""A connection costs about 20 kB before it has said anything."""


class Rate(msgspec.Struct, frozen=True, kw_only=True):
    """A token bucket: `per_s` tokens a second come in, and it holds `burst` at most."""

    per_s: float
    burst: int


RATES: dict[str, Rate] = {
    "orders": Rate(per_s=2_000, burst=4_000),
    "cancels": Rate(per_s=5_000, burst=20_000),
    "reads": Rate(per_s=1_000, burst=2_000),
    "dry_runs": Rate(per_s=5_000, burst=10_000),
    "control": Rate(per_s=20, burst=100),
    "streams": Rate(per_s=5, burst=50),
    "strangers": Rate(per_s=10, burst=50),
}
"""By class of resources; `strangers` is what each address may fail to show who it is."""


class ApiOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The set-up of one door. Times are seconds of the wall clock."""

    host: str = "127.0.0.1"
    port: int = 8080
    """0: any free port."""
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    keys: Path | None = None
    """The file of keys (see `cluster.api.keys`)."""
    metrics_token: Path | None = None
    """A file whose text, as a bearer token, opens `/metrics` and nothing else."""
    is_open: bool = False
    """A development mode without keys. It listens on loopback addresses only."""
    allowed_origins: tuple[str, ...] = ()
    """Origins besides our own from which a browser may come with a session."""
    body_bytes_max: int = BODY_BYTES_MAX
    depth_max: int = 16
    """Arrays and maps in one another, in a body: an order needs three."""
    values_max: int = 50_000
    """Values in a body: a thousand outcomes with their contexts have some 20,000."""
    connections_max: int = 1_024
    connections_per_address: int = 512
    """One address does not take every connection."""
    requests_max: int = 256
    """Requests at work at once, cancels and control apart."""
    cancels_max: int = 128
    """Cancels and control requests at work at once: slots that nothing else takes."""
    header_timeout_s: float = 10.0
    """From the connection to the end of the first request's headers."""
    body_timeout_s: float = 10.0
    write_timeout_s: float = 10.0
    """How long a client may leave an answer unread."""
    idle_timeout_s: float = 75.0
    streams_max: int = 1_000
    streams_per_key: int = 50
    stream_queue: int = 1_000
    """Events that may wait for one client of a stream; one more and it is closed as too slow."""
    heartbeat_s: float = 5.0
    grace_max_s: float = 300.0
    """The longest grace of a cancel on disconnect."""
    session_s: float = 28_800.0
    """How long a person stays signed in: a working day."""
    drain_s: float = 10.0
    """How long a stop waits for requests in flight."""
    closed_orders_max: int = CLOSED_ORDERS_MAX
    archive_max: int = ARCHIVE_MAX
    rates: dict[str, Rate] = msgspec.field(default_factory=lambda: dict(RATES))
    limits: RiskLimits = RiskLimits()
    """The limits that the desk started with, from its own table; what was changed since comes from the journal."""
    state: Path | None = None
    """A folder that outlives the door, for the nonces it has seen; none: they are forgotten with it."""
    parameters: dict[str, str] = {}
    """Other parameters that may be changed at run time, with the values that the desk started with."""

    @property
    def has_tls(self) -> bool:
        """Whether it speaks HTTPS."""
        return self.tls_certificate is not None


class _Rule(NamedTuple):
    expected: str
    holds: Callable[[Any], bool]


def _whole(low: int, high: int) -> _Rule:
    return _Rule(
        f"a whole number from {low} to {high}",
        lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high,
    )


def _seconds(low: float, high: float) -> _Rule:
    return _Rule(
        f"seconds from {low:g} to {high:g}",
        lambda value: isinstance(value, int | float) and not isinstance(value, bool) and low <= value <= high,
    )


_TEXT = _Rule("a text", lambda value: isinstance(value, str) and bool(value))
_FLAG = _Rule("true or false", lambda value: isinstance(value, bool))
_ORIGINS = _Rule(
    'a list of origins such as "https://desk.example"',
    lambda value: isinstance(value, list) and all(isinstance(one, str) and _is_origin(one) for one in value),
)

_RULES: dict[str, _Rule] = {
    "host": _TEXT,
    "port": _whole(0, 65_535),
    "tls_certificate": _TEXT,
    "tls_key": _TEXT,
    "keys": _TEXT,
    "metrics_token": _TEXT,
    "is_open": _FLAG,
    "allowed_origins": _ORIGINS,
    "body_bytes_max": _whole(1_024, 1 << 30),
    "depth_max": _whole(4, 64),
    "values_max": _whole(100, 10_000_000),
    "connections_max": _whole(1, CONNECTIONS_CEILING),
    "connections_per_address": _whole(1, CONNECTIONS_CEILING),
    "requests_max": _whole(1, 100_000),
    "cancels_max": _whole(1, 100_000),
    "header_timeout_s": _seconds(0.1, 600),
    "body_timeout_s": _seconds(0.1, 600),
    "write_timeout_s": _seconds(0.1, 600),
    "idle_timeout_s": _seconds(1, 3_600),
    "streams_max": _whole(0, CONNECTIONS_CEILING),
    "streams_per_key": _whole(1, CONNECTIONS_CEILING),
    "stream_queue": _whole(16, 1_000_000),
    "heartbeat_s": _seconds(0.05, 600),
    "grace_max_s": _seconds(0, 86_400),
    "session_s": _seconds(1, 7 * 86_400),
    "drain_s": _seconds(0, 600),
    "closed_orders_max": _whole(0, 100_000_000),
    "archive_max": _whole(0, 1_000_000_000),
}
"""What each plain key may hold; `rates` is a table of its own."""

_PATHS = ("tls_certificate", "tls_key", "keys", "metrics_token")


def api_options(table: Mapping[str, Any], where: str) -> ApiOptions:
    """Return the options in the `[api]` table of the configuration file `where`.

    Raises:
        ConfigError: an unknown key, a value outside its rule, a file that is absent, a certificate without its key, or
            neither keys nor `is_open`; names the file and the key.

    >>> api_options({"is_open": True, "port": 0}, "anabranch.toml").port
    0
    >>> api_options({"is_open": True, "port": 70_000}, "anabranch.toml")
    Traceback (most recent call last):
    router.domain.errors.ConfigError: expected a whole number from 0 to 65535, got 70000 - at anabranch.toml, api.port
    """
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key == "rates":
            values[key] = _rates(value, where)
            continue
        rule = _RULES.get(key)
        if rule is None:
            known = [f"api.{name}" for name in (*_RULES, "rates")]
            raise ConfigError(bad_value(where, expected_key(f"api.{key}", known), f"api.{key}"))
        if not rule.holds(value):
            raise ConfigError(bad_value(f"{where}, api.{key}", rule.expected, value))
        values[key] = value
    for key in _PATHS:
        if key in values:
            values[key] = _file(Path(where).parent / values[key], f"{where}, api.{key}")
    if "allowed_origins" in values:
        values["allowed_origins"] = tuple(values["allowed_origins"])
    return check_options(ApiOptions(**values), where)


def check_options(options: ApiOptions, where: str) -> ApiOptions:
    """Return `options` if its values go together.

    Raises:
        ConfigError: names the key that does not.
    """
    if (options.tls_certificate is None) != (options.tls_key is None):
        missing = "tls_key" if options.tls_key is None else "tls_certificate"
        raise ConfigError(bad_value(f"{where}, api.{missing}", "a certificate and its key, or neither", None))
    if options.is_open and options.keys is not None:
        raise ConfigError(bad_value(f"{where}, api.is_open", "false where there are keys", True))
    if options.is_open and not is_loopback(options.host):
        raise ConfigError(bad_value(f"{where}, api.host", "a loopback address with is_open", options.host))
    if not options.is_open and options.keys is None:
        raise ConfigError(bad_value(f"{where}, api.keys", "a file of keys, or is_open = true", None))
    return options


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    """Whether nobody but this machine can reach what listens on `host`: a literal address, or `localhost`.

    >>> is_loopback("127.0.0.1"), is_loopback("::1"), is_loopback("0.0.0.0"), is_loopback("desk.example")
    (True, True, False, False)
    """
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _rates(table: object, where: str) -> dict[str, Rate]:
    if not isinstance(table, dict):
        raise ConfigError(bad_value(f"{where}, api.rates", "a table", table))
    rates = dict(RATES)
    for name, given in table.items():
        place = f"{where}, api.rates.{name}"
        if name not in RATES:
            known = [f"api.rates.{one}" for one in RATES]
            raise ConfigError(bad_value(where, expected_key(f"api.rates.{name}", known), f"api.rates.{name}"))
        if not isinstance(given, dict) or set(given) != {"per_s", "burst"}:
            raise ConfigError(bad_value(place, "{ per_s = ..., burst = ... }", given))
        per_s, burst = given["per_s"], given["burst"]
        if not _seconds(0.001, RATE_MAX).holds(per_s):
            raise ConfigError(bad_value(f"{place}.per_s", f"a number from 0.001 to {RATE_MAX}", per_s))
        if not _whole(1, RATE_MAX).holds(burst):
            raise ConfigError(bad_value(f"{place}.burst", f"a whole number from 1 to {RATE_MAX}", burst))
        rates[name] = Rate(per_s=float(per_s), burst=burst)
    return rates


def _file(path: Path, where: str) -> Path:
    try:
        is_file = path.is_file()
    except (OSError, ValueError):
        is_file = False
    if not is_file:
        raise ConfigError(bad_value(where, "a file", str(path)))
    return path


def _is_origin(text: str) -> bool:
    scheme, _, host = text.partition("://")
    return scheme in ("http", "https") and bool(host) and "/" not in host
