"""One run's parts brought to life in this process, and driven to its end.

Rule of this file: the learner comes in made, so that a day can be run to find out what a policy should be told.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from router.domain.units import Nanos
from router.orders.host import OrderHost
from router.orders.memory_journal import MemoryJournal
from scenarios.assembly import (
    Assembly,
    make_host_setup,
    make_impact,
    make_network,
    make_plan,
    make_reactions,
    make_venue,
)
from scenarios.conductor import Conductor
from scenarios.evaluation import add_mids
from scenarios.faults import CrashingLink
from scenarios.link import Link, LocalLink
from scenarios.recorder import Recorder
from scenarios.scenario import HostCrash
from scenarios.shells import HostShell, Shell, VenueShell

Progress = Callable[[float, str], None]
HOST = "host-0"
LEARNER = "learner"

YOUNG_MAX = 1_000_000
"""Objects that a run may make before the collector of cycles looks at them."""


def link_of(assembly: Assembly, learner: Shell) -> Link:
    """Return every shell of the run, in this process."""
    shells: dict[str, Shell] = {spec.mic: VenueShell(make_venue(assembly, spec.mic)) for spec in assembly.specs}
    shells[LEARNER] = learner
    setup = make_host_setup(assembly)
    crashes = [broken for broken in assembly.scenario.file.breaks if isinstance(broken, HostCrash)]
    if crashes:
        return CrashingLink(shells, HOST, setup, crashes, assembly.setup.open_at, assembly.seed)
    shells[HOST] = HostShell(OrderHost(MemoryJournal(), setup))
    return LocalLink(shells)


def drive(assembly: Assembly, link: Link, host_of: dict[str, str], progress: Progress | None = None) -> Conductor:
    """Drive a run over any link to its end; its recorder then holds everything, the mids after each fill included."""
    recorder = Recorder(assembly.specs, lambda at: _regime(assembly, at))
    conductor = Conductor(
        make_plan(assembly, host_of),
        link,
        make_network(assembly),
        make_impact(assembly),
        recorder,
        progress,
        make_reactions(assembly),
    )
    with _seldom_collecting():
        conductor.run()
    add_mids(recorder, conductor.history)
    return conductor


@contextmanager
def _seldom_collecting() -> Iterator[None]:
    """Let the collector of cycles look seldom: a run makes next to none, and its record is large to look through."""
    before = gc.get_threshold()
    gc.set_threshold(YOUNG_MAX, *before[1:])
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # All that the run has made is old by now: without this, what comes next would pay for looking through it.
            gc.freeze()
            gc.unfreeze()
        gc.set_threshold(*before)


def _regime(assembly: Assembly, at: Nanos) -> str:
    return "" if assembly.is_tape or not assembly.setup.regimes else assembly.setup.regime_at(at).name
