"""A replay over actors: the same digest as in one process, on one node and on three, and after any actor is killed.

Rule of this file: real Ray, started here and ended here; nothing is asserted about time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster.config import RayOptions
from cluster.replay import local_ray, replay_on_ray
from router.domain.messages import Message
from scenarios.link import Link
from scenarios.runner import run
from scenarios.scenario import Scenario, load_scenario, parse_scenario

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its own behind when it shuts down.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]


def two_parents() -> Scenario:
    """Return the smoke scenario with a second parent, so that hosts are shared and told apart."""
    text = load_scenario("smoke").text + '\n[[orders]]\nid = "SMOKE-2"\nside = "SELL"\norder_qty = 900\nend_s = 200\n'
    head, _, orders = text.partition("[[orders]]")
    first, _, rest = orders.partition("[learning]")
    settings, _, second = rest.rpartition("[[orders]]")
    return parse_scenario(f"{head}[[orders]]{first}[[orders]]{second}\n[learning]{settings}", "smoke-two")


@pytest.fixture(scope="module")
def expected() -> str:
    return run(two_parents(), seed=3).digest


@pytest.fixture(scope="module")
def local() -> Iterator[None]:
    with local_ray(None, RayOptions()):
        yield


class Killing:
    """A link that kills an actor in the middle of a run, once, after so many batches to it."""

    def __init__(self, link: Link, registry, name: str, after: int) -> None:  # type: ignore[no-untyped-def]
        self.link, self.registry, self.name, self.after = link, registry, name, after
        self.batches = 0
        self.has_killed = False

    def send(self, to: str, batch: Message) -> None:
        self.batches += to == self.name or self.name == "supervisor"
        if self.batches == self.after and not self.has_killed:
            self.has_killed = True
            self.registry.kill(self.name)
        self.link.send(to, batch)

    def receive(self) -> dict[str, Message]:
        return self.link.receive()

    def close(self) -> None:
        self.link.close()


@pytest.mark.parametrize("link", ["stream", "ray"])
def test_the_digest_on_ray_is_the_digest_in_one_process(local: None, expected: str, link: str) -> None:
    summary = replay_on_ray(two_parents(), seed=3, options=RayOptions(link=link))
    assert summary.digest == expected
    assert summary.runtime == "ray"


@pytest.mark.parametrize("link", ["stream", "ray"])
@pytest.mark.parametrize("name", ["XLTA", "XDKA", "XSDA", "learner", "host-0", "host-1"])
def test_killing_any_actor_in_the_middle_changes_nothing(local: None, expected: str, name: str, link: str) -> None:
    if link == "ray" and name in ("XDKA", "XSDA", "host-1"):
        pytest.skip("the call link is tried with one actor of each role")
    seen: list[Killing] = []

    def wrap(inner: Link, registry) -> Link:  # type: ignore[no-untyped-def]
        seen.append(Killing(inner, registry, name, 12))
        return seen[0]

    summary = replay_on_ray(two_parents(), seed=3, options=RayOptions(link=link), wrap=wrap)
    assert seen[0].has_killed
    assert summary.digest == expected


def test_killing_the_supervisor_and_then_an_actor_changes_nothing(local: None, expected: str) -> None:
    seen: list[Killing] = []

    def wrap(inner: Link, registry) -> Link:  # type: ignore[no-untyped-def]
        seen.append(Killing(inner, registry, "supervisor", 20))
        seen.append(Killing(seen[0], registry, "XLTA", 30))
        return seen[1]

    summary = replay_on_ray(two_parents(), seed=3, wrap=wrap)
    assert all(killing.has_killed for killing in seen)
    assert summary.digest == expected


def test_many_parents_share_hosts_and_the_digest_stays(local: None) -> None:
    scenario = two_parents()
    alone = run(scenario, seed=4).digest
    packed = replay_on_ray(scenario, seed=4, options=RayOptions(pool_size=1, orders_per_actor=8))
    assert packed.digest == alone


def test_three_nodes_give_the_same_digest(expected: str, tmp_path: Path) -> None:
    import ray
    from ray.cluster_utils import Cluster

    if ray.is_initialized():
        ray.shutdown()
    os.environ["RAY_worker_niceness"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        with local_ray(cluster.address, RayOptions()):
            assert len([node for node in ray.nodes() if node["Alive"]]) == 3
            summary = replay_on_ray(two_parents(), seed=3)
        assert summary.digest == expected
    finally:
        cluster.shutdown()
