"""Rows about whole replays: the recorded day and the smoke scenario, in one process and on local Ray, and digests.

Rule of this file: a command is timed from the start of its process to its end, report and start-up included; what
the run says of itself stands in rows of its own.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from benchmarks.clean import Command, run_command, run_task
from benchmarks.rows import Row, Settings, measured, skipped
from cluster.config import LINKS

TAPE, TAPE_FOLDER = "tape_day", "us_taq_venue_bbo_2018"
SMALL = "smoke"

TAPE_WALL_S, TAPE_DECISIONS, TAPE_PEAK_MB, TAPE_RAY_WALL_S, SMALL_RUN_S = 20.0, 2_000.0, 1_536.0, 120.0, 2.0
"""The figures to reach."""

PLACES = (("one process", "0"), ("one process", "1"), ("local Ray", "0"), ("three nodes", "0"))
"""Where the smoke scenario must give one digest, with the hash seed of the process."""

_IDS = (
    ("tape.wall_s", "command in one process", "s", TAPE_WALL_S),
    ("tape.run_s", "the run's own wall time", "s", None),
    ("tape.events", "market events", "events", None),
    ("tape.decisions", "decisions, at least", "decisions", TAPE_DECISIONS),
    ("tape.peak_mb", "peak memory of the process", "MB", TAPE_PEAK_MB),
    ("tape.cpu_s", "CPU of the process", "s", None),
    ("tape.ray_stream_s", "command on local Ray, stream link", "s", TAPE_RAY_WALL_S),
    ("tape.ray_call_s", "command on local Ray, Ray calls", "s", None),
    ("tape.digests", "different digests of these runs", "digests", 1.0),
)


def tape(settings: Settings) -> list[Row]:
    """Replay the recorded day, or where it is quick the smoke scenario in its place, without figures to reach."""
    name = SMALL if settings.is_quick else TAPE
    if not settings.is_quick and not (settings.data and (settings.data / TAPE_FOLDER).is_dir()):
        return [skipped(id, f"{TAPE}: {what}", unit, "no recorded data", bound) for id, what, unit, bound in _IDS]
    runs = {"one process": _replays(name, settings, "inprocess")}
    for done, link in enumerate(LINKS, start=1):
        settings.progress(done / 3, f"{name} on local Ray, link {link}")
        runs[link] = _replays(name, settings, "ray", link)
    ours = runs["one process"]
    values: dict[str, Sequence[float]] = {
        "tape.wall_s": [run.wall_s for run in ours],
        "tape.run_s": [run.printed["wall_s"] for run in ours],
        "tape.events": [run.printed["events"] for run in ours],
        "tape.decisions": [run.printed["decisions"] for run in ours],
        "tape.peak_mb": [run.peak_mb for run in ours],
        "tape.cpu_s": [run.cpu_s for run in ours],
        "tape.ray_stream_s": [run.wall_s for run in runs["stream"]],
        "tape.ray_call_s": [run.wall_s for run in runs["ray"]],
        "tape.digests": [len({run.printed["digest"] for group in runs.values() for run in group})],
    }
    # A small run promises nothing about time, but its digests are as equal as any.
    kept = ("tape.digests",) if settings.is_quick else tuple(values)
    return [_row(id, f"{name}: {what}", values, unit, bound if id in kept else None) for id, what, unit, bound in _IDS]


def _row(id: str, what: str, values: Mapping[str, Sequence[float]], unit: str, bound: float | None) -> Row:
    alone = {"one process": values["tape.wall_s"]} if "ray" in id else {}
    if id == "tape.decisions":
        return measured(id, what, values[id], unit, at_least=bound)
    return measured(id, what, values[id], unit, references=alone, at_most=bound)


def small(settings: Settings) -> list[Row]:
    """Replay the smoke scenario from warm caches: its second run and those after."""
    _replays(SMALL, settings._replace(repeat=1), "inprocess")
    runs = _replays(SMALL, settings, "inprocess")
    return [
        measured(
            "smoke.run_s",
            "smoke: the run's own wall time, warm caches",
            [run.printed["wall_s"] for run in runs],
            "s",
            at_most=SMALL_RUN_S,
        ),
        measured("smoke.command_s", "smoke: command in one process", [run.wall_s for run in runs], "s"),
    ]


def digests(settings: Settings) -> list[Row]:
    """Replay the smoke scenario everywhere it may run; every digest must be the same."""
    found = []
    for done, (where, hash_seed) in enumerate(PLACES):
        settings.progress(done / len(PLACES), f"{SMALL} on {where}")
        found.append(run_task("digest", {"PYTHONHASHSEED": hash_seed}, scenario=SMALL, where=where))
    what = "smoke: different digests of one process twice (hash seeds 0, 1), local Ray and three Ray nodes"
    return [measured("smoke.digests", what, [len(set(found))], "digests", at_most=1.0)]


def _replays(name: str, settings: Settings, runtime: str, link: str = "") -> list[Command]:
    runs = []
    for _ in range(settings.rounds):
        with tempfile.TemporaryDirectory(prefix="anabranch-bench-") as folder:
            arguments = ["replay", name, "--runtime", runtime, "--out", f"{folder}/run"]
            if settings.data is not None:
                arguments += ["--data", str(settings.data.resolve())]
            if link:
                config = Path(folder) / "anabranch.toml"
                config.write_text(f'[ray]\nlink = "{link}"\n', encoding="utf-8")
                arguments += ["--config", str(config)]
            runs.append(run_command(arguments))
    return runs


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (tape, small, digests)
