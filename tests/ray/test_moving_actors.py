"""A node that is drained, a supervisor that moves itself, and a host that rests: nothing is lost on the way.

Rule of this file: three real Ray nodes on this machine, started here and ended here; nothing is asserted about time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from test_actors_on_ray import LOOKS_MAX, TOKEN, lives, recipe_of, venue_batch

from cluster.actors.lives import Life
from cluster.actors.registry import ClusterRegistry
from cluster.config import RayOptions
from cluster.live.local_nodes import local_nodes
from cluster.replay import make_link
from router.domain.errors import AnabranchError, ConfigError

pytestmark = [
    pytest.mark.ray,
    # Ray leaves pipes and sockets of its own behind when it shuts down.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
NAMES = ("XLTA", "XINA", "XDKA")


@pytest.fixture(scope="module")
def three() -> Iterator[None]:
    with local_nodes(None, 3, RayOptions()):
        yield


@pytest.fixture
def registry(three: None, tmp_path: Path) -> Iterator[ClusterRegistry]:
    registry = ClusterRegistry(f"test-{tmp_path.name}", str(tmp_path / "supervisor.sqlite"))
    registry.start([recipe_of(tmp_path, name) for name in NAMES])
    yield registry
    registry.stop()


def wait_for(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    assert any(holds() or pause.wait(0.5) for _ in range(LOOKS_MAX)), "it never came to hold"


def on(registry: ClusterRegistry, node: str) -> set[str]:
    """Who lives on a node."""
    return {name for one in registry.nodes() if one.node == node for name in one.actors}


def life_of(registry: ClusterRegistry, name: str) -> Life:
    (found,) = [life for life in registry.lives() if life.name == name]
    return found


def test_what_lives_on_a_drained_node_moves_and_goes_on_where_it_stood(registry: ClusterRegistry) -> None:
    assert {name for one in registry.nodes() for name in one.actors} == {*NAMES, "supervisor"}
    link = make_link(registry, "stream", TOKEN)
    link.send("XLTA", venue_batch(1))
    first = link.receive()["XLTA"]
    node = life_of(registry, "XLTA").node_id
    registry.set_node(node, is_draining=True)
    wait_for(lambda: not on(registry, node) & set(NAMES))
    assert life_of(registry, "XLTA").why == "its node is drained"
    # Asked again it gives its last answer: it hears its batches again, elsewhere.
    link.send("XLTA", venue_batch(1))
    assert link.receive()["XLTA"] == first
    link.send("XLTA", venue_batch(2))
    assert link.receive()["XLTA"].seq == 2
    assert [one.is_draining for one in registry.nodes() if one.node == node] == [True]
    registry.set_node(node, is_draining=False)
    assert not any(one.is_draining for one in registry.nodes())
    link.close()


def test_the_supervisor_leaves_its_own_node_last_and_remembers_what_is_drained(registry: ClusterRegistry) -> None:
    own = life_of(registry, "supervisor")
    registry.set_node(own.node_id, is_draining=True)
    wait_for(lambda: registry.lives()[0].node_id != own.node_id)
    wait_for(lambda: not on(registry, own.node_id))
    assert registry.lives()[0].incarnation == 1
    (other, _) = [one.node for one in registry.nodes() if not one.is_draining]
    registry.set_node(other, is_draining=True)
    (last,) = [one.node for one in registry.nodes() if not one.is_draining]
    with pytest.raises(ConfigError, match="expected another node to move to"):
        registry.set_node(last, is_draining=True)
    wait_for(lambda: on(registry, last) == {*NAMES, "supervisor"})
    for node in (own.node_id, other):
        registry.set_node(node, is_draining=False)


def test_a_node_that_is_not_there_is_refused(registry: ClusterRegistry) -> None:
    with pytest.raises(ConfigError, match=r"expected one of .*, got 'elsewhere' - at node"):
        registry.set_node("elsewhere", is_draining=True)


def test_one_actor_that_cannot_start_holds_up_none_of_the_others(registry: ClusterRegistry, tmp_path: Path) -> None:
    bad, good = recipe_of(tmp_path, "XBAD"), recipe_of(tmp_path, "XSDA")
    with pytest.raises(AnabranchError):
        registry.start([msgspec.structs.replace(bad, scenario_text="nonsense"), good])
    with pytest.raises(AnabranchError):
        registry.where("XBAD")
    assert {life.name for life in registry.lives()} >= {"XBAD", "XSDA"}
    registry.start([recipe_of(tmp_path, name) for name in NAMES])
    assert registry.where("XSDA").incarnation == 0


def test_an_actor_that_was_woken_is_left_awake_for_a_while(registry: ClusterRegistry, tmp_path: Path) -> None:
    registry.rest(["XDKA", "XINA"])
    assert life_of(registry, "XDKA").is_resting
    assert registry.where("XDKA").incarnation == 1
    registry.rest(["XDKA", "XINA"])
    assert (life_of(registry, "XDKA").is_alive, life_of(registry, "XINA").is_resting) == (True, True)
    # Those that rest and are wanted begin their next lives.
    registry.start([recipe_of(tmp_path, "XINA")])
    assert (life_of(registry, "XINA").is_alive, registry.where("XINA").incarnation) == (True, 1)


def test_an_actor_that_rests_has_no_process_until_somebody_asks_for_it(registry: ClusterRegistry) -> None:
    link = make_link(registry, "stream", TOKEN)
    for seq in (1, 2):
        link.send("XINA", venue_batch(seq))
        assert link.receive()["XINA"].seq == seq
    registry.rest(["XINA", "nobody"])
    resting = life_of(registry, "XINA")
    assert (resting.is_alive, resting.is_resting, resting.pid) == (False, True, 0)
    # Also a supervisor that comes back lets it rest, and knows since when the others live.
    since = life_of(registry, "XLTA").since
    registry.kill("supervisor")
    assert life_of(registry, "XINA").is_resting
    assert life_of(registry, "XLTA").since == since
    own = life_of(registry, "supervisor")
    assert (own.incarnation, own.died_at > since, own.why) == (1, True, "its process ended")
    link.send("XINA", venue_batch(3))
    assert link.receive()["XINA"].seq == 3
    awake = life_of(registry, "XINA")
    assert (awake.is_alive, awake.is_resting, awake.incarnation) == (True, False, 1)
    assert lives(registry) == {"XLTA": 0, "XINA": 1, "XDKA": 0}
    link.close()
