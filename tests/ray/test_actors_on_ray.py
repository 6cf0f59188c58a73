"""Actors and their supervisor on Ray: faults keep their class and text, lives are counted, losses are told.

Rule of this file: real Ray, started here and ended here; nothing is asserted about time.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import ray

from cluster.actors.recipe import Recipe
from cluster.actors.registry import SUPERVISOR, ClusterRegistry
from cluster.config import RayOptions
from cluster.replay import local_ray, make_link, replay_on_ray
from router.domain.errors import FeatureError, JournalError
from router.domain.messages import LearnerBatch, Message, VenueBatch
from router.domain.units import SECOND
from scenarios.assembly import assemble
from scenarios.link import Link
from scenarios.runner import conduct, local_link
from scenarios.scenario import load_scenario

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its own behind when it shuts down.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]

TOKEN = "5e" * 32
SMOKE = load_scenario("smoke")
LOOKS_MAX = 240
"""The watch looks every two seconds: after two minutes it is not looking."""


@pytest.fixture(scope="module")
def local() -> Iterator[None]:
    with local_ray(None, RayOptions()):
        yield


@pytest.fixture
def registry(local: None, tmp_path: Path) -> Iterator[ClusterRegistry]:
    registry = ClusterRegistry(f"test-{tmp_path.name}", str(tmp_path / "supervisor.sqlite"))
    yield registry
    registry.stop()


def recipe_of(folder: Path, name: str, link: str = "stream") -> Recipe:
    return Recipe(
        name=name,
        role="venue",
        scenario_name=SMOKE.name,
        scenario_text=SMOKE.text,
        seed=1,
        policy="censored",
        data=None,
        journal=str(folder / f"{name}.sqlite"),
        token=TOKEN,
        link=link,
    )


class Spoiling:
    """A link that spoils what one learner is shown, in the middle of a run."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.batches = 0

    def send(self, to: str, batch: Message) -> None:
        if isinstance(batch, LearnerBatch):
            self.batches += 1
            if self.batches >= 5 and batch.frames:
                frames = tuple(msgspec.structs.replace(frame, lanes=frame.lanes[::-1]) for frame in batch.frames)
                batch = msgspec.structs.replace(batch, frames=frames)
        self.link.send(to, batch)

    def receive(self) -> dict[str, Message]:
        return self.link.receive()

    def close(self) -> None:
        self.link.close()


def venue_batch(seq: int) -> VenueBatch:
    return VenueBatch(seq=seq, until=assemble(SMOKE, 1, None).setup.open_at + seq * SECOND)


@pytest.mark.parametrize("kind", ["stream", "ray"])
def test_what_a_learner_refuses_ends_a_run_as_it_does_in_one_process(local: None, kind: str) -> None:
    assembly = assemble(SMOKE, 1, None)
    alone = Spoiling(local_link(assembly, "censored"))
    with pytest.raises(FeatureError) as expected:
        conduct(assembly, alone, {"SMOKE-1": "host-0"}, "censored", runtime="inprocess")
    seen: list[Spoiling] = []
    statuses: list[list[tuple[str, str, int]]] = []

    def wrap(inner: Link, registry: ClusterRegistry) -> Link:
        seen.append(Watched(inner, registry, statuses))
        return seen[0]

    with pytest.raises(FeatureError) as fault:
        replay_on_ray(SMOKE, seed=1, policy="censored", options=RayOptions(link=kind), wrap=wrap)
    assert str(fault.value) == str(expected.value)
    assert seen[0].batches == alone.batches
    assert [life for _, _, life in statuses[0]] == [0] * len(statuses[0]), "nobody died of it"


def test_lives_are_counted_over_the_supervisors_own_and_a_lost_journal_is_told(
    registry: ClusterRegistry, tmp_path: Path
) -> None:
    registry.start([recipe_of(tmp_path, "XLTA"), recipe_of(tmp_path, "XINA", "ray")])
    assert registry.where("XINA").address is None, "where calls are the link, nobody listens"
    assert registry.where("XLTA").address is not None
    link = make_link(registry, "stream", TOKEN)
    for seq in (1, 2):
        link.send("XLTA", venue_batch(seq))
        assert link.receive()["XLTA"].seq == seq
        registry.kill("XLTA")
        registry.revive("XLTA", seq - 1)
        assert lives(registry) == {"XLTA": seq, "XINA": 0}
    registry.kill(SUPERVISOR)
    assert lives(registry) == {"XLTA": 2, "XINA": 0}
    link.send("XLTA", venue_batch(3))
    assert link.receive()["XLTA"].seq == 3
    link.close()

    for left in tmp_path.glob("XLTA.sqlite*"):
        left.unlink()
    registry.kill("XLTA")
    with pytest.raises(JournalError, match=r"life 3 of XLTA, got none .*XLTA\.sqlite"):
        registry.revive("XLTA", 2)
    for ask in (lambda: registry.where("XLTA"), registry.status, lambda: registry.revive("XLTA", 2)):
        with pytest.raises(JournalError, match="life 3 of XLTA"):
            ask()
    assert registry.where("XINA").incarnation == 0, "the others live on"


def test_the_watch_keeps_what_it_could_not_mend_and_watches_on(registry: ClusterRegistry, tmp_path: Path) -> None:
    registry.start([recipe_of(tmp_path, "XLTA"), recipe_of(tmp_path, "XINA")])
    for left in tmp_path.glob("XLTA.sqlite*"):
        left.unlink()
    handles = {name: registry.where(name).handle for name in ("XLTA", "XINA")}
    for handle in handles.values():
        ray.kill(handle, no_restart=True)
    pause = threading.Event()
    with pytest.raises(JournalError, match="life 1 of XLTA"):
        for _ in range(LOOKS_MAX):
            registry.where("XLTA")
            pause.wait(0.5)
    for _ in range(LOOKS_MAX):
        if registry.where("XINA").incarnation:
            break
        pause.wait(0.5)
    assert registry.where("XINA").incarnation == 1


def lives(registry: ClusterRegistry) -> dict[str, int]:
    return {name: life for name, _, life in registry.status()}


class Watched(Spoiling):
    """Spoils, and looks once more at who lives before the run is over."""

    def __init__(self, link: Link, registry: ClusterRegistry, statuses: list[list[tuple[str, str, int]]]) -> None:
        super().__init__(link)
        self.registry, self.statuses = registry, statuses

    def close(self) -> None:
        self.statuses.append(self.registry.status())
        super().close()
