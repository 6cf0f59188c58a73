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
from cluster.live.bringing_up import check_cluster_token, up
from cluster.live.local_nodes import local_nodes
from cluster.live.settings import live_settings
from cluster.live.starting import SettingsAt
from cluster.local_ray import LOOPBACK, OWNER_FILE, TOKEN_FILE, local_ray, loopback_cluster, node_addresses
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
        assert set(node_addresses()) <= set(LOOPBACK)
        check_listeners()


def test_cluster_that_listens_elsewhere_too_is_refused_without_a_token(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import ray
    from ray.cluster_utils import Cluster

    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    file = tmp_path / "anabranch.toml"
    file.write_text('[live]\nscenario = "smoke"\n[api]\nis_open = true\nport = 0\n', encoding="utf-8")
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    mask = os.umask(0o077)
    try:
        host, _, port = cluster.address.rpartition(":")
        assert host not in LOOPBACK
        with (
            pytest.raises(ConfigError, match=f"expected RAY_AUTH_MODE=token .* which has a node at {host}"),
            up(live_settings(file), SettingsAt(file=str(file)), None, f"127.0.0.1:{port}", RayOptions()),
        ):
            pass
        assert not ray.is_initialized()
    finally:
        os.umask(mask)
        cluster.shutdown()


def test_one_node_elsewhere_is_enough_to_need_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RAY_AUTH_MODE", raising=False)
    check_cluster_token("127.0.0.1:6379", ["127.0.0.1", "::1"])
    with pytest.raises(ConfigError, match="RAY_AUTH_MODE"):
        check_cluster_token("127.0.0.1:6379", ["127.0.0.1", "10.0.0.7"])


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


def test_what_a_killed_owner_left_is_swept_and_what_lives_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cluster.local_ray.TEMPORARY", tmp_path)
    (tmp_path / "anabranch-dead" / "ray").mkdir(parents=True)
    (tmp_path / "anabranch-dead" / OWNER_FILE).touch()
    (tmp_path / "anabranch-others").mkdir()
    with loopback_cluster() as first, loopback_cluster() as second:
        left = {path.name for path in tmp_path.iterdir()}
        assert left == {"anabranch-others", first.parent.name, second.parent.name}
    assert [path.name for path in tmp_path.iterdir()] == ["anabranch-others"]
