"""Rows about the parts of a window: learner, allocation, features, codec, journal, link.

Rule of this file: each repetition is a clean process, and a row is the median over them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from benchmarks.clean import run_task
from benchmarks.rows import Row, Settings, measured

CALLS, CALLS_QUICK = 2_200, 110
BATCHES, BATCHES_QUICK = 200, 20
EVENTS = 1_000

Figures = dict[str, list[float]]


def learner(settings: Settings) -> list[Row]:
    """What an outcome and a decision cost, at 27 lanes."""
    us = _figures(settings, "learning", n=CALLS_QUICK if settings.is_quick else CALLS)
    pull = {"River LinUCBDisjoint.pull": us["river_pull"]}
    return [
        measured(
            "learner.apply_us",
            "learner: one outcome applied",
            us["apply"],
            "µs",
            references={"River LinUCBDisjoint.update": us["river_update"]},
        ),
        measured("learner.publish_us", "learner: one publish, 27 lanes", us["publish"], "µs", references=pull),
        measured("learner.both_us", "learner: one outcome applied and published", us["apply_publish"], "µs"),
        measured(
            "allocation.us",
            "router: one allocation over 16 lanes",
            us["allocate"],
            "µs",
            references={"plain twin of the split alone": us["split_plain"]},
        ),
        measured("features.frame_us", "features: one frame, 27 lanes", us["frame"], "µs"),
        measured("features.snapshot_us", "features: one snapshot, 15 venues", us["snapshot"], "µs"),
    ]


def codec(settings: Settings) -> list[Row]:
    """What 1,000 events cost as bytes."""
    got = _figures(settings, "codec", events=EVENTS)
    return [
        measured(
            f"codec.{key}",
            f"codec: 1,000 events, {what}",
            got[key],
            unit,
            references={"pickle": got[f"pickle_{key}"], "msgspec JSON": got[f"json_{key}"]},
        )
        for key, what, unit in (("bytes", "size", "bytes"), ("encode", "encode", "ms"), ("decode", "decode", "ms"))
    ]


def journal(settings: Settings) -> list[Row]:
    """How many events a second become durable, 32 at a time."""
    rows = []
    for durability, bare in (("power", "bare write and fdatasync"), ("process", "bare write")):
        batches = BATCHES_QUICK if settings.is_quick else BATCHES
        got = _figures(settings, "journal", durability=durability, batches=batches)
        rows.append(
            measured(
                f"journal.{durability}",
                f"SQLite journal, durability {durability}, batches of 32",
                got["journal"],
                "events/s",
                references={bare: got["bare"]},
            )
        )
    return rows


def link(settings: Settings) -> list[Row]:
    """How long an empty batch and its reply take."""
    us = _figures(settings, "link", n=CALLS_QUICK if settings.is_quick else CALLS)
    return [
        measured(
            "link.stream_us",
            "link: empty window there and back, stream to an actor",
            us["stream"],
            "µs",
            references={
                "Ray call": us["ray"],
                "one process": us["local"],
                "one process, journaled": us["journaled"],
            },
        )
    ]


def _figures(settings: Settings, task: str, **arguments: Any) -> Figures:
    runs: list[dict[str, float]] = [run_task(task, **arguments) for _ in range(settings.rounds)]
    return {name: [run[name] for run in runs] for name in runs[0]}


GROUPS: tuple[Callable[[Settings], list[Row]], ...] = (learner, codec, journal, link)
