"""Kill rounds: a live desk on Ray under load, one process of it killed (`kill -9`) in each round, and then every book
held against the others.

Rule of this file: a process is killed by its id, as the system would, and nobody is told. It counts as back when a new
process has its place and an order that was handed in after the kill has reached a venue.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import tempfile
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from itertools import count
from pathlib import Path
from statistics import quantiles
from typing import Any, NamedTuple

from benchmarks.kill_checks import Client, check_all
from benchmarks.kill_drill import ACCOUNT, LIMITED, PROBES, VENUES, outages, write_drill
from benchmarks.kill_load import Drill, Refused
from benchmarks.kill_switches import let_go_on, stop, stop_of
from benchmarks.rows import Row, Settings, measured
from router.domain.chance import uniforms
from router.domain.errors import AnabranchError, RunError

ROLES: Mapping[str, tuple[str, ...]] = {
    "gateway": ("gateway",),
    "record": ("record",),
    "market": ("market",),
    "host": ("host-0",),
    "venue": VENUES,
    "learner": ("learner",),
    "supervisor": ("supervisor",),
}
BACK_MAX_S = 90.0
LOOK_S, REFUSED_S = 0.05, 0.25
QUIET_MAX_S = 1.5
"""The longest that a desk trades undisturbed before the next kill."""

ROUNDS, ROUNDS_QUICK = 200, 8
PORTS = range(20_000, 30_000)
SEED = 1


class Round(NamedTuple):
    """One kill: whom, and how long it was until orders were worked again; None: they were not in time."""

    n: int
    role: str
    name: str
    back_s: float | None


class Report(NamedTuple):
    """What all rounds came to. `faults` are sentences by check; none, and everything held."""

    rounds: tuple[Round, ...]
    faults: dict[str, list[str]]
    orders: int
    cancels: int
    replaces: int
    executions: int
    stops: int
    """Kills of an account, a venue or a strategy."""
    denied: int
    """Orders denied for what the position could come to."""
    outages: int
    """Outages of links to venues that came while it was played."""
    seconds: float


Progress = Callable[[float, str], None]


def kill_rounds(rounds: int, seed: int = SEED, progress: Progress | None = None) -> Report:
    """Bring a desk up in a folder of its own, kill a process in each round, take it down and examine its books.

    Raises:
        LinkError: the desk does not come up.
        RunError: the desk does not come to rest.
    """
    with tempfile.TemporaryDirectory(prefix="anabranch-kills-", ignore_cleanup_errors=True) as name:
        return kill_rounds_in(Path(name), rounds, seed, progress)[0]


def kill_rounds_in(
    folder: Path, rounds: int, seed: int = SEED, progress: Progress | None = None
) -> tuple[Report, Client, Path]:
    """As `kill_rounds`, in a folder that stays; returns what the client knows and the desk's state folder, too."""
    # Importing these imports Ray, which no other benchmark of the catalogue needs for being named.
    from cluster.config import RayOptions
    from cluster.live.bringing_up import up
    from cluster.live.settings import live_settings
    from cluster.live.starting import SettingsAt

    began = time.monotonic()
    config = write_drill(folder, free_port(), is_troubled=True)
    settings = live_settings(config)
    with up(settings, SettingsAt(file=str(config)), None, None, RayOptions()) as desk:
        played, drill, filled = asyncio.run(_play(desk, rounds, seed, progress or (lambda share, text: None)))
    client = Client(drill.acknowledged, drill.contradicted, filled, drill.told)
    faults = check_all(settings.state, client)
    late = [f"round {r.n}: {r.name} was not back within {BACK_MAX_S:.0f} s" for r in played if r.back_s is None]
    played_s = time.monotonic() - began
    refused = [f"{name}: {said}" for name, said in drill.refused.items() if said.startswith(("400", "401", "403"))]
    report = Report(
        rounds=tuple(played),
        faults={**faults, "back_in_time": late, "well_formed": refused},
        orders=len(drill.acknowledged),
        cancels=drill.cancels,
        replaces=drill.replaces,
        executions=sum(said["event"] == "order_executed" for told in drill.told.values() for said in told),
        stops=drill.stops,
        denied=sum("POSITION_MAX" in said for said in drill.refused.values()),
        outages=sum(start < played_s for _, start, _ in outages()),
        seconds=time.monotonic() - began,
    )
    return report, client, settings.state


async def _play(desk: Any, rounds: int, seed: int, progress: Progress) -> tuple[list[Round], Drill, dict[str, int]]:
    async with Drill(desk.url, seed, (ACCOUNT, LIMITED, PROBES)) as drill:
        await _until(drill.is_ready, "the desk is ready")
        await _back(drill, "start")
        drill.go()
        played = []
        for n in range(rounds):
            a, b, _, _ = uniforms(seed, "kills", "round", n)
            # Every role comes up before one comes up again; in which order, and which venue, is drawn.
            role = _roles(seed, n // len(ROLES))[n % len(ROLES)]
            name = ROLES[role][int(a * len(ROLES[role]))]
            await asyncio.sleep(QUIET_MAX_S * b)
            stopped = stop_of(n)
            if stopped is not None:
                await stop(drill, *stopped)
            back_s = await _kill(desk.registry, drill, name, f"probe-{n}")
            if stopped is not None:
                await let_go_on(drill, *stopped)
            played.append(Round(n, role, name, back_s))
            progress((n + 1) / rounds, f"{name} back after {back_s and round(back_s, 2)} s")
        await drill.rest()
        try:
            await drill.end_all()
        except TimeoutError as exc:
            raise RunError("expected every order to end after the last kill, got some that stay open") from exc
        filled = await drill.filled()
        await drill.hear_all()
        return played, drill, filled


def _roles(seed: int, turn: int) -> list[str]:
    """Return the roles in the order of one turn."""
    return sorted(ROLES, key=lambda role: uniforms(seed, "kills", role, turn)[0])


async def _kill(registry: Any, drill: Drill, name: str, probe: str) -> float | None:
    """Kill a process and return after how many seconds orders are worked again."""
    pid = await asyncio.to_thread(_pid, registry, name)
    if pid is None:
        raise RunError(f"expected a process of {name} to kill, got none")
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    with suppress(TimeoutError):
        async with asyncio.timeout(BACK_MAX_S):
            await _back(drill, probe)
            while await asyncio.to_thread(_pid, registry, name) in (None, pid):
                await asyncio.sleep(LOOK_S)
            return time.monotonic() - began
    return None


async def _back(drill: Drill, probe: str) -> None:
    """Return when an order that is handed in now has reached a venue; one that is refused says that it cannot yet."""
    for n in count():
        with suppress(Refused):
            order_id = await drill.order(f"{probe}.{n}", account=PROBES)
            while not await drill.is_worked(order_id):
                await asyncio.sleep(LOOK_S)
            return
        await asyncio.sleep(REFUSED_S)


def _pid(registry: Any, name: str) -> int | None:
    """Return the process of an actor as it says itself; None: nobody answers."""
    from ray.exceptions import RayError

    try:
        pid: int = registry.pid(name)
    except (RayError, AnabranchError):
        return None
    return pid


async def _until(holds: Callable[[], Any], what: str) -> None:
    try:
        async with asyncio.timeout(BACK_MAX_S):
            while not await holds():
                await asyncio.sleep(LOOK_S)
    except TimeoutError as exc:
        raise RunError(f"expected that {what} within {BACK_MAX_S:.0f} s, got nothing of it") from exc


def free_port() -> int:
    """Return a port that is free now: a gateway's next life must listen where its last one did.

    It is none of those that the system gives to whoever asks for any, as Ray's processes do again and again.

    Raises:
        RunError: none is free.
    """
    first = os.getpid() % len(PORTS)
    for port in (*PORTS[first:], *PORTS[:first]):
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
    raise RunError(f"expected a free port from {PORTS[0]} to {PORTS[-1]}, got none")


def rows_of(report: Report) -> list[Row]:
    """Return a report's rows: what was found wrong, and the recovery times by role."""
    shown = {name: found for name, found in report.faults.items() if found}
    what = "faults found" + "".join(f"; {name}: {' | '.join(found)}" for name, found in shown.items())
    rows = [
        measured("kills.rounds", "processes killed", [float(len(report.rounds))], "kills"),
        measured("kills.orders", "orders acknowledged", [float(report.orders)], "orders"),
        measured("kills.changes", "cancels and replaces asked", [float(report.cancels + report.replaces)], "requests"),
        measured("kills.executions", "executions told on the streams", [float(report.executions)], "executions"),
        measured("kills.stops", "kills of an account, venue or strategy", [float(report.stops)], "kills"),
        measured("kills.denied", "orders denied for the position", [float(report.denied)], "orders"),
        measured("kills.outages", "outages of links to venues", [float(report.outages)], "outages"),
        measured("kills.faults", what, [float(sum(map(len, report.faults.values())))], "faults", at_most=0.0),
        measured("kills.seconds", "the whole, the examination with it", [report.seconds], "s"),
    ]
    for role in ROLES:
        times = [r.back_s for r in report.rounds if r.role == role and r.back_s is not None]
        if times:
            cuts = quantiles([*times, *times[-1:]], n=100, method="inclusive")
            rows.append(measured(f"kills.{role}.p50_s", f"{role}: orders worked again after", [cuts[49]], "s"))
            rows.append(measured(f"kills.{role}.p99_s", f"{role}: 99th percentile of {len(times)}", [cuts[98]], "s"))
    return rows


def kills(settings: Settings) -> list[Row]:
    """Run the rounds and return their rows; `--quick` runs few, `--rounds` as many as it says."""
    rounds = settings.drill_rounds or (ROUNDS_QUICK if settings.is_quick else ROUNDS)
    report = kill_rounds(rounds, SEED, settings.progress)
    return rows_of(report)


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (kills,)
