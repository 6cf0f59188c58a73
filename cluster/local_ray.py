"""Ray on this machine, for one run or one desk: on loopback alone, behind a token, in a folder of its own; or a cluster
that is there already, joined by its address.

Rule of this file: a cluster that was not started here is joined and left running; one that was started here listens on
loopback only, takes nobody without its token, and ends with the block.

Ray's services, workers and agents listen where their node's address says. By itself Ray never takes loopback for it
(`ray.init` turns 127.0.0.1 into an address that others reach), unless it is told that there is no cluster here: then
every port of it is a port of loopback. Its sockets and logs lie in a folder that Ray opens to everybody, so that the
folder around it is closed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
import shutil
import signal
import socket
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cluster.config import RayOptions
from router.domain.errors import ConfigError, bad_value

LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN_FILE = "ray.token"
PORT_MAX = 65_535
CONNECT_TIMEOUT_S = 5.0

PREFIX, OWNER_FILE = "anabranch-", "owner"
"""The folder of a cluster that is started here, and in it a file that is locked while its owner lives."""

TEMPORARY = Path("/tmp")
"""Sockets' paths may be 107 characters long, and Ray's own part of them takes 66: a folder further down is too far."""


@contextlib.contextmanager
def local_ray(address: str | None, options: RayOptions, folder: Path | None = None) -> Iterator[None]:
    """Join the cluster at `address`, or start one in this machine that ends with the block.

    `folder` is where the token of a cluster that is started here lies, for its owner alone; none: in the cluster's own.

    Raises:
        ConfigError: nobody listens at `address`, what listens is no Ray cluster, or Ray cannot start here.
    """
    # Ray's workers are nice by default, and starve beside anything that is not.
    os.environ["RAY_worker_niceness"] = str(options.worker_niceness)
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    with contextlib.ExitStack() as stack:
        if address is None:
            home = stack.enter_context(loopback_cluster(folder))
            _init("local", include_dashboard=False, _temp_dir=str(home))
        else:
            _check_listening(address)
            if _is_for_this_machine(address):
                stack.enter_context(_on_loopback())
            _init(address)
        stack.callback(_shutdown)
        yield


@contextlib.contextmanager
def loopback_cluster(folder: Path | None = None) -> Iterator[Path]:
    """Let whatever cluster is started in the block be on loopback and behind a token; return a folder for its files.

    Raises:
        ConfigError: the token cannot be written.
    """
    temporary = TEMPORARY if TEMPORARY.is_dir() else Path(tempfile.gettempdir())
    _sweep(temporary)
    own = Path(tempfile.mkdtemp(prefix=PREFIX, dir=temporary))
    held = _hold(own / OWNER_FILE)
    try:
        token = _write_token(folder or own)
        # A token that Ray finds in the environment itself would go before the file.
        variables = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_AUTH_TOKEN": None}
        with _environment(variables), _on_loopback():
            yield own / "ray"
    finally:
        _end_rest(own)
        shutil.rmtree(own, ignore_errors=True)
        os.close(held)


def _hold(path: Path) -> int:
    """Hold a file for as long as this process lives; return its descriptor."""
    fresh = path.with_suffix(".fresh")
    held = os.open(fresh, os.O_RDWR | os.O_CREAT, 0o600)
    fcntl.flock(held, fcntl.LOCK_EX)
    # Nobody finds it before it is held.
    fresh.replace(path)
    return held


def _sweep(temporary: Path) -> None:
    """Remove what clusters left whose owner was killed: nobody else knows of it, and nobody holds it any more."""
    for left in temporary.glob(f"{PREFIX}*/{OWNER_FILE}"):
        # Another user's cannot be opened, and one that is just being removed is gone.
        with contextlib.suppress(OSError):
            found = os.open(left, os.O_RDWR)
            try:
                fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _end_rest(left.parent)
                shutil.rmtree(left.parent, ignore_errors=True)
            finally:
                os.close(found)


def _end_rest(folder: Path) -> None:
    """End what Ray has left running: its agents look for it for a minute when it was ended while it started.

    Whoever has a file of the cluster's own folder open belongs to it.
    """
    for process in Path("/proc").glob("[0-9]*"):
        pid = int(process.name)
        with contextlib.suppress(OSError):
            # Another user's process, or one that has just ended, shows nothing.
            is_of_it = any(link.readlink().is_relative_to(folder) for link in (process / "fd").iterdir())
            if is_of_it and pid != os.getpid():
                os.kill(pid, signal.SIGKILL)


def _write_token(folder: Path) -> Path:
    path = folder.resolve() / TOKEN_FILE
    try:
        # One for each life of the cluster; whoever held the file open sees nothing of the new one.
        path.unlink(missing_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_hex(32))
    except OSError as exc:
        raise ConfigError(f"expected a folder for Ray's token, got {exc.strerror} - at {path}") from exc
    return path


@contextlib.contextmanager
def _environment(changes: dict[str, str | None]) -> Iterator[None]:
    """Change variables for a while, and let Ray read them again where it has read them before."""
    before = {name: os.environ.get(name) for name in changes}
    _set(changes)
    try:
        yield
    finally:
        _set(before)


def _set(variables: dict[str, str | None]) -> None:
    for name, value in variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    import ray

    _raylet: Any = ray._raylet
    loader = getattr(_raylet, "AuthenticationTokenLoader", None)
    if loader is not None:
        # Older Rays know no tokens, and keep nothing of them.
        _raylet.Config.initialize("")
        loader.instance().reset_cache()


@contextlib.contextmanager
def _on_loopback() -> Iterator[None]:
    """Tell Ray that its nodes are for this machine alone; it is told otherwise again at the end."""
    from ray._private import ray_constants

    before = ray_constants.ENABLE_RAY_CLUSTER
    ray_constants.ENABLE_RAY_CLUSTER = False
    try:
        yield
    finally:
        ray_constants.ENABLE_RAY_CLUSTER = before


def _init(address: str, **more: object) -> None:
    import ray

    on_term = signal.getsignal(signal.SIGTERM)
    try:
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            runtime_env={"env_vars": {"PYTHONHASHSEED": "0"}},
            **more,
        )
    except Exception as exc:
        # Ray has many ways not to start, one of them a plain Exception.
        if address != "local":
            raise ConfigError(bad_value("address", "the address of a running Ray cluster", address)) from exc
        _shutdown()
        raise ConfigError(f"expected Ray to start on this machine, got {type(exc).__name__}: {_first(exc)}") from exc
    if callable(on_term) and threading.current_thread() is threading.main_thread():
        # Ray's own way ends its processes before ours are done with them.
        signal.signal(signal.SIGTERM, on_term)
    where = ray.util.get_node_ip_address()
    if address == "local" and where not in LOOPBACK:
        _shutdown()
        raise ConfigError(f"expected Ray to listen on loopback alone, got a node at {where}")


def node_addresses() -> list[str]:
    """Return where the living nodes of the cluster that was joined listen."""
    import ray

    return [str(node["NodeManagerAddress"]) for node in ray.nodes() if node["Alive"]]


def _shutdown() -> None:
    import ray

    ray.shutdown()


def _first(exc: Exception) -> str:
    return next((line.strip() for line in str(exc).splitlines() if line.strip()), "no reason")


def _is_for_this_machine(address: str) -> bool:
    """Whether a cluster is reached on loopback alone: Ray takes 127.0.0.1 for the machine's other address by itself."""
    from ray._private import services

    host, _, port = address.removeprefix("ray://").rpartition(":")
    if host not in LOOPBACK:
        return False
    try:
        socket.create_connection((services.get_node_ip_address(), int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError:
        return True
    return False


def _check_listening(address: str) -> None:
    """Ray itself tries an address for many minutes; a cluster that is there accepts a connection at once."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    expected = "HOST:PORT of a running Ray cluster"
    if not host or not port.isdecimal() or int(port) > PORT_MAX:
        raise ConfigError(bad_value("address", expected, address))
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_S).close()
    except OSError as exc:
        raise ConfigError(f"{bad_value('address', expected, address)} ({exc.strerror or exc})") from exc
