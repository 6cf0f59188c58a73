"""Ray that is started here is for this machine and for who holds its token: no port of it is open to others."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from cluster.config import RayOptions
from cluster.live.local_nodes import local_nodes
from cluster.local_ray import TOKEN_FILE, local_ray, loopback_cluster
from router.domain.errors import ConfigError

sys.path.append(str(Path(__file__).parents[1] / "live"))

from listening import listeners

pytestmark = pytest.mark.ray

JOIN = """
import os, sys
import ray
try:
    ray.init(address=sys.argv[1], log_to_driver=False)
except Exception as exc:
    print("refused", type(exc).__name__)
else:
    print("joined", len(ray.nodes()))
"""


def join(address: str, token: Path) -> str:
    """What becomes of another process that wants to join with the token in a file."""
    environment = {**os.environ, "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token)}
    # Without it Ray would look for the cluster at the address of the network.
    environment["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    command = [sys.executable, "-c", JOIN, address]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120).stdout.strip()


def check_listeners() -> None:
    """Ray listens, and on loopback alone."""
    found = listeners(os.getpid())
    assert len(found) >= 5
    assert [listener for listener in found if not listener.is_loopback] == []


def test_no_port_of_ray_is_open_to_others_and_who_has_no_token_is_not_let_in(tmp_path: Path) -> None:
    before = os.environ.get("RAY_AUTH_MODE")
    with local_ray(None, RayOptions(), tmp_path):
        import ray

        check_listeners()
        assert stat.S_IMODE((tmp_path / TOKEN_FILE).stat().st_mode) == 0o600
        address = ray.get_runtime_context().gcs_address
        other = tmp_path / "other"
        other.write_text("0" * 64)
        assert join(address, tmp_path / TOKEN_FILE) == "joined 1"
        assert join(address, other).startswith("refused")
        home = Path(ray._private.worker._global_node.get_session_dir_path())
        closed = [folder for folder in home.parents if stat.S_IMODE(folder.stat().st_mode) == 0o700]
        assert closed != []
    assert os.environ.get("RAY_AUTH_MODE") == before
    assert not home.exists()


def test_several_nodes_on_this_machine_are_on_loopback_as_well() -> None:
    with local_nodes(None, 2, RayOptions()):
        import ray

        assert len(ray.nodes()) == 2
        check_listeners()


def test_what_still_has_a_file_of_the_cluster_open_is_ended_with_it(tmp_path: Path) -> None:
    holding = "import sys; file = open(sys.argv[1], 'w'); print('open', flush=True); sys.stdin.read()"
    with loopback_cluster(tmp_path) as home:
        home.mkdir()
        left, other = (
            subprocess.Popen([sys.executable, "-c", holding, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
            for path in (str(home / "log"), str(tmp_path / "log"))
        )
        for process in (left, other):
            assert process.stdout is not None
            assert process.stdout.readline() == b"open\n"
    with left, other:
        assert left.wait(20) == -signal.SIGKILL
        assert other.poll() is None
        other.kill()


def test_a_folder_that_takes_no_token_is_refused_before_anything_starts(tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigError, match=r"expected a folder for Ray's token"),
        local_ray(None, RayOptions(), tmp_path / "none"),
    ):
        pass
    assert listeners(os.getpid()) == []
