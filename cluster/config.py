"""The configuration: one TOML file, checked once, each value with where it came from.

Rule of this file: only here is the environment read; everyone else is handed a `Configuration`.

    data = "data"            # recorded data; relative paths are relative to the file
    runs = "runs"            # where runs are written

    [ray]
    pool_size = 2            # order host processes kept warm
    orders_per_actor = 16    # parent orders that one order host carries
    worker_niceness = 0      # scheduling priority of Ray's workers, 0..19
    link = "stream"          # how hot messages travel: "stream" or "ray"

The tables of a live desk are in the same file: see `cluster.live.settings`.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from router.domain.errors import ConfigError, bad_value
from scenarios.keys import expected_key

CONFIG_VARIABLE = "ANABRANCH_CONFIG"
DATA_VARIABLE = "ANABRANCH_DATA"

POOL_SIZE_MAX = 64
"""An idle actor process costs 52 to 123 MB: more than this is a mistake on any one machine."""

ORDERS_PER_ACTOR_MAX = 10_000
"""Above this a host's batch no longer fits a window."""

NICENESS_MAX = 19
"""The kernel's lowest priority."""

LINKS = ("stream", "ray")

LIVE_TABLES = ("live", "journal", "risk", "api")
"""Tables of the same file that `cluster.live.settings` reads."""

_PROJECT = Path(__file__).resolve().parents[1]


class RayOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How the cluster is laid out."""

    pool_size: int = 2
    orders_per_actor: int = 16
    worker_niceness: int = 0
    link: str = "stream"


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """The effective values. `origins` says for each key (`data`, `runs`, `ray.link` ...) where it came from."""

    data: Path | None
    runs: Path
    ray: RayOptions
    origins: dict[str, str]

    def rows(self) -> tuple[tuple[str, str | int | None, str], ...]:
        """Return (key, value, origin) of every value, for people and for `--json`."""
        values: dict[str, str | int | None] = {
            "data": None if self.data is None else str(self.data),
            "runs": str(self.runs),
            **{f"ray.{key}": value for key, value in msgspec.structs.asdict(self.ray).items()},
        }
        return tuple((key, value, self.origins[key]) for key, value in values.items())


class _Rule(NamedTuple):
    """What a key of the file may hold."""

    expected: str
    holds: Callable[[object], bool]


def _whole(low: int, high: int) -> _Rule:
    def holds(value: object) -> bool:
        return isinstance(value, int) and not isinstance(value, bool) and low <= value <= high

    return _Rule(f"a whole number from {low} to {high}", holds)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\x00" not in value


_PATHS = {"data": _Rule("a path", _is_text), "runs": _Rule("a path", _is_text)}
_RAY = {
    "pool_size": _whole(1, POOL_SIZE_MAX),
    "orders_per_actor": _whole(1, ORDERS_PER_ACTOR_MAX),
    "worker_niceness": _whole(0, NICENESS_MAX),
    "link": _Rule(" or ".join(f'"{link}"' for link in LINKS), lambda value: value in LINKS),
}


def load_config(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Configuration:
    """Return the configuration of the file `path`, else of the file that `ANABRANCH_CONFIG` names, else defaults.

    `ANABRANCH_DATA` goes before the file's `data`. `environ` is the process's own unless given. The default data
    directory is `../shared/data` beside the working directory or the project, where that exists.

    Raises:
        ConfigError: the file is absent, is not TOML, or holds an unknown key or a value outside its rule; or
            a data directory that was named does not exist.
    """
    env = os.environ if environ is None else environ
    file = path if path is not None else Path(env[CONFIG_VARIABLE]) if env.get(CONFIG_VARIABLE) else None
    table = _read(file) if file is not None else {}
    where = str(file)
    ray_table = table.pop("ray", {})
    for name in LIVE_TABLES:
        # Of a live desk: checked whole where they are read.
        table.pop(name, None)
    if not isinstance(ray_table, dict):
        raise ConfigError(bad_value(f"{where}, ray", "a table", ray_table))
    _check(table, _PATHS, where, "")
    _check(ray_table, _RAY, where, "ray.")
    origins = {
        "runs": where if "runs" in table else "default",
        **{f"ray.{key}": where if key in ray_table else "default" for key in _RAY},
    }
    data, origins["data"] = _data_dir(table, file, env)
    runs = file.parent / table["runs"] if file is not None and "runs" in table else Path("runs")
    return Configuration(data=data, runs=runs, ray=RayOptions(**ray_table), origins=origins)


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as exc:
        # Bad TOML and bad UTF-8 are both ValueErrors, and so is a path with a null character.
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ConfigError(f"expected a TOML file, got {reason} - at {file}") from exc


def _check(table: Mapping[str, object], rules: Mapping[str, _Rule], where: str, prefix: str) -> None:
    for key, value in table.items():
        rule = rules.get(key)
        if rule is None:
            known = [f"{prefix}{name}" for name in rules]
            raise ConfigError(bad_value(where, expected_key(f"{prefix}{key}", known), f"{prefix}{key}"))
        if not rule.holds(value):
            raise ConfigError(bad_value(f"{where}, {prefix}{key}", rule.expected, value))


def _data_dir(table: Mapping[str, Any], file: Path | None, env: Mapping[str, str]) -> tuple[Path | None, str]:
    if env.get(DATA_VARIABLE):
        return data_dir(Path(env[DATA_VARIABLE]), DATA_VARIABLE), DATA_VARIABLE
    if file is not None and "data" in table:
        return data_dir(file.parent / table["data"], f"{file}, data"), str(file)
    for base in (Path.cwd(), _PROJECT):
        candidate = base.parent / "shared" / "data"
        if candidate.is_dir():
            return candidate, "default"
    return None, "default"


def data_dir(path: Path, where: str) -> Path:
    """Return `path` if it is a directory.

    Raises:
        ConfigError: it is not.
    """
    try:
        is_dir = path.is_dir()
    except (OSError, ValueError):
        is_dir = False
    if not is_dir:
        raise ConfigError(bad_value(where, "a directory", str(path)))
    return path
