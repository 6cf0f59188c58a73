"""What runs inside a clean process: `python -m benchmarks.tasks TASK ARGUMENTS RESULT`.

Rule of this file: a task imports what it measures and nothing else, so that a figure has one cause.
"""

from __future__ import annotations

import json
import resource
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal


def command(arguments: list[str]) -> dict[str, float]:
    """Run one `anabranch` command line in this process; say what it used."""
    from cluster.cli import main

    code = main(arguments)
    sys.stdout.flush()
    if code:
        raise SystemExit(code)
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu_s": used.ru_utime + used.ru_stime, "peak_mb": _peak_mb()}


def digest(scenario: str, where: str) -> str:
    """Replay a scenario of the library at its own seed in one process, on local Ray or on three nodes."""
    from scenarios.scenario import load_scenario

    loaded = load_scenario(scenario)
    seed = loaded.file.seed
    if where == "one process":
        from scenarios.runner import run

        return run(loaded, seed=seed).digest
    from cluster.replay import replay

    if where == "local Ray":
        return replay(loaded, runtime="ray", seed=seed).digest
    import os

    from ray.cluster_utils import Cluster

    os.environ["RAY_worker_niceness"] = "0"
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        for _ in range(2):
            cluster.add_node(num_cpus=1)
        cluster.wait_for_nodes()
        return replay(loaded, runtime="ray", address=cluster.address, seed=seed).digest
    finally:
        cluster.shutdown()


def learning(n: int) -> dict[str, float]:
    """Time the learner, the allocation and the features: microseconds by name."""
    from benchmarks import learning as timed

    return timed.all_us(n)


def codec(events: int) -> dict[str, float]:
    """Time the codec on real events: milliseconds and bytes by name."""
    from benchmarks import storage

    return storage.codec(events)


def journal(durability: Literal["power", "process"], batches: int) -> dict[str, float]:
    """Time durable writes: events a second by name."""
    from benchmarks import storage

    return storage.journal(durability, batches)


def group_commit(place: str, folder: str, batch: int, rounds: int) -> dict[str, float]:
    """Time commits of many callers to one journal: records a second and waits by name."""
    from benchmarks import journal as timed

    return timed.all_figures(place, folder, batch, rounds)


def link(n: int) -> dict[str, float]:
    """Time round trips of an empty batch: microseconds by name."""
    from benchmarks import round_trips

    return round_trips.all_us(n)


def tape_merges(events: int) -> dict[str, float]:
    """Time the merges of sixteen made-up streams: nanoseconds an event by name."""
    from benchmarks import tape_replay

    return tape_replay.merges_ns(events)


def tape_queue(path: str) -> float:
    """Time a recorded day of orders through its venue: nanoseconds an event."""
    from benchmarks import tape_replay

    return tape_replay.queue_ns(path)


def book(live: int, n: int, n_others: int) -> dict[str, float]:
    """Time limit order books: CPU nanoseconds a message by name."""
    from benchmarks import book as timed

    return timed.all_ns(live, n, n_others)


TASKS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (command, digest, learning, codec, journal, group_commit, link, book, tape_merges, tape_queue)
}


def _peak_mb() -> float:
    """Return the peak of this program's memory. What `getrusage` gives may be that of the parent it was forked from."""
    status = Path("/proc/self/status")
    if status.exists():
        for line in status.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    task, arguments, result = sys.argv[1:]
    Path(result).write_text(json.dumps(TASKS[task](**json.loads(arguments))), encoding="utf-8")
