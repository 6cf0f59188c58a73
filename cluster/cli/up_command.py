"""`anabranch up`, `status` and `down`: a live desk, from one configuration.

Rule of this file: `up` holds the desk until it is asked to end; what the others know of it stands in its state folder.
"""

from __future__ import annotations

import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from cluster.cli.exits import BAD_INPUT
from cluster.cli.options import Address, Config, Data, Json
from cluster.config import data_dir, load_config
from router.domain.errors import ConfigError, LinkError

if TYPE_CHECKING:
    # Importing these imports the engines, which `--help` does not need.
    from cluster.live.settings import LiveSettings
    from cluster.live.told import UpStatus

READY_TIMEOUT_S = 120.0
POLL_S = 0.2

COMING = ("starting", "journal", "market ", "desk:", "views:", "follower:", "session closed")
"""How that begins which a desk waits for without people."""

Port = Annotated[int | None, typer.Option(min=0, max=65_535, help="Where the door listens; 0: any free port.")]
Detach = Annotated[bool, typer.Option("--detach", help="Return once the desk is ready, and leave it up.")]


def up(
    config: Config = None, port: Port = None, data: Data = None, address: Address = None, detach: Detach = False
) -> None:
    """Bring a live desk up: venues, orders, learner, journal, market and an HTTP door. Ctrl-C brings it down."""
    configuration = load_config(config)
    changes: dict[str, Any] = {} if port is None else {"port": port}
    settings = _settings(config, changes)
    folder = configuration.data if data is None else data_dir(data, "--data")
    if detach:
        _detach(settings)
        return
    # Importing these imports Ray, which the other commands do not need.
    from cluster.live.bringing_up import up as hold_up
    from cluster.live.bringing_up import wait_for_end
    from cluster.live.starting import SettingsAt

    at = SettingsAt(file="" if config is None else str(config.resolve()), changes=changes)
    # Who is told to end while the desk starts ends what has been started, as an interrupted one does.
    signal.signal(signal.SIGTERM, _interrupt)
    typer.echo(f"starting actors ...{_first_time()}")
    with hold_up(settings, at, folder, address, configuration.ray) as desk:
        for note in desk.notes:
            typer.echo(f"note: {note}")
        how = _wait_ready(desk.url)
        typer.echo(f"{how}: {desk.opened.symbol} at {desk.url} (documentation: {desk.url}/docs; Ctrl-C ends it)")
        wait_for_end(desk)
        typer.echo("closing ...")


def status(config: Config = None, as_json: Json = False) -> None:
    """Show whether the desk is up and ready, and how every actor lives. Whoever owns its folder needs no key."""
    from cluster.cli.desk_status import desk_lines, desk_report
    from cluster.live.told import ask_told

    found = found_desk(config)
    try:
        ready = _get(f"{found.url}/readyz")
    except LinkError as exc:
        # How the actors live may say why.
        ready = {"is_ready": False, "waits_for": [f"door: {exc}"]}
    told = ask_told(found)
    if as_json:
        typer.echo(json.dumps(desk_report(found, ready, told)))
        return
    for line in desk_lines(found, ready, told, time.time_ns()):
        typer.echo(line)


def down(config: Config = None) -> None:
    """Bring the desk down: the door closes, what is under way is written down, orders stay in the journal."""
    from cluster.live.folder import is_held
    from cluster.live.told import ask_down, is_gone

    settings = _settings(config)
    asked = ask_down(settings.state)
    if asked is None:
        raise LinkError(f"expected a desk that is up, got none - at {settings.state}")
    deadline = time.monotonic() + READY_TIMEOUT_S
    # The folder is let go when nothing is left running, and not before.
    while is_held(settings.state) or not is_gone(asked.pid):
        if time.monotonic() > deadline:
            raise LinkError(f"expected process {asked.pid} to end within {READY_TIMEOUT_S:.0f} s, got it still there")
        time.sleep(POLL_S)
    typer.echo("down")


def _first_time() -> str:
    """Return what to know of a start that takes long: nothing where kernels have been compiled before."""
    import venues

    kept = os.environ.get("NUMBA_CACHE_DIR") or Path(venues.__file__).parent
    is_compiled = next(Path(kept).rglob("*.nbi"), None) is not None
    return "" if is_compiled else " (the first time kernels are compiled, which takes a minute or two)"


def _interrupt(number: int, _: object) -> NoReturn:
    raise KeyboardInterrupt


def _settings(config: Path | None, changes: dict[str, Any] | None = None) -> LiveSettings:
    from cluster.live.settings import live_settings

    return live_settings(config, changes)


def found_desk(config: Path | None) -> UpStatus:
    """Return who holds the desk of a configuration up.

    Raises:
        LinkError: nobody does.
    """
    from cluster.live.told import read_status

    settings = _settings(config)
    found = read_status(settings.state)
    if found is None:
        raise LinkError(f"expected a desk that is up, got none - at {settings.state}")
    return found


def _detach(settings: LiveSettings) -> None:
    """Start the same command in the background, and wait until an order would be accepted."""
    from cluster.live.folder import claim_folder
    from cluster.live.told import read_status

    claim_folder(settings.state)
    log = settings.state / "up.log"
    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    with log.open("ab") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "cluster.cli", *arguments], stdout=out, stderr=out, start_new_session=True
        )
    deadline = time.monotonic() + READY_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            said = _last_line(log)
            if process.returncode == BAD_INPUT:
                raise ConfigError(said.removeprefix("error: "))
            raise LinkError(f"expected the desk to come up, got {said} - see {log}")
        found = read_status(settings.state)
        if found is not None and found.pid == process.pid:
            how = _wait_ready(found.url)
            typer.echo(f"{how}: {found.symbol} at {found.url} (log: {log}; `anabranch down` ends it)")
            return
        time.sleep(POLL_S)
    raise LinkError(f"expected the desk to be up within {READY_TIMEOUT_S:.0f} s, got it still starting - see {log}")


def _last_line(log: Path) -> str:
    lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1] if lines else "nothing"


def _wait_ready(url: str) -> str:
    """Return "ready" when an order would be accepted, or else what people must lift before one is: for that they need
    the desk up.

    Raises:
        LinkError: it does not come for too long; names what is waited for.
    """
    deadline = time.monotonic() + READY_TIMEOUT_S
    while True:
        said = _get(f"{url}/readyz")
        waits_for = [str(words) for words in said.get("waits_for", ())]
        if said.get("is_ready"):
            return "ready"
        if waits_for and not any(words.startswith(COMING) for words in waits_for):
            return f"up, and takes no order ({', '.join(waits_for)})"
        if time.monotonic() > deadline:
            raise LinkError(f"expected the desk to be ready, got it waiting for {waits_for} - at {url}")
        time.sleep(POLL_S)


def _get(url: str) -> dict[str, Any]:
    try:
        # The desk's own door on this machine: its certificate is for the names that others know it by.
        context = ssl._create_unverified_context() if url.startswith("https:") else None
        with urllib.request.urlopen(url, timeout=5.0, context=context) as answer:
            said: dict[str, Any] = json.load(answer)
    except urllib.error.HTTPError as exc:
        said = json.loads(exc.read() or b"{}")
    except (OSError, ValueError) as exc:
        raise LinkError(f"expected an answer, got {exc} - at {url}") from exc
    return said
