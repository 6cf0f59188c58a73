"""Brings a desk up on a Ray cluster, and down: which actors there are, in which order they start and end.

Rule of this file: the session is in the journal before any actor lives, and what an actor needs to come back to life
lies in the state folder. Going down, the door closes first and the record last.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import queue
import secrets
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import msgspec

from cluster.actors.recipe import Recipe
from cluster.actors.registry import ClusterRegistry
from cluster.config import RayOptions
from cluster.journal.open import open_journal
from cluster.live.opening import opened_of
from cluster.live.session import assembly_of, host_names
from cluster.live.settings import LiveSettings
from cluster.live.starting import SettingsAt
from cluster.replay import local_ray
from router.domain import codec
from router.domain.errors import AnabranchError, ConfigError, JournalError
from router.domain.facts import SessionOpened
from router.orders.journal import Draft
from scenarios.day import LEARNER

STATUS_FILE = "up.json"
"""In the state folder: who holds the desk up, and where its door is."""

LOOK_EVERY_S = 2.0

LOOPBACK = ("127.0.0.1", "localhost", "::1")


class UpStatus(msgspec.Struct, frozen=True, kw_only=True):
    """What `status` and `down` need to know of a desk that is up."""

    pid: int
    url: str
    namespace: str
    symbol: str
    opened_at: int


class Up(NamedTuple):
    """A desk that is up."""

    opened: SessionOpened
    registry: ClusterRegistry
    url: str
    token: str


def check_cluster_token(address: str | None) -> None:
    """Refuse a cluster that others can reach and that asks nobody for a token.

    Raises:
        ConfigError: says what to set.
    """
    host = (address or "127.0.0.1").removeprefix("ray://").rpartition(":")[0] or "127.0.0.1"
    if host not in LOOPBACK and os.environ.get("RAY_AUTH_MODE") != "token":
        raise ConfigError(
            f"expected RAY_AUTH_MODE=token for a cluster that is not on loopback, got"
            f" {os.environ.get('RAY_AUTH_MODE')!r} - at {address}"
        )


@contextlib.contextmanager
def up(
    settings: LiveSettings, at: SettingsAt, data: Path | None, address: str | None, options: RayOptions
) -> Iterator[Up]:
    """Hold a desk up for as long as the block runs.

    Raises:
        BadInputError: settings, scenario, data or address that cannot be used.
        JournalError: the journal is held by another, or cannot be used.
        LinkError: an actor cannot be started.
    """
    check_cluster_token(address)
    # What lies in the state folder opens every door inside the desk: nobody else may read it.
    os.umask(0o077)
    settings.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _only_one(settings.state):
        opened = _open_session(settings, data)
        assembly_of(opened, data)
        with local_ray(address, options):
            yield from _held_up(settings, at, opened, data)


def _held_up(settings: LiveSettings, at: SettingsAt, opened: SessionOpened, data: Path | None) -> Iterator[Up]:
    """Start every actor, give the desk, and end what was started."""
    namespace, token = f"anabranch-live-{secrets.token_hex(4)}", secrets.token_hex(32)
    supervisor_journal = settings.state / "supervisor.sqlite"
    # What should live is of one life of the desk: the next one starts from the journals, not from that list.
    supervisor_journal.unlink(missing_ok=True)
    registry = ClusterRegistry(namespace, str(supervisor_journal))
    try:
        registry.start(_recipes(settings, at, opened, data, namespace, token))
        url: str = registry.ask("gateway", "url", token)
        status = UpStatus(pid=os.getpid(), url=url, namespace=namespace, symbol=opened.symbol, opened_at=opened.open_at)
        (settings.state / STATUS_FILE).write_bytes(msgspec.json.encode(status))
        yield Up(opened, registry, url, token)
        for name in ("gateway", "market", "record"):
            # Whichever cannot be reached, the others still write down what they have.
            with contextlib.suppress(AnabranchError):
                registry.close(name)
    finally:
        registry.stop()
        (settings.state / STATUS_FILE).unlink(missing_ok=True)


def read_status(state: Path) -> UpStatus | None:
    """Return who holds the desk of a state folder up; None: nobody does."""
    try:
        status = msgspec.json.decode((state / STATUS_FILE).read_bytes(), type=UpStatus)
        os.kill(status.pid, 0)
    except (OSError, msgspec.MsgspecError):
        return None
    return status


def ask_down(state: Path) -> UpStatus | None:
    """Ask who holds the desk up to bring it down; None: nobody does."""
    status = read_status(state)
    if status is not None:
        os.kill(status.pid, signal.SIGTERM)
    return status


def wait_for_end(desk: Up) -> None:
    """Return when this process is interrupted or asked to end; SIGHUP lets the door read its keys again."""
    told: queue.SimpleQueue[int] = queue.SimpleQueue()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: told.put(number))
    while True:
        try:
            asked = told.get(timeout=LOOK_EVERY_S)
        except queue.Empty:
            # Whoever finds the supervisor gone makes it again; here somebody always looks.
            with contextlib.suppress(AnabranchError):
                desk.registry.status()
            continue
        if asked != signal.SIGHUP:
            return
        try:
            desk.registry.ask("gateway", "reload", desk.token)
        except AnabranchError:
            # The gateway is on its way back, and reads its keys when it is.
            continue


def _open_session(settings: LiveSettings, data: Path | None) -> SessionOpened:
    """Return the journal's session, opened now where there is none."""
    journal = open_journal(settings.journal_url)
    try:
        opened, is_new = opened_of(settings, journal, time.time_ns(), data)
        if is_new:
            stream = f"market:{opened.symbol}"
            draft = Draft("SessionOpened", opened.at, "", codec.encode(opened))
            journal.append(stream, journal.next_seq(stream), (draft,))
            journal.sync()
        return opened
    finally:
        journal.close()


@contextlib.contextmanager
def _only_one(state: Path) -> Iterator[None]:
    """Hold the state folder.

    Raises:
        JournalError: another process holds it.
    """
    lock = (state / "lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as exc:
        raise JournalError(
            f"expected a state folder that nobody holds, got one held by another desk - at {state}"
        ) from exc
    try:
        yield
    finally:
        lock.close()


def shell_recipes(opened: SessionOpened, data: Path | None, folder: Path, token: str) -> list[Recipe]:
    """Return the recipes of a session's venues, learner and hosts, with their journals in a folder."""
    names = [(spec.mic, "venue") for spec in assembly_of(opened, data).specs]
    names += [(LEARNER, "learner"), *((host, "host") for host in host_names(opened.hosts))]
    return [_recipe(name, role, opened, data, folder, token) for name, role in names]


def _recipe(name: str, role: str, opened: SessionOpened, data: Path | None, folder: Path, token: str) -> Recipe:
    return Recipe(
        name=name,
        role=role,  # type: ignore[arg-type]
        scenario_name=opened.scenario_name,
        scenario_text=opened.scenario_text,
        scenario_path=opened.scenario_path,
        seed=opened.seed,
        policy=opened.policy,
        data=None if data is None else str(data.resolve()),
        journal=str((folder / f"{name}.sqlite").resolve()),
        token=token,
        opened=codec.encode(opened),
    )


def _recipes(
    settings: LiveSettings, at: SettingsAt, opened: SessionOpened, data: Path | None, namespace: str, token: str
) -> list[Recipe]:
    """Return one recipe for each actor, in the order they start: the record, shells, the market, the gateway."""
    own = codec.encode(msgspec.structs.replace(at, journal_url=_absolute(settings.journal_url)))

    def service(name: str) -> Recipe:
        recipe = _recipe(name, name, opened, data, settings.state, token)
        return msgspec.structs.replace(recipe, settings=own, namespace=namespace)

    shells = shell_recipes(opened, data, settings.state, token)
    return [service("record"), *shells, service("market"), service("gateway")]


def _absolute(url: str) -> str:
    """Return a journal's URL that means the same in every working directory."""
    kind, separator, path = url.partition(":")
    return f"{kind}:{Path(path).resolve()}" if separator and kind == "sqlite" else url
