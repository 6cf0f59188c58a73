"""Brings a desk up on a Ray cluster, and down: which actors there are, in which order they start and end.

Rule of this file: the session is in the journal before any actor lives, and what an actor needs to come back to life
lies in the state folder. Going down, the door closes first and the record last.
"""

from __future__ import annotations

import contextlib
import os
import queue
import secrets
import signal
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import msgspec

from cluster.actors.recipe import Recipe
from cluster.actors.registry import ClusterRegistry
from cluster.config import RayOptions
from cluster.journal.open import open_journal
from cluster.live.build import build_text
from cluster.live.clock import LiveClock
from cluster.live.folder import check_port, claim_folder, hold_folder
from cluster.live.opening import desk_of, opened_of
from cluster.live.reopening import build_note, check_kept, check_not_over, ends_at, limit_changes
from cluster.live.session import assembly_of, draining_in, hosts_in
from cluster.live.settings import LiveSettings
from cluster.live.starting import SettingsAt
from cluster.live.told import STATUS_FILE, Telling, UpStatus, write_status
from cluster.local_ray import LOOPBACK, local_ray, node_addresses
from router.domain import codec
from router.domain.errors import AnabranchError, ConfigError
from router.domain.facts import DESK, LimitSet, SessionOpened, market_stream
from router.orders.journal import Draft, Journal
from scenarios.day import LEARNER
from scenarios.hosts import host_names

LOOK_EVERY_S = 2.0


class _Session(NamedTuple):
    """A session as its journal has it: how many hosts it has had at most, and the nodes that are not to be used."""

    opened: SessionOpened
    hosts: int
    draining: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """What whoever brings it up should know."""


class Up(NamedTuple):
    """A desk that is up."""

    opened: SessionOpened
    registry: ClusterRegistry
    url: str
    token: str
    notes: tuple[str, ...] = ()
    """What whoever brings it up should know."""


def check_cluster_token(address: str | None, nodes: Sequence[str] = ()) -> None:
    """Refuse a cluster that others can reach and that asks nobody for a token. `nodes` are where its nodes listen, once
    that is known: what answers on loopback may answer elsewhere too.

    Raises:
        ConfigError: says what to set.
    """
    host = (address or "127.0.0.1").removeprefix("ray://").rpartition(":")[0] or "127.0.0.1"
    foreign = [listening for listening in (host, *nodes) if listening not in LOOPBACK]
    if foreign and os.environ.get("RAY_AUTH_MODE") != "token":
        where = address if foreign[0] == host else f"{address}, which has a node at {foreign[0]}"
        raise ConfigError(
            f"expected RAY_AUTH_MODE=token for a cluster that is not on loopback, got"
            f" {os.environ.get('RAY_AUTH_MODE')!r} - at {where}"
        )


@contextlib.contextmanager
def up(
    settings: LiveSettings, at: SettingsAt, data: Path | None, address: str | None, options: RayOptions
) -> Iterator[Up]:
    """Hold a desk up for as long as the block runs.

    Raises:
        BadInputError: settings, scenario, data, folder or address that cannot be used, also in a session that is there
            already; or Ray cannot start.
        JournalError: the journal is held by another, or cannot be used.
        LinkError: an actor cannot be started.
    """
    check_cluster_token(address)
    # What lies in the state folder opens every door inside the desk: nobody else may read it.
    os.umask(0o077)
    claim_folder(settings.state)
    with hold_folder(settings.state):
        # A desk that was killed has left its own; with the folder held again it would be believed.
        (settings.state / STATUS_FILE).unlink(missing_ok=True)
        if address is None:
            # Elsewhere the door may be on another node.
            check_port(settings.api, settings.where)
        session = _open_session(settings, data)
        assembly_of(session.opened, data)
        with local_ray(address, options, settings.state):
            if address is not None:
                check_cluster_token(address, node_addresses())
            yield from _held_up(settings, at, session, data)


def _held_up(settings: LiveSettings, at: SettingsAt, session: _Session, data: Path | None) -> Iterator[Up]:
    """Start every actor, give the desk, and end what was started."""
    opened = session.opened
    namespace, token = f"anabranch-live-{secrets.token_hex(4)}", secrets.token_hex(32)
    supervisor_journal = settings.state / "supervisor.sqlite"
    # What should live is of one life of the desk: the next one starts from the journals, not from that list.
    supervisor_journal.unlink(missing_ok=True)
    registry = ClusterRegistry(namespace, str(supervisor_journal))
    try:
        with Telling(registry.lives, registry.nodes, partial(registry.hand_on, "gateway", "steer", token)) as telling:
            _drain_again(registry, session.draining)
            registry.start(_recipes(settings, at, session, data, namespace, token))
            url: str = registry.ask("gateway", "url", token)
            write_status(settings.state, _status(opened, namespace, url, telling))
            yield Up(opened, registry, url, token, session.notes)
        with contextlib.suppress(AnabranchError):
            registry.closing()
        for name in ("gateway", "market", "record"):
            # Whichever cannot be reached, the others still write down what they have.
            with contextlib.suppress(AnabranchError):
                registry.close(name)
    finally:
        # What keeps the desk from coming up is told, and not what keeps its rest from being ended: Ray ends it then.
        with contextlib.suppress(AnabranchError):
            registry.stop()
        (settings.state / STATUS_FILE).unlink(missing_ok=True)


def _status(opened: SessionOpened, namespace: str, url: str, telling: Telling) -> UpStatus:
    return UpStatus(
        pid=os.getpid(),
        url=url,
        namespace=namespace,
        symbol=opened.symbol,
        opened_at=opened.wall_at,
        closes_at=ends_at(opened),
        up_since=time.time_ns(),
        build=build_text(),
        opened_build=opened.build,
        port=telling.port,
        secret=telling.secret,
    )


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


def _open_session(settings: LiveSettings, data: Path | None) -> _Session:
    """Return the journal's session, opened now where there is none, with what should be known of it.

    Raises:
        ConfigError: the session is over, or keeps from its opening what the configuration says otherwise.
    """
    journal = open_journal(settings.journal_url)
    try:
        opened, is_new = opened_of(settings, journal, time.time_ns(), data)
        if is_new:
            _append(journal, market_stream(opened.symbol), opened)
            return _Session(opened, opened.hosts)
        clock = LiveClock(opened.open_at, opened.wall_at, opened.speed)
        check_not_over(opened, clock, settings.state)
        check_kept(settings, opened)
        changes = limit_changes(settings, opened, journal.read(0, DESK), clock.now())
        _append(journal, DESK, *changes)
        notes = [f"risk.{fact.key} is {fact.after or 'no more'}, was {fact.before or 'none'}" for fact in changes]
        told = tuple(note for note in (build_note(opened), *notes) if note)
        return _Session(opened, hosts_in(opened, journal.read(0, DESK)), draining_in(journal.read(0, DESK)), told)
    finally:
        journal.close()


def _drain_again(registry: ClusterRegistry, nodes: Sequence[str]) -> None:
    """Keep off the nodes that people drain, where the cluster is the one that it was."""
    for node in nodes:
        with contextlib.suppress(ConfigError):
            registry.set_node(node, is_draining=True)


def _append(journal: Journal, stream: str, *facts: SessionOpened | LimitSet) -> None:
    drafts = [Draft(type(fact).__name__, fact.at, "", codec.encode(fact)) for fact in facts]
    if drafts:
        journal.append(stream, journal.next_seq(stream), drafts)
        journal.sync()


def shell_recipes(opened: SessionOpened, data: Path | None, folder: Path, token: str, hosts: int) -> list[Recipe]:
    """Return the recipes of a session's venues, learner and so many hosts, with their journals in a folder."""
    names = [(spec.mic, "venue") for spec in assembly_of(opened, data).specs]
    names += [(LEARNER, "learner"), *((host, "host") for host in host_names(hosts))]
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
    settings: LiveSettings, at: SettingsAt, session: _Session, data: Path | None, namespace: str, token: str
) -> list[Recipe]:
    """Return one recipe for each actor, in the order they start: the record, shells, the market, the gateway."""
    opened = session.opened
    text = Path(at.file).read_text(encoding="utf-8") if at.file else None
    own = codec.encode(msgspec.structs.replace(at, journal_url=_absolute(settings.journal_url), text=text))

    def service(name: str) -> Recipe:
        recipe = _recipe(name, name, opened, data, settings.state, token)
        return msgspec.structs.replace(recipe, settings=own, namespace=namespace)

    # Worked out here, so that a record that comes back loads no engine to know what it may accept.
    basis = desk_of(settings, opened, assembly_of(opened, data)).basis()
    record = msgspec.structs.replace(service("record"), basis=basis, record=_absolute(settings.journal_url))
    shells = shell_recipes(opened, data, settings.state, token, session.hosts)
    return [record, *shells, service("market"), service("gateway")]


def _absolute(url: str) -> str:
    """Return a journal's URL that means the same in every working directory."""
    kind, separator, path = url.partition(":")
    return f"{kind}:{Path(path).resolve()}" if separator and kind == "sqlite" else url
