"""Directories that a command reads and writes, checked before the work starts.

Rule of this file: a run of minutes never ends because its last step finds no place to write.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from cluster.config import Configuration, data_dir
from router.domain.errors import BadInputError, bad_value

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def writable_dir(path: Path, where: str) -> Path:
    """Return the directory `path`, made if need be.

    Raises:
        BadInputError: it cannot be made, is no directory, or cannot be written.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / f".write-probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except (OSError, ValueError) as exc:
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise BadInputError(
            f"expected a directory that can be written, got {reason}: {str(path)!r} - at {where}"
        ) from exc
    return path


def run_dir(path: Path, where: str) -> Path:
    """Return `path` if a run can be written there: it is new, empty or holds an earlier run. Nothing is made there.

    Raises:
        BadInputError: it holds something else, or the folder above it cannot be written.
    """
    if path == Path():
        raise BadInputError(bad_value(where, "a folder for the run", str(path)))
    writable_dir(path.parent, where)
    if path.exists() and not (path.is_dir() and (next(path.iterdir(), None) is None or _is_run(path))):
        raise BadInputError(bad_value(where, "a new folder or an earlier run's", str(path)))
    return path


def _is_run(path: Path) -> bool:
    return (path / "summary.json").is_file()


def name_part(text: str, where: str) -> str:
    """Return `text` if it can be part of a folder's name.

    Raises:
        BadInputError: empty, or with a character outside letters, digits and `_.-`.
    """
    if not _NAME.fullmatch(text):
        raise BadInputError(bad_value(where, "a name of letters, digits and _.-", text))
    return text


def chosen_data(option: Path | None, config: Configuration) -> Path | None:
    """Return the data directory: the option's, else the configured one, else None.

    Raises:
        ConfigError: the option's directory does not exist.
    """
    return config.data if option is None else data_dir(option, "--data")


def recorded_path(path: str, root: Path | None, where: str) -> Path:
    """Return where recorded data is: at `path` itself, or there below the data directory `root`.

    Raises:
        BadInputError: it is in neither place.
    """
    places = [Path(path), *([] if root is None else [root / path])]
    try:
        found = next((place for place in places if place.exists()), None)
    except (OSError, ValueError):
        found = None
    if found is None:
        raise BadInputError(bad_value(where, f"a file or folder, here or in {root}", path))
    return found
